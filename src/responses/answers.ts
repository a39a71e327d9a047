import type { Ambient, ChatEvent, KeptAnswer } from '../core/index.ts'
import { readColumn, type Store } from '../store/index.ts'
import type { Vault } from './vault.ts'

/** Complete answers that callers want again when they ask the same: OpenRouter's response cache. */
export interface Answers {
  /** Whether anything is kept here at all. */
  readonly enabled: boolean
  /** null for what was not kept, or whose time is over. `like` says what was asked, and by whom. */
  find(like: string): Promise<KeptAnswer | null>
  /** Keeps an answer in the place of one that was kept before; one that is too large is not. Rejects when the database does not take it. */
  keep(what: { readonly like: string; readonly key: string; readonly answer: KeptAnswer }): Promise<void>
  /** Removes all of a key, and says how many they were. */
  forget(key: string): Promise<number>
  /** Removes those whose time is over, and the oldest beyond the bound. To be called now and then. */
  prune(): Promise<void>
}

export interface AnswersSettings {
  readonly enabled: boolean
  /** Of all that are kept, and of one. */
  readonly maxBytes: number
  readonly maxAnswerBytes: number
}

/** How many rows are removed before others may write. */
const PRUNED_AT_ONCE = 100
/** So much of the bound may be added before somebody looks whether it still holds. */
const LOOK_AFTER = 1 / 16

type Content = Omit<KeptAnswer, 'createdAt' | 'expiresAt' | 'events'> & { readonly events: readonly ChatEvent[] }

export function createAnswers({ store, vault, ambient, settings }: {
  readonly store: Store
  readonly vault: Vault
  readonly ambient: Ambient
  readonly settings: () => AnswersSettings
}): Answers {
  const { db } = store
  const placeOf = (like: string): string => `response_cache|${like}|content`
  let added = 0

  const removeExpired = async (): Promise<void> => {
    for (;;) {
      const over = await db.selectFrom('response_cache').select('id').where('expires_at', '<=', ambient.now()).limit(PRUNED_AT_ONCE).execute()
      if (over.length === 0) return
      await db.deleteFrom('response_cache').where('id', 'in', over.map(({ id }) => id)).execute()
    }
  }
  const removeOldest = async (maxBytes: number): Promise<void> => {
    const all = await db.selectFrom('response_cache').select(({ fn }) => fn.sum<number | string | bigint | null>('size').as('size')).executeTakeFirst()
    let excess = Number(all?.size ?? 0) - maxBytes
    while (excess > 0) {
      const oldest = await db.selectFrom('response_cache').select(['id', 'size']).orderBy('created_at').orderBy('id').limit(PRUNED_AT_ONCE).execute()
      const going: string[] = []
      for (const { id, size } of oldest) {
        if (excess <= 0) break
        going.push(id)
        excess -= Number(size)
      }
      if (going.length === 0) return
      await db.deleteFrom('response_cache').where('id', 'in', going).execute()
    }
  }
  const prune = async (): Promise<void> => {
    added = 0
    await removeExpired()
    await removeOldest(settings().maxBytes)
  }

  return {
    get enabled() { return settings().enabled },
    prune,
    async find(like) {
      const row = await db.selectFrom('response_cache').select(['created_at', 'expires_at', 'content'])
        .where('id', '=', like).where('expires_at', '>', ambient.now()).executeTakeFirst()
      if (!row) return null
      return { ...readColumn<Content>(vault.open(row.content, placeOf(like))), createdAt: row.created_at, expiresAt: row.expires_at }
    },
    async forget(key) {
      const gone = await db.deleteFrom('response_cache').where('key_id', '=', key).returning('id').execute()
      return gone.length
    },
    async keep({ like, key, answer: { createdAt, expiresAt, ...rest } }) {
      const { maxBytes, maxAnswerBytes } = settings()
      const text = JSON.stringify(rest satisfies Content)
      if (Buffer.byteLength(text) > maxAnswerBytes) return
      const content = vault.seal(text, placeOf(like))
      const values = { key_id: key, created_at: createdAt, expires_at: expiresAt, size: content.length, content }
      await db.insertInto('response_cache').values({ id: like, ...values }).onConflict((conflict) => conflict.column('id').doUpdateSet(values)).execute()
      if ((added += content.length) > maxBytes * LOOK_AFTER) await prune()
    },
  }
}
