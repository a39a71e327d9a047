import type { Annotation, Part } from './chat.ts'
import type { ChatEvent, EventStream, FinishReason, TokenLogprob } from './event.ts'
import type { Fault } from './fault.ts'
import type { Charge } from './price.ts'
import type { Usage } from './usage.ts'

/** A part of a whole reply: the parts of a message, with what only replies carry. */
export type ReplyPart = Part | { readonly type: 'audio'; readonly id?: string; readonly base64: string; readonly transcript: string; readonly expiresAt?: number }

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

/** Reads a stream to its end into a whole reply: the JSON answers are made from this, with no second decoder. */
export async function collect(stream: EventStream): Promise<ChatReply> {
  const collector = createCollector()
  for await (const batch of stream) collector.push(batch)
  return collector.reply()
}

/** The same for events that are at hand. */
export function collectNow(events: readonly ChatEvent[]): ChatReply {
  const collector = createCollector()
  collector.push(events)
  return collector.reply()
}

interface OpenBlock {
  readonly event: Extract<ChatEvent, { type: 'block-open' }>
  text: string
  transcript: string
  seal?: Extract<ChatEvent, { type: 'block-close' }>['seal']
}

interface OpenChoice {
  readonly blocks: OpenBlock[]
  readonly annotations: Annotation[]
  content: TokenLogprob[] | null
  refusal: TokenLogprob[]
  finish: Extract<ChatEvent, { type: 'finish' }> | null
}

function createCollector(): { push(batch: readonly ChatEvent[]): void; reply(): ChatReply } {
  const choices: OpenChoice[] = []
  const blocks: OpenBlock[] = []
  let start: ChatReply['start'] = { type: 'start' }
  let usage: Usage | undefined
  let charge: Charge | undefined
  let fault: Fault | undefined

  const choiceAt = (index: number): OpenChoice => {
    while (choices.length <= index) choices.push({ blocks: [], annotations: [], content: null, refusal: [], finish: null })
    return choices[index]!
  }

  const apply = (event: ChatEvent): void => {
    switch (event.type) {
      case 'start': start = event; return
      case 'block-open': {
        const block: OpenBlock = { event, text: '', transcript: '' }
        blocks[event.index] = block
        choiceAt(event.choice).blocks.push(block)
        return
      }
      case 'block-delta': {
        const block = blocks[event.index]
        if (block) block.text += event.text
        return
      }
      case 'block-close': {
        const block = blocks[event.index]
        if (block && event.seal) block.seal = event.seal
        return
      }
      case 'note': {
        const choice = choiceAt(event.choice)
        const { note } = event
        if (note.type === 'annotation') choice.annotations.push(note.annotation)
        else if (note.type === 'logprobs') {
          choice.content = [...(choice.content ?? []), ...(note.content ?? [])]
          choice.refusal.push(...(note.refusal ?? []))
        } else if (event.index !== undefined && blocks[event.index]) blocks[event.index]!.transcript += note.text
        return
      }
      case 'usage': usage = event.usage; charge = event.charge; return
      case 'finish': choiceAt(event.choice).finish = event; return
      case 'fault': fault = event.fault
    }
  }

  return {
    push(batch) {
      for (const event of batch) apply(event)
    },
    reply() {
      return {
        start,
        choices: choices.map((choice, index) => ({
          index,
          parts: choice.blocks.map(partOf),
          annotations: choice.annotations,
          ...(choice.content && { logprobs: { content: choice.content, refusal: choice.refusal } }),
          reason: choice.finish?.reason ?? null,
          ...(choice.finish?.native !== undefined && { native: choice.finish.native }),
          ...(choice.finish?.stop !== undefined && { stop: choice.finish.stop }),
        })),
        ...(usage && { usage }),
        ...(charge && { charge }),
        ...(fault && { fault }),
      }
    },
  }
}

function partOf(open: OpenBlock): ReplyPart {
  const { block } = open.event
  const seal = open.seal && { seal: open.seal }
  switch (block.type) {
    case 'text': return { type: 'text', text: open.text, ...seal }
    case 'refusal': return { type: 'refusal', text: open.text, ...seal }
    case 'reasoning':
      return {
        type: 'reasoning', text: open.text, ...seal,
        ...(block.id !== undefined && { id: block.id }),
        ...(block.summary && { summary: true }),
      }
    case 'tool-call': return { type: 'tool-call', id: block.id, name: block.name, form: block.form, input: open.text, ...seal }
    case 'native': return { type: 'native', dialect: block.dialect, value: block.value, ...seal }
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
