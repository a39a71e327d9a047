import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { ambient } from '../../src/ambient.ts'
import type { ConfigFile } from '../../src/config/index.ts'
import { createRollups } from '../../src/stats/index.ts'
import { createFakeAmbient } from '../../src/testing/index.ts'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, together, type Given, type Signalbox } from './signalbox.ts'

/** Endpoints that nobody calls: one small request of the instance's own now and then says how they do, and costs what its operator said. */

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const MINUTE = 60_000
const EVERY = 10 * MINUTE
/** Early in a month, so that no story runs into the next by itself. */
const NOW = Date.UTC(2026, 4, 4, 9, 30)

/** The wall clock stands, and both jump when the story says that time passes: a slow machine makes no minute of a second. */
function jumpingClock(from = NOW) {
  let jumped = 0
  const { random } = createFakeAmbient({ seed: 7 })
  return {
    ambient: { ...ambient, random, now: () => from + jumped, monotonic: () => ambient.monotonic() + jumped },
    pass: (ms: number): void => void (jumped += ms),
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let patience = 0; patience < 1200; patience++) {
    if (await holds()) return
    await sleep(25)
  }
  assert.fail(what)
}

const probing = (config: ConfigFile, probes: ConfigFile['probes'] = {}): ConfigFile => ({ ...config, probes: { budget: '1', ...probes } })
/** The job looks every second; the story looks as well, so that it need not wait for that. */
const look = async (...boxes: readonly Signalbox[]): Promise<void> => {
  await Promise.all(boxes.map(({ app }) => app.probes.turn()))
  await Promise.all(boxes.map(({ app }) => app.probes.idle()))
}
/** Looks until probes were sent so many times in all, and ended. */
const sent = (count: number, ...boxes: readonly Signalbox[]): Promise<void> => until(`${count} probes were sent`, async () => {
  await look(...boxes)
  const { month } = await boxes[0]!.app.probes.report()
  assert.ok(month.sent <= count, `${month.sent} probes were sent, and not ${count}`)
  return month.sent === count && (await boxes[0]!.app.probes.report()).endpoints.every(({ last }) => last === null || last.outcome !== null)
})
/** Waits until so many tries of an endpoint are in the figures. */
const tried = (box: Signalbox, endpoint: string, count: number): Promise<void> => until(`${count} tries of ${endpoint} are in the figures`, async () => {
  const row = await box.app.store.db.selectFrom('rollups').where('cut', '=', 'endpoint').where('grain', '=', 1440).where('a', '=', endpoint)
    .select((build) => build.fn.sum<number>('attempts').as('attempts')).executeTakeFirst()
  return Number(row?.attempts ?? 0) === count
})
/** Another process on the database of one. */
const beside = (box: Signalbox, given: Given): Promise<Signalbox> =>
  startSignalbox({ ...given, databaseUrl: box.env['DATABASE_URL'] ?? null, env: { SIGNALBOX_HOME: box.home } })

// oxlint-disable-next-line typescript/no-explicit-any
async function get(box: Signalbox, path: string): Promise<any> {
  const response = await box.get(path)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text)
}

