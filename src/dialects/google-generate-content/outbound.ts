import type { Outbound } from '../dialect.ts'
import { isKnownToSearch, leavesRoom, withSearchTool } from '../own-search.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { readFault } from './faults.ts'
import { isFetched } from './media.ts'
import { refuses, traitsOf } from './traits.ts'
import { DIALECT } from './wire.ts'

/** Gemini, at the Gemini API and at Vertex. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: [
    'native-parts: those of other dialects',
    'message.name',
    'refusal.text: a refusal is text',
    'text.marks: citations and files noted on text, and seals but those of Google',
    'media.detail', 'media.assistant: pictures that the model made go back only with their seal',
    'media.loose: a name has no place, an id means a file that Google holds, and the kind of an address is told by its ending',
    'calls.custom: tools of the type custom are functions of one text',
    'calls.input: arguments are an object, with numbers of 64 bits',
    'tools.bare: strict has no word, and no schema is the same as an empty one',
    'turns: the system speaks first, user and model take turns, and results stand behind their calls',
    'calls.unnamed: a call has no id of its own, a seal only of Google, and its result the name of its function',
    'result.text: a result is one text or one object; its pictures stand beside it before Gemini 3',
    'reasoning.google: reasoning goes back only with a signature of Google',
    'text.joined: neighbouring texts of the model are one',
    'cache: marks and keys',
    'config.google: no grammar, no name of a schema, none beside tools; no repetition_penalty, min_p, top_a; seeds of 32 bits; five stops; thinking by budget or level',
    'parallel_tool_calls',
    'no-such: logit_bias, prediction, verbosity, sound but by a voice, images but in Google\'s words',
    'router-fields: user, session, metadata, service tier',
  ],
  withSearch(request, { include, exclude }, endpoint) {
    const { mixesTools } = traitsOf(endpoint)
    // It has no word for domains, and before Gemini 3 neither functions nor a form stand beside it.
    if (!isKnownToSearch(endpoint) || include.length > 0 || exclude.length > 0 || refuses(endpoint, 'tools')) return null
    if (!mixesTools && (!leavesRoom(request) || request.tools?.some((tool) => tool.type !== 'native'))) return null
    return withSearchTool(request, DIALECT, { googleSearch: {} })
  },
  fetches: (url, { endpoint }) => isFetched(url, traitsOf(endpoint)),
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault: (status, headers, body, target) => readFault(status, headers, body, target.endpoint),
}
