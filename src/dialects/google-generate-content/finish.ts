import type { FinishReason } from '../../core/index.ts'

const REASONS: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter', RECITATION: 'content_filter', LANGUAGE: 'content_filter', BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter', SPII: 'content_filter', JAILBREAK: 'content_filter',
  // In recordings, and not in the SDK's list.
  MODEL_ARMOR: 'content_filter',
  IMAGE_SAFETY: 'content_filter', IMAGE_PROHIBITED_CONTENT: 'content_filter', IMAGE_RECITATION: 'content_filter', IMAGE_OTHER: 'content_filter',
  MALFORMED_FUNCTION_CALL: 'error', UNEXPECTED_TOOL_CALL: 'error', TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error', MALFORMED_RESPONSE: 'error', NO_IMAGE: 'error', OTHER: 'error',
}

/**
 * The finish as it is decided at the end, from what was said and from what came: calls finish with STOP here, and
 * some replies never say a reason. An unknown reason is a kind of stop.
 */
export function finishOf(said: string | undefined, calls: number): FinishReason {
  const reason = REASONS[said ?? 'STOP'] ?? 'stop'
  return reason === 'stop' && calls > 0 ? 'tool_calls' : reason
}
