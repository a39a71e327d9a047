import { createHash } from 'node:crypto'
import type { Changed, Dialect, Outbound, Outgoing, Target } from '../dialects/index.ts'
import {
  charge, commits, fault, FAULTS, faultOf,
  type Ambient, type Attempt, type Candidate, type ChatEvent, type ChatRequest, type Departure, type EmbedRequest, type Operation, type Endpoint, type Fault, type Nano,
  type FaultKind, type HedgePayer, type JsonObject, type Made, type Need, type Plan, type Preferences, type Review,
} from '../core/index.ts'
import type { GuardedFetch, Net } from '../net/index.ts'
import type { LocalProvider, Providers } from '../providers/index.ts'
import { outputOffered, type Fit, type RoutingPolicy } from '../routing/index.ts'
import { retryAfter } from './admission.ts'
import type { Deadline, Deadlines } from './deadline.ts'
import { secretsOf, shownBody } from './echo.ts'
import { lostCost, type Hedging, type Loser } from './hedge.ts'
import type { Downloads } from './inline.ts'
import type { LargeBodies, LargeBody } from './large.ts'
import type { Share } from './places.ts'
import { openInPieces } from './pieces.ts'
import type { StandingIn } from './standing-in.ts'
import { inWords, reworded } from './format-words.ts'
import { openLocal, openUpstream, type Door, type Opened, type Source } from './source.ts'
import type { Mend } from './told-calls.ts'
import { withCallsOf } from './told-source.ts'
import { withToolsInWords, type Templated } from './tool-template.ts'
import { unsealed } from './unsealed.ts'
import type { Upstreams } from './upstreams.ts'

/** Milliseconds that each stretch of an attempt may take. */
export interface Timeouts {
  readonly connectMs: number
  /** From sending the request to the first block, on an ordinary model and on one that reasons first. */
  readonly firstTokenMs: number
  readonly firstTokenReasoningMs: number
  /** Between completed events once the reply has begun. */
  readonly idleMs: number
  readonly totalMs: number
  /** Over all attempts, before the first block. */
  readonly preTokenTotalMs: number
}

export interface AttemptParts {
  readonly net: Net
  readonly download: GuardedFetch
  readonly dialects: ReadonlyMap<string, Dialect>
  readonly locals: ReadonlyMap<string, LocalProvider>
  readonly providers: () => Providers
  readonly timeouts: (provider: string) => Timeouts
  readonly limits: () => Pick<RoutingPolicy, 'attemptsPerModel' | 'attemptsInAll'>
  readonly ambient: Ambient
  readonly deadlines: Deadlines
  /**
   * Hears of attempts that failed before they committed: their number as a trial, the milliseconds that were lost, and
   * whether there was little patience with it.
   */
  readonly observe: (candidate: Candidate, failure: Fault, trial: number, lostMs: number, brief: boolean) => void
  readonly health: AttemptHealth
  /** Mends calls that a model told in words. */
  readonly mend: Mend
  readonly upstreams: Upstreams
  /** Does what would hold the event loop up. */
  readonly large: Pick<LargeBodies, 'write' | 'vectors'>
}

/** What health wants to know as it happens: see its room. */
export interface AttemptHealth {
  /** The number of the trial that an attempt is, or 0. */
  begin(candidate: Candidate): number
  /** After how many milliseconds a trial is given up; null where nobody knows what is slow there. */
  patience(candidate: Candidate, streamed: boolean): number | null
  /** What an attempt after another costs of its provider's retry budget, or beside one (null); null when that is spent. */
  retry(candidate: Candidate, after: FaultKind | null): number | null
  /** A trial, or a retry, has begun to answer. */
  answers(candidate: Candidate, trial: number, cost: number): void
  /** Another was faster, after so many milliseconds that this one was waited for; null where it came second. */
  superseded(candidate: Candidate, trial: number, waitedMs: number | null, streamed: boolean): void
}

/** An attempt that has begun to answer: nothing may be tried after it. */
export interface Committed {
  readonly attempt: RunningAttempt
  readonly source: Source
  /** Everything up to and including the read that opened the first block. */
  readonly first: readonly ChatEvent[]
  /** What a review made of a whole answer, all of which is in `first`. */
  readonly reviewed?: Review
}

export interface Tried {
  readonly committed: Committed | null
  readonly failed: readonly Attempt[]
  /** The last failure, when nothing committed. */
  readonly fault: Fault | null
  readonly faults: readonly { readonly fault: Fault; readonly candidate: Candidate }[]
  /** Candidates that nobody asked; the fault's metadata names those that a spent retry budget kept from it. */
  readonly untried: number
  /** What providers that failed reported usage for all the same: they bill it, and the caller does not pay it. */
  readonly absorbed: Nano
  /** What answers cost that were none to what was asked: the caller pays them with the one that is. */
  readonly retries: Nano
  /** What the slower of two attempts cost that were under way at once; null where there was none. */
  readonly loser: Loser | null
  /** Providers that were passed over without a question, and why. */
  readonly passedOver: PassedOver
}

