import { isObject, type Loose } from './wire.ts'

/** Keys whose values are the caller's own and are not looked into: arguments, results, schemas. */
const OPAQUE: ReadonlySet<string> = new Set([
  'args', 'response', 'parameters', 'parametersJsonSchema', 'responseSchema', 'responseJsonSchema', 'labels', 'provider', 'plugins',
])

const MAX_DEPTH = 12

/** A body with its keys in camelCase, which Google's proto JSON also takes in snake_case; the same body where they are. */
export function inCamelCase(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) return value
  if (Array.isArray(value)) {
    const list = value.map((item) => inCamelCase(item, depth + 1))
    return list.some((item, at) => item !== value[at]) ? list : value
  }
  if (!isObject(value)) return value
  let changed = false
  const out: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    const camel = key.includes('_') ? key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : key
    const read = OPAQUE.has(camel) ? inner : inCamelCase(inner, depth + 1)
    if (camel !== key || read !== inner) changed = true
    out[camel] = read
  }
  return changed ? out : value
}

/** The other way, for settings that others have in snake_case. */
export const snakeKeys = (of: Loose): Loose =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]))
