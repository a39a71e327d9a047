import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { StackedBars } from '../../charts/bars.tsx'
import { compact, date, plural, shortName, whole } from '../../data/format.ts'
import type { RankingsView } from '../../../src/site.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Empty, Scroll, Section } from '../../ui/section.tsx'
import { layersShown } from './boards.server.ts'
import { AppRows, Change, Moved, periodIn, Periods } from './parts.tsx'

export async function loader({ request, context }: LoaderFunctionArgs) {
  const period = periodIn(new URL(request.url).searchParams)
  return { period, board: await told(context, siteOf(context).rankings(period).then(boardShown)) }
}

function boardShown({ weeks, authorWeeks, ...board }: RankingsView) {
  const names = new Map(board.models.map(({ id, name }) => [id, shortName(name)]))
  const authors = new Map(board.authors.map(({ slug, name }) => [slug, name]))
  return {
    ...board, models: board.models.map(({ model, ...row }) => ({ ...row, listed: model !== null })),
    weeks: layersShown(weeks, (id) => names.get(id) ?? id), authorWeeks: layersShown(authorWeeks, (slug) => authors.get(slug) ?? slug),
  }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Rankings · Signalbox' },
  { name: 'description', content: 'Models, authors and apps by the tokens that went through this instance.' },
])

export default function Rankings() {
  const { period, board } = useLoaderData<typeof loader>()
  return (
    <>
      <header className="pt-8">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Rankings</h1>
        <p className="mt-1 text-soft max-w-[75ch]">By prompt and answer tokens through this instance. Days are UTC&rsquo;s; simulated answers count nowhere.</p>
        <div className="mt-3"><Periods now={period} to={(each) => (each === 'week' ? '/rankings' : `/rankings?period=${each}`)} /></div>
      </header>
      <div className="mt-4"><Block told={board}>{(shown) => <Boards shown={shown} />}</Block></div>
    </>
  )
}

function Boards({ shown }: { readonly shown: ReturnType<typeof boardShown> }) {
  const { period, from, to, tokens, requests, models, authors, apps, weeks, authorWeeks } = shown
  return (
    <>
      <p className="text-soft">{date(from)} to {date(to - 1)}: <data value={tokens}>{compact(tokens)}</data> tokens in {plural(requests, 'request')}.</p>
      {weeks && <Section id="weeks" title="Tokens by week"><StackedBars title="By model" unit="week" drawing={weeks.drawing} rows={weeks.rows} parts={weeks.parts} /></Section>}
      <Section id="models" title="Models" intro={period === 'trending' ? 'What has more tokens this week than its mean of the three weeks before.' : undefined}>
        {models.length === 0
          ? <Empty title={period === 'trending' ? 'Nothing is above its usual' : 'No traffic in this time'}>A model has a place from the first request on that a provider answers for it through this instance.</Empty>
          : (
            <Scroll label="Models by tokens">
              <table className="grid-lines stacks">
                <thead><tr><th scope="col">Model</th><th scope="col" className="num">Rank</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col" className="num">Tool calls</th><th scope="col" className="num">Share</th><th scope="col" className="num">{period === 'trending' ? 'More than usual' : 'Change'}</th></tr></thead>
                <tbody>
                  {models.map((row) => (
                    <tr key={row.id} data-model={row.id}>
                      <th scope="row">{row.listed ? <Link to={`/${row.id}`} className="plain font-semibold">{row.name}</Link> : row.name}<span className="block font-mono text-xs text-faint font-normal break-all">{row.id}</span></th>
                      <td className="num" data-label="Rank">{row.rank} <Moved moved={row.moved} /></td>
                      <td className="num" data-label="Tokens"><data value={row.tokens}>{compact(row.tokens)}</data></td>
                      <td className="num" data-label="Requests">{whole(row.requests)}</td>
                      <td className="num" data-label="Tool calls">{whole(row.toolCalls)}</td>
                      <td className="num" data-label="Share">{row.share.toFixed(1)} %</td>
                      <td className="num" data-label={period === 'trending' ? 'More than usual' : 'Change'}>{period === 'trending' ? compact(Math.round(row.excess)) : <Change change={row.change} />}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
      </Section>
      {authors.length > 0 && (
        <Section id="authors" title="Share of authors">
          <div className="grid gap-8 lg:grid-cols-[minmax(0,1fr)_minmax(0,2fr)]">
            <Scroll label="Share of authors">
              <table className="grid-lines">
                <thead><tr><th scope="col">Author</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Share</th></tr></thead>
                <tbody>{authors.slice(0, 20).map(({ slug, name, tokens: own, share }) => <tr key={slug}><th scope="row"><Link to={`/${slug}`} className="plain">{name}</Link></th><td className="num">{compact(own)}</td><td className="num">{share.toFixed(1)} %</td></tr>)}</tbody>
              </table>
            </Scroll>
            {authorWeeks && <StackedBars title="Tokens by week" unit="week" drawing={authorWeeks.drawing} rows={authorWeeks.rows} parts={authorWeeks.parts} />}
          </div>
        </Section>
      )}
      <Section id="apps" title="Apps" to="/apps">
        {apps.length === 0 ? <Empty title="No app in this time">A request counts for an app when it says which, in the headers <code className="font-mono text-xs">HTTP-Referer</code> and <code className="font-mono text-xs">X-Title</code>.</Empty> : <AppRows apps={apps} label="Apps by tokens" period={period} />}
      </Section>
    </>
  )
}
