import { useIn, type Annotation, type Block, type ChatEvent, type Fault, type JsonObject, type NativeNote, type Note, type Seal } from '../../core/index.ts'
import type { Encoder, ReplyMeta } from '../dialect.ts'
import { writeAnnotation } from './annotations.ts'
import { errorChunk } from './faults.ts'
import { callSealEntry, sealEntry, useEntry } from './reasoning-details.ts'
import { writeUsage } from './usage-out.ts'

/** What a delta of a block is wrapped in, made once when the block opens: the hot path only puts the text between. */
interface OpenBlock {
  readonly block: Block
  readonly choice: number
  /** Up to the quote that opens the text, and from the quote that closes it. */
  readonly head: string
  readonly tail: string
  /** Reasoning goes out twice, as text and as a typed detail: what stands between the two copies. */
  readonly middle: string
  /** The index in `reasoning_details` or `tool_calls`. */
  readonly ordinal: number
  /** Images go out whole: their base64 gathers here. */
  gathered: string
}

interface OpenChoice {
  calls: number
  details: number
  finished: boolean
}

type EventOf<T extends ChatEvent['type']> = Extract<ChatEvent, { type: T }>

/**
 * Events as chunks. The first chunk of a choice has the role; one chunk has its finish; the last one has the usage
 * and no choices; then `[DONE]`. A batch becomes one string.
 */
export const createEncoder = (meta: ReplyMeta): Encoder => new ChunkEncoder(meta)

class ChunkEncoder implements Encoder {
  private readonly meta: ReplyMeta
  private fingerprint: string | undefined = undefined
  /** What every chunk begins with; made for the first, when `start` has told what it may say. */
  private head = ''
  private readonly blocks: (OpenBlock | undefined)[] = []
  private readonly choices: OpenChoice[] = []
  private usage: JsonObject | undefined = undefined
  private over = false

  constructor(meta: ReplyMeta) {
    this.meta = meta
  }

  push(batch: readonly ChatEvent[], metadata?: JsonObject): string {
    let out = ''
    for (const event of batch) {
      if (this.over) break
      if (event.type === 'fault') {
        out += this.fail(event.fault, metadata)
        break
      }
      out += event.type === 'block-delta' ? this.delta(event.index, event.text) : this.write(event)
    }
    return out
  }

