import { Lines } from '../../charts/lines.tsx'
import { duration, percent, plural, probed, rate } from '../../data/format.ts'
import { roughly } from '../../data/paid.ts'
import { Empty, Scroll } from '../../ui/section.tsx'
import type { Metric, PerformanceShown } from './figures.server.ts'
import { WINDOWS } from './sections.ts'

const NAMES: Readonly<Record<Metric, readonly [string, (value: number) => string]>> = {
  throughput: ['Throughput, tokens per second', rate],
  latency: ['Latency, time to the first token', duration],
  duration: ['End to end, time to the whole answer', duration],
}

/** Speed of each endpoint over a window, from this instance's own traffic. */
export function Performance({ shown }: { readonly shown: PerformanceShown }) {
  const { rank, totals, charts } = shown
  const title = WINDOWS.find(([name]) => name === shown.window)![1]
  const answers = totals.reduce((sum, total) => sum + total.answers, 0)
  const probes = totals.reduce((sum, total) => sum + total.probes, 0)
  return (
    <>
      {answers === 0
        ? (
          <Empty title={`Nothing measured in the last ${title}`}>
            Charts need one answer of this model through this instance in that time; there was none.
          </Empty>
        )
        : (
          <>
            <div className="grid gap-x-10 gap-y-8 md:grid-cols-2">
              {charts.map(({ metric, drawing, series }) => drawing === null
                ? <div key={metric}><p className="font-medium text-[0.8125rem] mb-2">{NAMES[metric][0]}</p><Empty title="Not measured">Only answers that stream for more than an instant have a speed.</Empty></div>
                : <Lines key={metric} title={NAMES[metric][0]} drawing={drawing} series={series} from={shown.from} to={shown.to} stepMs={shown.stepMs} format={NAMES[metric][1]} />)}
              <Totals shown={shown} />
            </div>
            <p className="mt-4 text-[0.8125rem] text-soft max-w-[78ch]">
              The {rank === 'p50' ? 'median' : rank} of {plural(answers, 'answer')} through this instance in the last {title}, within 1 % of the exact value.{probed(probes, 'them')}
              {rank !== 'p50' && ' Of throughput it is what that share of answers reached.'} Times are UTC.
            </p>
          </>
        )}
    </>
  )
}

function Totals({ shown }: { readonly shown: PerformanceShown }) {
  return (
    <div className="min-w-0">
      <p className="font-medium text-[0.8125rem]">The whole window</p>
      <Scroll label="Figures of the whole window">
        <table className="grid-lines mt-1">
          <thead><tr><th scope="col">Endpoint</th><th scope="col" className="num">Answers</th><th scope="col" className="num">First token</th><th scope="col" className="num">Tokens/s</th><th scope="col" className="num">Whole</th><th scope="col" className="num">From cache</th></tr></thead>
          <tbody>
            {shown.totals.map((total) => (
              <tr key={total.id} data-series={total.id}>
                <th scope="row">{total.name}</th>
                <td className="num"><data value={total.answers}>{total.answers}</data></td>
                <td className="num">{total.latency === null ? '–' : <data value={total.latency}>{duration(total.latency)}</data>}</td>
                <td className="num">{total.throughput === null ? '–' : <data value={total.throughput}>{total.throughput.toFixed(1)}</data>}</td>
                <td className="num">{total.duration === null ? '–' : <data value={total.duration}>{duration(total.duration)}</data>}</td>
                <td className="num">{total.cacheHitRate === null ? '–' : percent(total.cacheHitRate)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </div>
  )
}

/** What was paid for a million tokens, prompt and completion together, beside what is asked. */
export function Paid({ shown }: { readonly shown: PerformanceShown }) {
  const paid = shown.totals.filter(({ paidPerMillion }) => paidPerMillion !== null)
  if (paid.length === 0) return <Empty title="Nothing paid yet">What is really paid is known from the first answer on; in the last 30 days there was none.</Empty>
  return (
    <Scroll label="Paid prices">
      <table className="grid-lines max-w-3xl">
        <thead><tr><th scope="col">Endpoint</th><th scope="col" className="num">Really paid per 1M tokens, in and out together</th><th scope="col" className="num">Read from cache</th><th scope="col" className="num">Answers</th></tr></thead>
        <tbody>
          {paid.map(({ id, name, paidPerMillion, cacheHitRate, answers, probes }) => (
            <tr key={id}>
              <th scope="row">{name}</th>
              <td className="num"><data value={paidPerMillion!}>{roughly(paidPerMillion!)}</data></td>
              <td className="num">{cacheHitRate === null ? '–' : `${percent(cacheHitRate)} of the prompt`}</td>
              <td className="num">{answers - probes}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
