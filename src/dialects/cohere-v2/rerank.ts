import type { Fault, RerankRequest } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { textIn, type Loose } from '../loose.ts'
import { documentTexts, rankedIn, rankingUsage, splitDocuments } from '../rankings.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './wire.ts'

/** Cohere advises to send no more at once. */
const MOST_DOCUMENTS = 1000
const OURS: ReadonlySet<string> = new Set(['model', 'query', 'documents'])

/** Cohere's rerank, version 2: search units as the unit of account. */
export const rerankOutbound: Outbound<RerankRequest> = wholeOutbound<RerankRequest>({
  dialect: DIALECT,
  cannot: ['documents.image', 'extras', 'user, session'],
  split: (request) => splitDocuments(request, MOST_DOCUMENTS),
  encode,
  read,
})

function encode(request: RerankRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, options } = target
  const documents = documentTexts(request, endpoint)
  if ('fault' in documents) return documents
  const body = {
    model: endpoint.upstreamModel, query: request.query, documents: documents.texts,
    ...(request.topN !== undefined && { top_n: request.topN }),
    ...without(options, OURS), ...endpoint.forcedParams,
  }
  return { path: '/rerank', headers: {}, body: JSON.stringify(body), dropped: Object.keys(request.extras) }
}

function read(value: Loose): Said | null {
  const ranked = rankedIn(value['results'])
  const id = textIn(value, 'id')
  return ranked && { start: { ...(id !== undefined && { upstreamId: id }) }, block: { type: 'ranking', ranked }, usage: rankingUsage(value) }
}
