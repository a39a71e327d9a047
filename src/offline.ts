import { createAccounts, openPeppers, type Accounts } from './accounts/index.ts'
import { ConfigError, createCatalog, diffTable, isListed, overlayYaml, syncCatalog, type Change } from './catalog/index.ts'
import { catalogInput, createCallPath, getJson, probesOf, type AppHistory } from './app.ts'
import type { Config } from './config/index.ts'
import { fault, FaultError, type Ambient } from './core/index.ts'
import { DIALECTS, parseBody } from './dialects/index.ts'
import { createFeedback, type PageFeedback } from './feedback/index.ts'
import { readExplaining, type Explanation } from './gateway/index.ts'
import { createHistory } from './history/index.ts'
import type { Probes } from './jobs/index.ts'
import { createNet } from './net/index.ts'
import { createDemoTraffic, createFigures, createRollups, demoCalls, LONG_STEP, type DemoGiven } from './stats/index.ts'
import { openStore } from './store/index.ts'

/** Parts of the app for the command line, without a server and beside a running one. */

export interface AccountsHandle {
  readonly accounts: Accounts
  close(): Promise<void>
}

/** Opens the keys of the configured database. */
export async function openAccounts(given: { readonly config: Config; readonly ambient: Ambient }): Promise<AccountsHandle> {
  const store = await openStore({ url: given.config.databaseUrl, home: given.config.home })
  const peppers = await openPeppers({ store, home: given.config.home, ambient: given.ambient })
  const accounts = createAccounts({ store, peppers, ambient: given.ambient })
  return {
    accounts,
    async close() {
      accounts.close()
      await store.close()
    },
  }
}

/** Makes all figures again from the records; works beside a running server. Returns how many records were added up. */
export async function rebuildFigures(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly progress: (added: number) => void
}): Promise<number> {
  const store = await openStore({ url: given.config.databaseUrl, home: given.config.home })
  try {
    return await createRollups({ store, ambient: given.ambient, step: LONG_STEP }).rebuild(given.progress)
  } finally {
    await store.close()
  }
}

/** How much of a demonstration there is by default, and of how many models. */
const DEMO = { days: 60, calls: 20_000, models: 40, seed: 1 } as const

/** What was done of a demonstration so far. */
export interface DemoProgress {
  readonly done: 'written' | 'added up' | 'removed'
  readonly calls: number
}

/** The models of a demonstration, the newest first, each with the endpoints that have a price. */
export function demoModels(config: Config): DemoGiven['models'] {
  const snapshot = createCatalog(catalogInput(config)).snapshot()
  return snapshot.models.filter((entry) => isListed(entry) && entry.row.kind === 'chat' && entry.row.alias_target === undefined && !entry.row.id.includes(':'))
    .toSorted((a, b) => (b.row.created ?? 0) - (a.row.created ?? 0) || (a.row.id < b.row.id ? -1 : 1))
    .map(({ row }) => ({ id: row.id, endpoints: snapshot.endpointsOf(row.id).filter(({ price, simulated, disabled, tier }) => price !== null && !simulated && !disabled && tier === 'default') }))
    .filter(({ endpoints }) => endpoints.length > 0).slice(0, DEMO.models)
}

/**
 * Writes the records of a demonstration, sixty days of calls of the catalogue's newest models, and has them added up as
 * any calls are; works beside a running server. Throws a ConfigError when there is one already.
 */
export async function seedDemo(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly calls?: number
  readonly seed?: number
  readonly progress?: (progress: DemoProgress) => void
}): Promise<{ readonly calls: number; readonly days: number; readonly models: number }> {
  const { config, ambient, calls = DEMO.calls, seed = DEMO.seed, progress } = given
  const models = demoModels(config)
  const store = await openStore({ url: config.databaseUrl, home: config.home })
  try {
    const demo = createDemoTraffic({ store, ambient })
    if (await demo.isIn()) throw new ConfigError('there is demo traffic already; seed --remove takes it out')
    const made = demoCalls({ models, now: ambient.now(), days: DEMO.days, calls, seed })
    const written = await demo.write(made, (count) => progress?.({ done: 'written', calls: count }))
    // A server beside this may take its turns and add some of them.
    await createRollups({ store, ambient, step: LONG_STEP }).catchUp((count) => progress?.({ done: 'added up', calls: count }))
    return { calls: written, days: DEMO.days, models: models.length }
  } finally {
    await store.close()
  }
}

