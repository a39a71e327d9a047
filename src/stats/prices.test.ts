import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_USAGE, type Generation } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createFigures, createPrices, createRollups, createStats, listPerMillionOf, type ListPricing } from './index.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Thursday. */
const T0 = Date.UTC(2026, 0, 15, 12, 30)
const TODAY = Date.UTC(2026, 0, 15)

const tokens = (prompt: string, completion: string): ListPricing => ({ prompt, completion })

function open(store: Store, now = T0) {
  const ambient = createFakeAmbient({ now })
  const prices = createPrices({ store, ambient, figures: createFigures({ store, ambient }) })
  let looked = 0
  return {
    ambient, prices,
    looked: () => looked,
    /** A catalogue with these prices, by endpoint. */
    keep: (version: string, of: Readonly<Record<string, ListPricing>>) => prices.keep({
      version,
      *listPrices() {
        looked++
        for (const [endpoint, pricing] of Object.entries(of)) yield { endpoint, model: endpoint.split('@')[0]!, pricing }
      },
    }),
    history: (range: '3d' | '30d' | '90d' | 'all' = '30d', model = 'a/x') => prices.history({ model, endpoints: [`${model}@one`, `${model}@two`], range }),
  }
}

const rowsOf = (store: Store) => store.db.selectFrom('list_prices').select(['endpoint', 'at', 'pricing']).orderBy('at').orderBy('endpoint').execute()
  .then((rows) => rows.map(({ endpoint, at, pricing }) => [endpoint, at - T0, pricing]))

let made = 0
function call(endpoint: string, createdAt: number, input: number, output: number, cost: bigint): Generation {
  return {
    id: `gen-${createdAt}-${++made}`, createdAt, keyId: 'k1', workspace: 'default', surface: 'openai-chat', requested: 'a/x', model: 'a/x', endpoint,
    provider: endpoint.split('@')[1]!, providerName: 'One', upstreamId: null, streamed: false, cancelled: false, simulated: false, finish: 'stop', nativeFinish: null, fault: null,
    latencyMs: 10, durationMs: 20, usage: { ...NO_USAGE, input: { ...NO_USAGE.input, total: input }, output: { ...NO_USAGE.output, total: output } }, cost, absorbed: 0n,
    price: null, tier: null, attempts: [], untried: 0, referer: null, title: null, categories: [], userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0,
    quality: null, sampling: null,
  }
}

async function record(store: Store, calls: readonly Generation[]): Promise<void> {
  const ambient = createFakeAmbient({ now: T0 })
  const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
  for (const it of calls) stats.record(it)
  await stats.flush()
  await createRollups({ store, ambient }).catchUp()
  await stats.close()
}

