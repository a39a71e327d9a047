import { ratesFor, type Measured, type PriceSheet } from '../core/index.ts'

/**
 * The balance by what was measured, as an alternative to 1 / price² (`routing.balance: measured`): what an endpoint
 * really charges, with penalties for being slow to begin, for failing and for turning requests away, and a share for
 * being fast. (OpenRouter's page for providers describes such a rule without its numbers; these are ours.)
 */

/** Each part of the score of one endpoint, as the explanation shows it. */
export interface Score {
  /** The estimated cost, in atto-dollars, with everything that is held against the endpoint. */
  readonly adjusted: number
  /** What the speed multiplies its weight with. */
  readonly speed: number
  readonly weight: number
}

/** A second to the first token above what is typical costs so much of the price. */
const LATENCY_PENALTY_PER_SECOND = 0.1
const MOST_LATENCY_PENALTY = 1
/** An endpoint that fails every second time is held for twice as dear. */
const FAILURE_PENALTY = 2
const LIMIT_PENALTY = 1
/** Within this of the best adjusted price, being somewhat dearer costs little; beyond it, the share falls fast. */
const EDGE = 1.25
/** Speed counts between half and twice of what is typical. */
const SLOWEST = 0.5
const FASTEST = 2
/** Nobody's share falls to nothing: what is never called is never measured again. */
const LEAST_WEIGHT = 0.005

export interface Scored {
  /** Of the estimated request, in atto-dollars. */
  readonly cost: number
  readonly price: PriceSheet
  readonly lately: Measured['lately']
}

/**
 * What was charged of late, as a share of the list price of the same tokens: below 1 where prompts were cached. Null
 * where nothing was answered.
 */
export function chargedShare(price: PriceSheet, lately: Measured['lately']): number | null {
  if (lately === null) return null
  const rates = ratesFor(price, 0)
  const list = lately.promptTokens * Number(rates.prompt ?? 0n) + lately.completionTokens * Number(rates.completion ?? 0n)
  return list > 0 && lately.spentNano > 0 ? lately.spentNano * 1e9 / list : null
}

/**
 * Weights for a draw among endpoints of estimated costs (atto-dollars, above 0). Where nothing was measured of an
 * endpoint, it is taken for typical: the median of its peers.
 */
export function scores(entries: readonly Scored[]): readonly Score[] {
  const charges = entries.map(({ price, lately }) => chargedShare(price, lately))
  const typicalLatency = median(entries.map(({ lately }) => lately?.latencyMs ?? null))
  const typicalSpeed = median(entries.map(({ lately }) => lately?.speed ?? null))
  const typicalCharge = median(charges) ?? 1
  const rough = entries.map(({ cost, lately }, i) => {
    const late = Math.max(0, (lately?.latencyMs ?? typicalLatency ?? 0) - (typicalLatency ?? 0)) / 1000
    const penalties = Math.min(MOST_LATENCY_PENALTY, late * LATENCY_PENALTY_PER_SECOND)
      + (lately?.failed ?? 0) * FAILURE_PENALTY + (lately?.limited ?? 0) * LIMIT_PENALTY
    const speed = typicalSpeed === null ? 1 : clamp((lately?.speed ?? typicalSpeed) / typicalSpeed, SLOWEST, FASTEST)
    return { adjusted: cost * (charges[i] ?? typicalCharge) * (1 + penalties), speed }
  })
  const best = Math.min(...rough.map(({ adjusted }) => adjusted))
  return rough.map(({ adjusted, speed }) => {
    const times = adjusted / best
    // One slope inside the edge and a steeper one outside, which meet at it.
    const weight = times <= EDGE ? 1 / times : (1 / EDGE) * (EDGE / times) ** 4
    return { adjusted, speed, weight: Math.max(LEAST_WEIGHT, weight * speed) }
  })
}

function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).toSorted((a, b) => a - b)
  return known.length === 0 ? null : known[Math.floor((known.length - 1) / 2)]!
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
