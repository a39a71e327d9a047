import { hash as digest, timingSafeEqual } from 'node:crypto'
import type { Selectable, Transaction } from 'kysely'
import { LRUCache } from 'lru-cache'
import { fault, FaultError, type Ambient, type Fault } from '../core/index.ts'
import { readColumn, type KeyTable, type Schema, type Store } from '../store/index.ts'
import { isKeyShaped, labelOf, makeKey, malformed } from './key.ts'
import type { Peppers } from './peppers.ts'
import { changeSettings, createSettingsCheck, type KeySettings, type KeySettingsChange } from './settings.ts'

/** A key as it may be shown. A Fault has `kind`, a KeyRecord has `id`. */
export interface KeyRecord {
  /** SHA-256 of the key, hex: OpenRouter's `hash`. */
  readonly id: string
  readonly name: string
  /** `sk-sb-v1-abc...xyz` */
  readonly label: string
  readonly workspace: string
  readonly disabled: boolean
  readonly settings: KeySettings
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** null until it is changed. */
  readonly updatedAt: number | null
}

export interface Accounts {
  /**
   * Whose key this is, or why it is refused. Answers at once for keys that were seen before, and asks the database
   * for the others. Never throws or rejects: a database that is down is an `unavailable` fault, not a 401.
   */
  authenticate(presented: string | null): KeyRecord | Fault | Promise<KeyRecord | Fault>
  /** Makes a key and shows it, this once. Throws a FaultError when a field is not valid or the workspace unknown. */
  createKey(input: NewKey): Promise<{ readonly key: string; readonly record: KeyRecord }>
  /**
   * Changes a key; settings merge and null removes one. Null when there is no such key.
   * Throws a FaultError when a field is not valid.
   */
  updateKey(id: string, change: KeyChange): Promise<KeyRecord | null>
  /** Newest first. */
  listKeys(filter?: { readonly workspace?: string }): Promise<readonly KeyRecord[]>
  getKey(id: string): Promise<KeyRecord | null>
  /** Says whether there was such a key. */
  deleteKey(id: string): Promise<boolean>
  /** Takes up what other processes changed. To be called each second; rejects when the database cannot be asked. */
  refresh(): Promise<void>
  close(): void
}

export interface NewKey {
  readonly name?: string
  /** `default` unless told otherwise. */
  readonly workspace?: string
  readonly settings?: KeySettings
}

export interface KeyChange {
  readonly name?: string
  readonly disabled?: boolean
  readonly settings?: KeySettingsChange | null
}

const DEFAULT_WORKSPACE = 'default'
const MAX_NAME = 200
/** How long keys that were seen keep working when the database does not answer. */
const STALE_MS = 5 * 60_000
const UNKNOWN_FOR_MS = 1000
const UNKNOWN_MAX = 10_000
const PAGE = 100

const MISSING = fault('unauthenticated', 'No auth credentials found')
const UNKNOWN = fault('unauthenticated', 'User not found. No API key of this server matches the one that was sent.')
const DISABLED = fault('unauthenticated', 'This API key is disabled.')
const UNREACHABLE = fault('unavailable', 'API keys cannot be checked at the moment. Please try again.', { retryAfterMs: 1000 })

type KeyRow = Selectable<KeyTable>
type FoundRow = KeyRow & { pepper_removed_at: number | null }

/** A key that was shown to us and proved genuine. */
interface Seen {
  record: KeyRecord
  row: KeyRow
  /** When the database last spoke of it, on the monotonic clock. */
  confirmedAt: number
}

/**
 * Keys in memory by the SHA-256 of what was presented, over the table that holds them all. What touches the table goes
 * one after the other, so that no answer can overtake a newer one; look-ups of unknown keys that wait meanwhile are
 * gathered into one query, so that a flood of them costs the database one query at a time.
 */
