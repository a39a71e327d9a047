import { FAULTS } from '../core/index.ts'
import type { EndpointId, FaultKind, Percentiles } from '../core/index.ts'
import { credited, retryCost, spent, type Budget, type BudgetRules } from './budget.ts'
import { afterWin, ejected, mayTry, standingOf, withoutTrial, type Circuit, type CircuitRules } from './circuit.ts'
import type { Figures, HealthView } from './given.ts'
import { Recent } from './recent.ts'
import { summaryEntry, type HealthSummary, type SummaryEntry } from './summary.ts'

/** What became of one attempt, as health sees it. A simulated endpoint's are not reported. */
export interface Observation {
  readonly endpoint: EndpointId
  /** Id of the key that was used. */
  readonly credential: string
  /** Why it failed; null when it answered to the end. A caller who left is `cancelled`. */
  readonly fault: FaultKind | null
  /** What the provider asked us to wait after a 429. */
  readonly retryAfterMs?: number | null
  /** Milliseconds to the first block. */
  readonly latencyMs?: number | null
  /** Output tokens per second over the whole attempt. */
  readonly throughput?: number | null
  /** Whether its answer was asked for as a stream. */
  readonly streamed?: boolean
  /**
   * Milliseconds that it was waited for before another answered in its place: no failure, and its latency is at least
   * that. Left out, the slow ones would be missing from what is usual, which would shrink with every one of them.
   */
  readonly waitedMs?: number | null
  /** Whose retry budget an answer adds to. */
  readonly provider?: string
  /** The number that `begin` gave it; 0 where it was no trial. */
  readonly trial?: number
  /**
   * Milliseconds that the caller lost by a failure before an answer began, after which another endpoint could be
   * asked; null where an answer had begun.
   */
  readonly lostMs?: number | null
  /** It was a trial that would have been given up soon, so that it cost its caller little whatever became of it. */
  readonly brief?: boolean
  /** The provider's certificate or TLS handshake was not acceptable: nothing to be tried again soon. */
  readonly broken?: boolean
  /** Milliseconds since the epoch, when the attempt ended. */
  readonly at: number
}

export interface HealthRules extends CircuitRules, BudgetRules {
  /** How long a significant outage counts. */
  readonly outageWindowMs: number
  /** Over how long latency and throughput are measured. */
  readonly figuresWindowMs: number
  /** How many outcomes and measurements are kept of each endpoint. */
  readonly kept: number
  /** A 429 that names no time is waited for as long. */
  readonly defaultCooldownMs: number
  /** No provider may send a key away for longer. */
  readonly longestCooldownMs: number
  /** Endpoints and keys remembered; the least recently used are forgotten. */
  readonly remembered: number
}

export const HEALTH_RULES: HealthRules = Object.freeze({
  outageWindowMs: 30_000,
  figuresWindowMs: 300_000,
  kept: 100,
  defaultCooldownMs: 5_000,
  longestCooldownMs: 60_000,
  benchMs: 300_000,
  remembered: 10_000,
  ejectAfter: 5,
  ejectShare: 0.5,
  ejectShareOf: 20,
  ejectionMs: 10_000,
  longestEjectionMs: 300_000,
  ejectionJitter: 0.2,
  quickFailureMs: 1_000,
  longestQuickEjectionMs: 10_000,
  relapseMs: 60_000,
  trialGapMs: 1_000,
  trialsToRecover: 3,
  trialLeaseMs: 120_000,
  trialPatience: 2,
  rampMs: 10_000,
  rampFrom: 0.1,
  retryTokens: 100,
  retryTokensPerSecond: 3,
  retryTokensPerSuccess: 0.2,
  retryCost: 1,
  retryCostAfterTimeout: 2,
})

/** Whose trouble a failed attempt is. Scopes are kept apart: a broken key says nothing about the endpoint. */
export type Scope = 'endpoint' | 'key' | 'key-at-endpoint' | 'nobody'

/**
 * Who suffers for a kind of fault (OpenRouter tells its providers the same of how uptime is counted). A 429 cools this key
 * at this endpoint; a refused key, or an account without credit, benches the key everywhere; what the provider is to
 * blame for counts against the endpoint. A caller's mistake, a moderated prompt, a caller who leaves and our own
 * faults count for nobody.
 */
export function scopeOf(kind: FaultKind): Scope {
  if (kind === 'upstream-rate-limited') return 'key-at-endpoint'
  switch (FAULTS[kind].blame) {
    case 'provider': return 'endpoint'
    case 'operator': return 'key'
    default: return 'nobody'
  }
}

