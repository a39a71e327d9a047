import { attoFromDecimal, fault, keepsNothing, type Atto, type Endpoint, type Fault, type ModelFigures } from '../core/index.ts'
import { topEndpoint } from './pricing-shape.ts'
import { isListed } from './shapes.ts'
import type { ModelEntry, Snapshot } from './snapshot.ts'

/** A list of models as it was asked for, or what is wrong with the question. */
export type ModelList =
  | {
      readonly entries: readonly ModelEntry[]
      /** How many there are over all pages. */
      readonly total: number
      /** The query of the next page, without `?`; null on the last. */
      readonly next: string | null
    }
  | { readonly fault: Fault }

export interface QueryContext {
  readonly snapshot: Snapshot
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Whether a model may be seen at all; for `/v1/models`, what the key may use. */
  readonly visible?: (entry: ModelEntry) => boolean
  /** What the route shows when the query names no output modality: `text` for models, `embeddings` for those. */
  readonly defaultOutput?: string
  /** What models did, by id: needed where `asksForFigures`, and otherwise not looked at. */
  readonly figures?: ReadonlyMap<string, ModelFigures>
}

const PAGE = 500
const MAX_PAGE = 1000
const DAY_SECONDS = 86_400
const TOKENS_PER_PRICE = 1_000_000n

/** Orders by what this instance's traffic did: the figure, and whether more of it is better. Models without it come last. */
const MEASURED_SORTS: Readonly<Record<string, { readonly figure: 'weekTokens' | 'monthTokens' | 'throughput' | 'latencyMs'; readonly sign: 1 | -1 }>> = {
  'top-weekly': { figure: 'weekTokens', sign: -1 },
  'most-popular': { figure: 'monthTokens', sign: -1 },
  'throughput-high-to-low': { figure: 'throughput', sign: -1 },
  'latency-low-to-high': { figure: 'latencyMs', sign: 1 },
}
const MEASURED_FILTERS = ['min_tool_success_rate', 'max_tool_success_rate'] as const

/** Sorts that need scores which the catalogue does not hold. */
const SORTS_NOT_YET = ['intelligence-high-to-low', 'coding-high-to-low', 'agentic-high-to-low', 'design-arena-elo-high-to-low']
/** Filters that need data which the catalogue does not hold. Answering them with every model, or none, would be untrue. */
const FILTERS_NOT_YET = [
  'category', 'region', 'min_intelligence_index', 'max_intelligence_index', 'min_coding_index', 'max_coding_index', 'min_agentic_index',
  'max_agentic_index',
]

type Keep = (entry: ModelEntry) => boolean
type Order = (a: ModelEntry, b: ModelEntry) => number

/** Whether a query cannot be answered without what was measured of models. */
export function asksForFigures(query: URLSearchParams): boolean {
  return Object.hasOwn(MEASURED_SORTS, query.get('sort')?.trim() ?? '') || MEASURED_FILTERS.some((name) => query.get(name)?.trim())
}

/**
 * Answers the query of `GET /models`: filters, then the order, then the page. Everything when neither `offset` nor
 * `limit` is sent, otherwise 500 a page, at most 1,000. Lists of parameters and of input modalities want all of their
 * words, other lists any. Prices are dollars per million tokens and leave out models without a price. A filter or a
 * sort that needs what is not measured here is a 400 that names it.
 */
export function queryModels(query: URLSearchParams, context: QueryContext): ModelList {
  const read = createReader(query)
  const keeps = filtersOf(read, context)
  const order = orderOf(read, context)
  const offset = read.whole('offset', 0, Number.MAX_SAFE_INTEGER)
  const limit = read.whole('limit', 1, MAX_PAGE)
  const wrong = read.fault()
  if (wrong) return { fault: wrong }

  const entries = context.snapshot.models.filter((entry) => isListed(entry)
    && (context.visible?.(entry) ?? true) && keeps.every((keep) => keep(entry)))
  entries.sort(order)
  if (offset === null && limit === null) return { entries, total: entries.length, next: null }
  const start = offset ?? 0
  const size = limit ?? PAGE
  const end = start + size
  return { entries: entries.slice(start, end), total: entries.length, next: end < entries.length ? pageAfter(query, end, size) : null }
}

