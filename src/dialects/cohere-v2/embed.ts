import { count, usage, type EmbedInput, type EmbedRequest, type Endpoint, type Fault, type InputPart, type JsonObject, type Usage, type Vector } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { noMedia, partsOf, purposeOf, splitInputs, textOf, vectorIn } from '../inputs.ts'
import { isObject, objectIn, textIn, type Loose } from '../loose.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './wire.ts'

/** Cohere takes so many at once; a model of the third generation one picture, and nothing beside it. */
const MOST_INPUTS = 96
const OURS: ReadonlySet<string> = new Set(['model', 'texts', 'images', 'inputs', 'embedding_types'])

/** Cohere's embeddings, version 2. */
export const embedOutbound: Outbound<EmbedRequest> = wholeOutbound<EmbedRequest>({
  dialect: DIALECT,
  cannot: ['input.tokens', 'input.media: but images as data', 'extras', 'user, session'],
  fetches: () => false,
  split: (request, { endpoint }) => splitForCohere(request, endpoint),
  encode,
  read,
})

function encode(request: EmbedRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const written = writeCohere(request, endpoint, request.encoding)
  if ('fault' in written) return written
  const body = { model: endpoint.upstreamModel, ...written.body, ...without(target.options, OURS), ...endpoint.forcedParams }
  return { path: '/embed', headers: {}, body: JSON.stringify(body), dropped: Object.keys(request.extras) }
}

const thirdGeneration = ({ upstreamModel }: Endpoint): boolean => /embed-[a-z-]*v3/.test(upstreamModel)

const hasMedia = (input: EmbedInput): boolean => 'parts' in input && input.parts.some((part) => part.type !== 'text')

/** Runs of texts, and each picture alone where a model takes one at once. */
export function splitForCohere(request: EmbedRequest, endpoint: Endpoint): readonly EmbedRequest[] {
  const { inputs } = request
  if (!thirdGeneration(endpoint) || !inputs.some(hasMedia)) return splitInputs(request, MOST_INPUTS)
  const { origin: _, ...rest } = request
  const pieces: EmbedInput[][] = []
  for (const input of inputs) {
    const last = pieces.at(-1)
    if (last && !hasMedia(input) && !hasMedia(last[0]!) && last.length < MOST_INPUTS) last.push(input)
    else pieces.push([input])
  }
  return pieces.map((own) => ({ ...rest, inputs: own }))
}

/** A body without the name of its model, as Cohere and those who host its models take it. The purpose is compulsory. */
export function writeCohere(request: EmbedRequest, endpoint: Endpoint, encoding: EmbedRequest['encoding']): { readonly body: JsonObject } | { readonly fault: Fault } {
  const parts = partsOf(request.inputs, endpoint)
  if ('fault' in parts) return parts
  const rest = {
    embedding_types: [encoding],
    ...(request.dimensions !== undefined && { output_dimension: request.dimensions }),
  }
  const purpose = inputTypeOf(request.inputType)
  if (!request.inputs.some(hasMedia)) return { body: { texts: parts.list.map(textOf), input_type: purpose, ...rest } }
  const other = parts.list.findIndex((list) => list.some((part) => part.type === 'media' && (part.kind !== 'image' || part.source.from !== 'data')))
  if (other >= 0) return { fault: noMedia(other, endpoint) }
  if (!thirdGeneration(endpoint)) return { body: { inputs: parts.list.map((list) => ({ content: list.map(writePart) })), input_type: purpose, ...rest } }
  // A text beside a picture would be a second vector.
  if (parts.list.some((list) => list.length > 1)) return { fault: noMedia(parts.list.findIndex((list) => list.length > 1), endpoint) }
  return { body: { images: parts.list.map(([part]) => dataUrl(part!)), input_type: 'image', ...rest } }
}

const writePart = (part: InputPart): JsonObject =>
  (part.type === 'text' ? { type: 'text', text: part.text } : { type: 'image_url', image_url: { url: dataUrl(part) } })

const dataUrl = (part: InputPart): string =>
  (part.type === 'media' && part.source.from === 'data' ? `data:${part.source.mime};base64,${part.source.base64}` : '')

/** Texts that nobody said a purpose of are taken for what is searched. */
function inputTypeOf(inputType: string | undefined): string {
  switch (purposeOf(inputType)) {
    case 'query': return 'search_query'
    case 'classification': return 'classification'
    case 'clustering':
    case 'similarity': return 'clustering'
    default: return 'search_document'
  }
}

function read(value: Loose): Said | null {
  const vectors = cohereVectors(value['embeddings'])
  if (vectors === null) return null
  const id = textIn(value, 'id')
  return { start: { ...(id !== undefined && { upstreamId: id }) }, block: { type: 'embeddings', vectors }, usage: usageOf(value) }
}

/** The vectors by the type that was asked for, or, where none was, a bare list of them. */
export function cohereVectors(value: unknown): readonly Vector[] | null {
  const list = isObject(value) ? value['float'] ?? value['base64'] : value
  if (!Array.isArray(list)) return null
  const vectors = list.map(vectorIn)
  return vectors.every((vector) => vector !== null) ? vectors : null
}

function usageOf(value: Loose): Usage | undefined {
  const billed = objectIn(objectIn(value, 'meta'), 'billed_units')
  const images = count(billed['images'])
  const tokens = count(billed['input_tokens'])
  return tokens > 0 || images > 0 ? usage({ total: tokens }, {}, images > 0 ? { services: { image: images } } : {}) : undefined
}
