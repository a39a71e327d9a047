import type { Candidate, Endpoint, EndpointId, Nano, Need, Offer, Plan, Rejection, RejectionReason } from '../core/index.ts'
import { expectedOutput, inputCeiling, worstCost } from './cost.ts'
import { behindDetail, detailOf } from './detail.ts'
import type { Given } from './given.ts'
import { arrange, entryOf, MARK, modeOf, type Entry, type Mode, type Scale } from './order.ts'
import { preferredOf } from './parameters.ts'
import { caseOf, whyNot } from './reject.ts'
import { readWishes, sortOf, type Wishes } from './wishes.ts'

/** A candidate with the reasons for its place, which `explain` puts into words. */
export interface Placed extends Candidate {
  /** Bits of MARK. */
  readonly marks?: number
}

export interface RoutePlan extends Plan {
  readonly candidates: readonly Placed[]
}

/** The endpoints of one model, or of all models when the caller sorts them together. */
interface Group {
  /** How it is to be put in order, and then how it was. */
  mode: Mode
  readonly entries: Entry[]
}

/**
 * Decides which endpoints may answer a request and in what order, and says for every other one why not. Pure: the
 * same arguments and the same draws give the same plan. Every endpoint of the offers is either behind a candidate or
 * rejected, once. (OpenRouter's provider selection, openrouter.ai/docs: provider routing, model variants, tiers.)
 *
 * Models come in the order of the list; `sort.partition: none` mixes them, and an endpoint that misses the caller's
 * thresholds goes behind every model's endpoints that meet them. Health only orders, it never rejects: when all
 * endpoints are ejected, the least bad one is tried.
 */
export function plan(need: Need, offers: readonly Offer[], given: Given): RoutePlan {
  const wishes = readWishes(given)
  const scale: Scale = {
    need, wishes, given, expectedOutput: expectedOutput(need, given.policy), preferred: preferredOf(need.parameters),
  }
  const mixed = wishes.preferences.sort?.partition === 'none' && wishes.order === null
  const rejected: Rejection[] = []
  const groups: Group[] = []
  for (const offer of offers) {
    const of = caseOf(need, offer, wishes, given)
    if (!mixed || groups.length === 0) {
      groups.push({ mode: modeOf(mixed ? commonVariants(offers, wishes) : offer.variants, wishes), entries: [] })
    }
    const group = groups.at(-1)!
    for (const endpoint of offer.endpoints) {
      const why = whyNot(endpoint, of)
      if (why === null) group.entries.push(entryOf(endpoint, group.mode, scale))
      else rejected.push(rejection(endpoint, why, detailOf(why, endpoint, of)))
    }
  }
  for (const group of groups) group.mode = arrange(group.entries, group.mode, scale)
  const order = wishes.thresholds ? thresholdsFirst(groups) : groups.map((group) => group.entries)
  const once = offers.length > 1 ? withoutRepeats(order, rejected) : { order, rejected }
  const kept = wishes.single ? firstOfEachModel(once.order, once.rejected) : once.order
  return {
    candidates: candidatesOf(kept, scale),
    rejected: once.rejected,
    strategy: strategyOf(groups),
    models: offers.length === 1 ? [offers[0]!.model.id] : [...new Set(offers.map((offer) => offer.model.id))],
  }
}

/**
 * Where models are mixed, one order holds for all: the request's sort, or that of the variants where every model has
 * the same (`x:nitro` and `y:nitro`).
 */
function commonVariants(offers: readonly Offer[], wishes: Wishes): readonly string[] {
  if (wishes.preferences.sort?.by !== undefined) return NO_VARIANTS
  const [first, ...others] = offers.map((offer) => sortOf(offer.variants, wishes))
  return others.every((sort) => sort === first) ? offers[0]!.variants : NO_VARIANTS
}

const NO_VARIANTS: readonly string[] = []

function rejection(endpoint: Endpoint, why: RejectionReason, detail: string): Rejection {
  return { endpoint: endpoint.id, provider: endpoint.provider, model: endpoint.model, why, detail }
}

