import type { JsonObject } from '../../core/index.ts'
import { isObject, type Loose } from './wire.ts'

/**
 * JSON Schema as models before Gemini 2.5 take it: the subset of OpenAPI 3.0 without references, `const`, `oneOf`,
 * type lists, tuples and closed objects. What it cannot say is left out or said in the description; it never
 * becomes stricter than it was.
 */
export function toSubset(schema: JsonObject): JsonObject | undefined {
  const budget = { left: MAX_NODES }
  const converted = convert(schema, schema, [], budget)
  // "should be non-empty for OBJECT type": a function without parameters has no schema at all.
  const empty = converted['type'] === 'object' && Object.keys(isObject(converted['properties']) ? converted['properties'] : {}).length === 0
  return empty || Object.keys(converted).length === 0 ? undefined : converted
}

/** References multiply when they are written out; beyond this a part of the schema takes anything. */
const MAX_NODES = 5000
const MAX_DEPTH = 24

/** Keys that mean the same there. */
const KEPT = [
  'title', 'description', 'default', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern',
] as const
const FORMATS: ReadonlySet<unknown> = new Set(['enum', 'date-time', 'int32', 'int64', 'float', 'double'])

const ANYTHING: JsonObject = Object.freeze({ type: 'object' })

function convert(at: unknown, root: Loose, trail: readonly unknown[], budget: { left: number }): Record<string, unknown> {
  if (budget.left-- <= 0 || trail.length > MAX_DEPTH) return { ...ANYTHING }
  if (!isObject(at)) return {}
  const inner = [...trail, at]
  const sub = (value: unknown): Record<string, unknown> => convert(value, root, inner, budget)
  const reference = at['$ref']
  if (typeof reference === 'string') {
    const found = resolve(reference, root)
    const { $ref: _, ...beside } = at
    // A schema that holds itself cannot be written out: there it takes any object.
    if (found === undefined || inner.includes(found)) return { ...ANYTHING, ...described(beside) }
    return { ...sub(found), ...described(beside) }
  }
  if (Array.isArray(at['allOf'])) {
    const { allOf, ...rest } = at
    return [rest, ...allOf].map(sub).reduce(merged, {})
  }
  const out: Record<string, unknown> = {}
  for (const key of KEPT) if (at[key] !== undefined) out[key] = at[key]
  if (FORMATS.has(at['format'])) out['format'] = at['format']
  typed(at, out, sub)
  enumerated('const' in at ? [at['const']] : at['enum'], out)
  if (isObject(at['properties'])) {
    out['properties'] = Object.fromEntries(Object.entries(at['properties']).map(([key, value]) => [key, sub(value)]))
    out['type'] ??= 'object'
  }
  if (Array.isArray(at['required']) && isObject(out['properties'])) {
    const known = out['properties']
    const required = at['required'].filter((key) => typeof key === 'string' && Object.hasOwn(known, key))
    if (required.length > 0) out['required'] = required
  }
  const tuple = Array.isArray(at['prefixItems']) ? at['prefixItems'] : Array.isArray(at['items']) ? at['items'] : undefined
  if (tuple) out['items'] = anyOf(tuple.map(sub))
  else if (isObject(at['items'])) out['items'] = sub(at['items'])
  // A list must say what it is a list of.
  else if (out['type'] === 'array') out['items'] = {}
  return out
}

