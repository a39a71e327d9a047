// What the rehearsal showed, worked out from what callers got and from what upstreams received.
import type { Asked } from './load.ts'
import { BARS, DYING, UPSTREAMS, type Phase } from './score.ts'

export interface Moments {
  /** Milliseconds since the rehearsal began. */
  readonly died: number
  readonly returned: number
  readonly ended: number
}

/** When the phases begin and end. */
export function momentsOf(phases: readonly Phase[]): Moments {
  const at = (count: number): number => phases.slice(0, count).reduce((sum, phase) => sum + phase.seconds * 1000, 0)
  return { died: at(1), returned: at(2), ended: at(3) }
}

export interface Result {
  readonly asked: number
  readonly whole: number
  readonly cut: number
  readonly failed: number
  readonly wrong: number
  /** Whole answers among the requests to which nothing had been said when a provider failed. */
  readonly success: number
  /** Calls that reached an upstream, or were refused by the dead one, beyond one for each request. */
  readonly extraCalls: number
  /** From the death until at most one request in a hundred was still sent there, in ms. */
  readonly leavesMs: number
  /** From the return until it has four fifths of its usual share, in ms; null when it never had. */
  readonly returnsMs: number | null
  readonly p50Ms: number
  readonly p99Ms: number
  readonly passed: boolean
}

/** Shares are noisy over short times: a share is that of the requests of three seconds. */
const SHARE_OVER_MS = 3000
const USUAL_SHARE_REACHED = 0.8

export function resultOf(asked: readonly Asked[], upstreamCalls: number, moments: Moments): Result {
  const count = (verdict: Asked['verdict']): number => asked.filter((it) => it.verdict === verdict).length
  const whole = count('whole')
  const cut = count('cut')
  const success = whole / Math.max(1, asked.length - cut)
  // Those that the dead upstream refused at its door were calls too, though it never saw them.
  const refused = asked.filter((it) => it.at >= moments.died && it.at < moments.returned)
    .reduce((sum, it) => sum + it.tried.filter((slug, i) => slug === DYING && !(it.by === DYING && i === it.tried.length - 1)).length, 0)
  const extraCalls = (upstreamCalls + refused) / Math.max(1, asked.length) - 1
  const leavesMs = leftAfter(asked, moments)
  const returnsMs = returnedAfter(asked, moments)
  const times = asked.filter((it) => it.verdict === 'whole').map((it) => it.tookMs).toSorted((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return {
    asked: asked.length, whole, cut, failed: count('failed'), wrong: count('wrong'), success, extraCalls, leavesMs, returnsMs,
    p50Ms: at(0.5), p99Ms: at(0.99),
    passed: success >= BARS.success && count('wrong') === 0 && extraCalls <= BARS.extraCalls && leavesMs <= BARS.leavesMs
      && returnsMs !== null && returnsMs <= BARS.returnsMs,
  }
}

/** The last moment after the death at which more than one in a hundred of the requests to come tried the dead upstream. */
function leftAfter(asked: readonly Asked[], { died, returned }: Moments): number {
  const during = asked.filter((it) => it.at >= died && it.at < returned).toSorted((a, b) => a.at - b.at)
  let trying = 0
  let since = died
  for (let i = during.length - 1; i >= 0; i--) {
    if (during[i]!.tried.includes(DYING)) trying++
    if (trying > Math.max(1, (during.length - i) / 100)) {
      since = during[i]!.at
      break
    }
  }
  return since - died
}

function returnedAfter(asked: readonly Asked[], { died, returned, ended }: Moments): number | null {
  const usual = shareOf(asked, 0, died)
  for (let to = returned + 1000; to <= ended; to += 250) {
    if (shareOf(asked, Math.max(returned, to - SHARE_OVER_MS), to) >= usual * USUAL_SHARE_REACHED) return to - returned
  }
  return null
}

function shareOf(asked: readonly Asked[], from: number, to: number): number {
  const answered = asked.filter((it) => it.by !== null && it.at >= from && it.at < to)
  return answered.filter((it) => it.by === DYING).length / Math.max(1, answered.length)
}

/** One second of the rehearsal: whose answers, and what else. */
export interface Second {
  readonly by: Readonly<Record<string, number>>
  readonly cut: number
  readonly failed: number
}

export function secondsOf(asked: readonly Asked[], { ended }: Moments): readonly Second[] {
  return Array.from({ length: Math.ceil(ended / 1000) }, (_, second) => {
    const now = asked.filter((it) => Math.floor(it.at / 1000) === second)
    return {
      by: Object.fromEntries(UPSTREAMS.map(({ slug }) => [slug, now.filter((it) => it.by === slug).length])),
      cut: now.filter((it) => it.verdict === 'cut').length,
      failed: now.filter((it) => it.verdict === 'failed' || it.verdict === 'wrong').length,
    }
  })
}
