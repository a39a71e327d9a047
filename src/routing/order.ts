import { ratesFor } from '../core/index.ts'
import type { Credential, Endpoint, Need, Percentiles, SortKey } from '../core/index.ts'
import type { Standing } from './circuit.ts'
import { estimatedCost } from './cost.ts'
import { isCramped } from './fit.ts'
import type { Figures, Given, RoutingPolicy } from './given.ts'
import { meansEndpoint } from './match.ts'
import { scores } from './measured.ts'
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
  /** It kept failing and is out: last, the least bad first. */
  ejected: 128,
  /** It is out, and this request may try it. */
  trial: 256,
  /** It was out, and takes a part of its share. */
  ramping: 512,
  /** It was out, and stands back for this request. */
  held: 1024,
  /** More than half of the endpoints that could take the request are out. */
  panic: 2048,
  /** It is out, and keeps the place that the caller's `order` gives it. */
  pinned: 4096,
  /** Its window leaves less than half of the output that was asked for. */
  cramped: 1 << 20,
  /** Its tool calls were measurably worse than those of the best. */
  toolsWorse: 16384,
  /** The conversation was answered there before, and its prompt may be cached. */
  sticky: 32768,
  /** Another would save more than the cache of that conversation is worth. */
  unstuck: 65536,
  /** Its tool calls were measured, and this request is ordered by them. */
  toolsJudged: 131072,
} as const

/** An endpoint that may answer, with what decides its place: lower ranks first, then lower keys, then lower costs. */
export interface Entry {
  readonly endpoint: Endpoint
  /** The keys that may be used now, best first; when all of them rest, all. */
  readonly keys: readonly Credential[]
  /** Keys that rest while others of this endpoint do not. */
  readonly resting: readonly Credential[]
  /** The estimate; raised for the draw while its endpoint ramps up. */
  readonly cost: number
  marks: number
  rank: number
  key: number
  /** The share of first draws; null where the order is fixed. */
  weight: number | null
}

/** How the endpoints of a model are put in order. */
export interface Mode {
  readonly strategy: string
  /** What the fixed order goes by; null where it is drawn. */
  readonly sort: 'price' | 'throughput' | 'latency' | 'exacto' | null
}

