/** OpenAI's chat completions with OpenRouter's extensions: the format that callers speak most, and most providers. */
import type { Dialect } from '../dialect.ts'
import { outbound as embeddings } from '../openai-embeddings/index.ts'
import { outbound as rerank } from '../jina-rerank/index.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'

/** Who speaks OpenAI's chat has its embeddings beside it, and a router or a server of open models often Jina's rerank. */
export const openaiChat: Dialect = { name: 'openai-chat', inbound, outbound, embed: { outbound: embeddings }, rerank: { outbound: rerank } }


/** Mistral's chat and Azure's are the same on the wire but for quirks that their catalogue rows name. */
export const mistralChat: Dialect = {
  name: 'mistral-chat',
  outbound: { ...outbound, dialect: 'mistral-chat', cannot: [...outbound.cannot, 'cache.marks: prefixes are found without them, and kept together by a key', 'reasoning.seals: thoughts go back as the words that they are'] },
  embed: { outbound: embeddings },
}
export const azureOpenai: Dialect = {
  name: 'azure-openai',
  outbound: {
    ...outbound, dialect: 'azure-openai',
    cannot: [
      ...outbound.cannot, "reasoning: what OpenAI's models thought is neither shown nor taken back",
      'cache.life: a mark lives as long as the provider says', 'cache.tools: a tool has no mark',
    ],
  },
  embed: { outbound: embeddings },
}

export { requestSchema } from './wire.ts'
export { availabilitySchema, chunkSchema, errorBodySchema, metadataSchema, replySchema, usageSchema } from './wire-reply.ts'
