import { parseUpstream, stringOf, textStringEnd } from '../json.ts'
import type { Loose } from './wire.ts'

/**
 * The events of one stream differ in one short string. What stands before and behind it is remembered from an event
 * that was parsed; an event that has the same bytes around its string is read without parsing the rest again.
 */
export interface Frame {
  /** Up to and with the quote that opens the string. */
  readonly prefix: string
  /** From the quote that closes the string. */
  readonly suffix: string
  /** OpenAI pads events with an `obfuscation` of random length: then `suffix` ends before it, and this follows it. */
  readonly tail: string | null
}

/** The same of a chunk, with what its string is. */
export interface Template extends Frame {
  readonly kind: 'text' | 'reasoning'
  readonly choice: number
}

const QUOTE = 0x22

/** The string of an event that fits the template, or null. */
export function match(template: Frame, data: string): string | null {
  const { prefix, suffix, tail } = template
  const from = prefix.length
  // Comparing slices costs a fifth of `startsWith`, which goes character by character.
  if (data.slice(0, from) !== prefix) return null
  // Natively to the first quote; only a text with a backslash has to be looked at for where it really ends.
  let at = data.indexOf('"', from)
  if (at < 0) return null
  const text = data.slice(from, at)
  const escaped = text.includes('\\')
  if (escaped) {
    at = textStringEnd(data, from - 1)
    if (at < 0) return null
  }
  if (tail === null ? data.slice(at) !== suffix : !padded(data, at, suffix, tail)) return null
  return escaped ? stringOf(data.slice(from - 1, at + 1)) : text
}

function padded(data: string, at: number, suffix: string, tail: string): boolean {
  const from = at + suffix.length
  return data.slice(at, from) === suffix && data.indexOf('"', from) === data.length - tail.length && data.slice(-tail.length) === tail
}

/** Keys that a chunk may have without meaning more than its piece of text. */
const QUIET_CHUNK: ReadonlySet<string> = new Set([
  'id', 'object', 'created', 'model', 'provider', 'system_fingerprint', 'service_tier', 'choices', 'obfuscation', 'p', 'x_groq',
])
const QUIET_CHOICE: ReadonlySet<string> = new Set([
  'index', 'delta', 'finish_reason', 'native_finish_reason', 'logprobs', 'content_filter_results', 'token_ids', 'stop_reason', 'matched_stop',
])
const QUIET_DELTA: ReadonlySet<string> = new Set(['role', 'content', 'reasoning', 'reasoning_content', 'channel'])
/** Of these keys only null means nothing. */
const EMPTY_IN_CHUNK = ['usage', 'error', 'x_groq'] as const
const EMPTY_IN_CHOICE = ['finish_reason', 'native_finish_reason', 'logprobs', 'stop_reason', 'matched_stop'] as const
const EMPTY_IN_DELTA = ['tool_calls', 'function_call', 'refusal', 'audio', 'annotations'] as const
const SPOKEN = ['content', 'reasoning_content', 'reasoning'] as const

/**
 * Makes a template of an event whose only meaning is one piece of text or reasoning. That the string was found in the
 * right place is proved by putting another in its place and reading the event again.
 */
export function learn(data: string, value: unknown): Template | null {
  const chunk = value as Loose
  const choices = chunk['choices'] as Loose[] | undefined
  if (!Array.isArray(choices) || choices.length !== 1 || !quiet(chunk, QUIET_CHUNK, EMPTY_IN_CHUNK)) return null
  const choice = choices[0]!
  if (!quiet(choice, QUIET_CHOICE, EMPTY_IN_CHOICE)) return null
  const delta = choice['delta'] as Loose
  if (!quiet(delta, QUIET_DELTA, EMPTY_IN_DELTA)) return null
  const key = onlySpoken(delta)
  if (key === null || typeof choice['index'] !== 'number') return null
  const frame = placeOf(data, key, (of) => of['choices']?.[0]?.delta?.[key])
  return frame && { ...frame, kind: key === 'content' ? 'text' : 'reasoning', choice: choice['index'] }
}

const PADDING = /^(.*"obfuscation"\s*:\s*")[^"\\]*(".*)$/s

/** The one field of a delta that says something; null when none does, or several. */
function onlySpoken(delta: Loose): (typeof SPOKEN)[number] | null {
  let found: (typeof SPOKEN)[number] | null = null
  for (const key of SPOKEN) {
    if (typeof delta[key] !== 'string' || delta[key] === '') continue
    if (found) return null
    found = key
  }
  return found
}

/** A string of its own, which does not keep the whole read alive that it was cut from. */
const own = (text: string): string => Buffer.from(text).toString()

/** Whether an object has only known keys, or null in the others; `empty` ones must be null or absent. */
function quiet(at: Loose | null | undefined, known: ReadonlySet<string>, empty: readonly string[]): boolean {
  if (typeof at !== 'object' || at === null) return false
  for (const key in at) if (!known.has(key) && at[key] !== null) return false
  for (const key of empty) if (at[key] !== undefined && at[key] !== null) return false
  return true
}

const SENTINEL = '\u0001here'

/**
 * What stands around the string of a key in the text of an object; `read` finds it in the object. Null where no place of
 * the key is the one that is read.
 */
export function placeOf(data: string, key: string, read: (value: Loose) => unknown): Frame | null {
  const name = `"${key}"`
  for (let at = data.indexOf(name); at >= 0; at = data.indexOf(name, at + 1)) {
    let start = at + name.length
    while (data[start] === ' ') start++
    if (data[start] !== ':') continue
    start++
    while (data[start] === ' ') start++
    if (data.charCodeAt(start) !== QUOTE) continue
    const end = textStringEnd(data, start)
    if (end < 0) return null
    const parsed = parseUpstream(`${data.slice(0, start)}${JSON.stringify(SENTINEL)}${data.slice(end + 1)}`)
    if (!('value' in parsed) || read(parsed.value as Loose) !== SENTINEL) continue
    const suffix = data.slice(end)
    const pad = suffix.includes('"obfuscation"') ? PADDING.exec(suffix) : null
    return { prefix: own(data.slice(0, start + 1)), suffix: own(pad ? pad[1]! : suffix), tail: pad ? own(pad[2]!) : null }
  }
  return null
}
