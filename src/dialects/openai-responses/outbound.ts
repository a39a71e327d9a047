import type { Outbound } from '../dialect.ts'
import { approximate, isKnownToSearch, withSearchTool } from '../own-search.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { encode } from './encode.ts'
import { decodeFault } from './faults.ts'
import { DIALECT } from './wire.ts'
import { CANNOT, UNSPOKEN } from './write.ts'

/** Providers that speak OpenAI's Responses: OpenAI itself, and everybody who sells its newer models. */
export const outbound: Outbound = {
  dialect: DIALECT,
  cannot: CANNOT,
  unspoken: UNSPOKEN,
  withSearch(request, wish, endpoint) {
    const { include, exclude, contextSize } = wish
    // Domains can be allowed and not be left out.
    if (!isKnownToSearch(endpoint) || exclude.length > 0 || request.toolChoice === 'none' || endpoint.parameters?.has('tools') === false) return null
    const location = approximate(wish)
    return withSearchTool(request, DIALECT, {
      type: 'web_search',
      ...(contextSize !== undefined && { search_context_size: contextSize }),
      ...(include.length > 0 && { filters: { allowed_domains: include } }), ...(location && { user_location: location }),
    })
  },
  encode,
  decodeReply,
  decoder: createDecoder,
  decodeFault: (status, headers, body, target) => decodeFault(status, headers, body, target.endpoint),
}
