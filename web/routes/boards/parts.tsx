import { Link } from 'react-router'
import type { AppCard, RankedRow, RankingPeriod } from '../../../src/site.ts'
import { compact, plural, whole } from '../../data/format.ts'
import { Chip, Scroll } from '../../ui/section.tsx'

export const PERIODS: readonly (readonly [RankingPeriod, string])[] = [['today', 'Today'], ['week', 'This week'], ['month', 'This month'], ['trending', 'Trending']]

export const periodIn = (query: URLSearchParams): RankingPeriod => PERIODS.find(([name]) => name === query.get('period'))?.[0] ?? 'week'

export function Periods({ now, to }: { readonly now: RankingPeriod; to(period: RankingPeriod): string }) {
  return (
    <nav aria-label="Period" className="flex flex-wrap text-[0.8125rem] text-soft">
      {PERIODS.map(([name, title]) => (
        <Link key={name} to={to(name)} preventScrollReset aria-current={name === now ? 'true' : undefined} className="px-1.5 first:pl-0 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{title}</Link>
      ))}
    </nav>
  )
}

/** More or less than in the stretch before, in words for those who do not see the arrow. */
export function Change({ change }: { readonly change: number | null }) {
  if (change === null) return <span className="text-faint">new</span>
  if (change === 0) return <span className="text-faint">0 %</span>
  const text = `${Math.abs(change) >= 1000 ? compact(Math.round(Math.abs(change))) : Math.abs(change) >= 10 ? Math.round(Math.abs(change)) : Math.abs(change).toFixed(1)} %`
  return <span className={change > 0 ? 'text-clear' : 'text-danger'}><span aria-hidden>{change > 0 ? '▲' : '▼'} </span><span className="sr-only">{change > 0 ? 'up ' : 'down '}</span>{text}</span>
}

export function Moved({ moved }: { readonly moved: number | null }) {
  if (moved === null || moved === 0) return null
  return <span className={`text-xs ${moved > 0 ? 'text-clear' : 'text-danger'}`} title={`${plural(Math.abs(moved), 'place')} ${moved > 0 ? 'up' : 'down'}`}>{moved > 0 ? '+' : '−'}{Math.abs(moved)}</span>
}

export const addressOf = (app: Pick<AppCard, 'id'>): string => `/apps/${app.id.split('/').map(encodeURIComponent).join('/')}`

export function AppName({ app }: { readonly app: AppCard }) {
  return (
    <>
      <Link to={addressOf(app)} className="plain font-semibold wrap-anywhere">{app.name}</Link> {!app.verified && <Chip>unverified</Chip>}
      {app.name !== app.id && <span className="block font-mono text-xs text-faint font-normal break-all">{app.id}</span>}
    </>
  )
}

/** Apps by their tokens, one line each. */
export function AppRows({ apps, label, period }: { readonly apps: readonly (RankedRow & AppCard)[]; readonly label: string; readonly period: RankingPeriod }) {
  return (
    <Scroll label={label}>
      <table className="grid-lines stacks">
        <thead><tr><th scope="col">App</th><th scope="col" className="num">Rank</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col" className="num">Share</th><th scope="col" className="num">{period === 'trending' ? 'More than usual' : 'Change'}</th></tr></thead>
        <tbody>
          {apps.map((app) => (
            <tr key={app.id} data-app={app.id}>
              <th scope="row" className="max-w-md"><AppName app={app} />{app.tagline && <span className="block font-normal text-soft">{app.tagline}</span>}</th>
              <td className="num" data-label="Rank">{app.rank} <Moved moved={app.moved} /></td>
              <td className="num" data-label="Tokens"><data value={app.tokens}>{compact(app.tokens)}</data></td>
              <td className="num" data-label="Requests">{whole(app.requests)}</td>
              <td className="num" data-label="Share">{app.share.toFixed(1)} %</td>
              <td className="num" data-label={period === 'trending' ? 'More than usual' : 'Change'}>{period === 'trending' ? compact(Math.round(app.excess)) : <Change change={app.change} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
