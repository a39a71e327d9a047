/**
 * Names and ids as this wire format takes them. Both maps give different things for different things, without a
 * store: a client that sends its history again gets the same bytes, and the reader of the answer, which never saw
 * the request, knows from a name alone what the caller called the tool.
 */

const ID = /^[a-zA-Z0-9_-]+$/
const MADE_ID = 'call64_'

/**
 * The id of a tool call in letters, digits, underscore and hyphen. Kimi's `functions.name:0` and others' become
 * base64url behind a prefix, so no two ids ever meet.
 */
export function wireId(id: string): string {
  return ID.test(id) && !id.startsWith(MADE_ID) ? id : MADE_ID + Buffer.from(id).toString('base64url')
}

/** The tool that a schema is answered by, where the endpoint has no structured outputs. */
export const ANSWER_TOOL = 'json'
/** The same for a schema that is no object, or whose keys could be taken for a wrapper: the answer is in `value`. */
export const WRAPPED_ANSWER_TOOL = 'json_value'
const CUSTOM = 'custom__'
const ESCAPED = 'esc__'
const NAME = /^[a-zA-Z0-9_-]+$/

/** The longest name that Anthropic takes. */
export const MAX_NAME = 128

/** A tool's name on the wire; free-form tools, which this format has not, are told by a prefix. */
export function wireName(name: string, form: 'function' | 'custom' = 'function'): string {
  return form === 'custom' ? CUSTOM + escaped(name) : escaped(name)
}

export type Named =
  | { readonly is: 'call'; readonly name: string; readonly form: 'function' | 'custom' }
  | { readonly is: 'answer'; readonly wrapped: boolean }

/** What a name on the wire stands for: a caller's tool, or the answer to a schema. */
export function nameOf(wire: string): Named {
  if (wire === ANSWER_TOOL || wire === WRAPPED_ANSWER_TOOL) return { is: 'answer', wrapped: wire === WRAPPED_ANSWER_TOOL }
  if (wire.startsWith(CUSTOM)) return { is: 'call', name: unescaped(wire.slice(CUSTOM.length)), form: 'custom' }
  return { is: 'call', name: unescaped(wire), form: 'function' }
}

/** A name that this format refuses, or that means something here, has every unusual character as `-hex-`. */
function escaped(name: string): string {
  const plain = NAME.test(name) && name !== ANSWER_TOOL && name !== WRAPPED_ANSWER_TOOL
    && !name.startsWith(CUSTOM) && !name.startsWith(ESCAPED)
  return plain ? name : ESCAPED + name.replace(/[^a-zA-Z0-9_]/gu, (character) => `-${character.codePointAt(0)!.toString(16)}-`)
}

function unescaped(wire: string): string {
  if (!wire.startsWith(ESCAPED)) return wire
  return wire.slice(ESCAPED.length).replace(/-([0-9a-f]{1,6})-/g, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}