/** By the provider's name: its retry budget was spent, or it had as many calls under way as it may. */
export type PassedOver = ReadonlyMap<string, 'retry_budget' | 'concurrency'>

/** What failed so far, and what may still be tried after it. */
class Failures {
  readonly attempts: Attempt[] = []
  loser: Loser | null = null
  readonly faults: { fault: Fault; candidate: Candidate }[] = []
  readonly passedOver = new Map<string, 'retry_budget' | 'concurrency'>()
  absorbed = 0n
  retries = 0n
  readonly #limits: ReturnType<AttemptParts['limits']>
  readonly #tries = new Map<string, number>()
  readonly #closed = new Set<string>()
  #tooSmall: Endpoint | null = null
  #ended: Fault | null = null

  constructor(limits: ReturnType<AttemptParts['limits']>) {
    this.#limits = limits
  }

  get full(): boolean {
    return this.attempts.length >= this.#limits.attemptsInAll
  }

  get last(): Fault | null {
    return this.#ended ?? this.faults.at(-1)?.fault ?? null
  }

  /** It is over without another attempt. */
  end(of: Fault): void {
    this.#ended = of
  }

  /** The last failure, with the providers that were passed over. */
  outcome(ambient: Ambient): Fault {
    const { last, passedOver } = this
    if (passedOver.size === 0) return last ?? fault('internal', 'The plan had no candidates')
    const of = last ?? fault('over-capacity', 'Each provider of this request has as many calls under way as it may. Please try again.', {
      retryAfterMs: retryAfter(ambient), metadata: { reason: 'provider_concurrency' },
    })
    return { ...of, metadata: { ...of.metadata, not_tried_providers: notTried(passedOver) } }
  }

