import { fault, TRAFFIC_CLASSES, type Ambient, type Departure, type Fault, type FaultKind, type TrafficClass } from '../core/index.ts'
import { createMemory } from './memory.ts'
import { awaitPlace, Places, type PlacesRules, type Share } from './places.ts'
import { createPressure, waitedForProcessor, workedByThread } from './pressure.ts'

/** How much one process takes on. */
export interface AdmissionLimits {
  /** Calls at once. */
  readonly concurrentRequests: number
  /** At one provider, unless it has a number of its own. */
  readonly concurrentRequestsPerProvider: number
  /** Of the former, what one key may hold while it is alone, 0–1. */
  readonly keyShare: number
  /** The longest wait for a place. */
  readonly queueMs: number
  /** An event loop that is late by so much for a second sheds calls; 0 never looks. */
  readonly eventLoopDelayMs: number
  /** Resident memory of this process; 0 is what the system lets it have, where it says so. */
  readonly maxRssBytes: number
}

export interface Caller {
  readonly key: string
  /** The best class that the calls of this key may have. */
  readonly best: TrafficClass
}

/** Why a call was turned away. */
type Why = 'full' | 'share' | 'shed' | 'memory'

/** Who is let in, for how long they wait, and who is turned away. */
export interface Admission {
  /**
   * Before anything is read of a call: why it is turned away already, or null. What is turned away has to cost little, or
   * turning away is all that an overloaded server does.
   */
  knock(caller: Caller): Fault | null
  /**
   * Between the two: to be waited for where more calls have come than one turn of the event loop begins, else null. Why
   * the call is turned away after all, or null.
   */
  turn(caller: Caller): Promise<Fault | null> | null
  /** A place for a call of this class, to be released when it is over; or, maybe after a short wait, why there is none. */
  enter(caller: Caller, as: TrafficClass, departure: Departure): Share | Fault | Promise<Share | Fault>
  figures(): AdmissionFigures
  close(): void
}

export interface AdmissionFigures {
  readonly running: number
  readonly limit: number
  readonly waiting: Readonly<Record<TrafficClass, number>>
  /** Since the start. */
  readonly refused: readonly { readonly class: TrafficClass; readonly why: Why; readonly count: number }[]
  /** The part of all calls that the state of the event loop makes us turn away. */
  readonly shedding: number
  /** Bytes of resident memory near which calls are turned away; 0 where nothing limits it. */
  readonly memoryLimit: number
}

/** Retry-After is drawn from 1 to 10 s: callers who were all turned away at once must not all come back at once. */
const RETRY_MS = 1000
const RETRY_SPREAD = 10

const TOO_MUCH = 'This server has more to do than it can. Please try again.'

/** What the memory of this process is, and what the system says that it may be. */
const OURS = { resident: () => process.memoryUsage.rss(), constrained: () => process.constrainedMemory() }

/**
 * What is said to those who are turned away, by how long they are to wait. There are no others, so that whoever words one knows
 * it again: a server that has too much to do says it thousands of times a second.
 */
const REFUSALS: Readonly<Record<Why, readonly Fault[]>> = {
  full: refusalsOf('over-capacity', TOO_MUCH, 'concurrency'),
  shed: refusalsOf('over-capacity', TOO_MUCH, 'load_shedding'),
  memory: refusalsOf('over-capacity', TOO_MUCH, 'memory'),
  share: refusalsOf('rate-limited', 'This key has as many calls under way as one key may have on this server. Wait until some have ended.', 'key_concurrency'),
}

export function retryAfter(ambient: Pick<Ambient, 'random'>): number {
  return RETRY_MS * (1 + Math.floor(ambient.random() * RETRY_SPREAD))
}

export function rankOf(of: TrafficClass): number {
  return TRAFFIC_CLASSES.indexOf(of)
}

