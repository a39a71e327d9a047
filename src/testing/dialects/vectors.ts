import type { Asked, Loose, Turn } from '../asked.ts'
import { countWords } from '../asked.ts'
import type { Usage } from '../order.ts'
import type { Reply } from '../reply.ts'

/** What the fakes of embeddings and rankings have in common: vectors and scores that anybody can work out from a text. */

/** The length of a vector, where nobody asks for another. */
export const DIMENSIONS = 8

/** The vector of a text: the same for the same text, of length 1, and exact in 32 bits. */
export function vectorOf(text: string, dimensions = DIMENSIONS): number[] {
  let state = 2_166_136_261
  for (const character of text) state = Math.imul(state ^ character.codePointAt(0)!, 16_777_619)
  const raw = Array.from({ length: dimensions }, () => {
    state = Math.imul(state ^ (state >>> 15), 2_246_822_519) + 1
    return (state >>> 8) / 2 ** 24 - 0.5
  })
  const length = Math.hypot(...raw)
  return raw.map((value) => Math.fround(value / length))
}

/** The same as 32-bit floats, little-endian, in base64. */
export function packed(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(value, at * 4)
  return bytes.toString('base64')
}

/** How much of a query's words a document has, 0 to 1: a ranking by anybody's lights. */
export function scoreOf(query: string, document: string): number {
  const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/\p{L}+/gu) ?? [])
  const words = wordsOf(query)
  const found = words.intersection(wordsOf(document)).size
  return words.size === 0 ? 0 : found / words.size
}

export interface Place { readonly index: number; readonly score: number }

/** The documents by their scores, the best first, so many as are wanted. */
export function ranking(query: string, documents: readonly string[], most = documents.length): Place[] {
  return documents.map((document, index) => ({ index, score: scoreOf(query, document) }))
    .toSorted((a, b) => b.score - a.score || a.index - b.index).slice(0, most)
}

/** A request of which only the texts matter to the fake's orders; an order in the first one rules all of them. */
export function askedFor(dialect: string, body: Loose, model: string, texts: readonly string[], problem?: string): Asked {
  const turns: Turn[] = texts.toReversed().map((text) => ({ role: 'user', text }))
  return { dialect, model, body, stream: false, turns, tools: [], choice: 'auto', stop: [], choices: 1, logprobs: false, ...(problem !== undefined && { problem }) }
}

/** The texts of a request without the line that gives an order. */
export const plain = (text: string): string => (text.startsWith('#fake ') ? text.slice(text.indexOf('\n') + 1) : text)

export const wordsIn = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + countWords(plain(text)), 0)

/** The tokens that an answer reports: a word is one, unless the order says otherwise. None where it says null. */
export const tokensOf = ({ usage }: Reply): number | null => (usage === undefined ? null : (usage satisfies Usage).input)

export const texts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))

export const unknownKey = (body: Loose, known: ReadonlySet<string>): string | undefined => Object.keys(body).find((key) => !known.has(key))
