import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import type { ReportView } from '../../../src/site.ts'
import { compact, percent, stated, whole } from '../../data/format.ts'
import { headed } from '../../data/head.ts'
import { nowhere } from '../../data/nowhere.ts'
import { told } from '../../data/told.server.ts'
import { siteOf } from '../../site.ts'
import { Block } from '../../ui/block.tsx'
import { Empty, Scroll, Section } from '../../ui/section.tsx'
import { Change } from '../boards/parts.tsx'
import { factsOf, NOTHING, type Fact } from './report.server.ts'

/** `/state-of-ai`, this month so far, and `/state-of-ai/2026-10`. */
export async function loader({ params, context }: LoaderFunctionArgs) {
  const report = await told(context, siteOf(context).report(params['month'] ?? null).then((view) => ({ view: view && { ...view, facts: factsOf(view) } })))
  if (report.of !== null && report.of.view === null) throw nowhere()
  return { month: report.of?.view?.month ?? params['month'] ?? null, report: { of: report.of?.view ?? null, until: report.until }, nothing: NOTHING }
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData ? [
  { title: `State of AI${loaderData.month ? `, ${stated(loaderData.month)}` : ''} · Signalbox` },
  { name: 'description', content: 'What a month was like by what was really asked through this instance: models, authors, caches, reasoning and tools.' },
] : [{ title: 'Not here · Signalbox' }])

export default function Report() {
  const { month, report, nothing } = useLoaderData<typeof loader>()
  return (
    <>
      <header className="pt-8">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">State of AI{month && `, ${stated(month)}`}{report.of && !report.of.over && <span className="text-soft font-normal"> so far</span>}</h1>
        <p className="mt-1 text-soft max-w-[75ch]">What a month was like by what was really asked: the traffic of this instance alone, which is not the world&rsquo;s. Each figure says what it rests on. Months are UTC&rsquo;s; simulated answers count nowhere.</p>
        {report.of && report.of.months.length > 1 && (
          <nav aria-label="Month" className="mt-3 flex flex-wrap text-[0.8125rem] text-soft">
            {report.of.months.map((each, i) => <Link key={each} to={i === 0 ? '/state-of-ai' : `/state-of-ai/${each}`} aria-current={each === month ? 'true' : undefined} className="px-1.5 first:pl-0 py-1 plain aria-[current]:text-ink aria-[current]:font-semibold">{stated(each)}</Link>)}
          </nav>
        )}
      </header>
      <div className="mt-6"><Block told={report}>{(of) => of.all.requests === 0 ? <Empty title="No traffic in this month">{nothing}</Empty> : <Month report={of} />}</Block></div>
      {month && <p className="mt-8 text-[0.8125rem]"><a href={`/state-of-ai/${month}.md`} className="prose-link">As Markdown</a></p>}
    </>
  )
}

function Month({ report: { facts, models, authors } }: { readonly report: ReportView & { readonly facts: readonly Fact[] } }) {
  return (
    <>
      <dl className="grid grid-cols-2 gap-x-6 sm:gap-x-10 gap-y-5 lg:grid-cols-3">
        {facts.map(({ name, value, of }) => (
          <div key={name} className="min-w-0"><dt className="label">{name}</dt><dd className="text-xl font-semibold wrap-anywhere">{value}</dd><dd className="text-[0.8125rem] text-soft">{of}</dd></div>
        ))}
      </dl>
      <Section id="models" title="Models" intro="Those with most tokens, and how many more than in the month before.">
        <Scroll label="Models of the month">
          <table className="grid-lines max-w-4xl">
            <thead><tr><th scope="col">Model</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col" className="num">Share</th><th scope="col" className="num">Change</th></tr></thead>
            <tbody>
              {models.map((row) => (
                <tr key={row.id} data-model={row.id}>
                  <th scope="row">{row.listed ? <Link to={`/${row.id}`} className="plain font-semibold">{row.name}</Link> : row.name}</th>
                  <td className="num"><data value={row.tokens}>{compact(row.tokens)}</data></td><td className="num">{whole(row.requests)}</td><td className="num">{percent(row.share)}</td><td className="num"><Change change={row.change} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Section>
      <Section id="authors" title="Authors">
        <Scroll label="Authors of the month">
          <table className="grid-lines max-w-4xl">
            <thead><tr><th scope="col">Author</th><th scope="col" className="num">Models</th><th scope="col" className="num">Tokens</th><th scope="col" className="num">Requests</th><th scope="col" className="num">Share</th></tr></thead>
            <tbody>{authors.map((row) => <tr key={row.slug}><th scope="row"><Link to={`/${row.slug}`} className="plain">{row.name}</Link></th><td className="num">{row.models}</td><td className="num"><data value={row.tokens}>{compact(row.tokens)}</data></td><td className="num">{whole(row.requests)}</td><td className="num">{percent(row.share)}</td></tr>)}</tbody>
          </table>
        </Scroll>
      </Section>
    </>
  )
}
