import type { Endpoint, Fault } from '../../core/index.ts'
import type { Outbound } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { decodeWhole, ndjsonDecoder } from '../object-stream.ts'
import { saidBy, upstreamFault, type Headers } from '../upstream-fault.ts'
import { DIALECT, encode } from './encode.ts'
import { Reader } from './reader.ts'

const MAX_ERROR_BYTES = 16_384

/** Ollama's own chat, local and hosted: levels of thinking and the size of the context, which its OpenAI-shaped face hides. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'media: but images as data', 'interleaved-parts: a message is one text', 'native-parts', 'reasoning.sealed: what another family sealed', 'refusal: is text, which ends as any other',
    'text.annotations', 'names-and-ids: of messages and reasoning', 'cache: marks and keys', 'result.orphan: is text of the user', 'tool_choice: required is a wish',
    'tools.strict', 'parallel_tool_calls', 'response_format: grammar, python, names', 'sampling: top_a', 'logit_bias', 'n', 'prediction', 'verbosity', 'modalities',
    'image.detail', 'usage.cached: what was read from a cache is not told', 'router-fields: user, session, metadata, service tier',
  ],
  fetches: () => false,
  encode,
  decodeReply: (body, { endpoint }) => decodeWhole(body, new Reader(endpoint), ndjsonDecoder),
  decoder: ({ endpoint }) => ndjsonDecoder(new Reader(endpoint)),
  decodeFault: (status, headers, body, { endpoint }) => decodeFault(status, headers, body, endpoint),
}

const LACKS = /does not support (tools|thinking|images|vision|insert|generate|completion)/i

/** `{error: "text"}`. What a model lacks is a 400 that another endpoint may not answer. */
function decodeFault(status: number, headers: Headers, body: Uint8Array, endpoint: Endpoint): Fault {
  const raw = viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES)
  const parsed = parseUpstream(raw)
  const found = upstreamFault(status, headers, 'value' in parsed ? saidBy(parsed.value) : null, endpoint, raw)
  return found.kind === 'invalid-request' && LACKS.test(found.message) ? { ...found, kind: 'unsupported-parameter' } : found
}
