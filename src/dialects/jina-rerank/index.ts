/** Documents put in the order of what they have to do with a query: Jina's words, which OpenRouter's callers speak too. */
import type { Dialect } from '../dialect.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'

export const jinaRerank: Dialect = { name: 'jina-rerank', rerank: { inbound, outbound } }

export { outbound } from './outbound.ts'
export { replySchema, requestSchema } from './wire.ts'
