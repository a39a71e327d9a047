import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, type Dispatcher } from 'undici'
import { fault, FaultError, type Departure } from '../core/index.ts'

/**
 * Fetches an address that a tenant named: public unicast only, resolved once and pinned to what was checked, at most
 * three redirects, each checked again, no credentials, bounded in time and size. `permits` is asked for each host before
 * it is asked for anything; a departure ends it. What is resolved with names the encoding of a text, where the answer
 * did, and the address that redirects have led to.
 */
export interface GuardedFetch {
  (url: string, bounds: {
    readonly maxBytes: number
    readonly timeoutMs: number
    readonly types: RegExp
    readonly field?: string
    readonly permits?: (host: string) => boolean
    readonly departure?: Departure
  }): Promise<{ readonly mime: string; readonly bytes: Uint8Array; readonly charset?: string; readonly url?: string }>
}

const MAX_REDIRECTS = 3
/** Nothing is unpacked here, so nothing shall come packed: a small answer cannot become a large one. */
const HEADERS = { 'user-agent': 'Signalbox', 'accept-encoding': 'identity' }

const refusing = (field: string | undefined) => (message: string): FaultError =>
  new FaultError(fault('invalid-request', field ? `${field} ${message}` : message, { field }))

/** `allow` is the operator's: hosts in private networks that tenants may name. */
export function createGuardedFetch(given: { readonly allow: readonly string[] }): GuardedFetch {
  const agent = new Agent({
    connect: {
      timeout: 3000,
      // Undici connects to what this resolves, so the address that was checked is the address that is dialled.
      lookup: (hostname, options, callback) => {
        lookup(hostname, { ...options, all: true }, (error, addresses) => {
          if (error) return callback(error, '', 0)
          const public_ = addresses.filter((entry) => given.allow.includes(hostname) || isPublic(entry.address))
          if (public_.length === 0) return callback(new Error('not a public address'), '', 0)
          if (options.all) return (callback as unknown as (e: null, a: typeof public_) => void)(null, public_)
          callback(null, public_[0]!.address, public_[0]!.family)
        })
      },
    },
    maxHeaderSize: 16 * 1024,
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  })

  return async (url, bounds) => {
    const { departure } = bounds
    const timeout = AbortSignal.timeout(bounds.timeoutMs)
    const leaving = departure && new AbortController()
    const signal = leaving ? AbortSignal.any([timeout, leaving.signal]) : timeout
    const leave = (): void => leaving?.abort()
    departure?.listen(leave)
    if (departure?.gone) leave()
    try {
      return await fetched(url, bounds, signal)
    } finally {
      departure?.ignore(leave)
    }
  }

  async function fetched(url: string, bounds: Parameters<GuardedFetch>[1], signal: AbortSignal): ReturnType<GuardedFetch> {
    const refuse = refusing(bounds.field)
    let target = parse(url)
    for (let hop = 0; ; hop++) {
      if (!target) throw refuse('must be an http(s) URL without credentials')
      const host = target.hostname.replace(/^\[|\]$/g, '')
      // A literal address is never looked up, so it is checked here.
      if (isIP(host) && !given.allow.includes(host) && !isPublic(host)) throw refuse('must be a public address')
      if (bounds.permits?.(host) === false) throw refuse(`leads to ${host}, which is not permitted`)
      let response: Dispatcher.ResponseData
      try {
        response = await agent.request({ origin: target.origin, path: target.pathname + target.search, method: 'GET', signal, headers: HEADERS })
      } catch {
        throw refuse('could not be downloaded')
      }
      const { statusCode, headers, body } = response
      const location = headers['location']
      if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
        await body.dump()
        if (hop >= MAX_REDIRECTS) throw refuse('redirects too often')
        target = parse(location, target)
        continue
      }
      const [type = '', ...rest] = String(headers['content-type'] ?? '').split(';')
      const mime = type.trim().toLowerCase()
      if (statusCode !== 200 || !bounds.types.test(mime)) {
        body.destroy()
        body.on('error', () => {})
        throw refuse(statusCode !== 200 ? `answered ${statusCode}` : `is of type ${mime || 'unknown'}`)
      }
      const charset = /charset=\s*"?([\w-]{1,40})/i.exec(rest.join(';'))?.[1]
      return { mime, bytes: await readAll(body, bounds.maxBytes, refuse), ...(charset !== undefined && { charset }), url: target.href }
    }
  }
}

async function readAll(body: AsyncIterable<Uint8Array>, max: number, refuse: (m: string) => FaultError): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      length += chunk.length
      if (length > max) throw refuse(`is larger than ${max} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof FaultError ? error : refuse('could not be downloaded')
  }
  return Buffer.concat(chunks)
}

function parse(url: string, base?: URL): URL | null {
  const parsed = URL.parse(url, base)
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return null
  return parsed.username || parsed.password ? null : parsed
}

/** Whether an address is public unicast. Mapped, NAT64, 6to4 and Teredo forms are judged by what they lead to, or refused. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  return ipaddr.process(address).range() === 'unicast'
}
