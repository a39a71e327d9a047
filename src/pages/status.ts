import type { Ambient } from '../core/index.ts'
import type { Site } from '../site.ts'
import { availabilityOf, uptimeOf, type Figures, type Sum } from '../stats/index.ts'
import { endpointOf, type Shelf } from './views.ts'

const DAY_MS = 86_400_000
const NOW_MS = 30 * 60_000
/** Endpoints that a page on the state of things is long enough with. */
const MOST_ENDPOINTS = 200
/** What it tells is told from counts: no percentile is read for it. */
const TRIES = ['attempts', 'failures', 'limited'] as const

/** How providers do now and did over days: of those that were called, and of those that could be. */
export function createStatus({ shelf, figures, ambient, hasCredential }: {
  shelf(): Shelf
  readonly figures: Pick<Figures, 'sums' | 'endpoints'>
  readonly ambient: Ambient
  hasCredential(provider: string): boolean
}): Pick<Site, 'status'> {
  return {
    async status(days) {
      const now = shelf()
      const to = ambient.now() + 1
      const from = Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS
      const tries = async (cut: string, since: number): Promise<ReadonlyMap<string, Sum>> =>
        new Map((await figures.sums({ cut, span: { from: since, to }, names: ['a'], counts: TRIES })).map((sum) => [sum.a, sum]))
      const [totals, lately, tried] = await Promise.all([tries('provider', from), tries('provider', to - NOW_MS), tries('endpoint', to - DAY_MS)])
      const called = [...totals].filter(([slug, { counts }]) => counts.attempts > 0 && now.at.providers.has(slug)).map(([slug]) => slug)
      const waiting = [...now.at.providers.values()].filter(({ slug, status, enabled }) => status === 'active' && enabled !== false && hasCredential(slug) && !called.includes(slug)).map(({ slug }) => slug)
      const endpoints = [...tried].filter(([, { counts }]) => counts.attempts > 0).toSorted(([a, mine], [b, theirs]) => theirs.counts.attempts - mine.counts.attempts || (a < b ? -1 : 1)).slice(0, MOST_ENDPOINTS)
      const [byDay, measured] = await Promise.all([
        figures.sums({ cut: 'provider', span: { from, to }, by: 'day', names: ['a'], counts: TRIES, where: [{ name: 'a', is: 'in', values: called }] }),
        figures.endpoints(endpoints.map(([id]) => id)),
      ])
      const series = new Map([...Map.groupBy(byDay, ({ a }) => a)].map(([slug, own]) => [slug, new Map(own.map((sum) => [sum.at, sum]))]))
      const known = endpoints.flatMap(([id]) => {
        const model = id.slice(0, id.lastIndexOf('@'))
        const endpoint = now.at.model(model) === null ? undefined : now.at.endpointsOf(model).find((it) => it.id === id)
        return endpoint === undefined ? [] : [{ model, name: now.at.model(model)!.row.name.trim(), view: endpointOf(now, endpoint, measured.get(id) ?? null) }]
      })
      return {
        at: to - 1, days, from,
        providers: [...called.toSorted((a, b) => totals.get(b)!.counts.attempts - totals.get(a)!.counts.attempts), ...waiting.toSorted()].map((slug) => {
          const total = totals.get(slug)
          const recent = lately.get(slug)
          return {
            slug, name: now.at.providers.get(slug)!.name, usable: hasCredential(slug),
            now: uptimeOf(recent), triesNow: recent?.counts.attempts ?? 0,
            uptime: uptimeOf(total), availability: availabilityOf(total), tries: total?.counts.attempts ?? 0, failures: total?.counts.failures ?? 0,
            byDay: Array.from({ length: days }, (_, i) => {
              const at = from + i * DAY_MS
              const day = series.get(slug)?.get(at)
              return { at, uptime: uptimeOf(day), tries: day?.counts.attempts ?? 0 }
            }),
            endpoints: known.filter(({ view }) => view.provider === slug).map(({ model, name, view }) => ({
              id: view.id, model, name, tag: view.tag, status: view.measured?.status ?? 0,
              uptime30m: view.measured?.uptime30m ?? null, uptime1d: view.measured?.uptime1d ?? null,
            })),
          }
        }),
      }
    },
  }
}
