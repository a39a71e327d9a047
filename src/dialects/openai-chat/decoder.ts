import { fault, type ChatEvent, type Endpoint, type Fault } from '../../core/index.ts'
import type { Decoder, Target } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { maxEventBytes, SseParser, type SseSink } from '../sse.ts'
import { saidBy, scrub, upstreamFault, type Headers } from '../upstream-fault.ts'
import { learn, match, type Template } from './prefix-cache.ts'
import { flagsOf } from './quirks.ts'
import { Reader } from './reader.ts'

/** Events that are worth learning from before it is given up: each costs a second parse. */
const MAX_LESSONS = 8

/** Reads a stream of chunks from anybody who speaks this format. */
export const createDecoder = (target: Target): Decoder => new ChunkDecoder(target.endpoint)

class ChunkDecoder implements Decoder, SseSink {
  private readonly endpoint: Endpoint
  private readonly reader: Reader
  private readonly parser: SseParser
  private text: Template | null = null
  private reasoning: Template | null = null
  private lessons = 0
  /** The connection closed: an event that is no JSON was cut, not garbled. */
  private closing = false

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.reader = new Reader(flagsOf(endpoint.quirks), endpoint, false)
    this.parser = new SseParser(maxEventBytes(endpoint), this)
  }

  get done(): boolean { return this.reader.over }
  get finished(): boolean { return this.reader.finished }

  push(bytes: Uint8Array): readonly ChatEvent[] {
    const { reader, parser } = this
    if (reader.over) return NONE
    parser.push(bytes)
    if (parser.overflow || parser.garbled) this.broken()
    return reader.take()
  }

  end(): readonly ChatEvent[] {
    const { reader, parser } = this
    if (reader.over) return NONE
    this.closing = true
    parser.end()
    if (parser.overflow || parser.garbled) this.broken()
    if (!reader.over && !reader.touched && parser.unparsed.trim() !== '') notSse(reader, parser.unparsed, this.endpoint)
    reader.finish(false)
    return reader.take()
  }

  sse(event: string, data: string): void {
    if (this.reader.over) return
    if (event !== '' || !(this.like(this.text, data) || this.like(this.reasoning, data))) this.slow(event, data)
  }

  /** Whether an event is like one before, and then it is read by that. */
  private like(template: Template | null, data: string): boolean {
    if (template === null) return false
    const piece = match(template, data)
    if (piece === null) return false
    this.reader.plain(template.kind, template.choice, piece)
    this.lessons = 0
    return true
  }

  private slow(event: string, data: string): void {
    const { reader } = this
    const trimmed = data.trim()
    if (trimmed === '') return
    if (trimmed === '[DONE]') {
      reader.finish(true)
      return
    }
    const parsed = parseUpstream(data)
    if ('fault' in parsed) {
      if (this.closing) reader.finish(false)
      else reader.fail(unreadable(this.endpoint, data))
      return
    }
    reader.chunk(parsed.value, event, data)
    if (event !== '' || this.lessons >= MAX_LESSONS) return
    const lesson = learn(data, parsed.value)
    if (!lesson) return
    this.lessons++
    if (lesson.kind === 'text') this.text = lesson
    else this.reasoning = lesson
  }

  private broken(): void {
    const { providerName } = this.endpoint
    const what = this.parser.overflow ? 'an event that is too large' : 'bytes that are no UTF-8'
    this.reader.fail(fault('invalid-response', `${providerName} sent ${what}.`, { upstream: { provider: providerName } }))
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
  if (view[0] === LETTER_D && view.toString('latin1', 0, 5) === 'data:') {
    // A host that streams whatever it was asked for.
    const decoder = createDecoder(target)
    return [...decoder.push(body), ...decoder.end()]
  }
  const reader = new Reader(flagsOf(endpoint.quirks), endpoint, true)
  const parsed = parseUpstream(view)
  if ('fault' in parsed) reader.fail(unreadable(endpoint, view.toString('utf8', 0, 4096)))
  else {
    reader.chunk(parsed.value, '', view)
    reader.finish(true)
  }
  return reader.take()
}

/** What no JSON begins with. */
const LETTER_D = 0x64

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
