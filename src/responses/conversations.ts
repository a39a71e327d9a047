import { fault, type Ambient, type Fault, type JsonObject } from '../core/index.ts'
import { readColumn, type Schema, type Store } from '../store/index.ts'
import { inputItems, type Item } from './turns.ts'
import type { Vault } from './vault.ts'

/** A conversation without what was said in it. */
export interface Conversation {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly metadata: JsonObject
}

/** A turn of a conversation: nobody else may have one, or change what was said, until it is over. */
export interface Turn {
  /** What was said before. */
  readonly items: readonly Item[]
  /** Adds what was said, and what `response` (JSON) answered; then the turn is over. Rejects when that cannot be kept. */
  end(said: readonly Item[], response: string): Promise<void>
  /** The turn is over, and nothing was said. Nothing happens when it is over already. */
  leave(): Promise<void>
}

export interface Page {
  readonly after?: string | undefined
  readonly limit: number
  readonly order: 'asc' | 'desc'
}

/** Conversations of workspaces. null everywhere is one that is not there, is another's, or whose time is over. */
export interface Conversations {
  create(what: { readonly workspace: string; readonly key: string; readonly items: readonly unknown[]; readonly metadata: JsonObject }): Promise<Conversation | Fault>
  find(workspace: string, id: string): Promise<Conversation | null>
  update(workspace: string, id: string, metadata: JsonObject): Promise<Conversation | null>
  remove(workspace: string, id: string): Promise<boolean>
  /** Adds items, and returns them as they are kept, each with its id. */
  add(workspace: string, id: string, items: readonly unknown[]): Promise<readonly Item[] | Fault | null>
  page(workspace: string, id: string, page: Page): Promise<{ readonly items: readonly Item[]; readonly more: boolean } | Fault | null>
  item(workspace: string, id: string, item: string): Promise<Item | null>
  removeItem(workspace: string, id: string, item: string): Promise<Conversation | Fault | null>
  turn(workspace: string, id: string): Promise<Turn | Fault | null>
}

const DAY_MS = 86_400_000
const ID_BYTES = 24

