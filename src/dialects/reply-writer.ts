import { createHash } from 'node:crypto'
import {
  fault, type Annotation, type Block, type ChatEvent, type Endpoint, type Fault, type FaultKind, type FinishReason, type Seal, type TokenLogprob, type Usage,
} from '../core/index.ts'
import { createToolAssembler, type ToolAssembler, type ToolFragment } from './tool-calls.ts'
import { freeText } from './tool-list.ts'
import { nameOf } from './tool-names.ts'

type Start = Omit<Extract<ChatEvent, { type: 'start' }>, 'type'>

/** A call under way. Free-form input is held back, because it is unwrapped when it is whole. */
interface OpenCall {
  readonly block: number
  readonly custom: boolean
  held: string
}

/**
 * Writes the events of one reply of one choice in the grammar that all decoders keep: start first, one block of text
 * or reasoning at a time, calls that may be open side by side, usage and finish at the end, nothing after a fault.
 * What a format says of itself (which field, which event) stays with its reader.
 */
export class ReplyWriter {
  over = false
  started = false
  blocks = 0
  /** All text so far, for the offsets of citations. */
  text = ''
  private readonly endpoint: Endpoint
  private readonly calls: ToolAssembler
  private readonly open = new Map<number, OpenCall>()
  private out: ChatEvent[] = []
  private said: { readonly key: string; readonly block: number } | null = null
  private usage: Usage | null = null
  private seed = ''

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.calls = createToolAssembler({
      open: (slot, call) => this.openCall(slot, call),
      input: (slot, text) => this.callInput(slot, text),
    }, (ordinal) => `call_${createHash('sha256').update(`${this.seed}|${ordinal}`).digest('hex').slice(0, 24)}`)
  }

  get callCount(): number { return this.calls.count }

  /** `seed` makes the ids of calls that come without one: the same reply always gets the same ones. */
  start(of: Start, seed = of.upstreamId ?? JSON.stringify(of)): void {
    if (this.started) return
    this.started = true
    this.seed = seed
    this.out.push({ type: 'start', ...of })
  }

  say(kind: 'text' | 'reasoning', text: string, format?: string): void {
    if (text === '' || this.over) return
    this.begin(`${kind} ${format ?? ''}`, kind === 'text' ? { type: 'text' } : { type: 'reasoning', ...(format !== undefined && { format }) })
    this.out.push({ type: 'block-delta', index: this.said!.block, text })
    if (kind === 'text') this.text += text
  }

  /** Ends the block of text or reasoning that is open, with what seals it; a seal alone is a block of its own. */
  endSaid(seal?: Seal): void {
    if (seal && !this.said) this.begin('reasoning', { type: 'reasoning' })
    if (this.said) this.out.push({ type: 'block-close', index: this.said.block, ...(seal && { seal }) })
    this.said = null
  }

  /** A block that is whole at once. */
  whole(block: Block, text = '', seal?: Seal): void {
    this.endSaid()
    const index = this.next(block)
    if (text !== '') this.out.push({ type: 'block-delta', index, text })
    this.out.push({ type: 'block-close', index, ...(seal && { seal }) })
  }

  call(fragment: ToolFragment): void {
    if (this.over) return
    this.endSaid()
    this.calls.push(fragment)
  }

  note(annotation: Annotation): void {
    this.out.push({ type: 'note', choice: 0, note: { type: 'annotation', annotation } })
  }

  logprobs(content: readonly TokenLogprob[]): void {
    if (content.length > 0) this.out.push({ type: 'note', choice: 0, note: { type: 'logprobs', content } })
  }

  /** Absolute; the last one stands. It goes out with the end of the reply, whatever that is. */
  count(usage: Usage): void {
    this.usage = usage
  }

  finish(reason: FinishReason, native?: string, stop?: string): void {
    if (this.over) return
    if (!this.started) this.start({})
    this.endSaid()
    this.calls.end()
    for (const call of this.open.values()) {
      const text = call.custom ? freeText(call.held) : ''
      if (text !== '') this.out.push({ type: 'block-delta', index: call.block, text })
      this.out.push({ type: 'block-close', index: call.block })
    }
    this.open.clear()
    const called = reason === 'stop' && this.calls.count > 0
    this.out.push({
      type: 'finish', choice: 0, reason: called ? 'tool_calls' : reason,
      ...(native !== undefined && { native }), ...(stop !== undefined && { stop }),
    })
    if (this.usage) this.out.push({ type: 'usage', usage: this.usage })
    this.over = true
  }

  fail(of: Fault): void {
    if (this.over) return
    if (this.usage) {
      if (!this.started) this.start({})
      this.out.push({ type: 'usage', usage: this.usage })
    }
    this.out.push({ type: 'fault', fault: of })
    this.over = true
  }

  /** A fault of this provider in our own words. */
  failed(kind: FaultKind, what: string, code?: string): void {
    const { providerName: provider } = this.endpoint
    this.fail(fault(kind, `${provider} ${what}`, { upstream: { status: 200, ...(code !== undefined && { code }), provider } }))
  }

  /** The upstream closed without the end that this format has. */
  cut(): void {
    if (!this.started) this.failed('invalid-response', 'answered with nothing.')
    else this.failed('stream-cut', 'ended its stream before the answer was finished.')
  }

  /** The events since the last call. */
  take(): readonly ChatEvent[] {
    if (this.out.length === 0) return NONE
    const taken = this.out
    this.out = []
    return taken
  }

  private begin(key: string, block: Block): void {
    if (this.said?.key === key) return
    this.endSaid()
    this.said = { key, block: this.next(block) }
  }

  private next(block: Block): number {
    if (!this.started) this.start({})
    this.out.push({ type: 'block-open', index: this.blocks, choice: 0, block })
    return this.blocks++
  }

  private openCall(slot: number, { id, name: wire }: { readonly id: string; readonly name: string }): void {
    const { name, form } = nameOf(wire)
    const block = this.next({ type: 'tool-call', id, name, form })
    this.open.set(slot, { block, custom: form === 'custom', held: '' })
  }

  private callInput(slot: number, text: string): void {
    const call = this.open.get(slot)!
    if (call.custom) call.held += text
    else this.out.push({ type: 'block-delta', index: call.block, text })
  }
}

const NONE: readonly ChatEvent[] = Object.freeze([])