onBothStores((start) => {
  test('An endpoint that nobody calls is asked one small thing: its figures have it, and nobody pays, ranks or uses anything by it', async () => {
    const upstream = await startUpstream()
    const clock = jumpingClock()
    const box = await start({ config: probing(providerAt('quiet', `${upstream.url}/v1`, { prompt: 100, completion: 200 })), ambient: clock.ambient })
    await sent(1, box)
    const body = upstream.requests[0]!.body as Record<string, unknown>
    assert.deepEqual([upstream.requests.length, body['max_tokens'] ?? body['max_completion_tokens'], body['stream']], [1, 16, true])
    await tried(box, 'acme/one@quiet', 1)

    const [row] = await box.app.store.db.selectFrom('generations').selectAll().execute()
    assert.deepEqual([row!.probe, row!.cost_nano, row!.workspace, row!.key_id, row!.fault], [1, 0n, '', '', null])
    const { rows: [bill] } = await sql<{ cost: string }>`select cast(sum(input_tokens * 100000 + output_tokens * 200000) as text) as cost from generations where probe = 1`.execute(box.app.store.db)
    assert.equal(row!.absorbed_nano, BigInt(bill!.cost), 'by plain multiplication')
    assert.equal((await box.app.probes.report()).month.spent, row!.absorbed_nano)

    const [endpoint] = (await get(box, '/api/v1/models/acme/one/endpoints')).data.endpoints
    assert.deepEqual([endpoint.uptime_last_1d, endpoint.requests_last_30m, endpoint.probes_last_30m, endpoint.latency_last_30m.p50 > 0], [100, 1, 1, true])
    assert.deepEqual([endpoint.last_7d.requests, endpoint.last_7d.effective_price_per_million], [0, null])
    assert.deepEqual((await box.app.site.rankings('today')).models, [])
    assert.deepEqual((await box.app.site.activity('acme/one', 1)).days.map(({ requests, prompt, completion }) => [requests, prompt, completion]), [[0, 0, 0]])
    clock.pass(24 * 60 * MINUTE)
    assert.deepEqual((await get(box, '/api/v1/activity')).data, [])
    assert.deepEqual((await get(box, '/api/v1/datasets/rankings-daily')).data, [])
    const spent = await box.send('POST', '/api/v1/analytics/query', { body: { metrics: ['request_count', 'total_usage', 'tokens_total'] } })
    assert.deepEqual(((await spent.json()) as { data: { data: unknown } }).data.data, [])
    assert.deepEqual(await box.app.store.db.selectFrom('apps').selectAll().execute(), [])
    assert.deepEqual(box.complaints, [])
  })

  test('What callers ask says more than a probe: an endpoint with traffic has none until it was left alone for the interval', async () => {
    const upstream = await startUpstream()
    const clock = jumpingClock()
    const config = providerAt('busy', `${upstream.url}/v1`)
    const box = await start({ config, ambient: clock.ambient })
    await box.whole(saying('acme/one', 'Hello'))
    await tried(box, 'acme/one@busy', 1)
    box.reload(probing(config))
    for (let minute = 0; minute < 9; minute++) {
      await look(box)
      clock.pass(MINUTE)
    }
    assert.deepEqual([upstream.requests.length, (await box.app.probes.report()).endpoints], [1, [{ endpoint: 'acme/one@busy', last: null, nextAt: null }]])
    clock.pass(2 * MINUTE)
    await sent(1, box)
    assert.equal(upstream.requests.length, 2)
    box.reload(config)
    clock.pass(EVERY)
    await look(box)
    assert.equal(upstream.requests.length, 2, 'and none when probes are turned off')
  })

  test("When what is left of the month's budget might not pay for another, none is sent, also after a restart, until the next month", async () => {
    const upstream = await startUpstream()
    const clock = jumpingClock()
    const config = probing(providerAt('dear', `${upstream.url}/v1`, { prompt: 100, completion: 200 }), { budget: '0.02' })
    const box = await start({ config, ambient: clock.ambient })
    const worst = box.app.gateway.probe(box.app.probed().get('acme/one@dear')!.offer, {
      type: 'chat', request: { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Reply with OK.' }] }], maxOutputTokens: 16, sampling: {}, extras: {} },
    })!.worst
    const spend = async () => (await box.app.probes.report()).month.spent
    let before = -1n
    for (let round = 0; await spend() > before; round++) {
      before = await spend()
      assert.ok(before <= 20_000_000n && round < 50, `${before} of 20000000`)
      clock.pass(1.4 * EVERY)
      await look(box)
    }
    const count = upstream.requests.length
    assert.ok(count >= 2 && before + worst > 20_000_000n, `${count} were sent; ${before} spent, and one may cost ${worst}`)
    assert.deepEqual(box.complaints.map((it) => /budget for probes is used up.*"until":"2026-06-01T00:00:00.000Z"/.test(it)), [true], 'said once')
    await box.app.stats.flush()
    const { rows: [records] } = await sql<{ cost: string }>`select cast(sum(absorbed_nano) as text) as cost from generations where probe = 1`.execute(box.app.store.db)
    assert.equal(before, BigInt(records!.cost), 'what is booked is what the records say')

    await box.app.close(0)
    const again = await beside(box, { config, ambient: clock.ambient })
    clock.pass(1.4 * EVERY)
    await look(again)
    assert.equal(upstream.requests.length, count, 'a restart forgets nothing')
    clock.pass(Date.UTC(2026, 5, 1) - clock.ambient.now() + 1000)
    await sent(1, again)
    assert.equal(upstream.requests.length, count + 1)
  })

  test('An endpoint that dies while nobody calls it is shown as down, is ejected, and is let in again when it answers', async () => {
    const upstream = await startUpstream()
    const clock = jumpingClock()
    const box = await start({ config: probing(providerAt('frail', `${upstream.url}/v1`)), ambient: clock.ambient })
    const reasons = async () => String((await box.explain(saying('acme/one', 'Hello'))).candidates[0]!['reasons'])
    const provider = async () => (await box.app.site.status(30)).providers.find(({ slug }) => slug === 'frail')!
    await sent(1, box)
    await upstream.down()
    clock.pass(1.4 * EVERY)
    await sent(2, box)
    const { last } = (await box.app.probes.report()).endpoints[0]!
    assert.deepEqual([last!.outcome, last!.downSince], ['connection', clock.ambient.now()])
    for (let count = 3; count <= 6; count++) {
      clock.pass(1.4 * EVERY / 5)
      await sent(count, box)
    }
    await tried(box, 'acme/one@frail', 6)
    clock.pass(MINUTE)
    const dead = await provider()
    assert.deepEqual([dead.tries, dead.failures, dead.probes, dead.now! < 20], [6, 5, 6, true])
    assert.match(await reasons(), /it kept failing/)

    await upstream.up()
    for (let count = 7; count <= 9; count++) {
      clock.pass(EVERY / 5 + EVERY)
      await sent(count, box)
    }
    assert.doesNotMatch(await reasons(), /it kept failing|ejected/)
    assert.equal((await box.app.probes.report()).endpoints[0]!.last!.downSince, null)
    assert.deepEqual(box.complaints.map((it) => /^for the operator: (a probe found an endpoint that does not answer|an endpoint that did not answer its probes answers again)/.exec(it)?.[1]),
      ['a probe found an endpoint that does not answer', 'an endpoint that did not answer its probes answers again'])
  })

  test('Two nodes that both believe that it is their turn send one probe', async () => {
    const upstream = await startUpstream({})
    const clock = jumpingClock()
    const config = probing(together(providerAt('quiet', `${upstream.url}/v1`), providerAt('quiet', `${upstream.url}/v1`, { model: 'acme/two' })))
    const one = await start({ config, ambient: clock.ambient })
    const other = await beside(one, { config, ambient: clock.ambient })
    for (let round = 1; round <= 3; round++) {
      // Each second one of the two, and never both of one.
      for (let second = 0; second < 2; second++) {
        await until('a probe was sent', async () => {
          await look(one, other)
          return upstream.requests.length > 2 * (round - 1) + second
        })
        assert.equal(upstream.requests.length, 2 * (round - 1) + second + 1)
        clock.pass(0.7 * EVERY)
      }
    }
    const { month, endpoints } = await other.app.probes.report()
    assert.deepEqual([month.sent, endpoints.length], [6, 2])
  })

  test('A key that was refused is left alone by probes of all endpoints for as long as by callers', async () => {
    const upstream = await startUpstream()
    upstream.always({ status: 401 })
    const clock = jumpingClock()
    const box = await start({
      config: probing(together(providerAt('locked', `${upstream.url}/v1`), providerAt('locked', `${upstream.url}/v1`, { model: 'acme/two' })), { every_ms: MINUTE }), ambient: clock.ambient,
    })
    await sent(1, box)
    for (let minute = 1; minute < 5; minute++) {
      clock.pass(MINUTE)
      await look(box)
    }
    assert.equal(upstream.requests.length, 1)
    clock.pass(MINUTE)
    await sent(2, box)
    assert.ok(box.complaints.some((it) => it.includes('a probe found an endpoint that does not answer')), 'and the operator hears of it')
  })

  test('Beside real traffic every figure is what a recount of the records gives, also when all are made anew', async () => {
    const upstream = await startUpstream()
    const clock = jumpingClock()
    const config = together(providerAt('mixed', `${upstream.url}/v1`), providerAt('mixed', `${upstream.url}/v1`, { model: 'acme/two' }))
    const box = await start({ config: probing(config), ambient: clock.ambient })
    await sent(1, box)
    clock.pass(0.7 * EVERY)
    await sent(2, box)
    for (let i = 0; i < 3; i++) await box.whole(saying('acme/one', 'Hello', { user: 'ada' }), { 'http-referer': 'https://shop.example/' })
    upstream.next({ status: 500 })
    clock.pass(2 * EVERY)
    await sent(3, box)
    await box.app.stats.flush()
    const records = await box.app.store.db.selectFrom('generations').select(['requested', 'fault', 'probe', 'input_tokens', 'output_tokens']).execute()
    const tries = Map.groupBy(records, ({ requested }) => requested)
    for (const [model, rows] of tries) await tried(box, `${model}@mixed`, rows.length)
    const figures = async () => (await box.app.store.db.selectFrom('rollups').selectAll().orderBy('cut').orderBy('grain').orderBy('at').orderBy('a').orderBy('b').orderBy('c').execute()).map((row) => Object.values(row).map(String))
    const before = await figures()

    for (const [model, rows] of tries) {
      const real = rows.filter(({ probe }) => probe === 0)
      const [uptime] = (await box.app.site.uptime(model, 30)).endpoints
      assert.deepEqual([uptime!.tries, uptime!.failures, uptime!.probes], [rows.length, rows.filter(({ fault }) => fault !== null).length, rows.length - real.length], model)
      const [speed] = (await box.app.site.performance(model, '30d')).endpoints
      assert.deepEqual([speed!.total.answers, speed!.total.probes], [rows.filter(({ fault }) => fault === null).length, rows.filter(({ fault, probe }) => fault === null && probe === 1).length], model)
      const ranked = (await box.app.site.rankings('today')).models.find(({ id }) => id === model)
      assert.deepEqual([ranked?.tokens ?? 0, ranked?.requests ?? 0], [real.reduce((sum, it) => sum + it.input_tokens + it.output_tokens, 0), real.length], model)
    }
    assert.equal(tries.get('acme/one')!.filter(({ probe }) => probe === 0).length, 3)
    assert.deepEqual((await box.app.site.rankings('today')).apps.map(({ requests }) => requests), [3])
    box.reload(config)
    await createRollups({ store: box.app.store, ambient: clock.ambient }).rebuild()
    await until('the same figures stand again', async () => (await figures()).length === before.length)
    assert.deepEqual(await figures(), before)
  })

  test('The operator reads of probes at the command line, in the metrics and on the page of the provider', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: probing(providerAt('quiet', `${upstream.url}/v1`), { budget: '2.5', endpoints: ['acme/*'] }) })
    await sent(1, box)
    const { PORT: _, ...env } = box.env
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'probes', '--json'], { cwd: path.dirname(CLI), env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 })
    const { data: [endpoint], ...told } = JSON.parse(stdout) as { data: [{ endpoint: string; next_at: string; last: Record<string, unknown> }] } & Record<string, unknown>
    assert.deepEqual([told['every_ms'], told['budget_usd'], told['sent']], [EVERY, 2.5, 1])
    assert.deepEqual([endpoint.endpoint, endpoint.last['outcome'], endpoint.last['cost_usd'], Date.parse(endpoint.next_at) - Date.parse(String(endpoint.last['sent_at']))],
      ['acme/one@quiet', 'answered', told['spent_usd'], EVERY])
    const metrics = await (await box.get('/metrics')).text()
    for (const line of ['signalbox_probes_endpoints 1', 'signalbox_probes_down 0', 'signalbox_probes_sent_this_month 1', 'signalbox_probes_budget_dollars 2.5']) assert.ok(metrics.includes(line), line)
    assert.deepEqual([(await box.app.site.provider('quiet'))!.probes, (await box.app.site.status(30)).probes], [{ everyMs: EVERY, endpoints: 1 }, { everyMs: EVERY, endpoints: 1 }])
    assert.throws(() => box.reload(probing(providerAt('quiet', `${upstream.url}/v1`), { models: ['acme/onne'] })), /probes\.models\[0\] names "acme\/onne", which is not in the catalogue\. Did you mean acme\/one\?/)
    assert.equal((await box.app.probes.report()).endpoints.length, 1, 'and the old file is in force')
  })
})
