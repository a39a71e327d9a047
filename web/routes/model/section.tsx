import { useLoaderData, useOutletContext, type LoaderFunctionArgs, type RouterContextProvider } from 'react-router'
import type { Window } from '../../../src/site.ts'
import { shortName } from '../../data/format.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Choices, Section } from '../../ui/section.tsx'
import { Activity, Api, Apps, Benchmarks, Costs, ListPrices, Medians, More, Parameters, Performance, PriceHistory, Providers, Uptime } from './blocks.tsx'
import { activityShown, performanceShown } from './figures.server.ts'
import type { Outside } from './page.tsx'
import { pricesShown, RANGES, rangesOf } from './prices.server.ts'
import { RANKS, soldOf, WINDOWS, type SectionName } from './sections.ts'

const DAYS = [7, 30, 90] as const
const APP_DAYS = [1, 7, 30] as const

/** What each section asks for; those that are told from the model alone ask nothing. */
async function figuresOf(section: SectionName, context: Readonly<RouterContextProvider>, id: string, query: URLSearchParams) {
  const site = siteOf(context)
  const days = daysIn(section === 'apps' ? APP_DAYS : DAYS, query, section === 'apps' ? 7 : 30)
  const speed = async (window: Window, rank: (typeof RANKS)[number]) => performanceShown(await site.performance(id, window), rank)
  switch (section) {
    case 'performance': {
      const [window, rank] = [among(WINDOWS.map(([name]) => name), query.get('window'), '7d'), among(RANKS, query.get('p'), 'p50')]
      return { section, window, rank, performance: await told(context, speed(window, rank)) }
    }
    case 'pricing': {
      const range = among(RANGES.map(([name]) => name), query.get('range'), '30d')
      const [performance, prices] = await Promise.all([told(context, speed('30d', 'p50')), told(context, site.prices(id, range).then((prices) => pricesShown(prices)))])
      return { section, range, ranges: rangesOf(query), performance, prices }
    }
    case 'uptime': return { section, days, uptime: await told(context, site.uptime(id, days)) }
    case 'activity': return { section, days, activity: await told(context, site.activity(id, days).then(activityShown)) }
    case 'apps': return { section, days, apps: await told(context, site.apps(id, days)) }
    case 'parameters': return { section, parameters: await told(context, site.parameters(id)) }
    default: return { section }
  }
}

export function loader({ params, request, context }: LoaderFunctionArgs) {
  // An address that is no section is answered by the page around this one.
  return figuresOf(params['section'] as SectionName, context, `${params['author']}/${params['slug']}`, new URL(request.url).searchParams)
}

function among<T extends string>(of: readonly T[], given: string | null, usual: T): T {
  return of.find((each) => each === given) ?? usual
}

const daysIn = (of: readonly number[], query: URLSearchParams, usual: number): number => of.find((days) => String(days) === query.get('days')) ?? usual

export default function SectionPage() {
  const { model, origin } = useOutletContext<Outside>()
  const shown = useLoaderData<typeof loader>()
  const days = (of: readonly number[], now: number) => (
    <div className="mb-4"><Choices label="Window" of={of.map((each) => [String(each), each === 1 ? '1 day' : `${each} days`, `?days=${each}`])} now={String(now)} /></div>
  )
  switch (shown.section) {
    case 'providers': return <><Section id="section" title={`Providers for ${shortName(model.name)}`} intro="A request goes to the best endpoint that can take it, and on to the next when one fails before it answers."><Providers model={model} sorts /></Section><More model={model} /></>
    case 'performance': return (
      <Section id="section" title="Performance">
        <div className="mb-5 flex flex-wrap gap-x-6 gap-y-1">
          <Choices label="The last" of={WINDOWS.map(([name, text]) => [name, text, `?window=${name}&p=${shown.rank}`])} now={shown.window} />
          <Choices label="Percentile" of={RANKS.map((name) => [name, name === 'p50' ? 'p50 (median)' : name, `?window=${shown.window}&p=${name}`])} now={shown.rank} />
        </div>
        <Block told={shown.performance}>{(performance) => <Performance shown={performance} />}</Block>
      </Section>
    )
    case 'pricing': return (
      <>
        <Section id="section" title="List prices" intro="What each endpoint asks, cheapest first."><ListPrices model={model} /></Section>
        <Section id="prices" title="Prices over time">
          <div className="mb-5"><Choices label="Over" of={shown.ranges} now={shown.range} /></div>
          <Block told={shown.prices}>{(prices) => <PriceHistory shown={prices} />}</Block>
        </Section>
        <Costs model={model} performance={shown.performance} />
      </>
    )
    case 'benchmarks': return <Section id="section" title="Benchmarks" intro="As others report them; nothing was measured here."><Benchmarks model={model} /></Section>
    case 'uptime': return <Section id="section" title="Uptime">{days(DAYS, shown.days)}<Block told={shown.uptime}>{(uptime) => <Uptime uptime={uptime} endpoints={soldOf(model).length} />}</Block></Section>
    case 'activity': return <Section id="section" title="Activity">{days(DAYS, shown.days)}<Block told={shown.activity}>{(activity) => <Activity shown={activity} />}</Block></Section>
    case 'apps': return <Section id="section" title="Apps">{days(APP_DAYS, shown.days)}<Block told={shown.apps}>{(apps) => <Apps apps={apps} />}</Block></Section>
    case 'parameters': return <Section id="section" title="Parameters"><Block told={shown.parameters}>{(used) => <><Parameters model={model} used={used} /><Medians model={model} used={used} origin={origin} /></>}</Block></Section>
    case 'api': return <Section id="section" title={`Sample code and API for ${shortName(model.name)}`}><Api model={model} origin={origin} /></Section>
    default: return null
  }
}
