import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createAccounts, openPeppers, type Accounts } from './accounts/index.ts'
import { checkProbeFilter, ConfigError, createCatalog, DEMO, probedOf, type Catalog, type CatalogRecipe, type Probed, type Snapshot } from './catalog/index.ts'
import type { Config, Secret } from './config/index.ts'
import { fault, FaultError, usdFromNano, type Ambient, type ChatRequest, type Credential, type Departure, type Endpoint, type EndpointId, type Generation, type Measured, type SearchWish } from './core/index.ts'
import { askedOfPreset, DIALECTS, parseUpstream, responseEnds, type Dialect } from './dialects/index.ts'
import {
  createAdmission, createGateway, createLargeBodies, createPdfReader, createTokenCounter, createUpstreams,
  type Admission, type Alarm, type Gateway, type LargeBodies, type Past, type PlacesRules, type Timeouts, type Upstreams,
} from './gateway/index.ts'
import { createFeedback } from './feedback/index.ts'
import { createHistory, type History, type Kept } from './history/index.ts'
import { createHttp, createIds, type Http, type Log } from './http/index.ts'
import { createJobs, createProbes, tinyRequest, type Probes } from './jobs/index.ts'
import { createGuardedFetch, createNet, type Net } from './net/index.ts'
import { createDemo, createProviders, createTokens, discoverLocal, type LocalFinding, type Providers } from './providers/index.ts'
import { createAnswers, createResponses, openVault } from './responses/index.ts'
import {
  createAffinity, createHealth, DEFAULT_POLICY, matchesPattern, measuredIn, routerRules, viewOf, type Health, type HealthSummary, type RouterRules, type RoutingPolicy, type SummaryEntry,
} from './routing/index.ts'
import {
  cacheMarks, contextCompression, fileParser, moderation, reasoningExclude, repairs, responseHealing, serverTools, variants, webSearch,
} from './stages/index.ts'
import { createPageReader, createSearch } from './search/index.ts'
import type { Site } from './site.ts'
import { createJudge, type ProviderPreferences } from './schema/index.ts'
import { createPages, createSite } from './pages/index.ts'
import { createPresets } from './presets/index.ts'
import { createApps, createFigures, createParameters, createPrices, createRankings, createRollups, createStats, type Figures, type Stats } from './stats/index.ts'
import { openStore, type Store } from './store/index.ts'

/** The composition root: the only file that knows every room. */

/** Everything that a call passes through once it is admitted, without a server and without a database. */
export interface CallPath {
  readonly catalog: Catalog
  readonly gateway: Gateway
  readonly admission: Admission
  readonly upstreams: Upstreams
  readonly large: LargeBodies
  providers(): Providers
  /** The routing preferences that the operator's file sets for a workspace. */
  workspace(id: string): ProviderPreferences | undefined
  /** The endpoints that the operator has probed; none where probes are off. */
  probed(): ReadonlyMap<EndpointId, Probed>
  /** Servers that were found on this machine at the last look. */
  locals(): readonly LocalFinding[]
  /** What plans are made from now, for the history. */
  standing(): Promise<Kept<HealthSummary, CatalogThen, RoutingPolicy>>
  /** Takes a new configuration into force. Throws a ConfigError, and keeps the old one, when it is bad. */
  reload(config: Config): void
  close(): Promise<void>
}

/** The catalogue of a moment, and who could be called: labels of keys, never a key. */
export interface CatalogThen {
  readonly recipe: CatalogRecipe
  readonly keys: Readonly<Record<string, readonly Credential[]>>
}

export type AppHistory = History<HealthSummary, CatalogThen, RoutingPolicy>

