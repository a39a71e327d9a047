import type { Ambient } from '../core/index.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM = 18
/** The largest multiple of 62 in a byte: bytes from here on would favour the first letters, so they are skipped. */
const FAIR = 248
const POOL = 4096

/**
 * Makes generation ids, `gen-<unix seconds>-<20 of base62>`. The first two of the twenty tell the millisecond, so that
 * ids grow with time: the database's index is then written at its end, and not all over. Random letters are made in
 * bulk: a call for each id costs as much as the id, and so does putting it together letter by letter.
 */
export function createIds(ambient: Ambient): () => string {
  let letters = ''
  let at = 0
  return () => {
    // A pool of bytes that are all skipped has no letters.
    while (at + RANDOM > letters.length) {
      letters = letters.slice(at) + lettersOf(ambient.bytes(POOL))
      at = 0
    }
    const now = ambient.now()
    const ms = now % 1000
    return `gen-${Math.floor(now / 1000)}-${ALPHABET[Math.floor(ms / 62)]}${ALPHABET[ms % 62]}${letters.slice(at, at += RANDOM)}`
  }
}

function lettersOf(bytes: Uint8Array): string {
  let letters = ''
  for (const byte of bytes) if (byte < FAIR) letters += ALPHABET[byte % 62]
  return letters
}
