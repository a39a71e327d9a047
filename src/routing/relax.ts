import type { Need, Offer, Preferences } from '../core/index.ts'
import { fitOf } from './fit.ts'
import type { Given } from './given.ts'
import { plan } from './plan.ts'

/** A condition of a request that nobody could meet, and who could answer if it were lifted and all others stayed. */
export interface Relaxed {
  /** The field of the caller's body. A key's settings may have set it too. */
  readonly field: string
  /** How many endpoints nothing but this condition keeps out. */
  readonly excludes_alone: number
  /** Their providers, in the order in which they would be tried; the first twenty. */
  readonly providers: readonly string[]
}

/** A request as a plan sees it. */
interface Wanted {
  readonly need: Need
  readonly offers: readonly Offer[]
  readonly given: Given
}

/** A condition, and how a request reads without it; null where the request does not have it. */
interface Condition {
  readonly field: string
  without(wanted: Wanted): Wanted | null
}

const SHOWN = 20

/**
 * For each condition of the request, what lifting it alone would give: the plan is made again without it. That answers
 * what a caller asks next, and counts an endpoint that two conditions keep out for neither. Most first.
 */
export function relaxed(wanted: Wanted): readonly Relaxed[] {
  const found: Relaxed[] = []
  for (const { field, without } of CONDITIONS) {
    const milder = without(wanted)
    if (milder === null) continue
    const { candidates } = plan(milder.need, milder.offers, milder.given)
    const endpoints = new Set(candidates.map(({ endpoint }) => endpoint.id))
    const providers = new Set(candidates.map(({ endpoint }) => endpoint.provider))
    found.push({ field, excludes_alone: endpoints.size, providers: [...providers].slice(0, SHOWN) })
  }
  return found.toSorted((a, b) => b.excludes_alone - a.excludes_alone)
}

const CONDITIONS: readonly Condition[] = [
  preference('provider.only', ({ only }) => only !== undefined, { only: undefined }),
  preference('provider.order', ({ order, allowFallbacks }) => allowFallbacks === false && (order?.length ?? 0) > 0, { order: undefined }),
  preference('provider.ignore', ({ ignore }) => (ignore?.length ?? 0) > 0, { ignore: undefined }),
  preference('provider.data_collection', ({ dataCollection }) => dataCollection === 'deny', { dataCollection: 'allow' }),
  preference('provider.zdr', ({ zdr }) => zdr === true, { zdr: false }),
  preference('provider.quantizations', ({ quantizations }) => quantizations !== undefined, { quantizations: undefined }),
  preference('provider.enforce_distillable_text', ({ enforceDistillableText }) => enforceDistillableText === true, { enforceDistillableText: false }),
  preference('provider.max_price', ({ maxPrice }) => maxPrice !== undefined, { maxPrice: undefined }),
  preference('provider.require_parameters', ({ requireParameters }) => requireParameters === true, { requireParameters: false }),
  fitting('provider.unsupported_parameters', 'unsupportedParameters', 'drop'),
  fitting('provider.max_output', 'maxOutput', 'clamp'),
  {
    field: 'max_tokens',
    without: ({ need, ...rest }) => need.outputBound === null ? null : { ...rest, need: { ...need, outputBound: null } },
  },
  {
    field: 'service_tier',
    without: ({ given, ...rest }) => given.serviceTier ? { ...rest, given: { ...given, serviceTier: null } } : null,
  },
  {
    field: 'model',
    without: ({ offers, ...rest }) => offers.some(({ variants }) => variants.length > 0)
      ? { ...rest, offers: offers.map((offer) => ({ ...offer, variants: [] })) } : null,
  },
]

type Change = { readonly [K in keyof Preferences]?: Preferences[K] | undefined }

/** `undefined` takes a preference away. */
function milderBy(change: Change, { given, ...rest }: Wanted): Wanted {
  const entries = Object.entries({ ...given.preferences, ...change }).filter(([, value]) => value !== undefined)
  return { ...rest, given: { ...given, preferences: Object.fromEntries(entries) as unknown as Preferences } }
}

function preference(field: string, holds: (preferences: Preferences) => boolean, change: Change): Condition {
  return { field, without: (wanted) => holds(wanted.given.preferences) ? milderBy(change, wanted) : null }
}

/** What the operator's policy says holds as well, so that it is replaced and not taken away. */
function fitting<K extends 'unsupportedParameters' | 'maxOutput'>(field: string, name: K, milder: NonNullable<Preferences[K]>): Condition {
  return {
    field,
    without: (wanted) => {
      const { preferences, policy } = wanted.given
      const now = fitOf(preferences, policy)[name]
      const strict = name === 'maxOutput' ? now !== 'clamp' : now === 'refuse'
      return strict ? milderBy({ [name]: milder }, wanted) : null
    },
  }
}
