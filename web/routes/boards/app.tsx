import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { StackedBars } from '../../charts/bars.tsx'
import { compact, date, plural, shortName, whole } from '../../data/format.ts'
import { nowhere } from '../../data/nowhere.ts'
import type { AppView } from '../../../src/site.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Chip, Empty, Scroll, Section } from '../../ui/section.tsx'
import { layersShown } from './boards.server.ts'

const WINDOWS = [7, 30, 90] as const

export async function loader({ params, request, context }: LoaderFunctionArgs) {
  const asked = new URL(request.url).searchParams.get('days')
  const days = WINDOWS.find((each) => String(each) === asked) ?? 30
  const id = [params['app'], params['title']].filter((part) => part !== undefined).join('/')
  const traffic = await told(context, siteOf(context).app(id, days).then((app) => app && shownOf(app)).then((app) => ({ app })))
  if (traffic.of !== null && traffic.of.app === null) throw nowhere()
  return { id, days, traffic: { of: traffic.of?.app ?? null, until: traffic.until } }
}

function shownOf({ days, ...card }: AppView) {
  const names = new Map(card.models.map(({ id, name }) => [id, shortName(name)]))
  return { ...card, chart: layersShown(days, (id) => names.get(id) ?? id) }
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData ? [
  { title: `${loaderData.traffic.of?.name ?? loaderData.id} · Signalbox` },
  { name: 'description', content: `What ${loaderData.id} asks for through this instance: models and tokens by day.` },
] : [{ title: 'Not here · Signalbox' }])

export default function App() {
  const { id, days, traffic } = useLoaderData<typeof loader>()
  const app = traffic.of
  const url = app?.url && /^https?:\/\//i.test(app.url) ? app.url : null
  return (
    <>
      <header className="pt-8">
        <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft"><Link to="/apps" className="plain py-1">Apps</Link></nav>
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold mt-1 outline-none break-words">{app?.name ?? id}</h1>
        <p className="mt-1 flex flex-wrap gap-x-3 gap-y-1 items-baseline text-soft">
          {url ? <a href={url} rel="noopener nofollow" className="prose-link break-all">{id}</a> : <span className="font-mono text-[0.8125rem] break-all">{id}</span>}
          {app && !app.verified && <Chip>unverified</Chip>}
          {app?.categories.map((category) => <Link key={category} to={`/apps?category=${encodeURIComponent(category)}`} className="prose-link text-[0.8125rem]">{category}</Link>)}
        </p>
        {app?.tagline && <p className="mt-2 max-w-prose">{app.tagline}</p>}
        {app && (
          <dl className="mt-5 flex flex-wrap gap-x-8 gap-y-3">
            {([['Rank this week', app.rank === null ? 'none' : `${app.rank}`], [`Tokens, ${days} days`, compact(app.tokens)], ['Requests', whole(app.requests)], ['First seen', app.firstAt > 0 ? date(app.firstAt) : 'not known']] as const)
              .map(([name, value]) => <div key={name}><dt className="label">{name}</dt><dd className="text-[0.9375rem] font-medium">{value}</dd></div>)}
          </dl>
        )}
      </header>
      <Section id="activity" title="Tokens by day">
        <p className="mb-4 text-[0.8125rem] text-soft">Window{' '}
          {WINDOWS.map((each) => <Link key={each} to={`?days=${each}`} preventScrollReset aria-current={each === days ? 'true' : undefined} className="inline-block px-1.5 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{each} days</Link>)}
        </p>
        <Block told={traffic}>{(it) => <Traffic app={it} days={days} />}</Block>
      </Section>
    </>
  )
}

function Traffic({ app, days }: { readonly app: ReturnType<typeof shownOf>; readonly days: number }) {
  return (
    <>
      {app.chart ? <StackedBars title="Tokens by day, by model" unit="day" drawing={app.chart.drawing} rows={app.chart.rows} parts={app.chart.parts} />
        : <Empty title={`No traffic in ${days} days`}>The chart begins with the next request that says it comes from this app.</Empty>}
      {app.models.length > 0 && (
        <Section id="models" title="Models" intro={`What ${plural(app.requests, 'request')} of ${days} days asked for.`}>
          <Scroll label="Models of this app">
            <table className="grid-lines max-w-3xl">
              <thead><tr><th scope="col">Model</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col" className="num">Share</th></tr></thead>
              <tbody>{app.models.map(({ id, name, tokens, requests, share }) => <tr key={id}><th scope="row"><Link to={`/${id}`} className="plain">{name}</Link></th><td className="num"><data value={tokens}>{compact(tokens)}</data></td><td className="num">{whole(requests)}</td><td className="num">{share.toFixed(1)} %</td></tr>)}</tbody>
            </table>
          </Scroll>
        </Section>
      )}
    </>
  )
}
