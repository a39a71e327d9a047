import type { ChatEvent } from './event.ts'
import type { Fault } from './fault.ts'
import type { Asked } from './operation.ts'
import type { Offer } from './plan.ts'

/** What a stage sees of a call: what was asked, and the models that it resolved to. */
export interface StageCall {
  readonly asked: Asked
  readonly offers: readonly Offer[]
}

/** What a stage did, for the answer's metadata (`openrouter_metadata.pipeline`). */
export interface StageNote {
  readonly type: string
  readonly name: string
  readonly summary: string
  readonly data?: Readonly<Record<string, unknown>>
}

export type StageResult =
  | { readonly pass: Asked; readonly note?: StageNote }
  | { readonly answer: readonly ChatEvent[]; readonly note?: StageNote }
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
}
