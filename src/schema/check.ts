import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { z } from 'zod'

/** One thing that is wrong with a value. */
export interface Issue {
  /** `messages[0].content[1].image_url.url`; empty for the value itself. */
  readonly path: string
  /** What is wrong and what would be right: `must be a number from 0 to 2, is "hot"`. */
  readonly message: string
}

/** Says what is wrong with a value: the issue at the deepest path, or null. */
export type Checker = (value: unknown) => Issue | null

/** The JSON Schema (2020-12) of a zod schema, as it is published and checked. Unknown keys are allowed unless strict. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>
  return rest
}

/**
 * Compiles a schema into a checker on first use (compiling the chat request takes tens of milliseconds, which a
 * start need not pay). A check of a plain request takes a few microseconds; zod's own parse would copy it.
 */
export function checker(schema: z.ZodType | Record<string, unknown>): Checker {
  let validate: ValidateFunction | null = null
  let explain: ValidateFunction | null = null
  let json: Record<string, unknown> | null = null
  // Schemas are our own. Held against the schema of schemas, which ajv compiles anew each time, and with its passes over
  // the code, which is no slower without them, those of one start took 600 ms more: a test holds the document to it once.
  const compile = (allErrors: boolean) => new Ajv2020({
    allErrors, strict: false, verbose: allErrors, discriminator: true, meta: false, validateSchema: false, code: { optimize: false },
  }).compile(json ??= schema instanceof z.ZodType ? jsonSchemaOf(schema) : schema)
  return (value) => {
    validate ??= compile(false)
    if (validate(value)) return null
    // Stopping at the first error is quick, and hides which branch of a union was meant.
    explain ??= compile(true)
    explain(upTo(value, deepestPath(validate.errors ?? [])))
    return deepest(explain.errors ?? [])
  }
}

function deepestPath(errors: readonly ErrorObject[]): string {
  return errors.reduce((deepest, { instancePath }) => instancePath.length > deepest.length ? instancePath : deepest, '')
}

/**
 * The value with every list on the way to a path cut behind it. All errors of a list of fifty thousand wrong things
 * take 70 ms to collect, and the first says as much.
 */
function upTo(value: unknown, path: string): unknown {
  const [, step, ...rest] = path.split('/')
  if (step === undefined || value === null || typeof value !== 'object') return value
  const inner = rest.length > 0 ? `/${rest.join('/')}` : ''
  if (Array.isArray(value)) {
    const at = Number(step)
    return [...value.slice(0, at), upTo(value[at], inner)]
  }
  const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
  return { ...value, [key]: upTo((value as Record<string, unknown>)[key], inner) }
}

const KEYWORDS_OF_CHOICE = new Set(['anyOf', 'oneOf', 'if', 'not'])

/**
 * The most telling of ajv's errors. A union reports every branch that failed: the branch that got furthest into
 * the value is the one that was meant.
 */
function deepest(errors: readonly ErrorObject[]): Issue {
  const telling = meant(errors.filter((error) => !KEYWORDS_OF_CHOICE.has(error.keyword)))
  const candidates = telling.length > 0 ? telling : errors
  const depth = (error: ErrorObject) => error.instancePath.split('/').length
    + (error.keyword === 'required' || error.keyword === 'additionalProperties' || error.keyword === 'discriminator' ? 0.5 : 0)
  const most = candidates.reduce((deepest, error) => Math.max(deepest, depth(error)), 0)
  const best = candidates.filter((error) => depth(error) === most)
  const first = best[0]!
  const path = pathOf(first)
  const same = best.filter((error) => pathOf(error) === path)
  return { path, message: sentence(same) }
}

const BRANCH = /^(.*\/(?:anyOf|oneOf))\/(\d+)/

/**
 * Without the branches of a union that name another kind of thing: an image part without its `image_url` is no text
 * part without its `text`. A branch is another kind when a constant in it does not match while a sibling's does.
 */
function meant(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const branches = new Map<string, Map<string, boolean>>()
  for (const error of errors) {
    const [, union, branch] = BRANCH.exec(error.schemaPath) ?? []
    if (union === undefined || branch === undefined) continue
    const siblings = branches.get(union) ?? new Map<string, boolean>()
    siblings.set(branch, (siblings.get(branch) ?? false) || error.keyword === 'const')
    branches.set(union, siblings)
  }
  return errors.filter((error) => {
    const [, union = '', branch = ''] = BRANCH.exec(error.schemaPath) ?? []
    const siblings = branches.get(union)
    return !siblings?.get(branch) || ![...siblings.values()].includes(false)
  })
}

