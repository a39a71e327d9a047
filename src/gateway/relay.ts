import { cacheDiscount, fault, usdFromAtto, type Ambient, type ChatEvent, type Fault, type Fees, type Generation, type JsonObject, type Need, type Review, type StageNote, type Usage } from '../core/index.ts'
import { overdue, type Committed, type RunningAttempt, type Tried } from './attempts.ts'
import type { Audit } from './audit.ts'
import type { Call } from './call.ts'
import { withLoser } from './hedge.ts'
import { withFees, withRetries, type Ending, type Meter, type Metered } from './meter.ts'
import type { Share } from './places.ts'
import { recordOf } from './record.ts'

type Batch = readonly ChatEvent[]
export type Transform = (batch: Batch) => Batch

export interface RelayParts {
  readonly ambient: Ambient
  readonly record: (generation: Generation) => void
  readonly observe: (attempt: RunningAttempt, failure: Fault | null, latencyMs: number | null, throughput: number | null, streamed: boolean) => void
  /** It was answered to its end, and this is what it used. */
  readonly answered: (of: RelayOf, used: Usage) => void
  /** The call is over; its place is free. */
  readonly ended: (place: Share | null) => void
}

export interface RelayOf {
  readonly call: Call
  readonly need: Need
  readonly tried: Tried
  readonly committed: Committed
  readonly transforms: readonly Transform[]
  /** For requests in whose reply there is something to judge. */
  readonly audit: Audit | null
  /** Judges a stream when it has ended; null where nobody does, and for whole answers, which were judged before. */
  readonly review: ((reply: Batch) => Review) | null
  /** What stages bought for it. */
  readonly fees?: Fees
  /** Null where several calls share it, each with a place of its own. */
  readonly place: Share | null
}

/** After the last choice has finished, usage may follow for this long before the answer ends without it. */
const USAGE_GRACE_MS = 3000
/** Longer streams are not kept to be judged. */
const MOST_REVIEWED = 1_000_000
/** A reply that came within this was not streamed: it has no speed. */
const LEAST_STREAM_MS = 50
const NOTHING: readonly never[] = Object.freeze([])
const DONE = { done: true, value: undefined } as const

/**
 * Passes on what a committed attempt says, read by read, and closes the books when it ends, however it ends: by
 * itself, by a fault, or because the reader left. The last batch carries the charge, and by then the call is on
 * record. An iterator by hand, because it runs for every read of every stream: a generator's queue costs as much again.
 */
export class Relay implements AsyncIterableIterator<Batch> {
  readonly #parts: RelayParts
  readonly #of: RelayOf
  readonly #meter: Meter
  readonly #firstBlockAt: number
  /** From the beginning of the attempt, not of the call: what others took before says nothing of this endpoint. */
  readonly #latencyMs: number
  #begun = false
  #finishing = false
  #closed = false
  /** The monotonic clock when the last batch was handed over, and how long the reader has kept us waiting in all. */
  #handedAt: number
  #heldMs = 0
  #failure: Fault | null = null
  /** All that was said, where it shall be judged. */
  readonly #kept: ChatEvent[] | null
  /** Reasons to end that wait for the judgement. */
  #finishes: readonly ChatEvent[] = NOTHING
  #length = 0
  #notes: readonly StageNote[] = NOTHING
  #used: Usage | null = null

  constructor(parts: RelayParts, of: RelayOf, meter: Meter) {
    this.#parts = parts
    this.#of = of
    this.#meter = meter
    this.#kept = of.review === null ? null : []
    this.#firstBlockAt = this.#handedAt = parts.ambient.monotonic()
    this.#latencyMs = of.committed.attempt.elapsedMs()
    const { deadline, timeouts } = of.committed.attempt
    deadline.set(timeouts.idleMs)
    deadline.hold()
  }

  /** Why the answer ended badly, once it has; null for one that is whole or still under way. */
  get failure(): Fault | null {
    return this.#failure
  }

  /** What was made of the answer when it had ended. */
  get notes(): readonly StageNote[] {
    return this.#notes
  }

