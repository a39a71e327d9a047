import { FAULTS, type Fault, type JsonObject } from '../../core/index.ts'
import { errorOf } from '../openai-chat/faults.ts'

/** Anthropic's types of errors by status; what is not here is `invalid_request_error` below 500 and `api_error` above. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error', 402: 'billing_error', 403: 'permission_error', 404: 'not_found_error', 413: 'request_too_large',
  429: 'rate_limit_error', 503: 'overloaded_error', 504: 'timeout_error', 529: 'overloaded_error',
}

/**
 * Anthropic's words for a prompt that does not fit. Its type is that of any bad request, so clients go by these alone:
 * LangChain's makes a `ContextOverflowError` of them, after which histories are cut.
 */
const TOO_LONG = 'prompt is too long'

/** A fault as this format tells it, with OpenRouter's `error_type` and metadata beside Anthropic's type. */
export function errorBody(fault: Fault, id: string | null, extra?: JsonObject): string {
  const { status } = FAULTS[fault.kind]
  const { error_type, metadata, availability } = errorOf(fault)
  const unsaid = fault.kind === 'context-length' && !fault.message.toLowerCase().includes(TOO_LONG)
  const message = unsaid ? `${TOO_LONG}: ${fault.message}` : fault.message
  const error = {
    type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'), message, error_type, metadata,
    ...(availability !== undefined && { availability }),
  }
  return JSON.stringify({ type: 'error', error, request_id: id, ...(fault.kind !== 'internal' && extra) })
}

export const errorFrame = (fault: Fault, id: string | null, metadata?: JsonObject): string =>
  `event: error\ndata: ${errorBody(fault, id, metadata && { openrouter_metadata: metadata })}\n\n`
