import type { AppsView, UptimeView } from '../../../src/site.ts'
import { StackedBars } from '../../charts/bars.tsx'
import { UptimeStrip } from '../../charts/strip.tsx'
import { compact, percent, plural, probed, whole } from '../../data/format.ts'
import { Empty, Scroll } from '../../ui/section.tsx'
import { AppName } from '../boards/parts.tsx'
import type { ActivityShown } from './figures.server.ts'

const PARTS = [
  { key: 'fresh', name: 'Prompt' }, { key: 'cached', name: 'Prompt from cache' }, { key: 'answer', name: 'Answer' }, { key: 'reasoning', name: 'Reasoning' },
] as const

/** Tokens by day, in parts that add up. */
export function Activity({ shown }: { readonly shown: ActivityShown }) {
  const { days, drawing, requests, tokens } = shown
  if (requests === 0) return <Empty title={`No traffic in ${days.length} days`}>The chart begins with the first request that this model answers through this instance.</Empty>
  return (
    <>
      <StackedBars title="Tokens by day" unit="day" drawing={drawing} rows={days} parts={PARTS} />
      <p className="mt-3 text-[0.8125rem] text-soft"><data value={tokens}>{whole(tokens)}</data> tokens in {plural(requests, 'request')} over {days.length} days, days beginning at midnight UTC.</p>
    </>
  )
}

export function Apps({ apps }: { readonly apps: AppsView }) {
  if (apps.apps.length === 0) {
    return <Empty title={`No app in ${plural(apps.days, 'day')}`}>A request counts for an app when it says which, in the headers <code className="font-mono text-xs">HTTP-Referer</code> and <code className="font-mono text-xs">X-Title</code>.</Empty>
  }
  const most = apps.apps[0]!.tokens || 1
  return (
    <Scroll label="Apps">
      <table className="grid-lines max-w-2xl">
        <thead><tr><th scope="col" className="num">Rank</th><th scope="col">App</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col"><span className="sr-only">Share</span></th></tr></thead>
        <tbody>
          {apps.apps.map(({ app, tokens, requests, ...card }, i) => (
            <tr key={app}>
              <td className="num text-faint">{i + 1}</td>
              <th scope="row" className="min-w-40"><AppName app={card} /></th>
              <td className="num"><data value={tokens}>{compact(tokens)}</data></td>
              <td className="num">{whole(requests)}</td>
              <td className="w-40"><svg viewBox="0 0 100 8" preserveAspectRatio="none" className="s1 w-full h-2" aria-hidden="true"><rect className="bar" fill="var(--series)" width={Math.max(1, tokens / most * 100)} height="8" rx="1" /></svg></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

export function Uptime({ uptime, endpoints }: { readonly uptime: UptimeView; readonly endpoints: number }) {
  if (uptime.endpoints.length === 0) {
    return <Empty title={`Nothing tried in ${uptime.days} days`}>Uptime is counted from real requests: the first one through this instance begins it.</Empty>
  }
  const tries = uptime.endpoints.reduce((sum, it) => sum + it.tries, 0)
  const failures = uptime.endpoints.reduce((sum, it) => sum + it.failures, 0)
  const probes = uptime.endpoints.reduce((sum, it) => sum + it.probes, 0)
  return (
    <>
      <Scroll label="Uptime">
        <table className="grid-lines">
          <thead><tr><th scope="col">Endpoint</th><th scope="col">{uptime.days} days, oldest first</th><th scope="col" className="num">Uptime</th><th scope="col" className="num">Tries</th><th scope="col" className="num">Failed</th></tr></thead>
          <tbody>
            {uptime.endpoints.map((it) => (
              <tr key={it.id} data-uptime={it.id}>
                <th scope="row">{it.providerName} {uptime.endpoints.filter(({ providerName }) => providerName === it.providerName).length > 1 && <span className="font-mono text-xs text-faint font-normal">{it.tag}</span>}</th>
                <td><UptimeStrip name={it.providerName} byDay={it.byDay} /></td>
                <td className="num font-medium">{it.uptime === null ? '–' : <data value={it.uptime}>{percent(it.uptime)}</data>}</td>
                <td className="num"><data value={it.tries}>{whole(it.tries)}</data></td>
                <td className="num">{whole(it.failures)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="mt-3 text-[0.8125rem] text-soft max-w-[78ch]">
        {plural(tries, 'try', 'tries')} in all, {whole(failures)} of them failed.{probed(probes, 'them')}
        {' '}{endpoints === 1 ? 'There is one endpoint: when it is down, nothing else can answer.' : 'When one endpoint fails before it answers, the request goes on to the next.'}
        {' '}A full block is a day of 95 % or more, shorter ones are worse, a frame is a day without a try.
      </p>
    </>
  )
}