/** Takes a demonstration out again, and makes the figures of what is left. Returns how many records went. */
export async function removeDemo(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly progress?: (progress: DemoProgress) => void
}): Promise<number> {
  const { config, ambient, progress } = given
  const store = await openStore({ url: config.databaseUrl, home: config.home })
  try {
    return await createDemoTraffic({ store, ambient }).remove((calls) => progress?.({ done: 'removed', calls }))
  } finally {
    await store.close()
  }
}

/**
 * Explains a chat request, given as JSON text, for now or for a moment that a server kept, by the policy in force or by
 * another. Throws a FaultError when it is no request, no model answers to it, or nothing is known of the moment.
 */
export async function explainRequest(given: {
  readonly config: Config
  readonly ambient: Ambient
  readonly text: string
  readonly at?: unknown
  readonly policy?: unknown
}): Promise<Explanation> {
  const { config, ambient } = given
  const how = readExplaining(given)
  const parsed = parseBody(given.text)
  if ('fault' in parsed) throw new FaultError(parsed.fault)
  const decoded = DIALECTS.get('openai-chat')!.inbound!.decode(parsed.value)
  if ('fault' in decoded) throw new FaultError(decoded.fault)
  if (decoded.asked.preset !== undefined) {
    throw new FaultError(fault('invalid-request', 'preset: belongs to a workspace, which a command line has none of; ask a running server: POST /api/v1/route/explain', { field: 'preset' }))
  }
  const store = how.at === undefined ? null : await openStore({ url: config.databaseUrl, home: config.home })
  const history: AppHistory | null = store && createHistory({ store, ambient })
  const path = await createCallPath({ config, ambient, record: () => {}, ...(history && { recall: history.recall }) })
  try {
    const explained = await path.gateway.explain(decoded.asked, how)
    if ('fault' in explained) throw new FaultError(explained.fault)
    return explained
  } finally {
    await path.close()
    await store?.close()
  }
}

/** What probes showed and cost, of the endpoints that they are for; nothing is sent. Null where the configuration asks for none. */
export async function readProbes({ config, ambient }: { readonly config: Config; readonly ambient: Ambient }): Promise<Awaited<ReturnType<Probes['report']>> | null> {
  if (config.probes === null) return null
  const store = await openStore({ url: config.databaseUrl, home: config.home })
  const path = await createCallPath({ config, ambient, record: () => {} })
  try {
    return await probesOf({
      path, store, ambient, figures: createFigures({ store, ambient }), rules: () => config.probes, say: () => {}, onError: () => {},
    }).report()
  } finally {
    await path.close()
    await store.close()
  }
}

/** What readers said of the pages of the manual; works beside a running server. */
export async function readFeedback({ config, ambient }: { readonly config: Config; readonly ambient: Ambient }): Promise<readonly PageFeedback[]> {
  const store = await openStore({ url: config.databaseUrl, home: config.home })
  try {
    return await createFeedback({ store, ambient }).read()
  } finally {
    await store.close()
  }
}

/** A live list beside the catalogue: what differs, as a table and as rows for the operator's file. */
export async function compareWithLive(config: Config, source: string): Promise<{
  readonly diff: readonly Change[]
  readonly table: string
  readonly yaml: string
}> {
  const net = createNet()
  try {
    const catalog = createCatalog(catalogInput(config))
    const result = await syncCatalog(source, {
      snapshot: catalog.snapshot(),
      settings: config.settings,
      get: async (url) => {
        const body = await getJson(net, url, { timeoutMs: 30_000, maxBytes: 64 * 1024 * 1024 })
        if (body === null) throw new FaultError({ kind: 'connection', message: `${new URL(url).host} answered no list` })
        return body
      },
    })
    return { diff: result.diff, table: diffTable(result), yaml: overlayYaml(result.overlay) }
  } finally {
    await net.close()
  }
}
