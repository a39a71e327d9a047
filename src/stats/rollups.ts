import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Ambient } from '../core/index.ts'
import type { AddedColumns, Schema, Store } from '../store/index.ts'
import { createSightings, forgetSightings, type Sightings } from './apps.ts'
import { contributionsOf, COUNTS, MONEY, SKETCHES, type Counted } from './cuts.ts'
import { createSettings, type Settings } from './parameters.ts'
import { COUNTED_COLUMNS, countedAsWritten, countedOf, type Recorded } from './row.ts'
import { sketchOf, sketchText } from './sketch.ts'
import { Sums, type SumsOfCut } from './sums.ts'

/**
 * Adds calls up by minute, hour and day. Each record is added exactly once, in the transaction that moves its run's
 * cursor past it, whenever it arrives and whatever time it is of: a crash between two steps loses and doubles nothing,
 * and a record that was late goes where it belongs. Sums and sketches do not depend on the order, so figures that are
 * rebuilt from the records are the same to the unit.
 */
export interface Rollups {
  /**
   * Hears of records that a run of this process has just written, in the order of their places and each once. Where figures are
   * made here they are added up at once, in memory: that takes a tenth of what reading them again does.
   */
  wrote(node: number, records: readonly Recorded[]): void
  /** Adds up what has been written, in steps of bounded size. Returns how many records were added here: another node may add the rest. */
  catchUp(progress?: (added: number) => void): Promise<number>
  /** Forgets all figures and makes them again from the records. Returns how many records were added. */
  rebuild(progress?: (added: number) => void): Promise<number>
  /** Removes minutes that no page asks for any more. */
  prune(): Promise<void>
}

/**
 * Records of one step. The more are added up at once, the fewer rows are written for each: a second's worth of the
 * busiest traffic. What other writers wait for is the writing alone, a tenth of a second in slices of milliseconds.
 */
const STEP = 4000
/** The same for a command beside the servers. */
export const LONG_STEP = 20_000
/** How many records are read and looked at before others may run: some three milliseconds' worth. */
const READ_SLICE = 200
/** Records that are kept added up until the next step, at most; a busy process writes some ten thousand between two. */
const MOST_KEPT = 50_000
/** How many sketches are read in one statement. */
const SKETCH_SLICE = 50
/** A run of a program that has not written for so long is not asked for more; it says so when it writes again. */
export const SILENT_MS = 2 * 86_400_000
/** Figures by the minute are kept for as long as a page shows minutes, with a week to spare for what comes late. */
export const MINUTES_KEPT_MS = 10 * 86_400_000
/** All who add up take turns under this name; the counter of the same name tells how often all was begun again. */
const TURN = 'rollups'
const TURN_PAUSE_MS = 20
const COLUMNS: AddedColumns = { key: ['cut', 'grain', 'at', 'a', 'b', 'c'], add: [...COUNTS, ...MONEY], set: SKETCHES }

/** Records added up in memory. */
class Tally {
  added = 0
  readonly sums: Sums
  readonly apps: Sightings = createSightings()
  readonly settings: Settings = createSettings()

  /** `now` in milliseconds since the epoch. */
  constructor(now: number) {
    this.sums = new Sums(now - MINUTES_KEPT_MS)
  }

  add(call: Counted): void {
    this.added++
    this.apps.see(call)
    this.settings.see(call)
    for (const contribution of contributionsOf(call)) this.sums.add(contribution)
  }
}

/** What a run of this process wrote from one place on: all of it up to another, added up. */
interface Kept {
  readonly from: number
  to: number
  readonly tally: Tally
}

/** The records of a step, added up in memory, and where they stood. */
interface Gathered {
  readonly tally: Tally
  /** There are more, which wait for the next step. */
  readonly more: boolean
  /** By run: how far it had been added up, and how far it is with these. */
  readonly moved: ReadonlyMap<number, { readonly from: number; readonly to: number }>
  readonly beginning: number
  readonly tables: readonly SumsOfCut[]
}

