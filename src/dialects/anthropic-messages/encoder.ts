import { usage, useIn, type Annotation, type Block, type Charge, type ChatEvent, type JsonObject, type Seal, type ServerToolUse, type Usage } from '../../core/index.ts'
import type { Encoder, ReplyMeta } from '../dialect.ts'
import { labelled } from '../seals.ts'
import { endingOf, failureOf } from './ending.ts'
import { errorFrame } from './errors-out.ts'
import { citationOf, objectText } from './reply.ts'
import { blockOf, isPlain } from './seals.ts'
import { blocksOfUse } from './server-tools.ts'
import { writeCounts, writeUsage } from './usage-out.ts'
import { DIALECT } from './wire.ts'

/** A block of the reply, and how far it has been told. */
interface Told {
  readonly block: Block
  /** Its index in the stream; -1 until it is shown. */
  at: number
  /** Waiting behind the block before it: its text so far. */
  held: string
  notes: Annotation[] | null
  closed: boolean
  seal: Seal | undefined
  /** What stands around the text of a delta. */
  head: string
  tail: string
}

/**
 * Events as Anthropic's stream: `message_start`, block after block, `message_delta` with the usage, `message_stop`.
 * Clients count on one block being over before the next begins, while other formats let calls lie side by side: what
 * comes for a later block waits until those before it are closed. Text and thoughts open with their first piece, since
 * an empty block is refused when it comes back in a history.
 */
export const createEncoder = (meta: ReplyMeta): Encoder => new MessageEncoder(meta)

class MessageEncoder implements Encoder {
  private readonly meta: ReplyMeta
  private readonly blocks: (Told | undefined)[] = []
  /** Blocks that are not over, in the order of their opening. Only the first of them is being told. */
  private readonly queue: Told[] = []
  private started = false
  private over = false
  private next = 0
  private refusal = ''
  /** Citations that came when no text was open. */
  private homeless: Annotation[] = []
  private finish: Extract<ChatEvent, { type: 'finish' }> | null = null
  private usage: Usage | undefined = undefined
  private charge: Charge | undefined = undefined

  constructor(meta: ReplyMeta) {
    this.meta = meta
  }

  push(batch: readonly ChatEvent[], metadata?: JsonObject): string {
    let out = ''
    for (const event of batch) {
      if (this.over) break
      if (event.type === 'fault') return out + this.fail(errorFrame(event.fault, this.meta.id, metadata))
      out += event.type === 'block-delta' ? this.delta(event.index, event.text) : this.write(event)
    }
    return out
  }

  end(metadata?: JsonObject): string {
    if (this.over) return ''
    const { finish } = this
    if (finish?.reason === 'error') return this.begin() + this.fail(errorFrame(failureOf(finish.native), this.meta.id, metadata))
    let out = this.begin()
    if (this.homeless.length > 0) {
      out += this.opening({ type: 'text', text: '' }) + this.citations(this.homeless, this.next - 1) + frame('content_block_stop', { index: this.next - 1 })
    }
    this.over = true
    const delta = endingOf({ reason: finish?.reason ?? null, native: finish?.native, stop: finish?.stop, refusal: this.refusal })
    out += frame('message_delta', { delta: { ...delta, container: null }, usage: writeUsage(this.usage, this.charge, this.meta.tier) })
    return out + frame('message_stop', metadata ? { openrouter_metadata: metadata } : {})
  }

  /**
   * The prompt as its provider has counted it by then, or else what it was taken for: `message_delta` has the true counts.
   * Of the answer nothing is told yet; LangChain adds what is said here to what is said at the end.
   */
  private begin(counted?: Usage): string {
    if (this.started) return ''
    this.started = true
    const { id, model, provider, tier, promptTokens = 0 } = this.meta
    return frame('message_start', {
      message: {
        id, type: 'message', role: 'assistant', model, provider, content: [], stop_reason: null, stop_sequence: null, stop_details: null, container: null,
        usage: writeCounts(usage(counted?.input ?? { total: promptTokens }, {}), tier),
      },
    })
  }

  private fail(text: string): string {
    this.over = true
    return text
  }

  private write(event: Exclude<ChatEvent, { type: 'block-delta' | 'fault' }>): string {
    switch (event.type) {
      case 'start': return this.begin(event.usage)
      case 'block-open': return event.choice === 0 ? this.open(event.index, event.block) : ''
      case 'block-close': return this.close(event.index, event.seal)
      case 'note': return event.choice === 0 && event.note.type === 'annotation' ? this.note(event.index, event.note.annotation) : ''
      case 'usage':
        this.usage = event.usage
        this.charge = event.charge
        return ''
      case 'finish':
        if (event.choice === 0) this.finish = event
        return ''
    }
  }

  private open(index: number, block: Block): string {
    const told: Told = { block, at: -1, held: '', notes: null, closed: false, seal: undefined, head: '', tail: '' }
    if (this.homeless.length > 0 && block.type === 'text') {
      told.notes = this.homeless
      this.homeless = []
    }
    this.blocks[index] = told
    this.queue.push(told)
    const out = this.begin()
    // A call is told at once, so that a client can say which tool is about to run.
    return this.queue[0] === told && block.type === 'tool-call' ? out + this.show(told) : out
  }

  private delta(index: number, text: string): string {
    const told = this.blocks[index]
    if (!told || text === '') return ''
    if (told.block.type === 'refusal') {
      this.refusal += text
      return ''
    }
    if (this.queue[0] !== told || told.block.type === 'media' || told.block.type === 'native') {
      told.held += text
      return ''
    }
    return this.show(told) + this.piece(told, text)
  }

