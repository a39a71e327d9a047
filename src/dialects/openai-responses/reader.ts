import { createHash } from 'node:crypto'
import { fault, type Block, type ChatEvent, type Endpoint, type Fault, type FinishReason, type Seal, type TokenLogprob } from '../../core/index.ts'
import { failureIn } from './faults.ts'
import { citationOf } from './items.ts'
import { joined } from './namespaces.ts'
import { APPLY_PATCH, headOf, pieceOf, TAIL } from './patch-call.ts'
import { traitsOf } from './traits.ts'
import { readUsage } from './usage.ts'
import { DIALECT, isObject, type Loose } from './wire.ts'

/** An item of the output under way, by its index: ids change from event to event at some proxies. */
interface Item {
  /** Its blocks by part: `c0` a content, `s0` a summary, `call` the input of a call. */
  readonly blocks: Map<string, OpenBlock>
  /** What `added` or `done` said of it last. */
  value: Loose
  done: boolean
  /** Its citations, and its probabilities, have been told. */
  cited: boolean
  weighed: boolean
}

interface OpenBlock {
  readonly at: number
  /** Where its text begins in the text of the reply, in UTF-16 units. */
  readonly offset: number
  /** What went out of it. */
  sent: string
  open: boolean
}

/**
 * Turns the events of one response into canonical ones. Deltas go out as they come, and every `done` fills in what they
 * left out: some servers send none, or hand over an item only when it is whole.
 */
export class ResponseReader {
  over = false
  started = false
  private out: ChatEvent[] = []
  private readonly endpoint: Endpoint
  private readonly items = new Map<number, Item>()
  private next = 0
  private latest = 0
  private textLength = 0
  private calls = 0
  private searches = 0
  private upstreamId = ''

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  take(): readonly ChatEvent[] {
    const taken = this.out
    this.out = []
    return taken
  }

  fail(of: Fault): void {
    if (this.over) return
    this.over = true
    this.out.push({ type: 'fault', fault: of })
  }

  /** The upstream closed, or sent its end mark, before the response had ended. */
  cut(): void {
    this.fail(fault('stream-cut', `The stream of ${this.endpoint.providerName} ended before its answer was finished.`))
  }

  event(value: Loose, named: string): void {
    if (this.over) return
    const type: unknown = value['type'] ?? named
    switch (type) {
      case 'response.created': case 'response.queued': case 'response.in_progress': this.start(value['response']); return
      case 'response.output_item.added': this.added(value); return
      case 'response.output_item.done': this.itemDone(this.indexOf(value), value['item']); return
      case 'response.output_text.delta':
        this.logprobs(this.itemAt(this.indexOf(value)), this.text(value, 'content_index', 'c', { type: 'text' }, value['delta']), value['logprobs'])
        return
      case 'response.output_text.done': this.rest(value, 'content_index', 'c', { type: 'text' }, value['text']); return
      case 'response.refusal.delta': this.text(value, 'content_index', 'c', { type: 'refusal' }, value['delta']); return
      case 'response.refusal.done': this.rest(value, 'content_index', 'c', { type: 'refusal' }, value['refusal']); return
      case 'response.reasoning_summary_text.delta': this.text(value, 'summary_index', 's', SUMMARY, value['delta']); return
      case 'response.reasoning_summary_text.done': this.rest(value, 'summary_index', 's', SUMMARY, value['text']); return
      case 'response.reasoning_text.delta': this.text(value, 'content_index', 'c', REASONING, value['delta']); return
      case 'response.reasoning_text.done': this.rest(value, 'content_index', 'c', REASONING, value['text']); return
      case 'response.function_call_arguments.delta': case 'response.custom_tool_call_input.delta': this.input(value, value['delta']); return
      case 'response.function_call_arguments.done': this.fill(this.itemAt(this.indexOf(value)).blocks.get('call'), value['arguments']); return
      case 'response.custom_tool_call_input.done': this.fill(this.itemAt(this.indexOf(value)).blocks.get('call'), value['input']); return
      case 'response.apply_patch_call_operation_diff.delta': this.diff(this.itemAt(this.indexOf(value)), value['delta']); return
      case 'response.output_text.annotation.added': this.annotation(value); return
      case 'response.completed': case 'response.incomplete': case 'response.done': this.end(value['response']); return
      case 'response.failed': case 'response.cancelled': case 'error': this.fail(failureIn(value, this.endpoint)); return
      // A proxy that fails says so without a type.
      case '': case undefined: if (isObject(value['error'])) this.fail(failureIn(value, this.endpoint)); return
      // What servers of tools report on the way, and what is added to the format next: their items tell it whole.
      default:
    }
  }

