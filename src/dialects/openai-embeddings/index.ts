/** OpenAI's embeddings with OpenRouter's extensions: what callers of vectors speak, and most providers. */
import type { Dialect } from '../dialect.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'

export const openaiEmbeddings: Dialect = { name: 'openai-embeddings', embed: { inbound, outbound } }

export { outbound } from './outbound.ts'
export { replySchema, requestSchema } from './wire.ts'
