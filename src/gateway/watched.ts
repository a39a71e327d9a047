import {
  attoFromNano, Departure, fault, faultOf, NO_CHARGE, usdFromNano,
  type Attempt, type ChatEvent, type Fault, type Generation, type JsonObject, type StageNote, type Verdict, type Watch,
} from '../core/index.ts'
import type { Call, Outcome } from './call.ts'
import type { Within } from './within.ts'

/** Answers that are judged while they are made (docs/moderation.md): what is flagged ends for its caller as a provider's own filter ends it. */

type Batch = readonly ChatEvent[]
type Answering = Extract<Outcome, { events: unknown }>
type Against = Extract<Verdict, { flagged: true } | { fault: Fault }>
const DONE = { done: true, value: undefined } as const
const NOTHING: readonly never[] = Object.freeze([])

/** Characters of the first piece: so much is waited for before the first word. Each piece is twice the one before, up to the most. */
const FIRST_PIECE = 1000
const MOST_PIECE = 16_000
/** Of whole answers, which are judged at once. */
const WHOLE_PIECE = 40_000
/** Of each piece so much is read again with the next: what is split in two is seen whole. */
const OVERLAP = 500

export interface WatchedGiven {
  readonly call: Call
  readonly watch: Watch
  /** What the judging asks of models, and costs. */
  readonly judges: Within
  /** What would be on record of the answer, once that is known. */
  readonly generation: () => Generation | null
  /** The call is over, and this goes on record. */
  readonly ended: (generation: Generation) => void
  readonly now: () => number
}

/**
 * An answer on its way past a judge. Texts, thoughts and arguments of calls are gathered into pieces; a piece that is held
 * goes on when nothing is said against it, and one that is not is judged while the next is read. Whole answers are held to
 * their end. A verdict against one lets go of the provider; what was shown by then is closed and ends as `content_filter`,
 * and is paid: so much was made. An answer that nobody could judge, and has to be, is a fault that nobody pays.
 */
export class Watched implements AsyncIterableIterator<Batch> {
  readonly #given: WatchedGiven
  readonly #departure: Departure
  #events: AsyncIterator<Batch> | null = null
  /** What waits to be passed on, and reasons to end, which wait for the last verdict: an answer ends for one reason. */
  #held: ChatEvent[] = []
  #finishes: readonly ChatEvent[] = NOTHING
  #last: Extract<ChatEvent, { type: 'usage' }> | null = null
  #failure: Fault | null = null
  /** Not judged yet, and the end of what was. */
  #text = ''
  #tail = ''
  #size = FIRST_PIECE
  #pieces = 0
  readonly #silent = new Set<number>()
  readonly #choices = new Set<number>()
  /** Blocks that their caller was shown the beginning of, and not the end. */
  readonly #open = new Set<number>()
  #judging: Promise<void> | null = null
  #against: Against | null = null
  #note: StageNote | null = null
  #over = false
  readonly #leave = (): void => this.#departure.leave()

