import { ratesFor, worstCharge } from '../core/index.ts'
import type { Endpoint, Nano, Need, PriceSheet } from '../core/index.ts'
import type { RoutingPolicy } from './given.ts'

const BYTES_PER_TOKEN = 4

/** The output tokens that prices are compared with. */
export function expectedOutput(need: Need, policy: RoutingPolicy): number {
  return need.outputBound === null ? policy.expectedOutputTokens : Math.min(need.outputBound, policy.expectedOutputTokens)
}

/**
 * What the estimated request costs at a sheet, for comparing and weighing only: a double of atto-dollars that never
 * becomes an amount. Where the provider's answer states the price (`stated`), the sheet's bound stands for it.
 */
export function estimatedCost(sheet: PriceSheet, need: Need, outputTokens: number): number {
  const rates = sheet.overrides.length === 0 ? sheet.rates : ratesFor(sheet, need.inputTokens)
  let cost = need.inputTokens * Number(rates.prompt ?? 0n) + outputTokens * Number(rates.completion ?? 0n)
  if (rates.request !== undefined) cost += Number(rates.request)
  if (rates.image !== undefined && need.images > 0) cost += Number(rates.image) * need.images
  if (rates.search_unit !== undefined && need.searchUnits !== undefined) cost += Number(rates.search_unit) * need.searchUnits
  return cost
}

/**
 * More tokens than any tokenizer can make of the prompt: one for each byte (a byte-level vocabulary never makes more),
 * and four times the estimate's share for messages and media.
 */
export function inputCeiling(need: Need): number {
  return need.inputBytes + 4 * Math.max(0, need.inputTokens - Math.ceil(need.inputBytes / BYTES_PER_TOKEN))
}

/** The most that the request can cost at an endpoint; no prompt longer than its window is ever billed, nor any of several. */
export function worstCost(endpoint: Endpoint, sheet: PriceSheet, need: Need, ceiling: number, policy: RoutingPolicy): Nano {
  const { contextLength, maxPromptTokens, maxOutputTokens } = endpoint
  const { apart, searchUnits } = need
  const windows = apart === undefined ? 1 : apart.count
  let inputTokens = ceiling
  if (contextLength !== null && contextLength * windows < inputTokens) inputTokens = contextLength * windows
  if (maxPromptTokens !== null && maxPromptTokens * windows < inputTokens) inputTokens = maxPromptTokens * windows
  let outputTokens = need.outputBound ?? Infinity
  if (maxOutputTokens !== null && maxOutputTokens < outputTokens) outputTokens = maxOutputTokens
  if (contextLength !== null && contextLength < outputTokens) outputTokens = contextLength
  if (outputTokens === Infinity) outputTokens = policy.unboundedOutputTokens
  return worstCharge(sheet, { inputTokens, outputTokens: outputTokens * need.choices, images: need.images, ...(searchUnits !== undefined && { searchUnits }) })
}