export interface App extends Omit<CallPath, 'close'> {
  readonly store: Store
  readonly accounts: Accounts
  readonly stats: Stats
  readonly history: AppHistory
  readonly probes: Probes
  readonly http: Http
  /** What the pages are told. */
  readonly site: Site
  /**
   * Compiles what the first callers, good and bad, would have to wait for: some 400 ms of work, done in pieces while
   * the server already listens, since a start need not wait for it either.
   */
  warmUp(): Promise<void>
  /**
   * Takes new calls for `settleMs` more, ends those under way in good order within the grace, writes what is left, and
   * closes everything. Called again it shortens the times of the first.
   */
  close(graceMs: number, settleMs?: number): Promise<void>
}

/** Where bin/site.mjs puts what it builds from `web/`. */
const SITE_BUILD = fileURLToPath(new URL('../web/build', import.meta.url))
const DOCS = fileURLToPath(new URL('../docs', import.meta.url))
/** How often keys and presets that other processes changed are taken up: a CLI's key works, and a revoked one stops, within 2 s. */
const REFRESH_MS = 1000
/** How far the figures are behind the traffic, at most. */
const ROLLUPS_EVERY_MS = 2000
/** How long prices of a changed catalogue stay unwritten, at most: a look at one that did not change reads a row. */
const LIST_PRICES_EVERY_MS = 5000
const PRUNE_EVERY_MS = 3_600_000
/** Background responses of processes that died end by then even if nobody asks for them. */
const BURY_EVERY_MS = 5000
const PRUNE_CACHE_EVERY_MS = 60_000
/** At most one probe is sent at each look. */
const PROBE_EVERY_MS = 1000
/** How old what plans go by may be, beside that. */
const MEASURE_MS = 5000
const LOCAL_LOOK_MS = 200
/** So many endpoints are summarised at once: about two milliseconds' worth. */
const SUMMARY_SLICE = 30
const LOCAL_LOOK_MAX_BYTES = 1024 * 1024
const NOTHING: ReadonlySet<string> = new Set()
const NO_FILTER = { providers: null, models: null, endpoints: null } as const
const BUILTIN: ReadonlySet<string> = new Set([DEMO])

