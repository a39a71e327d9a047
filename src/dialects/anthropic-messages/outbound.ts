import { fault, type ChatEvent, type Fault } from '../../core/index.ts'
import type { Decoder, Outbound, Target } from '../dialect.ts'
import { parseUpstream } from '../json.ts'
import { createSseReader, type SseEvent } from '../sse.ts'
import { decodeFault, errorInside, noMessage } from './faults.ts'
import { createMessageReader } from './message-reader.ts'
import { encode } from './request.ts'
import { DIALECT, isLoose } from './wire.ts'

/** Long thoughts and the results of server tools come in one event. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024

/** Anthropic Messages, version 2023-06-01, as it is spoken to Claude and to the many hosts that offer the same route. */
export const outbound: Outbound = {
  dialect: DIALECT,
  listHeaders: ['anthropic-beta'],
  cannot: [
    'audio', 'video', 'files that are neither PDF nor text', 'an id of a file in another store',
    'messages[].name', 'image_url.detail', 'tools[].function.strict', 'tools of the type custom with a grammar',
    'system messages after the first turn (they become text of the user)', 'text that is blank', 'annotations of earlier replies',
    'reasoning that another family sealed, or nobody', 'reasoning summaries as such', 'seals of tool calls',
    'seed', 'logit_bias', 'logprobs', 'top_logprobs', 'n', 'prediction', 'modalities', 'frequency_penalty', 'presence_penalty',
    'repetition_penalty', 'min_p', 'top_a', 'prompt_cache_key', 'metadata', 'user (only as a hash)', 'response_format: grammar, python',
  ],
  encode,
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
  const reader = createMessageReader(target.endpoint)
  const events = reader.event({ type: 'message_start', message: value })
  return reader.done ? events : [...events, ...reader.event({ type: 'message_stop' })]
}

function decoder(target: Target): Decoder {
  const sse = createSseReader({ maxEventBytes: MAX_EVENT_BYTES })
  const reader = createMessageReader(target.endpoint)
  let failed = false

  const read = (events: readonly SseEvent[], atEnd = false): readonly ChatEvent[] => {
    if (events.length === 0 && !sse.overflow && !sse.garbled) return NONE
    const out: ChatEvent[] = []
    for (const event of events) {
      if (reader.done || failed) break
      // Bridges from OpenAI's format add its end mark.
      if (event.data === '' || event.data === '[DONE]') continue
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
