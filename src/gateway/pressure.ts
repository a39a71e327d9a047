import { readFileSync } from 'node:fs'
import type { Ambient } from '../core/index.ts'

/** What the event loop says of the load, and what part of the calls is turned away because of it. */
export interface Pressure {
  /** Whether anything is turned away at all. */
  readonly shedding: boolean
  /** The part of all calls that is turned away, 0–1. */
  readonly share: number
  /** Milliseconds by which the loop is late, of late. */
  readonly delayMs: number
  /** A call came; it keeps the clock going. Cheap: two sums. */
  arrived(key: string, rank: number): void
  /** Whether a call of this class is turned away; draws where a part of its class is. */
  refuses(key: string, rank: number): boolean
  /** The class of which a part is turned away: those under it are not served, those above it all. */
  readonly cut: number
  close(): void
}

export interface PressureRules {
  /** A loop that is late by so much, for a second, has too much to do; 0 never looks. */
  readonly delayMs: number
}

const TICK_MS = 20
const STEP_MS = 100
/** How long the loop has to be late without a break: one long task is none of the callers' doing. */
const LASTING_MS = 1000
const LEAST_STEPS = 3
/**
 * Calls that take this part of that delay to be taken in, in a turn of the loop right after one that was late by half as
 * much, are no burst: each turn is longer than the one before, and after a second they would be seconds late.
 */
const GROWN = 1 / 2
/**
 * Once calls are turned away, the delay is held at this part of the one that began it, and no turn of the loop takes in
 * calls for longer: what is let in then takes less than twice its time, and who is turned away hears so within 50 ms.
 */
const HELD_AT = 1 / 20
const FIRST_SHARE = 0.3
/** Of what is let in, the part that a late step takes away; and what a step that is not late gives back of the whole. */
const LESS = 0.1
const MORE = 0.02
/** Somebody always gets in: their calls are how the end of the trouble is noticed. */
const MOST = 0.98
/** For so long after calls were turned away the loop need not be late for a second again to begin with it anew. */
const ALERT_MS = 10_000

/**
 * The share of calls to turn away after a step in which the loop was late by so much. A step that took longer than others,
 * because the machine was busy elsewhere, gives back as much more.
 */
export function steered(share: number, delayMs: number, heldAtMs: number, tookMs = STEP_MS): number {
  return delayMs > heldAtMs ? Math.min(MOST, share + (1 - share) * LESS) : Math.max(0, share - MORE * tookMs / STEP_MS)
}

/** Which calls are let in: all of the classes above `cut`, none below, and of `cut` the part of each key that `kept` says. */
export interface Allotment {
  readonly cut: number
  readonly kept: ReadonlyMap<string, number>
}

/**
 * Divides what can be served among the calls that came, by class and key: the best class first, and within the class
 * that has to be cut each key the same, so that one that asks for little keeps all of it.
 */
export function allot(came: readonly ReadonlyMap<string, number>[], share: number): Allotment {
  let left = 0
  for (const keys of came) for (const count of keys.values()) left += count
  left *= 1 - share
  for (let cut = came.length - 1; cut >= 0; cut--) {
    let asked = 0
    for (const count of came[cut]!.values()) asked += count
    if (asked > left) return { cut, kept: divided(came[cut]!, left) }
    left -= asked
  }
  return { cut: 0, kept: new Map() }
}

/** Max-min fair: whoever asks for less than an equal part has it, and the others divide what that leaves. */
function divided(asked: ReadonlyMap<string, number>, all: number): ReadonlyMap<string, number> {
  const kept = new Map<string, number>()
  let left = all
  let others = asked.size
  for (const [key, count] of [...asked].toSorted(([, a], [, b]) => a - b)) {
    const given = Math.min(count, left / others)
    kept.set(key, given / count)
    left -= given
    others--
  }
  return kept
}

/**
 * Watches how late the event loop is, while there are calls, and turns away as many as it takes to hold it: a server
 * that takes in more than it can do serves nobody in time. Time that the system gave to other programs is not counted:
 * on a machine that others keep busy the loop is late whatever is turned away, and all of it would be.
 */
