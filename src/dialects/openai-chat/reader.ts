import { createHash } from 'node:crypto'
import { fault, type Annotation, type Block, type ChatEvent, type Endpoint, type Fault, type Seal, type Usage } from '../../core/index.ts'
import { createThinkSplitter, splitThinking, type Piece } from '../reasoning.ts'
import { createToolAssembler, type ToolAssembler } from '../tool-calls.ts'
import { saidBy, upstreamFault } from '../upstream-fault.ts'
import { annotationOf, sourcesOf } from './annotations.ts'
import { openChoice, sealsOf, type ChoiceState } from './choice-state.ts'
import { finishOf } from './finish.ts'
import { arrayOf, createdOf, errorIn, isObject, isText, textsOf, tokens } from './foreign.ts'
import type { Flags } from './quirks.ts'
import { DEFAULT_FORMAT } from './reasoning-details.ts'
import { readUsage, usageIn } from './usage-in.ts'
import type { Loose } from './wire.ts'

type Written<T extends ChatEvent['type']> = { -readonly [K in keyof Extract<ChatEvent, { type: T }>]: Extract<ChatEvent, { type: T }>[K] }

const NONE: readonly ChatEvent[] = Object.freeze([])
/** Replaced by the first choice: a literal has room for one, a list that is pushed to for seventeen. */
const NO_CHOICES: ChoiceState[] = []
const MAX_CHOICE = 127
/** How much of a reply the ids are made from that its provider left out. */
const SEED_LENGTH = 4096
const PLAIN = 'plain'
const TEXT: Block = Object.freeze({ type: 'text' })
const REFUSAL: Block = Object.freeze({ type: 'refusal' })
const REASONING: Block = Object.freeze({ type: 'reasoning' })
const PLAIN_BLOCKS = { text: TEXT, refusal: REFUSAL, reasoning: REASONING }

/**
 * Values of one reply in, events out. What a provider gets wrong is taken as it was meant; what cannot be is a fault.
 * A class, and everything that few replies need made when it is needed: one is made for each reply, and what it
 * leaves behind for the collector costs more than the reading.
 */
export class Reader {
  over = false
  /** Whether any chunk was read. */
  touched = false
  private readonly flags: Flags
  private readonly endpoint: Endpoint
  private readonly whole: boolean
  private choices: ChoiceState[] = NO_CHOICES
  private cited: Set<string> | null = null
  private out: ChatEvent[] | null = null
  private started = false
  private nextBlock = 0
  private seed: string | Buffer = ''
  private usage: Usage | undefined = undefined

  constructor(flags: Flags, endpoint: Endpoint, whole: boolean) {
    this.flags = flags
    this.endpoint = endpoint
    this.whole = whole
  }

  /** A chunk, or a whole reply; `seed` is its text, from which ids are made that the provider left out. */
  chunk(value: unknown, event: string, seed: string | Buffer): void {
    if (this.over) return
    this.touched = true
    if (!isObject(value)) {
      this.fail(this.broken('invalid-response', 'sent a chunk that is no object'))
      return
    }
    if (this.seed.length === 0) this.seed = typeof seed === 'string' ? seed.slice(0, SEED_LENGTH) : seed
    const list = arrayOf(value['choices'])
    // Azure's first chunk has no choices, and neither the id nor the model of the reply.
    if (!this.started && (list.length > 0 || (isText(value['model']) && isText(value['id'])))) this.start(value)
    const found = usageIn(value)
    if (found) this.usage = readUsage(found, this.flags, value['timings'])
    for (const it of list) this.choice(it)
    if ('citations' in value || 'search_results' in value) this.sources(value)
    const wrong = errorIn(value, list, event)
    if (wrong) this.fail(upstreamFault(200, NO_HEADERS, saidBy(wrong), this.endpoint, JSON.stringify(wrong)))
  }

  /** A piece of text or reasoning that was found without parsing its chunk. */
  plain(kind: 'text' | 'reasoning', index: number, piece: string): void {
    if (piece === '') return
    const choice = this.choiceAt(index)
    if (choice.said !== undefined) choice.late = true
    if (kind === 'text') this.text(choice, piece)
    else this.speak(choice, 'reasoning', piece)
  }

  /** Every choice has given its reason to end, and nothing came after it. */
  get finished(): boolean {
    for (const { said, late } of this.choices) if (said === undefined || late) return false
    return this.choices.length > 0
  }

