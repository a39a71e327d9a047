import { fault, FaultError } from '../core/index.ts'
import { readPolicy } from '../routing/index.ts'
import type { Explaining } from './call.ts'

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/

/**
 * Reads for which moment and by which policy a plan shall be explained: `at` is a time of ISO 8601, or Unix seconds;
 * `policy` has the names of the settings under `routing`. Throws an `invalid-request` FaultError that names the field.
 */
export function readExplaining({ at, policy }: { readonly at?: unknown; readonly policy?: unknown }): Explaining {
  return {
    ...(at !== undefined && at !== null && { at: momentOf(at) }),
    ...(policy !== undefined && policy !== null && { policy: readPolicy(policy) }),
  }
}

function momentOf(at: unknown): number {
  const ms = typeof at === 'number' ? at * 1000 : typeof at === 'string' && ISO.test(at) ? Date.parse(at) : NaN
  // The last moment that a Date can hold.
  if (ms >= 0 && ms <= 8.64e15) return Math.floor(ms)
  throw new FaultError(fault('invalid-request', 'at: must be a time such as 2026-11-20T10:00:00Z, or Unix seconds', { field: 'at' }))
}
