import { createHash } from 'node:crypto'
import type { RequestHeaders } from '../http1/index.ts'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import type { Reply } from './route.ts'

const gzipped = promisify(gzip)
const brotlied = promisify(brotliCompress)

/** Answers with bodies that are made once and kept, each with its ETag and, when asked for, compressed. */
export interface Store {
  /** `key` names the content: the same key is the same body, so a matching ETag answers 304 before anything is made. */
  reply(headers: RequestHeaders, key: string, make: () => string | Promise<string>): Reply | Promise<Reply>
}

interface Kept {
  readonly plain: Buffer
  gzip: Promise<Buffer> | null
  br: Promise<Buffer> | null
}

const KEPT_BYTES = 16 * 1024 * 1024
/** Smaller bodies gain less from compression than its frame and headers cost. */
const WORTH_COMPRESSING = 1024
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }

/** A store of at most 16 MiB. Compression runs on the thread pool, at most once for each body and encoding. */
export function createStore(): Store {
  const kept = new LRUCache<string, Kept>({ maxSize: KEPT_BYTES, sizeCalculation: ({ plain }) => plain.length + 1 })
  const making = new Map<string, Promise<Kept>>()

  const get = (key: string, make: () => string | Promise<string>): Promise<Kept> => {
    const known = kept.get(key)
    if (known) return Promise.resolve(known)
    const under = making.get(key)
    if (under) return under
    const made = (async () => {
      try {
        const one: Kept = { plain: Buffer.from(await make()), gzip: null, br: null }
        kept.set(key, one)
        return one
      } finally {
        making.delete(key)
      }
    })()
    making.set(key, made)
    return made
  }

  return {
    reply(headers, key, make) {
      const etag = `W/"${createHash('sha256').update(key).digest('base64url').slice(0, 22)}"`
      const common = ['ETag', etag, 'Cache-Control', 'no-cache', 'Vary', 'Accept-Encoding']
      if (matches(headers['if-none-match'], etag)) return { status: 304, text: '', headers: common }
      return (async () => {
        const body = await get(key, make)
        const encoding = body.plain.length < WORTH_COMPRESSING ? null : preferredEncoding(headers['accept-encoding'])
        if (encoding === null) return { text: body.plain, headers: common }
        const text = encoding === 'br' ? await (body.br ??= brotlied(body.plain, BROTLI)) : await (body.gzip ??= gzipped(body.plain))
        return { text, headers: [...common, 'Content-Encoding', encoding] }
      })()
    },
  }
}

/** If-None-Match against a weak ETag: one of the list, or `*`. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag.replace(/^W\//, ''))
}

/** The encoding that Accept-Encoding likes best of `br` and `gzip`; brotli where it likes both alike. */
export function preferredEncoding(header: string | string[] | undefined): 'br' | 'gzip' | null {
  if (header === undefined) return null
  const wishes = new Map<string, number>()
  for (const part of String(header).slice(0, 500).split(',')) {
    const [name = '', ...parameters] = part.trim().toLowerCase().split(';')
    const q = parameters.map((one) => /^\s*q=([\d.]+)\s*$/.exec(one)?.[1]).find((one) => one !== undefined)
    wishes.set(name.trim(), q === undefined ? 1 : Number(q))
  }
  const wish = (name: string) => wishes.get(name) ?? wishes.get('*') ?? 0
  if (wish('br') > 0 && wish('br') >= wish('gzip')) return 'br'
  return wish('gzip') > 0 ? 'gzip' : null
}