  /** A whole response, as JSON or at the end of a stream. */
  end(response: unknown): void {
    if (!isObject(response)) return this.cut()
    this.start(response)
    const status: unknown = response['status'] ?? 'completed'
    if (status === 'failed' || status === 'cancelled') return this.fail(failureIn({ response }, this.endpoint))
    const output = Array.isArray(response['output']) ? response['output'] as unknown[] : []
    // Most have been told; a server may keep them all for the end. Its list may be another one than the stream's was.
    if (this.items.size === 0) for (const [at, item] of output.entries()) this.itemDone(at, item)
    for (const [at, item] of this.items) if (!item.done) this.itemDone(at, sameItem(output[at], item.value) ? output[at] : item.value)
    // What came behind the end of its item.
    for (const item of this.items.values()) for (const block of item.blocks.values()) this.closeBlock(block)
    const reason = isObject(response['incomplete_details']) ? response['incomplete_details']['reason'] as unknown : undefined
    const native = typeof reason === 'string' ? reason : String(status)
    this.out.push({ type: 'finish', choice: 0, reason: this.reasonOf(status, reason), ...(native !== '' && { native }) })
    if (isObject(response['usage'])) this.out.push({ type: 'usage', usage: readUsage(response['usage'], this.searches) })
    this.over = true
  }

  private reasonOf(status: unknown, reason: unknown): FinishReason {
    if (status === 'incomplete' && reason === 'content_filter') return 'content_filter'
    if (status === 'incomplete' && reason !== 'steered') return 'length'
    return this.calls > 0 ? 'tool_calls' : 'stop'
  }

  private start(response: unknown): void {
    if (this.started) return
    this.started = true
    const it = isObject(response) ? response : NOTHING
    this.upstreamId = textOf(it['id'])
    const tier = textOf(it['service_tier'])
    this.out.push({
      type: 'start',
      ...(this.upstreamId !== '' && { upstreamId: this.upstreamId }),
      ...(textOf(it['model']) !== '' && { model: textOf(it['model']) }),
      ...(Number.isSafeInteger(it['created_at']) && it['created_at'] > 0 && { created: it['created_at'] as number }),
      ...(tier !== '' && tier !== 'auto' && { tier }),
    })
  }

  private indexOf(value: Loose): number {
    const at: unknown = value['output_index']
    return this.latest = typeof at === 'number' && Number.isSafeInteger(at) && at >= 0 ? at : this.latest
  }

  private itemAt(index: number): Item {
    let item = this.items.get(index)
    if (!item) this.items.set(index, item = { blocks: new Map(), value: NOTHING, done: false, cited: false, weighed: false })
    return item
  }

  private added(value: Loose): void {
    this.start(undefined)
    const item = this.itemAt(this.indexOf(value))
    if (!isObject(value['item'])) return
    item.value = value['item']
    if (isCall(item.value) && textOf(item.value['name']) !== '') this.openCall(item)
    if (item.value['type'] === PATCH_CALL) this.openPatch(item)
  }

  private openCall(item: Item): OpenBlock {
    const known = item.blocks.get('call')
    if (known) return known
    const { value } = item
    this.calls++
    const id = textOf(value['call_id']) || textOf(value['id']) || madeId(this.upstreamId, this.calls)
    const form = value['type'] === 'custom_tool_call' ? 'custom' : 'function'
    return this.openBlock(item, 'call', { type: 'tool-call', id, name: joined(value['namespace'], textOf(value['name'])), form })
  }

  /** A patch that has a diff is told from its beginning on; its call has the operation as its arguments. */
  private openPatch(item: Item): OpenBlock | null {
    const known = item.blocks.get('call')
    if (known) return known
    const operation: unknown = item.value['operation']
    if (!isObject(operation) || textOf(operation['path']) === '' || typeof operation['diff'] !== 'string') return null
    const block = this.openPatchCall(item)
    this.out.push({ type: 'block-delta', index: block.at, text: headOf(operation) })
    return block
  }

  private openPatchCall(item: Item): OpenBlock {
    this.calls++
    const id = textOf(item.value['call_id']) || textOf(item.value['id']) || madeId(this.upstreamId, this.calls)
    return this.openBlock(item, 'call', { type: 'tool-call', id, name: APPLY_PATCH, form: 'function', as: APPLY_PATCH })
  }

  private diff(item: Item, delta: unknown): void {
    const block = item.blocks.get('call')
    if (!block?.open || typeof delta !== 'string' || delta === '') return
    block.sent += delta
    this.out.push({ type: 'block-delta', index: block.at, text: pieceOf(delta) })
  }

