import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'
import { askedFor, packed, plain, ranking, tokensOf, unknownKey, vectorOf } from './vectors.ts'

const KEYS: Readonly<Record<string, ReadonlySet<string>>> = {
  embeddings: new Set(['model', 'input', 'input_type', 'truncation', 'output_dimension', 'output_dtype', 'encoding_format']),
  multimodalembeddings: new Set(['model', 'inputs', 'input_type', 'truncation', 'output_dimension', 'output_encoding']),
  contextualizedembeddings: new Set(['model', 'inputs', 'input_type', 'output_dimension', 'output_dtype', 'encoding_format']),
  rerank: new Set(['model', 'query', 'documents', 'top_k', 'return_documents', 'truncation']),
}

const textsOf = (body: Loose): string[] => {
  if (body.query !== undefined) return [String(body.query), ...body.documents]
  return ((body.input ?? body.inputs ?? []) as (string | string[] | Loose)[]).map((one) =>
    (typeof one === 'string' ? one : Array.isArray(one) ? one.join(' ') : (one.content as Loose[]).map((part) => part.text ?? part.image_url ?? part.image_base64).join(' ')))
}

/** Voyage, known by its name in the path: its addresses are everybody's. */
export const voyage: FakeDialect = {
  ...openaiChat,
  name: 'voyage-embeddings',
  path: /\/voyage[^/]*\/(?:.*\/)?(?:embeddings|multimodalembeddings|contextualizedembeddings|rerank)$/,
  shapes: {},
  understand,
  whole,
  stream: () => [],
  error: (_, message) => ({ detail: message }),
}

function understand({ path, body }: Incoming): Asked {
  const kind = path.slice(path.lastIndexOf('/') + 1)
  const unknown = unknownKey(body, KEYS[kind]!)
  const texts = textsOf(body)
  const problem = unknown ? `Argument '${unknown}' is not supported by our API`
    : texts.length > 1001 ? 'The max batch size is 1000.'
    : body.input_type !== undefined && body.input_type !== 'query' && body.input_type !== 'document' ? "Value 'input_type' is not valid" : undefined
  return askedFor('voyage-embeddings', body, String(body.model ?? ''), texts, problem)
}

function whole(reply: Reply, { body = {} }: Asked): unknown {
  const tokens = tokensOf(reply)
  const rest = { model: reply.model, ...(tokens === null ? {} : { usage: { total_tokens: tokens } }) }
  if (body.query !== undefined) {
    return { object: 'list', data: ranking(plain(String(body.query)), body.documents, body.top_k).map(({ index, score }) => ({ index, relevance_score: score })), ...rest }
  }
  const said = (text: string) => {
    const vector = vectorOf(plain(text), body.output_dimension)
    return body.encoding_format === 'base64' || body.output_encoding === 'base64' ? packed(vector) : vector
  }
  const context = Array.isArray(body.inputs?.[0])
  return {
    object: 'list',
    data: textsOf(body).map((text, index) => {
      const one = { object: 'embedding', embedding: said(text), index: context ? 0 : index }
      return context ? { object: 'list', data: [one], index } : one
    }),
    ...rest,
  }
}