const MODES: Readonly<Record<SortKey, Mode>> = {
  price: { strategy: 'sort:price', sort: 'price' },
  throughput: { strategy: 'sort:throughput', sort: 'throughput' },
  latency: { strategy: 'sort:latency', sort: 'latency' },
  exacto: { strategy: 'sort:exacto', sort: 'exacto' },
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
 * where the request has them; it is not ejected; its keys may be used now; no outage in the last 30 s; it meets the
 * caller's thresholds; the caller's `order`; the tier that was asked for; not deprecated; then the sort or the draw.
 * Those that are ejected go by how bad they are and by nothing else.
 *
 * What the caller lists in `order` keeps its place through outages, ejection and deprecation: a pin that moves is no
 * pin. Only a provider that told us to wait, or refused our key, is passed over.
 */
export function entryOf(endpoint: Endpoint, mode: Mode, scale: Scale): Entry {
  const { given, wishes } = scale
  const { now, health } = given
  const all = credentialsOf(endpoint, given)
  const asleep = restingKeys(endpoint, all, given)
  const allRest = asleep.length === all.length
  const standing = health.standing === undefined ? null : health.standing(endpoint.id, now)
  const estimate = estimatedCost(endpoint.price!, scale.need, scale.expectedOutput)

  let lacking = 0
  for (const parameter of scale.preferred) if (lacks(endpoint, parameter)) lacking++
  const place = wishes.order === null ? 0 : placeIn(wishes.order, endpoint, wishes)
  const listed = wishes.order !== null && place < wishes.order.length
  const well = standing === null ? 0 : marksOf(standing, mode, estimate, listed, scale)
  const out = (well & MARK.ejected) !== 0
  const unstable = !listed && (well & MARK.trial) === 0 && health.unstable(endpoint.id, now)
  // With 1 / cost², a share of the usual weight is this cost.
  const cost = standing !== null && (well & MARK.ramping) && mode.sort === null ? estimate / Math.sqrt(standing.share) : estimate
  const figures = wishes.thresholds || mode.sort === 'throughput' || mode.sort === 'latency'
    ? health.figures(endpoint.id, now) : null
  const slow = wishes.thresholds && missesThresholds(figures, wishes)
  const tierFirst = wishes.tier !== 'default' && endpoint.tier === wishes.tier
  const behind = endpoint.deprecated && !listed
  const cramped = !listed && isCramped(endpoint, scale.need)

  let rank = lacking
  rank = rank * 2 + (out ? 1 : 0)
  rank = rank * 2 + (allRest ? 1 : 0)
  rank = rank * 2 + (!out && (unstable || well & MARK.held) ? 1 : 0)
  rank = rank * 2 + (!out && slow ? 1 : 0)
  rank = rank * ((wishes.order?.length ?? 0) + 1) + (out ? 0 : place)
  rank = rank * 2 + (!out && cramped ? 1 : 0)
  rank = rank * 2 + (out || tierFirst ? 0 : 1)
  rank = rank * 2 + (!out && behind ? 1 : 0)
  return {
    endpoint, cost, rank,
    keys: asleep.length === 0 || allRest ? all : all.filter((key) => !asleep.includes(key)),
    resting: allRest ? NO_KEYS : asleep,
    key: out ? standing!.badness : keyOf(mode, cost, figures, given),
    marks: (listed ? MARK.listed : 0) | (tierFirst ? MARK.tierAsked : 0) | (endpoint.deprecated ? MARK.deprecated : 0)
      | (unstable ? MARK.unstable : 0) | (allRest ? MARK.resting : 0) | (lacking > 0 ? MARK.lacking : 0)
      | (slow ? MARK.slow : 0) | (cramped ? MARK.cramped : 0) | well,
    weight: null,
  }
}

/**
 * What an endpoint that kept failing is to this request. A trial needs a request that can go on elsewhere. While it
 * ramps up, the draw gives it a part of its weight; where nothing is drawn, or a price of nothing beats every weight,
 * it stands back for the other part of the requests.
 */
function marksOf(standing: Standing, mode: Mode, cost: number, listed: boolean, { wishes, given }: Scale): number {
  switch (standing.state) {
    case 'trial': return wishes.single ? MARK.ejected : MARK.trial
    case 'ramping': {
      if (listed) return 0
      if (mode.sort === null && cost > 0) return MARK.ramping
      return given.random() < standing.share ? MARK.ramping : MARK.ramping | MARK.held
    }
    default: return listed ? MARK.pinned : MARK.ejected
  }
}

/**
 * Puts entries in order, in place, and gives the drawn ones their share of first draws. Returns how they were put in
 * order, which is not the mode that was asked for where nothing was measured to go by.
 */
export function arrange(entries: Entry[], mode: Mode, scale: Scale): Mode {
  const { given: { policy }, need, wishes } = scale
  const measured = mode.sort === 'exacto' || (mode.sort === null && wishes.order === null && need.parameters.has('tools'))
    ? toolFigures(entries, scale) : null
  const by = mode.sort !== 'exacto' ? mode : measured === null ? UNMEASURED : mode
  if (measured !== null) {
    if (by.sort === 'exacto') byValidity(entries, measured)
    else demoteWorse(entries, measured, policy.toolMargin)
  }
  const scored = by.sort === null && policy.balance === 'measured' ? weighedByMeasure(entries, scale) : null
  entries.sort((a, b) => a.rank - b.rank || a.key - b.key || a.cost - b.cost)
  let out = 0
  for (const { marks } of entries) if (marks & (MARK.ejected | MARK.pinned | MARK.trial)) out++
  if (out * 2 > entries.length) for (const entry of entries) if (entry.marks & MARK.ejected) entry.marks |= MARK.panic
  const stuck = keepConversation(entries, scale)
  if (by.sort !== null) return by
  const first = stuck ?? (out === 0 ? null : certainFirst(entries, policy))
  if (first === null) weigh(entries, scored)
  else for (const entry of entries) entry.weight = entry === first ? 1 : 0
  return scored === null ? by : MEASURED
}

const UNMEASURED: Mode = { strategy: 'balanced (sort:exacto: no endpoint has enough requests with tools yet)', sort: null }
const MEASURED: Mode = { strategy: 'balanced by measure', sort: null }

interface ToolFigure {
  /** The share of requests with a wrong call, 0–1. */
  readonly bad: number
  readonly requests: number
}

/** The tool calls of those that have enough of them; null when none has. */
function toolFigures(entries: readonly Entry[], { given }: Scale): ReadonlyMap<Entry, ToolFigure> | null {
  if (given.measured === undefined) return null
  let found: Map<Entry, ToolFigure> | null = null
  for (const entry of entries) {
    const tools = given.measured(entry.endpoint.id)?.tools
    if (!tools || tools.requests < given.policy.toolRequests) continue
    entry.marks |= MARK.toolsJudged
    ;(found ??= new Map()).set(entry, { bad: tools.bad / tools.requests, requests: tools.requests })
  }
  return found
}

/** Fewest wrong calls first. What was not measured is taken for what all of them are together. */
function byValidity(entries: readonly Entry[], measured: ReadonlyMap<Entry, ToolFigure>): void {
  const figures = [...measured.values()]
  const typical = figures.reduce((sum, { bad, requests }) => sum + bad * requests, 0) / figures.reduce((sum, { requests }) => sum + requests, 0)
  for (const entry of entries) if (!(entry.marks & MARK.ejected)) entry.key = measured.get(entry)?.bad ?? typical
}

/**
 * Puts those behind their equals whose tool calls are wrong more often than the best one's: by more than the margin,
 * and by more than chance would have it (two standard errors). What was not measured stays with the good ones.
 */
function demoteWorse(entries: readonly Entry[], measured: ReadonlyMap<Entry, ToolFigure>, margin: number): void {
  let best: ToolFigure | null = null
  for (const figure of measured.values()) if (best === null || figure.bad < best.bad) best = figure
  for (const entry of entries) {
    const figure = measured.get(entry)
    const worse = figure !== undefined && figure.bad - best!.bad > Math.max(margin, 2 * Math.hypot(errorOf(figure), errorOf(best!)))
    if (worse) entry.marks |= MARK.toolsWorse
    entry.rank = entry.rank * 2 + (worse ? 1 : 0)
  }
}

function errorOf({ bad, requests }: ToolFigure): number {
  return Math.sqrt(bad * (1 - bad) / requests)
}

/** Lets what was measured decide the draw: the race that was run by 1 / cost² is rescaled to the measured weights. */
function weighedByMeasure(entries: readonly Entry[], { given }: Scale): ReadonlyMap<Entry, number> | null {
  const payable = entries.filter((entry) => entry.cost > 0 && !(entry.marks & MARK.ejected))
  if (given.measured === undefined || payable.length < 2) return null
  const lately = payable.map((entry) => ({ cost: entry.cost, price: entry.endpoint.price!, lately: given.measured!(entry.endpoint.id)?.lately ?? null }))
  if (lately.every((it) => it.lately === null)) return null
  const weights = new Map<Entry, number>()
  scores(lately).forEach(({ weight }, i) => {
    const entry = payable[i]!
    entry.key /= entry.cost * entry.cost * weight
    weights.set(entry, weight)
  })
  return weights
}

/**
 * Puts the endpoint first that has the conversation in its cache, if it is as fit as the best, and unless another
 * would save more than the cache is worth. A caller's `order` is stronger than the cache.
 */
function keepConversation(entries: Entry[], { given, wishes, need }: Scale): Entry | null {
  if (given.sticky === undefined || wishes.order !== null || entries.length === 0) return null
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at]!
    const sticky = given.sticky(entry.endpoint.model)
    if (sticky?.endpoint !== entry.endpoint.id || entry.rank !== entries[0]!.rank || entry.marks & MARK.ejected) continue
    let least = Infinity
    for (const other of entries) if (other.rank === entry.rank && other.cost < least) least = other.cost
    if (entry.cost - least > cacheWorth(entry.endpoint, sticky.cachedTokens, need.inputTokens)) {
      entry.marks |= MARK.unstuck
      return null
    }
    entry.marks |= MARK.sticky
    entries.splice(at, 1)
    entries.unshift(entry)
    return entry
  }
  return null
}

