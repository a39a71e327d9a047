import {
  fault, REJECTIONS,
  type Endpoint, type Fault, type Need, type Offer, type Plan, type Rejection, type RejectionReason,
} from '../core/index.ts'
import { missing } from './detail.ts'
import { fitOf, outputShare } from './fit.ts'
import type { Given } from './given.ts'
import { lacks } from './parameters.ts'
import { promptOf } from './reject.ts'
import { relaxed, type Relaxed } from './relax.ts'

/** Reasons that no request could change: the rest is what the caller can act on, so it decides what the error is. */
const FACTS: ReadonlySet<RejectionReason> = new Set([
  'disabled', 'no_dialect', 'no_address', 'no_model_id', 'no_credential', 'no_price',
])

/** `availability.excluded_by`, in OpenRouter's words. */
const EXCLUDED_BY: Readonly<Partial<Record<RejectionReason, string>>> = {
  data_policy: 'data_policy:training',
  zdr: 'data_policy:zdr',
  max_price: 'max_price',
  context_length: 'context_length',
  parameters: 'require_parameters',
  quantization: 'quantization',
  not_allowed: 'allowed_providers',
  ignored: 'allowed_providers',
}

/** The field of the caller's body that a reason comes from. */
const FIELDS: Readonly<Partial<Record<RejectionReason, string>>> = {
  modality: 'messages',
  context_length: 'messages',
  max_output: 'max_tokens',
  tier: 'service_tier',
  variant: 'model',
  not_allowed: 'provider.only',
  ignored: 'provider.ignore',
  data_policy: 'provider.data_collection',
  zdr: 'provider.zdr',
  quantization: 'provider.quantizations',
  distillable: 'provider.enforce_distillable_text',
  max_price: 'provider.max_price',
  parameters: 'provider.require_parameters',
}

/** Where a request says what is to be read. */
const INPUT_FIELDS: Readonly<Record<Need['operation'], string>> = { chat: 'messages', embed: 'input', rerank: 'documents' }

const PRIVACY: ReadonlySet<RejectionReason> = new Set(['data_policy', 'zdr'])

const NAMED = 5

/**
 * What the caller is told when no endpoint can take the request: a 404 whose message begins with the words that
 * OpenRouter's clients look for and then says why, group by group, or a 400 when the prompt is too long for all that
 * would otherwise take it, or when it may not be served with less than it asks. `remedy` says what an operator would do
 * to make a provider usable; without it the rejections' own sentences do. With what the plan was `given`, `metadata`
 * says of each condition how many endpoints it alone keeps out, and who could answer without it.
 */
export function planFault(plan: Plan, offers: readonly Offer[], need: Need, rest: Told = {}): Fault {
  const { given, remedy } = rest
  const { telling, acted } = tellingOf(plan, offers)
  const reasons = new Set(telling.map((it) => it.why))
  const constraints = given && acted ? relaxed({ need, offers, given }) : []
  const metadata = constraints.length > 0 ? { metadata: { constraints } } : null
  if (reasons.size === 1 && reasons.has('context_length')) return { ...tooLong(plan, offers, need, telling), ...metadata }
  const strict = given && reasons.size === 1 ? strictFault(telling, offers, need, given) : null
  if (strict) return { ...strict, metadata: { ...strict.metadata, ...metadata?.metadata } }

  const excludedBy = [...new Set(telling.map((it) => EXCLUDED_BY[it.why]).filter((it) => it !== undefined))]
  const main = mostFrequent(telling)
  const code = codeOf(reasons, acted, offers)
  const message = [headline(telling, reasons, offers, need), ...groupsOf([...telling, ...plan.rejected.filter((it) => !telling.includes(it))], remedy)].join(' ')
  return fault('no-endpoint', message, {
    ...metadata,
    availability: {
      ...availabilityOf(code, offers, telling),
      ...(excludedBy.length > 0 && { excluded_by: excludedBy }),
      ...(code === 'free_variant_ended' && { fallback_models: modelsOf(offers) }),
      ...(main !== null && FIELDS[main.why] !== undefined && {
        constraint: { field: fieldOf(main, need), detail: main.detail + gainOf(fieldOf(main, need), constraints) },
      }),
    },
  })
}

/** What a failed plan is told with. */
interface Told {
  /** What it was made from. */
  readonly given?: Given
  readonly remedy?: (provider: string) => string
}

/**
 * The 400 of a request that may not be served with less than it asks (`provider.max_output` or
 * `provider.unsupported_parameters` is `refuse`), and that nothing else keeps from being served.
 */
