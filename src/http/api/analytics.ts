import { fault, FaultError, usdFromNano } from '../../core/index.ts'
import { checker, z } from '../../schema/index.ts'
import { appNumber, type Stretch, type Sum, type Where } from '../../stats/index.ts'
import { DAY_MS, dayFrom, dayOf } from '../days.ts'
import { queryReader } from '../query.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { bodyOf } from '../surface.ts'

/** What a workspace used: by day and endpoint, and by whatever two things its sums are kept by. Only the key's own workspace. */

const ACTIVITY_DAYS = 30
const HASH = /^[0-9a-f]{64}$/

interface Metric {
  readonly label: string
  readonly format: 'number' | 'currency' | 'percent'
  readonly isRate?: true
  of(sum: Pick<Sum, 'counts' | 'money'>): number
}

const METRICS: Readonly<Record<string, Metric>> = {
  request_count: { label: 'Requests', format: 'number', of: ({ counts }) => counts.requests },
  tokens_total: { label: 'Tokens', format: 'number', of: ({ counts }) => counts.prompt_tokens + counts.completion_tokens },
  tokens_prompt: { label: 'Prompt tokens', format: 'number', of: ({ counts }) => counts.prompt_tokens },
  tokens_completion: { label: 'Completion tokens', format: 'number', of: ({ counts }) => counts.completion_tokens },
  reasoning_tokens: { label: 'Reasoning tokens', format: 'number', of: ({ counts }) => counts.reasoning_tokens },
  cached_tokens: { label: 'Cached prompt tokens', format: 'number', of: ({ counts }) => counts.cache_read_tokens },
  tool_call_count: { label: 'Tool calls', format: 'number', of: ({ counts }) => counts.tool_calls },
  error_count: { label: 'Requests that failed', format: 'number', of: ({ counts }) => counts.requests - counts.answered },
  total_usage: { label: 'Cost', format: 'currency', of: ({ money }) => usdFromNano(money.cost_nano) },
  cache_hit_rate: {
    label: 'Cache hit rate', format: 'percent', isRate: true,
    of: ({ counts }) => counts.prompt_tokens === 0 ? 0 : counts.cache_read_tokens / counts.prompt_tokens,
  },
}

