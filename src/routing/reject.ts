import { isFree, keepsNothing, ratesFor } from '../core/index.ts'
import type { DataPolicy, Endpoint, Need, Offer, RejectionReason } from '../core/index.ts'
import { outputShare } from './fit.ts'
import type { Given } from './given.ts'
import { coversEndpoint, isTierName, meansEndpoint } from './match.ts'
import { lacks } from './parameters.ts'
import type { Wishes } from './wishes.ts'

/** What an endpoint of one model is judged by. */
export interface Case {
  readonly need: Need
  readonly offer: Offer
  readonly wishes: Wishes
  readonly given: Given
  /** `service_tier: flex` and the model has a flex endpoint that can be called: then nothing else will do. */
  readonly flexOnly: boolean
  /** Simulated endpoints may answer: they were asked for, or no real one can be called. */
  readonly simulation: boolean
  /** The simulation was asked for, so that a real endpoint may not answer. */
  readonly demo: boolean
  readonly free: boolean
}

export function caseOf(need: Need, offer: Offer, wishes: Wishes, given: Given): Case {
  const demo = offer.variants.includes('demo')
  const callable = (endpoint: Endpoint): boolean => whyNotCallable(endpoint, given) === null
  return {
    need, offer, wishes, given, demo,
    free: offer.variants.includes('free'),
    flexOnly: wishes.tier === 'flex' && offer.endpoints.some((it) => it.tier === 'flex' && callable(it)),
    simulation: demo || !offer.endpoints.some((it) => it.simulated)
      || !offer.endpoints.some((it) => !it.simulated && callable(it)),
  }
}

/** The first reason why an endpoint is not a candidate, or null: its own facts, the request's needs, then its wishes. */
export function whyNot(endpoint: Endpoint, of: Case): RejectionReason | null {
  return whyNotCallable(endpoint, of.given) ?? whyNotFitting(endpoint, of) ?? whyNotWished(endpoint, of)
}

/**
 * What keeps an endpoint from being called at all here, whatever the request. A simulated one runs in this process:
 * it needs no address, dialect or key.
 */
export function whyNotCallable(endpoint: Endpoint, given: Given): RejectionReason | null {
  if (endpoint.disabled) return 'disabled'
  if (!endpoint.simulated) {
    if (endpoint.dialect === null) return 'no_dialect'
    if (endpoint.baseUrl === null) return 'no_address'
    if (endpoint.upstreamModel === '') return 'no_model_id'
    if (given.credentials(endpoint.provider).length === 0) return 'no_credential'
  }
  return endpoint.price === null ? 'no_price' : null
}

function whyNotFitting(endpoint: Endpoint, of: Case): RejectionReason | null {
  const { need } = of
  if (!holdsAll(endpoint.inputModalities, need.inputModalities)) return 'modality'
  if (!holdsAll(endpoint.outputModalities, need.outputModalities)) return 'modality'
  const prompt = promptOf(need)
  if (endpoint.maxPromptTokens !== null && prompt > endpoint.maxPromptTokens) return 'context_length'
  if (endpoint.contextLength !== null && prompt + leastOutput(endpoint, of) > endpoint.contextLength) {
    return 'context_length'
  }
  if (of.wishes.fit.maxOutput !== 'clamp' && exceedsOutput(endpoint, need)) return 'max_output'
  if (!tierAsked(endpoint, of)) return 'tier'
  return variantAsked(endpoint, of) ? null : 'variant'
}

