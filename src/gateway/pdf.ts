import { createThread, ThreadLost } from './thread.ts'

/** The bounds of one document. */
export interface PdfBounds {
  readonly maxPages: number
  readonly maxCharacters: number
  readonly timeoutMs: number
}

export type PdfJob = Pick<PdfBounds, 'maxPages' | 'maxCharacters'> & { readonly bytes: Uint8Array }

/** The text of each page, in order; or why there is none. `pages` is how many a document has that has too many, or too much. */
export type PdfText =
  | { readonly pages: readonly string[] }
  | { readonly failed: 'password' | 'broken' }
  | { readonly failed: 'pages' | 'characters'; readonly pages: number }
  | { readonly failed: 'time' | 'memory' | 'busy' }

/** Reads the text of PDFs, which are whatever somebody sends: in a thread of its own, within bounds of time and memory. */
export interface PdfReader {
  /** Never rejects but by a fault of ours. */
  read(bytes: Uint8Array, bounds: PdfBounds): Promise<PdfText>
  close(): Promise<void>
}

/** A page of a few kilobytes can ask for gigabytes: what the thread holds outside of its heap is looked at this often. */
const LOOK_MS = 50
const MAX_EXTERNAL_BYTES = 512 * 1024 * 1024
const LIMITS = { maxOldGenerationSizeMb: 256 }
/** Documents that wait for the thread, and the one that it has. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024

/**
 * A reader whose thread starts with the first document. One document at a time; one that takes too long or too much has
 * its thread ended under it, and the next one starts another.
 */
export function createPdfReader(given: { readonly maxExternalBytes?: number; readonly maxWaitingBytes?: number } = {}): PdfReader {
  const { maxExternalBytes = MAX_EXTERNAL_BYTES, maxWaitingBytes = MAX_WAITING_BYTES } = given
  const thread = createThread<PdfJob, PdfText>(new URL('./pdf-worker.ts', import.meta.url), LIMITS)
  let waitingBytes = 0
  let last: Promise<unknown> = Promise.resolve()

  const readNow = async (bytes: Uint8Array, { maxPages, maxCharacters, timeoutMs }: PdfBounds): Promise<PdfText> => {
    let [over, tooMuch] = [false, false]
    const look = async (): Promise<void> => {
      const held = await thread.externalBytes()
      // On a busy machine it may be told after the document has ended: the thread is the next one's then.
      if (over || tooMuch || held <= maxExternalBytes) return
      tooMuch = true
      await thread.close()
    }
    const watch = setInterval(() => void look(), LOOK_MS)
    try {
      return await thread.ask({ bytes, maxPages, maxCharacters }, timeoutMs)
    } catch (error) {
      // What takes too long may never come to an end, and others wait behind it.
      await thread.close()
      if (tooMuch || (error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY') return { failed: 'memory' }
      if (error instanceof ThreadLost) return { failed: 'time' }
      throw error
    } finally {
      over = true
      clearInterval(watch)
    }
  }

  return {
    async read(bytes, bounds) {
      const { length } = bytes
      if (waitingBytes + length > maxWaitingBytes) return { failed: 'busy' }
      waitingBytes += length
      const turn = last.then(() => readNow(bytes, bounds))
      last = turn.catch(() => {})
      try {
        return await turn
      } finally {
        waitingBytes -= length
      }
    },
    close: () => thread.close(),
  }
}
