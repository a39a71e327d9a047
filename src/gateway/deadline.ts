import { Roster, type Ambient, type Enrolled } from '../core/index.ts'

/** When an attempt has to get on, moved along as it does. */
export interface Deadline {
  /** Counts from now. */
  set(ms: number): void
  /** Counts anew with the time that was set last, from `now` of the monotonic clock; cheap enough for every read. */
  touch(now: number): void
  /** Stands still: whoever it is for has handed over, and others take their time. */
  hold(): void
  /** Goes on where it stood, after so many milliseconds. */
  resume(heldMs: number): void
  clear(): void
  readonly expired: boolean
}

/** Makes deadlines that share one timer: thousands of streams need no timer each, and none is moved in a heap per event. */
export type Deadlines = (onExpiry: () => void) => Deadline

/** How late a deadline may be noticed. */
const TICK_MS = 25
/** A tick that comes this late was held up by our own work. */
const HELD_UP_MS = 100

export function createDeadlines(ambient: Pick<Ambient, 'monotonic'>): Deadlines {
  const running = new Roster<Running>()
  let timer: NodeJS.Timeout | null = null

  let tickedAt = 0
  const sweep = (): void => {
    const now = ambient.monotonic()
    const late = now - tickedAt - TICK_MS
    tickedAt = now
    // While the loop was blocked nobody's answer could be read: that time is not the providers'.
    if (late > HELD_UP_MS) running.each((deadline) => { deadline.at += late })
    running.each((deadline) => { if (deadline.at <= now) deadline.expire() })
    if (running.size > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }

  class Running implements Deadline, Enrolled {
    place = -1
    at = Infinity
    expired = false
    #ms = 0
    #heldAt = Infinity
    readonly #onExpiry: () => void
    constructor(onExpiry: () => void) {
      this.#onExpiry = onExpiry
    }
    set(ms: number): void {
      this.#ms = ms
      this.touch(ambient.monotonic())
      running.add(this)
      if (timer !== null) return
      tickedAt = ambient.monotonic()
      timer = setInterval(sweep, TICK_MS)
    }
    touch(now: number): void {
      this.at = now + this.#ms
    }
    hold(): void {
      this.#heldAt = this.at
      this.at = Infinity
    }
    resume(heldMs: number): void {
      this.at = this.#heldAt + heldMs
    }
    clear(): void {
      running.delete(this)
    }
    expire(): void {
      running.delete(this)
      this.expired = true
      this.#onExpiry()
    }
  }
  return (onExpiry) => new Running(onExpiry)
}
