/** Anthropic Messages: how Claude and the hosts that offer the same route are spoken to, and how Anthropic's clients speak to us. */
import type { Dialect } from '../dialect.ts'
import { inbound } from './inbound.ts'
import { outbound } from './outbound.ts'
import { DIALECT as ON_VERTEX, outbound as onVertex } from './vertex-raw-predict/outbound.ts'
import { DIALECT } from './wire.ts'

export const anthropicMessages: Dialect = { name: DIALECT, inbound, outbound }

/** Claude on Vertex: the same messages in Google's envelope. */
export const anthropicOnVertex: Dialect = { name: ON_VERTEX, outbound: onVertex }

export { requestSchema } from './request-schema.ts'
export { errorBodySchema, replySchema } from './reply-schema.ts'
