import { useLoaderData, useOutletContext, type LoaderFunctionArgs } from 'react-router'
import { shortName } from '../../data/format.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Section } from '../../ui/section.tsx'
import { About } from './about.tsx'
import { Activity, Api, Apps, Benchmarks, ListPrices, Medians, More, Paid, Parameters, Performance, PriceHistory, Providers, Uptime } from './blocks.tsx'
import { activityShown, performanceShown } from './figures.server.ts'
import type { Outside } from './page.tsx'
import { pricesShown } from './prices.server.ts'
import { sectionsOf, soldOf, type SectionName } from './sections.ts'

const DAYS = 30
const APP_DAYS = 7
/** One row of them on a wide screen. */
const PANELS = 3

export async function loader({ params, context }: LoaderFunctionArgs) {
  const id = `${params['author']}/${params['slug']}`
  const site = siteOf(context)
  const [performance, prices, uptime, activity, apps, parameters] = await Promise.all([
    told(context, site.performance(id, '30d').then((series) => performanceShown(series, 'p50'))), told(context, site.prices(id, '30d').then((prices) => pricesShown(prices, PANELS))), told(context, site.uptime(id, DAYS)),
    told(context, site.activity(id, DAYS).then(activityShown)), told(context, site.apps(id, APP_DAYS)), told(context, site.parameters(id)),
  ])
  return { performance, prices, uptime, activity, apps, parameters }
}

/** A sample is made anew from the address alone. */
export const shouldRevalidate = ({ currentUrl, nextUrl }: { currentUrl: URL; nextUrl: URL }) => currentUrl.pathname !== nextUrl.pathname

/** The whole of a model on one page, each part with a way to the page of its own. */
export default function Overview() {
  const { model, origin } = useOutletContext<Outside>()
  const { performance, prices, uptime, activity, apps, parameters } = useLoaderData<typeof loader>()
  const has = new Map(sectionsOf(model))
  const part = (name: SectionName, title: string, children: React.ReactNode, intro?: string) => has.has(name) && (
    <Section id={name} title={title} to={`/${model.id}/${name}`} intro={intro}>{children}</Section>
  )
  return (
    <>
      <About model={model} />
      {part('providers', `Providers for ${shortName(model.name)}`, <Providers model={model} />, 'A request goes to the best endpoint that can take it, and on to the next when one fails before it answers.')}
      {part('performance', 'Performance', <Block told={performance}>{(shown) => <Performance shown={shown} />}</Block>)}
      {part('pricing', 'Pricing', <div className="grid grid-cols-[minmax(0,1fr)] gap-6"><ListPrices model={model} /><Block told={performance}>{(shown) => <Paid shown={shown} />}</Block><div><h3 className="font-semibold mb-3">Over 30 days</h3><Block told={prices}>{(shown) => <PriceHistory shown={shown} />}</Block></div></div>)}
      {part('benchmarks', 'Benchmarks', <Benchmarks model={model} />, 'As others report them; nothing was measured here.')}
      {part('uptime', 'Uptime', <Block told={uptime}>{(of) => <Uptime uptime={of} endpoints={soldOf(model).length} />}</Block>)}
      {part('activity', 'Activity', <Block told={activity}>{(shown) => <Activity shown={shown} />}</Block>)}
      {part('apps', 'Apps this week', <Block told={apps}>{(of) => <Apps apps={of} />}</Block>)}
      {part('parameters', 'Parameters', <Block told={parameters}>{(used) => <><Parameters model={model} used={used} /><Medians model={model} used={used} origin={origin} /></>}</Block>)}
      {part('api', 'API', <Api model={model} origin={origin} />)}
      <More model={model} />
    </>
  )
}