export async function createApp(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly log: Log
  readonly version: string
  /** Called once, a moment after the first page was served. */
  readonly siteLoaded?: () => void
}): Promise<App> {
  const { ambient, log, config } = given
  const onError = (error: Error): void => log.error({ error: error.message }, 'background work failed')
  const store = await openStore({ url: config.databaseUrl, home: config.home })
  const peppers = await openPeppers({ store, home: config.home, ambient })
  const vault = await openVault({ store, home: config.home, ambient })
  let keeping = config
  const responses = createResponses({ store, vault, ambient, settings: () => keeping.responses, words: responseEnds, onError })
  const presets = createPresets({ store, ambient, read: (dialect, config) => askedOfPreset(DIALECTS.get(dialect)!.inbound!, config) })
  const answers = createAnswers({ store, vault, ambient, settings: () => keeping.responseCache })
  const accounts = createAccounts({ store, ambient, peppers, onError })
  const rollups = createRollups({ store, ambient })
  const stats = createStats({ store, ambient, wrote: rollups.wrote, onError })
  const figures = createFigures({ store, ambient })
  const apps = createApps({ store, ambient })
  const parameters = createParameters({ store, ambient })
  const prices = createPrices({ store, figures, ambient })
  const rankings = createRankings({ figures, apps, ambient })
  const jobs = createJobs({ store, ambient, onError })
  let measured: ReadonlyMap<string, Measured> = new Map()
  const measure = async (): Promise<void> => {
    measured = await figures.measurements()
  }
  const history: AppHistory = createHistory({ store, ambient, take: () => path.standing(), onError })
  const path = await createCallPath({
    config, ambient, record: stats.record, recall: history.recall, measured: () => measured, onError,
    alarm: ({ message, ...facts }) => log.warn(facts, `for the operator: ${message}`),
  })
  const probes = probesOf({
    path, store, figures, ambient, rules: () => keeping.probes, onError, say: (facts, message) => log.warn(facts, `for the operator: ${message}`),
  })
  const hasCredential = (provider: string): boolean => path.providers().credentials(provider).length > 0
  const pageFailed = (error: unknown): void => log.error({ err: error }, 'a page failed by a fault of ours')
  const site = createSite({
    catalog: path.catalog, figures, rankings, apps, parameters, prices, minKeys: () => keeping.stats.minKeys, ambient, version: given.version,
    operator: () => keeping.site, docs: DOCS, openApi: () => http.document(), hasCredential, report: pageFailed,
    probes: () => keeping.probes && { everyMs: keeping.probes.everyMs, endpoints: path.probed().size },
  })
  const pages = createPages({
    site, folder: SITE_BUILD, ambient, report: pageFailed,
    ...(given.siteLoaded && { loaded: given.siteLoaded }),
  })
  const http: Http = createHttp({
    ambient, log, version: given.version, limits: config.limits,
    dialects: DIALECTS, catalog: path.catalog, accounts, stats, figures, rankings, apps, parameters, prices, gateway: path.gateway, large: path.large,
    workspace: (id) => path.workspace(id),
    admission: path.admission, upstreams: path.upstreams,
    responses, answers, storeDefault: (id) => keeping.workspaces[id]?.storeDefault ?? keeping.responses.storeDefault,
    hasCredential, pages, presets, feedback: createFeedback({ store, ambient }),
    async probes() {
      if (keeping.probes === null) return null
      const { month, endpoints } = await probes.report()
      return {
        endpoints: endpoints.length, down: endpoints.filter(({ last }) => (last?.downSince ?? null) !== null).length,
        sent: month.sent, spentUsd: usdFromNano(month.spent), budgetUsd: usdFromNano(keeping.probes.budget),
      }
    },
  })

  await accounts.refresh()
  await presets.refresh()
  const refreshing = setInterval(() => {
    accounts.refresh().catch(onError)
    presets.refresh().catch(onError)
  }, REFRESH_MS)
  refreshing.unref()
  await measure().catch(onError)
  const measuring = setInterval(() => void measure().catch(onError), MEASURE_MS)
  measuring.unref()
  jobs.add({ name: 'rollups', everyMs: ROLLUPS_EVERY_MS, run: () => rollups.catchUp() })
  jobs.add({ name: 'list-prices', everyMs: LIST_PRICES_EVERY_MS, run: () => prices.keep(path.catalog.snapshot()) })
  jobs.add({ name: 'prune-rollups', everyMs: PRUNE_EVERY_MS, run: () => rollups.prune() })
  jobs.add({ name: 'bury-responses', everyMs: BURY_EVERY_MS, run: () => responses.runs.bury() })
  jobs.add({ name: 'prune-responses', everyMs: PRUNE_EVERY_MS, run: () => responses.prune() })
  jobs.add({ name: 'prune-response-cache', everyMs: PRUNE_CACHE_EVERY_MS, run: () => answers.prune() })
  jobs.add({ name: 'probes', everyMs: PROBE_EVERY_MS, run: () => probes.turn() })
  history.start()

  let closed: Promise<void> | null = null
  const closeAfter = async (drained: Promise<void>): Promise<void> => {
    clearInterval(refreshing)
    clearInterval(measuring)
    await probes.close()
    await drained
    await http.close()
    await responses.runs.drain(Infinity)
    await path.gateway.idle()
    await path.large.close()
    await stats.close()
    await jobs.close()
    await history.close()
    accounts.close()
    await path.close()
    await store.close()
  }

  return {
    ...path, store, accounts, stats, history, probes, http, site,
    reload(next) {
      path.reload(next)
      keeping = next
    },
    async warmUp() {
      for (const { inbound, embed, rerank } of DIALECTS.values()) for (const face of [inbound, embed?.inbound, rerank?.inbound]) {
        if (closed) return
        if (!face) continue
        // A refused request has a face compile its schemas, the one that checks and the one that explains. No schema takes a
        // list; some take an empty object, and then the first caller with a fault waited 100 ms for its explanation.
        face.decode([])
        await setImmediate()
      }
    },
    close(graceMs, settleMs = 0) {
      const drained = http.drain(graceMs, settleMs)
      void responses.runs.drain(graceMs)
      return closed ??= closeAfter(drained)
    },
  }
}

