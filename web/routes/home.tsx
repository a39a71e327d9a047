import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../data/head.ts'
import { compact, plural, whole } from '../data/format.ts'
import { originOf } from '../data/origin.ts'
import { sampleIn } from '../data/samples.ts'
import { siteOf } from '../site.ts'
import { Lost } from '../ui/block.tsx'
import { Code } from '../ui/code.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { ModelRows } from '../ui/model-rows.tsx'
import { Empty, Section } from '../ui/section.tsx'

export async function loader({ request, context }: LoaderFunctionArgs) {
  return { home: await siteOf(context).home(), origin: originOf(request) }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Signalbox' },
  { name: 'description', content: 'One OpenAI-compatible address in front of every model and every provider, on your own machine.' },
])

export default function Home() {
  const { home, origin } = useLoaderData<typeof loader>()
  const address = `${origin}/api/v1`
  return (
    <>
      <div className="pt-12 grid grid-cols-[minmax(0,1fr)] gap-10 lg:grid-cols-2 lg:gap-16">
        <div>
          <h1 tabIndex={-1} className="text-3xl font-semibold leading-tight outline-none">One line in, every model out.</h1>
          <p className="mt-3 text-soft text-base max-w-prose">
            Send OpenAI-compatible requests to this address. Signalbox picks the provider, switches to the next when one fails, and tells you to the token what it cost.
          </p>
          <p className="mt-5 inline-flex max-w-full items-center gap-1 border border-rail bg-sheet rounded-[3px] pl-3 pr-1 py-0.5 font-mono text-[0.8125rem] break-all">{address}<CopyButton text={address} what="the address" /></p>
          <form action="/models" role="search" aria-label="Models" className="mt-5 flex gap-2 max-w-md">
            <input name="q" type="search" aria-label="Search all models" placeholder="Find a model: gpt, claude, vision …" className="field flex-1 min-w-0" autoComplete="off" />
            <button type="submit" className="key">Search</button>
          </form>
          <dl className="mt-8 flex flex-wrap gap-x-10 gap-y-4">
            {([['Models', whole(home.models), '/models'], ['Providers', whole(home.providers), '/providers'], ['Authors', whole(home.authors), null], ['Tokens this week', home.week ? compact(home.week.tokens) : '–', null]] as const).map(([name, value, to]) => (
              <div key={name}><dt className="label">{name}</dt><dd className="text-xl font-semibold">{to ? <Link to={to} className="plain">{value}</Link> : value}</dd></div>
            ))}
          </dl>
          <p className="mt-5 text-[0.8125rem] text-soft max-w-prose">
            {home.usableProviders.length > 0 ? `Keys are set for ${home.usableProviders.join(', ')}.` : 'No provider has a key here yet: answers are simulated and say so.'}
          </p>
        </div>
        <div className="min-w-0"><Code label="A first request with curl" text={sampleIn('curl', { model: home.sample, origin, wishes: new Set() })} /></div>
      </div>
      <Section id="busiest" title="Busiest this week" intro="By tokens through this instance.">
        {home.week === null ? <Lost /> : home.week.busiest.length > 0
          ? (
            <ol className="grid grid-cols-[minmax(0,1fr)] gap-x-10 sm:grid-cols-[repeat(2,minmax(0,1fr))]">
              {home.week.busiest.map(({ model, tokens, requests }, i) => (
                <li key={model.id} className="flex items-baseline gap-3 py-2 border-b border-line">
                  <span className="text-faint w-5 text-right">{i + 1}</span>
                  <Link to={`/${model.id}`} className="plain font-medium min-w-0 truncate">{model.name}</Link>
                  <span className="ml-auto whitespace-nowrap"><data value={tokens}>{compact(tokens)}</data> <span className="text-faint text-xs">tokens, {plural(requests, 'request')}</span></span>
                </li>
              ))}
            </ol>
          )
          : <Empty title="No traffic yet">The list begins with the first request that a provider answers through this instance.</Empty>}
      </Section>
      <Section id="newest" title="Newest models" to="/models?order=newest"><ModelRows models={home.newest} label="Newest models" /></Section>
    </>
  )
}
