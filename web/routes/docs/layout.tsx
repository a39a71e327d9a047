import { NavLink, Outlet, useLoaderData, useLocation, useParams, useSearchParams, type LoaderFunctionArgs } from 'react-router'
import { siteOf } from '../../site.ts'
import { operationsOf } from './schema.server.ts'

export async function loader({ context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const guides = await site.guides()
  return {
    guides: guides.map(({ slug, name, part }) => ({ slug, name, part })),
    tags: operationsOf(site.openApi()).map(({ tag, operations }) => ({ tag, operations: operations.map(({ id, method, path }) => ({ id, method, path })) })),
  }
}

/** The list of pages is the same beside each of them. */
export const shouldRevalidate = () => false

const PARTS = ['Requests', 'Routing', 'Running it'] as const

/** The manual: a list of its pages beside the one that is read; on a narrow screen above it, folded. */
export default function Docs() {
  return (
    <div className="pt-6 lg:grid lg:grid-cols-[13.5rem_minmax(0,1fr)] lg:gap-12">
      <details className="filters mb-4 lg:mb-0">
        <summary className="key list-none w-full justify-center">Pages of the manual</summary>
        <Pages />
      </details>
      <div className="min-w-0"><Outlet /><Helpful /></div>
    </div>
  )
}

function Pages() {
  const { guides, tags } = useLoaderData<typeof loader>()
  const { operation } = useParams()
  return (
    <nav aria-label="Manual" className="docs-nav text-[0.8125rem]">
      <Part title="Begin"><Page to="/docs" end>First request</Page><Page to="/docs/frameworks">Frameworks</Page><Page to="/sdk">SDKs</Page></Part>
      {PARTS.map((part) => (
        <Part key={part} title={part}>{guides.filter((guide) => guide.part === part).map(({ slug, name }) => <Page key={slug} to={`/docs/${slug}`}>{name}</Page>)}</Part>
      ))}
      <Part title="API reference">
        <Page to="/docs/api-reference/overview">Overview</Page>
        <Page to="/docs/api-reference/parameters">Parameters</Page>
        {tags.map(({ tag, operations }) => (
          <li key={tag}>
            <details open={operations.some(({ id }) => id === operation)}>
              <summary className="list-none py-1 text-soft hover:text-ink">{tag} <span className="text-faint text-xs">{operations.length}</span></summary>
              <ul className="pl-3 border-l border-line">
                {operations.map(({ id, method, path }) => (
                  <Page key={id} to={`/docs/api-reference/${id}`}><span className="font-mono text-2xs text-faint">{method}</span> <span className="font-mono text-xs break-all">{path.replace('/api/v1', '')}</span></Page>
                ))}
              </ul>
            </details>
          </li>
        ))}
      </Part>
    </nav>
  )
}

function Part({ title, children }: { readonly title: string; readonly children: React.ReactNode }) {
  return <div className="mb-4"><p className="label">{title}</p><ul className="mt-1">{children}</ul></div>
}

function Page({ to, end, children }: { readonly to: string; readonly end?: true; readonly children: React.ReactNode }) {
  return <li><NavLink to={to} end={end} className="block py-1 text-soft hover:text-ink aria-[current=page]:text-ink aria-[current=page]:font-semibold">{children}</NavLink></li>
}

/** Asks whether the page was helpful: a form as any, which the server answers by leading back here with what was said in the address. */
function Helpful() {
  const { pathname } = useLocation()
  const [said] = useSearchParams()
  const vote = said.get('helpful')
  const voted = vote === 'yes' || vote === 'no'
  return (
    <section id="helpful" aria-labelledby="helpful-title" className="mt-12 pt-4 border-t border-line text-[0.8125rem] max-w-[48rem]">
      <h2 id="helpful-title" className="font-medium">{voted ? 'Thank you.' : 'Was this page helpful?'}</h2>
      {vote === 'later' && <p role="status" className="mt-1">Too much was said from your address lately. Please try again in an hour.</p>}
      {voted && said.has('words') && <p role="status" className="mt-1 text-soft">What you wrote is with whoever runs this instance.</p>}
      <form key={`${pathname} ${vote ?? ''}`} method="post" action="/api/web/v1/docs/feedback" className="mt-2 grid gap-3 justify-items-start">
        <input type="hidden" name="page" value={pathname.replace(/(?<=.)\/$/, '')} />
        {voted && !said.has('words') && (
          <label className="grid gap-1 w-full"><span className="label">{vote === 'yes' ? 'What else would you want to find here?' : 'What is missing or wrong?'} (optional)</span>
            <textarea name="text" rows={3} maxLength={1000} className="field w-full" />
          </label>
        )}
        <div className="flex flex-wrap gap-2">
          {voted && !said.has('words') && <button type="submit" name="helpful" value={vote} className="key">Send</button>}
          {vote !== 'yes' && <button type="submit" name="helpful" value="yes" className="key">{voted ? 'It was helpful' : 'Yes'}</button>}
          {vote !== 'no' && <button type="submit" name="helpful" value="no" className="key">{voted ? 'It was not helpful' : 'No'}</button>}
        </div>
      </form>
      <p className="mt-2 text-faint text-xs">Only whoever runs this instance reads it. Who said it is known to nobody after today.</p>
    </section>
  )
}
