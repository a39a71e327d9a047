import type { Annotation, ChatRequest, ToolCallPart } from './chat.ts'
import type { Departure } from './departure.ts'
import type { Endpoint } from './endpoint.ts'
import type { ChatEvent, FinishReason } from './event.ts'
import type { Fault } from './fault.ts'
import type { Nano } from './money.ts'
import type { Asked } from './operation.ts'
import type { Offer } from './plan.ts'
import type { ChatReply, ReplyPart } from './reply.ts'
import type { ServerToolUse } from './server-tool.ts'
import type { Usage } from './usage.ts'

/** What a stage sees of a call: what was asked, and the models that it resolved to. */
export interface StageCall {
  readonly asked: Asked
  readonly offers: readonly Offer[]
  /** Of the caller, where the call is carried out. Absent where it is only explained or counted: then nothing is fetched, called or spent. */
  readonly departure?: Departure
  /** Has a model asked within the call; there wherever the departure is. */
  readonly generate?: Generate
  /** The models that a panel has by the rule of its preset, the one that writes the answer first. A fault of the field `preset` where there is no such. */
  readonly panel?: (preset: unknown) => Promise<{ readonly models: readonly string[] } | { readonly fault: Fault }>
}

/**
 * Has a model asked within a call, for a whole answer: planned, tried at one endpoint after the other, and metered as any
 * call is; it ends with its caller's departure and within the time that the call has. What it cost is charged with the
 * answer of the call, and its attempts stand on the record of the call, so a stage has nothing to book. Never rejects.
 */
export type Generate = (asking: Asking) => Promise<Generated>

/** What a stage asks, and of whom: references of models, in order. What the call says of data and money holds here as well. */
export interface Asking {
  readonly models: readonly string[]
  readonly request: ChatRequest
  /**
   * The server tool that asks (`openrouter:advisor`), by which its attempts are known. Its caller has named the models, or
   * left them to the one that answers, so all that the caller prefers of providers holds for them too.
   */
  readonly tool?: string
  /** Milliseconds after which nobody waits for the answer any more. */
  readonly timeoutMs?: number
}

/** An answer that came to its end, with what it used and cost; or why there is none. */
export type Generated =
  | { readonly reply: ChatReply; readonly model: string; readonly provider: string; readonly usage: Usage; readonly cost: Nano }
  | { readonly fault: Fault }

/** What a stage did, for the answer's metadata (`openrouter_metadata.pipeline`). */
export interface StageNote {
  readonly type: string
  readonly name: string
  readonly summary: string
  readonly data?: Readonly<Record<string, unknown>>
  /** What the stage bought, its model calls included, in US dollars. */
  readonly cost_usd?: number
}

/** What a stage has bought for a call: units in the names of prices, and what they cost. They are charged with the answer. */
export interface Fees {
  readonly services: Readonly<Record<string, number>>
  readonly cost: Nano
}

/**
 * What is done for an endpoint that does not do itself what a request wishes: not before it is known that such an endpoint
 * is asked, and once, however many are.
 */
export interface StandIn {
  /** Whether an endpoint does it itself, and is sent the request with the wish in it. */
  spares(endpoint: Endpoint): boolean
  /** What is told of an answer by one that did. */
  readonly spared: StageNote
  /** The request without the wish, and with what was done for it; a fault leaves such endpoints out. Never rejects. */
  make(request: ChatRequest): Promise<Made | { readonly fault: Fault }>
}

export interface Made {
  readonly request: ChatRequest
  readonly note: StageNote
  readonly annotations: readonly Annotation[]
  readonly fees: Fees
}

export type StageResult =
  /** `annotations` go to the caller before the words of the answer; files that were read also with an error. */
  | {
    readonly pass: Asked
    readonly note?: StageNote
    readonly annotations?: readonly Annotation[]
    readonly fees?: Fees
    readonly standIn?: StandIn
    readonly tools?: ServerTools
  }
  | { readonly answer: readonly ChatEvent[]; readonly note?: StageNote }
  | { readonly fault: Fault }

/**
 * Tools that a stage runs itself, for one call. A model that calls them is told what came of it and asked again, until it
 * answers; the caller sees one answer, with what they did in it.
 */
export interface ServerTools {
  /** Whether a function of this name is one of them. */
  runs(name: string): boolean
  /** Runs what an answer calls of them, and says what is asked next. Never rejects: a tool that fails tells the model so. */
  turn(said: Said): Promise<Turn>
  /** What they did, for the answer's metadata; null for nothing. */
  note(): StageNote | null
}

/** An answer that calls server tools. */
export interface Said {
  /** What it answers. */
  readonly request: ChatRequest
  readonly parts: readonly ReplyPart[]
  readonly reason: FinishReason | null
  /** How many answers there were, this one included. */
  readonly step: number
  /** What all of them took. */
  readonly spent: { readonly tokens: number; readonly cost: Nano }
  /** Has other models asked by the tools; what they cost is charged with the answer, and is no fee of the turn. */
  readonly generate: Generate
}

export interface Turn {
  readonly uses: readonly ServerToolUse[]
  /** Calls that were found right, and are their caller's to carry out. */
  readonly calls?: readonly ToolCallPart[]
  readonly annotations: readonly Annotation[]
  readonly fees: Fees
  /** What the model is asked next; null where it is its caller's turn, of whose tools it has called one. */
  readonly next: ChatRequest | null
  /** The answer to that is the last: what it calls of server tools is not run. */
  readonly last: boolean
  /** There is no answer without what was to come of a tool. */
  readonly fault?: Fault
}

/**
 * What a stage makes of a whole reply: it passes, as it is or mended; or it is no answer to what was asked, and maybe
 * the same endpoint shall be asked once more, with another request.
 */
export type Review =
  | { readonly pass: readonly ChatEvent[]; readonly note?: StageNote }
  | { readonly fault: Fault; readonly again?: ChatRequest; readonly note?: StageNote }

/** Judges what a model answers while it is made. A verdict against a piece ends the answer. */
export interface Watch {
  /** Whether the pieces of a stream wait for their verdict; otherwise they go out at once. Whole answers always wait. */
  readonly holds: boolean
  /** A piece of all that the caller would read, behind the end of the one before. Never rejects. */
  judge(piece: string): Promise<Verdict>
}

/** A fault where it had to be judged, and nobody could. */
export type Verdict =
  | { readonly pass: true; readonly note: StageNote }
  | { readonly flagged: true; readonly note: StageNote }
  | { readonly fault: Fault }

/**
 * An optional layer over canonical values: it may rewrite, answer or refuse a request, and rewrite the events of
 * the reply. It sees neither HTTP nor dialects nor SQL, so it works on every surface. What it needs (a store, a
 * search driver, a model) is handed in when it is made.
 */
export interface Stage {
  readonly name: string
  /** Cheap: whether the stage has anything to do with this call. */
  wants(call: StageCall): boolean
  request?(call: StageCall): Promise<StageResult>
  /** Made once for each call that it wants; called with each batch, in order. */
  events?(call: StageCall): (batch: readonly ChatEvent[]) => readonly ChatEvent[]
  /**
   * Made once for each call that it wants. A whole answer is reviewed before it counts as one, and each that comes of
   * asking again; a stream when it has ended, where all that is left is to say so.
   */
  review?(call: StageCall): (reply: readonly ChatEvent[]) => Review
  /** Made once for each call that it wants and that is carried out; null where nothing is to be judged. */
  watch?(call: StageCall & { readonly generate: Generate }): Watch | null
}
