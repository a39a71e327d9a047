import { Link, useLoaderData, useOutletContext, type LoaderFunctionArgs } from 'react-router'
import type { Site } from '../../../src/site.ts'
import { shortName } from '../../data/format.ts'
import { siteOf } from '../../site.ts'
import { Section } from '../../ui/section.tsx'
import { Activity, Api, Apps, Benchmarks, Calculator, ListPrices, Medians, More, Paid, Parameters, Performance, Providers, Uptime } from './blocks.tsx'
import { activityShown, performanceShown } from './figures.server.ts'
import type { Outside } from './page.tsx'
import { RANKS, WINDOWS } from './performance.tsx'
import { soldOf, type SectionName } from './sections.ts'

const DAYS = [7, 30, 90] as const
const APP_DAYS = [1, 7, 30] as const

/** What each section asks for; those that are told from the model alone ask nothing. */
async function figuresOf(section: SectionName, site: Site, id: string, query: URLSearchParams) {
  switch (section) {
    case 'performance': return { section, performance: performanceShown(await site.performance(id, among(WINDOWS.map(([name]) => name), query.get('window'), '7d')), among(RANKS, query.get('p'), 'p50')) }
    case 'pricing': return { section, performance: performanceShown(await site.performance(id, '30d'), 'p50') }
    case 'uptime': return { section, uptime: await site.uptime(id, daysIn(DAYS, query, 30)) }
    case 'activity': return { section, activity: activityShown(await site.activity(id, daysIn(DAYS, query, 30))) }
    case 'apps': return { section, apps: await site.apps(id, daysIn(APP_DAYS, query, 7)) }
    case 'parameters': return { section, parameters: await site.parameters(id) }
    default: return { section }
  }
}

export function loader({ params, request, context }: LoaderFunctionArgs) {
  // An address that is no section is answered by the page around this one.
  return figuresOf(params['section'] as SectionName, siteOf(context), `${params['author']}/${params['slug']}`, new URL(request.url).searchParams)
}

function among<T extends string>(of: readonly T[], given: string | null, usual: T): T {
  return of.find((each) => each === given) ?? usual
}

const daysIn = (of: readonly number[], query: URLSearchParams, usual: number): number => of.find((days) => String(days) === query.get('days')) ?? usual

export default function SectionPage() {
  const { model, origin } = useOutletContext<Outside>()
  const told = useLoaderData<typeof loader>()
  const days = (of: readonly number[], now: number) => (
    <p className="mb-4 text-[0.8125rem] text-soft">Window{' '}
      {of.map((each) => <Link key={each} to={`?days=${each}`} preventScrollReset aria-current={each === now ? 'true' : undefined} className="inline-block px-1.5 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{each === 1 ? '1 day' : `${each} days`}</Link>)}
    </p>
  )
  switch (told.section) {
    case 'providers': return <><Section id="section" title={`Providers for ${shortName(model.name)}`} intro="A request goes to the best endpoint that can take it, and on to the next when one fails before it answers."><Providers model={model} sorts /></Section><More model={model} /></>
    case 'performance': return <Section id="section" title="Performance"><Performance shown={told.performance} chooses /></Section>
    case 'pricing': return (
      <>
        <Section id="section" title="List prices" intro="What each endpoint asks, cheapest first."><ListPrices model={model} /></Section>
        <Section id="paid" title="Really paid, 30 days" intro="What the answers of the last 30 days cost through this instance."><Paid shown={told.performance} /></Section>
        <Section id="calculator" title="What it would cost"><Calculator model={model} /></Section>
      </>
    )
    case 'benchmarks': return <Section id="section" title="Benchmarks" intro="As others report them; nothing was measured here."><Benchmarks model={model} /></Section>
    case 'uptime': return <Section id="section" title="Uptime">{days(DAYS, told.uptime.days)}<Uptime uptime={told.uptime} endpoints={soldOf(model).length} /></Section>
    case 'activity': return <Section id="section" title="Activity">{days(DAYS, told.activity.days.length)}<Activity shown={told.activity} /></Section>
    case 'apps': return <Section id="section" title="Apps">{days(APP_DAYS, told.apps.days)}<Apps apps={told.apps} /></Section>
    case 'parameters': return <Section id="section" title="Parameters"><Parameters model={model} used={told.parameters} /><Medians model={model} used={told.parameters} origin={origin} /></Section>
    case 'api': return <Section id="section" title={`Sample code and API for ${shortName(model.name)}`}><Api model={model} origin={origin} /></Section>
    default: return null
  }
}
