import { sellerOf } from '../../catalog/index.ts'
import { fault, FaultError } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { PRICE_RANGES, type PriceRange } from '../../stats/index.ts'
import { queryReader } from '../query.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { Pricing } from './shapes.ts'

const Query = z.object({ range: z.enum(PRICE_RANGES).optional().describe('`30d` by default') })
const readQuery = queryReader(Query)
const money = z.string().describe('US dollars as a decimal string')

const Reply = z.object({
  data: z.object({
    id: z.string(),
    range: z.enum(PRICE_RANGES), from: z.string(), to: z.string(),
    step: z.enum(['hour', 'day', 'week', 'month']).describe('The stretches of `effective_prices`, UTC; weeks begin on Monday'),
    recorded_since: z.string().nullable().describe('From when on this instance wrote list prices down; nothing is known of the time before'),
    endpoints: z.array(z.object({
      tag: z.string(), provider_name: z.string(),
      list_prices: z.array(z.object({
        since: z.string(), pricing: Pricing.nullable().describe('null: gone from sale, or without a usable price from then on'),
      })).describe('What the list asked when the range began, where that is known, and each change since; oldest first'),
      effective_prices: z.array(z.object({
        from: z.string(), requests: z.int(), prompt_tokens: z.int(), completion_tokens: z.int(),
        effective_price_per_million: money.describe('Really paid for a million tokens, prompt and completion together'),
        list_price_per_million: money.nullable().describe('The same tokens by the list that held when the stretch ended'),
      })).describe('Stretches in which tokens were paid for, oldest first'),
    })).describe('Those with a price in the range, also where the catalogue has them no more'),
    demo_traffic: z.literal(true).optional().describe('There where a demonstration is in the figures'),
  }),
}).meta({ id: 'ModelPrices' })

/** What the endpoints of a model asked over time, and what was really paid. OpenRouter tells that on its pages alone, so the name is ours. */
export function priceRoutes(services: Services): readonly Route[] {
  return [{
    name: 'listModelPrices', methods: ['GET'], paths: api('/models/{author}/{slug}/endpoints/prices'), tag: 'Statistics', policy: 'none',
    summary: 'What the endpoints of a model asked over time, and what was really paid here',
    params: z.object({ author: z.string(), slug: z.string() }), query: Query,
    replies: { 200: { description: 'The prices', schema: Reply } }, errors: ['not-found'],
    async handle(x) {
      const at = services.catalog.snapshot()
      const id = `${x.params['author']}/${x.params['slug']}`
      const entry = at.model(id)
      if (!entry) throw new FaultError(fault('not-found', `There is no model ${id.slice(0, 200)}`))
      const range = (readQuery(x.search)['range'] ?? '30d') as PriceRange
      const model = (at.targetOf(entry) ?? entry).row.id
      const sold = at.endpointsOf(model).filter(({ disabled, simulated }) => !disabled && !simulated)
      const { from, to, by, since, endpoints } = await services.prices.history({ model, endpoints: sold.map((endpoint) => endpoint.id), range })
      return {
        json: {
          data: {
            id: entry.row.id, range, from: time(from), to: time(to - 1), step: by, recorded_since: since === null ? null : time(since),
            endpoints: endpoints.map((prices) => {
              const { tag, providerName } = sellerOf(at, prices.id)
              return {
                tag, provider_name: providerName,
                list_prices: prices.listed.map((it) => ({ since: time(it.at), pricing: it.pricing })),
                effective_prices: prices.paid.map((it) => ({
                  from: time(it.at), requests: it.requests, prompt_tokens: it.promptTokens, completion_tokens: it.completionTokens,
                  effective_price_per_million: it.perMillion, list_price_per_million: it.listPerMillion,
                })),
              }
            }),
            ...(await services.figures.isDemo() && { demo_traffic: true }),
          },
        },
      }
    },
  }]
}

const time = (at: number): string => new Date(at).toISOString()
