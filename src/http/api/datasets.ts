import { fault, FaultError } from '../../core/index.ts'
import type { ModelEntry } from '../../catalog/index.ts'
import { checker, z } from '../../schema/index.ts'
import { APP_CATEGORIES, appNumber, isOfCategory, type App, type Sum } from '../../stats/index.ts'
import { DAY_MS, dayFrom, dayOf } from '../days.ts'
import { queryReader } from '../query.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { bodyOf } from '../surface.ts'

/** Rankings as OpenRouter's datasets have them, and what a key may say of the app that it calls as. */

const FIRST_DAY = Date.UTC(2025, 0, 1)
const DEFAULT_DAYS = 30
/** Models of a stretch that have a row of their own; the rest is `other`. */
const MODELS = 50

const day = z.string().optional()
const GROUPS = Object.keys(APP_CATEGORIES)
const CATEGORIES: readonly string[] = Object.values(APP_CATEGORIES).flat()
const Window = {
  start_date: day.describe('First day, UTC; 30 days before the last by default'),
  end_date: day.describe('Last day, UTC; the last complete one by default'),
}

const RankingsQuery = z.object({
  ...Window,
  period: z.enum(['day', 'week', 'month']).optional().describe('What a row is of; weeks begin on Monday'),
  modality: z.enum(['text', 'image', 'image_output', 'audio', 'tool_calling']).optional()
    .describe('`text`, `image_output`: what models give; `image`, `audio`: what they take; `tool_calling`: rows with a call of a tool'),
  context_bucket: z.enum(['1K', '10K', '100K', '1M', '10M']).optional().describe('Requests whose prompt has up to so many tokens, and more than the one before'),
  category: z.string().optional().describe('Refused: what requests are about is not looked at here'),
  language_type: z.string().optional().describe('Refused: what requests are about is not looked at here'),
})

const AppsQuery = z.object({
  ...Window,
  category: z.enum(GROUPS as [string, ...string[]]).optional(),
  subcategory: z.enum(CATEGORIES as [string, ...string[]]).optional(),
  sort: z.enum(['popular', 'trending']).optional().describe('By tokens, or by what they are beyond the mean of the three stretches before'),
  limit: z.int().min(1).max(100).optional().describe('50 by default'),
  offset: z.int().min(0).max(100).optional(),
})

const Meta = z.object({
  version: z.literal('v1'), as_of: z.string(), start_date: z.string(), end_date: z.string(),
  demo_traffic: z.literal(true).optional().describe('There where a demonstration is in the figures'),
}).meta({ id: 'DatasetMeta' })
const tokens = z.string().describe('Prompt and completion together, as decimal text')
const RankingsReply = z.object({
  data: z.array(z.object({ date: z.string(), model_permaslug: z.string().describe('`other` for all behind the fiftieth'), total_tokens: tokens })), meta: Meta,
})
const AppsReply = z.object({
  data: z.array(z.object({
    rank: z.int(), app_id: z.int(), app_name: z.string(), total_tokens: tokens, total_requests: z.int(),
    app_url: z.string().nullable(), verified: z.boolean().describe('A key speaks for it; of the others anybody may have sent the name'),
    categories: z.array(z.string()),
  })),
  meta: Meta,
})

const Claim = z.strictObject({
  title: z.string().min(1).max(100).nullable().optional().describe('null for the title that calls claim'),
  tagline: z.string().max(200).nullable().optional(),
  hidden: z.boolean().optional().describe('In no list and no ranking'),
})
const AppParams = z.object({ app: z.string().describe('The host of its address, without www') })
const AppReply = z.object({
  data: z.object({
    id: z.string(), app_id: z.int(), name: z.string(), url: z.string().nullable(), tagline: z.string().nullable(), categories: z.array(z.string()),
    verified: z.boolean(), hidden: z.boolean(), first_seen_at: z.string(),
  }),
})

