/** An endpoint that kept failing: out, tried with single requests, and back bit by bit. A value; every change makes a new one. */
export interface Circuit {
  /** From when (ms epoch) requests may try it. */
  readonly until: number
  /** Ejections in a row before this one: what the wait doubles with. */
  readonly relapses: number
  /** The share of failures in the window when it was ejected. */
  readonly failedShare: number
  /** Trials that answered since. */
  readonly wins: number
  /** The trial under way; 0 is none. */
  readonly trial: number
  /** When the last trial began. */
  readonly trialAt: number
  /** When it was let in again; null while it is out. */
  readonly recoveredAt: number | null
}

export interface CircuitRules {
  /** Failures in a row that eject. */
  readonly ejectAfter: number
  /** Or this share of at least so many outcomes within the outage window. */
  readonly ejectShare: number
  readonly ejectShareOf: number
  /** The first wait; it doubles with every relapse up to the longest. */
  readonly ejectionMs: number
  readonly longestEjectionMs: number
  /** Each wait is up to this share shorter or longer, so that what failed together does not return together. */
  readonly ejectionJitter: number
  /** A failure that cost its caller no more than this is quick: the wait after it grows only to a bound of its own. */
  readonly quickFailureMs: number
  readonly longestQuickEjectionMs: number
  /** An ejection so soon after a recovery is a relapse. */
  readonly relapseMs: number
  /** An endpoint whose certificate or handshake was not acceptable is out for as long, and so is a key that was refused. */
  readonly benchMs: number
  /** From the beginning of one trial to that of the next, at least. */
  readonly trialGapMs: number
  /** Trials that have to answer before it is let in again. */
  readonly trialsToRecover: number
  /** A trial that has not been heard of for so long gives its place to another. */
  readonly trialLeaseMs: number
  /**
   * A trial is given up for the next candidate after so many times what nearly all answers needed before the endpoint failed,
   * but not before what is quick: one that hangs would cost its caller half a minute.
   */
  readonly trialPatience: number
  /** How long it takes to its full share, and the share that it begins with. */
  readonly rampMs: number
  readonly rampFrom: number
}

export interface Failure {
  readonly at: number
  readonly quick: boolean
  /** Certificate or handshake: nothing to be tried again soon. */
  readonly broken: boolean
  /** The number of the trial that it was, or 0. */
  readonly trial: number
}

/** Where an endpoint with a circuit stands at a moment. */
export interface Standing {
  /**
   * `ejected`: its wait is not over. `waiting`: it is, but another request is trying it, or did within the last second.
   * `trial`: this request may try it. `ramping`: it is back with a part of its share.
   */
  readonly state: 'ejected' | 'waiting' | 'trial' | 'ramping'
  /** When the wait, or the ramp, is over (ms epoch). */
  readonly until: number
  /** The part of its usual share that it takes while it ramps up; 0 while it is out. */
  readonly share: number
  /** Greater is worse: first by relapses, then by the share of failures. */
  readonly badness: number
}

/**
 * An ejection: 10 s × 2ⁿ, at most 5 min, ± 20 % (Envoy's outlier detection waits likewise). What a trial costs its
 * caller decides how far the wait may grow: a refused connection costs a few milliseconds, and a trial that is given up
 * where answers are usually there a second or two, so such an endpoint is tried every 10 s however long it has been down, and
 * is found well soon after it is; one of which no answer is known costs a caller half a minute, one that cuts answers the
 * answer.
 */
export function ejected(
  before: Circuit | null, failure: Failure, failedShare: number,
  rules: CircuitRules, random: () => number,
): Circuit {
  const { at, quick, broken, trial } = failure
  const again = before !== null && (before.recoveredAt === null || at - before.recoveredAt < rules.relapseMs)
  const longest = quick ? Math.min(rules.longestQuickEjectionMs, rules.longestEjectionMs) : rules.longestEjectionMs
  // Hours of quick failures do not make the first slow one cost five minutes.
  const grows = again && rules.ejectionMs * 2 ** before.relapses < longest
  const relapses = again ? before.relapses + (grows ? 1 : 0) : 0
  const backoff = Math.min(longest, rules.ejectionMs * 2 ** relapses)
  const wait = broken ? rules.benchMs : backoff * (1 + rules.ejectionJitter * (2 * random() - 1))
  return {
    until: at + wait, relapses, failedShare, wins: 0, recoveredAt: null,
    // A late report leaves the place of the trial that is under way now.
    trial: before === null || before.trial === trial ? 0 : before.trial,
    trialAt: before?.trialAt ?? -Infinity,
  }
}

/** Whether a trial may begin. A clock that was set back holds nobody up. */
export function mayTry({ trial, trialAt, recoveredAt }: Circuit, now: number, rules: CircuitRules): boolean {
  if (recoveredAt !== null) return false
  const since = now - trialAt
  return since < 0 || since >= (trial === 0 ? rules.trialGapMs : Math.max(rules.trialGapMs, rules.trialLeaseMs))
}

/** The circuit after a trial of this number has answered, or as it was when the trial is not the one under way. */
export function afterWin(circuit: Circuit, trial: number, at: number, rules: CircuitRules): Circuit {
  if (trial === 0 || circuit.trial !== trial || circuit.recoveredAt !== null) return circuit
  const wins = circuit.wins + 1
  return { ...circuit, wins, trial: 0, recoveredAt: wins >= rules.trialsToRecover ? at : null }
}

/** The circuit after a trial has ended without a verdict: the caller left, or was at fault, or nobody waited for it. */
export function withoutTrial(circuit: Circuit, trial: number): Circuit {
  return trial === 0 || circuit.trial !== trial ? circuit : { ...circuit, trial: 0 }
}

/** Where the endpoint stands; null when it is as good as any other. */
export function standingOf(circuit: Circuit, now: number, rules: CircuitRules): Standing | null {
  const { until, recoveredAt } = circuit
  const badness = circuit.relapses + circuit.failedShare
  if (recoveredAt !== null) {
    const since = now - recoveredAt
    if (since < 0 || since >= rules.rampMs) return null
    return { state: 'ramping', until: recoveredAt + rules.rampMs, share: Math.max(rules.rampFrom, since / rules.rampMs), badness }
  }
  // No wait is longer than this: it is the clock that was set back.
  const longest = Math.max(rules.benchMs, rules.longestEjectionMs * (1 + rules.ejectionJitter))
  if (now < until && until - now <= longest) return { state: 'ejected', until, share: 0, badness }
  return { state: mayTry(circuit, now, rules) ? 'trial' : 'waiting', until, share: 0, badness }
}
