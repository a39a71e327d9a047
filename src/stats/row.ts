import {
  attoFromDecimal, decimalFromAtto, usage,
  type Attempt, type Coalesced, type FaultKind, type FinishReason, type Generation, type PriceKey, type PriceSheet, type Quality, type Rates, type Usage,
} from '../core/index.ts'
import type { Selectable } from 'kysely'
import type { Counted } from './cuts.ts'
import { readColumn, storable, type Flag, type GenerationTable, type Row } from '../store/index.ts'

/** Where a record stands among those that this run of the program wrote. */
export interface Place {
  readonly node: number
  readonly seq: number
}

/** A record with its place among those of its run. */
export interface Recorded {
  readonly generation: Generation
  readonly seq: number
}

type Reader = (generation: Generation, textOf: (sheet: PriceSheet) => string, place: Place) => Row[number]
export type GenerationRow = Selectable<GenerationTable>

/** The columns of a generation, in the order that a row gives their values. */
const VALUES = {
  id: g => g.id,
  created_at: g => g.createdAt,
  key_id: g => g.keyId,
  workspace: g => g.workspace,
  surface: g => g.surface,
  requested: g => g.requested,
  model: g => g.model,
  endpoint: g => g.endpoint,
  provider: g => g.provider,
  provider_name: g => g.providerName,
  upstream_id: g => g.upstreamId,
  streamed: g => flag(g.streamed),
  cancelled: g => flag(g.cancelled),
  simulated: g => flag(g.simulated),
  finish: g => g.finish,
  native_finish: g => g.nativeFinish,
  fault: g => g.fault,
  latency_ms: g => (g.latencyMs === null ? null : Math.round(g.latencyMs)),
  duration_ms: g => Math.round(g.durationMs),
  input_tokens: g => g.usage.input.total,
  cache_read_tokens: g => g.usage.input.cacheRead,
  cache_write_5m_tokens: g => g.usage.input.cacheWrite5m,
  cache_write_1h_tokens: g => g.usage.input.cacheWrite1h,
  input_audio_tokens: g => g.usage.input.audio,
  input_image_tokens: g => g.usage.input.image,
  input_video_tokens: g => g.usage.input.video,
  output_tokens: g => g.usage.output.total,
  reasoning_tokens: g => g.usage.output.reasoning,
  output_audio_tokens: g => g.usage.output.audio,
  output_image_tokens: g => g.usage.output.image,
  prediction_accepted_tokens: g => g.usage.output.predictionAccepted,
  prediction_rejected_tokens: g => g.usage.output.predictionRejected,
  services: g => servicesText(g.usage.services),
  stated_nano: g => g.usage.stated ?? null,
  counted: g => g.usage.counted,
  cost_nano: g => g.cost,
  absorbed_nano: g => g.absorbed,
  price: (g, textOf) => (g.price === null ? null : textOf(g.price)),
  tier: g => g.tier,
  attempts: attemptsText,
  cached_from: g => g.cachedFrom ?? null,
  coalesced: g => (g.coalesced === undefined ? null : coalescedText(g.coalesced)),
  untried: g => g.untried,
  referer: g => g.referer,
  title: g => g.title,
  categories: g => (g.categories.length === 0 ? null : JSON.stringify(g.categories)),
  user_agent: g => g.userAgent,
  external_user: g => g.user,
  session: g => g.session,
  input_media: g => g.inputMedia,
  input_audio: g => g.inputAudio,
  tools: g => (g.quality === null ? null : flag(g.quality.tools)),
  tool_calls: g => g.quality?.toolCalls ?? null,
  bad_tool_calls: g => g.quality?.badToolCalls ?? null,
  structured: g => (g.quality === null ? null : flag(g.quality.structured)),
  bad_structured: g => (g.quality === null ? null : flag(g.quality.badStructured)),
  preset_id: g => g.presetId ?? null,
  sampling: g => (g.sampling === null ? null : JSON.stringify(g.sampling)),
  node: (_, __, place) => place.node,
  seq: (_, __, place) => place.seq,
  probe: g => flag(g.probe === true),
} as const satisfies { readonly [Column in keyof GenerationTable]: Reader }

export const COLUMNS = Object.keys(VALUES)
const READERS: readonly Reader[] = Object.values(VALUES)

/**
 * Makes the function that turns generations into rows. It remembers the text of each price sheet: sheets come from the
 * catalogue's snapshot, thousands of calls to one. Times within a call are kept as whole milliseconds.
 */
export function createRowWriter(): (generation: Generation, place: Place) => Row {
  const texts = new WeakMap<PriceSheet, string>()
  const textOf = (sheet: PriceSheet): string => {
    const text = texts.get(sheet) ?? priceText(sheet)
    texts.set(sheet, text)
    return text
  }
  return (generation, place) => READERS.map(read => read(generation, textOf, place))
}

