import type { Credential, Endpoint, Need, Percentiles, SortKey } from '../core/index.ts'
import { estimatedCost } from './cost.ts'
import type { Figures, Given } from './given.ts'
import { meansEndpoint } from './match.ts'
import { lacks } from './parameters.ts'
import { sortOf, type Wishes } from './wishes.ts'

/** Why an endpoint stands where it stands. Bits in one number, because every endpoint of every plan has them. */
export const MARK = {
  listed: 1,
  tierAsked: 2,
  deprecated: 4,
  unstable: 8,
  /** All of its keys rest. */
  resting: 16,
  lacking: 32,
  slow: 64,
} as const

/** An endpoint that may answer, with what decides its place: lower ranks first, then lower keys, then lower costs. */
export interface Entry {
  readonly endpoint: Endpoint
  /** The keys that may be used now, best first; when all of them rest, all. */
  readonly keys: readonly Credential[]
  /** Keys that rest while others of this endpoint do not. */
  readonly resting: readonly Credential[]
  readonly cost: number
  readonly marks: number
  readonly rank: number
  readonly key: number
  /** The share of first draws; null where the order is fixed. */
  weight: number | null
}

/** How the endpoints of a model are put in order. */
export interface Mode {
  readonly strategy: string
  /** What the fixed order goes by; null where it is drawn. */
  readonly sort: 'price' | 'throughput' | 'latency' | null
}

const MODES: Readonly<Record<SortKey, Mode>> = {
  price: { strategy: 'sort:price', sort: 'price' },
  throughput: { strategy: 'sort:throughput', sort: 'throughput' },
  latency: { strategy: 'sort:latency', sort: 'latency' },
  exacto: { strategy: 'balanced (sort:exacto has no measurements yet)', sort: null },
}
const BALANCED: Mode = { strategy: 'balanced', sort: null }

/**
 * `order` beats every sort and turns balancing off: those that it does not name follow by the sort, or by price.
 * `service_tier` comes with the sort of its tier; a variant or a sort that the caller wrote is stronger.
 */
export function modeOf(variants: readonly string[], wishes: Wishes): Mode {
  const by = sortOf(variants, wishes)
  if (wishes.order !== null) return { strategy: 'order', sort: (by === null ? null : MODES[by].sort) ?? 'price' }
  if (by !== null) return MODES[by]
  if (wishes.tier === 'priority') return { strategy: 'tier:priority', sort: 'throughput' }
  if (wishes.tier === 'flex') return { strategy: 'tier:flex', sort: 'price' }
  return BALANCED
}

/** What all entries of a request have in common. */
export interface Scale {
  readonly need: Need
  readonly wishes: Wishes
  readonly given: Given
  readonly expectedOutput: number
  /** The parameters of the request that an endpoint should honour to go first. */
  readonly preferred: readonly string[]
}

/**
 * Places one endpoint. From the strongest reason to the weakest: it honours tools, structured output and verbosity
 * where the request has them; its keys may be used now; no outage in the last 30 s; it meets the caller's thresholds;
 * the caller's `order`; the tier that was asked for; not deprecated; then the sort or the draw.
 *
 * What the caller lists in `order` keeps its place through outages and deprecation: a pin that moves is no pin. Only
 * a provider that told us to wait, or refused our key, is passed over.
 */
export function entryOf(endpoint: Endpoint, mode: Mode, scale: Scale): Entry {
  const { given, wishes } = scale
  const { now, health } = given
  const all = credentialsOf(endpoint, given)
  const asleep = restingKeys(endpoint, all, given)
  const allRest = asleep.length === all.length
  const cost = estimatedCost(endpoint.price!, scale.need, scale.expectedOutput)

  let lacking = 0
  for (const parameter of scale.preferred) if (lacks(endpoint, parameter)) lacking++
  const place = wishes.order === null ? 0 : placeIn(wishes.order, endpoint, wishes)
  const listed = wishes.order !== null && place < wishes.order.length
  const unstable = !listed && health.unstable(endpoint.id, now)
  const figures = wishes.thresholds || mode.sort === 'throughput' || mode.sort === 'latency'
    ? health.figures(endpoint.id, now) : null
  const slow = wishes.thresholds && missesThresholds(figures, wishes)
  const tierFirst = wishes.tier !== 'default' && endpoint.tier === wishes.tier
  const behind = endpoint.deprecated && !listed

  let rank = lacking
  rank = rank * 2 + (allRest ? 1 : 0)
  rank = rank * 2 + (unstable ? 1 : 0)
  rank = rank * 2 + (slow ? 1 : 0)
  rank = rank * ((wishes.order?.length ?? 0) + 1) + place
  rank = rank * 2 + (tierFirst ? 0 : 1)
  rank = rank * 2 + (behind ? 1 : 0)
  return {
    endpoint, cost, rank,
    keys: asleep.length === 0 || allRest ? all : all.filter((key) => !asleep.includes(key)),
    resting: allRest ? NO_KEYS : asleep,
    key: keyOf(mode, cost, figures, given),
    marks: (listed ? MARK.listed : 0) | (tierFirst ? MARK.tierAsked : 0) | (endpoint.deprecated ? MARK.deprecated : 0)
      | (unstable ? MARK.unstable : 0) | (allRest ? MARK.resting : 0) | (lacking > 0 ? MARK.lacking : 0)
      | (slow ? MARK.slow : 0),
    weight: null,
  }
}

