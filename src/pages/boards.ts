import type { Snapshot } from '../catalog/index.ts'
import type { Ambient } from '../core/index.ts'
import type { AppCard, Layers, RankedRow, Site } from '../site.ts'
import { APP_CATEGORIES, beginOf, isOfCategory, percentOf, type App, type Apps, type Figures, type Ranked, type Rankings, type Sum } from '../stats/index.ts'
import { cardOf, type Shelf } from './views.ts'

const DAY_MS = 86_400_000
const WEEKS = 12
/** Of models and authors of a chart that have a layer of their own. */
const LAYERS = 10
const ON_BOARD = 100
const APPS_ON_BOARD = 20

/** Answers what the pages of rankings and of apps ask. */
export function createBoards({ shelf, stocked, figures, rankings, apps, ambient }: {
  shelf(): Shelf
  stocked(): Promise<Shelf>
  readonly figures: Pick<Figures, 'sums'>
  readonly rankings: Rankings
  readonly apps: Pick<Apps, 'of'>
  readonly ambient: Ambient
}): Pick<Site, 'rankings' | 'topApps' | 'app'> {
  return {
    async rankings(period) {
      const now = await stocked()
      const to = ambient.now() + 1
      const from = beginOf('week', to) - (WEEKS - 1) * 7 * DAY_MS
      const [models, topApps, weeks] = await Promise.all([
        rankings.board('model', period), rankings.board('app', period),
        figures.sums({ cut: 'model', span: { from, to }, by: 'week', names: ['a'], counts: ['prompt_tokens', 'completion_tokens'] }),
      ])
      const listed = topApps.ranked.slice(0, APPS_ON_BOARD)
      const known = await apps.of(listed.map(({ name }) => name))
      const named = weeks.filter(({ a }) => a !== '')
      const begins = Array.from({ length: WEEKS }, (_, i) => from + i * 7 * DAY_MS)
      return {
        period, from: models.span.from, to: models.span.to, tokens: models.tokens, requests: models.requests,
        models: models.ranked.slice(0, ON_BOARD).map((ranked) => ({ ...rowOf(ranked), ...modelOf(now, ranked.name) })),
        authors: authorsOf(now, models.ranked),
        apps: listed.map((ranked) => ({ ...rowOf(ranked), ...appCardOf(known.get(ranked.name), ranked.name) })),
        weeks: layersOf(named, begins, ({ a }) => a),
        authorWeeks: layersOf(named, begins, ({ a }) => authorOf(now.at, a).slug),
      }
    },

    async topApps({ period, category }) {
      const { span, ranked } = await rankings.board('app', period)
      const known = await apps.of(ranked.map(({ name }) => name))
      const cards = ranked.map((row) => ({ ...rowOf(row), ...appCardOf(known.get(row.name), row.name) }))
      return {
        period, from: span.from, to: span.to,
        apps: cards.filter((card) => category === undefined || isOfCategory(card, category)).slice(0, ON_BOARD),
        categories: Object.entries(APP_CATEGORIES).flatMap(([group, of]) => of.map((name) =>
          ({ group, category: name, apps: cards.filter(({ categories }) => categories.includes(name)).length }))),
      }
    },

    async app(id, days) {
      const app = (await apps.of([id])).get(id)
      if (app === undefined || app.hidden) return null
      const now = shelf()
      const to = ambient.now() + 1
      const from = beginOf('day', to) - (days - 1) * DAY_MS
      const [byDay, week] = await Promise.all([
        figures.sums({ cut: 'app-models', span: { from, to }, by: 'day', where: [{ name: 'a', is: 'in', values: [id] }], counts: ['requests', 'prompt_tokens', 'completion_tokens'] }),
        rankings.board('app', 'week'),
      ])
      const answered = byDay.filter(({ b }) => b !== '')
      const all = answered.reduce((sum, it) => sum + tokensOf(it), 0)
      const begins = Array.from({ length: days }, (_, i) => from + i * DAY_MS)
      const layers = layersOf(answered, begins, ({ b }) => b)
      const ofDay = Map.groupBy(byDay, ({ at }) => at)
      return {
        ...appCardOf(app, id),
        tokens: byDay.reduce((sum, it) => sum + tokensOf(it), 0), requests: byDay.reduce((sum, it) => sum + it.counts.requests, 0),
        rank: week.ranked.find(({ name }) => name === id)?.rank ?? null,
        models: [...Map.groupBy(answered, ({ b }) => b)].map(([model, sums]) => {
          const tokens = sums.reduce((sum, it) => sum + tokensOf(it), 0)
          const { name } = modelOf(now, model)
          return { id: model, name, tokens, requests: sums.reduce((sum, it) => sum + it.counts.requests, 0), share: percentOf(tokens, all) ?? 0 }
        }).toSorted((a, b) => b.tokens - a.tokens || (a.id < b.id ? -1 : 1)),
        days: layers.map((layer) => {
          const sums = ofDay.get(layer.at) ?? []
          const add = (of: (sum: Sum) => number): number => sums.reduce((sum, it) => sum + of(it), 0)
          return {
            ...layer, prompt: add(({ counts }) => counts.prompt_tokens), completion: add(({ counts }) => counts.completion_tokens),
            requests: add(({ counts }) => counts.requests),
          }
        }),
      }
    },
  }
}