export function datasetRoutes(services: Services): readonly Route[] {
  const { figures, rankings, apps, ambient, catalog } = services
  const readRankings = queryReader(RankingsQuery)
  const readApps = queryReader(AppsQuery)
  const checkClaim = checker(Claim)

  /** The stretch of whole days that a query asks for; `to` is not in it. */
  const windowOf = (query: Readonly<Record<string, unknown>>): { from: number; to: number } => {
    const text = (name: string): string | undefined => query[name] as string | undefined
    const today = Math.floor(ambient.now() / DAY_MS) * DAY_MS
    const last = text('end_date') === undefined ? today - DAY_MS : dayFrom(text('end_date')!, 'end_date')
    if (last < FIRST_DAY) throw refused('end_date', `must be ${dayOf(FIRST_DAY)} or later, is ${text('end_date')}`)
    const first = Math.max(FIRST_DAY, text('start_date') === undefined ? last - (DEFAULT_DAYS - 1) * DAY_MS : dayFrom(text('start_date')!, 'start_date'))
    if (first > last) throw refused('start_date', `must not be after end_date, ${dayOf(last)}, is ${dayOf(first)}`)
    return { from: first, to: last + DAY_MS }
  }
  const metaOf = async ({ from, to }: { from: number; to: number }) => ({
    version: 'v1', as_of: new Date(ambient.now()).toISOString(), start_date: dayOf(from), end_date: dayOf(to - DAY_MS),
    ...(await figures.isDemo() && { demo_traffic: true }),
  })

  return [
    {
      name: 'getRankingsDaily', methods: ['GET'], paths: api('/datasets/rankings-daily'), tag: 'Statistics', policy: 'key',
      summary: 'Tokens of the fifty models with most in each day, week or month, measured here, and of all others together',
      query: RankingsQuery, replies: { 200: { description: 'The rows', schema: RankingsReply } }, errors: ['invalid-request'],
      async handle(x) {
        const query = readRankings(x.search)
        for (const field of ['category', 'language_type']) {
          if (query[field] !== undefined) throw refused(field, 'cannot be asked for: what requests are about is not looked at here. Leave it away')
        }
        const span = windowOf(query)
        const bucket = query['context_bucket'] as string | undefined
        const sums = await figures.sums({
          cut: bucket === undefined ? 'model' : 'context-model', span, by: (query['period'] ?? 'day') as 'day', names: [bucket === undefined ? 'a' : 'b'],
          counts: ['requests', 'prompt_tokens', 'completion_tokens', 'tool_calls'],
          ...(bucket !== undefined && { where: [{ name: 'a', is: 'in', values: [bucket] }] }),
        })
        const at = catalog.snapshot()
        const seated = MODALITIES[query['modality'] as string] ?? (() => true)
        const rows = sums.map((sum) => ({ sum, id: sum.a || sum.b }))
          .filter(({ sum, id }) => id !== '' && tokensOf(sum) > 0 && seated(at.model(id), sum))
        const data = [...Map.groupBy(rows, ({ sum }) => sum.at)].toSorted(([a], [b]) => a - b).flatMap(([begin, own]) => {
          const listed = own.toSorted((a, b) => tokensOf(b.sum) - tokensOf(a.sum) || (a.id < b.id ? -1 : 1))
          const rest = listed.slice(MODELS).reduce((all, { sum }) => all + tokensOf(sum), 0)
          const date = dayOf(begin)
          return [
            ...listed.slice(0, MODELS).map(({ id, sum }) =>
              ({ date, model_permaslug: at.model(id)?.row.canonical_slug ?? id, total_tokens: String(tokensOf(sum)) })),
            ...(rest > 0 ? [{ date, model_permaslug: 'other', total_tokens: String(rest) }] : []),
          ]
        })
        return { json: { data, meta: await metaOf(span) } }
      },
    },
    {
      name: 'getAppRankings', methods: ['GET'], paths: api('/datasets/app-rankings'), tag: 'Statistics', policy: 'key',
      summary: 'The apps with most tokens, or with most beyond what is usual for them, measured here',
      query: AppsQuery, replies: { 200: { description: 'The apps', schema: AppsReply } }, errors: ['invalid-request'],
      async handle(x) {
        const query = readApps(x.search)
        const [group, category] = [query['category'] as string | undefined, query['subcategory'] as string | undefined]
        if (group !== undefined && category !== undefined && !isOfCategory({ categories: [category] }, group)) {
          throw refused('subcategory', `must be one of category ${group}: ${APP_CATEGORIES[group as keyof typeof APP_CATEGORIES].join(', ')}; is ${category}`)
        }
        const span = windowOf(query)
        const ranked = await rankings.between('app', span, (query['sort'] ?? 'popular') as 'popular')
        const known = await apps.of(ranked.map(({ name }) => name))
        const wanted = category ?? group
        const offset = (query['offset'] ?? 0) as number
        const listed = ranked.map((row) => ({ row, app: known.get(row.name) }))
          .filter(({ app }) => wanted === undefined || (app !== undefined && isOfCategory(app, wanted)))
        const data = listed.slice(offset, offset + ((query['limit'] ?? 50) as number)).map(({ row, app }, i) => ({
          rank: offset + i + 1, app_id: appNumber(row.name), app_name: app?.name ?? row.name, total_tokens: String(row.tokens), total_requests: row.requests,
          app_url: app?.url ?? null, verified: app?.verified ?? false, categories: app?.categories ?? [],
        }))
        return { json: { data, meta: await metaOf(span) } }
      },
    },
    {
      name: 'claimApp', methods: ['PUT'], paths: api('/apps/{app}'), tag: 'Statistics', policy: 'key',
      summary: 'Speaks for an app that the key has called as: it is verified then, and can be named, described or hidden',
      params: AppParams, body: Claim, bodyExample: { title: 'My app', tagline: 'What it does' },
      replies: { 200: { description: 'The app', schema: AppReply } }, errors: ['invalid-request', 'forbidden', 'not-found'],
      async handle(x) {
        const body = bodyOf(x)
        const issue = checkClaim(body)
        if (issue) throw refused(issue.path, issue.message)
        return { json: { data: appBody(await apps.claim(x.params['app'] ?? '', { key: x.key.id, workspace: x.key.workspace }, body as z.infer<typeof Claim>)) } }
      },
    },
    {
      name: 'releaseApp', methods: ['DELETE'], paths: api('/apps/{app}'), tag: 'Statistics', policy: 'key',
      summary: 'Speaks for an app no more; what was said of it goes', params: AppParams,
      replies: { 200: { description: 'It is released', schema: z.object({ deleted: z.literal(true) }) } }, errors: ['forbidden', 'not-found'],
      async handle(x) {
        await apps.release(x.params['app'] ?? '', { key: x.key.id, workspace: x.key.workspace })
        return { json: { deleted: true } }
      },
    },
  ]
}

const tokensOf = ({ counts }: Sum): number => counts.prompt_tokens + counts.completion_tokens

/** Which rows a modality leaves in; a model that is in the catalogue no more has none that is known. */
const MODALITIES: Readonly<Record<string, (entry: ModelEntry | null, sum: Sum) => boolean>> = {
  text: (entry) => entry?.row.output_modalities.includes('text') ?? false,
  image_output: (entry) => entry?.row.output_modalities.includes('image') ?? false,
  image: (entry) => entry?.row.input_modalities.includes('image') ?? false,
  audio: (entry) => entry?.row.input_modalities.includes('audio') ?? false,
  tool_calling: (_, { counts }) => counts.tool_calls > 0,
}

function appBody({ id, name, url, tagline, categories, verified, hidden, firstAt }: App): Record<string, unknown> {
  return { id, app_id: appNumber(id), name, url, tagline, categories, verified, hidden, first_seen_at: new Date(firstAt).toISOString() }
}

function refused(field: string, message: string): FaultError {
  return new FaultError(fault('invalid-request', field === '' ? message : `${field} ${message}`, field === '' ? {} : { field }))
}
