import type { KeyRecord, KeySettings } from '../accounts/index.ts'
import { nearest, type Snapshot } from '../catalog/index.ts'
import {
  fault, FaultError, MAX_OUTPUT, quantizationsMeant, UNSUPPORTED_PARAMETERS, type Fault, type Preferences,
} from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'

/** What a key's or a workspace's settings say of routing: everything that a request may say, but for the models. */
export type KeyPreferences = Partial<Omit<Preferences, 'models'>>

/** The preferences that hold for all requests of a key: its own under those of its workspace. */
export type KeyReader = (key: Pick<KeyRecord, 'settings' | 'workspace'>) => KeyPreferences | undefined

type ProviderSettings = KeySettings['provider']

/**
 * Reads the preferences in settings of keys and workspaces. They have the form of a request's `provider`, so the face
 * that reads requests reads them too, once for each settings object: the two cannot come to mean different things.
 */
export function createKeyReader(
  face: Inbound, catalog: () => Pick<Snapshot, 'providerNamed'>, workspace: (id: string) => ProviderSettings = () => undefined,
): KeyReader {
  const read = new WeakMap<object, KeyPreferences>()
  const merged = new WeakMap<object, { readonly over: KeyPreferences; readonly both: KeyPreferences }>()
  const readOnce = (provider: ProviderSettings, whose: string): KeyPreferences | undefined => {
    if (provider === undefined) return undefined
    let preferences = read.get(provider)
    if (preferences === undefined) {
      const decoded = face.decode({ model: 'any', messages: [{ role: 'user', content: 'any' }], provider })
      if ('fault' in decoded) throw new FaultError(fault('internal', `A ${whose} has settings that cannot be read: ${decoded.fault.message}`))
      const { models: _, ...rest } = decoded.asked.preferences
      read.set(provider, preferences = { ...rest, ...slugsOf(rest, catalog()) })
    }
    return preferences
  }
  return (key) => {
    const own = readOnce(key.settings.provider, 'key')
    const over = readOnce(workspace(key.workspace), 'workspace')
    if (over === undefined) return own
    // With nothing of its own, the workspace's stand for both: made once, too.
    const known = merged.get(own ?? over)
    if (known?.over === over) return known.both
    const { models: _, ...both } = tighten({ models: [], ...own }, over, 'workspace')
    merged.set(own ?? over, { over, both })
    return both
  }
}

type Setter = 'key' | 'workspace'

/** The limits of preferences; the rest are wishes, of which a request may have its own. */
const LIMITS = [
  'only', 'ignore', 'quantizations', 'maxPrice', 'allowFallbacks', 'requireParameters', 'zdr', 'enforceDistillableText', 'dataCollection',
] as const satisfies readonly (keyof Preferences)[]

/**
 * The preferences of a request under those of its key. Limits (only, ignore, quantizations, prices, data policy) hold
 * together, so a request can narrow what its key permits and never widen it. Wishes (order, sort, thresholds, options)
 * are the request's where it has them, the key's otherwise. An empty `only` or `quantizations` permits nothing.
 *
 * A key's `order` that `allow_fallbacks: false` closes is a limit too: a request's own order chooses among it.
 */
export function tighten(asked: Preferences, key: KeyPreferences | undefined, setter: Setter = 'key'): Preferences {
  if (key === undefined || isEmpty(key)) return asked
  const closed = key.allowFallbacks === false && key.order?.length ? both(key.only, key.order, narrower) : key.only
  const only = both(asked.only, closed, narrower)
  const quantizations = both(asked.quantizations, key.quantizations, sameFamily)
  const ignore = asked.ignore && key.ignore ? [...new Set([...asked.ignore, ...key.ignore])] : asked.ignore ?? key.ignore
  const maxPrice = lowest(asked.maxPrice, key.maxPrice)
  const maxOutput = stricter(MAX_OUTPUT, asked.maxOutput, key.maxOutput)
  const unsupportedParameters = stricter(UNSUPPORTED_PARAMETERS, asked.unsupportedParameters, key.unsupportedParameters)
  const by = asked.sort?.by ?? key.sort?.by
  const merged: Preferences = {
    ...key,
    ...present(asked),
    ...(only && { only }),
    ...(ignore && { ignore }),
    ...(quantizations && { quantizations }),
    ...(maxPrice && { maxPrice }),
    ...(asked.sort && { sort: { ...asked.sort, ...(by && { by }) } }),
    ...(key.allowFallbacks === false && { allowFallbacks: false }),
    ...(key.requireParameters && { requireParameters: true }),
    ...((asked.hedge === false || key.hedge === false) && { hedge: false }),
    ...((asked.coalesce === false || key.coalesce === false) && { coalesce: false }),
    ...(maxOutput && { maxOutput }),
    ...(unsupportedParameters && { unsupportedParameters }),
    ...(key.zdr && { zdr: true }),
    ...(key.enforceDistillableText && { enforceDistillableText: true }),
    ...(key.dataCollection === 'deny' && { dataCollection: 'deny' as const }),
    ...((asked.options ?? key.options) && { options: { ...key.options, ...asked.options } }),
  }
  const setBy = settersOf(asked, merged, key, setter)
  return isEmpty(setBy) ? merged : { ...merged, setBy }
}

