import { buildConnector, Pool, type Dispatcher } from 'undici'
import { fault, FaultError, type Fault } from '../core/index.ts'

export interface OutboundRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  /** Names and values in turn, as they go on the wire. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | null
  /** Bounds TCP and TLS together, in milliseconds. */
  readonly connectMs: number
  /** Is handed the way to abort the exchange before anything is sent: works at any time, also while connecting. */
  readonly control?: (abort: () => void) => void
}

export interface OutboundResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /**
   * What has arrived since the last read, in one piece; null at the end. Reads are taken in turn: one at a time.
   * Rejects with a FaultError when the connection breaks. While nobody reads, at most 256 KiB are taken in.
   */
  read(): Promise<Uint8Array | null>
  /** Ends the exchange at once and closes its socket unless it is complete. Safe to call twice. */
  abort(): void
}

export interface Net {
  /** Resolves with the answer's head. Rejects with a FaultError: `connection`, `timeout` (connecting) or `cancelled`. */
  send(request: OutboundRequest): Promise<OutboundResponse>
  /** Closes every pool; exchanges under way are aborted. */
  close(): Promise<void>
}

/** Bytes taken in while nobody reads; beyond it the socket is paused, so a slow client stalls the provider, not our memory. */
const MAX_UNREAD_BYTES = 256 * 1024
const MAX_RESPONSE_HEADER_BYTES = 32 * 1024
const IDLE_SOCKET_MS = 30_000

interface Origin {
  readonly pool: Pool
  /** Connections opened so far: none since a dispatch means that the dispatch rode on an old one. */
  connects: number
}

/**
 * Pools of HTTP/1.1 connections, one for each origin and connect timeout, driven through undici's dispatch: its handlers cost a third
 * of `fetch`, and abort and pause without an AbortController. HTTP/2 stays off (nodejs/undici#5566: abort leak).
 */
export function createNet(): Net {
  const origins = new Map<string, Origin>()

  const originOf = (name: string, connectMs: number): Origin => {
    const key = `${name} ${connectMs}`
    let origin = origins.get(key)
    if (origin) return origin
    const connect = buildConnector({ timeout: connectMs, keepAlive: true, allowH2: false })
    const created: Origin = {
      connects: 0,
      pool: new Pool(name, {
        connections: null,
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: IDLE_SOCKET_MS,
        maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
        connect: (options, callback) => {
          connect(options, (...result) => {
            created.connects++
            callback(...result)
          })
        },
      }),
    }
    origins.set(key, origin = created)
    return origin
  }

  return {
    async send(request) {
      const slash = request.url.indexOf('/', request.url.indexOf('://') + 3)
      const name = slash < 0 ? request.url : request.url.slice(0, slash)
      const path = slash < 0 ? '/' : request.url.slice(slash)
      const origin = originOf(name, request.connectMs)
      const before = origin.connects
      try {
        return await exchange(origin.pool, path, request)
      } catch (error) {
        const rodeOnOldSocket = origin.connects === before
        if (!rodeOnOldSocket || !(error instanceof Unanswered)) throw faultFrom(error)
      }
      // The provider closed an idle connection while we wrote to it. No byte of an answer was seen, so once more.
      try {
        return await exchange(origin.pool, path, request)
      } catch (error) {
        throw faultFrom(error)
      }
    },
    async close() {
      await Promise.all([...origins.values()].map((origin) => origin.pool.destroy()))
      origins.clear()
    },
  }
}

/** The socket broke before any byte of an answer. */
class Unanswered extends Error {}

function exchange(pool: Pool, path: string, request: OutboundRequest): Promise<OutboundResponse> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null
    let aborted = false
    let ended = false
    let failure: unknown = null
    let answered = false
    let chunks: Uint8Array[] = []
    let unread = 0
    let waiting: { resolve(chunk: Uint8Array | null): void; reject(error: unknown): void } | null = null

    const abort = (): void => {
      if (ended || aborted) return
      aborted = true
      failure = CANCELLED
      chunks = []
      controller?.abort(CANCELLED)
      waiting?.reject(faultFrom(CANCELLED))
      waiting = null
      if (!answered) reject(CANCELLED)
    }

    const take = (): Uint8Array => {
      const taken = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      const paused = unread > MAX_UNREAD_BYTES
      chunks = []
      unread = 0
      // Resuming hands over more data before it returns, so the books are in order first.
      if (paused) controller?.resume()
      return taken
    }

    const hand = (): void => {
      if (!waiting || chunks.length === 0) return
      const reader = waiting
      waiting = null
      reader.resolve(take())
    }

    const response = (status: number, headers: OutboundResponse['headers']): OutboundResponse => ({
      status,
      headers,
      abort,
      read() {
        if (chunks.length > 0) return Promise.resolve(take())
        if (failure !== null) return Promise.reject(faultFrom(failure))
        if (ended) return Promise.resolve(null)
        return new Promise((resolve, reject) => { waiting = { resolve, reject } })
      },
    })

    request.control?.(abort)

    pool.dispatch({
      path,
      method: request.method,
      headers: request.headers as string[],
      body: request.body,
      reset: false,
    }, {
      onRequestStart(of) {
        controller = of
        if (aborted) of.abort(CANCELLED)
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return
        answered = true
        resolve(response(status, headers))
      },
      onResponseData(of, chunk) {
        if (aborted) return
        chunks.push(chunk)
        unread += chunk.length
        if (unread > MAX_UNREAD_BYTES) of.pause()
        // One read of the socket brings many chunks, each in a call of its own (providers send every event as one):
        // they are handed on together, once the parser is through with them.
        if (waiting && chunks.length === 1) queueMicrotask(hand)
      },
      onResponseEnd() {
        ended = true
        if (chunks.length > 0) return
        waiting?.resolve(null)
        waiting = null
      },
      onResponseError(_, error) {
        if (aborted) return
        failure = error
        if (!answered) reject(isClosedSocket(error) ? new Unanswered(error.message, { cause: error }) : error)
        if (chunks.length > 0) return
        waiting?.reject(faultFrom(error))
        waiting = null
      },
    })
  })
}

const CANCELLED = new Error('cancelled')

function isClosedSocket(error: Error): boolean {
  const code = codeOf(error)
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

function codeOf(error: unknown): string {
  return error instanceof Error ? String((error as { code?: unknown }).code ?? '') : ''
}

const TLS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|EPROTO)/

function faultFrom(error: unknown): FaultError {
  if (error instanceof FaultError) return error
  if (error === CANCELLED) return new FaultError(fault('cancelled', 'The request was cancelled'))
  const cause = error instanceof Unanswered ? error.cause : error
  return new FaultError(faultOfSocket(cause))
}

/** What a socket's failure means. Messages name no address: an operator finds it in the log, a tenant has no use for it. */
function faultOfSocket(error: unknown): Fault {
  const code = codeOf(error)
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return fault('timeout', 'The provider could not be reached in time', { upstream: { code } })
  }
  if (TLS.test(code)) {
    return fault('connection', "The provider's TLS certificate or handshake was not acceptable", { upstream: { code: 'tls' } })
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return fault('invalid-response', "The provider's response headers were too large", { upstream: { code } })
  }
  if (code.startsWith('HPE_') || (error instanceof Error && error.name === 'HTTPParserError')) {
    return fault('invalid-response', 'The provider did not answer in HTTP', { upstream: { code: code || 'not_http' } })
  }
  const what = code === 'ECONNREFUSED' ? 'The provider refused the connection'
    : code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? "The provider's address could not be resolved"
      : 'The connection to the provider broke'
  return fault('connection', what, { upstream: { code: code || 'unknown' } })
}
