import { createThread } from './thread.ts'

/** Counts tokens where a provider reported none. Off the event loop: 100 KB of text would block it for milliseconds. */
export interface TokenCounter {
  /** Tokens of each text, in order. Falls back to bytes ÷ 4 when counting fails. */
  count(texts: readonly string[]): Promise<readonly number[]>
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000

/** A counter in a thread of its own, by OpenAI's o200k vocabulary: an estimate for other models, and marked as ours. */
export function createTokenCounter(): TokenCounter {
  const thread = createThread<readonly string[], readonly number[]>(new URL('./tokens-worker.ts', import.meta.url))
  return {
    async count(texts) {
      try {
        return await thread.ask(texts, TIMEOUT_MS)
      } catch {
        return texts.map((text) => Math.ceil(Buffer.byteLength(text) / 4))
      }
    },
    close: () => thread.close(),
  }
}
