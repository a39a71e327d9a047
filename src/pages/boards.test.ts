import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalog, NO_OVERLAY } from '../catalog/index.ts'
import { usage, type FaultKind, type Generation } from '../core/index.ts'
import type { Site } from '../site.ts'
import { createApps, createFigures, createParameters, createPrices, createRankings, createRollups, createStats } from '../stats/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createSite } from './index.ts'

const DAY = 86_400_000
/** A Thursday. */
const NOW = Date.UTC(2026, 0, 15, 12, 30)
const ambient = createFakeAmbient({ now: NOW })
const catalog = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) })

let made = 0
function call(model: string, tokens: number, daysAgo: number, app: string | null = null, rest: Partial<Generation> = {}): Generation {
  const createdAt = NOW - daysAgo * DAY - 60_000
  return {
    id: `gen-${Math.floor(createdAt / 1000)}-${++made}`, createdAt, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: model, model,
    endpoint: `${model}@x`, provider: 'x', providerName: 'X', upstreamId: null, streamed: false, cancelled: false, simulated: false, finish: 'stop',
    nativeFinish: null, fault: null, latencyMs: 10, durationMs: 20, usage: usage({ total: tokens - 10, cacheRead: 3 }, { total: 10, reasoning: 4 }), cost: 5n,
    absorbed: 0n, price: null, tier: null, attempts: [], untried: 0, referer: app && `https://${app}`, title: null, categories: ['cli-agent'],
    userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0,
    quality: { tools: true, toolCalls: 2, badToolCalls: 0, structured: false, badStructured: false }, sampling: null, ...rest,
  }
}

async function open(store: Store, calls: readonly Generation[], minKeys = 1): Promise<Site> {
  const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
  for (const it of calls) stats.record(it)
  await stats.flush()
  await createRollups({ store, ambient }).catchUp()
  const figures = createFigures({ store, ambient })
  const apps = createApps({ store, ambient })
  return createSite({ catalog, figures, apps, rankings: createRankings({ figures, apps, ambient }), parameters: createParameters({ store, ambient }), prices: createPrices({ store, figures, ambient }), minKeys: () => minKeys, ambient, version: 'test', operator: () => ({ pages: {}, links: {} }), docs: '', openApi: () => ({ paths: {}, components: { schemas: {} } }), hasCredential: () => false, probes: () => null, report: (error) => { throw error } })
}

