import type { ChatRequest } from './chat.ts'
import type { FaultKind } from './fault.ts'
import type { FinishReason } from './event.ts'
import type { Nano } from './money.ts'
import type { PriceSheet } from './price.ts'
import type { Usage } from './usage.ts'

/** One try at one endpoint. */
export interface Attempt {
  readonly endpoint: string
  readonly provider: string
  readonly providerName: string
  readonly model: string
  readonly credential: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Milliseconds from the start of the attempt to the answer's headers; null when none came. */
  readonly headersMs: number | null
  /** Milliseconds from the start of the attempt to its end. */
  readonly durationMs: number
  /** The upstream's HTTP status; null when there was no answer. */
  readonly status: number | null
  readonly upstreamId: string | null
  /** `superseded`: of two that were under way at once, the one that the other was faster than. */
  readonly outcome: 'answered' | 'failed' | 'cancelled' | 'superseded'
  readonly fault: FaultKind | null
  /** Scrubbed; shown to operators and on the record. */
  readonly message: string | null
  /** It was opened beside another that was slow; and for whom, who pays for the loser. */
  readonly hedge?: HedgePayer
  /** Which of the model's answers it was for, from 1, where server tools were run between them. */
  readonly step?: number
  /** Made by this stage, or by this server tool, for an answer that the call goes on from. */
  readonly within?: string
  /** Of such a one, and of each step: the tokens that it took. */
  readonly tokens?: { readonly input: number; readonly output: number }
  /** Of one that was superseded, whose answer was not what was asked for, that a stage made, or that was one of several steps: what its provider bills for it. */
  readonly cost?: Nano
  /** Who counted that: its provider's usage, or an estimate of ours. */
  readonly counted?: Usage['counted']
}

/** Who asked for a second attempt beside a slow one, and pays for the one that loses. */
export type HedgePayer = 'caller' | 'operator'

/** What a reply was worth beside its words: whether its tool calls and its structured output were what was asked for. */
export interface Quality {
  /** Tools were offered. */
  readonly tools: boolean
  readonly toolCalls: number
  /** Of those, calls whose arguments do not parse, whose tool was not offered, or that break its schema. */
  readonly badToolCalls: number
  /** Structured output was asked for, and this reply is the answer that has to have it. */
  readonly structured: boolean
  readonly badStructured: boolean
}

/** The whole call, for the record. Everything that `GET /generation` and the statistics need, and no content. */
export interface Generation {
  /** `gen-<unix seconds>-<random>`. */
  readonly id: string
  readonly createdAt: number
  readonly keyId: string
  readonly workspace: string
  readonly surface: string
  readonly requested: string
  readonly model: string | null
  readonly endpoint: string | null
  readonly provider: string | null
  readonly providerName: string | null
  readonly upstreamId: string | null
  readonly streamed: boolean
  readonly cancelled: boolean
  readonly simulated: boolean
  readonly finish: FinishReason | null
  readonly nativeFinish: string | null
  readonly fault: FaultKind | null
  /** Milliseconds from the caller's last byte to the first block; null when none came. */
  readonly latencyMs: number | null
  /** Milliseconds from the caller's last byte to the end. */
  readonly durationMs: number
  readonly usage: Usage
  /** What the call cost; 0 for faults and empty replies (the zero-completion rule). */
  readonly cost: Nano
  /** What the upstream charges us where that was not passed on. */
  readonly absorbed: Nano
  /** The sheet that it was charged by. */
  readonly price: PriceSheet | null
  readonly tier: string | null
  readonly attempts: readonly Attempt[]
  /** How many candidates were left untried. */
  readonly untried: number
  readonly referer: string | null
  readonly title: string | null
  readonly categories: readonly string[]
  readonly userAgent: string | null
  readonly user: string | null
  readonly session: string | null
  readonly inputMedia: number
  readonly inputAudio: number
  /** Null where nothing was to be judged, or could not be: see `Audit`. */
  readonly quality: Quality | null
  /** The sampling parameters that the request set; null where it set none. */
  readonly sampling: ChatRequest['sampling'] | null
  /** Of calls that shared one answer; absent for all others. */
  readonly coalesced?: Coalesced
  /** The preset that filled in what the request left open. */
  readonly presetId?: string
  /** The generation whose answer was given again; absent where one was made. */
  readonly cachedFrom?: string
  /** Nobody asked for it: a call of the instance's own, to see how an endpoint does. Absent for what callers ask. */
  readonly probe?: true
}

/** What several identical calls of one workspace that were under way at once shared: docs/coalescing.md. */
export interface Coalesced {
  /** The generation that was charged for the answer: of all that shared it, only this one names the attempts. */
  readonly paidBy: string
  /** What that one was charged. */
  readonly cost: Nano
  /** How many shared it, that one included. */
  readonly calls: number
}
