/** OpenAI's legacy completions: a prompt in, its continuation out. */
import type { Dialect } from '../dialect.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { DIALECT } from './wire.ts'

export const openaiCompletions: Dialect = { name: DIALECT, inbound, outbound, continues: true }

export { replySchema, requestSchema } from './wire.ts'
