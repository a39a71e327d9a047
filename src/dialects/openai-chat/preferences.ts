import { attoFromDecimal, fault, type Atto, type Fault, type Percentiles, type Preferences } from '../../core/index.ts'
import { given, type Loose } from './wire.ts'

type MaxPrice = NonNullable<Preferences['maxPrice']>

/** `model`, `models`, `route` and `provider` of a checked body as preferences. */
export function readPreferences(body: Loose): { preferences: Preferences } | { fault: Fault } {
  const models = modelsOf(body)
  if (models.length === 0) {
    return { fault: fault('invalid-request', 'No model was named: set "model", or a list in "models".', { field: 'model' }) }
  }
  const provider: Loose | null | undefined = body['provider']
  if (!provider) return { preferences: body['route'] === 'sort' ? { models, sort: { partition: 'none' } } : { models } }
  const maxPrice = provider['max_price'] ? readMaxPrice(provider['max_price']) : null
  if (maxPrice && 'fault' in maxPrice) return maxPrice
  const sort = sortOf(provider['sort'], body['route'])
  return {
    preferences: {
      models,
      ...list('order', provider['order']),
      ...list('only', provider['only']),
      ...list('ignore', provider['ignore']),
      ...(given(provider['allow_fallbacks']) && { allowFallbacks: provider['allow_fallbacks'] }),
      ...(given(provider['require_parameters']) && { requireParameters: provider['require_parameters'] }),
      ...(given(provider['max_output']) && { maxOutput: provider['max_output'] }),
      ...(given(provider['unsupported_parameters']) && { unsupportedParameters: provider['unsupported_parameters'] }),
      ...(given(provider['hedge']) && { hedge: provider['hedge'] }),
      ...(given(provider['coalesce']) && { coalesce: provider['coalesce'] }),
      ...(given(provider['data_collection']) && { dataCollection: provider['data_collection'] }),
      ...(given(provider['zdr']) && { zdr: provider['zdr'] }),
      ...(given(provider['enforce_distillable_text']) && { enforceDistillableText: provider['enforce_distillable_text'] }),
      ...list('quantizations', provider['quantizations']),
      ...(sort && { sort }),
      ...percentiles('preferredMinThroughput', provider['preferred_min_throughput']),
      ...percentiles('preferredMaxLatency', provider['preferred_max_latency']),
      ...(maxPrice && { maxPrice: maxPrice.value }),
      ...(given(provider['options']) && { options: provider['options'] }),
    },
  }
}

/** Without a model those of the preset are meant, which is what the name of a preset in the place of a model says. */
function modelsOf({ model, models, preset }: Loose): string[] {
  if (!models && !model && preset) return [`@preset/${preset}`]
  if (!models) return model ? [model] : []
  return [...new Set<string>(model ? [model, ...models] : models)]
}

/**
 * `route: "sort"` is the old spelling of partition none, `"fallback"` of partition model, which is the default. A
 * partition stands on its own: without `by` the models are mixed, and drawn as by default.
 */
function sortOf(sort: unknown, route: unknown): Preferences['sort'] | undefined {
  const partition = route === 'sort' ? 'none' : 'model'
  if (typeof sort === 'string') return { by: sort as never, partition }
  const { by, partition: stated } = (sort ?? NOTHING) as Loose
  if (by) return { by, partition: stated ?? partition }
  return (stated ?? partition) === 'none' ? { partition: 'none' } : undefined
}

const NOTHING: Loose = Object.freeze({})

const PER_MILLION = 1_000_000n

/** Prompt, completion and audio are dollars per million tokens on the wire, and per token here; the rest per unit. */
function readMaxPrice(given: Loose): { value: MaxPrice } | { fault: Fault } {
  const value: Record<string, Atto> = {}
  for (const [key, amount] of Object.entries(given)) {
    if (amount === null || amount === undefined) continue
    const field = `provider.max_price.${key}`
    const atto = attoFromDecimal(typeof amount === 'number' ? plainDecimal(amount) : amount)
    if (atto === null) return { fault: fault('invalid-request', `${field}: must be dollars as a decimal with at most 18 places`, { field }) }
    value[key] = key === 'request' || key === 'image' ? atto : atto / PER_MILLION
  }
  return { value: value as MaxPrice }
}

/** A number without an exponent: 1e-7 is "0.0000001". */
const plainDecimal = (amount: number): string => (/e/i.test(String(amount)) ? amount.toFixed(18) : String(amount))

const list = (key: string, value: unknown): object | null => (Array.isArray(value) ? { [key]: value } : null)

/** A bare number means the median. */
function percentiles(key: string, value: unknown): { [key: string]: Percentiles } | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return { [key]: { p50: value } }
  const stated = Object.fromEntries(Object.entries(value as Loose).filter(([, figure]) => figure !== null && figure !== undefined))
  return Object.keys(stated).length > 0 ? { [key]: stated as Percentiles } : null
}