/** An app as pages show it; one that calls came from and nothing is known of has its id for a name. */
export function appCardOf(app: App | undefined, id: string): AppCard {
  if (app === undefined) return { id, name: id, url: null, tagline: null, categories: [], verified: false, firstAt: 0 }
  const { hidden: _, ...card } = app
  return card
}

const tokensOf = ({ counts }: Sum): number => counts.prompt_tokens + counts.completion_tokens

function rowOf({ name: _, ...row }: Ranked): RankedRow {
  return row
}

function modelOf(now: Shelf, id: string) {
  const entry = now.at.model(id)
  return {
    id, name: entry?.row.name.trim() ?? id, author: authorOf(now.at, id).slug, model: entry === null ? null : cardOf(now, entry),
  }
}

/** Who made a model; of one that is in the catalogue no more, what its id says. */
function authorOf(at: Snapshot, id: string): { readonly slug: string; readonly name: string } {
  const row = at.model(id)?.row
  const slug = row?.author ?? id.split('/')[0]!
  return { slug, name: row?.author_name ?? slug }
}

function authorsOf({ at }: Shelf, ranked: readonly Ranked[]) {
  const all = ranked.reduce((sum, { tokens }) => sum + tokens, 0)
  return [...Map.groupBy(ranked, ({ name }) => authorOf(at, name).slug)].map(([slug, own]) => {
    const tokens = own.reduce((sum, row) => sum + row.tokens, 0)
    return {
      slug, name: authorOf(at, own[0]!.name).name, tokens, requests: own.reduce((sum, row) => sum + row.requests, 0),
      share: percentOf(tokens, all) ?? 0,
    }
  }).toSorted((a, b) => b.tokens - a.tokens || (a.slug < b.slug ? -1 : 1))
}

/** Tokens by stretch, of those with most in all of them a layer each. */
function layersOf(sums: readonly Sum[], begins: readonly number[], layerOf: (sum: Sum) => string): readonly Layers[] {
  const inAll = new Map<string, number>()
  for (const sum of sums) inAll.set(layerOf(sum), (inAll.get(layerOf(sum)) ?? 0) + tokensOf(sum))
  const own = new Set([...inAll].toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).slice(0, LAYERS).map(([name]) => name))
  const stretches = new Map(begins.map((at) => [at, { at, tokens: {} as Record<string, number>, other: 0 }]))
  for (const sum of sums) {
    const stretch = stretches.get(sum.at)
    if (stretch === undefined) continue
    const name = layerOf(sum)
    if (own.has(name)) stretch.tokens[name] = (stretch.tokens[name] ?? 0) + tokensOf(sum)
    else stretch.other += tokensOf(sum)
  }
  return [...stretches.values()]
}