/** Probes of what a path can call; see docs/probes.md. */
export function probesOf({ path, store, figures, ambient, rules, onError, say }: Omit<Parameters<typeof createProbes>[0], 'rules' | 'targets' | 'ready' | 'called' | 'overloaded'> & {
  readonly path: Pick<CallPath, 'probed' | 'gateway' | 'admission'>
  readonly figures: Pick<Figures, 'sums'>
  readonly rules: () => Config['probes']
}): Probes {
  const newId = createIds(ambient)
  return createProbes({
    store, ambient, rules, onError, say,
    targets: () => [...path.probed().keys()],
    ready(endpoint) {
      const known = path.probed().get(endpoint)
      const probe = known && path.gateway.probe(known.offer, tinyRequest(known.operation, rules()?.maxTokens ?? 1))
      return probe ? { worst: probe.worst, send: (departure) => probe.send(newId(), departure) } : null
    },
    async called(since) {
      const sums = await figures.sums({ cut: 'endpoint', span: { from: since, to: ambient.now() + 1 }, names: ['a'], counts: ['attempts', 'limited', 'probes'] })
      return new Set(sums.filter(({ counts }) => counts.attempts + counts.limited > counts.probes).map(({ a }) => a))
    },
    overloaded: () => path.admission.figures().shedding > 0,
  })
}

