import type { ActivityView, ModelView, SpeedView, UptimeView } from '../../../src/site.ts'
import type { Told } from '../../data/told.server.ts'
import { drawSpark } from '../../charts/draw.server.ts'
import { compact, date, duration, percent, plural, rate, stated, whole } from '../../data/format.ts'
import { inOrder } from '../../data/parameters.ts'
import { pricesOf } from '../../data/prices.ts'
import { reasoningOf } from '../model/about.tsx'
import { soldOf } from '../model/sections.ts'

/** One model, with everything that is told of it beside others. */
export interface Side {
  readonly model: ModelView
  readonly measured: Told<readonly [SpeedView, UptimeView, ActivityView]>
}

export interface Cell {
  /** null reads "not stated", or whatever the row says of nothing. */
  readonly text: string | null
  readonly sub?: string
  /** A path of 100 by 24, where a row is a small chart. */
  readonly spark?: string
}

export interface Row {
  readonly name: string
  readonly cells: readonly Cell[]
  /** Which of the cells are the best, where there is a better and a worse and not all are the same. */
  readonly best: readonly number[]
  readonly nothing: string
}

export interface Group {
  readonly title: string
  readonly rows: readonly Row[]
  readonly note?: string
}

interface Figured { readonly value: number | null, readonly text: string, readonly sub?: string }

