import { sql, type AliasedRawBuilder, type RawBuilder, type Selectable } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Ambient, EndpointFigures, LongerFigures, Measured, ModelFigures, Percentiles } from '../core/index.ts'
import type { RollupTable, Store } from '../store/index.ts'
import { bucketOf, COUNTS, grainsOf, GRAINS, MINUTE_MS, MONEY, SKETCHES, type Count, type Grain, type Measure, type Money } from './cuts.ts'
import { createDemoTraffic } from './demo-traffic.ts'
import { MINUTES_KEPT_MS, SILENT_MS } from './rollups.ts'
import { merged, NO_SKETCH, quantile, reachedBy, sketchOf, type Sketch } from './sketch.ts'

/** What a group of calls adds up to over a stretch of time. */
export interface Total {
  readonly counts: Readonly<Record<Count, number>>
  readonly money: Readonly<Record<Money, bigint>>
  /** Empty for cuts that keep none. */
  readonly sketches: Readonly<Record<Measure, Sketch>>
}

/** A stretch of time in ms since the epoch; `to` is not in it. Its ends count as the minutes that they fall in. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** A stretch of UTC days that sums are told by; weeks begin on Monday. */
export type Stretch = 'minute' | 'hour' | 'day' | 'week' | 'month'

/** A condition on one of the names of a group. */
export interface Where {
  readonly name: 'a' | 'b' | 'c'
  readonly is: 'in' | 'not in'
  readonly values: readonly string[]
}

export interface Asked {
  readonly cut: string
  readonly span: Span
  /** By stretch of time; without it, over all of the span. */
  readonly by?: Stretch
  readonly where?: readonly Where[]
  /** Which counts; all of them without it. What was not asked for is 0. */
  readonly counts?: readonly Count[]
  /** The names by which groups are told apart; all of them without it. The others come as the empty text. */
  readonly names?: readonly ('a' | 'b' | 'c')[]
}

/** What a group came to, without percentiles. */
export interface Sum extends Pick<Total, 'counts' | 'money'> {
  /** Ms since the epoch at which the stretch began, or the span where it was not asked by stretch. */
  readonly at: number
  readonly a: string
  readonly b: string
  readonly c: string
}

/** How fast a group was in a stretch of time: within the error of sketches, to a tenth. Null where nothing was measured. */
export interface Speed {
  /** Those whose time to the end is in it. */
  readonly answers: number
  readonly latency: Required<Percentiles> | null
  readonly throughput: Required<Percentiles> | null
  readonly duration: Required<Percentiles> | null
}

/** How an endpoint's tries end. Percentages are to a hundredth, and null where nothing was tried. */
export type Uptimes = Pick<EndpointFigures, 'status' | 'uptime5m' | 'uptime30m' | 'uptime1d' | 'tries1d' | 'probes1d' | 'probes30m'>

/** Answers from what was added up; no question here reads a record. */
export interface Figures {
  /** Counts and money by group, and by stretch of time, added up by the database: for all groups at once, or many days. */
  sums(asked: Asked): Promise<readonly Sum[]>
  /**
   * Totals by group over a span, for groups whose first name is among `of`, or all. The key of a group is its names
   * joined by a line feed. Spans older than minutes are kept are widened to whole hours, and all to what the cut keeps.
   */
  totals(cut: string, span: Span, of?: readonly string[]): Promise<ReadonlyMap<string, Total>>
  /** Whether there is traffic of a demonstration in all of this: then every figure has to say so. */
  isDemo(): Promise<boolean>
  /**
   * Ms since the epoch, where calls that ended after it are not in the figures yet: null where those that wait to be added
   * up ended a moment ago. Looks at the one record that has waited longest of each run, not at what was recorded.
   */
  behind(): Promise<number | null>
  /** What a plan may go by: the last half hour of every endpoint, and a week of its tool calls. Nothing while a demonstration is in. */
  measurements(): Promise<ReadonlyMap<string, Measured>>
  /**
   * How fast each group was by the `grain` (minutes, 60 or 1440), for groups of one name that is among `of`: in each stretch
   * in which something happened, by the ms at which it began, and in all of them. Both ends are widened to whole stretches.
   */
  speeds(cut: string, span: Span, grain: Grain, of: readonly string[]): Promise<ReadonlyMap<string, { readonly all: Speed; readonly by: ReadonlyMap<number, Speed> }>>
  /** How the tries of endpoints end that were tried within a day: of those with these ids, or of all. */
  uptimes(ids?: readonly string[]): Promise<ReadonlyMap<string, Uptimes>>
  /**
   * What endpoints did lately, as of a second or two ago, and over days where that is asked for: those of which nothing
   * is known are not in it.
   */
  endpoints(ids: readonly string[], how?: { readonly longer: boolean }): Promise<ReadonlyMap<string, EndpointFigures>>
  /** What every model did that was asked at all in thirty days, as of some seconds ago; with a version that changes when they do. */
  models(): Promise<{ readonly of: ReadonlyMap<string, ModelFigures>; readonly version: number }>
}