export function createPressure(given: {
  readonly ambient: Pick<Ambient, 'monotonic' | 'random'>
  readonly classes: number
  readonly rules: () => PressureRules
  /** Milliseconds, since whenever, in which this thread could have run and another program did. */
  readonly stolenMs: () => number
  /** Calls back when the loop has done what had come by now. */
  readonly atEnd?: (then: () => void) => void
}): Pressure & { /** What the clock calls. */ tick(now: number): void } {
  const { ambient, rules, stolenMs, atEnd = setImmediate } = given
  // Two of each, in turn: what comes now, and what came in the last step in which anybody came.
  let came = Array.from({ length: given.classes }, () => new Map<string, number>())
  let before = Array.from({ length: given.classes }, () => new Map<string, number>())
  let timer: NodeJS.Timeout | null = null
  let calls = 0
  let ticks = 0
  let idleSince = 0
  let lateSince: number | null = null
  let lateSteps = 0
  let steppedAt = 0
  let stolenBefore = 0
  let share = 0
  let delay = 0
  let allotment: Allotment = { cut: 0, kept: new Map() }
  /** When the first call came since the loop last came round, when its turn was last looked at, and who may still come in it. */
  let turnAt: number | null = null
  let lookedAt = 0
  let full: Allotment | null = null
  let tickedAt = 0
  let turnBeforeMs = 0
  let alertUntil = 0

  const start = (now: number): void => {
    steppedAt = idleSince = tickedAt = now
    stolenBefore = stolenMs()
    ticks = 0
    timer = setInterval(() => self.tick(ambient.monotonic()), TICK_MS)
    timer.unref()
  }
  const stop = (): void => {
    if (timer !== null) clearInterval(timer)
    timer = null
    delay = share = 0
    lateSince = turnAt = full = null
    for (const keys of [...came, ...before]) keys.clear()
  }
  const step = (now: number, limit: number): void => {
    const stolen = stolenMs()
    const took = now - steppedAt
    delay = Math.max(0, (took - (stolen - stolenBefore)) / ticks - TICK_MS)
    if (delay <= limit) {
      lateSince = null
      lateSteps = 0
    } else {
      lateSince ??= steppedAt
      // A start or a reload makes the loop late, too, and turning callers away would not shorten it.
      if (calls > 0) lateSteps++
    }
    if (share > 0) {
      share = steered(share, delay, limit * HELD_AT, took)
      alertUntil = now + ALERT_MS
    } else if (lateSince !== null && now - lateSince >= LASTING_MS && lateSteps >= LEAST_STEPS) share = FIRST_SHARE
    if (calls > 0) {
      for (const keys of before) keys.clear()
      ;[came, before] = [before, came]
    }
    if (share > 0) allotment = allot(before, share)
    steppedAt = now
    stolenBefore = stolen
    ticks = 0
    if (calls > 0) {
      idleSince = now
      calls = 0
    } else if (share === 0 && now - idleSince > LASTING_MS) stop()
  }

  /**
   * Looks at a turn of the loop while it lasts, because its calls have made it long: all who have come would be let in
   * before its end says that it was late. Three times too much for a moment made one of seconds, and then the next.
   */
  const lookWithin = (now: number, from: number, alert: boolean): void => {
    const limit = rules().delayMs
    lookedAt = now
    // What came while other programs had the processor comes all at once, and may take as long again.
    const late = now - from - 2 * (stolenMs() - stolenBefore)
    if (alert) {
      if (late <= limit * HELD_AT) return
      full = allot(came, MOST)
      alertUntil = now + ALERT_MS
    } else if (late > limit * GROWN && turnBeforeMs > limit * GROWN / 2) {
      share = FIRST_SHARE
      allotment = allot(came, share)
    }
  }

  const endTurn = (): void => {
    turnAt = full = null
  }

  const self = {
    get shedding() { return share > 0 || full !== null },
    get share() { return share },
    get delayMs() { return delay },
    get cut() { return (full ?? allotment).cut },
    arrived(key: string, rank: number): void {
      if (timer === null) {
        if (rules().delayMs === 0) return
        start(ambient.monotonic())
      }
      const now = ambient.monotonic()
      const alert = share > 0 || now < alertUntil
      if (turnAt === null) {
        turnAt = lookedAt = now
        if (alert) atEnd(endTurn)
      } else if (now - lookedAt >= (alert ? rules().delayMs * HELD_AT : STEP_MS)) lookWithin(now, turnAt, alert)
      calls++
      const keys = came[rank]!
      keys.set(key, (keys.get(key) ?? 0) + 1)
    },
    refuses(key: string, rank: number): boolean {
      if (share === 0 && full === null) return false
      const { cut, kept } = full ?? allotment
      return rank < cut || (rank === cut && ambient.random() >= (kept.get(key) ?? 1))
    },
    tick(now: number): void {
      const limit = rules().delayMs
      if (limit === 0) return stop()
      ticks++
      endTurn()
      turnBeforeMs = now - tickedAt - TICK_MS
      tickedAt = now
      if (now - steppedAt >= STEP_MS) step(now, limit)
    },
    close: stop,
  }
  return self
}

/** What Linux counts of the time that our main thread waited for a processor; 0 on other systems. */
export function waitedForProcessor(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}
