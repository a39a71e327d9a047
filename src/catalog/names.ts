import type { ModelEntry } from './snapshot.ts'

/** Finds models by what callers write for them. */
export interface Names {
  /** The id, the canonical slug or an alias; exact first, then without regard to case. */
  exact(name: string): ModelEntry | null
  /** Every model whose id, canonical slug or alias ends in this segment; several owners are several answers. */
  bare(segment: string): readonly ModelEntry[]
  all(): Iterable<string>
}

/**
 * Indices over the names of models. An id wins over a canonical slug and that over an alias; a plain model wins over
 * its static variants, which share its canonical slug.
 */
export function createNames(entries: readonly ModelEntry[]): Names {
  const byName = new Map<string, ModelEntry>()
  for (const entry of entries) byName.set(entry.row.id, entry)
  const plainFirst = [...entries].toSorted((a, b) => Number(a.row.variant !== undefined) - Number(b.row.variant !== undefined))
  const add = (name: string, entry: ModelEntry) => {
    if (!byName.has(name)) byName.set(name, entry)
  }
  for (const entry of plainFirst) add(entry.row.canonical_slug, entry)
  for (const entry of plainFirst) for (const alias of entry.row.aliases) add(alias, entry)

  let lower: Map<string, ModelEntry> | null = null
  let segments: Map<string, Claims> | null = null
  return {
    exact(name) {
      const found = byName.get(name)
      if (found) return found
      if (!lower) {
        lower = new Map()
        for (const [known, entry] of byName) if (!lower.has(known.toLowerCase())) lower.set(known.toLowerCase(), entry)
      }
      return lower.get(name.toLowerCase()) ?? null
    },
    bare(segment) {
      segments ??= segmentsOf(plainFirst)
      const claims = segments.get(segment) ?? segments.get(segment.toLowerCase())
      if (!claims) return []
      return living(claims.byId.length > 0 ? claims.byId : claims.byAlias)
    },
    all: () => byName.keys(),
  }
}

/** Who has a bare name: by an id, which counts more, or by another of its names. */
interface Claims {
  readonly byId: ModelEntry[]
  readonly byAlias: ModelEntry[]
}

function segmentsOf(entries: readonly ModelEntry[]): Map<string, Claims> {
  const segments = new Map<string, Claims>()
  const claim = (name: string, entry: ModelEntry, rank: keyof Claims) => {
    const segment = name.slice(name.lastIndexOf('/') + 1).toLowerCase()
    let claims = segments.get(segment)
    if (!claims) segments.set(segment, claims = { byId: [], byAlias: [] })
    const owner = entry.row.author
    // Static variants share names with their base, which came first and stands for all of them.
    if (claims[rank].some((other) => other === entry || (entry.row.variant !== undefined && other.row.author === owner))) return
    claims[rank].push(entry)
  }
  for (const entry of entries) {
    claim(entry.row.id, entry, 'byId')
    claim(entry.row.canonical_slug, entry, 'byAlias')
    for (const alias of entry.row.aliases) claim(alias, entry, 'byAlias')
  }
  return segments
}

/** A retired model does not make a living one's name ambiguous. */
function living(entries: readonly ModelEntry[]): readonly ModelEntry[] {
  const alive = entries.filter((entry) => entry.row.status !== 'retired')
  return alive.length > 0 ? alive : entries
}
