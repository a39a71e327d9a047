import { count, usage, type Annotation, type Endpoint, type FinishReason, type Seal, type Usage } from '../../core/index.ts'
import { isObject, listIn, objectIn, textIn, type Loose } from '../loose.ts'
import { ReplyWriter } from '../reply-writer.ts'
import { traitsFor } from './families.ts'
import { faultOfException } from './faults.ts'
import { CLAUDE_FORMAT, OWN_FORMAT } from './wire.ts'

const STOP: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop', stop_sequence: 'stop', tool_use: 'tool_calls', max_tokens: 'length', model_context_window_exceeded: 'length',
  guardrail_intervened: 'content_filter', content_filtered: 'content_filter', malformed_model_output: 'error', malformed_tool_use: 'error',
}

/** Events of one reply, or the whole of it. Usage may come before the stop, and the start not at all: it finishes when both are there, or at the close. */
export class Reader {
  readonly writer: ReplyWriter
  private readonly endpoint: Endpoint
  private readonly format: string
  /** Of the block that is open. */
  private signature = ''
  private redacted = ''
  private citedFrom = 0
  private readonly citations: Loose[] = []
  private stop: string | null = null
  private counted = false

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.writer = new ReplyWriter(endpoint)
    this.format = traitsFor(endpoint).family === 'anthropic' ? CLAUDE_FORMAT : OWN_FORMAT
  }

  event(type: string, value: Loose): void {
    const { writer } = this
    const index = typeof value['contentBlockIndex'] === 'number' ? value['contentBlockIndex'] : 0
    switch (type) {
      case 'messageStart': return writer.start({}, JSON.stringify(value))
      case 'contentBlockStart': {
        const made = objectIn(objectIn(value, 'start'), 'toolUse')
        const name = textIn(made, 'name')
        if (name !== undefined) writer.call({ index, id: textIn(made, 'toolUseId'), name })
        return
      }
      case 'contentBlockDelta': return this.delta(objectIn(value, 'delta'), index)
      case 'contentBlockStop': return this.endBlock()
      case 'messageStop':
        this.endBlock()
        this.stop = textIn(value, 'stopReason') ?? ''
        break
      case 'metadata':
        if (isObject(value['usage'])) {
          writer.count(usageOf(value['usage']))
          this.counted = true
        }
        break
      default: return
    }
    if (this.stop !== null && this.counted) this.closed()
  }

  exception(type: string, value: Loose): void {
    this.writer.fail(faultOfException(type, value, this.endpoint))
  }

  whole(value: Loose): void {
    const { writer } = this
    if (!isObject(objectIn(value, 'output')['message'])) {
      if (value['message'] !== undefined || value['Message'] !== undefined) this.exception(textIn(value, '__type') ?? '', value)
      else writer.failed('invalid-response', 'answered with what is no message.')
      return
    }
    writer.start({}, JSON.stringify(value['output']).slice(0, 4096))
    for (const [index, block] of listIn(objectIn(objectIn(value, 'output'), 'message'), 'content').entries()) this.block(block, index)
    if (isObject(value['usage'])) writer.count(usageOf(value['usage']))
    this.stop = textIn(value, 'stopReason') ?? ''
    this.closed()
  }

  closed(): void {
    const { writer, stop } = this
    if (writer.over) return
    if (stop === null) return writer.cut()
    const reason = STOP[stop] ?? 'stop'
    if (reason === 'error' && writer.blocks === 0) writer.failed('invalid-response', `stopped without an answer: ${stop}.`, stop)
    else writer.finish(reason, stop)
  }

  private block(block: Loose, index: number): void {
    const cited = objectIn(block, 'citationsContent')
    const made = objectIn(block, 'toolUse')
    if (isObject(block['toolUse'])) this.writer.call({ index, id: textIn(made, 'toolUseId'), name: textIn(made, 'name'), input: made['input'] ?? {} })
    else if (isObject(block['reasoningContent'])) {
      const thought = objectIn(block['reasoningContent'], 'reasoningText')
      this.delta({ reasoningContent: { text: thought['text'], signature: thought['signature'], redactedContent: block['reasoningContent']['redactedContent'] } }, index)
    } else if (isObject(block['citationsContent'])) {
      for (const piece of listIn(cited, 'content')) this.delta(piece, index)
      for (const citation of listIn(cited, 'citations')) this.delta({ citation }, index)
    } else this.delta(block, index)
    this.endBlock()
  }

  private delta(delta: Loose, index: number): void {
    const { writer } = this
    if (typeof delta['text'] === 'string') writer.say('text', delta['text'])
    const made = objectIn(delta, 'toolUse')
    if (made['input'] !== undefined) writer.call({ index, input: made['input'] })
    const thought = objectIn(delta, 'reasoningContent')
    writer.say('reasoning', textIn(thought, 'text') ?? '', this.format)
    this.signature += textIn(thought, 'signature') ?? ''
    this.redacted += textIn(thought, 'redactedContent') ?? ''
    if (isObject(delta['citation'])) this.citations.push(delta['citation'])
  }

  /** The end of a block, with what sealed it. Text has citations but no offsets in them: they are for the whole of it. */
  private endBlock(): void {
    const { writer } = this
    for (const citation of this.citations.splice(0)) writer.note(annotationOf(citation, this.citedFrom, writer.text.length))
    this.citedFrom = writer.text.length
    if (this.signature !== '') writer.endSaid(seal(this.format, 'signature', this.signature))
    else writer.endSaid()
    if (this.redacted !== '') writer.endSaid(seal(OWN_FORMAT, 'encrypted', this.redacted))
    this.signature = this.redacted = ''
  }
}

const seal = (format: string, kind: Seal['kind'], value: string): Seal => ({ format, kind, value })

function annotationOf(citation: Loose, start: number, end: number): Annotation {
  const title = textIn(citation, 'title')
  const content = listIn(citation, 'sourceContent').map((piece) => textIn(piece, 'text') ?? '').join('')
  const url = textIn(objectIn(objectIn(citation, 'location'), 'web'), 'url') ?? textIn(citation, 'source') ?? title ?? ''
  return { type: 'citation', url, ...(title !== undefined && { title }), ...(content !== '' && { content }), start, end }
}

/** The cache is left out of the input here. Writes are told apart by their lifetime where it is said. */
function usageOf(of: Loose): Usage {
  const read = count(of['cacheReadInputTokens'])
  const written = count(of['cacheWriteInputTokens'])
  const long = Math.min(written, listIn(of, 'cacheDetails').reduce((sum, entry) => (entry['ttl'] === '1h' ? sum + count(entry['inputTokens']) : sum), 0))
  return usage(
    { total: count(of['inputTokens']) + read + written, cacheRead: read, cacheWrite5m: written - long, cacheWrite1h: long },
    { total: count(of['outputTokens']) },
  )
}
