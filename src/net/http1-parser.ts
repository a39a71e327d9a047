/** A response's head. Lower-case names; a name that came more than once has all its values. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** What a push came to. `DONE`: the message is complete, and `used` bytes of the piece belonged to it. */
export const MORE = 0
export const DONE = 1
export const INVALID = 2

export const MAX_HEAD_BYTES = 32 * 1024
export const MAX_HEADER_LINES = 200
/** Interim answers before the real one: proxies repeat a 102 or 103 while they wait, but not for ever. */
const MAX_INTERIM = 64
const MAX_EXTENSION_BYTES = 4096
/** Leading zeros included. */
const MAX_SIZE_DIGITS = 16

const TAB = 9, LF = 10, CR = 13, SPACE = 32, COLON = 58, SEMICOLON = 59

/** RFC 9110 §5.6.2: what a field name is made of. */
const TOKEN = tableOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
/** Field values and reason phrases: everything but controls, of which only the tab may stand in them. */
const TEXT = Uint8Array.from({ length: 256 }, (_, byte) => byte === TAB || (byte >= 32 && byte !== 127) ? 1 : 0)
const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return byte < 128 ? digit : -1
})
const PREFIX = Buffer.from('HTTP/1.')

// Where the parser stands. Plain numbers: a switch over them costs nothing, and one byte more is all that a piece may bring.
const STATUS_LINE = 0, REASON = 1, LINE_START = 2, NAME = 3, BEFORE_VALUE = 4, VALUE = 5, LINE_LF = 6, HEAD_LF = 7
const FIXED = 8, UNTIL_CLOSE = 9
const SIZE = 10, AFTER_SIZE = 11, EXTENSION = 12, SIZE_LF = 13, DATA = 14, DATA_END = 15, DATA_LF = 16
const TRAILER_START = 17, TRAILER_NAME = 18, TRAILER_VALUE = 19, TRAILER_LF = 20, END_LF = 21
const COMPLETE = 22, BROKEN = 23

/**
 * Parses the answers of one connection, one message at a time (`begin` before each), from pieces cut anywhere. Holds
 * bytes only of a head that is not yet whole. The body is told as ranges of the piece that was pushed, so nothing is
 * copied here, and all that one piece brought is in one list.
 *
 * Strict where two readers of the same bytes could disagree about where a message ends (RFC 9112 §6.3, §7.1); a lone LF
 * may end the lines of head and trailers (§2.2), as in what hand-written servers send.
 */
export class ResponseParser {
  /** True once the final head (not a 1xx) is whole; then `status` and `headers` stand. */
  headed = false
  status = 0
  headers: ResponseHeaders = NO_HEADERS
  /** Whether the connection may carry another exchange after this message. */
  reusable = false
  /** Seconds that the server keeps an idle connection (`Keep-Alive: timeout=`), if it said. */
  keepAliveSeconds = Infinity
  /** No byte of an answer has come since `begin`. */
  untouched = true
  /** Of the last push: body bytes as pairs of start and end in the piece, `ranges` numbers in use, `bytes` in all. */
  readonly body: number[]
  ranges = 0
  bytes = 0
  /** Of the last push: how much of the piece belonged to the message. */
  used = 0
  /** Why a push came to `INVALID`: a stable code. */
  reason = ''

  private state = COMPLETE
  /** In the body: bytes of it, or of the chunk, that are still to come. */
  private left = 0
  /** Digits of a chunk size, bytes of an extension or of trailers: whatever the state bounds. */
  private count = 0
  private lines = 0
  private interim = 0
  /** A head that a piece cut: its bytes so far. Offsets below are relative to the head's first byte. */
  private held: Buffer | null = null
  private heldLength = 0
  private at = 0
  private lineStart = 0
  private nameEnd = 0
  private valueStart = 0
  private readonly spans: number[] = []
  private spanCount = 0
  private minor = 0
  private code = 0
  private length = -1
  private chunked = false
  private close = false

  /** `body` may be shared between parsers: it is read right after the push that filled it. */
  constructor(body: number[] = []) {
    this.body = body
  }

  /** Makes ready for the next message. */
  begin(): void {
    this.headed = false
    this.headers = NO_HEADERS
    this.reusable = false
    this.keepAliveSeconds = Infinity
    this.untouched = true
    this.ranges = this.bytes = this.used = 0
    this.interim = 0
    this.beginHead()
  }

