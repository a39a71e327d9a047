import type { PanelDrawing } from './draw.server.ts'

/** A small chart for each endpoint: the list as a line that steps where it changes, what was paid as dots, as the server drew them. */
export function Panels({ drawing, said, ends, format }: {
  readonly drawing: PanelDrawing
  /** Of each panel, what it shows: below its name, and for those who cannot see it. */
  readonly said: readonly string[]
  readonly ends: readonly [from: string, to: string]
  readonly format: (value: number) => string
}) {
  const { width, height, left, right, ticks, panels } = drawing
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-x-8 gap-y-6 sm:grid-cols-2 lg:grid-cols-3">
      {panels.map(({ name, paths, dots }, i) => (
        <figure key={name} className="min-w-0 max-w-md">
          <figcaption className="text-[0.8125rem]"><span className="font-medium">{name}</span> <span className="text-soft">{said[i]}</span></figcaption>
          <svg viewBox={`0 0 ${width} ${height}`} className="chart s1 w-full h-auto mt-1" role="img" aria-label={`${name}, ${ends[0]} to ${ends[1]}: ${said[i]}`}>
            {ticks.map(({ value, y }) => (
              <g key={value}>
                <line className={value === 0 ? 'base' : 'axis'} x1={left} x2={right} y1={y} y2={y} />
                <text x={left - 6} y={y + 4} textAnchor="end">{value === 0 ? '0' : format(value)}</text>
              </g>
            ))}
            <text x={left} y={height - 6}>{ends[0]}</text>
            <text x={right} y={height - 6} textAnchor="end">{ends[1]}</text>
            {paths.map((path) => <path key={path} className="list" d={path} />)}
            {dots.map(({ x, y, r, over, said: each }) => <circle key={x} className={over ? 'dot over' : 'dot'} cx={x} cy={y} r={r}><title>{each}</title></circle>)}
          </svg>
        </figure>
      ))}
    </div>
  )
}
