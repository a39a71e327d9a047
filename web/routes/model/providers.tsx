import { Link, useSearchParams } from 'react-router'
import type { EndpointView, ModelView } from '../../../src/site.ts'
import { compact, duration, percent, plural, probed, rate } from '../../data/format.ts'
import { priceOf, pricesOf } from '../../data/prices.ts'
import { Lost } from '../../ui/block.tsx'
import { Chip, Empty, Scroll } from '../../ui/section.tsx'
import { soldOf } from './sections.ts'

const ORDERS = {
  price: ['Price', (it: EndpointView) => (it.pricing ? Number(it.pricing['prompt'] ?? 0) * 3 + Number(it.pricing['completion'] ?? 0) : null)],
  latency: ['Latency', (it: EndpointView) => it.measured?.latency30m?.p50 ?? null],
  throughput: ['Throughput', (it: EndpointView) => (it.measured?.throughput30m ? -it.measured.throughput30m.p50 : null)],
  uptime: ['Uptime', (it: EndpointView) => (it.measured?.uptime1d === null || !it.measured ? null : -it.measured.uptime1d)],
  context: ['Context', (it: EndpointView) => (it.contextLength === null ? null : -it.contextLength)],
} as const

/** Every endpoint of the model: what it asks, what it takes, and what was measured of it here. */
export function Providers({ model, sorts = false }: { readonly model: ModelView; readonly sorts?: boolean }) {
  const [query] = useSearchParams()
  const endpoints = soldOf(model)
  const by = Object.hasOwn(ORDERS, query.get('by') ?? '') ? query.get('by') as keyof typeof ORDERS : 'price'
  if (endpoints.length === 0) {
    return <Empty title={model.kind === 'router' ? 'A router has no endpoints of its own' : 'Nobody sells it here'}>{model.kind === 'router' ? 'It chooses a model for each request, and that model has them.' : 'The catalogue knows no provider that serves this model.'}</Empty>
  }
  const value = ORDERS[by][1]
  const rows = endpoints.toSorted((a, b) => Number(b.usable) - Number(a.usable) || missing(value(a), value(b)))
  const measured = rows.reduce((sum, { measured: it }) => sum + (it?.samples30m ?? 0), 0)
  const probes = rows.reduce((sum, { measured: it }) => sum + (it?.probes30m ?? 0), 0)
  return (
    <>
      {model.week === null && <div className="mb-4"><Lost /></div>}
      {sorts && (
        <p className="mb-3 text-[0.8125rem] text-soft">Sorted by{' '}
          {Object.entries(ORDERS).map(([name, [title]]) => (
            <Link key={name} to={`?by=${name}`} preventScrollReset aria-current={name === by ? 'true' : undefined} className="inline-block px-1.5 py-1 aria-[current]:text-ink aria-[current]:font-semibold plain">{title}</Link>
          ))}
        </p>
      )}
      <Scroll label="Providers">
        <table className="grid-lines stacks min-w-full">
          <thead>
            <tr>
              <th scope="col">Provider</th><th scope="col" className="num">Context</th><th scope="col" className="num">Max output</th>
              <th scope="col" className="num">Input /1M</th><th scope="col" className="num">Output /1M</th><th scope="col" className="num">Cache read /1M</th>
              <th scope="col" className="num">Latency</th><th scope="col" className="num">Throughput</th><th scope="col" className="num">Uptime 30 min</th><th scope="col" className="num">1 day</th>
              <th scope="col">Quantization</th><th scope="col">Your data</th>
            </tr>
          </thead>
          <tbody>{rows.map((endpoint) => <Row key={endpoint.id} endpoint={endpoint} />)}</tbody>
        </table>
      </Scroll>
      <p className="mt-3 text-[0.8125rem] text-soft max-w-[78ch]">
        {measured > 0
          ? `Latency is the time to the first token and throughput the speed after it: the median of the answers of the last 30 minutes through this instance, ${plural(measured, 'answer')} in all.${probed(probes, 'them')}`
          : 'No answer came through this instance in the last 30 minutes, so there is no latency, throughput or uptime to tell.'}
        {' '}Endpoints that can be called from here stand first.
      </p>
    </>
  )
}

function missing(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return a - b
}

