import { isUtf8 } from 'node:buffer'
import { fault, type Fault } from '../core/index.ts'

/** What came of reading foreign bytes as JSON. */
export type Parsed = { readonly value: unknown } | { readonly fault: Fault }

/** Deeper values are refused: `JSON.stringify` recurses, and no request or reply that anybody means is as deep. */
const MAX_DEPTH = 64
/** A JSON object of a tool's schema has tens of keys; a million keys cost more than the rest of a request. */
const MAX_KEYS = 200_000
/** One object with more is an attack on whoever compares its keys: 200,000 of them took 80 ms. */
const MAX_KEYS_OF_ONE = 20_000
/** Each takes some fifty bytes of memory: without a bound, 20 MB of `[],[],…` became a quarter of a gigabyte. */
const MAX_VALUES = 2_000_000
/** Objects with more keys are looked through with a set; below, comparing each with each is faster. */
const MANY_KEYS = 32

/**
 * Reads a caller's body, strictly: valid UTF-8, at most 64 levels deep, no duplicate keys (a spliced body would
 * mean one thing to us and another to the provider) and no `__proto__`. One pass over the bytes, then one parse.
 * The fault is `invalid-request` and says where.
 */
export function parseBody(input: Uint8Array | string): Parsed {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  if (bytes.length === start) return refused('The body is empty: send a JSON object.')
  const text = viewOf(bytes).toString('utf8', start)
  // What cannot be decoded becomes U+FFFD, so that only a text which has one raises the question.
  if (text.includes('\ufffd') && !isUtf8(bytes)) return refused('The body is not valid UTF-8.')
  let problem = scan(bytes, start, null)
  if (problem === 'again') problem = scan(bytes, start, [])
  if (problem !== null && problem !== 'again') return refused(problem.message)
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return refused(`The body is not valid JSON${placeOf(error)}.`)
  }
}

/**
 * Reads what a provider sent, leniently: bad UTF-8 is replaced, duplicate keys are the provider's affair,
 * `__proto__` is dropped. Depth is still bounded. The fault is `invalid-response` and quotes nothing.
 */
export function parseUpstream(input: Uint8Array | string): Parsed {
  const text = typeof input === 'string' ? input : viewOf(input).toString('utf8')
  if (hasManyBrackets(text) && tooDeep(text)) return { fault: fault('invalid-response', 'The provider sent JSON that is nested too deeply.') }
  try {
    if (mayNameProto(text)) return { value: JSON.parse(text, withoutProto) }
    return { value: JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) }
  } catch {
    return { fault: fault('invalid-response', 'The provider sent what is not JSON.') }
  }
}

/** Whether a key may be `__proto__`, also with some of its letters as escapes. */
const mayNameProto = (text: string): boolean => text.includes('__proto__') || (text.includes('\\u00') && ESCAPED_LETTER.test(text))

const ESCAPED_LETTER = /\\u00[567]/

/** Whether a text is one whole JSON value; what is nested too deeply is not. */
export const isJson = (text: string): boolean => 'value' in parseUpstream(text)

