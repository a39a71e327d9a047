/**
 * What endpoints asked and what was paid, as it happened: what the history tells against the operator's files of each
 * day and a recount of the records by plain SQL. Nothing here is of the room that writes prices down.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { ambient } from '../../src/ambient.ts'
import type { ConfigFile } from '../../src/config/index.ts'
import { onBothStores, providerAt, saying, startUpstream, together, type Signalbox } from './signalbox.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Thursday noon. */
const T0 = Date.UTC(2026, 0, 15, 12)

// oxlint-disable-next-line typescript/no-explicit-any
async function pricesOf(box: Signalbox, query = ''): Promise<any> {
  const response = await box.get(`/api/v1/models/acme/one/endpoints/prices${query}`)
  assert.equal(response.status, 200)
  return ((await response.json()) as { data: unknown }).data
}

/** Prices are written down, and calls added up, some seconds after they are there: as soon as `ready` says so. */
async function pricesWhen(box: Signalbox, ready: (data: Awaited<ReturnType<typeof pricesOf>>) => boolean): Promise<Awaited<ReturnType<typeof pricesOf>>> {
  for (let patience = 0; patience < 1200; patience++) {
    const data = await pricesOf(box)
    if (ready(data)) return data
    await sleep(100)
  }
  assert.fail(`it was never told: ${JSON.stringify(await pricesOf(box))}`)
}

onBothStores((start) => {
  test('prices that an operator changes stay known, each beside what was really paid while it held, to the last digit', async () => {
    const upstream = await startUpstream()
    upstream.when({ path: '/cached/' }, { usage: { input: 700, output: 30, cacheRead: 600 } })
    const cached = (prompt: string, completion: string): ConfigFile => providerAt('cached', `${upstream.url}/cached/v1`, { endpoint: { pricing: { prompt, completion, input_cache_read: '0.0000001' } } })
    const other = providerAt('other', `${upstream.url}/other/v1`, { prompt: 7, completion: 9 })
    const days = [together(cached('0.000001', '0.000002'), other), cached('0.000003', '0.000002'), together(cached('0.000003', '0.000002'), other)]
    let now = T0
    const box = await start({ config: days[0]!, ambient: { ...ambient, now: () => now } })
    assert.match((await pricesWhen(box, (data) => data.recorded_since !== null)).recorded_since, /^2026-01-15T12:00:00\.000Z$/)
    const changes = (data: { endpoints: { list_prices: unknown[] }[] }): number => data.endpoints.reduce((sum, it) => sum + it.list_prices.length, 0)
    let asked = 0
    for (const [i, config] of days.entries()) {
      now = T0 + i * DAY
      if (i > 0) box.reload(config)
      await pricesWhen(box, (data) => changes(data) === 2 + i * 2 - (i === 2 ? 1 : 0))
      now += HOUR
      for (const provider of i === 1 ? ['cached'] : ['cached', 'cached', 'other']) {
        await box.whole(saying('acme/one', 'Hello', { provider: { only: [provider] } }))
        asked++
      }
    }
    const told = await pricesWhen(box, (data) => data.endpoints.flatMap((it: { effective_prices: { requests: number }[] }) => it.effective_prices).reduce((sum: number, it: { requests: number }) => sum + it.requests, 0) === asked)
    assert.deepEqual([told.id, told.range, told.step, told.from, told.to], ['acme/one', '30d', 'day', '2025-12-19T00:00:00.000Z', new Date(now).toISOString()])

    const at = (day: number): string => new Date(T0 + day * DAY).toISOString()
    assert.deepEqual(told.endpoints.map((it: { tag: string; provider_name: string; list_prices: unknown }) => [it.tag, it.provider_name, it.list_prices]), [
      ['cached', 'cached', [
        { since: at(0), pricing: { prompt: '0.000001', completion: '0.000002', input_cache_read: '0.0000001' } },
        { since: at(1), pricing: { prompt: '0.000003', completion: '0.000002', input_cache_read: '0.0000001' } },
      ]],
      ['other', 'other', [
        { since: at(0), pricing: { prompt: '0.000007', completion: '0.000009' } }, { since: at(1), pricing: null }, { since: at(2), pricing: { prompt: '0.000007', completion: '0.000009' } },
      ]],
    ])
    // What the list of a day asked, in dollars for a million tokens, by the operator's own file.
    const asks: Readonly<Record<string, readonly (readonly [prompt: number, completion: number])[]>> = { cached: [[1, 2], [3, 2], [3, 2]], other: [[7, 9], [0, 0], [7, 9]] }
    for (const { tag, effective_prices: paid } of told.endpoints) {
      const { rows } = await sql<Record<string, number | string>>`select created_at - created_at % ${sql.lit(DAY)} as day, count(*) as requests, sum(input_tokens) as prompt, sum(output_tokens) as completion, cast(sum(cost_nano) as text) as cost
        from generations where endpoint = ${`acme/one@${tag}`} group by 1 order by 1`.execute(box.app.store.db)
      assert.deepEqual(paid.map((it: Record<string, unknown>) => [it['from'], it['requests'], it['prompt_tokens'], it['completion_tokens']]),
        rows.map((row) => [new Date(Number(row['day'])).toISOString(), Number(row['requests']), Number(row['prompt']), Number(row['completion'])]), tag)
      for (const [i, row] of rows.entries()) {
        const tokens = Number(row['prompt']) + Number(row['completion'])
        const [prompt, completion] = asks[tag]![Math.floor((Number(row['day']) - T0) / DAY) + 1]!
        assert.equal(Number(paid[i].effective_price_per_million), Number((Number(row['cost']) / 1e3 / tokens).toFixed(9)), tag)
        assert.ok(Math.abs(Number(paid[i].list_price_per_million) - (prompt * Number(row['prompt']) + completion * Number(row['completion'])) / tokens) < 1e-12, tag)
      }
      assert.equal(paid.length, tag === 'cached' ? 3 : 2)
    }
    const cachedPaid = told.endpoints[0].effective_prices[0]
    assert.ok(Number(cachedPaid.effective_price_per_million) < Number(cachedPaid.list_price_per_million) / 2, 'what a cache saved shows beside the list')

    const page = await box.app.site.prices('acme/one', '30d')
    assert.deepEqual(page.endpoints.map((it) => [it.tag, it.listed.map(({ at: since }) => new Date(since).toISOString()), it.paid.map((paid) => [paid.requests, paid.perMillion, paid.listPerMillion])]).toSorted(),
      told.endpoints.map((it: { tag: string; list_prices: { since: string }[]; effective_prices: Record<string, unknown>[] }) => [it.tag, it.list_prices.map(({ since }) => since),
        it.effective_prices.map((paid) => [paid['requests'], paid['effective_price_per_million'], paid['list_price_per_million']])]).toSorted(), 'page and API agree')
    assert.deepEqual((await pricesOf(box, '?range=3d')).endpoints.map((it: { list_prices: unknown[] }) => it.list_prices.length), [2, 3])
    assert.deepEqual(box.complaints, [])
  })

  test('a range that there is none of is refused by name, and so is a model', async () => {
    const box = await start({ config: {} })
    const refused = async (path: string) => {
      const response = await box.get(`/api/v1/models/${path}`)
      return [response.status, ((await response.json()) as { error: { message: string } }).error.message] as const
    }
    const [status, message] = await refused('openai/gpt-4o/endpoints/prices?range=2w')
    assert.equal(status, 400)
    assert.match(message, /^range must be .*3d.*30d.*90d.*all/)
    assert.deepEqual(await refused('openai/gpt-none/endpoints/prices'), [404, 'There is no model openai/gpt-none'])
  })
})
