import type { Departure } from '../core/index.ts'

/** How many may be inside at once, and how much of that one key may have. */
export interface PlacesRules {
  readonly limit: number
  /** What a key may hold when no other one is there, 0–1. */
  readonly keyShare: number
  /** How long anybody waits for a place; 0 is not at all. */
  readonly queueMs: number
}

/** The part of the places that each class may fill, the lowest class first: what is left is for the classes above it. */
const FILLS = [0.8, 0.9, 1]
/** Of a queue that does not get empty, this part stays open: all that waits in it makes everybody slower by so much. */
const STANDING_ROOM = 1 / 8
/** Keys that hold nothing are forgotten when there are so many, and again when there are twice those that hold something. */
const REMEMBERED = 1000

/** What one key holds of some places. Released once for each time that it was taken. */
export class Share {
  readonly places: Places
  readonly key: string
  held = 0

  constructor(places: Places, key: string) {
    this.places = places
    this.key = key
  }

  release(): void {
    this.held--
    this.places.left()
  }
}

/** One who waits, maybe at several doors; the first place that comes free is its own. */
interface Waiter {
  readonly key: string
  readonly rank: number
  admit(share: Share): void
  /** Somebody of a better class has its room here. */
  dismiss(from: Places): void
}

/** Why somebody was not let in: nobody is, or others would be. */
export type Refusal = 'full' | 'share'

/**
 * A bounded number of places and a short queue before them. What one key may hold depends on what is free (with a share
 * of 0.8 at most four times as many), so that it has nearly everything while it is alone, is held back as soon as others
 * come, and never needs to be known beforehand; whoever comes next always finds something. Taking and leaving are a look
 * into a map and a few sums; nothing is made for it.
 */
export class Places {
  readonly #rules: () => PlacesRules
  readonly #now: () => number
  readonly #shares = new Map<string, Share>()
  /** For each class, the keys that wait in the order of their turns, each with its line. */
  readonly #lines = FILLS.map(() => new Map<string, Set<Waiter>>())
  #running = 0
  #waiting = 0
  #waitingSince = 0
  #remembered = REMEMBERED

  constructor(rules: () => PlacesRules, now: () => number) {
    this.#rules = rules
    this.#now = now
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting
  }

  get limit(): number {
    return this.#rules().limit
  }

