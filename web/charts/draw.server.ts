import { scaleBand, scaleLinear } from 'd3-scale'
import { line, stack } from 'd3-shape'

/*
 * Where everything in a chart goes, worked out on the server. A page is sent shapes and not the means to make them:
 * scales and paths would be 25 KB of script on each page that has a chart.
 */

export interface LineSeries {
  readonly name: string
  readonly points: readonly { readonly at: number; readonly value: number }[]
}

/**
 * A series as it is sent for the table behind its chart: a value for each step from the first, joined by commas, nothing
 * where nothing was measured. A week by the hour is five thousand numbers on a page, and one text is as quick to send as one of them.
 */
export interface SentSeries {
  readonly name: string
  readonly values: string
}

export function sent({ name, points }: LineSeries, { from, to, stepMs }: { readonly from: number; readonly to: number; readonly stepMs: number }): SentSeries {
  const values: (number | '')[] = Array.from({ length: Math.ceil((to - from) / stepMs) }, () => '')
  for (const { at, value } of points) values[(at - from) / stepMs] = value
  return { name, values: values.join(',') }
}

export interface LineDrawing {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly right: number
  readonly ticks: readonly { readonly value: number; readonly y: number }[]
  readonly lines: readonly {
    readonly name: string
    readonly nameY: number
    /** A path for each run without a gap; a run of one point is a dot. */
    readonly paths: readonly string[]
    readonly dots: readonly { readonly x: number; readonly y: number }[]
  }[]
}

const W = 520
const H = 210
/** Room for the scale's figures beside the lines, and for the names at their ends. */
const LEFT = 52
const NAMES = 116
const TOP = 16
const BOTTOM = 24
/** More lines than this cannot be told apart; the table has them all. */
const MOST = 6
const NAME_GAP = 13

const round = (value: number): number => Math.round(value * 10) / 10

/** Null where there is no point at all. A stretch in which nothing happened is a gap, not a slope. */
export function drawLines(series: readonly LineSeries[], { from, to, stepMs }: { readonly from: number; readonly to: number; readonly stepMs: number }): LineDrawing | null {
  const shown = series.filter(({ points }) => points.length > 0).slice(0, MOST)
  if (shown.length === 0) return null
  const most = Math.max(...shown.flatMap(({ points }) => points.map(({ value }) => value)))
  const x = scaleLinear([from, to], [LEFT, W - NAMES])
  const y = scaleLinear([0, most * 1.05 || 1], [H - BOTTOM, TOP]).nice(4)
  const middle = (at: number): number => Math.min(x(at + stepMs / 2), W - NAMES)
  const path = line<{ at: number; value: number }>().x(({ at }) => middle(at)).y(({ value }) => y(value)).digits(1)
  const names = apart(shown.map(({ points }) => y(points.at(-1)!.value)))
  return {
    width: W, height: H, left: LEFT, right: W - NAMES,
    ticks: y.ticks(4).map((value) => ({ value, y: round(y(value)) })),
    lines: shown.map(({ name, points }, i) => {
      const all = runs(points, stepMs)
      return {
        name, nameY: round(names[i]!),
        paths: all.filter((run) => run.length > 1).map((run) => path([...run])!),
        dots: all.filter((run) => run.length === 1).map(([point]) => ({ x: round(middle(point!.at)), y: round(y(point!.value)) })),
      }
    }),
  }
}

function runs(points: LineSeries['points'], stepMs: number): readonly LineSeries['points'][] {
  const all: { at: number; value: number }[][] = []
  for (const point of points) {
    const last = all.at(-1)
    if (last && point.at - last.at(-1)!.at <= stepMs) last.push(point)
    else all.push([point])
  }
  return all
}

/** Where the names at the ends of lines go, so that none covers another. */
function apart(heights: readonly number[]): readonly number[] {
  const placed: number[] = []
  let least = -Infinity
  for (const { height, i } of heights.map((each, at) => ({ height: each, i: at })).toSorted((a, b) => a.height - b.height)) {
    placed[i] = Math.max(height, least)
    least = placed[i]! + NAME_GAP
  }
  return placed
}

/** A price that holds until it changes, and what was paid meanwhile. */
export interface PriceSeries {
  readonly name: string
  readonly steps: readonly { readonly from: number; readonly to: number; readonly value: number }[]
  readonly dots: readonly { readonly at: number; readonly value: number; readonly weight: number; readonly said: string }[]
}

