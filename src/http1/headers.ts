import { isNamed } from './message-parser.ts'

/** An object without a prototype that the engine still keeps as a plain struct: `Object.create(null)` makes a hash table of each. */
export const Bare = function () {} as unknown as new () => Record<string, string | string[] | undefined>
Bare.prototype = Object.freeze(Object.create(null))

/**
 * Names that come in nearly every head. A name that is cut out of bytes has to be looked up among all names before it
 * can be a key; these are found by their length and ends, and are keys already.
 */
const FREQUENT = [
  'host', 'user-agent', 'accept', 'accept-encoding', 'accept-language', 'content-type', 'content-length', 'content-encoding', 'connection',
  'authorization', 'x-api-key', 'transfer-encoding', 'origin', 'referer', 'http-referer', 'x-title', 'x-openrouter-title', 'expect',
  'x-forwarded-for', 'x-real-ip', 'via', 'forwarded', 'cookie', 'if-none-match', 'x-stainless-lang', 'x-stainless-package-version',
  'x-stainless-os', 'x-stainless-arch', 'x-stainless-runtime', 'x-stainless-runtime-version', 'x-stainless-retry-count', 'x-stainless-timeout',
  'date', 'server', 'cache-control', 'keep-alive', 'vary', 'x-request-id', 'set-cookie', 'etag', 'openai-processing-ms', 'openai-version',
  'openai-organization', 'cf-ray', 'cf-cache-status', 'alt-svc', 'strict-transport-security', 'x-content-type-options',
] as const

const SLOTS = 512
const slotOf = (length: number, first: number, last: number): number => (length * 67 + (first | 32) * 31 + (last | 32)) % SLOTS

/** Two names may want one slot; the later then goes the long way. */
const BY_SLOT: readonly (string | undefined)[] = (() => {
  const slots: (string | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  for (const name of FREQUENT) slots[slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1))] ??= name
  return slots
})()

/** The lower-case name that stands between two places of a head; `text` is the head, `bytes` have it from `base` on. */
export function nameAt(bytes: Buffer, base: number, text: string, from: number, to: number): string {
  const known = BY_SLOT[slotOf(to - from, bytes[base + from]!, bytes[base + to - 1]!)]
  if (known !== undefined && known.length === to - from && isNamed(bytes, base + from, known)) return known
  return text.slice(from, to).toLowerCase()
}