/** A generation from its row: what the writer was given, with times within the call rounded. */
export function generationOf(row: GenerationRow): Generation {
  return {
    id: row.id,
    createdAt: row.created_at,
    keyId: row.key_id,
    workspace: row.workspace,
    surface: row.surface,
    requested: row.requested,
    model: row.model,
    endpoint: row.endpoint,
    provider: row.provider,
    providerName: row.provider_name,
    upstreamId: row.upstream_id,
    streamed: row.streamed === 1,
    cancelled: row.cancelled === 1,
    simulated: row.simulated === 1,
    finish: row.finish as FinishReason | null,
    nativeFinish: row.native_finish,
    fault: row.fault as FaultKind | null,
    latencyMs: row.latency_ms,
    durationMs: row.duration_ms,
    usage: usageOf(row),
    cost: row.cost_nano,
    absorbed: row.absorbed_nano,
    price: row.price === null ? null : priceOf(row.price),
    tier: row.tier,
    attempts: attemptsOf(row),
    untried: row.untried,
    referer: row.referer,
    title: row.title,
    categories: categoriesOf(row),
    userAgent: row.user_agent,
    user: row.external_user,
    session: row.session,
    inputMedia: row.input_media,
    inputAudio: row.input_audio,
    quality: qualityOf(row),
    sampling: samplingOf(row),
    ...(row.coalesced !== null && { coalesced: coalescedOf(row.coalesced) }),
    ...(row.preset_id !== null && { presetId: row.preset_id }),
    ...(row.cached_from !== null && { cachedFrom: row.cached_from }),
    ...(row.probe === 1 && { probe: true as const }),
  }
}

function samplingOf({ sampling }: Pick<GenerationRow, 'sampling'>): Generation['sampling'] {
  return sampling === null ? null : readColumn<NonNullable<Generation['sampling']>>(sampling)
}

function qualityOf(row: Pick<GenerationRow, 'tools' | 'tool_calls' | 'bad_tool_calls' | 'structured' | 'bad_structured'>): Quality | null {
  if (row.tools === null) return null
  return {
    tools: row.tools === 1, toolCalls: row.tool_calls ?? 0, badToolCalls: row.bad_tool_calls ?? 0,
    structured: row.structured === 1, badStructured: row.bad_structured === 1,
  }
}

function categoriesOf({ categories }: Pick<GenerationRow, 'categories'>): readonly string[] {
  return categories === null ? [] : readColumn<string[]>(categories)
}

function usageOf(row: GenerationRow): Usage {
  return usage(
    {
      total: row.input_tokens, cacheRead: row.cache_read_tokens, cacheWrite5m: row.cache_write_5m_tokens,
      cacheWrite1h: row.cache_write_1h_tokens, audio: row.input_audio_tokens, image: row.input_image_tokens,
      video: row.input_video_tokens,
    },
    {
      total: row.output_tokens, reasoning: row.reasoning_tokens, audio: row.output_audio_tokens,
      image: row.output_image_tokens, predictionAccepted: row.prediction_accepted_tokens,
      predictionRejected: row.prediction_rejected_tokens,
    },
    {
      ...(row.services !== null && { services: readColumn<Record<string, number>>(row.services) }),
      ...(row.stated_nano !== null && { stated: row.stated_nano }),
      counted: row.counted as Usage['counted'],
    },
  )
}

/** The columns of a generation that are added up. */
export const COUNTED_COLUMNS = [
  'id', 'created_at', 'key_id', 'workspace', 'model', 'endpoint', 'provider', 'provider_name', 'upstream_id', 'streamed', 'cancelled', 'simulated', 'fault',
  'latency_ms', 'duration_ms', 'input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
  'output_tokens', 'reasoning_tokens', 'attempts', 'coalesced', 'referer', 'title', 'categories', 'external_user', 'tools', 'tool_calls', 'bad_tool_calls', 'structured', 'bad_structured', 'sampling', 'node', 'seq', 'probe',
] as const satisfies readonly (keyof GenerationTable)[]
/** Money as decimal text: SQLite reads every number of a row as a bigint when one of them is, at twice the price. */
export type CountedRow = Pick<GenerationRow, typeof COUNTED_COLUMNS[number]> & { readonly cost: string; readonly absorbed: string }
type AttemptsRow = Pick<GenerationRow, 'attempts' | 'endpoint' | 'provider' | 'provider_name' | 'model' | 'upstream_id'>

/** What is added up of a generation, from those columns of its row and its money. */
export function countedOf(row: CountedRow): Counted {
  return {
    id: row.id, createdAt: row.created_at, keyId: row.key_id, workspace: row.workspace, model: row.model, endpoint: row.endpoint, provider: row.provider,
    streamed: row.streamed === 1, cancelled: row.cancelled === 1, simulated: row.simulated === 1, fault: row.fault as FaultKind | null,
    latencyMs: row.latency_ms, durationMs: row.duration_ms,
    usage: usage(
      {
        total: row.input_tokens, cacheRead: row.cache_read_tokens,
        cacheWrite5m: row.cache_write_5m_tokens, cacheWrite1h: row.cache_write_1h_tokens,
      },
      { total: row.output_tokens, reasoning: row.reasoning_tokens },
    ),
    ...(row.coalesced !== null && { coalesced: coalescedOf(row.coalesced) }),
    cost: BigInt(row.cost), absorbed: BigInt(row.absorbed), attempts: attemptsOf(row), referer: row.referer, title: row.title,
    categories: categoriesOf(row), user: row.external_user,
    quality: qualityOf(row), sampling: samplingOf(row), ...(row.probe === 1 && { probe: true as const }),
  }
}

