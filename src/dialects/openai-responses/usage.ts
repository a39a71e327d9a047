import { ceilToNano, count, nanoFromUsd, usage as makeUsage, usdFromAtto, usdFromNano, type Charge, type JsonObject, type Nano, type Usage } from '../../core/index.ts'
import { serverToolCounts } from '../server-tools.ts'
import { isObject, type Loose } from './wire.ts'

/** Usage as callers of this format read it. All details are numbers; both inference costs are always there. */
export function writeUsage(usage: Usage, charge: Charge | undefined): JsonObject {
  const { input, output, services } = usage
  return {
    input_tokens: input.total,
    input_tokens_details: { cached_tokens: input.cacheRead, cache_write_tokens: input.cacheWrite5m + input.cacheWrite1h },
    output_tokens: output.total,
    output_tokens_details: { reasoning_tokens: output.reasoning },
    total_tokens: input.total + output.total,
    cost: charge ? usdFromNano(charge.total) : 0,
    is_byok: false,
    cost_details: {
      upstream_inference_cost: null,
      upstream_inference_input_cost: charge ? usdFromAtto(charge.prompt) : 0,
      upstream_inference_output_cost: charge ? usdFromAtto(charge.completion) : 0,
      server_tool_cost: charge && charge.services > 0n ? usdFromAtto(charge.services) : undefined,
    },
    server_tool_use_details: serverToolCounts(services),
  }
}

const ATTO_PER_TICK = 100_000_000n

/**
 * Usage as providers of this format tell it: totals include what was cached and reasoned (xAI too, otherwise than in its
 * chat). `searches` are the web searches that the output shows; they are billed beside tokens and counted nowhere else.
 */
export function readUsage(it: Loose, searches: number): Usage {
  const input = details(it['input_tokens_details'])
  const output = details(it['output_tokens_details'])
  const stated = statedCost(it)
  return makeUsage(
    { total: count(it['input_tokens']), cacheRead: count(input['cached_tokens']), cacheWrite5m: count(input['cache_write_tokens']) },
    { total: count(it['output_tokens']), reasoning: count(output['reasoning_tokens']) },
    { ...(searches > 0 && { services: { web_search: searches } }), ...(stated !== null && { stated }) },
  )
}

/** The cost that the provider itself states: dollars (OpenRouter) or ticks of 10⁻¹⁰ dollars (xAI). */
function statedCost(it: Loose): Nano | null {
  const ticks = it['cost_in_usd_ticks']
  if (typeof ticks === 'number' && Number.isSafeInteger(ticks) && ticks >= 0) return ceilToNano(BigInt(ticks) * ATTO_PER_TICK)
  return nanoFromUsd(it['cost'])
}

const NOTHING: Loose = Object.freeze({})
const details = (value: unknown): Loose => (isObject(value) ? value : NOTHING)