/** What a call passes through: catalogue, providers, health, gateway, and the way out. Looks for local servers first. */
export async function createCallPath(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly record: (generation: Generation) => void
  readonly recall?: AppHistory['recall']
  /** What was measured of endpoints, by id; without it, nothing was. */
  readonly measured?: () => ReadonlyMap<string, Measured>
  readonly onError?: (error: Error) => void
  readonly alarm?: (alarm: Alarm) => void
}): Promise<CallPath> {
  const { ambient } = given
  let config = given.config
  const net = createNet()
  const tokens = createTokenCounter()
  const means: Means = { post: (url, form, headers) => postForm(net, url, form, headers), tokens: createTokens(ambient), ambient }
  const health = createHealth(config.routing, ambient.random)
  const affinity = createAffinity(config.routing)
  let policy: RoutingPolicy = { ...DEFAULT_POLICY, ...config.routing }
  let rules = rulesOf(config)
  const catalog = createCatalog(catalogInput(config))

  let found: readonly LocalFinding[] = []
  let providers = providersOf(catalog, config, found, means)
  const settle = (): void => {
    providers = providersOf(catalog, config, found, means)
    catalog.simulate(!providers.usable())
  }
  const look = async (): Promise<void> => {
    const before = found
    found = config.discoverLocal
      ? await discoverLocal((url) => getJson(net, url, { timeoutMs: LOCAL_LOOK_MS, maxBytes: LOCAL_LOOK_MAX_BYTES })) : []
    for (const provider of new Set([...before, ...found].map((finding) => finding.provider))) {
      catalog.discovered(provider, rowsOf(found.filter((finding) => finding.provider === provider)))
    }
    settle()
  }
  await look()
  checkProbeFilter(catalog.snapshot(), config.probes ?? NO_FILTER)

  let probed: ReadonlyMap<EndpointId, Probed> = new Map()
  let probedFrom: readonly unknown[] = []
  const probedNow = (): ReadonlyMap<EndpointId, Probed> => {
    const from = [catalog.snapshot(), providers, config.probes]
    if (from.some((it, at) => it !== probedFrom[at])) {
      probedFrom = from
      const { credentials } = providers
      probed = config.probes === null ? new Map()
        : probedOf(catalog.snapshot(), config.probes, { hasCredential: (provider) => credentials(provider).length > 0, matches: matchesPattern })
    }
    return probed
  }

  let then: CatalogThen | null = null
  let thenOf: readonly unknown[] = []
  const catalogThen = (): CatalogThen => {
    const recipe = catalog.recipe()
    if (then === null || thenOf[0] !== recipe || thenOf[1] !== providers) {
      const keys = [...catalog.snapshot().providers.keys()].map((slug) => [slug, providers.credentials(slug)] as const)
      then = { recipe, keys: Object.fromEntries(keys.filter(([, of]) => of.length > 0)) }
      thenOf = [recipe, providers]
    }
    return then
  }
  const past = given.recall && createPast({ recall: given.recall, catalog })
  const admission = createAdmission({ ambient, limits: () => config.limits })
  let upstreamRules = upstreamRulesOf(config)
  const large = createLargeBodies()
  const upstreams = createUpstreams({ ambient, limits: (provider) => upstreamRules.own.get(provider) ?? upstreamRules.others })
  const judge = createJudge()
  const download = createGuardedFetch({ allow: [] })
  const pdfs = createPdfReader()
  const search = createSearch({
    settings: () => {
      const { engine, timeoutMs, engines } = config.webSearch
      const revealedKeys = Object.entries(engines).map(([name, { apiKey, ...rest }]) => [name, { ...rest, key: apiKey?.reveal() ?? null }])
      return { engine, timeoutMs, engines: Object.fromEntries(revealedKeys) }
    },
    send: (request, { timeoutMs, departure }) => askJson(net, request, { timeoutMs, maxBytes: SEARCH_MAX_BYTES, departure }),
  })
  let pageFetch = createGuardedFetch({ allow: config.serverTools.pageHosts })
  const page = createPageReader({
    bounds: () => ({ maxBytes: config.serverTools.pageMaxBytes, timeoutMs: config.serverTools.pageTimeoutMs }),
    download: (url, bounds) => pageFetch(url, bounds),
    pdf: (bytes) => pdfs.read(bytes, config.fileParser),
  })
  const gateway = createGateway({
    judge, mend,
    admission, upstreams, large,
    offer: (reference, operation) => catalog.snapshot().offer(reference, operation),
    models: () => catalog.snapshot(),
    routerRules: () => rules,
    stages: [
      variants(), moderation({ rules: () => config.moderation, mend, read: parseUpstream }), webSearch({ available: search.available, search: search.ask, native: searchesItself, now: ambient.now }),
      fileParser({ bounds: () => config.fileParser, read: pdfs.read, download, hash: sha256 }),
      serverTools({
        available: search.available, search: search.ask, page, pageCharacters: () => config.serverTools.pageMaxCharacters, read: parseUpstream,
        unknown: (reference) => {
          const found = catalog.snapshot().offer(reference, 'chat')
          if ('fault' in found) return found.fault.message
          return 'router' in found && found.router.router === 'fusion' ? `${reference} is a panel of models itself` : null
        },
        panelTools: () => ['web_search', 'web_fetch']
          .filter((name) => !config.serverTools.disabled.includes(`openrouter:${name}`) && (name !== 'web_search' || search.available().usual !== null))
          .map((name) => ({ name, settings: {}, field: 'tools' })),
        rules: () => config.serverTools, now: ambient.now, monotonic: ambient.monotonic, id: () => `st_${Buffer.from(ambient.bytes(12)).toString('hex')}`,
      }),
      contextCompression(), cacheMarks({ automatic: () => config.promptCaching.automatic }), reasoningExclude(),
      responseHealing({ judge, read: parseUpstream, enforce: () => config.structuredOutput.enforce }),
    ],
    dialects: DIALECTS,
    locals: new Map([[DEMO, createDemo({ pace: config.demoPace })]]),
    providers: () => providers,
    health,
    affinity,
    measured: (endpoint) => given.measured?.().get(endpoint) ?? null,
    policy: () => policy,
    timeouts: (provider): Timeouts => {
      const own = config.providers[provider]?.timeouts
      return own ? { ...config.timeouts, ...own } : config.timeouts
    },
    net, download, tokens, record: given.record, ambient,
    ...(past && { past }),
    ...(given.alarm && { alarm: given.alarm }),
  })
  return {
    catalog, gateway, admission, upstreams, large,
    providers: () => providers,
    workspace: (id) => config.workspaces[id]?.provider,
    locals: () => found,
    probed: probedNow,
    standing: async () => ({ health: await summaryOf({ health, now: ambient.now(), measured: given.measured?.(), policy }), catalog: catalogThen(), policy }),
    reload(next) {
      const nextRules = rulesOf(next)
      catalog.reload(catalogInput(next))
      try {
        checkProbeFilter(catalog.snapshot(), next.probes ?? NO_FILTER)
      } catch (error) {
        catalog.reload(catalogInput(config))
        throw error
      }
      if (String(next.serverTools.pageHosts) !== String(config.serverTools.pageHosts)) pageFetch = createGuardedFetch({ allow: next.serverTools.pageHosts })
      config = next
      upstreamRules = upstreamRulesOf(config)
      policy = { ...DEFAULT_POLICY, ...config.routing }
      rules = nextRules
      health.adopt(config.routing)
      affinity.adopt(config.routing)
      settle()
      look().catch(given.onError ?? (() => {}))
    },
    async close() {
      admission.close()
      await tokens.close()
      await pdfs.close()
      await net.close()
    },
  }
}

