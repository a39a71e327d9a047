import type { Annotation, Block, Charge, ChatEvent, Fault, JsonObject, Seal, TokenLogprob, Usage } from '../../core/index.ts'
import type { Encoder, ReplyMeta } from '../dialect.ts'
import { errorBody } from './errors-out.ts'
import { callOf, finishWord, groundingOf, hiddenThought, sealOf } from './parts-out.ts'
import { aboutOf, logprobsOf } from './reply.ts'
import { labelSignature, signatureOf } from './seal-out.ts'
import { writeUsage } from './usage-out.ts'
import { DIALECT, isObject } from './wire.ts'

/** How the response objects of a stream are set apart: server-sent events, or the items of one JSON list. */
export type Framing = 'sse' | 'array'

interface Told {
  readonly block: Block
  readonly choice: number
  /** What comes whole in this format (calls, media, thoughts that are not shown) gathers here. */
  gathered: string
  /** A piece of it went out. */
  said: boolean
  /** What stands around the text of a piece, made once: the hot path only puts the text between. */
  readonly head: string
  readonly tail: string
}

interface OpenChoice {
  text: string
  notes: Annotation[]
  finish: Extract<ChatEvent, { type: 'finish' }> | null
}

/**
 * Events as a stream of response objects: each has a piece of one part; calls come whole. The last object of each choice
 * has an empty text, its finish and its sources, and the very last one the usage. Google's own client keeps each object
 * as an entry of its history and throws the history away where one has no part.
 */
export const createEncoder = (meta: ReplyMeta, thoughts: boolean, framing: Framing): Encoder => new ObjectEncoder(meta, thoughts, framing)

class ObjectEncoder implements Encoder {
  private readonly about: string
  private readonly thoughts: boolean
  private readonly framing: Framing
  private readonly blocks: (Told | undefined)[] = []
  private readonly choices: OpenChoice[] = []
  private usage: Usage | undefined = undefined
  private charge: Charge | undefined = undefined
  private first = true
  private over = false

  constructor(meta: ReplyMeta, thoughts: boolean, framing: Framing) {
    this.about = JSON.stringify(aboutOf(meta)).slice(1)
    this.thoughts = thoughts
    this.framing = framing
  }

  push(batch: readonly ChatEvent[], metadata?: JsonObject): string {
    let out = ''
    for (const event of batch) {
      if (this.over) break
      if (event.type === 'fault') return out + this.fail(event.fault, metadata)
      out += this.write(event)
    }
    return out
  }

  end(metadata?: JsonObject): string {
    if (this.over) return ''
    this.over = true
    if (this.choices.length === 0) this.choiceAt(0)
    const candidates = this.choices.map((choice, index) => ({
      content: { parts: [{ text: '' }], role: 'model' },
      ...(choice.finish && { finishReason: finishWord(choice.finish.reason, choice.finish.native) }),
      index, ...groundingOf(choice.notes, choice.text),
    }))
    const rest = { candidates, ...(this.usage && { usageMetadata: writeUsage(this.usage, this.charge) }), ...(metadata && { openrouter_metadata: metadata }) }
    return this.frame(`${JSON.stringify(rest).slice(0, -1)},${this.about}`) + (this.framing === 'array' ? ']' : '')
  }

  private fail(fault: Fault, metadata: JsonObject | undefined): string {
    this.over = true
    return this.frame(errorBody(fault, metadata && { openrouter_metadata: metadata })) + (this.framing === 'array' ? ']' : '')
  }

  private choiceAt(index: number): OpenChoice {
    while (this.choices.length <= index) this.choices.push({ text: '', notes: [], finish: null })
    return this.choices[index]!
  }

  private frame(json: string): string {
    if (this.framing === 'sse') return `data: ${json}\r\n\r\n`
    const before = this.first ? '[' : ',\r\n'
    this.first = false
    return before + json
  }

  private opened(block: Block, choice: number): Told {
    const thought = block.type === 'reasoning' ? ',"thought":true' : ''
    return {
      block, choice, gathered: '', said: false, head: '{"candidates":[{"content":{"parts":[{"text":"',
      tail: `"${thought}}],"role":"model"},"index":${choice}}],${this.about}`,
    }
  }

  private piece(told: Told, text: string): string {
    return this.frame(told.head + JSON.stringify(text).slice(1, -1) + told.tail)
  }

  private part(choice: number, part: JsonObject, more?: JsonObject): string {
    const candidate = { content: { parts: [part], role: 'model' }, index: choice, ...more }
    return this.frame(`{"candidates":[${JSON.stringify(candidate)}],${this.about}`)
  }

  private write(event: Exclude<ChatEvent, { type: 'fault' }>): string {
    switch (event.type) {
      case 'start': return ''
      case 'block-open':
        this.choiceAt(event.choice)
        this.blocks[event.index] = this.opened(event.block, event.choice)
        return ''
      case 'block-delta': return this.delta(event.index, event.text)
      case 'block-close': return this.close(event.index, event.seal)
      case 'note':
        if (event.note.type === 'annotation') this.choiceAt(event.choice).notes.push(event.note.annotation)
        return event.note.type === 'logprobs' && event.note.content?.length ? this.logprobs(event.choice, event.note.content) : ''
      case 'usage':
        this.usage = event.usage
        this.charge = event.charge
        return ''
      case 'finish':
        this.choiceAt(event.choice).finish = event
        return ''
    }
  }

  private logprobs(choice: number, tokens: readonly TokenLogprob[]): string {
    return this.part(choice, { text: '' }, { logprobsResult: logprobsOf(tokens) })
  }

  private delta(index: number, text: string): string {
    const told = this.blocks[index]
    if (!told || text === '') return ''
    told.said = true
    switch (told.block.type) {
      case 'text':
        this.choices[told.choice]!.text += text
        return this.piece(told, text)
      case 'refusal': return this.piece(told, text)
      case 'reasoning':
        if (this.thoughts) return this.piece(told, text)
        told.gathered += text
        return ''
      default:
        told.gathered += text
        return ''
    }
  }

  private close(index: number, seal: Seal | undefined): string {
    const told = this.blocks[index]
    if (!told) return ''
    this.blocks[index] = undefined
    const { block, choice, gathered } = told
    const sealed = seal && { thoughtSignature: signatureOf(seal) }
    switch (block.type) {
      case 'text':
      case 'refusal':
        if (!seal) return ''
        // A seal of nothing is a part of its own; that of a text which went out in pieces says whose it is.
        return this.part(choice, { text: '', thoughtSignature: told.said ? labelSignature({ seal, ofText: true }) : signatureOf(seal) })
      case 'reasoning': {
        const thought = { ...block, seal }
        if (!this.thoughts) return hiddenThought(thought, gathered).map((part) => this.part(choice, part)).join('')
        const signature = sealOf(thought, '')
        return signature === null ? '' : this.part(choice, { text: '', thought: true, thoughtSignature: signature })
      }
      case 'tool-call': return this.part(choice, { functionCall: callOf(block.id, block.name, block.form, gathered), ...sealed })
      case 'media': {
        const mimeType = block.mime ?? (block.kind === 'audio' ? 'audio/wav' : 'image/png')
        return this.part(choice, { ...(block.url === undefined ? { inlineData: { mimeType, data: gathered } } : { fileData: { mimeType, fileUri: block.url } }), ...sealed })
      }
      case 'native': return block.dialect === DIALECT && isObject(block.value) ? this.part(choice, block.value) : ''
      // No conversation has one.
      case 'embeddings':
      case 'ranking': return ''
    }
  }
}
