import type { Socket } from 'node:net'
import type { Enrolled } from '../core/index.ts'
import { DONE, INVALID, RequestParser } from '../http1/index.ts'
import { Exchange } from './exchange.ts'
import { plainError } from './failure.ts'
import type { HttpLimits } from './limits.ts'
import type { Sweeper } from './sweeper.ts'

/** What connections need to know of their server. */
export interface Serving {
  readonly limits: HttpLimits
  readonly sweeper: Sweeper
  /** Monotonic milliseconds. */
  now(): number
  draining(): boolean
  /** The value of `Date`. */
  date(): string
  /** A request's head is whole, and mostly its body too. */
  request(x: Exchange): void
  /** A response has ended: it was delivered, or its client is gone. */
  closed(x: Exchange, delivered: boolean): void
}

/** Who a connection belongs to from the moment on at which its client and the server went over to another protocol. */
export interface Guest {
  /** Nothing is lost when it is closed. */
  readonly idle: boolean
  /** Ends the connection in the words of its protocol, as soon as nothing is lost by it. */
  leave(): void
  /** The socket has taken all that was written. */
  drained(): void
  /** The socket is gone. */
  closed(): void
  sweep(now: number): void
}

/** Bytes of further requests, or of a body that nobody reads yet, that are taken in; beyond, the socket is paused. */
const MAX_HELD_BYTES = 64 * 1024
/** How long what else a client sends is read and dropped after a refusal, so that the refusal is not lost to a reset. */
const REFUSED_MS = 500
/** When the probes go out after the client's end of sending. The first meets a reset, a later one finds it. */
const PROBES_MS = [0, 100, 400, 900]
const NOTHING = Buffer.alloc(0)
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * One connection of a caller: reads requests one after the other, and lets each be answered before the next is looked
 * at, so that answers to pipelined requests cannot change places. docs/decisions/0005 says why it is not node's.
 */
export class Connection implements Enrolled {
  place = -1
  readonly socket: Socket
  private readonly serving: Serving
  private readonly parser: RequestParser
  private current: Exchange | null = null
  /** What was read of requests behind the current one. */
  private held: Buffer | null = null
  /** Since when the current wait lasts: for a request, for the rest of a head, or for the rest of a body. */
  private since: number
  private waitsFor: 'request' | 'head' | 'body' = 'request'
  private served = false
  private refused = false
  private clientEnded = false
  private guest: Guest | null = null

