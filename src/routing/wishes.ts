import { quantizationsMeant, type Preferences, type SortKey, type Tier } from '../core/index.ts'
import { fitOf, type Fit } from './fit.ts'
import type { Given } from './given.ts'

/** The preferences of a request, read once for all of its endpoints: names in lower case, families spelled out. */
export interface Wishes {
  readonly preferences: Preferences
  readonly order: readonly string[] | null
  readonly only: readonly string[] | null
  readonly ignore: readonly string[] | null
  /** `order` is the whole list, because `allow_fallbacks` is false. */
  readonly closed: boolean
  /** Only the first endpoint of each model, because `allow_fallbacks` is false and no `order` says otherwise. */
  readonly single: boolean
  readonly quantizations: ReadonlySet<string> | null
  /** The tier that `service_tier` asks for. */
  readonly tier: Tier
  readonly thresholds: boolean
  readonly fit: Fit
}

/**
 * `fast` is `priority`; `auto`, `default`, `scale` (capacity bought in advance, which no endpoint sells) and words that
 * nobody knows mean the default tier.
 */
const TIERS: Readonly<Record<string, Tier>> = { priority: 'priority', fast: 'priority', flex: 'flex' }

export function readWishes(given: Given): Wishes {
  const { preferences } = given
  const order = preferences.order?.length ? lower(preferences.order) : null
  const closed = preferences.allowFallbacks === false
  return {
    preferences,
    order,
    // An empty allowlist allows nobody, and so does an empty list of quantizations: that is what is left when a key's
    // list and a request's have nothing in common.
    only: lower(preferences.only),
    ignore: lower(preferences.ignore),
    closed: closed && order !== null,
    single: closed && order === null,
    quantizations: preferences.quantizations === undefined ? null : quantizationsMeant(preferences.quantizations),
    tier: given.serviceTier ? TIERS[given.serviceTier.toLowerCase()] ?? 'default' : 'default',
    thresholds: preferences.preferredMinThroughput !== undefined || preferences.preferredMaxLatency !== undefined,
    fit: fitOf(preferences, given.policy),
  }
}

/** The sort of one model: its own variant (the last of them), else the request's. */
export function sortOf(variants: readonly string[], wishes: Wishes): SortKey | null {
  for (let i = variants.length - 1; i >= 0; i--) {
    const sort = VARIANT_SORTS[variants[i]!]
    if (sort !== undefined) return sort
  }
  return wishes.preferences.sort?.by ?? null
}

const VARIANT_SORTS: Readonly<Record<string, SortKey>> = { nitro: 'throughput', floor: 'price', exacto: 'exacto' }

function lower(names: readonly string[] | undefined): readonly string[] | null {
  return names === undefined ? null : names.map((name) => name.toLowerCase())
}