function strictFault(telling: readonly Rejection[], offers: readonly Offer[], need: Need, given: Given): Fault | null {
  const fit = fitOf(given.preferences, given.policy)
  const rejected = new Set(telling.map((it) => it.endpoint))
  const endpoints = endpointsOf(offers).filter((it) => rejected.has(it.id))
  const availability = (field: string): object => ({
    availability: { ...availabilityOf('constraint_filtered', offers, telling), constraint: { field, detail: telling[0]!.detail } },
  })
  if (telling[0]!.why === 'max_output' && fit.maxOutput === 'refuse') {
    const most = Math.max(...endpoints.map((it) => it.maxOutputTokens ?? 0))
    return fault('invalid-request', `max_tokens: must be at most ${most} for ${modelsOf(offers).join(', ')}, is ${need.outputBound} (provider.max_output is refuse)`, {
      field: 'max_tokens', metadata: { error_type: 'max_tokens_exceeded' }, ...availability('max_tokens'),
    })
  }
  if (telling[0]!.why !== 'parameters' || fit.unsupportedParameters !== 'refuse' || given.preferences.requireParameters) return null
  const lost = [...need.parameters].filter((name) => endpoints.some((it) => lacks(it, name)))
  const message = `${lost.join(', ')}: no endpoint of ${modelsOf(offers).join(', ')} honours ${lost.length > 1 ? 'all of them' : 'it'} `
    + '(provider.unsupported_parameters is refuse)'
  return fault('unsupported-parameter', message, { field: lost[0]!, ...availability(lost[0]!) })
}

/** What lifting the condition would give, behind what it did. */
function gainOf(field: string, constraints: readonly Relaxed[]): string {
  const found = constraints.find((it) => it.field === field)
  if (!found || found.excludes_alone === 0) return ''
  const { excludes_alone: count, providers } = found
  const more = providers.length > NAMED ? ` and ${providers.length - NAMED} more` : ''
  return `; without it ${count} ${count === 1 ? 'endpoint' : 'endpoints'} could answer (${providers.slice(0, NAMED).join(', ')}${more})`
}

/**
 * The rejections that the error is about: what the caller's own conditions did. A tier that nobody asked for and a
 * simulation that stood aside are bystanders: they must not turn "only groq is allowed" into "several reasons".
 */
function tellingOf(plan: Plan, offers: readonly Offer[]): { readonly telling: readonly Rejection[]; readonly acted: boolean } {
  const simulated = new Set(endpointsOf(offers).filter((it) => it.simulated).map((it) => it.id))
  const acted = plan.rejected.filter((it) => !FACTS.has(it.why))
  const told = acted.filter((it) => it.why !== 'tier' && !simulated.has(it.endpoint))
  if (told.length > 0) return { telling: told, acted: true }
  return acted.length > 0 ? { telling: acted, acted: true } : { telling: plan.rejected, acted: false }
}

function tooLong(plan: Plan, offers: readonly Offer[], need: Need, telling: readonly Rejection[]): Fault {
  const rejected = new Set(telling.map((it) => it.endpoint))
  let roomiest: { readonly limit: number; readonly output: number } | null = null
  for (const endpoint of endpointsOf(offers)) {
    if (!rejected.has(endpoint.id)) continue
    const limit = Math.min(endpoint.maxPromptTokens ?? Infinity, endpoint.contextLength ?? Infinity)
    if (roomiest === null || limit > roomiest.limit) roomiest = { limit, output: outputShare(endpoint, need) }
  }
  const { limit, output } = roomiest ?? { limit: 0, output: 0 }
  // Digits without separators: clients read the two numbers out of this sentence to cut their history down.
  const field = INPUT_FIELDS[need.operation]
  const tokens = promptOf(need)
  const message = `This endpoint's maximum context length is ${limit} tokens. However, you requested about `
    + `${tokens + output} tokens (${tokens} of input, ${output} for the output). `
    + (need.operation === 'chat' ? 'Shorten the messages, lower max_tokens, or name a model with a larger context in models.'
      : 'Shorten the longest input, or name a model with a larger context in models.')
  return fault('context-length', message, {
    field,
    availability: {
      ...availabilityOf('constraint_filtered', offers, telling),
      excluded_by: ['context_length'],
      constraint: { field, detail: plan.rejected.find((it) => it.why === 'context_length')!.detail },
    },
  })
}

function availabilityOf(code: string, offers: readonly Offer[], telling: readonly Rejection[]): Record<string, unknown> {
  const providers = [...new Set(telling.map((it) => it.provider))]
  return {
    code,
    retryable: false,
    requested_models: offers.map((offer) => offer.requested),
    ...(providers.length > 0 && { affected_providers: providers.slice(0, 4 * NAMED) }),
  }
}

/** OpenRouter's code for what stood in the way. */
function codeOf(reasons: ReadonlySet<RejectionReason>, acted: boolean, offers: readonly Offer[]): string {
  if (!acted) return 'no_endpoints'
  if ([...reasons].every((why) => PRIVACY.has(why))) return 'privacy_restricted'
  const lone = reasons.size === 1 && reasons.has('variant')
  if (lone && offers.some((it) => it.variants.includes('free'))) return 'free_variant_ended'
  return 'constraint_filtered'
}

