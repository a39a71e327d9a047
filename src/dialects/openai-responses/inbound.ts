import { FAULTS } from '../../core/index.ts'
import type { Inbound } from '../dialect.ts'
import { failedFrames, renderReply, ResponseEncoder } from './encoder.ts'
import { decode } from './request.ts'
import { errorBody } from './response.ts'
import { DIALECT } from './wire.ts'

/** Callers that speak OpenAI's Responses, with OpenRouter's extensions. */
export const inbound: Inbound = {
  dialect: DIALECT,
  decode,
  reply: renderReply,
  encoder: (meta) => new ResponseEncoder(meta),
  fault: (fault, extra) => ({ status: FAULTS[fault.kind].status, body: errorBody(fault, extra) }),
  faultFrames: failedFrames,
  heartbeat: ': OPENROUTER PROCESSING\n\n',
}
