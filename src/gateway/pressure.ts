import { readFileSync } from 'node:fs'
import type { Ambient } from '../core/index.ts'
import { Line } from './line.ts'

/** What the event loop says of the load, and what part of the calls is turned away because of it. */
export interface Pressure {
  /** Whether anything is turned away at all. */
  readonly shedding: boolean
  /** The part of all calls that is turned away, 0–1: of those of the last step, or to be drawn. */
  readonly share: number
  /** Milliseconds that calls lose, of late: by a late loop, and by the line. */
  readonly delayMs: number
  /** A call came; it keeps the clock going. Cheap: two sums. */
  arrived(key: string, rank: number): void
  /** Whether a call of this key and class is turned away: the line has no part left for it, or it is drawn where a part of its class is. */
  refuses(key: string, rank: number): boolean
  /**
   * To be waited for before a call that is let in begins, where more have come than one turn of the loop begins; null is now.
   * False when it is turned away after all: it has waited too long, since before calls were turned away or behind better classes.
   */
  turn(key: string, rank: number): Promise<boolean> | null
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
/** Once calls are turned away, the loop is held at this part of the delay that began it. */
const HELD_AT = 1 / 10
/**
 * And whoever would wait in the line for this part of it does not join: those who are let in then take less than twice their
 * time. A line that is never empty and never longer has the loop do all that it can.
 */
const FULL_AT = 1 / 8
/**
 * So many calls have begun at once since the clock's last tick, and from then on so many begin in each turn of the loop. A turn
 * that began all that came in the one before was as long as that one: whoever was to be turned away in it waited for all the
 * others, and so did who connected, since no turn takes more than one connection from a listener, and every piece of an
 * answer. What is under way goes before what begins.
 */
const AT_ONCE = 8
const BEGIN = 4
/**
 * Two turns of the loop have the line empty, so for so many there is room however long a turn takes: on a core that others
 * keep busy it takes long, and the second call of a key that asks for little would be one too many.
 */
const LEAST_ROOM = 2 * BEGIN
/** Of those who have waited for too long, so many are told so before the next one begins. */
const TOLD = 16
/** A task that has the processor for longer than this part counts for no more in the wait of the line. */
const LONGEST_AT = 3 / 20
const FIRST_SHARE = 0.3
/**
 * Of what is let in, the part that is taken away by a step in which twice as much was lost as should be, and what one in
 * which nothing was lost gives back of the whole. Beyond three times as much no more is taken away: it was a moment.
 */
const LESS = 0.05
const MORE = 0.025
const MOST_OFF = 2
/** Somebody always gets in: their calls are how the end of the trouble is noticed. */
const MOST = 0.98
/** Of what a call that begins has taken of late, the part that the last one counts for. */
const LATEST = 1 / 16
/** For so long after calls were turned away the loop need not be late for a second again to begin with it anew. */
const ALERT_MS = 10_000

/**
 * The share of calls to turn away after a step in which calls lost so much: more or less of them by how far that is from
 * where it is held. A step that took longer than others, because the machine was busy elsewhere, gives back as much more.
 */
export function steered(share: number, delayMs: number, heldAtMs: number, tookMs = STEP_MS): number {
  const off = Math.min(MOST_OFF, delayMs / heldAtMs - 1)
  return off > 0 ? Math.min(MOST, share + (1 - share) * LESS * off) : Math.max(0, share + MORE * off * tookMs / STEP_MS)
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
  let left = callsOf(came) * (1 - share)
  for (let cut = came.length - 1; cut >= 0; cut--) {
    let asked = 0
    for (const count of came[cut]!.values()) asked += count
    if (asked > left) return { cut, kept: divided(came[cut]!, left) }
    left -= asked
  }
  return { cut: 0, kept: new Map() }
}

function callsOf(came: readonly ReadonlyMap<string, number>[]): number {
  let calls = 0
  for (const keys of came) for (const count of keys.values()) calls += count
  return calls
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
  /** Milliseconds, since whenever, in which this thread did run. */
  readonly workedMs: () => number
  /** Calls back when the loop has done what had come by now, in the order in which it was asked for. */
  readonly later?: (then: () => void) => void
}): Pressure & { /** What the clock calls. */ tick(now: number): void } {
  const { ambient, rules, stolenMs, workedMs, later = setImmediate } = given
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
  let workedAtStep = 0
  let share = 0
  let delay = 0
  let allotment: Allotment = { cut: 0, kept: new Map() }
  /** Calls that were let in and have not begun; and how many of them begin in the next turn. */
  const line = new Line<(it: boolean) => void>(given.classes)
  let beginning = 0
  /** Calls since the last tick that began at once. */
  let atOnce = 0
  /** What the line has worked off, in milliseconds of the processor, and when that was last looked at. */
  let clock = 0
  let workedBefore = 0
  /** What the line takes for each, by that clock, and when the last of it began. */
  let eachMs = 0
  let begunAt = 0
  /** Whether the line is to be kept short: there was trouble of late. */
  let alert = false
  let alertUntil = 0
  /** Calls since the last step that were turned away, and the part of all that were in the one before. */
  let away = 0
  let part = 0

  const start = (now: number): void => {
    steppedAt = idleSince = now
    stolenBefore = stolenMs()
    workedAtStep = workedMs()
    ticks = away = 0
    alert = now < alertUntil
    timer = setInterval(() => self.tick(ambient.monotonic()), TICK_MS)
    timer.unref()
  }
  const stop = (): void => {
    if (timer !== null) clearInterval(timer)
    timer = null
    delay = share = part = 0
    lateSince = null
    alert = false
    for (const keys of [...came, ...before]) keys.clear()
  }
  const step = (now: number, limit: number): void => {
    const stolen = stolenMs()
    const took = now - steppedAt
    const worked = workedMs()
    // Nor by more than it worked: what a hypervisor takes, no program here has.
    const late = Math.max(0, Math.min(took - (stolen - stolenBefore), worked - workedAtStep) / ticks - TICK_MS)
    delay = late + waited()
    if (delay <= limit) {
      lateSince = null
      lateSteps = 0
    } else {
      lateSince ??= steppedAt
      // A start or a reload makes the loop late, too, and turning callers away would not shorten it.
      if (calls > 0) lateSteps++
    }
    const trouble = lateSince !== null && now - lateSince >= LASTING_MS && lateSteps >= LEAST_STEPS
    // A line that is too long is kept short by itself.
    if (alert) share = steered(share, late, limit * HELD_AT, took)
    else if (trouble && late > limit) share = FIRST_SHARE
    if (trouble || share > 0 || away > 0) alertUntil = now + ALERT_MS
    alert = now < alertUntil
    part = calls > 0 ? Math.min(1, away / calls) : 0
    away = 0
    if (calls > 0) {
      for (const keys of before) keys.clear()
      ;[came, before] = [before, came]
    }
    if (share > 0) allotment = allot(before, share)
    steppedAt = now
    stolenBefore = stolen
    workedAtStep = worked
    ticks = 0
    if (calls > 0) {
      idleSince = now
      calls = 0
    } else if (share === 0 && now - idleSince > LASTING_MS) stop()
  }

  /** By this clock the line waits: neither what others have of the processor nor one long task is a line that is too long. */
  const lineClock = (): number => {
    const worked = workedMs()
    clock += Math.min(rules().delayMs * LONGEST_AT, worked - workedBefore)
    workedBefore = worked
    return clock
  }
  const waited = (): number => line.oldest === null ? 0 : lineClock() - line.oldest.since
  const tooLong = (key: string, rank: number): boolean =>
    alert && line.size > 0 && !line.fits(key, rank, Math.max(LEAST_ROOM, rules().delayMs * FULL_AT / eachMs))

  /** Begins the call whose turn it is, and comes back for the next in another turn of the loop. */
  const begin = (): void => {
    const now = lineClock()
    if (alert) tell(now - rules().delayMs)
    const next = line.next()
    if (next === null) {
      beginning--
      return
    }
    eachMs += (now - begunAt - eachMs) * LATEST
    begunAt = now
    later(begin)
    next.of(true)
  }
  /** They came before anybody was turned away, or are of a class whose turn does not come: so long nobody is to wait for nothing. */
  const tell = (before: number): void => {
    for (let told = 0; told < TOLD; told++) {
      const late = line.overdue(before)
      if (late === null) return
      away++
      late.of(false)
    }
  }

  const self = {
    get shedding() { return share > 0 || (alert && line.size > 0) },
    get share() { return Math.max(share, part) },
    get delayMs() { return delay },
    get cut() { return allotment.cut },
    arrived(key: string, rank: number): void {
      if (timer === null) {
        if (rules().delayMs === 0) return
        start(ambient.monotonic())
      }
      calls++
      const keys = came[rank]!
      keys.set(key, (keys.get(key) ?? 0) + 1)
    },
    refuses(key: string, rank: number): boolean {
      const { cut, kept } = allotment
      const refused = tooLong(key, rank) || (share > 0 && (rank < cut || (rank === cut && ambient.random() >= (kept.get(key) ?? 1))))
      if (refused) away++
      return refused
    },
    turn(key: string, rank: number): Promise<boolean> | null {
      if (timer === null) return null
      if (line.size === 0) {
        if (atOnce < AT_ONCE) {
          atOnce++
          return null
        }
        begunAt = lineClock()
      }
      const { promise, resolve } = Promise.withResolvers<boolean>()
      line.join(resolve, key, rank, lineClock())
      if (beginning < BEGIN) {
        beginning++
        later(begin)
      }
      return promise
    },
    tick(now: number): void {
      const limit = rules().delayMs
      if (limit === 0) return stop()
      ticks++
      atOnce = 0
      if (now - steppedAt >= STEP_MS) step(now, limit)
    },
    close: stop,
  }
  return self
}

/** The processor's time of our main thread, in milliseconds. */
export function workedByThread(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** What Linux counts of the time that our main thread waited for a processor; 0 on other systems. */
export function waitedForProcessor(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}
