import type { JsonObject, Origin } from './chat.ts'
import { BYTES_PER_TOKEN, type Need } from './need.ts'

/** What is put in order: a text, a picture (an address or a data URL), or both. */
export interface RerankDocument {
  readonly text?: string
  readonly image?: string
}

/** The canonical request to put documents in the order of what they have to do with a query. */
export interface RerankRequest {
  readonly query: string
  readonly documents: readonly RerankDocument[]
  /** How many of the best are wanted; absent: all. */
  readonly topN?: number
  readonly user?: string
  readonly session?: string
  /** Fields that no face has a word for, as the caller wrote them: they reach a provider of the same dialect. */
  readonly extras: JsonObject
  readonly origin?: Origin
}

/** The place of one document: its index in the request, and how much it has to do with the query (1 is most). */
export interface Ranked {
  readonly index: number
  readonly score: number
}

/** Documents that one search unit pays for at most (Cohere: a query with up to a hundred documents). */
const DOCUMENTS_PER_UNIT = 100

const RANKING: ReadonlySet<string> = new Set(['rerank'])
const NO_PARAMETERS: ReadonlySet<string> = new Set()

/** What is billed by search units costs so many for a request, where its provider does not say. */
export function searchUnitsOf({ documents }: Pick<RerankRequest, 'documents'>): number {
  return Math.ceil(documents.length / DOCUMENTS_PER_UNIT)
}

/** What a request to rank demands: each document is read with the query, and one that is too long is read in part. */
export function rerankNeed(request: RerankRequest): Need {
  const { query, documents } = request
  const modalities = new Set(['text'])
  let bytes = 0
  let images = 0
  for (const { text, image } of documents) {
    if (text !== undefined) bytes += Buffer.byteLength(text)
    if (image === undefined) continue
    modalities.add('image')
    images++
  }
  // The query is read again with each of them.
  bytes += Buffer.byteLength(query) * documents.length
  return {
    operation: 'rerank', inputBytes: bytes, inputTokens: Math.ceil(bytes / BYTES_PER_TOKEN), outputBound: 0,
    apart: { count: documents.length, longest: 0 }, searchUnits: searchUnitsOf(request),
    inputModalities: modalities, outputModalities: RANKING,
    images, media: images, audios: 0, choices: 1, parameters: NO_PARAMETERS, stream: false,
  }
}
