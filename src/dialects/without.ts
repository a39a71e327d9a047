import type { JsonObject } from '../core/index.ts'

/** Fields that a caller or an operator adds to a request, but for those that are ours to write; none where none are given. */
export function without(given: JsonObject | null | undefined, ours: ReadonlySet<string>): JsonObject {
  return given ? Object.fromEntries(Object.entries(given).filter(([key]) => !ours.has(key))) : {}
}
