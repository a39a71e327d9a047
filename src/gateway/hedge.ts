import {
  charge, NO_CHARGE, usage,
  type Candidate, type ChatEvent, type HedgePayer, type Nano, type Usage,
} from '../core/index.ts'
import type { Given, RoutePlan } from '../routing/index.ts'
import type { Metered } from './meter.ts'

/** A second attempt beside one that is slow: docs/hedging.md. What is decided about one, before it is opened and after. */
export interface Hedging {
  /** Who asked for it, and pays for the one that loses. */
  readonly payer: HedgePayer
  /** After how many milliseconds an attempt there is slow; null where too few answers say what is usual. */
  slowAfter(candidate: Candidate): number | null
  /** Whether one may be asked beside another that is slow. */
  mayStandIn(slow: Candidate, other: Candidate): boolean
}

/** Of two attempts the one that lost. */
export interface Loser {
  readonly cost: Nano
  readonly payer: HedgePayer
}

type Facts = Pick<Given, 'preferences' | 'policy' | 'health' | 'now'>

/** Null where no second attempt is ever opened, which is nearly everywhere. */
export function hedgingOf(given: Facts, streamed: boolean): Hedging | null {
  const payer = payerOf(given)
  if (payer === null) return null
  return {
    payer,
    slowAfter: (candidate) => {
      const usual = usualOf(candidate, given, streamed)
      return usual !== null && usual.samples >= given.policy.hedgeSamples ? Math.max(given.policy.hedgeLeastMs, usual.ms) : null
    },
    mayStandIn: (slow, other) => mayStandIn(slow, other, given),
  }
}

/** Without fallbacks a request is for one endpoint; and who wants no second one has none, whoever would pay. */
function payerOf({ preferences: { hedge, allowFallbacks }, policy }: Pick<Facts, 'preferences' | 'policy'>): HedgePayer | null {
  if (hedge === false || allowFallbacks === false) return null
  return hedge === true ? 'caller' : policy.hedge === 'on' ? 'operator' : null
}

function usualOf({ endpoint }: Candidate, { health, policy, now }: Facts, streamed: boolean): { readonly ms: number; readonly samples: number } | null {
  return endpoint.simulated ? null : health.latencyAt?.(endpoint.id, policy.hedgePercentile, streamed, now) ?? null
}

/**
 * Another endpoint of the same model (being slow is no reason to answer with a model that the caller named second), whose
 * provider is not known to be failing and has not asked for a rest.
 */
function mayStandIn(slow: Candidate, { endpoint, credential }: Candidate, { health, now }: Facts): boolean {
  if (endpoint.id === slow.endpoint.id || endpoint.model !== slow.endpoint.model || endpoint.simulated) return false
  const standing = health.standing?.(endpoint.id, now) ?? null
  if (standing !== null && standing.state !== 'ramping') return false
  return !health.unstable(endpoint.id, now) && (health.restsUntil?.(endpoint.id, credential.id, now) ?? 0) <= now
}

/**
 * What an attempt that was ended cost: what its provider had counted by then, else the prompt and what had come of an
 * answer, as for a caller who leaves. Nothing where the request never went out.
 */
export function lostCost(
  { endpoint }: Candidate, { said, sent, promptTokens }: { readonly said: readonly ChatEvent[]; readonly sent: boolean; readonly promptTokens: number },
): { readonly cost: Nano; readonly counted: Usage['counted'] } {
  const reported = said.findLast((event) => event.type === 'usage')
  if (reported && endpoint.price) return { cost: charge(endpoint.price, reported.usage).total, counted: 'by-upstream' }
  if (!sent || !endpoint.price) return { cost: 0n, counted: 'by-us' }
  const length = said.reduce((sum, event) => event.type === 'block-delta' ? sum + event.text.length : sum, 0)
  const estimate = usage({ total: promptTokens }, { total: Math.ceil(length / 4) }, { counted: 'by-us' })
  return { cost: charge(endpoint.price, estimate).total, counted: 'by-us' }
}

/**
 * What a call came to, with what its loser cost: a part of the charge for a caller who asked for both. A reply that
 * nothing is charged for (it failed, or was empty) charges nothing for its loser either.
 */
export function withLoser(metered: Metered, { cost, payer }: Loser): Metered {
  if (payer === 'operator' || metered.charge === NO_CHARGE) return { ...metered, absorbed: metered.absorbed + cost }
  return cost === 0n ? metered : { ...metered, charge: { ...metered.charge, total: metered.charge.total + cost, hedge: cost } }
}

/** What `POST /route/explain` says of it. */
export interface HedgeExplanation {
  readonly opens: boolean
  readonly after_ms?: number
  readonly endpoint?: string
  readonly paid_by?: HedgePayer
  readonly why?: string
}

/** Whether the first candidate of a plan would have another opened beside it, after how long and where; or why not. */
export function explainHedge({ candidates }: RoutePlan, given: Facts, streamed: boolean): HedgeExplanation {
  const no = (why: string): HedgeExplanation => ({ opens: false, why })
  const { preferences, policy } = given
  const payer = payerOf(given)
  if (payer === null) {
    return no(preferences.hedge === false ? 'provider.hedge is false, for the request, its key or its workspace'
      : preferences.allowFallbacks === false && (preferences.hedge === true || policy.hedge === 'on') ? 'provider.allow_fallbacks is false'
        : 'neither the request nor the policy asks for one')
  }
  const [first, ...others] = candidates
  if (!first) return no('nobody can take the request')
  if (!given.health.latencyAt) return no('how long answers took, one by one, is not kept of the past')
  const { ms, samples } = usualOf(first, given, streamed) ?? { ms: 0, samples: 0 }
  if (samples < policy.hedgeSamples) {
    return no(`${first.endpoint.id} has ${samples} of the ${policy.hedgeSamples} ${streamed ? 'streamed' : 'whole'} answers that say what is slow there`)
  }
  const stand = others.find((other) => mayStandIn(first, other, given))
  if (!stand) return no('no other endpoint of the model may stand in')
  return { opens: true, after_ms: Math.round(Math.max(policy.hedgeLeastMs, ms)), endpoint: stand.endpoint.id, paid_by: payer }
}
