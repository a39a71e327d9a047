import { fault, type EmbedInput, type EmbedRequest, type Endpoint, type Fault, type InputPart, type Vector } from '../core/index.ts'
import { isObject, type Loose } from './loose.ts'

/** What the faces for embeddings have to do with inputs and vectors, whatever the words of their format. */

/** What vectors are for, as far as formats agree. */
export type Purpose = 'query' | 'document' | 'classification' | 'clustering' | 'similarity'

/** The purpose that a caller's `input_type` means, in whichever provider's words; null where it means none of these. */
export function purposeOf(inputType: string | undefined): Purpose | null {
  const word = inputType?.toLowerCase() ?? ''
  if (/query|question/.test(word)) return 'query'
  if (/document|passage|index/.test(word)) return 'document'
  if (/classif/.test(word)) return 'classification'
  if (/cluster/.test(word)) return 'clustering'
  return /similarity/.test(word) ? 'similarity' : null
}

/** The inputs in pieces of at most `most`. */
export function splitInputs(request: EmbedRequest, most: number): readonly EmbedRequest[] {
  if (request.inputs.length <= most) return [request]
  const { origin: _, ...rest } = request
  const pieces: EmbedRequest[] = []
  for (let at = 0; at < rest.inputs.length; at += most) pieces.push({ ...rest, inputs: rest.inputs.slice(at, at + most) })
  return pieces
}

/** The parts of each input; a fault where one is tokens, which only their own model's provider in OpenAI's format reads. */
export function partsOf(inputs: readonly EmbedInput[], { providerName }: Pick<Endpoint, 'providerName'>): { readonly list: readonly (readonly InputPart[])[] } | { readonly fault: Fault } {
  const list: (readonly InputPart[])[] = []
  for (const [at, input] of inputs.entries()) {
    if ('tokens' in input) return { fault: fault('unsupported-parameter', `input[${at}]: ${providerName} takes texts and no tokens`, { field: `input[${at}]` }) }
    list.push(input.parts)
  }
  return { list }
}

/** The text of each input; a fault where one is tokens or has media. */
export function textsOf(inputs: readonly EmbedInput[], endpoint: Pick<Endpoint, 'providerName'>): { readonly texts: readonly string[] } | { readonly fault: Fault } {
  const parts = partsOf(inputs, endpoint)
  if ('fault' in parts) return parts
  const texts: string[] = []
  for (const [at, list] of parts.list.entries()) {
    if (list.some((part) => part.type !== 'text')) return { fault: noMedia(at, endpoint) }
    texts.push(textOf(list))
  }
  return { texts }
}

export const noMedia = (at: number, { providerName }: Pick<Endpoint, 'providerName'>): Fault =>
  fault('unsupported-parameter', `input[${at}]: ${providerName} takes only texts for this model`, { field: `input[${at}]` })

/** The texts of an input one below the other. */
export const textOf = (parts: readonly InputPart[]): string =>
  parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')

/** The inputs' pictures, which some providers bill one by one. */
export function imagesIn(inputs: readonly EmbedInput[]): number {
  return inputs.reduce((sum, input) => ('parts' in input ? sum + input.parts.filter((part) => part.type === 'media' && part.kind === 'image').length : sum), 0)
}

/** A vector as a provider said it: a list of numbers, or base64; null for anything else. */
export function vectorIn(value: unknown): Vector | null {
  if (typeof value === 'string') return value !== '' && BASE64.test(value) ? value : null
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === 'number' && Number.isFinite(number)) ? value as readonly number[] : null
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The vectors of `{data: [{index, embedding}]}`, in the order of the inputs; null where it is no such list. */
export function vectorsOf(data: unknown, read: (value: unknown) => Vector | null = vectorIn): readonly Vector[] | null {
  if (!Array.isArray(data)) return null
  const vectors: (Vector | undefined)[] = Array.from({ length: data.length })
  for (const [at, entry] of (data as readonly unknown[]).entries()) {
    if (!isObject(entry)) return null
    const vector = read(entry['embedding'])
    const place = placeOf(entry, at)
    if (vector === null || place >= data.length || vectors[place] !== undefined) return null
    vectors[place] = vector
  }
  return vectors as readonly Vector[]
}

/** Some leave the index out, and mean the order that they come in. */
function placeOf({ index }: Loose, at: number): number {
  return typeof index === 'number' && Number.isInteger(index) && index >= 0 ? index : at
}