/** The text that a JSON string literal stands for, quotes included; null when it is none. */
export function stringOf(literal: string): string | null {
  try {
    const value: unknown = JSON.parse(literal)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

/** Where the value of each key of a top-level object lies in its bytes: `from` inclusive, `to` exclusive. */
export interface Span {
  readonly key: string
  readonly from: number
  readonly to: number
}

/**
 * The spans of a top-level object's values, for splicing a large body without writing it anew. The bytes must have
 * been read by `parseBody` before; null when they hold no object.
 */
export function topLevelSpans(bytes: Uint8Array): readonly Span[] | null {
  const view = viewOf(bytes)
  const spans: Span[] = []
  let at = skipBlank(bytes, bytes[0] === 0xef ? 3 : 0)
  if (bytes[at] !== OPEN_OBJECT) return null
  at = skipBlank(bytes, at + 1)
  while (at < bytes.length && bytes[at] === QUOTE) {
    const end = stringEnd(bytes, at)
    if (end < 0) return null
    const key = JSON.parse(view.toString('utf8', at, end + 1)) as string
    at = skipBlank(bytes, end + 1)
    if (bytes[at] !== COLON) return null
    const from = skipBlank(bytes, at + 1)
    const to = valueEnd(bytes, from)
    if (to < 0) return null
    spans.push({ key, from, to })
    at = skipBlank(bytes, to)
    if (bytes[at] !== COMMA) break
    at = skipBlank(bytes, at + 1)
  }
  return bytes[at] === CLOSE_OBJECT ? spans : null
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

const refused = (message: string): Parsed => ({ fault: fault('invalid-request', message) })

/** The same bytes as a Buffer, without copying. */
export function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** What is wrong with a body's structure. */
interface Problem {
  readonly message: string
}

/**
 * Walks the structure once. Syntax is left to `JSON.parse`; this looks at what it does not: depth, duplicate keys,
 * `__proto__`. Keys are compared as bytes where they stand. Answers "again" when that does not do (escapes in a key,
 * very many keys in an object): then it wants `names`, a stack of sets, to compare them as strings.
 */
function scan(bytes: Uint8Array, start: number, names: Set<string>[] | null): Problem | 'again' | null {
  /** For each open bracket, where the keys of its object begin in `keys`; -1 for a list. */
  const levels: number[] = []
  /** Where each key of the open objects begins, behind its quote. */
  const keys: number[] = []
  let depth = 0
  let top = 0
  let count = 0
  let values = 0
  let expectKey = false
  for (let at = start; at < bytes.length; at++) {
    switch (bytes[at]) {
      case OPEN_OBJECT:
      case OPEN_ARRAY: {
        if (depth === MAX_DEPTH) return { message: `The body is nested deeper than ${MAX_DEPTH} levels.` }
        expectKey = bytes[at] === OPEN_OBJECT
        if (names) names[depth] = new Set()
        levels[depth++] = expectKey ? top : -1
        break
      }
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (depth > 0 && levels[--depth]! >= 0) top = levels[depth]!
        expectKey = false
        break
      case COMMA:
        if (++values > MAX_VALUES) return { message: `The body has more than ${MAX_VALUES} values.` }
        expectKey = depth > 0 && levels[depth - 1]! >= 0
        break
      case QUOTE: {
        const from = at + 1
        if (!expectKey) {
          at = stringEnd(bytes, at)
          if (at < 0) return null
          break
        }
        expectKey = false
        if (++count > MAX_KEYS) return { message: `The body has more than ${MAX_KEYS} keys.` }
        if (names) {
          at = stringEnd(bytes, at)
          if (at < 0) return null
          if (names[depth - 1]!.size >= MAX_KEYS_OF_ONE) return { message: `An object of the body has more than ${MAX_KEYS_OF_ONE} keys.` }
          const found = addName(bytes, from - 1, at, names[depth - 1]!)
          if (found) return found
          break
        }
        for (at = from; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) return 'again'
        if (at === bytes.length) return null
        if (isProto(bytes, from, at)) return PROTO
        const first = levels[depth - 1]!
        if (top - first >= MANY_KEYS) return 'again'
        for (let i = first; i < top; i++) if (sameKey(bytes, keys[i]!, from)) return duplicate(viewOf(bytes).toString('utf8', from, at))
        keys[top++] = from
      }
    }
  }
  return null
}

const PROTO: Problem = { message: 'The key "__proto__" is not allowed in a body.' }
const duplicate = (key: string): Problem => ({ message: `The key ${JSON.stringify(key.slice(0, 64))} stands twice in one object of the body.` })

function addName(bytes: Uint8Array, from: number, to: number, names: Set<string>): Problem | null {
  let name: string
  try {
    name = JSON.parse(viewOf(bytes).toString('utf8', from, to + 1)) as string
  } catch {
    return null
  }
  if (name === '__proto__') return PROTO
  if (names.has(name)) return duplicate(name)
  names.add(name)
  return null
}

/** Whether two keys are the same up to their closing quotes; both have one, and neither has an escape. */
function sameKey(bytes: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; bytes[a + i] === bytes[b + i]; i++) if (bytes[a + i] === QUOTE) return true
  return false
}

const PROTO_BYTES = Buffer.from('__proto__')

function isProto(bytes: Uint8Array, from: number, to: number): boolean {
  if (bytes[from] !== 0x5f || to - from !== PROTO_BYTES.length) return false
  for (let i = 0; i < PROTO_BYTES.length; i++) if (bytes[from + i] !== PROTO_BYTES[i]) return false
  return true
}

/** Bytes of a string that are looked at one by one before the rest is crossed natively, which long base64 wants. */
const NEAR = 64

/** The closing quote of the string that opens at `at`, or -1. */
function stringEnd(bytes: Uint8Array, at: number): number {
  let i = at + 1
  while (i < bytes.length) {
    const near = Math.min(i + NEAR, bytes.length)
    for (; i < near; i++) {
      const byte = bytes[i]
      if (byte === QUOTE) return i
      if (byte === BACKSLASH) i++
    }
    if (i >= bytes.length) return -1
    const quote = bytes.indexOf(QUOTE, i)
    if (quote < 0) return -1
    let slashes = 0
    while (quote - 1 - slashes >= i && bytes[quote - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return quote
    i = quote + 1
  }
  return -1
}

function skipBlank(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09)) at++
  return at
}

function valueEnd(bytes: Uint8Array, from: number): number {
  let depth = 0
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = stringEnd(bytes, at)
      if (at < 0) return -1
      if (depth === 0) return at + 1
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (depth === 0) return trimmedEnd(bytes, from, at)
      if (--depth === 0) return at + 1
    } else if (byte === COMMA && depth === 0) return trimmedEnd(bytes, from, at)
  }
  return -1
}