  private patchDone(item: Item): void {
    const operation: unknown = item.value['operation']
    const block = this.openPatch(item)
    if (block === null) {
      const { at } = this.openPatchCall(item)
      this.out.push({ type: 'block-delta', index: at, text: JSON.stringify(operation ?? {}) })
      return
    }
    const whole = isObject(operation) ? textOf(operation['diff']) : ''
    if (whole.startsWith(block.sent)) this.diff(item, whole.slice(block.sent.length))
    this.out.push({ type: 'block-delta', index: block.at, text: TAIL })
  }

  private openBlock(item: Item, key: string, block: Block): OpenBlock {
    this.start(undefined)
    // A thought's parts come one after the other; its last one stays open for the seal of all.
    if (block.type === 'reasoning') for (const other of item.blocks.values()) this.closeBlock(other)
    const opened: OpenBlock = { at: this.next++, offset: this.textLength, sent: '', open: true }
    item.blocks.set(key, opened)
    this.out.push({ type: 'block-open', index: opened.at, choice: 0, block })
    return opened
  }

  private closeBlock(block: OpenBlock, seal?: Seal): void {
    if (!block.open) return
    block.open = false
    this.out.push({ type: 'block-close', index: block.at, ...(seal && { seal }) })
  }

  /** The block of a part, opened when it is first needed. */
  private partOf(value: Loose, place: string, kind: string, block: Block): OpenBlock {
    const item = this.itemAt(this.indexOf(value))
    const number: unknown = value[place]
    const key = `${kind}${typeof number === 'number' ? number : 0}`
    return item.blocks.get(key) ?? this.openBlock(item, key, shaped(block, item.value))
  }

  private text(value: Loose, place: string, kind: string, block: Block, delta: unknown): OpenBlock | null {
    if (typeof delta !== 'string' || delta === '') return this.itemAt(this.indexOf(value)).blocks.get(`${kind}${String(value[place] ?? 0)}`) ?? null
    const part = this.partOf(value, place, kind, block)
    this.say(part, delta, block.type === 'text')
    return part
  }

  private say(block: OpenBlock, text: string, counts: boolean): void {
    if (!block.open || text === '') return
    block.sent += text
    if (counts) this.textLength += text.length
    this.out.push({ type: 'block-delta', index: block.at, text })
  }

  /** What the deltas of a text left out of the whole. */
  private rest(value: Loose, place: string, kind: string, block: Block, whole: unknown): void {
    if (typeof whole === 'string' && whole !== '') this.fill(this.partOf(value, place, kind, block), whole, block.type === 'text')
  }

  private fill(block: OpenBlock | undefined, whole: unknown, counts = false): void {
    if (block && typeof whole === 'string' && whole.startsWith(block.sent)) this.say(block, whole.slice(block.sent.length), counts)
  }

  private input(value: Loose, delta: unknown): void {
    // Without its name a call cannot be shown yet; its `done` has all of its input.
    const block = this.itemAt(this.indexOf(value)).blocks.get('call')
    if (block && typeof delta === 'string') this.say(block, delta, false)
  }

  private logprobs(item: Item, block: OpenBlock | null, list: unknown): void {
    if (!block || !Array.isArray(list) || list.length === 0) return
    item.weighed = true
    const content = list.filter(isObject).map(logprobOf)
    this.out.push({ type: 'note', choice: 0, index: block.at, note: { type: 'logprobs', content } })
  }

  private annotation(value: Loose): void {
    const note = isObject(value['annotation']) ? citationOf(value['annotation']) : null
    if (!note) return
    const item = this.itemAt(this.indexOf(value))
    item.cited = true
    this.annotate(item.blocks.get(`c${String(value['content_index'] ?? 0)}`), note)
  }

  private annotate(block: OpenBlock | undefined, note: NonNullable<ReturnType<typeof citationOf>>): void {
    this.start(undefined)
    const base = block?.offset ?? this.textLength
    const moved = note.type === 'citation' && base > 0
      ? { ...note, ...(note.start !== undefined && { start: note.start + base }), ...(note.end !== undefined && { end: note.end + base }) } : note
    this.out.push({ type: 'note', choice: 0, ...(block && { index: block.at }), note: { type: 'annotation', annotation: moved } })
  }

  private itemDone(index: number, value: unknown): void {
    const item = this.itemAt(index)
    if (item.done || !isObject(value)) return
    item.value = value
    item.done = true
    switch (value['type']) {
      case 'message': this.messageDone(item); break
      case 'reasoning': this.reasoningDone(item); break
      case 'function_call': case 'custom_tool_call': {
        const block = this.openCall(item)
        const whole = textOf(value['type'] === 'custom_tool_call' ? value['input'] : value['arguments'])
        this.fill(block, whole)
        if (block.sent === '' && value['type'] === 'function_call') this.say(block, '{}', false)
        break
      }
      case PATCH_CALL: this.patchDone(item); break
      case 'image_generation_call': this.image(item); break
      default:
        if (textOf(value['type']) === '') break
        if (value['type'] === 'web_search_call') this.searches++
        this.openBlock(item, 'native', { type: 'native', dialect: DIALECT, value })
    }
    for (const block of item.blocks.values()) this.closeBlock(block)
  }

