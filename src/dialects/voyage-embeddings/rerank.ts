import type { Fault, RerankRequest } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { textIn, type Loose } from '../loose.ts'
import { documentTexts, rankedIn, rankingUsage, splitDocuments } from '../rankings.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './embed.ts'

const MOST_DOCUMENTS = 1000
const OURS: ReadonlySet<string> = new Set(['model', 'query', 'documents', 'return_documents'])

/** Voyage's rerank: as Jina's under other names. */
export const rerankOutbound: Outbound<RerankRequest> = wholeOutbound<RerankRequest>({
  dialect: DIALECT,
  cannot: ['documents.image', 'user, session'],
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
    ...(request.topN !== undefined && { top_k: request.topN }),
    ...without(request.extras, OURS), ...without(options, OURS), ...endpoint.forcedParams,
  }
  return { path: '/rerank', headers: {}, body: JSON.stringify(body), dropped: [] }
}

function read(value: Loose): Said | null {
  const ranked = rankedIn(value['data'])
  const model = textIn(value, 'model')
  return ranked && { start: { ...(model !== undefined && { model }) }, block: { type: 'ranking', ranked }, usage: rankingUsage(value) }
}
