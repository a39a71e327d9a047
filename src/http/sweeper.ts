import { Roster, type Enrolled } from '../core/index.ts'

/** Something with deadlines that are checked now and then: a body on its way, an open stream. */
export interface Swept extends Enrolled {
  /** `now` is of the monotonic clock. */
  sweep(now: number): void
}

export interface Sweeper {
  add(item: Swept): void
  delete(item: Swept): void
  readonly size: number
  close(): void
}

/**
 * One coarse timer for every deadline of the room. A timer for each request, moved at each event, costs more than
 * the event; a deadline of ten seconds may well be noticed a second late.
 */
export function createSweeper(given: { now(): number; everyMs: number }): Sweeper {
  const items = new Roster<Swept>()
  const timer = setInterval(() => {
    if (items.size === 0) return
    const now = given.now()
    items.each((item) => item.sweep(now))
  }, given.everyMs)
  timer.unref()
  return {
    add: (item) => { items.add(item) },
    delete: (item) => { items.delete(item) },
    get size() { return items.size },
    close: () => clearInterval(timer),
  }
}
