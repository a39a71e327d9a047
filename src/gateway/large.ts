import { fault, type Asked, type ChatEvent, type ChatRequest, type Departure, type EmbedRequest, type Fault, type Message, type Operation } from '../core/index.ts'
import type { Inbound, Outgoing, RequestHeaders, Target } from '../dialects/index.ts'
import { createThread, ThreadLost, type Thread } from './thread.ts'

/** Bodies above this are read and written in a thread: 20 MB held the event loop up for 28 ms. */
export const LARGE_BYTES = 8 * 1024 * 1024

/** Reads and writes bodies that are too large for the event loop. */
export interface LargeBodies {
  /**
   * Reads a body in the words of a surface, with the same result as on the loop: what is asked, or a fault with the
   * path of its field. Resolves with `cancelled` when the caller leaves before its turn.
   */
  read(bytes: Buffer, spoken: Spoken, headers: RequestHeaders, departure: Departure): Promise<{ readonly asked: Asked; readonly large: LargeBody } | { readonly fault: Fault }>
  /** Writes a request that became large here, by what was fetched for it. */
  write<O extends Written['type']>(operation: O, request: Extract<Written, { type: O }>['request'], target: Target): Promise<Outgoing | { readonly fault: Fault }>
  /**
   * Reads the answer to a request for embeddings, whose vectors are then as its caller will read them. The bytes are
   * moved and cannot be used again. Of answers up to `LARGE_VECTORS` bytes nobody else notices anything.
   */
  vectors(body: Uint8Array, encoding: EmbedRequest['encoding'], target: Target): Promise<readonly ChatEvent[]>
  close(): Promise<void>
}

/** Operations whose requests may name what has to be fetched. */
type Written = Exclude<Operation, { type: 'rerank' }>

/** Answers with vectors are read and written in a thread above this: to write the numbers of 8 MB took 0.3 to 0.8 s. */
export const LARGE_VECTORS = 256 * 1024

/** The words that a body is in: a dialect, and what the address says where it says a part of the request. */
export type Spoken = Pick<Inbound, 'dialect' | 'address'>

/** A body that was read there, so that it can be written there. */
export interface LargeBody {
  /** Writes its request, as it has become since, in an outbound dialect. */
  encode(dialect: string, request: ChatRequest, target: Target): Promise<Outgoing | { readonly fault: Fault }>
}

/** What the thread is asked: to read a body, to hand over its messages from one on, to write it; to write another request, to read vectors. */
export type LargeJob =
  | { readonly do: 'read'; readonly body: SharedBody }
  | { readonly do: 'messages'; readonly body: SharedBody; readonly from: number }
  | {
      readonly do: 'encode'; readonly body: SharedBody; readonly dialect: string; readonly target: Target
      /** How the request differs from the one that was read: fields that changed, and names of those that went. */
      readonly changed: Partial<ChatRequest>; readonly gone: readonly string[]
    }
  | { readonly do: 'write'; readonly operation: Written['type']; readonly request: Written['request']; readonly target: Target }
  | { readonly do: 'vectors'; readonly body: Uint8Array; readonly encoding: EmbedRequest['encoding']; readonly target: Target }

/** Shared and not moved, so that the thread can read it again when it has forgotten it. */
export interface SharedBody {
  readonly id: number
  readonly spoken: Spoken
  readonly headers: RequestHeaders
  readonly shared: SharedArrayBuffer
  readonly length: number
}

export type LargeAnswer =
  | { readonly asked: Asked; readonly messages: number }
  | { readonly messages: readonly Message[] }
  | { readonly outgoing: Outgoing }
  | { readonly events: readonly ChatEvent[] }
  | { readonly fault: Fault }

