import type { JsonObject } from '../core/index.ts'
import { parseUpstream } from '../dialects/index.ts'

/** Base64 up to here is shown as it is; longer media says how long it is. */
const SHOWN_BASE64 = 256
const SHOWN_OF_IT = 32
/** A header's value shorter than this is no secret, and would be found in every other word. */
const LEAST_SECRET = 8

const DATA_URL = /^data:[^,]{0,200},/
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/
/** Fields of a body that hold a secret wherever they come from: forced parameters, the caller's own options. */
const SECRET_FIELD = /^(?:x-)?(?:api[-_]?key|authorization|(?:access|auth|session|id|refresh)[-_]?token|token|(?:client[-_]?)?secret|password|passwd|credentials?)$/i
/** Headers that say how a format is spoken; all others that go with a key are taken for secrets. */
const OPEN_HEADER = /^(?:accept|content-type|user-agent|.*version|.*beta)$/

/** The values among a credential's headers (names and values in turn) that nobody may be shown. */
export function secretsOf(headers: readonly string[]): readonly string[] {
  const secrets: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (OPEN_HEADER.test(headers[i]!)) continue
    const value = headers[i + 1]!.replace(/^(?:Bearer|Basic|Token|Key) /i, '')
    if (value.length >= LEAST_SECRET) secrets.push(value)
  }
  return secrets
}

/**
 * What went to a provider, as its caller may see it (`debug.echo_upstream_body`): without secrets, and with long
 * base64 cut to its beginning and its length. A body that is no JSON object is told by its length alone.
 */
export function shownBody(body: string | Uint8Array, secrets: readonly string[]): JsonObject {
  const parsed = parseUpstream(body)
  const value = 'value' in parsed ? parsed.value : null
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { bytes: Buffer.byteLength(body) }
  return shown(value, secrets) as JsonObject
}

function shown(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return shownText(value, secrets)
  if (Array.isArray(value)) return value.map((item) => shown(item, secrets))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) =>
    [shownText(key, secrets), typeof inner === 'string' && SECRET_FIELD.test(key) ? REDACTED : shown(inner, secrets)]))
}

const REDACTED = '[redacted]'

function shownText(text: string, secrets: readonly string[]): string {
  const cut = withoutMedia(text)
  return secrets.reduce((at, secret) => at.replaceAll(secret, REDACTED), cut)
}

function withoutMedia(text: string): string {
  const head = DATA_URL.exec(text)?.[0] ?? ''
  const length = text.length - head.length
  if (length <= SHOWN_BASE64 || (head === '' && !BASE64.test(text))) return text
  return `${text.slice(0, head.length + SHOWN_OF_IT)}… (${length} characters)`
}
