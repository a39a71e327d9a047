import type { Loose } from './asked.ts'

/**
 * A minimal valid instance of a JSON Schema: required properties only, the first of any alternatives, the smallest
 * numbers and lengths. Knows local `$ref`, Gemini's upper-case types and the common formats; `pattern` and `not` it
 * cannot satisfy, and a schema that demands endless nesting ends in null.
 */
export function instanceOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > 24) return null
  const it = schema as Loose
  const down = (inner: unknown) => instanceOf(inner, root, depth + 1)
  if (typeof it['$ref'] === 'string') return down(resolve(it['$ref'], root))
  if ('const' in it) return it.const
  if (Array.isArray(it.enum)) return it.enum[0]
  const alternatives = it.anyOf ?? it.oneOf
  if (Array.isArray(alternatives)) return down(shallowest(alternatives))
  if (Array.isArray(it.allOf)) return down(merged([it, ...it.allOf], root))
  const types: string[] = [it.type ?? (it.properties ? 'object' : it.items ? 'array' : 'null')].flat()
  // null first: it is the only way out of a recursive schema such as a linked list.
  const type = (types.find((name) => depth > 8 && name === 'null') ?? types[0]!).toLowerCase()
  if (type === 'object') {
    const required: string[] = Array.isArray(it.required) ? it.required : []
    return Object.fromEntries(required.map((key) => [key, down(it.properties?.[key])]))
  }
  if (type === 'array') {
    const prefix: unknown[] = (it.prefixItems ?? []).map(down)
    const missing = Math.min(1000, Math.max(0, (it.minItems ?? 0) - prefix.length))
    return [...prefix, ...Array.from({ length: missing }, () => down(it.items))]
  }
  if (type === 'string') {
    return FORMATS[it.format] ?? 'x'.repeat(Math.min(Math.max(it.minLength ?? 1, 1), it.maxLength ?? Infinity))
  }
  if (type === 'integer' || type === 'number') return smallest(it, type === 'integer')
  return type === 'boolean' ? false : null
}

function smallest(it: Loose, whole: boolean): number {
  const step = it.multipleOf ?? (whole ? 1 : undefined)
  const floor: number | undefined = it.minimum ?? (
    it.exclusiveMinimum === undefined ? undefined : it.exclusiveMinimum + (step ?? 1)
  )
  const ceiling: number = it.maximum ?? (
    it.exclusiveMaximum === undefined ? Infinity : it.exclusiveMaximum - (step ?? 1)
  )
  const wanted = Math.min(Math.max(0, floor ?? -Infinity), ceiling)
  return step
    ? (wanted >= (floor ?? 0) && wanted > 0 ? Math.ceil(wanted / step) : Math.floor(wanted / step)) * step
    : wanted
}

const resolve = (ref: string, root: unknown): unknown =>
  ref.replace(/^#\/?/, '').split('/').filter(Boolean)
    .reduce<unknown>((at, key) => (at as Loose | undefined)?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], root)

const shallowest = (options: readonly Loose[]) => options.find((option) => !('$ref' in option)) ?? options[0]

const merged = (schemas: readonly Loose[], root: unknown): Loose =>
  schemas.map((schema) => (schema['$ref'] ? (resolve(schema['$ref'], root) as Loose) : schema)).reduce((sum, schema) => ({
    ...sum, ...schema, allOf: undefined,
    properties: { ...sum.properties, ...schema.properties },
    required: [...new Set([...(sum.required ?? []), ...(schema.required ?? [])])],
  }), {})

const FORMATS: Record<string, string> = {
  'date-time': '2020-01-01T00:00:00Z', date: '2020-01-01', time: '00:00:00Z', duration: 'PT0S', email: 'a@example.com',
  uuid: '00000000-0000-4000-8000-000000000000', uri: 'https://example.com/', hostname: 'example.com',
  ipv4: '192.0.2.1', ipv6: '2001:db8::1',
}