const TRIES: readonly Count[] = ['attempts', 'failures']
const STATUS_FROM_TRIES = 100
const WELL = 95
const POOR = 80

/** Figures change when calls are added up; asked again sooner, the same answer is given. */
const REMEMBERED_MS = 2000
/** Calls are added up two seconds after they end; what has waited so long says that nobody does. */
const BEHIND_MS = 60_000
/** All models at once cost more, and an order by a week's tokens is none the worse for ten seconds. */
const MODELS_REMEMBERED_MS = 10_000

export function createFigures({ store, ambient }: { readonly store: Store; readonly ambient: Ambient }): Figures {
  const demo = createDemoTraffic({ store, ambient })
  const remembered = new LRUCache<string, Promise<ReadonlyMap<string, EndpointFigures>>>({
    max: 1000, ttl: REMEMBERED_MS, perf: { now: () => ambient.monotonic() },
  })

  /** The lengths of time that all of a span can be read by: no minutes where its beginning has none any more. */
  const keptOf = (cut: string, { from }: Span): readonly Grain[] => {
    const grains = grainsOf(cut)
    return from < ambient.now() - MINUTES_KEPT_MS ? grains.filter((grain) => grain > 1) : grains
  }

  /**
   * A span that ends now, to the end of the day: there is nothing yet in the rest of it, and the day so far is one row of
   * a group, where its hours and minutes are many, the more of them the more traffic there is.
   */
  const wholeDay = ({ from, to }: Span): Span => {
    const now = ambient.now()
    // An end within this minute is an end now: whoever asked took the time a moment ago.
    return { from, to: to > bucketOf(now, 1) ? Math.max(to, bucketOf(now, 1440) + DAY_MS) : to }
  }

  const totals: Figures['totals'] = async (cut, span, of) => {
    const parts = partsOf(wholeDay(span), keptOf(cut, span))
    if (parts.length === 0 || of?.length === 0) return new Map()
    const columns = [...['at', 'a', 'b', 'c', ...COUNTS, ...SKETCHES].map((column) => sql.ref(column)), ...MONEY.map((kind) => asText(sql.ref(kind), kind))]
    const { rows } = await partByPart<TotalRow>(columns, cut, parts, of === undefined ? [] : [{ name: 'a', is: 'in', values: of }]).execute(store.db)
    return new Map([...Map.groupBy(rows, nameOf)].map(([name, own]) => [name, totalOf(own)]))
  }

  const sums: Figures['sums'] = async ({ cut, span, by, where = [], counts = COUNTS, names = ['a', 'b', 'c'] }) => {
    const grains = keptOf(cut, span).filter((grain) => by === undefined || grain <= LENGTHS[by])
    const parts = grains.length === 0 ? [] : partsOf(wholeDay(span), grains as [Grain, ...Grain[]])
    if (parts.length === 0 || where.some(({ is, values }) => is === 'in' && values.length === 0)) return []
    const groups = [...(by === undefined ? [] : [stretchOf(by, span)]), ...names.map((name) => sql.ref(name))]
    const read = partByPart(['at', ...names, ...counts, ...MONEY].map((column) => sql.ref(column)), cut, parts, where)
    const { rows } = await sql<Partial<Omit<TotalRow, 'at'>> & { stretch?: number }>`
      select ${sql.join([
        ...(by === undefined ? [] : [sql`${stretchOf(by, span)} as stretch`]), ...names.map((name) => sql.ref(name)),
        ...counts.map((column) => sql`sum(${sql.ref(column)}) as ${sql.ref(column)}`),
        ...MONEY.map((kind) => asText(sql`sum(${sql.ref(kind)})`, kind)),
      ])} from (${read}) as parts
      ${groups.length === 0 ? sql`` : sql`group by ${sql.join(groups.map((_, i) => sql.lit(i + 1)))}`}`.execute(store.db)
    return rows.map((row) => ({
      at: row.stretch ?? span.from, a: row.a ?? '', b: row.b ?? '', c: row.c ?? '', counts: countsOf(row, counts), money: moneyOf(row),
    }))
  }

  const speeds: Figures['speeds'] = async (cut, { from, to }, grain, of) => {
    if (of.length === 0 || from >= to) return new Map()
    const { rows } = await sql<SpeedRow>`${partByPart<SpeedRow>(['at', 'a', ...SKETCHES].map((column) => sql.ref(column)), cut, [{ grain, from: bucketOf(from, grain), to }], [{ name: 'a', is: 'in', values: of }])} order by a, at`.execute(store.db)
    return new Map([...Map.groupBy(rows, ({ a }) => a)].map(([name, own]) => {
      const by = own.map((row) => [row.at, sketchesOf(row)] as const)
      return [name, { all: speedOf(allOf(by.map(([, sketches]) => sketches))), by: new Map(by.map(([at, sketches]) => [at, speedOf(sketches)])) }]
    }))
  }

  const halfHour = (): PartOfSpan => {
    const now = ambient.now()
    return { grain: 1, from: bucketOf(now, 1) - 29 * MINUTE_MS, to: now + 1 }
  }

  const uptimes: Figures['uptimes'] = async (ids) => {
    if (ids?.length === 0) return new Map()
    const now = ambient.now()
    const part = halfHour()
    const where = ids === undefined ? [] : amongst(ids)
    const [{ rows }, day] = await Promise.all([
      sql<LatelyRow>`select a, sum(attempts) as attempts, sum(failures) as failures, sum(case when at < ${part.from + 25 * MINUTE_MS} then 0 else attempts end) as five_attempts,
        sum(case when at < ${part.from + 25 * MINUTE_MS} then 0 else failures end) as five_failures, sum(answered_probes) as answered_probes
        from (${partByPart(['a', 'at', 'attempts', 'failures', 'answered_probes'].map((column) => sql.ref(column)), 'endpoint', [part], where)}) as lately group by a`.execute(store.db),
      sums({ cut: 'endpoint', span: { from: bucketOf(now, 1) - 1439 * MINUTE_MS, to: now + 1 }, names: ['a'], counts: [...TRIES, 'probes'], where }),
    ])
    const lately = new Map(rows.map((row) => [row.a, row]))
    return new Map(day.map(({ a, counts }) => {
      const { attempts, failures, five_attempts: fiveAttempts, five_failures: fiveFailures, answered_probes: probes30m } = lately.get(a) ?? NOT_LATELY
      const uptime30m = percentOf(attempts - failures, attempts)
      return [a, {
        status: uptime30m === null || attempts < STATUS_FROM_TRIES || uptime30m >= WELL ? 0 : uptime30m >= POOR ? -1 : -2,
        uptime5m: percentOf(fiveAttempts - fiveFailures, fiveAttempts), uptime30m, uptime1d: uptimeOf({ counts }), tries1d: counts.attempts, probes1d: counts.probes, probes30m,
      }]
    }))
  }

  const endpointsNow = async (ids: readonly string[]): Promise<ReadonlyMap<string, EndpointFigures>> => {
    if (ids.length === 0) return new Map()
    const [tried, { rows }] = await Promise.all([
      uptimes(ids), partByPart<SpeedRow>(['a', ...SKETCHES].map((column) => sql.ref(column)), 'endpoint', [halfHour()], amongst(ids)).execute(store.db),
    ])
    const lately = Map.groupBy(rows, ({ a }) => a)
    return new Map(ids.flatMap((id) => {
      const it = tried.get(id)
      return it === undefined ? [] : [[id, figuresOf(it, allOf((lately.get(id) ?? []).map(sketchesOf)))]]
    }))
  }

  /** Sums by first name over the last days, today's included. Whole days, so that ninety are as many rows of a group. */
  const lastDays = async (cut: string, days: number, asked: Pick<Asked, 'where' | 'counts'>): Promise<ReadonlyMap<string, Sum>> => {
    const now = ambient.now()
    return byFirstName(await sums({ cut, span: { from: bucketOf(now, 1440) - (days - 1) * DAY_MS, to: now + 1 }, names: ['a'], ...asked }))
  }

  const withLonger = async (ids: readonly string[]): Promise<ReadonlyMap<string, EndpointFigures>> => {
    const last = (days: number): Promise<ReadonlyMap<string, Sum>> => lastDays('endpoint', days, { where: [{ name: 'a', is: 'in', values: ids }] })
    const [lately, three, seven, ninety] = await Promise.all([endpointsNow(ids), last(3), last(7), last(90)])
    return new Map([...ninety.keys()].map((id) => [id, {
      ...lately.get(id) ?? figuresOf(NOT_TRIED, NO_SKETCHES), longer: longerOf(three.get(id), seven.get(id), ninety.get(id)),
    }]))
  }

  const modelsNow = async (): Promise<ReadonlyMap<string, ModelFigures>> => {
    const now = ambient.now()
    const tokens: readonly Count[] = ['prompt_tokens', 'completion_tokens']
    const [month, week, lately] = await Promise.all([
      lastDays('model', 30, { counts: tokens }), lastDays('model', 7, { counts: [...tokens, 'tool_requests', 'bad_tool_requests'] }),
      totals('model', { from: bucketOf(now, 1440) - DAY_MS, to: now + 1 }),
    ])
    const tokensIn = (counts: Sum['counts']): number => counts.prompt_tokens + counts.completion_tokens
    return new Map([...month].map(([id, sum]) => {
      const { counts } = week.get(id) ?? NO_SUM
      const sketches = lately.get(id)?.sketches
      return [id, {
        weekTokens: tokensIn(counts), monthTokens: tokensIn(sum.counts),
        latencyMs: sketches ? quantile(sketches.latency, 0.5) : null, throughput: sketches ? quantile(sketches.throughput, 0.5) : null,
        samples: sketches?.latency.count ?? 0,
        toolSuccess: counts.tool_requests === 0 ? null : 1 - counts.bad_tool_requests / counts.tool_requests, toolRequests: counts.tool_requests,
      }]
    }))
  }
  let models: { readonly at: number; readonly answer: ReturnType<Figures['models']> } | null = null

  const waitingSince = async (): Promise<number | null> => {
    const cursors = await store.db.selectFrom('rollup_cursors').select(['node', 'seq']).where('seen_at', '>', ambient.now() - SILENT_MS).execute()
    const waiting = await Promise.all(cursors.map(({ node, seq }) => store.db.selectFrom('generations').select(['created_at', 'duration_ms'])
      .where('node', '=', node).where('seq', '>', seq).orderBy('seq').limit(1).executeTakeFirst()))
    const since = Math.min(...waiting.flatMap((row) => row === undefined ? [] : [row.created_at + row.duration_ms]))
    return since < ambient.now() - BEHIND_MS ? since : null
  }
  let looked: { readonly at: number; readonly since: Promise<number | null> } | null = null

  return {
    behind() {
      const at = ambient.monotonic()
      if (looked === null || at - looked.at >= REMEMBERED_MS) looked = { at, since: waitingSince() }
      return looked.since
    },
    totals, sums, speeds, uptimes, isDemo: demo.isIn,
    models() {
      const at = ambient.monotonic()
      if (models === null || at - models.at >= MODELS_REMEMBERED_MS) {
        const made = { at, answer: modelsNow().then((of) => ({ of, version: at })) }
        models = made
        made.answer.catch(() => {
          if (models === made) models = null
        })
      }
      return models.answer
    },
    async measurements() {
      // Nobody is sent anywhere for what a demonstration says.
      if (await demo.isIn()) return new Map()
      const now = ambient.now()
      const [lately, week] = await Promise.all([
        totals('endpoint', { from: bucketOf(now, 1) - 29 * MINUTE_MS, to: now + 1 }),
        sums({ cut: 'endpoint', span: { from: bucketOf(now, 60) - 7 * DAY_MS, to: now + 1 }, names: ['a'], counts: ['tool_requests', 'bad_tool_requests'] }),
      ])
      return new Map(week.map((sum) => [sum.a, { lately: latelyOf(lately.get(sum.a)), tools: toolsOf(sum) }]))
    },
    endpoints(ids, how) {
      const name = `${how?.longer === true ? 'longer' : 'lately'}\n${ids.join('\n')}`
      let answer = remembered.get(name)
      if (answer === undefined) {
        remembered.set(name, answer = how?.longer === true ? withLonger(ids) : endpointsNow(ids))
        answer.catch(() => remembered.delete(name))
      }
      return answer
    },
  }
}

