import type { ChatEvent } from '../core/index.ts'
import type { Decoder } from './dialect.ts'
import { parseUpstream, viewOf } from './json.ts'
import { isObject, type Loose } from './loose.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { createSseReader } from './sse.ts'
import { scrub } from './upstream-fault.ts'

/** What a wire format makes of the JSON objects of a stream, one by one. */
export interface ObjectReader {
  readonly writer: ReplyWriter
  /** `event` is the `event:` field of SSE, empty where there is none. */
  object(value: Loose, event: string): void
  /** The upstream closed. */
  closed(): void
  /** A whole answer, where it is no object of a stream. */
  whole(value: Loose): void
}

/** An image of several megabytes may come in one event. */
const MAX_OBJECT_BYTES = 64 * 1024 * 1024

/** A stream of JSON objects in server-sent events. */
export function sseDecoder(reader: ObjectReader): Decoder {
  const sse = createSseReader({ maxEventBytes: MAX_OBJECT_BYTES })
  const { writer } = reader
  const all = (events: ReturnType<typeof sse.push>, closing: boolean): void => {
    for (const { event, data } of events) {
      // Bridges from OpenAI's format add its end mark.
      if (!writer.over && data.trim() !== '' && data.trim() !== '[DONE]') one(reader, data, event, closing)
    }
    if (sse.overflow && !writer.over) tooLarge(writer)
  }
  return {
    push(bytes) {
      if (writer.over) return NONE
      all(sse.push(bytes), false)
      return writer.take()
    },
    end() {
      if (writer.over) return NONE
      all(sse.end(), true)
      if (!writer.over && !writer.started && sse.unparsed.trim() !== '') wholeText(reader, sse.unparsed)
      reader.closed()
      return writer.take()
    },
    get done() { return writer.over },
  }
}

const LF = 0x0a

/** A stream of JSON objects, one on each line. */
export function ndjsonDecoder(reader: ObjectReader): Decoder {
  const { writer } = reader
  let kept: Uint8Array[] = []
  let keptBytes = 0
  const lines = (text: string, closing: boolean): void => {
    for (const line of text.split('\n')) if (!writer.over && line.trim() !== '') one(reader, line, '', closing)
  }
  return {
    push(bytes) {
      if (writer.over) return NONE
      const cut = bytes.lastIndexOf(LF) + 1
      if (cut > 0) {
        lines(kept.length > 0 ? Buffer.concat([...kept, bytes.subarray(0, cut)]).toString('utf8') : viewOf(bytes).toString('utf8', 0, cut), false)
        kept = []
        keptBytes = 0
      }
      if (cut < bytes.length) {
        // A copy: the caller may reuse its buffer.
        kept.push(Uint8Array.prototype.slice.call(bytes, cut))
        keptBytes += bytes.length - cut
        if (keptBytes > MAX_OBJECT_BYTES) tooLarge(writer)
      }
      return writer.take()
    },
    end() {
      if (writer.over) return NONE
      lines(Buffer.concat(kept).toString('utf8'), true)
      reader.closed()
      return writer.take()
    },
    get done() { return writer.over },
  }
}

/** The events of a whole answer; a stream that nobody asked for is read as one. */
export function decodeWhole(body: Uint8Array, reader: ObjectReader, stream: (reader: ObjectReader) => Decoder): readonly ChatEvent[] {
  const head = viewOf(body).toString('latin1', 0, 16)
  if (/^(data|event):/.test(head)) {
    const decoder = stream(reader)
    return [...decoder.push(body), ...decoder.end()]
  }
  wholeText(reader, viewOf(body).toString('utf8'))
  return reader.writer.take()
}

function wholeText(reader: ObjectReader, text: string): void {
  const parsed = parseUpstream(text)
  if ('value' in parsed && isObject(parsed.value)) reader.whole(parsed.value)
  else unreadable(reader.writer, text)
}

function one(reader: ObjectReader, text: string, event: string, closing: boolean): void {
  const parsed = parseUpstream(text)
  if ('value' in parsed && isObject(parsed.value)) reader.object(parsed.value, event)
  // An object that breaks off at the close was cut, not garbled.
  else if (closing && 'fault' in parsed && reader.writer.started) reader.writer.cut()
  else if ('fault' in parsed || typeof parsed.value !== 'object') unreadable(reader.writer, text)
}

function unreadable(writer: ReplyWriter, text: string): void {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text.slice(0, 8192))?.[1]?.trim()
  writer.failed('invalid-response', title ? `answered with a page: ${scrub(title)}` : 'sent what is not JSON.')
}

const tooLarge = (writer: ReplyWriter): void => writer.failed('invalid-response', 'sent an event that is too large.')

const NONE: readonly ChatEvent[] = Object.freeze([])
