import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../data/head.ts'
import { compact, duration, percent, plural, probed, rate, stretch } from '../data/format.ts'
import { nowhere } from '../data/nowhere.ts'
import { priceOf, pricesOf } from '../data/prices.ts'
import type { Measured } from '../../src/site.ts'
import { siteOf } from '../site.ts'
import { Lost } from '../ui/block.tsx'
import { Empty, Facts, Scroll, Section } from '../ui/section.tsx'
import { policyOf } from './model/providers.tsx'

export async function loader({ params, context }: LoaderFunctionArgs) {
  const provider = await siteOf(context).provider(params['provider'] ?? '')
  if (provider === null) throw nowhere()
  return provider
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData ? [
  { title: `${loaderData.name} · Signalbox` },
  { name: 'description', content: `${plural(loaderData.models, 'model')} at ${loaderData.name}: prices, speed and uptime, and what becomes of your data there.` },
] : [{ title: 'Not here · Signalbox' }])

export default function Provider() {
  const provider = useLoaderData<typeof loader>()
  const sumOf = (of: (measured: Measured) => number): number => provider.offers.reduce((sum, { endpoint }) => sum + (endpoint.measured ? of(endpoint.measured) : 0), 0)
  const link = (url: string | null) => url && /^https?:\/\//i.test(url) ? <a href={url} rel="noopener nofollow" className="prose-link break-all">{url.replace(/^https?:\/\//, '')}</a> : null
  return (
    <>
      <header className="pt-8">
        <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft"><Link to="/providers" className="plain py-1">Providers</Link></nav>
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold mt-1 outline-none">{provider.name}</h1>
        <p className="mt-1 text-soft">{plural(provider.models, 'model')}; {provider.usable ? 'this instance can call it' : 'this instance has no key to it'}.</p>
      </header>
      <Section id="facts" title="Facts">
        <div className="max-w-2xl">
          <Facts of={[
            ['Your data', policyOf(provider)], ['Headquarters', provider.headquarters],
            ['Data centres', provider.datacenters.length > 0 ? provider.datacenters.join(', ') : null],
            ['Site', link(provider.homepage)], ['Privacy policy', link(provider.privacyPolicy)], ['Terms', link(provider.termsOfService)], ['Status page', link(provider.statusPage)],
          ]} />
        </div>
      </Section>
      <Section id="models" title="Models">
        {!provider.measured && <div className="mb-4"><Lost /></div>}
        {provider.offers.length === 0 ? <Empty title="It sells none of the catalogue's models" /> : (
          <Scroll label={`Models at ${provider.name}`}>
            <table className="grid-lines stacks">
              <thead><tr><th scope="col">Model</th><th scope="col" className="num">Context</th><th scope="col" className="num">Max output</th><th scope="col" className="num">Input</th><th scope="col" className="num">Output</th><th scope="col" className="num">Latency</th><th scope="col" className="num">Throughput</th><th scope="col" className="num">Uptime 1 day</th></tr></thead>
              <tbody>
                {provider.offers.map(({ model, endpoint }) => {
                  const other = endpoint.pricing && pricesOf(endpoint.pricing)[0]
                  const byTokens = !other || other.key === 'prompt'
                  return (
                    <tr key={endpoint.id}>
                      <th scope="row"><Link to={`/${model.id}`} className="plain font-semibold">{model.name}</Link>{endpoint.tag !== endpoint.provider && <span className="block font-mono text-xs text-faint font-normal">{endpoint.tag}</span>}</th>
                      <td className="num" data-label="Context">{endpoint.contextLength === null ? '–' : compact(endpoint.contextLength)}</td>
                      <td className="num" data-label="Max output">{endpoint.maxOutput === null ? '–' : compact(endpoint.maxOutput)}</td>
                      <td className="num" data-label="Input">{byTokens ? priceOf(endpoint.pricing, 'prompt') ?? '–' : `${other.amount} /${other.unit}`}</td>
                      <td className="num" data-label="Output">{byTokens ? priceOf(endpoint.pricing, 'completion') ?? '–' : '–'}</td>
                      <td className="num" data-label="Latency">{endpoint.measured?.latency30m ? duration(endpoint.measured.latency30m.p50) : '–'}</td>
                      <td className="num" data-label="Throughput">{endpoint.measured?.throughput30m ? rate(endpoint.measured.throughput30m.p50) : '–'}</td>
                      <td className="num" data-label="Uptime 1 day">{endpoint.measured?.uptime1d === null || !endpoint.measured ? '–' : percent(endpoint.measured.uptime1d)}</td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
          </Scroll>
        )}
        <p className="mt-3 text-[0.8125rem] text-soft">Prices are dollars per million tokens where no other unit stands. Latency and throughput are medians of this instance&rsquo;s answers of the last 30 minutes.{probed(sumOf((it) => it.probes1d), `the day’s ${plural(sumOf((it) => it.tries1d), 'try', 'tries')}`)}{provider.probes && provider.usable && ` An endpoint is asked by a probe after ${stretch(provider.probes.everyMs)} without a call.`}</p>
      </Section>
    </>
  )
}
