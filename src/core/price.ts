import { ceilToNano, type Atto, type Nano } from './money.ts'
import type { Usage } from './usage.ts'

/** The keys of a price sheet, with OpenRouter's names. The first group is per token, the second per unit. */
export const TOKEN_PRICES = [
  'prompt',
  'completion',
  'input_cache_read',
  'input_cache_write',
  'input_cache_write_1h',
  'internal_reasoning',
  'audio',
  'audio_output',
  'input_audio_cache',
  'image_token',
  'image_output',
] as const
export const UNIT_PRICES = [
  'request',
  'image',
  'web_search',
  'output_image',
  'input_second',
  'output_second',
  'character',
  'search_unit',
  'page',
] as const

export type PriceKey = (typeof TOKEN_PRICES)[number] | (typeof UNIT_PRICES)[number]

/** Atto-dollars per unit. An absent key means that no separate charge is known: reasoning then costs as completion. */
export type Rates = Readonly<Partial<Record<PriceKey, Atto>>>

/** Rates that replace others when their condition holds, for the whole request and not only the excess. */
export interface PriceOverride {
  /** Applies when the prompt has strictly more tokens than this. */
  readonly minPromptTokens: number
  readonly rates: Rates
}

/**
 * What one endpoint charges. A discount is already inside the rates and only shown.
 * `source` says who set the prices: the catalogue, the operator's file, or the provider's answer
 * (`stated`: the rates only bound the worst case, the cost that the answer states is the price).
 */
export interface PriceSheet {
  readonly rates: Rates
  readonly overrides: readonly PriceOverride[]
  readonly discount?: number
  readonly source: 'catalogue' | 'operator' | 'stated'
}

/** What one reply costs. `total` is rounded up once; the shares are exact and are shown, never summed. */
export interface Charge {
  readonly total: Nano
  readonly prompt: Atto
  readonly completion: Atto
  readonly services: Atto
}

export const NO_CHARGE: Charge = Object.freeze({ total: 0n, prompt: 0n, completion: 0n, services: 0n })

/** The rates that hold for a prompt of this many tokens: among the overrides that apply, later ones win per key. */
export function ratesFor(sheet: PriceSheet, promptTokens: number): Rates {
  let rates = sheet.rates
  for (const override of sheet.overrides) {
    if (promptTokens > override.minPromptTokens) rates = { ...rates, ...override.rates }
  }
  return rates
}

/**
 * The cost of a usage at a sheet, in exact integers with one rounding up at the end.
 * Tokens that have a price of their own (cache, audio, image, reasoning) leave the plain count;
 * where the sheet names no such price they stay in it.
 */
export function charge(sheet: PriceSheet, usage: Usage): Charge {
  const rates = ratesFor(sheet, usage.input.total)
  const prompt = promptCost(rates, usage.input)
  const completion = completionCost(rates, usage.output)
  let services = rates.request ?? 0n
  for (const [unit, count] of Object.entries(usage.services)) {
    const rate = rates[unit as PriceKey]
    if (rate !== undefined && count > 0) services += rate * BigInt(Math.ceil(count))
  }
  if (sheet.source === 'stated' && usage.stated !== undefined) {
    return { total: usage.stated, prompt, completion, services }
  }
  return { total: ceilToNano(prompt + completion + services), prompt, completion, services }
}

/**
 * The most that a request can cost at a sheet: every prompt token at the dearest input rate, every output token
 * at the dearest output rate, over all overrides that the prompt may reach.
 */
export function worstCharge(sheet: PriceSheet, bound: { inputTokens: number; outputTokens: number; images: number }): Nano {
  let worst = worstAt(sheet.rates, bound)
  for (const override of sheet.overrides) {
    if (bound.inputTokens <= override.minPromptTokens) continue
    const cost = worstAt({ ...sheet.rates, ...override.rates }, bound)
    if (cost > worst) worst = cost
  }
  return ceilToNano(worst)
}

const INPUT_RATES = ['prompt', 'input_cache_write', 'input_cache_write_1h', 'audio', 'image_token'] as const
const OUTPUT_RATES = ['completion', 'internal_reasoning', 'audio_output', 'image_output'] as const

function worstAt(rates: Rates, bound: { inputTokens: number; outputTokens: number; images: number }): Atto {
  let cost = dearest(rates, INPUT_RATES) * BigInt(bound.inputTokens) + dearest(rates, OUTPUT_RATES) * BigInt(bound.outputTokens)
  if (rates.request !== undefined) cost += rates.request
  if (rates.image !== undefined && bound.images > 0) cost += rates.image * BigInt(bound.images)
  return cost
}

function promptCost(rates: Rates, input: Usage['input']): Atto {
  return split(rates.prompt, input.total, [
    [input.cacheRead, rates.input_cache_read],
    [input.cacheWrite5m, rates.input_cache_write],
    [input.cacheWrite1h, rates.input_cache_write_1h ?? rates.input_cache_write],
    [input.audio, rates.audio],
    [input.image, rates.image_token],
  ])
}

function completionCost(rates: Rates, output: Usage['output']): Atto {
  return split(rates.completion, output.total, [
    [output.reasoning, rates.internal_reasoning],
    [output.audio, rates.audio_output],
    [output.image, rates.image_output],
  ])
}

/** Parts at their own rates, where they have one, and the rest of the total at the plain rate. */
function split(plain: Atto | undefined, total: number, parts: readonly (readonly [tokens: number, rate: Atto | undefined])[]): Atto {
  let left = total
  let cost = 0n
  for (const [tokens, rate] of parts) {
    if (rate === undefined || tokens <= 0 || left <= 0) continue
    const taken = Math.min(tokens, left)
    left -= taken
    cost += rate * BigInt(taken)
  }
  return plain === undefined ? cost : cost + plain * BigInt(left)
}

function dearest(rates: Rates, keys: readonly PriceKey[]): Atto {
  let most = 0n
  for (const key of keys) {
    const rate = rates[key]
    if (rate !== undefined && rate > most) most = rate
  }
  return most
}
