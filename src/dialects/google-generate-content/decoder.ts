import { fault, type ChatEvent, type Endpoint } from '../../core/index.ts'
import type { Decoder, Target } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { createSseReader, maxEventBytes, type SseEvent } from '../sse.ts'
import { scrub } from '../upstream-fault.ts'
import { createReader, type Reader } from './reader.ts'
import { traitsOf } from './traits.ts'

const NONE: readonly ChatEvent[] = Object.freeze([])

/**
 * Reads a stream of response objects: events with CRLF, and no end mark but the close. An object that breaks off at
 * the close is a cut.
 */
export function createDecoder(target: Target): Decoder {
  const { endpoint } = target
  const reader = createReader({ endpoint, traits: traitsOf(endpoint), streamed: true })
  const sse = createSseReader({ maxEventBytes: maxEventBytes(endpoint) })

  const all = (events: readonly SseEvent[], closing: boolean): void => {
    for (const { data } of events) {
      if (reader.over) return
      const trimmed = data.trim()
      // Some gateways in between put OpenAI's end mark behind it.
      if (trimmed === '' || trimmed === '[DONE]') continue
      const parsed = parseUpstream(data)
      if (!('fault' in parsed)) reader.chunk(parsed.value)
      else if (closing) reader.fail(fault('stream-cut', `The stream of ${endpoint.providerName} ended within an event.`, { upstream: { status: 200, provider: endpoint.providerName } }))
      else unreadable(reader, data, endpoint)
    }
    if ((sse.overflow || sse.garbled) && !reader.over) {
      const what = sse.overflow ? 'an event that is too large' : 'bytes that are no UTF-8'
      reader.fail(fault('invalid-response', `${endpoint.providerName} sent ${what}.`, { upstream: { status: 200, provider: endpoint.providerName } }))
    }
  }

  return {
    push(bytes) {
      if (reader.over) return NONE
      all(sse.push(bytes), false)
      return reader.take()
    },
    end() {
      if (reader.over) return NONE
      all(sse.end(), true)
      if (!reader.over && !reader.touched && sse.unparsed.trim() !== '') whole(reader, sse.unparsed, endpoint)
      reader.finish()
      return reader.take()
    },
  }
}

/** Reads a whole answer: one object, a list of them (a stream without `alt=sse`), or a stream that nobody asked for. */
export function decodeReply(body: Uint8Array, target: Target): readonly ChatEvent[] {
  const view = viewOf(body)
  if (view.toString('latin1', 0, 5) === 'data:') {
    const decoder = createDecoder(target)
    return [...decoder.push(body), ...decoder.end()]
  }
  const reader = createReader({ endpoint: target.endpoint, traits: traitsOf(target.endpoint), streamed: false })
  whole(reader, view.toString('utf8'), target.endpoint)
  reader.finish()
  return reader.take()
}

function whole(reader: Reader, text: string, endpoint: Endpoint): void {
  const parsed = parseUpstream(text)
  if ('fault' in parsed) {
    unreadable(reader, text, endpoint)
    return
  }
  for (const value of Array.isArray(parsed.value) ? parsed.value as unknown[] : [parsed.value]) reader.chunk(value)
}

function unreadable(reader: Reader, text: string, endpoint: Endpoint): void {
  reader.fail(fault('invalid-response', `${endpoint.providerName} sent what is not JSON.`, {
    upstream: { status: 200, raw: scrub(text.slice(0, 4096)), provider: endpoint.providerName },
  }))
}
