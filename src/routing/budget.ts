import type { FaultKind } from '../core/index.ts'

/** What a provider may still be asked by way of retry. A full budget is not remembered. */
export interface Budget {
  readonly tokens: number
  /** When they were counted (ms epoch). */
  readonly at: number
}

export interface BudgetRules {
  /** Tokens of a full budget. */
  readonly retryTokens: number
  /** Tokens that come back with time: the retries per second that are always possible. */
  readonly retryTokensPerSecond: number
  /** Tokens that an answer brings. */
  readonly retryTokensPerSuccess: number
  readonly retryCost: number
  /** What it costs after a timeout, which has kept the request for long already. */
  readonly retryCostAfterTimeout: number
}

/** What the next attempt of a call costs after one that failed like this; null is one that is still under way. */
export function retryCost(after: FaultKind | null, rules: BudgetRules): number {
  return after === 'timeout' ? rules.retryCostAfterTimeout : rules.retryCost
}

/** The budget at a moment. A clock that was set back brings nothing and takes nothing. */
export function tokensAt(budget: Budget | undefined, now: number, rules: BudgetRules): number {
  if (budget === undefined) return rules.retryTokens
  return Math.min(rules.retryTokens, budget.tokens + Math.max(0, now - budget.at) / 1000 * rules.retryTokensPerSecond)
}

/** The budget without the cost; null when there is not enough. */
export function spent(budget: Budget | undefined, cost: number, now: number, rules: BudgetRules): Budget | null {
  const tokens = tokensAt(budget, now, rules)
  return tokens < cost ? null : { tokens: tokens - cost, at: now }
}

/** The budget with tokens more; undefined when it is full again. */
export function credited(budget: Budget | undefined, tokens: number, now: number, rules: BudgetRules): Budget | undefined {
  if (budget === undefined) return undefined
  const all = tokensAt(budget, now, rules) + tokens
  return all >= rules.retryTokens ? undefined : { tokens: all, at: now }
}
