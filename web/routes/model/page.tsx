import { useEffect, useRef } from 'react'
import { Link, NavLink, Outlet, redirect, useLoaderData, useLocation, type LoaderFunctionArgs, type MetaFunction, type ShouldRevalidateFunctionArgs } from 'react-router'
import type { ModelView } from '../../../src/site.ts'
import { headed } from '../../data/head.ts'
import { compact, date, stated } from '../../data/format.ts'
import { nowhere } from '../../data/nowhere.ts'
import { originOf } from '../../data/origin.ts'
import { priceOf, pricesOf } from '../../data/prices.ts'
import { siteOf } from '../../site.ts'
import { CopyButton } from '../../ui/copy.tsx'
import { Notices } from './blocks.tsx'
import { SECTIONS, sectionsOf } from './sections.ts'

export async function loader({ params, request, context }: LoaderFunctionArgs) {
  const asked = `${params['author']}/${params['slug']}`
  const site = siteOf(context)
  const model = await site.model(asked)
  if (model === null) throw nowhere(site.near(asked))
  // One model, one address: other spellings lead to it, with the section that was asked for.
  if (model.id !== asked) {
    const url = new URL(request.url)
    throw redirect(`/${model.id}${params['section'] ? `/${params['section']}` : ''}${url.search}`, 308)
  }
  if (params['section'] && !sectionsOf(model).some(([name]) => name === params['section'])) throw nowhere([model.id])
  return { model, origin: originOf(request) }
}

/** The model is the same on each of its pages; only another model, or a new look after a while, asks again. */
export function shouldRevalidate({ currentParams, nextParams }: ShouldRevalidateFunctionArgs) {
  return currentParams['author'] !== nextParams['author'] || currentParams['slug'] !== nextParams['slug'] || currentParams['section'] !== nextParams['section']
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData, params }) => {
  if (!loaderData) return [{ title: 'Not here · Signalbox' }]
  const { model, origin } = loaderData
  const section = SECTIONS.find(([name]) => name === params['section'])
  return [
    { title: `${model.name}${section ? `: ${section[1]}` : ''} · Signalbox` },
    { name: 'description', content: model.description.slice(0, 300) },
    { tagName: 'link', rel: 'canonical', href: `${origin}/${model.id}${section ? `/${section[0]}` : ''}` },
    { tagName: 'link', rel: 'alternate', type: 'text/markdown', href: `${origin}/${model.id}.md` },
  ]
})

export interface Outside {
  readonly model: ModelView
  readonly origin: string
}

export default function ModelPage() {
  const { model, origin } = useLoaderData<typeof loader>()
  const line = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  // On a narrow screen the line is longer than the screen: it is moved, and not the page, to where the reader is.
  useEffect(() => {
    const here = line.current?.querySelector<HTMLElement>('[aria-current="page"]')
    if (here) line.current!.scrollLeft = here.offsetLeft - (line.current!.clientWidth - here.offsetWidth) / 2
  }, [pathname])
  return (
    <>
      <header className="pt-8">
        <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft">
          <Link to="/models" className="plain py-1">Models</Link> <span aria-hidden>/</span> <Link to={`/${model.author}`} className="plain py-1">{model.authorName}</Link>
        </nav>
        <div className="mt-1 flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
          <h1 tabIndex={-1} className="text-[1.625rem] leading-tight font-semibold outline-none break-words min-w-0">{model.name}</h1>
          <Link to={`/compare/${model.id}`} className="key">Compare</Link>
        </div>
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1 mt-1.5">
          <span className="font-mono text-[0.8125rem] text-soft break-all">{model.id}<CopyButton text={model.id} what="the model's id" /></span>
          {model.variants.length > 0 && (
            <span className="text-[0.8125rem] text-soft">also {model.variants.map(({ id, variant }, i) => (
              <span key={id}>{i > 0 && ', '}<Link to={`/${id}`} className="prose-link">{variant}</Link></span>
            ))}</span>
          )}
          {model.movingAliases.map((id) => <span key={id} className="text-[0.8125rem] text-soft">followed by <Link to={`/${id}`} className="prose-link font-mono">{id}</Link></span>)}
        </p>
        <div id="notices"><Notices model={model} /></div>
        <Strip model={model} />
      </header>
      <nav ref={line} aria-label="Sections" className="mt-7 overflow-x-auto -mx-4 px-4 sm:mx-0 sm:px-0">
        <div className="track flex w-max min-w-full text-[0.8125rem]">
          <NavLink to={`/${model.id}`} end>Overview</NavLink>
          {sectionsOf(model).map(([name, title]) => <NavLink key={name} to={`/${model.id}/${name}`}>{title}</NavLink>)}
        </div>
      </nav>
      <Outlet context={{ model, origin } satisfies Outside} />
    </>
  )
}

function Strip({ model }: { readonly model: ModelView }) {
  const [first, second] = model.pricing ? pricesOf(model.pricing) : []
  const input = priceOf(model.pricing, 'prompt')
  const byTokens = first === undefined || first.key === 'prompt'
  const facts: readonly (readonly [string, string, string?])[] = [
    ['Modalities', `${model.inputModalities.join(', ')} → ${model.outputModalities.join(', ')}`],
    ...(model.free ? [['Price', 'free'] as const]
      : byTokens
        ? [['Input price', input ?? 'not known', input ? 'per 1M' : undefined] as const, ['Output price', priceOf(model.pricing, 'completion') ?? 'not known', input ? 'per 1M' : undefined] as const]
        : [first, second].flatMap((price) => price ? [[price.name, price.amount, `per ${price.unit}`] as const] : [])),
    ['Context', model.contextLength === null ? 'not stated' : compact(model.contextLength)],
    ['Max output', model.maxOutput === null ? 'not stated' : compact(model.maxOutput)],
    ['Weekly tokens', model.week ? compact(model.week.tokens) : 'not known', model.week ? 'here' : undefined],
    ['Released', model.released ? stated(model.released) : model.created ? date(model.created * 1000) : 'not stated'],
  ]
  return (
    <dl className="mt-5 flex flex-wrap gap-x-8 gap-y-3">
      {facts.map(([name, value, unit]) => (
        <div key={name}>
          <dt className="label">{name}</dt>
          <dd className="text-[0.9375rem] font-medium">{value}{unit && <span className="text-faint font-normal text-xs"> {unit}</span>}</dd>
        </div>
      ))}
    </dl>
  )
}
