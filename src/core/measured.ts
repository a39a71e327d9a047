import type { Percentiles } from './need.ts'

/** What was measured of an endpoint, as lists and pages show it; null where nothing was. */
export interface EndpointFigures {
  /** 0: well; -1: below 95 % of the last half hour's tries; -2: below 80 %. Of fewer than a hundred tries nothing is said: 0. */
  readonly status: number
  /** Percent of the tries that reached a verdict (docs/figures.md says which do). */
  readonly uptime5m: number | null
  readonly uptime30m: number | null
  readonly uptime1d: number | null
  /** Milliseconds to the first token; p90 is what nine in ten did not exceed. */
  readonly latency30m: Required<Percentiles> | null
  /** Tokens per second; p90 is what nine in ten reached. */
  readonly throughput30m: Required<Percentiles> | null
  /** Milliseconds to the end of the answer. */
  readonly duration30m: Required<Percentiles> | null
  /** How many answers the percentiles rest on. */
  readonly samples30m: number
  /** How many of those nobody had asked for: they were probes of this instance. */
  readonly probes30m: number
  /** The tries that `uptime1d` rests on, and how many of them were probes. */
  readonly tries1d: number
  readonly probes1d: number
  /** Of longer stretches, where they were asked for. */
  readonly longer?: LongerFigures
}

/** What an endpoint did over whole days, today's included. */
export interface LongerFigures {
  readonly uptime3d: number | null
  readonly uptime90d: number | null
  /** Percent of the tries that brought an answer: beside what counts against uptime, a 429 does here, too. */
  readonly availability3d: number | null
  readonly availability90d: number | null
  /** Of seven days. Rates are percent, null of nothing. */
  readonly week: {
    readonly requests: number
    readonly promptTokens: number
    readonly completionTokens: number
    /** Requests with tools that could be judged, and those of them with a call that was wrong. */
    readonly toolRequests: number
    readonly toolErrorRate: number | null
    readonly structuredRequests: number
    readonly structuredErrorRate: number | null
    /** Of prompt tokens, those that were read from the provider's cache. */
    readonly cacheHitRate: number | null
    /** Dollars that were really paid for a million tokens, prompt and completion together, as a decimal. */
    readonly paidPerMillion: string | null
  }
}

/** What a model did, for lists that are put in order by it. Null where nothing was measured. */
export interface ModelFigures {
  /** Prompt and completion together, of seven and of thirty days, today's included. */
  readonly weekTokens: number
  readonly monthTokens: number
  /** Medians of yesterday and today: milliseconds to the first token, and tokens per second; and on how many answers they rest. */
  readonly latencyMs: number | null
  readonly throughput: number | null
  readonly samples: number
  /** Share of the seven days' requests with tools whose calls were all right, 0–1, and of how many. */
  readonly toolSuccess: number | null
  readonly toolRequests: number
}

/** What this instance's own traffic says of an endpoint, for whoever chooses among several. */
export interface Measured {
  /** Of the last half hour; null when it was not tried. */
  readonly lately: {
    readonly promptTokens: number
    readonly completionTokens: number
    /** What it charged for them, in nano-dollars. */
    readonly spentNano: number
    /** Milliseconds to the first token; output tokens per second, the wait for the first included. Medians, null of nothing. */
    readonly latencyMs: number | null
    readonly speed: number | null
    /** Shares of tries that failed, and that were told to wait, 0–1. */
    readonly failed: number
    readonly limited: number
  } | null
  /** Of the last seven days: requests with tools that could be judged, and those with a call that was wrong. */
  readonly tools: { readonly requests: number; readonly bad: number } | null
}
