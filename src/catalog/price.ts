import {
  attoFromDecimal, TOKEN_PRICES, UNIT_PRICES, type Atto, type PriceKey, type PriceOverride, type PriceSheet, type Rates, type Unpriced,
} from '../core/index.ts'
import { ConfigError, type EndpointRow, type ModelRow, type PricingRow } from './rows.ts'

/** A price that may be billed, or why there is none. */
export type Priced =
  | { readonly price: PriceSheet; readonly unpriced: null }
  | { readonly price: null; readonly unpriced: Unpriced }

const KEYS: ReadonlySet<string> = new Set<string>([...TOKEN_PRICES, ...UNIT_PRICES])
const TOKEN_KINDS = new Set(['chat', 'completion'])
const FREE: Rates = Object.freeze({ prompt: 0n, completion: 0n })

/**
 * The price sheet of an endpoint's row, in atto-dollars per unit. Rows that nobody may be billed by have none: an
 * unknown or suspect price, a price listed at zero (trial offers, mistakes) unless the row is a `:free` variant, and
 * a chat model's sheet without both token prices. What the operator wrote stands. Throws a ConfigError that names
 * the row when a price is not a decimal of at most 18 places.
 */
export function priceOf(row: EndpointRow, model: Pick<ModelRow, 'id' | 'kind'>, known: Decimals = new Map()): Priced {
  const source = row.price_source ?? 'catalogue'
  if (row.pricing === 'free') return { price: { rates: FREE, overrides: [], source: 'operator' }, unpriced: null }
  const rates = ratesOf(row.pricing, () => `${row.id}: pricing`, known)
  const overrides = overridesOf(row, known)
  if (source !== 'operator') {
    if (row.pricing_unknown) return { price: null, unpriced: 'pricing_unknown' }
    if (row.price_suspect) return { price: null, unpriced: 'price_suspect' }
    if (!isFreeVariant(model.id) && (row.zero_listed || costsNothing(rates))) return { price: null, unpriced: 'zero_listed' }
  }
  if (!isComplete(rates, model.kind)) return { price: null, unpriced: 'incomplete' }
  const discount = Number(row.pricing['discount'] ?? 0)
  return { price: { rates, overrides, ...(discount > 0 && { discount }), source }, unpriced: null }
}

/** Decimals that were read before: a few hundred prices stand in the catalogue ten thousand times. */
export type Decimals = Map<string, Atto>

/** The rates of a row of prices. `where` begins the message of a fault. */
export function ratesOf(pricing: PricingRow, where: () => string, known: Decimals): Rates {
  const rates: Partial<Record<PriceKey, Atto>> = {}
  for (const key in pricing) {
    if (key === 'discount') continue
    if (!KEYS.has(key)) throw new ConfigError(`${where()}.${key} is not a price: known are ${[...KEYS].join(', ')}`)
    const text = pricing[key]!
    let rate = known.get(text)
    if (rate === undefined) known.set(text, rate = atto(text, () => `${where()}.${key}`))
    rates[key as PriceKey] = rate
  }
  return rates
}

function overridesOf(row: EndpointRow, known: Decimals): readonly PriceOverride[] {
  if (!row.pricing_overrides) return NO_OVERRIDES
  return row.pricing_overrides.map((override, index) => {
    const { min_prompt_tokens: minPromptTokens, ...pricing } = override
    return { minPromptTokens, rates: ratesOf(pricing as PricingRow, () => `${row.id}: pricing_overrides[${index}]`, known) }
  })
}

const NO_OVERRIDES: readonly PriceOverride[] = Object.freeze([])

function atto(text: unknown, where: () => string): Atto {
  const value = typeof text === 'string' ? attoFromDecimal(text) : null
  if (value !== null && value >= 0n) return value
  throw new ConfigError(`${where()} must be dollars as a decimal string with at most 18 decimals ("0.00000125"), is ${JSON.stringify(text)}`)
}

function isFreeVariant(id: string): boolean {
  return id.endsWith(':free')
}

function costsNothing(rates: Rates): boolean {
  const values = Object.values(rates)
  return values.length > 0 && values.every((rate) => rate === 0n)
}

function isComplete(rates: Rates, kind: string): boolean {
  if (kind === 'embedding') return rates.prompt !== undefined
  if (TOKEN_KINDS.has(kind)) return rates.prompt !== undefined && rates.completion !== undefined
  return Object.keys(rates).length > 0
}

/**
 * What a provider that names the cost in its answer can cost at most, from what others ask for the same model: for
 * each key the dearest rate of any sheet, and every long-context override. Null when nobody's price is known.
 */
export function boundOf(sheets: readonly PriceSheet[]): PriceSheet | null {
  if (sheets.length === 0) return null
  const rates: Partial<Record<PriceKey, Atto>> = {}
  const overrides = new Map<number, Partial<Record<PriceKey, Atto>>>()
  for (const sheet of sheets) {
    raise(rates, sheet.rates)
    for (const { minPromptTokens, rates: higher } of sheet.overrides) {
      const known = overrides.get(minPromptTokens) ?? {}
      raise(known, higher)
      overrides.set(minPromptTokens, known)
    }
  }
  return {
    rates,
    overrides: [...overrides].toSorted(([a], [b]) => a - b).map(([minPromptTokens, higher]) => ({
      minPromptTokens,
      // Another provider's long-context rate may be below the dearest plain one: an override of a bound only raises it.
      rates: Object.fromEntries(Object.entries(higher).filter(([key, rate]) => rate > (rates[key as PriceKey] ?? 0n))),
    })),
    source: 'stated',
  }
}

function raise(into: Partial<Record<PriceKey, Atto>>, rates: Rates): void {
  for (const key in rates) {
    const rate = rates[key as PriceKey]!
    const known = into[key as PriceKey]
    if (known === undefined || rate > known) into[key as PriceKey] = rate
  }
}
