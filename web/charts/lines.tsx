import { clock, day } from '../data/format.ts'
import { Scroll } from '../ui/section.tsx'
import type { LineDrawing, SentSeries } from './draw.server.ts'

/** Lines are told apart by their dashes and by the names at their ends, not by colour alone. */
const DASHES = ['none', '6 3', '2 3', '9 3 2 3', '4 2', '1 3']
const NAME_LENGTH = 14
/** Up to two days are read by the hour, more by the day. */
const BY_HOUR_MS = 2 * 86_400_000

/** Lines over time as the server drew them. The same numbers stand in a table behind the chart. */
export function Lines({ title, drawing, series, from, to, stepMs, format }: {
  readonly title: string
  readonly drawing: LineDrawing
  readonly series: readonly SentSeries[]
  readonly from: number
  readonly to: number
  readonly stepMs: number
  readonly format: (value: number) => string
}) {
  const { width, height, left, right, ticks, lines } = drawing
  const label = to - from <= BY_HOUR_MS ? clock : day
  const columns = series.map(({ values }) => values.split(','))
  const steps = Array.from(columns[0] ?? [], (_, i) => i).filter((i) => columns.some((values) => values[i] !== '')).toReversed()
  const lately = series.map(({ name }, i) => `${name} lately ${format(Number(columns[i]!.findLast((value) => value !== '')))}`).join(', ')
  return (
    <figure className="min-w-0">
      <figcaption className="font-medium text-[0.8125rem]">{title}</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} className="chart w-full h-auto mt-1" role="img" aria-label={`${title}: ${lately}`}>
        {ticks.map(({ value, y }) => (
          <g key={value}>
            <line className={value === 0 ? 'base' : 'axis'} x1={left} x2={right} y1={y} y2={y} />
            <text x={left - 6} y={y + 4} textAnchor="end">{value === 0 ? '0' : format(value)}</text>
          </g>
        ))}
        <text x={left} y={height - 6}>{label(from)}</text>
        <text x={right} y={height - 6} textAnchor="end">{label(to)}</text>
        {lines.map(({ name, nameY, paths, dots }, i) => (
          <g key={name} className={`s${i + 1}`}>
            {paths.map((path) => <path key={path} className="line" strokeDasharray={DASHES[i]} d={path} />)}
            {dots.map(({ x, y }) => <circle key={x} className="dot" cx={x} cy={y} r={2.5} />)}
            <text className="name" x={right + 6} y={nameY + 4}>{name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name}</text>
          </g>
        ))}
      </svg>
      <details className="text-[0.8125rem]">
        <summary className="list-none inline-block py-1 text-soft prose-link">As table</summary>
        <Scroll label={`${title}, as table`}>
          <table className="grid-lines mt-1">
            <thead><tr><th scope="col">From (UTC)</th>{series.map(({ name }) => <th key={name} scope="col" className="num">{name}</th>)}</tr></thead>
            <tbody>
              {steps.map((i) => {
                const at = from + i * stepMs
                return (
                  <tr key={at}>
                    <th scope="row">{`${day(at)}${stepMs < 86_400_000 ? ` ${clock(at)}` : ''}`}</th>
                    {series.map(({ name }, place) => <td key={name} className="num">{columns[place]![i] === '' ? '–' : format(Number(columns[place]![i]))}</td>)}
                  </tr>
                )
              })}
            </tbody>
          </table>
        </Scroll>
      </details>
    </figure>
  )
}
