import { isUtf8 } from 'node:buffer'
import type { Endpoint } from '../core/index.ts'
import { viewOf } from './json.ts'

export interface SseEvent {
  /** The `event:` field; empty when there was none. */
  readonly event: string
  /** The `data:` lines, joined by line feeds. */
  readonly data: string
}

/** Bytes in, events out. Linear in the bytes, whatever the cuts between reads. */
export interface SseReader {
  push(bytes: Uint8Array): readonly SseEvent[]
  /** The upstream closed: an event without its last blank line still counts. */
  end(): readonly SseEvent[]
  /** Comment lines so far: signs of life, and nothing else. */
  readonly comments: number
  /** An event exceeded the limit; nothing is read any more. */
  readonly overflow: boolean
  /** A line was no UTF-8; the events before it count, and nothing is read any more. */
  readonly garbled: boolean
  /** Lines that are no SSE fields: an HTML page or a JSON error that came in place of a stream. */
  readonly unparsed: string
}

const MAX_TEXT_EVENT_BYTES = 4 * 1024 * 1024
const MAX_MEDIA_EVENT_BYTES = 64 * 1024 * 1024

/** The longest event that an endpoint may send: a picture of many megabytes arrives as one, a piece of text never does. */
export function maxEventBytes({ outputModalities }: Pick<Endpoint, 'outputModalities'>): number {
  return outputModalities.size === 1 && outputModalities.has('text') ? MAX_TEXT_EVENT_BYTES : MAX_MEDIA_EVENT_BYTES
}

/** Who is told of events one by one, as they are found. */
export interface SseSink {
  sse(event: string, data: string): void
}

const NONE: readonly SseEvent[] = Object.freeze([])
const LF = 0x0a
const CR = 0x0d

/** A reader that gathers the events of each read. */
export function createSseReader(given: { readonly maxEventBytes: number }): SseReader {
  let out: SseEvent[] | null = null
  const parser = new SseParser(given.maxEventBytes, { sse: (event, data) => { (out ??= []).push({ event, data }) } })
  const take = (): readonly SseEvent[] => {
    const taken = out ?? NONE
    out = null
    return taken
  }
  return {
    push(bytes) {
      parser.push(bytes)
      return take()
    },
    end() {
      parser.end()
      return take()
    },
    get comments() { return parser.comments },
    get overflow() { return parser.overflow },
    get garbled() { return parser.garbled },
    get unparsed() { return parser.unparsed },
  }
}

/**
 * Reads server-sent events as providers send them: LF (most), CRLF (Gemini), CR; several `data:` lines; a blank after
 * the colon or none; comments; a BOM; characters cut between reads; no blank line at the end.
 * Bytes are decoded once for each read, up to the last line end, so that no character is ever cut.
 * A class, because one is made for each stream: methods cost nothing to set up, closures 64 bytes each.
 */
export class SseParser {
  comments = 0
  overflow = false
  garbled = false
  private readonly maxEventBytes: number
  private readonly sink: SseSink
  /** What came behind the last line end, not decoded yet. */
  private kept: Uint8Array[] | null = null
  private keptBytes = 0
  private first = true
  private skipLf = false
  private name = ''
  private data = ''
  private hasData = false
  private strange: string[] | null = null
  private strangeLength = 0

  constructor(maxEventBytes: number, sink: SseSink) {
    this.maxEventBytes = maxEventBytes
    this.sink = sink
  }

  push(bytes: Uint8Array): void {
    if (this.overflow || this.garbled) return
    const cut = afterLastLine(bytes)
    if (cut > 0) {
      if (this.kept) {
        this.kept.push(bytes.subarray(0, cut))
        const whole = Buffer.concat(this.kept)
        this.kept = null
        this.keptBytes = 0
        this.decode(whole, whole.length)
      } else this.decode(viewOf(bytes), cut)
    }
    if (cut === bytes.length || this.garbled) return
    // A copy: the caller may reuse its buffer.
    const rest = Uint8Array.prototype.slice.call(bytes, cut)
    if (this.kept) this.kept.push(rest)
    else this.kept = [rest]
    this.keptBytes += rest.length
    if (this.keptBytes > this.maxEventBytes) this.overflow = true
  }

