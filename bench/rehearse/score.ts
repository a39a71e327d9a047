// What is rehearsed: who the upstreams are, how often each misbehaves and how, and when one of them dies.
import type { Order } from '../../src/testing/index.ts'

/** The name of an upstream is in each of its answers, so that an answer can be checked against who is said to have given it. */
export const UPSTREAMS = [
  { slug: 'alpha', prompt: '0.000001', completion: '0.000002' },
  { slug: 'bravo', prompt: '0.0000012', completion: '0.0000024' },
  { slug: 'charlie', prompt: '0.0000014', completion: '0.0000028' },
] as const

export type Slug = typeof UPSTREAMS[number]['slug']

/** Who dies: the one with the most traffic. */
export const DYING: Slug = 'alpha'

export const MODEL = 'rehearsal/model'

export interface Trouble {
  readonly name: string
  /** Of the calls that reach an upstream, 0–1. */
  readonly share: number
  readonly order: Order
}

/** The deadline for a first block in this rehearsal, so that a stall costs a caller a second and not half a minute. */
export const FIRST_TOKEN_MS = 1000

/** What befalls the calls to each upstream. A cut after the first block is the one that no router can hide. */
export const TROUBLES: readonly Trouble[] = [
  { name: 'a 500', share: 0.03, order: { status: 500 } },
  { name: 'a 503', share: 0.01, order: { status: 503 } },
  { name: 'a stall before the first block', share: 0.005, order: { stallAfter: 'headers' } },
  { name: 'a 429 with Retry-After', share: 0.002, order: { status: 429, headers: { 'retry-after': '1' } } },
  { name: 'a 429 without', share: 0.002, order: { status: 429 } },
  { name: 'a slow trickle', share: 0.02, order: { trickle: { bytes: 200, everyMs: 40 } } },
  { name: 'a cut after the first block', share: 0.005, order: { cutAfter: 5, cutBy: 'rst' } },
]

export interface Phase {
  readonly name: 'troubled' | 'dead' | 'back'
  readonly seconds: number
}

export const phases = (quick: boolean): readonly Phase[] => quick
  ? [{ name: 'troubled', seconds: 12 }, { name: 'dead', seconds: 6 }, { name: 'back', seconds: 32 }]
  : [{ name: 'troubled', seconds: 60 }, { name: 'dead', seconds: 20 }, { name: 'back', seconds: 40 }]

/** What must hold. Success is of requests to which nothing had been said yet when a provider failed. */
export const BARS = { success: 0.999, extraCalls: 0.2, leavesMs: 2000, returnsMs: 30_000 } as const

/** What an upstream says to a request; the words after the first name whom it answers. */
export const answerOf = (slug: string, nonce: string): string =>
  `${slug} answers ${nonce} in a few words, so that a stream has something to be cut in the middle of`

/** Shares of calls by a draw in [0, 1). */
export function troubleFor(draw: number): Trouble | null {
  let upTo = 0
  for (const trouble of TROUBLES) {
    upTo += trouble.share
    if (draw < upTo) return trouble
  }
  return null
}
