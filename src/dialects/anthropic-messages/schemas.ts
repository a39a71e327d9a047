import type { JsonObject } from '../../core/index.ts'
import { isLoose, type Loose } from './wire.ts'

/** Keys whose values are schemas by name. */
const MAPS = ['properties', '$defs', 'definitions', 'patternProperties'] as const
/** Keys whose values are lists of schemas. */
const LISTS = ['anyOf', 'oneOf', 'allOf', 'prefixItems'] as const
const SINGLES = ['items', 'not', 'contains', 'if', 'then', 'else'] as const

/** Constraints that constrained decoding refuses with a 400; the model still reads them in the description. */
const REFUSED = [
  'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength', 'maxItems', 'uniqueItems',
  'minProperties', 'maxProperties',
] as const

/** Deeper schemas are sent as they are: no body that was read here is as deep. */
const MAX_DEPTH = 64

/**
 * A schema as structured outputs take it: every object is closed, and limits on numbers, lengths and counts, which
 * are refused, are told in the description. What the schema admits only grows by what the description then says.
 */
export function closedSchema(schema: JsonObject, depth = 0): JsonObject {
  if (depth > MAX_DEPTH) return schema
  const out: Record<string, unknown> = { ...schema }
  const told: string[] = []
  for (const key of REFUSED) {
    if (out[key] === undefined) continue
    told.push(`${key}: ${JSON.stringify(out[key])}`)
    delete out[key]
  }
  if (typeof out['minItems'] === 'number' && out['minItems'] > 1) {
    told.push(`minItems: ${out['minItems']}`)
    delete out['minItems']
  }
  if (told.length > 0) {
    const before = typeof out['description'] === 'string' ? `${out['description']} ` : ''
    out['description'] = `${before}{${told.join(', ')}}`
  }
  for (const key of MAPS) {
    const map = out[key]
    if (isLoose(map)) out[key] = Object.fromEntries(Object.entries(map).map(([name, value]) => [name, closed(value, depth)]))
  }
  for (const key of LISTS) {
    const list = out[key]
    if (Array.isArray(list)) out[key] = list.map((value) => closed(value, depth))
  }
  for (const key of SINGLES) if (isLoose(out[key])) out[key] = closed(out[key], depth)
  if (isObjectSchema(out)) out['additionalProperties'] = false
  return out
}

const closed = (value: unknown, depth: number): unknown => (isLoose(value) ? closedSchema(value, depth + 1) : value)

const isObjectSchema = (schema: Loose): boolean =>
  schema['type'] === 'object' || (schema['type'] === undefined && isLoose(schema['properties']))

/**
 * A tool's schema must say that it is an object (`tools.0.custom.input_schema.type: Field required`); everything else
 * of it is the caller's.
 */
export function inputSchema(parameters: JsonObject | undefined): JsonObject {
  if (!parameters) return { type: 'object', properties: {} }
  return parameters['type'] === 'object' ? parameters : { ...parameters, type: 'object' }
}
