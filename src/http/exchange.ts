import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { KeyRecord } from '../accounts/index.ts'
import type { Enrolled, Fault } from '../core/index.ts'
import type { Swept, Sweeper } from './sweeper.ts'

/** One request and its response, from the head of the one to the last byte of the other. */
export interface Exchange extends Enrolled {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly params: Readonly<Record<string, string | undefined>>
  readonly search: Readonly<Record<string, unknown>>
  /** `gen-…` on inference routes, null elsewhere. */
  readonly id: string | null
  /** Milliseconds since the epoch, when the head was there. */
  readonly createdAt: number
  /** Monotonic milliseconds, when the head was there. */
  readonly arrivedAt: number
  /** Monotonic milliseconds, when the last byte of the body was there. */
  startedAt: number
  key: KeyRecord | null
  body: Buffer | null
  /** Who may read the answer from a browser: the API answers any origin, operator routes none. */
  readonly open: boolean
  /** Called once when the client leaves before the end of the response. */
  onGone: (() => void) | null
  /** Writes something harmless, so that a connection whose client is gone fails; null where nothing can be written. */
  nudge: (() => void) | null
  /** Ends the exchange now, with this fault: the server is stopping. */
  cut: ((fault: Fault) => void) | null
  done: boolean
  /** The connection ends with this response, whatever is left of the request. */
  closing: boolean
  /** An earlier exchange of the same connection that has not ended (pipelining). */
  previous: Exchange | null
  readonly awaitsContinue: boolean
  readonly sender: Sender
}

/** What sending needs to know of the server. */
export interface Sender {
  readonly sweeper: Sweeper
  readonly lingerMs: number
  readonly writeStallMs: number
  now(): number
  draining(): boolean
}

export const JSON_TYPE = 'application/json; charset=utf-8'

/** Above this a body that nobody reads is not waited for: the connection is given up instead. */
const CHEAP_REST = 64 * 1024

/** The headers of every response: flat, as `writeHead` takes them without a copy. */
export function headersOf(x: Exchange, type: string): string[] {
  const headers = ['Content-Type', type, 'X-Content-Type-Options', 'nosniff']
  if (x.open) {
    headers.push('Access-Control-Allow-Origin', '*')
    if (x.req.headers.origin !== undefined) headers.push('Access-Control-Expose-Headers', EXPOSED)
  }
  if (x.id !== null) headers.push('X-Generation-Id', x.id)
  if (endsConnection(x)) headers.push('Connection', 'close')
  return headers
}

const EXPOSED = 'X-Generation-Id, Retry-After, ETag, Allow'

/**
 * Sends a whole response. `extra` is a flat list of further headers. When a part of the request's body is still on
 * its way, the connection is closed, but only after a while of reading: closing a socket with unread bytes resets it,
 * and the client would see a reset instead of the refusal.
 */
export function send(x: Exchange, status: number, type: string, body: string | Uint8Array, extra?: readonly string[]): void {
  const { req, res } = x
  if (res.headersSent || res.destroyed) return
  const headers = headersOf(x, type)
  if (extra !== undefined) for (const each of extra) headers.push(each)
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  headers.push('Content-Length', String(length))
  if (!x.closing && !restIsCostly(x)) {
    res.writeHead(status, headers)
    // Plain ASCII, as most answers are, is copied to the socket in half the time that its encoding takes.
    if (typeof body === 'string') res.end(body, length === body.length ? 'latin1' : 'utf8')
    else res.end(body)
    guardStall(x)
    return
  }
  if (!endsConnection(x)) headers.push('Connection', 'close')
  res.writeHead(status, headers)
  if (x.awaitsContinue || req.complete) {
    res.end(body)
    guardStall(x)
    return
  }
  res.write(body)
  linger(x)
}

/** A response without a body. */
export function sendEmpty(x: Exchange, status: number, extra: readonly string[]): void {
  if (x.res.headersSent || x.res.destroyed) return
  const headers = x.open ? ['Access-Control-Allow-Origin', '*', ...extra] : [...extra]
  if (status !== 204 && status !== 304) headers.push('Content-Length', '0')
  if (endsConnection(x) || restIsCostly(x)) headers.push('Connection', 'close')
  x.res.writeHead(status, headers)
  x.res.end()
}

/**
 * Cuts the connection when what was written is not taken. Node's socket timer starts again with each progress of a
 * write, so a slow reader is not taken for a dead one; the server's keep-alive replaces it when all is written.
 */
export function guardStall({ req, sender }: Exchange): void {
  if (req.socket.writableLength > 0) req.socket.setTimeout(sender.writeStallMs)
}

function endsConnection(x: Exchange): boolean {
  return x.closing || x.sender.draining()
}

function restIsCostly({ req, awaitsContinue }: Exchange): boolean {
  if (req.complete) return false
  const length = req.headers['content-length']
  if (req.headers['transfer-encoding'] === undefined) {
    if (length === undefined) return false
    if (!awaitsContinue && Number(length) <= CHEAP_REST) return false
  }
  return true
}

function linger(x: Exchange): void {
  const { req, res } = x
  const { sweeper } = x.sender
  const until = x.sender.now() + x.sender.lingerMs
  const end = () => {
    sweeper.delete(entry)
    res.end()
  }
  const entry: Swept = { place: -1, sweep: (now) => { if (now >= until) end() } }
  sweeper.add(entry)
  req.resume()
  req.once('end', end)
  req.once('close', end)
}

const CURRENT = Symbol('the latest exchange of a connection')
type Connection = Socket & { [CURRENT]?: Exchange | null }

/** Notes that an exchange runs on its connection, so that the end of the connection's reading side finds it. */
export function attach(x: Exchange): void {
  const socket = x.req.socket as Connection
  const current = socket[CURRENT] ?? null
  if (current !== null && !current.done) x.previous = current
  socket[CURRENT] = x
}

export function detach(x: Exchange): void {
  x.done = true
  x.previous = null
  const socket = x.req.socket as Connection
  if (socket[CURRENT] === x) socket[CURRENT] = null
}

/** Whether an error may be written on a connection as it is: not in the midst of a response, nor before an earlier one. */
export function mayRefuse(socket: Socket): boolean {
  const current = (socket as Connection)[CURRENT] ?? null
  return current === null || current.done || (!current.res.headersSent && current.previous === null)
}

/** When the probes go out after the client's end of sending. The first meets a reset, a later one finds it. */
const PROBES_MS = [0, 100, 400, 900]

/**
 * A client that has ended its side of the connection either closed it, which looks exactly the same, or waits for the
 * answer with only its sending side shut. What tells them apart is a write: to a closed connection it comes back as a
 * reset. So harmless bytes are written a few times within a second: a comment on an open stream, `100 Continue` before
 * a response (any client of HTTP/1.1 has to skip it). HTTP/1.0 knows neither; there an end is taken for a close.
 */
export function probeAfterEnd(socket: Socket): void {
  for (let x = (socket as Connection)[CURRENT] ?? null; x !== null; x = x.previous) {
    if (x.done) continue
    if (x.req.httpVersionMinor === 0 && x.nudge === null) {
      const gone = x.onGone
      x.onGone = null
      gone?.()
      continue
    }
    for (const ms of PROBES_MS) {
      if (ms === 0) probe(x)
      else setTimeout(probe, ms, x).unref()
    }
  }
}

function probe(x: Exchange): void {
  if (x.done || x.res.destroyed || x.res.writableEnded) return
  if (x.res.headersSent) x.nudge?.()
  else if (x.req.httpVersionMinor > 0) x.res.writeContinue()
}
