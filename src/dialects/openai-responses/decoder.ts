import { fault, type ChatEvent, type Endpoint } from '../../core/index.ts'
import type { Decoder, Target } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { SseParser, type SseSink } from '../sse.ts'
import { failureIn, noResponse } from './faults.ts'
import { ResponseReader } from './reader.ts'
import { isObject } from './wire.ts'

/** An image comes as one event, and once more in the response at the end. */
const MAX_EVENT_BYTES = 64 * 1024 * 1024

/** Reads a stream of events from anybody who speaks this format. */
export const createDecoder = (target: Target): Decoder => new EventDecoder(target.endpoint)

class EventDecoder implements Decoder, SseSink {
  private readonly endpoint: Endpoint
  private readonly reader: ResponseReader
  private readonly parser: SseParser
  /** The connection closed: an event that is no JSON was cut, not garbled. */
  private closing = false

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.reader = new ResponseReader(endpoint)
    this.parser = new SseParser(MAX_EVENT_BYTES, this)
  }

  get done(): boolean { return this.reader.over }

  push(bytes: Uint8Array): readonly ChatEvent[] {
    const { reader, parser } = this
    if (reader.over) return NONE
    parser.push(bytes)
    this.checkSize()
    return reader.take()
  }

  end(): readonly ChatEvent[] {
    const { reader, parser } = this
    if (reader.over) return NONE
    this.closing = true
    parser.end()
    this.checkSize()
    // A JSON body or a page that came in place of a stream, under a content type that hid it.
    if (!reader.over && !reader.started && parser.unparsed.trim() !== '') readWhole(reader, parser.unparsed, this.endpoint)
    if (!reader.over) reader.cut()
    return reader.take()
  }

  sse(event: string, data: string): void {
    const { reader } = this
    if (reader.over || data === '') return
    if (data === '[DONE]') {
      reader.cut()
      return
    }
    const parsed = parseUpstream(data)
    if ('value' in parsed) {
      if (isObject(parsed.value)) reader.event(parsed.value, event)
    } else if (!this.closing) reader.fail(noResponse(this.endpoint, data))
  }

  private checkSize(): void {
    if (!this.parser.overflow) return
    const { providerName } = this.endpoint
    this.reader.fail(fault('invalid-response', `${providerName} sent an event that is too large.`, { upstream: { provider: providerName } }))
  }
}

const NONE: readonly ChatEvent[] = Object.freeze([])

/** Reads a whole reply of status 200 as events. */
export function decodeReply(body: Uint8Array, target: Target): readonly ChatEvent[] {
  const head = viewOf(body).toString('latin1', 0, 6)
  if (head === 'event:' || head.startsWith('data:')) {
    // A host that streams whatever it was asked for.
    const decoder = createDecoder(target)
    return [...decoder.push(body), ...decoder.end()]
  }
  const reader = new ResponseReader(target.endpoint)
  readWhole(reader, body, target.endpoint)
  return reader.take()
}

function readWhole(reader: ResponseReader, body: Uint8Array | string, endpoint: Endpoint): void {
  const parsed = parseUpstream(body)
  if ('value' in parsed && isObject(parsed.value)) {
    const { value } = parsed
    if (isObject(value['error'])) return reader.fail(failureIn(value, endpoint))
    const finished = value['status'] !== 'queued' && value['status'] !== 'in_progress'
    if (Array.isArray(value['output']) && finished) return reader.end(value)
  }
  const raw = typeof body === 'string' ? body.slice(0, 4096) : viewOf(body).toString('utf8', 0, 4096)
  reader.fail(noResponse(endpoint, raw))
}