  private note(index: number | undefined, annotation: Annotation): string {
    const told = index === undefined ? this.queue.findLast((it) => it.block.type === 'text') : this.blocks[index]
    if (!told || told.closed || told.block.type !== 'text') {
      this.homeless.push(annotation)
      return ''
    }
    // Behind the first piece a citation can go out; before it, it waits for the block.
    if (told.at >= 0 && this.queue[0] === told) return this.citations([annotation], told.at)
    ;(told.notes ??= []).push(annotation)
    return ''
  }

  private close(index: number, seal: Seal | undefined): string {
    const told = this.blocks[index]
    if (!told) return ''
    this.blocks[index] = undefined
    told.closed = true
    told.seal = seal
    let out = ''
    // The end of one block may be the turn of several that wait behind it.
    while (this.queue[0]?.closed) out += this.last(this.queue.shift()!)
    const [following] = this.queue
    if (following && (following.held !== '' || following.block.type === 'tool-call')) out += this.catchUp(following)
    return out
  }

  /** What was held back of a block whose turn it is. */
  private catchUp(told: Told): string {
    const { held, block } = told
    if (block.type === 'media' || block.type === 'native') return ''
    told.held = ''
    const shown = held !== '' || block.type === 'tool-call' ? this.show(told) : ''
    return held === '' ? shown : shown + this.piece(told, held)
  }

  /** The rest of a block that is over. */
  private last(told: Told): string {
    const { block, seal } = told
    let out = told.at < 0 || told.held !== '' ? this.catchUp(told) : ''
    switch (block.type) {
      case 'text':
        if (told.at >= 0) out += frame('content_block_stop', { index: told.at })
        else if (told.notes) this.homeless.push(...told.notes)
        return seal ? out + this.whole({ type: 'redacted_thinking', data: labelled({ seal, ofText: true }) }) : out
      case 'tool-call':
        if (block.form === 'custom') out += frame('content_block_delta', { index: told.at, delta: { type: 'input_json_delta', partial_json: '"}' } })
        out += frame('content_block_stop', { index: told.at })
        return seal ? out + this.whole({ type: 'redacted_thinking', data: labelled({ seal, call: block.id }) }) : out
      case 'reasoning': return out + this.thought(told, block)
      case 'native': {
        const use = useIn(block)
        if (use !== null) return out + this.used(use)
        return block.dialect === DIALECT ? out + this.whole(block.value as JsonObject) : out
      }
      // A refusal is told at the end; pictures and sound have no block in this format.
      default: return out
    }
  }

  private thought(told: Told, block: Extract<Block, { type: 'reasoning' }>): string {
    const of = { ...block, seal: told.seal, text: told.at < 0 ? '' : 'said' } as Parameters<typeof blockOf>[0]
    const plain = isPlain(of)
    if (told.at < 0) {
      if (!told.seal && block.id === undefined) return ''
      const whole = blockOf(of)
      if (whole.type === 'redacted_thinking') return this.whole(whole)
      // Thoughts that are not shown still have a signature, which goes out as one that follows text.
      return this.opening({ type: 'thinking', thinking: '', signature: '' }) + this.signed(this.next - 1, whole.signature)
    }
    return this.signed(told.at, plain ? told.seal?.value ?? '' : labelled(of))
  }

  private signed(index: number, signature: string): string {
    const delta = signature === '' ? '' : frame('content_block_delta', { index, delta: { type: 'signature_delta', signature } })
    return delta + frame('content_block_stop', { index })
  }

  private used(use: ServerToolUse): string {
    const blocks = blocksOfUse(use)
    if (blocks === null) return ''
    const call = this.opening({ ...blocks.call, input: {} })
    const index = this.next - 1
    return call + frame('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: objectText(use.input) } })
      + frame('content_block_stop', { index }) + this.whole(blocks.result)
  }

  private whole(block: JsonObject): string {
    return this.opening(block) + frame('content_block_stop', { index: this.next - 1 })
  }

  private opening(block: JsonObject): string {
    return frame('content_block_start', { index: this.next++, content_block: block })
  }

  /** Opens a block in the stream, and makes what stands around each of its pieces. */
  private show(told: Told): string {
    if (told.at >= 0) return ''
    const { block } = told
    told.at = this.next
    const wrap = (type: string, key: string): void => {
      told.head = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${told.at},"delta":{"type":"${type}","${key}":"`
      told.tail = '"}}\n\n'
    }
    switch (block.type) {
      case 'text': {
        wrap('text_delta', 'text')
        const out = this.opening({ type: 'text', text: '' })
        const notes = told.notes
        told.notes = null
        return notes ? out + this.citations(notes, told.at) : out
      }
      case 'reasoning':
        wrap('thinking_delta', 'thinking')
        return this.opening({ type: 'thinking', thinking: '', signature: '' })
      case 'tool-call': {
        wrap('input_json_delta', 'partial_json')
        const out = this.opening({ type: 'tool_use', id: block.id, name: block.name, input: {} })
        const begun = block.form === 'custom' ? '{"input":"' : ''
        return out + frame('content_block_delta', { index: told.at, delta: { type: 'input_json_delta', partial_json: begun } })
      }
      default: return ''
    }
  }

  private piece(told: Told, text: string): string {
    const { block } = told
    const inside = block.type === 'tool-call' && block.form === 'custom' ? JSON.stringify(text).slice(1, -1) : text
    return told.head + JSON.stringify(inside).slice(1, -1) + told.tail
  }

  private citations(annotations: readonly Annotation[], index: number): string {
    let out = ''
    for (const annotation of annotations) {
      const citation = citationOf(annotation)
      if (citation) out += frame('content_block_delta', { index, delta: { type: 'citations_delta', citation } })
    }
    return out
  }
}

const frame = (type: string, rest: JsonObject): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`
