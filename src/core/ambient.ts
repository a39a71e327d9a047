/** Time and chance, handed in so that tests are exact. Ours is made in `src/ambient.ts`. */
export interface Ambient {
  /** Milliseconds since the epoch, whole. */
  now(): number
  /** Milliseconds of a clock that never goes back; for durations. */
  monotonic(): number
  /** Uniform in [0, 1). */
  random(): number
  /** Cryptographically strong bytes. */
  bytes(length: number): Uint8Array
}
