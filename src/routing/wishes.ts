import type { Preferences, SortKey, Tier } from '../core/index.ts'
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
}

/** fp4 and fp8 also admit the formats that carry the same number of bits with a scale for each block. */
const FAMILIES: Readonly<Record<string, readonly string[]>> = { fp4: ['mxfp4', 'nvfp4'], fp8: ['mxfp8'] }

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
    // An empty allowlist allows nobody: it is what is left when a key's list and a request's have nothing in common.
    only: lower(preferences.only),
    ignore: lower(preferences.ignore),
    closed: closed && order !== null,
    single: closed && order === null,
    quantizations: preferences.quantizations?.length ? familiesOf(preferences.quantizations) : null,
    tier: given.serviceTier ? TIERS[given.serviceTier.toLowerCase()] ?? 'default' : 'default',
    thresholds: preferences.preferredMinThroughput !== undefined || preferences.preferredMaxLatency !== undefined,
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

function familiesOf(names: readonly string[]): ReadonlySet<string> {
  const set = new Set<string>()
  for (const name of names) {
    const plain = name.toLowerCase()
    set.add(plain)
    for (const member of FAMILIES[plain] ?? []) set.add(member)
  }
  return set
}