export interface Sample {
  readonly at: number
  readonly latencyMs: number | null
  readonly throughput: number | null
  /** The first token of a whole answer comes with its last. */
  readonly streamed: boolean
}

/** What is remembered of one endpoint. A value: the reducer makes a new one. Lists are oldest first. */
export interface EndpointHealth {
  readonly outcomes: Recent<{ readonly at: number; readonly ok: boolean }>
  readonly samples: Recent<Sample>
  /** Keys that the provider told to wait here. */
  readonly cooling: readonly { readonly credential: string; readonly until: number }[]
  readonly lastFailureAt: number
  /** Failures since the last answer. */
  readonly failedInARow: number
  /** What an endpoint that kept failing has to go through; null for one that did not, or long ago. */
  readonly circuit: Circuit | null
}

const NO_OUTCOMES = Recent.none<{ readonly at: number; readonly ok: boolean }>()

export const UNKNOWN_HEALTH: EndpointHealth = Object.freeze({
  outcomes: NO_OUTCOMES, samples: Recent.none<Sample>(), cooling: [], lastFailureAt: -Infinity, failedInARow: 0, circuit: null,
})

/**
 * The health of an endpoint after an attempt at it. Pure but for `random`, which an ejection draws its jitter from; the
 * lists stay within `rules.kept`.
 */
export function afterAttempt(
  health: EndpointHealth, seen: Observation, rules: HealthRules = HEALTH_RULES, random: () => number = half,
): EndpointHealth {
  if (seen.fault === null) return afterAnswer(health, seen, rules)
  switch (scopeOf(seen.fault)) {
    case 'endpoint': return afterFailure(health, seen, rules, random)
    case 'key-at-endpoint': {
      const until = seen.at + Math.min(rules.longestCooldownMs, measure(seen.retryAfterMs) ?? rules.defaultCooldownMs)
      const others = health.cooling.filter((it) => it.credential !== seen.credential && it.until > seen.at)
      return { ...withoutVerdict(health, seen), cooling: [...others, { credential: seen.credential, until }] }
    }
    default: {
      const left = withoutVerdict(health, seen)
      const latencyMs = measure(seen.waitedMs)
      if (latencyMs === null) return left
      const sample = { at: seen.at, latencyMs, throughput: null, streamed: seen.streamed === true }
      return { ...left, samples: left.samples.with(sample, rules.kept, seen.at - rules.figuresWindowMs) }
    }
  }
}

const half = (): number => 0.5

function afterAnswer(before: EndpointHealth, seen: Observation, rules: HealthRules): EndpointHealth {
  const health = before.circuit === null ? before : afterTrialAnswered(before, seen.trial ?? 0, seen.at, rules)
  const sample = { at: seen.at, latencyMs: measure(seen.latencyMs), throughput: measure(seen.throughput), streamed: seen.streamed === true }
  return {
    outcomes: health.outcomes.with({ at: seen.at, ok: true }, rules.kept, seen.at - rules.outageWindowMs),
    samples: sample.latencyMs === null && sample.throughput === null
      ? health.samples : health.samples.with(sample, rules.kept, seen.at - rules.figuresWindowMs),
    lastFailureAt: health.lastFailureAt,
    cooling: health.cooling.length === 0 ? health.cooling : health.cooling.filter((it) => it.credential !== seen.credential),
    failedInARow: 0,
    circuit: health.circuit === null ? null : afterLongEnough(health.circuit, seen.at, rules),
  }
}

/** A recovery that has lasted is no part of the endpoint's story any more. */
function afterLongEnough(circuit: Circuit, at: number, rules: HealthRules): Circuit | null {
  return circuit.recoveredAt !== null && at - circuit.recoveredAt >= rules.relapseMs ? null : circuit
}

