import { STATUS_CODES } from 'node:http'
import type { KeyRecord } from '../accounts/index.ts'
import type { Enrolled, Fault } from '../core/index.ts'
import type { RequestHeaders, RequestParser } from '../http1/index.ts'
import type { Item } from '../responses/index.ts'
import type { Connection, Serving } from './connection.ts'
import type { Route } from './route.ts'
import type { Swept } from './sweeper.ts'

/** Who reads a request's body, as it comes. */
export interface BodyReader {
  take(piece: Buffer): void
  /** All of it has come. */
  end(): void
  /** The client is gone, and the rest with it. */
  gone(): void
}

/** What a request has beside its body that came as a message of a WebSocket. */
export interface Talk {
  /** The body, which was read already: who reads messages has to know whose they are. */
  readonly body: Readonly<Record<string, unknown>>
  /** Its caller only wants it remembered: no model is asked. */
  readonly prepares: boolean
  /** What was said up to and with a response that the connection remembers; null for one that it does not. */
  recall(id: string): readonly Item[] | null
  /** What the request comes to with all that it goes on from: remembered as soon as it is answered. */
  asks(items: readonly Item[], before: readonly Item[]): void
}

/** One request and its response, from the head of the one to the last byte of the other. */
export class Exchange implements Enrolled {
  place = -1
  readonly method: string
  /** As it was written: a path with its query, or a whole address. */
  readonly target: string
  readonly headers: RequestHeaders
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minor: number
  /** Null for an address that there is not. */
  route: Route | null = null
  params: Readonly<Record<string, string | undefined>> = NOTHING
  search: Readonly<Record<string, unknown>> = NOTHING
  /** `gen-…` on inference routes, null elsewhere. */
  id: string | null = null
  /** Milliseconds since the epoch, when the head was there. */
  createdAt = 0
  /** Monotonic milliseconds, when the head was there. */
  arrivedAt = 0
  /** Monotonic milliseconds, when the last byte of the body was there. */
  startedAt = 0
  key: KeyRecord | null = null
  /** Null for what came over HTTP. */
  talk: Talk | null = null
  /** What else the head of an inference response says: lines that end in CR LF each. */
  lines = ''
  body: Buffer | null = null
  /** Who may read the answer from a browser: the API answers any origin, operator routes none. */
  open = true
  /** Called once when the client leaves before the end of the response. */
  onGone: (() => void) | null = null
  /** Writes something harmless, so that a connection whose client is gone fails; null where nothing can be written. */
  nudge: (() => void) | null = null
  /** Ends the exchange now, with this fault: the server is stopping. */
  cut: ((fault: Fault) => void) | null = null
  /** Called when a slow client has taken what was written. */
  onDrain: (() => void) | null = null
  /** All of the request has come. */
  complete = false
  /** The connection ends with this response, whatever is left of the request. */
  closing: boolean
  /** The client waits for `100 Continue` before it sends the body. */
  awaitsContinue = false
  /** Of the response, once its head was sent or is about to be; 0 before. */
  status = 0
  /** All of the response was handed over; nothing more may be written. */
  ended = false
  /** The response was delivered, or its client is gone. */
  over = false
  readonly connection: Connection
  readonly serving: Serving

  /** The head of the response until something is written that it can go out with. */
  private pending = ''
  private reader: BodyReader | null = null
  private dropping = false
  private first: Buffer | null = null
  private more: Buffer[] | null = null
  private size = 0

  constructor(
    connection: Connection, serving: Serving,
    { method, target, headers, minorVersion, reusable }: Pick<RequestParser, 'method' | 'target' | 'headers' | 'minorVersion' | 'reusable'>,
  ) {
    this.connection = connection
    this.serving = serving
    this.method = method
    this.target = target
    this.headers = headers
    this.minor = minorVersion
    this.closing = !reusable
  }

  get remoteAddress(): string | undefined {
    return this.connection.socket.remoteAddress
  }

  /** The client is gone, or nobody will ever read what is written. */
  get unreachable(): boolean {
    return this.over || this.connection.socket.destroyed
  }

  expects(what: string): boolean {
    return this.minor > 0 && this.headers['expect']?.toLowerCase() === what
  }

  /** A piece of the body has come. False: enough for now, until somebody reads. */
  take(piece: Buffer, most: number): boolean {
    if (this.dropping) return true
    if (this.reader !== null) {
      this.reader.take(piece)
      return true
    }
    if (this.first === null) this.first = piece
    else (this.more ??= [this.first]).push(piece)
    this.size += piece.length
    return this.size <= most
  }

