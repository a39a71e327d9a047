import { createHash } from 'node:crypto'
import {
  fault, type Block, type ChatEvent, type Endpoint, type Fault, type MediaKind, type Seal, type TokenLogprob, type Usage,
} from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { scrub } from '../upstream-fault.ts'
import { createBase64Joiner, type Base64Joiner } from './base64.ts'
import { readCitations } from './citations.ts'
import { faultOfError } from './faults.ts'
import { finishOf } from './finish.ts'
import { nameOf } from './names.ts'
import { createPartialArgs, isPartial, piecesOf, type PartialArgs } from './partial-args.ts'
import type { Traits } from './traits.ts'
import { hasCounts, readUsage } from './usage-in.ts'
import { DIALECT, isObject, listIn, SEAL_FORMAT, textIn, type Loose } from './wire.ts'

/** Response objects of one reply in, events out. The same for a stream and for a whole answer, which is one object. */
export interface Reader {
  chunk(value: unknown): void
  /** The provider closed, cleanly. */
  finish(): void
  fail(of: Fault): void
  /** The events since the last call. */
  take(): readonly ChatEvent[]
  readonly over: boolean
  /** Whether any object was read. */
  readonly touched: boolean
}

interface OpenCall {
  readonly block: number
  readonly args: PartialArgs
  readonly custom: boolean
  signature: string | undefined
}

interface ChoiceState {
  readonly index: number
  /** The text or reasoning that is being said; a part with a signature is a block by itself. */
  said: { readonly kind: 'text' | 'reasoning'; readonly block: number } | null
  call: OpenCall | null
  audio: { readonly block: number; readonly bytes: Base64Joiner; signature: string | undefined } | null
  blocks: number
  calls: number
  /** All the text of the answer, for the offsets of citations. */
  text: string
  reason: string | undefined
  message: string | undefined
  grounding: Loose | undefined
  recited: Loose | undefined
}

const NONE: readonly ChatEvent[] = Object.freeze([])
const MAX_CHOICE = 127

