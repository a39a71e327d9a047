import { createHash } from 'node:crypto'
import { fault, type Annotation, type Block, type ChatEvent, type Endpoint, type Fault, type Seal, type Usage } from '../../core/index.ts'
import { createThinkSplitter, splitThinking, type Piece, type ThinkSplitter } from '../reasoning.ts'
import { createToolAssembler, type ToolAssembler } from '../tool-calls.ts'
import { saidBy, upstreamFault } from '../upstream-fault.ts'
import { finishOf } from './finish.ts'
import { arrayOf, createdOf, errorIn, isObject, isText, textsOf, tokens } from './foreign.ts'
import type { Flags } from './quirks.ts'
import { DEFAULT_FORMAT } from './reasoning-details.ts'
import { readUsage, usageIn } from './usage-in.ts'
import type { Loose } from './wire.ts'

/** Values of one reply in, events out. What a provider gets wrong is taken as it was meant; what cannot be is a fault. */
export interface Reader {
  /** A chunk, or a whole reply; `seed` is its text, from which ids are made that the provider left out. */
  chunk(value: unknown, event: string, seed: string): void
  /** A piece of text or reasoning that was found without parsing its chunk. */
  plain(kind: 'text' | 'reasoning', choice: number, text: string): void
  /** The end: `done` says that it was announced, otherwise a reply without a finish was cut. */
  finish(done: boolean): void
  fail(of: Fault): void
  /** The events since the last call. */
  take(): readonly ChatEvent[]
  readonly over: boolean
  /** Whether any chunk was read. */
  readonly touched: boolean
}

interface ChoiceState {
  readonly index: number
  /** The text, refusal or reasoning block that is open; these follow one another, and only tool calls lie side by side. */
  block: number
  kind: 'text' | 'refusal' | 'reasoning' | null
  /** Which detail of reasoning the open block is: the plain field is one of its own. */
  key: string
  seal: Seal | undefined
  splitter: ThinkSplitter | null
  tools: ToolAssembler | null
  readonly toolBlocks: { readonly block: number; readonly id: string }[]
  readonly seals: Map<string, { readonly seal: Seal; readonly detail: Loose }>
  audio: number
  said: string | undefined
  native: string | undefined
  stop: string | undefined
  spoke: boolean
}

const NONE: readonly ChatEvent[] = Object.freeze([])
const MAX_CHOICE = 127
const PLAIN = 'plain'

