import { FAULTS } from '../../core/index.ts'
import type { Inbound } from '../dialect.ts'
import { decode } from './decode.ts'
import { createEncoder } from './encoder.ts'
import { errorBody, errorFrame } from './errors-out.ts'
import { renderReply } from './reply.ts'
import { DIALECT } from './wire.ts'

/** Callers that speak Anthropic's Messages, with OpenRouter's extensions. */
export const inbound: Inbound = {
  dialect: DIALECT,
  decode,
  reply: renderReply,
  encoder: createEncoder,
  fault: (fault, extra, id = null) => ({ status: FAULTS[fault.kind].status, body: errorBody(fault, id, extra) }),
  faultFrames: (fault, { id }, metadata) => errorFrame(fault, id, metadata),
  heartbeat: 'event: ping\ndata: {"type": "ping"}\n\n',
}
