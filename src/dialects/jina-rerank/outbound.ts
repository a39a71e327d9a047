import { nanoFromUsd, type Fault, type RerankRequest } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { objectIn, textIn, type Loose } from '../loose.ts'
import { rankedIn, rankingUsage, splitDocuments } from '../rankings.ts'
import { wholeOutbound, type Said } from '../whole.ts'
import { without } from '../without.ts'
import { DIALECT } from './wire.ts'

/** Jina takes so many at once. */
const MOST_DOCUMENTS = 2048
const OURS: ReadonlySet<string> = new Set(['model', 'query', 'documents', 'return_documents', 'stream'])

/** Jina's rerank, and that of servers and routers that copied it. */
export const outbound: Outbound<RerankRequest> = wholeOutbound<RerankRequest>({
  dialect: DIALECT,
  cannot: ['user, session'],
  split: (request) => splitDocuments(request, MOST_DOCUMENTS),
  encode,
  read,
})

function encode({ query, documents, topN, extras }: RerankRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint } = target
  const body = {
    model: endpoint.upstreamModel,
    query,
    // A text alone as a text: not all that copied the format know documents as objects.
    documents: documents.map((document) => (document.image === undefined ? document.text : document)),
    ...(topN !== undefined && { top_n: topN }),
    // What the caller sent need not come back: it is at hand.
    return_documents: false,
    ...(target.userId !== undefined && { user: target.userId }),
    ...without({ ...extras, ...target.options }, OURS), ...endpoint.forcedParams,
  }
  return { path: '/rerank', headers: {}, body: JSON.stringify(body), dropped: [] }
}

function read(value: Loose): Said | null {
  const ranked = rankedIn(value['results'] ?? value['data'])
  if (ranked === null) return null
  const used = rankingUsage(value)
  const cost = nanoFromUsd(objectIn(value, 'usage')['cost'])
  const id = textIn(value, 'id')
  const model = textIn(value, 'model')
  const provider = textIn(value, 'provider')
  return {
    start: { ...(id !== undefined && { upstreamId: id }), ...(model !== undefined && { model }), ...(provider !== undefined && { provider }) },
    block: { type: 'ranking', ranked },
    usage: used && cost !== null ? { ...used, stated: cost } : used,
  }
}