  /** What it used of the prompt cache, and what that saved, once it has ended; null where it used none. */
  get cached(): JsonObject | null {
    if (this.#used === null) return null
    const discount = cacheDiscount(this.#meter.sheet, this.#used)
    if (discount === null) return null
    const { cacheRead, cacheWrite5m, cacheWrite1h } = this.#used.input
    return { read_tokens: cacheRead, write_tokens: cacheWrite5m + cacheWrite1h, discount: usdFromAtto(discount) }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Batch>> {
    if (this.#closed) return DONE
    this.#resume()
    for (let batch = this.#begun ? await this.#read() : this.#begin(); batch !== null; batch = await this.#read()) {
      if (batch.length === 0) {
        if (this.#of.committed.source.finished) this.#finish()
        continue
      }
      const out = this.#pass(batch)
      this.#failure = this.#meter.fault
      if (this.#failure || this.#of.committed.source.ended) return this.#end(out)
      this.#move()
      if (this.#failure) return this.#end(out)
      if (out.length === 0) continue
      this.#of.committed.attempt.deadline.hold()
      return { done: false, value: out }
    }
    return this.#end([])
  }

  /** The reader left: what was delivered is charged, the rest is never read. */
  async return(): Promise<IteratorResult<Batch>> {
    if (!this.#closed) {
      this.#failure = fault('cancelled', 'The caller left')
      await this.#close('cancelled')
    }
    return DONE
  }

  #begin(): Batch {
    this.#begun = true
    return this.#of.committed.first
  }

  async #read(): Promise<Batch | null> {
    try {
      return await this.#of.committed.source.next()
    } catch {
      // A provider that never sends usage, or breaks off after the last finish, has still answered.
      if (!this.#of.call.departure.gone) {
        if (this.#meter.finished) return null
        const rest = this.#of.committed.source.conclude()
        if (rest !== null) return rest
      }
      this.#failure = this.#of.committed.attempt.stopped('idle')
        ?? fault('stream-cut', 'The connection to the provider broke in the middle of the answer')
      return null
    }
  }

  #pass(batch: Batch): Batch {
    this.#of.audit?.take(batch)
    let out = this.#meter.take(batch)
    const { reviewed, first } = this.#of.committed
    if (reviewed !== undefined && 'pass' in reviewed && batch === first) out = reviewed.pass.filter((event) => event.type !== 'usage')
    for (const transform of this.#of.transforms) out = transform(out)
    return this.#kept === null ? out : this.#keep(batch, out)
  }

  /** Keeps what came; of what goes on, the reasons to end wait for the judgement, since an answer ends for one reason. */
  #keep(batch: Batch, out: Batch): Batch {
    for (const event of batch) if (event.type === 'block-delta') this.#length += event.text.length
    if (this.#length <= MOST_REVIEWED) this.#kept!.push(...batch)
    const passed: ChatEvent[] = []
    for (const event of out) {
      if (event.type === 'finish') this.#finishes = [...this.#finishes, event]
      else passed.push(event)
    }
    return passed
  }

  /** What is said against an answer that came to its end. */
  #reviewed(): Fault | null {
    const found = this.#of.committed.reviewed ?? (this.#kept === null || this.#length > MOST_REVIEWED ? null : this.#of.review!(this.#kept))
    if (found?.note) this.#notes = [found.note]
    return found !== null && 'fault' in found ? found.fault : null
  }

  /** The reader wants more. How long it took is not the provider's time: a slow reader must not make it look dead. */
  #resume(): void {
    const held = this.#parts.ambient.monotonic() - this.#handedAt
    this.#heldMs += held
    this.#of.committed.attempt.deadline.resume(held)
  }

  /** Gives the provider its time until the next read; what it says after its last finish gives it no more. */
  #move(): void {
    const { deadline, timeouts } = this.#of.committed.attempt
    const now = this.#handedAt = this.#parts.ambient.monotonic()
    if (this.#meter.finished || this.#of.committed.source.finished) this.#finish()
    else if (this.#finishing) {
      // It went on: some say `stop` with every piece.
      this.#finishing = false
      deadline.set(timeouts.idleMs)
    } else deadline.touch(now)
    const took = now - this.#firstBlockAt
    if (took <= timeouts.totalMs) return
    // Each piece takes its reader a moment: only one who took most of the time is slow.
    this.#failure = this.#heldMs * 2 <= took ? overdue('The answer took longer than an answer may take', 'total', timeouts.totalMs)
      : fault('cancelled', 'The caller read the answer too slowly to see its end')
  }

  /** Every choice has said why it ended: usage may follow, for a while that begins once. */
  #finish(): void {
    if (this.#finishing) return
    this.#finishing = true
    this.#of.committed.attempt.deadline.set(USAGE_GRACE_MS)
  }

  /** The last batch: what was still to be said, the charge, and the fault if there is one. */
  async #end(rest: Batch): Promise<IteratorResult<Batch>> {
    if (!this.#failure && !this.#meter.finished) {
      this.#failure = fault('stream-cut', 'The provider ended the answer before it was finished')
    }
    const failure = this.#failure
    if (!failure) {
      this.#failure = this.#reviewed()
      const { usage, charge } = await this.#close('complete')
      const last: ChatEvent = { type: 'usage', usage, charge }
      // It was answered, and is paid, but it is not what was asked for.
      return { done: false, value: this.#failure === null ? [...rest, ...this.#finishes, last] : [...rest, last, { type: 'fault', fault: this.#failure }] }
    }
    const { usage, charge } = await this.#close(failure.kind === 'cancelled' ? 'cancelled' : 'failed')
    const said: Fault = {
      ...failure, upstream: { ...failure.upstream, provider: this.#of.committed.attempt.candidate.endpoint.providerName },
    }
    const before = rest.filter((event) => event.type !== 'fault')
    return { done: false, value: [...before, ...this.#finishes, { type: 'usage', usage, charge }, { type: 'fault', fault: said }] }
  }

  async #close(ending: Ending): Promise<Metered> {
    this.#closed = true
    const { call, need, tried, committed, audit, fees, place } = this.#of
    const { ambient, observe, record, ended, answered } = this.#parts
    if (ending !== 'complete') committed.source.abort()
    try {
      const settling = this.#meter.settle(ending)
      const settled = settling instanceof Promise ? await settling : settling
      const metered = withFees(withRetries(tried.loser === null ? settled : withLoser(settled, tried.loser), tried.retries), fees)
      this.#used = metered.usage
      const failure = this.#failure
      const quality = audit !== null && ending === 'complete' ? audit.verdict(this.#meter.reason) : null
      const attempt = committed.attempt.record({
        outcome: ending === 'complete' ? 'answered' : ending,
        fault: failure?.kind ?? null,
        message: failure?.message ?? null,
        upstreamId: this.#meter.upstreamId,
      })
      const now = ambient.monotonic()
      const streamedMs = now - this.#firstBlockAt - this.#heldMs
      const tokens = metered.usage.output.total
      observe(committed.attempt, failure, this.#latencyMs,
        streamedMs > LEAST_STREAM_MS && tokens > 0 ? tokens / streamedMs * 1000 : null, call.asked.stream)
      if (ending === 'complete') answered(this.#of, metered.usage)
      record(recordOf(call, need, tried, { committed, attempt, meter: this.#meter, metered, failure, quality, firstBlockAt: this.#firstBlockAt }, now))
      return metered
    } finally {
      committed.attempt.over()
      ended(place)
    }
  }
}
