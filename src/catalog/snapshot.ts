import { createHash } from 'node:crypto'
import { isFree, type Choosable, type Endpoint, type EndpointId, type Model, type ModelId, type Operation } from '../core/index.ts'
import { DEMO, demoEndpoint } from './builtin.ts'
import { describeModel } from './describe.ts'
import { createEndpointMaker, type FacesOf, type Unspoken } from './endpoints.ts'
import { dateOf, latestOf } from './latest.ts'
import { mergeRows, type DiscoveredRows } from './merge.ts'
import { createNames, type Names } from './names.ts'
import { pricingShape, type PricingShape } from './pricing-shape.ts'
import { resolve, type Resolved } from './resolve.ts'
import type { ModelRow, ModelText, Overlay, ProviderRow } from './rows.ts'
import type { Seed } from './seed.ts'

/** A model as the catalogue knows it: what routing reads, what pages show, and its description. */
export interface ModelEntry {
  readonly model: Model
  readonly row: ModelRow
  /** The operator's, else one written by hand, else sentences made from the row. */
  readonly description: string
  readonly descriptionSource: 'operator' | 'written' | 'generated'
  readonly text: ModelText | null
}

/** The catalogue at one moment. Nothing in it changes; the next one replaces it whole. */
export interface Snapshot {
  /** The same for the same rows, on every node: an ETag. */
  readonly version: string
  readonly providers: ReadonlyMap<string, ProviderRow>
  /** The slug of a provider by its slug, display name or another name, whatever the case; null when none has it. */
  providerNamed(name: string): string | null
  readonly models: readonly ModelEntry[]
  /** What a caller's reference offers: slug, canonical slug, alias, bare name, `:variants`; or why it offers nothing. */
  offer(reference: string, operation?: Operation['type']): Resolved
  /** By exact id, canonical slug or alias; null when there is none. A moving alias is its own entry. */
  model(id: string): ModelEntry | null
  /** What a moving alias stands for at present, by the catalogue's dates; null for every other model. */
  targetOf(entry: ModelEntry): ModelEntry | null
  /**
   * The chat models that a router reference may mean: on sale at one of these providers at least. Where there is none,
   * the simulation that always answers. Each is made as it is reached, its endpoints with it.
   */
  choosable(usable: (provider: string) => boolean): Iterable<Choosable>
  /** The models on sale at one of these providers at least, of whatever kind. No endpoint is made for it. */
  soldAt(usable: (provider: string) => boolean): readonly ModelEntry[]
  /** Tier endpoints included, priced or with the reason why not. Those of a moving alias are its target's. */
  endpointsOf(model: ModelId): readonly Endpoint[]
  /**
   * What is on sale and for how much, model by model. Each is made as it is reached and let go again: of 2,500 endpoints
   * a server may need thirty. Left out is what asks nothing of its own: simulations, prices that only bound what an
   * answer states, and free models of this machine, which come and go with their server.
   */
  listPrices(): Iterable<ListPrice>
}

/** What the list of an endpoint asks. */
export interface ListPrice {
  readonly endpoint: EndpointId
  readonly model: ModelId
  /** As the API has it, the discount that is already inside left out: it says where a price comes from, and is none. */
  readonly pricing: PricingShape
}

export interface SnapshotParts {
  readonly seed: Seed
  readonly overlay: Overlay
  readonly discovered: ReadonlyMap<string, DiscoveredRows>
  readonly faces: ReadonlySet<string>
  readonly facesOf?: FacesOf
  readonly unspoken?: Unspoken
  readonly settings: (provider: string, variables: readonly string[]) => Readonly<Record<string, string>>
  readonly simulate: boolean
}

/**
 * Builds a snapshot. Endpoints are made when a model is first asked for: a server that answers for thirty models
 * holds the endpoints of thirty.
 */
