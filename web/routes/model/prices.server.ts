import type { PricesView } from '../../../src/site.ts'
import { drawPanels, type PanelDrawing } from '../../charts/draw.server.ts'
import { clock, compact, date, day, plural } from '../../data/format.ts'
import { roughly } from '../../data/paid.ts'
import { pricesOf } from '../../data/prices.ts'

/** How far back prices can be looked at, and in words. */
export const RANGES = [['3d', '3 days'], ['30d', '30 days'], ['90d', '90 days'], ['all', 'all there is']] as const satisfies readonly (readonly [PricesView['range'], string])[]

/** The ways to other ranges; what stands in the calculator of the same page stays in the address. */
export function rangesOf(query: URLSearchParams): readonly (readonly [name: string, text: string, to: string])[] {
  return RANGES.map(([name, text]) => {
    const to = new URLSearchParams(query)
    to.set('range', name)
    return [name, text, `?${to}`]
  })
}

/** What a page shows of prices over time: a drawing, each change in words, and the paid prices for the table behind. */
export interface PricesShown {
  /** `in the last 30 days` */
  readonly within: string
  readonly by: PricesView['by']
  readonly from: number
  readonly to: number
  readonly since: number | null
  /** Whether any endpoint has a price in this time. */
  readonly any: boolean
  /** Endpoints whose list changed or that were paid; null where there are none, or nothing is sold by the token. */
  readonly drawing: PanelDrawing | null
  /** What each panel of the drawing says, in words. */
  readonly said: readonly string[]
  /** Endpoints that the drawing has no room for. */
  readonly undrawn: number
  /** Newest first; endpoints to which the same happened at once stand together. */
  readonly changes: readonly { readonly at: number; readonly names: readonly string[]; readonly what: readonly string[] }[]
  /** Percent of all tokens that were prompt, by which lists are drawn. */
  readonly promptShare: number
  readonly requests: number
  /** Of endpoints that were paid: by the beginning of a stretch, oldest first. */
  readonly paid: readonly { readonly id: string; readonly name: string; readonly points: readonly PaidPoint[] }[]
}

interface PaidPoint {
  readonly at: number
  readonly perMillion: string
  readonly listPerMillion: string | null
  readonly requests: number
}

type Endpoint = PricesView['endpoints'][number]
type Listed = Endpoint['listed'][number]

const DAY_MS = 86_400_000
const LENGTHS: Readonly<Record<PricesView['by'], number>> = { hour: DAY_MS / 24, day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS }

/** Panels of a page that is about nothing else; beyond them the tables have the numbers. */
const MOST_PANELS = 6

export function pricesShown({ range, by, from, to, since, mix, endpoints }: PricesView, most = MOST_PANELS): PricesShown {
  const nameOf = ({ providerName, tag }: Endpoint): string => {
    const plain = endpoints.filter((it) => it.providerName === providerName && !it.tag.includes('/'))
    return endpoints.filter((it) => it.providerName === providerName).length === 1 || (plain.length === 1 && plain[0]!.tag === tag) ? providerName : tag
  }
  const changes = endpoints.flatMap((endpoint) => changesOf(endpoint.listed, { from, since }).map((change) => ({ ...change, name: nameOf(endpoint) })))
  const series = endpoints.map((endpoint) => ({ endpoint, name: nameOf(endpoint), ...linesOf(endpoint, { from, to, by }) }))
    .filter(({ endpoint, steps, dots }) => dots.length > 0 || (steps.length > 0 && endpoint.listed.length > 1))
  const drawing = drawPanels(series.slice(0, most), { from, to, stepMs: LENGTHS[by] })
  return {
    by, from, to, since, drawing,
    within: range === 'all' ? 'so far' : `in the last ${RANGES.find(([name]) => name === range)![1]}`,
    any: endpoints.length > 0,
    said: series.slice(0, drawing?.panels.length).map(({ endpoint }) => saidOf(endpoint)),
    undrawn: series.length - (drawing?.panels.length ?? 0),
    changes: [...Map.groupBy(changes, ({ at, what }) => `${at} ${what.join()}`).values()]
      .map((alike) => ({ at: alike[0]!.at, what: alike[0]!.what, names: alike.map(({ name }) => name).toSorted() }))
      .toSorted((a, b) => b.at - a.at || (a.names[0]! < b.names[0]! ? -1 : 1)),
    promptShare: mix.prompt / (mix.prompt + mix.completion) * 100,
    requests: mix.requests,
    paid: endpoints.filter(({ paid }) => paid.length > 0).map((endpoint) => ({
      id: endpoint.id, name: nameOf(endpoint),
      points: endpoint.paid.map(({ at, perMillion, listPerMillion, requests }) => ({ at, perMillion, listPerMillion, requests })),
    })),
  }
}

