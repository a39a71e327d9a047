/** AWS Bedrock's InvokeModel, for the models that Converse has no words for: those of vectors and rankings, each in its maker's. */
import type { Dialect } from '../dialect.ts'
import { embedOutbound } from './embed.ts'
import { rerankOutbound } from './rerank.ts'

export const bedrockInvoke: Dialect = { name: 'bedrock-invoke', embed: { outbound: embedOutbound }, rerank: { outbound: rerankOutbound } }
