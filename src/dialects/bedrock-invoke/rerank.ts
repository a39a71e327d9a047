import type { Fault, RerankRequest } from '../../core/index.ts'
import { decodeFault } from '../bedrock-converse/faults.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import type { Loose } from '../loose.ts'
import { documentTexts, rankedIn, splitDocuments } from '../rankings.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { DIALECT, invokePath } from './embed.ts'

const MOST_DOCUMENTS = 1000

/** Rankings at AWS Bedrock, of Amazon's and of Cohere's models, which want the version of their own words. */
export const rerankOutbound: Outbound<RerankRequest> = {
  ...wholeOutbound<RerankRequest>({
    dialect: DIALECT,
    cannot: ['documents.image', 'extras', 'user, session'],
    split: (request) => splitDocuments(request, MOST_DOCUMENTS),
    encode,
    read,
  }),
  decodeFault: (status, headers, body, { endpoint }) => decodeFault(status, headers, body, endpoint),
}

function encode(request: RerankRequest, { endpoint, options }: Target): Outgoing | { readonly fault: Fault } {
  const documents = documentTexts(request, endpoint)
  if ('fault' in documents) return documents
  const body = {
    query: request.query, documents: documents.texts,
    // All of them, unless fewer are wanted: Amazon's gives fewer by itself.
    top_n: Math.min(request.topN ?? documents.texts.length, documents.texts.length),
    ...(/cohere\./.test(endpoint.upstreamModel) && { api_version: 2 }),
    ...options, ...endpoint.forcedParams,
  }
  return { path: invokePath(endpoint), headers: {}, body: JSON.stringify(body), dropped: Object.keys(request.extras) }
}

/** Nothing is counted in the body: search units are counted here. */
function read(value: Loose): Said | null {
  const ranked = rankedIn(value['results'])
  return ranked && { block: { type: 'ranking', ranked } }
}
