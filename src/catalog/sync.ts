import { stringify } from 'yaml'
import { decimalFromAtto, type Endpoint } from '../core/index.ts'
import { readModelsDev, readOpenAiList, readOpenRouter, type LiveRow } from './live.ts'
import { nearest } from './nearest.ts'
import { ConfigError, type EndpointPatch, type ModelPatch } from './rows.ts'
import { fill } from './address.ts'
import { isListed } from './shapes.ts'
import type { Snapshot } from './snapshot.ts'

/** One difference between a live list and the catalogue. */
export interface Change {
  readonly what: 'added' | 'removed' | 'price' | 'limit' | 'unmatched'
  /** `model@tag`, or the name in the list where nothing here matches it. */
  readonly id: string
  readonly field?: string
  readonly from?: string
  readonly to?: string
}

/** The rows of an operator's file that take the differences over. */
export interface SyncOverlay {
  readonly models: readonly ModelPatch[]
  readonly endpoints: readonly EndpointPatch[]
}

export interface SyncResult {
  readonly source: string
  readonly diff: readonly Change[]
  readonly overlay: SyncOverlay
}

const OPENROUTER = 'openrouter'
const OPENROUTER_LIST = 'https://openrouter.ai/api/v1/models'
const MODELS_DEV = 'models.dev'
const MODELS_DEV_LIST = 'https://models.dev/api.json'

/**
 * Fetches a live list and compares it with the catalogue: `openrouter`, `models.dev`, or the slug of a provider whose
 * own OpenAI-style `/models` is asked. `get` answers a parsed JSON body and throws when there is none. Nothing is
 * changed: the overlay is for the operator to approve. Throws a ConfigError when the source is unknown or answers no list.
 */
export async function syncCatalog(
  source: string,
  given: {
    readonly snapshot: Snapshot
    readonly get: (url: string) => Promise<unknown>
    readonly settings: (provider: string, variables: readonly string[]) => Readonly<Record<string, string>>
  },
): Promise<SyncResult> {
  const { snapshot, get } = given
  if (source === OPENROUTER) return compare(source, someRows(source, readOpenRouter(await get(OPENROUTER_LIST))), snapshot)
  if (source === MODELS_DEV) {
    const slugs = new Map([...snapshot.providers.values()].flatMap((row) => row.models_dev_id ? [[row.models_dev_id, row.slug] as const] : []))
    return compare(source, someRows(source, readModelsDev(await get(MODELS_DEV_LIST), (id) => slugs.get(id))), snapshot)
  }
  const provider = snapshot.providers.get(source)
  if (!provider) {
    const [near] = nearest(source, [...snapshot.providers.keys(), MODELS_DEV])
    throw new ConfigError(`${source} is not a source: openrouter, models.dev or a provider's slug${near ? ` (did you mean ${near}?)` : ''}`)
  }
  const template = provider.own_base_url ?? provider.protocols.find((row) => row.protocol === 'openai-chat')?.base_url ?? provider.base_url
  const base = template && fill(template, given.settings(source, provider.env))
  if (!base) throw new ConfigError(`${source} has no address to ask: set providers.${source}.base_url or the settings that its address needs`)
  return compare(source, someRows(source, readOpenAiList(await get(`${base}/models`), source)), snapshot)
}

function someRows(source: string, rows: readonly LiveRow[]): readonly LiveRow[] {
  // An empty list is a broken one: taking it at its word would withdraw every model.
  if (rows.length === 0) throw new ConfigError(`${source} answered no list of models`)
  return rows
}

/** The differences of a live list, and the overlay that takes them over. Pure. */
export function compare(source: string, live: readonly LiveRow[], snapshot: Snapshot): SyncResult {
  const byUpstream = upstreamIndex(snapshot)
  const providers = new Set(live.map((row) => row.provider ?? OPENROUTER))
  const seen = new Set<string>()
  const diff: Change[] = []
  const models: ModelPatch[] = []
  const endpoints: EndpointPatch[] = []

  for (const row of live) {
    const provider = row.provider ?? OPENROUTER
    const known = byUpstream.get(`${provider} ${row.upstreamModel}`) ?? []
    for (const endpoint of known) {
      seen.add(endpoint.id)
      const change = changesOf(endpoint, row, snapshot.model(endpoint.model)?.row.kind === 'chat')
      diff.push(...change.diff)
      if (change.patch) endpoints.push({ id: endpoint.id, ...change.patch })
    }
    if (known.length > 0) continue
    const added = addition(row, provider, snapshot)
    diff.push(...added.diff)
    models.push(...added.models)
    endpoints.push(...added.endpoints)
  }

  for (const endpoint of listedEndpoints(snapshot)) {
    if (!providers.has(endpoint.provider) || seen.has(endpoint.id) || !endpoint.upstreamModel) continue
    // Deployments of a region or a quantization are listed under the provider's one id, or not at all.
    if (endpoint.tag !== endpoint.provider) continue
    diff.push({ what: 'removed', id: endpoint.id })
    endpoints.push({ id: endpoint.id, enabled: false })
  }
  return { source, diff, overlay: { models, endpoints } }
}

function* listedEndpoints(snapshot: Snapshot): Generator<Endpoint> {
  for (const entry of snapshot.models) {
    if (!isListed(entry) || entry.row.kind !== 'chat') continue
    for (const endpoint of snapshot.endpointsOf(entry.row.id)) {
      if (endpoint.tier === 'default' && !endpoint.disabled && !endpoint.simulated) yield endpoint
    }
  }
}

