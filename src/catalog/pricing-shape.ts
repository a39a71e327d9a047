import { decimalFromAtto, type Endpoint, type PriceSheet, type Rates } from '../core/index.ts'

/** OpenRouter's pricing object: decimal strings of dollars per unit, `discount` a number, `overrides` a list. */
export type PricingShape = Record<string, unknown> & { prompt: string; completion: string }

/** OpenRouter's mark for a price that is not a fixed number. */
const VARIES = '-1'

/**
 * A price sheet as OpenRouter shows it. `prompt` and `completion` are always there: "0" where a model is sold by
 * another unit, "-1" where no price is known, so that nobody takes it for free.
 */
export function pricingShape(sheet: PriceSheet | null): PricingShape {
  if (!sheet) return { prompt: VARIES, completion: VARIES }
  return {
    prompt: '0',
    completion: '0',
    ...decimals(sheet.rates),
    ...(sheet.discount !== undefined && { discount: sheet.discount }),
    ...(sheet.overrides.length > 0 && {
      overrides: sheet.overrides.map((override) => ({ min_prompt_tokens: override.minPromptTokens, ...decimals(override.rates) })),
    }),
  }
}

function decimals(rates: Rates): Record<string, string> {
  return Object.fromEntries(Object.entries(rates).map(([key, rate]) => [key, decimalFromAtto(rate)]))
}

/**
 * The endpoint whose price and limits a model's own row shows: of those at the default tier the cheapest that has a
 * price, before it those that are on sale, and a listed price before a bound on a stated one. Not a promise of routing.
 */
export function topEndpoint(endpoints: readonly Endpoint[]): Endpoint | null {
  let best: Endpoint | null = null
  let bestRank: readonly [number, bigint] | null = null
  for (const endpoint of endpoints) {
    if (endpoint.tier !== 'default' || endpoint.disabled || (endpoint.simulated && endpoints.length > 1)) continue
    const class_ = endpoint.price === null ? 3 : endpoint.price.source === 'stated' ? 2 : endpoint.deprecated ? 1 : 0
    const rank = [class_, costOf(endpoint.price)] as const
    if (bestRank && (rank[0] > bestRank[0] || (rank[0] === bestRank[0] && rank[1] >= bestRank[1]))) continue
    best = endpoint
    bestRank = rank
  }
  return best
}

/** Three tokens in for one out: the usual mix, so that neither price alone decides. */
function costOf(sheet: PriceSheet | null): bigint {
  return sheet ? 3n * (sheet.rates.prompt ?? 0n) + (sheet.rates.completion ?? 0n) : 0n
}
