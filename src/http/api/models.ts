import {
  anthropicModelShape, asksForFigures, endpointsShape, modelShape, openAiModelShape, openAiModelsShape, providersShape, queryModels, zdrShape,
  type FiguresOf, type ModelEntry, type ModelList as Listed, type Snapshot,
} from '../../catalog/index.ts'
import { canBeCalled, fault, FaultError, keepsNothing, quantizationsMeant, type Endpoint, type Fault, type Model } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import type { Exchange } from '../exchange.ts'
import type { KeyPreferences, KeyReader } from '../preferences.ts'
import { api, type Keyed, type Reply, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { mapInSlices } from '../slices.ts'
import { createStore } from '../stored.ts'
import { queryReader } from '../query.ts'
import { GoogleModel, googleModel, GoogleModelList, googleModels, isGoogle } from './generate-content.ts'
import { CountQuery, CursorQuery, ModelQuery, PageQuery, UserQuery } from './model-query.ts'
import { AnthropicModel, AnthropicModelList, EndpointShape, ModelEndpoints, ModelList, ModelShape, OpenAiModel, OpenAiModelList, ProviderShape } from './shapes.ts'

const Slug = z.object({ author: z.string(), slug: z.string() })
const DAY_MS = 86_400_000

/** The routes of the catalogue. What is the same for everybody is made once for each snapshot and query, and kept. */
export function catalogRoutes(services: Services, keyPreferences: KeyReader): readonly Route[] {
  const store = createStore()
  const snapshot = () => services.catalog.snapshot()
  const clock = () => services.ambient.monotonic()
  const warmed = new WeakMap<Snapshot, Promise<unknown>>()

  /** A snapshot makes its endpoints when they are first asked for. A list asks for all: in slices, or streams would wait. */
  const warm = (at: Snapshot): Promise<unknown> => {
    let done = warmed.get(at)
    if (!done) warmed.set(at, done = mapInSlices(at.models, clock, (entry) => at.endpointsOf(entry.row.id)))
    return done
  }

  interface Listing {
    readonly at: Snapshot
    readonly path: string
    readonly query: URLSearchParams
    readonly defaultOutput?: string
    readonly visible?: (entry: ModelEntry) => boolean
  }

  const listed = async ({ at, query, defaultOutput, visible }: Omit<Listing, 'path'>): Promise<Exclude<Listed, { fault: Fault }>> => {
    await warm(at)
    const figures = asksForFigures(query) ? (await services.figures.models()).of : undefined
    const list = queryModels(query, { snapshot: at, now: services.ambient.now(), defaultOutput, visible, figures })
    if ('fault' in list) throw new FaultError(list.fault)
    return list
  }

  const listBody = async ({ at, path, query, ...rest }: Listing): Promise<string> => {
    const list = await listed({ at, query, ...rest })
    const parts = await mapInSlices(list.entries, clock, (entry) => JSON.stringify(modelShape(entry, at)))
    const next = list.next === null ? null : `${path}?${list.next}`
    return `{"data":[${parts.join(',')}],"total_count":${list.total},"links":${JSON.stringify({ next })}}`
  }

  const listReply = async (x: Exchange, path: string, defaultOutput?: string): Promise<Reply> => {
    const at = snapshot()
    const query = queryOf(x)
    const aged = query.has('min_age_days') || query.has('max_age_days')
    const day = aged ? Math.floor(services.ambient.now() / DAY_MS) : ''
    const measuredAt = asksForFigures(query) ? (await services.figures.models()).version : ''
    return store.reply(x.headers, keyOf(services, at, path, String(query), day, measuredAt), () => listBody({ at, path, query, defaultOutput }))
  }

  /** Whether the key may call at least one endpoint of a model now. */
  const usableBy = (x: Keyed, at: Snapshot): (entry: ModelEntry) => boolean => {
    const preferences = keyPreferences(x.key)
    return (entry) => at.endpointsOf(entry.row.id)
      .some((endpoint) => canBeCalled(endpoint, services.hasCredential) && permits(preferences, endpoint, entry.model))
  }

  /**
   * What was measured of endpoints, and a name for it, so that nobody fetches again what has not changed. A list
   * without figures is better than none: when they cannot be read, it says that nothing is known.
   */
  const measured = async (endpoints: readonly Endpoint[], how?: { readonly longer: boolean }): Promise<{ of: FiguresOf; demo: boolean; version: string }> => {
    try {
      const [figures, demo] = await Promise.all([services.figures.endpoints(endpoints.map(({ id }) => id), how), services.figures.isDemo()])
      return { of: (id) => figures.get(id) ?? null, demo, version: JSON.stringify([demo, ...figures]) }
    } catch (error) {
      services.log.warn({ error: (error as Error).message }, 'figures of endpoints cannot be read')
      return { of: () => null, demo: false, version: '' }
    }
  }

  /** Anthropic's clients get their own list: they name their version on every request. */
  const anthropicList = async (x: Exchange, visible?: (entry: ModelEntry) => boolean): Promise<Reply> => {
    const at = snapshot()
    await warm(at)
    const list = queryModels(new URLSearchParams({ output_modalities: 'text' }), { snapshot: at, now: services.ambient.now(), visible })
    if ('fault' in list) throw new FaultError(list.fault)
    return { json: pageOf(list.entries, cursorOf(x.search)) }
  }

  const found = (x: Exchange): { at: Snapshot; entry: ModelEntry } => {
    const at = snapshot()
    const id = `${x.params['author']}/${x.params['slug']}`
    const entry = at.model(id)
    if (!entry) throw new FaultError(fault('not-found', `There is no model ${id.slice(0, 200)}`))
    return { at, entry }
  }

  return [
    {
      name: 'listModels', methods: ['GET'], paths: ['/api/v1/models'], tag: 'Models', policy: 'none',
      summary: 'Every model of the catalogue that has an endpoint, with filters, sorts and pages',
      query: ModelQuery, replies: { 200: { description: 'Models', schema: z.union([ModelList, AnthropicModelList, GoogleModelList]) } }, errors: [],
      handle: (x) => (isAnthropic(x) ? anthropicList(x) : isGoogle(x) ? googleModels(services, x) : listReply(x, '/api/v1/models')),
    },
    {
      name: 'listModelsAsOpenAI', methods: ['GET'], paths: ['/v1/models'], tag: 'Models', policy: 'key',
      summary: "The models that the key can call now, in OpenAI's shape; in Anthropic's where the request has an anthropic-version", query: CursorQuery,
      replies: { 200: { description: 'Models', schema: z.union([OpenAiModelList, AnthropicModelList, GoogleModelList]) } }, errors: [],
      async handle(x) {
        const at = snapshot()
        if (isAnthropic(x)) return anthropicList(x, usableBy(x, at))
        if (isGoogle(x)) return googleModels(services, x)
        await warm(at)
        const list = queryModels(new URLSearchParams({ output_modalities: 'all' }), {
          snapshot: at, now: services.ambient.now(), visible: usableBy(x, at),
        })
        if ('fault' in list) throw new FaultError(list.fault)
        return { json: openAiModelsShape(list.entries) }
      },
    },
    {
      name: 'retrieveModelAsOpenAI', methods: ['GET'], paths: api('/models/{model}'), tag: 'Models', policy: 'key',
      summary: "One model in OpenAI's shape, by any name that a request may use; a slash in it is written %2F or as it is",
      params: z.object({ model: z.string() }),
      replies: { 200: { description: 'The model', schema: z.union([OpenAiModel, AnthropicModel, GoogleModel]) } }, errors: ['invalid-request', 'model-not-found', 'not-found'],
      handle: (x) => (isGoogle(x) ? googleModel(services, x.params['model'] ?? '') : { json: retrieved(snapshot(), x.params['model'] ?? '', isAnthropic(x)) }),
    },
    {
      name: 'retrieveModelOfAuthorAsOpenAI', methods: ['GET'], paths: api('/models/{author}/{slug}'), tag: 'Models', policy: 'key',
      summary: "One model in OpenAI's shape, by its id as it is", params: Slug,
      replies: { 200: { description: 'The model', schema: z.union([OpenAiModel, AnthropicModel, GoogleModel]) } }, errors: ['invalid-request', 'model-not-found', 'not-found'],
      handle(x) {
        const name = `${x.params['author']}/${x.params['slug']}`
        return isGoogle(x) ? googleModel(services, name) : { json: retrieved(snapshot(), name, isAnthropic(x)) }
      },
    },
    {
      name: 'countModels', methods: ['GET'], paths: api('/models/count'), tag: 'Models', policy: 'none',
      summary: 'How many models the list holds', query: CountQuery,
      replies: { 200: { description: 'The count', schema: z.object({ data: z.object({ count: z.int() }) }) } }, errors: [],
      async handle(x) {
        return { json: { data: { count: (await listed({ at: snapshot(), query: queryOf(x) })).total } } }
      },
    },
    {
      name: 'listModelsForUser', methods: ['GET'], paths: api('/models/user'), tag: 'Models', policy: 'key',
      summary: 'The models that the key can call now, under its settings', query: UserQuery,
      replies: { 200: { description: 'Models', schema: ModelList } }, errors: [],
      async handle(x) {
        const at = snapshot()
        return { text: await listBody({ at, path: '/api/v1/models/user', query: queryOf(x), visible: usableBy(x, at) }) }
      },
    },
    {
      name: 'getModel', methods: ['GET'], paths: api('/model/{author}/{slug}'), tag: 'Models', policy: 'none',
      summary: 'One model, by id, canonical slug or alias; also one that is retired', params: Slug,
      replies: { 200: { description: 'The model', schema: z.object({ data: ModelShape }) } }, errors: ['not-found'],
      handle(x) {
        const { at, entry } = found(x)
        return store.reply(x.headers, keyOf(services, at, 'model', entry.row.id), () => JSON.stringify({ data: modelShape(entry, at, true) }))
      },
    },
    {
      name: 'listModelEndpoints', methods: ['GET'], paths: api('/models/{author}/{slug}/endpoints'), tag: 'Models', policy: 'none',
      summary: 'Who serves a model, at what price and with what limits', params: Slug,
      replies: { 200: { description: 'The endpoints', schema: ModelEndpoints } }, errors: ['not-found'],
      async handle(x) {
        const { at, entry } = found(x)
        const { of, demo, version } = await measured(at.endpointsOf(entry.row.id), { longer: true })
        return store.reply(x.headers, keyOf(services, at, 'endpoints', entry.row.id, version), () => JSON.stringify(endpointsShape(entry, at, of, demo)))
      },
    },
    {
      name: 'listZdrEndpoints', methods: ['GET'], paths: api('/endpoints/zdr'), tag: 'Models', policy: 'none',
      summary: 'Endpoints that are stated to keep no prompts',
      replies: { 200: { description: 'The endpoints', schema: z.object({ data: z.array(EndpointShape) }) } }, errors: [],
      async handle(x) {
        const at = snapshot()
        await warm(at)
        const { of, version } = await measured(at.models.flatMap((entry) => at.endpointsOf(entry.row.id).filter(({ dataPolicy }) => keepsNothing(dataPolicy))))
        return store.reply(x.headers, keyOf(services, at, 'zdr', version), () => JSON.stringify(zdrShape(at, of)))
      },
    },
    {
      name: 'listEmbeddingModels', methods: ['GET'], paths: api('/embeddings/models'), tag: 'Models', policy: 'none',
      summary: 'The models that make embeddings', query: PageQuery,
      replies: { 200: { description: 'Models', schema: ModelList } }, errors: [],
      handle: (x) => listReply(x, '/api/v1/embeddings/models', 'embeddings'),
    },
    {
      name: 'listProviders', methods: ['GET'], paths: api('/providers'), tag: 'Models', policy: 'none',
      summary: 'Every provider of the catalogue, with its policies',
      replies: { 200: { description: 'Providers', schema: z.object({ data: z.array(ProviderShape) }) } }, errors: [],
      handle(x) {
        const at = snapshot()
        return store.reply(x.headers, keyOf(services, at, 'providers'), () => JSON.stringify(providersShape(at)))
      },
    },
  ]
}

const isAnthropic = (x: Exchange): boolean => x.headers['anthropic-version'] !== undefined

const readCursor = queryReader(CursorQuery)

interface Cursor { readonly limit?: number; readonly after_id?: string; readonly before_id?: string }
const cursorOf = (search: Exchange['search']): Cursor => readCursor(search)
const PAGE = 20

/** A page of Anthropic's list: up to `limit` models behind `after_id`, or before `before_id`. */
function pageOf(entries: readonly ModelEntry[], { limit = PAGE, after_id: after, before_id: before }: Cursor): Record<string, unknown> {
  const place = (id: string, field: string): number => {
    const at = entries.findIndex((entry) => entry.row.id === id)
    if (at < 0) throw new FaultError(fault('invalid-request', `${field}: there is no model ${JSON.stringify(id.slice(0, 200))} in the list`, { field }))
    return at
  }
  const end = before === undefined ? entries.length : place(before, 'before_id')
  const start = after !== undefined ? place(after, 'after_id') + 1 : before !== undefined ? Math.max(0, end - limit) : 0
  const page = entries.slice(start, Math.min(end, start + limit))
  return {
    data: page.map(anthropicModelShape),
    has_more: before !== undefined && after === undefined ? start > 0 : start + page.length < end,
    first_id: page[0]?.row.id ?? null,
    last_id: page.at(-1)?.row.id ?? null,
  }
}

function keyOf({ version }: Services, at: Snapshot, ...rest: readonly (string | number)[]): string {
  return [version, at.version, ...rest].join('|')
}

/** The query of a request; of a parameter that comes twice, a list with commas. In one order, so that it can name a body. */
function queryOf(x: Exchange): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(x.search).toSorted(([a], [b]) => (a < b ? -1 : 1))) query.set(name, String(value))
  return query
}

