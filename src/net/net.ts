import { fault, FaultError } from '../core/index.ts'
import { Exchange } from './exchange.ts'
import { cancelled } from './faults.ts'
import type { ResponseHeaders } from '../http1/index.ts'
import { createPool, type Pool, type Ticker } from './pool.ts'
import { createRequestHeads } from './request-head.ts'

export interface OutboundRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  /** Names and values in turn, as they go on the wire. Those that only the connection may set are dropped. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | null
  /** Bounds TCP and TLS together, in milliseconds. */
  readonly connectMs: number
  /**
   * Is handed the way to abort the exchange before anything is sent: works at any time, also while connecting. Aborting
   * says whether the request had gone out.
   */
  readonly control?: (abort: () => boolean) => void
}

export interface OutboundResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: ResponseHeaders
  /**
   * What has arrived since the last read, in one piece; null at the end. Reads are taken in turn: one at a time.
   * Rejects with a FaultError when the connection breaks. While nobody reads, at most 128 KiB are taken in.
   */
  read(): Promise<Uint8Array | null>
  /** All of it has come and was read: the next read is the end. */
  readonly over?: boolean
  /** Ends the exchange at once and closes its socket unless it is complete. Safe to call twice. */
  abort(): void
}

export interface Net {
  /**
   * Resolves with the answer's head. Rejects with a FaultError: `connection`, `timeout` (connecting), `invalid-response`,
   * `cancelled`, or `internal` for a request that cannot be put on the wire.
   */
  send(request: OutboundRequest): Promise<OutboundResponse>
  /** Closes every connection; exchanges under way are aborted. */
  close(): Promise<void>
}

const READ_BYTES = 64 * 1024
const TICK_MS = 1000
/** Origins beyond this are forgotten while nothing connects to them. */
const MAX_ORIGINS = 1000

/**
 * An HTTP/1.1 client for long calls to few hosts: docs/decisions/0003-own-http-client.md says why not a library's.
 * `ca` replaces the certificate authorities that are trusted; verification cannot be turned off.
 */
export function createNet(given: { readonly ca?: string } = {}): Net {
  const pools = new Map<string, Pool>()
  const heads = createRequestHeads()
  const ticker = createTicker(() => {
    let idle = false
    for (const pool of pools.values()) idle = pool.sweep() || idle
    return idle
  })
  const shared = { ca: given.ca, readInto: Buffer.allocUnsafeSlow(READ_BYTES), ranges: [], ticker }
  let closed = false

  const poolOf = (name: string): Pool => {
    const known = pools.get(name)
    if (known) return known
    const origin = URL.parse(name)
    if (!origin || !/^https?:$/.test(origin.protocol) || origin.pathname !== '/' || /[@?#]/.test(name)) {
      throw new FaultError(fault('internal', "The provider's address is not an http or https URL"))
    }
    if (pools.size >= MAX_ORIGINS) for (const [key, pool] of pools) if (pool.empty) pools.delete(key)
    const pool = createPool(origin, shared)
    pools.set(name, pool)
    return pool
  }

  return {
    send: (request) => new Promise((resolve, reject) => {
      const { url, body } = request
      const slash = url.indexOf('/', url.indexOf('://') + 3)
      const pool = poolOf(slash < 0 ? url : url.slice(0, slash))
      const path = slash < 0 ? '/' : url.slice(slash)
      const bytes = body === null ? (request.method === 'POST' ? 0 : null) : Buffer.byteLength(body)
      const head = heads.of(request.method, path, pool.fixed, request.headers, bytes)
      const ascii = typeof body === 'string' && bytes === body.length
      const exchange = new Exchange(head, body, ascii, request.connectMs, resolve, reject)
      request.control?.(exchange.abort)
      if (closed) exchange.fail(cancelled())
      if (exchange.failure === null) pool.run(exchange)
    }),
    async close() {
      closed = true
      ticker.stop()
      await Promise.all([...pools.values()].map((pool) => pool.close()))
    },
  }
}

/** `sweep` is called once a second from `start` on, until it says that nothing is left to watch. */
function createTicker(sweep: () => boolean): Ticker & { stop(): void } {
  let timer: NodeJS.Timeout | null = null
  const ticker = {
    now: 0,
    start() {
      timer ??= setInterval(() => {
        ticker.now++
        if (!sweep()) ticker.stop()
      }, TICK_MS).unref()
    },
    stop() {
      if (timer) clearInterval(timer)
      timer = null
    },
  }
  return ticker
}
