import type { LoaderFunctionArgs } from 'react-router'
import { originOf } from '../data/origin.ts'

export function loader({ request }: LoaderFunctionArgs) {
  return new Response(`User-agent: *\nDisallow: /api/\nSitemap: ${originOf(request)}/sitemap.xml\n`, { headers: { 'Content-Type': 'text/plain; charset=utf-8' } })
}
