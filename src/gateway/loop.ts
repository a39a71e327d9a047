import {
  attoFromNano, collectNow, fault, faultOf, FAULTS, NO_CHARGE, NO_USAGE, SERVER_TOOL, usdFromNano, usageOfAll,
  type Annotation, type Attempt, type Charge, type ChatEvent, type ChatRequest, type Fault, type FinishReason, type Generation, type JsonObject, type Nano,
  type Quality, type ServerTools, type StageNote, type Turn, type Usage,
} from '../core/index.ts'
import type { Call, Outcome } from './call.ts'
import { entryOf } from './metadata.ts'
import type { Transform } from './relay.ts'
import type { Within } from './within.ts'

/** Answers with server tools: the model is asked again with what its calls came to, until it answers (docs/server-tools.md). */

type Batch = readonly ChatEvent[]
type Answering = Extract<Outcome, { events: unknown }>
const DONE = { done: true, value: undefined } as const

/** One time that the model is asked, and what would be on record of it, once that is known. */
export interface Step {
  readonly request: ChatRequest
  readonly outcome: Outcome
  generation(): Generation | null
}

export interface LoopGiven {
  readonly call: Call
  readonly tools: ServerTools
  /** Of the answer as the caller sees it. */
  readonly transforms: readonly Transform[]
  /** The models that the tools ask while they run, once; made anew for each step. */
  readonly within: () => Within
  /** Has the model asked again: at the same endpoint, where it can still be had. Never rejects. */
  readonly ask: (request: ChatRequest, after: Generation | null) => Promise<Step>
  /** The call is over, and this goes on record. */
  readonly ended: (generation: Generation) => void
  readonly now: () => number
}

/**
 * The steps of a call as one answer. What the model calls of server tools is kept back and shown as what became of it;
 * texts and thoughts pass as they come. The counts and costs of all steps are added up, and one record is made of theirs.
 *
 * Each step is planned and tried as a call of its own, so one that its provider fails falls over to another. A call that
 * ends by a provider's failure costs nothing, however many steps were answered before it; one that its caller left, or
 * whose conversation has grown too long, costs what was answered.
 */
export class Loop implements AsyncIterableIterator<Batch> {
  readonly #given: LoopGiven
  readonly #steps: Step[]
  #events: AsyncIterator<Batch>
  #phase: 'reading' | 'running' | 'asking' | 'over' = 'reading'
  /** What the model said in this step, and its blocks: their index in the answer, or null where they are not shown. */
  #said: ChatEvent[] = []
  #shown = new Map<number, number | null>()
  #blocks = 0
  #calls = false
  /** Calls that were kept back have become their caller's. */
  #handed = false
  #finish: Extract<ChatEvent, { type: 'finish' }> | null = null
  #next: ChatRequest | null = null
  #last = false
  /** Characters of text that were shown in this step and before it: places in a text are told from its beginning. */
  #length = 0
  #before = 0
  readonly #usages: Usage[] = []
  #charges: readonly Charge[] = []
  readonly #services: Record<string, number> = {}
  #fees: Nano = 0n
  /** Whom the tools asked, behind which step. */
  readonly #asked: { readonly step: number; readonly within: Within }[] = []
  #turning: Promise<Turn> | null = null
  #failure: Fault | null = null