function Row({ endpoint }: { readonly endpoint: EndpointView }) {
  const { measured, pricing } = endpoint
  const plain = pricing === null ? [] : pricesOf(pricing)
  const other = plain.filter(({ key }) => !['prompt', 'completion', 'input_cache_read'].includes(key))
  const figure = (name: string, value: number | null | undefined, format: (value: number) => string, samples?: number) => (
    <td className="num" data-label={name}>
      {value === null || value === undefined ? <span className="text-faint">–</span>
        : <data value={value} title={samples === undefined ? undefined : `of ${plural(samples, 'answer')}`}>{format(value)}</data>}
    </td>
  )
  return (
    <tr data-endpoint={endpoint.id}>
      <th scope="row" className="min-w-44">
        <span className="flex flex-wrap gap-x-2 gap-y-0.5 items-baseline">
          <Link to={`/providers/${endpoint.provider}`} className="plain font-semibold py-0.5">{endpoint.providerName}</Link>
          {endpoint.tag !== endpoint.provider && <span className="font-mono text-xs text-faint">{endpoint.tag}</span>}
          {endpoint.usable ? <Chip good>callable</Chip> : null}
          {endpoint.deprecated && <Chip>being withdrawn</Chip>}
          {endpoint.discount !== null && endpoint.discount > 0 && <Chip>{Math.round(endpoint.discount * 100)} % off</Chip>}
          {(measured?.status ?? 0) < 0 && <Chip>{measured!.status === -1 ? 'failing at times' : 'failing'}</Chip>}
        </span>
        {(other.length > 0 || endpoint.overrides.length > 0 || endpoint.maxPrompt !== null || endpoint.datacenters.length > 0 || endpoint.parameters !== null) && (
          <details className="mt-0.5 font-normal">
            <summary className="list-none inline-block text-xs text-faint prose-link py-0.5">Details</summary>
            <ul className="text-xs text-soft mt-1 grid gap-0.5 max-w-80">
              {other.map(({ key, name, amount, unit }) => <li key={key}>{name}: {amount} per {unit}</li>)}
              {endpoint.overrides.map(({ minPromptTokens, pricing: above }) => (
                <li key={minPromptTokens}>Above {compact(minPromptTokens)} prompt tokens: {pricesOf(above).map(({ name, amount }) => `${name.toLowerCase()} ${amount}`).join(', ')}</li>
              ))}
              {endpoint.maxPrompt !== null && <li>Longest prompt: {compact(endpoint.maxPrompt)} tokens</li>}
              {endpoint.datacenters.length > 0 && <li>Data centres: {endpoint.datacenters.join(', ')}</li>}
              {endpoint.headquarters !== null && <li>Headquarters: {endpoint.headquarters}</li>}
              {endpoint.implicitCaching && <li>Caches prompts by itself</li>}
              <li>Parameters: {endpoint.parameters === null ? 'not stated' : endpoint.parameters.join(', ')}</li>
            </ul>
          </details>
        )}
      </th>
      <td className="num" data-label="Context">{endpoint.contextLength === null ? <Unstated /> : compact(endpoint.contextLength)}</td>
      <td className="num" data-label="Max output">{endpoint.maxOutput === null ? <Unstated /> : compact(endpoint.maxOutput)}</td>
      {pricing === null
        ? <td className="num text-faint" colSpan={3} data-label="Price">no usable price</td>
        : (
          <>
            <td className="num" data-label="Input /1M">{endpoint.priceIsBound && 'up to '}{priceOf(pricing, 'prompt') ?? '–'}</td>
            <td className="num" data-label="Output /1M">{endpoint.priceIsBound && 'up to '}{priceOf(pricing, 'completion') ?? '–'}</td>
            <td className="num" data-label="Cache read /1M">{priceOf(pricing, 'input_cache_read') ?? <span className="text-faint">–</span>}</td>
          </>
        )}
      {figure('Latency', measured?.latency30m?.p50, duration, measured?.samples30m)}
      {figure('Throughput', measured?.throughput30m?.p50, rate, measured?.samples30m)}
      {figure('Uptime 30 min', measured?.uptime30m, percent)}
      {figure('Uptime 1 day', measured?.uptime1d, percent)}
      <td data-label="Quantization">{endpoint.quantization ?? <Unstated />}</td>
      <td data-label="Your data" className="min-w-36">{policyOf(endpoint)}</td>
    </tr>
  )
}

const Unstated = () => <span className="text-faint">not stated</span>

export function policyOf({ training, retainsPrompts, retentionDays }: Pick<EndpointView, 'training' | 'retainsPrompts' | 'retentionDays'>): string {
  const kept = retentionDays === 0 && retainsPrompts === false ? 'keeps nothing'
    : retentionDays !== null && retentionDays > 0 ? `keeps ${plural(retentionDays, 'day')}`
      : retainsPrompts === true ? 'keeps prompts, how long is not stated'
        : 'keeping not stated'
  if (training === null && retainsPrompts === null && retentionDays === null) return 'not stated'
  return `${training === null ? 'training not stated' : training ? 'trains on it' : 'no training'}; ${kept}`
}
