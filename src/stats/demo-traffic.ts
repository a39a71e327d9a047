import { setImmediate } from 'node:timers/promises'
import type { Ambient, Generation } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createRollups, LONG_STEP } from './rollups.ts'
import { createStats } from './stats.ts'

/** Whether figures hold traffic that never was, and the way in and out of it. */
export interface DemoTraffic {
  /** As of a second or two ago. */
  isIn(): Promise<boolean>
  /** Writes the records of calls, marked as a demonstration's. Adds nothing up. Returns how many were written. */
  write(calls: Iterable<Generation>, progress?: (written: number) => void): Promise<number>
  /** Takes all of it out again and makes the figures of what is left. Returns how many records went. */
  remove(progress?: (removed: number) => void): Promise<number>
}

/** Records that wait to be written at once, and rows that go at once: well below what a queue or a statement may take. */
const BATCH = 2000
const REMEMBERED_MS = 2000

export function createDemoTraffic({ store, ambient }: { readonly store: Store; readonly ambient: Ambient }): DemoTraffic {
  const { db } = store
  let known: { readonly at: number; readonly isIn: Promise<boolean> } | null = null
  const nodes = async (): Promise<readonly number[]> =>
    (await db.selectFrom('rollup_cursors').select('node').where('demo', '=', 1).execute()).map(({ node }) => node)

  return {
    isIn() {
      const at = ambient.monotonic()
      if (known === null || at - known.at >= REMEMBERED_MS) known = { at, isIn: nodes().then((all) => all.length > 0) }
      return known.isIn
    },
    async write(calls, progress) {
      let failed: Error | null = null
      const stats = createStats({ store, ambient, flushEveryMs: 3_600_000, demo: true, onError: (error) => { failed = error } })
      let written = 0
      let waiting = 0
      const flush = async (): Promise<void> => {
        await stats.flush()
        if (failed !== null) throw failed
        written += waiting
        waiting = 0
        progress?.(written)
      }
      for (const call of calls) {
        stats.record(call)
        if (++waiting === BATCH) await flush()
      }
      await flush()
      await stats.close()
      return written
    },
    async remove(progress) {
      const own = await nodes()
      let removed = 0
      for (const node of own) {
        for (;;) {
          const { numDeletedRows } = await db.deleteFrom('generations')
            .where('id', 'in', (build) => build.selectFrom('generations').select('id').where('node', '=', node).limit(BATCH)).executeTakeFirstOrThrow()
          if (numDeletedRows === 0n) break
          removed += Number(numDeletedRows)
          progress?.(removed)
          await setImmediate()
        }
      }
      if (own.length === 0) return 0
      // The mark goes last: were this cut short before, figures would still say that they are a demonstration's.
      await createRollups({ store, ambient, step: LONG_STEP }).rebuild()
      await db.deleteFrom('rollup_cursors').where('demo', '=', 1).execute()
      return removed
    },
  }
}
