import type { Ambient, JsonObject } from '../core/index.ts'
import { readColumn, type Store } from '../store/index.ts'
import { createCompactions, type Compactions } from './compactions.ts'
import { createConversations, type Conversations } from './conversations.ts'
import { createEventLog, framesOf } from './event-log.ts'
import { createRuns, type Contents, type EndWords, type Runs, type RunsSettings } from './runs.ts'
import type { Item } from './turns.ts'
import type { Vault } from './vault.ts'

/** A response with what was said before it. */
export interface Kept {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** The input of its request, and of all turns before it that were carried over. */
  readonly items: readonly Item[]
  /** As its caller got it. */
  readonly response: JsonObject
  /** Of one that is still being made. */
  readonly running?: 'queued' | 'in_progress'
}

export interface Responses {
  /**
   * Keeps a response. `response` is its JSON; `frames` are the events of its stream, where it may be read as one again.
   * Rejects when the database does not take it.
   */
  keep(what: {
    readonly id: string; readonly workspace: string; readonly key: string; readonly createdAt: number; readonly items: readonly Item[]; readonly response: string
    readonly frames?: string
  }): Promise<void>
  /** null for one that was not kept, is of another workspace, or whose time is over: nobody is told which. */
  find(workspace: string, id: string): Promise<Kept | null>
  /** Says whether there was one. */
  remove(workspace: string, id: string): Promise<boolean>
  /** Whether the events of its stream were kept. */
  hasEvents(id: string): Promise<boolean>
  /** Removes those whose time is over. To be called now and then. */
  prune(): Promise<void>
  /** Those that are made in the background, and the events of all. */
  readonly runs: Runs
  readonly conversations: Conversations
  readonly compactions: Compactions
}

export interface ResponsesSettings extends RunsSettings {
  /** How long a response is kept. */
  readonly retentionDays: number
}

const DAY_MS = 86_400_000
/** How many rows are removed before others may write. */
const PRUNED_AT_ONCE = 200

export function createResponses({ store, vault, ambient, settings, words, onError = () => {} }: {
  readonly store: Store
  readonly vault: Vault
  readonly ambient: Ambient
  readonly settings: () => ResponsesSettings
  readonly words: EndWords
  readonly onError?: (error: Error) => void
}): Responses {
  const { db } = store
  const placeOf = (workspace: string, id: string): string => `responses|${workspace}|${id}|content`
  const contents: Contents = {
    seal: (workspace, id, { items, response, torn }) =>
      vault.seal(`{"items":${JSON.stringify(items)},"response":${response}${torn ? ',"torn":true' : ''}}`, placeOf(workspace, id)),
    open: (workspace, id, content) => readColumn(vault.open(content, placeOf(workspace, id))),
  }
  const log = createEventLog({ store, vault })
  const conversations = createConversations({ store, vault, ambient, settings, onError })
  const runs = createRuns({ store, log, contents, ambient, settings, words, onError })

  const find = async (workspace: string, id: string): Promise<Kept | null> => {
    const row = await db.selectFrom('responses').leftJoin('response_runs', 'response_runs.id', 'responses.id')
      .select(['responses.created_at', 'responses.content', 'response_runs.status', 'response_runs.until_at'])
      .where('responses.id', '=', id).where('responses.workspace', '=', workspace).where('responses.expires_at', '>', ambient.now()).executeTakeFirst()
    if (!row) return null
    if (row.until_at !== null && row.until_at <= ambient.now()) {
      await runs.bury(id)
      return find(workspace, id)
    }
    const { items, response } = contents.open(workspace, id, row.content)
    return { id, createdAt: row.created_at, items, response: row.status === null ? response : { ...response, status: row.status }, ...(row.status !== null && { running: row.status }) }
  }

  return {
    runs, conversations, find,
    compactions: createCompactions(vault),
    async keep({ id, workspace, key, createdAt, items, response, frames }) {
      const content = contents.seal(workspace, id, { items, response })
      const events = frames === undefined ? [] : [await log.rowOf(workspace, id, framesOf(frames, 0))]
      await db.transaction().execute(async (trx) => {
        await trx.insertInto('responses').values({
          id, workspace, key_id: key, created_at: createdAt, expires_at: ambient.now() + settings().retentionDays * DAY_MS, content,
        }).execute()
        await log.append(trx, events)
      })
    },
    async remove(workspace, id) {
      const removed = await db.deleteFrom('responses').where('id', '=', id).where('workspace', '=', workspace)
        .where('expires_at', '>', ambient.now()).returning('id').execute()
      if (removed.length > 0) runs.forget(id)
      return removed.length > 0
    },
    hasEvents: async (id) => await log.last(db, id) >= 0,
    async prune() {
      for (const table of ['responses', 'conversations'] as const) {
        for (;;) {
          const over = await db.selectFrom(table).select('id').where('expires_at', '<=', ambient.now()).limit(PRUNED_AT_ONCE).execute()
          if (over.length === 0) break
          await db.deleteFrom(table).where('id', 'in', over.map(({ id }) => id)).execute()
        }
      }
    },
  }
}
