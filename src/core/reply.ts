import type { Annotation, Part } from './chat.ts'
import type { Vector } from './embed.ts'
import type { ChatEvent, EventStream, FinishReason, TokenLogprob } from './event.ts'
import type { Fault } from './fault.ts'
import type { Charge } from './price.ts'
import type { Ranked } from './rerank.ts'
import type { Usage } from './usage.ts'

/** A part of a whole reply: the parts of a message, with what only replies carry. */
export type ReplyPart = Part
  | { readonly type: 'embeddings'; readonly vectors: readonly Vector[] }
  | { readonly type: 'ranking'; readonly ranked: readonly Ranked[] }
  | { readonly type: 'audio'; readonly id?: string; readonly base64: string; readonly transcript: string; readonly expiresAt?: number }

export interface Choice {
  readonly index: number
  readonly parts: readonly ReplyPart[]
  readonly annotations: readonly Annotation[]
  readonly logprobs?: { readonly content: readonly TokenLogprob[]; readonly refusal: readonly TokenLogprob[] }
  readonly reason: FinishReason | null
  readonly native?: string
  readonly stop?: string
}

/** A whole reply, collected from events. `fault` stands beside what had arrived before it. */
export interface ChatReply {
  readonly start: Extract<ChatEvent, { type: 'start' }>
  readonly choices: readonly Choice[]
  readonly usage?: Usage
  readonly charge?: Charge
  readonly fault?: Fault
}

/** A complete answer that was kept, to be given again to whoever asks the same. */
export interface KeptAnswer {
  /** The generation that it was made by. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly expiresAt: number
  readonly model: string
  /** The provider's display name. */
  readonly provider: string
  readonly tier?: string | null
  /** All of it but what it used and cost. */
  readonly events: readonly ChatEvent[]
}

/** Reads a stream to its end into a whole reply: the JSON answers are made from this, with no second decoder. */
export async function collect(stream: EventStream): Promise<ChatReply> {
  const collector = new Collector()
  for await (const batch of stream) collector.push(batch)
  return collector.reply()
}

/** The same for events that are at hand. */
export function collectNow(events: readonly ChatEvent[]): ChatReply {
  const collector = new Collector()
  collector.push(events)
  return collector.reply()
}

type EventOf<T extends ChatEvent['type']> = Extract<ChatEvent, { type: T }>

interface OpenBlock {
  readonly event: EventOf<'block-open'>
  text: string
  transcript: string
  seal: EventOf<'block-close'>['seal']
}

interface OpenChoice {
  blocks: OpenBlock[] | null
  annotations: Annotation[] | null
  content: TokenLogprob[] | null
  refusal: TokenLogprob[] | null
  finish: EventOf<'finish'> | null
}

const NONE: readonly never[] = Object.freeze([])
const START: ChatReply['start'] = Object.freeze({ type: 'start' })

/** A class, and lists made when they are needed: every JSON answer goes through one, and most are a single text. */
class Collector {
  private start = START
  private choices: OpenChoice[] | null = null
  private readonly blocks: OpenBlock[] = []
  private usage: EventOf<'usage'> | null = null
  private fault: Fault | null = null

  push(batch: readonly ChatEvent[]): void {
    for (const event of batch) this.apply(event)
  }

  reply(): ChatReply {
    const reply: { -readonly [K in keyof ChatReply]: ChatReply[K] } = { start: this.start, choices: this.choices?.map(choiceOf) ?? NONE }
    if (this.usage) reply.usage = this.usage.usage
    if (this.usage?.charge) reply.charge = this.usage.charge
    if (this.fault) reply.fault = this.fault
    return reply
  }

  private apply(event: ChatEvent): void {
    switch (event.type) {
      case 'start': this.start = event; return
      case 'block-open': {
        const block: OpenBlock = { event, text: '', transcript: '', seal: undefined }
        this.blocks[event.index] = block
        const choice = this.choiceAt(event.choice)
        choice.blocks = added(choice.blocks, block)
        return
      }
      case 'block-delta': {
        const block = this.blocks[event.index]
        if (block) block.text += event.text
        return
      }
      case 'block-close': {
        const block = this.blocks[event.index]
        if (block && event.seal) block.seal = event.seal
        return
      }
      case 'note': this.note(event); return
      case 'usage': this.usage = event; return
      case 'finish': this.choiceAt(event.choice).finish = event; return
      case 'fault': this.fault = event.fault
    }
  }

  private note({ choice: at, index, note }: EventOf<'note'>): void {
    const choice = this.choiceAt(at)
    if (note.type === 'annotation') (choice.annotations ??= []).push(note.annotation)
    else if (note.type === 'logprobs') {
      choice.content ??= []
      choice.refusal ??= []
      for (const token of note.content ?? NONE) choice.content.push(token)
      for (const token of note.refusal ?? NONE) choice.refusal.push(token)
    } else if (index !== undefined && this.blocks[index]) this.blocks[index].transcript += note.text
  }

  private choiceAt(index: number): OpenChoice {
    let choices = this.choices
    while (!choices || choices.length <= index) {
      choices = added(choices, { blocks: null, annotations: null, content: null, refusal: null, finish: null })
    }
    this.choices = choices
    return choices[index]!
  }
}

/** Adds to a list that mostly stays one of one: a literal has room for one, a list that is pushed to for seventeen. */
function added<T>(list: T[] | null, item: T): T[] {
  if (list === null) return [item]
  list.push(item)
  return list
}

function choiceOf({ blocks, annotations, content, refusal, finish }: OpenChoice, index: number): Choice {
  const choice: { -readonly [K in keyof Choice]: Choice[K] } = {
    index, parts: blocks?.map(partOf) ?? NONE, annotations: annotations ?? NONE, reason: finish?.reason ?? null,
  }
  if (content) choice.logprobs = { content, refusal: refusal ?? NONE }
  if (finish?.native !== undefined) choice.native = finish.native
  if (finish?.stop !== undefined) choice.stop = finish.stop
  return choice
}

function partOf(open: OpenBlock): ReplyPart {
  const { block } = open.event
  const seal = open.seal && { seal: open.seal }
  switch (block.type) {
    case 'text': {
      const text = open.seal ? { type: 'text' as const, text: open.text, seal: open.seal } : { type: 'text' as const, text: open.text }
      return block.phase === undefined ? text : { ...text, phase: block.phase }
    }
    case 'refusal': return { type: 'refusal', text: open.text, ...seal }
    case 'reasoning':
      return {
        type: 'reasoning', text: open.text, ...seal,
        ...(block.id !== undefined && { id: block.id }),
        ...(block.summary && { summary: true }),
        ...(block.format !== undefined && !open.seal && { format: block.format }),
      }
    case 'tool-call': return { type: 'tool-call', id: block.id, name: block.name, form: block.form, input: open.text, ...(block.as && { as: block.as }), ...seal }
    case 'native': return { type: 'native', dialect: block.dialect, value: block.value, ...seal }
    case 'embeddings':
    case 'ranking': return block
    case 'media':
      if (block.kind === 'audio') {
        return {
          type: 'audio', base64: open.text, transcript: open.transcript,
          ...(block.id !== undefined && { id: block.id }),
          ...(block.expiresAt !== undefined && { expiresAt: block.expiresAt }),
        }
      }
      return {
        type: 'media', kind: block.kind, ...seal,
        source: block.url !== undefined
          ? { from: 'url', url: block.url }
          : { from: 'data', base64: open.text, mime: block.mime ?? 'application/octet-stream' },
      }
  }
}
