import { decimalFromAtto, ratesFor, REJECTIONS } from '../core/index.ts'
import type { Atto, DataPolicy, Endpoint, Preferences, RejectionReason, Unpriced } from '../core/index.ts'
import { outputShare } from './fit.ts'
import { lacks } from './parameters.ts'
import { names, overpriced, promptOf, type Case } from './reject.ts'

/** Says in a sentence, with the figures, why an endpoint was rejected for `why`; and whose limit it was, where it is not the request's. */
export function detailOf(why: RejectionReason, endpoint: Endpoint, of: Case): string {
  const limit = LIMITS[why]
  const setter = limit === undefined ? undefined : of.wishes.preferences.setBy?.[limit]
  const said = sentenceOf(why, endpoint, of)
  return setter === undefined ? said : `${said} (a setting of the ${setter})`
}

const LIMITS: Readonly<Partial<Record<RejectionReason, keyof NonNullable<Preferences['setBy']>>>> = {
  not_allowed: 'only', ignored: 'ignore', max_price: 'maxPrice', data_policy: 'dataCollection', zdr: 'zdr',
  quantization: 'quantizations', distillable: 'enforceDistillableText', parameters: 'requireParameters',
}

function sentenceOf(why: RejectionReason, endpoint: Endpoint, of: Case): string {
  const { wishes, need } = of
  switch (why) {
    case 'disabled': return REJECTIONS.disabled
    case 'no_dialect':
      return endpoint.protocols.length === 0 ? 'its protocol is not known'
        : `it speaks ${endpoint.protocols.join(', ')}, which no dialect here speaks yet`
    case 'no_address':
      return `the address of ${endpoint.providerName} is not known or lacks a setting `
        + `(providers.${endpoint.provider}.base_url sets it)`
    case 'no_model_id': return `${endpoint.providerName}'s own id for ${endpoint.model} is not known`
    case 'no_credential': {
      const remedy = of.given.remedy?.(endpoint.provider)
      return `there is no key for ${endpoint.providerName}${remedy ? `: ${remedy}` : ''}`
    }
    case 'no_price': return UNPRICED[endpoint.unpriced ?? 'pricing_unknown']
    case 'modality': return modalityDetail(endpoint, of)
    case 'context_length': return contextDetail(endpoint, of)
    case 'max_output':
      return `${grouped(need.outputBound ?? 0)} output tokens were asked for, `
        + `it gives at most ${grouped(endpoint.maxOutputTokens ?? 0)}`
    case 'tier':
      return endpoint.tier === 'default' ? 'service_tier is flex, and the model has a flex endpoint'
        : `its tier, ${endpoint.tier}, has its own price and was not asked for `
          + `(service_tier, a variant or the full name ${endpoint.tag} does)`
    case 'variant': return variantDetail(endpoint, of)
    case 'not_allowed': return allowedDetail(endpoint, of)
    case 'ignored': return `provider.ignore names it: ${wishes.preferences.ignore!.join(', ')}`
    case 'max_price': return priceDetail(endpoint, of)
    case 'data_policy': return policyDetail(endpoint.dataPolicy)
    case 'zdr': return retentionDetail(endpoint.dataPolicy)
    case 'quantization':
      return `its quantization is ${endpoint.quantization ?? 'unknown'}, `
        + `the request allows ${wishes.preferences.quantizations!.join(', ') || 'none'}`
    case 'distillable': return `it is not known that the author of ${endpoint.model} permits distillation`
    case 'parameters':
      return `it does not honour ${[...need.parameters].filter((name) => lacks(endpoint, name)).join(', ')}`
  }
}

/** What `allow_fallbacks: false` says to the endpoints behind the first. */
export function behindDetail(first: Endpoint): string {
  return `provider.allow_fallbacks is false, and ${first.tag} comes first`
}

const UNPRICED: Readonly<Record<Unpriced, string>> = {
  pricing_unknown: 'its price is not known; the operator can set one',
  zero_listed: 'it is listed at zero although it is not sold as free; the operator can price it, or say that it is free',
  price_suspect: 'its listed price is far off what others ask and is not billed; the operator can confirm it',
  incomplete: 'its price lacks a part that would have to be billed; the operator can complete it',
}

