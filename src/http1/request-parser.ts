import { Bare, nameAt } from './headers.ts'
import { COMPLETE, CR, isNamed, LF, LINE_LF, MessageParser, SPACE, TOKEN } from './message-parser.ts'

/** A request's head. Lower-case names; the values of a name that came more than once are one list with commas. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

const MAX_METHOD = 24
const VERSION = Buffer.from('HTTP/1.')
/** What a request-target is made of: visible ASCII. */
const TARGET = Uint8Array.from({ length: 256 }, (_, byte) => byte > 32 && byte < 127 ? 1 : 0)

const METHOD = 0, PATH = 1, HTTP = 2, AFTER_CR = 3

/**
 * Parses requests, by the letter where a proxy before us and we could read two different requests out of the same
 * bytes: lines end in CR LF, HTTP/1.1 has one Host, HTTP/1.0 has no chunks. Empty lines before a request are passed over
 * (RFC 9112 §2.2).
 */
export class RequestParser extends MessageParser {
  /** They stand once the head is whole. */
  method = ''
  target = ''
  headers: RequestHeaders = NO_HEADERS

  private part = METHOD
  private begins = 0
  private methodEnd = 0
  private targetEnd = 0
  private hosts = 0

  constructor(maxHeadBytes: number, body: number[] = []) {
    super(body, { maxHeadBytes, loneLf: false })
  }

  /** 1 for HTTP/1.1. */
  get minorVersion(): number {
    return this.minor
  }

  override begin(): void {
    super.begin()
    this.method = this.target = ''
    this.headers = NO_HEADERS
    this.part = METHOD
    this.begins = this.hosts = 0
  }

  protected override startLine(bytes: Buffer, base: number, from: number, end: number): number {
    let p = from
    while (p < end) {
      const byte = bytes[p]!
      switch (this.part) {
        case METHOD:
          if (TOKEN[byte] === 1) {
            if (p - base - this.begins >= MAX_METHOD) return this.fail('method')
          } else if (byte === SPACE && p - base > this.begins) {
            this.methodEnd = p - base
            this.part = PATH
          } else if (byte === CR && p - base === this.begins) this.part = AFTER_CR
          else return this.fail('method')
          p++
          break
        case AFTER_CR:
          if (byte !== LF) return this.fail('line_end')
          this.begins = ++p - base
          this.part = METHOD
          break
        case PATH:
          while (p < end && TARGET[bytes[p]!] === 1) p++
          if (p === end) break
          if (bytes[p] !== SPACE || p - base === this.methodEnd + 1) return this.fail('target')
          this.targetEnd = p - base
          this.part = HTTP
          p++
          break
        default: {
          const i = p - base - this.targetEnd - 1
          if (i < 7) {
            if (byte !== VERSION[i]) return this.fail('not_http')
          } else if (i === 7) {
            if (byte !== 48 && byte !== 49) return this.fail('http_version')
            this.minor = byte - 48
          } else {
            if (byte !== CR) return this.fail('not_http')
            this.state = LINE_LF
            return p + 1
          }
          p++
        }
      }
    }
    return p
  }

  protected override field(bytes: Buffer, name: number, length: number): boolean {
    if (length === 4 && isNamed(bytes, name, 'host')) this.hosts++
    return true
  }

  protected override head(bytes: Buffer, base: number, end: number): number {
    if (this.hosts > 1 || (this.hosts === 0 && this.minor === 1)) return this.fail('host')
    if (this.chunked && this.minor === 0) return this.fail('transfer_encoding')
    const text = bytes.toString('latin1', base, end)
    this.method = text.slice(this.begins, this.methodEnd)
    this.target = text.slice(this.methodEnd + 1, this.targetEnd)
    this.headers = recordOf(bytes, base, text, this.spans, this.spanCount)
    this.reusable = this.minor === 1 && !this.close
    this.bodyFollows(COMPLETE)
    return end
  }
}

const NO_HEADERS: RequestHeaders = Object.freeze(new Bare()) as RequestHeaders

function recordOf(bytes: Buffer, base: number, text: string, spans: readonly number[], count: number): RequestHeaders {
  const record = new Bare() as Record<string, string | undefined>
  for (let i = 0; i < count; i += 4) {
    const name = nameAt(bytes, base, text, spans[i]!, spans[i + 1]!)
    const value = text.slice(spans[i + 2], spans[i + 3])
    const before = record[name]
    record[name] = before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  return record
}