  /** The end: `done` says that it was announced, otherwise a reply without a finish was cut. */
  finish(done: boolean): void {
    if (this.over) return
    let silent = true
    let unfinished = false
    for (const { said, spoke } of this.choices) {
      if (said !== undefined || spoke) silent = false
      if (said === undefined) unfinished = true
    }
    // A choice without a word and without a reason is no answer, though the stream or the body ended as it should.
    if (silent) {
      this.fail(this.broken('invalid-response', 'answered with nothing'))
      return
    }
    if (!done && unfinished) {
      this.fail(this.broken('stream-cut', 'ended its answer before it was finished'))
      return
    }
    for (const choice of this.choices) this.close(choice)
    if (this.usage) this.emit({ type: 'usage', usage: this.usage })
    this.over = true
  }

  fail(of: Fault): void {
    if (this.over) return
    if (!this.started) this.start({})
    if (this.usage) this.emit({ type: 'usage', usage: this.usage })
    this.emit({ type: 'fault', fault: of })
    this.over = true
  }

  /** The events since the last call. */
  take(): readonly ChatEvent[] {
    const taken = this.out ?? NONE
    this.out = null
    return taken
  }

  private emit(event: ChatEvent): void {
    if (this.out) this.out.push(event)
    else this.out = [event]
  }

  private choiceAt(index: unknown): ChoiceState {
    const at = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= MAX_CHOICE ? index : 0
    for (const choice of this.choices) if (choice.index === at) return choice
    const { thinkTags, thinkOpen } = this.flags
    const choice = openChoice(at, thinkTags && !this.whole ? createThinkSplitter({ implicit: thinkOpen }) : null)
    if (this.choices === NO_CHOICES) this.choices = [choice]
    else this.choices.push(choice)
    return choice
  }

  private openBlock(choice: ChoiceState, block: Block): number {
    this.emit({ type: 'block-open', index: this.nextBlock, choice: choice.index, block })
    choice.spoke = true
    return this.nextBlock++
  }

  private closeBlock(index: number, seal?: Seal): void {
    this.emit(seal ? { type: 'block-close', index, seal } : { type: 'block-close', index })
  }

  private closeCurrent(choice: ChoiceState): void {
    if (choice.kind === null) return
    this.closeBlock(choice.block, choice.seal)
    choice.kind = null
    choice.seal = undefined
  }

  /** Makes the open block one of this kind and key. */
  private turnTo(choice: ChoiceState, kind: 'text' | 'refusal' | 'reasoning', key: string, block: Block): void {
    if (choice.kind === kind && choice.key === key) return
    this.closeCurrent(choice)
    choice.block = this.openBlock(choice, block)
    choice.kind = kind
    choice.key = key
  }

  private speak(choice: ChoiceState, kind: 'text' | 'refusal' | 'reasoning', text: string): void {
    this.turnTo(choice, kind, PLAIN, PLAIN_BLOCKS[kind])
    this.emit({ type: 'block-delta', index: choice.block, text })
  }

  private pieces(choice: ChoiceState, list: readonly Piece[]): void {
    for (const piece of list) this.speak(choice, piece.kind, piece.text)
  }

  private text(choice: ChoiceState, content: string): void {
    if (content === '') return
    if (choice.splitter) this.pieces(choice, choice.splitter.push(content))
    else if (this.whole && this.flags.thinkTags) this.pieces(choice, splitThinking(content))
    else this.speak(choice, 'text', content)
  }

  /** Content as a list (Mistral): text, thinking, images; what refers to documents has no text of its own. */
  private contentList(choice: ChoiceState, list: readonly unknown[]): void {
    for (const item of list) {
      if (typeof item === 'string') this.text(choice, item)
      if (!isObject(item)) continue
      if (item['type'] === 'thinking') {
        const thought = typeof item['thinking'] === 'string' ? item['thinking'] : textsOf(item['thinking'])
        if (thought !== '') this.speak(choice, 'reasoning', thought)
      } else if (item['type'] === 'image_url') this.image(choice, item)
      else if (item['type'] === 'refusal' && typeof item['refusal'] === 'string') this.speak(choice, 'refusal', item['refusal'])
      else if (typeof item['text'] === 'string') this.text(choice, item['text'])
    }
  }

  private detail(choice: ChoiceState, it: Loose): void {
    const format = typeof it['format'] === 'string' ? it['format'] : DEFAULT_FORMAT
    const id = isText(it['id']) ? it['id'] : undefined
    const key = `${it['index'] ?? ''}`
    const block = (summary: boolean): Block => ({ type: 'reasoning', format, ...(id !== undefined && { id }), ...(summary && { summary }) })
    if (it['type'] === 'reasoning.text' || it['type'] === 'reasoning.summary') {
      const summary = it['type'] === 'reasoning.summary'
      const said = summary ? it['summary'] : it['text']
      if (isText(said)) {
        this.turnTo(choice, 'reasoning', `${key}/${summary}`, block(summary))
        this.emit({ type: 'block-delta', index: choice.block, text: said })
      }
      if (isText(it['signature'])) {
        this.turnTo(choice, 'reasoning', `${key}/${summary}`, block(summary))
        choice.seal = { format, kind: 'signature', value: it['signature'] }
      }
      return
    }
    if (it['type'] === 'reasoning.encrypted' && typeof it['data'] === 'string') {
      const seal: Seal = { format, kind: 'encrypted', value: it['data'] }
      const call = id !== undefined && choice.toolBlocks.some((tool) => tool.id === id)
      // Gemini's signatures belong to the call of that id, which may come later in the chunk or the stream.
      if (call || (id !== undefined && format.startsWith('google'))) sealsOf(choice).set(id, seal)
      else this.sealReasoning(choice, key, block(false), seal)
      return
    }
    if (String(it['type']).startsWith('reasoning.')) {
      this.closeCurrent(choice)
      this.closeBlock(this.openBlock(choice, { type: 'native', dialect: 'openai-chat', value: it }))
    }
  }

