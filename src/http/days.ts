import { fault, FaultError } from '../core/index.ts'

/** Days of UTC as the API has them, `2026-01-31`. */

export const DAY_MS = 86_400_000

/** Its day, of ms since the epoch. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** Ms since the epoch at which a day begins. Throws a FaultError (400) that names the parameter when there is no such day. */
export function dayFrom(text: string, field: string): number {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  // `2026-02-30` is read as the second of March.
  if (Number.isNaN(at) || dayOf(at) !== text) {
    throw new FaultError(fault('invalid-request', `${field} must be a day as 2026-01-31, is ${JSON.stringify(text.slice(0, 40))}`, { field }))
  }
  return at
}
