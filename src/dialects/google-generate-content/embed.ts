import { count, usage, type EmbedRequest, type Endpoint, type Fault, type InputPart, type JsonObject, type Usage, type Vector } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { noMedia, partsOf, purposeOf, splitInputs, textOf, textsOf, vectorIn, type Purpose } from '../inputs.ts'
import { isObject, listIn, objectIn, type Loose } from '../loose.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { readFault } from './faults.ts'
import { DIALECT } from './wire.ts'

/** Of Google's three ways to ask for vectors, who takes which: the Gemini API many at once, Vertex one by one, in two forms. */
type Way = 'batch' | 'predict' | 'single'

const MOST: Readonly<Record<Way, number>> = { batch: 100, predict: 1, single: 1 }

/** Vertex is known by its hosts; its first generation is asked as its models were before Gemini. */
function wayOf({ quirks, upstreamModel }: Endpoint): Way {
  if (!quirks.has('global-host-differs')) return 'batch'
  return takesTasks(upstreamModel) ? 'predict' : 'single'
}

/** The second generation is told its task in the text itself. */
const takesTasks = (model: string): boolean => !/embedding-2/.test(model)

const TASKS: Readonly<Record<Purpose, string>> = {
  query: 'RETRIEVAL_QUERY', document: 'RETRIEVAL_DOCUMENT', classification: 'CLASSIFICATION', clustering: 'CLUSTERING', similarity: 'SEMANTIC_SIMILARITY',
}

/** Google's embeddings, at the Gemini API and at Vertex. */
export const embedOutbound: Outbound<EmbedRequest> = {
  ...wholeOutbound<EmbedRequest>({
    dialect: DIALECT,
    cannot: ['input.tokens', 'input.media: but as data, from the second generation on', 'input_type: from the second generation on', 'extras', 'user, session'],
    fetches: () => false,
    split: (request, { endpoint }) => splitInputs(request, MOST[wayOf(endpoint)]),
    encode,
    read,
  }),
  decodeFault: (status, headers, body, { endpoint }) => readFault(status, headers, body, endpoint),
}

function encode(request: EmbedRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const way = wayOf(endpoint)
  const purpose = purposeOf(request.inputType)
  const task = purpose !== null && takesTasks(endpoint.upstreamModel) ? TASKS[purpose] : undefined
  const written = way === 'predict' ? writePredict(request, endpoint, task) : writeContents(request, endpoint, task, way)
  if ('fault' in written) return written
  return {
    path: `/models/${encodeURIComponent(endpoint.upstreamModel)}:${way === 'batch' ? 'batchEmbedContents' : way === 'predict' ? 'predict' : 'embedContent'}`,
    headers: {},
    body: JSON.stringify({ ...written.body, ...endpoint.forcedParams }),
    dropped: [...Object.keys(request.extras), ...(request.inputType !== undefined && task === undefined ? ['input_type'] : [])],
  }
}

type Written = { readonly body: JsonObject } | { readonly fault: Fault }

function writePredict({ inputs, dimensions }: EmbedRequest, endpoint: Endpoint, task: string | undefined): Written {
  const found = textsOf(inputs, endpoint)
  if ('fault' in found) return found
  return {
    body: {
      instances: found.texts.map((content) => ({ content, ...(task !== undefined && { task_type: task }) })),
      ...(dimensions !== undefined && { parameters: { outputDimensionality: dimensions } }),
    },
  }
}

function writeContents({ inputs, dimensions }: EmbedRequest, endpoint: Endpoint, task: string | undefined, way: Way): Written {
  const parts = partsOf(inputs, endpoint)
  if ('fault' in parts) return parts
  const other = parts.list.findIndex((list) => list.some((part) => part.type === 'media' && part.source.from !== 'data'))
  if (other >= 0) return { fault: noMedia(other, endpoint) }
  const rest = { ...(task !== undefined && { taskType: task }), ...(dimensions !== undefined && { outputDimensionality: dimensions }) }
  const contents = parts.list.map((list) => ({ parts: list.every((part) => part.type === 'text') ? [{ text: textOf(list) }] : list.map(writePart) }))
  if (way === 'single') return { body: { content: contents[0], ...rest } }
  return { body: { requests: contents.map((content) => ({ model: `models/${endpoint.upstreamModel}`, content, ...rest })) } }
}

const writePart = (part: InputPart): JsonObject => {
  if (part.type === 'text') return { text: part.text }
  return { inlineData: part.source.from === 'data' ? { mimeType: part.source.mime, data: part.source.base64 } : {} }
}

function read(value: Loose): Said | null {
  const predictions = Array.isArray(value['predictions']) ? listIn(value, 'predictions').map((one) => objectIn(one, 'embeddings')) : null
  const list = predictions ?? (Array.isArray(value['embeddings']) ? listIn(value, 'embeddings') : isObject(value['embedding']) ? [value['embedding']] : null)
  const vectors = list?.map((one): Vector | null => vectorIn(one['values'])) ?? [null]
  if (!vectors.every((vector) => vector !== null)) return null
  return { block: { type: 'embeddings', vectors }, usage: usageOf(value, predictions) }
}

/** Tokens in all, or for each prediction; the first generation tells none at the Gemini API. */
function usageOf(value: Loose, predictions: readonly Loose[] | null): Usage | undefined {
  const told = objectIn(value, 'usageMetadata')
  const of = (modality: string): number => count(listIn(told, 'promptTokensDetails').find((detail) => detail['modality'] === modality)?.['tokenCount'])
  const total = predictions === null ? count(told['promptTokenCount'])
    : predictions.reduce((sum, one) => sum + count(objectIn(one, 'statistics')['token_count']), 0)
  return total > 0 ? usage({ total, image: of('IMAGE'), audio: of('AUDIO'), video: of('VIDEO') }, {}) : undefined
}
