/** What a push came to. `DONE`: the message is complete, and `used` bytes of the piece belonged to it. */
export const MORE = 0
export const DONE = 1
export const INVALID = 2

/** Of heads and of trailers alike. */
export const MAX_HEADER_LINES = 200
const MAX_EXTENSION_BYTES = 4096
/** Leading zeros included. */
const MAX_SIZE_DIGITS = 16

export const TAB = 9, LF = 10, CR = 13, SPACE = 32
const COLON = 58, SEMICOLON = 59

/** RFC 9110 §5.6.2: what a field name is made of. */
export const TOKEN = tableOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
/** Field values and reason phrases: everything but controls, of which only the tab may stand in them. */
export const TEXT = Uint8Array.from({ length: 256 }, (_, byte) => byte === TAB || (byte >= 32 && byte !== 127) ? 1 : 0)
const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return byte < 128 ? digit : -1
})

// Where the parser stands. Plain numbers: a switch over them costs nothing, and one byte more is all that a piece may bring.
export const START_LINE = 0, LINE_START = 2, LINE_LF = 6, UNTIL_CLOSE = 9, COMPLETE = 22
const NAME = 3, BEFORE_VALUE = 4, VALUE = 5, HEAD_LF = 7, FIXED = 8
const SIZE = 10, AFTER_SIZE = 11, EXTENSION = 12, SIZE_LF = 13, DATA = 14, DATA_END = 15, DATA_LF = 16
const TRAILER_START = 17, TRAILER_NAME = 18, TRAILER_VALUE = 19, TRAILER_LF = 20, END_LF = 21, BROKEN = 23

/**
 * Parses the messages that come over one connection, one at a time (`begin` before each), from pieces cut anywhere.
 * Holds bytes only of a head that is not yet whole. The body is told as ranges of the piece that was pushed, so nothing
 * is copied here, and all that one piece brought is in one list.
 *
 * Strict where two readers of the same bytes could disagree about where a message ends (RFC 9112 §6.3, §7.1). How a
 * message begins, what a head means, and whether a lone LF may end its lines is for requests and answers to say.
 */
export abstract class MessageParser {
  /** True once the head is whole. */
  headed = false
  /** Whether the connection may carry another exchange after this message. */
  reusable = false
  /** No byte of the message has come since `begin`. */
  untouched = true
  /** Of the last push: body bytes as pairs of start and end in the piece, `ranges` numbers in use, `bytes` in all. */
  readonly body: number[]
  ranges = 0
  bytes = 0
  /** Of the last push: how much of the piece belonged to the message. */
  used = 0
  /** Why a push came to `INVALID`: a stable code. */
  reason = ''

  protected state = COMPLETE
  /** In the body: bytes of it, or of the chunk, that are still to come. */
  private left = 0
  /** Digits of a chunk size, bytes of an extension or of trailers: whatever the state bounds. */
  private count = 0
  private lines = 0
  /** A head that a piece cut: its bytes so far. Offsets below are relative to the head's first byte. */
  private held: Buffer | null = null
  private heldLength = 0
  private at = 0
  private lineStart = 0
  private nameEnd = 0
  private valueStart = 0
  /** Of each header line, relative to the head: where its name begins and ends, and its value. */
  protected readonly spans: number[] = []
  protected spanCount = 0
  protected minor = 0
  protected length = -1
  protected chunked = false
  protected close = false
  private readonly maxHeadBytes: number
  private readonly loneLf: boolean

  /** `body` may be shared between parsers: it is read right after the push that filled it. */
  constructor(body: number[], rules: { readonly maxHeadBytes: number; readonly loneLf: boolean }) {
    this.body = body
    this.maxHeadBytes = rules.maxHeadBytes
    this.loneLf = rules.loneLf
  }

  /**
   * Reads on in the first line, from `p`; returns where it stopped, or -1 when it failed. At the line's end it sets the
   * state to what ends a line.
   */
  protected abstract startLine(bytes: Buffer, base: number, p: number, end: number): number

  /** A header line whose framing has been seen to. False when it failed. */
  protected abstract field(bytes: Buffer, name: number, length: number, value: number, end: number): boolean

  /** The head is whole: takes what it wants of it, and says how the body goes on. Returns `end`, or -1 when it failed. */
  protected abstract head(bytes: Buffer, base: number, end: number): number

  /** Makes ready for the next message. */
  begin(): void {
    this.headed = false
    this.reusable = false
    this.untouched = true
    this.ranges = this.bytes = this.used = 0
    this.beginHead()
  }

