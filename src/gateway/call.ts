import type { ReplyMeta } from '../dialects/index.ts'
import type { Asked, Departure, EventStream, Fault, Generation, JsonObject, KeptAnswer, Nano, Offer, Operation, StageNote, TrafficClass } from '../core/index.ts'
import type { PlanExplanation, RoutingPolicy } from '../routing/index.ts'
import type { LargeBody } from './large.ts'
import type { CoalesceExplanation } from './coalesce.ts'
import type { HedgeExplanation } from './hedge.ts'

/** One call of a caller, admitted: who asks, through which surface, for what. */
export interface Call {
  /** `gen-<unix seconds>-<random>`. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** The monotonic clock at the last byte of the body: latency is counted from here. */
  readonly startedAt: number
  readonly asked: Asked<Operation>
  readonly surface: string
  /** `trafficClass` is the best that the key's calls may have; `api` unless its settings say otherwise. */
  readonly key: { readonly id: string; readonly workspace: string; readonly trafficClass?: TrafficClass }
  readonly app: {
    readonly referer: string | null
    readonly title: string | null
    readonly categories: readonly string[]
    readonly userAgent: string | null
  }
  readonly departure: Departure
  /** The body that it came in, where that was too large to be read on the event loop. */
  readonly large?: LargeBody | null
  /** What comes of it is kept for its caller, so it shares nobody's answer. */
  readonly kept?: boolean
}

/**
 * What became of a call. With `events` it is committed to one endpoint: `start`, blocks, one `finish` for each
 * choice, then exactly one `usage` with its charge as the last event, by which time the generation is on record;
 * or a `fault` as the last event.
 */
export type Outcome =
  | {
    readonly meta: ReplyMeta
    readonly events: EventStream
    /** What was sent to each provider that was asked, where the caller wanted it. */
    readonly echo?: readonly JsonObject[] | null
    /** Null for an answer that was given before: there is nothing to tell. */
    metadata(): JsonObject | null
  }
  | { readonly fault: Fault; metadata(): JsonObject | undefined }

/** What would be done with a request, and why; made without spending anything. */
export type Explanation = PlanExplanation & {
  readonly hedge: HedgeExplanation
  readonly coalesce: CoalesceExplanation
  readonly ignored: readonly string[]
  /** What the stages, and the choice of a router model, would make of the request. */
  readonly pipeline: readonly StageNote[]
  /** For a moment in the past: when what it was planned with was so, and which versions that were. */
  readonly past?: { readonly as_of: string; readonly catalog: string; readonly policy: string }
}

/** What a plan is explained for, where it is not for now. */
export interface Explaining {
  /** A moment in the past (ms epoch): with the health, the catalogue and the policy of then. */
  readonly at?: number
  /** What the policy shall say otherwise. */
  readonly policy?: Partial<RoutingPolicy>
  /** Whose conversations are known; without it nobody's is. */
  readonly workspace?: string
}

/** A call of the instance's own that may be sent, to see how one endpoint does. */
export interface Probe {
  /** The most that it can cost. */
  readonly worst: Nano
  /**
   * Sends it, under the id of a generation, and waits for its end; what it showed is health's and on record by then. Null
   * where nobody was asked, since its provider has as many calls under way as it may. Never rejects.
   */
  send(id: string, departure: Departure): Promise<Generation | null>
}

export interface Gateway {
  /** Resolves when the call is committed to an endpoint or has failed; never rejects. */
  generate(call: Call): Promise<Outcome>
  /** The same with an answer that was kept: nobody is asked, and nothing is charged. */
  replay(call: Call, kept: KeptAnswer): Outcome
  /** Rejects with a FaultError where nothing is known of the moment. */
  explain(asked: Asked<Operation>, how?: Explaining): Promise<Explanation | { readonly fault: Fault }>
  /** The tokens of a request's prompt, by our own count: an estimate, because no provider is asked. */
  countTokens(asked: Asked): Promise<{ readonly tokens: number } | { readonly fault: Fault }>
  /**
   * A call of our own to the one endpoint of an offer. Null where it cannot be called, and for as long as health has it left
   * alone: its key rests, it was ejected and its wait is not over, or somebody else is trying it.
   */
  probe(offer: Offer, operation: Operation): Probe | null
  /** Calls that have not reached their end. */
  inFlight(): number
  /** Resolves when no call is in flight. */
  idle(): Promise<void>
}
