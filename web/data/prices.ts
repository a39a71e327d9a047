import { dollars, perMillion } from './format.ts'

/** The keys of a price sheet: their names, and the unit that each is compared by. */
const UNITS: Readonly<Record<string, readonly [name: string, unit: string, digits: number]>> = {
  prompt: ['Input', '1M tokens', 6],
  completion: ['Output', '1M tokens', 6],
  input_cache_read: ['Cache read', '1M tokens', 6],
  input_cache_write: ['Cache write', '1M tokens', 6],
  input_cache_write_1h: ['Cache write, 1 h', '1M tokens', 6],
  internal_reasoning: ['Reasoning', '1M tokens', 6],
  audio: ['Audio in', '1M tokens', 6],
  audio_output: ['Audio out', '1M tokens', 6],
  input_audio_cache: ['Cached audio', '1M tokens', 6],
  image_token: ['Image in', '1M tokens', 6],
  image_output: ['Image out', '1M tokens', 6],
  request: ['Request', 'request', 0],
  image: ['Image in', 'image', 0],
  web_search: ['Web search', '1K searches', 3],
  output_image: ['Image out', 'image', 0],
  input_second: ['Input', 'second', 0],
  output_second: ['Output', 'second', 0],
  character: ['Input', '1M characters', 6],
  search_unit: ['Search', '1K units', 3],
  page: ['Page', '1K pages', 3],
}

export interface Price {
  readonly key: string
  readonly name: string
  readonly unit: string
  /** `$1.75` */
  readonly amount: string
}

/** The prices of a sheet in their order, `discount` left out. Zeros that stand for "sold by another unit" are not prices. */
export function pricesOf(pricing: Readonly<Record<string, string>>): readonly Price[] {
  const others = Object.entries(pricing).some(([key, value]) => key !== 'prompt' && key !== 'completion' && !isZero(value))
  return Object.entries(UNITS).flatMap(([key, [name, unit, digits]]) => {
    const value = pricing[key]
    if (value === undefined) return []
    if (isZero(value) && (others || (key !== 'prompt' && key !== 'completion'))) return []
    return [{ key, name, unit, amount: dollars(value, digits) }]
  })
}

/** `$1.75 /M`, or `$0.04 /image` where a model is not sold by tokens; null where the price is not there. */
export function priceOf(pricing: Readonly<Record<string, string>> | null, key: string): string | null {
  const value = pricing?.[key]
  return value === undefined ? null : perMillion(value)
}

const isZero = (value: string): boolean => /^0*(?:\.0*)?$/.test(value)
