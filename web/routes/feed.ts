import type { LoaderFunctionArgs } from 'react-router'
import { originOf } from '../data/origin.ts'
import { siteOf } from '../site.ts'

const MOST = 50

/** The newest models as RSS 2.0. */
export async function loader({ request, context }: LoaderFunctionArgs) {
  const origin = originOf(request)
  const { models } = await siteOf(context).models(new URLSearchParams({ order: 'newest', limit: String(MOST) }))
  const items = models.filter(({ created }) => created !== null).map(({ id, name, summary, created }) => [
    '<item>', `<title>${escaped(name)}</title>`, `<link>${escaped(`${origin}/${encodeURI(id)}`)}</link>`, `<guid isPermaLink="false">${escaped(id)}</guid>`,
    `<pubDate>${new Date(created! * 1000).toUTCString()}</pubDate>`, ...(summary === null ? [] : [`<description>${escaped(summary)}</description>`]), '</item>',
  ].join(''))
  return new Response([
    '<?xml version="1.0" encoding="UTF-8"?>', '<rss version="2.0"><channel>', '<title>New models · Signalbox</title>', `<link>${escaped(origin)}/models</link>`,
    '<description>Models that are new in the catalogue of this instance</description>', ...items, '</channel></rss>', '',
  ].join('\n'), { headers: { 'Content-Type': 'application/rss+xml; charset=utf-8' } })
}

/** What XML cannot hold at all is left out. */
const escaped = (text: string): string => text.replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '')
  .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