function pageAfter(query: URLSearchParams, offset: number, limit: number): string {
  const next = new URLSearchParams(query)
  next.set('offset', String(offset))
  next.set('limit', String(limit))
  return next.toString()
}

function filtersOf(read: Reader, context: QueryContext): readonly Keep[] {
  const { snapshot, now, defaultOutput } = context
  const keeps: Keep[] = []
  const add = <T>(value: T | null, keep: (value: T, entry: ModelEntry) => boolean) => {
    if (value !== null) keeps.push((entry) => keep(value, entry))
  }
  const anyEndpoint = (entry: ModelEntry, test: (endpoint: Endpoint) => boolean): boolean =>
    snapshot.endpointsOf(entry.row.id).some((endpoint) => !endpoint.disabled && test(endpoint))

  for (const name of FILTERS_NOT_YET) read.refuse(name)
  const outputs = read.list('output_modalities') ?? [defaultOutput ?? 'text']
  if (!outputs.includes('all')) keeps.push((entry) => outputs.some((output) => entry.model.outputModalities.has(output)))
  add(read.list('input_modalities'), (wanted, entry) => wanted.every((input) => entry.model.inputModalities.has(input)))
  add(read.list('supported_parameters'), (wanted, entry) => {
    const own = new Set(entry.row.supported_parameters)
    return wanted.every((name) => own.has(name) || anyEndpoint(entry, (endpoint) => endpoint.parameters?.has(name) ?? false))
  })
  add(read.text('q'), (words, entry) => {
    const text = `${entry.row.id} ${entry.row.name} ${entry.row.canonical_slug} ${entry.row.aliases.join(' ')}`.toLowerCase()
    return words.toLowerCase().split(/\s+/).every((word) => text.includes(word))
  })
  add(read.whole('context', 0, Number.MAX_SAFE_INTEGER), (least, entry) => (entry.row.context_length ?? 0) >= least)
  for (const [name, key, sign] of [
    ['min_price', 'prompt', 1n], ['max_price', 'prompt', -1n], ['min_output_price', 'completion', 1n], ['max_output_price', 'completion', -1n],
  ] as const) {
    add(read.price(name), (bound, entry) => {
      const rate = topEndpoint(snapshot.endpointsOf(entry.row.id))?.price?.rates[key]
      return rate !== undefined && (rate * TOKENS_PER_PRICE - bound) * sign >= 0n
    })
  }
  add(read.list('arch'), (wanted, entry) => wanted.includes((entry.row.tokenizer ?? 'other').toLowerCase()))
  add(read.list('model_authors'), (wanted, entry) => wanted.includes(entry.row.author.toLowerCase()))
  add(read.list('providers'), (wanted, entry) => anyEndpoint(entry, (endpoint) =>
    wanted.includes(endpoint.provider) || wanted.includes(endpoint.providerName.toLowerCase())))
  add(read.flag('zdr'), (wanted, entry) => anyEndpoint(entry, ({ dataPolicy }) => keepsNothing(dataPolicy)) === wanted)
  add(read.flag('distillable'), (wanted, entry) => (entry.row.distillation === true) === wanted)
  add(read.list('variant'), (wanted, entry) => wanted.includes(entry.row.variant ?? 'standard'))
  for (const [name, sign] of [['min_tool_success_rate', 1], ['max_tool_success_rate', -1]] as const) {
    add(read.share(name), (bound, entry) => {
      const rate = figuresOf(context, entry)?.toolSuccess ?? null
      return rate !== null && (rate - bound) * sign >= 0
    })
  }
  const age = (entry: ModelEntry): number => (now / 1000 - (entry.row.created ?? 0)) / DAY_SECONDS
  add(read.whole('min_age_days', 0, 100_000), (days, entry) => age(entry) >= days)
  add(read.whole('max_age_days', 0, 100_000), (days, entry) => entry.row.created !== null && age(entry) <= days)
  return keeps
}

/** What a model did. Of a moving alias it is what its target did, under whose name its traffic is counted. */
function figuresOf({ snapshot, figures }: QueryContext, entry: ModelEntry): ModelFigures | undefined {
  return figures?.get((snapshot.targetOf(entry) ?? entry).row.id)
}