function trimmedEnd(bytes: Uint8Array, from: number, to: number): number {
  while (to > from && (bytes[to - 1] === 0x20 || bytes[to - 1] === 0x0a || bytes[to - 1] === 0x0d || bytes[to - 1] === 0x09)) to--
  return to
}

/** A text without more brackets than levels cannot be too deep: nearly every reply is told by that, natively. */
function hasManyBrackets(text: string): boolean {
  let count = 0
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at + 1)) if (++count > MAX_DEPTH) return true
  for (let at = text.indexOf('['); at >= 0; at = text.indexOf('[', at + 1)) if (++count > MAX_DEPTH) return true
  return false
}

function tooDeep(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      i = textStringEnd(text, i)
      if (i < 0) return false
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--
  }
  return false
}

/** The closing quote of the JSON string that opens at `at` in a text, or -1. */
export function textStringEnd(text: string, at: number): number {
  let i = at + 1
  while (i < text.length) {
    const near = Math.min(i + NEAR, text.length)
    for (; i < near; i++) {
      const code = text.charCodeAt(i)
      if (code === QUOTE) return i
      if (code === BACKSLASH) i++
    }
    if (i >= text.length) return -1
    const quote = text.indexOf('"', i)
    if (quote < 0) return -1
    let slashes = 0
    while (quote - 1 - slashes >= i && text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return quote
    i = quote + 1
  }
  return -1
}

const withoutProto = (key: string, value: unknown): unknown => (key === '__proto__' ? undefined : value)

/** V8 names the place, and quotes the text around it, which is the caller's prompt: only the place is kept. */
function placeOf(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  const place = /at position (\d+)(?: \(line (\d+) column (\d+)\))?/.exec(message)
  if (place?.[2]) return ` (line ${place[2]}, column ${place[3]})`
  if (place) return ` (position ${place[1]})`
  return /end of JSON input|Unterminated/.test(message) ? ' (it ends too early)' : ''
}
