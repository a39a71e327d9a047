import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { FRAMEWORKS } from '../../data/frameworks.ts'
import { plural, whole } from '../../data/format.ts'
import { blocksOf } from '../../data/markdown.server.ts'
import { nowhere } from '../../data/nowhere.ts'
import { siteOf } from '../../site.ts'
import { Markdown } from '../../ui/markdown.tsx'
import { Section } from '../../ui/section.tsx'

/** Short pages, each true of this program; what only the operator can say is theirs to write, and is not guessed. */
const TITLES = {
  '/pricing': ['Pricing', 'What a request costs, and how exactly.'],
  '/works-with': ['Works with', 'Programs and libraries that need nothing but an address and a key.'],
  '/data': ['Data', 'What is written down of a request, and what of it can be read.'],
  '/announcements': ['Announcements', 'What is new.'],
  '/about': ['About', 'What this is, and who runs it.'],
  '/support': ['Support', 'Where to look when something does not work.'],
  '/privacy': ['Privacy', 'What becomes of what you send.'],
  '/terms': ['Terms', 'Under what terms this instance may be used.'],
} as const
type Path = keyof typeof TITLES

export async function loader({ request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  // The router's own data requests end in `.data`.
  const path = new URL(request.url).pathname.replace(/\.data$/, '').replace(/\/$/, '') as Path
  if (!Object.hasOwn(TITLES, path)) throw nowhere()
  const { pages } = site.operator()
  const own = pages[path.slice(1) as keyof typeof pages]
  const { models, providers, authors, usableProviders } = await site.home()
  return {
    path, version: site.version, counts: { models, providers, authors, usable: usableProviders.length },
    own: own === undefined ? null : blocksOf(own, () => null),
    changes: path === '/announcements' ? blocksOf((await site.changes()).replace(/^[\s\S]*?(?=^## )/m, ''), () => null) : null,
  }
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData
  ? [{ title: `${TITLES[loaderData.path][0]} · Signalbox` }, { name: 'description', content: TITLES[loaderData.path][1] }]
  : [{ title: 'Not here · Signalbox' }])

export default function Short() {
  const told = useLoaderData<typeof loader>()
  const [title, intro] = TITLES[told.path]
  return (
    <article className="pt-8 max-w-[52rem]">
      <h1 tabIndex={-1} className="text-[1.625rem] font-semibold outline-none">{title}</h1>
      <p className="mt-1 text-soft">{intro}</p>
      {told.own && <Markdown blocks={told.own} />}
      <Body told={told} />
    </article>
  )
}

type Told = ReturnType<typeof useLoaderData<typeof loader>>

const link = (to: string, text: string) => <Link to={to} className="prose-link">{text}</Link>
const code = (text: string) => <code>{text}</code>

function Body({ told }: { readonly told: Told }) {
  const { path, own, changes, counts, version } = told
  switch (path) {
    case '/pricing': return (
      <div className="manual">
        <h2>By the token, to the token</h2>
        <p>An answer costs what the price list of the endpoint that served it says, for the tokens that were really used. The list stands on {link('/models', "each model's page")}, and each answer says its cost in {code('usage.cost')}. Prices are whole numbers of a billionth of a billionth of a dollar inside, and a charge is rounded once.</p>
        <h2>What adds nothing</h2>
        <ul>
          <li>Tries of other providers before the one that answered.</li>
          <li>Planning, explaining and refusing: {link('/docs/explain', 'asking what would be done')} calls nobody.</li>
          <li>Prompts that a provider reads from its cache are charged at its price for that, where it has one.</li>
        </ul>
        <h2>What adds something</h2>
        <ul>
          <li>A {link('/docs/hedging', 'second attempt beside a slow one')}, where the caller asked for it.</li>
          <li>Answers that break off: what was delivered is charged, as the provider charges it.</li>
        </ul>
        <p>{link('/models?max_price=0', 'Free models')} cost nothing; their providers limit how often they may be called.</p>
      </div>
    )
    case '/works-with': return (
      <div className="manual">
        <h2>Libraries</h2>
        <ul>{FRAMEWORKS.filter(({ install }) => install !== null).map(({ id, name, language, note }) => <li key={id}><Link to={`/docs/frameworks#${id}`} className="prose-link">{name}</Link> ({language}): {note}</li>)}</ul>
        <h2>Everything else</h2>
        <p>A program that asks for an &ldquo;OpenAI-compatible&rdquo; address takes this instance&rsquo;s, ending in {code('/api/v1')} or {code('/v1')}; one made for Anthropic or Google takes {code('/api')}. What each format can say is under {link('/docs/surfaces', 'formats and clients')}.</p>
      </div>
    )
    case '/data': return (
      <div className="manual">
        <h2>What is written down</h2>
        <p>Of each call a record: which model, provider and key, tokens, cost, times, every attempt, and the app that it said it came from. Not what was said. From the records {link('/docs/figures', 'figures are added up')}, and every figure on these pages comes from them.</p>
        <h2>What is kept only if it is asked for</h2>
        <p>A {link('/docs/responses', 'response')} is kept, with what led to it, where its request or the operator&rsquo;s settings say so; encrypted, for as long as is set, and it can be deleted.</p>
        <h2>What can be read</h2>
        <p>The catalogue and its figures as JSON, at <a href="/api/v1/models" className="prose-link">/api/v1/models</a> and its like, all in the {link('/docs/api-reference/overview', 'API reference')}. Records only with the key that made the calls.</p>
      </div>
    )
    case '/announcements': return changes && <Section id="program" title="Of the program"><Markdown blocks={changes} /></Section>
    case '/about': return (
      <div className="manual">
        <h2>What this is</h2>
        <p>Signalbox {version}: one OpenAI-compatible address in front of {plural(counts.models, 'model')} of {plural(counts.authors, 'author')}, at {plural(counts.providers, 'provider')}, of which this instance can call {whole(counts.usable)}. It chooses the provider, goes on to the next when one fails, and counts to the token what it cost. It runs on its operator&rsquo;s own machine, and its pages ask no other host for anything.</p>
        {!own && <p>Its operator has written nothing about themselves.</p>}
      </div>
    )
    case '/support': return (
      <div className="manual">
        {!own && <p>The operator of this instance has stated no way to reach them.</p>}
        <h2>Before you ask</h2>
        <ul>
          <li>{link('/status', 'How providers do now')}.</li>
          <li>{link('/docs/errors', 'What an error means')}, and whether another try may help.</li>
          <li>{link('/docs/explain', 'Why a request went where it went')}.</li>
        </ul>
        <p>Each answer has an id, in {code('X-Generation-Id')}: with it the operator finds what happened.</p>
      </div>
    )
    case '/privacy': return (
      <div className="manual">
        <h2>What the program does</h2>
        <ul>
          <li>What you send goes to the provider that answers. Each says whether it trains on it and how long it keeps it; {link('/models', "each model's page")} shows it, and {code('provider.data_collection')} and {code('provider.zdr')} of a request {link('/docs/provider-routing', 'choose by it')}.</li>
          <li>Here {link('/data', 'a record without what was said')} is kept.</li>
          <li>These pages set one cookie, for the theme, when you choose one, and load nothing from anybody else.</li>
        </ul>
        {!own && <p>The operator of this instance has published no policy of their own.</p>}
      </div>
    )
    case '/terms': return own ? null : <div className="manual"><p>The operator of this instance has published no terms. The terms of the providers hold in any case; {link('/providers', "each provider's page")} links to them.</p></div>
  }
}
