import { day, percent, plural } from '../data/format.ts'

const H = 22
const STEP = 9
const WIDTH = 6.5

/** Uptime by day: a full block is well, a shorter one is not, a frame is a day on which nothing was tried. */
export function UptimeStrip({ name, byDay }: {
  readonly name: string
  readonly byDay: readonly { readonly at: number; readonly uptime: number | null; readonly tries: number }[]
}) {
  const tried = byDay.filter(({ uptime }) => uptime !== null)
  const worst = tried.toSorted((a, b) => a.uptime! - b.uptime!)[0]
  const said = worst === undefined ? 'nothing was tried' : `worst day ${day(worst.at)} with ${percent(worst.uptime!)}`
  return (
    <svg viewBox={`0 0 ${byDay.length * STEP} ${H}`} className="chart h-5.5 w-auto max-w-full" role="img" aria-label={`${name} over ${byDay.length} days: ${said}`}>
      {byDay.map(({ at, uptime, tries }, i) => {
        const height = uptime === null ? 6 : uptime >= 95 ? H - 2 : uptime >= 80 ? (H - 2) * 0.66 : (H - 2) * 0.33
        const kind = uptime === null ? 'none' : uptime >= 95 ? 'up' : uptime >= 80 ? 'part' : 'down'
        return (
          <rect key={at} className={`block-${kind}`} x={i * STEP + 0.75} width={WIDTH} y={H - 1 - height} height={height} rx={1}>
            <title>{`${day(at)}: ${uptime === null ? 'nothing tried' : `${percent(uptime)} of ${plural(tries, 'try', 'tries')}`}`}</title>
          </rect>
        )
      })}
    </svg>
  )
}
