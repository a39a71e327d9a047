import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Ambient } from '../core/index.ts'
import type { AddedColumns, Schema, Store } from '../store/index.ts'
import { createSightings, forgetSightings, type Sightings } from './apps.ts'
import { contributionsOf, COUNTS, MONEY, SKETCHES } from './cuts.ts'
import { createSettings, type Settings } from './parameters.ts'
import { COUNTED_COLUMNS, countedOf } from './row.ts'
import { sketchOf, sketchText } from './sketch.ts'
import { Sums, type SumsOfCut } from './sums.ts'

/**
 * Adds calls up by minute, hour and day. Each record is added exactly once, in the transaction that moves its run's
 * cursor past it, whenever it arrives and whatever time it is of: a crash between two steps loses and doubles nothing,
 * and a record that was late goes where it belongs. Sums and sketches do not depend on the order, so figures that are
 * rebuilt from the records are the same to the unit.
 */
export interface Rollups {
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

/** The records of a step, added up in memory, and where they stood. */
interface Gathered {
  readonly added: number
  /** By run: how far it had been added up, and how far it is with these. */
  readonly moved: ReadonlyMap<number, { readonly from: number; readonly to: number }>
  readonly beginning: number
  readonly tables: readonly SumsOfCut[]
  readonly apps: Sightings
  readonly settings: Settings
}

export function createRollups({ store, ambient, step: most = STEP }: {
  readonly store: Store
  readonly ambient: Ambient
  /** Records of one step; `LONG_STEP` where nobody waits for the event loop. */
  readonly step?: number
}): Rollups {
  const { db } = store

  /** Reads the records that nobody has added up yet, at most a step's, and adds them up in memory: nobody waits for that. */
  const gather = async (): Promise<Gathered> => {
    const beginning = await beginningIn(db)
    const cursors = await db.selectFrom('rollup_cursors').select(['node', 'seq'])
      .where('seen_at', '>', ambient.now() - SILENT_MS).execute()
    const sums = new Sums(ambient.now() - MINUTES_KEPT_MS)
    const apps = createSightings()
    const settings = createSettings()
    const moved = new Map<number, { readonly from: number; readonly to: number }>()
    let added = 0
    for (const { node, seq } of cursors) {
      for (let last = seq; added < most;) {
        const limit = Math.min(READ_SLICE, most - added)
        const rows = await db.selectFrom('generations').select([...COUNTED_COLUMNS])
          .select([sql<string>`cast(cost_nano as text)`.as('cost'), sql<string>`cast(absorbed_nano as text)`.as('absorbed')])
          .where('node', '=', node).where('seq', '>', last).orderBy('seq').limit(limit).execute()
        if (rows.length === 0) break
        for (const row of rows) {
          const call = countedOf(row)
          apps.see(call)
          settings.see(call)
          for (const contribution of contributionsOf(call)) sums.add(contribution)
        }
        added += rows.length
        last = rows.at(-1)!.seq
        moved.set(node, { from: seq, to: last })
        await setImmediate()
        if (rows.length < limit) break
      }
    }
    const tables: SumsOfCut[] = []
    if (added > 0) {
      for (const ofCut of sums.byCut()) {
        tables.push(...ofCut)
        await setImmediate()
      }
    }
    return { added, moved, beginning, tables, apps, settings }
  }

  /** Returns how many records were added; null when another node has added some of them, or is at it. */
  const step = async (): Promise<number | null> => {
    const { added, moved, beginning, tables, apps, settings } = await gather()
    if (added === 0) return 0
    return store.ifFree(TURN, async (trx) => {
      // What was read counts only if nobody has moved on, or begun again, since.
      const now = await trx.selectFrom('rollup_cursors').select(['node', 'seq']).where('node', 'in', [...moved.keys()]).execute()
      if (now.length < moved.size || now.some(({ node, seq }) => seq !== moved.get(node)!.from)) return null
      if (await beginningIn(trx) !== beginning) return null
      for (const [node, { to }] of moved) await trx.updateTable('rollup_cursors').set({ seq: to }).where('node', '=', node).execute()
      for (const table of tables) await write(trx, table)
      await apps.write(trx)
      await settings.write(trx)
      return added
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
    async catchUp(progress) {
      for (let all = 0; ;) {
        const added = await step()
        all += added ?? 0
        progress?.(all)
        // Another node is at it and adds what is left.
        if (added === null || added < most) return all
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
        const added = await step()
        if (added === null) {
          await sleep(TURN_PAUSE_MS)
          continue
        }
        all += added
        progress?.(all)
        if (added < most) return all
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
