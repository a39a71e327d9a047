import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'
import { askedFor, plain, ranking, tokensOf, unknownKey } from './vectors.ts'

/** Jina's rerank: the best first, tokens as the unit of account. */
export const jinaRerank: FakeDialect = {
  ...openaiChat,
  name: 'jina-rerank',
  path: /\/rerank$/,
  shapes: {},
  understand,
  whole,
  stream: () => [],
  error: (status, message) => ({ detail: message, status }),
}

const KNOWN = new Set(['model', 'query', 'documents', 'top_n', 'return_documents', 'user'])

const documentsOf = (body: Loose): string[] => ((body.documents ?? []) as (string | Loose)[]).map((one) => (typeof one === 'string' ? one : String(one.text ?? one.image)))

function understand({ body }: Incoming): Asked {
  return askedFor('jina-rerank', body, String(body.model ?? ''), [String(body.query ?? ''), ...documentsOf(body)], problemOf(body))
}

function problemOf(body: Loose): string | undefined {
  const unknown = unknownKey(body, KNOWN)
  if (unknown) return `${unknown}: Extra inputs are not permitted`
  return documentsOf(body).length > 2048 ? 'documents: List should have at most 2048 items' : undefined
}

function whole(reply: Reply, asked: Asked): unknown {
  const { body = {} } = asked
  const tokens = tokensOf(reply)
  return {
    model: reply.model, object: 'list',
    ...(tokens === null ? {} : { usage: { total_tokens: tokens } }),
    results: ranking(plain(String(body.query)), documentsOf(body), body.top_n).map(({ index, score }) => ({ index, relevance_score: score })),
  }
}
