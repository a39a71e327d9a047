import { Panels } from '../../charts/panels.tsx'
import { clock, date, day, plural } from '../../data/format.ts'
import { roughly } from '../../data/paid.ts'
import { Empty, Scroll } from '../../ui/section.tsx'
import type { PricesShown } from './prices.server.ts'

const moment = (at: number): string => `${date(at)}, ${clock(at)} UTC`

/** What endpoints asked over time, beside what was really paid. */
export function PriceHistory({ shown }: { readonly shown: PricesShown }) {
  const { from, since, drawing, changes, paid, requests } = shown
  if (!shown.any) {
    return since === null
      ? <Empty title="No list written down yet">The first look at the catalogue is made within seconds of a start.</Empty>
      : <Empty title="No price in this time">No endpoint of this model has a list price of its own, and no answer of it was paid. Prices are recorded since {moment(since)}.</Empty>
  }
  const recorded = since === null ? 'No list is written down yet.' : `Prices are recorded since ${moment(since)}.`
  const within = since !== null && since >= from ? 'since then' : shown.within
  if (changes.length === 0 && paid.length === 0) {
    return <Empty title={`No list price changed ${since !== null && since >= from ? `since ${date(since)}` : within}`}>{recorded} What was really paid is known from the first answer on; in this time there was none.</Empty>
  }
  const end = shown.by === 'week' || shown.by === 'month' ? date : day
  return (
    <>
      {drawing !== null && (
        <>
          <p className="mb-3 flex flex-wrap gap-x-5 gap-y-1 text-[0.8125rem]">
            <span className="font-medium">Dollars per 1M tokens, in and out together</span>
            <span className="inline-flex items-center gap-1.5 text-soft"><svg width="18" height="10" className="chart" aria-hidden="true"><path className="list" d="M0,7H9V3H18" /></svg>list</span>
            {requests > 0 && <span className="inline-flex items-center gap-1.5 text-soft"><svg width="10" height="10" className="chart s1" aria-hidden="true"><circle className="dot" cx="5" cy="5" r="3.5" /></svg>really paid</span>}
          </p>
          <Panels drawing={drawing} said={shown.said} ends={[end(from), end(shown.to)]} format={(value) => roughly(String(value))} />
          {paid.length > 0 && <Paid shown={shown} />}
        </>
      )}
      <div className="mt-5">
        <p className="font-medium text-[0.8125rem]">Changes of list prices</p>
        {changes.length === 0 ? <p className="mt-1 text-soft">{recorded} None changed {within}.</p> : <Changes of={changes} />}
      </div>
      <p className="mt-4 text-[0.8125rem] text-soft max-w-[78ch]">
        {drawing !== null && <>Lines are what the lists ask with {Math.round(shown.promptShare)} % of the tokens in and the rest out, {requests > 0 ? `as in the ${plural(requests, 'paid request')} of this time` : 'for nothing was paid that says another mix'}. </>}
        {drawing !== null && requests > 0 && <>A dot is what the answers of {shown.by === 'hour' ? 'an hour' : `a ${shown.by}`} really cost, by their own tokens and caches: larger where they were more, hollow where it is above the scale. </>}
        {shown.undrawn > 0 && <>{plural(shown.undrawn, 'more endpoint')} {shown.undrawn === 1 ? 'is' : 'are'} in the tables alone. </>}
        {changes.length > 0 && <>Prices of the table are per 1M tokens where it does not say otherwise. {recorded}</>}
      </p>
    </>
  )
}

function Changes({ of }: { readonly of: PricesShown['changes'] }) {
  return (
    <Scroll label="Changes of list prices">
      <table className="grid-lines mt-1 max-w-4xl">
        <thead><tr><th scope="col">When (UTC)</th><th scope="col">Endpoint</th><th scope="col">What changed</th></tr></thead>
        <tbody>
          {of.map(({ at, names, what }) => (
            <tr key={`${at} ${names[0]}`}>
              <td className="whitespace-nowrap"><time dateTime={new Date(at).toISOString()}>{date(at)}</time> <span className="text-faint">{clock(at)}</span></td>
              <th scope="row"><span className="inline-block min-w-24 whitespace-normal">{names.join(', ')}</span></th>
              <td>{what.map((text) => <div key={text}>{text}</div>)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

/** The numbers behind the dots. */
function Paid({ shown: { paid, by } }: { readonly shown: PricesShown }) {
  const stretches = [...new Set(paid.flatMap(({ points }) => points.map(({ at }) => at)))].toSorted((a, b) => b - a)
  return (
    <details className="text-[0.8125rem]">
      <summary className="list-none inline-block py-1 text-soft prose-link">As table</summary>
      <Scroll label="Really paid over time">
        <table className="grid-lines mt-1">
          <thead><tr><th scope="col">{by === 'day' ? 'Day (UTC)' : `${by === 'hour' ? 'Hour' : by === 'week' ? 'Week' : 'Month'} from (UTC)`}</th>{paid.map(({ id, name }) => <th key={id} scope="col" className="num">{name}</th>)}</tr></thead>
          <tbody>
            {stretches.map((at) => (
              <tr key={at}>
                <th scope="row">{by === 'hour' ? `${day(at)} ${clock(at)}` : by === 'day' ? day(at) : date(at)}</th>
                {paid.map(({ id, points }) => {
                  const point = points.find((it) => it.at === at)
                  return (
                    <td key={id} className="num">
                      {point === undefined ? '–' : <><data value={point.perMillion}>{roughly(point.perMillion)}</data><div className="text-faint">{point.listPerMillion !== null && `list ${roughly(point.listPerMillion)}, `}{plural(point.requests, 'request')}</div></>}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  )
}
