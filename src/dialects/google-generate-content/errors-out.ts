import { FAULTS, type Fault, type JsonObject } from '../../core/index.ts'

/** Google's status words by HTTP status. */
const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 402: 'FAILED_PRECONDITION', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 405: 'UNIMPLEMENTED', 409: 'ABORTED',
  410: 'NOT_FOUND', 413: 'INVALID_ARGUMENT', 415: 'INVALID_ARGUMENT', 422: 'INVALID_ARGUMENT', 429: 'RESOURCE_EXHAUSTED', 499: 'CANCELLED',
  500: 'INTERNAL', 502: 'UNAVAILABLE', 503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED',
}
const TYPE = 'type.googleapis.com/google.rpc.'

/** A fault as Google tells it, with the field, the reason and the wait in the details that its clients know. */
export function errorBody(fault: Fault, extra?: JsonObject): string {
  const { status, type } = FAULTS[fault.kind]
  const shown = fault.kind !== 'internal'
  const about: Record<string, string> = { error_type: type }
  if (shown && fault.upstream?.provider !== undefined) about['provider_name'] = fault.upstream.provider
  if (shown && fault.upstream?.code !== undefined) about['provider_code'] = fault.upstream.code
  const details: JsonObject[] = [{ '@type': `${TYPE}ErrorInfo`, reason: type.toUpperCase(), domain: 'signalbox', metadata: about }]
  if (shown && fault.field !== undefined) details.push({ '@type': `${TYPE}BadRequest`, fieldViolations: [{ field: fault.field, description: fault.message }] })
  if (fault.retryAfterMs !== undefined) details.push({ '@type': `${TYPE}RetryInfo`, retryDelay: `${Math.max(1, Math.ceil(fault.retryAfterMs / 1000))}s` })
  return JSON.stringify({ error: { code: status, message: fault.message, status: STATUS[status] ?? 'UNKNOWN', details }, ...(shown && extra) })
}
