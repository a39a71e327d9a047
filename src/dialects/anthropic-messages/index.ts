/** Anthropic Messages: how Claude and the hosts that offer the same route are spoken to. */
import type { Dialect } from '../dialect.ts'
import { outbound } from './outbound.ts'
import { DIALECT } from './wire.ts'

export const anthropicMessages: Dialect = { name: DIALECT, outbound }
