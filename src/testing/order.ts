import type { FramingShape } from './frames.ts'
import type { ChatShape } from './dialects/openai-chat-shapes.ts'
import type { MessagesShape } from './dialects/anthropic-messages-shapes.ts'
import type { ResponsesShape } from './dialects/openai-responses-shapes.ts'
import type { GeminiShape } from './dialects/google-generate-content-shapes.ts'
import type { CohereShape } from './dialects/cohere-v2.ts'
import type { EmbeddingsShape } from './dialects/openai-embeddings.ts'
import type { OllamaShape } from './dialects/ollama-native.ts'
import type { ConverseShape } from './dialects/bedrock-converse.ts'

/** A text, split into words when streamed; or the exact pieces, each in an event of its own. */
export type Pieces = string | readonly string[]

/** A tool call. `arguments` is JSON text; a string is streamed in fragments of twelve characters. Only Responses know namespaces. */
export interface Call { name: string; id?: string; arguments?: Pieces; form?: 'function' | 'custom'; namespace?: string }
export interface Citation { url: string; title?: string; start?: number; end?: number; text?: string }
export interface TokenLogprob { token: string; logprob: number }

/** One piece of an answer, no dialect's words in it. `data` is base64. */
export type Part =
  | { type: 'text'; text: Pieces; citations?: readonly Citation[] }
  | { type: 'reasoning'; text: Pieces; signature?: string }
  | { type: 'sealed'; data: string }
  | { type: 'refusal'; text: Pieces }
  | ({ type: 'call' } & Call)
  | { type: 'image'; mediaType: string; data: string }
  | { type: 'audio'; format: string; data: string; transcript: string }

/** Totals: `input` includes both cache figures, `output` includes `reasoning`. Dialects that differ subtract. */
export interface Usage { input: number; output: number; cacheRead?: number; cacheWrite?: number; reasoning?: number }

export type Shape = FramingShape | ChatShape | ResponsesShape | MessagesShape | GeminiShape | CohereShape | EmbeddingsShape | OllamaShape | ConverseShape

/**
 * What the fake shall do with one request: what to say (nothing given: the echo), in what shape, and how to misbehave.
 * The same object is written in TypeScript, in the `x-fake` header, after `#fake` in a message, and to `/_fake/script`.
 */
export interface Order {
  text?: Pieces
  reasoning?: Pieces
  signature?: string
  encrypted?: string
  calls?: readonly Call[]
  refusal?: Pieces
  citations?: readonly Citation[]
  images?: readonly { mediaType: string; data: string }[]
  audio?: { format: string; data: string; transcript: string }
  parts?: readonly Part[]
  logprobs?: readonly TokenLogprob[]
  usage?: Partial<Usage> | null
  finish?: string
  model?: string
  extra?: Record<string, unknown>

  status?: number
  headers?: Record<string, string>
  body?: unknown
  events?: readonly unknown[]

  shapes?: readonly Shape[]

  hold?: boolean
  delayMs?: number
  early?: boolean
  reset?: boolean
  hangUp?: boolean
  stallAfter?: 'request' | 'headers' | number
  stallAtByte?: number
  cutAfter?: number
  cutAtByte?: number
  cutBy?: 'fin' | 'rst' | 'end'
  paceMs?: number
  chunkBytes?: number
  trickle?: { bytes: number; everyMs: number; after?: number }
  eventsPerWrite?: number
  splitEvents?: boolean
  garble?: 'json' | 'utf8'
  garbleAt?: number
  hugeEvent?: number
  hugeHeader?: number
  endless?: boolean
  endlessEvent?: boolean
  commentsForever?: number
  gzip?: 'unlabelled' | 'mislabelled' | 'honest'
}

type Kind = 'pieces' | 'string' | 'count' | 'flag' | 'list' | 'object' | 'any' | readonly string[]