const LENGTHS: Readonly<Record<Stretch, number>> = { minute: 1, hour: 60, day: 1440, week: 7 * 1440, month: 28 * 1440 }
const DAY_MS = 1440 * MINUTE_MS
/** The epoch was a Thursday: its first Monday came four days later. */
const MONDAY_MS = 4 * DAY_MS

/** The beginning of the stretch that a moment belongs to. */
export function beginOf(by: Stretch, at: number): number {
  if (by === 'month') {
    const date = new Date(at)
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
  }
  const length = LENGTHS[by] * MINUTE_MS
  const first = by === 'week' ? MONDAY_MS : 0
  return first + Math.floor((at - first) / length) * length
}

/** The same of the column `at`, in SQL. Months have no length: those of the span are written down one by one. */
function stretchOf(by: Stretch, { from, to }: Span): RawBuilder<number> {
  if (by === 'month') {
    const ends: number[] = []
    for (let at = beginOf(by, from); at < to; at = beginOf(by, at + 32 * DAY_MS)) ends.push(at)
    return sql`case ${sql.join(ends.toReversed().map((begin) => sql`when at >= ${sql.lit(begin)} then ${sql.lit(begin)}`), sql` `)} else 0 end`
  }
  const first = by === 'week' ? MONDAY_MS : 0
  return sql`at - (at - ${sql.lit(first)}) % ${sql.lit(LENGTHS[by] * MINUTE_MS)}`
}

