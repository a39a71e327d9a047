// The rehearsal as a drawing: whose answers callers got in each second, as layers one above the other.
import { DYING, UPSTREAMS } from './score.ts'
import type { Moments, Result, Second } from './tally.ts'

const WIDTH = 960
const HEIGHT = 360
const PLOT = { left: 56, right: 930, top: 64, bottom: 300 } as const
/** Told apart by people who do not see red from green, and in grey. */
const COLOURS = ['#1f6f8b', '#e6a23c', '#7a9e7e'] as const
const INK = '#22303a'
const CUT = '#8a5a00'
const FAILED = '#b00020'

const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** An SVG that stands by itself; its colours are its own, on a white ground. */
export function pictureOf(layers: readonly Second[], moments: Moments, result: Result, about: string): string {
  const most = Math.max(1, ...layers.map((second) => UPSTREAMS.reduce((sum, { slug }) => sum + (second.by[slug] ?? 0), 0)))
  const x = (second: number): number => PLOT.left + (PLOT.right - PLOT.left) * second / layers.length
  const y = (count: number): number => PLOT.bottom - (PLOT.bottom - PLOT.top) * count / most
  const below = layers.map(() => 0)
  const areas = UPSTREAMS.map(({ slug }, i) => {
    const from = layers.map((_, at) => `${round(x(at + 0.5))},${round(y(below[at]!))}`)
    layers.forEach((second, at) => { below[at]! += second.by[slug] ?? 0 })
    const to = layers.map((_, at) => `${round(x(at + 0.5))},${round(y(below[at]!))}`)
    return `<polygon fill="${COLOURS[i]}" points="${[...to, ...from.toReversed()].join(' ')}"><title>${slug}</title></polygon>`
  })
  const ticks = layers.flatMap((second, at) => [
    ...second.cut > 0 ? [`<circle cx="${round(x(at + 0.5))}" cy="${PLOT.bottom + 12}" r="2.5" fill="${CUT}"><title>${second.cut} cut after their first block, each with an error that says so</title></circle>`] : [],
    ...second.failed > 0 ? [`<rect x="${round(x(at))}" y="${PLOT.bottom + 16}" width="5" height="5" fill="${FAILED}"><title>${second.failed} failed</title></rect>`] : [],
  ])
  const mark = (ms: number, text: string): string => {
    const at = round(x(ms / 1000))
    return `<line x1="${at}" x2="${at}" y1="${PLOT.top - 6}" y2="${PLOT.bottom}" stroke="${INK}" stroke-dasharray="3 3"/>`
      + `<text x="${at}" y="${PLOT.top - 12}" text-anchor="middle">${text}</text>`
  }
  const axis = Array.from({ length: Math.floor(layers.length / 10) + 1 }, (_, i) => i * 10)
    .map((second) => `<text x="${round(x(second))}" y="${PLOT.bottom + 38}" text-anchor="middle">${second} s</text>`)
  const legend = UPSTREAMS.map(({ slug }, i) =>
    `<rect x="${PLOT.left + i * 110}" y="${HEIGHT - 14}" width="10" height="10" fill="${COLOURS[i]}"/><text x="${PLOT.left + 16 + i * 110}" y="${HEIGHT - 5}">${slug}</text>`)
  const summary = `${result.asked} requests, ${percent(result.success, 3)} answered whole, ${percent(result.extraCalls, 1)} extra calls; `
    + `left ${DYING} after ${seconds(result.leavesMs)}, back after ${result.returnsMs === null ? '–' : seconds(result.returnsMs)}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${summary}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${PLOT.left}" y="20" font-size="14" font-weight="600">Whose answers callers got, each second</text>
<text x="${PLOT.left}" y="36">${summary}</text>
${areas.join('\n')}
<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${PLOT.bottom}" y2="${PLOT.bottom}" stroke="${INK}"/>
<text x="${PLOT.left - 8}" y="${PLOT.top + 4}" text-anchor="end">${most}/s</text>
<text x="${PLOT.left - 8}" y="${PLOT.bottom + 4}" text-anchor="end">0</text>
${mark(moments.died, `${DYING} dies`)}
${mark(moments.returned, `${DYING} is back`)}
${ticks.join('\n')}
${axis.join('\n')}
${legend.join('\n')}
<circle cx="${PLOT.left + 335}" cy="${HEIGHT - 9}" r="3" fill="${CUT}"/><text x="${PLOT.left + 344}" y="${HEIGHT - 5}">cut after the first block</text>
<rect x="${PLOT.left + 500}" y="${HEIGHT - 12}" width="6" height="6" fill="${FAILED}"/><text x="${PLOT.left + 511}" y="${HEIGHT - 5}">failed</text>
<text x="${PLOT.right}" y="${HEIGHT - 5}" text-anchor="end">${about}</text>
</svg>
`
}

const round = (value: number): number => Math.round(value * 10) / 10
