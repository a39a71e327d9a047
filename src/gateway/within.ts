import {
  collect, Departure, fault, NO_USAGE,
  type Asked, type Asking, type Attempt, type Fault, type Generated, type Generation, type Nano, type Operation, type Preferences,
} from '../core/index.ts'
import type { Tried } from './attempts.ts'
import type { Call, Outcome } from './call.ts'
import type { Deadlines } from './deadline.ts'

/** Carries a call out within another: what would be put on record is told to `record`. Never rejects. */
export type CarryWithin = (call: Call, rank: number, record: (generation: Generation) => void) => Promise<Outcome>

/**
 * The model calls that stages make within one call. Each goes its way as any other does, but for the record: its attempts
 * become attempts of the call, and its cost a part of what the call costs, so that nobody is charged twice and nothing
 * that was asked is missing from the books.
 */
export class Within {
  readonly #call: Call
  readonly #rank: number
  readonly #carry: CarryWithin
  readonly #deadlines: Deadlines
  #attempts: readonly Attempt[] = []
  #absorbed: Nano = 0n
  #cost: Nano = 0n

  constructor(call: Call, rank: number, carry: CarryWithin, deadlines: Deadlines) {
    this.#call = call
    this.#rank = rank
    this.#carry = carry
    this.#deadlines = deadlines
  }

  /** For the same call, with books of its own. */
  again(): Within {
    return new Within(this.#call, this.#rank, this.#carry, this.#deadlines)
  }

  /** What all of them cost so far. */
  get cost(): Nano {
    return this.#cost
  }

  /** Every attempt of theirs, under the name of who asked. */
  get attempts(): readonly Attempt[] {
    return this.#attempts
  }

  /** What providers bill for them that is nobody's to pay but ours. */
  get absorbed(): Nano {
    return this.#absorbed
  }

  /** Whether any provider was asked. */
  get any(): boolean {
    return this.#attempts.length > 0
  }

  async generate(stage: string, asking: Asking): Promise<Generated> {
    const { timeoutMs } = asking
    const { departure } = this.#call
    if (timeoutMs === undefined) return this.#generate(stage, asking, departure)
    const own = new Departure()
    const leave = (): void => own.leave()
    const deadline = this.#deadlines(leave)
    departure.listen(leave)
    if (departure.gone) leave()
    deadline.set(timeoutMs)
    try {
      const made = await this.#generate(stage, asking, own)
      return 'fault' in made && deadline.expired && !departure.gone ? { fault: fault('timeout', `There was no answer within ${Math.round(timeoutMs / 1000)} s`) } : made
    } finally {
      deadline.clear()
      departure.ignore(leave)
    }
  }

  async #generate(stage: string, { models, request, tool }: Asking, departure: Departure): Promise<Generated> {
    const { preferences: of, plugins } = this.#call.asked
    const asked: Asked<Operation> = {
      operation: { type: 'chat', request }, preferences: tool === undefined ? heldTo(of, models) : { ...of, models },
      // What a caller says of the choice of a router model holds for a tool's, too.
      plugins: tool === undefined ? [] : plugins.filter((plugin) => plugin.id === 'auto-router'), stream: false, ignored: [],
    }
    const { id, createdAt, startedAt, surface, key, app } = this.#call
    const outcome = await this.#carry(
      { id, createdAt, startedAt, surface, key, app, departure, asked }, this.#rank, (generation) => this.#take(tool ?? stage, generation))
    if ('fault' in outcome) return { fault: outcome.fault }
    const reply = await collect(outcome.events)
    if (reply.fault) return { fault: reply.fault }
    return { reply, model: outcome.meta.model, provider: outcome.meta.provider, usage: reply.usage ?? NO_USAGE, cost: reply.charge?.total ?? 0n }
  }

  /** What was tried for the call, with what was tried within it before. */
  before(tried: Tried): Tried {
    return this.any ? { ...tried, failed: [...this.#attempts, ...tried.failed], absorbed: tried.absorbed + this.#absorbed } : tried
  }

  /** For a call that ends before anybody is asked for its own answer: what was spent is nobody's to pay but ours. */
  alone(of: Fault): Tried {
    return {
      committed: null, failed: this.#attempts, fault: of, faults: [], untried: 0, absorbed: this.#absorbed + this.#cost, retries: 0n, loser: null, passedOver: new Map(),
    }
  }

  #take(stage: string, { attempts, usage: { input, output, counted }, cost, absorbed }: Generation): void {
    const answered = attempts.findLastIndex(({ outcome }) => outcome === 'answered')
    this.#attempts = [...this.#attempts, ...attempts.map((attempt, at): Attempt => ({
      ...attempt, within: stage, ...(at === answered && { tokens: { input: input.total, output: output.total }, cost, counted }),
    }))]
    this.#cost += cost
    this.#absorbed += absorbed
  }
}

/** A caller's words on data hold for whoever is asked, as do the limits of its key and workspace; its choice among the endpoints of its own models does not. */
function heldTo(of: Preferences, models: readonly string[]): Preferences {
  const { dataCollection, zdr, ignore, setBy = {} } = of
  return {
    models,
    ...(dataCollection !== undefined && { dataCollection }), ...(zdr !== undefined && { zdr }), ...(ignore !== undefined && { ignore }),
    ...(setBy.only && of.only && { only: of.only }),
    ...(setBy.quantizations && of.quantizations && { quantizations: of.quantizations }),
    ...(setBy.maxPrice && of.maxPrice && { maxPrice: of.maxPrice }),
    ...(setBy.enforceDistillableText && of.enforceDistillableText !== undefined && { enforceDistillableText: of.enforceDistillableText }),
    ...(Object.keys(setBy).length > 0 && { setBy }),
  }
}
