import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { fault, FaultError, type Ambient, type Generation } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { COLUMNS, createRowWriter, generationOf, type Recorded } from './row.ts'

export interface Stats {
  /** Takes a finished call down. Costs the caller a map entry; it can be found from now on. */
  record(generation: Generation): void
  /**
   * The call with this id, or null when this workspace has none. A young id that is not here may be of another node
   * that has not written it yet: it is asked for twice. Throws an `unavailable` FaultError when the database is down.
   */
  find(id: string, workspace: string): Promise<Generation | null>
  /** Writes what was recorded before. Never rejects: what could not be written stays and is tried again. */
  flush(): Promise<void>
  /** Writes what is left, tries again for two seconds when that fails, and stops. */
  close(): Promise<void>
  /** How many records wait to be written, and how many were lost: the queue was full, or the database refused them. */
  figures(): { readonly waiting: number; readonly lost: number }
}

const BATCH = 256
/**
 * So many records are written at once, without waiting for the clock: records that live long cost the collector dear, and of few
 * at a time each has its own pages of the indexes to write. With 128 a request took a tenth more, with 400 hardly less.
 */
const FULL = 256
const WAITING_MAX = 10_000
const RETRY_MAX_MS = 5000
const SIGN_EVERY_MS = 3_600_000
const CLOSE_PATIENCE_MS = 2000
/** An id is young while the call that it was given to may still be running somewhere. */
const YOUNG_MS = 35 * 60_000
const GENERATION_ID = /^gen-(\d{1,12})-/

/** Generations in memory until they are written: each `flushEveryMs` (250), in transactions of at most 256 rows. */
export function createStats(given: {
  readonly store: Store
  readonly ambient: Ambient
  readonly flushEveryMs?: number
  /** What is recorded is a demonstration, and marked as one. */
  readonly demo?: boolean
  /** Hears of what is in the database from now on, in the order of its places: see `Rollups.wrote`. */
  readonly wrote?: (node: number, records: readonly Recorded[]) => void
  /** Hears of failed writes and of lost records. */
  readonly onError?: (error: Error) => void
}): Stats {
  const { store, ambient, flushEveryMs = 250, demo = false, wrote = () => {}, onError = () => {} } = given
  /**
   * In order of recording; those of a batch leave when they are in the database. No Map: see core's Roster for what
   * one costs that is filled and emptied all day. Who asks for a record looks through at most 10,000.
   */
  const waiting: Recorded[] = []
  /** The number of this run among all that wrote to the database; known with its first record. */
  let node: number | null = null
  let seq = 0
  let signedAt = -Infinity
  const rowOf = createRowWriter()
  let lost = 0
  let failures = 0
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> | null = null
  let closed = false

  function record(generation: Generation): void {
    if (closed) return lose(1, 'Records came after the end')
    waiting.push({ generation, seq: ++seq })
    if (waiting.length > WAITING_MAX) {
      waiting.shift()
      lost++
    }
    if (writing !== null) return
    if (waiting.length === FULL && failures === 0) void flush()
    else if (timer === null) schedule()
  }

  function schedule(): void {
    const pause = failures === 0 ? flushEveryMs : Math.min(flushEveryMs * 2 ** failures, RETRY_MAX_MS)
    timer = setTimeout(() => void flush(), pause).unref()
  }

  function lose(count: number, why: string): void {
    lost += count
    onError(new Error(`${why}: ${count} generation records are lost.`))
  }

  async function flush(): Promise<void> {
    if (writing !== null) await writing
    writing ??= write().finally(() => {
      writing = null
      if (waiting.length > 0 && !closed && timer === null) schedule()
    })
    await writing
  }

  /** Writes what waits now; what comes meanwhile is the next flush's. */
  async function write(): Promise<void> {
    if (timer !== null) clearTimeout(timer)
    timer = null
    // Whoever recorded is about to answer a caller: that goes first.
    await setImmediate()
    if (waiting.length === 0) return
    try {
      const run = await sign()
      for (let left = waiting.length; left > 0;) {
        const batch = waiting.slice(0, Math.min(BATCH, left))
        if (batch.length === 0) break
        left -= batch.length
        const rows = batch.map((it) => rowOf(it.generation, { node: run, seq: it.seq }))
        const refused = await store.insertNew('generations', COLUMNS, rows)
        written(batch)
        wrote(run, refused.length === 0 ? batch : batch.filter((_, i) => !refused.includes(rows[i]!)))
        if (refused.length > 0) lose(refused.length, 'The database refused what is in them')
        await setImmediate()
      }
      failures = 0
    } catch (error) {
      failures++
      onError(error as Error)
    }
  }

  /** Takes the records of a batch off, which are the first but for those that a full queue has lost meanwhile. */
  function written(batch: readonly Recorded[]): void {
    const first = waiting[0]
    const lostOfThem = first === undefined ? -1 : batch.indexOf(first)
    if (lostOfThem >= 0) waiting.splice(0, batch.length - lostOfThem)
  }

  /** Makes this run known to those who add up, before its first record and once an hour. Returns its number. */
  async function sign(): Promise<number> {
    const now = ambient.now()
    if (node !== null && now < signedAt + SIGN_EVERY_MS) return node
    node ??= await store.exclusively('runs', async trx => {
      const { last } = await trx.selectFrom('rollup_cursors').select(build => build.fn.max('node').as('last')).executeTakeFirstOrThrow()
      const next = (last ?? 0) + 1
      await trx.insertInto('rollup_cursors').values({ node: next, seq: 0, seen_at: now, ...(demo && { demo: 1 as const }) }).execute()
      return next
    })
    await store.db.updateTable('rollup_cursors').set({ seen_at: now }).where('node', '=', node).execute()
    signedAt = now
    return node
  }

  async function read(id: string, workspace: string): Promise<Generation | null> {
    const own = waiting.findLast(({ generation }) => generation.id === id)?.generation
    if (own?.workspace === workspace) return own
    try {
      const row = await store.db.selectFrom('generations').selectAll()
        .where('id', '=', id).where('workspace', '=', workspace).executeTakeFirst()
      return row ? generationOf(row) : null
    } catch (error) {
      onError(error as Error)
      throw new FaultError(fault('unavailable', 'Records cannot be read at the moment. Please try again.', { retryAfterMs: 1000 }))
    }
  }

  function isYoung(id: string): boolean {
    const seconds = GENERATION_ID.exec(id)?.[1]
    return seconds !== undefined && Math.abs(ambient.now() - Number(seconds) * 1000) < YOUNG_MS
  }

  return {
    record,
    flush,
    async find(id, workspace) {
      const found = await read(id, workspace)
      if (found !== null || !isYoung(id)) return found
      await sleep(flushEveryMs + 50)
      return read(id, workspace)
    },
    async close() {
      if (closed) return
      await flush()
      for (let pause = 50; waiting.length > 0 && pause < CLOSE_PATIENCE_MS; pause *= 2) {
        await sleep(pause)
        await flush()
      }
      closed = true
      if (timer !== null) clearTimeout(timer)
      if (waiting.length > 0) lose(waiting.length, 'The database could not be reached before the end')
    },
    figures: () => ({ waiting: waiting.length, lost }),
  }
}
