import type { Annotation, JsonObject } from '../../core/index.ts'

/** A citation or a parsed file as callers and providers of this format write it. Offsets are always there, 0 where unknown. */
export function writeAnnotation(note: Annotation): JsonObject {
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