  constructor(first: Step & { readonly outcome: Answering }, given: LoopGiven) {
    this.#given = given
    this.#steps = [first]
    this.#events = first.outcome.events[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Batch>> {
    try {
      for (;;) {
        const out = await this.#goOn()
        if (out === null) return DONE
        if (out.length > 0) return { done: false, value: out }
      }
    } catch (error) {
      // A fault of ours is told and logged by whoever reads; the call is over all the same, with its place and its record.
      if (this.#phase !== 'over') {
        await this.#events.return?.()
        if (!this.#isOver()) this.#end([], faultOf(error))
      }
      throw error
    }
  }

  async return(): Promise<IteratorResult<Batch>> {
    if (this.#phase === 'over') return DONE
    const reading = this.#phase === 'reading'
    // Models that tools have asked are told that their caller has left, and what they have cost by then goes on record.
    if (this.#turning !== null && this.#given.call.departure.gone) {
      await this.#turning.catch(() => null)
      if (this.#isOver()) return DONE
    }
    await this.#events.return?.()
    const generation = this.#steps.at(-1)!.generation()
    // Nobody reads the last batch of a step that is left in the middle: what was delivered of it is on its record.
    if (reading && generation !== null) {
      this.#usages.push(generation.usage)
      this.#charges = [...this.#charges, { ...NO_CHARGE, total: generation.cost }]
    }
    this.#end([], fault('cancelled', 'The caller left'))
    return DONE
  }

  /** What is added to the metadata of the first step. */
  metadata(): JsonObject | null {
    const [first] = this.#steps
    const told = first!.outcome.metadata()
    if (!told) return null
    const attempts = this.#steps.flatMap(({ outcome }, at) => {
      const made = outcome.metadata()?.['attempts'] as readonly JsonObject[] | undefined
      const within = this.#attemptsWithin(at + 1).map(entryOf)
      return [...made ?? [], ...within].map((attempt) => ({ ...attempt, step: at + 1 }))
    })
    const note = this.#note()
    const pipeline = [...told['pipeline'] as readonly StageNote[] | undefined ?? [], ...(note === null ? [] : [note])]
    return {
      ...told, attempt: attempts.length, attempts, ...(pipeline.length > 0 && { pipeline }),
      generation_time: Math.round(this.#given.now() - this.#given.call.startedAt),
    }
  }

  #note(): StageNote | null {
    const note = this.#given.tools.note()
    if (note === null) return null
    const steps = this.#usages.map((usage, at) => ({
      prompt_tokens: usage.input.total, completion_tokens: usage.output.total, cost: usdFromNano(this.#charges[at]?.total ?? 0n),
    }))
    const bought = this.#bought()
    return { ...note, data: { ...note.data, steps }, ...(bought > 0n && { cost_usd: usdFromNano(bought) }) }
  }

  #goOn(): Promise<Batch | null> {
    switch (this.#phase) {
      case 'reading': return this.#read()
      case 'running': return this.#run()
      case 'asking': return this.#ask()
      case 'over': return Promise.resolve(null)
    }
  }

  async #read(): Promise<Batch | null> {
    const { done, value: batch } = await this.#events.next()
    if (this.#phase !== 'reading') return null
    if (done) return this.#end([], fault('stream-cut', 'The provider ended the answer before it was finished'))
    const out: ChatEvent[] = []
    let over = false
    for (const event of batch) {
      this.#said.push(event)
      this.#pass(event, out)
      if (event.type === 'fault') this.#failure = event.fault
      over ||= event.type === 'fault' || (event.type === 'usage' && event.charge !== undefined)
    }
    if (!over) return this.#told(out)
    if (this.#failure !== null || !this.#calls || this.#last) return this.#end(out, this.#failure)
    this.#phase = 'running'
    return this.#told(out)
  }

  #pass(event: ChatEvent, out: ChatEvent[]): void {
    switch (event.type) {
      case 'start':
        if (this.#steps.length === 1) out.push(event)
        return
      case 'block-open': {
        const hidden = event.block.type === 'tool-call' && event.block.as === undefined && this.#given.tools.runs(event.block.name)
        this.#calls ||= hidden
        this.#shown.set(event.index, hidden ? null : this.#blocks)
        if (!hidden) out.push({ ...event, index: this.#blocks++ })
        return
      }
      case 'block-delta':
      case 'block-close': {
        const index = this.#shown.get(event.index) ?? null
        if (index !== null) out.push({ ...event, index })
        if (event.type === 'block-delta' && index !== null) this.#length += event.text.length
        return
      }
      case 'note': {
        const index = event.index === undefined ? undefined : this.#shown.get(event.index)
        if (index === null) return
        const { note } = event
        out.push({
          ...event, ...(index !== undefined && { index }),
          note: note.type === 'annotation' ? { ...note, annotation: moved(note.annotation, this.#before) } : note,
        })
        return
      }
      case 'finish':
        this.#finish = event
        return
      case 'usage':
        if (event.charge === undefined) return
        this.#usages.push(event.usage)
        this.#charges = [...this.#charges, event.charge]
        return
      case 'fault':
    }
  }

  /** The tools that were called do their work; nobody is asked meanwhile. */
  async #run(): Promise<Batch | null> {
    const { tools, call } = this.#given
    const parts = collectNow(this.#said).choices[0]?.parts ?? []
    const tokens = this.#usages.reduce((sum, { input, output }) => sum + input.total + output.total, 0)
    const { request } = this.#steps.at(-1)!
    const step = this.#steps.length
    const within = this.#given.within()
    this.#asked.push({ step, within })
    this.#turning = tools.turn({
      request, parts, reason: this.#finish?.reason ?? null, step, spent: { tokens, cost: this.#sum().total },
      generate: (asking) => within.generate('server-tools', asking),
    })
    const turn = await this.#turning
    this.#turning = null
    if (this.#phase !== 'running') return null
    for (const [unit, count] of Object.entries(turn.fees.services)) this.#services[unit] = (this.#services[unit] ?? 0) + count
    this.#fees += turn.fees.cost
    const out: ChatEvent[] = []
    for (const use of turn.uses) {
      const index = this.#blocks++
      out.push({ type: 'block-open', index, choice: 0, block: { type: 'native', dialect: SERVER_TOOL, value: use } }, { type: 'block-close', index })
    }
    for (const { type, id, name, form, as, input, seal } of turn.calls ?? []) {
      const index = this.#blocks++
      this.#handed = true
      out.push(
        { type: 'block-open', index, choice: 0, block: { type, id, name, form, ...(as && { as }) } }, { type: 'block-delta', index, text: input },
        { type: 'block-close', index, ...(seal && { seal }) })
    }
    for (const annotation of turn.annotations) out.push({ type: 'note', choice: 0, note: { type: 'annotation', annotation } })
    if (call.departure.gone) return this.#end(out, fault('cancelled', 'The caller left'))
    if (turn.fault) return this.#end(out, turn.fault)
    if (turn.next === null) return this.#end(out, null)
    this.#next = turn.next
    this.#last = turn.last
    this.#phase = 'asking'
    return this.#told(out)
  }

  /** The model is asked once more. */
  async #ask(): Promise<Batch | null> {
    const step = await this.#given.ask(this.#next!, this.#steps[0]!.generation())
    this.#steps.push(step)
    if (this.#phase !== 'asking') {
      if ('events' in step.outcome) await step.outcome.events[Symbol.asyncIterator]().return?.()
      return null
    }
    if ('fault' in step.outcome) {
      const { fault: of } = step.outcome
      return this.#end([], { ...of, metadata: { ...of.metadata, step: this.#steps.length } })
    }
    this.#said = []
    this.#shown = new Map()
    this.#calls = false
    this.#finish = null
    this.#before = this.#length
    this.#events = step.outcome.events[Symbol.asyncIterator]()
    this.#phase = 'reading'
    return []
  }

  #told(out: readonly ChatEvent[]): Batch {
    let told = out
    for (const transform of this.#given.transforms) told = transform(told)
    return told
  }

  /** The last batch, by which time the call is on record. */
  #end(rest: readonly ChatEvent[], failure: Fault | null): Batch {
    this.#phase = 'over'
    const free = failure !== null && FAULTS[failure.kind].blame !== 'caller'
    const sum = this.#sum()
    const usage = this.#used()
    const charge = free ? NO_CHARGE : sum
    this.#given.ended(this.#record(failure, usage, charge.total, free ? sum.total : 0n))
    const last: ChatEvent = { type: 'usage', usage, charge }
    const before = this.#told(rest)
    if (failure !== null) return [...before, last, { type: 'fault', fault: failure }]
    return [...before, ...(this.#finish ? [{ ...this.#finish, reason: this.#reason(this.#finish.reason) }] : []), last]
  }

  /** An answer that only called what was not shown has ended for its caller. */
  #reason(reason: FinishReason): FinishReason {
    if (reason !== 'tool_calls' || this.#handed) return reason
    const calls = this.#said.some((event) => event.type === 'block-open' && event.block.type === 'tool-call' && this.#shown.get(event.index) !== null)
    return calls ? reason : 'stop'
  }

  #used(): Usage {
    const all = this.#usages.length === 0 ? NO_USAGE : usageOfAll(this.#usages)
    const services: Record<string, number> = { ...all.services }
    for (const [unit, count] of Object.entries(this.#services)) services[unit] = (services[unit] ?? 0) + count
    return { ...all, services }
  }

  /** What tools took, and the models that they asked. */
  #bought(): Nano {
    return this.#asked.reduce((sum, { within }) => sum + within.cost, this.#fees)
  }

  #attemptsWithin(step: number): readonly Attempt[] {
    return this.#asked.find((it) => it.step === step)?.within.attempts ?? []
  }

  #isOver(): boolean {
    return this.#phase === 'over'
  }

  #sum(): Charge {
    const bought = this.#bought()
    let charge: Charge = { total: bought, prompt: 0n, completion: 0n, services: attoFromNano(bought) }
    for (const one of this.#charges) {
      charge = {
        total: charge.total + one.total, prompt: charge.prompt + one.prompt, completion: charge.completion + one.completion, services: charge.services + one.services,
        ...both('hedge', charge, one), ...both('retries', charge, one),
      }
    }
    return charge
  }

  /** One record of all steps: who answered first, which its caller was told, and how the last one ended. */
  #record(failure: Fault | null, usage: Usage, cost: Nano, unpaid: Nano): Generation {
    const made = this.#steps.map((step) => step.generation())
    const first = made[0]!
    const last = made.findLast((generation) => generation !== null)!
    const cancelled = failure?.kind === 'cancelled'
    return {
      ...first, usage, cost, cancelled, fault: failure?.kind ?? null,
      absorbed: this.#asked.reduce((sum, { within }) => sum + within.absorbed, made.reduce((sum, generation) => sum + (generation?.absorbed ?? 0n), unpaid)),
      finish: failure && !cancelled ? 'error' : this.#finish ? this.#reason(this.#finish.reason) : null,
      nativeFinish: last.nativeFinish,
      durationMs: Math.round(this.#given.now() - this.#given.call.startedAt),
      attempts: made.flatMap((generation, at) => [
        ...(generation ? attemptsOf(generation, at + 1) : []), ...this.#attemptsWithin(at + 1).map((attempt) => ({ ...attempt, step: at + 1 })),
      ]),
      untried: made.reduce((sum, generation) => sum + (generation?.untried ?? 0), 0),
      quality: qualityOf(made.map((generation) => generation?.quality ?? null)),
    }
  }
}

