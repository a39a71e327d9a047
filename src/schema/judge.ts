import { LRUCache } from 'lru-cache'
import { RE2JS } from 're2js'
import { rangeOf, shown, typeName, type Checker, type Issue } from './check.ts'

/** What is wrong with a value by a schema; null of a schema that cannot be judged by. */
export type Judge = (schema: Schema) => Checker | null

type Schema = Readonly<Record<string, unknown>>

/** Schemas beyond these judge nothing. */
const MOST_CHARACTERS = 32_768
const DEEPEST = 32
const MOST_PATTERNS = 64
const LONGEST_PATTERN = 500
const REMEMBERED = 500
/**
 * A judgement takes so many steps and no more, some ten milliseconds: thirty definitions, each of which says twice that
 * the next one holds, mean a thousand million otherwise.
 */
const MOST_STEPS = 200_000
/** What a character costs that is held against a pattern. */
const STEPS_PER_CHARACTER = 5

/**
 * Judges by schemas that callers write (draft 7 or 2020-12, as tools and answer formats have them), by walking them: to
 * compile one takes ajv 20 to 1,000 ms of the event loop (docs/decisions/0007-schemas-of-callers.md). They are hostile until read: regular
 * expressions run in an engine whose time is linear, and those that it has no word for (looking ahead, back references)
 * do not run; nothing is fetched; and one that is too large, too deep or malformed judges nothing. Formats are
 * understood differently by everyone, and are not judged by.
 */
export function createJudge(): Judge {
  const known = new LRUCache<string, { readonly check: Checker | null }>({ max: REMEMBERED })
  return (schema) => {
    const text = JSON.stringify(schema)
    if (text.length > MOST_CHARACTERS) return null
    let made = known.get(text)
    if (made === undefined) known.set(text, made = { check: checkerOf(schema) })
    return made.check
  }
}

function checkerOf(schema: Schema): Checker | null {
  const patterns = new Map<string, RE2JS | null>()
  if (!isSound(schema, schema, patterns, 0)) return null
  return (value) => {
    try {
      return new Walk(schema, patterns).at(schema, value, '')
    } catch (error) {
      if (error instanceof Unfinished || error instanceof RangeError) return null
      throw error
    }
  }
}

/** Judging took too long: nothing is said. */
class Unfinished extends Error {}

const TYPES: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null'])
const SCHEMAS = ['additionalProperties', 'additionalItems', 'propertyNames', 'contains', 'not', 'if', 'then', 'else'] as const
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'] as const
const NAMED = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'] as const
const COUNTS = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'] as const

/** Whether all of a schema is of the shape that it has to have; gathers its patterns on the way. */
function isSound(schema: unknown, root: Schema, patterns: Map<string, RE2JS | null>, depth: number): boolean {
  if (typeof schema === 'boolean') return true
  if (!isObject(schema) || depth > DEEPEST) return false
  const sound = (inner: unknown): boolean => isSound(inner, root, patterns, depth + 1)
  const { type, required, pattern, patternProperties, items, $ref, enum: values } = schema
  if (type !== undefined && !(Array.isArray(type) ? type : [type]).every((each) => TYPES.has(each))) return false
  if (required !== undefined && typeof required !== 'boolean' && !isStrings(required)) return false
  if (values !== undefined && !Array.isArray(values)) return false
  if ($ref !== undefined && (typeof $ref !== 'string' || target(root, $ref) === undefined)) return false
  if (COUNTS.some((key) => schema[key] !== undefined && typeof schema[key] !== 'number' && typeof schema[key] !== 'boolean')) return false
  if (SCHEMAS.some((key) => schema[key] !== undefined && !sound(schema[key]))) return false
  for (const key of LISTS) {
    const list = schema[key]
    if (list !== undefined && !(Array.isArray(list) && list.every(sound))) return false
  }
  for (const key of NAMED) {
    const named = schema[key]
    if (named !== undefined && !(isObject(named) && Object.values(named).every(sound))) return false
  }
  if (items !== undefined && !(Array.isArray(items) ? items.every(sound) : sound(items))) return false
  for (const each of [...(pattern === undefined ? [] : [pattern]), ...Object.keys(patternProperties ?? {})]) {
    if (typeof each !== 'string' || patterns.size >= MOST_PATTERNS) return false
    if (!patterns.has(each)) patterns.set(each, linear(each))
  }
  return true
}

/** A pattern that takes no longer than its text is long; null where there is no such. */
function linear(pattern: string): RE2JS | null {
  if (pattern.length > LONGEST_PATTERN) return null
  try {
    return RE2JS.compile(pattern)
  } catch {
    return null
  }
}