function afterFailure(health: EndpointHealth, seen: Observation, rules: HealthRules, random: () => number): EndpointHealth {
  const { circuit } = health
  const outcomes = health.outcomes.with({ at: seen.at, ok: false }, rules.kept, seen.at - rules.outageWindowMs)
  const lastFailureAt = Math.max(health.lastFailureAt, seen.at)
  const failure = {
    at: seen.at, broken: seen.broken === true, trial: seen.trial ?? 0,
    quick: typeof seen.lostMs === 'number' && (seen.brief === true || seen.lostMs <= rules.quickFailureMs),
  }
  if (circuit !== null && circuit.recoveredAt === null) {
    // What was under way when it was ejected, or had nowhere else to go while its wait lasts, says nothing new.
    const verdict = failure.trial > 0 && seen.at >= circuit.until
    const freed = withoutTrial(circuit, failure.trial)
    return {
      ...health, outcomes, lastFailureAt,
      circuit: verdict || failure.broken
        ? ejected(circuit, failure, failedShare(outcomes, seen.at, rules).share, rules, random)
        : failure.trial > 0 && circuit.wins > 0 ? { ...freed, wins: 0 } : freed,
    }
  }
  // A request that hung since before the recovery is no news either.
  if (circuit !== null && seen.at - (seen.lostMs ?? 0) < (circuit.recoveredAt ?? 0)) return health
  const failedInARow = health.failedInARow + 1
  const { share, count } = failedShare(outcomes, seen.at, rules)
  const enough = failure.broken || failedInARow >= rules.ejectAfter || (count >= rules.ejectShareOf && share >= rules.ejectShare)
  return {
    ...health, outcomes, lastFailureAt,
    failedInARow: enough ? 0 : failedInARow,
    circuit: enough ? ejected(circuit, failure, share, rules, random) : circuit && afterLongEnough(circuit, seen.at, rules),
  }
}

function withoutVerdict(health: EndpointHealth, { trial = 0 }: Observation): EndpointHealth {
  if (health.circuit === null) return health
  const circuit = withoutTrial(health.circuit, trial)
  return circuit === health.circuit ? health : { ...health, circuit }
}

/** What failed of the outcomes within the window. */
function failedShare(outcomes: EndpointHealth['outcomes'], now: number, rules: HealthRules): { readonly share: number; readonly count: number } {
  const since = now - rules.outageWindowMs
  let failed = 0
  let count = 0
  for (let i = outcomes.length - 1; i >= 0; i--) {
    const { at, ok } = outcomes.at(i)
    if (at <= since) break
    count++
    if (!ok) failed++
  }
  return { share: count === 0 ? 0 : failed / count, count }
}

/** The health with a trial under way, or null when none may begin now. */
export function withTrial(health: EndpointHealth, trial: number, now: number, rules: HealthRules = HEALTH_RULES): EndpointHealth | null {
  const { circuit } = health
  return circuit !== null && mayTry(circuit, now, rules) ? { ...health, circuit: { ...circuit, trial, trialAt: now } } : null
}

/**
 * The health after a trial has begun to answer. That is its verdict: a stream may go on for minutes. With the last one
 * that is needed the endpoint is in again, and what happened before is forgotten.
 */
export function afterTrialAnswered(health: EndpointHealth, trial: number, now: number, rules: HealthRules = HEALTH_RULES): EndpointHealth {
  if (health.circuit === null) return health
  const circuit = afterWin(health.circuit, trial, now, rules)
  if (circuit === health.circuit) return health
  if (circuit.recoveredAt === null) return { ...health, circuit }
  return { ...health, circuit, outcomes: NO_OUTCOMES, lastFailureAt: -Infinity, failedInARow: 0 }
}

/**
 * Whether an endpoint had a significant outage within the window: a failure that no success has followed, or at least
 * two outcomes of which half or more failed. One failure is enough to send the next request elsewhere first, since
 * that costs nothing while others are well; one success beside many brings it back.
 */
export function hadOutage(health: EndpointHealth, now: number, rules: HealthRules = HEALTH_RULES): boolean {
  const since = now - rules.outageWindowMs
  if (health.lastFailureAt <= since) return false
  let failed = 0
  let count = 0
  let lastOk = true
  for (let i = health.outcomes.length - 1; i >= 0; i--) {
    const { at, ok } = health.outcomes.at(i)
    if (at <= since) break
    if (count === 0) lastOk = ok
    count++
    if (!ok) failed++
  }
  return count > 0 && (!lastOk || (count >= 2 && failed * 2 >= count))
}

/** The percentiles of what was measured within the window, or null when nothing was. */
export function figuresOf(health: EndpointHealth, now: number, rules: HealthRules = HEALTH_RULES): Figures | null {
  const since = now - rules.figuresWindowMs
  const recent = health.samples.since(since)
  if (recent.length === 0) return null
  const latency = recent.map((sample) => sample.latencyMs).filter((it) => it !== null).toSorted((a, b) => a - b)
  // Fastest first: the p90 of a throughput is what 90 % of requests reached, as thresholds are stated.
  const throughput = recent.map((sample) => sample.throughput).filter((it) => it !== null).toSorted((a, b) => b - a)
  return { latency: percentiles(latency), throughput: percentiles(throughput), samples: recent.length }
}

