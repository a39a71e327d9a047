import { FAULTS } from '../../core/index.ts'
import type { Inbound } from '../dialect.ts'
import { createEncoder } from './encoder.ts'
import { errorBody, errorChunk } from './faults.ts'
import { renderReply } from './reply.ts'
import { decode } from './request.ts'

/** Callers that speak OpenAI's chat completions, with OpenRouter's extensions. */
export const inbound: Inbound = {
  dialect: 'openai-chat',
  decode,
  reply: renderReply,
  encoder: createEncoder,
  fault: (fault, extra) => ({ status: FAULTS[fault.kind].status, body: errorBody(fault, extra) }),
  faultFrames: (fault, meta, metadata) => errorChunk(fault, meta, [0], undefined, metadata),
  heartbeat: ': OPENROUTER PROCESSING\n\n',
}