  constructor(given: WatchedGiven) {
    this.#given = given
    this.#departure = new Departure()
    given.call.departure.listen(this.#leave)
    if (given.call.departure.gone) this.#leave()
  }

  /** The call as the answer is made for: its caller has left it, too, when the verdict is against it. */
  get call(): Call {
    return { ...this.#given.call, departure: this.#departure }
  }

  /**
   * The answer, once there is one; without one there is nothing to watch, and this is done with. A whole answer is judged
   * before it counts as one, so that one that nobody could judge has its status.
   */
  async over(outcome: Outcome): Promise<Outcome> {
    if ('fault' in outcome) {
      this.#given.call.departure.ignore(this.#leave)
      return outcome
    }
    this.#events = outcome.events[Symbol.asyncIterator]()
    const metadata = (): JsonObject | null => this.#metadata(outcome)
    if (!this.#whole) return { ...outcome, events: this, metadata }
    const batches = await Array.fromAsync(this)
    if (this.#against !== null && 'fault' in this.#against) return { fault: this.#against.fault, metadata: () => metadata() ?? undefined }
    return { ...outcome, events: told(batches), metadata }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Batch>> {
    try {
      while (!this.#over) {
        const out = await this.#goOn()
        if (out.length > 0) return { done: false, value: out }
      }
      return DONE
    } catch (error) {
      // A fault of ours is told and logged by whoever reads; the call is over all the same, with its place and its record.
      if (!this.#over) {
        await this.#events!.return?.()
        this.#close(faultOf(error))
      }
      throw error
    }
  }

  /** The reader left: what was delivered is charged, and what was judged of it. */
  async return(): Promise<IteratorResult<Batch>> {
    if (this.#over) return DONE
    await this.#events!.return?.()
    await this.#judging
    this.#close(fault('cancelled', 'The caller left'))
    return DONE
  }

  get #whole(): boolean {
    return !this.#given.call.asked.stream
  }

  async #goOn(): Promise<Batch> {
    const { done, value } = await this.#events!.next()
    if (done) return this.#end(fault('stream-cut', 'The provider ended the answer before it was finished'))
    this.#take(value)
    if (this.#failure !== null) await this.#judging
    if (this.#against !== null) return this.#stop(this.#against)
    // What nobody has judged of an answer that broke is not shown.
    if (this.#failure !== null) return this.#end(this.#failure)
    if (!this.#whole && !this.#given.watch.holds) return this.#afterwards()
    if (this.#last === null && (this.#whole || this.#text.length < this.#size)) return this.#text === '' && !this.#whole ? this.#pass() : NOTHING
    await this.#judge()
    if (this.#against !== null) return this.#stop(this.#against)
    return this.#last === null ? this.#pass() : this.#end(null)
  }

  /** All goes on as it comes. What is being judged meanwhile is waited for at the end only. */
  async #afterwards(): Promise<Batch> {
    const out = this.#pass()
    if (this.#last === null) {
      if (this.#judging === null && this.#text.length >= this.#size) {
        this.#judging = this.#judge().finally(() => { this.#judging = null })
      }
      return out
    }
    await this.#judging
    if (this.#against === null) await this.#judge()
    return [...out, ...await (this.#against === null ? this.#end(null) : this.#stop(this.#against))]
  }

  #take(batch: Batch): void {
    for (const event of batch) {
      switch (event.type) {
        case 'fault': this.#failure = event.fault; break
        case 'finish':
          this.#choices.add(event.choice)
          this.#finishes = [...this.#finishes, event]
          break
        case 'usage':
          if (event.charge !== undefined) this.#last = event
          break
        default:
          this.#read(event)
          this.#held.push(event)
      }
    }
  }

  /** What of an event is words. Pictures, sounds and the items of other formats are not. */
  #read(event: ChatEvent): void {
    if (event.type === 'block-open') {
      this.#choices.add(event.choice)
      if (event.block.type === 'media' || event.block.type === 'native') this.#silent.add(event.index)
      // Blocks are said one behind the other; what the last one ended with does not run into the next.
      else if (this.#text !== '') this.#text += '\n\n'
    } else if (event.type === 'block-delta' && !this.#silent.has(event.index)) this.#text += event.text
    else if (event.type === 'note' && event.note.type === 'transcript') this.#text += event.note.text
  }

  /** Has all that was gathered judged, up to the first verdict against it. */
  async #judge(): Promise<void> {
    const most = this.#whole ? WHOLE_PIECE : MOST_PIECE
    while (this.#text !== '' && this.#against === null) {
      const piece = this.#text.slice(0, most)
      this.#text = this.#text.slice(piece.length)
      this.#size = Math.min(this.#size * 2, MOST_PIECE)
      if (piece.trim() === '') continue
      const seen = this.#tail + piece
      this.#tail = seen.slice(-OVERLAP)
      const verdict = await this.#given.watch.judge(seen.toWellFormed())
      this.#pieces++
      // That a piece could not be judged is not outshone by the next that could.
      if ('note' in verdict && (this.#note?.data?.['failed'] !== true || 'flagged' in verdict)) this.#note = verdict.note
      if ('pass' in verdict) continue
      this.#against = verdict
      // Whoever reads at this moment reads the end.
      if (this.#last === null) this.#leave()
    }
  }

  #pass(): Batch {
    const out = this.#held
    this.#held = []
    for (const event of out) {
      if (event.type === 'block-open') this.#open.add(event.index)
      else if (event.type === 'block-close') this.#open.delete(event.index)
    }
    return out
  }

  /** The last batch of an answer with nothing against it, or of one that broke. */
  #end(failure: Fault | null): Batch {
    const rest = failure === null ? [...this.#pass(), ...this.#finishes] : NOTHING
    const last = this.#close(failure)
    return failure === null ? [...rest, ...last] : [...last, { type: 'fault', fault: failure }]
  }

  /** The same of one that goes no further. What its provider says until it is gone is only counted. */
  async #stop(against: Against): Promise<Batch> {
    if (this.#last === null) {
      this.#leave()
      while (this.#last === null) {
        const { done, value } = await this.#events!.next()
        if (done) break
        this.#take(value)
      }
    }
    const started = this.#held.filter((event) => event.type === 'start')
    if ('fault' in against) return [...started, ...this.#close(against.fault), { type: 'fault', fault: against.fault }]
    const closes = [...this.#open].map((index): ChatEvent => ({ type: 'block-close', index }))
    const choices = this.#choices.size > 0 ? [...this.#choices].toSorted((a, b) => a - b) : [0]
    const finishes = choices.map((choice): ChatEvent => ({ type: 'finish', choice, reason: 'content_filter', native: FLAGGED }))
    return [...started, ...closes, ...finishes, ...this.#close(null)]
  }

  /** Closes the books, with what the judging took. The last word of an answer is what it came to. */
  #close(failure: Fault | null): Batch {
    this.#over = true
    const { call, judges, generation, ended, now } = this.#given
    call.departure.ignore(this.#leave)
    const made = generation()
    if (made === null) throw new Error('an answer has ended without its record')
    const stopped = this.#against !== null && failure?.kind !== 'cancelled'
    const spent = this.#last?.charge ?? { ...NO_CHARGE, total: made.cost }
    // Whoever was answered pays the judges, too; where nothing is charged, nobody but us does.
    const free = failure !== null && failure.kind !== 'cancelled' || spent === NO_CHARGE
    const charge = free ? NO_CHARGE : { ...spent, total: spent.total + judges.cost, services: spent.services + attoFromNano(judges.cost) }
    // The last one that nobody made within the call is the answer's. Where we let go of it, it has not failed.
    const at = made.attempts.findLastIndex(({ within }) => within === undefined)
    const answering = made.attempts.slice(at, at + 1).map((own): Attempt => stopped && own.outcome === 'cancelled' ? { ...own, outcome: 'answered', fault: null, message: null } : own)
    ended({
      ...made, cost: charge.total, absorbed: made.absorbed + judges.absorbed + (free ? spent.total + judges.cost : 0n),
      attempts: [...made.attempts.slice(0, at), ...judges.attempts, ...answering, ...made.attempts.slice(at + 1)],
      durationMs: Math.round(now() - call.startedAt),
      ...(stopped && { cancelled: false, fault: failure?.kind ?? null, finish: failure ? 'error' : 'content_filter', nativeFinish: failure ? made.nativeFinish : FLAGGED }),
    })
    return [{ type: 'usage', usage: this.#last?.usage ?? made.usage, charge }]
  }

  #metadata(outcome: Answering): JsonObject | null {
    const told = outcome.metadata()
    if (told === null) return null
    const { pipeline, attempts } = told as { readonly pipeline?: readonly JsonObject[]; readonly attempts?: readonly JsonObject[] }
    const { cost } = this.#given.judges
    const note = this.#note && { ...this.#note, data: { ...this.#note.data, pieces: this.#pieces }, ...(cost > 0n && { cost_usd: usdFromNano(cost) }) }
    return {
      ...told,
      ...(note && { pipeline: [...pipeline ?? NOTHING, note] }),
      // It was let go of because of what it said; it has not failed.
      ...(this.#against !== null && attempts && { attempts: attempts.map(({ fault: why, ...attempt }) => (why === undefined || why === 'cancelled' ? attempt : { ...attempt, fault: why })) }),
    }
  }
}

async function* told(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches
}

/** In the place of a provider's own word for why it ended. */
const FLAGGED = 'moderation'
