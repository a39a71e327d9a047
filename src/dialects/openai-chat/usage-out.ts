import { usdFromAtto, usdFromNano, type Charge, type JsonObject, type Usage } from '../../core/index.ts'
import { serverToolCounts } from '../server-tools.ts'

/**
 * Usage as callers read it. Details are numbers or absent, never null, and both inference costs are always there:
 * OpenRouter's SDK throws otherwise.
 */
export function writeUsage(usage: Usage, charge: Charge | undefined): JsonObject {
  const { input, output, services } = usage
  return {
    prompt_tokens: input.total,
    completion_tokens: output.total,
    total_tokens: input.total + output.total,
    cost: charge ? usdFromNano(charge.total) : 0,
    is_byok: false,
    prompt_tokens_details: {
      cached_tokens: input.cacheRead,
      cache_write_tokens: input.cacheWrite5m + input.cacheWrite1h,
      audio_tokens: input.audio,
      video_tokens: input.video,
    },
    completion_tokens_details: {
      reasoning_tokens: output.reasoning,
      image_tokens: output.image,
      audio_tokens: output.audio,
      accepted_prediction_tokens: someOf(output.predictionAccepted),
      rejected_prediction_tokens: someOf(output.predictionRejected),
    },
    cost_details: {
      upstream_inference_cost: null,
      upstream_inference_prompt_cost: charge ? usdFromAtto(charge.prompt) : 0,
      upstream_inference_completions_cost: charge ? usdFromAtto(charge.completion) : 0,
      hedge_cost: charge?.hedge ? usdFromNano(charge.hedge) : undefined,
      retry_cost: charge?.retries ? usdFromNano(charge.retries) : undefined,
      coalesced_cost: charge?.coalesced === undefined ? undefined : usdFromNano(charge.coalesced),
      server_tool_cost: charge && charge.services > 0n ? usdFromAtto(charge.services) : undefined,
    },
    server_tool_use_details: serverToolCounts(services),
  }
}

/** A count that is left out where it is 0: JSON leaves out what is undefined. */
const someOf = (count: number): number | undefined => (count > 0 ? count : undefined)
