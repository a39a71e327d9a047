import { randomBytes } from 'node:crypto'
import type { Ambient } from './core/index.ts'

/** The real clock and the real dice. The only file that reads either. */
export const ambient: Ambient = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  bytes: (length) => randomBytes(length),
}
