import { compact, day, plural, whole } from '../data/format.ts'
import { Scroll } from '../ui/section.tsx'
import type { BarDrawing } from './draw.server.ts'

/** Bars by day or week, each made of parts that add up, as the server drew them, with a table of the same numbers behind. */
export function StackedBars({ title, unit, drawing, rows, parts }: {
  readonly title: string
  readonly unit: 'day' | 'week'
  readonly drawing: BarDrawing
  readonly rows: readonly ({ readonly at: number } & Readonly<Record<string, number>>)[]
  readonly parts: readonly { readonly key: string; readonly name: string }[]
}) {
  const { width, height, left, ticks, barWidth, layers } = drawing
  return (
    <figure className="min-w-0 max-w-[60rem]">
      <figcaption className="flex flex-wrap gap-x-5 gap-y-1 items-baseline text-[0.8125rem]">
        <span className="font-medium">{title}</span>
        {parts.map(({ key, name }, i) => <span key={key} className="inline-flex items-center gap-1.5 text-soft"><span className={`swatch s${i + 1}`} />{name}</span>)}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} className="chart w-full h-auto mt-1" role="img" aria-label={`${title}, ${plural(rows.length, unit)} to ${day(rows.at(-1)!.at)}`}>
        {ticks.map(({ value, y }) => (
          <g key={value}>
            <line className={value === 0 ? 'base' : 'axis'} x1={left} x2={width} y1={y} y2={y} />
            <text x={left - 6} y={y + 4} textAnchor="end">{compact(value)}</text>
          </g>
        ))}
        {layers.map((layer, i) => (
          <g key={parts[i]!.key} className={`s${i + 1}`}>
            {layer.map((bar) => (
              <rect key={bar.day} className="bar" x={bar.x} width={barWidth} y={bar.y} height={bar.height}>
                <title>{`${day(rows[bar.day]!.at)}: ${whole(bar.value)} ${parts[i]!.name.toLowerCase()}`}</title>
              </rect>
            ))}
          </g>
        ))}
        <text x={left} y={height - 6}>{day(rows[0]!.at)}</text>
        <text x={width} y={height - 6} textAnchor="end">{day(rows.at(-1)!.at)}</text>
      </svg>
      <details className="text-[0.8125rem]">
        <summary className="list-none inline-block py-1 text-soft prose-link">As table</summary>
        <Scroll label={`${title}, as table`}>
          <table className="grid-lines mt-1">
            <thead><tr><th scope="col">{unit === 'day' ? 'Day (UTC)' : 'Week from (UTC)'}</th>{parts.map(({ key, name }) => <th key={key} scope="col" className="num">{name}</th>)}</tr></thead>
            <tbody>
              {rows.toReversed().map((row) => (
                <tr key={row.at}><th scope="row">{day(row.at)}</th>{parts.map(({ key }) => <td key={key} className="num">{whole(row[key] ?? 0)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </figure>
  )
}
