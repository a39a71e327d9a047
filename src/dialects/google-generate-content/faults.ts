import { fault, type Endpoint, type Fault, type FaultKind } from '../../core/index.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { saidBy, scrub, upstreamFault, type Headers } from '../upstream-fault.ts'
import { isObject, listIn, textIn, type Loose } from './wire.ts'

const MAX_ERROR_BYTES = 16_384
/** A quota of the day is not full again before midnight in California; sooner than this it is not worth asking. */
const DAY_QUOTA_WAIT_MS = 3_600_000

/** Reads an answer of another status than 200 as a fault: `{error}`, the same in a list of one, or a page. */
export function readFault(status: number, headers: Headers, body: Uint8Array, endpoint: Endpoint): Fault {
  const text = viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES).trim()
  const parsed = parseUpstream(body.length <= MAX_ERROR_BYTES ? body : text)
  const value = 'fault' in parsed ? null : Array.isArray(parsed.value) ? parsed.value[0] as unknown : parsed.value
  if (isObject(value) && isObject(value['error'])) return faultOfError(status, headers, value, endpoint, text)
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text)?.[1]?.trim()
  return upstreamFault(status, headers, value === null ? { message: title ?? (text.startsWith('<') ? '' : text.slice(0, 500)) } : saidBy(value), endpoint, text)
}

/**
 * The fault of `{error: {code, message, status, details}}`. Google's own status words and details decide where they
 * say more than the number: a refused key is a 400, and a quota for requests sounds like an empty account.
 * `status` is that of HTTP; 200 where the error is an event of a stream.
 */
export function faultOfError(status: number, headers: Headers, body: Loose, endpoint: Endpoint, raw: string): Fault {
  const error = isObject(body['error']) ? body['error'] : {}
  const own = typeof error['code'] === 'number' && status === 200 ? error['code'] : status
  const base = upstreamFault(own, headers, saidBy(body), endpoint, raw)
  const word = textIn(error, 'status')
  const details = listIn(error, 'details')
  const message = textIn(error, 'message') ?? ''
  const kind = kindOf(own, word, details, message) ?? base.kind
  const retryAfterMs = kind === 'upstream-rate-limited' ? waitOf(details, retryDelay(details) ?? base.retryAfterMs) : base.retryAfterMs
  const code = word ?? base.upstream?.code
  return fault(kind, kind === base.kind ? base.message : wordsFor(kind, message, endpoint), {
    ...(base.metadata && { metadata: base.metadata }),
    upstream: { ...base.upstream, status, ...(code !== undefined && { code: scrub(code).slice(0, 128) }) },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function kindOf(status: number, word: string | undefined, details: readonly Loose[], message: string): FaultKind | undefined {
  const reasons = details.map((detail) => textIn(detail, 'reason'))
  if (reasons.some((reason) => reason?.startsWith('API_KEY_') || reason === 'ACCESS_TOKEN_EXPIRED')) return 'upstream-auth'
  if (/api key (not valid|not found|expired)|api_key_invalid/i.test(message)) return 'upstream-auth'
  if (reasons.includes('BILLING_DISABLED') || /\bbilling\b.*\b(disabled|not enabled|to be enabled)|enable billing/i.test(message)) return 'upstream-payment'
  if (status === 429 || word === 'RESOURCE_EXHAUSTED') {
    // A quota of 0 is a plan that has no such model, which no waiting changes.
    return violationsOf(details).some((violation) => violation['quotaValue'] === '0') ? 'upstream-payment' : 'upstream-rate-limited'
  }
  if (status === 400 && /input token count|token count .*(exceeds|maximum)|exceeds the maximum number of tokens/i.test(message)) return 'context-length'
  // The region of our server, or a project without the API switched on: nothing that the caller can mend.
  if (word === 'FAILED_PRECONDITION') return 'upstream-error'
  switch (word) {
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED': return 'upstream-auth'
    case 'NOT_FOUND': return 'model-unavailable'
    case 'UNAVAILABLE': return 'overloaded'
    case 'DEADLINE_EXCEEDED': return 'timeout'
    case 'CANCELLED':
    case 'INTERNAL':
    case 'UNKNOWN':
    case 'ABORTED': return 'upstream-error'
    default: return undefined
  }
}

function wordsFor(kind: FaultKind, message: string, endpoint: Endpoint): string {
  if (kind === 'upstream-auth') return `${endpoint.providerName} refused the key that this server holds for it.`
  if (kind === 'upstream-payment') return `The account that this server holds at ${endpoint.providerName} is out of credit or quota.`
  return scrub(message) || `${endpoint.providerName} failed.`
}

const violationsOf = (details: readonly Loose[]): readonly Loose[] => details.flatMap((detail) => listIn(detail, 'violations'))

/** A quota of the day asks for seconds in its RetryInfo all the same; those are not believed. */
function waitOf(details: readonly Loose[], told: number | undefined): number | undefined {
  const daily = violationsOf(details).some((violation) => /per_?day/i.test(textIn(violation, 'quotaId') ?? ''))
  return daily ? Math.max(told ?? 0, DAY_QUOTA_WAIT_MS) : told
}

/** `retryDelay` of RetryInfo, `"34.4s"`, in milliseconds. */
function retryDelay(details: readonly Loose[]): number | undefined {
  for (const detail of details) {
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(textIn(detail, 'retryDelay') ?? '')?.[1]
    if (seconds !== undefined) return Math.min(Math.ceil(Number(seconds) * 1000), 86_400_000)
  }
  return undefined
}