/** Every key of an order: what value it takes and what it does. The manual and `GET /_fake` say the same. */
export const ORDER_KEYS: Readonly<Record<keyof Order, readonly [kind: Kind, says: string]>> = {
  text: ['pieces', 'the visible text'],
  reasoning: ['pieces', 'the reasoning text, before everything else'],
  signature: ['string', 'the opaque signature of the reasoning'],
  encrypted: ['string', 'reasoning as an opaque blob (redacted_thinking, reasoning.encrypted)'],
  calls: ['list', 'tool calls: {name, id?, arguments?, form?, namespace?}; arguments is JSON text or its exact fragments'],
  refusal: ['pieces', 'a refusal'],
  citations: ['list', 'citations of the text: {url, title?, start?, end?, text?}'],
  images: ['list', 'images: {mediaType, data}'],
  audio: ['object', 'spoken answer: {format, data, transcript}'],
  parts: ['list', 'all of the above in an exact order; replaces them'],
  logprobs: ['list', 'token probabilities: {token, logprob}'],
  usage: ['any', 'counts to report: {input, output, cacheRead, cacheWrite, reasoning}; null reports none'],
  finish: ['string', 'stop, length, tool_calls, content_filter, or any native word verbatim'],
  model: ['string', 'the model that the answer names'],
  extra: ['object', 'keys merged into the top of the whole answer, or of each event'],
  status: ['count', 'answer with this status; without body, the error body of the dialect'],
  headers: ['object', 'headers to add or replace, e.g. retry-after'],
  body: ['any', 'the exact body: text, or a value to send as JSON'],
  events: ['list', 'the exact events of a stream: text, or values to send as JSON'],
  shapes: ['list', 'deviations that real providers have, by name'],
  hold: ['flag', 'wait before the status line until release() is called, or POST /_fake/release: for tests of what comes first'],
  delayMs: ['count', 'wait before the status line'],
  early: ['flag', 'answer before the request body has arrived'],
  reset: ['flag', 'reset the connection (RST) instead of answering'],
  hangUp: ['flag', 'close the connection (FIN) instead of answering'],
  stallAfter: ['any', '"request", "headers", or n events; then silence, the socket stays open'],
  stallAtByte: ['count', 'silence after exactly n body bytes'],
  cutAfter: ['count', 'end after n events'],
  cutAtByte: ['count', 'end after exactly n body bytes'],
  cutBy: [['fin', 'rst', 'end'], 'how a cut ends: fin (default), rst, or end: a clean end of the body'],
  paceMs: ['count', 'wait between events'],
  chunkBytes: ['count', 'split the answer into writes of n bytes, through events and characters'],
  trickle: ['object', '{bytes, everyMs, after?}: so many bytes at a time, from the start or after so many events'],
  eventsPerWrite: ['count', 'events that leave in one write: 1 by default, 0 for all'],
  splitEvents: ['flag', 'each write ends in the middle of an event'],
  garble: [['json', 'utf8'], 'one event is invalid JSON, or has invalid UTF-8 inside'],
  garbleAt: ['count', 'which event is garbled, from 0; by default the second, or the only one'],
  hugeEvent: ['count', 'one more event, with a text of n bytes'],
  hugeHeader: ['count', 'one header of n bytes'],
  endless: ['flag', 'repeat the last text event for ever; a whole answer becomes a string without end'],
  endlessEvent: ['flag', 'the last text event never ends; a whole answer becomes a string without end'],
  commentsForever: ['count', 'after the headers, or after the events of stallAfter, only comments (a whole answer: blank lines), one every n ms'],
  gzip: [['unlabelled', 'mislabelled', 'honest'], 'gzip without saying so; plain but labelled gzip; properly'],
}

/**
 * Checks a value that came from outside (or from a test in a hurry) and returns it as an order.
 * Throws a TypeError that names the key, what it is and what it may be.
 */
export function checkOrder(value: unknown): Order {
  if (!isObject(value)) throw new TypeError('an order is a JSON object')
  for (const [key, item] of Object.entries(value)) {
    const spec = ORDER_KEYS[key as keyof Order]
    if (!Object.hasOwn(ORDER_KEYS, key)) {
      throw new TypeError(`order.${key} is not a key; keys are ${Object.keys(ORDER_KEYS).join(', ')}`)
    }
    if (item !== undefined && !fits(item, spec[0])) {
      throw new TypeError(`order.${key} must be ${nameOf(spec[0])}: ${spec[1]}`)
    }
  }
  const { stallAfter, trickle, usage } = value as Order
  if (stallAfter !== undefined && stallAfter !== 'request' && stallAfter !== 'headers' && !isCount(stallAfter)) {
    throw new TypeError('order.stallAfter must be "request", "headers" or a number of events')
  }
  if (trickle && !(isCount(trickle.bytes) && trickle.bytes > 0 && isCount(trickle.everyMs) && isCount(trickle.after ?? 0))) {
    throw new TypeError('order.trickle must be {bytes: at least 1, everyMs, after?}')
  }
  if (usage !== undefined && usage !== null && !isObject(usage)) {
    throw new TypeError('order.usage must be an object or null')
  }
  return value as Order
}

const fits = (item: unknown, kind: Kind) => {
  if (typeof kind !== 'string') return kind.includes(item as string)
  if (kind === 'pieces') {
    return typeof item === 'string' || (Array.isArray(item) && item.every((it) => typeof it === 'string'))
  }
  if (kind === 'string') return typeof item === 'string'
  if (kind === 'count') return isCount(item)
  if (kind === 'flag') return typeof item === 'boolean'
  if (kind === 'list') return Array.isArray(item)
  return kind === 'any' || isObject(item)
}
const nameOf = (kind: Kind) => (typeof kind !== 'string' ? `one of ${kind.join(', ')}` : KIND_NAMES[kind])
const KIND_NAMES = {
  pieces: 'a text or a list of texts', string: 'a text', count: 'a whole number from 0', flag: 'true or false',
  list: 'a list', object: 'an object', any: 'a value',
}
const isCount = (item: unknown) => Number.isSafeInteger(item) && (item as number) >= 0
const isObject = (item: unknown): item is Record<string, unknown> =>
  typeof item === 'object' && item !== null && !Array.isArray(item)

/** The pieces of a text as they are streamed: words with the blank before them, or exactly what was given. */
export const wordsOf = (text: Pieces): readonly string[] =>
  typeof text === 'string' ? text.match(/\s*\S+(?:\s+$)?/g) ?? (text ? [text] : []) : text

/** The fragments of a call's arguments. By code point: a lone surrogate half would be a fault of its own. */
export const fragmentsOf = (text: Pieces): readonly string[] =>
  typeof text === 'string' ? text.match(/[\s\S]{1,12}/gu) ?? [] : text

export const joined = (text: Pieces): string => (typeof text === 'string' ? text : text.join(''))