/**
 * Reads columns of a cut part by part, each by its own way through an index. As one condition with its parts joined by
 * "or" SQLite read all of the cut, from the first day on, as soon as there were three of them.
 */
function partByPart<T>(columns: readonly unknown[], cut: string, parts: readonly PartOfSpan[], where: readonly Where[]): RawBuilder<T> {
  const conditions = where.filter(({ values }) => values.length > 0).map(({ name, is, values }) => sql` and ${sql.ref(name)} ${sql.raw(is)} (${sql.join(values)})`)
  return sql<T>`${sql.join(parts.map(({ grain, from, to }) => sql`select ${sql.join(columns)} from rollups
    where cut = ${cut} and grain = ${grain} and at >= ${from} and at < ${to}${sql.join(conditions, sql``)}`), sql` union all `)}`
}

/** More names than this are picked out of what all did: each name is a way of its own through an index. */
const MOST_NAMES = 100

function amongst(names: readonly string[]): readonly Where[] {
  return names.length > MOST_NAMES ? [] : [{ name: 'a', is: 'in', values: names }]
}

function latelyOf(total: Total | undefined): Measured['lately'] {
  if (total === undefined || total.counts.attempts + total.counts.limited === 0) return null
  const { counts, money, sketches } = total
  const tries = counts.attempts + counts.limited
  const latencyMs = quantile(sketches.latency, 0.5)
  const throughput = quantile(sketches.throughput, 0.5)
  const tokens = counts.answered === 0 ? 0 : counts.completion_tokens / counts.answered
  return {
    promptTokens: counts.prompt_tokens, completionTokens: counts.completion_tokens,
    spentNano: Number(money.cost_nano + money.absorbed_nano),
    latencyMs,
    // Over the whole of a typical answer, the wait for its first token included.
    speed: throughput === null || latencyMs === null || tokens === 0 ? null : tokens / (tokens / throughput + latencyMs / 1000),
    failed: counts.failures / tries, limited: counts.limited / tries,
  }
}

