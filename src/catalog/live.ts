import { attoFromDecimal, decimalFromAtto } from '../core/index.ts'

/** One row of a live list, in our units. Absent means that the list does not say. */
export interface LiveRow {
  /** Our model id, where the list speaks of models by OpenRouter's ids. */
  readonly model?: string
  /** Provider slug and the provider's own model id, where the list speaks of endpoints. */
  readonly provider?: string
  readonly upstreamModel?: string
  readonly name?: string
  /** Unix seconds. */
  readonly created?: number
  readonly contextLength?: number
  readonly maxOutputTokens?: number
  /** Decimal dollars per unit, by price key. */
  readonly pricing?: Readonly<Record<string, string>>
  readonly inputModalities?: readonly string[]
  readonly outputModalities?: readonly string[]
  readonly supportedParameters?: readonly string[]
}

type Loose = Record<string, unknown>

const OPENROUTER_PRICES = [
  'prompt', 'completion', 'request', 'image', 'web_search', 'internal_reasoning', 'input_cache_read', 'input_cache_write',
  'input_cache_write_1h', 'audio', 'audio_output', 'image_token', 'image_output', 'input_audio_cache',
]

/** OpenRouter's `GET /models`. Rows without an id are left out; prices that are no decimals are not stated. */
export function readOpenRouter(body: unknown): readonly LiveRow[] {
  return rowsIn(body).flatMap((row) => {
    if (typeof row['id'] !== 'string') return []
    const architecture = object(row['architecture'])
    return {
      model: row['id'],
      upstreamModel: row['id'],
      ...described(row),
      contextLength: tokens(row['context_length']),
      maxOutputTokens: tokens(object(row['top_provider'])['max_completion_tokens']),
      pricing: decimals(object(row['pricing']), OPENROUTER_PRICES),
      inputModalities: words(architecture['input_modalities']),
      outputModalities: words(architecture['output_modalities']),
      supportedParameters: words(row['supported_parameters']),
    }
  })
}

/** Keys of models.dev's `cost`, dollars per million tokens. */
const MODELS_DEV_COST: Readonly<Record<string, string>> = {
  input: 'prompt', output: 'completion', cache_read: 'input_cache_read', cache_write: 'input_cache_write', reasoning: 'internal_reasoning',
  input_audio: 'audio', output_audio: 'audio_output',
}

/** models.dev's `api.json`: providers with their models. `slugOf` turns its provider ids into ours; others are left out. */
export function readModelsDev(body: unknown, slugOf: (id: string) => string | undefined): readonly LiveRow[] {
  return Object.entries(object(body)).flatMap(([id, provider]) => {
    const slug = slugOf(id)
    if (!slug) return []
    return Object.entries(object(object(provider)['models'])).map(([key, value]) => {
      const row = object(value)
      const limit = object(row['limit'])
      const modalities = object(row['modalities'])
      return {
        provider: slug,
        upstreamModel: typeof row['id'] === 'string' ? row['id'] : key,
        ...described(row),
        contextLength: tokens(limit['context']),
        maxOutputTokens: tokens(limit['output']),
        pricing: perMillion(object(row['cost'])),
        inputModalities: words(modalities['input']),
        outputModalities: words(modalities['output']),
      }
    })
  })
}

/** A provider's own OpenAI-style list: ids, and whatever limits it adds (vLLM `max_model_len`, Groq `context_window`). */
export function readOpenAiList(body: unknown, provider: string): readonly LiveRow[] {
  return rowsIn(body).flatMap((row) => typeof row['id'] !== 'string' ? [] : {
    provider,
    upstreamModel: row['id'],
    created: typeof row['created'] === 'number' ? Math.trunc(row['created']) : undefined,
    contextLength: tokens(row['context_length'] ?? row['context_window'] ?? row['max_model_len'] ?? row['max_context_length']),
  })
}

/** Dollars per million tokens, a JSON number, as an exact decimal of dollars per token; undefined when it is not a price. */
export function perToken(dollarsPerMillion: unknown): string | undefined {
  if (typeof dollarsPerMillion !== 'number' || !(dollarsPerMillion >= 0) || dollarsPerMillion > 1e6) return undefined
  // The shortest form of the number is what its author wrote: 0.15, not 0.1499999….
  const atto = attoFromDecimal(String(dollarsPerMillion)) ?? attoFromDecimal(dollarsPerMillion.toFixed(12))
  return atto === null ? undefined : decimalFromAtto(atto / 1_000_000n)
}

function perMillion(cost: Loose): Readonly<Record<string, string>> | undefined {
  const pricing: Record<string, string> = {}
  for (const [from, to] of Object.entries(MODELS_DEV_COST)) {
    const price = perToken(cost[from])
    if (price !== undefined) pricing[to] = price
  }
  return Object.keys(pricing).length > 0 ? pricing : undefined
}

function decimals(from: Loose, keys: readonly string[]): Readonly<Record<string, string>> | undefined {
  const pricing: Record<string, string> = {}
  for (const key of keys) {
    const value = from[key]
    const atto = typeof value === 'string' ? attoFromDecimal(value) : null
    if (atto !== null && atto >= 0n) pricing[key] = decimalFromAtto(atto)
  }
  return Object.keys(pricing).length > 0 ? pricing : undefined
}

function described(row: Loose): Pick<LiveRow, 'name' | 'created'> {
  return {
    ...(typeof row['name'] === 'string' && { name: row['name'].trim() }),
    ...(typeof row['created'] === 'number' && { created: Math.trunc(row['created']) }),
  }
}

function rowsIn(body: unknown): readonly Loose[] {
  const data = Array.isArray(body) ? body : object(body)['data']
  return Array.isArray(data) ? data.map(object) : []
}

function object(value: unknown): Loose {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value as Loose : {}
}

function tokens(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined
}

function words(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((word): word is string => typeof word === 'string') : undefined
}
