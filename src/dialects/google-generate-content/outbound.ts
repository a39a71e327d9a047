import type { Outbound } from '../dialect.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { readFault } from './faults.ts'
import { isFetched } from './media.ts'
import { traitsOf } from './traits.ts'
import { DIALECT } from './wire.ts'

/** Gemini, at the Gemini API and at Vertex. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'reasoning.unsigned: reasoning goes back only with a signature of Google',
    'refusal: is text', 'text.annotations: citations and files noted on text', 'native-parts: those of other dialects', 'names-and-ids: of messages, calls and reasoning',
    'cache: marks and keys', 'media.name: and detail', 'media.id: but of files that Google holds', 'result.orphan: a result that no call asked for is text',
    'call.numbers: beyond a double', 'tools.strict', 'parallel_tool_calls', 'response_format: grammar, python, names', 'sampling: repetition_penalty, min_p, top_a',
    'logit_bias', 'prediction', 'verbosity', 'audio.format', 'reasoning.summary', 'stop: beyond five', 'router-fields: user, session, metadata, service tier',
  ],
  fetches: (url, { endpoint }) => isFetched(url, traitsOf(endpoint)),
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault: (status, headers, body, target) => readFault(status, headers, body, target.endpoint),
}
