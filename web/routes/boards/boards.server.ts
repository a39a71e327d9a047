import type { Layers } from '../../../src/site.ts'
import { drawBars, type BarDrawing } from '../../charts/draw.server.ts'

/** Tokens by stretch of time in layers, drawn, with the same numbers for the table behind the chart. */
export interface LayersShown {
  readonly rows: readonly ({ readonly at: number } & Readonly<Record<string, number>>)[]
  readonly parts: readonly { readonly key: string, readonly name: string }[]
  readonly drawing: BarDrawing
}

const OTHER = 'other'

/** The largest layer lies at the bottom; null where there is nothing at all. */
export function layersShown(layers: readonly Layers[], nameOf: (id: string) => string): LayersShown | null {
  const sums = new Map<string, number>()
  for (const { tokens } of layers) for (const [id, count] of Object.entries(tokens)) sums.set(id, (sums.get(id) ?? 0) + count)
  const other = layers.some((layer) => layer.other > 0)
  const ids = [...sums].toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).map(([id]) => id)
  if (ids.length === 0 && !other) return null
  // Keys that are the chart's own: an id may be called anything, `at` too.
  const parts = [...ids.map((id, i) => ({ key: `layer${i}`, name: nameOf(id) })), ...(other ? [{ key: OTHER, name: 'Others' }] : [])]
  const rows = layers.map((layer) => ({
    at: layer.at, ...Object.fromEntries(ids.map((id, i) => [`layer${i}`, layer.tokens[id] ?? 0])), ...(other && { [OTHER]: layer.other }),
  }))
  return { rows, parts, drawing: drawBars(rows, parts.map(({ key }) => key)) }
}