/** Who set each limit that is not as the request has it, for the reasons that a caller is given. */
function settersOf(asked: Preferences, merged: Preferences, key: KeyPreferences, setter: Setter): NonNullable<Preferences['setBy']> {
  const set: Partial<Record<(typeof LIMITS)[number], Setter>> = {}
  for (const limit of LIMITS) {
    if (leavesOut(limit, merged[limit]) && !equal(asked[limit], merged[limit])) set[limit] = key.setBy?.[limit] ?? setter
  }
  return set
}

/** Whether a value can leave anybody out: `allow`, and a strictness that is off, cannot. */
function leavesOut(limit: (typeof LIMITS)[number], value: unknown): boolean {
  return limit === 'allowFallbacks' ? value === false : value !== undefined && value !== false && value !== 'allow'
}

/** Lists and prices are equal by what is in them. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [these, those] = [Object.entries(a), new Map(Object.entries(b))]
  return these.length === those.size && these.every(([name, value]) => those.get(name) === value)
}

/** The provider lists of settings by slugs, as those of requests are; a name that nobody has yet stays as it is. */
function slugsOf(settings: KeyPreferences, catalog: Pick<Snapshot, 'providerNamed'>): KeyPreferences {
  const named = LISTS.filter((list) => settings[list] !== undefined)
  return Object.fromEntries(named.map((list) => [list, settings[list]!.map((entry) => slugIn(entry, catalog) ?? entry)]))
}

const LISTS = ['order', 'only', 'ignore'] as const

/**
 * The provider lists of a request with display names and other names of providers as their slugs, which is how they
 * are compared. Throws an invalid-request that names the entry that no provider has (`provider.ignore[1]`): a denial
 * with a slip in it would let the request go where it must not, and a pin would pin nothing. An `only` of which nobody
 * is known permits nobody, which the plan refuses with who could have been named.
 */
export function withSlugs(asked: Preferences, catalog: Pick<Snapshot, 'providerNamed' | 'providers'>): Preferences {
  if (asked.order === undefined && asked.only === undefined && asked.ignore === undefined) return asked
  let changed: Partial<Record<(typeof LISTS)[number], readonly string[]>> | null = null
  for (const list of LISTS) {
    const entries = asked[list]
    if (entries === undefined) continue
    const slugs = entries.map((entry) => slugIn(entry, catalog))
    const closed = list === 'only' || (list === 'order' && asked.allowFallbacks === false)
    if (closed && slugs.every((slug) => slug === null)) continue
    const at = slugs.indexOf(null)
    if (at >= 0) throw new FaultError(unknownProvider(`provider.${list}[${at}]`, entries[at]!, catalog))
    if (slugs.some((slug, i) => slug !== entries[i])) (changed ??= {})[list] = slugs as readonly string[]
  }
  return changed === null ? asked : { ...asked, ...changed }
}

/** `Google Vertex/us-east5` as `google-vertex/us-east5`; null when no provider has the name. */
function slugIn(entry: string, catalog: Pick<Snapshot, 'providerNamed'>): string | null {
  const whole = catalog.providerNamed(entry)
  if (whole !== null) return whole
  const slash = entry.indexOf('/')
  const base = slash > 0 ? catalog.providerNamed(entry.slice(0, slash)) : null
  return base === null ? null : base + entry.slice(slash).toLowerCase()
}

function unknownProvider(field: string, entry: string, catalog: Pick<Snapshot, 'providers'>): Fault {
  const [near] = nearest(entry.slice(0, 60).toLowerCase().replace(/\/.*$/s, ''), catalog.providers.keys())
  const hint = near ? `; did you mean ${near}?` : '; GET /api/v1/providers lists them'
  return fault('invalid-request', `${field}: no provider has the slug ${JSON.stringify(entry.slice(0, 60))}${hint}`, { field })
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

const TIERS = new Set(['flex', 'priority', 'fast'])

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

/** Of two words in a list from the mildest to the strictest, the stricter one. */
function stricter<T>(scale: readonly T[], asked: T | undefined, key: T | undefined): T | undefined {
  if (asked === undefined || key === undefined) return asked ?? key
  return scale.indexOf(asked) > scale.indexOf(key) ? asked : key
}

/** What two quantizations have in common: `fp8` also means `mxfp8`, never the other way round. */
function sameFamily(a: string, b: string): string | null {
  if (quantizationsMeant([b]).has(a.toLowerCase())) return a
  return quantizationsMeant([a]).has(b.toLowerCase()) ? b : null
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