function both<K extends 'hedge' | 'retries'>(key: K, a: Charge, b: Charge): Partial<Record<K, Nano>> | null {
  const sum = (a[key] ?? 0n) + (b[key] ?? 0n)
  return sum === 0n ? null : { [key]: sum } as Partial<Record<K, Nano>>
}

/** What an annotation says of places in a text counts from the beginning of all of it. */
function moved(annotation: Annotation, by: number): Annotation {
  if (by === 0 || annotation.type === 'file' || annotation.end === undefined || annotation.end === 0) return annotation
  return { ...annotation, start: (annotation.start ?? 0) + by, end: annotation.end + by }
}

/** Each attempt with its step, and what the one that answered took and cost. */
function attemptsOf({ attempts, usage: { input, output, counted }, cost }: Generation, step: number): readonly Attempt[] {
  const answered = attempts.findLastIndex(({ outcome, within }) => outcome === 'answered' && within === undefined)
  return attempts.map((attempt, at) => ({
    ...attempt, step, ...(at === answered && { tokens: { input: input.total, output: output.total }, cost, counted }),
  }))
}

/** Calls of all steps; whether the answer has the structure that was asked for is the last one's to say. */
function qualityOf(all: readonly (Quality | null)[]): Quality | null {
  const judged = all.filter((quality) => quality !== null)
  const last = judged.at(-1)
  if (!last) return null
  return {
    ...last, tools: judged.some(({ tools }) => tools),
    toolCalls: judged.reduce((sum, { toolCalls }) => sum + toolCalls, 0), badToolCalls: judged.reduce((sum, { badToolCalls }) => sum + badToolCalls, 0),
  }
}
