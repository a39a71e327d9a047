import type { DiscoveredRows } from './merge.ts'
import type { FacesOf, Unspoken } from './endpoints.ts'
import { createOverlayCheck } from './overlay-check.ts'
import { completeEndpoint, completeModel, type EndpointPatch, type ModelPatch, type Overlay } from './rows.ts'
import { partsOf, recipeOf, type CatalogRecipe } from './recipe.ts'
import { readSeed } from './seed.ts'
import { createSnapshot, type Snapshot } from './snapshot.ts'

export interface CatalogInput {
  readonly overlay: Overlay
  /** The dialects that have an outbound face here, by folder name. */
  readonly faces: ReadonlySet<string>
  readonly facesOf?: FacesOf
  /** Parameters that a dialect has no word for: no endpoint spoken to in it honours them, whatever its row lists. */
  readonly unspoken?: Unspoken
  /** What fills the `{placeholder}`s of a provider's address; `variables` are those that its row names. */
  readonly settings: (provider: string, variables: readonly string[]) => Readonly<Record<string, string>>
}

/** Rows of a server that was found: only what it said need be there. */
export interface Discovery {
  readonly models: readonly ModelPatch[]
  readonly endpoints: readonly (EndpointPatch & { readonly model: string; readonly provider: string })[]
}

export interface Catalog {
  /** Immutable; swapped whole. */
  snapshot(): Snapshot
  /** Takes a new overlay. Throws a ConfigError that names the row when it is bad; then the old snapshot stays. */
  reload(given: CatalogInput): void
  /** Takes the rows of a server that was found, in the place of those that this source brought before. */
  discovered(source: string, rows: Discovery): void
  /** While on, every chat model can also be answered by the simulation. */
  simulate(on: boolean): void
  /** What the snapshot was made from. The same object as long as that is the same. */
  recipe(): CatalogRecipe
  /** The snapshot of a recipe; null when it was made beside other seed files, those of another version. */
  made(recipe: CatalogRecipe): Snapshot | null
}

/** The catalogue: the shipped rows, the operator's overlay and what was found, merged. Throws a ConfigError on a bad overlay. */
export function createCatalog(given: CatalogInput): Catalog {
  const seed = readSeed()
  const check = createOverlayCheck()
  const found = new Map<string, DiscoveredRows>()
  let input = given
  let simulating = false
  const build = (next: CatalogInput): Snapshot => {
    check(next.overlay)
    return createSnapshot({ seed, ...next, discovered: new Map(found), simulate: simulating })
  }
  let current = build(given)
  let recipe: { readonly of: Snapshot; readonly value: CatalogRecipe } | null = null

  return {
    snapshot: () => current,
    reload(next) {
      current = build(next)
      input = next
    },
    discovered(source, rows) {
      found.set(source, { models: rows.models.map(completeModel), endpoints: rows.endpoints.map(completeEndpoint) })
      current = build(input)
    },
    simulate(on) {
      if (on === simulating) return
      simulating = on
      current = build(input)
    },
    recipe() {
      if (recipe?.of !== current) recipe = { of: current, value: recipeOf(seed.hash, input, found, simulating, current.providers) }
      return recipe.value
    },
    made(of) {
      if (of.seed !== seed.hash) return null
      return JSON.stringify(of) === JSON.stringify(this.recipe()) ? current : createSnapshot({ seed, ...partsOf(of) })
    },
  }
}
