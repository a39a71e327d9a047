import { fault, type Endpoint, type Fault, type FaultKind } from '../core/index.ts'
import { isObject, type Loose } from './loose.ts'

/** What a provider's error body says, whatever its shape. */
export interface Said {
  readonly message: string
  readonly code?: string
  readonly type?: string
  /** The parameter that it names. */
  readonly param?: string
  /** Milliseconds until another try, where the body tells (Google's RetryInfo). */
  readonly retryAfterMs?: number
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>

const MAX_TEXT = 2048
const DAY_MS = 86_400_000

/**
 * Text of a provider made safe to show and to keep: anything that looks like a key is removed, control characters
 * become blanks, and it is cut to 2 KiB. OpenAI quotes the refused key, and names the organisation in a 429.
 */
export function scrub(text: string): string {
  const head = text.length > 2 * MAX_TEXT ? text.slice(0, 2 * MAX_TEXT) : text
  const clean = head
    // oxlint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]+/g, ' ')
    .replace(/\b(Bearer|Basic)\s+[\w.~+/*=-]{6,}/gi, '$1 [removed]')
    .replace(/\b((?:x-)?api[-_ ]?key|token|secret|password|authorization|key)(["']?\s*[:=]\s*["']?)[\w.~+/*-]{8,}/gi, '$1$2[removed]')
    .replace(/\b(?:sk|pk|rk|ak|gsk|xai|pplx|hf|r8|nvapi|fw|csk|tgp|tvly|ghp|gho|ghs|github_pat|glpat|org|proj)[-_][\w*.…-]{6,}/gi, '[removed]')
    .replace(/\b(?:AIza|AKIA|ASIA|ya29\.)[\w.-]{8,}/g, '[removed]')
    .replace(/\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]+)?/g, '[removed]')
    .replace(/\b(?=[\w*-]*\d)(?=[\w*-]*[A-Za-z])[\w*-]{40,}/g, '[removed]')
  return clean.length > MAX_TEXT ? clean.slice(0, MAX_TEXT - 1) + '…' : clean
}

/** Reads the shapes of error bodies that are in use: nested, flat, a string beside a code, `detail`, lists of one. */
export function saidBy(body: unknown): Said | null {
  const value = Array.isArray(body) ? body[0] : body
  if (typeof value === 'string') return { message: value }
  if (!isObject(value)) return null
  const inner = value['error'] ?? value['errors']
  const at: Loose = isObject(inner) ? inner : Array.isArray(inner) && isObject(inner[0]) ? inner[0] : value
  const message = [
    typeof inner === 'string' ? inner : undefined, at['message'], at['Message'], at['msg'], value['message'], value['detail'], value['title'],
  ].map(textOf).find((text) => text !== '') ?? ''
  const innerCode = isObject(at['innererror']) ? at['innererror']['code'] : undefined
  const code = textOf(at['code'] ?? value['code'] ?? value['statusCode'])
  const said: { -readonly [K in keyof Said]: Said[K] } = { message }
  if (code) said.code = code
  else if (innerCode) said.code = textOf(innerCode)
  const type = textOf(at['type'] ?? value['error_type'] ?? at['status'] ?? value['__type'])
  if (type) said.type = type
  if (typeof at['param'] === 'string' && at['param']) said.param = at['param']
  const retry = retryInfo(at['details'])
  if (retry !== undefined) said.retryAfterMs = retry
  return message || code || inner !== undefined ? said : null
}

/**
 * The fault that an answer of a provider stands for. The status decides, the code and the words refine it:
 * 429 is a rate or an empty account, 400 may be a prompt that is too long, 403 moderation or a refused key.
 * What a provider says of *our* key is the operator's affair and never reads like the caller's 401.
 */
export function upstreamFault(
  status: number, headers: Headers, said: Said | null, endpoint: Pick<Endpoint, 'providerName'>, raw: string,
): Fault {
  const kind = kindOf(status, said)
  const words = scrub(said?.message ?? '')
  const retry = retryAfterMs(headers) ?? said?.retryAfterMs ?? retryInWords(said?.message ?? '')
  const metadata: Record<string, unknown> = {}
  if (said?.param) metadata['parameter'] = said.param
  if (kind === 'invalid-request' && SEALED.test(words)) metadata['reason'] = 'reasoning_signature'
  return fault(kind, messageOf(kind, words, endpoint.providerName, status), {
    upstream: {
      status,
      ...(said?.code || said?.type ? { code: scrub(said.code ?? said.type ?? '').slice(0, 128) } : null),
      ...(raw ? { raw: scrub(raw) } : null),
      provider: endpoint.providerName,
    },
    ...(retry !== undefined && WAITS.has(kind) ? { retryAfterMs: retry } : null),
    ...(Object.keys(metadata).length > 0 ? { metadata } : null),
  })
}

/** A seal of reasoning that is not taken, in the words of Claude's hosts, Google and OpenAI: without it the request may go through. */
const SEALED = new RegExp([
  'signature.{0,80}thinking', 'thinking.{0,80}signature', 'thought[ _-]?signature', 'bound to a different conversation',
  'expected .?thinking.? or .?redacted_', 'invalid_encrypted_content', 'encrypted content.{0,60}(verified|decrypt)',
].join('|'), 'i')

const WAITS: ReadonlySet<FaultKind> = new Set(['upstream-rate-limited', 'overloaded', 'upstream-error', 'upstream-payment', 'timeout'])

/** Milliseconds that the headers ask to wait, in all forms that are in use, from 0 to a day; undefined when none does. */
export function retryAfterMs(headers: Headers): number | undefined {
  const ms = Number(one(headers, 'retry-after-ms') ?? NaN)
  if (Number.isFinite(ms)) return clamp(ms)
  const plain = one(headers, 'retry-after')
  if (plain !== undefined) {
    const found = durationMs(plain, one(headers, 'date'))
    if (found !== undefined) return clamp(found)
  }
  // A limit that is used up says when it is full again; a limit of 0 means that there is none.
  let longest: number | undefined
  for (const [name, value] of Object.entries(headers)) {
    const match = /^(x-ratelimit|anthropic-ratelimit)(.*)remaining(.*)$/.exec(name)
    if (!match || Number(Array.isArray(value) ? value[0] : value) !== 0) continue
    const reset = one(headers, `${match[1]}${match[2]}reset${match[3]}`) ?? one(headers, name.replace('remaining', 'reset'))
    const found = reset === undefined ? undefined : durationMs(reset, one(headers, 'date'))
    if (found !== undefined) longest = Math.max(longest ?? 0, clamp(found))
  }
  return longest
}

/**
 * A duration in milliseconds: bare seconds, `1h2m3.4s`, `194ms`, an HTTP date or RFC 3339 (measured from the
 * answer's own `Date`, so that no clock is read here), or Unix seconds.
 */
export function durationMs(text: string, date: string | undefined): number | undefined {
  const trimmed = text.trim()
  if (/^-?\d+(\.\d+)?$/.test(trimmed)) {
    const seconds = Number(trimmed)
    if (seconds < 1e9) return seconds * 1000
    const from = date === undefined ? NaN : Date.parse(date)
    return Number.isNaN(from) ? undefined : seconds * 1000 - from
  }
  const spelled = /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/.exec(trimmed)
  if (spelled && trimmed !== '') {
    const [, d, h, m, s, ms] = spelled
    return Number(d ?? 0) * DAY_MS + Number(h ?? 0) * 3_600_000 + Number(m ?? 0) * 60_000 + Number(s ?? 0) * 1000 + Number(ms ?? 0)
  }
  const at = Date.parse(trimmed)
  const from = date === undefined ? NaN : Date.parse(date)
  return Number.isNaN(at) || Number.isNaN(from) ? undefined : at - from
}

function kindOf(status: number, said: Said | null): FaultKind {
  const code = `${said?.code ?? ''} ${said?.type ?? ''}`.toLowerCase()
  const words = (said?.message ?? '').slice(0, MAX_TEXT)
  if (status < 400) {
    // An error inside a 200: its own code says what it is, where that is a status.
    const own = Number(said?.code)
    if (own >= 400 && own < 600) return kindOf(own, said)
  }
  for (const rule of RULES) {
    if (rule.code.test(code)) return rule.kind
    if (rule.words && (rule.status?.(status) ?? true) && rule.words.test(words)) return rule.kind
  }
  const kind = BY_STATUS[status] ?? byClass(status, words)
  return kind === 'invalid-request' && isUnsupported(said) ? 'unsupported-parameter' : kind
}

/** A kind that a code (or type) alone shows, or words under a status. The first that fits stands. */
interface Rule {
  readonly kind: FaultKind
  readonly code: RegExp
  readonly words?: RegExp
  readonly status?: (status: number) => boolean
}

const RULES: readonly Rule[] = [
  {
    kind: 'context-length',
    code: /context_length|context_size|string_above_max_length|max_tokens_exceeded/,
    words: new RegExp([
      'maximum context', 'context (length|window|size)', '(prompt|input) is too long', 'too many (input )?tokens',
      "exceeds? the (model'?s )?max(imum)?.{0,30}(token|context|length)", 'reduce the length',
    ].join('|'), 'i'),
    status: (status) => status !== 429,
  },
  {
    kind: 'moderated',
    code: /content_filter|content_policy|moderation|responsibleai|data_inspection|safety/,
    words: /moderat|flagged|content policy/i,
    status: (status) => status === 403,
  },
  {
    kind: 'upstream-payment',
    code: /insufficient_quota|insufficient_balance|billing|payment|exceeded_current_quota/,
    words: new RegExp([
      'insufficient (balance|credit|quota|funds)', 'exceeded your current quota', 'credit balance is too low', 'out of credits',
      'not enough (credits|balance)',
    ].join('|'), 'i'),
    status: (status) => status < 500,
  },
  {
    kind: 'upstream-auth',
    code: /invalid_api_key|authentication|permission_error|permission_denied|unauthenticated|unauthorized/,
    words: /api key (not valid|expired)|invalid api key/i,
    status: (status) => status === 400,
  },
  {
    kind: 'model-unavailable',
    code: /model_not_found|deploymentnotfound|model_not_available|not_found_error/,
    words: /model.{0,80}(does not exist|not found|is not available|has been (deprecated|retired|decommissioned))/i,
    status: (status) => status === 400,
  },
  { kind: 'invalid-response', code: /tool_use_failed|json_validate_failed/ },
  { kind: 'overloaded', code: /overloaded|capacity_exceeded/ },
  { kind: 'upstream-rate-limited', code: /rate_limit|resource_exhausted|throttl|too_many_requests/ },
]

const BY_STATUS: Readonly<Record<number, FaultKind>> = {
  401: 'upstream-auth', 402: 'upstream-payment', 403: 'upstream-auth', 404: 'model-unavailable', 405: 'upstream-error',
  408: 'timeout', 409: 'upstream-error', 410: 'model-unavailable', 424: 'upstream-error', 425: 'overloaded', 429: 'upstream-rate-limited',
  498: 'overloaded', 499: 'upstream-error', 503: 'overloaded', 504: 'timeout', 522: 'timeout', 524: 'timeout', 529: 'overloaded',
}

function byClass(status: number, words: string): FaultKind {
  if (status === 413) return /tokens? per (minute|day)|\bTP[MD]\b/i.test(words) ? 'upstream-rate-limited' : 'payload-too-large'
  if (status === 422) return 'unprocessable'
  if (status >= 400 && status < 500) return 'invalid-request'
  // Everything else that is no success and no failure (3xx, 1xx), or an error inside a 200 without a code.
  return status >= 500 || status === 200 ? 'upstream-error' : 'invalid-response'
}

const UNSUPPORTED = new RegExp([
  'unsupported (parameter|value)', 'unrecognized request argument', 'unknown parameter', 'extra inputs are not permitted',
  'is not supported (with|by) this model', "property '[^']{1,64}' is unsupported",
].join('|'), 'i')

/** Whether the provider refused one parameter rather than the request: dropped or renamed, it may go through. */
function isUnsupported(said: Said | null): boolean {
  if (!said) return false
  return /unsupported_(parameter|value)|unknown_parameter/.test(said.code ?? '') || UNSUPPORTED.test(said.message.slice(0, MAX_TEXT))
}

function messageOf(kind: FaultKind, words: string, provider: string, status: number): string {
  if (kind === 'upstream-auth') return `${provider} refused the key that this server holds for it.`
  if (kind === 'upstream-payment') return `The account that this server holds at ${provider} is out of credit or quota.`
  return words || `${provider} answered with status ${status}.`
}

/** Words like OpenAI's "Please try again in 1m2.5s". */
function retryInWords(message: string): number | undefined {
  const match = /(?:try again|retry) in ([\d.]+\s?(?:ms|s|m|h)(?:[\d.]+(?:ms|s|m))*)/i.exec(message.slice(0, MAX_TEXT))
  const found = match ? durationMs(match[1]!.replace(/\s/g, ''), undefined) : undefined
  return found === undefined ? undefined : clamp(found)
}

function retryInfo(details: unknown): number | undefined {
  if (!Array.isArray(details)) return undefined
  for (const detail of details) {
    if (isObject(detail) && typeof detail['retryDelay'] === 'string') {
      const found = durationMs(detail['retryDelay'], undefined)
      if (found !== undefined) return clamp(found)
    }
  }
  return undefined
}


/** Text out of a message that may be a string, a number, an object or FastAPI's list of `{loc, msg}`. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) {
    return value.slice(0, 4).map((item) => (isObject(item) && typeof item['msg'] === 'string'
      ? `${Array.isArray(item['loc']) ? `${item['loc'].join('.')}: ` : ''}${item['msg']}` : textOf(item))).filter(Boolean).join('; ')
  }
  if (isObject(value)) return textOf(value['message'] ?? value['detail'] ?? value['msg'] ?? '')
  return ''
}

function one(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

const clamp = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), DAY_MS)