/** Puts entries in order, in place, and gives the drawn ones their share of first draws. */
export function arrange(entries: Entry[], mode: Mode): void {
  entries.sort((a, b) => a.rank - b.rank || a.key - b.key || a.cost - b.cost)
  if (mode.sort === null) weigh(entries)
}

/**
 * The default balance. Of the endpoints of the best rank (stable, and so on) all are drawn one after the other
 * without replacement, each time with weight 1 / cost²; those of worse ranks follow, drawn likewise. The draw is a
 * race: an exponential time divided by the weight, the earliest first, is the same distribution in one pass.
 *
 * Endpoints that cost nothing come before all others, in equal shares: that is what 1 / cost² tends to, and no
 * weight is infinite.
 */
function keyOf(mode: Mode, cost: number, figures: Figures | null, given: Given): number {
  switch (mode.sort) {
    case 'price': return cost
    // Not measured comes after measured, by price: the default balance is what gives newcomers their first figures.
    case 'throughput': return figures?.throughput ? -figures.throughput.p50 : 0
    case 'latency': return figures?.latency?.p50 ?? Infinity
    case null: {
      const random = given.random()
      return cost === 0 ? random - 1 : -Math.log(1 - random) * cost * cost
    }
  }
}

function weigh(entries: readonly Entry[]): void {
  const best = entries[0]?.rank
  let least = Infinity
  for (const entry of entries) if (entry.rank === best && entry.cost < least) least = entry.cost
  let sum = 0
  for (const entry of entries) {
    entry.weight = entry.rank !== best ? 0 : share(entry.cost, least)
    sum += entry.weight
  }
  for (const entry of entries) entry.weight = entry.weight! / sum
}

function share(cost: number, least: number): number {
  if (least === 0) return cost === 0 ? 1 : 0
  return (least / cost) ** 2
}

function placeIn(order: readonly string[], endpoint: Endpoint, wishes: Wishes): number {
  for (let i = 0; i < order.length; i++) if (meansEndpoint(order[i]!, endpoint, wishes.tier)) return i
  return order.length
}

/**
 * Whether measured figures miss a threshold; all stated percentiles have to hold. Nothing measured misses nothing:
 * an endpoint that nobody calls would never be measured.
 */
function missesThresholds(figures: Figures | null, { preferences }: Wishes): boolean {
  if (figures === null) return false
  const { preferredMinThroughput: atLeast, preferredMaxLatency: atMost } = preferences
  if (atLeast && figures.throughput) {
    for (const p of PERCENTILES) if (figures.throughput[p] < (atLeast[p] ?? 0)) return true
  }
  if (atMost && figures.latency) {
    // The caller speaks of seconds, measurements are milliseconds.
    for (const p of PERCENTILES) if (figures.latency[p] > (atMost[p] ?? Infinity) * 1000) return true
  }
  return false
}

const PERCENTILES = ['p50', 'p75', 'p90', 'p99'] as const satisfies readonly (keyof Percentiles)[]

function credentialsOf(endpoint: Endpoint, given: Given): readonly Credential[] {
  const keys = given.credentials(endpoint.provider)
  if (keys.length > 0 || !endpoint.simulated) return keys
  const { provider } = endpoint
  return [{ id: `simulation:${provider}`, provider, owner: 'operator', label: 'no key needed' }]
}

function restingKeys(endpoint: Endpoint, keys: readonly Credential[], given: Given): readonly Credential[] {
  const { health, now } = given
  if (health.restsUntil === undefined) return NO_KEYS
  let asleep: Credential[] | null = null
  for (const key of keys) if (health.restsUntil(endpoint.id, key.id, now) > now) (asleep ??= []).push(key)
  return asleep ?? NO_KEYS
}

const NO_KEYS: readonly Credential[] = []