  private beginHead(): void {
    this.state = STATUS_LINE
    this.at = this.heldLength = this.spanCount = this.code = this.lines = 0
    this.held = null
    this.length = -1
    this.chunked = this.close = false
  }

  /** Takes what one read brought. After `DONE` or `INVALID` only `begin` may follow. */
  push(piece: Buffer, size: number): typeof MORE | typeof DONE | typeof INVALID {
    this.ranges = this.bytes = this.used = 0
    if (size > 0) this.untouched = false
    let at = 0
    while (!this.headed) {
      at = this.pushHead(piece, at, size)
      if (this.state === BROKEN) return INVALID
      if (at < 0) return MORE
    }
    at = this.pushBody(piece, at, size)
    if (this.state === BROKEN) return INVALID
    if (this.state !== COMPLETE) return MORE
    this.used = at
    return DONE
  }

  /** The stream ended here: whether the message is whole with that. */
  end(): boolean {
    return this.state === UNTIL_CLOSE || this.state === COMPLETE
  }

  private fail(reason: string): -1 {
    this.state = BROKEN
    this.reason = reason
    this.held = null
    return -1
  }

  private refuse(reason: string): false {
    this.fail(reason)
    return false
  }

  /** Where the head ended in the piece; -1 when it goes on in the next, or when it is broken. */
  private pushHead(piece: Buffer, from: number, size: number): number {
    if (this.held === null) {
      const end = this.scanHead(piece, from, size)
      if (end < 0 && this.state !== BROKEN && size > from) this.hold(piece, from, size)
      return end
    }
    const before = this.heldLength
    this.hold(piece, from, size)
    const end = this.scanHead(this.held, 0, this.heldLength)
    return end < 0 ? -1 : from + end - before
  }

  private hold(piece: Buffer, from: number, size: number): void {
    // Beyond the limit the scan refuses, so the excess need not be kept to be counted.
    const taken = Math.min(size - from, MAX_HEAD_BYTES + 1 - this.heldLength)
    const length = this.heldLength + taken
    if (this.held === null || length > this.held.length) {
      const grown = Buffer.allocUnsafe(Math.min(MAX_HEAD_BYTES + 1, Math.max(512, length * 2)))
      this.held?.copy(grown, 0, 0, this.heldLength)
      this.held = grown
    }
    piece.copy(this.held, this.heldLength, from, from + taken)
    this.heldLength = length
  }

  /** Goes on from `this.at` in a head that begins at `base`. Returns the offset after its blank line, or -1. */
  private scanHead(bytes: Buffer, base: number, size: number): number {
    const end = Math.min(size, base + MAX_HEAD_BYTES)
    let p = base + this.at
    let state = this.state
    while (p < end) {
      const byte = bytes[p]!
      switch (state) {
        case STATUS_LINE: {
          const i = p - base
          if (i < 7) {
            if (byte !== PREFIX[i]) return this.fail('not_http')
          } else if (i === 7) {
            if (byte !== 48 && byte !== 49) return this.fail('http_version')
            this.minor = byte - 48
          } else if (i === 8) {
            if (byte !== SPACE) return this.fail('not_http')
          } else if (i < 12) {
            if (byte < 48 || byte > 57) return this.fail('status')
            this.code = this.code * 10 + byte - 48
          } else {
            if (this.code < 100) return this.fail('status')
            if (byte === CR) state = LINE_LF
            else if (byte === LF) state = LINE_START
            else if (byte === SPACE) state = REASON
            else return this.fail('status')
          }
          p++
          break
        }
        case REASON:
          while (p < end && TEXT[bytes[p]!] === 1) p++
          if (p === end) break
          if (bytes[p] === CR) state = LINE_LF
          else if (bytes[p] === LF) state = LINE_START
          else return this.fail('reason')
          p++
          break
        case LINE_START:
          if (byte === CR) {
            state = HEAD_LF
            p++
            break
          }
          if (byte === LF) return this.headEnds(bytes, base, p + 1)
          // A space here would be a folded line (obs-fold): no name begins with it.
          if (TOKEN[byte] === 0) return this.fail('header_name')
          if (++this.lines > MAX_HEADER_LINES) return this.fail('too_many_headers')
          this.lineStart = p - base
          state = NAME
          break
        case NAME:
          while (p < end && TOKEN[bytes[p]!] === 1) p++
          if (p === end) break
          if (bytes[p] !== COLON) return this.fail('header_name')
          this.nameEnd = p - base
          state = BEFORE_VALUE
          p++
          break
        case BEFORE_VALUE:
          if (byte === SPACE || byte === TAB) {
            p++
            break
          }
          this.valueStart = p - base
          state = VALUE
          break
        case VALUE:
          while (p < end && TEXT[bytes[p]!] === 1) p++
          if (p === end) break
          if (bytes[p] !== CR && bytes[p] !== LF) return this.fail('header_value')
          if (!this.line(bytes, base, p)) return -1
          state = bytes[p] === CR ? LINE_LF : LINE_START
          p++
          break
        case LINE_LF:
          if (byte !== LF) return this.fail('line_end')
          state = LINE_START
          p++
          break
        default:
          if (byte !== LF) return this.fail('line_end')
          return this.headEnds(bytes, base, p + 1)
      }
    }
    this.state = state
    this.at = p - base
    return size - base > MAX_HEAD_BYTES ? this.fail('headers_too_large') : -1
  }

