/** What a workspace used, and what everybody used together, in OpenRouter's shapes: read by its own official client. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenRouter } from '@openrouter/sdk'
import { ambient } from '../../src/ambient.ts'
import { usage, type Generation } from '../../src/core/index.ts'
import { onBothStores, providerAt, saying, startUpstream, type Signalbox } from './signalbox.ts'

const DAY = 86_400_000
/** A clock that stands still: no midnight comes between a call and the question for its day. */
const NOW = Date.UTC(2026, 0, 15, 12, 30)
const still = { ...ambient, now: () => NOW }
const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

let made = 0
/** A call at noon so many days ago, with a prompt of so many tokens and ten tokens for an answer. */
function call(prompt: number, daysAgo: number, rest: Partial<Generation> = {}): Generation {
  const createdAt = Math.floor(NOW / DAY) * DAY - daysAgo * DAY + (daysAgo === 0 ? 0 : DAY / 2)
  const model = rest.model ?? 'acme/one'
  return {
    id: `gen-${Math.floor(createdAt / 1000)}-statistics${++made}`, createdAt, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: model, model,
    endpoint: `${model}@sound`, provider: 'sound', providerName: 'Sound', upstreamId: null, streamed: false, cancelled: false, simulated: false, finish: 'stop',
    nativeFinish: null, fault: null, latencyMs: 10, durationMs: 20, usage: usage({ total: prompt, cacheRead: 5 }, { total: 10, reasoning: 4 }), cost: 1_000_000n,
    absorbed: 0n, price: null, tier: null, attempts: [], untried: 0, referer: null, title: null, categories: [], userAgent: null, user: null, session: null,
    inputMedia: 0, inputAudio: 0, quality: null, sampling: null, ...rest,
  }
}

/** Records calls and waits until they are in the figures. */
async function lived(box: Signalbox, calls: readonly Generation[]): Promise<void> {
  for (const it of calls) box.app.stats.record(it)
  for (let patience = 0; patience < 600; patience++) {
    const { requests } = await box.app.store.db.selectFrom('rollups').where('cut', '=', 'all').where('grain', '=', 1440)
      .select((build) => build.fn.sum<number>('requests').as('requests')).executeTakeFirstOrThrow()
    if (requests === calls.length) return
    await sleep(50)
  }
  assert.fail('the figures never had the calls')
}

const clientOf = (box: Signalbox): OpenRouter => new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
/** An answer of 200, as it is. */
// oxlint-disable-next-line typescript/no-explicit-any
async function told(response: Promise<Response>): Promise<any> {
  const got = await response
  const text = await got.text()
  assert.equal(got.status, 200, text)
  return JSON.parse(text)
}
async function refusal(response: Promise<Response>, status: number, message: RegExp): Promise<void> {
  const got = await response
  const { error } = (await got.json()) as { error: { message: string } }
  assert.equal(got.status, status, error.message)
  assert.match(error.message, message)
}
const from = (app: string, rest: Partial<Generation> = {}): Partial<Generation> => ({ referer: `https://${app}/`, ...rest })