forEachStore((_, openStore) => {
  test('a price is written when it is first seen, when it changes, when its endpoint goes and when it comes back, and at no other time', async () => {
    const { store } = await openStore()
    const { keep, ambient, looked } = open(store)
    assert.equal(await keep('v1', { 'a/x@one': tokens('0.000001', '0.000002'), 'a/x@two': tokens('0', '0') }), 2)
    ambient.advance(HOUR)
    assert.equal(await keep('v1', {}), 0, 'a catalogue of the same version is the same')
    assert.equal(looked(), 1, 'and nobody looks through it')
    assert.equal(await keep('v2', { 'a/x@one': { completion: '0.000002', prompt: '0.000001' }, 'a/x@two': tokens('0', '0') }), 0, 'the order of its fields is no change of a price')
    ambient.advance(HOUR)
    assert.equal(await keep('v3', { 'a/x@one': tokens('0.000001', '0.000003') }), 2)
    ambient.advance(HOUR)
    assert.equal(await keep('v4', { 'a/x@one': tokens('0.000001', '0.000003') }), 0, 'what is gone goes once')
    assert.equal(await keep('v2', { 'a/x@one': tokens('0.000001', '0.000003'), 'a/x@two': tokens('0', '0') }), 1)
    assert.deepEqual(await rowsOf(store), [
      ['a/x@one', 0, '{"completion":"0.000002","prompt":"0.000001"}'], ['a/x@two', 0, '{"completion":"0","prompt":"0"}'],
      ['a/x@one', 2 * HOUR, '{"completion":"0.000003","prompt":"0.000001"}'], ['a/x@two', 2 * HOUR, null],
      ['a/x@two', 3 * HOUR + 1, '{"completion":"0","prompt":"0"}'],
    ])
  })

  test('of two nodes that look at the same moment one writes, and a clock that was set back loses no change', async () => {
    const { store, again } = await openStore()
    const [one, two] = [open(store), open(await again())]
    two.ambient.advance(1)
    const v1 = { 'a/x@one': tokens('1', '1') }
    await Promise.all([one.keep('v1', v1), two.keep('v1', v1)])
    assert.equal((await rowsOf(store)).length, 1)
    one.ambient.advance(-DAY)
    assert.equal(await one.keep('v2', { 'a/x@one': tokens('2', '1') }), 1)
    one.ambient.advance(2 * DAY)
    const [first, second] = (await one.history()).endpoints[0]!.listed
    assert.deepEqual([first!.pricing?.['prompt'], second!.pricing?.['prompt'], second!.at - first!.at], ['1', '2', 1])
  })

  test('hundreds of endpoints are compared with all that is known, page by page', async () => {
    const { store } = await openStore()
    const { keep, ambient } = open(store)
    const of = (count: number, price: (i: number) => string) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m/${i}@one`, tokens(price(i), '1')]))
    assert.equal(await keep('v1', of(1203, () => '1')), 1203)
    ambient.advance(HOUR)
    assert.equal(await keep('v2', of(1203, (i) => i % 400 === 0 ? '2' : '1')), 4)
    ambient.advance(HOUR)
    assert.equal(await keep('v3', of(1200, (i) => i % 400 === 0 ? '2' : '1')), 3)
  })

  test('a range begins with the price that held then, and what was gone before it is no part of it', async () => {
    const { store } = await openStore()
    const { keep, ambient, history } = open(store, T0 - 100 * DAY)
    assert.deepEqual([(await history()).since, (await history('all')).endpoints], [null, []])
    await keep('v1', { 'a/x@one': tokens('1', '1'), 'a/x@two': tokens('5', '5'), 'b/y@one': tokens('9', '9') })
    ambient.advance(DAY)
    await keep('v2', { 'a/x@one': tokens('2', '1'), 'b/y@one': tokens('9', '9') })
    ambient.advance(89 * DAY)
    await keep('v3', { 'a/x@one': tokens('3', '1'), 'b/y@one': tokens('9', '9') })
    ambient.set(T0)
    const told = async (range: '3d' | '30d' | 'all') => (await history(range)).endpoints.map(({ id, listed }) => [id, ...listed.map(({ at, pricing }) => [(at - T0) / DAY, pricing?.['prompt'] ?? null])])
    assert.deepEqual(await told('3d'), [['a/x@one', [-10, '3']]])
    assert.deepEqual(await told('30d'), [['a/x@one', [-99, '2'], [-10, '3']]])
    assert.deepEqual(await told('all'), [['a/x@one', [-100, '1'], [-99, '2'], [-10, '3']], ['a/x@two', [-100, '5'], [-99, null]]])
    assert.equal((await history('3d')).since, T0 - 100 * DAY)
  })

  test('what was paid stands by the hour, day, week or month beside what the same tokens cost by the list that held', async () => {
    const { store } = await openStore()
    const { keep, ambient, history } = open(store, T0 - 2 * DAY)
    await keep('v1', { 'a/x@one': tokens('0.000001', '0.000003') })
    ambient.set(T0 - DAY)
    await keep('v2', { 'a/x@one': tokens('0.000002', '0.000006') })
    ambient.set(T0)
    await record(store, [
      call('a/x@one', T0 - HOUR, 300, 100, 900_000n), call('a/x@one', T0 - HOUR + 60_000, 100, 0, 100_000n), call('a/x@one', T0 - 2 * DAY, 50, 50, 200_000n),
      call('a/x@one', T0 - 3 * DAY, 100, 0, 70_000n), call('a/x@two', T0 - 20 * DAY, 10, 10, 30_000n), call('a/x@one', T0 - 5000, 0, 0, 0n), call('b/y@one', T0, 1, 1, 1n),
    ])
    const paid = async (range: '3d' | '30d' | 'all') => (await history(range)).endpoints.map(({ id, paid }) =>
      [id, ...paid.map((it) => [it.at - TODAY, it.requests, it.promptTokens, it.completionTokens, it.perMillion, it.listPerMillion])])
    assert.deepEqual(await paid('3d'), [['a/x@one', [12 * HOUR - 2 * DAY, 1, 50, 50, '2.000000000', '2'], [11 * HOUR, 2, 400, 100, '2.000000000', '2.8']]])
    assert.deepEqual(await paid('30d'), [
      ['a/x@one', [-3 * DAY, 1, 100, 0, '0.700000000', null], [-2 * DAY, 1, 50, 50, '2.000000000', '2'], [0, 3, 400, 100, '2.000000000', '2.8']],
      ['a/x@two', [-20 * DAY, 1, 10, 10, '1.500000000', null]],
    ])
    const { from, to, by } = await history('all')
    assert.deepEqual([from - TODAY, to - T0, by], [-20 * DAY, 1, 'day'])
  })

  test('all that there is comes in at most some hundred stretches, however long ago it began', async () => {
    for (const [days, by, begins] of [[119, 'day', T0 - 119 * DAY - 12.5 * HOUR], [400, 'week', Date.UTC(2024, 11, 9)], [2000, 'month', Date.UTC(2020, 6, 1)]] as const) {
      const { store } = await openStore()
      await record(store, [call('a/x@one', T0 - days * DAY, 10, 10, 20_000n), call('a/x@one', T0 - HOUR, 10, 10, 20_000n)])
      const { keep, ambient, history } = open(store, T0 - 1)
      await keep('v1', { 'a/x@one': tokens('0.000001', '0.000002') })
      ambient.set(T0)
      const all = await history('all')
      assert.deepEqual([all.by, all.from], [by, begins])
      const last = { day: TODAY, week: Date.UTC(2026, 0, 12), month: Date.UTC(2026, 0, 1) }[by]
      assert.deepEqual(all.endpoints[0]!.paid.map(({ at, listPerMillion }) => [at, listPerMillion]), [[begins, null], [last, '1.5']])
    }
  })
})

test('tokens cost nothing by a list that is free, and nothing can be said of one that asks by the image', () => {
  assert.equal(listPerMillionOf(tokens('0', '0'), 10, 10), '0')
  assert.equal(listPerMillionOf({ ...tokens('0', '0'), output_image: '0.04' }, 10, 10), null)
  assert.equal(listPerMillionOf({ ...tokens('0.000001', '0'), output_image: '0.04' }, 10, 10), '0.5')
  assert.equal(listPerMillionOf(null, 10, 10), null)
  assert.equal(listPerMillionOf(tokens('0.000001', '0.000002'), 0, 0), null)
})
