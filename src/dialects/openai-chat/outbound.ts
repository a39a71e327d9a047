import type { Outbound } from '../dialect.ts'
import { createDecoder, decodeFault, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { flagsOf } from './quirks.ts'
import { CANNOT } from './write.ts'

/** Providers that speak OpenAI's chat completions, and everybody who copied them. */
export const outbound: Outbound = {
  dialect: 'openai-chat',
  cannot: CANNOT,
  toolsBy: ({ quirks }) => flagsOf(quirks).noTools ? 'prompt' : 'parameter',
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault,
}
