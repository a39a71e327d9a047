/** What callers lived through shows on the endpoint's page: measured here, from this instance's traffic alone. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { onBothStores, providerAt, saying, startUpstream, together, type Signalbox } from './signalbox.ts'

interface Row {
  readonly provider_name: string
  readonly requests_last_30m: number
  readonly uptime_last_30m: number | null
  readonly uptime_last_1d: number | null
  readonly latency_last_30m: { readonly p50: number; readonly p99: number } | null
  readonly throughput_last_30m: { readonly p50: number } | null
}

/** The rows of a model's endpoints once `ready` says that the traffic has arrived in them. */
async function endpointsOf(box: Signalbox, ready: (rows: readonly Row[]) => boolean): Promise<readonly Row[]> {
  for (let patience = 0; ; patience++) {
    const response = await box.get('/api/v1/models/acme/one/endpoints')
    const { endpoints } = ((await response.json()) as { data: { endpoints: readonly Row[] } }).data
    if (ready(endpoints) || patience > 200) return endpoints
    await sleep(50)
  }
}

onBothStores((start) => {
  test('an endpoint that failed and one that answered show it within seconds, and say of how many answers', async () => {
    const upstream = await startUpstream()
    const config = together(
      providerAt('broken', `${upstream.url}/broken/v1`, { prompt: 1 }),
      providerAt('sound', `${upstream.url}/sound/v1`, { prompt: 50 }),
    )
    upstream.when({ path: '/broken/' }, { status: 500 })
    upstream.when({ path: '/sound/' }, { text: 'One two three four five six seven eight.', paceMs: 15 })
    const box = await start({ config })
    const before = await endpointsOf(box, () => true)
    assert.deepEqual(before.map((row) => [row.requests_last_30m, row.uptime_last_30m, row.latency_last_30m]), [[0, null, null], [0, null, null]],
      'before any traffic nothing is claimed')

    const answers: { id: string }[] = []
    for (let i = 0; i < 4; i++) answers.push(await box.whole(saying('acme/one', 'Hello', { provider: { order: ['broken', 'sound'] } })))
    await (await box.chat(saying('acme/one', 'Hello', { stream: true, provider: { only: ['sound'] } }))).text()

    const rows = await endpointsOf(box, (all) => all.some((row) => row.requests_last_30m >= 5))
    const [broken, sound] = ['broken', 'sound'].map((name) => rows.find((row) => row.provider_name.toLowerCase() === name)!)
    assert.deepEqual([broken!.uptime_last_30m, broken!.uptime_last_1d, broken!.requests_last_30m, broken!.latency_last_30m], [0, 0, 0, null])
    assert.deepEqual([sound!.uptime_last_30m, sound!.requests_last_30m], [100, 5])

    const latencies: number[] = []
    for (const { id } of answers) latencies.push((await box.generation(id))['latency'] as number)
    const slowest = Math.max(...latencies)
    assert.ok(sound!.latency_last_30m!.p99 >= slowest * 0.98, `${sound!.latency_last_30m!.p99} ms for ${slowest} ms`)
    assert.ok(sound!.throughput_last_30m!.p50 > 0)
  })

  test('figures made again from the records, beside the running server, are the same', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: providerAt('sound', `${upstream.url}/v1`) })
    for (let i = 0; i < 3; i++) await box.whole(saying('acme/one', 'Hello'))
    const before = await endpointsOf(box, ([row]) => row!.requests_last_30m === 3)
    const root = path.resolve(import.meta.dirname, '../..')
    const { stdout } = await promisify(execFile)(process.execPath, [path.join(root, 'src/cli.ts'), 'stats', 'rebuild', '--json'], {
      env: { PATH: process.env['PATH'], ...box.env },
    })
    // The server adds up as well, and has those of the three that the command has not.
    const { records } = JSON.parse(stdout) as { records: number }
    assert.ok(records >= 0 && records <= 3, stdout)
    await sleep(2100) // what was told is remembered for two seconds
    assert.deepEqual(await endpointsOf(box, ([row]) => row!.requests_last_30m === 3), before)
  })

  test('a simulated answer is no traffic', async () => {
    const box = await start({ config: {} })
    await box.whole(saying('demo/echo', 'Hello'))
    await sleep(3000)
    const { rows } = await box.app.store.db.selectFrom('rollups').select((build) => build.fn.countAll<number>().as('rows')).executeTakeFirstOrThrow()
    assert.equal(rows, 0)
  })
})
