import { crc32 } from 'node:zlib'
import type { Ambient } from '../core/index.ts'

/**
 * `sk-sb-v1-`, 43 characters of base 62 that carry 256 random bits, and 6 that are the CRC-32 of all before them.
 * The checksum (GitHub's design) refuses typing errors and scanners' noise without a look-up, and lets a scanner of
 * repositories tell a key from a string that looks like one.
 */
const PREFIX = 'sk-sb-v1-'
const SECRET_BYTES = 32
const SECRET_DIGITS = 43
const CHECKSUM_DIGITS = 6
const LENGTH = PREFIX.length + SECRET_DIGITS + CHECKSUM_DIGITS
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SHAPE = /^sk-sb-v1-[0-9A-Za-z]{49}$/

/** For scanners and redaction: finds keys inside other text. */
export const KEY_PATTERN = /\bsk-sb-v1-[0-9A-Za-z]{49}\b/g

/** Makes a new key. It exists in the answer to whoever asked for it and nowhere else. */
export function makeKey(ambient: Ambient): string {
  const secret = BigInt(`0x${Buffer.from(ambient.bytes(SECRET_BYTES)).toString('hex')}`)
  const body = PREFIX + base62(secret, SECRET_DIGITS)
  return body + checksum(body)
}

/** Whether a text is of a key's length, the cheapest of questions: only such a text is hashed. */
export function isKeyShaped(text: string): boolean {
  return text.length === LENGTH
}

/** Why a text cannot be a key, in words for its sender that repeat nothing of it; null when it may be one. */
export function malformed(text: string): string | null {
  if (!text.startsWith(PREFIX)) return `keys of this server begin with "${PREFIX}"`
  if (text.length !== LENGTH) return `a key has ${LENGTH} characters, this one has ${text.length}`
  if (!SHAPE.test(text)) return 'a key has only letters and digits after its prefix'
  const body = text.slice(0, -CHECKSUM_DIGITS)
  if (text !== body + checksum(body)) return 'its checksum is wrong, so it was mistyped or changed'
  return null
}

/** What may be shown of a key: OpenRouter's form, `sk-sb-v1-abc...xyz`. */
export function labelOf(key: string): string {
  return `${key.slice(0, PREFIX.length + 3)}...${key.slice(-3)}`
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_DIGITS)
}

function base62(value: bigint, digits: number): string {
  let text = ''
  for (let rest = value; text.length < digits; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text
  return text
}
