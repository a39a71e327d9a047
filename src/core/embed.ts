import type { JsonObject, MediaPart, Origin, TextPart } from './chat.ts'
import { BYTES_PER_TOKEN, type Need } from './need.ts'

/** A text or a medium of an input: media beside a text become one vector with it. */
export type InputPart = TextPart | MediaPart

/** What becomes one vector: parts, or the numbers of tokens in the vocabulary of one model. */
export type EmbedInput = { readonly parts: readonly InputPart[] } | { readonly tokens: readonly number[] }

/** The canonical request for embeddings: what `POST /embeddings` is read into and every provider's request is written from. */
export interface EmbedRequest {
  readonly inputs: readonly EmbedInput[]
  /** How long the vectors shall be, at models that can shorten them. */
  readonly dimensions?: number
  /** How the caller wants to read them; a provider may say them either way. */
  readonly encoding: 'float' | 'base64'
  /** What the vectors are for, in Cohere's words or the provider's own: `search_query`, `search_document` … */
  readonly inputType?: string
  readonly user?: string
  readonly session?: string
  /** Fields that no face has a word for, as the caller wrote them: they reach a provider of the same dialect. */
  readonly extras: JsonObject
  readonly origin?: Origin
}

/**
 * One embedding, as its provider said it: numbers, or base64 of little-endian 32-bit floats. Nobody in between turns
 * one into the other, so that what is asked for in the form that it comes in is the same to the bit. Of an answer that was
 * too large for the event loop it is the JSON that its caller will read, as bytes.
 */
export type Vector = SaidVector | Uint8Array

/** A vector in a provider's form. */
export type SaidVector = readonly number[] | string

/** A vector in the form that it is asked for in. */
export function asVector(encoding: EmbedRequest['encoding'], vector: SaidVector): SaidVector {
  return encoding === 'base64' ? base64Of(vector) : numbersOf(vector)
}

/** The numbers of a vector. */
export function numbersOf(vector: SaidVector): readonly number[] {
  if (typeof vector !== 'string') return vector
  const bytes = Buffer.from(vector, 'base64')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.byteLength >> 2 }, (_, at) => view.getFloat32(at * 4, true))
}

/** A vector as base64 of little-endian 32-bit floats. Models compute in no more than 32 bits; of a longer number the nearest is taken. */
export function base64Of(vector: SaidVector): string {
  if (typeof vector === 'string') return vector
  const bytes = Buffer.alloc(vector.length * 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < vector.length; at++) view.setFloat32(at * 4, vector[at]!, true)
  return bytes.toString('base64')
}

/** An estimate of the tokens of a medium. */
const MEDIA_TOKENS = 1000
const EMBEDDINGS: ReadonlySet<string> = new Set(['embeddings'])
const NO_PARAMETERS: ReadonlySet<string> = new Set()

/** What a request for embeddings demands of an endpoint: each input has the window for itself, and nothing is written. */
export function embedNeed({ inputs }: EmbedRequest): Need {
  const modalities = new Set(['text'])
  let bytes = 0
  let tokens = 0
  let longest = 0
  let images = 0
  let audios = 0
  let media = 0
  for (const input of inputs) {
    let size = 0
    if ('tokens' in input) {
      size = input.tokens.length
      tokens += size
    } else {
      let text = 0
      for (const part of input.parts) {
        if (part.type === 'text') {
          text += Buffer.byteLength(part.text)
          continue
        }
        modalities.add(part.kind)
        size += MEDIA_TOKENS
        if (part.kind === 'image') images++
        if (part.kind === 'audio') audios++
        else media++
      }
      tokens += size
      size += Math.ceil(text / BYTES_PER_TOKEN)
      bytes += text
    }
    if (size > longest) longest = size
  }
  return {
    operation: 'embed', inputBytes: bytes, inputTokens: tokens + Math.ceil(bytes / BYTES_PER_TOKEN), outputBound: 0,
    apart: { count: inputs.length, longest }, inputModalities: modalities, outputModalities: EMBEDDINGS,
    images, media, audios, choices: 1, parameters: NO_PARAMETERS, stream: false,
  }
}
