import { count, fault, usage, type EmbedRequest, type Endpoint, type Fault, type InputPart, type JsonObject } from '../../core/index.ts'
import { decodeFault } from '../bedrock-converse/faults.ts'
import { cohereVectors, splitForCohere, writeCohere } from '../cohere-v2/embed.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { noMedia, partsOf, purposeOf, splitInputs, textOf, textsOf, vectorIn } from '../inputs.ts'
import { listIn, textIn, type Loose } from '../loose.ts'
import { wholeOutbound, type Said } from '../whole.ts'

export const DIALECT = 'bedrock-invoke'

type Written = { readonly body: JsonObject; readonly dropped?: readonly string[] } | { readonly fault: Fault }

/** How the models of one maker are asked. */
interface Family {
  readonly models: RegExp
  split(request: EmbedRequest, endpoint: Endpoint): readonly EmbedRequest[]
  write(request: EmbedRequest, endpoint: Endpoint): Written
}

const FAMILIES: readonly Family[] = [
  { models: /cohere\.embed/, split: splitForCohere, write: (request, endpoint) => writeCohere(request, endpoint, 'float') },
  { models: /nova-.*embed/, split: (request) => splitInputs(request, 1), write: writeNova },
  { models: /titan-embed-text/, split: (request) => splitInputs(request, 1), write: writeTitan },
]

const familyOf = ({ upstreamModel }: Endpoint): Family | undefined => FAMILIES.find(({ models }) => models.test(upstreamModel))

/** Vectors at AWS Bedrock. */
export const embedOutbound: Outbound<EmbedRequest> = {
  ...wholeOutbound<EmbedRequest>({
    dialect: DIALECT,
    cannot: ['input.tokens', 'input.media: but images as data, where the family has them', 'input_type: but at families that have it', 'extras', 'user, session'],
    fetches: () => false,
    split: (request, { endpoint }) => familyOf(endpoint)?.split(request, endpoint) ?? [request],
    encode,
    read,
  }),
  decodeFault: (status, headers, body, { endpoint }) => decodeFault(status, headers, body, endpoint),
}

export const invokePath = ({ upstreamModel }: Endpoint): string => `/model/${encodeURIComponent(upstreamModel)}/invoke`

function encode(request: EmbedRequest, { endpoint, options }: Target): Outgoing | { readonly fault: Fault } {
  const family = familyOf(endpoint)
  if (!family) return { fault: fault('unsupported-parameter', `model: how ${endpoint.upstreamModel} is asked for vectors at ${endpoint.providerName} is not known here`, { field: 'model' }) }
  const written = family.write(request, endpoint)
  if ('fault' in written) return written
  return {
    path: invokePath(endpoint), headers: {}, body: JSON.stringify({ ...written.body, ...options, ...endpoint.forcedParams }),
    dropped: [...Object.keys(request.extras), ...written.dropped ?? []],
  }
}

/** One text at once. Version 1 has one length, and no field for it. */
function writeTitan({ inputs, dimensions, inputType }: EmbedRequest, endpoint: Endpoint): Written {
  const found = textsOf(inputs, endpoint)
  if ('fault' in found) return found
  const shortens = /v2/.test(endpoint.upstreamModel)
  return {
    body: { inputText: found.texts[0], ...(dimensions !== undefined && shortens && { dimensions }) },
    dropped: [...(inputType === undefined ? [] : ['input_type']), ...(dimensions !== undefined && !shortens ? ['dimensions'] : [])],
  }
}

/** One text or one picture at once, for a purpose that is compulsory. */
function writeNova({ inputs, dimensions, inputType }: EmbedRequest, endpoint: Endpoint): Written {
  const parts = partsOf(inputs, endpoint)
  if ('fault' in parts) return parts
  const [list = []] = parts.list
  const content = list.every((part) => part.type === 'text') ? { text: { truncationMode: 'END', value: textOf(list) } } : list.length === 1 ? pictureOf(list[0]!) : null
  if (content === null) return { fault: noMedia(0, endpoint) }
  return {
    body: {
      taskType: 'SINGLE_EMBEDDING',
      singleEmbeddingParams: { embeddingPurpose: novaPurpose(inputType), ...(dimensions !== undefined && { embeddingDimension: dimensions }), ...content },
    },
  }
}

function pictureOf(part: InputPart): JsonObject | null {
  if (part.type !== 'media' || part.kind !== 'image' || part.source.from !== 'data') return null
  return { image: { format: part.source.mime.slice('image/'.length), source: { bytes: part.source.base64 } } }
}

function novaPurpose(inputType: string | undefined): string {
  switch (purposeOf(inputType)) {
    case 'query': return 'GENERIC_RETRIEVAL'
    case 'classification': return 'CLASSIFICATION'
    case 'clustering':
    case 'similarity': return 'CLUSTERING'
    default: return 'GENERIC_INDEX'
  }
}

/** Titan's single vector, Nova's list of one, Cohere's lists. Only Titan counts its tokens in the body. */
function read(value: Loose): Said | null {
  const single = vectorIn(value['embedding'])
  const nova = listIn(value, 'embeddings').map((one) => vectorIn(one['embedding']))
  const vectors = single !== null ? [single] : nova.length > 0 ? nova : cohereVectors(value['embeddings'])
  if (vectors === null || !vectors.every((vector) => vector !== null)) return null
  const id = textIn(value, 'id')
  const tokens = count(value['inputTextTokenCount'])
  return { start: { ...(id !== undefined && { upstreamId: id }) }, block: { type: 'embeddings', vectors }, usage: tokens > 0 ? usage({ total: tokens }, {}) : undefined }
}
