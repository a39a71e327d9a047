import { fault, type ChatEvent, type Fault } from '../../core/index.ts'
import type { Decoder, Outbound, Target } from '../dialect.ts'
import { parseUpstream } from '../json.ts'
import { match } from '../openai-chat/prefix-cache.ts'
import { approximate, isKnownToSearch, leavesRoom, withSearchTool } from '../own-search.ts'
import { createSseReader, type SseEvent } from '../sse.ts'
import { decodeFault, errorInside, noMessage } from './faults.ts'
import { createMessageReader } from './message-reader.ts'
import { learn, unpadded, type PieceFrame } from './piece-frame.ts'
import { encode } from './request.ts'
import { DIALECT, isLoose } from './wire.ts'

/** Long thoughts and the results of server tools come in one event. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024
/** Events that are worth learning from before it is given up: each costs a second parse. */
const MAX_LESSONS = 8

/** Anthropic Messages, version 2023-06-01, as it is spoken to Claude and to the many hosts that offer the same route. */
export const outbound: Outbound = {
  dialect: DIALECT,
  promptsFormat: true,
  withSearch(request, wish, endpoint) {
    const { include, exclude, maxUses } = wish
    if (!isKnownToSearch(endpoint) || !leavesRoom(request) || (include.length > 0 && exclude.length > 0)) return null
    const location = approximate(wish)
    return withSearchTool(request, DIALECT, {
      type: 'web_search_20250305', name: 'web_search',
      ...(maxUses !== undefined && { max_uses: maxUses }),
      ...(include.length > 0 && { allowed_domains: include }), ...(exclude.length > 0 && { blocked_domains: exclude }),
      ...(location && { user_location: location }),
    })
  },
  listHeaders: ['anthropic-beta'],
  cannot: [
    'audio-video: and files that are neither PDF nor text',
    'media.detail: and ids of files in another store',
    "media.assistant: an assistant's pictures are shown by the user",
    'native-parts: items of other dialects',
    'message.name',
    'text.blank: text and stops of nothing but blanks',
    'text.marks: seals of text, and annotations of earlier replies but for their own caller',
    'refusal.text: a refusal is text',
    'reasoning.foreign: what another family sealed, or nobody, and summaries as such',
    'calls.custom: tools of the type custom are functions of one text',
    'calls.seal: a call has no seal',
    'calls.input: arguments are an object',
    "tools.schema: a schema is of an object, and strict is the caller's own",
    'turns: the system speaks first, user and assistant take turns, and results stand behind their calls',
    'cache.four: marks beyond four, and a longer life behind a shorter one',
    'format.words: a schema has no name; json is asked for in words, grammar and python not at all',
    'sampling.three: temperature to 1, top_p and top_k, none of them beside thoughts',
    'limit.required: a limit is always sent, of at most 21333 without streaming',
    'reasoning.budget: a budget or an effort, as the model has it, and not beside a forced tool',
    'no-word: seed, logit_bias, logprobs, top_logprobs, n, prediction, modalities, audio, prompt_cache_key, metadata',
    'router-fields: user only as a hash, session, metadata and serviceTier',
  ],
  encode: (request, target) => encode(request, target),
  decodeReply,
  decoder,
  decodeFault: (status, headers, body, target) => decodeFault(status, headers, body, target.endpoint),
}

/** A whole answer: the message as it is, an error inside a 200, or what is neither. */
function decodeReply(body: Uint8Array, target: Target): readonly ChatEvent[] {
  const parsed = parseUpstream(body)
  if ('fault' in parsed) return [{ type: 'fault', fault: parsed.fault }]
  const { value } = parsed
  const failure = isLoose(value) ? errorInside(value, target.endpoint) : null
  if (failure) return [{ type: 'fault', fault: failure }]
  if (!isLoose(value) || !Array.isArray(value['content'])) return [{ type: 'fault', fault: noMessage(value, target.endpoint) }]
  const reader = createMessageReader(target.endpoint, { streamed: false })
  const events = reader.event({ type: 'message_start', message: value })
  return reader.done ? events : [...events, ...reader.event({ type: 'message_stop' })]
}

function decoder(target: Target): Decoder {
  const sse = createSseReader({ maxEventBytes: MAX_EVENT_BYTES })
  const reader = createMessageReader(target.endpoint, { streamed: true })
  let failed = false
  let frame: PieceFrame | null = null
  let lessons = 0

  /** The events of one that is like the one before but for its piece; null of any other. */
  const like = (data: string): readonly ChatEvent[] | null => {
    if (frame === null) return null
    const piece = match(frame, unpadded(data))
    const events = piece === null ? null : reader.piece(frame.block, frame.type, piece)
    if (events !== null) lessons = 0
    return events
  }
  const read = (events: readonly SseEvent[], atEnd = false): readonly ChatEvent[] => {
    if (events.length === 0 && !sse.overflow && !sse.garbled) return NONE
    const out: ChatEvent[] = []
    for (const event of events) {
      if (reader.done || failed) break
      // Bridges from OpenAI's format add its end mark.
      if (event.data === '' || event.data === '[DONE]') continue
      const piece = like(event.data)
      if (piece !== null) {
        for (const found of piece) out.push(found)
        continue
      }
      const parsed = parseUpstream(event.data)
      if ('fault' in parsed) {
        // An event that was cut in the middle is a cut, not a bad event.
        if (atEnd) break
        return fail(out, parsed.fault)
      }
      if (!isLoose(parsed.value)) continue
      const untyped = parsed.value['type'] === undefined && event.event !== ''
      const value = untyped ? { ...parsed.value, type: event.event } : parsed.value
      for (const found of reader.event(value)) out.push(found)
      if (lessons >= MAX_LESSONS || value['type'] !== 'content_block_delta') continue
      const learned = learn(unpadded(event.data), value)
      if (learned === null) continue
      lessons++
      frame = learned
    }
    if (!(sse.overflow || sse.garbled) || failed || reader.done) return out
    return fail(out, fault('invalid-response', `The provider sent ${sse.overflow ? 'an event that is too large' : 'bytes that are no UTF-8'}.`))
  }
  const fail = (out: readonly ChatEvent[], of: Fault): readonly ChatEvent[] => {
    failed = true
    return [...out, { type: 'fault', fault: of }]
  }

  return {
    push: (bytes) => (failed || reader.done ? NONE : read(sse.push(bytes))),
    end() {
      if (failed || reader.done) return NONE
      const last = read(sse.end(), true)
      if (failed || reader.done) return last
      // A JSON body or a page that came in place of a stream, under a content type that hid it.
      if (!reader.started && /^\s*[{<]/.test(sse.unparsed)) return decodeReply(Buffer.from(sse.unparsed), target)
      return [...last, ...reader.close()]
    },
    get done() { return failed || reader.done },
    get finished() { return !failed && reader.finished },
  }
}

const NONE: readonly ChatEvent[] = Object.freeze([])
