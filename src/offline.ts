import { createAccounts, openPeppers, type Accounts } from './accounts/index.ts'
import { createCatalog, diffTable, overlayYaml, syncCatalog, type Change } from './catalog/index.ts'
import { catalogInput, createCallPath, getJson, type AppHistory } from './app.ts'
import type { Config } from './config/index.ts'
import { fault, FaultError, type Ambient } from './core/index.ts'
import { DIALECTS, parseBody } from './dialects/index.ts'
import { readExplaining, type Explanation } from './gateway/index.ts'
import { createHistory } from './history/index.ts'
import { createNet } from './net/index.ts'
import { createRollups } from './stats/index.ts'
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
    return await createRollups({ store, ambient: given.ambient }).rebuild(given.progress)
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