function linesOf({ listed, paid }: Endpoint, { from, to, by }: Pick<PricesView, 'from' | 'to' | 'by'>) {
  return {
    steps: listed.flatMap(({ at, perMillion }, i) => perMillion === null ? []
      : [{ from: Math.max(at, from), to: listed[i + 1]?.at ?? to, value: Number(perMillion) }]),
    dots: paid.map(({ at, perMillion, listPerMillion, requests }) => ({
      at, value: Number(perMillion), weight: requests,
      said: `${momentOf(at, by)}: ${roughly(perMillion)} paid in ${plural(requests, 'request')}${listPerMillion === null ? '' : `, ${roughly(listPerMillion)} by the list`}`,
    })),
  }
}

/** The list at the end of the range, and what was paid in all of it. */
function saidOf({ listed, paid }: Endpoint): string {
  const last = listed.at(-1)
  const tokens = paid.reduce((sum, { promptTokens, completionTokens }) => sum + promptTokens + completionTokens, 0)
  const cost = paid.reduce((sum, { perMillion, promptTokens, completionTokens }) => sum + Number(perMillion) * (promptTokens + completionTokens), 0)
  return [
    ...(last === undefined ? [] : [last.pricing === null ? 'not on sale now' : last.perMillion === null ? '' : `list ${roughly(last.perMillion)}`]),
    ...(paid.length === 0 ? [] : [`paid ${roughly(String(cost / tokens))} in ${plural(paid.reduce((sum, { requests }) => sum + requests, 0), 'request')}`]),
  ].filter(Boolean).join(', ')
}

/** The beginning of a stretch, as short as it can be told. */
function momentOf(at: number, by: PricesView['by']): string {
  return by === 'hour' ? `${day(at)}, ${clock(at)}` : by === 'day' ? day(at) : `${by} from ${date(at)}`
}

/** What changed within the range. What the first look of all found is a beginning, and no change. */
function changesOf(listed: readonly Listed[], { from, since }: Pick<PricesView, 'from' | 'since'>) {
  return listed.flatMap((now, i) => {
    const before = listed[i - 1]
    if (now.at < from || (before === undefined && now.at <= (since ?? 0))) return []
    return [{ at: now.at, what: differences(before, now) }]
  })
}

function differences(before: Listed | undefined, now: Listed): readonly string[] {
  if (now.pricing === null) return ['gone from sale']
  if (before === undefined) return ['new on sale']
  const [then, later] = [ratesOf(before), ratesOf(now)]
  const told = [...new Set([...later.keys(), ...then.keys()])].flatMap((label) => {
    const [a, b] = [then.get(label), later.get(label)]
    if (a?.amount === b?.amount) return []
    return [a && b ? `${label} ${a.amount} → ${b.amount}${shareOf(a.value, b.value)}` : a ? `${label} ${a.amount} no longer asked` : `${label} ${b!.amount} asked as well`]
  })
  return before.pricing === null ? ['on sale again', ...told.filter((text) => text.includes('→'))] : told
}

/** Each price of a list by what it is for: `Input`, `Image in per image`, `Output above 200K prompt tokens`. */
function ratesOf({ pricing, overrides }: Listed): ReadonlyMap<string, { readonly amount: string; readonly value: number }> {
  const of = (prices: Readonly<Record<string, string>>, where: string) => pricesOf(prices).map(({ key, name, unit, amount }) =>
    [`${name}${where}${unit === USUAL_UNIT ? '' : ` per ${unit}`}`, { amount, value: Number(prices[key]) }] as const)
  return new Map([...of(pricing ?? {}, ''), ...overrides.flatMap((it) => of(it.pricing, ` above ${compact(it.minPromptTokens)} prompt tokens`))])
}

const USUAL_UNIT = '1M tokens'

function shareOf(before: number, now: number): string {
  if (before === 0) return ''
  const share = (now - before) / before * 100
  return ` (${share > 0 ? '+' : '−'}${Math.abs(share) < 10 ? Math.abs(share).toFixed(1).replace(/\.0$/, '') : Math.round(Math.abs(share))} %)`
}