export function createAdmission(given: {
  readonly ambient: Pick<Ambient, 'monotonic' | 'random'>
  readonly limits: () => AdmissionLimits
  /** Bytes of resident memory, and how many the system lets this process have; those of this process where left out. */
  readonly memory?: { resident(): number; constrained(): number }
}): Admission {
  const { ambient, limits, memory: { resident, constrained } = OURS } = given
  const memory = createMemory({ rules: limits, now: ambient.monotonic, resident, constrained })
  const pressure = createPressure({
    ambient, classes: TRAFFIC_CLASSES.length, rules: () => ({ delayMs: limits().eventLoopDelayMs }), stolenMs: waitedForProcessor, workedMs: workedByThread,
  })
  let from: AdmissionLimits | null = null
  let rules: PlacesRules
  // Made anew only when the limits are others: it is asked for at each call.
  const places = new Places(() => {
    const now = limits()
    if (now !== from) rules = { limit: now.concurrentRequests, keyShare: now.keyShare, queueMs: now.queueMs }
    from = now
    return rules
  }, ambient.monotonic)
  const refused = TRAFFIC_CLASSES.map((): Record<Why, number> => ({ full: 0, share: 0, shed: 0, memory: 0 }))

  const refuse = (rank: number, why: Why): Fault => {
    refused[rank]![why]++
    return REFUSALS[why][retryAfter(ambient) / RETRY_MS - 1]!
  }
  const waited = async (waiting: Promise<Share | null>, key: string, rank: number, departure: Departure): Promise<Share | Fault> => {
    const share = await waiting
    if (departure.gone) {
      share?.release()
      return fault('cancelled', 'The caller left')
    }
    return share ?? refuse(rank, places.refusal(key, rank))
  }
  const begun = async (begins: Promise<boolean>, key: string, rank: number): Promise<Fault | null> => {
    if (await begins) return null
    pressure.arrived(key, rank)
    return refuse(rank, 'shed')
  }

  return {
    knock({ key, best }) {
      const rank = rankOf(best)
      if (pressure.shedding && pressure.refuses(key, rank)) {
        pressure.arrived(key, rank)
        return refuse(rank, 'shed')
      }
      if (memory.refuses(rank, places.running)) return refuse(rank, 'memory')
      return places.hopeless(key, rank) ? refuse(rank, places.refusal(key, rank)) : null
    },
    turn({ key, best }) {
      const rank = rankOf(best)
      const begins = pressure.turn(key, rank)
      return begins && begun(begins, key, rank)
    },
    enter({ key, best }, as, departure) {
      const rank = rankOf(as)
      pressure.arrived(key, rank)
      // The caller's own class was looked at when it knocked.
      if (as !== best) {
        if (pressure.shedding && pressure.refuses(key, rank)) return refuse(rank, 'shed')
        if (memory.refuses(rank, places.running)) return refuse(rank, 'memory')
      }
      const share = places.take(key, rank)
      if (share !== null) return share
      const waiting = awaitPlace([places], { key, rank, departure }, limits().queueMs)
      return waiting === null ? refuse(rank, places.refusal(key, rank)) : waited(waiting, key, rank, departure)
    },
    figures: () => ({
      running: places.running,
      limit: places.limit,
      waiting: byClass((_, rank) => places.waitingOf(rank)),
      refused: TRAFFIC_CLASSES.flatMap((name, rank) =>
        (['full', 'share', 'shed', 'memory'] as const).map((why) => ({ class: name, why, count: refused[rank]![why] }))),
      shedding: pressure.share,
      memoryLimit: memory.limit,
    }),
    close: pressure.close,
  }
}

function refusalsOf(kind: FaultKind, message: string, reason: string): readonly Fault[] {
  return Array.from({ length: RETRY_SPREAD }, (_, i) => fault(kind, message, { retryAfterMs: RETRY_MS * (1 + i), metadata: { reason } }))
}

function byClass<T>(of: (name: TrafficClass, rank: number) => T): Readonly<Record<TrafficClass, T>> {
  return Object.fromEntries(TRAFFIC_CLASSES.map((name, rank) => [name, of(name, rank)])) as Record<TrafficClass, T>
}