/** Whether the provider of an endpoint searches the web when it is asked to, in a request such as this one. */
function searchesItself(endpoint: Endpoint, request: ChatRequest, wish: SearchWish): boolean {
  return (DIALECTS.get(endpoint.dialect ?? '')?.outbound?.withSearch?.(request, wish, endpoint) ?? null) !== null
}

/** The first thing that almost-JSON may have been meant to be. */
function mend(text: string): { readonly text: string; readonly truncated: boolean } | null {
  for (const { text: mended, flaws } of repairs(text, parseUpstream)) return { text: mended, truncated: flaws.includes('truncated') }
  return null
}

/** As hex; made off the event loop, which 20 MB would hold up. */
async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

/** The rules of router models with the operator's changes. A ConfigError when their default task is not among them. */
function rulesOf({ autoRouter }: Config): RouterRules {
  const rules = routerRules(autoRouter)
  if (!Object.hasOwn(rules.tasks, rules.defaultTask)) {
    throw new ConfigError(`auto_router.default_task must be one of ${Object.keys(rules.tasks).join(', ')}, is ${JSON.stringify(rules.defaultTask)}`)
  }
  return rules
}

/** What plans read of health, gathered in slices, so that no stream waits for it. */
async function summaryOf({ health, now, measured = new Map(), policy }: {
  readonly health: Health
  readonly now: number
  readonly measured?: ReadonlyMap<string, Measured>
  readonly policy: RoutingPolicy
}): Promise<HealthSummary> {
  const endpoints: Record<string, SummaryEntry> = {}
  let seen = 0
  for (const [id, entry] of health.entries(now)) {
    if (entry !== null) endpoints[id] = entry
    if (++seen % SUMMARY_SLICE === 0) await setImmediate()
  }
  const deciding = [...measured].filter(([, { tools }]) => policy.balance === 'measured' || (tools?.requests ?? 0) >= policy.toolRequests)
  return { endpoints, keys: health.benched(now), ...(deciding.length > 0 && { measured: Object.fromEntries(deciding) }) }
}

