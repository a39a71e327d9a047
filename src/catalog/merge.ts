import { nearest } from './nearest.ts'
import { priceOf } from './price.ts'
import {
  completeEndpoint, completeModel, ConfigError, newProvider, pricingWithout,
  type EndpointPatch, type EndpointRow, type ModelPatch, type ModelRow, type Overlay, type ProviderPatch, type ProviderRow,
} from './rows.ts'
import type { Seed } from './seed.ts'

/** The rows that hold: the seed, what was found on this machine, and the operator's word over both. */
export interface Rows {
  readonly providers: ReadonlyMap<string, ProviderRow>
  readonly models: readonly ModelRow[]
  readonly endpointsByModel: ReadonlyMap<string, readonly EndpointRow[]>
}

export interface DiscoveredRows {
  readonly models: readonly ModelRow[]
  readonly endpoints: readonly EndpointRow[]
}

/**
 * Lays an operator's overlay over the seed, field by field on the id; lists replace, objects are merged.
 * Throws a ConfigError that names the row when one refers to what does not exist, or is priced in no decimal.
 */
export function mergeRows(
  seed: Pick<Seed, 'providers' | 'models' | 'endpoints'>,
  overlay: Overlay,
  discovered: Iterable<DiscoveredRows>,
  faces: ReadonlySet<string>,
): Rows {
  const providers = mergeProviders(seed.providers, overlay.providers, faces)
  const models = new Map(seed.models.map((row) => [row.id, row]))
  const endpoints = new Map(seed.endpoints.map((row) => [row.id, row]))
  for (const found of discovered) {
    for (const row of found.models) if (!models.has(row.id)) models.set(row.id, row)
    for (const row of found.endpoints) endpoints.set(row.id, row)
  }
  const hidden = new Set<string>()
  for (const patch of overlay.models) {
    models.set(patch.id, mergeModel(models.get(patch.id), patch))
    if (patch.enabled === false) hidden.add(patch.id)
    else hidden.delete(patch.id)
  }
  for (const [index, patch] of overlay.endpoints.entries()) {
    const row = mergeEndpoint(`endpoints[${index}]`, patch, endpoints, models, providers)
    priceOf(row, models.get(row.model)!)
    endpoints.set(row.id, row)
  }
  for (const id of hidden) models.delete(id)
  return { providers, models: [...models.values()], endpointsByModel: groupByModel(endpoints.values()) }
}

function groupByModel(rows: Iterable<EndpointRow>): Map<string, EndpointRow[]> {
  const groups = new Map<string, EndpointRow[]>()
  for (const row of rows) {
    const group = groups.get(row.model)
    if (group) group.push(row)
    else groups.set(row.model, [row])
  }
  return groups
}

function mergeProviders(
  seed: readonly ProviderRow[], patches: Readonly<Record<string, ProviderPatch>>, faces: ReadonlySet<string>,
): Map<string, ProviderRow> {
  const providers = new Map(seed.map((row) => [row.slug, row]))
  for (const [slug, patch] of Object.entries(patches)) {
    if (patch.dialect !== undefined && !faces.has(patch.dialect)) {
      throw new ConfigError(`providers.${slug}.dialect must be one of ${[...faces].toSorted().join(', ')}, is ${JSON.stringify(patch.dialect)}`)
    }
    const known = providers.get(slug)
    if (!known && patch.base_url === undefined) {
      const [near] = nearest(slug, providers.keys())
      throw new ConfigError(`providers.${slug} is not a provider of the catalogue${near ? ` (did you mean ${near}?)` : ''}; a new one needs its base_url`)
    }
    const row = known ?? newProvider(slug, patch)
    const policy = patch.data_policy && {
      training: null, retains_prompts: null, retention_days: null, ...row.data_policy, ...patch.data_policy,
    }
    providers.set(slug, {
      ...row,
      ...(patch.name !== undefined && { name: patch.name }),
      ...(patch.base_url !== undefined && { own_base_url: patch.base_url.replace(/\/+$/, '') }),
      ...(patch.dialect !== undefined && { own_dialect: patch.dialect }),
      ...(patch.enabled !== undefined && { enabled: patch.enabled }),
      ...(policy && { data_policy: policy }),
    })
  }
  return providers
}

