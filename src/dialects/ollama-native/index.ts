/** Ollama's own chat, as a server on this machine and the hosted one speak it. */
import type { Dialect } from '../dialect.ts'
import { embedOutbound } from './embed.ts'
import { outbound } from './outbound.ts'

export const ollamaNative: Dialect = { name: 'ollama-native', outbound, embed: { outbound: embedOutbound } }
