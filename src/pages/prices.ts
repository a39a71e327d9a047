import { sellerOf, type Snapshot } from '../catalog/index.ts'
import type { PricesView, Site } from '../site.ts'
import { listPerMillionOf, type ListPricing, type PaidPrice, type Prices } from '../stats/index.ts'
import { countedAs, saleOf, type Shelf } from './views.ts'

/** Three tokens in for one out: the usual mix, where nothing was asked that could say another. */
const USUAL = { prompt: 3, completion: 1, requests: 0 }

/** What a model cost over time. */
export function createPriceHistory({ shelf, prices }: { shelf(): Shelf; readonly prices: Pick<Prices, 'history'> }): Pick<Site, 'prices'> {
  return {
    async prices(id, range) {
      const now = shelf()
      const entry = now.at.model(id)
      const model = entry === null ? id : countedAs(now, entry)
      const { endpoints, ...told } = await prices.history({ model, endpoints: saleOf(now, model).map((endpoint) => endpoint.id), range })
      const mix = mixOf(endpoints.flatMap(({ paid }) => paid))
      return { range, ...told, mix, endpoints: endpoints.map((it) => viewOf(now.at, it, mix)).toSorted(byWeight) }
    },
  }
}

type EndpointView = PricesView['endpoints'][number]

function viewOf(at: Snapshot, { id, listed, paid }: Awaited<ReturnType<Prices['history']>>['endpoints'][number], mix: PricesView['mix']): EndpointView {
  return {
    id, ...sellerOf(at, id), paid,
    listed: listed.map(({ at: since, pricing }) => ({
      at: since, ...(pricing === null ? { pricing, overrides: [] } : partsOf(pricing)), perMillion: listPerMillionOf(pricing, mix.prompt, mix.completion),
    })),
  }
}

function partsOf({ overrides, ...pricing }: ListPricing): Pick<EndpointView['listed'][number], 'pricing' | 'overrides'> {
  const above = (overrides ?? []) as readonly { readonly min_prompt_tokens: number }[]
  return {
    pricing: pricing as Readonly<Record<string, string>>,
    overrides: above.map(({ min_prompt_tokens: minPromptTokens, ...rates }) => ({ minPromptTokens, pricing: rates as Readonly<Record<string, string>> })),
  }
}

function mixOf(paid: readonly PaidPrice[]): PricesView['mix'] {
  if (paid.length === 0) return USUAL
  const sum = (of: (it: PaidPrice) => number): number => paid.reduce((all, it) => all + of(it), 0)
  return { prompt: sum((it) => it.promptTokens), completion: sum((it) => it.completionTokens), requests: sum((it) => it.requests) }
}

const tokensOf = ({ paid }: EndpointView): number => paid.reduce((all, { promptTokens, completionTokens }) => all + promptTokens + completionTokens, 0)
const lastOf = ({ listed }: EndpointView): number => Number(listed.at(-1)?.perMillion ?? Infinity)

function byWeight(a: EndpointView, b: EndpointView): number {
  return tokensOf(b) - tokensOf(a) || Math.sign(lastOf(a) - lastOf(b)) || (a.id < b.id ? -1 : 1)
}