  /** The last piece of the body has come. */
  whole(): void {
    this.complete = true
    this.reader?.end()
  }

  /** The client left before its request was whole, or before it was answered. */
  left(): void {
    this.reader?.gone()
  }

  /** What has come of the body, in one piece; null when there is none. */
  arrived(): Buffer | null {
    const { first, more } = this
    this.first = this.more = null
    return more === null ? first : Buffer.concat(more, this.size)
  }

  /** Hands the rest of the body to a reader, beginning with what has come. */
  readTo(reader: BodyReader): void {
    const before = this.arrived()
    this.reader = reader
    if (before !== null) reader.take(before)
    if (this.unreachable) reader.gone()
    else this.connection.resume()
  }

  /** Throws the rest of the body away. */
  drop(): void {
    this.dropping = true
    this.first = this.more = null
  }

  sendContinue(): void {
    this.connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  }

  /** The head of the response; it goes out with the first bytes of the body, or with `flush`. `lines` end in CR LF each. */
  begin(status: number, lines: string): void {
    this.status = status
    this.pending = this.headWith(status, lines)
  }

  private headWith(status: number, lines: string): string {
    return `${statusLine(status)}${lines}Date: ${this.serving.date()}\r\n${this.connectionLines()}\r\n`
  }

  /** Sends a whole response that is known as it stands, head and body, of characters that are one byte each. */
  sendReady(status: number, text: string): void {
    this.status = status
    this.ended = true
    this.connection.socket.write(text, 'latin1')
    this.connection.handedOver(this)
  }

  /** What `send` would write, head and body in one. */
  rendered(status: number, type: string, body: string, extra: readonly string[]): string {
    return this.headWith(status, `${linesOf(this, type)}${linesFrom(extra)}Content-Length: ${Buffer.byteLength(body)}\r\n`) + body
  }

  private connectionLines(): string {
    return endsConnection(this) ? 'Connection: close\r\n' : `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(this.serving.limits.keepAliveMs / 1000)}\r\n`
  }

  flush(): void {
    const { pending } = this
    this.pending = ''
    if (pending !== '') this.connection.socket.write(pending, 'latin1')
  }

  /** Writes a part of the body; `ascii` when each character is one byte. False when the client reads more slowly than we write. */
  write(text: string, ascii: boolean): boolean {
    const { pending } = this
    this.pending = ''
    return this.connection.socket.write(pending === '' ? text : pending + text, ascii ? 'latin1' : 'utf8')
  }

  /**
   * Writes a part of a body whose length nobody knows yet, as a chunk of HTTP/1.1. V8 joins the hundreds of pieces that a
   * text is made of when somebody asks for its bytes: so head and frame are put around it before that, as if each
   * character was one byte, and are only made anew where one was not. Asked for the text alone, V8 joined everything twice.
   */
  writeChunk(text: string, last = false): boolean {
    const { pending, connection: { socket } } = this
    this.pending = ''
    const whole = pending + chunkOf(text, text.length, last)
    const more = Buffer.byteLength(whole) - whole.length
    return more === 0 ? socket.write(whole, 'latin1') : socket.write(pending + chunkOf(text, text.length + more, last), 'utf8')
  }

  /** The same for the last part, which may be empty. */
  endChunks(text: string): void {
    this.ended = true
    this.writeChunk(text, true)
    this.connection.handedOver(this)
  }

  /** Writes the last part of the body, or all of it. */
  end(body: string | Uint8Array, ascii: boolean): void {
    this.finish(body, ascii)
    this.connection.handedOver(this)
  }

  /** As `end`, but the response is only over when `handedOver` is said: the rest of the request is still to be read. */
  finish(body: string | Uint8Array, ascii: boolean): void {
    const { socket } = this.connection
    if (typeof body === 'string' && body.length <= MAX_JOINED) {
      this.ended = true
      if (this.pending !== '' || body !== '') this.write(body, ascii)
      return
    }
    socket.cork()
    this.flush()
    if (typeof body === 'string') this.write(body, ascii)
    else socket.write(body)
    socket.uncork()
    this.ended = true
  }

  /** Cuts the connection: half an answer must not look like a whole one. */
  destroy(): void {
    this.connection.socket.destroy()
  }

