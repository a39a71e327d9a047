import type { ChatRequest, Endpoint } from '../core/index.ts'

type IsSet = (request: ChatRequest, endpoint: Endpoint) => boolean

/** By the name that a caller of the chat surface knows it by: whether a request asks for something by it. */
const IS_SET = {
  frequency_penalty: ({ sampling }) => sampling.frequency_penalty !== undefined,
  presence_penalty: ({ sampling }) => sampling.presence_penalty !== undefined,
  repetition_penalty: ({ sampling }) => sampling.repetition_penalty !== undefined,
  min_p: ({ sampling }) => sampling.min_p !== undefined,
  top_a: ({ sampling }) => sampling.top_a !== undefined,
  seed: ({ seed }) => seed !== undefined,
  logit_bias: ({ logitBias }) => logitBias !== undefined,
  logprobs: ({ logprobs }) => Boolean(logprobs),
  top_logprobs: ({ topLogprobs }) => Boolean(topLogprobs),
  n: ({ choices }) => (choices ?? 1) > 1,
  reasoning: ({ reasoning }) => reasoning !== undefined && reasoning.enabled !== false && reasoning.effort !== 'none',
  parallel_tool_calls: ({ parallelToolCalls }) => parallelToolCalls === false,
  modalities: ({ modalities }) => modalities?.some((modality) => modality !== 'text') ?? false,
  prediction: ({ prediction }) => prediction !== undefined,
  verbosity: ({ verbosity }) => verbosity !== undefined,
  prompt_cache_key: ({ cacheKey }) => cacheKey !== undefined,
  // The tier of the endpoint's own row is served by being there.
  service_tier: ({ serviceTier }, { tier }) => serviceTier !== undefined && serviceTier !== 'auto' && serviceTier !== tier,
} satisfies Record<string, IsSet>

/** Adds to `dropped` those of `names`, which have no word in the provider's format, that the request sets. */
export function dropUnspoken(names: readonly (keyof typeof IS_SET)[], request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): void {
  for (const name of names) if ((IS_SET[name] as IsSet)(request, endpoint)) dropped.add(name)
}