/** What it saves to find so many tokens of a prompt in the cache, in atto-dollars. */
function cacheWorth({ price }: Endpoint, cachedTokens: number, promptTokens: number): number {
  const rates = ratesFor(price!, promptTokens)
  if (rates.prompt === undefined || rates.input_cache_read === undefined) return 0
  return Math.min(cachedTokens, promptTokens) * Number(rates.prompt - rates.input_cache_read)
}

/**
 * The one that goes first without a draw: the first that may be tried, put before its equals (what it costs may be
 * some times what the cheapest costs, and never something where that is free); or the least bad when all are out.
 */
function certainFirst(entries: Entry[], { trialCostFactor }: RoutingPolicy): Entry | null {
  const best = entries[0]!
  if (best.marks & MARK.ejected) return best
  let least = Infinity
  for (const entry of entries) if (entry.rank === best.rank && entry.cost < least) least = entry.cost
  const at = entries.findIndex((it) => it.rank === best.rank && (it.marks & MARK.trial) !== 0 && it.cost <= least * trialCostFactor)
  if (at < 0) return null
  const [trial] = entries.splice(at, 1)
  entries.unshift(trial!)
  return trial!
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
    // A race until it is known whether any of them was measured: see arrange.
    case 'exacto':
    case null: {
      const random = given.random()
      return cost === 0 ? random - 1 : -Math.log(1 - random) * cost * cost
    }
  }
}

/** The shares of first draws: by 1 / cost², or by the weights that were measured. */
function weigh(entries: readonly Entry[], measured: ReadonlyMap<Entry, number> | null): void {
  const best = entries[0]?.rank
  let least = Infinity
  for (const entry of entries) if (entry.rank === best && entry.cost < least) least = entry.cost
  let sum = 0
  for (const entry of entries) {
    entry.weight = entry.rank !== best ? 0 : least > 0 && measured?.get(entry) || share(entry.cost, least)
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
