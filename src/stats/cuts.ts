import { FAULTS, type Attempt, type Generation, type Quality } from '../core/index.ts'

/**
 * What is added up of the calls, and by what. A cut is a way to group calls: by endpoint, by app, by key and model.
 * Public cuts know nothing of who called; the others begin with the workspace that they belong to.
 */

/** The lengths of time that figures are kept for, in minutes; buckets begin at whole multiples since the epoch (UTC). */
export const GRAINS = [1, 60, 1440] as const
export type Grain = typeof GRAINS[number]
export const MINUTE_MS = 60_000

/** Counts of a bucket. All are whole and only grow. */
export const COUNTS = [
  /** Calls that ended here: answered, failed after they began, or left by their caller. */
  'requests',
  /** Of those, the ones that ended well, and the ones that their caller left. */
  'answered', 'cancelled',
  'streamed',
  'prompt_tokens', 'cache_read_tokens', 'cache_write_tokens', 'completion_tokens', 'reasoning_tokens',
  /** Requests that offered tools and could be judged; of those, the ones with a call that was wrong; and all calls. */
  'tool_requests', 'bad_tool_requests', 'tool_calls',
  /** Answers that had to have a form, and those that had not. */
  'structured_requests', 'bad_structured_requests',
  /** Tries that reached a verdict, those of calls that another endpoint answered in the end included. */
  'attempts',
  /** Of those, the ones that count against an endpoint's uptime, and the ones that were told to wait (429). */
  'failures', 'limited',
  /** Of the tries with a verdict, those that nobody asked for, and those of them that were answered: so many answers were measured on them. */
  'probes', 'answered_probes',
] as const
export type Count = typeof COUNTS[number]
/** Those before count calls; those from here on count tries. */
export const FIRST_OF_TRIES = COUNTS.indexOf('attempts')

export const MONEY = ['cost_nano', 'absorbed_nano'] as const
export type Money = typeof MONEY[number]

/** Milliseconds to the first token, output tokens per second, milliseconds to the end. */
export const SKETCHES = ['latency', 'throughput', 'duration'] as const
export type Measure = typeof SKETCHES[number]

export interface Cut {
  readonly name: string
  /** Up to three columns that name a group, in order; the empty text is "none said". */
  readonly by: (call: Called) => readonly string[]
  readonly grains: readonly Grain[]
  /** Whether percentiles are kept. */
  readonly measured: boolean
  /** Whether tries that failed are counted here as well, and not only the call that was answered. */
  readonly attempts: boolean
  /** A cut before it whose groups are parts of this one's, and which is kept for as short a time: what it came to is added up, and not each call. */
  readonly from?: string
}

/** Of a call what cuts group by. */
export interface Called {
  readonly endpoint: string
  readonly provider: string
  readonly model: string
  readonly app: string
  readonly workspace: string
  readonly key: string
  readonly user: string
  /** How long the prompt was, as OpenRouter's datasets have it: `1K`, `10K`, `100K`, `1M` or `10M` tokens at most. */
  readonly context: string
}

const FINE = GRAINS
/** Pairs are many: by the minute they would be as many as the calls. */
const COARSE: readonly Grain[] = [60, 1440]
const DAILY: readonly Grain[] = [1440]

const cut = (name: string, by: Cut['by'], rest: Partial<Cut> = {}): Cut =>
  ({ name, by, grains: COARSE, measured: false, attempts: false, ...rest })

