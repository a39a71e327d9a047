import { setImmediate } from 'node:timers/promises'
import { asksForFigures, isListed, nearest, queryModels, type ModelEntry, type ProviderRow, type Snapshot } from '../catalog/index.ts'
import { canBeCalled, type Ambient, type Endpoint } from '../core/index.ts'
import type { OpenApiView, OperatorView, ProbesView, Site, Window } from '../site.ts'
import { availabilityOf, hitRateOf, PARAMETER_DAYS, paidPerMillionOf, percentOf, speedOf, toldParameters, uptimeOf, type Apps, type Figures, type Parameters, type Prices, type Rankings, type Speed, type Sum, type Total } from '../stats/index.ts'
import { appCardOf, createBoards } from './boards.ts'
import { createGuides } from './guides.ts'
import { createPriceHistory } from './prices.ts'
import { createReport } from './report.ts'
import { findIn, type Findable } from './search.ts'
import { createStatus } from './status.ts'
import { cardOf, countedAs, endpointOf, modelOf, providerCardOf, saleOf, type Shelf } from './views.ts'

/** What the site asks the other rooms. */
export interface SiteGiven {
  readonly catalog: { snapshot(): Snapshot }
  /** What went wrong on our side, where a page stands without it. */
  report(error: unknown): void
  readonly figures: Pick<Figures, 'behind' | 'totals' | 'speeds' | 'uptimes' | 'sums' | 'endpoints' | 'models' | 'isDemo'>
  readonly rankings: Rankings
  readonly apps: Pick<Apps, 'of'>
  readonly parameters: Parameters
  readonly prices: Pick<Prices, 'history'>
  /** From how many different keys on a visitor is told what a parameter is set to. */
  minKeys(): number
  readonly ambient: Ambient
  readonly version: string
  /** What the operator wrote for the site. */
  operator(): OperatorView
  /** The folder of the manual. */
  readonly docs: string
  /** The document of the API; asked when a page needs it. */
  openApi(): OpenApiView
  /** Whether there is a key to a provider, or none is needed. */
  hasCredential(provider: string): boolean
  /** Whether endpoints that nobody calls are probed. */
  probes(): ProbesView
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** How long a chart's window is, and how long each of its steps. */
const WINDOWS: Readonly<Record<Window, { readonly ms: number; readonly grain: 1 | 60 | 1440 }>> = {
  '1h': { ms: HOUR_MS, grain: 1 },
  '1d': { ms: DAY_MS, grain: 60 },
  '7d': { ms: 7 * DAY_MS, grain: 60 },
  '30d': { ms: 30 * DAY_MS, grain: 1440 },
}

const PAGE = 50
const MOST_PAGE = 200
const MORE_OF_AUTHOR = 12
const ON_HOME = 8
const TOP_APPS = 20
/** Models that are described in one go, before others may run. */
const SLICE = 40

/** Answers the pages' questions from the catalogue and from what was added up; no question reads a record. */
export function createSite({ catalog, figures, rankings, apps, parameters, prices, minKeys, ambient, version, operator, docs, openApi, hasCredential, probes, report }: SiteGiven): Site {
  /** Figures that a page of the catalogue stands without. */
  const unlessLost = <T>(asked: Promise<T>): Promise<T | null> => asked.catch((error) => {
    report(error)
    return null
  })
  const shelves = new WeakMap<Snapshot, Promise<void>>()
  const choices = new WeakMap<Snapshot, ReturnType<typeof choicesOf>>()
  const findables = new WeakMap<Snapshot, readonly Findable[]>()

  const shelf = (): Shelf => ({ at: catalog.snapshot(), usable: (endpoint) => canBeCalled(endpoint, hasCredential) })

  /** A snapshot makes endpoints when they are first asked for. A list asks for all: in slices, or streams would wait. */
  const stocked = async (): Promise<Shelf> => {
    const now = shelf()
    let done = shelves.get(now.at)
    if (done === undefined) {
      shelves.set(now.at, done = (async () => {
        for (const [i, entry] of now.at.models.entries()) {
          now.at.endpointsOf(entry.row.id)
          if (i % SLICE === SLICE - 1) await setImmediate()
        }
      })())
    }
    await done
    return now
  }

  const choicesFor = (now: Shelf, listed: readonly ModelEntry[]): ReturnType<typeof choicesOf> => {
    let known = choices.get(now.at)
    if (known === undefined) choices.set(now.at, known = choicesOf(now, listed))
    return known
  }

  /** Of the last days, today included: what models did, by their ids. Whole days, as rankings have them. */
  const lately = async (days: number, of?: readonly string[]) => {
    const to = ambient.now() + 1
    const sums = await figures.sums({
      cut: 'model', span: { from: Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS, to }, names: ['a'], counts: ['requests', 'prompt_tokens', 'completion_tokens'],
      ...(of && { where: [{ name: 'a', is: 'in', values: of }] }),
    })
    return new Map(sums.map((sum) => [sum.a, sum]))
  }

  const spanOf = (window: Window) => {
    const { ms, grain } = WINDOWS[window]
    const stepMs = grain * MINUTE_MS
    const to = ambient.now() + 1
    return { from: Math.floor(to / stepMs) * stepMs - ms + stepMs, to, stepMs }
  }

  let document: OpenApiView | null = null
  return {
    version,
    demoTraffic: figures.isDemo,
    behind: figures.behind,
    ...createBoards({ shelf, stocked, figures, rankings, apps, ambient }),
    ...createGuides(docs),
    ...createPriceHistory({ shelf, prices }),
    ...createReport({ shelf, figures, ambient }),
    ...createStatus({ shelf, figures, ambient, hasCredential, probes }),
    operator,
    openApi: () => document ??= openApi(),
    near: (id) => nearest(id, shelf().at.models.filter(isListed).map(({ row }) => row.id), 5),

    async search(text, most) {
      const now = await stocked()
      let all = findables.get(now.at)
      if (all === undefined) findables.set(now.at, all = findablesOf(now))
      return findIn(all, text, most)
    },

    async home() {
      const now = await stocked()
      const listed = now.at.models.filter(isListed)
      const totals = await unlessLost(lately(7))
      const providers = new Set(listed.flatMap(({ row }) => saleOf(now, row.id).map(({ provider }) => provider)))
      const busiest = [...totals ?? []].flatMap(([id, total]) => {
        const entry = now.at.model(id)
        return entry === null ? [] : [{ model: cardOf(now, entry), tokens: tokensOf(total), requests: total.counts.requests }]
      }).filter(({ requests }) => requests > 0).toSorted((a, b) => b.tokens - a.tokens).slice(0, ON_HOME)
      const newest = listed.filter(({ row }) => row.status === 'active' && row.alias_target === undefined && row.kind !== 'router')
        .toSorted((a, b) => (b.row.created ?? 0) - (a.row.created ?? 0)).slice(0, ON_HOME).map((entry) => cardOf(now, entry))
      return {
        models: listed.length,
        providers: providers.size,
        usableProviders: [...providers].filter(hasCredential).map((slug) => now.at.providers.get(slug)?.name ?? slug).toSorted(),
        authors: new Set(listed.map(({ row }) => row.author)).size,
        newest,
        week: totals && { ...sumOf([...totals.values()]), busiest },
        sample: busiest[0]?.model.id ?? newest.find(({ usable, kind }) => usable && kind === 'chat')?.id ?? 'demo/echo',
      }
    },

    async models(query) {
      const now = await stocked()
      const listed = now.at.models.filter(isListed)
      const asked = new URLSearchParams()
      for (const name of new Set(query.keys())) asked.set(name === 'order' ? 'sort' : name, query.getAll(name).filter(Boolean).join(','))
      const limit = Math.min(MOST_PAGE, Number(asked.get('limit')) || PAGE)
      const offset = Math.max(0, Number(asked.get('offset')) || 0)
      asked.set('limit', String(limit))
      asked.set('offset', String(offset))
      // A list without its figures is still the list.
      const did = await unlessLost(figures.models())
      const of = did?.of ?? new Map<string, never>()
      const list = queryModels(asked, { snapshot: now.at, now: ambient.now(), defaultOutput: 'all', figures: of })
      const found = 'fault' in list ? null : list
      return {
        models: found?.entries.map((entry) => ({ ...cardOf(now, entry), lately: of.get(countedAs(now, entry)) ?? null })) ?? [],
        wanting: of.size > 0 || !asksForFigures(asked) ? null : did === null ? 'lost' : 'unmeasured',
        total: found?.total ?? 0,
        all: listed.length,
        offset, limit,
        problem: 'fault' in list ? { field: list.fault.field ?? '', message: list.fault.message } : null,
        choices: choicesFor(now, listed),
      }
    },

    async model(id) {
      const now = shelf()
      const entry = now.at.model(id)
      if (entry === null) return null
      const own = now.at.models.filter((it) => it.row.author === entry.row.author && it !== entry && isListed(it) && it.row.alias_target === undefined)
        .toSorted((a, b) => (b.row.created ?? 0) - (a.row.created ?? 0)).slice(0, MORE_OF_AUTHOR)
      const endpoints = now.at.endpointsOf(entry.row.id).filter(({ disabled }) => !disabled)
      const counted = countedAs(now, entry)
      const [measured, totals] = await unlessLost(Promise.all([
        figures.endpoints(endpoints.map((it) => it.id), { longer: true }), lately(7, [counted]),
      ])) ?? [null, null]
      return modelOf(now, entry, {
        endpoints: endpoints.map((endpoint) => endpointOf(now, endpoint, measured?.get(endpoint.id) ?? null)),
        week: totals && sumOf([...totals.values()]),
        more: own.map((it) => cardOf(now, it)),
      })
    },

    async speed(id, window) {
      const span = spanOf(window)
      const endpoints = saleOf(shelf(), id)
      const totals = await figures.totals('endpoint', span, endpoints.map((it) => it.id))
      return { window, ...span, endpoints: speedsShown(endpoints, (endpoint) => {
        const total = totals.get(endpoint)
        return total && { total, speed: speedOf(total.sketches) }
      }) }
    },

    async performance(id, window) {
      const span = spanOf(window)
      const endpoints = saleOf(shelf(), id)
      const ids = endpoints.map((it) => it.id)
      const [speeds, sums] = await Promise.all([
        figures.speeds('endpoint', span, WINDOWS[window].grain, ids),
        figures.sums({ cut: 'endpoint', span, names: ['a'], where: [{ name: 'a', is: 'in', values: ids }], counts: ['requests', 'prompt_tokens', 'cache_read_tokens', 'completion_tokens', 'answered_probes'] }),
      ])
      const totals = new Map(sums.map((sum) => [sum.a, sum]))
      const shown = speedsShown(endpoints, (endpoint) => {
        const [total, speed] = [totals.get(endpoint), speeds.get(endpoint)]
        return total && speed && { total, speed: speed.all }
      })
      return { window, ...span, endpoints: shown.map((endpoint) => ({ ...endpoint, points: [...speeds.get(endpoint.id)!.by].map(([at, point]) => ({ at, ...point })) })) }
    },

    async uptime(id, days) {
      const now = shelf()
      const to = ambient.now() + 1
      const from = Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS
      const endpoints = saleOf(now, id)
      const sums = await figures.sums({
        cut: 'endpoint', span: { from, to }, by: 'day', names: ['a'], counts: ['attempts', 'failures', 'limited', 'probes'], where: [{ name: 'a', is: 'in', values: endpoints.map((it) => it.id) }],
      })
      const byEndpoint = Map.groupBy(sums, ({ a }) => a)
      return {
        days, from,
        endpoints: endpoints.flatMap((endpoint) => {
          const own = byEndpoint.get(endpoint.id) ?? []
          const [tries, failures, limited, probes] = (['attempts', 'failures', 'limited', 'probes'] as const).map((count) => own.reduce((sum, { counts }) => sum + counts[count], 0)) as [number, number, number, number]
          if (tries === 0) return []
          const total = { counts: { ...own[0]!.counts, attempts: tries, failures, limited } }
          return [{
            id: endpoint.id, tag: endpoint.tag, providerName: endpoint.providerName,
            uptime: uptimeOf(total), availability: availabilityOf(total), tries, failures, limited, probes,
            byDay: Array.from({ length: days }, (_, i) => {
              const at = from + i * DAY_MS
              const day = own.find((sum) => sum.at === at)
              return { at, uptime: uptimeOf(day), availability: availabilityOf(day), tries: day?.counts.attempts ?? 0 }
            }),
          }]
        }).toSorted((a, b) => b.tries - a.tries),
      }
    },

    async activity(id, days) {
      const now = shelf()
      const entry = now.at.model(id)
      const counted = entry === null ? id : countedAs(now, entry)
      const to = ambient.now() + 1
      const from = Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS
      const sums = await figures.sums({
        cut: 'model', span: { from, to }, by: 'day', names: ['a'], where: [{ name: 'a', is: 'in', values: [counted] }],
        counts: ['requests', 'prompt_tokens', 'cache_read_tokens', 'completion_tokens', 'reasoning_tokens', 'tool_calls'],
      })
      return {
        days: Array.from({ length: days }, (_, i) => {
          const at = from + i * DAY_MS
          const counts = sums.find((sum) => sum.at === at)?.counts
          return {
            at, requests: counts?.requests ?? 0, prompt: counts?.prompt_tokens ?? 0, cached: counts?.cache_read_tokens ?? 0,
            completion: counts?.completion_tokens ?? 0, reasoning: counts?.reasoning_tokens ?? 0, toolCalls: counts?.tool_calls ?? 0,
          }
        }),
      }
    },

    async apps(id, days) {
      const now = shelf()
      const entry = now.at.model(id)
      const to = ambient.now() + 1
      const sums = await figures.sums({
        cut: 'model-app', span: { from: Math.floor(to / DAY_MS) * DAY_MS - (days - 1) * DAY_MS, to }, counts: ['requests', 'prompt_tokens', 'completion_tokens'],
        where: [{ name: 'a', is: 'in', values: [entry === null ? id : countedAs(now, entry)] }],
      })
      const all = sums.reduce((sum, total) => sum + tokensOf(total), 0)
      const called = sums.filter(({ b, counts }) => b !== '' && counts.requests > 0)
      const known = await apps.of(called.map(({ b }) => b))
      const shown = called.filter(({ b }) => known.get(b)?.hidden !== true)
        .toSorted((a, b) => tokensOf(b) - tokensOf(a) || (a.b < b.b ? -1 : 1)).slice(0, TOP_APPS)
      return {
        days, apps: shown.map((sum) =>
          ({ ...appCardOf(known.get(sum.b), sum.b), app: sum.b, tokens: tokensOf(sum), requests: sum.counts.requests, share: percentOf(tokensOf(sum), all) ?? 0 })),
      }
    },

    async parameters(id) {
      const now = shelf()
      const entry = now.at.model(id)
      const set = await parameters.of(entry === null ? id : countedAs(now, entry))
      const told = toldParameters({ figures: set, published: entry?.row.default_parameters, minKeys: minKeys() })
      return { days: PARAMETER_DAYS, parameters: told, medians: Object.fromEntries(told.flatMap(({ name, p50 }) => (p50 === null ? [] : [[name, p50]]))) }
    },

    async index() {
      const now = await stocked()
      const listed = now.at.models.filter(isListed)
      return {
        models: listed.map((entry) => ({ id: entry.row.id, name: entry.row.name.trim() })),
        authors: [...new Set(listed.filter(({ row }) => row.kind !== 'router').map(({ row }) => row.author))].toSorted(),
        providers: [...soldBy(now).keys()].filter((slug) => isShown(now.at.providers.get(slug)!)).toSorted(),
      }
    },

    async author(slug) {
      const now = shelf()
      const own = now.at.models.filter(({ row }) => row.author === slug && row.kind !== 'router')
        .toSorted((a, b) => (b.row.created ?? 0) - (a.row.created ?? 0))
      if (own.length === 0) return null
      return {
        slug, name: own[0]!.row.author_name,
        models: own.filter(isListed).map((entry) => cardOf(now, entry)),
        retired: own.filter((entry) => !isListed(entry)).map((entry) => cardOf(now, entry)),
      }
    },

    async providers() {
      const now = await stocked()
      const sold = soldBy(now)
      return [...sold].flatMap(([slug, models]) => {
        const row = now.at.providers.get(slug)
        return row === undefined || !isShown(row) ? [] : [providerCardOf(row, models.size, hasCredential(slug))]
      }).toSorted((a, b) => b.models - a.models || (a.slug < b.slug ? -1 : 1))
    },

    async provider(slug) {
      const now = await stocked()
      const row = now.at.providers.get(slug)
      if (row === undefined || !isShown(row)) return null
      const entries = now.at.models.filter((entry) => isListed(entry) && entry.row.alias_target === undefined)
      const offers = entries.flatMap((entry) => saleOf(now, entry.row.id).filter(({ provider, tier }) => provider === slug && tier === 'default')
        .map((endpoint) => ({ entry, endpoint })))
      const measured = await unlessLost(figures.endpoints(offers.map(({ endpoint }) => endpoint.id)))
      return {
        ...providerCardOf(row, new Set(offers.map(({ entry }) => entry)).size, hasCredential(slug)),
        homepage: row.homepage, privacyPolicy: row.privacy_policy_url, termsOfService: row.terms_of_service_url, statusPage: row.status_page_url,
        measured: measured !== null, probes: probes(),
        offers: offers.map(({ entry, endpoint }) =>
          ({ model: cardOf(now, entry), endpoint: endpointOf(now, endpoint, measured?.get(endpoint.id) ?? null) })),
      }
    },
  }
}

/** Everything with a page, the newest models first: between models that fit alike the newer one is meant. */
function findablesOf(now: Shelf): readonly Findable[] {
  const listed = now.at.models.filter(isListed).toSorted((a, b) => (b.row.created ?? 0) - (a.row.created ?? 0))
  const authors = new Map(listed.filter(({ row }) => row.kind !== 'router').map(({ row }) => [row.author, row.author_name]))
  const counts = soldBy(now)
  return [
    ...listed.map(({ row }): Findable => ({
      hit: { kind: 'model', to: `/${row.id}`, id: row.id, name: row.name.trim(), detail: row.id },
      names: [row.name, row.id, row.canonical_slug, ...row.aliases],
    })),
    ...[...counts].flatMap(([slug, models]): readonly Findable[] => {
      const row = now.at.providers.get(slug)
      if (row === undefined || !isShown(row)) return []
      return [{ hit: { kind: 'provider', to: `/providers/${slug}`, id: slug, name: row.name, detail: counted(models.size, 'model') }, names: [row.name, slug] }]
    }),
    ...[...authors].map(([slug, name]): Findable =>
      ({ hit: { kind: 'author', to: `/${slug}`, id: slug, name, detail: 'author' }, names: [name, slug] })),
  ]
}

const counted = (count: number, of: string): string => `${count} ${of}${count === 1 ? '' : 's'}`

const isShown = ({ status, enabled }: ProviderRow): boolean => status === 'active' && enabled !== false

function soldBy({ at }: Shelf): ReadonlyMap<string, ReadonlySet<string>> {
  const sold = new Map<string, Set<string>>()
  for (const entry of at.models) {
    if (!isListed(entry) || entry.row.alias_target !== undefined) continue
    for (const { provider, disabled, simulated } of at.endpointsOf(entry.row.id)) {
      if (disabled || simulated) continue
      const own = sold.get(provider)
      if (own === undefined) sold.set(provider, new Set([entry.row.id]))
      else own.add(entry.row.id)
    }
  }
  return sold
}

/** Endpoints that did something, those with the most answers first. */
function speedsShown(endpoints: readonly Endpoint[], of: (id: string) => { readonly total: Pick<Total, 'counts' | 'money'>; readonly speed: Speed } | undefined) {
  return endpoints.flatMap(({ id, tag, providerName }) => {
    const found = of(id)
    if (found === undefined) return []
    const { requests, answered_probes: probes } = found.total.counts
    return requests + probes === 0 ? []
      : [{ id, tag, providerName, total: { ...found.speed, probes, cacheHitRate: hitRateOf(found.total), paidPerMillion: paidPerMillionOf(found.total) } }]
  }).toSorted((a, b) => b.total.answers - a.total.answers)
}

const tokensOf = ({ counts }: Pick<Sum, 'counts'>): number => counts.prompt_tokens + counts.completion_tokens

function sumOf(totals: readonly Pick<Sum, 'counts'>[]): { tokens: number; requests: number } {
  return {
    tokens: totals.reduce((sum, total) => sum + tokensOf(total), 0),
    requests: totals.reduce((sum, { counts }) => sum + counts.requests, 0),
  }
}

/** The values of the filters that lists are narrowed by, most frequent first. */
function choicesOf({ at }: Shelf, listed: readonly ModelEntry[]) {
  const count = (valuesOf: (entry: ModelEntry) => Iterable<readonly [string, string]>) => {
    const counts = new Map<string, { label: string; models: number }>()
    for (const entry of listed) {
      for (const [value, label] of new Map(valuesOf(entry))) {
        const known = counts.get(value)
        if (known) known.models++
        else counts.set(value, { label, models: 1 })
      }
    }
    return [...counts].map(([value, { label, models }]) => ({ value, label, models }))
      .toSorted((a, b) => b.models - a.models || (a.label < b.label ? -1 : 1))
  }
  const plain = (values: Iterable<string>) => [...values].map((value) => [value, value] as const)
  return {
    authors: count(({ row }) => [[row.author.toLowerCase(), row.author_name]]),
    providers: count(({ row }) => at.endpointsOf(row.id).filter(({ disabled, simulated }) => !disabled && !simulated)
      .map(({ provider, providerName }) => [provider, providerName] as const)),
    parameters: count(({ row }) => plain(at.endpointsOf(row.id).reduce((all, { parameters }) => {
      for (const name of parameters ?? []) all.add(name)
      return all
    }, new Set(row.supported_parameters)))),
    inputs: count(({ row }) => plain(row.input_modalities)),
    outputs: count(({ row }) => plain(row.output_modalities)),
    families: count(({ row }) => [[(row.tokenizer ?? 'other').toLowerCase(), row.tokenizer ?? 'Other']]),
    variants: count(({ row }) => plain([row.variant ?? 'standard'])),
  }
}
