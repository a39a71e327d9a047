import { fault, type ChatEvent, type Endpoint, type Fault } from '../../core/index.ts'
import type { Decoder, Target } from '../dialect.ts'
import { parseUpstream } from '../json.ts'
import { createSseReader, type SseEvent } from '../sse.ts'
import { saidBy, scrub, upstreamFault, type Headers } from '../upstream-fault.ts'
import { viewOf } from '../json.ts'
import { learn, match, type Template } from './prefix-cache.ts'
import { flagsOf } from './quirks.ts'
import { createReader, type Reader } from './reader.ts'

/** An image of several megabytes arrives as one event. */
const MAX_EVENT_BYTES = 64 * 1024 * 1024
/** Events that are worth learning from before it is given up: each costs a second parse. */
const MAX_LESSONS = 8

/** Reads a stream of chunks from anybody who speaks this format. */
export function createDecoder(target: Target): Decoder {
  const reader = createReader({ flags: flagsOf(target.endpoint.quirks), endpoint: target.endpoint, whole: false })
  const sse = createSseReader({ maxEventBytes: MAX_EVENT_BYTES })
  let textTemplate: Template | null = null
  let reasoningTemplate: Template | null = null
  let lessons = 0

  /** The connection closed: an event that is no JSON was cut, not garbled. */
  let closing = false

  const read = ({ event, data }: SseEvent): void => {
    if (event === '') {
      const text = textTemplate && match(textTemplate, data)
      if (text !== null) {
        reader.plain('text', textTemplate!.choice, text)
        lessons = 0
        return
      }
      const thought = reasoningTemplate && match(reasoningTemplate, data)
      if (thought !== null) {
        reader.plain('reasoning', reasoningTemplate!.choice, thought)
        lessons = 0
        return
      }
    }
    slow(event, data)
  }

  const slow = (event: string, data: string): void => {
    const trimmed = data.trim()
    if (trimmed === '') return
    if (trimmed === '[DONE]') {
      reader.finish(true)
      return
    }
    const parsed = parseUpstream(data)
    if ('fault' in parsed) {
      if (closing) reader.finish(false)
      else reader.fail(unreadable(target.endpoint, data))
      return
    }
    reader.chunk(parsed.value, event, data)
    if (event !== '' || lessons >= MAX_LESSONS) return
    const lesson = learn(data, parsed.value)
    if (!lesson) return
    lessons++
    if (lesson.kind === 'text') textTemplate = lesson
    else reasoningTemplate = lesson
  }

  const all = (events: readonly SseEvent[]): void => {
    for (const event of events) {
      if (reader.over) return
      read(event)
    }
    if (sse.overflow) {
      reader.fail(fault('invalid-response', `${target.endpoint.providerName} sent an event that is too large.`, { upstream: { provider: target.endpoint.providerName } }))
    }
  }

  return {
    push(bytes) {
      if (reader.over) return NONE
      all(sse.push(bytes))
      return reader.take()
    },
    end() {
      if (reader.over) return NONE
      closing = true
      all(sse.end())
      if (!reader.over && !reader.touched && sse.unparsed.trim() !== '') notSse(reader, sse.unparsed, target.endpoint)
      reader.finish(false)
      return reader.take()
    },
    get done() { return reader.over },
  }
}

const NONE: readonly ChatEvent[] = Object.freeze([])

/** A host that ignores `stream: true` answers with one JSON body; a proxy in front of it with a page. */
function notSse(reader: Reader, body: string, endpoint: Endpoint): void {
  const parsed = parseUpstream(body)
  if ('fault' in parsed) {
    reader.fail(unreadable(endpoint, body))
    return
  }
  reader.chunk(parsed.value, '', body)
  reader.finish(true)
}

/** Reads a whole reply of status 200 as events. */
export function decodeReply(body: Uint8Array, target: Target): readonly ChatEvent[] {
  const { endpoint } = target
  const view = viewOf(body)
  if (view.length >= 5 && view.toString('latin1', 0, 5) === 'data:') {
    // A host that streams whatever it was asked for.
    const decoder = createDecoder(target)
    return [...decoder.push(body), ...decoder.end()]
  }
  const reader = createReader({ flags: flagsOf(endpoint.quirks), endpoint, whole: true })
  const parsed = parseUpstream(body)
  if ('fault' in parsed) reader.fail(unreadable(endpoint, view.toString('utf8', 0, 4096)))
  else {
    reader.chunk(parsed.value, '', view.toString('latin1', 0, 4096))
    reader.finish(true)
  }
  return reader.take()
}

/** Reads an answer of another status as a fault. */
export function decodeFault(status: number, headers: Headers, body: Uint8Array, target: Target): Fault {
  const text = viewOf(body).toString('utf8', 0, 16_384)
  const parsed = parseUpstream(body.length <= 16_384 ? body : text)
  const said = 'fault' in parsed ? { message: pageTitle(text) } : saidBy(parsed.value)
  return upstreamFault(status, headers, said, target.endpoint, text.trim())
}

/** What an HTML page or a line of text says of itself. */
function pageTitle(text: string): string {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text)?.[1] ?? /<h1[^>]*>([^<]{1,200})/i.exec(text)?.[1]
  if (title) return title.trim()
  return text.trimStart().startsWith('<') ? '' : text.trim().slice(0, 500)
}

function unreadable(endpoint: Endpoint, body: string): Fault {
  return fault('invalid-response', `${endpoint.providerName} sent what is not JSON.`, {
    upstream: { status: 200, raw: scrub(body.slice(0, 4096)), provider: endpoint.providerName },
  })
}