  private messageDone(item: Item): void {
    const { cited, weighed } = item
    const content = Array.isArray(item.value['content']) ? (item.value['content'] as unknown[]).filter(isObject) : []
    for (const [at, part] of content.entries()) {
      const refusal = part['type'] === 'refusal'
      const known = item.blocks.get(`c${at}`)
      const block = known ?? this.openBlock(item, `c${at}`, shaped({ type: refusal ? 'refusal' : 'text' }, item.value))
      this.fill(block, refusal ? part['refusal'] : part['text'], !refusal)
      // Whole replies, and some servers' streams, have no events of their own for these.
      for (const note of cited ? [] : Array.isArray(part['annotations']) ? part['annotations'].filter(isObject) : []) {
        const citation = citationOf(note)
        if (citation) this.annotate(block, citation)
      }
      if (!weighed) this.logprobs(item, block, part['logprobs'])
    }
  }

  private reasoningDone(item: Item): void {
    const { value } = item
    const listOf = (key: string): Loose[] => (Array.isArray(value[key]) ? (value[key] as unknown[]).filter(isObject) : [])
    for (const [at, part] of listOf('summary').entries()) this.thought(item, `s${at}`, SUMMARY, part['text'])
    for (const [at, part] of listOf('content').entries()) this.thought(item, `c${at}`, REASONING, part['text'])
    const seal = this.sealOf(value)
    if (!seal) return
    const last = [...item.blocks.values()].at(-1)
    // What was closed for its next part cannot be sealed any more; then the seal has a block of its own.
    const block = last?.open ? last : this.openBlock(item, 'seal', shaped({ type: 'reasoning' }, value))
    this.closeBlock(block, seal)
  }

  private thought(item: Item, key: string, block: Block, text: unknown): void {
    if (typeof text !== 'string' || text === '') return
    const known = item.blocks.get(key)
    this.fill(known ?? this.openBlock(item, key, shaped(block, item.value)), text)
  }

  private sealOf(value: Loose): Seal | null {
    const { format } = traitsOf(this.endpoint)
    const told = textOf(value['format'])
    if (textOf(value['encrypted_content']) !== '') return { format: told || format, kind: 'encrypted', value: value['encrypted_content'] }
    return textOf(value['signature']) === '' ? null : { format: told || format, kind: 'signature', value: value['signature'] }
  }

  private image(item: Item): void {
    const { result, output_format: format } = item.value
    if (typeof result !== 'string' || result === '') return
    const block = this.openBlock(item, 'image', { type: 'media', kind: 'image', mime: `image/${typeof format === 'string' ? format : 'png'}` })
    this.say(block, result, false)
  }
}

const PATCH_CALL = 'apply_patch_call'
const SUMMARY: Block = { type: 'reasoning', summary: true }
const REASONING: Block = { type: 'reasoning' }
const NOTHING: Loose = Object.freeze({})

/** What an item says of its blocks: whose thought it is, and which phase a text belongs to. */
function shaped(block: Block, item: Loose): Block {
  if (block.type === 'reasoning') return { ...block, ...(textOf(item['id']) !== '' && { id: item['id'] as string }), ...(textOf(item['format']) !== '' && { format: item['format'] as string }) }
  return block.type === 'text' && textOf(item['phase']) !== '' ? { ...block, phase: item['phase'] as string } : block
}

const isCall = (item: Loose): boolean => item['type'] === 'function_call' || item['type'] === 'custom_tool_call'

/** Whether the list at the end means this item at its place: at some hosts it is in another order than the stream was. */
const sameItem = (value: unknown, item: Loose): value is Loose => isObject(value) && value['type'] === item['type']

/** An id for a call that came without one: always the same for the same response, so that reading twice gives one answer. */
const madeId = (response: string, ordinal: number): string =>
  `call_${createHash('sha256').update(`${response} ${ordinal}`).digest('hex').slice(0, 24)}`

const logprobOf = (it: Loose): TokenLogprob => ({
  token: textOf(it['token']), logprob: numberOf(it['logprob']), bytes: bytesOf(it['bytes']),
  top_logprobs: (Array.isArray(it['top_logprobs']) ? it['top_logprobs'].filter(isObject) : [])
    .map((other) => ({ token: textOf(other['token']), logprob: numberOf(other['logprob']), bytes: bytesOf(other['bytes']) })),
})

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)
const bytesOf = (value: unknown): readonly number[] | null => (Array.isArray(value) ? value as number[] : null)
