import { Ajv, type ValidateFunction } from 'ajv'
import { LRUCache } from 'lru-cache'

/** Whether a value is what a schema says; null of a schema that cannot be judged by. */
export type Judge = (schema: Readonly<Record<string, unknown>>) => ((value: unknown) => boolean) | null

/** Larger schemas take longer to compile than an answer takes to route. */
const MOST_CHARACTERS = 32_768
const DEEPEST = 32
const REMEMBERED = 500
/** Not judged by: a caller's regular expression may take for ever, and formats are understood differently by everyone. */
const LEFT_OUT: ReadonlySet<string> = new Set(['pattern', 'patternProperties', 'format', '$schema', '$id', 'id', '$async', 'nullable', 'discriminator'])

/**
 * Judges by schemas that callers write (draft 7, as tools have them). They are hostile until read: no regular
 * expression of theirs is run, nothing is fetched, and one that is too large, too deep or malformed judges nothing.
 * A compiled one is remembered, since the same tools come with every request of an agent.
 */
export function createJudge(): Judge {
  const known = new LRUCache<string, { readonly check: ValidateFunction | null }>({ max: REMEMBERED })
  return (schema) => {
    const text = JSON.stringify(schema)
    if (text.length > MOST_CHARACTERS) return null
    let made = known.get(text)
    if (made === undefined) known.set(text, made = { check: compiled(schema) })
    return made.check
  }
}

function compiled(schema: unknown): ValidateFunction | null {
  try {
    // An instance for each: one that lives would keep every schema that it has seen.
    return new Ajv({ strict: false, validateFormats: false, logger: false, allowUnionTypes: true }).compile(plain(schema, 0) as object)
  } catch {
    return null
  }
}

/** The schema without what is not judged by. Below `properties` and the like keys are names and stay. */
function plain(value: unknown, depth: number, names = false): unknown {
  if (depth > DEEPEST) throw new Error('too deep')
  if (Array.isArray(value)) return value.map((each) => plain(each, depth + 1))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value)
    .filter(([key]) => names || !LEFT_OUT.has(key))
    .map(([key, inner]) => [key, LITERAL.has(key) && !names ? inner : plain(inner, depth + 1, !names && NAMED.has(key))]))
}

const NAMED: ReadonlySet<string> = new Set(['properties', 'definitions', '$defs', 'dependencies'])
const LITERAL: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples', 'required'])
