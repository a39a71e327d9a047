import { Worker, type ResourceLimits } from 'node:worker_threads'

/** A thread for work that would hold the event loop up; `url` is the file that it runs. */
export interface Thread<Job, Answer> {
  /** Rejects when the thread breaks, is closed, or takes longer than `timeoutMs`. What is `moved` is no longer here then. */
  ask(job: Job, timeoutMs: number, moved?: readonly ArrayBuffer[]): Promise<Answer>
  /** What it holds outside of its heap, in bytes, also while it is busy; 0 where it does not run. */
  externalBytes(): Promise<number>
  /** Ends it; what it was asked rejects. The next question starts another. */
  close(): Promise<void>
}

/** The thread was closed, or took too long: nothing is wrong with what it was asked. */
export class ThreadLost extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'ThreadLost'
  }
}

/** What goes over, and comes back with the same id. */
export interface Numbered<T> {
  readonly id: number
  readonly of: T
}

/** A thread takes tens of megabytes, so it starts with the first question and goes after a minute without one. */
const IDLE_MS = 60_000

export function createThread<Job, Answer>(url: URL, resourceLimits?: ResourceLimits): Thread<Job, Answer> {
  let worker: Worker | null = null
  let nextId = 0
  let idle: NodeJS.Timeout | null = null
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()

  const stop = async (why: Error): Promise<void> => {
    const stopping = worker
    worker = null
    if (idle) clearTimeout(idle)
    idle = null
    const left = [...waiting.values()]
    waiting.clear()
    for (const { reject } of left) reject(why)
    await stopping?.terminate()
  }

  const running = (): Worker => {
    if (worker) return worker
    const started = new Worker(url, resourceLimits && { resourceLimits })
    started.unref()
    started.on('message', ({ id, of }: Numbered<Answer>) => {
      waiting.get(id)?.resolve(of)
      waiting.delete(id)
    })
    started.on('error', (error) => { if (worker === started) void stop(error as Error) })
    worker = started
    return started
  }

  return {
    ask(job, timeoutMs, moved = []) {
      if (idle) clearTimeout(idle)
      idle = setTimeout(() => void stop(new ThreadLost('the thread was idle')), Math.max(IDLE_MS, timeoutMs))
      idle.unref()
      const id = nextId++
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new ThreadLost('the thread took too long'))
        }, timeoutMs)
        waiting.set(id, {
          resolve(answer) {
            clearTimeout(timer)
            resolve(answer)
          },
          reject(error) {
            clearTimeout(timer)
            reject(error)
          },
        })
        running().postMessage({ id, of: job } satisfies Numbered<Job>, moved)
      })
    },
    async externalBytes() {
      try {
        return (await worker?.getHeapStatistics())?.external_memory ?? 0
      } catch {
        // It ended meanwhile.
        return 0
      }
    },
    close: () => stop(new ThreadLost('the thread was closed')),
  }
}