export function createAccounts(given: {
  readonly store: Store
  readonly ambient: Ambient
  readonly peppers: Peppers
  /** Hears of what callers are not told: a row whose HMAC does not match, a pepper that is missing. */
  readonly onError?: (error: Error) => void
}): Accounts {
  const { store, ambient, peppers, onError = () => {} } = given
  const { db } = store
  const seen = new Map<string, Seen>()
  const unknownUntil = new LRUCache<string, number>({ max: UNKNOWN_MAX })
  const asked = new Map<string, PromiseWithResolvers<FoundRow | null>>()
  const checkSettings = createSettingsCheck()
  /** Changes up to this version are known here; null until the first look. */
  let since: number | null = null
  let polledAt = -Infinity
  let closed = false

  let last: Promise<unknown> = Promise.resolve()
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }

  function authenticate(presented: string | null): KeyRecord | Fault | Promise<KeyRecord | Fault> {
    if (presented === null || presented === '') return MISSING
    if (!isKeyShaped(presented)) return refuse(presented)
    const id = digest('sha256', presented, 'hex')
    const known = seen.get(id)
    if (known && ambient.monotonic() - Math.max(polledAt, known.confirmedAt) < STALE_MS) return admit(known.record)
    if ((unknownUntil.get(id) ?? -Infinity) > ambient.monotonic()) return UNKNOWN
    return malformed(presented) === null ? recognise(id, presented) : refuse(presented)
  }

  async function recognise(id: string, presented: string): Promise<KeyRecord | Fault> {
    try {
      const at = ambient.monotonic()
      const row = await find(id)
      // While the database was asked, another request with this key may have been answered, and the key changed since.
      const known = seen.get(id)
      if (known && known.confirmedAt >= at) return admit(known.record)
      if (row === null) {
        seen.delete(id)
        unknownUntil.set(id, ambient.monotonic() + UNKNOWN_FOR_MS)
        return UNKNOWN
      }
      const verdict = prove(row, presented)
      if (verdict !== null) return verdict
      const { pepper_removed_at: _, ...bare } = row
      const entry: Seen = { row: bare, record: recordOf(bare), confirmedAt: at }
      seen.set(id, entry)
      if (bare.pepper !== peppers.current) moveToCurrentPepper(entry, presented)
      return admit(entry.record)
    } catch (error) {
      onError(error as Error)
      return UNREACHABLE
    }
  }

  /** Null when the row is of this key, and not of another one whose hash somebody wrote over. */
  function prove(row: FoundRow, presented: string): Fault | null {
    if (row.pepper_removed_at !== null) return UNKNOWN
    const hmac = peppers.hmac(row.pepper, presented) ?? (peppers.reload() ? peppers.hmac(row.pepper, presented) : null)
    if (hmac === null) {
      onError(new Error(`Key ${row.label} was made under pepper ${row.pepper}, which this node does not have.`))
      return UNREACHABLE
    }
    const stored = Buffer.from(row.hmac, 'hex')
    if (stored.length === hmac.length && timingSafeEqual(stored, hmac)) return null
    onError(new Error(`The row of key ${row.label} was tampered with: its HMAC does not match its hash.`))
    unknownUntil.set(row.hash, ambient.monotonic() + UNKNOWN_FOR_MS)
    return UNKNOWN
  }

  /** So that an old pepper can be removed once the keys that are in use have been used. */
  function moveToCurrentPepper(entry: Seen, presented: string): void {
    const { hash, pepper } = entry.row
    const { current } = peppers
    const hmac = peppers.hmac(current, presented)
    if (hmac === null) return
    serially(() => db.transaction().execute(async trx => {
      const version = await nextVersion(trx)
      await trx.updateTable('keys').set({ pepper: current, hmac: hmac.toString('hex'), version })
        .where('hash', '=', hash).where('pepper', '=', pepper).where('deleted_at', 'is', null).execute()
      if (seen.get(hash) === entry) entry.row = { ...entry.row, pepper: current, hmac: hmac.toString('hex') }
    })).catch(onError)
  }

  function find(id: string): Promise<FoundRow | null> {
    const pending = asked.get(id)
    if (pending) return pending.promise
    const waiter = Promise.withResolvers<FoundRow | null>()
    asked.set(id, waiter)
    if (asked.size === 1) void serially(answer)
    return waiter.promise
  }

  /** One query for all that wait, then everybody else's turn. */
  async function answer(): Promise<void> {
    const ids = [...asked.keys()].slice(0, PAGE)
    const settled = await look(ids).then(
      rows => (id: string) => asked.get(id)!.resolve(rows.get(id) ?? null),
      (error: unknown) => (id: string) => asked.get(id)!.reject(error),
    )
    for (const id of ids) {
      settled(id)
      asked.delete(id)
    }
    if (asked.size > 0) void serially(answer)
  }

  async function look(ids: readonly string[]): Promise<ReadonlyMap<string, FoundRow>> {
    since ??= await currentVersion()
    const rows = await db.selectFrom('keys').innerJoin('peppers', 'peppers.id', 'keys.pepper')
      .selectAll('keys').select('peppers.removed_at as pepper_removed_at')
      .where('hash', 'in', ids).where('deleted_at', 'is', null).execute()
    return new Map(rows.map(row => [row.hash, row]))
  }

  const refresh = (): Promise<void> => serially(async () => {
    if (closed) return
    const at = ambient.monotonic()
    if (peppers.reload()) {
      for (const [id, { row }] of seen) if (peppers.hmac(row.pepper, '') === null) seen.delete(id)
    }
    since ??= await currentVersion()
    for (let full = true; full;) {
      const rows: KeyRow[] = await db.selectFrom('keys').selectAll()
        .where('version', '>', since).orderBy('version').limit(PAGE).execute()
      for (const row of rows) takeUp(row)
      since = rows.at(-1)?.version ?? since
      full = rows.length === PAGE
    }
    polledAt = at
  })

  /** What a newer row says of a key that is in memory; another HMAC can only be checked when the key is next presented. */
  function takeUp(row: KeyRow): void {
    unknownUntil.delete(row.hash)
    const known = seen.get(row.hash)
    if (!known || known.row.version >= row.version) return
    if (row.deleted_at !== null || row.hmac !== known.row.hmac || row.pepper !== known.row.pepper) seen.delete(row.hash)
    else seen.set(row.hash, { row, record: recordOf(row), confirmedAt: known.confirmedAt })
  }

  async function currentVersion(): Promise<number> {
    return (await db.selectFrom('counters').select('value').where('name', '=', 'keys').executeTakeFirstOrThrow()).value
  }

  /** Raised first in each transaction that changes keys: its row is a lock, so versions are in the order of commits. */
  async function nextVersion(trx: Transaction<Schema>): Promise<number> {
    const row = await trx.updateTable('counters').set(build => ({ value: build('value', '+', 1) }))
      .where('name', '=', 'keys').returning('value').executeTakeFirstOrThrow()
    return row.value
  }

  function settingsOf(row: KeyRow): KeySettings {
    return readColumn<KeySettings>(row.settings)
  }

  function recordOf(row: KeyRow): KeyRecord {
    return {
      id: row.hash, name: row.name, label: row.label, workspace: row.workspace, disabled: row.disabled === 1,
      settings: settingsOf(row), createdAt: row.created_at, updatedAt: row.updated_at,
    }
  }

  return {
    authenticate,
    refresh,

    async createKey({ name = '', workspace = DEFAULT_WORKSPACE, settings = {} }) {
      checkName(name)
      const checked = changeSettings(checkSettings, {}, settings)
      const key = makeKey(ambient)
      const hash = digest('sha256', key, 'hex')
      const pepper = peppers.current
      const row = await serially(() => db.transaction().execute(async trx => {
        const version = await nextVersion(trx)
        const home = await trx.selectFrom('workspaces').select('id').where('id', '=', workspace).executeTakeFirst()
        if (!home) throw new FaultError(fault('invalid-request', 'workspace names none that exists', { field: 'workspace' }))
        return trx.insertInto('keys').values({
          hash, hmac: peppers.hmac(pepper, key)!.toString('hex'), pepper, name, label: labelOf(key), workspace, disabled: 0,
          settings: JSON.stringify(checked), created_at: ambient.now(), updated_at: null, deleted_at: null, version,
        }).returningAll().executeTakeFirstOrThrow()
      }))
      unknownUntil.delete(hash)
      return { key, record: recordOf(row) }
    },

    async updateKey(id, change) {
      if (change.name !== undefined) checkName(change.name)
      const row = await serially(async () => {
        const changed = await db.transaction().execute(async trx => {
          const version = await nextVersion(trx)
          const old = await trx.selectFrom('keys').selectAll()
            .where('hash', '=', id).where('deleted_at', 'is', null).executeTakeFirst()
          if (!old) return null
          const settings = change.settings === undefined ? old.settings
            : JSON.stringify(change.settings === null ? {} : changeSettings(checkSettings, settingsOf(old), change.settings))
          return trx.updateTable('keys').set({
            name: change.name ?? old.name,
            disabled: change.disabled === undefined ? old.disabled : change.disabled ? 1 : 0,
            settings, version, updated_at: ambient.now(),
          }).where('hash', '=', id).returningAll().executeTakeFirstOrThrow()
        })
        if (changed) takeUp(changed)
        return changed
      })
      return row && recordOf(row)
    },

    async listKeys(filter = {}) {
      let query = db.selectFrom('keys').selectAll().where('deleted_at', 'is', null)
      if (filter.workspace !== undefined) query = query.where('workspace', '=', filter.workspace)
      return (await query.orderBy('created_at', 'desc').orderBy('version', 'desc').execute()).map(recordOf)
    },

    async getKey(id) {
      const row = await db.selectFrom('keys').selectAll().where('hash', '=', id).where('deleted_at', 'is', null).executeTakeFirst()
      return row ? recordOf(row) : null
    },

    deleteKey: id => serially(async () => {
      const deleted = await db.transaction().execute(async trx => {
        const version = await nextVersion(trx)
        return trx.updateTable('keys').set({ deleted_at: ambient.now(), hmac: '', version })
          .where('hash', '=', id).where('deleted_at', 'is', null).returningAll().executeTakeFirst()
      })
      if (deleted) takeUp(deleted)
      return deleted !== undefined
    }),

    close() {
      closed = true
      seen.clear()
      unknownUntil.clear()
    },
  }
}

function admit(record: KeyRecord): KeyRecord | Fault {
  return record.disabled ? DISABLED : record
}

function refuse(presented: string): Fault {
  const why = malformed(presented)
  return why === null ? UNKNOWN : fault('unauthenticated', `Invalid API key: ${why}.`)
}

function checkName(name: unknown): void {
  if (typeof name === 'string' && name.length <= MAX_NAME) return
  throw new FaultError(fault('invalid-request', `name must be a text of at most ${MAX_NAME} characters`, { field: 'name' }))
}
