import type { CatalogInput } from './catalog.ts'
import type { DiscoveredRows } from './merge.ts'
import type { EndpointPatch, Overlay, ProviderPatch } from './rows.ts'
import type { Snapshot, SnapshotParts } from './snapshot.ts'

/**
 * What a snapshot was made from, as plain JSON: enough to make it again beside the same seed files, for explaining what
 * was done with it. Without secrets: of settings only which were there, of addresses no query, and nothing of
 * forced headers and parameters, which no plan reads.
 */
export interface CatalogRecipe {
  /** Of the seed's files. */
  readonly seed: string
  readonly overlay: Overlay
  readonly discovered: readonly (readonly [string, DiscoveredRows])[]
  readonly faces: readonly string[]
  /** For models of other kinds than chat; absent in recipes that are older than these. */
  readonly facesOf?: Readonly<Record<string, readonly string[]>>
  /** Names of the settings that fill a provider's address. */
  readonly settings: Readonly<Record<string, readonly string[]>>
  readonly simulate: boolean
}

/** The recipe of a snapshot that was made from this. */
export function recipeOf(
  seed: string, { overlay, faces, facesOf, settings }: CatalogInput, discovered: ReadonlyMap<string, DiscoveredRows>, simulate: boolean,
  providers: Snapshot['providers'],
): CatalogRecipe {
  const filled: Record<string, readonly string[]> = {}
  for (const { slug, env } of providers.values()) {
    const names = Object.entries(settings(slug, env)).flatMap(([name, value]) => value ? [name] : [])
    if (names.length > 0) filled[slug] = names
  }
  return {
    seed, settings: filled, simulate, discovered: [...discovered], faces: [...faces].toSorted(),
    ...(facesOf && { facesOf: Object.fromEntries(Object.entries(facesOf).map(([kind, of]) => [kind, [...of].toSorted()])) }),
    overlay: {
      ...overlay,
      providers: Object.fromEntries(Object.entries(overlay.providers).map(([slug, patch]) => [slug, withoutQuery<ProviderPatch>(patch)])),
      endpoints: overlay.endpoints.map(({ forced_headers: _, forced_params: __, modes, ...patch }) => withoutQuery<EndpointPatch>({
        ...patch, ...(modes && { modes: modes.map(({ headers: ___, body: ____, ...mode }) => mode) }),
      })),
    },
  }
}

/** What a recipe asks for, but for the seed. A setting that was filled is filled with a word. */
export function partsOf({ overlay, discovered, faces, facesOf, settings, simulate }: CatalogRecipe): Omit<SnapshotParts, 'seed'> {
  return {
    overlay, simulate, discovered: new Map(discovered), faces: new Set(faces),
    ...(facesOf && { facesOf: Object.fromEntries(Object.entries(facesOf).map(([kind, of]) => [kind, new Set(of)])) }),
    settings: (provider) => Object.fromEntries((settings[provider] ?? []).map((name) => [name, 'set'])),
  }
}

/** A password before the host is refused by the configuration; a query may hold a key. */
function withoutQuery<T extends { readonly base_url?: string }>(row: T): T {
  return row.base_url?.includes('?') ? { ...row, base_url: row.base_url.slice(0, row.base_url.indexOf('?')) } : row
}