/**
 * Milliseconds to the first token that `percentile` percent of the latest answers did not exceed (nearest rank), among
 * streams or among whole answers, and how many answers that rests on; null when there were none.
 */
export function latencyAt(
  health: EndpointHealth, percentile: number, streamed: boolean, now: number, rules: HealthRules = HEALTH_RULES,
): { readonly ms: number; readonly samples: number } | null {
  const latencies = health.samples.since(now - rules.figuresWindowMs).flatMap((sample) =>
    sample.streamed === streamed && sample.latencyMs !== null ? [sample.latencyMs] : []).toSorted((a, b) => a - b)
  return latencies.length === 0 ? null : { ms: rank(latencies, percentile / 100), samples: latencies.length }
}

/** What nearly all answers were there after: the patience with a trial goes by it. */
const NEARLY_ALL = 95

/**
 * Milliseconds after which a trial is given up. What is remembered of answers is from before the endpoint failed, however
 * long ago that was; null when nothing is.
 */
export function patienceWith(health: EndpointHealth, streamed: boolean, rules: HealthRules = HEALTH_RULES): number | null {
  const usual = latencyAt(health, NEARLY_ALL, streamed, 0, { ...rules, figuresWindowMs: Infinity })
  return usual === null ? null : Math.max(rules.quickFailureMs, usual.ms * rules.trialPatience)
}

export interface Health extends Required<HealthView> {
  observe(seen: Observation): void
  /** To be called when an attempt begins: the number of a trial where it is one, else 0. */
  begin(endpoint: EndpointId, now: number): number
  /** After how many milliseconds a trial there is given up for another candidate; null where nobody knows what is slow. */
  patience(endpoint: EndpointId, streamed: boolean): number | null
  /**
   * To be called before an attempt after another of the same call, which failed with `after`, or beside one that is only
   * slow (null): what it takes from the provider's retry budget; null when there is not enough.
   */
  retry(provider: string, after: FaultKind | null, now: number): number | null
  /** To be called when an attempt begins to answer that was a trial, or a retry, which gets back what it cost. */
  answers(attempt: { readonly endpoint: EndpointId; readonly provider: string; readonly trial: number; readonly cost: number }, now: number): void
  /**
   * What plans would read now, for the history: one endpoint at a time, because two thousand busy ones take a tenth of a
   * second. Null for one that there is nothing to say of.
   */
  entries(now: number): Iterable<readonly [EndpointId, SummaryEntry | null]>
  /** Keys that were refused, and until when they are left alone. */
  benched(now: number): HealthSummary['keys']
  /** Takes other rules into force; what is remembered stays. */
  adopt(rules: Partial<HealthRules>): void
}

/** Figures worked out from a state of an endpoint, and until when no sample of it leaves the window. */
interface Measured {
  readonly of: EndpointHealth
  readonly until: number
  readonly figures: Figures | null
}

/**
 * Remembers what attempts showed, in bounded memory; every judgement is one of the pure functions above. `random` is
 * uniform in [0, 1).
 */
