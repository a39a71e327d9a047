/** OpenAI's Responses with OpenRouter's extensions: the format of agents, and of OpenAI's models that reason. */
import type { Dialect, Encoder } from '../dialect.ts'
import { ResponseEncoder as EncoderOfResponses, lastFrame } from './encoder.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { ended, type ResponseMeta } from './response.ts'
import { DIALECT } from './wire.ts'

export const openaiResponses: Dialect = { name: DIALECT, inbound, outbound }

/** An encoder that also has the whole response, as JSON, when its stream has ended. */
export interface ResponseEncoder extends Encoder {
  readonly last: string
}

export const createResponseEncoder = (meta: ResponseMeta): ResponseEncoder => new EncoderOfResponses(meta)

/** One for a response that is made in the background: it goes on behind the events of `queuedResponse`, and without the mark of a stream's end. */
export const createBackgroundEncoder = (meta: ResponseMeta): ResponseEncoder => new EncoderOfResponses(meta, { waited: true })

/** How a response ends that somebody else ends than who made it. */
export const responseEnds = { ended, lastFrame }
export { queuedResponse, STREAM_END } from './encoder.ts'

export { compacted as compactedResponse } from './response.ts'
export { compactSchema, requestSchema } from './wire.ts'
export { compactedSchema, errorBodySchema, responseSchema } from './wire-reply.ts'
