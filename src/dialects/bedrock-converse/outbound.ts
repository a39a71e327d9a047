import type { Outbound } from '../dialect.ts'
import { decodeReply, decoder } from './decoder.ts'
import { encode } from './encode.ts'
import { decodeFault } from './faults.ts'
import { DIALECT } from './wire.ts'

/** AWS Bedrock's Converse: one format for the models of many makers, each of which takes other things in it. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'audio', 'media.id: files at other providers', 'native-parts', 'reasoning.unsigned: reasoning goes back only with what Claude or Bedrock sealed it',
    'refusal: is text', 'text.annotations', 'text.blank: is left out', 'names-and-ids: of messages, files and reasoning', 'result.orphan: is text of the user',
    'tools.strict', 'tool_choice: none, and required at most families, are said in words', 'parallel_tool_calls: but Claude', 'response_format: json, grammar, python',
    'sampling: penalties, min_p, top_a', 'seed', 'logit_bias', 'logprobs', 'n', 'prediction', 'verbosity', 'modalities', 'stop: beyond four',
    'system: late ones are text of the user', 'prompt_cache_key', 'cache: but Claude and Nova', 'router-fields: user, session, metadata, service tier',
  ],
  fetches: () => false,
  encode,
  decodeReply,
  decoder,
  decodeFault: (status, headers, body, { endpoint }) => decodeFault(status, headers, body, endpoint),
}