export function createReader(given: { readonly flags: Flags; readonly endpoint: Endpoint; readonly whole: boolean }): Reader {
  const { flags, endpoint, whole } = given
  const choices: ChoiceState[] = []
  const cited = new Set<string>()
  let out: ChatEvent[] = []
  let started = false
  let touched = false
  let over = false
  let nextBlock = 0
  let seed = ''
  let usage: Usage | undefined

  const choiceAt = (index: unknown): ChoiceState => {
    const at = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= MAX_CHOICE ? index : 0
    let choice = choices.find((choice) => choice.index === at)
    if (!choice) {
      choice = {
        index: at, block: -1, kind: null, key: '', seal: undefined,
        splitter: flags.thinkTags && !whole ? createThinkSplitter({ implicit: flags.thinkOpen }) : null,
        tools: null, toolBlocks: [], seals: new Map(), audio: -1, said: undefined, native: undefined, stop: undefined, spoke: false,
      }
      choices.push(choice)
    }
    return choice
  }

  const openBlock = (choice: ChoiceState, block: Block): number => {
    out.push({ type: 'block-open', index: nextBlock, choice: choice.index, block })
    choice.spoke = true
    return nextBlock++
  }

  const closeCurrent = (choice: ChoiceState): void => {
    if (choice.kind === null) return
    out.push({ type: 'block-close', index: choice.block, ...(choice.seal && { seal: choice.seal }) })
    choice.kind = null
    choice.seal = undefined
  }

  /** Makes the open block one of this kind and key. */
  const turnTo = (choice: ChoiceState, kind: 'text' | 'refusal' | 'reasoning', key: string, block: Block): void => {
    if (choice.kind === kind && choice.key === key) return
    closeCurrent(choice)
    choice.block = openBlock(choice, block)
    choice.kind = kind
    choice.key = key
  }

  const speak = (choice: ChoiceState, kind: 'text' | 'refusal' | 'reasoning', text: string): void => {
    if (choice.kind !== kind || choice.key !== PLAIN) turnTo(choice, kind, PLAIN, { type: kind })
    out.push({ type: 'block-delta', index: choice.block, text })
  }

  const pieces = (choice: ChoiceState, list: readonly Piece[]): void => {
    for (const piece of list) speak(choice, piece.kind, piece.text)
  }

  const text = (choice: ChoiceState, content: string): void => {
    if (content === '') return
    if (choice.splitter) pieces(choice, choice.splitter.push(content))
    else if (whole && flags.thinkTags) pieces(choice, splitThinking(content))
    else speak(choice, 'text', content)
  }

  /** Content as a list (Mistral): text, thinking, images; what refers to documents has no text of its own. */
  const contentList = (choice: ChoiceState, list: readonly unknown[]): void => {
    for (const item of list) {
      if (typeof item === 'string') text(choice, item)
      if (!isObject(item)) continue
      if (item['type'] === 'thinking') {
        const thought = typeof item['thinking'] === 'string' ? item['thinking'] : textsOf(item['thinking'])
        if (thought !== '') speak(choice, 'reasoning', thought)
      } else if (item['type'] === 'image_url') image(choice, item)
      else if (item['type'] === 'refusal' && typeof item['refusal'] === 'string') speak(choice, 'refusal', item['refusal'])
      else if (typeof item['text'] === 'string') text(choice, item['text'])
    }
  }

  const detail = (choice: ChoiceState, it: Loose): void => {
    const format = typeof it['format'] === 'string' ? it['format'] : DEFAULT_FORMAT
    const id = typeof it['id'] === 'string' && it['id'] !== '' ? it['id'] : undefined
    const key = `${it['index'] ?? ''}`
    const block = (summary: boolean): Block => ({ type: 'reasoning', format, ...(id !== undefined && { id }), ...(summary && { summary }) })
    if (it['type'] === 'reasoning.text' || it['type'] === 'reasoning.summary') {
      const summary = it['type'] === 'reasoning.summary'
      const said = summary ? it['summary'] : it['text']
      const signature = typeof it['signature'] === 'string' && it['signature'] !== '' ? it['signature'] : undefined
      if (typeof said === 'string' && said !== '') {
        turnTo(choice, 'reasoning', `${key}/${summary}`, block(summary))
        out.push({ type: 'block-delta', index: choice.block, text: said })
      }
      if (signature !== undefined) {
        turnTo(choice, 'reasoning', `${key}/${summary}`, block(summary))
        choice.seal = { format, kind: 'signature', value: signature }
      }
      return
    }
    if (it['type'] === 'reasoning.encrypted' && typeof it['data'] === 'string') {
      const seal: Seal = { format, kind: 'encrypted', value: it['data'] }
      const call = id !== undefined && choice.toolBlocks.some((tool) => tool.id === id)
      // Gemini's signatures belong to the call of that id, which may come later in the chunk or the stream.
      if (call || (id !== undefined && format.startsWith('google'))) choice.seals.set(id, { seal, detail: it })
      else sealReasoning(choice, key, block(false), seal)
      return
    }
    if (String(it['type']).startsWith('reasoning.')) {
      closeCurrent(choice)
      const index = openBlock(choice, { type: 'native', dialect: 'openai-chat', value: it })
      out.push({ type: 'block-close', index })
    }
  }

  const sealReasoning = (choice: ChoiceState, key: string, block: Block, seal: Seal): void => {
    const same = choice.kind === 'reasoning' && choice.key.startsWith(`${key}/`) && !choice.seal
    if (!same) {
      closeCurrent(choice)
      turnTo(choice, 'reasoning', `${key}/sealed`, block)
    }
    choice.seal = seal
  }

  const reasoning = (choice: ChoiceState, delta: Loose): void => {
    const details = delta['reasoning_details']
    if (Array.isArray(details) && details.length > 0) {
      for (const it of details) if (isObject(it)) detail(choice, it)
      return
    }
    // Hosts between two versions of vLLM send the same text under both names.
    const said = [delta['reasoning_content'], delta['reasoning'], delta['thinking']].find((value) => typeof value === 'string' && value !== '')
    if (said !== undefined) speak(choice, 'reasoning', said)
  }

  const image = (choice: ChoiceState, it: Loose): void => {
    const url = typeof it['image_url'] === 'string' ? it['image_url'] : it['image_url']?.url
    if (typeof url !== 'string' || url === '') return
    closeCurrent(choice)
    const comma = url.indexOf(',')
    if (!url.startsWith('data:') || comma < 0) {
      out.push({ type: 'block-close', index: openBlock(choice, { type: 'media', kind: 'image', url }) })
      return
    }
    const mime = url.slice(5, comma).split(';')[0] || 'image/png'
    const index = openBlock(choice, { type: 'media', kind: 'image', mime })
    out.push({ type: 'block-delta', index, text: url.slice(comma + 1) }, { type: 'block-close', index })
  }

  const audio = (choice: ChoiceState, it: Loose): void => {
    if (choice.audio < 0) {
      closeCurrent(choice)
      choice.audio = openBlock(choice, {
        type: 'media', kind: 'audio',
        ...(typeof it['id'] === 'string' && { id: it['id'] }), ...(typeof it['expires_at'] === 'number' && { expiresAt: it['expires_at'] }),
      })
    }
    if (typeof it['data'] === 'string' && it['data'] !== '') out.push({ type: 'block-delta', index: choice.audio, text: it['data'] })
    if (typeof it['transcript'] === 'string' && it['transcript'] !== '') {
      out.push({ type: 'note', choice: choice.index, index: choice.audio, note: { type: 'transcript', text: it['transcript'] } })
    }
  }

  const toolsOf = (choice: ChoiceState): ToolAssembler => choice.tools ??= createToolAssembler({
    open(_, call) {
      closeCurrent(choice)
      choice.toolBlocks.push({ block: openBlock(choice, { type: 'tool-call', ...call }), id: call.id })
    },
    input(slot, piece) {
      out.push({ type: 'block-delta', index: choice.toolBlocks[slot]!.block, text: piece })
    },
  }, (ordinal) => `call_${createHash('sha256').update(`${seed}|${choice.index}|${ordinal}`).digest('hex').slice(0, 24)}`)

  const toolCall = (choice: ChoiceState, it: Loose): void => {
    const custom = isObject(it['custom']) ? it['custom'] : undefined
    const body: Loose = custom ?? (isObject(it['function']) ? it['function'] : it)
    const id = typeof it['id'] === 'string' ? it['id'] : typeof it['id'] === 'number' ? String(it['id']) : undefined
    toolsOf(choice).push({
      index: typeof it['index'] === 'number' ? it['index'] : undefined,
      id,
      name: typeof body['name'] === 'string' ? body['name'] : undefined,
      input: custom ? custom['input'] : body['arguments'],
      form: custom ? 'custom' : 'function',
    })
    const signature = it['extra_content']?.google?.thought_signature
    if (typeof signature === 'string' && id) {
      choice.seals.set(id, { seal: { format: 'google-gemini-v1', kind: 'encrypted', value: signature }, detail: it })
    }
  }

  const annotate = (choice: ChoiceState, it: Loose): void => {
    const citation = isObject(it['url_citation']) ? it['url_citation'] : it['type'] === 'url_citation' ? it : undefined
    if (citation && typeof citation['url'] === 'string') {
      cited.add(citation['url'])
      note(choice.index, {
        type: 'citation', url: citation['url'],
        ...(typeof citation['title'] === 'string' && { title: citation['title'] }),
        ...(typeof citation['content'] === 'string' && { content: citation['content'] }),
        ...(typeof citation['start_index'] === 'number' && { start: citation['start_index'] }),
        ...(typeof citation['end_index'] === 'number' && { end: citation['end_index'] }),
      })
    } else if (isObject(it['file']) && typeof it['file']['hash'] === 'string') {
      const { hash, name, content } = it['file']
      note(choice.index, { type: 'file', hash, ...(typeof name === 'string' && { name }), content: Array.isArray(content) ? content : [] })
    }
  }

  const note = (choice: number, annotation: Annotation): void => { out.push({ type: 'note', choice, note: { type: 'annotation', annotation } }) }

  /** Search hosts repeat their sources beside the choices of every chunk; each is told once. */
  const sources = (value: Loose): void => {
    const results = Array.isArray(value['search_results']) ? value['search_results'] : value['citations']
    if (!Array.isArray(results)) return
    for (const it of results) {
      const url = typeof it === 'string' ? it : it?.url
      if (typeof url !== 'string' || url === '' || cited.has(url)) continue
      cited.add(url)
      note(0, { type: 'citation', url, ...(typeof it?.title === 'string' && { title: it.title }) })
    }
  }

  const logprobs = (choice: ChoiceState, it: Loose): void => {
    const content = tokens(it['content'])
    const refusal = tokens(it['refusal'])
    if (!content && !refusal) return
    out.push({ type: 'note', choice: choice.index, note: { type: 'logprobs', ...(content && { content }), ...(refusal && { refusal }) } })
  }

  const readChoice = (it: Loose): void => {
    const choice = choiceAt(it['index'])
    // A whole message beside the deltas (Perplexity's last chunk) repeats what was said; it counts only in their place.
    const message = isObject(it['message']) && !choice.spoke ? it['message'] : undefined
    const delta: Loose | undefined = isObject(it['delta']) && (!message || Object.keys(it['delta']).length > 0) ? it['delta'] : message
    if (delta) {
      if ('reasoning' in delta || 'reasoning_content' in delta || 'reasoning_details' in delta || 'thinking' in delta) reasoning(choice, delta)
      const { content } = delta
      if (typeof content === 'string') text(choice, content)
      else if (Array.isArray(content)) contentList(choice, content)
      if (typeof delta['refusal'] === 'string' && delta['refusal'] !== '') speak(choice, 'refusal', delta['refusal'])
      if (isObject(delta['audio'])) audio(choice, delta['audio'])
      for (const item of arrayOf(delta['images'])) image(choice, item)
      for (const item of arrayOf(delta['tool_calls'])) toolCall(choice, item)
      if (isObject(delta['function_call'])) toolCall(choice, { function: delta['function_call'] })
      for (const item of arrayOf(delta['annotations'])) annotate(choice, item)
    } else if (typeof it['text'] === 'string') text(choice, it['text'])
    if (isObject(it['logprobs'])) logprobs(choice, it['logprobs'])
    const said = it['finish_reason']
    if (typeof said === 'string' && said !== '') {
      choice.said = said
      choice.native = typeof it['native_finish_reason'] === 'string' ? it['native_finish_reason'] : said
    }
    const stop = it['stop_reason'] ?? it['matched_stop']
    if (typeof stop === 'string') choice.stop = stop
  }

  const start = (value: Loose): void => {
    started = true
    const created = createdOf(value['created'])
    out.push({
      type: 'start',
      ...(isText(value['id']) && { upstreamId: value['id'] }),
      ...(isText(value['model']) && { model: value['model'] }),
      ...(created !== undefined && { created }),
      ...(isText(value['system_fingerprint']) && { fingerprint: value['system_fingerprint'] }),
      ...(isText(value['service_tier']) && { tier: value['service_tier'] }),
      ...(isText(value['provider']) && { provider: value['provider'] }),
    })
  }

  const broken = (kind: 'invalid-response' | 'stream-cut', what: string): Fault =>
    fault(kind, `${endpoint.providerName} ${what}.`, { upstream: { provider: endpoint.providerName } })

  const fail = (of: Fault): void => {
    if (over) return
    if (!started) start({})
    if (usage) out.push({ type: 'usage', usage })
    out.push({ type: 'fault', fault: of })
    over = true
  }

  const close = (choice: ChoiceState): void => {
    if (choice.splitter) pieces(choice, choice.splitter.end())
    choice.tools?.end()
    // Seals of calls that never came are kept as reasoning of their own, so that they can be sent back.
    for (const [id, { seal }] of choice.seals) {
      if (!choice.toolBlocks.some((tool) => tool.id === id)) sealReasoning(choice, `seal ${id}`, { type: 'reasoning', id, format: seal.format }, seal)
    }
    closeCurrent(choice)
    if (choice.audio >= 0) out.push({ type: 'block-close', index: choice.audio })
    for (const { block, id } of choice.toolBlocks) {
      const seal = choice.seals.get(id)?.seal
      out.push({ type: 'block-close', index: block, ...(seal && { seal }) })
    }
    out.push({
      type: 'finish', choice: choice.index, reason: finishOf(choice.said, choice.toolBlocks.length),
      ...(choice.native !== undefined && { native: choice.native }), ...(choice.stop !== undefined && { stop: choice.stop }),
    })
  }

  return {
    chunk(value, event, text) {
      if (over) return
      touched = true
      if (!isObject(value)) {
        fail(broken('invalid-response', 'sent a chunk that is no object'))
        return
      }
      if (seed === '') seed = text.slice(0, 4096)
      const list = arrayOf(value['choices'])
      // Azure's first chunk has no choices, and neither the id nor the model of the reply.
      if (!started && (list.length > 0 || (isText(value['model']) && isText(value['id'])))) start(value)
      const found = usageIn(value)
      if (found) usage = readUsage(found, flags, value['timings'])
      for (const it of list) readChoice(it)
      if ('citations' in value || 'search_results' in value) sources(value)
      const wrong = errorIn(value, list, event)
      if (wrong) fail(upstreamFault(200, NO_HEADERS, saidBy(wrong), endpoint, JSON.stringify(wrong)))
    },
    plain(kind, index, piece) {
      if (piece === '') return
      const choice = choiceAt(index)
      if (kind === 'text') text(choice, piece)
      else speak(choice, 'reasoning', piece)
    },
    finish(done) {
      if (over) return
      // A choice without a word and without a reason is no answer, though the stream or the body ended as it should.
      if (choices.every((choice) => choice.said === undefined && !choice.spoke)) {
        fail(broken('invalid-response', 'answered with nothing'))
        return
      }
      if (!done && choices.some((choice) => choice.said === undefined)) {
        fail(broken('stream-cut', 'ended its answer before it was finished'))
        return
      }
      for (const choice of choices) close(choice)
      if (usage) out.push({ type: 'usage', usage })
      over = true
    },
    fail,
    take() {
      if (out.length === 0) return NONE
      const taken = out
      out = []
      return taken
    },
    get over() { return over },
    get touched() { return touched },
  }
}

const NO_HEADERS = Object.freeze({})
