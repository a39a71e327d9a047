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
  /** Lines that are no SSE fields: an HTML page or a JSON error that came in place of a stream. */
  readonly unparsed: string
}

const NONE: readonly SseEvent[] = Object.freeze([])
const LF = 0x0a
const CR = 0x0d

/**
 * Reads server-sent events as providers send them: LF (most), CRLF (Gemini), CR; several `data:` lines; a blank after
 * the colon or none; comments; a BOM; characters cut between reads; no blank line at the end.
 * Bytes are decoded once for each read, up to the last line end, so that no character is ever cut.
 */
export function createSseReader(given: { readonly maxEventBytes: number }): SseReader {
  const { maxEventBytes } = given
  let kept: Uint8Array[] = []
  let keptBytes = 0
  let first = true
  let skipLf = false
  let name = ''
  let data = ''
  let hasData = false
  let comments = 0
  let overflow = false
  let unparsed: string[] = []
  let unparsedLength = 0
  let out: SseEvent[] = []

  const line = (text: string): void => {
    if (text === '') {
      if (hasData) out.push({ event: name, data })
      name = ''
      data = ''
      hasData = false
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) {
      comments++
      return
    }
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
    if (field === 'data') {
      data = hasData ? data + '\n' + value : value
      hasData = true
      if (data.length > maxEventBytes) overflow = true
    } else if (field === 'event') name = value
    else if (field !== 'id' && field !== 'retry') {
      unparsedLength += text.length + 1
      if (unparsedLength > maxEventBytes) overflow = true
      else unparsed.push(text)
    }
  }

  /** Every line of `text` is whole: it ends with a line end. */
  const read = (text: string): void => {
    let at = 0
    if (first) {
      first = false
      if (text.charCodeAt(0) === 0xfeff) at = 1
    }
    if (skipLf) {
      skipLf = false
      if (text.charCodeAt(at) === LF) at++
    }
    let cr = text.indexOf('\r')
    let lf = -1
    while (at < text.length && !overflow) {
      if (lf < at) lf = text.indexOf('\n', at)
      if (cr >= 0 && cr < at) cr = text.indexOf('\r', at)
      if (cr >= 0 && (lf < at || cr < lf)) {
        line(text.slice(at, cr))
        at = lf === cr + 1 ? cr + 2 : cr + 1
        skipLf = at === text.length && lf !== cr + 1
      } else if (!hasData && name === '' && text.charCodeAt(lf + 1) === LF && text.startsWith('data:', at)) {
        // The common event: one `data:` line and its blank line, in one read.
        if (lf - at > maxEventBytes) overflow = true
        else out.push({ event: '', data: text.slice(text.charCodeAt(at + 5) === 0x20 ? at + 6 : at + 5, lf) })
        at = lf + 2
      } else {
        line(text.slice(at, lf))
        at = lf + 1
      }
    }
  }

  const take = (): readonly SseEvent[] => {
    if (out.length === 0) return NONE
    const taken = out
    out = []
    return taken
  }

  return {
    push(bytes) {
      if (overflow) return NONE
      const cut = Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1
      if (cut > 0) {
        const view = viewOf(bytes)
        if (kept.length > 0) {
          const whole = Buffer.concat([...kept, view.subarray(0, cut)])
          kept = []
          keptBytes = 0
          read(whole.toString('utf8'))
        } else read(view.toString('utf8', 0, cut))
      }
      if (cut < bytes.length) {
        // A copy: the caller may reuse its buffer.
        kept.push(Uint8Array.prototype.slice.call(bytes, cut))
        keptBytes += bytes.length - cut
        if (keptBytes > maxEventBytes) overflow = true
      }
      return take()
    },
    end() {
      if (overflow) return take()
      if (kept.length > 0) {
        const text = Buffer.concat(kept).toString('utf8')
        kept = []
        read(text + '\n')
      }
      line('')
      return take()
    },
    get comments() { return comments },
    get overflow() { return overflow },
    get unparsed() {
      if (unparsed.length > 1) unparsed = [unparsed.join('\n')]
      return unparsed[0] ?? ''
    },
  }
}