export const CUTS: readonly Cut[] = [
  cut('all', () => [], { grains: FINE, measured: true, attempts: true }),
  cut('endpoint', (it) => [it.endpoint], { grains: FINE, measured: true, attempts: true }),
  cut('provider', (it) => [it.provider], { grains: FINE, measured: true, attempts: true }),
  cut('model', (it) => [it.model], { grains: FINE, measured: true, attempts: true }),
  cut('context-model', (it) => [it.context, it.model], { grains: DAILY }),
  cut('key', (it) => [it.workspace, it.key], { grains: FINE }),
  cut('workspace', (it) => [it.workspace], { grains: FINE, from: 'key' }),
  cut('key-model', (it) => [it.workspace, it.key, it.model]),
  cut('workspace-model', (it) => [it.workspace, it.model], { from: 'key-model' }),
  cut('key-app', (it) => [it.workspace, it.key, it.app]),
  cut('workspace-app', (it) => [it.workspace, it.app], { from: 'key-app' }),
  cut('app', (it) => [it.app], { from: 'workspace-app' }),
  cut('key-user', (it) => [it.workspace, it.key, it.user]),
  cut('user', (it) => [it.workspace, it.user], { from: 'key-user' }),
  cut('app-model', (it) => [it.workspace, it.app, it.model]),
  cut('model-app', (it) => [it.model, it.app], { from: 'app-model' }),
  cut('app-models', (it) => [it.app, it.model], { grains: DAILY, from: 'model-app' }),
  cut('user-model', (it) => [it.workspace, it.user, it.model]),
  cut('user-app', (it) => [it.workspace, it.user, it.app]),
  cut('workspace-provider', (it) => [it.workspace, it.provider]),
  cut('key-endpoint', (it) => [it.workspace, it.key, it.endpoint], { grains: DAILY }),
  cut('workspace-endpoint', (it) => [it.workspace, it.endpoint], { grains: DAILY, from: 'key-endpoint' }),
]

/** The lengths of time that a cut is kept for, the shortest first. Throws for a cut that does not exist. */
export function grainsOf(name: string): readonly Grain[] {
  const found = CUTS.find((it) => it.name === name)
  if (found === undefined) throw new Error(`There is no cut ${name}`)
  return found.grains
}

/** Of a generation what is added up. */
export type Counted = Pick<Generation,
  | 'id' | 'createdAt' | 'keyId' | 'workspace' | 'model' | 'endpoint' | 'provider' | 'streamed' | 'cancelled' | 'simulated' | 'fault'
  | 'latencyMs' | 'durationMs' | 'usage' | 'cost' | 'absorbed' | 'attempts' | 'referer' | 'title' | 'categories' | 'user' | 'quality' | 'sampling' | 'coalesced' | 'probe'>

/** What one call, or one try of it, adds to the cuts that it belongs to. */
export interface Contribution {
  readonly of: Called
  /** Milliseconds since the epoch. */
  readonly at: number
  /** A try, which counts only in the cuts that say so; otherwise the call itself. */
  readonly attempt: boolean
  readonly counts: Readonly<Partial<Record<Count, number>>>
  readonly money: Readonly<Record<Money, bigint>>
  readonly measures: Readonly<Partial<Record<Measure, number>>>
}

const NO_MONEY: Contribution['money'] = Object.freeze({ cost_nano: 0n, absorbed_nano: 0n })

/** Streams shorter than this say nothing of an endpoint's speed: the whole answer came in one read. */
const LEAST_STREAM_MS = 50

/**
 * What a probe adds: the try, and how long it took. It is nobody's request, so that it has no tokens and no cost here, and
 * is in none of the figures that say what was asked for or paid.
 */
function contributionsOfProbe({ attempts: [attempt], createdAt, fault, latencyMs, durationMs, usage }: Counted): readonly Contribution[] {
  const counts = attempt === undefined ? null : attemptCounts(attempt)
  if (attempt === undefined || counts === null) return []
  const { endpoint, provider, model } = attempt
  const answered = fault === null && latencyMs !== null
  return [{
    of: { endpoint, provider, model, app: '', workspace: '', key: '', user: '', context: '' },
    at: createdAt, attempt: true, money: NO_MONEY,
    counts: { ...counts, ...(counts.attempts === 1 && { probes: 1 }), ...(answered && { answered_probes: 1 }) },
    measures: answered ? { latency: latencyMs, duration: durationMs, ...speedOf(usage.output.total, durationMs - latencyMs) } : {},
  }]
}

/** Tokens per second, of answers that took long enough to have a speed. */
function speedOf(tokens: number, streamedMs: number): Contribution['measures'] {
  return streamedMs > LEAST_STREAM_MS && tokens > 0 ? { throughput: tokens / streamedMs * 1000 } : {}
}

/**
 * What a call adds. A simulated one adds nothing; one that was given the answer of another adds itself, and no tokens. One that nobody could answer adds its tries, and its request to the
 * caller's own cuts, under no model.
 */
