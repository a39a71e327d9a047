import { fault, type Annotation, type ChatEvent, type Endpoint, type FinishReason, type Usage } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { annotationOf } from './decode-messages.ts'
import { errorInside } from './faults.ts'
import { answerOf } from './format.ts'
import { nameOf } from './names.ts'
import type { PieceType } from './piece-frame.ts'
import { createUsageReader } from './usage.ts'
import { DIALECT, isLoose, SEAL_FORMAT, textOf, type Loose } from './wire.ts'

/** Turns the events of one message into canonical ones. The type inside an event's JSON is what counts. */
export interface MessageReader {
  event(value: Loose): readonly ChatEvent[]
  /** The same of an event that is a piece of a block and nothing else; null where the block wants more than to go on. */
  piece(index: number, type: PieceType, text: string): readonly ChatEvent[] | null
  /** The upstream closed: completes the reply, or reports the cut. */
  close(): readonly ChatEvent[]
  readonly started: boolean
  readonly done: boolean
  /** All that is missing is `message_stop`. */
  readonly finished: boolean
}

/** A block that the upstream has open. `at` is its index in our reply, -1 until it is shown. */
interface Open {
  readonly kind: 'text' | 'thinking' | 'redacted' | 'call' | 'custom' | 'answer' | 'native'
  at: number
  /** Whether a piece of it went out. */
  sent: boolean
  /** Held back: free-form input and answers are unwrapped when they are whole. */
  held: string
  readonly id: string
  readonly name: string
  readonly wrapped: boolean
  /** The input of a call that came whole when the block opened. */
  readonly whole: string
  seal: string
  readonly citations: Annotation[]
  /** Where the block's text begins in the text of the reply, in UTF-16 units. */
  readonly from: number
  readonly value: Loose
}

const STOP: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop', stop_sequence: 'stop', pause_turn: 'stop', compaction: 'stop',
  max_tokens: 'length', model_context_window_exceeded: 'length', tool_use: 'tool_calls', refusal: 'content_filter',
}

/**
 * One reader for streams and whole answers: a whole answer is a start that has everything. It takes what was seen of
 * real streams: a second start after a broken attempt, blocks that open full, calls whose only input is one empty
 * piece, and fields that appear where nobody documented them.
 */
