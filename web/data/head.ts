import type { MetaDescriptor, MetaFunction } from 'react-router'

/** Drawn once; what a page is about stands beside it. */
const CARD = { path: '/card.png', width: '1200', height: '630', alt: 'Signalbox: one line in, every model out' }

/** What a page says of itself, said once more for those who show links to it (OpenGraph): absolute addresses, our own picture. */
export function headed<Meta extends MetaFunction<never>>(of: Meta): Meta {
  return ((given: Parameters<MetaFunction>[0]) => {
    const own = (of as unknown as MetaFunction)(given) ?? []
    const origin = (given.matches.find((match) => match?.id === 'root')?.loaderData as { readonly origin?: string } | undefined)?.origin
    // Who shows links around reads what the server sends; a browser is not sent the means to say it again.
    if (!import.meta.env.SSR || origin === undefined) return own
    const said = (name: 'title' | 'description'): string => {
      const found = own.find((each): each is MetaDescriptor & Record<string, string> => name === 'title' ? 'title' in each : 'name' in each && each.name === name)
      return found?.[name === 'title' ? 'title' : 'content'] ?? ''
    }
    return [
      ...own,
      ...Object.entries({
        'og:site_name': 'Signalbox', 'og:type': 'website', 'og:title': said('title').replace(/ · Signalbox$/, ''), 'og:description': said('description'), 'og:url': origin + given.location.pathname,
        'og:image': origin + CARD.path, 'og:image:width': CARD.width, 'og:image:height': CARD.height, 'og:image:alt': CARD.alt,
      }).map(([property, content]) => ({ property, content })),
      { name: 'twitter:card', content: 'summary_large_image' },
    ]
  }) as unknown as Meta
}