function toolsOf({ counts }: Pick<Total, 'counts'>): Measured['tools'] {
  return counts.tool_requests === 0 ? null : { requests: counts.tool_requests, bad: counts.bad_tool_requests }
}

/** The names of a row's group, joined. */
function nameOf({ a, b, c }: Pick<RollupTable, 'a' | 'b' | 'c'>): string {
  return [a, b, c].join('\n').replace(/\n+$/, '')
}

/** What was read of a row. SQLite reads every number of one as a bigint when one of them is, at twice the price: money is text. */
type TotalRow = Pick<Selectable<RollupTable>, 'at' | 'a' | 'b' | 'c' | Count | Measure> & { readonly cost: string | null; readonly absorbed: string | null }

const TEXTS = { cost_nano: 'cost', absorbed_nano: 'absorbed' } as const satisfies Record<Money, keyof TotalRow>

function asText<T extends Money>(value: RawBuilder<unknown>, kind: T): AliasedRawBuilder<string | null, typeof TEXTS[T]> {
  return sql<string | null>`cast(${value} as text)`.as(TEXTS[kind])
}

function moneyOf({ cost, absorbed }: Partial<Pick<TotalRow, 'cost' | 'absorbed'>>): Record<Money, bigint> {
  return { cost_nano: BigInt(cost ?? 0), absorbed_nano: BigInt(absorbed ?? 0) }
}

