import { count, usage, type EmbedRequest, type Endpoint, type Fault, type InputPart, type JsonObject } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { noMedia, partsOf, purposeOf, splitInputs, textOf, textsOf, vectorsOf } from '../inputs.ts'
import { isObject, objectIn, textIn, type Loose } from '../loose.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'

export const DIALECT = 'voyage-embeddings'

const MOST_INPUTS = 1000
const OURS: ReadonlySet<string> = new Set(['model', 'input', 'inputs', 'encoding_format', 'output_encoding', 'output_dtype'])

/** Voyage's three kinds of models each have an address and words of their own. */
type Kind = 'text' | 'multimodal' | 'context'

const kindOf = ({ upstreamModel }: Endpoint): Kind =>
  (/multimodal/.test(upstreamModel) ? 'multimodal' : /context/.test(upstreamModel) ? 'context' : 'text')

const PATHS: Readonly<Record<Kind, string>> = { text: '/embeddings', multimodal: '/multimodalembeddings', context: '/contextualizedembeddings' }

/** Voyage's embeddings: of texts, of texts with pictures, and of pieces of documents. */
export const embedOutbound: Outbound<EmbedRequest> = wholeOutbound<EmbedRequest>({
  dialect: DIALECT,
  cannot: ['input.tokens', 'input.media: but images at multimodal models', 'user, session'],
  split: (request) => splitInputs(request, MOST_INPUTS),
  encode,
  read,
})

function encode(request: EmbedRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, options } = target
  const kind = kindOf(endpoint)
  const written = kind === 'multimodal' ? writeContents(request, endpoint) : writeTexts(request, endpoint, kind)
  if ('fault' in written) return written
  const purpose = purposeOf(request.inputType)
  const retrieval = purpose === 'query' || purpose === 'document'
  const body = {
    model: endpoint.upstreamModel, ...written.body,
    ...(retrieval && { input_type: purpose }),
    ...(request.dimensions !== undefined && { output_dimension: request.dimensions }),
    ...(request.encoding === 'base64' && (kind === 'multimodal' ? { output_encoding: 'base64' } : { encoding_format: 'base64' })),
    ...without(request.extras, OURS), ...without(options, OURS), ...endpoint.forcedParams,
  }
  return { path: PATHS[kind], headers: {}, body: JSON.stringify(body), dropped: request.inputType !== undefined && !retrieval ? ['input_type'] : [] }
}

type Written = { readonly body: JsonObject } | { readonly fault: Fault }

/** Each input is a document of its own: a caller of embeddings does not mean its texts to be read in each other's light. */
function writeTexts({ inputs }: EmbedRequest, endpoint: Endpoint, kind: Kind): Written {
  const found = textsOf(inputs, endpoint)
  if ('fault' in found) return found
  return { body: kind === 'context' ? { inputs: found.texts.map((text) => [text]) } : { input: found.texts } }
}

function writeContents({ inputs }: EmbedRequest, endpoint: Endpoint): Written {
  const parts = partsOf(inputs, endpoint)
  if ('fault' in parts) return parts
  const other = parts.list.findIndex((list) => list.some((part) => part.type === 'media' && (part.kind !== 'image' || part.source.from === 'id')))
  if (other >= 0) return { fault: noMedia(other, endpoint) }
  return { body: { inputs: parts.list.map((list) => ({ content: list.every((part) => part.type === 'text') ? [{ type: 'text', text: textOf(list) }] : list.map(writePart) })) } }
}

function writePart(part: InputPart): JsonObject {
  if (part.type === 'text') return { type: 'text', text: part.text }
  const { source } = part
  if (source.from === 'url') return { type: 'image_url', image_url: source.url }
  return { type: 'image_base64', image_base64: source.from === 'data' ? `data:${source.mime};base64,${source.base64}` : '' }
}

function read(value: Loose): Said | null {
  const data = value['data']
  const vectors = vectorsOf(Array.isArray(data) ? data.map(ofDocument) : data)
  if (vectors === null) return null
  const model = textIn(value, 'model')
  const tokens = count(objectIn(value, 'usage')['total_tokens'])
  return { start: { ...(model !== undefined && { model }) }, block: { type: 'embeddings', vectors }, usage: tokens > 0 ? usage({ total: tokens }, {}) : undefined }
}

/** A document's list of pieces, of which each has one, as that piece at the document's place. */
function ofDocument(entry: unknown): unknown {
  if (!isObject(entry) || !Array.isArray(entry['data'])) return entry
  const [piece, ...more] = entry['data'] as readonly unknown[]
  return isObject(piece) && more.length === 0 ? { ...piece, index: entry['index'] } : null
}
