import type { Ambient } from '../core/index.ts'
import type { ProbesView, Site } from '../site.ts'
import { availabilityOf, uptimeOf, type Figures, type Sum } from '../stats/index.ts'
import type { Shelf } from './views.ts'

const DAY_MS = 86_400_000
const NOW_MS = 30 * 60_000
/** Endpoints that a page on the state of things is long enough with. */
const MOST_ENDPOINTS = 200
/** What it tells is told from counts: no percentile is read for it. */
const TRIES = ['attempts', 'failures', 'limited', 'probes'] as const

/** How providers do now and did over days: of those that were called, and of those that could be. */
export function createStatus({ shelf, figures, ambient, hasCredential, probes }: {
  shelf(): Shelf
  readonly figures: Pick<Figures, 'sums' | 'uptimes'>
  readonly ambient: Ambient
  hasCredential(provider: string): boolean
  probes(): ProbesView
}): Pick<Site, 'status'> {
  return {
    async status(days) {
      const now = shelf()
      const to = ambient.now() + 1
      const from = Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS
      const [byDay, recently, uptimes] = await Promise.all([
        figures.sums({ cut: 'provider', span: { from, to }, by: 'day', names: ['a'], counts: TRIES }),
        figures.sums({ cut: 'provider', span: { from: to - NOW_MS, to }, names: ['a'], counts: TRIES }),
        figures.uptimes(),
      ])
      const lately = new Map(recently.map((sum) => [sum.a, sum]))
      const series = new Map([...Map.groupBy(byDay, ({ a }) => a)].map(([slug, own]) => [slug, new Map(own.map((sum) => [sum.at, sum]))]))
      // Whole days are all that is told of a provider: what they come to needs no reading of its own.
      const totals = new Map([...series].map(([slug, own]) => [slug, addedUp([...own.values()])]))
      const called = [...totals].filter(([slug, { counts }]) => counts.attempts > 0 && now.at.providers.has(slug)).map(([slug]) => slug)
      const waiting = [...now.at.providers.values()].filter(({ slug, status, enabled }) => status === 'active' && enabled !== false && hasCredential(slug) && !called.includes(slug)).map(({ slug }) => slug)
      const tried = [...uptimes].filter(([, { tries1d }]) => tries1d > 0).toSorted(([a, mine], [b, theirs]) => theirs.tries1d - mine.tries1d || (a < b ? -1 : 1)).slice(0, MOST_ENDPOINTS)
      const endpoints = Map.groupBy(tried.flatMap(([id, { status, uptime30m, uptime1d }]) => {
        const entry = now.at.model(id.slice(0, id.lastIndexOf('@')))
        const endpoint = entry === null ? undefined : now.at.endpointsOf(entry.row.id).find((it) => it.id === id)
        return endpoint === undefined ? [] : [{ provider: endpoint.provider, told: { id, model: entry!.row.id, name: entry!.row.name.trim(), tag: endpoint.tag, status, uptime30m, uptime1d } }]
      }), ({ provider }) => provider)
      return {
        at: to - 1, days, from, probes: probes(),
        providers: [...called.toSorted((a, b) => totals.get(b)!.counts.attempts - totals.get(a)!.counts.attempts), ...waiting.toSorted()].map((slug) => {
          const total = totals.get(slug)
          const recent = lately.get(slug)
          return {
            slug, name: now.at.providers.get(slug)!.name, usable: hasCredential(slug),
            now: uptimeOf(recent), triesNow: recent?.counts.attempts ?? 0,
            uptime: uptimeOf(total), availability: availabilityOf(total), tries: total?.counts.attempts ?? 0, failures: total?.counts.failures ?? 0, probes: total?.counts.probes ?? 0,
            byDay: Array.from({ length: days }, (_, i) => {
              const at = from + i * DAY_MS
              const day = series.get(slug)?.get(at)
              return { at, uptime: uptimeOf(day), tries: day?.counts.attempts ?? 0 }
            }),
            endpoints: (endpoints.get(slug) ?? []).map(({ told }) => told),
          }
        }),
      }
    },
  }
}

function addedUp(days: readonly Sum[]): Pick<Sum, 'counts'> {
  const of = (count: typeof TRIES[number]): number => days.reduce((sum, { counts }) => sum + counts[count], 0)
  return { counts: { ...days[0]!.counts, attempts: of('attempts'), failures: of('failures'), limited: of('limited'), probes: of('probes') } }
}
