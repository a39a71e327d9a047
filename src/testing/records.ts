import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** One request as it arrived and what became of it. Times are milliseconds of a monotonic clock. */
export interface Received {
  /** 1 for the first request of this fake. */
  readonly serial: number
  readonly method: string
  /** With the query; a key in it is replaced by its mark. */
  readonly path: string
  /** Secrets are replaced by `secretMark(value)` unless the fake was told to keep them. */
  readonly headers: Readonly<Record<string, string>>
  /** Which connection, and the how-many-eth request on it (2 and more: a reused keep-alive socket). */
  readonly connection: number
  readonly turn: number
  readonly at: number
  bytes: number
  raw: Buffer
  body: unknown
  dialect?: string
  model?: string
  stream: boolean
  /** The status sent, when one was. */
  status?: number
  sentEvents: number
  sentBytes: number
  /**
   * reading · answering · answered (all bytes handed over) · cut (by us, on order) · aborted (the caller left).
   * A stalled answer stays `answering` until the caller leaves.
   */
  state: 'reading' | 'answering' | 'answered' | 'cut' | 'aborted'
  endedAt?: number
  socketClosed: boolean
  /** Why the order for this request could not be carried out. */
  misorder?: string
}

/** What a secret header is recorded as: enough to tell two keys apart, not enough to use one. */
export const secretMark = (value: string) => `sha256:${createHash('sha256').update(value).digest('hex')}`

const SECRET_HEADERS = new Set([
  'authorization', 'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie', 'x-amz-security-token',
])
const SECRET_QUERY = /([?&](?:key|api[-_]?key|access_token)=)([^&]*)/gi

export interface Records {
  readonly all: Received[]
  open(request: IncomingMessage, connection: number, turn: number): Received
  /** Stores the body of a request; the oldest bodies make room. */
  keep(received: Received, raw: Buffer): void
  /** Tells those who wait that a record changed. */
  changed(): void
  waitFor(matches: (received: Received) => boolean, options?: { timeoutMs?: number }): Promise<Received>
  forget(): void
  close(): void
}

interface Waiter {
  matches(received: Received): boolean
  resolve(found: Received): void
  reject(why: Error): void
  timer: NodeJS.Timeout
}

/** Keeps the last `keep` requests, and of bodies at most `keepBytes`, so that a load run does not fill the memory. */
export function createRecords(
  options: { keep: number; keepBytes: number; keepSecrets: boolean; now: () => number },
): Records {
  const all: Received[] = []
  const waiting = new Set<Waiter>()
  let serial = 0
  let keptBytes = 0

  const drop = (received: Received) => {
    keptBytes -= received.raw.length
    received.raw = Buffer.alloc(0)
    received.body = undefined
  }

  return {
    all,
    open(request, connection, turn) {
      const headers = Object.fromEntries(Object.entries(request.headersDistinct).map(([name, values]) => {
        const value = values!.join(', ')
        return [name, SECRET_HEADERS.has(name) && !options.keepSecrets ? secretMark(value) : value]
      }))
      const path = options.keepSecrets
        ? request.url!
        : request.url!.replace(SECRET_QUERY, (_, name, value) => name + secretMark(value))
      const received: Received = {
        serial: ++serial, method: request.method!, path, headers, connection, turn, at: options.now(),
        bytes: 0, raw: Buffer.alloc(0), body: undefined, stream: false, sentEvents: 0, sentBytes: 0, state: 'reading',
        socketClosed: false,
      }
      all.push(received)
      if (all.length > options.keep) drop(all.shift()!)
      return received
    },
    keep(received, raw) {
      received.raw = raw
      received.bytes = raw.length
      keptBytes += raw.length
      for (const old of all) {
        if (keptBytes <= options.keepBytes || old === received) break
        drop(old)
      }
    },
    changed() {
      for (const waiter of waiting) {
        const found = all.find(waiter.matches)
        if (!found) continue
        clearTimeout(waiter.timer)
        waiting.delete(waiter)
        waiter.resolve(found)
      }
    },
    waitFor(matches, { timeoutMs = 20_000 } = {}) {
      const found = all.find(matches)
      if (found) return Promise.resolve(found)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(waiter)
          const seen = all.map(
            (it) => `${it.serial} ${it.method} ${it.path} ${it.state}`
          ).slice(-20).join('; ') || 'none'
          reject(new Error(`no request matched ${matches.toString()} within ${timeoutMs} ms; requests seen: ${seen}`))
        }, timeoutMs)
        const waiter = { matches, resolve, reject, timer }
        waiting.add(waiter)
      })
    },
    forget: () => { all.forEach(drop); all.length = 0; keptBytes = 0 },
    close() {
      for (const { timer, reject } of waiting) { clearTimeout(timer); reject(
        new Error('the fake upstream was closed')
      ) }
      waiting.clear()
    },
  }
}
