/** Voyage's embeddings, and its rerank, which lies beside them. */
import type { Dialect } from '../dialect.ts'
import { embedOutbound } from './embed.ts'
import { rerankOutbound } from './rerank.ts'

export const voyageEmbeddings: Dialect = { name: 'voyage-embeddings', embed: { outbound: embedOutbound }, rerank: { outbound: rerankOutbound } }