function orderOf(read: Reader, context: QueryContext): Order {
  const { snapshot } = context
  const byId: Order = (a, b) => (a.row.id < b.row.id ? -1 : 1)
  const newest: Order = (a, b) => (b.row.created ?? 0) - (a.row.created ?? 0) || byId(a, b)
  const prices = new Map<ModelEntry, Atto | null>()
  const priceOf = (entry: ModelEntry): Atto | null => {
    let price = prices.get(entry)
    if (price === undefined) {
      const rates = topEndpoint(snapshot.endpointsOf(entry.row.id))?.price?.rates
      prices.set(entry, price = rates?.prompt ?? null)
    }
    return price
  }
  const byPrice = (sign: number): Order => (a, b) => {
    const [left, right] = [priceOf(a), priceOf(b)]
    if (left === null || right === null) return Number(left === null) - Number(right === null) || byId(a, b)
    return left === right ? byId(a, b) : left < right ? -sign : sign
  }
  const byFigure = ({ figure, sign }: typeof MEASURED_SORTS[string]): Order => (a, b) => {
    const [left, right] = [figuresOf(context, a)?.[figure] || null, figuresOf(context, b)?.[figure] || null]
    if (left === null || right === null) return Number(left === null) - Number(right === null) || newest(a, b)
    return (left - right) * sign || newest(a, b)
  }
  const orders: Readonly<Record<string, Order>> = {
    newest,
    'pricing-low-to-high': byPrice(1),
    'pricing-high-to-low': byPrice(-1),
    'context-high-to-low': (a, b) => (b.row.context_length ?? 0) - (a.row.context_length ?? 0) || byId(a, b),
    ...Object.fromEntries(Object.entries(MEASURED_SORTS).map(([name, sort]) => [name, byFigure(sort)])),
  }
  return orders[read.word('sort', Object.keys(orders), SORTS_NOT_YET) ?? 'newest'] ?? newest
}

/** Reads the words of a query and remembers the first that is wrong. An empty value counts as not sent. */
interface Reader {
  text(name: string): string | null
  /** Comma-separated words in lower case. */
  list(name: string): readonly string[] | null
  whole(name: string, min: number, max: number): number | null
  flag(name: string): boolean | null
  /** From 0 to 1. */
  share(name: string): number | null
  /** Dollars as a decimal, in atto-dollars. */
  price(name: string): Atto | null
  word(name: string, known: readonly string[], notYet: readonly string[]): string | null
  refuse(name: string): void
  fault(): Fault | null
}

function createReader(query: URLSearchParams): Reader {
  let wrong: Fault | null = null
  const fail = (field: string, message: string): null => {
    wrong ??= fault('invalid-request', `${field} ${message}`, { field })
    return null
  }
  const text = (name: string): string | null => query.get(name)?.trim() || null
  return {
    text,
    list(name) {
      const words = text(name)?.toLowerCase().split(',').map((word) => word.trim()).filter(Boolean)
      return words?.length ? words : null
    },
    whole(name, min, max) {
      const given = text(name)
      if (given === null) return null
      const value = Number(given)
      if (/^\d+$/.test(given) && value >= min && value <= max) return value
      const upper = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
      return fail(name, `must be a whole number ${upper}, is ${JSON.stringify(given)}`)
    },
    flag(name) {
      const given = text(name)?.toLowerCase()
      if (given === undefined) return null
      return given === 'true' ? true : given === 'false' ? false : fail(name, `must be true or false, is ${JSON.stringify(given)}`)
    },
    share(name) {
      const given = text(name)
      if (given === null) return null
      const value = /^[01]?(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
      return value >= 0 && value <= 1 ? value : fail(name, `must be a share from 0 to 1 such as 0.95, is ${JSON.stringify(given)}`)
    },
    price(name) {
      const given = text(name)
      if (given === null) return null
      const value = attoFromDecimal(given)
      return value !== null && value >= 0n ? value : fail(name, `must be dollars per million tokens such as 0.5, is ${JSON.stringify(given)}`)
    },
    word(name, known, notYet) {
      const given = text(name)
      if (given === null || known.includes(given)) return given
      if (notYet.includes(given)) return fail(name, `${given} is not available yet; available are ${known.join(', ')}`)
      return fail(name, `must be one of ${known.join(', ')}, is ${JSON.stringify(given)}`)
    },
    refuse(name) {
      if (text(name) !== null) fail(name, 'is not available yet as a filter')
    },
    fault: () => wrong,
  }
}