/** What plans were made from at a past moment, put together again; the last catalogue is remembered, for a comparison asks twice. */
function createPast({ recall, catalog }: { readonly recall: AppHistory['recall']; readonly catalog: Catalog }): (at: number) => Promise<Past> {
  let last: { readonly hash: string; readonly snapshot: Snapshot } | null = null
  return async (at) => {
    const { health, policy, catalog: { hash, value: { recipe, keys } }, at: asOf } = await recall(at)
    const snapshot = last?.hash === hash ? last.snapshot : catalog.made(recipe)
    if (snapshot === null) {
      throw new FaultError(fault('invalid-request', `at: the catalogue of that moment came with another version of Signalbox (its seed is ${recipe.seed}); `
        + `that version can explain it`, { field: 'at' }))
    }
    last = { hash, snapshot }
    const credentials = (provider: string): readonly Credential[] => Object.hasOwn(keys, provider) ? keys[provider]! : []
    return {
      catalog: hash, policyVersion: policy.hash,
      offer: (reference, operation) => snapshot.offer(reference, operation),
      models: () => snapshot,
      providers: () => ({ credentials }),
      given: { health: viewOf(health), measured: measuredIn(health), policy: { ...DEFAULT_POLICY, ...policy.value }, credentials, now: asOf },
    }
  }
}

/** What the catalogue is made from: the operator's rows, and the dialects that can be spoken here. */
export function catalogInput(config: Config): Parameters<typeof createCatalog>[0] {
  const faces = [...DIALECTS].flatMap(([name, { outbound }]) => (outbound ? [[name, outbound.unspoken ?? NOTHING] as const] : []))
  const facesOf = {
    completion: namesOf(({ outbound, continues }) => outbound !== undefined && continues === true),
    embedding: namesOf(({ embed }) => embed?.outbound !== undefined),
    rerank: namesOf(({ rerank }) => rerank?.outbound !== undefined),
  }
  return { overlay: config.overlay, faces: new Set(faces.map(([name]) => name)), facesOf, unspoken: new Map(faces), settings: config.settings }
}

const namesOf = (has: (dialect: Dialect) => boolean): ReadonlySet<string> =>
  new Set([...DIALECTS].flatMap(([name, dialect]) => (has(dialect) ? [name] : [])))

/** How many calls may be under way at each provider. */
function upstreamRulesOf({ limits, providers }: Config): { readonly own: ReadonlyMap<string, PlacesRules>; readonly others: PlacesRules } {
  const { keyShare, queueMs, concurrentRequestsPerProvider } = limits
  const own = new Map<string, PlacesRules>()
  for (const [slug, { concurrentRequests }] of Object.entries(providers)) {
    if (concurrentRequests !== null) own.set(slug, { limit: concurrentRequests, keyShare, queueMs })
  }
  return { own, others: { limit: concurrentRequestsPerProvider, keyShare, queueMs } }
}

type Means = NonNullable<Parameters<typeof createProviders>[0]['means']>

function providersOf(catalog: Catalog, config: Config, found: readonly LocalFinding[], means: Means): Providers {
  const rows = catalog.snapshot().providers
  return createProviders({
    rows: rows.values(),
    means,
    file: (variable) => config.secretFile(variable)?.reveal() ?? null,
    grant: (slug) => {
      const said = config.providers[slug]
      return said ? {
        apiKey: said.apiKey?.reveal() ?? null,
        enabled: said.enabled,
        credentials: revealed(said.credentials),
        credentialsFile: said.credentialsFile?.reveal() ?? null,
        headers: revealed(said.headers),
        settings: config.settings(slug, rows.get(slug)?.env),
        hasAddress: said.baseUrl !== null,
      } : null
    },
    secret: (variable) => config.secret(variable)?.reveal() ?? null,
    discovered: new Set(found.map((finding) => finding.provider)),
    builtin: BUILTIN,
  })
}

const revealed = (of: Readonly<Record<string, Secret>>): Record<string, string> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, value.reveal()]))

/** Models of a local server are endpoints at price 0; `ollama/llama3.2:3b` is how they are asked for. */
function rowsOf(findings: readonly LocalFinding[]): Parameters<Catalog['discovered']>[1] {
  const rows = findings.flatMap(({ provider, models }) => models.map((model) => ({ provider, model, id: `${provider}/${model}` })))
  return {
    models: rows.map(({ id, model }) => ({ id, name: model })),
    endpoints: rows.map(({ id, provider, model }) => ({ model: id, provider, provider_model_id: model, pricing: 'free' as const })),
  }
}