export function createSnapshot(parts: SnapshotParts): Snapshot {
  const rows = mergeRows(parts.seed, parts.overlay, parts.discovered.values(), allFaces(parts))
  const maker = createEndpointMaker({
    providers: rows.providers, faces: parts.faces, ...(parts.facesOf && { facesOf: parts.facesOf }), ...(parts.unspoken && { unspoken: parts.unspoken }), paths: parts.seed.paths, settings: parts.settings,
  })
  const entries = rows.models.map((row) => entryOf(row, parts.seed.texts[row.id] ?? null, maker.modelOf))
  const names = createNames(entries)
  const made = new Map<ModelId, readonly Endpoint[]>()

  const endpointsOf = (entry: ModelEntry): readonly Endpoint[] => {
    const { row } = entry
    const known = made.get(row.id)
    if (known) return known
    const own = rows.endpointsByModel.get(row.id) ?? NO_ROWS
    const simulated = parts.simulate && row.kind === 'chat' && row.status !== 'retired' && row.author !== DEMO
    const endpoints = maker.endpointsOf(row, simulated ? [...own, demoEndpoint(row.id)] : own)
    made.set(row.id, endpoints)
    return endpoints
  }
  const targets = new Map<ModelId, ModelEntry | null>()
  const targetOf = (entry: ModelEntry): ModelEntry | null => {
    if (entry.row.alias_target === undefined) return null
    let target = targets.get(entry.row.id)
    if (target === undefined) targets.set(entry.row.id, target = targetIn(entry, rows.models, names))
    return target
  }
  let slugs: ReadonlyMap<string, string> | null = null
  const resolver = {
    names,
    modelAliases: parts.overlay.modelAliases,
    endpointsOf,
    targetOf,
    simulationOf: (entry: ModelEntry) => maker.endpointsOf(entry.row, [demoEndpoint(entry.row.id)])[0]!,
  }

  const soldAt = (usable: (provider: string) => boolean): readonly ModelEntry[] => entries.filter(({ row }) => row.status !== 'retired' && row.author !== DEMO
    && (rows.endpointsByModel.get(row.id) ?? NO_ROWS).some((it) => it.enabled !== false && usable(it.provider)))

  return {
    version: versionOf(parts),
    soldAt,
    providers: rows.providers,
    providerNamed: (name) => (slugs ??= slugsByName(rows.providers.values())).get(name.toLowerCase()) ?? null,
    models: entries,
    offer: (reference, operation = 'chat') => resolve(reference, resolver, operation),
    model: (id) => names.exact(id),
    targetOf,
    *choosable(usable) {
      const aliases = Map.groupBy(entries.filter(({ row }) => row.alias_target !== undefined), (entry) => targetOf(entry)?.row.id)
      const sold = soldAt(usable).filter(({ row }) => row.kind === 'chat')
      for (const entry of sold.length > 0 ? sold : entries.filter(({ row }) => row.author === DEMO).slice(0, 1)) {
        yield {
          offer: { requested: entry.row.id, model: entry.model, variants: [], endpoints: endpointsOf(entry) },
          released: dateOf(entry.row), freeVariant: entry.row.variant === 'free',
          aliases: aliases.get(entry.row.id)?.map(({ row }) => row.id) ?? [],
        }
      }
    },
    endpointsOf(id) {
      const entry = names.exact(id)
      return entry === null ? [] : endpointsOf(targetOf(entry) ?? entry)
    },
    *listPrices() {
      const found = new Set([...parts.discovered.values()].flatMap(({ endpoints }) => endpoints.map(({ id }) => id)))
      for (const { row } of entries) {
        for (const { id, price, disabled, simulated } of made.get(row.id) ?? maker.endpointsOf(row, rows.endpointsByModel.get(row.id) ?? NO_ROWS)) {
          if (price === null || price.source === 'stated' || disabled || simulated || (found.has(id) && isFree(price))) continue
          const { discount: _, ...pricing } = pricingShape(price)
          yield { endpoint: id, model: row.id, pricing: pricing as PricingShape }
        }
      }
    },
  }
}

/** Who sells an endpoint, by its id: also of one that is gone from the catalogue, whose provider may be gone as well. */
export function sellerOf({ providers }: Pick<Snapshot, 'providers'>, endpoint: EndpointId): { readonly tag: string; readonly providerName: string } {
  const tag = endpoint.slice(endpoint.lastIndexOf('@') + 1)
  return { tag, providerName: providers.get(tag.split('/')[0]!)?.name ?? tag }
}

/** What an operator may name as a provider's dialect. */
function allFaces({ faces, facesOf = {} }: SnapshotParts): ReadonlySet<string> {
  return new Set([faces, ...Object.values(facesOf)].flatMap((of) => [...of]))
}

function targetIn(alias: ModelEntry, rows: readonly ModelRow[], names: Names): ModelEntry | null {
  const target = names.exact(latestOf(alias.row, rows) ?? '')
  return target === alias ? null : target
}

const NO_ROWS: readonly never[] = Object.freeze([])

function entryOf(row: ModelRow, text: ModelText | null, modelOf: (row: ModelRow) => Model): ModelEntry {
  let description = row.description ?? text?.description
  return {
    model: modelOf(row),
    row,
    text,
    descriptionSource: row.description !== undefined ? 'operator' : text ? 'written' : 'generated',
    // Made when it is first shown: eight hundred take longer than the rest of a start.
    get description() { return description ??= describeModel(row) },
  }
}

function slugsByName(providers: Iterable<ProviderRow>): ReadonlyMap<string, string> {
  const slugs = new Map<string, string>()
  const rows = [...providers]
  for (const { slug } of rows) slugs.set(slug, slug)
  for (const { slug, name, aliases } of rows) {
    for (const other of [name, ...aliases]) if (!slugs.has(other.toLowerCase())) slugs.set(other.toLowerCase(), slug)
  }
  return slugs
}

function versionOf(parts: SnapshotParts): string {
  const rest = JSON.stringify([parts.overlay, [...parts.discovered], [...allFaces(parts)].toSorted(), parts.simulate])
  return createHash('sha256').update(parts.seed.hash).update(rest).digest('base64url').slice(0, 16)
}