export function createConversations({ store, vault, ambient, settings, onError }: {
  readonly store: Store
  readonly vault: Vault
  readonly ambient: Ambient
  readonly settings: () => { readonly retentionDays: number; readonly backgroundLeaseMs: number }
  readonly onError: (error: Error) => void
}): Conversations {
  const { db } = store
  type Reader = Pick<typeof db, 'selectFrom'>
  type Writer = Pick<typeof db, 'insertInto' | 'selectFrom' | 'updateTable'>
  type Row = Pick<Schema['conversations'], 'id' | 'created_at' | 'content' | 'next' | 'turn' | 'turn_until_at'>

  const random = (bytes: number): string => Buffer.from(ambient.bytes(bytes)).toString('hex')
  const keptUntil = (): number => ambient.now() + settings().retentionDays * DAY_MS
  const leasedUntil = (): number => ambient.now() + settings().backgroundLeaseMs
  const ownPlace = (workspace: string, id: string): string => `conversations|${workspace}|${id}|content`
  const itemPlace = (workspace: string, id: string, item: string): string => `conversations|${workspace}|${id}|item|${item}`

  const rowOf = async (reader: Reader, workspace: string, id: string): Promise<Row | null> =>
    await reader.selectFrom('conversations').select(['id', 'created_at', 'content', 'next', 'turn', 'turn_until_at'])
      .where('id', '=', id).where('workspace', '=', workspace).where('expires_at', '>', ambient.now()).executeTakeFirst() ?? null
  const opened = (workspace: string, { id, created_at, content }: Row): Conversation =>
    ({ id, createdAt: created_at, metadata: readColumn(vault.open(content, ownPlace(workspace, id))) })
  const openItem = (workspace: string, id: string, row: { readonly id: string; readonly content: string }): Item =>
    readColumn(vault.open(row.content, itemPlace(workspace, id, row.id)))
  const busy = ({ turn, turn_until_at: until }: Row): boolean => turn !== null && until > ambient.now()

  /** A transaction that nobody else has on the same conversation; null where there is none. */
  const on = <T>(workspace: string, id: string, work: (writer: Writer & Pick<typeof db, 'deleteFrom'>, row: Row) => Promise<T>): Promise<T | null> =>
    store.exclusively(`conversation ${id}`, async (trx) => {
      const row = await rowOf(trx, workspace, id)
      return row === null ? null : work(trx, row)
    })

  const append = async (writer: Writer, workspace: string, id: string, from: number, items: readonly Item[]): Promise<void> => {
    for (const [at, item] of items.entries()) {
      const own = String(item['id'])
      await writer.insertInto('conversation_items').values({
        conversation: id, place: from + at, id: own, content: vault.seal(JSON.stringify(item), itemPlace(workspace, id, own)),
      }).execute()
    }
    await writer.updateTable('conversations').set({ next: from + items.length, expires_at: keptUntil() }).where('id', '=', id).execute()
  }
  /** Says which of the items has an id that is there already, or comes twice. */
  const clash = async (reader: Reader, id: string, items: readonly Item[]): Promise<Fault | null> => {
    const ids = items.map((item) => String(item['id']))
    if (ids.length === 0) return null
    const taken = new Set((await reader.selectFrom('conversation_items').select('id').where('conversation', '=', id).where('id', 'in', ids).execute()).map((row) => row.id))
    const at = ids.findIndex((own, place) => taken.has(own) || ids.indexOf(own) < place)
    if (at < 0) return null
    const field = `items[${at}].id`
    return fault('invalid-request', `${field}: the conversation has an item ${JSON.stringify(ids[at])} already: leave the id out, and it is given one`, { field })
  }
  /** Items under ids of their own. */
  const named = (items: readonly unknown[]): Item[] => inputItems(items, `-${random(12)}`)

  const createTurn = (workspace: string, id: string, token: string, items: readonly Item[]): Turn => {
    let over = false
    const renewing = setInterval(() => {
      db.updateTable('conversations').set({ turn_until_at: leasedUntil() }).where('id', '=', id).where('turn', '=', token).execute()
        .catch((error: unknown) => onError(error as Error))
    }, settings().backgroundLeaseMs / 4).unref()
    const ended = (): void => {
      over = true
      clearInterval(renewing)
    }
    return {
      items,
      async end(said, response) {
        if (over) return
        ended()
        const { output } = readColumn<{ readonly output: readonly Item[] }>(response)
        const written = await on(workspace, id, async (writer, row) => {
          if (row.turn !== token) throw new Error(`the turn of conversation ${id} was over before its end`)
          await append(writer, workspace, id, row.next, [...said, ...output])
          await writer.updateTable('conversations').set({ turn: null, turn_until_at: 0 }).where('id', '=', id).execute()
          return true
        })
        if (written === null) throw new Error(`conversation ${id} was deleted during its turn`)
      },
      async leave() {
        if (over) return
        ended()
        await db.updateTable('conversations').set({ turn: null, turn_until_at: 0 }).where('id', '=', id).where('turn', '=', token).execute()
          .catch((error: unknown) => onError(error as Error))
      },
    }
  }

  return {
    async create({ workspace, key, items, metadata }) {
      const id = `conv_${random(ID_BYTES)}`
      const all = named(items)
      const createdAt = ambient.now()
      return store.db.transaction().execute(async (trx) => {
        await trx.insertInto('conversations').values({
          id, workspace, key_id: key, created_at: createdAt, expires_at: keptUntil(), content: vault.seal(JSON.stringify(metadata), ownPlace(workspace, id)),
          next: 0, turn: null, turn_until_at: 0,
        }).execute()
        const problem = await clash(trx, id, all)
        if (problem !== null) {
          await trx.deleteFrom('conversations').where('id', '=', id).execute()
          return problem
        }
        await append(trx, workspace, id, 0, all)
        return { id, createdAt, metadata }
      })
    },
    async find(workspace, id) {
      const row = await rowOf(db, workspace, id)
      return row && opened(workspace, row)
    },
    update: (workspace, id, metadata) => on(workspace, id, async (writer, row) => {
      const content = vault.seal(JSON.stringify(metadata), ownPlace(workspace, id))
      await writer.updateTable('conversations').set({ content, expires_at: keptUntil() }).where('id', '=', id).execute()
      return opened(workspace, { ...row, content })
    }),
    async remove(workspace, id) {
      const removed = await db.deleteFrom('conversations').where('id', '=', id).where('workspace', '=', workspace)
        .where('expires_at', '>', ambient.now()).returning('id').execute()
      return removed.length > 0
    },
    add: (workspace, id, items) => on(workspace, id, async (writer, row) => {
      if (busy(row)) return BUSY
      const all = named(items)
      const problem = await clash(writer, id, all)
      if (problem !== null) return problem
      await append(writer, workspace, id, row.next, all)
      return all
    }),
    async page(workspace, id, { after, limit, order }) {
      if (await rowOf(db, workspace, id) === null) return null
      let query = db.selectFrom('conversation_items').select(['id', 'content']).where('conversation', '=', id)
      if (after !== undefined) {
        const from = await db.selectFrom('conversation_items').select('place').where('conversation', '=', id).where('id', '=', after).executeTakeFirst()
        if (!from) return fault('invalid-request', `after: there is no item ${JSON.stringify(after)} in this list`, { field: 'after' })
        query = query.where('place', order === 'asc' ? '>' : '<', from.place)
      }
      const rows = await query.orderBy('place', order).limit(limit + 1).execute()
      return { items: rows.slice(0, limit).map((row) => openItem(workspace, id, row)), more: rows.length > limit }
    },
    async item(workspace, id, item) {
      if (await rowOf(db, workspace, id) === null) return null
      const row = await db.selectFrom('conversation_items').select(['id', 'content']).where('conversation', '=', id).where('id', '=', item).executeTakeFirst()
      return row ? openItem(workspace, id, row) : null
    },
    removeItem: (workspace, id, item) => on(workspace, id, async (writer, row) => {
      if (busy(row)) return BUSY
      const removed = await writer.deleteFrom('conversation_items').where('conversation', '=', id).where('id', '=', item).returning('id').execute()
      return removed.length === 0 ? null : opened(workspace, row)
    }),
    async turn(workspace, id) {
      const token = random(9)
      const begun = await on(workspace, id, async (writer, row) => {
        if (busy(row)) return BUSY
        await writer.updateTable('conversations').set({ turn: token, turn_until_at: leasedUntil() }).where('id', '=', id).execute()
        return null
      })
      if (begun !== null) return begun
      // Nobody adds to it from here on; and one that is not there has no items and no turn.
      const row = await rowOf(db, workspace, id)
      if (row === null || row.turn !== token) return null
      const rows = await db.selectFrom('conversation_items').select(['id', 'content']).where('conversation', '=', id).orderBy('place').execute()
      return createTurn(workspace, id, token, rows.map((each) => openItem(workspace, id, each)))
    },
  }
}

const BUSY = fault('conflict', 'conversation: another turn of this conversation is under way. Wait until it is over, or cancel it', {
  field: 'conversation', retryAfterMs: 1000, metadata: { code: 'conversation_locked' },
})
