import type { Annotation, Citation, FileNote, JsonObject, NativeNote } from '../../core/index.ts'
import { isObject, isText } from './foreign.ts'
import type { Loose } from './wire.ts'

/** Those of a list that this format can say, as it says them. */
export const writeAnnotations = (notes: readonly Annotation[]): JsonObject[] => notes.flatMap((note) => (note.type === 'native' ? [] : [writeAnnotation(note)]))

/** A citation or a parsed file as callers and providers of this format write it. Offsets are always there, 0 where unknown. */
export function writeAnnotation(note: Exclude<Annotation, NativeNote>): JsonObject {
  if (note.type === 'file') {
    return { type: 'file', file: { hash: note.hash, ...(note.name !== undefined && { name: note.name }), content: note.content } }
  }
  return {
    type: 'url_citation',
    url_citation: {
      url: note.url,
      ...(note.title !== undefined && { title: note.title }),
      ...(note.content !== undefined && { content: note.content }),
      start_index: note.start ?? 0,
      end_index: note.end ?? 0,
    },
  }
}

/** An annotation as a provider sends it: a citation, flat or nested, or a parsed file; null when it is neither. */
export function annotationOf(it: Loose): Annotation | null {
  const citation = isObject(it['url_citation']) ? it['url_citation'] : it['type'] === 'url_citation' ? it : undefined
  if (citation && typeof citation['url'] === 'string') return citationOf(citation, citation['url'])
  return isObject(it['file']) && typeof it['file']['hash'] === 'string' ? fileOf(it['file'], it['file']['hash']) : null
}

function citationOf(it: Loose, url: string): Citation {
  return {
    type: 'citation', url,
    ...(typeof it['title'] === 'string' && { title: it['title'] }),
    ...(typeof it['content'] === 'string' && { content: it['content'] }),
    ...(typeof it['start_index'] === 'number' && { start: it['start_index'] }),
    ...(typeof it['end_index'] === 'number' && { end: it['end_index'] }),
  }
}

function fileOf({ name, content }: Loose, hash: string): FileNote {
  return { type: 'file', hash, ...(typeof name === 'string' && { name }), content: Array.isArray(content) ? content : [] }
}

/** The sources that search hosts list beside the choices, as addresses or as results with a title. */
export function sourcesOf(value: Loose): Citation[] {
  const list = Array.isArray(value['search_results']) ? value['search_results'] : value['citations']
  if (!Array.isArray(list)) return []
  return list.flatMap((it): Citation[] => {
    const url: unknown = typeof it === 'string' ? it : it?.url
    return isText(url) ? [{ type: 'citation', url, ...(typeof it?.title === 'string' && { title: it.title }) }] : []
  })
}
