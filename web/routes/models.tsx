import { LayoutList, Table } from 'lucide-react'
import { useEffect, useRef, type RefObject } from 'react'
import { Form, Link, useLoaderData, useNavigation, useSubmit, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import type { Choice, ModelCard, ModelFigures, ModelsView } from '../../src/site.ts'
import { headed } from '../data/head.ts'
import { compact, date, duration, plural, rate, whole } from '../data/format.ts'
import { siteOf } from '../site.ts'
import { CopyButton } from '../ui/copy.tsx'
import { Chips, CompareTick, modalities, ModelRows, pricePair } from '../ui/model-rows.tsx'
import { Empty } from '../ui/section.tsx'

export async function loader({ request, context }: LoaderFunctionArgs) {
  const query = new URL(request.url).searchParams
  const asked = new URLSearchParams(query)
  asked.delete('fmt')
  return { view: await siteOf(context).models(asked), query: [...query] }
}

export const meta: MetaFunction = headed(() => [
  { title: 'Models · Signalbox' },
  { name: 'description', content: 'Every model of the catalogue: prices, context, modalities, parameters and who serves it.' },
])

const ORDERS = [
  ['newest', 'Newest'], ['pricing-low-to-high', 'Cheapest first'], ['pricing-high-to-low', 'Dearest first'], ['context-high-to-low', 'Longest context'],
  ['top-weekly', 'Most used this week'], ['most-popular', 'Most used in 30 days'], ['latency-low-to-high', 'First to answer'], ['throughput-high-to-low', 'Fastest'],
] as const
const CONTEXTS = [[8000, '8K'], [32_000, '32K'], [128_000, '128K'], [200_000, '200K'], [1_000_000, '1M']] as const
const SHOWN_CHOICES = 8

export default function Models() {
  const { view, query } = useLoaderData<typeof loader>()
  const asked = new URLSearchParams(query.map(([name, value]) => [name, value]))
  const busy = useNavigation().location?.pathname === '/models'
  const submit = useSubmit()
  const form = useFormOf(String(asked))
  /** As the browser would send it, without what was left empty. */
  const ask = (form: HTMLFormElement) => {
    const next = new URLSearchParams()
    for (const [name, value] of new FormData(form)) if (value !== '' && !(name === 'order' && value === 'newest')) next.append(name, String(value))
    void submit(next, { preventScrollReset: true })
  }
  const cards = asked.get('fmt') !== 'table'
  const with_ = (change: Readonly<Record<string, string | null>>): string => {
    const next = new URLSearchParams(asked)
    for (const [name, value] of Object.entries(change)) if (value === null) next.delete(name); else next.set(name, value)
    return `/models${next.size > 0 ? `?${next}` : ''}`
  }
  return (
    <>
      <header className="pt-8 flex flex-wrap items-baseline gap-x-4">
        <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">Models</h1>
        <p className="text-soft" role="status">{view.problem ? 'The question cannot be answered' : view.total === view.all ? plural(view.all, 'model') : `${whole(view.total)} of ${plural(view.all, 'model')}`}</p>
      </header>
      <div className="mt-5 lg:grid lg:grid-cols-[15rem_minmax(0,1fr)] lg:gap-10">
        <Form method="get" ref={form} preventScrollReset className="min-w-0" onSubmit={(event) => {
          event.preventDefault()
          ask(event.currentTarget)
        }} onChange={(event) => {
          // Typing waits for Enter; a tick or a choice is meant at once.
          const { type } = event.target as unknown as HTMLInputElement
          if (type === 'checkbox' || type === 'select-one' || type === 'radio') ask(event.currentTarget)
        }}>
          {asked.get('fmt') && <input type="hidden" name="fmt" value={asked.get('fmt')!} />}
          <label className="grid gap-1"><span className="label">Search</span><input name="q" type="search" defaultValue={asked.get('q') ?? ''} placeholder="Name or id" className="field w-full" /></label>
          <label className="grid gap-1 mt-3"><span className="label">Order</span>
            <select name="order" defaultValue={asked.get('order') ?? asked.get('sort') ?? 'newest'} className="field w-full">{ORDERS.map(([value, title]) => <option key={value} value={value}>{title}</option>)}</select>
          </label>
          <details className="filters mt-3"><summary className="key list-none w-full justify-center">Filters</summary><Filters view={view} asked={asked} /></details>
          <div className="mt-4 flex gap-2">
            <button type="submit" className="key">Apply</button>
            {active(asked) && <Link to={asked.get('fmt') ? `/models?fmt=${asked.get('fmt')}` : '/models'} className="key">Clear</Link>}
          </div>
        </Form>
        <div className={`min-w-0 mt-6 lg:mt-0 ${busy ? 'opacity-60' : ''}`} aria-busy={busy}>
          <div className="flex flex-wrap gap-2 items-center mb-2">
            <ChipsOfFilters asked={asked} with_={with_} />
            <span className="ml-auto flex gap-1" role="group" aria-label="View">
              <Link to={with_({ fmt: null, offset: null })} preventScrollReset aria-current={cards ? 'true' : undefined} className="key aria-[current]:border-ink" aria-label="List"><LayoutList size={15} aria-hidden /></Link>
              <Link to={with_({ fmt: 'table', offset: null })} preventScrollReset aria-current={cards ? undefined : 'true'} className="key aria-[current]:border-ink" aria-label="Table"><Table size={15} aria-hidden /></Link>
            </span>
          </div>
          <Results view={view} cards={cards} with_={with_} />
        </div>
      </div>
    </>
  )
}

/**
 * A form whose fields say what was asked, also after a step back. Made anew for that, it took the focus from the tick that
 * had just been set, and two hundred fields from the list that was waited for.
 */
function useFormOf(asked: string): RefObject<HTMLFormElement | null> {
  const form = useRef<HTMLFormElement>(null)
  const said = useRef(asked)
  useEffect(() => {
    // Not at first: what was typed before scripts ran stays.
    if (said.current !== asked) form.current?.reset()
    said.current = asked
  }, [asked])
  return form
}

const active = (asked: URLSearchParams): boolean => [...asked].some(([name, value]) => value !== '' && !['fmt', 'order', 'sort', 'offset', 'limit'].includes(name))

const WANTING = {
  unmeasured: 'Nothing was asked here in the last 30 days, so there is nothing yet to go by.',
  lost: 'What was measured could not be read just now, so there is nothing to go by.',
} as const

function Results({ view, cards, with_ }: { readonly view: ModelsView; readonly cards: boolean; with_(change: Readonly<Record<string, string | null>>): string }) {
  if (view.problem) return <Empty title="That filter cannot be applied">{view.problem.message}</Empty>
  if (view.models.length === 0) {
    return (
      <Empty title="No models found">
        {view.wanting ? WANTING[view.wanting] : 'Nothing in the catalogue fits all of it.'} <Link to="/models" className="prose-link">Show all {plural(view.all, 'model')}</Link>.
      </Empty>
    )
  }
  return (
    <>
      {view.wanting && <p className="text-soft mb-2">{WANTING[view.wanting]} This is the newest first.</p>}
      <form id="compare" action="/compare" />
      {cards ? <ul>{view.models.map((model) => <Card key={model.id} model={model} />)}</ul> : <ModelRows models={view.models} label="Models" ticks />}
      <p className="compare-bar bg-sheet border border-rail rounded-[3px] mt-3 px-3 py-2 items-center gap-4 z-10">
        <span className="text-soft">The ticked models, side by side</span><button type="submit" form="compare" className="key ml-auto">Compare</button>
      </p>
      {view.total > view.limit && (
        <nav aria-label="Pages" className="mt-5 flex items-center gap-3 text-soft">
          {view.offset > 0 && <Link to={with_({ offset: view.offset > view.limit ? String(view.offset - view.limit) : null })} className="key" rel="prev">Previous</Link>}
          <span>{whole(view.offset + 1)} to {whole(view.offset + view.models.length)} of {whole(view.total)}</span>
          {view.offset + view.limit < view.total && <Link to={with_({ offset: String(view.offset + view.limit) })} className="key" rel="next">Next</Link>}
        </nav>
      )}
    </>
  )
}

function Card({ model }: { readonly model: ModelCard }) {
  const [input, output] = pricePair(model)
  return (
    <li className="py-2.5 border-b border-line">
      <div className="flex flex-wrap items-baseline gap-x-2">
        <h2 className="font-semibold"><Link to={`/${model.id}`} className="plain">{model.name}</Link></h2>
        <Chips model={model} />
        <span className="font-mono text-xs text-faint break-all">{model.id}<CopyButton text={model.id} what={`the id of ${model.name}`} /></span>
        <CompareTick model={model} />
      </div>
      {model.summary && <p className="text-soft mt-0.5 max-w-[75ch]">{model.summary}</p>}
      <p className="mt-1 flex flex-wrap gap-x-5 text-[0.8125rem]">
        <span><span className="text-faint">by</span> <Link to={`/${model.author}`} className="plain">{model.authorName}</Link></span>
        {model.contextLength !== null && <span>{compact(model.contextLength)} <span className="text-faint">context</span></span>}
        {model.free ? null : input === '–' && output === '–' ? <span className="text-faint">price not known</span> : <>
          <span>{input} <span className="text-faint">in</span></span>{output !== '–' && <span>{output} <span className="text-faint">out</span></span>}
        </>}
        <span className="text-soft">{modalities(model)}</span>
        <span>{model.providers} <span className="text-faint">{model.providers === 1 ? 'provider' : 'providers'}</span></span>
        {model.created && <span className="text-faint">{date(model.created * 1000)}</span>}
      </p>
      {model.lately && <Lately of={model.lately} />}
    </li>
  )
}

/** What this instance measured of a model: what it was used for in a week, and how quick it was on so many answers. */
function Lately({ of: { weekTokens, latencyMs, throughput, samples } }: { readonly of: ModelFigures }) {
  return (
    <p className="flex flex-wrap gap-x-5 text-[0.8125rem]">
      {weekTokens > 0 && <span>{compact(weekTokens)} <span className="text-faint">tokens this week</span></span>}
      {latencyMs !== null && <span>{duration(latencyMs)} <span className="text-faint">to the first token</span></span>}
      {throughput !== null && <span>{rate(throughput)}</span>}
      {samples > 0 && <span className="text-faint">medians of {plural(samples, 'answer')} since yesterday</span>}
    </p>
  )
}

const valuesOf = (asked: URLSearchParams, name: string): readonly string[] => asked.getAll(name).flatMap((value) => value.toLowerCase().split(',')).filter(Boolean)

/** The filters of the API, under its names. */
function Filters({ view, asked }: { readonly view: ModelsView; readonly asked: URLSearchParams }) {
  const { choices } = view
  return (
    <div className="mt-4 grid gap-4">
      <Ticks title="Takes" name="input_modalities" of={choices.inputs} asked={asked} />
      <Ticks title="Gives" name="output_modalities" of={choices.outputs} asked={asked} />
      <label className="grid gap-1"><span className="label">Context of at least</span>
        <select name="context" defaultValue={asked.get('context') ?? ''} className="field w-full">
          <option value="">any</option>
          {asked.get('context') && !CONTEXTS.some(([tokens]) => String(tokens) === asked.get('context')) && <option value={asked.get('context')!}>{asked.get('context')}</option>}
          {CONTEXTS.map(([tokens, title]) => <option key={tokens} value={tokens}>{title}</option>)}
        </select>
      </label>
      <Range title="Input price, $ per 1M" low="min_price" high="max_price" asked={asked} />
      <Range title="Output price, $ per 1M" low="min_output_price" high="max_output_price" asked={asked} />
      <Ticks title="Parameters" name="supported_parameters" of={choices.parameters} asked={asked} />
      <Ticks title="Authors" name="model_authors" of={choices.authors} asked={asked} />
      <Ticks title="Providers" name="providers" of={choices.providers} asked={asked} />
      <Ticks title="Variant" name="variant" of={choices.variants} asked={asked} />
      <Ticks title="Tokenizer" name="arch" of={choices.families} asked={asked} />
      <fieldset>
        <legend className="label">Data and use</legend>
        <Tick name="zdr" value="true" label="An endpoint that keeps nothing" checked={asked.get('zdr') === 'true'} />
        <Tick name="distillable" value="true" label="May be distilled" checked={asked.get('distillable') === 'true'} />
      </fieldset>
      <Range title="Right tool calls, share" low="min_tool_success_rate" high="max_tool_success_rate" asked={asked} />
      <Range title="Age in days" low="min_age_days" high="max_age_days" asked={asked} />
    </div>
  )
}

function Ticks({ title, name, of, asked }: { readonly title: string; readonly name: string; readonly of: readonly Choice[]; readonly asked: URLSearchParams }) {
  const chosen = new Set(valuesOf(asked, name))
  const first = of.filter(({ value }, i) => i < SHOWN_CHOICES || chosen.has(value.toLowerCase()))
  const rest = of.filter((choice) => !first.includes(choice))
  const tick = ({ value, label, models }: Choice) => <Tick key={value} name={name} value={value} label={label} count={models} checked={chosen.has(value.toLowerCase())} />
  return (
    <fieldset>
      <legend className="label">{title}</legend>
      {first.map(tick)}
      {rest.length > 0 && <details><summary className="list-none inline-block py-1 text-[0.8125rem] text-soft prose-link">{rest.length} more</summary>{rest.map(tick)}</details>}
    </fieldset>
  )
}

function Tick({ name, value, label, count, checked }: { readonly name: string; readonly value: string; readonly label: string; readonly count?: number; readonly checked: boolean }) {
  return (
    <label className="flex items-center gap-2 py-[3px] text-[0.8125rem] min-h-6">
      <input type="checkbox" name={name} value={value} defaultChecked={checked} className="accent-arm w-4 h-4 shrink-0" />
      <span className="min-w-0 break-words">{label}</span>{count !== undefined && <span className="ml-auto text-faint text-xs">{count}</span>}
    </label>
  )
}

function Range({ title, low, high, asked }: { readonly title: string; readonly low: string; readonly high: string; readonly asked: URLSearchParams }) {
  return (
    <fieldset>
      <legend className="label">{title}</legend>
      <div className="flex items-center gap-2 mt-1">
        <input name={low} inputMode="decimal" defaultValue={asked.get(low) ?? ''} aria-label={`${title}, from`} placeholder="from" className="field w-full min-w-0" />
        <input name={high} inputMode="decimal" defaultValue={asked.get(high) ?? ''} aria-label={`${title}, to`} placeholder="to" className="field w-full min-w-0" />
      </div>
    </fieldset>
  )
}

const FILTER_NAMES: Readonly<Record<string, string>> = {
  q: 'search', input_modalities: 'takes', output_modalities: 'gives', context: 'context from', min_price: 'input from $', max_price: 'input to $', min_output_price: 'output from $',
  max_output_price: 'output to $', supported_parameters: 'parameter', model_authors: 'author', providers: 'provider', arch: 'tokenizer', zdr: 'keeps nothing', distillable: 'distillable',
  variant: 'variant', min_tool_success_rate: 'right tool calls from', max_tool_success_rate: 'right tool calls to', min_age_days: 'days old from', max_age_days: 'days old to',
}

/** Each filter in force, with a way out of it. */
function ChipsOfFilters({ asked, with_ }: { readonly asked: URLSearchParams; with_(change: Readonly<Record<string, string | null>>): string }) {
  return (
    <>
      {Object.entries(FILTER_NAMES).filter(([name]) => valuesOf(asked, name).length > 0).map(([name, title]) => (
        <Link key={name} to={with_({ [name]: null, offset: null })} preventScrollReset className="inline-flex items-center gap-1 bg-well px-2 py-1 rounded-[3px] text-[0.8125rem]">
          {title} {['zdr', 'distillable'].includes(name) ? '' : valuesOf(asked, name).join(', ')} <span aria-hidden className="text-faint">×</span><span className="sr-only">, remove this filter</span>
        </Link>
      ))}
    </>
  )
}
