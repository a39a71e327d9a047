import type { Endpoint, Fault } from '../../core/index.ts'
import type { Outbound } from '../dialect.ts'
import { parseUpstream, viewOf } from '../json.ts'
import { decodeWhole, sseDecoder } from '../object-stream.ts'
import { saidBy, upstreamFault, type Headers } from '../upstream-fault.ts'
import { encode } from './encode.ts'
import { Reader } from './reader.ts'
import { DIALECT } from './wire.ts'

const MAX_ERROR_BYTES = 16_384

/** Cohere's own chat, version 2: thoughts, plans and citations, which its OpenAI-shaped face leaves out. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'media: but images', 'media.id: files at other providers', 'result.media: pictures of results are shown by the user behind them', 'native-parts', 'reasoning.sealed: what another family sealed',
    'refusal: is text', 'text.annotations', 'names-and-ids: of messages and reasoning', 'cache: marks and keys', 'result.orphan: is text of the user',
    'tools.strict', 'parallel_tool_calls', 'response_format: grammar, python, names', 'sampling: repetition_penalty, min_p, top_a', 'sampling.range: clamped',
    'top_logprobs', 'logit_bias', 'n', 'prediction', 'verbosity', 'modalities', 'stop: beyond five', 'router-fields: user, session, metadata, service tier',
  ],
  fetches: () => true,
  encode,
  decodeReply: (body, { endpoint }) => decodeWhole(body, new Reader(endpoint), sseDecoder),
  decoder: ({ endpoint }) => sseDecoder(new Reader(endpoint)),
  decodeFault: (status, headers, body, { endpoint }) => decodeFault(status, headers, body, endpoint),
}

/** `{message, id?}`. A 498 is a text with a word that Cohere blocks, which is overload at others. */
function decodeFault(status: number, headers: Headers, body: Uint8Array, endpoint: Endpoint): Fault {
  const raw = viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES)
  const parsed = parseUpstream(raw)
  const found = upstreamFault(status, headers, 'value' in parsed ? saidBy(parsed.value) : null, endpoint, raw)
  return status === 498 ? { ...found, kind: 'moderated' } : found
}