/** What was read of a row for its sketches alone. */
type SpeedRow = Pick<TotalRow, 'at' | 'a' | Measure>

/** Tries of half an hour, and of its last five minutes. */
interface LatelyRow {
  readonly a: string
  readonly attempts: number
  readonly failures: number
  readonly five_attempts: number
  readonly five_failures: number
  readonly answered_probes: number
}
const NOT_LATELY: Omit<LatelyRow, 'a'> = { attempts: 0, failures: 0, five_attempts: 0, five_failures: 0, answered_probes: 0 }

const byFirstName = (sums: readonly Sum[]): ReadonlyMap<string, Sum> => new Map(sums.map((sum) => [sum.a, sum]))

const sketchesOf = ({ latency, throughput, duration }: Pick<TotalRow, Measure>): Total['sketches'] =>
  ({ latency: sketchOf(latency), throughput: sketchOf(throughput), duration: sketchOf(duration) })

function allOf(all: readonly Total['sketches'][]): Total['sketches'] {
  const of = (measure: Measure): Sketch => merged(all.map((sketches) => sketches[measure]))
  return { latency: of('latency'), throughput: of('throughput'), duration: of('duration') }
}

/** A copy with some of them set: a sum of many days is thousands of rows, and a list of names and values for each was a third of what it took. */
function countsOf(row: Partial<Record<Count, number>>, asked: readonly Count[]): Record<Count, number> {
  const counts = { ...NO_COUNTS }
  for (const count of asked) counts[count] = row[count] ?? 0
  return counts
}

function totalOf(rows: readonly TotalRow[]): Total {
  const counts = { ...NO_COUNTS }
  const money: Record<Money, bigint> = { cost_nano: 0n, absorbed_nano: 0n }
  for (const row of rows) {
    const { cost_nano: cost, absorbed_nano: absorbed } = moneyOf(row)
    for (const count of COUNTS) counts[count] += row[count]
    money.cost_nano += cost
    money.absorbed_nano += absorbed
  }
  return { counts, money, sketches: allOf(rows.map(sketchesOf)) }
}

const NO_SKETCHES: Total['sketches'] = { latency: NO_SKETCH, throughput: NO_SKETCH, duration: NO_SKETCH }

/** What is told of sketches. */
export function speedOf(sketches: Total['sketches']): Speed {
  return {
    answers: sketches.duration.count,
    latency: percentilesOf(sketches.latency, quantile), throughput: percentilesOf(sketches.throughput, reachedBy), duration: percentilesOf(sketches.duration, quantile),
  }
}

const NOT_TRIED: Uptimes = { status: 0, uptime5m: null, uptime30m: null, uptime1d: null, tries1d: 0, probes1d: 0, probes30m: 0 }

function figuresOf(uptimes: Uptimes, sketches: Total['sketches']): EndpointFigures {
  const { latency, throughput, duration } = speedOf(sketches)
  return { ...uptimes, latency30m: latency, throughput30m: throughput, duration30m: duration, samples30m: sketches.latency.count }
}

