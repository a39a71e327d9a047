import type { Asked, Loose } from '../asked.ts'
import type { Reply } from '../reply.ts'
import { bedrockConverse } from './bedrock-converse.ts'
import { cohereEmbeddings, cohereInputs, cohereProblem } from './cohere-v2-lists.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { askedFor, plain, ranking, tokensOf, vectorOf } from './vectors.ts'

/** AWS Bedrock's InvokeModel: each maker's models in that maker's words. */
export const bedrockInvoke: FakeDialect = {
  ...bedrockConverse,
  name: 'bedrock-invoke',
  path: /\/model\/[^/]+\/invoke$/,
  shapes: {},
  understand,
  whole,
  stream: () => [],
}

const textsOf = (body: Loose): string[] => {
  if (body.query !== undefined) return [String(body.query), ...body.documents]
  if (body.inputText !== undefined) return [String(body.inputText)]
  return body.singleEmbeddingParams ? [String(body.singleEmbeddingParams.text?.value ?? body.singleEmbeddingParams.image?.source.bytes)] : cohereInputs(body)
}

function understand({ path, body }: Incoming): Asked {
  const model = decodeURIComponent(/\/model\/([^/]+)\/invoke$/.exec(path)?.[1] ?? '')
  return askedFor('bedrock-invoke', body, model, textsOf(body), problemOf(model, body))
}

function problemOf(model: string, body: Loose): string | undefined {
  if (/rerank/.test(model)) {
    if (!Number.isInteger(body.top_n) || body.top_n > body.documents?.length) return 'Malformed input request: top_n must not be more than the documents'
    return model.startsWith('cohere') && body.api_version !== 2 ? 'Malformed input request: #: required key [api_version] not found' : undefined
  }
  if (/nova/.test(model)) return body.taskType === 'SINGLE_EMBEDDING' && body.singleEmbeddingParams?.embeddingPurpose ? undefined : 'Malformed input request: embeddingPurpose'
  if (/titan/.test(model)) return typeof body.inputText === 'string' ? undefined : 'Malformed input request: expected type: String, found: Null'
  return cohereProblem(body)
}

function whole(reply: Reply, { body = {}, model }: Asked): unknown {
  if (body.query !== undefined) return { results: ranking(plain(String(body.query)), body.documents, body.top_n).map(({ index, score }) => ({ index, relevance_score: score })) }
  const [text = ''] = textsOf(body)
  const tokens = tokensOf(reply)
  if (/titan/.test(model)) return { embedding: vectorOf(plain(text), body.dimensions), ...(tokens === null ? {} : { inputTextTokenCount: tokens }) }
  if (/nova/.test(model)) return { embeddings: [{ embeddingType: 'TEXT', embedding: vectorOf(plain(text), body.singleEmbeddingParams.embeddingDimension) }] }
  return { id: `fake${reply.serial}`, embeddings: cohereEmbeddings(body), response_type: 'embeddings_by_type', texts: body.texts ?? [] }
}