  end(metadata?: JsonObject): string {
    if (this.over) return ''
    this.over = true
    const rest = (this.usage ? `,"usage":${JSON.stringify(this.usage)}` : '') + (metadata ? `,"openrouter_metadata":${JSON.stringify(metadata)}` : '')
    return `${rest === '' ? '' : `${this.begin()},"choices":[]${rest}}\n\n`}data: [DONE]\n\n`
  }

  debug(upstreamBodies: readonly JsonObject[]): string {
    return upstreamBodies.map((body) => `${this.begin()},"choices":[],"debug":${JSON.stringify({ echo_upstream_body: body })}}\n\n`).join('')
  }

  private fail(fault: Fault, metadata: JsonObject | undefined): string {
    this.over = true
    const open = this.choices.flatMap((choice, index) => (choice.finished ? [] : [index]))
    return errorChunk(fault, this.meta, this.choices.length === 0 ? [0] : open, this.usage, metadata)
  }

  private begin(): string {
    if (this.head === '') this.head = headOf(this.meta, this.fingerprint)
    return this.head
  }

  private front(choice: number): string {
    return `${this.begin()},"choices":[{"index":${choice},"delta":`
  }

  private chunk(choice: number, delta: string, rest = UNFINISHED): string {
    return this.front(choice) + delta + rest + END
  }

  /** The choice, and the chunk that introduces it when it is new. */
  private enter(index: number): string {
    let out = ''
    while (this.choices.length <= index) {
      out += this.chunk(this.choices.length, '{"role":"assistant","content":""}')
      this.choices.push({ calls: 0, details: 0, finished: false })
    }
    return out
  }

  private details(choice: number, entry: JsonObject): string {
    return this.chunk(choice, `{"reasoning_details":[${JSON.stringify(entry)}]}`)
  }

  /** Remembers a block with the parts of a delta that stand around its text, in quotes. */
  private wrap({ block, choice, index }: EventOf<'block-open'>, before: string, after: string, ordinal = 0, middle = ''): void {
    const head = flat(`${this.front(choice)}${before}"`)
    const tail = flat(`"${after}${UNFINISHED}${END}`)
    this.blocks[index] = { block, choice, head, tail, middle: middle === '' ? '' : `"${middle}"`, ordinal, gathered: '' }
  }

  private open(event: EventOf<'block-open'>): string {
    const { block, choice } = event
    const out = this.enter(choice)
    const state = this.choices[choice]!
    switch (block.type) {
      case 'text': this.wrap(event, '{"content":', '}'); return out
      case 'refusal': this.wrap(event, '{"refusal":', '}'); return out
      case 'reasoning': {
        const ordinal = state.details++
        const kind = block.summary ? '"reasoning.summary","summary":' : '"reasoning.text","text":'
        const id = block.id === undefined ? '' : `"id":${JSON.stringify(block.id)},`
        const after = `,${id}"format":${JSON.stringify(block.format ?? 'unknown')},"index":${ordinal}}]}`
        this.wrap(event, '{"reasoning":', after, ordinal, `,"reasoning_details":[{"type":${kind}`)
        return out
      }
      case 'tool-call': {
        const ordinal = state.calls++
        const custom = block.form === 'custom'
        this.wrap(event, `{"tool_calls":[{"index":${ordinal},${custom ? '"custom":{"input":' : '"function":{"arguments":'}`, '}}]}', ordinal)
        const body = custom ? { custom: { name: block.name, input: '' } } : { function: { name: block.name, arguments: '' } }
        return out + this.chunk(choice, JSON.stringify({ tool_calls: [{ index: ordinal, id: block.id, type: block.form, ...body }] }))
      }
      case 'media':
        this.wrap(event, '{"audio":{"data":', '}}')
        if (block.kind !== 'audio') return out
        return out + this.chunk(choice, JSON.stringify({
          audio: { ...(block.id !== undefined && { id: block.id }), ...(block.expiresAt !== undefined && { expires_at: block.expiresAt }) },
        }))
      case 'native': {
        this.wrap(event, '{"content":', '}')
        const use = useIn(block)
        if (use !== null) return out + this.details(choice, useEntry(use, state.details++))
        // What another dialect made up has no word here; our own are details of reasoning.
        return block.dialect === 'openai-chat' && isDetail(block.value) ? out + this.details(choice, { ...block.value, index: state.details++ }) : out
      }
      // No conversation has one.
      case 'embeddings':
      case 'ranking': return out
    }
  }

  private delta(index: number, text: string): string {
    const at = this.blocks[index]
    if (!at) return ''
    if (at.block.type === 'media' && at.block.kind !== 'audio') {
      at.gathered += text
      return ''
    }
    if (at.block.type === 'native') return ''
    const inside = escaped(text)
    return at.middle === '' ? at.head + inside + at.tail : at.head + inside + at.middle + inside + at.tail
  }

  private close(index: number, seal: Seal | undefined): string {
    const at = this.blocks[index]
    if (!at) return ''
    this.blocks[index] = undefined
    const { block, choice } = at
    if (block.type === 'media' && block.kind === 'image') {
      const url = block.url ?? `data:${block.mime ?? 'image/png'};base64,${at.gathered}`
      return this.chunk(choice, JSON.stringify({ images: [{ type: 'image_url', image_url: { url } }] }))
    }
    if (!seal) return ''
    if (block.type === 'reasoning') return this.details(choice, sealEntry(seal, block.id, at.ordinal))
    return this.details(choice, callSealEntry(seal, block.type === 'tool-call' ? block.id : undefined, this.choices[choice]!.details++))
  }

  private note(choice: number, of: Note): string {
    // A place in a document, which has no address, has no word here either.
    if (of.type === 'annotation' && of.annotation.type === 'native') return ''
    const out = this.enter(choice)
    if (of.type === 'annotation') return out + this.chunk(choice, JSON.stringify({ annotations: [writeAnnotation(of.annotation as Exclude<Annotation, NativeNote>)] }))
    if (of.type === 'transcript') return out + this.chunk(choice, JSON.stringify({ audio: { transcript: of.text } }))
    const logprobs = { content: of.content ?? null, refusal: of.refusal ?? null }
    return out + this.chunk(choice, '{"content":""}', `,"logprobs":${JSON.stringify(logprobs)}${UNFINISHED}`)
  }

  private write(event: Exclude<ChatEvent, { type: 'block-delta' | 'fault' }>): string {
    switch (event.type) {
      case 'start':
        this.fingerprint = event.fingerprint
        this.head = ''
        return ''
      case 'block-open': return this.open(event)
      case 'block-close': return this.close(event.index, event.seal)
      case 'note': return this.note(event.choice, event.note)
      case 'usage':
        this.usage = writeUsage(event.usage, event.charge)
        return ''
      case 'finish': {
        const out = this.enter(event.choice)
        this.choices[event.choice]!.finished = true
        return out + this.chunk(event.choice, '{}', `,"finish_reason":"${event.reason}","native_finish_reason":${JSON.stringify(event.native ?? event.reason)}`)
      }
    }
  }
}

const UNFINISHED = ',"finish_reason":null'
const END = '}]}\n\n'

/** What every chunk begins with. A fingerprint that is not known is left out: `null` makes the official SDK throw. */
function headOf(meta: ReplyMeta, fingerprint: string | undefined): string {
  const { tier } = meta
  const about = `"created":${meta.created},"model":${JSON.stringify(meta.model)},"provider":${JSON.stringify(meta.provider)}`
  const print = fingerprint === undefined ? '' : `,"system_fingerprint":${JSON.stringify(fingerprint)}`
  const served = typeof tier === 'string' ? `,"service_tier":${JSON.stringify(tier)}` : ''
  return `data: {"id":${JSON.stringify(meta.id)},"object":"chat.completion.chunk",${about}${print}${served}`
}

/** What stands in JSON as it is: no quote, no backslash, no control character, no half of a surrogate pair. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/
/** In characters. Up to here looking is cheaper than quoting anew, beyond it JSON.stringify is. */
const SHORT = 64

/** A text as it stands between the quotes of a JSON string. */
function escaped(text: string): string {
  return text.length <= SHORT && PLAIN.test(text) ? text : JSON.stringify(text).slice(1, -1)
}

/** One piece in memory: concatenation leaves a tree, which each event would have to be walked for. */
const flat = (text: string): string => Buffer.from(text).toString()

const isDetail = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && String((value as JsonObject)['type']).startsWith('reasoning.')