export function createHealth(given: Partial<HealthRules> = {}, random: () => number = half): Health {
  let rules: HealthRules = { ...HEALTH_RULES, ...given }
  const endpoints = new Map<EndpointId, EndpointHealth>()
  const benched = new Map<string, number>()
  // Sorting a hundred measurements for each endpoint of each plan would cost more than the plan.
  const measured = new Map<EndpointId, Measured>()
  // Endpoints with a circuit, seldom any: a plan of endpoints that are well asks no further.
  const circuits = new Set<EndpointId>()
  const budgets = new Map<string, Budget>()
  let trials = 0

  const remember = <K, V>(map: Map<K, V>, key: K, value: V): K | undefined => {
    // Who was there last matters only when somebody has to go soon; until then keys keep their places, because a Map that
    // is filled and emptied all day leaves tables behind that hold on to each other (see core's Roster).
    if (map.size * 2 > rules.remembered) map.delete(key)
    map.set(key, value)
    if (map.size <= rules.remembered) return undefined
    const oldest = map.keys().next().value!
    map.delete(oldest)
    return oldest
  }

  const put = (endpoint: EndpointId, after: EndpointHealth): void => {
    if (after.circuit !== null) circuits.add(endpoint)
    else if (circuits.size > 0) circuits.delete(endpoint)
    const forgotten = remember(endpoints, endpoint, after)
    if (forgotten === undefined) return
    measured.delete(forgotten)
    circuits.delete(forgotten)
  }
  const credit = (provider: string, tokens: number, now: number): void => {
    const budget = credited(budgets.get(provider), tokens, now, rules)
    if (budget === undefined) budgets.delete(provider)
    else budgets.set(provider, budget)
  }

  const health: Health = {
    observe(seen) {
      const before = endpoints.get(seen.endpoint) ?? UNKNOWN_HEALTH
      const after = afterAttempt(before, seen, rules, random)
      if (after !== before) put(seen.endpoint, after)
      if (budgets.size > 0 && seen.fault === null && seen.provider !== undefined) credit(seen.provider, rules.retryTokensPerSuccess, seen.at)
      if (seen.fault === null) benched.delete(seen.credential)
      else if (scopeOf(seen.fault) === 'key') remember(benched, seen.credential, seen.at + rules.benchMs)
    },
    unstable(endpoint, now) {
      const health = endpoints.get(endpoint)
      return health !== undefined && hadOutage(health, now, rules)
    },
    figures(endpoint, now) {
      const of = endpoints.get(endpoint)
      if (of === undefined) return null
      const known = measured.get(endpoint)
      if (known !== undefined && known.of.samples === of.samples && now < known.until) return known.figures
      const figures = figuresOf(of, now, rules)
      const [oldest] = of.samples.since(now - rules.figuresWindowMs)
      const until = oldest === undefined ? Infinity : oldest.at + rules.figuresWindowMs
      measured.set(endpoint, { of, figures, until })
      return figures
    },
    latencyAt(endpoint, percentile, streamed, now) {
      const of = endpoints.get(endpoint)
      return of === undefined ? null : latencyAt(of, percentile, streamed, now, rules)
    },
    restsUntil(endpoint, credential, now) {
      let until = benched.get(credential) ?? 0
      const cooling = endpoints.get(endpoint)?.cooling
      if (cooling !== undefined) for (const it of cooling) if (it.credential === credential && it.until > until) until = it.until
      return until > now ? until : 0
    },
    standing(endpoint, now) {
      if (circuits.size === 0 || !circuits.has(endpoint)) return null
      return standingOf(endpoints.get(endpoint)!.circuit!, now, rules)
    },
    begin(endpoint, now) {
      if (circuits.size === 0 || !circuits.has(endpoint)) return 0
      const trying = withTrial(endpoints.get(endpoint)!, trials + 1, now, rules)
      if (trying === null) return 0
      put(endpoint, trying)
      return ++trials
    },
    patience(endpoint, streamed) {
      const of = endpoints.get(endpoint)
      return of === undefined ? null : patienceWith(of, streamed, rules)
    },
    retry(provider, after, now) {
      const cost = retryCost(after, rules)
      const left = spent(budgets.get(provider), cost, now, rules)
      if (left === null) return null
      remember(budgets, provider, left)
      return cost
    },
    answers({ endpoint, provider, trial, cost }, now) {
      if (cost > 0) credit(provider, cost, now)
      const before = trial > 0 ? endpoints.get(endpoint) : undefined
      if (before === undefined) return
      const after = afterTrialAnswered(before, trial, now, rules)
      if (after !== before) put(endpoint, after)
    },
    *entries(now) {
      // A list of now: each attempt puts its endpoint at the end of the map, where it would be met again.
      const ids = [...endpoints.keys()]
      for (const id of ids) {
        const known = endpoints.get(id)
        if (known !== undefined) yield [id, summaryEntry(health, id, known.cooling, now)]
      }
    },
    benched: (now) => Object.fromEntries([...benched].filter(([, until]) => until > now)),
    adopt(next) {
      rules = { ...HEALTH_RULES, ...next }
    },
  }
  return health
}

/** A figure as it may be reported, or null where it is none. */
function measure(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

/** Nearest-rank percentiles of values in the order from best to worst. */
function percentiles(sorted: readonly number[]): Required<Percentiles> | null {
  if (sorted.length === 0) return null
  return { p50: rank(sorted, 0.5), p75: rank(sorted, 0.75), p90: rank(sorted, 0.9), p99: rank(sorted, 0.99) }
}

function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
