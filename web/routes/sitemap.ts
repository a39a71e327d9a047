import type { LoaderFunctionArgs } from 'react-router'
import { originOf } from '../data/origin.ts'
import { siteOf } from '../site.ts'

/** Every page that stands by itself. Sections of a model's page repeat what is on it and are left out. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const origin = originOf(request)
  const { models, authors, providers } = await siteOf(context).index()
  const paths = ['/', '/models', '/providers', '/rankings', '/state-of-ai', '/docs', ...authors.map((slug) => `/${slug}`), ...providers.map((slug) => `/providers/${slug}`), ...models.map(({ id }) => `/${id}`)]
  const urls = paths.map((path) => `<url><loc>${escaped(origin + encodeURI(path))}</loc></url>`)
  return new Response(`<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n${urls.join('\n')}\n</urlset>\n`,
    { headers: { 'Content-Type': 'application/xml; charset=utf-8' } })
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