/** The JSON at an address that the operator or the catalogue names; null when there is none within the bounds. */
export async function getJson(net: Net, url: string, bounds: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<unknown> {
  let abort = (): void => {}
  const timer = setTimeout(() => abort(), bounds.timeoutMs)
  try {
    const response = await net.send({
      url, method: 'GET', headers: ['accept', 'application/json'], body: null, connectMs: bounds.timeoutMs,
      control: (way) => { abort = way },
    })
    const chunks: Uint8Array[] = []
    for (let length = 0; response.status === 200 && length <= bounds.maxBytes;) {
      const chunk = await response.read()
      if (chunk === null) {
        const parsed = parseUpstream(Buffer.concat(chunks))
        return 'value' in parsed ? parsed.value : null
      }
      length += chunk.length
      chunks.push(chunk)
    }
    response.abort()
    return null
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

const SIGN_IN_MS = 10_000
const SIGN_IN_MAX_BYTES = 256 * 1024

/** Sends a form to the token endpoint of a provider's sign-in. Rejects with a FaultError; nothing that was sent is in it. */
async function postForm(
  net: Net, url: string, form: Readonly<Record<string, string>>, headers: readonly string[] = [],
): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  let abort = (): void => {}
  let late = false
  const timer = setTimeout(() => {
    late = true
    abort()
  }, SIGN_IN_MS)
  try {
    const response = await net.send({
      url, method: 'POST', body: new URLSearchParams(form).toString(), connectMs: SIGN_IN_MS,
      headers: ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json', ...headers],
      control: (way) => { abort = way },
    })
    const chunks: Uint8Array[] = []
    for (let length = 0; length <= SIGN_IN_MAX_BYTES;) {
      const chunk = await response.read()
      if (chunk === null) return { status: response.status, body: Buffer.concat(chunks) }
      length += chunk.length
      chunks.push(chunk)
    }
    response.abort()
    throw new FaultError(fault('invalid-response', "The answer of a provider's sign-in was too large"))
  } catch (error) {
    if (!late) throw error
    throw new FaultError(fault('timeout', "A provider's sign-in did not answer in time"))
  } finally {
    clearTimeout(timer)
  }
}

const SEARCH_MAX_BYTES = 4 * 1024 * 1024

/**
 * Asks an address of the operator's for JSON: the status of its answer, and what it says, null where that is no JSON.
 * Rejects with a FaultError; nothing that was sent is in it.
 */
async function askJson(
  net: Net, request: { readonly method: 'GET' | 'POST'; readonly url: string; readonly headers: readonly string[]; readonly body: string | null },
  bounds: { readonly timeoutMs: number; readonly maxBytes: number; readonly departure: Departure },
): Promise<{ readonly status: number; readonly body: unknown }> {
  let abort = (): void => {}
  let late = false
  const leave = (): void => abort()
  const timer = setTimeout(() => {
    late = true
    abort()
  }, bounds.timeoutMs)
  bounds.departure.listen(leave)
  try {
    const response = await net.send({ ...request, connectMs: bounds.timeoutMs, control: (way) => { abort = way } })
    const chunks: Uint8Array[] = []
    for (let length = 0; length <= bounds.maxBytes;) {
      const chunk = await response.read()
      if (chunk === null) {
        const parsed = parseUpstream(Buffer.concat(chunks))
        return { status: response.status, body: 'value' in parsed ? parsed.value : null }
      }
      length += chunk.length
      chunks.push(chunk)
    }
    response.abort()
    throw new FaultError(fault('invalid-response', 'A search engine answered more than a list of results can be'))
  } catch (error) {
    if (bounds.departure.gone) throw new FaultError(fault('cancelled', 'The caller left'))
    if (late) throw new FaultError(fault('timeout', 'A search engine did not answer in time'))
    throw error
  } finally {
    clearTimeout(timer)
    bounds.departure.ignore(leave)
  }
}
