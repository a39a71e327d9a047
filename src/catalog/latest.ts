import type { ModelRow } from './rows.ts'

/** Words of a slug that tell one release of a family from the next: versions (`5.5`, `v4`, `k3`), dates, `preview`. */
const RELEASE = /^(?:[a-z]?\d+(?:\.\d+)*|preview|exp)$/

/** Every release of a family may stand for it while it is on sale; one that is being withdrawn only when none is. */
const RANK: Readonly<Record<ModelRow['status'], number>> = { active: 0, deprecated: 1, delisted: 2, retired: 3 }

/**
 * The model that a moving alias (`~author/family-latest`) stands for: of the author's chat models whose slugs are the
 * alias's words and nothing else but versions and dates, the newest by the catalogue's dates. `gpt-6.1-sol` is a
 * release of `gpt-sol`, and `gpt-6.1-sol-pro` of another family. A model without a date is never the newest.
 *
 * What the operator's file names stands; the target that the catalogue states does where no slug fits.
 */
export function latestOf(alias: ModelRow, rows: Iterable<ModelRow>): string | undefined {
  if (alias.alias_pinned || !alias.id.endsWith('-latest')) return alias.alias_target
  const words = wordsOf(alias.id).slice(0, -1)
  let newest: ModelRow | null = null
  for (const row of rows) {
    if (row.author !== alias.author || row.kind !== 'chat' || row.variant !== undefined || row.status === 'retired') continue
    if (dateOf(row) > 0 && isRelease(wordsOf(row.id), words) && (newest === null || isNewer(row, newest))) newest = row
  }
  return newest?.id ?? alias.alias_target
}

function wordsOf(id: string): readonly string[] {
  return id.slice(id.indexOf('/') + 1).split('-')
}

/** Whether the slug has the family's words in their order, and between them only what names a release. */
function isRelease(slug: readonly string[], family: readonly string[]): boolean {
  let at = 0
  for (const word of slug) {
    if (word === family[at]) at++
    else if (!RELEASE.test(word)) return false
  }
  return at === family.length
}

function isNewer(row: ModelRow, than: ModelRow): boolean {
  return RANK[row.status] - RANK[than.status] < 0 || (row.status === than.status && dateOf(row) > dateOf(than))
}

/** Seconds since the epoch; 0 where nobody stated a date. The release counts: a listing may come late. */
export function dateOf(row: ModelRow): number {
  const released = row.released === null ? NaN : Date.parse(row.released) / 1000
  return Number.isNaN(released) ? row.created ?? 0 : released
}
