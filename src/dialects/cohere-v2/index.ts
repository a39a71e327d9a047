/** Cohere's chat, version 2. */
import type { Dialect } from '../dialect.ts'
import { embedOutbound } from './embed.ts'
import { outbound } from './outbound.ts'
import { rerankOutbound } from './rerank.ts'

export const cohereV2: Dialect = { name: 'cohere-v2', outbound, embed: { outbound: embedOutbound }, rerank: { outbound: rerankOutbound } }
