import { readFileSync } from 'node:fs'
import { checker, type Checker } from '../schema/index.ts'
import { nearest } from './nearest.ts'
import { ConfigError, type Overlay } from './rows.ts'

type Json = Record<string, unknown>

/**
 * JSON Schemas of an operator's model and endpoint rows: those of the shipped files with nothing required but what
 * cannot be guessed, ids and names as free as operators' models are, and the few keys that only operators use.
 */
export function overlaySchemas(): { readonly model: Json; readonly endpoint: Json } {
  const model = definition('models', 'model')
  const endpoint = definition('endpoints', 'endpoint')
  const pricing = endpoint.$defs['pricing'] as Json
  const text = { type: 'string', minLength: 1 }
  const words = { type: 'array', items: text, uniqueItems: true }
  const id = { type: 'string', pattern: '^[^\\s/@]+/[^\\s@]+$' }
  return {
    model: {
      ...model,
      required: ['id'],
      properties: {
        ...model.properties, id, author: text, supported_parameters: words, variant_of: id, alias_target: id, sources: words,
        openrouter_listed: text,
        enabled: { type: 'boolean' }, description: text, successor: id,
        benchmarks: { type: 'array', items: { type: 'object', required: ['metric', 'value', 'source'] } },
      },
    },
    endpoint: {
      ...endpoint,
      required: [],
      properties: {
        ...endpoint.properties, id: text, model: id, tag: text, sources: words, quantization: { type: ['string', 'null'] },
        supported_parameters: { anyOf: [words, { type: 'null' }] },
        provider: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]*$' },
        base_url: { type: 'string', pattern: '^https?://' },
        pricing: {
          anyOf: [
            { const: 'free' },
            { ...pricing, properties: orNull(pricing['properties'] as Json) },
          ],
        },
        pricing_overrides: { type: 'array', items: { $ref: '#/$defs/override' } },
        enabled: { type: 'boolean' },
        price_source: { const: 'stated' },
      },
    },
  }
}

/** Holds an operator's rows against the schemas. Throws a ConfigError that names the row, the key and what is wrong. */
export function createOverlayCheck(): (overlay: Pick<Overlay, 'models' | 'endpoints'>) => void {
  let checks: { model: RowCheck; endpoint: RowCheck } | null = null
  return (overlay) => {
    if (overlay.models.length === 0 && overlay.endpoints.length === 0) return
    if (!checks) {
      const schemas = overlaySchemas()
      checks = { model: rowCheck(schemas.model), endpoint: rowCheck(schemas.endpoint) }
    }
    for (const [index, row] of overlay.models.entries()) checks.model(`models[${index}]`, row)
    for (const [index, row] of overlay.endpoints.entries()) checks.endpoint(`endpoints[${index}]`, row)
  }
}

type RowCheck = (where: string, row: unknown) => void

function rowCheck(schema: Json): RowCheck {
  const check: Checker = checker(schema)
  return (where, row) => {
    const named = `${where}${nameOf(row)}`
    const unknown = unknownKeys(schema, row)[0]
    if (unknown) throw new ConfigError(`${named}: ${unknownKeySentence(unknown)}`)
    const issue = check(row)
    if (!issue) return
    const price = issue.path.startsWith('pricing') ? '; prices are dollars per unit as decimal strings in quotes ("0.00000125"), or the word free' : ''
    throw new ConfigError(`${named}: ${issue.path || 'the row'} ${issue.message}${price}`)
  }
}

function nameOf(row: unknown): string {
  const named = row as { id?: unknown; model?: unknown } | null
  const name = named?.id ?? named?.model
  return typeof name === 'string' ? ` (${name})` : ''
}

/** A key that a schema does not know, with those that it knows at that place. */
export interface UnknownKey {
  readonly path: string
  readonly key: string
  readonly known: readonly string[]
}

/** Every key of a value that its schema does not know, the deepest first. Reads objects, lists and maps; a union's branches are joined. */
export function unknownKeys(schema: Json, value: unknown): readonly UnknownKey[] {
  const found: (UnknownKey & { depth: number })[] = []
  const defs = (schema['$defs'] ?? {}) as Record<string, Json>
  const walk = (at: Json, inner: unknown, path: string, depth: number): void => {
    const branches = branchesOf(at, defs)
    if (Array.isArray(inner)) {
      const items = branches.map((branch) => branch['items']).find((candidate) => candidate && typeof candidate === 'object')
      if (items) for (const [index, item] of inner.entries()) walk(items as Json, item, `${path}[${index}]`, depth + 1)
      return
    }
    if (inner === null || typeof inner !== 'object') return
    const objects = branches.filter((branch) => branch['properties'] || branch['additionalProperties'] !== undefined)
    if (objects.length === 0) return
    const properties = Object.assign({}, ...objects.map((branch) => branch['properties'])) as Record<string, Json>
    const others = objects.map((branch) => branch['additionalProperties'])
    for (const [key, item] of Object.entries(inner)) {
      const next = path ? `${path}.${key}` : key
      if (Object.hasOwn(properties, key)) walk(properties[key]!, item, next, depth + 1)
      else if (others.every((other) => other === false)) found.push({ path: next, key, known: Object.keys(properties), depth })
      else {
        const other = others.find((candidate) => candidate && typeof candidate === 'object')
        if (other) walk(other as Json, item, next, depth + 1)
      }
    }
  }
  walk(schema, value, '', 0)
  return found.toSorted((a, b) => b.depth - a.depth)
}

/** `pricing.promt is not a known key; did you mean prompt?` */
export function unknownKeySentence(unknown: UnknownKey): string {
  const [near] = nearest(unknown.key, unknown.known)
  return `${unknown.path} is not a known key; ${near ? `did you mean ${near}?` : `known are ${unknown.known.join(', ')}`}`
}

function branchesOf(schema: Json, defs: Record<string, Json>): Json[] {
  const ref = schema['$ref']
  if (typeof ref === 'string') return branchesOf(defs[ref.slice(ref.lastIndexOf('/') + 1)] ?? {}, defs)
  const union = (schema['anyOf'] ?? schema['oneOf']) as Json[] | undefined
  return union ? union.flatMap((branch) => branchesOf(branch, defs)) : [schema]
}

function definition(file: 'models' | 'endpoints', name: string): Json & { properties: Json; $defs: Json } {
  const schema = JSON.parse(readFileSync(new URL(`data/${file}.schema.json`, import.meta.url), 'utf8')) as { $defs: Record<string, Json> }
  const found = schema.$defs[name] as Json & { properties: Json }
  return { ...found, $defs: schema.$defs }
}

function orNull(properties: Json): Json {
  return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, { anyOf: [schema, { type: 'null' }] }]))
}
