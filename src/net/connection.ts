import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls'
import type { Fault } from '../core/index.ts'
import type { Exchange } from './exchange.ts'
import { CONNECT_TIMEOUT, faultOfParser, faultOfSocket } from './faults.ts'
import { DONE, INVALID, ResponseParser } from '../http1/index.ts'

/** Up to here head and body go out as one string; beyond, joining them costs more than the second entry of a writev. */
const MAX_JOINED = 16 * 1024
/** Finds a peer that vanished without a word, also under a stream that is silent for long. */
const TCP_KEEP_ALIVE_MS = 30_000

/** Where connections of one origin come from and go back to. */
export interface Home {
  readonly host: string
  readonly port: number
  /** What TLS trusts; null on plain connections. One for all: making it reads certificates. */
  readonly tls: SecureContext | null
  /** What TLS sessions are resumed with. */
  session: Buffer | undefined
  /**
   * All sockets of the process read into one buffer, and what arrived is copied out before the next read: 64 KiB for
   * each of ten thousand open streams would be 640 MB, and memory made anew for each read costs more than the copy.
   */
  readonly readInto: Uint8Array
  readonly ranges: number[]
  /** The exchange is over and the connection fit for another. */
  release(connection: Connection): void
  /** The connection is gone. */
  forget(connection: Connection): void
  /** An exchange whose old connection broke before a byte of an answer. */
  again(exchange: Exchange): void
}

/** One socket, and the exchange that it carries, if any. */
export class Connection {
  /** Closed, or as good as: nothing may be sent. */
  dead = false
  /** Tick at which it has been idle for too long. */
  idleUntil = 0
  readonly socket: Socket
  private readonly home: Home
  private readonly parser: ResponseParser
  private exchange: Exchange | null
  private served = 0
  private timer: NodeJS.Timeout | undefined

  /** Dials; the exchange goes out as soon as the connection stands. */
  constructor(home: Home, exchange: Exchange) {
    this.home = home
    this.exchange = exchange
    exchange.carrier = this
    this.parser = new ResponseParser(home.ranges)
    this.socket = home.tls !== null ? this.dialTls(home.tls) : connect({ host: home.host, port: home.port, ...this.options() })
    this.socket
      .on(home.tls !== null ? 'secureConnect' : 'connect', () => this.stands())
      .on('end', () => this.ends())
      .on('error', (error) => this.lost(error))
      .on('close', () => this.lost(null))
    this.timer = setTimeout(() => this.lost(Object.assign(new Error('no connection in time'), { code: CONNECT_TIMEOUT })), exchange.connectMs)
  }

  private options() {
    return {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      onread: { buffer: this.home.readInto, callback: (size: number, buffer: Uint8Array) => this.took(buffer as Buffer, size) },
    }
  }

  private dialTls(secureContext: SecureContext): TLSSocket {
    const { home } = this
    return connectTls({
      host: home.host, port: home.port, ...this.options(),
      // RFC 6066: an address is no server name.
      servername: isIP(home.host) ? '' : home.host,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      session: home.session,
      secureContext,
    }).on('session', (session) => { home.session = session })
  }

  private stands(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.exchange !== null) this.send(this.exchange)
  }

  /** Carries another exchange. The caller has made sure that none is under way. */
  start(exchange: Exchange): void {
    this.exchange = exchange
    exchange.carrier = this
    this.send(exchange)
  }

  private send(exchange: Exchange): void {
    const { head, body, ascii } = exchange
    const { socket } = this
    exchange.sent = true
    this.parser.begin()
    if (body === null) {
      socket.write(head, 'latin1')
      return
    }
    if (ascii && body.length <= MAX_JOINED) {
      socket.write(head + (body as string), 'latin1')
      return
    }
    socket.cork()
    socket.write(head, 'latin1')
    if (typeof body === 'string') socket.write(body, ascii ? 'latin1' : 'utf8')
    else socket.write(body)
    socket.uncork()
  }

  /** What one read of the socket brought. False stops reading. */
  private took(buffer: Buffer, size: number): boolean {
    const { exchange, parser } = this
    if (exchange === null) {
      // Nothing was asked, so whatever this is, it would be taken for the answer to the next question.
      this.destroy()
      return false
    }
    const progress = parser.push(buffer, size)
    if (parser.headed && !exchange.answered) exchange.answer(parser.status, parser.headers)
    const more = parser.bytes === 0 || exchange.give(bodyOf(parser, buffer))
    if (progress === DONE) {
      this.complete(exchange, parser.used === size)
      return true
    }
    if (progress === INVALID) {
      this.fail(faultOfParser(parser.reason))
      return false
    }
    return more
  }

  private complete(exchange: Exchange, clean: boolean): void {
    this.exchange = null
    this.served++
    exchange.end()
    // Our body is still on its way when an answer came early: the rest of it must not stand before the next request.
    if (clean && this.parser.reusable && this.socket.writableLength === 0) this.home.release(this)
    else this.destroy()
  }

  /** Seconds that the server said it keeps an idle connection. */
  get keepAliveSeconds(): number {
    return this.parser.keepAliveSeconds
  }

  /** The other side has closed its half. */
  private ends(): void {
    const { exchange } = this
    if (exchange !== null && exchange.answered && this.parser.end()) this.complete(exchange, false)
    else this.lost(null)
  }

  private lost(error: Error | null): void {
    if (this.dead) return
    const { exchange, home } = this
    const standing = this.timer === undefined
    if (!standing) home.session = undefined
    this.exchange = null
    this.destroy()
    if (exchange === null) return
    // The provider closed an idle connection while we wrote to it; no byte of an answer was seen, so once more. Not on
    // a fresh one: there the provider may have acted on what it read.
    if (this.served > 0 && this.parser.untouched) home.again(exchange)
    else exchange.fail(faultOfSocket(error))
  }

  private fail(failure: Fault): void {
    const { exchange } = this
    this.destroy()
    exchange?.fail(failure)
  }

  resume(): void {
    this.socket.resume()
  }

  /** Closes the socket at once. The exchange under way, if any, hears nothing. */
  destroy(): void {
    if (this.dead) return
    this.dead = true
    this.exchange = null
    clearTimeout(this.timer)
    this.socket.destroy()
    this.home.forget(this)
  }

  /** Ends the exchange under way with a fault; resolves when the socket is closed. */
  async close(failure: Fault): Promise<void> {
    const closed = this.socket.closed ? null : new Promise<void>((resolve) => this.socket.once('close', () => resolve()))
    this.fail(failure)
    await closed
  }
}

/** The body bytes of the last push in one piece of their own. */
function bodyOf(parser: ResponseParser, from: Buffer): Uint8Array {
  const { body, ranges } = parser
  const piece = Buffer.allocUnsafe(parser.bytes)
  let at = 0
  for (let i = 0; i < ranges; i += 2) at += from.copy(piece, at, body[i], body[i + 1])
  return piece
}
