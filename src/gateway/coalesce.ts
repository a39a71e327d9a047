import { createHash } from 'node:crypto'
import {
  asSaid, Departure, fault, NO_CHARGE, NO_USAGE,
  type Ambient, type Asked, type ChatEvent, type Fault, type Generation, type Operation,
} from '../core/index.ts'
import type { RoutingPolicy } from '../routing/index.ts'
import type { Call, Outcome } from './call.ts'
import { unplanned } from './metadata.ts'
import type { Share } from './places.ts'

/** Identical calls that are under way at once share one: docs/coalescing.md. */

type Batch = readonly ChatEvent[]

/**
 * What a call has in common with those that it may share an answer with: its workspace, its surface, its body byte for
 * byte (its end user and its seed included: a provider is told both), and the preferences that hold for it. Null where it
 * shares with nobody, which is nearly everywhere.
 */
export function likeness(call: Call, policy: Pick<RoutingPolicy, 'coalesce'>): string | null {
  if (call.kept === true || call.large || whyAlone(call.asked, policy) !== null) return null
  const { operation, preferences, plugins, stream, echo, moderated, inside } = call.asked
  const { request } = operation
  const { origin } = request
  // The address of a request may say its model, and a header its session: neither is in the body.
  const said = origin === undefined ? request : { dialect: origin.dialect, headers: origin.headers, session: request.session }
  const hash = createHash('sha256').update(text([call.key.workspace, call.surface, stream, echo === true, moderated === true, preferences, plugins, said, ...(inside ? [inside] : [])]))
  if (origin !== undefined) hash.update(origin.bytes ?? text(origin.body))
  return hash.digest('base64url')
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => typeof one === 'bigint' ? `${one}n` : one)
}

/** What `POST /route/explain` says of it. */
export interface CoalesceExplanation {
  readonly shares: boolean
  readonly why?: string
}

export function explainCoalesce(asked: Asked<Operation>, policy: Pick<RoutingPolicy, 'coalesce'>): CoalesceExplanation {
  const why = whyAlone(asked, policy)
  return why === null ? { shares: true } : { shares: false, why }
}

function whyAlone({ preferences, operation: { request } }: Asked<Operation>, policy: Pick<RoutingPolicy, 'coalesce'>): string | null {
  const { coalesce } = preferences
  if (coalesce === undefined && policy.coalesce !== 'on') return 'neither the request nor the policy asks for it'
  if (coalesce === false) return 'provider.coalesce is false, for the request, its key or its workspace'
  if (policy.coalesce === 'off') return 'the policy has coalesce off'
  return request.origin?.body['store'] === true || request.extras['store'] === true ? 'its answer is to be kept (store)' : null
}

export interface FlightGiven {
  readonly ambient: Pick<Ambient, 'monotonic'>
  readonly record: (generation: Generation) => void
  /** So much of the answer is kept for those who are behind, in characters. */
  readonly bufferBytes: number
  /** A passenger's call is over; its place is free. */
  readonly left: (place: Share) => void
}

/** What a batch weighs beside its text. */
const BATCH_WEIGHT = 128

/**
 * One call on its way for several callers (what Go calls a single flight). It reads as fast as the fastest of them, and
 * keeps what the others lack; it goes on while anybody is there, and ends when the last one has left.
 *
 * It is charged to one: the earliest of those who stayed to its end, or, where nobody did, the one who left last. The
 * others pay nothing, and their records say what they were spared and by whom. All records are made at the end, because
 * who pays is not known before.
 */
export class Flight {
  /** Of all of them. */
  readonly departure = new Departure()
  readonly #given: FlightGiven
  readonly #passengers: Passenger[] = []
  #aboard = 0
  #outcome: Promise<Outcome> | null = null
  #source: AsyncIterator<Batch> | null = null
  #landed: () => void = () => {}
  /** What comes of it is settled: nobody may join any more. */
  #settled = false
  #payer: Passenger | null = null
  #lastToLeave: Passenger | null = null
  #reading = false
  #ended = false
  #broken: { readonly error: unknown } | null = null
  /** The batches that somebody may still want, and how many came before them. */
  readonly #log: { readonly batch: Batch; readonly weight: number }[] = []
  #dropped = 0
  #weight = 0

  constructor(given: FlightGiven) {
    this.#given = given
  }

  /** Whether one more may join: it has not come to its end, and nothing of its beginning has been let go. */
  get open(): boolean {
    return !this.#settled && this.#dropped === 0 && !this.departure.gone
  }

