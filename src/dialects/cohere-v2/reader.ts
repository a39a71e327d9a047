import { type Annotation, type Endpoint, type FinishReason, type TokenLogprob, type Usage, count, usage } from '../../core/index.ts'
import { isObject, listIn, objectIn, textIn, type Loose } from '../loose.ts'
import type { ObjectReader } from '../object-stream.ts'
import { ReplyWriter } from '../reply-writer.ts'
import { saidBy, upstreamFault } from '../upstream-fault.ts'
import { THOUGHT_FORMAT } from './wire.ts'

const FINISH: Readonly<Record<string, FinishReason>> = {
  COMPLETE: 'stop', STOP_SEQUENCE: 'stop', MAX_TOKENS: 'length', TOOL_CALL: 'tool_calls', ERROR_TOXIC: 'content_filter',
}

/**
 * Events of one reply, or the whole of it. The `type` in an event's JSON is what counts. Content and calls have
 * numberings of their own, which the events' `index` mixes; ids tell calls apart.
 */
export class Reader implements ObjectReader {
  readonly writer: ReplyWriter
  private readonly endpoint: Endpoint
  /** Where the text of each content block begins in the text of the reply. */
  private readonly starts = new Map<number, number>()
  private ended: { readonly reason: string | undefined } | null = null

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.writer = new ReplyWriter(endpoint)
  }

  object(value: Loose, event: string): void {
    const { writer } = this
    const type = textIn(value, 'type') ?? event
    const message = objectIn(objectIn(value, 'delta'), 'message')
    switch (type) {
      case 'message-start': return this.start(value)
      case 'content-start':
      case 'content-delta': {
        this.content(objectIn(message, 'content'), value['index'])
        writer.logprobs(logprobsOf(value['logprobs']))
        return
      }
      case 'content-end': return writer.endSaid()
      case 'tool-plan-delta': return writer.say('reasoning', textIn(message, 'tool_plan') ?? '', THOUGHT_FORMAT)
      case 'tool-call-start':
      case 'tool-call-delta': return this.call(message['tool_calls'], value['index'])
      case 'citation-start': {
        const found = message['citations']
        for (const citation of Array.isArray(found) ? found.filter(isObject) : isObject(found) ? [found] : []) this.cite(citation)
        return
      }
      case 'message-end': {
        const delta = objectIn(value, 'delta')
        if (typeof delta['error'] === 'string' && delta['error'] !== '') return this.error({ message: delta['error'] })
        return this.end(delta)
      }
      case 'tool-call-end':
      case 'citation-end':
      case 'debug': return
      default: if (typeof value['message'] === 'string' || value['error'] !== undefined) this.error(value)
    }
  }

  whole(value: Loose): void {
    const message = objectIn(value, 'message')
    if (!isObject(value['message'])) {
      if (value['message'] !== undefined || value['error'] !== undefined) this.error(value)
      else this.writer.failed('invalid-response', 'answered with what is no message.')
      return
    }
    this.start(value)
    this.writer.say('reasoning', textIn(message, 'tool_plan') ?? '', THOUGHT_FORMAT)
    for (const [index, content] of listIn(message, 'content').entries()) {
      this.content(content, index)
      this.writer.endSaid()
    }
    for (const [index, call] of listIn(message, 'tool_calls').entries()) this.call(call, index)
    for (const citation of listIn(message, 'citations')) this.cite(citation)
    for (const entry of listIn(value, 'logprobs')) this.writer.logprobs(logprobsOf(entry))
    this.end(value)
    this.closed()
  }

  closed(): void {
    const { writer, ended } = this
    if (writer.over) return
    if (!ended) return writer.cut()
    if (writer.blocks === 0 && ended.reason === undefined) return writer.failed('invalid-response', 'answered with nothing.')
    writer.finish(FINISH[ended.reason ?? ''] ?? 'stop', ended.reason)
  }

  private start(value: Loose): void {
    const id = textIn(value, 'id')
    this.writer.start(id === undefined ? {} : { upstreamId: id }, id ?? JSON.stringify(value).slice(0, 4096))
  }

  private content(content: Loose, index: unknown): void {
    const { writer } = this
    const at = typeof index === 'number' ? index : 0
    if (typeof content['thinking'] === 'string') return writer.say('reasoning', content['thinking'], THOUGHT_FORMAT)
    if (typeof content['text'] !== 'string') return
    if (!this.starts.has(at)) this.starts.set(at, writer.text.length)
    writer.say('text', content['text'])
  }

  private call(call: unknown, index: unknown): void {
    const it = Array.isArray(call) ? (call as unknown[])[0] : call
    if (!isObject(it)) return
    const made = objectIn(it, 'function')
    this.writer.call({
      ...(typeof index === 'number' && { index }),
      ...(textIn(it, 'id') !== undefined && { id: textIn(it, 'id') }),
      ...(textIn(made, 'name') !== undefined && { name: textIn(made, 'name') }),
      input: made['arguments'],
    })
  }

  /** A citation for each of its sources that has an address or a title; what a tool said stands under its id. */
  private cite(citation: Loose): void {
    const block = typeof citation['content_index'] === 'number' ? citation['content_index'] : undefined
    const from = block === undefined ? 0 : this.starts.get(block) ?? 0
    const words = textIn(citation, 'text') ?? ''
    const place = placeOf(this.writer.text.slice(from), count(citation['start']), count(citation['end']), words)
    for (const source of listIn(citation, 'sources')) {
      const said = isObject(source['document']) ? source['document'] : objectIn(source, 'tool_output')
      const title = textIn(said, 'title')
      const annotation: Annotation = {
        type: 'citation', url: textIn(said, 'url') ?? textIn(source, 'id') ?? '',
        ...(title !== undefined && { title }), ...(words !== '' && { content: words }),
        start: place.start + from, end: place.end + from,
      }
      this.writer.note(annotation)
    }
  }

  /** The finish waits for the close, because the usage may come behind it. */
  private end(of: Loose): void {
    if (isObject(of['usage'])) this.writer.count(usageOf(of['usage']))
    const reason = textIn(of, 'finish_reason')
    this.ended = { reason }
    if (reason === 'ERROR' || reason === 'ERROR_LIMIT' || reason === 'TIMEOUT') {
      const kind = reason === 'TIMEOUT' ? 'timeout' : reason === 'ERROR_LIMIT' ? 'context-length' : 'upstream-error'
      this.writer.failed(kind, `stopped the answer: ${reason}.`, reason)
    } else this.closed()
  }

  private error(value: Loose): void {
    this.writer.fail(upstreamFault(500, {}, saidBy(value), this.endpoint, JSON.stringify(value)))
  }
}

