import type { ToolCallPart } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { isObject, type Loose } from './wire.ts'

/**
 * OpenAI's `apply_patch`: a call for one operation on a file, which the caller carries out. Elsewhere it is a call of a
 * function of that name, whose arguments are the operation: `{"type": "update_file", "path": …, "diff": …}`.
 */

export const APPLY_PATCH = 'apply_patch'

/** The operation that a call asks for; null where it is none, or cannot be read. */
export function operationIn({ as, input }: Pick<ToolCallPart, 'as' | 'input'>): Loose | null {
  if (as !== APPLY_PATCH) return null
  const parsed = parseUpstream(input)
  return 'value' in parsed && isObject(parsed.value) && typeof parsed.value['path'] === 'string' ? parsed.value : null
}

/** The arguments up to the diff, and around each piece of it, as they are made of a stream that says path and type first. */
export const headOf = ({ type, path }: Loose): string => `{"type":${JSON.stringify(type)},"path":${JSON.stringify(path)},"diff":"`
export const pieceOf = (diff: string): string => JSON.stringify(diff).slice(1, -1)
export const TAIL = '"}'

const HEAD = /^\s*\{\s*"type"\s*:\s*"(?:create|update)_file"\s*,\s*"path"\s*:\s*"(?:[^"\\]|\\.){1,4096}"\s*,\s*"diff"\s*:\s*"/
const MOST_HEAD = 10_000

/**
 * Reads the diff out of arguments that come in pieces, as soon as they begin with type and path: other orders of the
 * keys are read when all is there.
 */
export class PatchReader {
  /** What was not read yet: all of it, while its head is not known. */
  #text = ''
  /** What was read of the diff. */
  diff = ''
  /** Type and path, once they are known. */
  head: { readonly type: string; readonly path: string } | null = null

  /** What a piece adds to the diff. */
  push(piece: string): string {
    this.#text += piece
    if (this.head === null && !this.#begun()) return ''
    const end = endOf(this.#text)
    const read = parseUpstream(`"${this.#text.slice(0, end)}"`)
    this.#text = this.#text.slice(end)
    const added = 'value' in read && typeof read.value === 'string' ? read.value : ''
    this.diff += added
    return added
  }

  #begun(): boolean {
    if (this.#text.length > MOST_HEAD) return false
    const [head] = HEAD.exec(this.#text) ?? []
    const parsed = head === undefined ? null : parseUpstream(`${head}"}`)
    if (parsed === null || !('value' in parsed) || !isObject(parsed.value)) return false
    this.#text = this.#text.slice(head!.length)
    this.head = { type: String(parsed.value['type']), path: String(parsed.value['path']) }
    return true
  }
}

/** Where the text of a string ends, or what may yet become another escape begins. */
function endOf(text: string): number {
  let at = 0
  while (at < text.length) {
    const code = text[at]
    if (code === '"') return at
    if (code !== '\\') {
      at++
      continue
    }
    const length = text[at + 1] === 'u' ? 6 : 2
    if (at + length > text.length) return at
    at += length
  }
  return at
}
