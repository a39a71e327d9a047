import type { Ambient } from '../core/index.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 20
/** The largest multiple of 62 in a byte: bytes from here on would favour the first letters, so they are skipped. */
const FAIR = 248
const POOL = 4096

/** Makes generation ids, `gen-<unix seconds>-<20 of base62>`. Random bytes are fetched in bulk: a call for each id costs as much as the id. */
export function createIds(ambient: Ambient): () => string {
  let pool: Uint8Array = new Uint8Array(0)
  let at = 0
  return () => {
    let id = `gen-${Math.floor(ambient.now() / 1000)}-`
    for (let length = 0; length < LENGTH;) {
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