function longerOf(three: Sum | undefined, seven: Sum | undefined, ninety: Sum | undefined): LongerFigures {
  const { counts } = seven ?? NO_SUM
  return {
    uptime3d: uptimeOf(three), uptime90d: uptimeOf(ninety), availability3d: availabilityOf(three), availability90d: availabilityOf(ninety),
    week: {
      requests: counts.requests, promptTokens: counts.prompt_tokens, completionTokens: counts.completion_tokens,
      toolRequests: counts.tool_requests, toolErrorRate: percentOf(counts.bad_tool_requests, counts.tool_requests),
      structuredRequests: counts.structured_requests, structuredErrorRate: percentOf(counts.bad_structured_requests, counts.structured_requests),
      cacheHitRate: hitRateOf(seven ?? NO_SUM), paidPerMillion: paidPerMillionOf(seven ?? NO_SUM),
    },
  }
}

type Counted = Pick<Total, 'counts' | 'money'>
const NO_COUNTS = Object.fromEntries(COUNTS.map((count) => [count, 0])) as Readonly<Record<Count, number>>
const NO_SUM: Counted = { counts: NO_COUNTS, money: { cost_nano: 0n, absorbed_nano: 0n } }

/** Percent, to a hundredth; null of nothing. */
export function percentOf(part: number, all: number): number | null {
  return all === 0 ? null : Math.round(part / all * 10_000) / 100
}

/** Percent of tries that did not fail, to a hundredth; null of none. */
export function uptimeOf(total: Pick<Total, 'counts'> | undefined): number | null {
  return total === undefined ? null : percentOf(total.counts.attempts - total.counts.failures, total.counts.attempts)
}

/** Percent of tries that brought an answer, to a hundredth: one that was told to wait brought none. Null of none. */
export function availabilityOf(total: Pick<Total, 'counts'> | undefined): number | null {
  return total === undefined ? null : percentOf(total.counts.attempts - total.counts.failures, total.counts.attempts + total.counts.limited)
}

/** Percent of prompt tokens that were read from the provider's cache, to a hundredth; null of none. */
export function hitRateOf({ counts }: Pick<Total, 'counts'>): number | null {
  return percentOf(counts.cache_read_tokens, counts.prompt_tokens)
}

/** Dollars per million tokens that were really paid, prompt and completion together, as a decimal; null of no tokens. */
export function paidPerMillionOf({ counts, money }: Counted): string | null {
  const tokens = BigInt(counts.prompt_tokens + counts.completion_tokens)
  if (tokens === 0n) return null
  const nano = (money.cost_nano * 1_000_000n + tokens / 2n) / tokens
  return `${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, '0')}`
}

/** Percentiles to a tenth, by `rank`: of throughput p90 is what nine in ten reached. Null of nothing. */
function percentilesOf(sketch: Sketch, rank: typeof quantile): Required<Percentiles> | null {
  if (sketch.count === 0) return null
  const at = (share: number): number => Math.round(rank(sketch, share)! * 10) / 10
  return { p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99) }
}

interface PartOfSpan {
  readonly grain: Grain
  readonly from: number
  readonly to: number
}

/**
 * A span as the fewest buckets that make it up: days in the middle, hours around them, minutes at its ends. Figures of
 * a year are then read from some four hundred rows of a group, whatever the traffic was.
 */
export function partsOf({ from, to }: Span, grains: readonly Grain[] = GRAINS): readonly PartOfSpan[] {
  const [grain, ...longer] = grains as readonly [Grain, ...Grain[]]
  const start = bucketOf(from, grain)
  const end = bucketOf(to - 1, grain) + grain * MINUTE_MS
  if (start >= end) return []
  // What lies further back than minutes are kept begins with a whole hour.
  if (grain === 1 && longer.length > 0 && end - start > MINUTES_KEPT_MS) return partsOf({ from: start, to: end }, longer)
  const next = longer[0]
  if (next === undefined) return [{ grain, from: start, to: end }]
  const length = next * MINUTE_MS
  const middleFrom = Math.ceil(start / length) * length
  const middleTo = Math.floor(end / length) * length
  if (middleFrom >= middleTo) return [{ grain, from: start, to: end }]
  const parts: PartOfSpan[] = []
  if (start < middleFrom) parts.push({ grain, from: start, to: middleFrom })
  parts.push(...partsOf({ from: middleFrom, to: middleTo }, longer))
  if (middleTo < end) parts.push({ grain, from: middleTo, to: end })
  return parts
}
