/**
 * What is told of the traffic is what happened: every figure of a demonstration, told by a page or the API, against a
 * recount of its records by plain SQL. Nothing here is of the room that adds up.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { ambient } from '../../src/ambient.ts'
import { readConfig } from '../../src/config/index.ts'
import { removeDemo, seedDemo } from '../../src/offline.ts'
import { onBothStores, type Signalbox } from './signalbox.ts'

const DAY = 86_400_000
/** A clock that stands still, in the evening: the day so far has traffic, and no minute passes between two questions. */
const NOW = Date.UTC(2026, 0, 15, 21, 40)
const TODAY = Math.floor(NOW / DAY) * DAY
const still = { ...ambient, now: () => NOW }
/** How far a percentile may be beside that of the full list: docs/figures.md says so, and a tenth is lost to rounding. */
const ERROR = 0.01

const configOf = (box: Signalbox) => readConfig(box.env, box.home)
type Row = Readonly<Record<string, unknown>>

/** Rows of a query over records, numbers as numbers. */
async function ask(box: Signalbox, query: ReturnType<typeof sql>): Promise<readonly Row[]> {
  const { rows } = await query.execute(box.app.store.db)
  return (rows as Row[]).map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value])))
}
const lists = async (box: Signalbox, query: ReturnType<typeof sql>): Promise<readonly (readonly unknown[])[]> => (await ask(box, query)).map((row) => Object.values(row))

// oxlint-disable-next-line typescript/no-explicit-any
async function get(box: Signalbox, path: string): Promise<any> {
  const response = await box.get(path)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text)
}

/** The tries of records, which are JSON in their rows: of a call that was answered at once, its columns say the rest. */
async function triesOf(box: Signalbox, model: string, from: number): Promise<readonly { endpoint: string; answered: boolean; limited: boolean }[]> {
  const rows = await ask(box, sql`select attempts, endpoint from generations where requested = ${model} and created_at >= ${from} and simulated = 0`)
  return rows.flatMap((row) => {
    const read = JSON.parse(row['attempts'] as string) as unknown[]
    if (typeof read[0] === 'string') return [{ endpoint: row['endpoint'] as string, answered: true, limited: false }]
    return (read as { endpoint: string; outcome: string; fault: string | null }[]).filter(({ outcome }) => outcome !== 'cancelled')
      .map(({ endpoint, outcome, fault }) => ({ endpoint, answered: outcome === 'answered', limited: fault === 'upstream-rate-limited' }))
  })
}
const percent = (part: number, all: number): number | null => all === 0 ? null : Math.round(part / all * 10_000) / 100

function near(told: number | undefined | null, values: readonly number[], share: number, what: string): void {
  const exact = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)]!
  assert.ok(Math.abs(told! - exact) <= exact * ERROR + 0.1, `${what}: ${told} for ${exact}`)
}

/** Whether a demonstration is in is remembered for two seconds: waits until the server has looked again. */
async function toldSoon(box: Signalbox, isIn: boolean): Promise<void> {
  for (let patience = 0; await box.app.site.demoTraffic() !== isIn && patience < 1200; patience++) await sleep(50)
}