export function contributionsOf(g: Counted): readonly Contribution[] {
  if (g.simulated) return []
  if (g.probe === true) return contributionsOfProbe(g)
  const caller = { app: appOf(g.referer, g.title), workspace: g.workspace, key: g.keyId, user: (g.user ?? '').replaceAll('\n', ' '), context: contextOf(g.usage.input.total) }
  const out: Contribution[] = []
  for (const attempt of g.attempts) {
    const counts = attemptCounts(attempt)
    if (counts === null) continue
    out.push({
      of: { ...caller, endpoint: attempt.endpoint, provider: attempt.provider, model: attempt.model },
      at: g.createdAt, attempt: true, counts, money: NO_MONEY, measures: {},
    })
  }
  const { input, output } = g.usage
  const streamedMs = g.latencyMs === null ? 0 : g.durationMs - g.latencyMs
  // One answer that several calls shared was made, and measured, once: with the call that pays for it.
  const made = g.coalesced === undefined || g.coalesced.paidBy === g.id
  out.push({
    of: { ...caller, endpoint: g.endpoint ?? '', provider: g.provider ?? '', model: g.model ?? '' },
    at: g.createdAt,
    attempt: false,
    counts: {
      requests: 1,
      ...(g.fault === null && { answered: 1 }),
      ...(g.cancelled && { cancelled: 1 }),
      ...(g.streamed && { streamed: 1 }),
      ...(made && {
        prompt_tokens: input.total,
        cache_read_tokens: input.cacheRead,
        cache_write_tokens: input.cacheWrite5m + input.cacheWrite1h,
        completion_tokens: output.total,
        reasoning_tokens: output.reasoning,
      }),
      ...(g.quality && qualityCounts(g.quality)),
    },
    money: { cost_nano: g.cost, absorbed_nano: g.absorbed },
    measures: g.endpoint === null || g.fault !== null || !made ? {} : {
      ...(g.latencyMs !== null && { latency: g.latencyMs }),
      // What server tools took is not their endpoint's time.
      ...(!g.attempts.some(({ step = 1 }) => step > 1) && { duration: g.durationMs, ...speedOf(output.total, streamedMs) }),
    },
  })
  return out
}

function qualityCounts(quality: Quality): Partial<Record<Count, number>> {
  return {
    ...(quality.tools && { tool_requests: 1, bad_tool_requests: quality.badToolCalls > 0 ? 1 : 0 }),
    tool_calls: quality.toolCalls,
    ...(quality.structured && { structured_requests: 1, bad_structured_requests: quality.badStructured ? 1 : 0 }),
  }
}

/**
 * What a try says of its endpoint's uptime, as OpenRouter counts it for its providers: failures are the provider's
 * and our key's, in the middle of an answer too; the caller's mistakes and a 429 are not, and a caller who left says
 * nothing. Null where there is nothing to count.
 */
function attemptCounts({ outcome, fault }: Attempt): Partial<Record<Count, number>> | null {
  if (outcome === 'answered') return { attempts: 1 }
  if (fault === 'upstream-rate-limited') return { limited: 1 }
  const blame = fault === null ? null : FAULTS[fault].blame
  return blame === 'provider' || blame === 'operator' ? { attempts: 1, failures: 1 } : null
}

/**
 * Who an app is: the host of its address in lower case, without `www.`. An address on this machine is nobody's and
 * needs the title beside it. The empty text where a call came from no app.
 */
export function appOf(referer: string | null, title: string | null): string {
  if (referer === null) return ''
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(referer) ? referer : `https://${referer}`
  if (!URL.canParse(address)) return ''
  const host = new URL(address).hostname.toLowerCase().replace(/^www\./, '').replace(/\.$/, '')
  if (host === 'localhost' || host.endsWith('.localhost') || host === '127.0.0.1' || host === '[::1]') {
    return title === null ? '' : `localhost/${title.toLowerCase()}`
  }
  return host.slice(0, 253)
}

/** The bucket of a prompt's length: the least of OpenRouter's five that holds it. */
export function contextOf(tokens: number): string {
  return tokens <= 1e3 ? '1K' : tokens <= 1e4 ? '10K' : tokens <= 1e5 ? '100K' : tokens <= 1e6 ? '1M' : '10M'
}

/** The beginning of the bucket that a moment belongs to. */
export function bucketOf(at: number, grain: Grain): number {
  const length = grain * MINUTE_MS
  return Math.floor(at / length) * length
}
