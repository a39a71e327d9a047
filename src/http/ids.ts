import type { Ambient } from '../core/index.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 20
/** The largest multiple of 62 in a byte: bytes from here on would favour the first letters, so they are skipped. */
const FAIR = 248
const POOL = 4096

/**
 * Makes generation ids, `gen-<unix seconds>-<20 of base62>`. The first two of the twenty tell the millisecond, so that
 * ids grow with time: the database's index is then written at its end, and not all over. Random bytes are fetched in
 * bulk: a call for each id costs as much as the id.
 */
export function createIds(ambient: Ambient): () => string {
  let pool: Uint8Array = new Uint8Array(0)
  let at = 0
  return () => {
    const now = ambient.now()
    const ms = now % 1000
    let id = `gen-${Math.floor(now / 1000)}-${ALPHABET[Math.floor(ms / 62)]}${ALPHABET[ms % 62]}`
    for (let length = 2; length < LENGTH;) {
      if (at === pool.length) {
        pool = ambient.bytes(POOL)
        at = 0
      }
      const byte = pool[at++]!
      if (byte >= FAIR) continue
      id += ALPHABET[byte % 62]
      length++
    }
    return id
  }
}
