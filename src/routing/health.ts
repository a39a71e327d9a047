import { FAULTS } from '../core/index.ts'
import type { EndpointId, FaultKind, Percentiles } from '../core/index.ts'
import type { Figures, HealthView } from './given.ts'
import { Recent } from './recent.ts'

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
  /** Milliseconds since the epoch, when the attempt ended. */
  readonly at: number
}

export interface HealthRules {
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
  /** A key that the provider refused is left alone for as long. */
  readonly benchMs: number
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
})

/** Whose trouble a failed attempt is. Scopes are kept apart: a broken key says nothing about the endpoint. */
export type Scope = 'endpoint' | 'key' | 'key-at-endpoint' | 'nobody'

/**
 * Who suffers for a kind of fault (openrouter-api §2.5, "health accounting"; reliability §4.3). A 429 cools this key
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
}

/** What is remembered of one endpoint. A value: the reducer makes a new one. Lists are oldest first. */
export interface EndpointHealth {
  readonly outcomes: Recent<{ readonly at: number; readonly ok: boolean }>
  readonly samples: Recent<Sample>
  /** Keys that the provider told to wait here. */
  readonly cooling: readonly { readonly credential: string; readonly until: number }[]
  readonly lastFailureAt: number
}

export const UNKNOWN_HEALTH: EndpointHealth = Object.freeze({
  outcomes: Recent.none<{ readonly at: number; readonly ok: boolean }>(), samples: Recent.none<Sample>(), cooling: [], lastFailureAt: -Infinity,
})

/** The health of an endpoint after an attempt at it. Pure; the lists stay within `rules.kept`. */
export function afterAttempt(
  health: EndpointHealth, seen: Observation, rules: HealthRules = HEALTH_RULES,
): EndpointHealth {
  if (seen.fault === null) {
    const sample = { at: seen.at, latencyMs: measure(seen.latencyMs), throughput: measure(seen.throughput) }
    return {
      outcomes: health.outcomes.with({ at: seen.at, ok: true }, rules.kept, seen.at - rules.outageWindowMs),
      samples: sample.latencyMs === null && sample.throughput === null
        ? health.samples : health.samples.with(sample, rules.kept, seen.at - rules.figuresWindowMs),
      lastFailureAt: health.lastFailureAt,
      cooling: health.cooling.length === 0 ? health.cooling : health.cooling.filter((it) => it.credential !== seen.credential),
    }
  }
  switch (scopeOf(seen.fault)) {
    case 'endpoint':
      return {
        ...health,
        outcomes: health.outcomes.with({ at: seen.at, ok: false }, rules.kept, seen.at - rules.outageWindowMs),
        lastFailureAt: Math.max(health.lastFailureAt, seen.at),
      }
    case 'key-at-endpoint': {
      const until = seen.at + Math.min(rules.longestCooldownMs, measure(seen.retryAfterMs) ?? rules.defaultCooldownMs)
      const others = health.cooling.filter((it) => it.credential !== seen.credential && it.until > seen.at)
      return { ...health, cooling: [...others, { credential: seen.credential, until }] }
    }
    default: return health
  }
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

export interface Health extends HealthView {
  observe(seen: Observation): void
  restsUntil(endpoint: EndpointId, credential: string, now: number): number
}

/** Figures worked out from a state of an endpoint, and until when no sample of it leaves the window. */
interface Measured {
  readonly of: EndpointHealth
  readonly until: number
  readonly figures: Figures | null
}

/** Remembers what attempts showed, in bounded memory; every judgement is one of the pure functions above. */
export function createHealth(given: Partial<HealthRules> = {}): Health {
  const rules: HealthRules = { ...HEALTH_RULES, ...given }
  const endpoints = new Map<EndpointId, EndpointHealth>()
  const benched = new Map<string, number>()
  // Sorting a hundred measurements for each endpoint of each plan would cost more than the plan.
  const measured = new Map<EndpointId, Measured>()

  const remember = <K, V>(map: Map<K, V>, key: K, value: V): K | undefined => {
    map.delete(key)
    map.set(key, value)
    if (map.size <= rules.remembered) return undefined
    const oldest = map.keys().next().value!
    map.delete(oldest)
    return oldest
  }

  return {
    observe(seen) {
      const before = endpoints.get(seen.endpoint) ?? UNKNOWN_HEALTH
      const after = afterAttempt(before, seen, rules)
      if (after !== before) {
        const forgotten = remember(endpoints, seen.endpoint, after)
        if (forgotten !== undefined) measured.delete(forgotten)
      }
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
    restsUntil(endpoint, credential, now) {
      let until = benched.get(credential) ?? 0
      const cooling = endpoints.get(endpoint)?.cooling
      if (cooling !== undefined) for (const it of cooling) if (it.credential === credential && it.until > until) until = it.until
      return until > now ? until : 0
    },
  }
}

/** A figure as it may be reported, or null where it is none. */
function measure(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

/** Nearest-rank percentiles of values in the order from best to worst. */
function percentiles(sorted: readonly number[]): Required<Percentiles> | null {
  if (sorted.length === 0) return null
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return { p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99) }
}
