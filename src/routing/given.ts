import type { Standing } from './circuit.ts'
import type { Sticky } from './affinity.ts'
import type { Fit } from './fit.ts'
import type { Coalesce, Credential, EndpointId, Measured, ModelId, Percentiles, Preferences } from '../core/index.ts'

/** What was measured at one endpoint in the last minutes; a group is null when nothing was measured in it. */
export interface Figures {
  /** Milliseconds to the first token; `p90` is what 90 % of requests did not exceed. */
  readonly latency: Required<Percentiles> | null
  /** Output tokens per second; `p90` is what 90 % of requests reached, so it is below `p50`. */
  readonly throughput: Required<Percentiles> | null
  /** How many answers the figures rest on. */
  readonly samples: number
}

/** What a plan asks of health. The last questions may be left out: then no key ever rests, no endpoint is ever out, and none is slow. */
export interface HealthView {
  /** Whether the endpoint had a significant outage within the window. */
  unstable(endpoint: EndpointId, now: number): boolean
  figures(endpoint: EndpointId, now: number): Figures | null
  /**
   * Until when (ms epoch) this key should be left alone at this endpoint: the provider said so with a 429, or refused
   * the key. Not later than `now` means that it may be used.
   */
  restsUntil?(endpoint: EndpointId, credential: string, now: number): number
  /** Where an endpoint stands that kept failing; null for all others. */
  standing?(endpoint: EndpointId, now: number): Standing | null
  /**
   * The milliseconds to the first token that so many percent of the latest answers did not exceed, among streams or
   * among whole answers, and how many answers that rests on; null when there were none.
   */
  latencyAt?(endpoint: EndpointId, percentile: number, streamed: boolean, now: number): { readonly ms: number; readonly samples: number } | null
}

/** The operator's part of the rules. */
export interface RoutingPolicy extends Fit {
  /** How long a significant outage keeps an endpoint behind the others, in ms. */
  readonly outageWindowMs: number
  readonly attemptsPerModel: number
  readonly attemptsInAll: number
  /** Output tokens that a request is taken to need when prices are compared; the caller's bound lowers it. */
  readonly expectedOutputTokens: number
  /** Output tokens that the worst cost counts where neither the caller nor the endpoint knows a limit. */
  readonly unboundedOutputTokens: number
  /** How many times the cost of the cheapest a request may cost that is sent to an endpoint as a trial. */
  readonly trialCostFactor: number
  /** How the default order is drawn: by 1 / price², or by what was measured (`measured.ts`). */
  readonly balance: 'price' | 'measured'
  /** So many requests with tools an endpoint must have answered in seven days before its tool calls count. */
  readonly toolRequests: number
  /** By how much the share of wrong calls may be above that of the best, 0–1, before an endpoint goes behind. */
  readonly toolMargin: number
  /** Whether an attempt that is slow has a second beside it though its caller did not ask for one. */
  readonly hedge: 'off' | 'on'
  /** An attempt is slow when so many percent of the latest answers there had begun by then. */
  readonly hedgePercentile: number
  /** So many answers that has to rest on. */
  readonly hedgeSamples: number
  /** No attempt is slow before. */
  readonly hedgeLeastMs: number
  /** Which identical calls of a workspace that are under way at once share one. */
  readonly coalesce: Coalesce
  /** So much of a shared answer is kept for those who read it more slowly than others. */
  readonly coalesceBufferBytes: number
}

export const DEFAULT_POLICY: RoutingPolicy = Object.freeze({
  outageWindowMs: 30_000,
  attemptsPerModel: 3,
  attemptsInAll: 6,
  maxOutput: 'clamp',
  unsupportedParameters: 'drop',
  expectedOutputTokens: 500,
  unboundedOutputTokens: 128_000,
  trialCostFactor: 3,
  balance: 'price',
  toolRequests: 100,
  toolMargin: 0.02,
  hedge: 'off',
  hedgePercentile: 95,
  hedgeSamples: 20,
  hedgeLeastMs: 100,
  coalesce: 'asked',
  coalesceBufferBytes: 524_288,
})

/** Everything that a plan depends on beside the need and the offers; the same in gives the same plan. */
export interface Given {
  readonly preferences: Preferences
  /** The keys that a provider may be called with, best first. A provider that needs none has one that says so. */
  credentials(provider: string): readonly Credential[]
  readonly health: HealthView
  readonly policy: RoutingPolicy
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Uniform in [0, 1). */
  random(): number
  /** The request's `service_tier`: auto, default, fast, flex, priority, scale. */
  readonly serviceTier?: string | null
  /** What an operator would do to make a provider usable, in a phrase: `set GROQ_API_KEY`. */
  remedy?(provider: string): string
  /** What was measured of an endpoint; without the question, nothing was. */
  measured?(endpoint: EndpointId): Measured | null
  /** Where the last turn of this conversation was answered, when its prompt may be cached there. */
  sticky?(model: ModelId): Sticky | null
}