export function createRollups({ store, ambient, step: most = STEP, kept: mostKept = MOST_KEPT }: {
  readonly store: Store
  readonly ambient: Ambient
  /** Records of one step; `LONG_STEP` where nobody waits for the event loop. */
  readonly step?: number
  /** Records of `wrote` that are kept added up until the next step. */
  readonly kept?: number
}): Rollups {
  const { db } = store
  /** The run of this process that writes, and how far it has written; null until it has. */
  let own: number | null = null
  let written = 0
  /** Whether figures are made here: another node may hold the lease. Known by the last step, until more was written than is kept. */
  let here = false
  let kept: Kept | null = null

  /**
   * What is kept, for a step that saw how far its run had been added up: all that there is of that run, where it begins there.
   * Otherwise a step has failed, or another node was there, and the run is read as if nothing was kept.
   */
  const takeKept = (seq: number): Kept | null => {
    here = true
    const taken = kept
    kept = null
    return taken?.from === seq ? taken : null
  }

  /** Adds up in memory what nobody has added up yet, at most a step's of what has to be read for it: nobody waits for that. */
  const gather = async (): Promise<Gathered> => {
    const beginning = await beginningIn(db)
    const cursors = await db.selectFrom('rollup_cursors').select(['node', 'seq'])
      .where('seen_at', '>', ambient.now() - SILENT_MS).execute()
    const moved = new Map<number, { readonly from: number; readonly to: number }>()
    const ours = cursors.find(({ node }) => node === own)
    const taken = ours === undefined ? null : takeKept(ours.seq)
    // What is written from here on is kept for the next step.
    const until = written
    const tally = taken?.tally ?? new Tally(ambient.now())
    let read = 0
    for (const { node, seq } of cursors) {
      if (node === own && taken !== null) {
        moved.set(node, { from: seq, to: taken.to })
        continue
      }
      for (let last = seq; read < most;) {
        const limit = Math.min(READ_SLICE, most - read)
        const rows = await db.selectFrom('generations').select([...COUNTED_COLUMNS])
          .select([sql<string>`cast(cost_nano as text)`.as('cost'), sql<string>`cast(absorbed_nano as text)`.as('absorbed')])
          .where('node', '=', node).where('seq', '>', last).where('seq', '<=', node === own ? until : Number.MAX_SAFE_INTEGER).orderBy('seq').limit(limit).execute()
        if (rows.length === 0) break
        for (const row of rows) tally.add(countedOf(row))
        read += rows.length
        last = rows.at(-1)!.seq
        moved.set(node, { from: seq, to: last })
        await setImmediate()
        if (rows.length < limit) break
      }
    }
    const tables: SumsOfCut[] = []
    if (tally.added > 0) {
      for (const ofCut of tally.sums.byCut()) {
        tables.push(...ofCut)
        await setImmediate()
      }
    }
    return { tally, more: read >= most, moved, beginning, tables }
  }

  /** Returns how many records were added, and whether more wait; null when another node has added some of them, or is at it. */
  const step = async (): Promise<{ readonly added: number; readonly more: boolean } | null> => {
    const { tally: { added, apps, settings }, more, moved, beginning, tables } = await gather()
    if (added === 0) return { added, more: false }
    return store.ifFree(TURN, async (trx) => {
      // What was read counts only if nobody has moved on, or begun again, since.
      const now = await trx.selectFrom('rollup_cursors').select(['node', 'seq']).where('node', 'in', [...moved.keys()]).execute()
      if (now.length < moved.size || now.some(({ node, seq }) => seq !== moved.get(node)!.from)) return null
      if (await beginningIn(trx) !== beginning) return null
      for (const [node, { to }] of moved) await trx.updateTable('rollup_cursors').set({ seq: to }).where('node', '=', node).execute()
      for (const table of tables) await write(trx, table)
      await apps.write(trx)
      await settings.write(trx)
      return { added, more }
    })
  }

  /** Adds sums to what is there. Sketches are read before, and written back with what is in them. */
  const write = async (trx: Transaction<Schema>, { cut, grain, measured, sums }: SumsOfCut): Promise<void> => {
    const sketched = measured ? sums.length : 0
    for (let from = 0; from < sketched; from += SKETCH_SLICE) {
      const slice = sums.slice(from, from + SKETCH_SLICE)
      const byPlace = new Map(slice.map((sum) => [`${sum.at}\n${sum.group}`, sum]))
      const there = await trx.selectFrom('rollups').select(['at', 'a', ...SKETCHES])
        .where('cut', '=', cut).where('grain', '=', grain)
        .where(sql<boolean>`(at, a) in (values ${sql.join(slice.map(({ at, names }) => sql`(cast(${at} as bigint), ${names[0] ?? ''})`))})`)
        .execute()
      for (const row of there) {
        const { sketches } = byPlace.get(`${row.at}\n${row.a}`)!
        for (const [i, measure] of SKETCHES.entries()) sketches![i]!.merge(sketchOf(row[measure]))
      }
      await setImmediate()
    }
    await store.addUp(trx, 'rollups', COLUMNS, sums.map(({ at, names: [a = '', b = '', c = ''], counts, money, sketches }) =>
      [cut, grain, at, a, b, c, ...counts, ...money, ...SKETCHES.map((_, i) => sketches === null ? null : sketchText(sketches[i]!.done()))]))
  }

  return {
    wrote(node, records) {
      const from = written
      const last = records.at(-1)
      if (last === undefined) return
      own = node
      written = last.seq
      if (!here) return
      kept ??= { from, to: from, tally: new Tally(ambient.now()) }
      for (const { generation } of records) kept.tally.add(countedAsWritten(generation))
      kept.to = written
      if (kept.tally.added <= mostKept && kept.tally.sums.size <= most) return
      kept = null
      here = false
    },
    async catchUp(progress) {
      for (let all = 0; ;) {
        const made = await step()
        all += made?.added ?? 0
        progress?.(all)
        // Another node is at it and adds what is left.
        if (made === null || !made.more) return all
        await setImmediate()
      }
    },
    async rebuild(progress) {
      await store.exclusively(TURN, async (trx) => {
        await trx.deleteFrom('rollups').execute()
        await trx.deleteFrom('parameter_rollups').execute()
        await forgetSightings(trx)
        await trx.updateTable('rollup_cursors').set({ seq: 0, seen_at: ambient.now() }).execute()
        await trx.insertInto('counters').values({ name: TURN, value: 1 })
          .onConflict((conflict) => conflict.column('name').doUpdateSet((build) => ({ value: build('counters.value', '+', 1) }))).execute()
      })
      for (let all = 0; ;) {
        const made = await step()
        if (made === null) {
          await sleep(TURN_PAUSE_MS)
          continue
        }
        all += made.added
        progress?.(all)
        if (!made.more) return all
        await setImmediate()
      }
    },
    async prune() {
      await db.deleteFrom('rollups').where('grain', '=', 1).where('at', '<', ambient.now() - MINUTES_KEPT_MS).execute()
    },
  }
}

/** How often the figures were begun again from the first record. */
async function beginningIn(db: Kysely<Schema>): Promise<number> {
  return (await db.selectFrom('counters').select('value').where('name', '=', TURN).executeTakeFirst())?.value ?? 0
}