/** Whether a key's settings leave an endpoint in. The plan decides each call; this is what the lists show. */
function permits(preferences: KeyPreferences | undefined, endpoint: Endpoint, model: Model): boolean {
  if (preferences === undefined) return true
  const named = (entries: readonly string[]) => entries.some((entry) => {
    const slug = entry.toLowerCase()
    return [endpoint.provider, endpoint.tag, endpoint.providerName.toLowerCase()].includes(slug) || endpoint.tag.startsWith(`${slug}/`)
  })
  if (preferences.only && !named(preferences.only)) return false
  if (preferences.ignore && named(preferences.ignore)) return false
  if (preferences.zdr && !keepsNothing(endpoint.dataPolicy)) return false
  if (preferences.dataCollection === 'deny' && !(endpoint.dataPolicy.training === false && keepsNothing(endpoint.dataPolicy))) return false
  if (preferences.enforceDistillableText && model.distillable !== true) return false
  return !preferences.quantizations || quantizationsMeant(preferences.quantizations).has(endpoint.quantization ?? 'unknown')
}

/** The model that a name means, in the shape of the client that asks: `models.retrieve` of OpenAI's and of Anthropic's. */
function retrieved(at: Snapshot, name: string, anthropic: boolean): Record<string, unknown> {
  const found = at.offer(name)
  if ('fault' in found) throw new FaultError(found.fault)
  const entry = at.model('router' in found ? found.router.id : found.offer.model.id)
  if (!entry) throw new FaultError(fault('not-found', `There is no model ${name.slice(0, 200)}`))
  return anthropic ? anthropicModelShape(entry) : openAiModelShape(entry)
}