  private sealReasoning(choice: ChoiceState, key: string, block: Block, seal: Seal): void {
    const same = choice.kind === 'reasoning' && choice.key.startsWith(`${key}/`) && !choice.seal
    if (!same) {
      this.closeCurrent(choice)
      this.turnTo(choice, 'reasoning', `${key}/sealed`, block)
    }
    choice.seal = seal
  }

  private reasoning(choice: ChoiceState, delta: Loose): void {
    const details = delta['reasoning_details']
    if (Array.isArray(details) && details.length > 0) {
      for (const it of details) if (isObject(it)) this.detail(choice, it)
      return
    }
    // Hosts between two versions of vLLM send the same text under both names.
    const said = isText(delta['reasoning_content']) ? delta['reasoning_content']
      : isText(delta['reasoning']) ? delta['reasoning'] : delta['thinking']
    if (isText(said)) this.speak(choice, 'reasoning', said)
  }

  private image(choice: ChoiceState, it: Loose): void {
    const url = typeof it['image_url'] === 'string' ? it['image_url'] : it['image_url']?.url
    if (!isText(url)) return
    this.closeCurrent(choice)
    const comma = url.indexOf(',')
    if (!url.startsWith('data:') || comma < 0) {
      this.closeBlock(this.openBlock(choice, { type: 'media', kind: 'image', url }))
      return
    }
    const mime = url.slice(5, comma).split(';')[0] || 'image/png'
    const index = this.openBlock(choice, { type: 'media', kind: 'image', mime })
    this.emit({ type: 'block-delta', index, text: url.slice(comma + 1) })
    this.closeBlock(index)
  }

  private audio(choice: ChoiceState, it: Loose): void {
    if (choice.audio < 0) {
      this.closeCurrent(choice)
      choice.audio = this.openBlock(choice, {
        type: 'media', kind: 'audio',
        ...(typeof it['id'] === 'string' && { id: it['id'] }), ...(typeof it['expires_at'] === 'number' && { expiresAt: it['expires_at'] }),
      })
    }
    if (isText(it['data'])) this.emit({ type: 'block-delta', index: choice.audio, text: it['data'] })
    if (isText(it['transcript'])) {
      this.emit({ type: 'note', choice: choice.index, index: choice.audio, note: { type: 'transcript', text: it['transcript'] } })
    }
  }

  private assembler(choice: ChoiceState): ToolAssembler {
    const blocks: { block: number; id: string }[] = []
    choice.toolBlocks = blocks
    return createToolAssembler({
      open: (_, call) => {
        this.closeCurrent(choice)
        blocks.push({ block: this.openBlock(choice, { type: 'tool-call', ...call }), id: call.id })
      },
      input: (slot, piece) => this.emit({ type: 'block-delta', index: blocks[slot]!.block, text: piece }),
    }, (ordinal) => {
      const seed = typeof this.seed === 'string' ? this.seed : this.seed.toString('latin1', 0, SEED_LENGTH)
      return `call_${createHash('sha256').update(`${seed}|${choice.index}|${ordinal}`).digest('hex').slice(0, 24)}`
    })
  }

  private toolCall(choice: ChoiceState, it: Loose): void {
    const custom = isObject(it['custom']) ? it['custom'] : undefined
    const body: Loose = custom ?? (isObject(it['function']) ? it['function'] : it)
    const id = typeof it['id'] === 'string' ? it['id'] : typeof it['id'] === 'number' ? String(it['id']) : undefined
    choice.tools ??= this.assembler(choice)
    choice.tools.push({
      index: typeof it['index'] === 'number' ? it['index'] : undefined,
      id,
      name: typeof body['name'] === 'string' ? body['name'] : undefined,
      input: custom ? custom['input'] : body['arguments'],
      form: custom ? 'custom' : 'function',
    })
    const signature = it['extra_content']?.google?.thought_signature
    if (typeof signature === 'string' && id) sealsOf(choice).set(id, { format: 'google-gemini-v1', kind: 'encrypted', value: signature })
  }

