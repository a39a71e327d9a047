import { rewrite } from '../../core/index.ts'
import type { Outbound } from '../dialect.ts'
import { createDecoder, decodeFault, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { flagsOf } from './quirks.ts'
import { CANNOT } from './write.ts'

/** Providers that speak OpenAI's chat completions, and everybody who copied them. */
export const outbound: Outbound = {
  dialect: 'openai-chat',
  cannot: CANNOT,
  // Only models that always search have it in this format; whoever lists no parameters takes what the caller wrote.
  withSearch(request, { options, contextSize, location, include, exclude }, { parameters }) {
    if (include.length > 0 || exclude.length > 0 || !(parameters === null ? options !== undefined : parameters.has('web_search_options'))) return null
    const { search: _, extrasFrom, ...rest } = request
    const words = options ?? {
      ...(contextSize !== undefined && { search_context_size: contextSize }), ...(location && { user_location: { type: 'approximate', approximate: location } }),
    }
    return rewrite(rest, { extras: { ...(extrasFrom === undefined && rest.extras), web_search_options: words } })
  },
  toolsBy: ({ quirks }) => flagsOf(quirks).noTools ? 'prompt' : 'parameter',
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault,
}
