/**
 * The one table of failures: what the caller sees, whether another endpoint or another model may help, and whose
 * fault it was. OpenRouter's SDK retries every 5xx for up to an hour, so a 5xx stands only where another try may help.
 */
interface FaultRow {
  /** HTTP status, and `error.code`, when nothing has been sent yet. */
  readonly status: number
  /** `error.metadata.error_type`, in OpenRouter's vocabulary. */
  readonly type: string
  /** What may be tried next: another endpoint of the model, only another model of the list, or nothing. */
  readonly next: 'endpoint' | 'model' | 'nothing'
  /** Who has to act. A caller's fault never cools an endpoint; an operator's fault never looks like the caller's. */
  readonly blame: 'caller' | 'provider' | 'operator' | 'us'
  readonly meaning: string
}

export const FAULTS = {
  'invalid-request': row(400, 'invalid_request', 'model', 'caller', 'the request is malformed or out of range'),
  'model-not-found': row(400, 'invalid_request', 'nothing', 'caller', 'no model has this id, alias or name'),
  'ambiguous-model': row(400, 'invalid_request', 'nothing', 'caller', 'several models share this bare name'),
  'wrong-endpoint': row(400, 'invalid_request', 'nothing', 'caller', 'the model is served at another route'),
  'context-length': row(400, 'context_length_exceeded', 'endpoint', 'caller', 'the prompt does not fit the context window'),
  'unsupported-parameter': row(400, 'invalid_request', 'endpoint', 'caller', 'this endpoint does not take a parameter of the request; another may'),
  'unauthenticated': row(401, 'authentication', 'nothing', 'caller', 'the key is missing, malformed, unknown or disabled'),
  'payment-required': row(402, 'payment_required', 'nothing', 'caller', 'credits or a key limit do not cover the request'),
  'forbidden': row(403, 'permission_denied', 'nothing', 'caller', 'the key may not do this'),
  'moderated': row(403, 'content_policy_violation', 'model', 'caller', 'the provider, or a moderation before it, flagged the content'),
  'not-found': row(404, 'not_found', 'nothing', 'caller', 'there is no such thing here'),
  'no-endpoint': row(404, 'not_found', 'nothing', 'caller', 'the model exists, but no endpoint can take this request'),
  'model-unavailable': row(404, 'not_found', 'endpoint', 'provider', 'the provider no longer serves the model'),
  'method-not-allowed': row(405, 'invalid_request', 'nothing', 'caller', 'the route does not take this method'),
  'conflict': row(409, 'invalid_request', 'nothing', 'caller', 'something else is being done to it at this moment; another try may do'),
  'gone': row(410, 'not_found', 'nothing', 'caller', 'the address is no longer served; the message names its successor'),
  'payload-too-large': row(413, 'payload_too_large', 'model', 'caller', 'the body is larger than the limit'),
  'unsupported-media-type': row(415, 'invalid_request', 'nothing', 'caller', 'the body is not of a type that the route reads'),
  'schema-mismatch': row(422, 'unprocessable', 'model', 'caller', "the model's answer does not fit the schema that was asked for"),
  'unprocessable': row(422, 'unprocessable', 'model', 'caller', 'the request is well-formed, but cannot be carried out'),
  'rate-limited': row(429, 'rate_limit_exceeded', 'nothing', 'caller', 'this key sends too many requests'),
  'upstream-rate-limited': row(429, 'rate_limit_exceeded', 'endpoint', 'provider', 'the provider limits our requests'),
  'cancelled': row(499, 'cancelled', 'nothing', 'caller', 'the caller left before the end'),
  'internal': row(500, 'server', 'nothing', 'us', 'a fault of ours'),
  'upstream-auth': row(502, 'provider_unavailable', 'endpoint', 'operator', "the provider refused the operator's key"),
  'upstream-payment': row(502, 'provider_unavailable', 'endpoint', 'operator', "the operator's account at the provider is out of credit or quota"),
  'upstream-error': row(502, 'provider_unavailable', 'endpoint', 'provider', 'the provider failed'),
  'connection': row(502, 'provider_unavailable', 'endpoint', 'provider', 'the provider could not be reached'),
  'invalid-response': row(502, 'provider_unavailable', 'endpoint', 'provider', 'the provider answered what no client could read'),
  'stream-cut': row(502, 'provider_unavailable', 'endpoint', 'provider', 'the stream ended before it was finished'),
  'overloaded': row(503, 'provider_overloaded', 'endpoint', 'provider', 'the provider is overloaded'),
  'over-capacity': row(503, 'provider_overloaded', 'nothing', 'us', 'this server, or all that it may send to providers, is at its limit'),
  'unavailable': row(503, 'provider_overloaded', 'nothing', 'us', 'a part of this server cannot be reached at the moment'),
  'shutting-down': row(503, 'provider_overloaded', 'nothing', 'us', 'this server is stopping'),
  'timeout': row(504, 'timeout', 'endpoint', 'provider', 'the provider did not answer in time'),
} as const satisfies Record<string, FaultRow>

export type FaultKind = keyof typeof FAULTS

/** A failure as a value. `message` is safe to show; secrets and upstream bodies beyond 2 KiB never get into it. */
export interface Fault {
  readonly kind: FaultKind
  readonly message: string
  /** The path of the field at fault in the caller's body: `messages[0].content[1].image_url.url`. */
  readonly field?: string
  /** What the provider said, for the record and for clients that parse `metadata.raw`: scrubbed, ≤ 2 KiB. */
  readonly upstream?: { readonly status?: number; readonly code?: string; readonly raw?: string; readonly provider?: string }
  readonly retryAfterMs?: number
  /** Further keys of `error.metadata`, in OpenRouter's names. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** OpenRouter's `error.availability`, when the catalogue or the plan is the reason. */
  readonly availability?: Readonly<Record<string, unknown>>
}

/** Makes a fault; `rest` may add the field, the upstream's words, or metadata. */
export function fault(kind: FaultKind, message: string, rest: Omit<Fault, 'kind' | 'message'> = {}): Fault {
  return { kind, message, ...rest }
}

/** A fault in flight, where a return value cannot carry it. Caught once, at the surface. */
export class FaultError extends Error {
  readonly fault: Fault
  constructor(of: Fault) {
    super(of.message)
    this.name = 'FaultError'
    this.fault = of
  }
}

/** The fault that an exception stands for; anything unknown is ours, and its text stays in the log. */
export function faultOf(error: unknown): Fault {
  return error instanceof FaultError ? error.fault : fault('internal', 'Internal error')
}

function row(
  status: number, type: string, next: FaultRow['next'], blame: FaultRow['blame'], meaning: string,
): FaultRow {
  return { status, type, next, blame, meaning }
}