/** Tokens as they were counted, and what is paid for: they differ by the instructions that Cohere adds itself. */
function usageOf(of: Loose): Usage {
  const tokens = objectIn(of, 'tokens')
  const billed = objectIn(of, 'billed_units')
  const known = isObject(of['tokens']) ? tokens : billed
  const services = count(billed['search_units'])
  return usage(
    { total: count(known['input_tokens']), cacheRead: count(of['cached_tokens'] ?? tokens['cached_tokens']) },
    { total: count(known['output_tokens']) },
    {
      ...(services > 0 && { services: { search_unit: services } }),
      ...(isObject(of['billed_units']) && { billed: { input: count(billed['input_tokens']), output: count(billed['output_tokens']) } }),
    },
  )
}

/** Offsets are characters, which for Cohere are code points: they are moved where the cited words do not stand at them. */
function placeOf(text: string, start: number, end: number, words: string): { readonly start: number; readonly end: number } {
  if (words === '' || text.slice(start, end) === words) return { start, end }
  const points = [...text]
  const from = points.slice(0, start).join('').length
  return { start: from, end: from + points.slice(start, end).join('').length }
}

/** An entry has a piece of text and the probability of each of its tokens. */
function logprobsOf(of: unknown): readonly TokenLogprob[] {
  if (!isObject(of) || !Array.isArray(of['logprobs'])) return []
  const token = textIn(of, 'text') ?? ''
  const logprob = of['logprobs'].reduce((sum: number, it: unknown) => (typeof it === 'number' ? sum + it : sum), 0)
  return [{ token, logprob, bytes: [...Buffer.from(token)], top_logprobs: [] }]
}