  /** Notes one field, and acts on those that say how the message ends. */
  private line(bytes: Buffer, base: number, valueEnd: number): boolean {
    const valueStart = base + this.valueStart
    let end = valueEnd
    while (end > valueStart && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--
    const { spans } = this
    let n = this.spanCount
    spans[n++] = this.lineStart
    spans[n++] = this.nameEnd
    spans[n++] = this.valueStart
    spans[n++] = end - base
    this.spanCount = n

    const name = base + this.lineStart
    const length = this.nameEnd - this.lineStart
    const first = bytes[name]! | 32
    if (length === 14 && first === 99 && isNamed(bytes, name, 'content-length')) {
      // Two lengths, even equal ones, mean that somebody on the way read this message in another way.
      if (this.length >= 0) return this.refuse('content_length_twice')
      this.length = decimal(bytes, valueStart, end)
      if (this.length < 0) return this.refuse('content_length')
    } else if (length === 17 && first === 116 && isNamed(bytes, name, 'transfer-encoding')) {
      // Untrimmed: after `chunked` and a tab llhttp reads on until the connection closes, so there two readers disagree.
      if (this.chunked || valueEnd - valueStart !== 7 || !isNamed(bytes, valueStart, 'chunked')) return this.refuse('transfer_encoding')
      this.chunked = true
    } else if (length === 10 && first === 99 && isNamed(bytes, name, 'connection')) {
      if (/(^|,)\s*close\s*(,|$)/i.test(bytes.toString('latin1', valueStart, end))) this.close = true
    } else if (length === 10 && first === 107 && isNamed(bytes, name, 'keep-alive')) {
      const said = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,9})/i.exec(bytes.toString('latin1', valueStart, end))
      if (said) this.keepAliveSeconds = Number(said[1])
    }
    return true
  }

  private headEnds(bytes: Buffer, base: number, end: number): number {
    // HTTP/1.0 has no interim answers.
    if (this.code < 200 && this.minor === 0) return this.fail('http_version')
    if (this.code === 101) return this.fail('upgrade')
    if (this.chunked && this.length >= 0) return this.fail('two_framings')
    if (this.code < 200) {
      if (++this.interim > MAX_INTERIM) return this.fail('too_many_interim')
      this.beginHead()
      return end
    }
    this.status = this.code
    this.headers = recordOf(bytes.toString('latin1', base, end), this.spans, this.spanCount)
    this.headed = true
    this.held = null
    this.reusable = this.minor === 1 && !this.close
    if (this.code === 204 || this.code === 304 || (this.length === 0)) this.state = COMPLETE
    else if (this.chunked) this.beginChunk()
    else if (this.length > 0) {
      this.state = FIXED
      this.left = this.length
    } else {
      this.state = UNTIL_CLOSE
      this.reusable = false
    }
    return end
  }

  private beginChunk(): void {
    this.state = SIZE
    this.left = this.count = 0
  }

  private range(start: number, end: number): void {
    let n = this.ranges
    this.body[n++] = start
    this.body[n++] = end
    this.ranges = n
    this.bytes += end - start
  }

  private pushBody(piece: Buffer, from: number, size: number): number {
    let p = from
    while (p < size) {
      switch (this.state) {
        case FIXED: {
          const end = Math.min(size, p + this.left)
          this.range(p, end)
          this.left -= end - p
          if (this.left === 0) this.state = COMPLETE
          p = end
          break
        }
        case UNTIL_CLOSE:
          this.range(p, size)
          return size
        case SIZE: {
          let value = this.left
          let digits = this.count
          let digit = -1
          while (p < size && (digit = HEX[piece[p]!]!) >= 0) {
            value = value * 16 + digit
            digits++
            p++
          }
          if (digits > MAX_SIZE_DIGITS || value > Number.MAX_SAFE_INTEGER) return this.fail('chunk_size')
          this.left = value
          this.count = digits
          if (p === size) return p
          if (digits === 0) return this.fail('chunk_size')
          this.state = AFTER_SIZE
          this.count = 0
          break
        }
        case AFTER_SIZE: {
          const byte = piece[p]!
          if (byte === CR) this.state = SIZE_LF
          else if (byte === SEMICOLON) this.state = EXTENSION
          else if (byte !== SPACE && byte !== TAB) return this.fail('chunk_size')
          else if (++this.count > MAX_EXTENSION_BYTES) return this.fail('chunk_extension')
          p++
          break
        }
        case EXTENSION: {
          const byte = piece[p]!
          if (byte === CR) this.state = SIZE_LF
          else if (TEXT[byte] === 0 || ++this.count > MAX_EXTENSION_BYTES) return this.fail('chunk_extension')
          p++
          break
        }
        case SIZE_LF:
          if (piece[p] !== LF) return this.fail('line_end')
          this.chunkBegins()
          p++
          break
        case DATA: {
          const end = Math.min(size, p + this.left)
          this.range(p, end)
          this.left -= end - p
          if (this.left === 0) this.state = DATA_END
          p = end
          break
        }
        case DATA_END:
          if (piece[p] !== CR) return this.fail('chunk_end')
          this.state = DATA_LF
          p++
          break
        case DATA_LF:
          if (piece[p] !== LF) return this.fail('chunk_end')
          this.beginChunk()
          p++
          break
        case COMPLETE:
          return p
        default:
          if (!this.trailer(piece[p]!)) return -1
          p++
      }
    }
    return p
  }

  private chunkBegins(): void {
    this.count = 0
    this.state = this.left > 0 ? DATA : TRAILER_START
    this.lines = 0
  }

  /** One byte of the trailers, which are read only to find where they end. */
  private trailer(byte: number): boolean {
    if (++this.count > MAX_HEAD_BYTES) return this.refuse('trailers_too_large')
    switch (this.state) {
      case TRAILER_START:
        if (byte === CR) this.state = END_LF
        else if (byte === LF) this.state = COMPLETE
        else if (TOKEN[byte] === 0 || ++this.lines > MAX_HEADER_LINES) return this.refuse('trailer')
        else this.state = TRAILER_NAME
        return true
      case TRAILER_NAME:
        if (byte === COLON) this.state = TRAILER_VALUE
        else if (TOKEN[byte] === 0) return this.refuse('trailer')
        return true
      case TRAILER_VALUE:
        if (byte === CR) this.state = TRAILER_LF
        else if (byte === LF) this.state = TRAILER_START
        else if (TEXT[byte] === 0) return this.refuse('trailer')
        return true
      default:
        if (byte !== LF) return this.refuse('line_end')
        this.state = this.state === END_LF ? COMPLETE : TRAILER_START
        return true
    }
  }
}

