import type { EndpointId, Measured } from '../core/index.ts'
import type { Standing } from './circuit.ts'
import type { Figures, Given, HealthView } from './given.ts'

/** Percentiles 50, 75, 90 and 99. */
type Four = readonly [number, number, number, number]

/**
 * What a plan asks of health, at one moment, as compact JSON: only endpoints of which there is something to say, and
 * of each only what is not as usual.
 */
export interface HealthSummary {
  readonly endpoints: Readonly<Record<EndpointId, SummaryEntry>>
  /** Keys that were refused, and until when (ms epoch) they are left alone everywhere. */
  readonly keys: Readonly<Record<string, number>>
  /** What was measured over longer, of the endpoints whose place it may decide. */
  readonly measured?: Readonly<Record<EndpointId, Measured>>
}

export interface SummaryEntry {
  /** It had an outage within the window. */
  readonly unstable?: true
  /** Milliseconds, then tokens per second, then how many answers they rest on. */
  readonly figures?: readonly [Four | null, Four | null, number]
  readonly standing?: readonly [Standing['state'], until: number, share: number, badness: number]
  /** Keys that its provider told to wait there, and until when. */
  readonly rests?: Readonly<Record<string, number>>
}

/** An endpoint's entry, or null where there is nothing to say of it. */
export function summaryEntry(
  view: Required<Omit<HealthView, 'latencyAt'>>, endpoint: EndpointId, cooling: readonly { readonly credential: string; readonly until: number }[], now: number,
): SummaryEntry | null {
  const figures = view.figures(endpoint, now)
  const standing = view.standing(endpoint, now)
  const unstable = view.unstable(endpoint, now)
  const rests = cooling.filter(({ until }) => until > now)
  if (figures === null && standing === null && !unstable && rests.length === 0) return null
  return {
    ...(unstable && { unstable }),
    ...(figures && { figures: [four(figures.latency), four(figures.throughput), figures.samples] as const }),
    ...(standing && { standing: [standing.state, Math.ceil(standing.until), standing.share, standing.badness] as const }),
    ...(rests.length > 0 && { rests: Object.fromEntries(rests.map(({ credential, until }) => [credential, Math.ceil(until)])) }),
  }
}

function four(of: Figures['latency']): Four | null {
  if (of === null) return null
  const { p50, p75, p90, p99 } = of
  return [tenths(p50), tenths(p75), tenths(p90), tenths(p99)]
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}

/** From the best to the worst. */
const STATES: readonly Standing['state'][] = ['ramping', 'trial', 'waiting', 'ejected']

/**
 * The health that a summary tells, as plans read it. Several nodes each saw a part of the traffic: of their words the
 * worst standing counts, the longest rest, and the figures that rest on the most answers, with the outage or its
 * absence that goes with them.
 */
export function viewOf(summaries: readonly HealthSummary[]): HealthView {
  const entriesOf = (endpoint: EndpointId): readonly SummaryEntry[] =>
    summaries.flatMap(({ endpoints }) => Object.hasOwn(endpoints, endpoint) ? [endpoints[endpoint]!] : [])
  const fullest = (endpoint: EndpointId): SummaryEntry | undefined =>
    entriesOf(endpoint).toSorted((a, b) => (b.figures?.[2] ?? 0) - (a.figures?.[2] ?? 0))[0]
  return {
    unstable: (endpoint) => fullest(endpoint)?.unstable === true,
    figures(endpoint) {
      const figures = fullest(endpoint)?.figures
      if (!figures) return null
      const [latency, throughput, samples] = figures
      return { latency: percentiles(latency), throughput: percentiles(throughput), samples }
    },
    restsUntil(endpoint, credential, now) {
      let latest = 0
      for (const { keys } of summaries) if (Object.hasOwn(keys, credential)) latest = Math.max(latest, keys[credential]!)
      for (const { rests } of entriesOf(endpoint)) if (rests && Object.hasOwn(rests, credential)) latest = Math.max(latest, rests[credential]!)
      return latest > now ? latest : 0
    },
    standing(endpoint) {
      const all = entriesOf(endpoint).flatMap((entry) => entry.standing ? [entry.standing] : [])
      const [worst] = all.toSorted((a, b) => STATES.indexOf(b[0]) - STATES.indexOf(a[0]))
      if (!worst) return null
      const [state, until, share, badness] = worst
      return { state, until, share, badness }
    },
  }
}

/** What was measured, as the summaries tell it: every node reads the same figures, so the first that has any will do. */
export function measuredIn(summaries: readonly HealthSummary[]): NonNullable<Given['measured']> {
  return (endpoint) => {
    for (const { measured } of summaries) if (measured && Object.hasOwn(measured, endpoint)) return measured[endpoint]!
    return null
  }
}

function percentiles(of: Four | null): Figures['latency'] {
  if (of === null) return null
  const [p50, p75, p90, p99] = of
  return { p50, p75, p90, p99 }
}
