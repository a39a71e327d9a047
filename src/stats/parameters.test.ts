import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_USAGE, SAMPLING, type Generation, type SamplingName } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createParameters, createRollups, createStats, toldParameters } from './index.ts'
import { KEYS_COUNTED, PARAMETER_REQUESTS } from './parameters.ts'

const NOW = Date.UTC(2026, 0, 15, 12, 30)
const DAY = 86_400_000
const ambient = createFakeAmbient({ now: NOW })

let made = 0
function call(sampling: Generation['sampling'], rest: Partial<Generation> = {}): Generation {
  return {
    id: `gen-${NOW / 1000}-${++made}`, createdAt: NOW - 1000, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: 'a/x', model: 'a/x', endpoint: 'a/x@x',
    provider: 'x', providerName: 'X', upstreamId: null, streamed: false, cancelled: false, simulated: false, finish: 'stop', nativeFinish: null, fault: null,
    latencyMs: 10, durationMs: 20, usage: NO_USAGE, cost: 0n, absorbed: 0n, price: null, tier: null, attempts: [], untried: 0, referer: null, title: null,
    categories: [], userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0, quality: null, sampling, ...rest,
  }
}

async function open(store: Store, calls: readonly Generation[]) {
  const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
  for (const it of calls) stats.record(it)
  await stats.flush()
  const rollups = createRollups({ store, ambient })
  await rollups.catchUp()
  return { rollups, parameters: createParameters({ store, ambient }) }
}
/** The value that a share of a list does not exceed, by its sorted list. */
const exact = (values: readonly number[], share: number): number => values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1]!

forEachStore((_, openStore) => {
  test('percentiles are those of the requests of thirty days that set the parameter, to a hundredth, and come out the same when made again', async () => {
    const { store } = await openStore()
    const dice = createFakeAmbient({ seed: 3 })
    const values = Array.from({ length: 120 }, () => Math.round(dice.random() * 200) / 100)
    const penalties = values.map((value) => value - 1)
    const { parameters, rollups } = await open(store, [
      ...values.map((temperature, i) => call({ temperature, frequency_penalty: penalties[i]!, top_k: 40 }, { createdAt: NOW - (i % 30) * DAY, keyId: `k${i % 7}` })),
      call({ temperature: 2 }, { createdAt: NOW - 30 * DAY }), call({ temperature: 2 }, { simulated: true }), call({ temperature: 2 }, { model: 'b/y' }), call(null),
      call({ temperature: 2 }, { model: null, endpoint: null, fault: 'timeout' }), call({ top_k: 1e9 }, { model: 'b/y' }),
    ])
    const told = await parameters.of('a/x')
    assert.deepEqual([...told.keys()].toSorted(), ['frequency_penalty', 'temperature', 'top_k'])
    for (const [name, of] of [['temperature', values], ['frequency_penalty', penalties]] as const) {
      const { requests, keys, p10, p50, p90 } = told.get(name)!
      assert.deepEqual([requests, keys], [120, 7])
      for (const [share, value] of [[0.1, p10], [0.5, p50], [0.9, p90]] as const) assert.ok(Math.abs(value! - exact(of, share)) < 1e-9, `${name} p${share * 100}: ${value}`)
    }
    assert.deepEqual(told.get('top_k'), { requests: 120, keys: 7, p10: 40, p50: 40, p90: 40 })
    assert.equal((await parameters.of('b/y')).get('top_k')!.p50, 1000)
    await rollups.rebuild()
    assert.deepEqual(await parameters.of('a/x'), told)
  })

  test('so many different keys are told apart as any setting can ask for', async () => {
    const { store } = await openStore()
    const { parameters } = await open(store, Array.from({ length: 3 * KEYS_COUNTED }, (_, i) =>
      call({ top_p: 0.9, ...(i < KEYS_COUNTED - 1 && { min_p: 0.1 }) }, { keyId: `k${i}`, createdAt: NOW - (i % 3) * DAY })))
    const told = await parameters.of('a/x')
    assert.deepEqual([told.get('top_p')!.keys, told.get('min_p')!.keys], [KEYS_COUNTED, KEYS_COUNTED - 1])
  })
})

test('too few requests, or too few keys where they are asked for, are told by the default and by what is missing', () => {
  const figures = (requests: number, keys: number) => new Map([['temperature', { requests, keys, p10: 0, p50: 0.7, p90: 1 }]] as const)
  const of = (requests: number, keys: number, minKeys: number, published?: Record<string, number | null>) =>
    toldParameters({ figures: figures(requests, keys), published, minKeys }).find(({ name }) => name === 'temperature')!
  assert.deepEqual([of(12, 9, 1).waiting, of(12, 9, 1).p50], ['needs 50 requests, has 12', null])
  assert.deepEqual([of(PARAMETER_REQUESTS, 1, 1).waiting, of(PARAMETER_REQUESTS, 1, 1).p50], [null, 0.7])
  assert.deepEqual([of(500, 3, 20).waiting, of(500, 3, 20).p50], ['needs 20 different keys, has 3', null])
  assert.deepEqual([of(1, 1, 1).default, of(1, 1, 1, { temperature: 0.6 }).default, of(1, 1, 1, { temperature: null }).default], [1, 0.6, 1])
  assert.deepEqual(toldParameters({ figures: new Map(), published: undefined, minKeys: 1 }).map(({ name, waiting }) => [name, waiting]),
    (Object.keys(SAMPLING) as SamplingName[]).map((name) => [name, 'needs 50 requests, has 0']))
})