  constructor(socket: Socket, serving: Serving) {
    this.socket = socket
    this.serving = serving
    this.since = serving.now()
    this.parser = new RequestParser(serving.limits.headerBytes)
    this.parser.begin()
    socket.on('data', (chunk: Buffer) => this.took(chunk))
    socket.on('end', () => this.ends())
    socket.on('drain', () => {
      socket.setTimeout(0)
      this.current?.drained()
      this.guest?.drained()
    })
    // A write that nobody took for too long.
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.closes())
    serving.sweeper.add(this)
  }

  /** Between two requests: nothing is lost when it is closed. */
  get idle(): boolean {
    if (this.guest !== null) return this.guest.idle
    return this.current === null && this.waitsFor === 'request'
  }

  /** What has come behind the request that is answered now; it is nobody's afterwards. */
  takeHeld(): Buffer {
    const { held } = this
    this.held = null
    return held ?? NOTHING
  }

  /** Ends a request by going over to another protocol. From now on the socket is read and written by whom it is given to. */
  handOver(x: Exchange, guest: Guest): void {
    this.current = null
    this.guest = guest
    x.status = 101
    x.ended = x.over = true
    this.serving.closed(x, true)
    this.resume()
  }

  private took(chunk: Buffer): void {
    if (this.refused || this.guest !== null) return
    if (this.held === null && (this.current === null || !this.current.complete)) return this.read(chunk)
    this.held = this.held === null ? chunk : Buffer.concat([this.held, chunk])
    if (this.held.length > MAX_HELD_BYTES) this.socket.pause()
  }

  private read(chunk: Buffer): void {
    const { parser } = this
    const progress = parser.push(chunk, chunk.length)
    if (progress === INVALID) return this.refuse(parser.reason)
    const x = this.current
    if (x === null) {
      if (parser.headed) this.begins(chunk, progress === DONE)
      else if (this.waitsFor === 'request') this.waits('head')
      return
    }
    if (parser.bytes > 0 && !x.take(bodyOf(parser, chunk), MAX_HELD_BYTES)) this.socket.pause()
    if (progress !== DONE) return
    this.keep(chunk)
    x.whole()
    if (x.over) this.next()
  }

  private begins(chunk: Buffer, whole: boolean): void {
    const { parser, serving } = this
    const x = new Exchange(this, serving, parser)
    this.current = x
    if (parser.bytes > 0) x.take(bodyOf(parser, chunk), Infinity)
    if (whole) {
      x.complete = true
      this.keep(chunk)
    } else this.waits('body')
    if (this.clientEnded) this.probe(x)
    if (x.expects('100-continue')) x.awaitsContinue = !x.complete
    else if (x.headers['expect'] !== undefined) return this.refuse('expectation')
    serving.request(x)
  }

  /** What stands behind a whole message in its last piece. */
  private keep(chunk: Buffer): void {
    if (this.parser.used < chunk.length) this.held = chunk.subarray(this.parser.used)
  }

  private waits(what: 'head' | 'body'): void {
    // One time for the whole request: the body's begins where the head's did, or with the head.
    if (this.waitsFor === 'request') this.since = this.serving.now()
    this.waitsFor = what
  }

  /** All of a response was handed to the socket. */
  handedOver(x: Exchange): void {
    const { socket } = this
    if (socket.writableLength === 0) return this.delivered(x)
    socket.setTimeout(this.serving.limits.writeStallMs)
    // Called back when all before it is out; with an error when that will never be, and then the close tells.
    socket.write('', (error) => {
      socket.setTimeout(0)
      if (!error) this.delivered(x)
    })
  }

  private delivered(x: Exchange): void {
    if (x.over) return
    x.over = true
    this.serving.closed(x, true)
    if (x.closing) return this.close()
    if (x.complete) return this.next()
    // The rest of a small body that nobody wants is on its way: it is dropped, and the connection goes on.
    x.drop()
    this.resume()
  }

  private next(): void {
    this.current = null
    this.served = true
    this.waitsFor = 'request'
    this.since = this.serving.now()
    this.parser.begin()
    const { held } = this
    if (held !== null) {
      // In a turn of its own: a thousand small requests in one piece must not hold others up, nor pile up calls.
      setImmediate(() => {
        const { held } = this
        this.held = null
        this.resume()
        if (held !== null && !this.socket.destroyed) this.read(held)
      })
    } else if (this.clientEnded || this.serving.draining()) this.close()
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume()
  }

  /** Closes when all that was written is out. */
  close(): void {
    if (this.guest !== null) return this.guest.leave()
    this.socket.destroySoon()
  }

  /**
   * Cuts the connection when a client that reads too slowly takes nothing more. Node's socket timer starts again with
   * each progress of a write, so a slow reader is not taken for a dead one.
   */
  guardStall(): void {
    if (this.socket.writableNeedDrain) this.socket.setTimeout(this.serving.limits.writeStallMs)
  }

  /** Answers what could not be read as a request: one clean error, then the connection ends. */
  private refuse(reason: string): void {
    const { socket, current: x } = this
    this.refused = true
    const begun = x !== null && x.status !== 0
    if (x !== null) this.gone(x)
    if (begun || !socket.writable) return void socket.destroy()
    const [status, words, message] = REFUSALS[reason] ?? [400, 'Bad Request', 'The request is not valid HTTP/1.1']
    const body = plainError(status, 'invalid_request', message)
    socket.end(`HTTP/1.1 ${status} ${words}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
      + `Connection: close\r\n\r\n${body}`, 'latin1')
    this.resume()
    setTimeout(() => socket.destroy(), REFUSED_MS).unref()
  }

  private gone(x: Exchange): void {
    if (x.over) return
    x.over = true
    x.left()
    this.serving.closed(x, false)
  }

  private closes(): void {
    this.serving.sweeper.delete(this)
    if (this.current !== null) this.gone(this.current)
    this.guest?.closed()
  }

  /**
   * A client that has ended its side of the connection either closed it, which looks exactly the same, or waits for the
   * answer with only its sending side shut. What tells them apart is a write: to a closed connection it comes back as a
   * reset. So harmless bytes are written a few times within a second: a comment on an open stream, `100 Continue` before
   * a response (any client of HTTP/1.1 has to skip it). HTTP/1.0 knows neither; there an end is taken for a close.
   */
  private ends(): void {
    const { current: x } = this
    this.clientEnded = true
    if (this.refused || this.guest !== null) return
    if (x === null) {
      if (this.held !== null) return
      if (this.waitsFor === 'request') this.close()
      else this.refuse('cut')
    } else if (!x.complete && !x.over) this.refuse('cut')
    else if (x.over) this.close()
    else this.probe(x)
  }

  private probe(x: Exchange): void {
    if (x.minor === 0 && x.nudge === null) {
      const gone = x.onGone
      x.onGone = null
      gone?.()
      return
    }
    for (const ms of PROBES_MS) {
      if (ms === 0) this.probeNow(x)
      else setTimeout(() => this.probeNow(x), ms).unref()
    }
  }

  private probeNow(x: Exchange): void {
    if (x.over || x.ended || this.socket.destroyed) return
    if (x.status !== 0) x.nudge?.()
    else if (x.minor > 0) this.socket.write(CONTINUE)
  }

  sweep(now: number): void {
    if (this.guest !== null) return this.guest.sweep(now)
    const { limits } = this.serving
    const waited = now - this.since
    if (this.current === null) {
      if (this.waitsFor === 'head') {
        if (waited >= limits.headersTimeoutMs) this.refuse('timeout')
      } else if (this.held === null && waited >= (this.served ? limits.keepAliveMs : limits.headersTimeoutMs)) this.close()
    } else if (!this.current.complete && waited >= limits.requestTimeoutMs) this.refuse('timeout')
  }
}

const REFUSALS: Readonly<Record<string, readonly [number, string, string]>> = {
  headers_too_large: [431, 'Request Header Fields Too Large', 'The head of the request is larger than 16 KiB'],
  too_many_headers: [431, 'Request Header Fields Too Large', 'The head of the request has too many lines'],
  chunk_extension: [413, 'Content Too Large', 'The chunk extensions of the request are too large'],
  timeout: [408, 'Request Timeout', 'The request did not arrive in time'],
  expectation: [417, 'Expectation Failed', 'The only expectation that can be met is 100-continue'],
}

/** The body bytes of the last push: mostly a part of the piece itself, which is nobody else's. */
function bodyOf({ body, ranges, bytes }: RequestParser, piece: Buffer): Buffer {
  if (ranges === 2) return piece.subarray(body[0], body[1])
  const joined = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let i = 0; i < ranges; i += 2) at += piece.copy(joined, at, body[i], body[i + 1])
  return joined
}
