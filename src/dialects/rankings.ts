import { count, fault, usage, type Endpoint, type Fault, type Ranked, type RerankRequest, type Usage } from '../core/index.ts'
import { isObject, objectIn, type Loose } from './loose.ts'

/** What the faces that put documents in order have in common, whatever the words of their format. */

/** The texts of the documents; a fault where one is a picture, which few providers look at. */
export function documentTexts({ documents }: RerankRequest, { providerName }: Pick<Endpoint, 'providerName'>): { readonly texts: readonly string[] } | { readonly fault: Fault } {
  const at = documents.findIndex(({ image }) => image !== undefined)
  if (at >= 0) return { fault: fault('unsupported-parameter', `documents[${at}].image: ${providerName} reads only texts`, { field: `documents[${at}].image` }) }
  return { texts: documents.map(({ text = '' }) => text) }
}

/** The documents in pieces of at most `most`, each with the query. Scores of a document do not depend on its neighbours. */
export function splitDocuments(request: RerankRequest, most: number): readonly RerankRequest[] {
  if (request.documents.length <= most) return [request]
  const { origin: _, ...rest } = request
  const pieces: RerankRequest[] = []
  for (let at = 0; at < rest.documents.length; at += most) pieces.push({ ...rest, documents: rest.documents.slice(at, at + most) })
  return pieces
}

/** The places of a list of `{index, relevance_score}`, the best first; null where it is no such list. */
export function rankedIn(list: unknown): readonly Ranked[] | null {
  if (!Array.isArray(list)) return null
  const seen = new Set<number>()
  const ranked: Ranked[] = []
  for (const entry of list as readonly unknown[]) {
    if (!isObject(entry)) return null
    const { index } = entry
    const score = entry['relevance_score'] ?? entry['relevanceScore'] ?? entry['score']
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || seen.has(index) || typeof score !== 'number' || !Number.isFinite(score)) return null
    seen.add(index)
    ranked.push({ index, score })
  }
  return ranked.toSorted((a, b) => b.score - a.score || a.index - b.index)
}

/**
 * What was used, as it is told: tokens in `usage`, search units in Cohere's `meta.billed_units` or OpenRouter's `usage`.
 * Undefined where nothing is.
 */
export function rankingUsage(body: Loose): Usage | undefined {
  const told = objectIn(body, 'usage')
  const billed = objectIn(objectIn(body, 'meta'), 'billed_units')
  const units = count(billed['search_units'] ?? told['search_units'])
  const tokens = count(told['total_tokens'] ?? told['prompt_tokens'] ?? billed['total_tokens'] ?? billed['input_tokens'])
  return units > 0 || tokens > 0 ? usage({ total: tokens }, {}, units > 0 ? { services: { search_unit: units } } : {}) : undefined
}
