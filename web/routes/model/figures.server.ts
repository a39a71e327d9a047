import type { ActivityView, Percentiles, SeriesView } from '../../../src/site.ts'
import { drawBars, drawLines, sent, type BarDrawing, type LineDrawing, type SentSeries } from '../../charts/draw.server.ts'

/** What a page shows of its figures: one percentile of them, drawn, and the same numbers for the table behind the chart. */

export const METRICS = ['throughput', 'latency', 'duration'] as const
export type Metric = (typeof METRICS)[number]

export interface PerformanceShown {
  readonly window: SeriesView['window']
  readonly from: number
  readonly to: number
  readonly stepMs: number
  readonly rank: keyof Percentiles
  readonly totals: readonly {
    readonly id: string
    readonly name: string
    readonly answers: number
    /** Of those, the ones that nobody had asked for. */
    readonly probes: number
    readonly latency: number | null
    readonly throughput: number | null
    readonly duration: number | null
    readonly cacheHitRate: number | null
    readonly paidPerMillion: string | null
  }[]
  readonly charts: readonly { readonly metric: Metric; readonly drawing: LineDrawing | null; readonly series: readonly SentSeries[] }[]
}

export function performanceShown(view: SeriesView, rank: keyof Percentiles): PerformanceShown {
  const { window, from, to, stepMs, endpoints } = view
  const nameOf = ({ providerName, tag }: SeriesView['endpoints'][number]): string =>
    endpoints.filter((it) => it.providerName === providerName).length > 1 ? tag : providerName
  return {
    window, from, to, stepMs, rank,
    totals: endpoints.map((endpoint) => {
      const { answers, probes, latency, throughput, duration, cacheHitRate, paidPerMillion } = endpoint.total
      return {
        id: endpoint.id, name: nameOf(endpoint), answers, probes, cacheHitRate, paidPerMillion,
        latency: latency?.[rank] ?? null, throughput: throughput?.[rank] ?? null, duration: duration?.[rank] ?? null,
      }
    }),
    charts: METRICS.map((metric) => {
      const series = endpoints.map((endpoint) => ({
        name: nameOf(endpoint),
        points: endpoint.points.flatMap((point) => point[metric] === null ? [] : [{ at: point.at, value: point[metric][rank] }]),
      })).filter(({ points }) => points.length > 0)
      return { metric, series: series.map((it) => sent(it, view)), drawing: drawLines(series, view) }
    }),
  }
}

export interface ActivityShown {
  readonly requests: number
  readonly tokens: number
  readonly days: readonly { readonly at: number; readonly fresh: number; readonly cached: number; readonly answer: number; readonly reasoning: number }[]
  readonly drawing: BarDrawing
}

/** The parts of a day's tokens; each token is in one of them. */
export const PARTS = ['fresh', 'cached', 'answer', 'reasoning'] as const

export function activityShown({ days }: ActivityView): ActivityShown {
  const shown = days.map(({ at, prompt, cached, completion, reasoning }) => ({
    at, fresh: Math.max(0, prompt - cached), cached, answer: Math.max(0, completion - reasoning), reasoning,
  }))
  return {
    days: shown,
    requests: days.reduce((sum, day) => sum + day.requests, 0),
    tokens: days.reduce((sum, { prompt, completion }) => sum + prompt + completion, 0),
    drawing: drawBars(shown, PARTS),
  }
}