  /** The socket has taken all that was written. */
  drained(): void {
    this.onDrain?.()
  }
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({})

const LAST_CHUNK = '0\r\n\r\n'

/** One chunk, and the end of all where it is the last; a text of no bytes is none, because an empty chunk would be the last. */
function chunkOf(text: string, bytes: number, last: boolean): string {
  const chunk = bytes === 0 ? '' : `${bytes.toString(16)}\r\n${text}\r\n`
  return last ? chunk + LAST_CHUNK : chunk
}

/** Up to here head and body go out as one string; beyond, joining them costs more than the second entry of a writev. */
const MAX_JOINED = 16 * 1024

export const JSON_TYPE = 'application/json; charset=utf-8'

/** Above this a body that nobody reads is not waited for: the connection is given up instead. */
const CHEAP_REST = 64 * 1024

const statusLine = (status: number): string =>
  status === 200 ? 'HTTP/1.1 200 OK\r\n' : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`

const EXPOSED = 'X-Generation-Id, Retry-After, ETag, Allow, X-OpenRouter-Cache-Status, X-OpenRouter-Cache-Age, X-OpenRouter-Cache-TTL, X-OpenRouter-Cache-Source-Id'
const ANY_ORIGIN = 'Access-Control-Allow-Origin: *\r\n'

/** The lines that every response has. */
export function linesOf(x: Exchange, type: string): string {
  let lines = `Content-Type: ${type}\r\nX-Content-Type-Options: nosniff\r\n`
  if (x.open) {
    lines += ANY_ORIGIN
    if (x.headers['origin'] !== undefined) lines += `Access-Control-Expose-Headers: ${EXPOSED}\r\n`
  }
  return x.id === null ? lines : `${lines}X-Generation-Id: ${x.id}\r\n${x.lines}`
}

/** A flat list of headers as lines. What could end a line, or mean another character at the other end, is a fault of ours. */
function linesFrom(headers: readonly string[]): string {
  let lines = ''
  for (let i = 0; i < headers.length; i += 2) {
    const line = `${headers[i]}: ${headers[i + 1]}`
    if (!/^[\x20-\x7e]*$/.test(line)) throw new Error(`the header ${headers[i]} cannot be sent`)
    lines += `${line}\r\n`
  }
  return lines
}

/**
 * Sends a whole response. `extra` is a flat list of further headers. When a part of the request's body is still on
 * its way, the connection is closed, but only after a while of reading: closing a socket with unread bytes resets it,
 * and the client would see a reset instead of the refusal.
 */
export function send(x: Exchange, status: number, type: string, body: string | Uint8Array, extra?: readonly string[]): void {
  if (x.status !== 0 || x.unreachable) return
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const more = extra === undefined || extra.length === 0 ? '' : linesFrom(extra)
  const costly = restIsCostly(x)
  if (costly) x.closing = true
  x.begin(status, `${linesOf(x, type)}${more}Content-Length: ${length}\r\n`)
  const shown = x.method === 'HEAD' ? '' : body
  // Plain ASCII, as most answers are, is copied to the socket in half the time that its encoding takes.
  const ascii = length === body.length
  if (x.complete || x.awaitsContinue || !x.closing) return x.end(shown, ascii)
  x.finish(shown, ascii)
  linger(x)
}

/** A response without a body. */
export function sendEmpty(x: Exchange, status: number, extra: readonly string[]): void {
  if (x.status !== 0 || x.unreachable) return
  if (restIsCostly(x)) x.closing = true
  const length = status === 204 || status === 304 ? '' : 'Content-Length: 0\r\n'
  x.begin(status, `${x.open ? ANY_ORIGIN : ''}${linesFrom(extra)}${length}`)
  x.end('', true)
}

function endsConnection(x: Exchange): boolean {
  if (x.serving.draining()) x.closing = true
  return x.closing
}

function restIsCostly({ complete, headers, awaitsContinue }: Exchange): boolean {
  if (complete) return false
  const length = headers['content-length']
  if (headers['transfer-encoding'] === undefined) {
    if (length === undefined) return false
    if (!awaitsContinue && Number(length) <= CHEAP_REST) return false
  }
  return true
}

function linger(x: Exchange): void {
  const { sweeper, limits } = x.serving
  const until = x.serving.now() + limits.lingerMs
  const end = (): void => {
    sweeper.delete(entry)
    x.connection.handedOver(x)
  }
  const entry: Swept = { place: -1, sweep: (now) => { if (now >= until) end() } }
  sweeper.add(entry)
  x.drop()
  x.readTo({ take() {}, end, gone: () => sweeper.delete(entry) })
}