/** An object without a prototype that the engine still keeps as a plain struct: `Object.create(null)` makes a hash table of each. */
const Bare = function () {} as unknown as new () => Record<string, string | string[] | undefined>
Bare.prototype = Object.freeze(Object.create(null))

const NO_HEADERS: ResponseHeaders = Object.freeze(new Bare())

function recordOf(block: string, spans: readonly number[], count: number): ResponseHeaders {
  const record = new Bare()
  for (let i = 0; i < count; i += 4) {
    const name = block.slice(spans[i], spans[i + 1]).toLowerCase()
    const value = block.slice(spans[i + 2], spans[i + 3])
    const before = record[name]
    if (before === undefined) record[name] = value
    else if (typeof before === 'string') record[name] = [before, value]
    else before.push(value)
  }
  return record
}

/** Whether the bytes at `at` spell a lower-case name, in whatever case. The caller has compared the length. */
function isNamed(bytes: Buffer, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[at + i]!
    const letter = name.charCodeAt(i)
    if (byte !== letter && (byte < 65 || byte > 90 || byte + 32 !== letter)) return false
  }
  return true
}

/** The number that the digits spell, at most 2^53 - 1; -1 for anything else. */
function decimal(bytes: Buffer, from: number, end: number): number {
  if (from === end || end - from > 16) return -1
  let value = 0
  for (let p = from; p < end; p++) {
    const digit = bytes[p]! - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}