/** `type`, or the alternatives that stand in its place. `null` among them is `nullable`. */
function typed(at: Loose, out: Record<string, unknown>, sub: (value: unknown) => Record<string, unknown>): void {
  const { type } = at
  const alternatives = Array.isArray(at['anyOf']) ? at['anyOf'] : Array.isArray(at['oneOf']) ? at['oneOf'] : undefined
  if (alternatives) {
    const kept = alternatives.filter((one) => !(isObject(one) && one['type'] === 'null'))
    Object.assign(out, anyOf(kept.map(sub)), described(at))
    if (kept.length < alternatives.length) out['nullable'] = true
    if (out['anyOf']) return
  }
  if (typeof type === 'string' && type !== 'null') out['type'] = type
  if (type === 'null') out['nullable'] = true
  if (!Array.isArray(type)) return
  const types = type.filter((one) => typeof one === 'string' && one !== 'null')
  if (types.length < type.length) out['nullable'] = true
  if (types.length === 1) out['type'] = types[0]
  else if (types.length > 1) {
    const { type: _, ...rest } = at
    out['anyOf'] = types.map((one) => sub({ ...rest, type: one, description: undefined, title: undefined }))
  }
}

/** Enums are of strings only; of other values the description tells. */
function enumerated(values: unknown, out: Record<string, unknown>): void {
  if (!Array.isArray(values)) return
  const own = values.filter((value) => value !== null)
  if (own.length < values.length) out['nullable'] = true
  if (own.length === 0) return
  if (own.every((value) => typeof value === 'string' && value !== '')) {
    out['type'] = 'string'
    out['enum'] = own
    return
  }
  const kinds = new Set(own.map((value) => (typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value)))
  const [only] = kinds
  if (out['type'] === undefined && kinds.size === 1 && only !== 'object') out['type'] = only
  const told = `One of: ${own.map((value) => JSON.stringify(value)).join(', ')}.`
  out['description'] = out['description'] === undefined ? told : `${String(out['description'])} ${told}`
}

function anyOf(list: readonly Record<string, unknown>[]): Record<string, unknown> {
  if (list.length === 0) return {}
  return list.length === 1 ? list[0]! : { anyOf: list }
}

function described(at: Loose): Record<string, unknown> {
  return {
    ...(typeof at['description'] === 'string' && { description: at['description'] }),
    ...(typeof at['title'] === 'string' && { title: at['title'] }),
  }
}

/** Two schemas that must both hold, as far as one can say it. */
function merged(a: Record<string, unknown>, b: Record<string, unknown>): Record<string, unknown> {
  const properties = isObject(a['properties']) || isObject(b['properties'])
    ? { ...(a['properties'] as object | undefined), ...(b['properties'] as object | undefined) } : undefined
  const required = [...new Set([...((a['required'] as string[] | undefined) ?? []), ...((b['required'] as string[] | undefined) ?? [])])]
  return { ...a, ...b, ...(properties && { properties }), ...(required.length > 0 && { required }) }
}

/** `#/$defs/name`, `#/definitions/name`, `#`. */
function resolve(reference: string, root: Loose): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let at: unknown = root
  for (const step of reference.slice(2).split('/')) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = (at as Loose)[key]
  }
  return at
}

/** A schema in Google's subset as JSON Schema: types in lower case, `nullable` as a second type, and no order of keys. */
export function fromSubset(schema: Loose, depth = 0): JsonObject {
  if (depth > MAX_DEPTH) return {}
  const { nullable, propertyOrdering: _, ...rest } = schema
  const out: Record<string, unknown> = { ...rest }
  const type = out['type']
  if (typeof type === 'string') {
    const plain = type.toLowerCase()
    if (plain === 'type_unspecified') delete out['type']
    else out['type'] = nullable === true ? [plain, 'null'] : plain
  }
  for (const key of ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']) {
    // Numbers of 64 bits are texts in Google's JSON.
    if (typeof out[key] === 'string') out[key] = Number(out[key])
  }
  if (isObject(out['properties'])) out['properties'] = Object.fromEntries(Object.entries(out['properties']).map(([key, value]) => [key, isObject(value) ? fromSubset(value, depth + 1) : value]))
  if (isObject(out['items'])) out['items'] = fromSubset(out['items'], depth + 1)
  if (Array.isArray(out['anyOf'])) out['anyOf'] = out['anyOf'].map((value) => (isObject(value) ? fromSubset(value, depth + 1) : value))
  return out
}