function modalityDetail(endpoint: Endpoint, { need }: Case): string {
  const untaken = missing(endpoint.inputModalities, need.inputModalities)
  if (untaken.length > 0) return `it does not take ${untaken.join(', ')} input`
  return `it does not give ${missing(endpoint.outputModalities, need.outputModalities).join(', ')} output`
}

export function missing(has: ReadonlySet<string>, wanted: ReadonlySet<string>): readonly string[] {
  return has.size === 0 ? [] : [...wanted].filter((one) => !has.has(one))
}

function contextDetail(endpoint: Endpoint, { need }: Case): string {
  const tokens = promptOf(need)
  const prompt = `the ${need.apart === undefined ? 'prompt' : 'longest input'} is about ${grouped(tokens)} tokens`
  if (endpoint.maxPromptTokens !== null && tokens > endpoint.maxPromptTokens) {
    return `${prompt}, it takes at most ${grouped(endpoint.maxPromptTokens)}`
  }
  const context = grouped(endpoint.contextLength ?? 0)
  if (tokens > (endpoint.contextLength ?? Infinity)) return `${prompt}, its context is ${context}`
  return `${prompt} and ${grouped(outputShare(endpoint, need))} more are for output, its context is ${context}`
}

function variantDetail(endpoint: Endpoint, of: Case): string {
  if (endpoint.simulated && !of.simulation) return 'a simulation never stands in for a real endpoint'
  if (!endpoint.simulated && of.demo) return 'the simulation was asked for (:demo)'
  const free = ':free takes only endpoints without a charge'
  if (endpoint.price!.source === 'stated') return `${free}; its provider states the cost afterwards`
  const { prompt, completion } = endpoint.price!.rates
  return `${free}; it asks $${perMillion(prompt ?? 0n)} and $${perMillion(completion ?? 0n)} per million tokens`
}

function allowedDetail(endpoint: Endpoint, { wishes }: Case): string {
  const { only, order } = wishes.preferences
  return wishes.only !== null && !names(wishes.only, endpoint, wishes)
    ? `${wishes.preferences.setBy?.only ? '' : "your request's "}provider.only ${wishes.preferences.setBy?.only ? '' : 'preference '}permits only: ${only!.join(', ') || 'nobody'}`
    : `your request's provider.order preference, with allow_fallbacks false, permits only: ${order!.join(', ')}`
}

function priceDetail(endpoint: Endpoint, of: Case): string {
  const key = overpriced(endpoint, of)
  if (key === null) return REJECTIONS.max_price
  const rates = ratesFor(endpoint.price!, of.need.inputTokens)
  const cap = of.wishes.preferences.maxPrice![key]!
  const rate = rates[key] ?? rates.prompt ?? 0n
  // provider.max_price is stated per million for prompt and completion, per unit for the others: answered in kind.
  if (key === 'prompt' || key === 'completion') {
    return `it asks $${perMillion(rate)} per million ${key} tokens, provider.max_price allows $${perMillion(cap)}`
  }
  return `it asks $${decimalFromAtto(rate)} per ${key}, provider.max_price allows $${decimalFromAtto(cap)}`
}

function policyDetail(policy: DataPolicy): string {
  if (policy.training === true) return 'it may train on prompts'
  if (policy.training === null) return 'it is not stated that it does not train on prompts'
  return retentionDetail(policy)
}

function retentionDetail(policy: DataPolicy): string {
  if (policy.retentionDays) return `it keeps prompts for ${policy.retentionDays} days`
  if (policy.retainsPrompts === true) return 'it keeps prompts'
  return 'it is not stated that it keeps no prompts'
}

/** Dollars per million units, as a decimal string. */
export function perMillion(rate: Atto): string {
  return decimalFromAtto(rate * 1_000_000n)
}

/** 210000 as "210,000". */
export function grouped(count: number): string {
  return count < 1000 ? String(count) : String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
}
