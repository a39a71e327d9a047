import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import { cohereV2 } from './cohere-v2.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { askedFor, packed, plain, ranking, tokensOf, unknownKey, vectorOf } from './vectors.ts'

const EMBED_KEYS = new Set(['model', 'texts', 'images', 'inputs', 'input_type', 'embedding_types', 'output_dimension', 'truncate', 'max_tokens', 'priority'])
const RERANK_KEYS = new Set(['model', 'query', 'documents', 'top_n', 'max_tokens_per_doc', 'priority'])

/** What becomes a vector each: a text, a picture, or the content of an input. */
export const cohereInputs = ({ texts, images, inputs }: Loose): string[] =>
  (texts ?? images ?? ((inputs ?? []) as Loose[]).map(({ content }) => (content as Loose[]).map((part) => part.text ?? part.image_url?.url ?? '').join(' '))) as string[]

/** What Cohere refuses of a request for vectors, at home and at those who host its models. */
export function cohereProblem(body: Loose): string | undefined {
  const given = [body.texts, body.images, body.inputs].filter((list) => list !== undefined)
  if (given.length !== 1) return 'invalid request: exactly one of texts, images and inputs must be provided'
  if (cohereInputs(body).length > 96) return 'invalid request: total number of texts must be at most 96'
  if (body.images?.length > 1) return 'invalid request: at most one image may be embedded at once'
  if (!['search_document', 'search_query', 'classification', 'clustering', 'image'].includes(body.input_type)) return 'invalid request: valid input_type must be provided with the provided model'
  return undefined
}

/** Vectors by their type, as Cohere sends them. */
export function cohereEmbeddings(body: Loose): Loose {
  const vectors = cohereInputs(body).map((text) => vectorOf(plain(text), body.output_dimension))
  return Object.fromEntries(((body.embedding_types ?? ['float']) as string[]).map((type) => [type, type === 'base64' ? vectors.map(packed) : vectors]))
}

/** Cohere's embeddings, version 2. */
export const cohereEmbed: FakeDialect = {
  ...cohereV2,
  name: 'cohere-v2-embed',
  path: /\/v2\/embed$/,
  shapes: {},
  understand: ({ body }: Incoming) => {
    const unknown = unknownKey(body, EMBED_KEYS)
    return askedFor('cohere-v2', body, String(body.model ?? ''), cohereInputs(body), unknown ? `invalid request: unknown field: parameter '${unknown}' is not a valid field` : cohereProblem(body))
  },
  whole(reply: Reply, { body = {} }: Asked) {
    const tokens = tokensOf(reply)
    const images = body.images?.length ?? 0
    return {
      id: `fake${reply.serial}`, embeddings: cohereEmbeddings(body), texts: body.texts ?? [], response_type: 'embeddings_by_type',
      meta: { api_version: { version: '2' }, ...(tokens === null ? {} : { billed_units: images > 0 ? { images } : { input_tokens: tokens } }) },
    }
  },
  stream: () => [],
}

/** Cohere's rerank, version 2. */
export const cohereRerank: FakeDialect = {
  ...cohereV2,
  name: 'cohere-v2-rerank',
  path: /\/v2\/rerank$/,
  shapes: {},
  understand: ({ body }: Incoming) => {
    const unknown = unknownKey(body, RERANK_KEYS)
    const documents = (body.documents ?? []) as unknown[]
    return askedFor('cohere-v2', body, String(body.model ?? ''), [String(body.query ?? ''), ...documents.map(String)],
      unknown ? `invalid request: unknown field: parameter '${unknown}' is not a valid field`
        : documents.some((one) => typeof one !== 'string') ? 'invalid request: documents must be a list of strings' : undefined)
  },
  whole(reply: Reply, { body = {} }: Asked) {
    return {
      id: `fake${reply.serial}`,
      results: ranking(plain(String(body.query)), body.documents, body.top_n).map(({ index, score }) => ({ index, relevance_score: score })),
      meta: { api_version: { version: '2' }, billed_units: { search_units: Math.ceil(body.documents.length / 100) } },
    }
  },
  stream: () => [],
}
