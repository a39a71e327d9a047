import { Bare, nameAt } from './headers.ts'
import { CR, isNamed, LF, LINE_LF, LINE_START, MessageParser, SPACE, TEXT, UNTIL_CLOSE } from './message-parser.ts'

/** A response's head. Lower-case names; a name that came more than once has all its values. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

export const MAX_HEAD_BYTES = 32 * 1024
/** Interim answers before the real one: proxies repeat a 102 or 103 while they wait, but not for ever. */
const MAX_INTERIM = 64
const PREFIX = Buffer.from('HTTP/1.')
/** Bytes of `HTTP/1.1 200`. */
const STATUS_END = 12
const RULES = { maxHeadBytes: MAX_HEAD_BYTES, loneLf: true } as const

/** Parses answers. A lone LF may end the lines of head and trailers (RFC 9112 §2.2), as in what hand-written servers send. */
export class ResponseParser extends MessageParser {
  /** Of the final head, not of a 1xx; they stand once that is whole. */
  status = 0
  headers: ResponseHeaders = NO_HEADERS
  /** Seconds that the server keeps an idle connection (`Keep-Alive: timeout=`), if it said. */
  keepAliveSeconds = Infinity

  private interim = 0
  private code = 0
  private reasoning = false

  constructor(body: number[] = []) {
    super(body, RULES)
  }

  override begin(): void {
    super.begin()
    this.headers = NO_HEADERS
    this.keepAliveSeconds = Infinity
    this.interim = 0
  }

  protected override beginHead(): void {
    super.beginHead()
    this.code = 0
    this.reasoning = false
  }

  protected override startLine(bytes: Buffer, base: number, from: number, end: number): number {
    let p = from
    for (; p < end && !this.reasoning; p++) {
      const i = p - base
      const byte = bytes[p]!
      if (i < 7) {
        if (byte !== PREFIX[i]) return this.fail('not_http')
      } else if (i === 7) {
        if (byte !== 48 && byte !== 49) return this.fail('http_version')
        this.minor = byte - 48
      } else if (i === 8) {
        if (byte !== SPACE) return this.fail('not_http')
      } else if (i < STATUS_END) {
        if (byte < 48 || byte > 57) return this.fail('status')
        this.code = this.code * 10 + byte - 48
      } else {
        if (this.code < 100) return this.fail('status')
        if (byte !== SPACE) return this.lineEnds(byte, p, 'status')
        this.reasoning = true
      }
    }
    while (p < end && TEXT[bytes[p]!] === 1) p++
    return p === end ? p : this.lineEnds(bytes[p]!, p, 'reason')
  }

  private lineEnds(byte: number, p: number, otherwise: string): number {
    if (byte === CR) this.state = LINE_LF
    else if (byte === LF) this.state = LINE_START
    else return this.fail(otherwise)
    return p + 1
  }

  protected override field(bytes: Buffer, name: number, length: number, value: number, end: number): boolean {
    if (length !== 10 || !isNamed(bytes, name, 'keep-alive')) return true
    const said = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,9})/i.exec(bytes.toString('latin1', value, end))
    if (said) this.keepAliveSeconds = Number(said[1])
    return true
  }

  protected override head(bytes: Buffer, base: number, end: number): number {
    const { code } = this
    // HTTP/1.0 has no interim answers.
    if (code < 200 && this.minor === 0) return this.fail('http_version')
    if (code === 101) return this.fail('upgrade')
    if (code < 200) {
      if (++this.interim > MAX_INTERIM) return this.fail('too_many_interim')
      this.beginHead()
      return end
    }
    this.status = code
    this.headers = recordOf(bytes, base, bytes.toString('latin1', base, end), this.spans, this.spanCount)
    this.reusable = this.minor === 1 && !this.close
    if (code === 204 || code === 304) this.bodiless()
    else this.bodyFollows(UNTIL_CLOSE)
    return end
  }
}

const NO_HEADERS: ResponseHeaders = Object.freeze(new Bare())

function recordOf(bytes: Buffer, base: number, text: string, spans: readonly number[], count: number): ResponseHeaders {
  const record = new Bare()
  for (let i = 0; i < count; i += 4) {
    const name = nameAt(bytes, base, text, spans[i]!, spans[i + 1]!)
    const value = text.slice(spans[i + 2], spans[i + 3])
    const before = record[name]
    if (before === undefined) record[name] = value
    else if (typeof before === 'string') record[name] = [before, value]
    else before.push(value)
  }
  return record
}
