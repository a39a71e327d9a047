import { fault, FaultError, type Fault } from '../core/index.ts'
import { cancelled } from './faults.ts'
import type { ResponseHeaders } from '../http1/index.ts'
import type { OutboundResponse } from './net.ts'

/** Bytes taken in while nobody reads; beyond it the socket is paused, so a slow client stalls the provider, not our memory. */
const MAX_UNREAD_BYTES = 16 * 1024

/** What an exchange rides on. */
export interface Carrier {
  resume(): void
  destroy(): void
}

/** One request and its answer: the connection feeds it, the caller reads it. It is the answer that the caller gets. */
export class Exchange implements OutboundResponse {
  status = 0
  headers!: ResponseHeaders
  /** A property, not a method: it is handed around alone. */
  readonly abort = (): boolean => {
    this.cancel()
    return this.sent
  }
  /** What is sent, kept until an answer begins: up to then it may have to be sent once more. */
  head: string
  body: string | Uint8Array | null
  /** Every character of the body is one byte on the wire. */
  readonly ascii: boolean
  readonly connectMs: number
  carrier: Carrier | null = null
  failure: Fault | null = null
  answered = false
  /** A connection has taken the request. */
  sent = false

  private readonly resolve: (response: OutboundResponse) => void
  private readonly reject: (error: FaultError) => void
  private ended = false
  private paused = false
  /** Mostly one piece waits, or none: the list is made when a second comes. */
  private piece: Uint8Array | null = null
  private more: Uint8Array[] | null = null
  private unread = 0
  private wake: ((piece: Uint8Array | null) => void) | null = null
  private wakeFailed: ((error: FaultError) => void) | null = null

  constructor(
    head: string, body: string | Uint8Array | null, ascii: boolean, connectMs: number,
    resolve: (response: OutboundResponse) => void, reject: (error: FaultError) => void,
  ) {
    this.head = head
    this.body = body
    this.ascii = ascii
    this.connectMs = connectMs
    this.resolve = resolve
    this.reject = reject
  }

  get over(): boolean {
    return this.ended && this.piece === null && this.failure === null
  }

  read(): Promise<Uint8Array | null> {
    if (this.piece !== null) return Promise.resolve(this.take(this.piece))
    if (this.failure !== null) return Promise.reject(new FaultError(this.failure))
    if (this.ended) return END
    if (this.wake !== null) return Promise.reject(new FaultError(fault('internal', 'Two reads of one answer at once')))
    return new Promise((resolve, reject) => {
      this.wake = resolve
      this.wakeFailed = reject
    })
  }

  /** The head has come. */
  answer(status: number, headers: ResponseHeaders): void {
    this.answered = true
    this.head = ''
    this.body = null
    this.status = status
    this.headers = headers
    this.resolve(this)
  }

  /** All body bytes of one read. False: enough for now, until `resume`. */
  give(piece: Uint8Array): boolean {
    const { wake } = this
    if (wake !== null) {
      this.wake = this.wakeFailed = null
      wake(piece)
      return true
    }
    if (this.piece === null) this.piece = piece
    else (this.more ??= []).push(piece)
    this.unread += piece.length
    this.paused = this.unread > MAX_UNREAD_BYTES
    return !this.paused
  }

  /** The answer is whole. */
  end(): void {
    this.ended = true
    // Nothing promises that no byte comes after a pause (TLS hands over all of what it has deciphered), so the end may
    // come then; and an idle socket has to be listened to.
    if (this.paused) this.carrier?.resume()
    this.carrier = null
    this.paused = false
    const { wake } = this
    if (wake === null) return
    this.wake = this.wakeFailed = null
    wake(null)
  }

  /** What came before the failure can still be read. */
  fail(failure: Fault): void {
    if (this.failure !== null || this.ended) return
    this.failure = failure
    this.carrier = null
    this.paused = false
    if (!this.answered) this.reject(new FaultError(failure))
    const { wakeFailed } = this
    if (wakeFailed === null) return
    this.wake = this.wakeFailed = null
    wakeFailed(new FaultError(failure))
  }

  private take(first: Uint8Array): Uint8Array {
    const { more } = this
    this.piece = this.more = null
    this.unread = 0
    if (this.paused) {
      this.paused = false
      this.carrier?.resume()
    }
    return more === null ? first : Buffer.concat([first, ...more])
  }

  private cancel(): void {
    if (this.ended && this.piece === null) return
    const { carrier } = this
    this.piece = this.more = null
    this.unread = 0
    if (this.ended || this.failure !== null) this.failure = cancelled()
    else this.fail(cancelled())
    carrier?.destroy()
  }
}

const END: Promise<null> = Promise.resolve(null)