  /** `landed` hears when nobody may join any more. */
  begin(outcome: Promise<Outcome>, landed: () => void): void {
    this.#outcome = outcome
    this.#landed = landed
    void this.#take(outcome)
  }

  async #take(outcome: Promise<Outcome>): Promise<void> {
    try {
      const of = await outcome
      if ('fault' in of) this.#settle()
      else this.#source = of.events[Symbol.asyncIterator]()
    } catch {
      // Whoever waits for it hears why.
      this.#settle()
    }
  }

  /** Resolves as the flight does; or when its caller leaves, while others go on. */
  async join(call: Call, place: Share): Promise<Outcome> {
    const passenger = new Passenger(this, call, place, this.#given)
    this.#passengers.push(passenger)
    this.#aboard++
    call.departure.listen(passenger.leave)
    if (call.departure.gone) passenger.leave()
    const outcome = await Promise.race([this.#outcome!, passenger.alone])
    if (outcome === null || 'fault' in outcome) passenger.over()
    if (outcome === null) return { fault: fault('cancelled', 'The caller left'), metadata: () => unplanned(call) }
    const metadata = () => ({
      ...outcome.metadata(), generation_time: Math.round(this.#given.ambient.monotonic() - call.startedAt), ...this.#shared(),
    })
    if ('fault' in outcome) return { fault: outcome.fault, metadata }
    return {
      events: passenger, echo: outcome.echo ?? null, metadata,
      meta: { ...outcome.meta, id: call.id, created: Math.floor(call.createdAt / 1000), asked: asSaid(call.asked) },
    }
  }

  /** Takes the record of the call, and makes one for each who shared it. */
  readonly record = (of: Generation): void => {
    this.#settle()
    const payer = this.#payer!
    const calls = this.#passengers.length
    const [first] = this.#passengers
    // The clock of the record is that of the first, for whom the call was begun.
    const firstBlockAt = of.latencyMs === null ? null : first!.call.startedAt + of.latencyMs
    for (const passenger of this.#passengers) {
      const own = passenger.recordOf(of, passenger === payer, firstBlockAt)
      this.#given.record(calls === 1 ? own : { ...own, coalesced: { paidBy: payer.call.id, cost: of.cost, calls } })
    }
  }

  /** Somebody has left: the last one ends it. True where others go on. */
  leave(passenger: Passenger): boolean {
    if (--this.#aboard > 0) return true
    this.#lastToLeave = passenger
    this.departure.leave()
    return false
  }

  /** The next batch at a place, null at the end; undefined while it is being read. Throws what reading it threw. */
  at(position: number): Batch | null | undefined {
    const kept = this.#log[position - this.#dropped]
    if (kept !== undefined) return kept.batch
    if (this.#broken !== null) throw this.#broken.error
    return this.#ended ? null : undefined
  }

  /** Has the next batch read, once for all who wait for it. */
  async read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      const { done, value } = await this.#source!.next()
      if (done) this.#ended = true
      else this.#keep(value)
    } catch (error) {
      this.#broken = { error }
      this.#settle()
    }
    this.#reading = false
    for (const passenger of this.#passengers) passenger.wake?.()
  }

  /** The last batch as one reads it who is not charged. */
  spared(batch: Batch): Batch {
    return batch.map((event) => event.type === 'usage' && event.charge !== undefined
      ? { ...event, charge: { ...NO_CHARGE, coalesced: event.charge.total } } : event)
  }

  pays(passenger: Passenger): boolean {
    return this.#payer === passenger
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    this.#payer = this.#passengers.find(({ leftAt }) => leftAt === null) ?? this.#lastToLeave
    this.#landed()
  }

  /**
   * Keeps a batch; beyond the bound the oldest go, and with them whoever had not read them. Where nobody has, the one who
   * read ahead has left meanwhile, and the others are waited for.
   */
  #keep(batch: Batch): void {
    const weight = batch.reduce((sum, event) => sum + (event.type === 'block-delta' ? event.text.length : 0), BATCH_WEIGHT)
    this.#log.push({ batch, weight })
    this.#weight += weight
    while (this.#weight > this.#given.bufferBytes && this.#log.length > 1) {
      const behind = this.#passengers.filter(({ leftAt, position }) => leftAt === null && position <= this.#dropped)
      if (behind.length === this.#aboard) return
      this.#weight -= this.#log.shift()!.weight
      this.#dropped++
      for (const passenger of behind) passenger.leftBehind()
    }
  }

  #shared(): object {
    const calls = this.#passengers.length
    return calls < 2 || this.#payer === null ? {} : { coalesced: { paid_by: this.#payer.call.id, calls } }
  }
}

const TOO_SLOW = fault('cancelled', 'The caller read an answer that others share too slowly to see its end')
const LEFT = fault('cancelled', 'The caller left')

/** One of those who share a call: what it reads of the answer, at its own pace, and when it left. */
class Passenger implements AsyncIterableIterator<Batch> {
  readonly call: Call
  /** How many batches it has read. */
  position = 0
  /** The monotonic clock when it left before the end. */
  leftAt: number | null = null
  /** Set while it waits for a batch. */
  wake: (() => void) | null = null
  /** Resolves when it left and others go on. */
  readonly alone: Promise<null>
  readonly leave = (): void => this.#leave(LEFT)
  readonly #goOn: (_: null) => void
  readonly #flight: Flight
  readonly #given: FlightGiven
  #place: Share | null
  /** Why it left what goes on without it, until it has been told. */
  #why: Fault | null = null
  #done = false

  constructor(flight: Flight, call: Call, place: Share, given: FlightGiven) {
    this.#flight = flight
    this.call = call
    this.#place = place
    this.#given = given
    const { promise, resolve } = Promise.withResolvers<null>()
    this.alone = promise
    this.#goOn = resolve
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Batch>> {
    for (;;) {
      if (this.#done) return { done: true, value: undefined }
      if (this.#why !== null) return this.#last([{ type: 'usage', usage: NO_USAGE, charge: NO_CHARGE }, { type: 'fault', fault: this.#why }])
      let batch: Batch | null | undefined
      try {
        batch = this.#flight.at(this.position)
      } catch (error) {
        this.#end()
        throw error
      }
      if (batch === null) {
        this.#end()
        continue
      }
      if (batch !== undefined) {
        this.position++
        return isLast(batch) ? this.#last(this.#flight.pays(this) ? batch : this.#flight.spared(batch)) : { done: false, value: batch }
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve
        void this.#flight.read()
      })
      this.wake = null
    }
  }

  async return(): Promise<IteratorResult<Batch>> {
    if (!this.#done) {
      this.leave()
      // Whoever leaves last has to see it end, or it would never be on record.
      while (!this.#done) await this.next()
    }
    return { done: true, value: undefined }
  }

  /** The flight has let go of what it had not read. */
  leftBehind(): void {
    this.#leave(TOO_SLOW)
  }

  /** Its call is over, as the gateway counts them. */
  over(): void {
    this.call.departure.ignore(this.leave)
    this.#done = true
    this.#place = null
  }

  /** The record of this one, from that of the call that all of them share. */
  recordOf(of: Generation, pays: boolean, firstBlockAt: number | null): Generation {
    const { call: { id, createdAt, startedAt, key, app }, leftAt } = this
    const endedAt = leftAt ?? this.#given.ambient.monotonic()
    const saw = firstBlockAt !== null && firstBlockAt <= endedAt
    const own: Generation = {
      ...of, id, createdAt, keyId: key.id,
      latencyMs: saw ? Math.max(0, Math.round(firstBlockAt - startedAt)) : null,
      durationMs: Math.round(endedAt - startedAt),
      referer: app.referer, title: app.title, categories: app.categories, userAgent: app.userAgent,
    }
    if (pays) return own
    const spared: Generation = { ...own, cost: 0n, absorbed: 0n, price: null, attempts: [], untried: 0, quality: null }
    return leftAt === null ? spared : { ...spared, cancelled: true, finish: null, nativeFinish: null, fault: 'cancelled', usage: NO_USAGE }
  }

  #leave(why: Fault): void {
    if (this.#done || this.leftAt !== null) return
    this.leftAt = this.#given.ambient.monotonic()
    if (this.#flight.leave(this)) {
      this.#why = why
      this.#goOn(null)
    }
    this.wake?.()
  }

  #last(batch: Batch): IteratorResult<Batch> {
    this.#end()
    return { done: false, value: batch }
  }

  #end(): void {
    if (this.#done) return
    const place = this.#place!
    this.over()
    this.#given.left(place)
  }
}

function isLast(batch: Batch): boolean {
  const last = batch.at(-1)
  return last !== undefined && (last.type === 'fault' || (last.type === 'usage' && last.charge !== undefined))
}
