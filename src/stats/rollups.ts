import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { sql, type Insertable, type Selectable, type Transaction } from 'kysely'
import type { Ambient } from '../core/index.ts'
import type { RollupTable, Schema, Store } from '../store/index.ts'
import { createSightings, forgetSightings } from './apps.ts'
import { bucketOf, contributionsOf, COUNTS, CUTS, MONEY, SKETCHES, type Contribution, type Count, type Grain, type Measure, type Money } from './cuts.ts'
import { createSettings } from './parameters.ts'
import { COUNTED_COLUMNS, countedOf } from './row.ts'
import { Sketching, sketchOf, sketchText } from './sketch.ts'

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

/** Records of one step: some 20 ms of work, in slices, within a transaction that other writers wait for. */
const STEP = 500
/** The same for a command beside the servers: the more are added up at once, the fewer rows are written for each. */
export const LONG_STEP = 5000
/** How many rows are written or merged before others may run. */
const SLICE = 50
/** A run of a program that has not written for so long is not asked for more; it says so when it writes again. */
const SILENT_MS = 2 * 86_400_000
/** Figures by the minute are kept for as long as a page shows minutes, with a week to spare for what comes late. */
export const MINUTES_KEPT_MS = 10 * 86_400_000
/** All who add up take turns under this name. */
const TURN = 'rollups'
const TURN_PAUSE_MS = 20