/** The counts that any of these is made of. */
const COUNTED = ['requests', 'answered', 'prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'cache_read_tokens', 'tool_calls'] as const

const DIMENSIONS: Readonly<Record<string, string>> = {
  model: 'Model', provider: 'Provider', api_key_id: 'API key', external_user: 'User', app: 'App', workspace: 'Workspace',
}
/** What sums are kept by, the workspace aside, and which name of the group says which. */
const CUTS: readonly { readonly cut: string; readonly names: Readonly<Record<string, 'b' | 'c'>> }[] = [
  { cut: 'workspace', names: {} },
  { cut: 'workspace-model', names: { model: 'b' } }, { cut: 'workspace-provider', names: { provider: 'b' } },
  { cut: 'workspace-app', names: { app: 'b' } }, { cut: 'key', names: { api_key_id: 'b' } }, { cut: 'user', names: { external_user: 'b' } },
  { cut: 'key-model', names: { api_key_id: 'b', model: 'c' } }, { cut: 'key-app', names: { api_key_id: 'b', app: 'c' } },
  { cut: 'key-user', names: { api_key_id: 'b', external_user: 'c' } }, { cut: 'user-model', names: { external_user: 'b', model: 'c' } },
  { cut: 'user-app', names: { external_user: 'b', app: 'c' } }, { cut: 'app-model', names: { app: 'b', model: 'c' } },
]
const GRANULARITIES: Readonly<Record<Stretch, { readonly label: string; readonly days: number }>> = {
  minute: { label: 'Minute', days: 2 }, hour: { label: 'Hour', days: 31 }, day: { label: 'Day', days: 366 }, week: { label: 'Week', days: 366 }, month: { label: 'Month', days: 366 },
}
/** Those that are kept by the minute. */
const BY_MINUTE: ReadonlySet<string> = new Set(['workspace', 'key'])
/** So long minutes are kept. */
const MINUTES_DAYS = 10
const OPERATORS: Readonly<Record<string, 'scalar' | 'array'>> = { eq: 'scalar', neq: 'scalar', in: 'array', not_in: 'array' }

const ActivityQuery = z.object({
  date: z.string().optional().describe('One of the last 30 complete days, UTC'),
  api_key_hash: z.string().optional(), user_id: z.string().optional(), workspace_id: z.string().optional(),
  group_by: z.enum(['workspace']).optional(),
})
const ActivityReply = z.object({
  data: z.array(z.object({
    date: z.string(), model: z.string(), model_permaslug: z.string(), endpoint_id: z.string(), provider_name: z.string(), requests: z.int(),
    prompt_tokens: z.int(), completion_tokens: z.int(), reasoning_tokens: z.int(), usage: z.number().describe('US dollars'), byok_usage_inference: z.number(),
    workspace_id: z.string().optional(),
  })),
})

const names = (of: Readonly<Record<string, unknown>>) => z.enum(Object.keys(of) as [string, ...string[]])
const scalar = z.union([z.string().max(1000), z.number()])
const AnalyticsQuery = z.object({
  metrics: z.array(names(METRICS)).min(1).max(20),
  dimensions: z.array(names(DIMENSIONS)).max(2).optional(),
  granularity: names(GRANULARITIES).optional(),
  time_range: z.object({ start: z.string(), end: z.string() }).optional().describe('The last seven days of UTC by default, today included'),
  filters: z.array(z.object({
    field: names(DIMENSIONS), operator: names(OPERATORS), value: z.union([scalar, z.array(scalar).min(1).max(1000)]),
    include_unset: z.boolean().optional().describe('Of `in` and `not_in`: also where nothing was said'),
  })).max(20).optional(),
  order_by: z.object({ field: z.string(), direction: z.enum(['asc', 'desc']) }).optional(),
  limit: z.int().min(1).max(10_000).optional().describe('1000 by default'),
  group_limit: z.int().min(1).max(10_000).optional().describe('Rows of each combination of dimensions'),
})
type Query = z.infer<typeof AnalyticsQuery>
const AnalyticsReply = z.object({
  data: z.object({
    data: z.array(z.looseObject({})).describe('Counts as text, money and rates as numbers; the time as `date__day`, `date__hour` and so on'),
    metadata: z.object({ query_time_ms: z.number(), row_count: z.int(), truncated: z.boolean() }),
    warnings: z.array(z.string()).optional(),
  }),
})
const labelled = { name: z.string(), display_label: z.string() }
const MetaReply = z.object({
  data: z.object({
    metrics: z.array(z.object({ ...labelled, display_format: z.string(), is_rate: z.boolean() })),
    dimensions: z.array(z.object(labelled)), granularities: z.array(z.object(labelled)),
    operators: z.array(z.object({ name: z.string(), value_type: z.string() })),
  }),
})

export function analyticsRoutes(services: Services): readonly Route[] {
  const { figures, ambient, catalog, accounts, apps } = services
  const readActivity = queryReader(ActivityQuery)
  const check = checker(AnalyticsQuery)

  /** Values of filters as the sums have them, and what could not be found. */
  const filtersOf = async (filters: NonNullable<Query['filters']>, names: Readonly<Record<string, 'b' | 'c'>>, workspace: string) => {
    const warnings: string[] = []
    const where: Where[] = [{ name: 'a', is: 'in', values: [workspace] }]
    const numbered = filters.some(({ field }) => field === 'app') ? new Map([...(await apps.of()).keys()].map((id) => [String(appNumber(id)), id])) : new Map<string, string>()
    for (const { field, operator, value, include_unset: unset } of filters) {
      const is = operator === 'eq' || operator === 'in' ? 'in' : 'not in'
      const values = [value].flat().map(String).map((text) => {
        if (field !== 'app') return text
        const id = numbered.get(text)
        if (id === undefined && /^\d+$/.test(text)) warnings.push(`There is no app ${text.slice(0, 40)}`)
        return id ?? text
      })
      // Groups in which nothing was said have the empty name. A condition that is not about them leaves them out.
      const named = (is === 'in') === (unset === true) ? [...values, ''] : values.filter((text) => is !== 'in' || text !== '')
      const name = field === 'workspace' ? 'a' : names[field]!
      where.push({ name, is, values: is === 'not in' && name === 'a' ? values : named })
    }
    return { where, warnings }
  }

  /** Names as people know them: titles of keys and apps. */
  const labelsOf = async (dimensions: readonly string[], workspace: string): Promise<Readonly<Record<string, ReadonlyMap<string, string>>>> => ({
    ...(dimensions.includes('api_key_id') && { api_key_id: new Map((await accounts.listKeys({ workspace })).map(({ id, name, label }) => [id, name || label])) }),
    ...(dimensions.includes('app') && { app: new Map([...await apps.of()].map(([id, { name }]) => [id, name])) }),
  })

  return [
    {
      name: 'getUserActivity', methods: ['GET'], paths: api('/activity'), tag: 'Statistics', policy: 'key',
      summary: "What the key's workspace used on each of the last 30 complete days, by endpoint",
      query: ActivityQuery, replies: { 200: { description: 'The days', schema: ActivityReply } }, errors: ['invalid-request', 'not-found'],
      async handle(x) {
        const query = readActivity(x.search) as z.infer<typeof ActivityQuery>
        const to = Math.floor(ambient.now() / DAY_MS) * DAY_MS
        const from = to - ACTIVITY_DAYS * DAY_MS
        const { workspace } = x.key
        const date = query.date === undefined ? null : dayFrom(query.date, 'date')
        if (date !== null && (date < from || date >= to)) throw refused('date', `must be one of the last 30 complete days, ${dayOf(from)} to ${dayOf(to - DAY_MS)}, is ${query.date}`)
        if (query.api_key_hash !== undefined && !HASH.test(query.api_key_hash)) throw refused('api_key_hash', 'must be the hash of a key, 64 hexadecimal digits')
        if (query.workspace_id !== undefined && query.workspace_id !== workspace) throw new FaultError(fault('not-found', 'There is no such workspace'))
        // Nobody here is a member of an organization, so nobody used anything as one.
        if (query.user_id !== undefined) return { json: { data: [] } }
        const byKey = query.api_key_hash !== undefined
        const sums = await figures.sums({
          cut: byKey ? 'key-endpoint' : 'workspace-endpoint', by: 'day', span: date === null ? { from, to } : { from: date, to: date + DAY_MS }, names: [byKey ? 'c' : 'b'],
          counts: ['requests', 'prompt_tokens', 'completion_tokens', 'reasoning_tokens'],
          where: [{ name: 'a', is: 'in', values: [workspace] }, ...(byKey ? [{ name: 'b', is: 'in', values: [query.api_key_hash!] } as const] : [])],
        })
        const at = catalog.snapshot()
        const namesOf = (endpoint: string) => {
          const model = endpoint.slice(0, endpoint.lastIndexOf('@'))
          const provider = at.endpointsOf(model).find(({ id }) => id === endpoint)?.providerName ?? endpoint.slice(model.length + 1)
          return { model, model_permaslug: at.model(model)?.row.canonical_slug ?? model, endpoint_id: endpoint, provider_name: provider }
        }
        const named = new Map<string, ReturnType<typeof namesOf>>()
        const dates = new Map(Array.from({ length: ACTIVITY_DAYS }, (_, i) => [from + i * DAY_MS, dayOf(from + i * DAY_MS)]))
        const data = sums.flatMap((sum) => {
          const endpoint = byKey ? sum.c : sum.b
          if (endpoint === '' || sum.counts.requests === 0) return []
          let names = named.get(endpoint)
          if (names === undefined) named.set(endpoint, names = namesOf(endpoint))
          return [{
            date: dates.get(sum.at)!, ...names, requests: sum.counts.requests,
            prompt_tokens: sum.counts.prompt_tokens, completion_tokens: sum.counts.completion_tokens, reasoning_tokens: sum.counts.reasoning_tokens,
            usage: usdFromNano(sum.money.cost_nano), byok_usage_inference: 0, ...(query.group_by && { workspace_id: workspace }),
          }]
        }).toSorted((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : b.usage - a.usage || (a.endpoint_id < b.endpoint_id ? -1 : 1)))
        return { json: { data }, headers: ['Cache-Control', 'no-store'] }
      },
    },
    {
      name: 'getAnalyticsMeta', methods: ['GET'], paths: api('/analytics/meta'), tag: 'Statistics', policy: 'key',
      summary: 'What /analytics/query can be asked',
      replies: { 200: { description: 'Metrics, dimensions, operators and granularities', schema: MetaReply } }, errors: [],
      handle: () => ({
        json: {
          data: {
            metrics: Object.entries(METRICS).map(([name, { label, format, isRate = false }]) => ({ name, display_label: label, display_format: format, is_rate: isRate })),
            dimensions: Object.entries(DIMENSIONS).map(([name, label]) => ({ name, display_label: label })),
            operators: Object.entries(OPERATORS).map(([name, type]) => ({ name, value_type: type })),
            granularities: Object.entries(GRANULARITIES).map(([name, { label }]) => ({ name, display_label: label })),
          },
        },
      }),
    },
    {
      name: 'queryAnalytics', methods: ['POST'], paths: api('/analytics/query'), tag: 'Statistics', policy: 'key',
      summary: "Sums of the key's workspace by up to two dimensions and by time", body: AnalyticsQuery,
      bodyExample: { metrics: ['request_count', 'total_usage'], dimensions: ['model'], granularity: 'day' },
      replies: { 200: { description: 'The rows', schema: AnalyticsReply } }, errors: ['invalid-request'],
      async handle(x) {
        const began = ambient.monotonic()
        const body = bodyOf(x)
        const issue = check(body)
        if (issue) throw refused(issue.path, issue.message)
        const query = body as Query
        const { metrics, dimensions = [], filters = [], granularity, limit = 1000, group_limit: groupLimit } = query
        for (const field of ['classifier_dimensions', 'classifier_filters']) {
          if ((body as Record<string, unknown>)[field] !== undefined) throw refused(field, 'cannot be asked for: no classifier looks at requests here. Leave it away')
        }
        for (const [i, { operator, value }] of filters.entries()) {
          const wanted = OPERATORS[operator]
          if (Array.isArray(value) !== (wanted === 'array')) throw refused(`filters[${i}].value`, `must be ${wanted === 'array' ? 'a list' : 'one value'} for ${operator}`)
        }
        const span = spanOf(query, ambient.now())
        const wanted = new Set([...dimensions, ...filters.map(({ field }) => field)].filter((name) => name !== 'workspace'))
        const found = CUTS.filter(({ names }) => [...wanted].every((name) => name in names)).toSorted((a, b) => Object.keys(a.names).length - Object.keys(b.names).length)[0]
        if (found === undefined) throw refused('dimensions', `and filters together name ${[...wanted].join(', ')}; sums are kept by ${CUTS.filter(({ names }) => Object.keys(names).length === 2).map(({ names }) => Object.keys(names).join(' and ')).join('; ')}`)
        if (granularity === 'minute' && !BY_MINUTE.has(found.cut)) throw refused('granularity', 'must be hour or longer with these dimensions, is "minute"')
        const { where, warnings } = await filtersOf(filters, found.names, x.key.workspace)
        const columns = dimensions.map((name) => [name, name === 'workspace' ? 'a' as const : found.names[name]!] as const)
        const sums = await figures.sums({ cut: found.cut, span, where, counts: COUNTED, names: [...new Set(columns.map(([, column]) => column))], ...(granularity && { by: granularity as Stretch }) })
        const labels = await labelsOf(dimensions, x.key.workspace)
        const rows = ordered(sums.filter(({ counts }) => counts.requests > 0), query, (sum, name) => sum[columns.find(([it]) => it === name)![1]])
        const perGroup = new Map<string, number>()
        const kept = groupLimit === undefined || dimensions.length === 0 ? rows : rows.filter((sum) => {
          const group = columns.map(([, column]) => sum[column]).join('\n')
          perGroup.set(group, (perGroup.get(group) ?? 0) + 1)
          return perGroup.get(group)! <= groupLimit
        })
        const data = kept.slice(0, limit).map((sum) => ({
          ...(granularity && { [`date__${granularity}`]: timeOf(granularity as Stretch, sum.at) }),
          ...Object.fromEntries(columns.map(([name, column]) => [name, sum[column] === '' ? null : labels[name]?.get(sum[column]) ?? sum[column]])),
          ...Object.fromEntries(metrics.map((name) => [name, valueOf(name, sum)])),
        }))
        return {
          json: {
            data: {
              data, metadata: { query_time_ms: Math.round(ambient.monotonic() - began), row_count: data.length, truncated: rows.length > data.length },
              ...(warnings.length > 0 && { warnings }),
            },
          },
          headers: ['Cache-Control', 'no-store'],
        }
      },
    },
  ]
}

/** The stretch of time that a query asks for. Throws a FaultError (400) for one that is none or too long for its steps. */
function spanOf({ time_range: range, granularity }: Query, now: number): { from: number; to: number } {
  const from = range === undefined ? Math.floor(now / DAY_MS) * DAY_MS - 6 * DAY_MS : momentOf(range.start, 'time_range.start')
  const to = range === undefined ? now : momentOf(range.end, 'time_range.end')
  if (from >= to) throw refused('time_range.end', `must be after time_range.start, ${range!.start}, is ${range!.end}`)
  const { days } = GRANULARITIES[(granularity ?? 'month') as Stretch]
  // Without a range the last seven days are meant, which no minutes are counted for one by one.
  if (range === undefined) return { from: Math.max(from, to - days * DAY_MS), to }
  if (granularity === 'minute' && from < now - MINUTES_DAYS * DAY_MS) throw refused('time_range.start', `must be at most ${MINUTES_DAYS} days ago by the minute`)
  if (to - from > days * DAY_MS) throw refused('time_range', `must be at most ${days} days${granularity ? ` by the ${granularity}` : ''}`)
  return { from, to }
}

function momentOf(text: string, field: string): number {
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|\+00:00)$/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at)) throw refused(field, `must be a time of UTC with seconds, as 2026-01-31T12:00:00Z, is ${JSON.stringify(text.slice(0, 40))}`)
  return at
}

