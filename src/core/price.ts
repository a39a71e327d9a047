import { ceilToNano, type Atto, type Nano, decimalFromAtto } from './money.ts'
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
  /** What an attempt that lost against a faster one cost, where the caller had asked for both: inside `total`. */
  readonly hedge?: Nano
  /** What answers cost that were no answers to what was asked, before the one that is charged: inside `total`. */
  readonly retries?: Nano
  /** What another call is charged for the answer that this one shares with it: outside `total`. */
  readonly coalesced?: Nano
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
  const { billed } = usage
  const prompt = billed ? (rates.prompt ?? 0n) * BigInt(billed.input) : promptCost(rates, usage.input)
  const completion = billed ? (rates.completion ?? 0n) * BigInt(billed.output) : completionCost(rates, usage.output)
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

/** More than a request can take of anything that is billed. */
interface WorstBound {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly images: number
  readonly searchUnits?: number
}

/**
 * The most that a request can cost at a sheet: every prompt token at the dearest input rate, every output token
 * at the dearest output rate, over all overrides that the prompt may reach.
 */
export function worstCharge(sheet: PriceSheet, bound: WorstBound): Nano {
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

function worstAt(rates: Rates, bound: WorstBound): Atto {
  let cost = dearest(rates, INPUT_RATES) * BigInt(bound.inputTokens) + dearest(rates, OUTPUT_RATES) * BigInt(bound.outputTokens)
  if (rates.request !== undefined) cost += rates.request
  if (rates.image !== undefined && bound.images > 0) cost += rates.image * BigInt(bound.images)
  if (rates.search_unit !== undefined && bound.searchUnits !== undefined) cost += rates.search_unit * BigInt(bound.searchUnits)
  return cost
}

/** Parts of a count that may have a price of their own, and under which key. */
const INPUT_PARTS = [
  ['cacheRead', 'input_cache_read'], ['cacheWrite5m', 'input_cache_write'], ['cacheWrite1h', 'input_cache_write_1h'],
  ['audio', 'audio'], ['image', 'image_token'],
] as const
const OUTPUT_PARTS = [['reasoning', 'internal_reasoning'], ['audio', 'audio_output'], ['image', 'image_output']] as const

function promptCost(rates: Rates, input: Usage['input']): Atto {
  let left = input.total
  let cost = 0n
  for (const [part, key] of INPUT_PARTS) {
    // A sheet that knows one price of writing to the cache means it for both lifetimes.
    const rate = rates[key] ?? (key === 'input_cache_write_1h' ? rates.input_cache_write : undefined)
    if (rate === undefined || input[part] === 0 || left === 0) continue
    const taken = Math.min(input[part], left)
    left -= taken
    cost += rate * BigInt(taken)
  }
  return left === 0 || rates.prompt === undefined ? cost : cost + rates.prompt * BigInt(left)
}

function completionCost(rates: Rates, output: Usage['output']): Atto {
  let left = output.total
  let cost = 0n
  for (const [part, key] of OUTPUT_PARTS) {
    const rate = rates[key]
    if (rate === undefined || output[part] === 0 || left === 0) continue
    const taken = Math.min(output[part], left)
    left -= taken
    cost += rate * BigInt(taken)
  }
  return left === 0 || rates.completion === undefined ? cost : cost + rates.completion * BigInt(left)
}

function dearest(rates: Rates, keys: readonly PriceKey[]): Atto {
  let most = 0n
  for (const key of keys) {
    const rate = rates[key]
    if (rate !== undefined && rate > most) most = rate
  }
  return most
}

/** Whether the sheet charges for nothing at all. */
export function isFree(sheet: PriceSheet): boolean {
  if (sheet.overrides.length > 0 || sheet.source === 'stated') return false
  for (const key in sheet.rates) if (sheet.rates[key as keyof typeof sheet.rates] !== 0n) return false
  return true
}

/** What so many tokens cost by the list, in dollars for a million of them as a decimal: what was really paid is told beside it. Null of none. */
export function listPerMillion(sheet: Pick<PriceSheet, 'rates'> | null, promptTokens: number, completionTokens: number): string | null {
  const tokens = BigInt(promptTokens + completionTokens)
  if (sheet === null || tokens === 0n) return null
  const atto = (sheet.rates.prompt ?? 0n) * BigInt(promptTokens) + (sheet.rates.completion ?? 0n) * BigInt(completionTokens)
  return decimalFromAtto((atto * 1_000_000n + tokens / 2n) / tokens)
}

/** What the prompt cache saved (writing to it can cost more than it saves, then below 0); null where it was not used. */
export function cacheDiscount(sheet: PriceSheet, { input: { cacheRead, cacheWrite5m, cacheWrite1h, total } }: Usage): Atto | null {
  if (cacheRead + cacheWrite5m + cacheWrite1h === 0) return null
  const rates = ratesFor(sheet, total)
  const plain = rates.prompt ?? 0n
  const write = rates.input_cache_write ?? plain
  return (plain - (rates.input_cache_read ?? plain)) * BigInt(cacheRead)
    + (plain - write) * BigInt(cacheWrite5m)
    + (plain - (rates.input_cache_write_1h ?? write)) * BigInt(cacheWrite1h)
}
