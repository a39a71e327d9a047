import { Form, useSearchParams } from 'react-router'
import type { EndpointView, ModelView } from '../../../src/site.ts'
import { compact, whole } from '../../data/format.ts'
import { pricesOf } from '../../data/prices.ts'
import { Chip, Empty, Scroll } from '../../ui/section.tsx'

import { soldOf } from './sections.ts'

/** What each endpoint asks, in every unit that it charges for. */
export function ListPrices({ model }: { readonly model: ModelView }) {
  const endpoints = soldOf(model)
  const priced = endpoints.filter(({ pricing }) => pricing !== null)
  if (priced.length === 0) {
    return <Empty title="No price is known">An endpoint without a price is never called and never taken for free. The operator can state one in the configuration file.</Empty>
  }
  const columns = pricesOf(Object.assign({}, ...priced.map(({ pricing }) => pricing)))
  return (
    <>
      <Scroll label="List prices">
        <table className="grid-lines">
          <thead><tr><th scope="col">Endpoint</th>{columns.map(({ key, name, unit }) => <th key={key} scope="col" className="num">{name}<br /><span className="font-normal">per {unit}</span></th>)}</tr></thead>
          <tbody>{priced.toSorted((a, b) => costOf(a) - costOf(b)).map((endpoint) => <PriceRow key={endpoint.id} endpoint={endpoint} columns={columns.map(({ key }) => key)} />)}</tbody>
        </table>
      </Scroll>
      {endpoints.length > priced.length && <p className="mt-3 text-[0.8125rem] text-soft">{whole(endpoints.length - priced.length)} more without a usable price, which are never called.</p>}
    </>
  )
}

const costOf = ({ pricing }: EndpointView): number => 3 * Number(pricing?.['prompt'] ?? 0) + Number(pricing?.['completion'] ?? 0)

function PriceRow({ endpoint, columns }: { readonly endpoint: EndpointView; readonly columns: readonly string[] }) {
  const cells = (pricing: Readonly<Record<string, string>>, inherits: boolean) => {
    const prices = new Map(pricesOf(pricing).map(({ key, amount }) => [key, amount]))
    return columns.map((key) => <td key={key} className="num">{prices.get(key) ?? <span className="text-faint">{inherits ? 'same' : '–'}</span>}</td>)
  }
  return (
    <>
      <tr>
        <th scope="row">
          {endpoint.providerName} {endpoint.tag !== endpoint.provider && <span className="font-mono text-xs text-faint font-normal">{endpoint.tag}</span>}
          {endpoint.tier !== 'default' && <> <Chip>{endpoint.tier}</Chip></>}
          {endpoint.priceIsBound && <> <Chip>at most</Chip></>}
        </th>
        {cells(endpoint.pricing!, false)}
      </tr>
      {endpoint.overrides.map(({ minPromptTokens, pricing }) => (
        <tr key={minPromptTokens}><th scope="row"><span className="pl-4 font-normal text-soft">above {compact(minPromptTokens)} prompt tokens</span></th>{cells(pricing, true)}</tr>
      ))}
    </>
  )
}

const ASKED = [['prompt', 'Prompt tokens', 2000], ['completion', 'Answer tokens', 500], ['requests', 'Requests a day', 1000]] as const

/** What a day of requests would cost at each endpoint, worked out on the server. */
export function Calculator({ model }: { readonly model: ModelView }) {
  const [query] = useSearchParams()
  const [prompt, completion, requests] = ASKED.map(([name, , usual]) => {
    const given = Number(query.get(name))
    return query.get(name) && Number.isFinite(given) && given >= 0 ? Math.min(given, 1e9) : usual
  }) as [number, number, number]
  const rows = soldOf(model).filter(({ pricing, tier }) => pricing !== null && tier === 'default' && (Number(pricing['prompt']) > 0 || Number(pricing['completion']) > 0))
  if (rows.length === 0) return null
  const dayOf = ({ pricing, overrides }: EndpointView): number => {
    let rates = pricing!
    for (const { minPromptTokens, pricing: above } of overrides) if (prompt > minPromptTokens) rates = { ...rates, ...above }
    return requests * (prompt * Number(rates['prompt']) + completion * Number(rates['completion']) + Number(rates['request'] ?? 0))
  }
  return (
    <>
      <Form method="get" preventScrollReset className="flex flex-wrap gap-3 items-end">
        {ASKED.map(([name, title], i) => (
          <label key={name} className="grid gap-0.5"><span className="label">{title}</span>
            <input name={name} type="number" min="0" max="1000000000" defaultValue={[prompt, completion, requests][i]} className="field w-32" />
          </label>
        ))}
        {query.has('range') && <input type="hidden" name="range" value={query.get('range')!} />}
        <button type="submit" className="key">Work it out</button>
      </Form>
      <Scroll label="Cost of a day">
        <table className="grid-lines max-w-xl mt-4">
          <thead><tr><th scope="col">Endpoint</th><th scope="col" className="num">A request</th><th scope="col" className="num">A day</th><th scope="col" className="num">30 days</th></tr></thead>
          <tbody>
            {rows.map((endpoint) => ({ endpoint, cost: dayOf(endpoint) })).toSorted((a, b) => a.cost - b.cost).map(({ endpoint, cost }) => (
              <tr key={endpoint.id}>
                <th scope="row">{endpoint.providerName} {endpoint.tag !== endpoint.provider && <span className="font-mono text-xs text-faint font-normal">{endpoint.tag}</span>}</th>
                <td className="num">{requests > 0 ? money(cost / requests) : '–'}</td><td className="num">{money(cost)}</td><td className="num">{money(cost * 30)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="mt-2 text-[0.8125rem] text-soft">An estimate at list prices, nothing read from a cache.</p>
    </>
  )
}

const money = (dollars: number): string => `$${dollars >= 100 ? whole(Math.round(dollars)) : dollars >= 0.1 ? dollars.toFixed(2) : dollars === 0 ? '0' : dollars.toPrecision(2)}`

