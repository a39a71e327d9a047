import { fault, type Fault, type FinishReason, type JsonObject } from '../../core/index.ts'

/** How a reply ended, as it was told by whoever wrote it. */
export interface Ended {
  readonly reason: FinishReason | null
  readonly native?: string | undefined
  readonly stop?: string | undefined
  /** What the model said in place of an answer. */
  readonly refusal: string
}

/** `stop_reason` and what stands beside it. Anthropic's own words stay where they say more than the common ones. */
export function endingOf({ reason, native, stop, refusal }: Ended): { readonly stop_reason: string | null; readonly stop_sequence: string | null; readonly stop_details: JsonObject | null } {
  const refused = reason === 'content_filter' || refusal !== ''
  return {
    stop_reason: refused ? 'refusal' : reason === null ? null : wordOf(reason, native, stop),
    stop_sequence: !refused && reason === 'stop' ? stop ?? null : null,
    stop_details: refused ? { type: 'refusal', category: null, explanation: refusal === '' ? null : refusal } : null,
  }
}

function wordOf(reason: FinishReason, native: string | undefined, stop: string | undefined): string {
  switch (reason) {
    case 'tool_calls': return 'tool_use'
    case 'length': return native === 'model_context_window_exceeded' ? native : 'max_tokens'
    default:
      if (native === 'pause_turn' || native === 'compaction') return native
      return stop !== undefined || native === 'stop_sequence' ? 'stop_sequence' : 'end_turn'
  }
}

/** A finish that says that the model failed has no word here: it is told as the error that it is. */
export const failureOf = (native: string | undefined): Fault =>
  fault('upstream-error', 'The model could not finish its answer.', { ...(native !== undefined && { upstream: { code: native } }) })
