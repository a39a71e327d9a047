import type { FinishReason } from '../../core/index.ts'

/** Finish reasons of everybody who speaks this format; an unknown one is a kind of stop. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop', eos: 'stop', eos_token: 'stop', end_turn: 'stop', stop_sequence: 'stop', COMPLETE: 'stop', STOP: 'stop',
  length: 'length', model_length: 'length', max_tokens: 'length', MAX_TOKENS: 'length',
  tool_calls: 'tool_calls', function_call: 'tool_calls', tool_use: 'tool_calls',
  content_filter: 'content_filter', sensitive: 'content_filter', refusal: 'content_filter', SAFETY: 'content_filter',
  error: 'error', insufficient_system_resource: 'error', network_error: 'error', abort: 'error',
}

/**
 * The finish as it is decided at the end: from what the provider said and from what came. Hosts say `stop` beside
 * tool calls (Ollama, TGI), and `tool_calls` without any.
 */
export function finishOf(said: string | undefined, calls: number): FinishReason {
  const reason = REASONS[said ?? 'stop'] ?? 'stop'
  if (reason === 'stop' && calls > 0) return 'tool_calls'
  return reason === 'tool_calls' && calls === 0 ? 'stop' : reason
}
