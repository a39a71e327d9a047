import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Empty } from '../../ui/section.tsx'
import { AppRows, periodIn, Periods } from './parts.tsx'

export async function loader({ request, context }: LoaderFunctionArgs) {
  const query = new URL(request.url).searchParams
  const category = query.get('category') || undefined
  const period = periodIn(query)
  return { period, category: category ?? null, board: await told(context, siteOf(context).topApps({ period, ...(category !== undefined && { category }) })) }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Apps · Signalbox' },
  { name: 'description', content: 'Apps by the tokens that they asked for through this instance.' },
])

export default function Apps() {
  const { board, category, period } = useLoaderData<typeof loader>()
  const to = (change: { readonly period?: string; readonly category?: string | null }): string => {
    const query = new URLSearchParams()
    const asked = { period, category, ...change }
    if (asked.period !== 'week') query.set('period', asked.period)
    if (asked.category) query.set('category', asked.category)
    return `/apps${query.size > 0 ? `?${query}` : ''}`
  }
  const categories = board.of?.categories ?? []
  const groups = [...new Set(categories.map(({ group }) => group))]
  const choice = (value: string | null, text: string) => (
    <Link to={to({ category: value })} preventScrollReset aria-current={category === value ? 'true' : undefined} className="inline-block py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{text}</Link>
  )
  return (
    <>
      <header className="pt-8">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Apps</h1>
        <p className="mt-1 text-soft max-w-[75ch]">What calls said that they came from. A name is unverified until a key speaks for the app: before that anybody may have sent it.</p>
        <div className="mt-3"><Periods now={period} to={(each) => to({ period: each })} /></div>
      </header>
      <div className="mt-5 lg:grid lg:grid-cols-[13.5rem_minmax(0,1fr)] lg:gap-12">
        <nav aria-label="Categories" className="text-[0.8125rem] text-soft mb-5 flex flex-wrap gap-x-4 lg:block">
          <p className="w-full">{choice(null, 'All apps')}</p>
          {groups.map((group) => {
            const own = categories.filter((each) => each.group === group)
            return (
              <div key={group} className="lg:mt-3">
                <p>{choice(group, group)}</p>
                <ul className="lg:pl-3 lg:border-l border-line">{own.filter(({ apps: count }) => count > 0).map(({ category: name, apps: count }) => <li key={name}>{choice(name, name)} <span className="text-faint text-xs">{count}</span></li>)}</ul>
              </div>
            )
          })}
        </nav>
        <div className="min-w-0">
          <Block told={board}>{({ apps }) => apps.length === 0
            ? <Empty title="No app in this time">A request counts for an app when it says which, in the headers <code className="font-mono text-xs">HTTP-Referer</code> and <code className="font-mono text-xs">X-Title</code>. {category && <Link to={to({ category: null })} className="prose-link">All apps</Link>}</Empty>
            : <AppRows apps={apps} label="Apps by tokens" period={period} />}</Block>
        </div>
      </div>
    </>
  )
}