/** A small chart for each series, all to one scale, so that their heights can be compared. */
export interface PanelDrawing {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly right: number
  readonly ticks: readonly { readonly value: number; readonly y: number }[]
  readonly panels: readonly {
    readonly name: string
    /** A path for each run without a gap. */
    readonly paths: readonly string[]
    readonly dots: readonly { readonly x: number; readonly y: number; readonly r: number; readonly over: boolean; readonly said: string }[]
  }[]
}

const PANEL = { width: 320, height: 132, left: 46, right: 312 } as const
const DOT = { least: 1.75, most: 4.5 } as const
/** What a handful of calls cost may be ten times the list: to show that, everything else would lie on the ground. */
const MOST_OVER_LIST = 2

/** Null where there is nothing at all. A dot stands in the middle of its stretch, and is as large as its weight beside the greatest; what is over the scale is marked at its edge. */
export function drawPanels(series: readonly PriceSeries[], { from, to, stepMs }: { readonly from: number; readonly to: number; readonly stepMs: number }): PanelDrawing | null {
  const shown = series.filter(({ steps, dots }) => steps.length + dots.length > 0)
  if (shown.length === 0) return null
  const { height, left, right } = PANEL
  const list = Math.max(...shown.flatMap(({ steps }) => steps.map(({ value }) => value)))
  const paid = Math.max(...shown.flatMap(({ dots }) => dots.map(({ value }) => value)))
  const top = list > 0 ? Math.max(list, Math.min(paid, list * MOST_OVER_LIST)) : paid
  const heaviest = Math.max(1, ...shown.flatMap(({ dots }) => dots.map(({ weight }) => weight)))
  const scale = scaleLinear([from, to], [left, right]).clamp(true)
  const x = (at: number): number => round(scale(at))
  const y = scaleLinear([0, top * 1.05 || 1], [height - BOTTOM, TOP / 2]).nice(3).clamp(true)
  const most = y.domain()[1]!
  return {
    ...PANEL,
    ticks: y.ticks(3).map((value) => ({ value, y: round(y(value)) })),
    panels: shown.map(({ name, steps, dots }) => ({
      name,
      paths: unbroken(steps).map((run) => run.map((step, place) => `${place === 0 ? `M${x(step.from)},` : 'V'}${round(y(step.value))}H${x(step.to)}`).join('')),
      dots: dots.map(({ at, value, weight, said }) => ({
        x: x(at + stepMs / 2), y: round(y(value)), r: round(DOT.least + (DOT.most - DOT.least) * Math.sqrt(weight / heaviest)), over: value > most, said,
      })),
    })),
  }
}

function unbroken(steps: PriceSeries['steps']): readonly PriceSeries['steps'][] {
  const all: PriceSeries['steps'][number][][] = []
  for (const step of steps) {
    if (all.at(-1)?.at(-1)!.to === step.from) all.at(-1)!.push(step)
    else all.push([step])
  }
  return all
}

export interface BarDrawing {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly ticks: readonly { readonly value: number; readonly y: number }[]
  readonly barWidth: number
  /** For each part, in order: a bar for each day on which there was any of it. */
  readonly layers: readonly (readonly { readonly day: number; readonly x: number; readonly y: number; readonly height: number; readonly value: number }[])[]
}

const BARS_W = 900
const BARS_H = 200

export function drawBars(days: readonly Readonly<Record<string, number>>[], parts: readonly string[]): BarDrawing {
  const x = scaleBand(days.map((_, i) => i), [LEFT, BARS_W]).paddingInner(0.18)
  const layers = stack<Readonly<Record<string, number>>>().keys(parts)([...days])
  const most = Math.max(1, ...layers.flatMap((layer) => layer.map(([, top]) => top)))
  const y = scaleLinear([0, most], [BARS_H - BOTTOM, TOP]).nice(4)
  return {
    width: BARS_W, height: BARS_H, left: LEFT, barWidth: round(x.bandwidth()),
    ticks: y.ticks(4).map((value) => ({ value, y: round(y(value)) })),
    layers: layers.map((layer) => layer.flatMap(([bottom, top], day) => top > bottom
      ? [{ day, x: round(x(day)!), y: round(y(top)), height: Math.max(0.5, round(y(bottom) - y(top))), value: top - bottom }] : [])),
  }
}

/** A path of 100 by 24 through values at even steps, for a glance; the figures stand beside it. */
export function drawSpark(values: readonly number[]): string {
  const most = Math.max(1, ...values)
  const step = values.length > 1 ? 98 / (values.length - 1) : 0
  return values.map((value, i) => `${i === 0 ? 'M' : 'L'}${round(1 + i * step)},${round(23 - value / most * 22)}`).join('')
}
