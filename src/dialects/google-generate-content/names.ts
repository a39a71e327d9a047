import { wireName as writtenName } from '../tool-names.ts'

/** Names of functions as Gemini takes them: a letter or underscore first, then letters, digits, `_ . : -`. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.:-]*$/

export { MAX_TOOL_NAME as MAX_NAME, nameOf } from '../tool-names.ts'

/** A tool's name on the wire; free-form tools, which this format has not, are functions told by a prefix. */
export function wireName(name: string, form: 'function' | 'custom'): string {
  return writtenName(name, form, NAME)
}
