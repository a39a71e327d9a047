/** OpenAI's Responses with OpenRouter's extensions: the format of agents, and of OpenAI's models that reason. */
import type { Dialect } from '../dialect.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { DIALECT } from './wire.ts'

export const openaiResponses: Dialect = { name: DIALECT, inbound, outbound }

export { requestSchema } from './wire.ts'
export { errorBodySchema, responseSchema } from './wire-reply.ts'
