import type { ChatEvent } from '../../core/index.ts'
import type { Decoder, Target } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { isObject } from '../loose.ts'
import { FrameReader, type Frame } from './event-stream.ts'
import { Reader } from './reader.ts'

const NONE: readonly ChatEvent[] = Object.freeze([])

/** Reads a binary stream: events and exceptions, each a frame of JSON with padding. */
export function decoder({ endpoint }: Target): Decoder {
  const frames = new FrameReader()
  const reader = new Reader(endpoint)
  const { writer } = reader
  const one = ({ headers, payload }: Frame): void => {
    const parsed = parseUpstream(payload.length === 0 ? '{}' : payload)
    if (!('value' in parsed) || !isObject(parsed.value)) return writer.failed('invalid-response', 'sent what is not JSON.')
    const message = headers[':message-type']
    if (message === 'exception') reader.exception(headers[':exception-type'] ?? '', parsed.value)
    // An error without a shape of its own has its words in the headers.
    else if (message === 'error') reader.exception(headers[':error-code'] ?? '', { message: headers[':error-message'] ?? '', ...parsed.value })
    else reader.event(headers[':event-type'] ?? '', parsed.value)
  }
  return {
    push(bytes) {
      if (writer.over) return NONE
      for (const frame of frames.push(bytes)) if (!writer.over) one(frame)
      if (frames.broken && !writer.over) writer.failed('invalid-response', 'sent what is no event stream, or it was damaged on the way.')
      return writer.take()
    },
    end() {
      if (writer.over) return NONE
      if (frames.partial) writer.cut()
      else reader.closed()
      return writer.take()
    },
    get done() { return writer.over },
  }
}

export function decodeReply(body: Uint8Array, { endpoint }: Target): readonly ChatEvent[] {
  const reader = new Reader(endpoint)
  const parsed = parseUpstream(viewOf(body))
  if ('value' in parsed && isObject(parsed.value)) reader.whole(parsed.value)
  else reader.writer.failed('invalid-response', 'sent what is not JSON.')
  return reader.writer.take()
}