onBothStores((start) => {
  test("a workspace sees what it used on each complete day, by endpoint, and nothing of another's", async () => {
    const box = await start({ config: providerAt('sound', 'http://127.0.0.1:9/v1'), ambient: still })
    const key = 'a'.repeat(64)
    await lived(box, [
      call(100, 1), call(200, 1, { keyId: key }), call(50, 2, { model: 'acme/two', endpoint: 'acme/two@sound' }), call(1, 0), call(1, 31),
      call(7000, 1, { workspace: 'other' }),
    ])
    const { data } = await clientOf(box).analytics.getUserActivity()
    const yesterday = dayOf(NOW - DAY)
    assert.deepEqual(data.map((row) => [row.date, row.model, row.endpointId, row.providerName, row.requests, row.promptTokens, row.completionTokens, row.reasoningTokens, row.usage]), [
      [yesterday, 'acme/one', 'acme/one@sound', 'sound', 2, 300, 20, 8, 0.002],
      [dayOf(NOW - 2 * DAY), 'acme/two', 'acme/two@sound', 'sound', 1, 50, 10, 4, 0.001],
    ])
    const ofKey = await told(box.get(`/api/v1/activity?api_key_hash=${key}&date=${yesterday}&group_by=workspace`))
    assert.deepEqual(ofKey.data.map((row: Record<string, unknown>) => [row['prompt_tokens'], row['workspace_id']]), [[200, 'default']])
    await refusal(box.get('/api/v1/activity?date=2020-01-01'), 400, /^date must be one of the last 30 complete days/)
    await refusal(box.get('/api/v1/activity?api_key_hash=x'), 400, /^api_key_hash must be the hash/)
    await refusal(box.get('/api/v1/activity?workspace_id=other'), 404, /no such workspace/)
  })

  test('a query adds up by two dimensions and by time, filters, orders and cuts, and says what it cannot', async () => {
    const box = await start({ config: providerAt('sound', 'http://127.0.0.1:9/v1'), ambient: still })
    const { id: mine } = (await box.app.accounts.listKeys())[0]!
    await lived(box, [
      call(100, 1, { keyId: mine, ...from('shop.example', { title: 'The Shop' }) }), call(300, 2, { keyId: mine }),
      call(50, 2, { model: 'acme/two', user: 'somebody', ...from('shop.example') }), call(9000, 1, { workspace: 'other', model: 'secret/model' }),
    ])
    const client = clientOf(box)
    const { data: { metrics, dimensions } } = await client.analytics.getAnalyticsMeta()
    assert.ok(metrics.some(({ name }) => name === 'total_usage') && dimensions.some(({ name }) => name === 'api_key_id'))
    // oxlint-disable-next-line typescript/no-explicit-any
    const ask = async (query: any) => (await told(box.send('POST', '/api/v1/analytics/query', { body: query }))).data
    assert.deepEqual((await client.analytics.queryAnalytics({ requestBody: { metrics: ['request_count'] } })).data.metadata.rowCount, 1)
    assert.deepEqual((await ask({ metrics: ['request_count', 'tokens_prompt', 'total_usage', 'cache_hit_rate'] })).data,
      [{ request_count: '3', tokens_prompt: '450', total_usage: 0.003, cache_hit_rate: 15 / 450 }])
    assert.deepEqual((await ask({ metrics: ['request_count'], dimensions: ['app', 'model'] })).data.toSorted((a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), [
      { app: 'The Shop', model: 'acme/one', request_count: '1' }, { app: 'The Shop', model: 'acme/two', request_count: '1' }, { app: null, model: 'acme/one', request_count: '1' },
    ])
    assert.deepEqual((await ask({ metrics: ['tokens_total'], dimensions: ['model'], granularity: 'day', order_by: { field: 'date', direction: 'desc' } })).data, [
      { date__day: dayOf(NOW - DAY), model: 'acme/one', tokens_total: '110' },
      { date__day: dayOf(NOW - 2 * DAY), model: 'acme/one', tokens_total: '310' }, { date__day: dayOf(NOW - 2 * DAY), model: 'acme/two', tokens_total: '60' },
    ])
    assert.deepEqual((await ask({ metrics: ['tokens_prompt'], dimensions: ['api_key_id'], filters: [{ field: 'model', operator: 'in', value: ['acme/one'] }] })).data,
      [{ api_key_id: 'story', tokens_prompt: '400' }])
    assert.deepEqual((await ask({ metrics: ['tokens_prompt'], filters: [{ field: 'app', operator: 'neq', value: 'nowhere.example' }] })).data, [{ tokens_prompt: '150' }],
      'a condition on apps leaves out what came from none')
    assert.deepEqual((await ask({ metrics: ['tokens_prompt'], filters: [{ field: 'app', operator: 'not_in', value: ['nowhere.example'], include_unset: true }] })).data, [{ tokens_prompt: '450' }])
    assert.deepEqual((await ask({ metrics: ['tokens_prompt'], filters: [{ field: 'workspace', operator: 'eq', value: 'other' }] })).data, [])
    const cut = await ask({ metrics: ['tokens_prompt'], dimensions: ['model'], limit: 1 })
    assert.deepEqual([cut.data, cut.metadata.truncated], [[{ model: 'acme/one', tokens_prompt: '400' }], true])
    assert.match((await ask({ metrics: ['tokens_prompt'], filters: [{ field: 'app', operator: 'eq', value: 12 }] })).warnings[0], /no app 12/)

    const refused = (query: unknown, message: RegExp) => refusal(box.send('POST', '/api/v1/analytics/query', { body: query }), 400, message)
    await refused({ metrics: ['tokens'] }, /^metrics\[0\] must be one of/)
    await refused({ metrics: ['request_count'], dimensions: ['provider', 'model'] }, /^dimensions and filters together name provider, model; sums are kept by/)
    await refused({ metrics: ['request_count'], filters: [{ field: 'model', operator: 'in', value: 'x' }] }, /^filters\[0\]\.value must be a list for in/)
    await refused({ metrics: ['request_count'], time_range: { start: '2026-01-01T00:00Z', end: '2026-01-02T00:00:00Z' } }, /^time_range\.start must be a time of UTC with seconds/)
    await refused({ metrics: ['request_count'], time_range: { start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z' } }, /^time_range\.end must be after/)
    await refused({ metrics: ['request_count'], granularity: 'hour', time_range: { start: '2025-11-01T00:00:00Z', end: '2026-01-01T00:00:00Z' } }, /at most 31 days by the hour/)
    await refused({ metrics: ['request_count'], dimensions: ['model'], granularity: 'minute' }, /^granularity must be hour or longer/)
    await refused({ metrics: ['request_count'], order_by: { field: 'tokens_total', direction: 'asc' } }, /^order_by\.field must be date, request_count/)
  })

  test('the datasets rank models by day and apps by tokens, over complete days, from all workspaces together', async () => {
    const box = await start({ config: providerAt('sound', 'http://127.0.0.1:9/v1'), ambient: still })
    const many = Array.from({ length: 53 }, (_, i) => call(1000 - i, 3, { model: `many/model-${String(i).padStart(2, '0')}` }))
    await lived(box, [
      ...many, call(100, 1, from('shop.example', { title: 'The Shop', categories: ['cli-agent'] })), call(20_000, 1, { workspace: 'other', ...from('big.example') }), call(5, 0),
      call(40, 2, { model: 'openai/gpt-4o', ...from('shop.example'), quality: { tools: true, toolCalls: 1, badToolCalls: 0, structured: false, badStructured: false } }),
    ])
    const client = clientOf(box)
    const { data, meta } = await client.datasets.getRankingsDaily({ startDate: dayOf(NOW - 3 * DAY) })
    assert.deepEqual([meta.startDate, meta.endDate], [dayOf(NOW - 3 * DAY), dayOf(NOW - DAY)])
    const first = data.filter(({ date }) => date === meta.startDate)
    assert.deepEqual([first.length, first[0], first.at(-1)], [51, { date: meta.startDate, modelPermaslug: 'many/model-00', totalTokens: '1010' },
      { date: meta.startDate, modelPermaslug: 'other', totalTokens: String(960 + 959 + 958) }])
    assert.deepEqual(data.filter(({ date }) => date === meta.endDate).map(({ totalTokens }) => totalTokens), ['20120'], 'both workspaces in one row, and not today')
    const only = async (query: string) => (await told(box.get(`/api/v1/datasets/rankings-daily?start_date=${dayOf(NOW - 2 * DAY)}&${query}`))).data.map((row: Record<string, unknown>) => row['total_tokens'])
    assert.deepEqual(await only('context_bucket=100K'), ['20010'])
    assert.deepEqual(await only('modality=tool_calling'), ['50'])
    assert.deepEqual(await only('modality=image'), ['50'], 'gpt-4o takes images')

    const { result: apps } = await client.datasets.getAppRankings({ sort: 'popular', limit: 10, offset: 0 }).then(async (pages) => {
      for await (const page of pages) return page
      throw new Error('no page came')
    })
    assert.deepEqual(apps.data.map(({ rank, appName, totalTokens, totalRequests }) => [rank, appName, totalTokens, totalRequests]), [[1, 'big.example', '20010', 1], [2, 'The Shop', '160', 2]])
    const coding = await told(box.get('/api/v1/datasets/app-rankings?category=coding&subcategory=cli-agent'))
    assert.deepEqual(coding.data.map((row: Record<string, unknown>) => [row['rank'], row['app_name'], row['verified']]), [[1, 'The Shop', false]])
    assert.deepEqual((await told(box.get('/api/v1/datasets/app-rankings?offset=1'))).data.map((row: Record<string, unknown>) => row['rank']), [2])

    await refusal(box.get('/api/v1/datasets/rankings-daily?category=programming'), 400, /^category cannot be asked for/)
    await refusal(box.get('/api/v1/datasets/rankings-daily?end_date=2024-12-31'), 400, /^end_date must be 2025-01-01 or later/)
    await refusal(box.get('/api/v1/datasets/rankings-daily?start_date=2026-02-30'), 400, /^start_date must be a day as/)
    await refusal(box.get('/api/v1/datasets/app-rankings?category=coding&subcategory=game'), 400, /^subcategory must be one of category coding/)
    assert.equal((await fetch(`${box.url}/api/v1/datasets/rankings-daily`)).status, 401)
  })

  test('a key names the app that it called as, and others read that it is verified', async () => {
    const box = await start({ config: providerAt('sound', 'http://127.0.0.1:9/v1'), ambient: still })
    const { id: mine } = (await box.app.accounts.listKeys())[0]!
    await lived(box, [call(100, 1, { keyId: mine, ...from('shop.example', { title: '<b>Shop</b>' }) }), call(10, 1, from('other.example'))])
    const put = (app: string, body: unknown) => box.send('PUT', `/api/v1/apps/${app}`, { body })
    await refusal(put('other.example', {}), 403, /^This key has not called as other\.example/)
    await refusal(put('nowhere.example', {}), 404, /^No call has come from an app nowhere\.example/)
    await refusal(put('shop.example', { titel: 'x' }), 400, /^titel is not a known field/)
    const { data } = await told(put('shop.example', { title: 'The Shop', tagline: 'Sells things' }))
    assert.deepEqual([data.name, data.tagline, data.verified], ['The Shop', 'Sells things', true])
    const row = async () => (await told(box.get('/api/v1/datasets/app-rankings'))).data.find((it: Record<string, unknown>) => it['app_url'] === 'https://shop.example')
    assert.deepEqual([(await row()).app_name, (await row()).verified], ['The Shop', true])
    await put('shop.example', { hidden: true })
    assert.equal(await row(), undefined)
    assert.deepEqual(await told(box.send('DELETE', '/api/v1/apps/shop.example')), { deleted: true })
    assert.deepEqual([(await row()).app_name, (await row()).verified], ['<b>Shop</b>', false])
  })

  test('what callers set parameters to is told from fifty requests on, and before that what is missing', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: providerAt('sound', `${upstream.url}/v1`, { row: { default_parameters: { temperature: 0.6 } } }) })
    const asked = async (): Promise<Record<string, Record<string, unknown>>> => (await told(box.get('/api/v1/parameters/acme/one'))).data
    const ask = (count: number, rest: object) => Promise.all(Array.from({ length: count }, () => box.whole(saying('acme/one', 'Hello', rest as Record<string, unknown>))))
    const temperature = async (requests: number) => {
      for (let patience = 0; patience < 600; patience++) {
        const { parameters } = await asked()
        const it = parameters!['temperature'] as Record<string, unknown>
        if (it['requests'] === requests) return it
        await sleep(50)
      }
      throw new Error(`never ${requests} requests`)
    }
    await ask(49, { temperature: 0.3, top_k: 20 })
    assert.deepEqual(await temperature(49), { default: 0.6, requests: 49, waiting: 'needs 50 requests, has 49', p10: null, p50: null, p90: null })
    await ask(11, { temperature: 1.25 })
    await ask(1, {})
    assert.deepEqual(await temperature(60), { default: 0.6, requests: 60, waiting: null, p10: 0.3, p50: 0.3, p90: 1.25 })
    const flat = await asked()
    assert.deepEqual([flat['temperature_p90'], flat['top_k_p50'], (flat['parameters']!['top_k'] as Record<string, unknown>)['waiting']], [1.25, null, 'needs 50 requests, has 49'])
    await refusal(box.get('/api/v1/parameters/acme/none'), 404, /no model acme\/none/)
  })
})
