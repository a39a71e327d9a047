/** A clock and dice that obey the test. Fits `Ambient`. */
export interface FakeAmbient {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds, never backwards. */
  monotonic(): number
  /** In [0, 1), the same row for the same seed. */
  random(): number
  bytes(length: number): Uint8Array
  /** Moves both clocks forward. */
  advance(ms: number): void
  /** Sets the wall clock, also backwards, as an operator or NTP does; the monotonic one stays. */
  set(now: number): void
}

/** Starts at 2025-10-09T08:53:20Z unless told otherwise; time moves only by `advance`. */
export function createFakeAmbient(options: { now?: number; seed?: number } = {}): FakeAmbient {
  const { now = 1_760_000_000_000, seed = 1 } = options
  let wall = now
  let steady = 0
  let state = seed >>> 0
  // Mulberry32: small, well spread, and the same on every machine.
  const draw = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    now: () => wall,
    monotonic: () => steady,
    random: () => draw() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => draw() & 0xff),
    advance(ms) { wall += ms; steady += ms },
    set(to) { wall = to },
  }
}