function mergeModel(known: ModelRow | undefined, given: ModelPatch): ModelRow {
  const patch: ModelPatch = given.alias_target === undefined ? given : { kind: 'alias', ...given, alias_pinned: true }
  if (!known) return completeModel(patch)
  const { enabled: _, ...fields } = patch
  return {
    ...known,
    ...fields,
    ...(patch.reasoning && { reasoning: { ...known.reasoning, ...patch.reasoning } }),
    ...(patch.features && { features: { ...known.features, ...patch.features } }),
    ...(patch.supported_parameters && { supported_parameters_source: 'operator' as const }),
  }
}

function mergeEndpoint(
  where: string,
  patch: EndpointPatch,
  endpoints: ReadonlyMap<string, EndpointRow>,
  models: ReadonlyMap<string, ModelRow>,
  providers: ReadonlyMap<string, ProviderRow>,
): EndpointRow {
  const id = idOf(where, patch)
  const known = endpoints.get(id)
  if (known) return mergeKnown(known, patch)
  const at = id.indexOf('@')
  const model = patch.model ?? id.slice(0, at)
  const tag = patch.tag ?? id.slice(at + 1)
  const provider = patch.provider ?? tag.split('/')[0]!
  if (!models.has(model)) throw new ConfigError(`${where} (${id}): model names no model${suggest(model, models.keys())}; add a row with this id to models`)
  if (!providers.has(provider)) {
    throw new ConfigError(`${where} (${id}): provider names no provider${suggest(provider, providers.keys())}; add providers.${provider} with its base_url`)
  }
  if (patch.pricing === undefined) {
    throw new ConfigError(`${where} (${id}): pricing is required of a new endpoint: prices in dollars per token, or the word free`)
  }
  return operatorMarks(completeEndpoint({ ...patch, model, provider, tag }), patch)
}

function idOf(where: string, patch: EndpointPatch): string {
  const given = patch.model && (patch.tag ?? patch.provider) ? `${patch.model}@${patch.tag ?? patch.provider}` : undefined
  const id = patch.id ?? given
  if (id === undefined) throw new ConfigError(`${where}: an endpoint needs model and provider, or the id of one in the catalogue (model@tag)`)
  if (given !== undefined && id !== given) throw new ConfigError(`${where}: id must be ${given} as its model and tag say, is ${id}`)
  const at = id.indexOf('@')
  if (at <= 0 || at === id.length - 1) throw new ConfigError(`${where}: id must be model@tag, is ${JSON.stringify(id)}`)
  return id
}

function mergeKnown(known: EndpointRow, patch: EndpointPatch): EndpointRow {
  const { pricing, ...fields } = patch
  const merged = {
    ...known,
    ...fields,
    ...(patch.reasoning && { reasoning: { ...known.reasoning, ...patch.reasoning } }),
    ...(patch.forced_params && { forced_params: { ...known.forced_params, ...patch.forced_params } }),
  }
  if (pricing === undefined) return operatorMarks(merged as EndpointRow, patch)
  // A price that nobody may be billed by is not worth completing: then the operator's is the whole sheet.
  const unusable = known.pricing === 'free' || known.pricing_unknown || known.zero_listed || known.price_suspect
    || known.price_source === 'stated'
  const whole = pricing === 'free' || unusable ? pricing : { ...known.pricing as Record<string, string>, ...pricing }
  return operatorMarks({ ...merged, pricing: pricingWithout(whole) } as EndpointRow, patch)
}

function operatorMarks(row: EndpointRow, patch: EndpointPatch): EndpointRow {
  return {
    ...row,
    ...(patch.pricing !== undefined && {
      price_source: patch.price_source ?? 'operator', pricing_unknown: false, zero_listed: false, price_suspect: false,
    }),
    ...(patch.base_url !== undefined && { own_address: true, base_url: patch.base_url.replace(/\/+$/, '') }),
    ...(patch.supported_parameters && { supported_parameters_source: 'operator' as const }),
  }
}

function suggest(word: string, known: Iterable<string>): string {
  const [near] = nearest(word, known)
  return near ? ` (did you mean ${near}?)` : ''
}
