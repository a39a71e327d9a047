import type { Ambient, JsonObject } from '../core/index.ts'
import { readColumn, type Store } from '../store/index.ts'
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
}

export interface Responses {
  /** Keeps a response. `response` is its JSON. Rejects when the database does not take it. */
  keep(what: { readonly id: string; readonly workspace: string; readonly key: string; readonly createdAt: number; readonly items: readonly Item[]; readonly response: string }): Promise<void>
  /** null for one that was not kept, is of another workspace, or whose time is over: nobody is told which. */
  find(workspace: string, id: string): Promise<Kept | null>
  /** Says whether there was one. */
  remove(workspace: string, id: string): Promise<boolean>
  /** Removes those whose time is over. To be called now and then. */
  prune(): Promise<void>
}

export interface ResponsesSettings {
  /** How long a response is kept. */
  readonly retentionDays: number
}

const DAY_MS = 86_400_000
/** How many rows are removed before others may write. */
const PRUNED_AT_ONCE = 200

export function createResponses({ store, vault, ambient, settings }: {
  readonly store: Store
  readonly vault: Vault
  readonly ambient: Ambient
  readonly settings: () => ResponsesSettings
}): Responses {
  const { db } = store
  const placeOf = (workspace: string, id: string): string => `responses|${workspace}|${id}|content`

  return {
    async keep({ id, workspace, key, createdAt, items, response }) {
      const content = vault.seal(`{"items":${JSON.stringify(items)},"response":${response}}`, placeOf(workspace, id))
      await db.insertInto('responses').values({
        id, workspace, key_id: key, created_at: createdAt, expires_at: ambient.now() + settings().retentionDays * DAY_MS, content,
      }).execute()
    },
    async find(workspace, id) {
      const row = await db.selectFrom('responses').select(['created_at', 'content'])
        .where('id', '=', id).where('workspace', '=', workspace).where('expires_at', '>', ambient.now()).executeTakeFirst()
      if (!row) return null
      return { id, createdAt: row.created_at, ...readColumn<Pick<Kept, 'items' | 'response'>>(vault.open(row.content, placeOf(workspace, id))) }
    },
    async remove(workspace, id) {
      const removed = await db.deleteFrom('responses').where('id', '=', id).where('workspace', '=', workspace)
        .where('expires_at', '>', ambient.now()).returning('id').execute()
      return removed.length > 0
    },
    async prune() {
      for (;;) {
        const over = await db.selectFrom('responses').select('id').where('expires_at', '<=', ambient.now()).limit(PRUNED_AT_ONCE).execute()
        if (over.length === 0) return
        await db.deleteFrom('responses').where('id', 'in', over.map(({ id }) => id)).execute()
      }
    },
  }
}