  /**
   * A caller's fault closes its model. A prompt that was too long goes on to a larger context; another model, which may
   * count it otherwise, only has to have as much.
   */
  allows({ endpoint }: Candidate, underWay = 0): boolean {
    if (this.#closed.has(endpoint.model) || (this.#tries.get(endpoint.model) ?? 0) + underWay >= this.#limits.attemptsPerModel) return false
    if (this.#tooSmall === null) return true
    const { model, contextLength } = this.#tooSmall
    const room = endpoint.contextLength ?? Infinity
    return endpoint.model === model ? room > (contextLength ?? Infinity) : room >= (contextLength ?? 0)
  }

  add(candidate: Candidate, { fault, attempt, absorbed, retries, again }: Failed): void {
    const { model } = candidate.endpoint
    this.attempts.push(attempt)
    this.faults.push({ fault, candidate })
    this.absorbed += absorbed
    this.retries += retries ?? 0n
    this.#tries.set(model, (this.#tries.get(model) ?? 0) + 1)
    if (again === undefined && FAULTS[fault.kind].next === 'model') this.#closed.add(model)
    if (fault.kind === 'context-length') this.#tooSmall = candidate.endpoint
  }

  /** Whether a model may be asked once more after the attempt that is under way, and whether anybody may. */
  left({ endpoint }: Candidate): { readonly model: boolean; readonly any: boolean } {
    const any = this.attempts.length + 1 < this.#limits.attemptsInAll
    return { any, model: any && (this.#tries.get(endpoint.model) ?? 0) + 1 < this.#limits.attemptsPerModel }
  }

  /** Whether there may be a second attempt beside the one that is under way. */
  allowsBeside(candidate: Candidate): boolean {
    return this.attempts.length + 2 <= this.#limits.attemptsInAll && this.allows(candidate, 1)
  }
}

/** As the metadata of answers and errors says it. */
export function notTried(passedOver: PassedOver): readonly { readonly provider: string; readonly reason: string }[] {
  return [...passedOver].map(([provider, reason]) => ({ provider, reason }))
}

/** An attempt that could not get anywhere in less is not begun. */
const WORTH_TRYING_MS = 2000

/**
 * Tries candidates in the order of the plan until one commits. Falling over is legal until the first block opens:
 * a 200, headers or comments commit to nothing. A caller's fault ends the attempts for its model (a `models` list
 * goes on). After a failure a provider is asked only while its retry budget lasts: when everything fails, every caller
 * would otherwise ask everybody, and the load of that is what keeps the last ones from coming back.
 */
export async function tryCandidates(parts: AttemptParts, plan: Plan, asked: Operation, trying: Trying): Promise<Tried> {
  const { candidates } = plan
  let operation = asked
  let bare = false
  const { departure, standIn } = trying
  let failures: Failures | null = null
  let lacking: Fault | null = null
  let made: Made | null = null
  let full: Candidate[] | null = null
  let second: Candidate | null = null
  for (let at = 0; at <= candidates.length && !failures?.full; at++) {
    let candidate: Candidate
    let place: Share | null = null
    if (at < candidates.length) {
      candidate = candidates[at]!
      if (candidate === second || (failures && !failures.allows(candidate))) continue
      if (!candidate.endpoint.simulated && (place = parts.upstreams.take(candidate.endpoint.provider, trying)) === null) {
        (full ??= []).push(candidate)
        failures ??= new Failures(parts.limits())
        failures.passedOver.set(candidate.endpoint.providerName, 'concurrency')
        continue
      }
    } else {
      // Nobody that could be asked at once has answered: whichever of the full ones has a place first is asked after all.
      const open = full?.filter((it) => failures!.allows(it))
      if (!open?.length) break
      const turn = await parts.upstreams.wait(open.map(({ endpoint }) => endpoint.provider), trying)
      if (turn === null) break
      candidate = open.find(({ endpoint }) => endpoint.provider === turn.provider)!
      place = turn.share
    }
    let asking = operation
    const making = operation.type === 'chat' ? standIn?.for(operation.request, candidate.endpoint) : null
    if (making) {
      const found = await making
      if ('fault' in found) {
        place?.release()
        lacking = found.fault
        continue
      }
      made = found
      asking = { type: 'chat', request: found.request }
    } else if (operation.type === 'chat' && operation.request.search !== undefined) made = null
    const left = timeLeft(parts, candidate, trying)
    // Nothing is done for a caller who has left, or who was told that it would not take so long.
    if (departure.gone || left <= (failures?.last ? WORTH_TRYING_MS : 0)) {
      place?.release()
      failures ??= new Failures(parts.limits())
      if (!failures.last) failures.end(departure.gone ? LEFT : LATE)
      break
    }
    const cost = failures?.last ? parts.health.retry(candidate, failures.last.kind) : 0
    if (cost === null) {
      place?.release()
      failures!.passedOver.set(candidate.endpoint.providerName, 'retry_budget')
      continue
    }
    const running = begin(parts, candidate, trying, place, cost)
    if (running.trial > 0 && at + 1 < candidates.length) running.patienceMs = parts.health.patience(candidate, trying.stream)
    running.unsealed = bare
    running.made = made
    // Another endpoint of it may have been passed over, and this one was not.
    failures?.passedOver.delete(candidate.endpoint.providerName)
    if (trying.review !== null) {
      const more = (failures ??= new Failures(parts.limits())).left(candidate)
      running.mayAgain = more.model
      running.mayPass = more.any && candidates.some((it, i) => i > at && it.endpoint.model !== candidate.endpoint.model)
    }
    const slowAfterMs = trying.hedge === null || second !== null ? null : trying.hedge.slowAfter(candidate)
    let result: Committed | Failed | null
    try {
      if (slowAfterMs === null) result = await attempt(parts, running, asking, trying, left)
      else {
        failures ??= new Failures(parts.limits())
        const watched: Watched = { first: running, leftMs: left, slowAfterMs, others: candidates.slice(at + 1) };
        ({ result, second } = await attemptWatched(parts, watched, failures, asking, trying))
      }
    } catch (error) {
      running.over()
      throw error
    }
    if (result !== null && 'source' in result) {
      const { candidate: by, trial, cost: paid } = result.attempt
      if (trial > 0 || paid > 0) parts.health.answers(by, trial, paid)
      return tried(parts, result, failures, Math.max(0, candidates.length - at - (second === null ? 1 : 2)))
    }
    failures ??= new Failures(parts.limits())
    if (result !== null) fail(parts, failures, result)
    if (result?.again !== undefined && result.by.candidate === candidate) {
      operation = { type: 'chat', request: result.again }
      bare ||= result.fault.kind !== 'schema-mismatch'
      at--
      continue
    }
    if (FAULTS[failures.last!.kind].next === 'nothing') break
  }
  if (lacking !== null && !failures?.last) (failures ??= new Failures(parts.limits())).end(lacking)
  return tried(parts, null, failures, candidates.length - (failures?.attempts.length ?? 0))
}

/** Milliseconds until the caller was told that it would not take so long. */
function timeLeft({ timeouts, ambient }: AttemptParts, { endpoint }: Candidate, { startedAt }: Trying): number {
  return startedAt + timeouts(endpoint.provider).preTokenTotalMs - ambient.monotonic()
}

function begin(parts: AttemptParts, candidate: Candidate, { departure }: Trying, place: Share | null, cost: number): RunningAttempt {
  const running = new RunningAttempt(parts, candidate, departure, place)
  running.trial = parts.health.begin(candidate)
  running.cost = cost
  return running
}

function fail(parts: AttemptParts, failures: Failures, of: Failed): void {
  const { candidate, trial } = of.by
  failures.add(candidate, of)
  parts.observe(candidate, of.fault, trial, of.attempt.durationMs, of.by.patienceMs !== null)
}

/** An attempt, and whoever may be asked beside it when it is slow. */
interface Watched {
  readonly first: RunningAttempt
  /** The time that is left for it. */
  readonly leftMs: number
  /** Milliseconds after which it is slow. */
  readonly slowAfterMs: number
  /** In the order of the plan. */
  readonly others: readonly Candidate[]
}

/** What came of it; without a result all has failed and is booked. */
interface Outrun {
  readonly result: Committed | Failed | null
  readonly second: Candidate | null
}

/**
 * Makes an attempt, and opens another beside it when it is slow. The first of the two to open a block has the call, and
 * the other is ended on the spot. One that fails leaves the call to the other, unless it closes the model or the call:
 * then the other would not have been asked after it either.
 */
async function attemptWatched(
  parts: AttemptParts, { first, leftMs, slowAfterMs, others }: Watched, failures: Failures, operation: Operation, trying: Trying,
): Promise<Outrun> {
  const trial = attempt(parts, first, operation, trying, leftMs)
  const slow = Promise.withResolvers<null>()
  const timer = parts.deadlines(() => slow.resolve(null))
  timer.set(slowAfterMs)
  const early = await Promise.race([trial, slow.promise]).finally(() => timer.clear())
  if (early !== null) return { result: early, second: null }
  const second = openBeside(parts, first, others, failures, trying)
  if (second === null) return { result: await trial, second: null }
  const hedge = attempt(parts, second, operation, trying, timeLeft(parts, second.candidate, trying))
  try {
    const ahead = await Promise.race([trial, hedge])
    const [other, pending] = ('source' in ahead ? ahead.attempt : ahead.by) === first ? [second, hedge] as const : [first, trial] as const
    if (!('source' in ahead)) {
      // It is asked again, in a request of its own: the other was asked for the same as before.
      if (ahead.again !== undefined && ahead.by === first) {
        pending.catch(() => {})
        failures.absorbed += supersede(parts, failures, other, trying).cost
        return { result: ahead, second: second.candidate }
      }
      fail(parts, failures, ahead)
      const closed = FAULTS[ahead.fault.kind].next === 'nothing' || !failures.allows(other.candidate)
      // A caller who leaves has ended both.
      if (trying.departure.gone || !closed) return { result: await pending, second: second.candidate }
    }
    pending.catch(() => {})
    const lost = supersede(parts, failures, other, trying)
    if ('source' in ahead) failures.loser = lost
    else failures.absorbed += lost.cost
    return { result: 'source' in ahead ? ahead : null, second: second.candidate }
  } catch (error) {
    for (const each of [first, second]) {
      each.abort()
      each.over()
    }
    throw error
  }
}

/** The attempt that is opened beside a slow one, with its place and its token, or null where none may be, or none is to be had. */
function openBeside(parts: AttemptParts, first: RunningAttempt, others: readonly Candidate[], failures: Failures, trying: Trying): RunningAttempt | null {
  const { hedge, departure } = trying
  if (hedge === null || departure.gone) return null
  for (const candidate of others) {
    if (!hedge.mayStandIn(first.candidate, candidate) || !failures.allowsBeside(candidate)) continue
    if (timeLeft(parts, candidate, trying) <= WORTH_TRYING_MS) continue
    const place = parts.upstreams.take(candidate.endpoint.provider, trying)
    if (place === null) continue
    const cost = parts.health.retry(candidate, null)
    if (cost === null) {
      place.release()
      continue
    }
    const second = begin(parts, candidate, trying, place, cost)
    second.hedge = hedge.payer
    return second
  }
  return null
}

/** Ends an attempt that another was faster than, takes it down, and says what it cost. */
function supersede(parts: AttemptParts, failures: Failures, loser: RunningAttempt, { hedge, need, stream }: Trying): Loser {
  const waitedMs = loser.elapsedMs()
  loser.superseded = true
  // Once a head has come the request had gone out; before, the connection knows.
  const sent = loser.abort() === true || loser.status !== null
  const { cost, counted } = lostCost(loser.candidate, { said: [...loser.said, ...loser.source?.rest() ?? []], sent, promptTokens: need.inputTokens })
  failures.attempts.push({ ...loser.record({ outcome: 'superseded', fault: null, message: null, upstreamId: null }), cost, counted })
  parts.health.superseded(loser.candidate, loser.trial, loser.hedge === null ? waitedMs : null, stream)
  return { cost, payer: hedge!.payer }
}

const LEFT = fault('cancelled', 'The caller left')
const LATE = fault('timeout', 'The time for this request had passed before a provider could be asked')

function tried(parts: AttemptParts, committed: Committed | null, failures: Failures | null, untried: number): Tried {
  return {
    committed,
    failed: failures?.attempts ?? [],
    fault: committed ? null : failures?.outcome(parts.ambient) ?? fault('internal', 'The plan had no candidates'),
    faults: failures?.faults ?? [],
    untried,
    absorbed: failures?.absorbed ?? 0n,
    retries: failures?.retries ?? 0n,
    loser: failures?.loser ?? null,
    passedOver: failures?.passedOver ?? NOBODY,
  }
}

const NOBODY: PassedOver = new Map()

interface Failed {
  readonly by: RunningAttempt
  readonly fault: Fault
  readonly attempt: Attempt
  readonly absorbed: Nano
  /** What the caller pays of it, with the answer that follows. */
  readonly retries?: Nano
  /** The request that its endpoint shall be asked once more. */
  readonly again?: ChatRequest
}

/** What all attempts of a call have in common. */
interface Trying {
  readonly stream: boolean
  readonly preferences: Preferences
  readonly need: Need
  readonly fit: Fit
  /** Gathers what goes to each provider, for a caller who asked for it. */
  readonly echo: JsonObject[] | null
  readonly departure: Departure
  /** The monotonic clock at the last byte of the caller's body. */
  readonly startedAt: number
  readonly workspace: string
  /** Whose places at providers they take, and the place of their class, the lowest being 0. */
  readonly key: string
  readonly rank: number
  /** When an attempt has another opened beside it; null where none ever has. */
  readonly hedge: Hedging | null
  /** Judges whole answers; null where nobody does, and for streams. */
  readonly review: ((reply: readonly ChatEvent[]) => Review) | null
  /** What is done for endpoints that do not do it themselves; null where nothing is. */
  readonly standIn: StandingIn | null
  /** Made by the first attempt that has to fetch something. */
  downloads: Downloads | null
  readonly large?: LargeBody | null
}

/** One attempt under way: its clock, its deadline, and the way to end it when that passes or the caller leaves. */
export class RunningAttempt {
  readonly candidate: Candidate
  readonly timeouts: Timeouts
  readonly deadline: Deadline
  headersMs: number | null = null
  status: number | null = null
  dropped: readonly string[] = NOTHING
  changed: readonly Changed[] = NOTHING
  /** Parameters that were said in the prompt. */
  prompted: readonly string[] = NOTHING
  /** What was done in the stead of its endpoint. */
  made: Made | null = null
  /** It was not sent what models had thought before, because a seal was refused. */
  unsealed = false
  /** The limit on output tokens that the request had when it was written for the endpoint. */
  limit: number | undefined = undefined
  /** Its number where it tries an endpoint that kept failing; else 0. */
  trial = 0
  /** The milliseconds after which a trial is given up for the next candidate; null for all others. */
  patienceMs: number | null = null
  /** What it took from its provider's retry budget. */
  cost = 0
  /** Who it was opened for beside a slow one; null for all others. */
  hedge: HedgePayer | null = null
  /** Another was faster. */
  superseded = false
  /** If its answer does not do: whether it may be asked again, and whether there is another model to ask. */
  mayAgain = false
  mayPass = false
  /** The events that were read before its call was decided. */
  said: readonly ChatEvent[] = NOTHING
  /** Where its answer comes from, once there is one. */
  source: Source | null = null
  /** Ends what is under way; set by whoever is. Before there is an answer it says whether the request had gone out. */
  abort: () => unknown = () => {}
  readonly #ambient: Ambient
  readonly #departure: Departure
  readonly #startedAt: number
  readonly #start: number
  readonly #end = (): void => void this.abort()
  #place: Share | null

  constructor(parts: AttemptParts, candidate: Candidate, departure: Departure, place: Share | null) {
    this.#place = place
    this.candidate = candidate
    this.timeouts = parts.timeouts(candidate.endpoint.provider)
    this.#ambient = parts.ambient
    this.#departure = departure
    this.#startedAt = parts.ambient.now()
    this.#start = parts.ambient.monotonic()
    this.deadline = parts.deadlines(this.#end)
    departure.listen(this.#end)
  }

  elapsedMs(): number {
    return this.#ambient.monotonic() - this.#start
  }

  /** Why it was ended, when its reads fail: the caller left, or the deadline that stood passed. */
  stopped(deadline: 'first_token' | 'idle'): Fault | null {
    if (this.#departure.gone) return fault('cancelled', 'The caller left')
    if (!this.deadline.expired) return null
    return overdue('The provider did not answer in time', deadline, deadline === 'idle' ? this.timeouts.idleMs : Math.round(this.elapsedMs()))
  }

  /** It is over, however it ended: gives back what it holds. Safe more than once. */
  over(): void {
    this.deadline.clear()
    this.#departure.ignore(this.#end)
    this.#place?.release()
    this.#place = null
  }

  /** Its record; it is over. */
  record(end: Pick<Attempt, 'outcome' | 'fault' | 'message' | 'upstreamId'>): Attempt {
    this.over()
    const { endpoint, credential } = this.candidate
    const record: Attempt = {
      endpoint: endpoint.id, provider: endpoint.provider, providerName: endpoint.providerName, model: endpoint.model,
      credential: credential.id, startedAt: this.#startedAt, headersMs: this.headersMs, durationMs: tenths(this.elapsedMs()),
      status: this.status, outcome: end.outcome, fault: end.fault, message: end.message, upstreamId: end.upstreamId,
    }
    return this.hedge === null ? record : { ...record, hedge: this.hedge }
  }
}

async function attempt(
  parts: AttemptParts, running: RunningAttempt, operation: Operation, trying: Trying, leftMs: number,
): Promise<Committed | Failed> {
  const { timeouts, candidate: { endpoint } } = running
  const mostMs = endpoint.reasoning.supported ? timeouts.firstTokenReasoningMs : timeouts.firstTokenMs
  running.deadline.set(Math.max(1, Math.min(mostMs, leftMs, running.patienceMs ?? Infinity)))

  const opened = await open(parts, running, operation, trying)
  running.headersMs = tenths(running.elapsedMs())
  if ('fault' in opened) {
    running.status = opened.status
    if (opened.status === null) running.headersMs = null
    const why = failed(running, opened.fault)
    const again = operation.type === 'chat' ? unsealed(operation.request, why.fault) : null
    return again === null ? why : { ...why, again }
  }
  const { source } = opened
  running.source = source
  running.abort = () => source.abort()
  running.status = source.status
  running.dropped = opened.dropped
  running.changed = opened.changed ?? NOTHING
  running.prompted = opened.prompted ?? NOTHING

  for (;;) {
    let batch: readonly ChatEvent[] | null
    try {
      batch = await source.next()
    } catch (error) {
      source.abort()
      return failed(running, faultOf(error))
    }
    if (batch === null) {
      source.abort()
      return failed(running, fault('invalid-response', 'The provider sent an empty answer'))
    }
    if (batch.length > 0) running.said = running.said.length > 0 ? [...running.said, ...batch] : batch
    if (commits(batch)) return trying.review === null ? { attempt: running, source, first: running.said } : reviewed(running, source, trying)
    const bad = batch.find((event) => event.type === 'fault')
    if (bad) {
      source.abort()
      return failed(running, bad.fault, batch)
    }
  }
}

const NOTHING: readonly never[] = Object.freeze([])

/**
 * A whole answer, once somebody has judged it: nothing of it has been sent, so another may still take its place. One that
 * breaks off is told as it is.
 */
async function reviewed(running: RunningAttempt, source: Source, { review, need }: Trying): Promise<Committed | Failed> {
  const said = [...running.said]
  const whole = (): Committed => ({ attempt: running, source, first: said })
  running.deadline.set(running.timeouts.totalMs)
  try {
    while (!source.ended) {
      const batch = await source.next()
      if (batch === null) break
      said.push(...batch)
    }
  } catch {
    return whole()
  }
  if (said.some((event) => event.type === 'fault')) return whole()
  const found = review!(said)
  const again = 'fault' in found && running.mayAgain ? found.again : undefined
  if (!('fault' in found) || (again === undefined && !running.mayPass)) return { ...whole(), reviewed: found }
  const { cost, counted } = lostCost(running.candidate, { said, sent: true, promptTokens: need.inputTokens })
  const start = said.find((event) => event.type === 'start')
  return {
    by: running, fault: withProvider(found.fault, running.candidate), absorbed: 0n, retries: cost, ...(again && { again }),
    attempt: {
      ...running.record({ outcome: 'failed', fault: found.fault.kind, message: found.fault.message, upstreamId: start?.upstreamId ?? null }), cost, counted,
    },
  }
}

/** A timeout of ours. `error.metadata` says which, in the words of the settings, and after how many milliseconds. */
export function overdue(message: string, timeout: 'first_token' | 'idle' | 'total', afterMs: number): Fault {
  return fault('timeout', message, { metadata: { timeout, timeout_ms: afterMs } })
}

/** Durations are taken down in tenths of a millisecond, so that a record reads the same from memory and from the database. */
function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** Closes an attempt that came to nothing. What its provider counted all the same is a cost that nobody pays for. */
function failed(running: RunningAttempt, of: Fault, said: readonly ChatEvent[] = []): Failed {
  const why = withProvider(running.stopped('first_token') ?? of, running.candidate)
  const usage = said.findLast((event) => event.type === 'usage')
  const { price } = running.candidate.endpoint
  return {
    by: running,
    fault: why,
    attempt: running.record({
      outcome: why.kind === 'cancelled' ? 'cancelled' : 'failed', fault: why.kind, message: why.message, upstreamId: null,
    }),
    absorbed: usage && price ? charge(price, usage.usage).total : 0n,
  }
}

function open(parts: AttemptParts, running: RunningAttempt, operation: Operation, trying: Trying): Opened | Promise<Opened> {
  const { request } = operation
  const endpoint = trying.fit.unsupportedParameters === 'keep' ? trusting(running.candidate.endpoint, request, trying.need) : running.candidate.endpoint
  const options = trying.preferences.options?.[endpoint.provider]
  const target: Target = {
    endpoint,
    stream: trying.stream,
    ...(options && { options }),
    ...(endpoint.dataPolicy.requiresUserIds && { userId: userIdOf(trying.workspace, request.user) }),
  }
  const faces = parts.dialects.get(endpoint.dialect ?? '')
  switch (operation.type) {
    case 'chat': return openChat(parts, running, operation.request, target, trying)
    case 'embed': return faces?.embed?.outbound ? openInPieces(embedDoor(parts, running, operation.request, target, trying), faces.embed.outbound, operation.request) : NO_FACE
    case 'rerank': return faces?.rerank?.outbound ? openInPieces(doorOf(parts, running, request, target, trying), faces.rerank.outbound, operation.request) : NO_FACE
  }
}

function embedDoor(parts: AttemptParts, running: RunningAttempt, request: EmbedRequest, target: Target, trying: Trying): Door {
  return {
    ...doorOf(parts, running, request, target, trying),
    writeLarge: (written) => parts.large.write('embed', written as EmbedRequest, target),
    readLarge: (body) => parts.large.vectors(body, request.encoding, target),
  }
}

function openChat(parts: AttemptParts, running: RunningAttempt, request: ChatRequest, target: Target, trying: Trying): Opened | Promise<Opened> {
  const { endpoint } = target
  const asked = searching(withDefaultEffort(clamped(request, outputOffered(endpoint, trying.need.inputTokens)), endpoint), parts.dialects, endpoint)
  running.limit = asked.maxOutputTokens
  const dialect = endpoint.dialect ?? ''
  const local = parts.locals.get(dialect)
  if (local) return { source: openLocal(local, asked, target, trying.departure), dropped: [] }
  const outbound = parts.dialects.get(dialect)?.outbound
  if (!outbound) return NO_FACE
  const { large } = trying
  const told = toldIn(asked, outbound, target, trying)
  if (told !== null && 'fault' in told) return { fault: told.fault, status: null }
  const own = doorOf(parts, running, request, target, trying)
  const { images, media, audios } = trying.need
  const door = images + media + audios === 0 ? own : { ...own, writeLarge: (written: Operation['request']) => parts.large.write('chat', written as ChatRequest, target) }
  const opening = openUpstream(door, outbound, told?.request ?? asked, large ? (written) => large.encode(dialect, written, target) : null, outbound.promptsFormat ? null : reworded)
  return told === null ? opening : withCalls(opening, told, parts, target)
}

/**
 * The request with its tools in words, where its endpoint takes them in no other way; null where it takes them, there are
 * none, or the caller says what else becomes of parameters. Where they have to be honoured it is a fault, from which another
 * endpoint may follow: a plan sees an endpoint's list, and not what its format has no word for. A form of the answer that a host enforces leaves no room for
 * calls, so that it is said in words as well.
 */
function toldIn(
  asked: ChatRequest, outbound: Outbound, { endpoint }: Target, { fit, preferences }: Trying,
): (Templated & { readonly prompted: readonly string[] }) | { readonly fault: Fault } | null {
  const by = outbound.toolsBy?.(endpoint) ?? 'parameter'
  if (by === 'parameter' && (endpoint.parameters === null || endpoint.parameters.has('tools'))) return null
  if (preferences.requireParameters && asked.tools?.length) {
    return { fault: fault('unsupported-parameter', `tools: ${endpoint.providerName} takes none, and provider.require_parameters is set`, { field: 'tools' }) }
  }
  if (by === 'nothing' || fit.unsupportedParameters === 'refuse') return null
  const told = withToolsInWords(asked)
  if (told === null || told.tools.length === 0) return told && { ...told, prompted: NOTHING }
  const { format } = told.request
  if (format?.type !== 'json' && format?.type !== 'schema') return { ...told, prompted: TOOLS }
  const { format: _, ...request } = inWords(told.request)
  return { ...told, request, prompted: TOOLS_AND_FORMAT }
}

const TOOLS: readonly string[] = Object.freeze(['tools'])
const TOOLS_AND_FORMAT: readonly string[] = Object.freeze(['tools', 'response_format'])

async function withCalls(
  opening: Promise<Opened>, { tools, prompted }: Templated & { readonly prompted: readonly string[] }, { mend, ambient }: AttemptParts, { stream }: Target,
): Promise<Opened> {
  const opened = await opening
  if ('fault' in opened) return opened
  const said = [...prompted, ...opened.prompted ?? NOTHING]
  if (tools.length === 0) return { ...opened, prompted: said }
  const makeId = (): string => `call_${Buffer.from(ambient.bytes(12)).toString('hex')}`
  return { ...opened, source: withCallsOf(opened.source, { tools, stream, mend, makeId }), prompted: said }
}

/** A request that wishes for a search, with that of the endpoint's provider in it. */
function searching(request: ChatRequest, dialects: AttemptParts['dialects'], endpoint: Endpoint): ChatRequest {
  if (request.search === undefined) return request
  return dialects.get(endpoint.dialect ?? '')?.outbound?.withSearch?.(request, request.search, endpoint) ?? request
}

/** What a request needs to get to an endpoint and back. */
function doorOf(parts: AttemptParts, running: RunningAttempt, request: Operation['request'], target: Target, trying: Trying): Door {
  const { credential } = running.candidate
  const providers = parts.providers()
  return {
    net: parts.net, target,
    headers: providers.headers(credential),
    authoriser: providers.authoriser(credential),
    connectMs: running.timeouts.connectMs,
    download: parts.download,
    downloads: () => trying.downloads ??= new Map(),
    check: trying.echo !== null || trying.fit.unsupportedParameters === 'refuse' ? checkOf(parts, running, request, trying) : null,
    control: (abort) => {
      running.abort = abort
      if (trying.departure.gone || running.deadline.expired || running.superseded) abort()
    },
  }
}

const NO_FACE: Opened = { fault: fault('internal', 'No dialect for the endpoint'), status: null }

/**
 * A request that says nothing of reasoning, with the effort that its model is known for (o3-mini: medium). The
 * caller's own body still stands: the faces write reasoning from the canonical request in any case.
 */
function withDefaultEffort(request: ChatRequest, endpoint: Endpoint): ChatRequest {
  const { defaultEffort } = endpoint.reasoning
  return request.reasoning === undefined && defaultEffort ? { ...request, reasoning: { effort: defaultEffort } } : request
}

/** Sees a request before it goes: refuses what its endpoint would not be sent whole, and keeps what the caller wants echoed. */
function checkOf(parts: AttemptParts, running: RunningAttempt, request: Operation['request'], trying: Trying): (outgoing: Outgoing) => Fault | null {
  return ({ body, dropped }) => {
    const { endpoint, credential } = running.candidate
    // An effort that the catalogue put in is not the caller's to lose.
    const lost = trying.fit.unsupportedParameters === 'refuse' ? dropped.find((name) => name !== 'reasoning' || ('reasoning' in request && request.reasoning !== undefined)) : undefined
    if (lost !== undefined) {
      return fault('unsupported-parameter', `${lost}: ${endpoint.providerName} cannot be sent it, and provider.unsupported_parameters is refuse`, { field: lost })
    }
    trying.echo?.push(shownBody(body, secretsOf(parts.providers().headers(credential))))
    return null
  }
}

/** The endpoint as if it honoured every parameter of the request; the two names of the limit stay what they are. */
function trusting(endpoint: Endpoint, { extras }: Operation['request'], { parameters }: Need): Endpoint {
  if (endpoint.parameters === null) return endpoint
  const trusted = new Set([...endpoint.parameters, ...parameters, ...Object.keys(extras)])
  if (endpoint.parameters.has('max_completion_tokens') && !endpoint.parameters.has('max_tokens')) trusted.delete('max_tokens')
  return { ...endpoint, parameters: trusted }
}

/** A limit above what the endpoint gives is lowered to it: many hosts answer a higher one with a 400. */
function clamped(request: ChatRequest, most: number | null): ChatRequest {
  // The faces write the limit from here and not from the caller's body, so the origin may stay.
  return most !== null && (request.maxOutputTokens ?? 0) > most ? { ...request, maxOutputTokens: most } : request
}

/** End users are told apart at a provider by a hash that means nothing elsewhere; never by the id that the caller gave. */
function userIdOf(workspace: string, user: string | undefined): string {
  return createHash('sha256').update(`${workspace}\n${user ?? ''}`).digest('hex').slice(0, 32)
}

/** The fault with the provider's name beside what it said, for `error.metadata`. */
function withProvider(of: Fault, candidate: Candidate): Fault {
  return { ...of, upstream: { ...of.upstream, provider: candidate.endpoint.providerName } }
}