/** The same of a record that is just written, as it would be read: times whole, and the text that callers choose as a column keeps it. */
export function countedAsWritten(g: Generation): Counted {
  const user = g.user === null ? null : storable(g.user)
  const latencyMs = g.latencyMs === null ? null : Math.round(g.latencyMs)
  const durationMs = Math.round(g.durationMs)
  return user === g.user && latencyMs === g.latencyMs && durationMs === g.durationMs ? g : { ...g, user, latencyMs, durationMs }
}

/** What the only attempt of a call that was answered at once knows beyond the call's own row. */
type Only = readonly [credential: string, startedAt: number, headersMs: number | null, durationMs: number, status: number | null]

/** Attempts as JSON. Almost every call has one, which repeats its row: half of what a record would take is left away. */
function attemptsText(g: Generation): string {
  const [only] = g.attempts
  const repeats = g.attempts.length === 1 && only?.outcome === 'answered' && only.fault === null && only.endpoint === g.endpoint
    && only.providerName === g.providerName && only.upstreamId === g.upstreamId
  if (!repeats) return JSON.stringify(g.attempts.some(({ cost }) => cost !== undefined) ? g.attempts.map(withCostText) : g.attempts)
  return JSON.stringify([only.credential, only.startedAt, only.headersMs, only.durationMs, only.status] satisfies Only)
}

function attemptsOf(row: AttemptsRow): readonly Attempt[] {
  const read = readColumn<readonly Attempt[] | Only>(row.attempts)
  if (typeof read[0] !== 'string') return (read as readonly WrittenAttempt[]).map(withCost)
  const [credential, startedAt, headersMs, durationMs, status] = read as Only
  return [{
    endpoint: row.endpoint!, provider: row.provider!, providerName: row.provider_name!, model: row.model!, credential, startedAt,
    headersMs, durationMs, status, upstreamId: row.upstream_id, outcome: 'answered', fault: null, message: null,
  }]
}

/** JSON has no bigint: what an attempt cost is text there. */
type WrittenAttempt = Omit<Attempt, 'cost'> & { readonly cost?: string }

function withCostText({ cost, ...rest }: Attempt): WrittenAttempt {
  return cost === undefined ? rest : { ...rest, cost: String(cost) }
}

function withCost(attempt: WrittenAttempt): Attempt {
  return attempt.cost === undefined ? attempt as Attempt : { ...attempt, cost: BigInt(attempt.cost) }
}

/** JSON has no bigint here either. */
function coalescedText(of: Coalesced): string {
  return JSON.stringify({ ...of, cost: String(of.cost) })
}

function coalescedOf(text: string): Coalesced {
  const { cost, ...rest } = readColumn<Omit<Coalesced, 'cost'> & { readonly cost: string }>(text)
  return { ...rest, cost: BigInt(cost) }
}

function flag(yes: boolean): Flag {
  return yes ? 1 : 0
}

function servicesText(services: Usage['services']): string | null {
  for (const _ in services) return JSON.stringify(services)
  return null
}

/** A price sheet as JSON, with prices as decimal strings of dollars. */
export function priceText(sheet: PriceSheet): string {
  return JSON.stringify({
    ...sheet,
    rates: decimals(sheet.rates),
    overrides: sheet.overrides.map(({ minPromptTokens, rates }) => ({ minPromptTokens, rates: decimals(rates) })),
  })
}

/** The sheet that `priceText` wrote. */
export function priceOf(text: string): PriceSheet {
  type Written = Omit<PriceSheet, 'rates' | 'overrides'> & {
    rates: Record<string, string>
    overrides: { minPromptTokens: number; rates: Record<string, string> }[]
  }
  const sheet = readColumn<Written>(text)
  return {
    ...sheet,
    rates: attos(sheet.rates),
    overrides: sheet.overrides.map(({ minPromptTokens, rates }) => ({ minPromptTokens, rates: attos(rates) })),
  }
}

function decimals(rates: Rates): Record<string, string> {
  return Object.fromEntries(Object.entries(rates).map(([key, rate]) => [key, decimalFromAtto(rate)]))
}

function attos(rates: Record<string, string>): Rates {
  const read: Partial<Record<PriceKey, bigint>> = {}
  for (const [key, text] of Object.entries(rates)) {
    const rate = attoFromDecimal(text)
    if (rate !== null) read[key as PriceKey] = rate
  }
  return read
}
