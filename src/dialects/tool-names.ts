/**
 * Names of tools for wire formats that take few characters, mostly letters, digits, `_` and `-`, and that know no
 * free-form tools. Another name is written so that the reader of the answer, which never saw the request, can tell what
 * the caller called it.
 */

const NAME = /^[A-Za-z0-9_-]+$/
const ESCAPED = 'esc__'
const CUSTOM = 'custom__'

export const MAX_TOOL_NAME = 64

/** A tool's name on the wire, where `taken` are the names that go as they are; free-form tools are functions told by a prefix. */
export function wireName(name: string, form: 'function' | 'custom', taken: RegExp = NAME): string {
  return form === 'custom' ? CUSTOM + escaped(name, taken) : escaped(name, taken)
}

/** What a name on the wire stands for. */
export function nameOf(wire: string): { readonly name: string; readonly form: 'function' | 'custom' } {
  return wire.startsWith(CUSTOM)
    ? { name: unescaped(wire.slice(CUSTOM.length)), form: 'custom' }
    : { name: unescaped(wire), form: 'function' }
}

function escaped(name: string, taken: RegExp): string {
  if (taken.test(name) && !name.startsWith(ESCAPED) && !name.startsWith(CUSTOM)) return name
  return ESCAPED + name.replace(/[^A-Za-z0-9_]/gu, (character) => `-${character.codePointAt(0)!.toString(16)}-`)
}

function unescaped(wire: string): string {
  if (!wire.startsWith(ESCAPED)) return wire
  return wire.slice(ESCAPED.length).replace(/-([0-9a-f]{1,6})-/g, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}