/** The first sentence: where one condition is to blame, in the words that clients know. */
function headline(
  telling: readonly Rejection[], reasons: ReadonlySet<RejectionReason>, offers: readonly Offer[], need: Need,
): string {
  const models = modelsOf(offers).join(', ')
  const only = reasons.size === 1 ? telling[0]!.why : null
  const rejected = new Set(telling.map((it) => it.endpoint))
  const endpoints = (): readonly Endpoint[] => endpointsOf(offers).filter((it) => rejected.has(it.id))
  switch (only) {
    case 'parameters':
      return need.parameters.has('tools') && endpoints().every((it) => lacks(it, 'tools'))
        ? 'No endpoints found that support tool use.' : 'No endpoints found that can handle the requested parameters.'
    case 'modality': {
      const untaken = new Set(endpoints().flatMap((it) => missing(it.inputModalities, need.inputModalities)))
      if (untaken.size > 0) return `No endpoints found that support ${[...untaken].join(' and ')} input.`
      const ungiven = new Set(endpoints().flatMap((it) => missing(it.outputModalities, need.outputModalities)))
      return `No endpoints found that support ${[...ungiven].join(' and ')} output.`
    }
    case 'data_policy':
    case 'zdr': return `No endpoints found matching your data policy (${FIELDS[only]}).`
    case 'not_allowed':
      return `No allowed providers are available for the selected model. Providers serving ${models}: ${namesOf(telling)}, `
        + `but ${telling[0]!.detail}.`
    case 'ignored': return `All providers have been ignored. Providers serving ${models}: ${namesOf(telling)}.`
    case 'max_price': return 'No endpoints found within provider.max_price.'
    case 'quantization': return 'No endpoints found with a quantization that provider.quantizations allows.'
    case 'max_output': return 'No endpoints found that give as many output tokens as max_tokens asks for.'
    case 'variant': return `No endpoints found for ${offers.map((offer) => offer.requested).join(', ')}.`
    default: {
      if ([...reasons].every((why) => PRIVACY.has(why)) && reasons.size > 0) {
        return 'No endpoints found matching your data policy (provider.data_collection, provider.zdr).'
      }
      return `No endpoints found for ${models}${telling.length === 0 ? ': nobody serves it here' : ''}.`
    }
  }
}

/** One sentence for each reason: who, and why. What a group has in common is said once, with the first one's figures. */
function groupsOf(rejected: readonly Rejection[], remedy: ((provider: string) => string) | undefined): readonly string[] {
  const groups = new Map<RejectionReason, Rejection[]>()
  for (const it of rejected) {
    const group = groups.get(it.why)
    if (group) group.push(it)
    else groups.set(it.why, [it])
  }
  return [...groups].map(([why, group]) => {
    if (why === 'no_credential' && remedy) return `No key for ${namesOf(group, remedy)}.`
    if (why === 'no_credential') return `${sentenceOf(group)}.`
    if (new Set(group.map((it) => it.detail)).size === 1) return `${namesOf(group)}: ${group[0]!.detail}.`
    return `${namesOf(group)}: ${REJECTIONS[why]} (${group[0]!.provider}: ${group[0]!.detail}).`
  })
}

/** The first five details of a group, where each says something of its own, and how many more there are. */
function sentenceOf(group: readonly Rejection[]): string {
  const details = [...new Set(group.map((it) => it.detail))]
  const said = details.slice(0, NAMED).join('; ')
  return said.charAt(0).toUpperCase() + said.slice(1) + (details.length > NAMED ? `; and ${details.length - NAMED} more` : '')
}

/** The first five providers of a group and how many more there are. */
function namesOf(group: readonly Rejection[], note?: (provider: string) => string): string {
  const providers = [...new Set(group.map((it) => it.provider))]
  const named = providers.slice(0, NAMED).map((slug) => note ? `${slug} (${note(slug)})` : slug).join(', ')
  return providers.length > NAMED ? `${named} and ${providers.length - NAMED} more` : named
}

function fieldOf({ why, detail }: Rejection, { operation }: Need): string {
  if (why === 'modality' || why === 'context_length') return INPUT_FIELDS[operation]
  if (why !== 'not_allowed') return FIELDS[why]!
  return detail.includes('provider.order') ? 'provider.order' : 'provider.only'
}

function mostFrequent(rejected: readonly Rejection[]): Rejection | null {
  const counts = new Map<RejectionReason, number>()
  for (const { why } of rejected) counts.set(why, (counts.get(why) ?? 0) + 1)
  let best: Rejection | null = null
  for (const it of rejected) if (best === null || counts.get(it.why)! > counts.get(best.why)!) best = it
  return best
}

function endpointsOf(offers: readonly Offer[]): readonly Endpoint[] {
  return offers.flatMap((offer) => offer.endpoints)
}

function modelsOf(offers: readonly Offer[]): readonly string[] {
  return [...new Set(offers.map((offer) => offer.model.id))]
}