function pathOf(error: ErrorObject): string {
  let path = ''
  for (const step of error.instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    path += /^\d+$/.test(key) ? `[${key}]` : path ? `.${key}` : key
  }
  const inner = error.keyword === 'required' ? String(error.params['missingProperty'])
    : error.keyword === 'additionalProperties' ? String(error.params['additionalProperty'])
      : error.keyword === 'discriminator' ? String(error.params['tag']) : ''
  return inner ? (path ? `${path}.${inner}` : inner) : path
}

function sentence(errors: readonly ErrorObject[]): string {
  const first = errors[0]!
  if (first.keyword === 'required') return 'is required'
  if (first.keyword === 'additionalProperties') return 'is not a known field'
  if (first.keyword === 'discriminator') {
    const tag = String(first.params['tag'])
    return `must be one of ${tagsOf(first.parentSchema, tag)}, is ${shown((first.data as Record<string, unknown>)[tag])}`
  }
  const every = [...new Set(errors.map(wantedBy))]
  // Optional fields of the APIs that we speak may be null; saying so in each message would only bury what is wanted.
  const named = every.filter((wanted) => wanted !== 'null')
  const wanted = (named.length > 0 ? named : every).join(' or ')
  return `must be ${wanted}, is ${shown(first.data)}`
}

/** The kinds that a union tells apart by its tag. */
function tagsOf(schema: unknown, tag: string): string {
  const branches = (schema as { oneOf?: readonly { properties?: Record<string, { const?: unknown; enum?: readonly unknown[] }> }[] } | undefined)?.oneOf ?? []
  const tags = branches.flatMap(({ properties }) => properties?.[tag]?.enum ?? [properties?.[tag]?.const])
  return tags.filter((value) => value !== undefined).map((value) => JSON.stringify(value)).join(', ')
}

function wantedBy(error: ErrorObject): string {
  const schema = (error.parentSchema ?? {}) as Record<string, unknown>
  switch (error.keyword) {
    case 'type':
      return schema['type'] === 'number' || schema['type'] === 'integer' ? rangeOf(schema) : typeName(error.params['type'])
    case 'enum': return 'one of ' + (error.params['allowedValues'] as unknown[]).map((v) => JSON.stringify(v)).join(', ')
    case 'const': return JSON.stringify(error.params['allowedValue'])
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum': return rangeOf(schema)
    case 'minLength': return `at least ${String(error.params['limit'])} characters long`
    case 'maxLength': return `at most ${String(error.params['limit'])} characters long`
    case 'minItems': return `a list of at least ${String(error.params['limit'])}`
    case 'maxItems': return `a list of at most ${String(error.params['limit'])}`
    case 'maxProperties': return `an object of at most ${String(error.params['limit'])} keys`
    case 'pattern': return `of the form ${String(error.params['pattern'])}`
    default: return error.message ?? 'valid'
  }
}

export function rangeOf(schema: Record<string, unknown>): string {
  const noun = schema['type'] === 'integer' ? 'a whole number' : 'a number'
  const low = schema['minimum'] ?? schema['exclusiveMinimum']
  const rawHigh = schema['maximum'] ?? schema['exclusiveMaximum']
  const high = rawHigh === Number.MAX_SAFE_INTEGER ? undefined : rawHigh
  const lowIsBound = low !== undefined && low !== Number.MIN_SAFE_INTEGER
  if (!lowIsBound && high === undefined) return noun
  if (lowIsBound && high !== undefined) return `${noun} from ${String(low)} to ${String(high)}`
  return lowIsBound ? `${noun} of at least ${String(low)}` : `${noun} of at most ${String(high)}`
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string', number: 'a number', integer: 'a whole number', boolean: 'true or false',
  array: 'a list', object: 'an object', null: 'null',
}

export function typeName(type: unknown): string {
  return (Array.isArray(type) ? type : [type]).map((t) => TYPE_NAMES[String(t)] ?? String(t)).join(' or ')
}

/** The value at fault, short enough for a message and never a whole prompt. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value !== null && typeof value === 'object') return 'an object'
  const text = JSON.stringify(value) ?? 'missing'
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text
}
