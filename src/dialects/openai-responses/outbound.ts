import type { Outbound } from '../dialect.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { decodeFault } from './faults.ts'
import { DIALECT } from './wire.ts'
import { CANNOT, UNSPOKEN } from './write.ts'

/** Providers that speak OpenAI's Responses: OpenAI itself, and everybody who sells its newer models. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: CANNOT,
  unspoken: UNSPOKEN,
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault: (status, headers, body, target) => decodeFault(status, headers, body, target.endpoint),
}