function whyNotWished(endpoint: Endpoint, of: Case): RejectionReason | null {
  const { wishes } = of
  const { preferences } = wishes
  if (wishes.only !== null && !names(wishes.only, endpoint, wishes)) return 'not_allowed'
  if (wishes.closed && !names(wishes.order!, endpoint, wishes)) return 'not_allowed'
  // A denial is read widely: whoever bans a provider does not mean to keep its dearer tier.
  if (wishes.ignore !== null && wishes.ignore.some((entry) => coversEndpoint(entry, endpoint))) return 'ignored'
  if (preferences.dataCollection === 'deny' && !collectsNothing(endpoint.dataPolicy)) return 'data_policy'
  if (preferences.zdr && !keepsNothing(endpoint.dataPolicy)) return 'zdr'
  const quantization = endpoint.quantization?.toLowerCase() ?? 'unknown'
  if (wishes.quantizations !== null && !wishes.quantizations.has(quantization)) return 'quantization'
  if (preferences.enforceDistillableText && of.offer.model.distillable !== true) return 'distillable'
  if (preferences.maxPrice && overpriced(endpoint, of) !== null) return 'max_price'
  if (preferences.requireParameters || wishes.fit.unsupportedParameters === 'refuse') {
    for (const parameter of of.need.parameters) if (lacks(endpoint, parameter)) return 'parameters'
  }
  return null
}

/** The tokens that have to fit a window: of inputs that are read apart, those of the longest. */
export function promptOf({ apart, inputTokens }: Need): number {
  return apart === undefined ? inputTokens : apart.longest
}

/** No modality stated is no limit: rows that an operator writes for a local server seldom have any. */
function holdsAll(has: ReadonlySet<string>, wanted: ReadonlySet<string>): boolean {
  if (has.size === 0) return true
  for (const one of wanted) if (!has.has(one)) return false
  return true
}

/**
 * The output that has to fit the window beside the prompt. A bound that is lowered to what fits needs only the room of
 * an usual answer: clients send a whole window as their bound, and would find no endpoint at all.
 */
function leastOutput(endpoint: Endpoint, { need, wishes, given }: Case): number {
  const share = outputShare(endpoint, need)
  return wishes.fit.maxOutput === 'clamp' ? Math.min(share, given.policy.expectedOutputTokens) : share
}

function exceedsOutput(endpoint: Endpoint, need: Need): boolean {
  return need.outputBound !== null && endpoint.maxOutputTokens !== null && need.outputBound > endpoint.maxOutputTokens
}

function tierAsked(endpoint: Endpoint, of: Case): boolean {
  const { wishes, offer } = of
  if (endpoint.tier === 'default') return !of.flexOnly
  if (endpoint.tier === wishes.tier) return true
  if (wishes.order?.some((entry) => isTierName(entry, endpoint))) return true
  if (wishes.only?.some((entry) => isTierName(entry, endpoint))) return true
  return offer.variants.includes(endpoint.tier === 'priority' ? 'nitro' : 'floor')
}

function variantAsked(endpoint: Endpoint, of: Case): boolean {
  if (endpoint.simulated ? !of.simulation : of.demo) return false
  return !of.free || isFree(endpoint.price!)
}

/** Whether one of the entries of `only` or `order` means the endpoint. */
export function names(entries: readonly string[], endpoint: Endpoint, wishes: Wishes): boolean {
  return entries.some((entry) => meansEndpoint(entry, endpoint, wishes.tier))
}

function collectsNothing(policy: DataPolicy): boolean {
  return policy.training === false && keepsNothing(policy)
}

/** The first price above the caller's cap, at the rates that hold for the estimated prompt. */
export function overpriced(endpoint: Endpoint, of: Case): 'prompt' | 'completion' | 'request' | 'image' | 'audio' | null {
  const caps = of.wishes.preferences.maxPrice!
  const rates = ratesFor(endpoint.price!, of.need.inputTokens)
  for (const key of PRICE_KEYS) {
    const cap = caps[key]
    if (cap === undefined) continue
    // Audio without a price of its own is charged as prompt.
    const rate = rates[key] ?? (key === 'audio' && of.need.inputModalities.has('audio') ? rates.prompt : undefined)
    if (rate !== undefined && rate > cap) return key
  }
  return null
}

const PRICE_KEYS = ['prompt', 'completion', 'request', 'image', 'audio'] as const
