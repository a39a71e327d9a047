import { later } from '../../ui/later.tsx'

/** The blocks of a model's pages: a reader who only reads them is sent no script for them. */

/** Of the long page, which has every section, and of a page that has one. */
const under = (heading: string): readonly string[] => [heading, 'section']

export const Notices = later(['notices'], async () => (await import('./notices.tsx')).Notices)
export const Providers = later(under('providers'), async () => (await import('./providers.tsx')).Providers)
export const Performance = later(under('performance'), async () => (await import('./performance.tsx')).Performance)
export const ListPrices = later(under('pricing'), async () => (await import('./pricing.tsx')).ListPrices)
export const Paid = later(['pricing'], async () => (await import('./performance.tsx')).Paid)
export const PriceHistory = later(['prices', 'pricing'], async () => (await import('./prices.tsx')).PriceHistory)
export const Costs = later(['paid'], async () => (await import('./costs.tsx')).Costs)
export const Benchmarks = later(under('benchmarks'), async () => (await import('./about.tsx')).Benchmarks)
export const Uptime = later(under('uptime'), async () => (await import('./traffic.tsx')).Uptime)
export const Activity = later(under('activity'), async () => (await import('./traffic.tsx')).Activity)
export const Apps = later(under('apps'), async () => (await import('./traffic.tsx')).Apps)
export const Parameters = later(under('parameters'), async () => (await import('./parameters.tsx')).Parameters)
export const Medians = later(under('parameters'), async () => (await import('./medians.tsx')).Medians, 'seen')
export const Api = later(under('api'), async () => (await import('./api.tsx')).Api, 'seen')
export const More = later(['more'], async () => (await import('./more.tsx')).More)