/**
 * Splits every group in those that are fit to go first and those that are not, and puts all of the latter last. Being
 * fast is no reason to overtake for an endpoint that fails, may not be called, or drops the request's tools.
 */
function thresholdsFirst(groups: readonly Group[]): readonly (readonly Entry[])[] {
  const front: Entry[][] = []
  const back: Entry[][] = []
  for (const { entries } of groups) {
    const able = entries.some((entry) => !(entry.marks & MARK.lacking))
    const unfit = MARK.slow | MARK.unstable | MARK.held | MARK.ejected | MARK.resting | (able ? MARK.lacking : 0)
    front.push(entries.filter((entry) => !(entry.marks & unfit)))
    back.push(entries.filter((entry) => entry.marks & unfit))
  }
  return [...front, ...back]
}

/**
 * Two references may name one model (an alias, or `x:free` and then `x`): its endpoints count once, as candidates if
 * at all.
 */
function withoutRepeats(order: readonly (readonly Entry[])[], rejected: readonly Rejection[]): {
  readonly order: readonly (readonly Entry[])[]
  readonly rejected: Rejection[]
} {
  const seen = new Set<EndpointId>()
  const first = (id: EndpointId): boolean => !seen.has(id) && seen.add(id) !== undefined
  return {
    order: order.map((entries) => entries.filter((entry) => first(entry.endpoint.id))),
    rejected: rejected.filter((it) => first(it.endpoint)),
  }
}

/** `allow_fallbacks: false` is about providers: a list of models still goes on, with one endpoint of each. */
function firstOfEachModel(order: readonly (readonly Entry[])[], rejected: Rejection[]): readonly (readonly Entry[])[] {
  const firsts = new Map<string, Endpoint>()
  return order.map((entries) => entries.filter(({ endpoint }) => {
    const first = firsts.get(endpoint.model)
    if (first === undefined) return firsts.set(endpoint.model, endpoint) !== undefined
    rejected.push(rejection(endpoint, 'not_allowed', behindDetail(first)))
    return false
  }))
}

/** Endpoint by endpoint, key by key. A key that rests while another of the endpoint works waits until the group's end. */
function candidatesOf(order: readonly (readonly Entry[])[], scale: Scale): readonly Placed[] {
  const { need, wishes } = scale
  const ceiling = inputCeiling(need)
  const candidates: Placed[] = []
  for (const entries of order) {
    let late: Placed[] | null = null
    for (const { endpoint, keys, resting, marks, weight } of entries) {
      const worst = worstOf(endpoint, scale, ceiling)
      for (let i = 0; i < keys.length; i++) {
        // The share of first draws is the endpoint's; its further keys are never drawn first.
        const share = i === 0 || weight === null ? weight : 0
        candidates.push({ endpoint, credential: keys[i]!, worst, weight: share, marks })
      }
      if (wishes.single) continue
      const share = weight === null ? null : 0
      for (const credential of resting) {
        (late ??= []).push({ endpoint, credential, worst, weight: share, marks: marks | MARK.resting })
      }
    }
    if (late !== null) candidates.push(...late)
  }
  return wishes.single ? oneKeyEach(candidates) : candidates
}

/** The dearer of its tier's price and the default one, where it may be served and billed at either. */
function worstOf(endpoint: Endpoint, { need, given: { policy } }: Scale, ceiling: number): Nano {
  const worst = worstCost(endpoint, endpoint.price!, need, ceiling, policy)
  if (endpoint.plainPrice === undefined) return worst
  const plain = worstCost(endpoint, endpoint.plainPrice, need, ceiling, policy)
  return plain > worst ? plain : worst
}

/** Without fallbacks the caller gets the one attempt's error as it is, and not that of a second key. */
function oneKeyEach(candidates: readonly Placed[]): readonly Placed[] {
  return candidates.filter((it, i) => it.endpoint !== candidates[i - 1]?.endpoint)
}

function strategyOf(groups: readonly Group[]): string {
  if (groups.length === 1) return groups[0]!.mode.strategy
  return [...new Set(groups.filter((it) => it.entries.length > 0).map((it) => it.mode.strategy))].join(', then ')
    || (groups[0]?.mode.strategy ?? 'balanced')
}