/** Bodies that wait for the thread, and the one that it has: beyond this, callers are asked to come again. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024
const TIMEOUT_MS = 30_000

export function createLargeBodies(given: { readonly maxWaitingBytes?: number } = {}): LargeBodies {
  const thread = createThread<LargeJob, LargeAnswer>(new URL('./large-worker.ts', import.meta.url))
  const maxWaitingBytes = given.maxWaitingBytes ?? MAX_WAITING_BYTES
  let waitingBytes = 0
  let nextId = 0
  let last: Promise<unknown> = Promise.resolve()

  /** One at a time: the thread remembers one body, and who has left before his turn costs nothing. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }

  return {
    async read(bytes, { dialect, address }, headers, departure) {
      if (waitingBytes + bytes.length > maxWaitingBytes) {
        return { fault: fault('unavailable', 'Too many large requests are being read at the moment: try again', { retryAfterMs: 1000 }) }
      }
      waitingBytes += bytes.length
      try {
        const body: SharedBody = { id: nextId++, spoken: { dialect, address }, headers: { ...headers }, shared: shared(bytes), length: bytes.length }
        return await inTurn(async () => {
          if (departure.gone) return { fault: fault('cancelled', 'The caller left') }
          const asked = await readThere(thread, body, departure)
          return 'fault' in asked ? asked : { asked, large: writer(thread, inTurn, body, asked.operation.request) }
        })
      } catch (error) {
        return { fault: failure(error, thread) }
      } finally {
        waitingBytes -= bytes.length
      }
    },
    async write(operation, request, target) {
      try {
        const written = await inTurn(() => thread.ask({ do: 'write', operation, request, target }, TIMEOUT_MS))
        return 'outgoing' in written ? written.outgoing : written as { readonly fault: Fault }
      } catch (error) {
        return { fault: failure(error, thread) }
      }
    },
    async vectors(body, encoding, target) {
      try {
        const { buffer } = body
        const moved = buffer instanceof ArrayBuffer && body.byteLength === buffer.byteLength ? [buffer] : []
        const read = await thread.ask({ do: 'vectors', body, encoding, target }, TIMEOUT_MS, moved)
        return 'events' in read ? read.events : [{ type: 'fault', ...read as { readonly fault: Fault } }]
      } catch (error) {
        return [{ type: 'fault', fault: failure(error, thread) }]
      }
    },
    close: () => thread.close(),
  }
}

type LargeThread = Thread<LargeJob, LargeAnswer>

/**
 * What a body asks. The messages come over in pieces, each in a turn of the loop of its own: making ninety thousand
 * of them at once took 90 ms.
 */
async function readThere(thread: LargeThread, body: SharedBody, departure: Departure): Promise<Asked | { readonly fault: Fault }> {
  const read = await thread.ask({ do: 'read', body }, TIMEOUT_MS) as Extract<LargeAnswer, { asked: Asked } | { fault: Fault }>
  if ('fault' in read) return read
  const messages: Message[] = []
  while (messages.length < read.messages) {
    if (departure.gone) return { fault: fault('cancelled', 'The caller left') }
    const piece = await thread.ask({ do: 'messages', body, from: messages.length }, TIMEOUT_MS) as { messages: readonly Message[] }
    for (const message of piece.messages) messages.push(message)
  }
  const { asked } = read
  return { ...asked, operation: { type: 'chat', request: { ...asked.operation.request, messages } } }
}

function writer(
  thread: LargeThread, inTurn: <T>(work: () => Promise<T>) => Promise<T>, body: SharedBody, original: ChatRequest,
): LargeBody {
  return {
    async encode(dialect, request, target) {
      try {
        const written = await inTurn(() => thread.ask({ do: 'encode', body, dialect, target, ...difference(request, original) }, TIMEOUT_MS))
        return 'outgoing' in written ? written.outgoing : written as { readonly fault: Fault }
      } catch (error) {
        return { fault: failure(error, thread) }
      }
    },
  }
}

/** What was changed since the request was read. Values are compared as such: what nobody replaced stays over there. */
function difference(request: ChatRequest, original: ChatRequest): { changed: Partial<ChatRequest>; gone: readonly string[] } {
  const before = original as unknown as Readonly<Record<string, unknown>>
  return {
    changed: Object.fromEntries(Object.entries(request).filter(([key, value]) => value !== before[key])),
    gone: Object.keys(original).filter((key) => !(key in request)),
  }
}

/** What came of a thread that is gone; anything else is a fault of ours. */
function failure(error: unknown, thread: LargeThread): Fault {
  if (!(error instanceof ThreadLost)) throw error
  // What takes too long may never come to an end, and others wait behind it.
  void thread.close()
  return fault('unavailable', 'Large requests cannot be read at the moment: try again', { retryAfterMs: 1000 })
}

/** The memory of a body, where it can be shared; else a copy that can. */
function shared(bytes: Buffer): SharedArrayBuffer {
  if (bytes.buffer instanceof SharedArrayBuffer && bytes.byteOffset === 0) return bytes.buffer
  const copy = new SharedArrayBuffer(bytes.length)
  bytes.copy(new Uint8Array(copy))
  return copy
}