onBothStores((start) => {
  test('every figure of sixty days is what a recount of the records gives, on the page and in the API', async () => {
    const box = await start({ ambient: still })
    const made = await seedDemo({ config: configOf(box), ambient: still, calls: 800 })
    const { site } = box.app
    const [{ n, failed }] = await ask(box, sql`select count(*) as n, sum(case when fault is not null then 1 else 0 end) as failed from generations`) as [Row]
    assert.equal(n, made.calls)
    assert.ok((n as number) > 700 && (failed as number) > 5, 'traffic of every kind')

    // Rankings, of models, authors and apps.
    for (const [period, days] of [['today', 1], ['week', 7], ['month', 30]] as const) {
      const from = TODAY - (days - 1) * DAY
      const board = await site.rankings(period)
      const counted = await lists(box, sql`select model, sum(input_tokens + output_tokens) as tokens, sum(input_tokens) as prompt, sum(output_tokens) as completion, sum(reasoning_tokens) as reasoning, sum(cache_read_tokens) as cached, count(*) as requests, sum(coalesce(tool_calls, 0)) as calls
        from generations where model is not null and created_at >= ${from} group by model order by tokens desc, model`)
      assert.deepEqual(board.models.map((it) => [it.id, it.tokens, it.prompt, it.completion, it.reasoning, it.cached, it.requests, it.toolCalls]), counted, period)
      const before = new Map((await lists(box, sql`select model, sum(input_tokens + output_tokens) from generations
        where model is not null and created_at >= ${from - days * DAY} and created_at < ${Math.floor(NOW / 3_600_000 + 1) * 3_600_000 - days * DAY} group by model`)) as [string, number][])
      for (const it of board.models) {
        const then = before.get(it.id)
        assert.equal(it.change, then ? Math.round((it.tokens - then) / then * 1000) / 10 : null, `${period} ${it.id}`)
      }
      const apps = await lists(box, sql`select title, sum(input_tokens + output_tokens) as tokens, count(*) from generations where referer is not null and created_at >= ${from} group by title order by tokens desc`)
      assert.deepEqual(board.apps.map(({ name, tokens, requests }) => [name, tokens, requests]), apps)
      assert.equal(board.authors.reduce((sum, it) => sum + it.tokens, 0), counted.reduce((sum, row) => sum + (row[1] as number), 0))
    }
    const weeks = (await site.rankings('week')).weeks.map(({ at, tokens, other }) => [at, Object.values(tokens).reduce((sum, it) => sum + it, other)])
    const monday = (at: number): number => at - (new Date(at).getUTCDay() + 6) % 7 * DAY
    const byDay = await lists(box, sql`select created_at - created_at % ${sql.lit(DAY)} as day, sum(input_tokens + output_tokens) from generations where model is not null group by 1`) as [number, number][]
    assert.deepEqual(weeks, Array.from({ length: 12 }, (_, i) => monday(TODAY) - (11 - i) * 7 * DAY).map((at) =>
      [at, byDay.filter(([day]) => monday(day) === at).reduce((sum, [, tokens]) => sum + tokens, 0)]))

    // The datasets, over complete days.
    const { data } = await get(box, '/api/v1/datasets/rankings-daily')
    const daily = await lists(box, sql`select created_at - created_at % ${sql.lit(DAY)} as day, sum(input_tokens + output_tokens) from generations
      where model is not null and created_at >= ${TODAY - 30 * DAY} and created_at < ${TODAY} group by 1 order by 1`)
    const told = Map.groupBy(data as { date: string; total_tokens: string }[], ({ date }) => date)
    assert.deepEqual([...told].map(([date, rows]) => [Date.parse(date), rows.reduce((sum, row) => sum + Number(row.total_tokens), 0)]), daily)

    // One model: activity, apps, and each of its endpoints.
    const model = (await site.rankings('month')).models[0]!.id
    const activity = (await site.activity(model, 60)).days.filter(({ requests }) => requests > 0)
    assert.deepEqual(activity.map((day) => [day.at, day.requests, day.prompt, day.completion, day.reasoning, day.cached, day.toolCalls]), await lists(box, sql`
      select created_at - created_at % ${sql.lit(DAY)} as day, count(*) as requests, sum(input_tokens) as prompt, sum(output_tokens) as completion, sum(reasoning_tokens) as reasoning, sum(cache_read_tokens) as cached, sum(coalesce(tool_calls, 0)) as calls
      from generations where model = ${model} and created_at >= ${TODAY - 59 * DAY} group by 1 order by 1`))
    const { endpoints } = (await get(box, `/api/v1/models/${model}/endpoints`)).data as { endpoints: Row[] }
    const view = (await site.model(model))!
    const uptime90 = await site.uptime(model, 90)
    const tries = new Map(await Promise.all([3, 90].map(async (days) => [days, await triesOf(box, model, TODAY - (days - 1) * DAY)] as const)))
    let judged = 0
    for (const endpoint of view.endpoints.filter(({ measured }) => measured !== null)) {
      const api = endpoints.find(({ tag }) => tag === endpoint.tag)!
      const longer = endpoint.measured!.longer!
      for (const [days, up, available] of [[3, longer.uptime3d, longer.availability3d], [90, longer.uptime90d, longer.availability90d]] as const) {
        const own = tries.get(days)!.filter((it) => it.endpoint === endpoint.id)
        const answered = own.filter((it) => it.answered).length
        assert.equal(up, percent(answered, own.filter((it) => !it.limited).length), `${endpoint.id} ${days} d`)
        assert.equal(available, percent(answered, own.length), `${endpoint.id} ${days} d`)
        assert.deepEqual([api[`uptime_last_${days}d`], api[`availability_last_${days}d`]], [up, available], 'page and API agree')
      }
      assert.equal(uptime90.endpoints.find(({ id }) => id === endpoint.id)!.uptime, longer.uptime90d)
      const [week] = await ask(box, sql`select count(*) as requests, coalesce(sum(input_tokens), 0) as prompt, coalesce(sum(output_tokens), 0) as completion, coalesce(sum(cache_read_tokens), 0) as cached,
        coalesce(sum(tools), 0) as tools, coalesce(sum(case when tools = 1 and bad_tool_calls > 0 then 1 else 0 end), 0) as bad, coalesce(sum(structured), 0) as structured, coalesce(sum(cost_nano), 0) as paid
        from generations where endpoint = ${endpoint.id} and created_at >= ${TODAY - 6 * DAY}`) as unknown as [Record<string, number>]
      assert.deepEqual([longer.week.requests, longer.week.promptTokens, longer.week.completionTokens, longer.week.cacheHitRate, longer.week.toolRequests, longer.week.toolErrorRate, longer.week.structuredRequests],
        [week['requests'], week['prompt'], week['completion'], percent(week['cached']!, week['prompt']!), week['tools'], percent(week['bad']!, week['tools']!), week['structured']])
      if (longer.week.paidPerMillion !== null) {
        assert.ok(Math.abs(Number(longer.week.paidPerMillion) - week['paid']! / 1000 / (week['prompt']! + week['completion']!)) < 1e-8)
        assert.ok(Number(endpoint.listPerMillion) > 0)
      }
      const last = api['last_7d'] as Row
      assert.deepEqual([last['requests'], last['cache_hit_rate'], last['effective_price_per_million'], last['list_price_per_million']],
        [longer.week.requests, longer.week.cacheHitRate, longer.week.paidPerMillion, endpoint.listPerMillion], 'page and API agree')
      judged++
    }
    assert.ok(judged > 0)

    // What was paid by the day, to the last digit; of lists nothing is known, for a demonstration makes none up.
    const prices = await site.prices(model, '90d')
    for (const { id, paid } of prices.endpoints) {
      const days = await ask(box, sql`select created_at - created_at % ${sql.lit(DAY)} as day, count(*) as requests, sum(input_tokens) as prompt, sum(output_tokens) as completion, sum(cost_nano) as cost
        from generations where endpoint = ${id} and created_at >= ${TODAY - 89 * DAY} group by 1 having sum(input_tokens + output_tokens) > 0 order by 1`) as unknown as Record<string, number>[]
      assert.deepEqual(paid.map((it) => [it.at, it.requests, it.promptTokens, it.completionTokens, Math.round(Number(it.perMillion) * 1e9)]),
        days.map(({ day, requests, prompt, completion, cost }) => [day, requests, prompt, completion, Math.round(cost! * 1e6 / (prompt! + completion!))]), id)
    }
    assert.equal(prices.endpoints.reduce((sum, { paid }) => sum + paid.length, 0) > 0, true)
    assert.deepEqual((await get(box, `/api/v1/models/${model}/endpoints/prices?range=90d`)).data.endpoints.map((it: { tag: string; effective_prices: Row[] }) => [it.tag, it.effective_prices.map((paid) => paid['effective_price_per_million'])]).toSorted(),
      prices.endpoints.map(({ tag, paid }) => [tag, paid.map(({ perMillion }) => perMillion)]).toSorted(), 'page and API agree')

    // Percentiles, within what a sketch may be beside them.
    const speed = await site.performance(model, '30d')
    for (const endpoint of speed.endpoints) {
      const rows = await ask(box, sql`select latency_ms as latency, duration_ms as duration from generations where endpoint = ${endpoint.id} and fault is null and created_at >= ${TODAY - 29 * DAY}`) as unknown as { latency: number; duration: number }[]
      assert.equal(endpoint.total.answers, rows.length)
      for (const [share, name] of [[0.5, 'p50'], [0.75, 'p75'], [0.9, 'p90'], [0.99, 'p99']] as const) {
        near(endpoint.total.latency?.[name], rows.map(({ latency }) => latency), share, `${endpoint.id} latency ${name}`)
        near(endpoint.total.duration?.[name], rows.map(({ duration }) => duration), share, `${endpoint.id} duration ${name}`)
      }
    }

    // Parameters, exactly; the whole instance's busiest model has enough requests, or says how many it lacks.
    const set = (await site.parameters(model)).parameters.find(({ name }) => name === 'temperature')!
    const values = (await ask(box, sql`select ${box.app.store.json('sampling', 'temperature')} as value from generations where model = ${model} and sampling is not null and created_at >= ${TODAY - 29 * DAY}`))
      .flatMap(({ value }) => (value === null ? [] : [Number(value)]))
    assert.equal(set.requests, values.length)
    if (values.length < 50) assert.equal(set.waiting, `needs 50 requests, has ${values.length}`)
    else near(set.p50, values, 0.5, 'temperature')
    assert.deepEqual((await get(box, `/api/v1/parameters/${model}`)).data.parameters.temperature, { default: set.default, requests: set.requests, waiting: set.waiting, p10: set.p10, p50: set.p50, p90: set.p90 })
  })

  test('a demonstration is marked wherever figures are told, moves no request, and goes without a trace', async () => {
    const box = await start({ ambient: still })
    const config = configOf(box)
    await seedDemo({ config, ambient: still, calls: 200 })
    await assert.rejects(seedDemo({ config, ambient: still, calls: 200 }), /there is demo traffic already; seed --remove takes it out/)
    const model = (await box.app.site.rankings('month')).models[0]!.id
    const marks = async () => [
      await box.app.site.demoTraffic(), (await get(box, `/api/v1/models/${model}/endpoints`)).data.demo_traffic ?? false,
      (await get(box, '/api/v1/datasets/rankings-daily')).meta.demo_traffic ?? false, (await get(box, '/api/v1/datasets/app-rankings')).meta.demo_traffic ?? false,
      (await get(box, `/api/v1/parameters/${model}`)).data.demo_traffic ?? false,
    ]
    await toldSoon(box, true)
    assert.deepEqual(await marks(), [true, true, true, true, true])
    assert.equal((await get(box, '/api/v1/activity')).data.length, 0, 'no key of this instance made it')
    assert.ok(await removeDemo({ config, ambient: still }) > 150)
    for (const table of ['generations', 'rollups', 'apps', 'parameter_rollups'] as const) {
      assert.deepEqual(await box.app.store.db.selectFrom(table).selectAll().execute(), [], table)
    }
    await toldSoon(box, false)
    assert.deepEqual(await marks(), [false, false, false, false, false])
    assert.equal(await removeDemo({ config, ambient: still }), 0)
  })
})
