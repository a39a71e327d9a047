import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { googleGenerateContent } from './google-generate-content.ts'
import { askedFor, plain, tokensOf, unknownKey, vectorOf } from './vectors.ts'

const ONE_KEYS = new Set(['model', 'content', 'taskType', 'title', 'outputDimensionality'])

const textOf = ({ content }: Loose): string => (typeof content === 'string' ? content : ((content?.parts ?? []) as Loose[]).map((part) => part.text ?? '').join(' '))
const requestsOf = (body: Loose): Loose[] => (body.requests ?? body.instances ?? [body]) as Loose[]

/** Google's three ways to ask for vectors: many at once, one, and the form from before Gemini. */
export const googleEmbedContent: FakeDialect = {
  ...googleGenerateContent,
  name: 'google-embed-content',
  path: /\/models\/[^/]+:(?:batchEmbedContents|embedContent|predict)$/,
  shapes: {},
  understand,
  whole,
  stream: () => [],
}

function understand({ path, body }: Incoming): Asked {
  const [, model = '', verb = ''] = /\/models\/([^/]+):(\w+)$/.exec(path) ?? []
  const requests = requestsOf(body)
  const unknown = verb === 'predict' ? unknownKey(body, new Set(['instances', 'parameters'])) : requests.map((one) => unknownKey(one, ONE_KEYS)).find((key) => key !== undefined)
  const problem = unknown ? `Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`
    : requests.length > 100 ? 'BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch'
    : verb === 'predict' && requests.length > 1 ? 'only one instance is supported by this model'
    : verb === 'batchEmbedContents' && requests.some((one) => one.model !== `models/${decodeURIComponent(model)}`) ? 'model is required to be the same in all requests' : undefined
  return askedFor('google-generate-content', body, decodeURIComponent(model), requests.map(textOf), problem)
}

function whole(reply: Reply, { body = {} }: Asked): unknown {
  const tokens = tokensOf(reply)
  const vectors = requestsOf(body).map((one) => vectorOf(plain(textOf(one)), one.outputDimensionality ?? body.parameters?.outputDimensionality))
  if (body.instances) return { predictions: vectors.map((values) => ({ embeddings: { values, statistics: { truncated: false, ...(tokens === null ? {} : { token_count: tokens }) } } })) }
  const counted = tokens === null ? {} : { usageMetadata: { promptTokenCount: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] } }
  return body.requests ? { embeddings: vectors.map((values) => ({ values })), ...counted } : { embedding: { values: vectors[0] }, ...counted }
}
