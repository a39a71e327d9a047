import type { Citation } from '../../core/index.ts'
import { isObject, listIn, textIn, type Loose } from './wire.ts'

/**
 * What an answer rests on, as citations: the supports of grounding with their sources, then the sources that are
 * recited. Offsets are bytes of UTF-8 on the wire and become UTF-16 units of `text`, the whole text of the answer.
 */
export function readCitations(grounding: Loose | undefined, recited: Loose | undefined, text: string): readonly Citation[] {
  const offsets = createOffsets(text)
  const seen = new Set<string>()
  const found: Citation[] = []
  const add = (citation: Citation): void => {
    const key = `${citation.url} ${citation.start ?? ''} ${citation.end ?? ''}`
    if (seen.has(key)) return
    seen.add(key)
    found.push(citation)
  }
  if (grounding) {
    const sources = listIn(grounding, 'groundingChunks').map(sourceOf)
    for (const support of listIn(grounding, 'groundingSupports')) {
      const segment = isObject(support['segment']) ? support['segment'] : {}
      const indices = Array.isArray(support['groundingChunkIndices']) ? support['groundingChunkIndices'] : []
      for (const index of indices) {
        const source = typeof index === 'number' ? sources[index] : undefined
        if (!source) continue
        const content = textIn(segment, 'text')
        add({ type: 'citation', ...source, ...(content !== undefined && { content }), ...span(segment, offsets) })
      }
    }
    if (found.length === 0) for (const source of sources) if (source) add({ type: 'citation', ...source })
  }
  if (recited) {
    // The Gemini API says `citationSources`, Vertex `citations`.
    for (const it of [...listIn(recited, 'citationSources'), ...listIn(recited, 'citations')]) {
      const url = textIn(it, 'uri')
      const title = textIn(it, 'title')
      if (url !== undefined) add({ type: 'citation', url, ...(title !== undefined && { title }), ...span(it, offsets) })
    }
  }
  return found
}

/** A source from the web, from a store of the caller's, or from maps. */
function sourceOf(chunk: Loose): { readonly url: string; readonly title?: string } | undefined {
  const at = ['web', 'retrievedContext', 'maps'].map((key) => chunk[key]).find(isObject)
  const url = at && textIn(at, 'uri')
  const title = at && textIn(at, 'title')
  return url === undefined ? undefined : { url, ...(title !== undefined && { title }) }
}

/** An offset of 0 is left out on the wire, as every default is. */
function span(at: Loose, offsets: (bytes: number) => number): { start: number; end: number } | null {
  const end = at['endIndex']
  if (typeof end !== 'number') return null
  const start = typeof at['startIndex'] === 'number' ? at['startIndex'] : 0
  return { start: offsets(start), end: offsets(end) }
}

/** Byte offsets into the UTF-8 form of a text as offsets into the text; one within a character is its beginning. */
function createOffsets(text: string): (bytes: number) => number {
  let bytes: Buffer | undefined
  return (offset) => {
    bytes ??= Buffer.from(text)
    let at = Math.max(0, Math.min(Math.trunc(offset), bytes.length))
    while (at > 0 && at < bytes.length && (bytes[at]! & 0xc0) === 0x80) at--
    return bytes.toString('utf8', 0, at).length
  }
}