  end(): void {
    if (this.overflow || this.garbled) return
    if (this.kept) {
      // Leniently: what is no UTF-8 here was cut within a character.
      const text = Buffer.concat(this.kept).toString('utf8')
      this.kept = null
      this.read(text + '\n')
    }
    this.line('')
  }

  get unparsed(): string {
    if (!this.strange) return ''
    if (this.strange.length > 1) this.strange = [this.strange.join('\n')]
    return this.strange[0]!
  }

  /**
   * Reads whole lines: the first `length` bytes. What cannot be decoded becomes U+FFFD, so that only a text which has
   * one raises the question (a search that V8 does not even begin in ASCII).
   */
  private decode(bytes: Buffer, length: number): void {
    const text = bytes.toString('utf8', 0, length)
    const odd = text.indexOf('\ufffd')
    if (odd < 0 || isUtf8(bytes.subarray(0, length))) {
      this.read(text)
      return
    }
    this.read(text.slice(0, Math.max(text.lastIndexOf('\n', odd), text.lastIndexOf('\r', odd)) + 1))
    this.garbled = true
  }

  /** Every line of `text` is whole: it ends with a line end. */
  private read(text: string): void {
    let at = 0
    if (this.first) {
      this.first = false
      if (text.charCodeAt(0) === 0xfeff) at = 1
    }
    if (this.skipLf) {
      this.skipLf = false
      if (text.charCodeAt(at) === LF) at++
    }
    let cr = text.indexOf('\r')
    let lf = -1
    while (at < text.length && !this.overflow) {
      if (lf < at) lf = text.indexOf('\n', at)
      if (cr >= 0 && cr < at) cr = text.indexOf('\r', at)
      if (cr >= 0 && (lf < at || cr < lf)) {
        this.line(text.slice(at, cr))
        at = lf === cr + 1 ? cr + 2 : cr + 1
        this.skipLf = at === text.length && lf !== cr + 1
      } else if (!this.hasData && this.name === '' && text.charCodeAt(lf + 1) === LF && text.startsWith('data:', at)) {
        // The common event: one `data:` line and its blank line, in one read.
        if (lf - at > this.maxEventBytes) this.overflow = true
        else this.sink.sse('', text.slice(text.charCodeAt(at + 5) === 0x20 ? at + 6 : at + 5, lf))
        at = lf + 2
      } else if (!this.hasData && this.name === '' && this.named(text, at, lf, cr)) {
        at = text.indexOf('\n', lf + 1) + 2
      } else {
        this.line(text.slice(at, lf))
        at = lf + 1
      }
    }
  }

  /** An `event:` line, one `data:` line and its blank line in one read, which whoever names events sends: whether that stands here. */
  private named(text: string, at: number, lf: number, cr: number): boolean {
    if (!text.startsWith('event:', at) || !text.startsWith('data:', lf + 1)) return false
    const end = text.indexOf('\n', lf + 1)
    if (text.charCodeAt(end + 1) !== LF || (cr >= 0 && cr < end)) return false
    if (end - lf > this.maxEventBytes) this.overflow = true
    else this.sink.sse(valueIn(text, at + 6, lf), valueIn(text, lf + 6, end))
    return true
  }

  private line(text: string): void {
    if (text === '') {
      const { name, data, hasData } = this
      this.name = ''
      this.data = ''
      this.hasData = false
      if (hasData) this.sink.sse(name, data)
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) {
      this.comments++
      return
    }
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
    if (field === 'data') {
      this.data = this.hasData ? this.data + '\n' + value : value
      this.hasData = true
      if (this.data.length > this.maxEventBytes) this.overflow = true
    } else if (field === 'event') this.name = value
    else if (field !== 'id' && field !== 'retry') {
      this.strangeLength += text.length + 1
      if (this.strangeLength > this.maxEventBytes) this.overflow = true
      else (this.strange ??= []).push(text)
    }
  }
}

/** A field's value without the one blank that may stand before it. */
const valueIn = (text: string, from: number, to: number): string => text.slice(text.charCodeAt(from) === 0x20 ? from + 1 : from, to)

/** How many bytes end with a line end; a read mostly does, and then nothing is searched. */
function afterLastLine(bytes: Uint8Array): number {
  return bytes[bytes.length - 1] === LF ? bytes.length : Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1
}