/** Rows in the order asked for; otherwise by time, and the largest of the first metric first. */
function ordered(sums: readonly Sum[], { order_by: order, metrics, dimensions = [] }: Query, nameOf: (sum: Sum, dimension: string) => string): readonly Sum[] {
  const first = METRICS[metrics[0]!]!
  const usual = (a: Sum, b: Sum): number => a.at - b.at || first.of(b) - first.of(a) || (a.a + a.b + a.c < b.a + b.b + b.c ? -1 : 1)
  if (order === undefined) return sums.toSorted(usual)
  const { field, direction } = order
  const sign = direction === 'asc' ? 1 : -1
  if (field === 'date') return sums.toSorted((a, b) => sign * (a.at - b.at) || usual(a, b))
  if (dimensions.includes(field)) {
    return sums.toSorted((a, b) => (nameOf(a, field) === nameOf(b, field) ? usual(a, b) : nameOf(a, field) < nameOf(b, field) ? -sign : sign))
  }
  const metric = metrics.includes(field) || field === 'request_count' ? METRICS[field] : undefined
  if (metric === undefined) throw refused('order_by.field', `must be date, request_count, or a metric or dimension of the query, is ${JSON.stringify(field.slice(0, 40))}`)
  return sums.toSorted((a, b) => sign * (metric.of(a) - metric.of(b)) || usual(a, b))
}

function valueOf(name: string, sum: Sum): string | number {
  const { format, of } = METRICS[name]!
  return format === 'number' ? String(of(sum)) : of(sum)
}

function timeOf(by: Stretch, at: number): string {
  return by === 'minute' || by === 'hour' ? new Date(at).toISOString() : dayOf(at)
}

function refused(field: string, message: string): FaultError {
  return new FaultError(fault('invalid-request', field === '' ? message : `${field} ${message}`, field === '' ? {} : { field }))
}