export function createRollups({ store, ambient, step: most = STEP }: {
  readonly store: Store
  readonly ambient: Ambient
  /** Records of one step; `LONG_STEP` where nobody waits for the event loop. */
  readonly step?: number
}): Rollups {
  const { db } = store

  const step = (): Promise<number | null> => store.ifFree(TURN, async (trx) => {
    const cursors = await trx.selectFrom('rollup_cursors').select(['node', 'seq'])
      .where('seen_at', '>', ambient.now() - SILENT_MS).execute()
    const sums = new Sums()
    const apps = createSightings()
    const settings = createSettings()
    let added = 0
    for (const { node, seq } of cursors) {
      if (added >= most) break
      const rows = await trx.selectFrom('generations').select([...COUNTED_COLUMNS])
        .select([sql<string>`cast(cost_nano as text)`.as('cost'), sql<string>`cast(absorbed_nano as text)`.as('absorbed')])
        .where('node', '=', node).where('seq', '>', seq).orderBy('seq').limit(most - added).execute()
      if (rows.length === 0) continue
      for (const row of rows) {
        const call = countedOf(row)
        apps.see(call)
        settings.see(call)
        for (const contribution of contributionsOf(call)) sums.add(contribution)
      }
      added += rows.length
      await trx.updateTable('rollup_cursors').set({ seq: rows.at(-1)!.seq }).where('node', '=', node).execute()
    }
    if (added > 0) await write(trx, sums, ambient.now() - MINUTES_KEPT_MS)
    await apps.write(trx)
    await settings.write(trx)
    return added
  })

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

/** What a group of calls adds up to in one bucket. */
interface Sum {
  readonly counts: Record<Count, number>
  readonly money: Record<Money, bigint>
  readonly sketches: Record<Measure, Sketching> | null
}

/** The sums of one cut by one length of time, by the names of their place: `at`, `a`, `b` and `c`. */
interface Table {
  readonly cut: string
  readonly grain: Grain
  readonly sums: Map<string, Sum>
}

/** Between the names of a place; no name has one. */
const NAMES_END = '\n'

/**
 * The sums of a step. Calls of one minute that differ in nothing that cuts group by are added up first, and only their
 * sum is handed to the forty-odd places where it belongs: with few callers that is a tenth of the work.
 */
class Sums {
  readonly #alike = new Map<string, { readonly of: Contribution; readonly sum: Sum }>()

  add(contribution: Contribution): void {
    const { of, at, attempt } = contribution
    const name = [bucketOf(at, 1), attempt ? 1 : 0, of.endpoint, of.app, of.workspace, of.key, of.user, of.context].join(NAMES_END)
    let alike = this.#alike.get(name)
    if (alike === undefined) this.#alike.set(name, alike = { of: contribution, sum: emptySum(true) })
    const { counts, money, sketches } = alike.sum
    for (const count in contribution.counts) counts[count as Count] += contribution.counts[count as Count]!
    for (const kind of MONEY) money[kind] += contribution.money[kind]
    for (const measure in contribution.measures) sketches![measure as Measure].add(contribution.measures[measure as Measure]!)
  }

  /** Minutes from a moment on: those before would be removed again, and a rebuild of a year is mostly such. */
  tables(minutesFrom: number): readonly Table[] {
    const tables = CUTS.map((cut) => ({ cut, byGrain: cut.grains.map((grain) => ({ cut: cut.name, grain, sums: new Map<string, Sum>() })) }))
    for (const { of: { of, at, attempt }, sum } of this.#alike.values()) {
      for (const { cut, byGrain } of tables) {
        if (attempt && !cut.attempts) continue
        const [a = '', b = '', c = ''] = cut.by(of)
        for (const { grain, sums } of byGrain) {
          if (grain === 1 && at < minutesFrom) continue
          const place = [bucketOf(at, grain), a, b, c].join(NAMES_END)
          let there = sums.get(place)
          if (there === undefined) sums.set(place, there = emptySum(cut.measured))
          addSum(there, sum)
        }
      }
    }
    return tables.flatMap(({ byGrain }) => byGrain)
  }
}

function addSum(to: Sum, from: Sum): void {
  for (const count of COUNTS) to.counts[count] += from.counts[count]
  for (const kind of MONEY) to.money[kind] += from.money[kind]
  if (to.sketches !== null && from.sketches !== null) for (const measure of SKETCHES) to.sketches[measure].merge(from.sketches[measure].done())
}

function emptySum(measured: boolean): Sum {
  const counts = Object.fromEntries(COUNTS.map((count) => [count, 0])) as Record<Count, number>
  return {
    counts,
    money: { cost_nano: 0n, absorbed_nano: 0n },
    sketches: measured ? { latency: new Sketching(), throughput: new Sketching(), duration: new Sketching() } : null,
  }
}

/** Adds sums to what is there: read, added up, and put back, a slice at a time. */
async function write(trx: Transaction<Schema>, all: Sums, minutesFrom: number): Promise<void> {
  for (const { cut, grain, sums } of all.tables(minutesFrom)) {
    const places = [...sums.keys()]
    for (let from = 0; from < places.length; from += SLICE) {
      const slice = places.slice(from, from + SLICE).map(placeOf)
      const there = await trx.selectFrom('rollups').selectAll()
        .where('cut', '=', cut).where('grain', '=', grain)
        .where(sql<boolean>`(at, a, b, c) in (values ${sql.join(slice.map(({ at, a, b, c }) => sql`(cast(${at} as bigint), ${a}, ${b}, ${c})`))})`)
        .execute()
      for (const row of there) addRow(sums.get([row.at, row.a, row.b, row.c].join(NAMES_END))!, row)
      const rows = slice.map((place, i) => ({ cut, grain, ...place, ...columnsOf(sums.get(places[from + i]!)!) } satisfies Insertable<RollupTable>))
      await trx.insertInto('rollups').values(rows)
        .onConflict((conflict) => conflict.columns(['cut', 'grain', 'at', 'a', 'b', 'c']).doUpdateSet((build) =>
          Object.fromEntries([...COUNTS, ...MONEY, ...SKETCHES].map((name) => [name, build.ref(`excluded.${name}`)]))))
        .execute()
      await setImmediate()
    }
  }
}

function placeOf(text: string): { readonly at: number; readonly a: string; readonly b: string; readonly c: string } {
  const [at, a, b, c] = text.split(NAMES_END) as [string, string, string, string]
  return { at: Number(at), a, b, c }
}

function addRow(sum: Sum, row: Selectable<RollupTable>): void {
  for (const count of COUNTS) sum.counts[count] += row[count]
  for (const money of MONEY) sum.money[money] += row[money]
  if (sum.sketches !== null) for (const measure of SKETCHES) sum.sketches[measure].merge(sketchOf(row[measure]))
}

function columnsOf({ counts, money, sketches }: Sum) {
  const text = (measure: Measure): string | null => sketches === null ? null : sketchText(sketches[measure].done())
  return { ...counts, ...money, latency: text('latency'), throughput: text('throughput'), duration: text('duration') }
}
