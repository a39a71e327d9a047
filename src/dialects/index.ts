/** Wire formats: one folder for each, with a face for callers and a face for providers; nothing else knows any. */
import { anthropicMessages, anthropicOnVertex } from './anthropic-messages/index.ts'
import { bedrockConverse } from './bedrock-converse/index.ts'
import { bedrockInvoke } from './bedrock-invoke/index.ts'
import { cohereV2 } from './cohere-v2/index.ts'
import type { Dialect } from './dialect.ts'
import { googleGenerateContent } from './google-generate-content/index.ts'
import { jinaRerank } from './jina-rerank/index.ts'
import { ollamaNative } from './ollama-native/index.ts'
import { azureOpenai, mistralChat, openaiChat } from './openai-chat/index.ts'
import { openaiCompletions } from './openai-completions/index.ts'
import { openaiEmbeddings } from './openai-embeddings/index.ts'
import { openaiResponses } from './openai-responses/index.ts'
import { voyageEmbeddings } from './voyage-embeddings/index.ts'
import { watsonxTextChat } from './watsonx-text-chat/index.ts'

/** All dialects by name; one line for each. */
export const DIALECTS: ReadonlyMap<string, Dialect> = new Map<string, Dialect>([
  ['anthropic-messages', anthropicMessages],
  ['anthropic-messages/vertex-raw-predict', anthropicOnVertex],
  ['openai-chat', openaiChat],
  ['openai-responses', openaiResponses],
  ['mistral-chat', mistralChat],
  ['azure-openai', azureOpenai],
  ['google-generate-content', googleGenerateContent],
  ['openai-completions', openaiCompletions],
  ['cohere-v2', cohereV2],
  ['ollama-native', ollamaNative],
  ['bedrock-converse', bedrockConverse],
  ['watsonx-text-chat', watsonxTextChat],
  ['openai-embeddings', openaiEmbeddings],
  ['jina-rerank', jinaRerank],
  ['voyage-embeddings', voyageEmbeddings],
  ['bedrock-invoke', bedrockInvoke],
])

export type * from './dialect.ts'
export { replySchema as completionReplySchema, requestSchema as completionRequestSchema } from './openai-completions/index.ts'
export { replySchema as embeddingsReplySchema, requestSchema as embeddingsRequestSchema } from './openai-embeddings/index.ts'
export { replySchema as rerankReplySchema, requestSchema as rerankRequestSchema } from './jina-rerank/index.ts'
export { parseBody, parseUpstream, type Parsed } from './json.ts'
export { askedOfPreset, presetOf, type PresetContent } from './preset.ts'
export {
  availabilitySchema, chunkSchema as chatChunkSchema, errorBodySchema as chatErrorSchema, metadataSchema,
  replySchema as chatReplySchema, requestSchema as chatRequestSchema,
} from './openai-chat/index.ts'
export {
  errorBodySchema as generateContentErrorSchema, inboundAt as generateContentAt, replySchema as generateContentReplySchema,
  requestSchema as generateContentRequestSchema,
} from './google-generate-content/index.ts'
export {
  errorBodySchema as messagesErrorSchema, replySchema as messagesReplySchema, requestSchema as messagesRequestSchema,
} from './anthropic-messages/index.ts'
export {
  compactedResponse, compactedSchema, compactSchema, createBackgroundEncoder, createResponseEncoder, errorBodySchema as responseErrorSchema, queuedResponse,
  requestSchema as responseRequestSchema, responseEnds, responseSchema, STREAM_END, type ResponseEncoder,
} from './openai-responses/index.ts'
