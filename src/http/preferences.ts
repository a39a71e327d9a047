import type { KeySettings } from '../accounts/index.ts'
import { fault, FaultError, type Preferences } from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'

/** What a key's settings say of routing: everything that a request may say, but for the models. */
export type KeyPreferences = Partial<Omit<Preferences, 'models'>>

export type KeyReader = (settings: KeySettings) => KeyPreferences | undefined

/**
 * Reads the preferences in a key's settings. They have the form of a request's `provider`, so the face that reads
 * requests reads them too, once for each settings object: the two cannot come to mean different things.
 */
export function createKeyReader(face: Inbound): KeyReader {
  const read = new WeakMap<object, KeyPreferences>()
  return ({ provider }) => {
    if (provider === undefined) return undefined
    let preferences = read.get(provider)
    if (preferences === undefined) {
      const decoded = face.decode({ model: 'any', messages: [{ role: 'user', content: 'any' }], provider })
      if ('fault' in decoded) throw new FaultError(fault('internal', `A key has settings that cannot be read: ${decoded.fault.message}`))
      const { models: _, ...rest } = decoded.asked.preferences
      read.set(provider, preferences = rest)
    }
    return preferences
  }
}

/**
 * The preferences of a request under those of its key. Limits (only, ignore, quantizations, prices, data policy) hold
 * together, so a request can narrow what its key permits and never widen it. Wishes (order, sort, thresholds, options)
 * are the request's where it has them, the key's otherwise. An empty `only` or `quantizations` permits nothing.
 */
export function tighten(asked: Preferences, key: KeyPreferences | undefined): Preferences {
  if (key === undefined || isEmpty(key)) return asked
  const only = both(asked.only, key.only, narrower)
  const quantizations = both(asked.quantizations, key.quantizations, (a, b) => (same(a, b) ? a : null))
  const ignore = asked.ignore && key.ignore ? [...new Set([...asked.ignore, ...key.ignore])] : asked.ignore ?? key.ignore
  const maxPrice = lowest(asked.maxPrice, key.maxPrice)
  return {
    ...key,
    ...present(asked),
    ...(only && { only }),
    ...(ignore && { ignore }),
    ...(quantizations && { quantizations }),
    ...(maxPrice && { maxPrice }),
    ...(key.allowFallbacks === false && { allowFallbacks: false }),
    ...(key.requireParameters && { requireParameters: true }),
    ...(key.zdr && { zdr: true }),
    ...(key.enforceDistillableText && { enforceDistillableText: true }),
    ...(key.dataCollection === 'deny' && { dataCollection: 'deny' as const }),
    ...((asked.options ?? key.options) && { options: { ...key.options, ...asked.options } }),
  }
}

function isEmpty(value: object): boolean {
  for (const _ in value) return false
  return true
}

/** Without the keys whose value is undefined: spread over others, they would erase them. */
function present(asked: Preferences): Preferences {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as unknown as Preferences
}

function both(
  asked: readonly string[] | undefined, key: readonly string[] | undefined, meet: (a: string, b: string) => string | null,
): readonly string[] | undefined {
  if (!asked || !key) return asked ?? key
  return [...new Set(asked.flatMap((a) => key.map((b) => meet(a, b)).filter((met) => met !== null)))]
}

const TIERS = new Set(['flex', 'priority'])

/**
 * What two entries of provider lists have in common: a slug stands for its regions and variants (`google-vertex` for
 * `google-vertex/us-east5`), never for its service tiers.
 */
function narrower(a: string, b: string): string | null {
  if (same(a, b) || covers(b, a)) return a
  return covers(a, b) ? b : null
}

function covers(slug: string, tag: string): boolean {
  const [low, full] = [slug.toLowerCase(), tag.toLowerCase()]
  return full.startsWith(`${low}/`) && !TIERS.has(full.slice(full.lastIndexOf('/') + 1))
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function lowest(asked: Preferences['maxPrice'], key: Preferences['maxPrice']): Preferences['maxPrice'] {
  if (!asked || !key) return asked ?? key
  const lower: Record<string, bigint> = {}
  for (const [unit, price] of [...Object.entries(key), ...Object.entries(asked)]) {
    const other = lower[unit]
    if (other === undefined || price < other) lower[unit] = price
  }
  return lower
}
