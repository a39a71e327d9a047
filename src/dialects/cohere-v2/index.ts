/** Cohere's chat, version 2. */
import type { Dialect } from '../dialect.ts'
import { outbound } from './outbound.ts'

export const cohereV2: Dialect = { name: 'cohere-v2', outbound }