  protected beginHead(): void {
    this.state = START_LINE
    this.at = this.heldLength = this.spanCount = this.lines = 0
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

  protected fail(reason: string): -1 {
    this.state = BROKEN
    this.reason = reason
    this.held = null
    return -1
  }

  protected refuse(reason: string): false {
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
    const taken = Math.min(size - from, this.maxHeadBytes + 1 - this.heldLength)
    const length = this.heldLength + taken
    if (this.held === null || length > this.held.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.maxHeadBytes + 1, Math.max(512, length * 2)))
      this.held?.copy(grown, 0, 0, this.heldLength)
      this.held = grown
    }
    piece.copy(this.held, this.heldLength, from, from + taken)
    this.heldLength = length
  }

  /** Goes on from `this.at` in a head that begins at `base`. Returns the offset after its blank line, or -1. */
  private scanHead(bytes: Buffer, base: number, size: number): number {
    const end = Math.min(size, base + this.maxHeadBytes)
    let p = base + this.at
    let state = this.state
    while (p < end) {
      const byte = bytes[p]!
      switch (state) {
        case START_LINE:
          p = this.startLine(bytes, base, p, end)
          if (p < 0) return -1
          state = this.state
          break
        case LINE_START:
          if (byte === CR) {
            state = HEAD_LF
            p++
            break
          }
          if (byte === LF && this.loneLf) return this.headEnds(bytes, base, p + 1)
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
          if (bytes[p] !== CR && (bytes[p] !== LF || !this.loneLf)) return this.fail('header_value')
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
    return size - base > this.maxHeadBytes ? this.fail('headers_too_large') : -1
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
      return this.length >= 0 || this.refuse('content_length')
    }
    if (length === 17 && first === 116 && isNamed(bytes, name, 'transfer-encoding')) {
      // Untrimmed: after `chunked` and a tab llhttp reads on until the connection closes, so there two readers disagree.
      if (this.chunked || valueEnd - valueStart !== 7 || !isNamed(bytes, valueStart, 'chunked')) return this.refuse('transfer_encoding')
      this.chunked = true
      return true
    }
    if (length === 10 && first === 99 && isNamed(bytes, name, 'connection')) {
      if (/(^|,)\s*close\s*(,|$)/i.test(bytes.toString('latin1', valueStart, end))) this.close = true
      return true
    }
    return this.field(bytes, name, length, valueStart, end)
  }

  private headEnds(bytes: Buffer, base: number, end: number): number {
    if (this.chunked && this.length >= 0) return this.fail('two_framings')
    return this.head(bytes, base, end)
  }

  /** The body follows, framed as the head said; `otherwise` is how it ends where the head said nothing. */
  protected bodyFollows(otherwise: typeof COMPLETE | typeof UNTIL_CLOSE): void {
    this.headed = true
    this.held = null
    if (this.length === 0) this.state = COMPLETE
    else if (this.chunked) this.beginChunk()
    else if (this.length > 0) {
      this.state = FIXED
      this.left = this.length
    } else {
      this.state = otherwise
      if (otherwise === UNTIL_CLOSE) this.reusable = false
    }
  }

  /** No body follows, whatever the head said. */
  protected bodiless(): void {
    this.headed = true
    this.held = null
    this.state = COMPLETE
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
    if (++this.count > this.maxHeadBytes) return this.refuse('trailers_too_large')
    switch (this.state) {
      case TRAILER_START:
        if (byte === CR) this.state = END_LF
        else if (byte === LF && this.loneLf) this.state = COMPLETE
        else if (TOKEN[byte] === 0 || ++this.lines > MAX_HEADER_LINES) return this.refuse('trailer')
        else this.state = TRAILER_NAME
        return true
      case TRAILER_NAME:
        if (byte === COLON) this.state = TRAILER_VALUE
        else if (TOKEN[byte] === 0) return this.refuse('trailer')
        return true
      case TRAILER_VALUE:
        if (byte === CR) this.state = TRAILER_LF
        else if (byte === LF && this.loneLf) this.state = TRAILER_START
        else if (TEXT[byte] === 0) return this.refuse('trailer')
        return true
      default:
        if (byte !== LF) return this.refuse('line_end')
        this.state = this.state === END_LF ? COMPLETE : TRAILER_START
        return true
    }
  }
}

/** Whether the bytes at `at` spell a lower-case name, in whatever case. The caller has compared the length. */
export function isNamed(bytes: Buffer, at: number, name: string): boolean {
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
