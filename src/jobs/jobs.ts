import type { Ambient } from '../core/index.ts'
import type { Store } from '../store/index.ts'

export interface Job {
  readonly name: string
  /** From the end of one run to the beginning of the next. */
  readonly everyMs: number
  run(): Promise<unknown>
}

export interface Jobs {
  /** Runs a job from now on, on whichever node holds its lease. */
  add(job: Job): void
  /** Ends all jobs, waits for those that run, and gives their leases away. */
  close(): Promise<void>
}

/** A node that falls silent keeps its jobs so much longer than the pause between two runs. */
const LEASE_MARGIN_MS = 15_000

/**
 * Jobs by lease: a row says which node does a job and until when, and the node that runs it moves that moment on. When
 * it dies another takes over after the lease. A lease keeps two nodes from doing the same work, mostly; it is no lock:
 * what must not happen twice is kept from it by the job's own transactions.
 */
export function createJobs({ store, ambient, onError = () => {} }: {
  readonly store: Store
  readonly ambient: Ambient
  readonly onError?: (error: Error) => void
}): Jobs {
  const holder = Buffer.from(ambient.bytes(9)).toString('base64url')
  const stops: (() => Promise<void>)[] = []

  /** Takes or keeps the lease; false when another node has it. */
  const holds = async (name: string, forMs: number): Promise<boolean> => {
    const now = ambient.now()
    const { numInsertedOrUpdatedRows } = await store.db.insertInto('leases')
      .values({ name, holder, until_at: now + forMs })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ holder, until_at: now + forMs })
        .where((build) => build.or([build('leases.holder', '=', holder), build('leases.until_at', '<=', now)])))
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  return {
    add({ name, everyMs, run }) {
      let timer: NodeJS.Timeout
      let running: Promise<void> | null = null
      let stopped = false
      const turn = async (): Promise<void> => {
        try {
          if (await holds(name, everyMs + LEASE_MARGIN_MS)) await run()
        } catch (error) {
          onError(error as Error)
        }
      }
      const wait = (ms: number): void => {
        timer = setTimeout(() => {
          running = turn().finally(() => {
            running = null
            if (!stopped) wait(everyMs)
          })
        }, ms).unref()
      }
      wait(everyMs)
      stops.push(async () => {
        stopped = true
        clearTimeout(timer)
        await running
        await store.db.deleteFrom('leases').where('name', '=', name).where('holder', '=', holder).execute().catch(onError)
      })
    },
    async close() {
      await Promise.all(stops.splice(0).map((stop) => stop()))
    },
  }
}