  waitingOf(rank: number): number {
    let count = 0
    for (const line of this.#lines[rank]!.values()) count += line.size
    return count
  }

  /** One more place for a key, or null when it may not have one now. `rank` is the place of its class, the lowest being 0. */
  take(key: string, rank: number): Share | null {
    const share = this.#shareOf(key)
    if (!this.#fits(share, rank, this.#rules())) return null
    share.held++
    this.#running++
    return share
  }

  /** Why a key that got no place got none. */
  refusal(key: string, rank: number): Refusal {
    const { limit } = this.#rules()
    return (this.#shares.get(key)?.held ?? 0) > 0 && this.#running < ceilingOf(limit, rank) ? 'share' : 'full'
  }

  /** Whether somebody without a place could not even wait for one, so that nothing need be read of what it sends. */
  hopeless(key: string, rank: number): boolean {
    const rules = this.#rules()
    if (this.#waiting === 0 && rules.queueMs > 0) return false
    return !this.#fits(this.#shareOf(key), rank, rules) && !this.#hasRoom(key, rank)
  }

  /** Lets somebody wait; false when there is no room. Of a full queue the last of a lower class goes. */
  join(waiter: Waiter): boolean {
    if (!this.#hasRoom(waiter.key, waiter.rank)) return false
    if (this.#waiting >= this.#room()) this.#shed(waiter.rank)
    if (this.#waiting++ === 0) this.#waitingSince = this.#now()
    const lines = this.#lines[waiter.rank]!
    const line = lines.get(waiter.key)
    if (line) line.add(waiter)
    else lines.set(waiter.key, new Set([waiter]))
    return true
  }

  withdraw(waiter: Waiter): void {
    const lines = this.#lines[waiter.rank]!
    const line = lines.get(waiter.key)
    if (!line?.delete(waiter)) return
    this.#waiting--
    if (line.size === 0) lines.delete(waiter.key)
  }

  /** Somebody has left; see `Share.release`. */
  left(): void {
    this.#running--
    if (this.#waiting > 0) this.#serve()
  }

  /** The best class first, and in it the keys in turn: a key with a thousand waiting gets no more turns than one with two. */
  #serve(): void {
    const rules = this.#rules()
    for (let rank = this.#lines.length - 1; rank >= 0; rank--) {
      const lines = this.#lines[rank]!
      for (const [key, line] of lines) {
        if (this.#running >= rules.limit) return
        const share = this.#shareOf(key)
        if (!this.#fits(share, rank, rules)) continue
        const [first] = line
        this.withdraw(first!)
        if (line.size > 0) {
          lines.delete(key)
          lines.set(key, line)
        }
        share.held++
        this.#running++
        first!.admit(share)
      }
    }
  }

  #shed(above: number): void {
    for (let rank = 0; rank < above; rank++) {
      const last = [...this.#lines[rank]!.values()].at(-1)
      const victim = last && [...last].at(-1)
      if (!victim) continue
      this.withdraw(victim)
      victim.dismiss(this)
      return
    }
  }

  #fits(share: Share, rank: number, { limit, keyShare }: PlacesRules): boolean {
    if (this.#running >= ceilingOf(limit, rank)) return false
    if (share.held === 0 || keyShare >= 1) return true
    // Less a little: 0.8 / (1 - 0.8) is more than 4.
    return share.held < keyShare / (1 - keyShare) * (limit - this.#running) - 1e-6
  }

  /** Places to wait in: as many as there are to be in, and few once those who wait are there to stay. */
  #room(): number {
    const { limit, queueMs } = this.#rules()
    if (queueMs === 0) return 0
    const standing = this.#waiting > 0 && this.#now() - this.#waitingSince > queueMs
    return standing ? Math.max(1, Math.floor(limit * STANDING_ROOM)) : limit
  }

  #hasRoom(key: string, rank: number): boolean {
    const room = this.#room()
    const own = this.#lines[rank]!.get(key)?.size ?? 0
    if (this.#waiting < room) return own === 0 || own <= room - this.#waiting
    if (room === 0) return false
    for (let lower = 0; lower < rank; lower++) if (this.#lines[lower]!.size > 0) return true
    return false
  }

  #shareOf(key: string): Share {
    const known = this.#shares.get(key)
    if (known) return known
    if (this.#shares.size >= this.#remembered) this.#forget()
    const share = new Share(this, key)
    this.#shares.set(key, share)
    return share
  }

  #forget(): void {
    for (const [key, { held }] of this.#shares) if (held === 0) this.#shares.delete(key)
    this.#remembered = Math.max(REMEMBERED, 2 * this.#shares.size)
  }
}

/** How full it may be for a class; the smallest limit still lets one in. */
function ceilingOf(limit: number, rank: number): number {
  return Math.max(1, Math.floor(limit * FILLS[rank]!))
}

/**
 * Waits for the first place that comes free at any of these. Null at once where there is no room to wait; resolves to
 * null when the time has passed, when somebody of a better class needed the room, or when the caller has left.
 */
export function awaitPlace(
  at: readonly Places[], who: { readonly key: string; readonly rank: number; readonly departure: Departure }, ms: number,
): Promise<Share | null> | null {
  const { promise, resolve } = Promise.withResolvers<Share | null>()
  let joined: Places[] = []
  const settle = (share: Share | null): void => {
    clearTimeout(timer)
    who.departure.ignore(leave)
    for (const places of joined) places.withdraw(waiter)
    resolve(share)
  }
  const leave = (): void => settle(null)
  const waiter: Waiter = {
    key: who.key, rank: who.rank, admit: settle,
    dismiss(from) {
      joined = joined.filter((places) => places !== from)
      if (joined.length === 0) settle(null)
    },
  }
  const timer = setTimeout(leave, ms)
  joined = at.filter((places) => places.join(waiter))
  if (joined.length === 0) {
    clearTimeout(timer)
    return null
  }
  who.departure.listen(leave)
  return promise
}
