/** AWS Bedrock's Converse. */
import type { Dialect } from '../dialect.ts'
import { outbound } from './outbound.ts'

export const bedrockConverse: Dialect = { name: 'bedrock-converse', outbound }