export function createReader(given: { readonly endpoint: Endpoint; readonly traits: Traits; readonly streamed: boolean }): Reader {
  const { endpoint, traits } = given
  const provider = endpoint.providerName
  const choices: ChoiceState[] = []
  let out: ChatEvent[] = []
  let started = false
  let touched = false
  let over = false
  let nextBlock = 0
  let seed = ''
  let counts: Loose | undefined

  const choiceAt = (index: unknown): ChoiceState => {
    const at = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= MAX_CHOICE ? index : 0
    let choice = choices.find((known) => known.index === at)
    if (!choice) {
      choice = {
        index: at, said: null, call: null, audio: null, blocks: 0, calls: 0, text: '',
        reason: undefined, message: undefined, grounding: undefined, recited: undefined,
      }
      choices.push(choice)
    }
    return choice
  }

  const open = (choice: ChoiceState, block: Block): number => {
    out.push({ type: 'block-open', index: nextBlock, choice: choice.index, block })
    choice.blocks++
    return nextBlock++
  }
  const delta = (index: number, text: string): void => {
    if (text !== '') out.push({ type: 'block-delta', index, text })
  }
  const close = (index: number, signature: string | undefined): void => {
    out.push({ type: 'block-close', index, ...(signature !== undefined && { seal: sealOf(signature) }) })
  }

  const endSaid = (choice: ChoiceState): void => {
    if (choice.said) close(choice.said.block, undefined)
    choice.said = null
  }
  const endAudio = (choice: ChoiceState): void => {
    const { audio } = choice
    if (!audio) return
    delta(audio.block, audio.bytes.end())
    close(audio.block, audio.signature)
    choice.audio = null
  }
  /** A streamed call is complete; its arguments go out in one piece, because their order is known only now. */
  const endCall = (choice: ChoiceState): void => {
    const { call } = choice
    if (!call) return
    const text = call.args.text()
    delta(call.block, call.custom ? freeText(text) : text)
    close(call.block, call.signature)
    choice.call = null
  }
  const endAll = (choice: ChoiceState): void => {
    endSaid(choice)
    endAudio(choice)
    endCall(choice)
  }

  const say = (choice: ChoiceState, kind: 'text' | 'reasoning', text: string, signature: string | undefined): void => {
    // The last event mostly has an empty text; it counts only where it carries a signature.
    if (text === '' && signature === undefined) return
    endAudio(choice)
    endCall(choice)
    if (choice.said && (choice.said.kind !== kind || signature !== undefined)) endSaid(choice)
    choice.said ??= { kind, block: open(choice, kind === 'text' ? { type: 'text' } : { type: 'reasoning', format: SEAL_FORMAT }) }
    delta(choice.said.block, text)
    if (kind === 'text') choice.text += text
    if (signature === undefined) return
    close(choice.said.block, signature)
    choice.said = null
  }

  const openCall = (choice: ChoiceState, it: Loose): { readonly block: number; readonly custom: boolean } => {
    const { name, form } = nameOf(textIn(it, 'name') ?? '')
    const id = textIn(it, 'id') ?? madeId(`${seed}|${choice.index}|${choice.calls}`)
    choice.calls++
    return { block: open(choice, { type: 'tool-call', id, name, form }), custom: form === 'custom' }
  }

  const readCall = (choice: ChoiceState, it: Loose, signature: string | undefined): void => {
    const named = textIn(it, 'name') !== undefined
    endSaid(choice)
    endAudio(choice)
    if (!isPartial(it)) {
      endCall(choice)
      if (!named) return
      const { block, custom } = openCall(choice, it)
      const text = JSON.stringify(isObject(it['args']) ? it['args'] : {})
      delta(block, custom ? freeText(text) : text)
      close(block, signature)
      return
    }
    // A name opens a call, and ends the one before it, whose own end is missing at times.
    if (named) {
      endCall(choice)
      choice.call = { ...openCall(choice, it), args: createPartialArgs(), signature }
    }
    if (!choice.call) return
    if (signature !== undefined) choice.call.signature = signature
    for (const piece of piecesOf(it)) choice.call.args.add(piece)
    if (it['willContinue'] !== true) endCall(choice)
  }

  const readMedia = (choice: ChoiceState, blob: Loose, signature: string | undefined): void => {
    const mime = textIn(blob, 'mimeType') ?? 'application/octet-stream'
    const data = textIn(blob, 'data') ?? ''
    const kind = kindOf(mime)
    endSaid(choice)
    endCall(choice)
    if (kind === 'audio') {
      // Speech comes in pieces, each with a padding of its own.
      choice.audio ??= { block: open(choice, { type: 'media', kind, mime }), bytes: createBase64Joiner(), signature: undefined }
      delta(choice.audio.block, choice.audio.bytes.push(data))
      if (signature !== undefined) choice.audio.signature = signature
      return
    }
    endAudio(choice)
    const block = open(choice, { type: 'media', kind, mime })
    delta(block, data)
    close(block, signature)
  }

  const readPart = (choice: ChoiceState, part: Loose): void => {
    const signature = textIn(part, 'thoughtSignature')
    if (isObject(part['functionCall'])) readCall(choice, part['functionCall'], signature)
    else if (typeof part['text'] === 'string') say(choice, part['thought'] === true ? 'reasoning' : 'text', part['text'], signature)
    else if (isObject(part['inlineData'])) {
      // Drafts that an image model looked at while it thought are not what it answers.
      if (part['thought'] !== true) readMedia(choice, part['inlineData'], signature)
    } else if (isObject(part['fileData']) && textIn(part['fileData'], 'fileUri') !== undefined) {
      endAll(choice)
      const mime = textIn(part['fileData'], 'mimeType')
      close(open(choice, { type: 'media', kind: kindOf(mime ?? ''), ...(mime !== undefined && { mime }), url: textIn(part['fileData'], 'fileUri')! }), signature)
    } else if (Object.keys(part).some((key) => key !== 'thoughtSignature' && key !== 'thought')) {
      // What built-in tools did (executableCode, codeExecutionResult …), whole, with its signature.
      endAll(choice)
      close(open(choice, { type: 'native', dialect: DIALECT, value: part }), undefined)
    } else if (signature !== undefined) say(choice, 'text', '', signature)
  }

  const readCandidate = (it: Loose): void => {
    const choice = choiceAt(it['index'])
    if (isObject(it['content'])) for (const part of listIn(it['content'], 'parts')) readPart(choice, part)
    const content = isObject(it['logprobsResult']) ? readLogprobs(it['logprobsResult']) : []
    if (content.length > 0) out.push({ type: 'note', choice: choice.index, note: { type: 'logprobs', content } })
    if (isObject(it['groundingMetadata'])) choice.grounding = { ...choice.grounding, ...it['groundingMetadata'] }
    if (isObject(it['citationMetadata'])) choice.recited = it['citationMetadata']
    const reason = textIn(it, 'finishReason')
    if (reason !== undefined && reason !== 'FINISH_REASON_UNSPECIFIED') choice.reason = reason
    choice.message = textIn(it, 'finishMessage') ?? choice.message
  }

  const start = (value: Loose): void => {
    started = true
    seed = textIn(value, 'responseId') ?? JSON.stringify(value).slice(0, 4096)
    const id = textIn(value, 'responseId')
    const model = textIn(value, 'modelVersion')
    const made = textIn(value, 'createTime')
    const created = made === undefined ? NaN : Math.floor(Date.parse(made) / 1000)
    const tier = isObject(value['usageMetadata']) ? textIn(value['usageMetadata'], 'serviceTier') : undefined
    out.push({
      type: 'start',
      ...(id !== undefined && { upstreamId: id }),
      ...(model !== undefined && { model }),
      ...(created > 0 && { created }),
      ...(tier !== undefined && { tier: tier === 'standard' ? 'default' : tier }),
      ...countedSoFar(value),
    })
  }

  /** The prompt is counted with the first event of a stream; a whole answer is counted at its end. */
  const countedSoFar = (value: Loose): { readonly usage: Usage } | null => {
    if (!given.streamed || !isObject(value['usageMetadata'])) return null
    const counted = readUsage(value['usageMetadata'], 0)
    return counted.input.total > 0 ? { usage: counted } : null
  }

  const pushUsage = (): void => {
    if (counts) out.push({ type: 'usage', usage: readUsage(counts, searchesOf(choices, traits)) })
  }

  const fail = (of: Fault): void => {
    if (over) return
    if (!started) start({})
    pushUsage()
    out.push({ type: 'fault', fault: of })
    over = true
  }
  const failed = (kind: 'invalid-response' | 'stream-cut' | 'moderated', message: string, code?: string): void => {
    fail(fault(kind, message, { upstream: { status: 200, ...(code !== undefined && { code }), provider } }))
  }

  /** A prompt that Google will not answer: 200, no candidates, and a reason. */
  const blocked = (feedback: Loose): void => {
    const reason = textIn(feedback, 'blockReason')
    if (reason === undefined || reason === 'BLOCK_REASON_UNSPECIFIED') return
    if (choices.some((choice) => choice.blocks > 0)) {
      for (const choice of choices) choice.reason = finishOf(reason, 0) === 'content_filter' ? reason : 'PROHIBITED_CONTENT'
      return
    }
    const words = textIn(feedback, 'blockReasonMessage')
    failed('moderated', words === undefined ? `${provider} blocked the prompt: ${reason}.` : scrub(words), reason)
  }

  return {
    chunk(value) {
      if (over) return
      touched = true
      const it: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
      if (!isObject(it)) {
        failed('invalid-response', `${provider} sent what is no response object.`)
        return
      }
      if (isObject(it['error'])) {
        fail(faultOfError(200, {}, it, endpoint, JSON.stringify(it)))
        return
      }
      if (!started) start(it)
      const figures = it['usageMetadata']
      if (isObject(figures) && hasCounts(figures)) counts = figures
      for (const candidate of listIn(it, 'candidates')) readCandidate(candidate)
      if (isObject(it['promptFeedback'])) blocked(it['promptFeedback'])
    },
    finish() {
      if (over) return
      const spoken = choices.some((choice) => choice.blocks > 0)
      if (!spoken && choices.every((choice) => choice.reason === undefined)) {
        failed('invalid-response', `${provider} answered with nothing.`)
        return
      }
      // There is no end mark. A call that was announced to go on, and no reason to stop, is a cut.
      if (choices.some((choice) => choice.call !== null && choice.reason === undefined)) {
        failed('stream-cut', `The stream of ${provider} ended within a tool call.`)
        return
      }
      const broken = spoken ? undefined : choices.find((choice) => finishOf(choice.reason, 0) === 'error')
      if (broken) {
        // Nothing came of it, so another endpoint may still answer.
        const words = broken.message === undefined ? '' : ` ${scrub(broken.message)}`
        failed('invalid-response', `${provider} stopped without an answer: ${broken.reason}.${words}`, broken.reason)
        return
      }
      for (const choice of choices) {
        endAll(choice)
        for (const annotation of readCitations(choice.grounding, choice.recited, choice.text)) {
          out.push({ type: 'note', choice: choice.index, note: { type: 'annotation', annotation } })
        }
        out.push({
          type: 'finish', choice: choice.index, reason: finishOf(choice.reason, choice.calls),
          ...(choice.reason !== undefined && { native: choice.reason }),
        })
      }
      pushUsage()
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

const sealOf = (value: string): Seal => ({ format: SEAL_FORMAT, kind: 'encrypted', value })

/** The Gemini API gives calls no ids for most models; the same reply always gets the same ones. */
const madeId = (from: string): string => `call_${createHash('sha256').update(from).digest('hex').slice(0, 24)}`

function kindOf(mime: string): MediaKind {
  const kind = mime.slice(0, mime.indexOf('/'))
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file'
}

/** The text of a free-form tool, out of the object that this format made of it. */
function freeText(args: string): string {
  const parsed = parseUpstream(args)
  const value = 'value' in parsed ? parsed.value : null
  return isObject(value) && typeof value['input'] === 'string' ? value['input'] : args
}

/** Searches that are billed: each query for Gemini 3, each prompt that was grounded before. */
function searchesOf(choices: readonly ChoiceState[], traits: Traits): number {
  return choices.reduce((sum, { grounding }) => {
    const queries = grounding?.['webSearchQueries']
    const found = Array.isArray(queries) ? queries.length : 0
    return sum + (traits.searchesByQuery ? found : Math.min(found, 1))
  }, 0)
}

function readLogprobs(it: Loose): TokenLogprob[] {
  const one = (at: Loose): Omit<TokenLogprob, 'top_logprobs'> => {
    const token = typeof at['token'] === 'string' ? at['token'] : ''
    return { token, logprob: typeof at['logProbability'] === 'number' ? at['logProbability'] : -9999, bytes: [...Buffer.from(token)] }
  }
  const tops = listIn(it, 'topCandidates')
  return listIn(it, 'chosenCandidates').map((at, index) => ({
    ...one(at), top_logprobs: tops[index] ? listIn(tops[index], 'candidates').map(one) : [],
  }))
}
