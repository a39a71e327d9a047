/** OpenAI's Responses with OpenRouter's extensions: the format of agents, and of OpenAI's models that reason. */
import type { Dialect, Encoder, ReplyMeta } from '../dialect.ts'
import { ResponseEncoder as EncoderOfResponses } from './encoder.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { DIALECT } from './wire.ts'

export const openaiResponses: Dialect = { name: DIALECT, inbound, outbound }

/** An encoder that also has the whole response, as JSON, when its stream has ended. */
export interface ResponseEncoder extends Encoder {
  readonly last: string
}

export const createResponseEncoder = (meta: ReplyMeta): ResponseEncoder => new EncoderOfResponses(meta)

export { requestSchema } from './wire.ts'
export { errorBodySchema, responseSchema } from './wire-reply.ts'