export function createMessageReader(endpoint: Pick<Endpoint, 'providerName'>, { streamed }: { readonly streamed: boolean }): MessageReader {
  const blocks = new Map<number, Open>()
  const usage = createUsageReader()
  let out: ChatEvent[] = []
  let started = false
  let done = false
  let next = 0
  let calls = 0
  let textLength = 0
  let stopReason = ''
  let stopSequence: string | undefined
  let stopDetails: Loose | null = null

  const begin = (message: Loose): void => {
    if (started) return
    started = true
    const counts = isLoose(message['usage']) ? message['usage'] : {}
    const tier = counts['speed'] === 'fast' ? 'priority' : textOf(counts['service_tier'])
    out.push({
      type: 'start',
      ...(textOf(message['id']) && { upstreamId: textOf(message['id']) }),
      ...(textOf(message['model']) && { model: textOf(message['model']) }),
      ...(tier && { tier: tier === 'standard' ? 'default' : tier }),
      ...countedSoFar(),
    })
  }

  /** What is counted when a stream starts; bridges from other formats say 0, which is nothing, and a whole answer is counted at its end. */
  const countedSoFar = (): { readonly usage: Usage } | null => {
    if (!streamed) return null
    const counted = usage.read()
    return counted && counted.input.total > 0 ? { usage: counted } : null
  }

  const show = (block: Open): void => {
    if (block.at >= 0) return
    block.at = next++
    const opened = {
      text: { type: 'text' }, answer: { type: 'text' },
      thinking: { type: 'reasoning', format: SEAL_FORMAT }, redacted: { type: 'reasoning', format: SEAL_FORMAT },
      call: { type: 'tool-call', id: block.id, name: block.name, form: 'function' },
      custom: { type: 'tool-call', id: block.id, name: block.name, form: 'custom' },
      native: { type: 'native', dialect: DIALECT, value: block.value },
    } as const
    out.push({ type: 'block-open', index: block.at, choice: 0, block: opened[block.kind] })
  }
  const say = (block: Open, text: string): void => {
    if (text === '') return
    show(block)
    block.sent = true
    out.push({ type: 'block-delta', index: block.at, text })
    if (block.kind === 'text' || block.kind === 'answer') textLength += text.length
  }

  const openBlock = (index: number, content: Loose): void => {
    const before = blocks.get(index)
    if (before) closeBlock(index, before)
    const type = textOf(content['type'])
    const named = type === 'tool_use' ? nameOf(textOf(content['name'])) : null
    const kind: Open['kind'] = named ? (named.is === 'answer' ? 'answer' : named.form === 'custom' ? 'custom' : 'call')
      : type === 'text' || type === 'thinking' ? type : type === 'redacted_thinking' ? 'redacted' : 'native'
    const input = content['input']
    const block: Open = {
      kind, at: -1, sent: false, held: '', from: textLength, citations: [], value: content,
      id: textOf(content['id']) || `toolu_${next}`,
      name: named?.is === 'call' ? named.name : '',
      wrapped: named?.is === 'answer' && named.wrapped,
      whole: isLoose(input) && Object.keys(input).length > 0 ? JSON.stringify(input) : '',
      seal: kind === 'thinking' ? textOf(content['signature']) : kind === 'redacted' ? textOf(content['data']) : '',
    }
    blocks.set(index, block)
    // Text and thoughts show with their first piece: until then another provider may still answer instead.
    if (kind === 'call' || kind === 'custom') {
      calls++
      show(block)
    } else if (kind === 'answer' || kind === 'redacted') show(block)
    if (kind === 'text') say(block, textOf(content['text']))
    if (kind === 'thinking') say(block, textOf(content['thinking']))
    const citations = content['citations']
    if (kind === 'text' && Array.isArray(citations)) for (const citation of citations) cite(block, citation)
  }

  const cite = (block: Open, citation: unknown): void => {
    if (isLoose(citation)) block.citations.push(annotationOf(citation))
  }

  const delta = (index: number, value: Loose): void => {
    const type = textOf(value['type'])
    let block = blocks.get(index)
    if (!block && (type === 'text_delta' || type === 'thinking_delta')) {
      openBlock(index, { type: type === 'text_delta' ? 'text' : 'thinking' })
      block = blocks.get(index)
    }
    if (!block) return
    switch (type) {
      case 'text_delta': if (block.kind === 'text') say(block, textOf(value['text'])); break
      case 'thinking_delta': if (block.kind === 'thinking') say(block, textOf(value['thinking'])); break
      case 'signature_delta': if (block.kind === 'thinking') block.seal = textOf(value['signature']); break
      case 'citations_delta': if (block.kind === 'text') cite(block, value['citation']); break
      case 'input_json_delta':
        if (block.kind === 'call') say(block, textOf(value['partial_json']))
        else block.held += textOf(value['partial_json'])
        break
      case 'compaction_delta': block.held += textOf(value['content']); break
      default: break
    }
  }

  const closeBlock = (index: number, block: Open): void => {
    blocks.delete(index)
    switch (block.kind) {
      case 'call': if (!block.sent) say(block, block.whole || '{}'); break
      case 'custom': say(block, freeText(block.held || block.whole)); break
      case 'answer': say(block, answerOf(block.held || block.whole || '{}', block.wrapped)); break
      case 'thinking': if (block.seal !== '') show(block); break
      case 'native': showNative(block); break
      default: break
    }
    const notes = block.citations.map((annotation): ChatEvent => ({
      type: 'note', choice: 0, ...(block.at >= 0 && { index: block.at }),
      note: { type: 'annotation', annotation: { ...annotation, start: block.from, end: textLength } as Annotation },
    }))
    out.push(...notes)
    if (block.at < 0) return
    const kind = block.kind === 'redacted' ? 'encrypted' as const : 'signature' as const
    const seal = block.seal !== '' && { seal: { format: SEAL_FORMAT, kind, value: block.seal } }
    out.push({ type: 'block-close', index: block.at, ...seal })
  }

  /** Server tools stream their input: the item is shown when it is whole, so that it can be sent back as it was. */
  const showNative = (block: Open): void => {
    const value = block.held === '' ? block.value
      : block.value['type'] === 'compaction' ? { ...block.value, content: block.held }
        : { ...block.value, input: parsed(block.held) }
    block.at = next++
    out.push({ type: 'block-open', index: block.at, choice: 0, block: { type: 'native', dialect: DIALECT, value } })
  }

  const closeAll = (): void => {
    for (const [index, block] of blocks) closeBlock(index, block)
  }

  const message = (value: Loose): void => {
    if (started) {
      // A broken attempt was begun anew. What a caller has been given stays; half a call would be carried out.
      for (const block of blocks.values()) {
        if (block.kind === 'call' || block.kind === 'custom') {
          return fail(fault('stream-cut', `${endpoint.providerName} began its answer anew in the middle of a tool call.`))
        }
      }
      abandon()
    }
    usage.add(value['usage'])
    begin(value)
    noteEnd(value)
    const content = Array.isArray(value['content']) ? value['content'].filter(isLoose) : []
    for (const [index, block] of content.entries()) {
      openBlock(index, block)
      closeBlock(index, blocks.get(index)!)
    }
  }

  /** Ends the blocks of an attempt that was given up: text and thoughts that were shown end where they are. */
  const abandon = (): void => {
    for (const block of blocks.values()) if (block.at >= 0) out.push({ type: 'block-close', index: block.at })
    blocks.clear()
  }

  const noteEnd = (value: Loose): void => {
    if (textOf(value['stop_reason'])) stopReason = textOf(value['stop_reason'])
    if (typeof value['stop_sequence'] === 'string') stopSequence = value['stop_sequence']
    if (isLoose(value['stop_details'])) stopDetails = value['stop_details']
  }

  const finish = (): void => {
    closeAll()
    const explanation = textOf(stopDetails?.['explanation'])
    if (stopReason === 'refusal' && explanation !== '') {
      out.push(
        { type: 'block-open', index: next, choice: 0, block: { type: 'refusal' } },
        { type: 'block-delta', index: next, text: explanation },
        { type: 'block-close', index: next++ },
      )
    }
    const said = STOP[stopReason] ?? 'stop'
    // A call decides, whatever the word is; the call of the answer tool is no call to anybody.
    const reason = said === 'stop' || said === 'tool_calls' ? (calls > 0 ? 'tool_calls' : 'stop') : said
    out.push({
      type: 'finish', choice: 0, reason,
      ...(stopReason !== '' && { native: stopReason }), ...(stopSequence !== undefined && { stop: stopSequence }),
    })
    const counted = usage.read()
    if (counted) out.push({ type: 'usage', usage: counted })
    done = true
  }

  const fail = (of: ReturnType<typeof fault>): void => {
    out.push({ type: 'fault', fault: of })
    done = true
  }
  const take = (): readonly ChatEvent[] => {
    const taken = out
    out = []
    return taken
  }
  const indexOf = (value: Loose): number => (typeof value['index'] === 'number' ? value['index'] : 0)

  return {
    event(value) {
      if (done) return take()
      const failure = errorInside(value, endpoint)
      if (failure) {
        fail(failure)
        return take()
      }
      switch (value['type']) {
        case 'message_start': message(isLoose(value['message']) ? value['message'] : {}); break
        case 'content_block_start':
          begin({})
          if (isLoose(value['content_block'])) openBlock(indexOf(value), value['content_block'])
          break
        case 'content_block_delta':
          begin({})
          if (isLoose(value['delta'])) delta(indexOf(value), value['delta'])
          break
        case 'content_block_stop': {
          const block = blocks.get(indexOf(value))
          if (block) closeBlock(indexOf(value), block)
          break
        }
        case 'message_delta':
          begin({})
          if (isLoose(value['delta'])) noteEnd(value['delta'])
          usage.add(value['usage'])
          break
        case 'message_stop':
          begin({})
          finish()
          break
        // `ping`, and whatever is added to the format next.
        default: break
      }
      return take()
    },
    piece(index, type, text) {
      const block = done ? undefined : blocks.get(index)
      if (block === undefined || block.kind !== KIND_OF[type]) return null
      say(block, text)
      return take()
    },
    close() {
      if (done) return take()
      // A reason to stop is the end of the content: some hosts close without `message_stop`.
      if (stopReason !== '' && blocks.size === 0) finish()
      else fail(fault('stream-cut', `The stream of ${endpoint.providerName} ended before its answer was finished.`))
      return take()
    },
    get started() { return started },
    get done() { return done },
    get finished() { return !done && stopReason !== '' && blocks.size === 0 },
  }
}

/** The blocks that such a piece goes into as it is. */
const KIND_OF: Readonly<Record<PieceType, Open['kind']>> = { text_delta: 'text', thinking_delta: 'thinking', input_json_delta: 'call' }

function parsed(text: string): unknown {
  const read = parseUpstream(text)
  return 'value' in read ? read.value : text
}

/** The text of a free-form tool out of the object that this format makes of it. */
function freeText(args: string): string {
  const value = args === '' ? {} : parsed(args)
  return isLoose(value) ? (typeof value['input'] === 'string' ? value['input'] : args) : args
}