forEachStore((_, openStore) => {
  test('rankings show models by name, authors by what their models did, apps, and the weeks behind it', async () => {
    const { store } = await openStore()
    const site = await open(store, [
      call('openai/gpt-4o', 600, 0, 'one.example'), call('openai/gpt-4o-mini', 100, 2, 'one.example'), call('anthropic/claude-3-haiku', 300, 1, 'two.example'),
      call('gone/for-good', 50, 1), call('openai/gpt-4o', 1000, 9),
    ])
    const week = await site.rankings('week')
    assert.deepEqual(week.models.map(({ rank, id, name, tokens, change }) => [rank, id, name === id, tokens, change]), [
      [1, 'openai/gpt-4o', false, 600, -40], [2, 'anthropic/claude-3-haiku', false, 300, null], [3, 'openai/gpt-4o-mini', false, 100, null], [4, 'gone/for-good', true, 50, null],
    ])
    assert.deepEqual([week.tokens, week.requests, week.models[3]!.model], [1050, 4, null])
    assert.deepEqual(week.authors.map(({ slug, name, tokens, share }) => [slug, name, tokens, share]),
      [['openai', 'OpenAI', 700, 66.67], ['anthropic', 'Anthropic', 300, 28.57], ['gone', 'gone', 50, 4.76]])
    assert.deepEqual(week.apps.map(({ id, tokens, categories, verified }) => [id, tokens, categories, verified]), [['one.example', 700, ['cli-agent'], false], ['two.example', 300, ['cli-agent'], false]])
    assert.equal(week.weeks.length, 12)
    const monday = Date.UTC(2026, 0, 12)
    assert.deepEqual(week.weeks.slice(-2), [
      { at: monday - 7 * DAY, tokens: { 'openai/gpt-4o': 1000 }, other: 0 },
      { at: monday, tokens: { 'openai/gpt-4o': 600, 'openai/gpt-4o-mini': 100, 'anthropic/claude-3-haiku': 300, 'gone/for-good': 50 }, other: 0 },
    ])
    assert.deepEqual(week.authorWeeks.at(-1), { at: monday, tokens: { openai: 700, anthropic: 300, gone: 50 }, other: 0 })
  })

  test('models beyond the tenth are one layer of the chart together', async () => {
    const { store } = await openStore()
    const site = await open(store, Array.from({ length: 13 }, (_, i) => call(`maker/model-${String(i).padStart(2, '0')}`, 100 - i, 0)))
    const { weeks, models } = await site.rankings('today')
    assert.equal(Object.keys(weeks.at(-1)!.tokens).length, 10)
    assert.equal(weeks.at(-1)!.other, 90 + 89 + 88)
    assert.equal(models.length, 13)
  })

  test('tries of three days are the same on the pages of uptime, of status and of speed, day by day', async () => {
    const { store } = await openStore()
    const id = 'openai/gpt-4o'
    const endpoint = `${id}@openai`
    const tried = (daysAgo: number, fault: FaultKind | null): Generation => call(id, 100, daysAgo, null, {
      endpoint, provider: 'openai', providerName: 'OpenAI', fault,
      attempts: [{
        endpoint, provider: 'openai', providerName: 'OpenAI', model: id, credential: 'k', startedAt: NOW, headersMs: 1, durationMs: 20, status: 200,
        upstreamId: null, outcome: fault === null ? 'answered' : 'failed', fault, message: null,
      }],
    })
    const site = await open(store, [
      tried(0, null), tried(0, null), tried(0, 'upstream-error'), tried(1, null), tried(1, 'upstream-rate-limited'), tried(2, 'timeout'), tried(40, null),
    ])
    const [uptime] = (await site.uptime(id, 30)).endpoints
    assert.deepEqual([uptime!.id, uptime!.tries, uptime!.failures, uptime!.limited, uptime!.uptime, uptime!.availability], [endpoint, 5, 2, 1, 60, 50])
    const days = [{ uptime: 0, tries: 1 }, { uptime: 100, tries: 1 }, { uptime: 66.67, tries: 3 }]
    assert.deepEqual(uptime!.byDay.slice(-3).map((day) => ({ uptime: day.uptime, tries: day.tries })), days)
    const status = (await site.status(30)).providers.find(({ slug }) => slug === 'openai')!
    assert.deepEqual([status.tries, status.failures, status.uptime, status.availability, status.now, status.triesNow], [5, 2, 60, 50, 66.67, 3])
    assert.deepEqual(status.byDay.slice(-3).map((day) => ({ uptime: day.uptime, tries: day.tries })), days)
    assert.deepEqual(status.endpoints.map((it) => [it.id, it.uptime30m, it.uptime1d]), [[endpoint, 66.67, 66.67]])
    const [speed] = (await site.performance(id, '30d')).endpoints
    assert.deepEqual([speed!.total.answers, speed!.points.map(({ answers }) => answers), speed!.total.paidPerMillion], [3, [0, 1, 2], '0.000050000'])
    for (const window of ['1h', '1d', '7d', '30d'] as const) {
      const { endpoints, ...rest } = await site.performance(id, window)
      assert.deepEqual(await site.speed(id, window), { ...rest, endpoints: endpoints.map(({ points: _, ...endpoint }) => endpoint) }, `${window} of a comparison is that of the model's own page`)
    }
    const activity = (await site.activity(id, 30)).days
    assert.deepEqual(activity.slice(-3).map(({ requests, prompt }) => [requests, prompt]), [[1, 90], [2, 180], [3, 270]])
  })

  test('an app has its place, its models and its days; one that nobody called from has no page', async () => {
    const { store } = await openStore()
    const site = await open(store, [call('openai/gpt-4o', 600, 0, 'one.example'), call('openai/gpt-4o-mini', 200, 2, 'one.example'), call('openai/gpt-4o', 900, 1, 'two.example')])
    const app = (await site.app('one.example', 7))!
    assert.deepEqual([app.name, app.rank, app.tokens, app.requests], ['one.example', 2, 800, 2])
    assert.deepEqual(app.models.map(({ id, tokens, share }) => [id, tokens, share]), [['openai/gpt-4o', 600, 75], ['openai/gpt-4o-mini', 200, 25]])
    assert.deepEqual(app.days.map(({ prompt, completion, requests }) => [prompt, completion, requests]), [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [190, 10, 1], [0, 0, 0], [590, 10, 1]])
    assert.equal(await site.app('three.example', 7), null)
    const board = await site.topApps({ period: 'week', category: 'coding' })
    assert.deepEqual(board.apps.map(({ id, rank }) => [id, rank]), [['two.example', 1], ['one.example', 2]])
    assert.equal(board.categories.find(({ category }) => category === 'cli-agent')!.apps, 2)
    assert.deepEqual((await site.topApps({ period: 'week', category: 'legal' })).apps, [])
  })

  test('a model shows its tool calls by day and the apps that used it, without those that hide', async () => {
    const { store } = await openStore()
    const site = await open(store, [call('openai/gpt-4o', 300, 0, 'one.example'), call('openai/gpt-4o', 90, 1, 'two.example'), call('openai/gpt-4o', 10, 1)])
    await store.db.updateTable('apps').set({ hidden: 1 }).where('id', '=', 'two.example').execute()
    assert.deepEqual((await site.activity('openai/gpt-4o', 2)).days.map(({ requests, prompt, completion, reasoning, cached, toolCalls }) =>
      [requests, prompt, completion, reasoning, cached, toolCalls]), [[2, 80, 20, 8, 6, 4], [1, 290, 10, 4, 3, 2]])
    assert.deepEqual((await site.apps('openai/gpt-4o', 7)).apps.map(({ app, name, tokens, requests, share }) => [app, name, tokens, requests, share]),
      [['one.example', 'one.example', 300, 1, 75]])
  })

  test('the report of a month adds up what was answered in it, beside the month before, and none is made of a month that is not there', async () => {
    const { store } = await openStore()
    const site = await open(store, [
      call('openai/gpt-4o', 600, 0), call('meta-llama/llama-3.1-8b-instruct', 300, 1), call('gone/for-good', 100, 2), call('openai/gpt-4o', 400, 20), call('openai/gpt-4o', 100, 500),
    ])
    const report = (await site.report(null))!
    assert.deepEqual([report.month, report.over, report.months], ['2026-01', false, ['2026-01', '2025-12']])
    assert.deepEqual(report.all, { requests: 3, models: 3, tokens: 1000, prompt: 970, completion: 30, cachedShare: 0.93, reasoningShare: 40, toolCalls: 6 })
    assert.deepEqual([report.before!.tokens, report.openWeights], [400, 30])
    assert.deepEqual(report.models.map(({ id, tokens, share, change, listed }) => [id, tokens, share, change, listed]),
      [['openai/gpt-4o', 600, 60, 50, true], ['meta-llama/llama-3.1-8b-instruct', 300, 30, null, true], ['gone/for-good', 100, 10, null, false]])
    assert.deepEqual(report.authors.map(({ slug, models, share }) => [slug, models, share]), [['openai', 1, 60], ['meta-llama', 1, 30], ['gone', 1, 10]])
    const december = (await site.report('2025-12'))!
    assert.deepEqual([december.over, december.all.tokens, december.before], [true, 400, null])
    assert.equal((await site.report('2025-11'))!.all.requests, 0)
    for (const month of ['2024-01', '2026-02', '2026-1', 'never']) assert.equal(await site.report(month), null, month)
  })

  test('the list of models can be put in order by what was asked here, and says what it goes by', async () => {
    const { store } = await openStore()
    const quick = { streamed: true, latencyMs: 40, durationMs: 1040 }
    const site = await open(store, [
      call('openai/gpt-4o', 600, 0), call('openai/gpt-4o-mini', 100, 3, null, quick), call('anthropic/claude-3-haiku', 9000, 12), call('openai/gpt-4o-mini', 90, 0, null, quick),
    ])
    const view = await site.models(new URLSearchParams('order=top-weekly&limit=3'))
    assert.deepEqual(view.models.slice(0, 2).map(({ id, lately }) => [id, lately!.weekTokens, lately!.monthTokens, lately!.samples, lately!.toolSuccess, lately!.toolRequests]),
      [['openai/gpt-4o', 600, 600, 1, 1, 1], ['openai/gpt-4o-mini', 190, 190, 1, 1, 2]])
    const [whole, streamed] = view.models.map(({ lately }) => lately!)
    assert.ok(Math.abs(streamed!.latencyMs! - 40) < 1 && Math.abs(streamed!.throughput! - 10) < 0.2, JSON.stringify(streamed))
    assert.equal(whole!.throughput, null, 'an answer that came at once says nothing of speed')
    assert.deepEqual([view.models[2]!.lately, view.wanting], [null, null])
    assert.equal((await site.models(new URLSearchParams('order=most-popular'))).models[0]!.id, 'anthropic/claude-3-haiku')
    assert.deepEqual((await site.models(new URLSearchParams('min_tool_success_rate=1'))).models.map(({ id }) => id).toSorted(), ['openai/gpt-4o', 'openai/gpt-4o-mini'])

    const { store: idle } = await openStore()
    const nothing = await open(idle, [])
    assert.equal((await nothing.models(new URLSearchParams('order=top-weekly'))).wanting, 'unmeasured')
    assert.equal((await nothing.models(new URLSearchParams('order=newest'))).wanting, null)
  })

  test('the medians for a sample are of parameters that enough requests set, by enough keys', async () => {
    const { store } = await openStore()
    const calls = Array.from({ length: 50 }, (_, i) => call('openai/gpt-4o', 20, 0, null, { sampling: { temperature: 0.4, ...(i > 0 && { top_p: 0.9 }) }, keyId: `k${i % 2}` }))
    const site = await open(store, calls)
    const { medians, parameters } = await site.parameters('openai/gpt-4o')
    assert.deepEqual(medians, { temperature: 0.4 })
    assert.deepEqual(parameters.find(({ name }) => name === 'top_p')!.waiting, 'needs 50 requests, has 49')
    const { store: other } = await openStore()
    assert.deepEqual((await (await open(other, calls, 3)).parameters('openai/gpt-4o')).medians, {}, 'of two keys, where three are asked for')
  })
})
