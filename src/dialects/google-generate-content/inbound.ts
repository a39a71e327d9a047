import { asksForChat, FAULTS } from '../../core/index.ts'
import type { Inbound, ReplyMeta } from '../dialect.ts'
import { decode, showsThoughts, type Addressed } from './decode.ts'
import { createEncoder, type Framing } from './encoder.ts'
import { errorBody } from './errors-out.ts'
import { renderReply } from './reply.ts'
import { DIALECT, isObject } from './wire.ts'

/**
 * Callers that speak Google's generateContent. The address says the model, whether the answer is a stream, and how that
 * is framed, so the face of a request is made from its address. Whether its caller asked to see the thoughts decides how
 * the answer is told.
 */
export function inboundAt(address: Addressed & { readonly framing: Framing }): Inbound {
  const { framing } = address
  return {
    dialect: DIALECT,
    address: { ...address },
    decode: (body) => decode(body, address),
    reply: (reply, meta, metadata) => renderReply(reply, meta, thoughtsIn(meta), metadata),
    encoder: (meta) => createEncoder(meta, thoughtsIn(meta), framing),
    fault: (fault, extra) => ({ status: FAULTS[fault.kind].status, body: errorBody(fault, extra) }),
    faultFrames(fault, _, metadata) {
      const body = errorBody(fault, metadata && { openrouter_metadata: metadata })
      return framing === 'sse' ? `data: ${body}\r\n\r\n` : `[${body}]`
    },
    // A comment, or a blank before the list or between its items: neither means anything to a reader.
    heartbeat: framing === 'sse' ? ': keep-alive\r\n\r\n' : '\n',
    ...(framing === 'array' && { streamType: 'application/json; charset=utf-8' }),
  }
}

function thoughtsIn({ asked }: ReplyMeta): boolean {
  return asked !== undefined && asksForChat(asked) && showsThoughts(asked.operation.request)
}

const UNADDRESSED = 'unaddressed'

/**
 * The face without an address: a body then says its model and `stream` itself, which no client does. What fails before
 * the address was read is told by it.
 */
export const inbound: Inbound = {
  ...inboundAt({ model: '', stream: false, framing: 'sse' }),
  address: undefined,
  decode(body) {
    const { model, stream } = isObject(body) ? body : {}
    return decode(body, { model: typeof model === 'string' ? model : UNADDRESSED, stream: stream === true })
  },
}