function upstreamIndex(snapshot: Snapshot): Map<string, Endpoint[]> {
  const index = new Map<string, Endpoint[]>()
  for (const entry of snapshot.models) {
    if (entry.row.alias_target !== undefined) continue
    for (const endpoint of snapshot.endpointsOf(entry.row.id)) {
      // Effort variants (o3-mini-high) share their base's upstream id; its list has one row for both.
      if (endpoint.tier !== 'default' || endpoint.simulated || endpoint.forcedParams || !endpoint.upstreamModel) continue
      const key = `${endpoint.provider} ${endpoint.upstreamModel}`
      const group = index.get(key)
      if (group) group.push(endpoint)
      else index.set(key, [endpoint])
    }
  }
  return index
}

function changesOf(endpoint: Endpoint, row: LiveRow, byTokens: boolean): { diff: readonly Change[]; patch: EndpointPatch | null } {
  const diff: Change[] = []
  const pricing: Record<string, string> = {}
  const states = endpoint.provider === OPENROUTER
  // The cost that an answer states is the price there, and a listed one only bounds it where nothing else does.
  // Models that are not sold by tokens have sheets in other units than the lists.
  if (row.pricing && byTokens && !(states && endpoint.price)) {
    for (const [key, to] of Object.entries(row.pricing)) {
      const rate = endpoint.price?.rates[key as keyof typeof endpoint.price.rates]
      const from = rate === undefined ? undefined : decimalFromAtto(rate)
      if (from === to || (from === undefined && to === '0')) continue
      pricing[key] = to
      diff.push({ what: 'price', id: endpoint.id, field: key, ...(from !== undefined && { from }), to })
    }
  }
  const patch: Record<string, unknown> = Object.keys(pricing).length > 0
    ? { pricing: endpoint.price ? pricing : row.pricing, ...(states && { price_source: 'stated' }) } : {}
  for (const [field, from, to] of [
    ['context_length', endpoint.contextLength, row.contextLength],
    ['max_completion_tokens', endpoint.maxOutputTokens, row.maxOutputTokens],
  ] as const) {
    if (to === undefined || to === from) continue
    patch[field] = to
    diff.push({ what: 'limit', id: endpoint.id, field, ...(from !== null && { from: String(from) }), to: String(to) })
  }
  return { diff, patch: Object.keys(patch).length > 0 ? patch : null }
}

/** A row that no endpoint here answers to. It becomes one where its model is known or named, and its price is stated. */
function addition(row: LiveRow, provider: string, snapshot: Snapshot): { diff: Change[]; models: ModelPatch[]; endpoints: EndpointPatch[] } {
  const name = row.upstreamModel ?? row.model ?? ''
  const known = row.model !== undefined ? snapshot.model(row.model) : uniqueModel(name, snapshot)
  const model = known?.row.id ?? row.model
  const speaks = !row.outputModalities || row.outputModalities.includes('text')
  if (model === undefined || !row.pricing?.['prompt'] || !row.pricing['completion'] || !speaks || (known && known.row.kind !== 'chat')) {
    return { diff: [{ what: 'unmatched', id: `${provider}: ${name}` }], models: [], endpoints: [] }
  }
  const fresh = known ? [] : [definedOnly({
    id: model, name: row.name, created: row.created, context_length: row.contextLength, max_output_tokens: row.maxOutputTokens,
    input_modalities: row.inputModalities, output_modalities: row.outputModalities, supported_parameters: row.supportedParameters,
  }) as unknown as ModelPatch]
  const endpoint = definedOnly({
    model, provider, provider_model_id: name, pricing: row.pricing, context_length: row.contextLength, max_completion_tokens: row.maxOutputTokens,
    supported_parameters: row.supportedParameters, price_source: provider === OPENROUTER ? 'stated' : undefined,
  }) as EndpointPatch
  return { diff: [{ what: 'added', id: `${model}@${provider}` }], models: fresh, endpoints: [endpoint] }
}

function uniqueModel(upstream: string, snapshot: Snapshot): ReturnType<Snapshot['model']> {
  const exact = snapshot.model(upstream)
  if (exact) return exact
  const found = snapshot.offer(upstream.slice(upstream.lastIndexOf('/') + 1))
  return 'offer' in found && found.offer.variants.length === 0 ? snapshot.model(found.offer.model.id) : null
}

function definedOnly(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
}

/** The differences as a table for a terminal; one line when there are none. */
export function diffTable(result: SyncResult): string {
  if (result.diff.length === 0) return `${result.source}: nothing has changed.\n`
  const rows = result.diff.map(({ what, id, field, from, to }) => [what, id, field ?? '', from ?? '', to ?? ''])
  const all = [['change', 'endpoint', 'field', 'here', 'there'], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const lines = all.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd())
  const counts = Object.entries(Object.groupBy(result.diff, (change) => change.what)).map(([what, list]) => `${list!.length} ${what}`)
  return `${lines.join('\n')}\n\n${result.source}: ${counts.join(', ')}.\n`
}

/** The overlay as the section of a configuration file; prices are quoted, so that YAML keeps their digits. */
export function overlayYaml(overlay: SyncOverlay): string {
  return stringify({
    ...(overlay.models.length > 0 && { models: overlay.models }),
    ...(overlay.endpoints.length > 0 && { endpoints: overlay.endpoints }),
  }, { lineWidth: 0 })
}
