import { COALESCE, fault, FaultError, MAX_OUTPUT, UNSUPPORTED_PARAMETERS } from '../core/index.ts'
import type { RoutingPolicy } from './given.ts'

/** What a word of the policy may say: one of a list, or a number within bounds. */
export type Allowed =
  | { readonly oneOf: readonly string[] }
  | { readonly from: number; readonly to: number; readonly whole: boolean }

const tokens: Allowed = { from: 1, to: 10_000_000, whole: true }

/** The settings under `routing` that a plan reads, in the file's names: what an explanation may suppose otherwise. */
export const POLICY_WORDS = {
  max_output: ['maxOutput', { oneOf: MAX_OUTPUT }],
  unsupported_parameters: ['unsupportedParameters', { oneOf: UNSUPPORTED_PARAMETERS }],
  expected_output_tokens: ['expectedOutputTokens', tokens],
  unbounded_output_tokens: ['unboundedOutputTokens', tokens],
  trial_cost_factor: ['trialCostFactor', { from: 1, to: 1000, whole: false }],
  balance: ['balance', { oneOf: ['price', 'measured'] }],
  tool_requests: ['toolRequests', { from: 1, to: 1_000_000, whole: true }],
  tool_margin: ['toolMargin', { from: 0, to: 1, whole: false }],
  hedge: ['hedge', { oneOf: ['off', 'on'] }],
  coalesce: ['coalesce', { oneOf: COALESCE }],
} as const satisfies Readonly<Record<string, readonly [keyof RoutingPolicy, Allowed]>>

/** Reads a policy in the file's names. Throws an `invalid-request` FaultError that names the word at fault, below `policy`. */
export function readPolicy(given: unknown): Partial<RoutingPolicy> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw refused('policy', 'must be an object')
  return Object.fromEntries(Object.entries(given).map(([word, value]) => {
    if (!Object.hasOwn(POLICY_WORDS, word)) throw refused(`policy.${word}`, `is no part of what a plan is made by; those are ${Object.keys(POLICY_WORDS).join(', ')}`)
    const [name, allowed] = POLICY_WORDS[word as keyof typeof POLICY_WORDS]
    return [name, checked(`policy.${word}`, value, allowed)]
  }))
}

function checked(field: string, value: unknown, allowed: Allowed): unknown {
  if ('oneOf' in allowed) {
    if (!allowed.oneOf.includes(value as string)) throw refused(field, `must be one of ${allowed.oneOf.join(', ')}, is ${JSON.stringify(value)}`)
    return value
  }
  const { from, to, whole } = allowed
  const fine = typeof value === 'number' && value >= from && value <= to && (!whole || Number.isInteger(value))
  if (!fine) throw refused(field, `must be a ${whole ? 'whole ' : ''}number from ${from} to ${to}, is ${JSON.stringify(value)}`)
  return value
}

function refused(field: string, what: string): FaultError {
  return new FaultError(fault('invalid-request', `${field}: ${what}`, { field }))
}
