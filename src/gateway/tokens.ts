import { Worker } from 'node:worker_threads'

/** Counts tokens where a provider reported none. Off the event loop: 100 KB of text would block it for milliseconds. */
export interface TokenCounter {
  /** Tokens of each text, in order. Falls back to bytes ÷ 4 when counting fails. */
  count(texts: readonly string[]): Promise<readonly number[]>
  close(): Promise<void>
}

/** The tokenizer takes some 70 MB, so its worker starts with the first count and goes after a minute without one. */
const IDLE_MS = 60_000
const TIMEOUT_MS = 10_000

/** A counter in a worker of its own, by OpenAI's o200k vocabulary: an estimate for other models, and marked as ours. */
export function createTokenCounter(): TokenCounter {
  let worker: Worker | null = null
  let nextId = 0
  let idle: NodeJS.Timeout | null = null
  const waiting = new Map<number, (counts: readonly number[] | null) => void>()

  const stop = async (): Promise<void> => {
    const stopping = worker
    worker = null
    for (const answer of waiting.values()) answer(null)
    waiting.clear()
    await stopping?.terminate()
  }

  const running = (): Worker => {
    if (worker) return worker
    const started = new Worker(new URL('./tokens-worker.ts', import.meta.url))
    started.unref()
    started.on('message', ({ id, counts }: { id: number; counts: readonly number[] }) => {
      waiting.get(id)?.(counts)
      waiting.delete(id)
    })
    started.on('error', () => void stop())
    worker = started
    return started
  }

  return {
    async count(texts) {
      const id = nextId++
      if (idle) clearTimeout(idle)
      idle = setTimeout(() => void stop(), IDLE_MS)
      idle.unref()
      const counts = await new Promise<readonly number[] | null>((resolve) => {
        const timer = setTimeout(() => resolve(null), TIMEOUT_MS)
        waiting.set(id, (counts) => {
          clearTimeout(timer)
          resolve(counts)
        })
        running().postMessage({ id, texts })
      })
      waiting.delete(id)
      return counts ?? texts.map((text) => Math.ceil(Buffer.byteLength(text) / 4))
    },
    async close() {
      if (idle) clearTimeout(idle)
      await stop()
    },
  }
}