/** Models beside each other, row by row. `differing` leaves out what is the same of all of them. */
export function comparisonOf(sides: readonly Side[], differing: boolean): readonly Group[] {
  const models = sides.map(({ model }) => model)
  const performances = sides.map(({ measured }) => measured.of?.[0].endpoints ?? [])
  const told = (name: string, of: (model: ModelView) => string | null, nothing = 'not stated'): Row =>
    ({ name, cells: models.map((model) => ({ text: of(model) })), best: [], nothing })
  const figured = (name: string, better: 'more' | 'less', figures: readonly Figured[], nothing: string): Row => ({
    name, nothing, best: bestOf(figures.map(({ value }) => value), better),
    cells: figures.map(({ value, text, sub }) => ({ text: value === null ? null : text, ...(value !== null && sub && { sub }) })),
  })
  const yes = (value: boolean | null): string | null => (value === null ? null : value ? 'yes' : 'no')
  const count = (value: number | null): Figured => ({ value, text: value === null ? '' : whole(value) })

  const prices = models.map(({ pricing }) => new Map(pricing === null ? [] : pricesOf(pricing).map((price) => [price.key, price])))
  const priceKeys = pricesOf(Object.assign({}, ...models.map(({ pricing }) => pricing)))
  const parameters = inOrder([...new Set(models.flatMap((model) => model.parameters))])
  const metrics = [...new Set(models.flatMap((model) => model.benchmarks.map(({ metric }) => metric)))]

  const fastest = (metric: 'throughput' | 'latency' | 'duration', better: 'more' | 'less', text: (value: number) => string): readonly Figured[] =>
    performances.map((endpoints) => {
      const measured = endpoints.flatMap(({ providerName, total }) => total[metric] === null ? [] : [{ value: total[metric].p50, providerName }])
      const top = measured.toSorted((a, b) => better === 'more' ? b.value - a.value : a.value - b.value)[0]
      return top === undefined ? { value: null, text: '' } : { value: top.value, text: text(top.value), ...(endpoints.length > 1 && { sub: top.providerName }) }
    })
  const bestUptime = sides.map(({ measured }): Figured => {
    const top = measured.of?.[1].endpoints.filter((it) => it.uptime !== null).toSorted((a, b) => b.uptime! - a.uptime!)[0]
    return top === undefined ? { value: null, text: '' } : { value: top.uptime, text: percent(top.uptime!), sub: `${top.providerName}, ${plural(top.tries, 'try', 'tries')}` }
  })
  const tokens = sides.map(({ measured }) => (measured.of?.[2].days ?? []).map(({ prompt, completion }) => prompt + completion))
  const paid = performances.map((endpoints): Figured => {
    const known = endpoints.filter(({ total }) => total.paidPerMillion !== null).toSorted((a, b) => Number(a.total.paidPerMillion) - Number(b.total.paidPerMillion))[0]
    return known === undefined ? { value: null, text: '' }
      : { value: Number(known.total.paidPerMillion), text: `$${Number(known.total.paidPerMillion).toFixed(4)}`, sub: `${known.providerName}, ${plural(known.total.answers, 'answer')}` }
  })

  const groups: readonly Group[] = [
    { title: 'Facts', rows: [
      told('Author', ({ authorName }) => authorName),
      told('Released', ({ released, created }) => released ? stated(released) : created ? date(created * 1000) : null),
      figured('Context', 'more', models.map(({ contextLength }) => count(contextLength)), 'not stated'),
      figured('Longest answer', 'more', models.map(({ maxOutput }) => count(maxOutput)), 'not stated'),
      told('Knows until', ({ knowledgeCutoff }) => knowledgeCutoff && stated(knowledgeCutoff)),
      told('Takes', ({ inputModalities }) => inputModalities.join(', ')),
      told('Gives', ({ outputModalities }) => outputModalities.join(', ')),
      told('Reasoning', ({ reasoning }) => reasoningOf(reasoning)),
      told('Tools', ({ features }) => yes(features.tools)),
      told('Structured output', ({ features }) => yes(features.structuredOutputs)),
      told('Weights', ({ features }) => (features.openWeights ? 'open' : 'closed')),
      told('Tokenizer', ({ tokenizer }) => tokenizer),
      // A simulated answer is none of the model's: its own page says the same.
      told('Callable from here', ({ endpoints }) => endpoints.some((it) => it.usable && !it.simulated) ? 'yes' : endpoints.some(({ simulated }) => simulated) ? 'simulated' : 'no'),
    ] },
    { title: 'Prices', note: 'Of the endpoint that a plain request would most likely go to. "Really paid" is prompt and answer together over the last 7 days.', rows: [
      ...priceKeys.map(({ key, name, unit }) => figured(`${name}, per ${unit}`, 'less', prices.map((of) => {
        const price = of.get(key)
        return price === undefined ? { value: null, text: '' } : { value: Number(price.amount.slice(1)), text: price.amount }
      }), '–')),
      figured('Really paid, per 1M tokens', 'less', paid, 'nothing paid yet'),
      figured('Providers', 'more', models.map((model) => count(new Set(soldOf(model).map(({ provider }) => provider)).size)), '–'),
    ] },
    { title: 'Measured here, 7 days', note: 'Medians of this instance’s own answers, at the endpoint that did best; uptime over 30 days.', rows: [
      figured('Throughput', 'more', fastest('throughput', 'more', rate), 'not measured'),
      figured('Latency to the first token', 'less', fastest('latency', 'less', duration), 'not measured'),
      figured('Whole answer', 'less', fastest('duration', 'less', duration), 'not measured'),
      figured('Uptime, 30 days', 'more', bestUptime, 'not tried'),
      {
        name: 'Tokens, 30 days', best: [], nothing: 'none',
        cells: tokens.map((days) => {
          const sum = days.reduce((a, b) => a + b, 0)
          return sum === 0 ? { text: null } : { text: compact(sum), spark: drawSpark(days) }
        }),
      },
    ] },
    { title: 'Benchmarks', note: 'As others report them; nothing was measured here.', rows: metrics.map((metric) => ({
      name: metric, best: [], nothing: '–',
      cells: models.map(({ benchmarks }) => {
        const it = benchmarks.find((each) => each.metric === metric)
        return it === undefined ? { text: null } : { text: `${it.value}${it.unit ? ` ${it.unit}` : ''}`, sub: it.source }
      }),
    })) },
    { title: 'Parameters', rows: parameters.map((name) => ({
      name, best: [], nothing: 'no', cells: models.map((model) => ({ text: model.parameters.includes(name) ? 'yes' : null })),
    })) },
  ]
  const differs = ({ cells }: Row): boolean => cells.some(({ text, sub }) => text !== cells[0]!.text || sub !== cells[0]!.sub)
  return groups.map((group) => ({ ...group, rows: group.rows.filter((row) => row.cells.some(({ text }) => text !== null) && (!differing || differs(row))) }))
    .filter(({ rows }) => rows.length > 0)
}

/** The places of the best values; none where fewer than two are known or all are alike. */
export function bestOf(values: readonly (number | null)[], better: 'more' | 'less'): readonly number[] {
  const known = values.filter((value) => value !== null)
  if (known.length < 2 || known.every((value) => value === known[0])) return []
  const best = better === 'more' ? Math.max(...known) : Math.min(...known)
  return values.flatMap((value, i) => (value === best ? [i] : []))
}