  private annotate(choice: number, annotation: Annotation | null): void {
    if (!annotation) return
    if (annotation.type === 'citation') (this.cited ??= new Set()).add(annotation.url)
    this.emit({ type: 'note', choice, note: { type: 'annotation', annotation } })
  }

  /** Search hosts repeat their sources beside the choices of every chunk; each is told once. */
  private sources(value: Loose): void {
    for (const source of sourcesOf(value)) if (!this.cited?.has(source.url)) this.annotate(0, source)
  }

  private logprobs(choice: ChoiceState, it: Loose): void {
    const content = tokens(it['content'])
    const refusal = tokens(it['refusal'])
    if (!content && !refusal) return
    this.emit({ type: 'note', choice: choice.index, note: { type: 'logprobs', ...(content && { content }), ...(refusal && { refusal }) } })
  }

  private choice(it: Loose): void {
    const choice = this.choiceAt(it['index'])
    const before = choice.said === undefined ? null : this.out?.length ?? 0
    // A whole message beside the deltas (Perplexity's last chunk) repeats what was said; it counts only in their place.
    const message = isObject(it['message']) && !choice.spoke ? it['message'] : undefined
    const delta: Loose | undefined = isObject(it['delta']) && (!message || Object.keys(it['delta']).length > 0) ? it['delta'] : message
    if (delta) this.delta(choice, delta)
    else if (typeof it['text'] === 'string') this.text(choice, it['text'])
    if (isObject(it['logprobs'])) this.logprobs(choice, it['logprobs'])
    if (before !== null && (this.out?.length ?? 0) > before) choice.late = true
    const said = it['finish_reason']
    if (isText(said)) {
      choice.said = said
      choice.native = typeof it['native_finish_reason'] === 'string' ? it['native_finish_reason'] : said
    }
    const stop = it['stop_reason'] ?? it['matched_stop']
    if (typeof stop === 'string') choice.stop = stop
  }

  private delta(choice: ChoiceState, delta: Loose): void {
    if ('reasoning' in delta || 'reasoning_content' in delta || 'reasoning_details' in delta || 'thinking' in delta) this.reasoning(choice, delta)
    const { content } = delta
    if (typeof content === 'string') this.text(choice, content)
    else if (Array.isArray(content)) this.contentList(choice, content)
    if (isText(delta['refusal'])) this.speak(choice, 'refusal', delta['refusal'])
    if (isObject(delta['audio'])) this.audio(choice, delta['audio'])
    for (const item of arrayOf(delta['images'])) this.image(choice, item)
    for (const item of arrayOf(delta['tool_calls'])) this.toolCall(choice, item)
    if (isObject(delta['function_call'])) this.toolCall(choice, { function: delta['function_call'] })
    for (const item of arrayOf(delta['annotations'])) this.annotate(choice.index, annotationOf(item))
  }

  private start(value: Loose): void {
    this.started = true
    const event: Written<'start'> = { type: 'start' }
    const created = createdOf(value['created'])
    if (isText(value['id'])) event.upstreamId = value['id']
    if (isText(value['model'])) event.model = value['model']
    if (created !== undefined) event.created = created
    if (isText(value['system_fingerprint'])) event.fingerprint = value['system_fingerprint']
    if (isText(value['service_tier'])) event.tier = value['service_tier']
    if (isText(value['provider'])) event.provider = value['provider']
    this.emit(event)
  }

  private broken(kind: 'invalid-response' | 'stream-cut', what: string): Fault {
    const { providerName } = this.endpoint
    return fault(kind, `${providerName} ${what}.`, { upstream: { provider: providerName } })
  }

  private close(choice: ChoiceState): void {
    if (choice.splitter) this.pieces(choice, choice.splitter.end())
    choice.tools?.end()
    const { seals, toolBlocks } = choice
    // Seals of calls that never came are kept as reasoning of their own, so that they can be sent back.
    if (seals) {
      for (const [id, seal] of seals) {
        if (!toolBlocks.some((tool) => tool.id === id)) this.sealReasoning(choice, `seal ${id}`, { type: 'reasoning', id, format: seal.format }, seal)
      }
    }
    this.closeCurrent(choice)
    if (choice.audio >= 0) this.closeBlock(choice.audio)
    for (const { block, id } of toolBlocks) this.closeBlock(block, seals?.get(id))
    const event: Written<'finish'> = { type: 'finish', choice: choice.index, reason: finishOf(choice.said, toolBlocks.length) }
    if (choice.native !== undefined) event.native = choice.native
    if (choice.stop !== undefined) event.stop = choice.stop
    this.emit(event)
  }
}

const NO_HEADERS = Object.freeze({})
