import type { LoaderFunctionArgs } from 'react-router'
import { PARAMETERS } from '../data/parameters.ts'
import type { Hit, Site } from '../../src/site.ts'
import { siteOf } from '../site.ts'
import { operationsOf } from './docs/schema.server.ts'

const MOST = 20
const MOST_PAGES = 8

/** What lists of suggestions ask as somebody types: `?q=`, and `kind=model` for models alone. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const query = new URL(request.url).searchParams
  const site = siteOf(context)
  const kind = query.get('kind')
  const text = query.get('q') ?? ''
  const hits = await site.search(text, kind === null ? MOST : MOST * 4)
  const pages = kind === null ? await pagesCalled(site, text) : []
  // The manual comes after four things of the catalogue: enough to be seen, and a name is mostly a model's.
  const found = [...hits.slice(0, 4), ...pages, ...hits.slice(4)]
  return Response.json({ hits: found.filter((hit) => kind === null || hit.kind === kind).slice(0, MOST) })
}

/** Pages of the manual with every word in their names, headings or addresses. */
async function pagesCalled(site: Site, text: string): Promise<readonly Hit[]> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  const pages = [
    ...(await site.guides()).map(({ slug, name, title, headings }) => ({ to: `/docs/${slug}`, name, said: [name, title, slug, ...headings ?? []].join(' '), detail: 'manual' })),
    ...Object.keys(PARAMETERS).map((name) => ({ to: `/docs/parameters/${name}`, name, said: name.replaceAll('_', ' ') + name, detail: 'parameter' })),
    ...operationsOf(site.openApi()).flatMap(({ operations }) => operations.map(({ id, method, path }) => ({ to: `/docs/api-reference/${id}`, name: `${method} ${path}`, said: `${id} ${path}`, detail: 'API reference' }))),
  ]
  return pages.filter(({ said }) => words.every((word) => said.toLowerCase().includes(word))).slice(0, MOST_PAGES)
    .map(({ to, name, detail }) => ({ kind: 'page', to, id: to, name, detail }))
}