/** What a reference inside a schema refers to; undefined where it leads out of it or nowhere. */
function target(root: Schema, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let at: unknown = root
  for (const step of reference.slice(2).split('/')) {
    const key = decoded(step).replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = at[Number(key)]
    else if (isObject(at) && Object.hasOwn(at, key)) at = at[key]
    else return undefined
  }
  return isObject(at) || typeof at === 'boolean' ? at : undefined
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

/** One judgement: a schema held against a value, until the first thing that is wrong. */
class Walk {
  readonly #root: Schema
  readonly #patterns: ReadonlyMap<string, RE2JS | null>
  #steps = MOST_STEPS

  constructor(root: Schema, patterns: ReadonlyMap<string, RE2JS | null>) {
    this.#root = root
    this.#patterns = patterns
  }

  /** What is wrong with the value, which stands at the path. */
  at(schema: unknown, value: unknown, path: string): Issue | null {
    this.#spend(1)
    if (schema === false) return { path, message: 'must not be there' }
    if (!isObject(schema)) return null
    const { type, $ref, const: only, enum: values } = schema
    if (schema['nullable'] === true && value === null) return null
    if (typeof $ref === 'string') {
      const issue = this.at(target(this.#root, $ref), value, path)
      if (issue) return issue
    }
    if (type !== undefined && !(Array.isArray(type) ? type : [type]).some((each) => isOf(each, value))) {
      const wanted = type === 'number' || type === 'integer' ? rangeOf(schema) : typeName(type)
      return { path, message: `must be ${wanted}, is ${shown(value)}` }
    }
    if (Array.isArray(values) && !values.some((each) => this.#same(each, value))) {
      return { path, message: `must be one of ${listed(values)}, is ${shown(value)}` }
    }
    if ('const' in schema && !this.#same(only, value)) return { path, message: `must be ${listed([only])}, is ${shown(value)}` }
    return this.#own(schema, value, path) ?? this.#combined(schema, value, path)
  }

  #spend(steps: number): void {
    if ((this.#steps -= steps) < 0) throw new Unfinished()
  }

  #own(schema: Schema, value: unknown, path: string): Issue | null {
    if (typeof value === 'string') return this.#text(schema, value, path)
    if (typeof value === 'number') return numeric(schema, value, path)
    if (Array.isArray(value)) return this.#list(schema, value, path)
    return isObject(value) ? this.#object(schema, value, path) : null
  }

  #text(schema: Schema, value: string, path: string): Issue | null {
    const { minLength, maxLength, pattern } = schema
    if (typeof minLength === 'number' || typeof maxLength === 'number') {
      const length = codePoints(value)
      if (typeof minLength === 'number' && length < minLength) return { path, message: `must be at least ${minLength} characters long, is ${shown(value)}` }
      if (typeof maxLength === 'number' && length > maxLength) return { path, message: `must be at most ${maxLength} characters long, is ${shown(value)}` }
    }
    return typeof pattern === 'string' && !this.#matches(pattern, value) ? { path, message: `must be of the form ${pattern}, is ${shown(value)}` } : null
  }

  /** Whether a text has a pattern in it; of one that is not run nobody knows, and it has. */
  #matches(pattern: string, text: string): boolean {
    const compiled = this.#patterns.get(pattern)
    if (!compiled) return true
    this.#spend(text.length * STEPS_PER_CHARACTER)
    return compiled.test(text)
  }

  #list(schema: Schema, value: readonly unknown[], path: string): Issue | null {
    const { minItems, maxItems, uniqueItems, contains } = schema
    if (typeof minItems === 'number' && value.length < minItems) return { path, message: `must be a list of at least ${minItems}, is ${shown(value)}` }
    if (typeof maxItems === 'number' && value.length > maxItems) return { path, message: `must be a list of at most ${maxItems}, is ${shown(value)}` }
    const first = (schema['prefixItems'] ?? (Array.isArray(schema['items']) ? schema['items'] : [])) as readonly unknown[]
    const rest = Array.isArray(schema['items']) ? schema['additionalItems'] : schema['items']
    for (const [at, item] of value.entries()) {
      const issue = this.at(at < first.length ? first[at] : rest, item, `${path}[${at}]`)
      if (issue) return issue
    }
    if (contains !== undefined && !value.some((item) => this.at(contains, item, path) === null)) return { path, message: 'has nothing in it that it has to contain' }
    if (uniqueItems === true && new Set(value.map((item) => this.#canonical(item))).size < value.length) return { path, message: 'must not have the same twice' }
    return null
  }

  #object(schema: Schema, value: Schema, path: string): Issue | null {
    const { required, properties, patternProperties, additionalProperties, propertyNames, minProperties, maxProperties } = schema
    const inside = (key: string): string => path === '' ? key : `${path}.${key}`
    const missing = isStrings(required) ? required.find((key) => !Object.hasOwn(value, key)) : undefined
    if (missing !== undefined) return { path: inside(missing), message: 'is required' }
    const keys = Object.keys(value)
    if (typeof minProperties === 'number' && keys.length < minProperties) return { path, message: `must be an object of at least ${minProperties} keys, is one of ${keys.length}` }
    if (typeof maxProperties === 'number' && keys.length > maxProperties) return { path, message: `must be an object of at most ${maxProperties} keys, is one of ${keys.length}` }
    const patterns = isObject(patternProperties) ? Object.entries(patternProperties) : []
    for (const key of keys) {
      this.#spend(1)
      const known = isObject(properties) && Object.hasOwn(properties, key)
      let issue = known ? this.at(properties[key], value[key], inside(key)) : null
      let matched = known
      for (const [pattern, inner] of patterns) {
        if (!this.#matches(pattern, key)) continue
        matched = true
        // What a pattern that is not run is about is not known either.
        if (this.#patterns.get(pattern)) issue ??= this.at(inner, value[key], inside(key))
      }
      if (issue) return issue
      if (!matched && additionalProperties === false) return { path: inside(key), message: 'is not a known field' }
      if (!matched) issue = this.at(additionalProperties, value[key], inside(key))
      if (!issue && propertyNames !== undefined && this.at(propertyNames, key, path) !== null) issue = { path: inside(key), message: 'is not a name that is allowed here' }
      if (issue) return issue
    }
    return this.#dependent(schema, value, path, inside)
  }

  #dependent(schema: Schema, value: Schema, path: string, inside: (key: string) => string): Issue | null {
    for (const word of ['dependentRequired', 'dependentSchemas', 'dependencies'] as const) {
      const all = schema[word]
      if (!isObject(all)) continue
      for (const [key, wanted] of Object.entries(all)) {
        if (!Object.hasOwn(value, key)) continue
        const missing = isStrings(wanted) ? wanted.find((each) => !Object.hasOwn(value, each)) : undefined
        if (missing !== undefined) return { path: inside(missing), message: `is required beside ${key}` }
        const issue = isObject(wanted) ? this.at(wanted, value, path) : null
        if (issue) return issue
      }
    }
    return null
  }

  #combined(schema: Schema, value: unknown, path: string): Issue | null {
    const { allOf, anyOf, oneOf, not, if: condition } = schema
    for (const each of (allOf ?? []) as readonly unknown[]) {
      const issue = this.at(each, value, path)
      if (issue) return issue
    }
    for (const branches of [anyOf, oneOf] as (readonly unknown[] | undefined)[]) {
      if (branches === undefined) continue
      const issues = branches.map((branch) => this.at(branch, value, path))
      const fitting = issues.filter((issue) => issue === null).length
      // The branch that got furthest into the value is the one that was meant.
      if (fitting === 0) return issues.reduce((best, issue) => issue!.path.length > (best?.path.length ?? -1) ? issue : best, null) ?? { path, message: 'fits nothing that it may be' }
      if (branches === oneOf && fitting > 1) return { path, message: 'fits several things of which it may be one' }
    }
    if (not !== undefined && this.at(not, value, path) === null) return { path, message: 'is what it must not be' }
    if (condition === undefined) return null
    return this.at(this.at(condition, value, path) === null ? schema['then'] : schema['else'], value, path)
  }

  #same(a: unknown, b: unknown): boolean {
    if (a === b) return true
    return typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && this.#canonical(a) === this.#canonical(b)
  }

  /** A text that two values share when they are the same, whatever the order of their keys. */
  #canonical(value: unknown): string {
    this.#spend(1)
    if (Array.isArray(value)) return `[${value.map((each) => this.#canonical(each)).join(',')}]`
    if (!isObject(value)) return JSON.stringify(value) ?? 'undefined'
    return `{${Object.keys(value).toSorted().map((key) => `${JSON.stringify(key)}:${this.#canonical(value[key])}`).join(',')}}`
  }
}

function numeric(schema: Schema, value: number, path: string): Issue | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  const below = (typeof minimum === 'number' && (exclusiveMinimum === true ? value <= minimum : value < minimum)) || (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum)
  const above = (typeof maximum === 'number' && (exclusiveMaximum === true ? value >= maximum : value > maximum)) || (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum)
  if (below || above) return { path, message: `must be ${rangeOf(schema)}, is ${shown(value)}` }
  if (typeof multipleOf !== 'number' || multipleOf <= 0) return null
  const times = value / multipleOf
  // 0.3 / 0.1 is 2.9999999999999996.
  return Math.abs(times - Math.round(times)) > 4 * Number.EPSILON * Math.max(1, Math.abs(times)) ? { path, message: `must be a multiple of ${multipleOf}, is ${shown(value)}` } : null
}

function isOf(type: unknown, value: unknown): boolean {
  switch (type) {
    case 'null': return value === null
    case 'array': return Array.isArray(value)
    case 'object': return isObject(value)
    case 'integer': return Number.isInteger(value)
    default: return typeof value === type
  }
}

function codePoints(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length - 1; at++) if (text.codePointAt(at)! > 0xffff) {
    count--
    at++
  }
  return count
}

const LISTED = 20
const listed = (values: readonly unknown[]): string => values.slice(0, LISTED).map((value) => JSON.stringify(value)?.slice(0, 100)).join(', ') + (values.length > LISTED ? ' …' : '')
const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)
const isStrings = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((each) => typeof each === 'string')
