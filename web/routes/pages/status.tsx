import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { UptimeStrip } from '../../charts/strip.tsx'
import { date, clock, percent, plural, probed, stretch, whole } from '../../data/format.ts'
import type { StatusView } from '../../../src/site.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Chip, Empty, Scroll } from '../../ui/section.tsx'

const DAYS = [30, 90] as const
/** Below this a provider fails often enough to be told so. */
const WELL = 95

export async function loader({ request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const asked = new URL(request.url).searchParams.get('days')
  const days = DAYS.find((each) => String(each) === asked) ?? 30
  return { days, status: await told(context, site.status(days)), version: site.version }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Status · Signalbox' },
  { name: 'description', content: 'How this instance and its providers do now, and did over the last days.' },
])

export default function Status() {
  const { days, status, version } = useLoaderData<typeof loader>()
  const failing = (status.of?.providers ?? []).filter(({ now }) => now !== null && now < WELL)
  return (
    <>
      <header className="pt-8">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Status</h1>
        <p className="mt-2 flex flex-wrap items-center gap-x-2 text-base">
          <span aria-hidden className={`inline-block w-2.5 h-2.5 rounded-full ${failing.length === 0 && status.of ? 'bg-clear' : 'bg-caution'}`} />
          {status.of === null ? 'This instance serves pages; how its providers do cannot be told.' : failing.length === 0 ? 'This instance serves.' : `This instance serves; ${failing.map(({ name }) => name).join(', ')} ${failing.length === 1 ? 'fails' : 'fail'} at times.`}
        </p>
        <p className="mt-1 text-[0.8125rem] text-soft">Version {version}{status.of && `, ${date(status.of.at)} ${clock(status.of.at)} UTC`}. Counted from real requests{status.of?.probes && ', and from probes where there were none'}; a request that one provider fails goes on to the next, so a provider that is down is seldom a request that failed.</p>
        <p className="mt-3 text-[0.8125rem] text-soft">Window{' '}
          {DAYS.map((each) => <Link key={each} to={each === 30 ? '/status' : `/status?days=${each}`} preventScrollReset aria-current={each === days ? 'true' : undefined} className="inline-block px-1.5 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{each} days</Link>)}
        </p>
      </header>
      <div className="mt-4"><Block told={status}>{({ providers, probes }) => <Providers days={days} providers={providers} probes={probes} />}</Block></div>
    </>
  )
}

function Providers({ days, providers, probes }: Pick<StatusView, 'days' | 'providers' | 'probes'>) {
  const tried = providers.filter(({ tries }) => tries > 0)
  const idle = providers.filter(({ tries }) => tries === 0)
  const [tries, byProbes] = [tried.reduce((sum, it) => sum + it.tries, 0), tried.reduce((sum, it) => sum + it.probes, 0)]
  return (
    <>
      {tried.length === 0 ? <Empty title={`No provider was called in ${days} days`}>The first request through this instance begins the record.</Empty> : (
        <Scroll label="Providers">
          <table className="grid-lines">
            <thead><tr><th scope="col">Provider</th><th scope="col" className="num">Last 30 minutes</th><th scope="col">{days} days, oldest first</th><th scope="col" className="num">Uptime</th><th scope="col" className="num">Availability</th><th scope="col" className="num">Tries</th></tr></thead>
            <tbody>
              {tried.map((it) => (
                <tr key={it.slug} data-provider={it.slug}>
                  <th scope="row" className="min-w-44">
                    <Link to={`/providers/${it.slug}`} className="plain font-semibold">{it.name}</Link> {it.now !== null && it.now < WELL && <Chip strong>{it.now < 50 ? 'failing' : 'failing at times'}</Chip>}
                    {it.endpoints.length > 0 && (
                      <details className="font-normal mt-0.5">
                        <summary className="list-none inline-block text-xs text-faint prose-link py-0.5">{plural(it.endpoints.length, 'endpoint')}<span className="sr-only"> of {it.name}</span></summary>
                        <ul className="text-xs text-soft mt-1 grid gap-0.5">
                          {it.endpoints.map((each) => <li key={each.id}><Link to={`/${each.model}/uptime`} className="prose-link wrap-anywhere">{each.name}</Link>: {each.uptime30m === null ? 'not tried in 30 minutes' : `${percent(each.uptime30m)} now`}{each.uptime1d !== null && `, ${percent(each.uptime1d)} in a day`}</li>)}
                        </ul>
                      </details>
                    )}
                  </th>
                  <td className="num">{it.now === null ? <span className="text-faint">not tried</span> : <><data value={it.now}>{percent(it.now)}</data> <span className="text-faint">of {whole(it.triesNow)}</span></>}</td>
                  <td><UptimeStrip name={it.name} byDay={it.byDay} /></td>
                  <td className="num font-medium">{it.uptime === null ? '–' : <data value={it.uptime}>{percent(it.uptime)}</data>}</td>
                  <td className="num">{it.availability === null ? '–' : percent(it.availability)}</td>
                  <td className="num"><data value={it.tries}>{whole(it.tries)}</data></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {idle.length > 0 && <p className="mt-4 text-[0.8125rem] text-soft max-w-[78ch]">Ready and not called in {days} days: {idle.map(({ slug, name }, i) => <span key={slug}>{i > 0 && ', '}<Link to={`/providers/${slug}`} className="prose-link">{name}</Link></span>)}.</p>}
      <p className="mt-3 text-[0.8125rem] text-soft max-w-[78ch]">Uptime is the share of tries that did not fail; availability counts those that were told to wait (429) as well.{probed(byProbes, plural(tries, 'try', 'tries'))}{probes && ` ${plural(probes.endpoints, 'endpoint')} ${probes.endpoints === 1 ? 'is' : 'are'} asked by a probe after ${stretch(probes.everyMs)} without a call.`} For programs: <a href="/healthz" className="prose-link">/healthz</a>, <a href="/readyz" className="prose-link">/readyz</a>.</p>
    </>
  )
}
