import type { Endpoint, MaxOutput, Need, Preferences, UnsupportedParameters } from '../core/index.ts'

/** How a request is made to fit an endpoint that does not take all of it. */
export interface Fit {
  /**
   * An endpoint that gives fewer output tokens than the caller's bound. `clamp`: it stays, and is asked for what it
   * gives. `drop`: it is left out, as OpenRouter does. `refuse`: it is left out, and when none is left the request is
   * refused with a 400 that names the bound.
   */
  readonly maxOutput: MaxOutput
  /**
   * Parameters that an endpoint is not known to honour. `drop`: they are taken out for it. `keep`: they are sent all
   * the same, where its dialect has a word for them. `refuse`: it is left out, and when none is left the request is
   * refused with a 400 that names them.
   */
  readonly unsupportedParameters: UnsupportedParameters
}

/** What holds for a request: its own word or its key's, else the operator's. */
export function fitOf({ maxOutput, unsupportedParameters }: Preferences, policy: Fit): Fit {
  if (maxOutput === undefined && unsupportedParameters === undefined) return policy
  return {
    maxOutput: maxOutput ?? policy.maxOutput,
    unsupportedParameters: unsupportedParameters ?? policy.unsupportedParameters,
  }
}

/** The most output tokens that an endpoint offers beside a prompt of so many; null where no limit is known. */
export function outputOffered({ maxOutputTokens, contextLength }: Endpoint, inputTokens: number): number | null {
  if (contextLength === null) return maxOutputTokens
  const room = Math.max(1, contextLength - inputTokens)
  return maxOutputTokens === null || room < maxOutputTokens ? room : maxOutputTokens
}

/** Output tokens that the caller's bound takes from the window: no more than the endpoint gives in any case. */
export function outputShare(endpoint: Endpoint, need: Need): number {
  const bound = need.outputBound ?? 0
  return endpoint.maxOutputTokens !== null && endpoint.maxOutputTokens < bound ? endpoint.maxOutputTokens : bound
}

/**
 * Whether the window leaves less than half of the output that was asked for. An answer that ends early is worth less
 * than one at another price, so such an endpoint stands behind those that have the room.
 */
export function isCramped(endpoint: Endpoint, need: Need): boolean {
  if (!need.outputBound || endpoint.contextLength === null) return false
  return (endpoint.contextLength - need.inputTokens) * 2 < outputShare(endpoint, need)
}
