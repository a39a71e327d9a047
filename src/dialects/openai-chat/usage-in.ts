import { ceilToNano, count, nanoFromUsd, usage as makeUsage, type Nano, type Usage } from '../../core/index.ts'
import { isObject } from './foreign.ts'
import type { Flags } from './quirks.ts'
import type { Loose } from './wire.ts'

/** Where a chunk or a reply may keep its usage: at the top, in `x_groq`, or in the last choice (Moonshot). */
export function usageIn(value: Loose): Loose | undefined {
  if (isObject(value['usage'])) return value['usage']
  const groq = value['x_groq']
  if (isObject(groq) && isObject(groq['usage'])) return groq['usage']
  const choices = value['choices']
  const last = Array.isArray(choices) ? choices.at(-1) : undefined
  return isObject(last) && isObject(last['usage']) ? last['usage'] : undefined
}

/**
 * Usage in the one meaning: the prompt includes what was cached, the completion includes reasoning.
 * `timings` is llama.cpp's, which tells cache hits only there.
 */
export function readUsage(it: Loose, flags: Flags, timings?: unknown): Usage {
  const prompt = details(it['prompt_tokens_details'] ?? it['prompt_token_details'] ?? it['input_tokens_details'])
  const completion = details(it['completion_tokens_details'] ?? it['output_tokens_details'])
  const cacheRead = count(prompt['cached_tokens'] ?? it['cached_tokens'] ?? it['prompt_cache_hit_tokens'] ?? details(timings)['cache_n'])
  const cacheWrite = count(prompt['cache_write_tokens'] ?? prompt['cache_creation_tokens'] ?? prompt['cache_creation_input_tokens'])
  const stated = count(it['prompt_tokens'] ?? it['input_tokens'])
  const completed = count(it['completion_tokens'] ?? it['output_tokens'])
  const total = count(it['total_tokens'])
  let reasoning = count(completion['reasoning_tokens'] ?? it['reasoning_tokens'])
  // xAI counts reasoning beside the completion (12 + 1 with 228 of reasoning, in all 241). Where the total says
  // which it is, the total is believed; Google's compatible endpoint tells reasoning by the total alone.
  let outside = reasoning > 0 && total === stated + completed + reasoning
  if (flags.reasoningOutside && !outside) {
    if (reasoning === 0 && total > stated + completed) reasoning = total - stated - completed
    outside = total !== stated + completed
  }
  const input = cacheRead > stated ? stated + cacheRead : stated
  return makeUsage(
    {
      total: input, cacheRead, cacheWrite5m: cacheWrite, audio: count(prompt['audio_tokens']),
      image: count(prompt['image_tokens']), video: count(prompt['video_tokens']),
    },
    {
      total: completed + (outside ? reasoning : 0), reasoning, audio: count(completion['audio_tokens']), image: count(completion['image_tokens']),
      predictionAccepted: count(completion['accepted_prediction_tokens']), predictionRejected: count(completion['rejected_prediction_tokens']),
    },
    billedOf(it),
  )
}

const NOTHING_BILLED = Object.freeze({})

/** What is billed beside tokens, and the cost where the provider states it. */
function billedOf(it: Loose): { services?: Record<string, number>; stated?: Nano } {
  const searches = count(
    details(it['server_tool_use_details'] ?? it['server_tool_use'])['web_search_requests'] ?? it['num_search_queries'] ?? it['num_sources_used'],
  )
  const stated = statedCost(it)
  if (searches === 0 && stated === null) return NOTHING_BILLED
  return { ...(searches > 0 && { services: { web_search: searches } }), ...(stated !== null && { stated }) }
}

const ATTO_PER_TICK = 100_000_000n

/** The cost that the provider itself states: dollars (OpenRouter), an object (Perplexity), or ticks of 10⁻¹⁰ dollars (xAI). */
function statedCost(it: Loose): Nano | null {
  const ticks = it['cost_in_usd_ticks']
  if (typeof ticks === 'number' && Number.isSafeInteger(ticks) && ticks >= 0) return ceilToNano(BigInt(ticks) * ATTO_PER_TICK)
  return nanoFromUsd(isObject(it['cost']) ? it['cost']['total_cost'] : it['cost'])
}

const NOTHING: Loose = Object.freeze({})
const details = (value: unknown): Loose => (isObject(value) ? value : NOTHING)
