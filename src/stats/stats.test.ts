import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultOf, NO_USAGE, TOKEN_PRICES, UNIT_PRICES, usage, type Attempt, type Generation, type PriceSheet } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createStats, type Stats } from './index.ts'
import { priceOf, priceText } from './row.ts'
import { fc } from '../../test/properties.ts'

const NOW = 1_760_000_000_000
const SHEET: PriceSheet = {
  rates: { prompt: 1_750_000_000_000n, completion: 14_000_000_000_000n, input_cache_read: 1n, request: 10n ** 18n },
  overrides: [{ minPromptTokens: 200_000, rates: { prompt: 3_500_000_000_000n } }],
  discount: 0.25,
  source: 'catalogue',
}
const ATTEMPT: Attempt = {
  endpoint: 'openai/gpt-5@openai', provider: 'openai', providerName: 'OpenAI', model: 'openai/gpt-5', credential: 'openai#1',
  startedAt: NOW, headersMs: 200.25, durationMs: 2000.5, status: 200, upstreamId: 'chatcmpl-1', outcome: 'answered', fault: null, message: null,
}

let made = 0

function generation(change: Partial<Generation> = {}): Generation {
  return {
    id: `gen-${NOW / 1000}-${String(++made).padStart(20, 'a')}`,
    createdAt: NOW, keyId: 'f'.repeat(64), workspace: 'default', surface: 'openai-chat', requested: 'gpt-5', model: 'openai/gpt-5',
    endpoint: 'openai/gpt-5@openai', provider: 'openai', providerName: 'OpenAI', upstreamId: 'chatcmpl-1',
    streamed: true, cancelled: false, simulated: false, finish: 'stop', nativeFinish: 'stop', fault: null,
    latencyMs: 312, durationMs: 2200, cost: 123_456n, absorbed: 0n, price: SHEET, tier: 'default',
    usage: usage({ total: 9, cacheRead: 1, cacheWrite5m: 2, cacheWrite1h: 3, audio: 4, image: 5, video: 6 },
      { total: 19, reasoning: 7, audio: 8, image: 10, predictionAccepted: 11, predictionRejected: 12 },
      { services: { web_search: 2 }, stated: 99n }),
    attempts: [{ ...ATTEMPT, outcome: 'failed', status: 500, fault: 'upstream-error', message: 'it said "no" \0' }, ATTEMPT],
    untried: 3, referer: 'https://example.com/', title: 'Example', categories: ['cli', 'coding'], userAgent: 'test/1',
    user: 'somebody', session: 's-1', inputMedia: 1, inputAudio: 2,
    quality: { tools: true, toolCalls: 3, badToolCalls: 1, structured: true, badStructured: false }, sampling: { temperature: 0.7, top_k: 40 },
    ...change,
  }
}

const EMPTY: Partial<Generation> = {
  model: null, endpoint: null, provider: null, providerName: null, upstreamId: null, streamed: false, cancelled: true, simulated: true,
  finish: null, nativeFinish: null, fault: 'cancelled', latencyMs: null, durationMs: 0, usage: NO_USAGE, cost: 0n, price: null, tier: null,
  attempts: [], untried: 0, referer: null, title: null, categories: [], userAgent: null, user: null, session: null, inputMedia: 0, inputAudio: 0, quality: null, sampling: null,
}

function start(store: Store, flushEveryMs = 60_000): { stats: Stats; errors: Error[] } {
  const errors: Error[] = []
  return { stats: createStats({ store, ambient: createFakeAmbient({ now: NOW }), flushEveryMs, onError: error => errors.push(error) }), errors }
}

/** A store that fails to insert as long as `down` says so. */
function faulty(store: Store, down: () => boolean): Store {
  return {
    ...store,
    insertNew: async (table, columns, rows) => {
      if (down()) throw new Error('the database is away')
      return store.insertNew(table, columns, rows)
    },
  }
}

forEachStore((_, open) => {
  test('a call is found from the moment it is recorded, and is the same once it is written', async () => {
    const { store, again } = await open()
    const { stats, errors } = start(store)
    for (const call of [generation(), generation(EMPTY), generation({ cost: 2n ** 63n - 1n, absorbed: 2n ** 53n + 1n }), generation({ coalesced: { paidBy: 'gen-1-a', cost: 2n ** 63n - 1n, calls: 3 } })]) {
      stats.record(call)
      assert.equal(await stats.find(call.id, 'default'), call)
      await stats.flush()
      assert.equal(stats.figures().waiting, 0)
      assert.deepEqual(await stats.find(call.id, 'default'), call)
      assert.deepEqual(await start(await again()).stats.find(call.id, 'default'), call, 'another process reads the same')
    }
    assert.deepEqual(errors, [])
  })

  test('records are written by themselves within the interval', async () => {
    const { store, again } = await open()
    const { stats } = start(store, 30)
    const call = generation()
    stats.record(call)
    const elsewhere = start(await again(), 1000).stats
    assert.deepEqual(await elsewhere.find(call.id, 'default'), call, 'the other node asks twice')
    await stats.close()
  })

  test('a call of another workspace is not there, neither before nor after it is written', async () => {
    const { store } = await open()
    const { stats } = start(store, 10)
    const call = generation({ id: 'gen-1000000000-old' })
    stats.record(call)
    assert.equal(await stats.find(call.id, 'other'), null)
    await stats.flush()
    assert.equal(await stats.find(call.id, 'other'), null)
    assert.ok(await stats.find(call.id, 'default'))
  })

  test('only a young id is waited for: an old or foreign one is answered at once', async () => {
    const { store } = await open()
    const { stats } = start(store, 1500)
    const took = async (id: string): Promise<number> => {
      const from = performance.now()
      assert.equal(await stats.find(id, 'default'), null)
      return performance.now() - from
    }
    for (const id of [`gen-${NOW / 1000 - 36 * 60}-x`, 'gen-x', '', 'chatcmpl-1', "' or 1=1 --", '\0', 'gen-99999999999999999999-x']) {
      assert.ok(await took(id) < 1200, id)
    }
    assert.ok(await took(`gen-${NOW / 1000 - 34 * 60}-x`) > 1200)
  })

  test('thousands of calls are written in order, and the event loop turns meanwhile', async () => {
    const { store } = await open()
    const { stats } = start(store)
    const calls = Array.from({ length: 2000 }, () => generation())
    for (const call of calls) stats.record(call)
    let turns = 0
    let writing = true
    const turning = (function turn() {
      turns++
      if (writing) setImmediate(turn)
    })
    turning()
    await stats.flush()
    writing = false
    assert.ok(turns > 10, `${turns} turns`)
    const { rows } = await store.db.selectFrom('generations').select(build => build.fn.countAll<number>().as('rows')).executeTakeFirstOrThrow()
    assert.equal(rows, 2000)
  })

  test('a failed write keeps the rows, says so, and is made up for', async () => {
    const { store } = await open()
    let down = true
    const { stats, errors } = start(faulty(store, () => down), 20)
    const calls = [generation(), generation()]
    for (const call of calls) stats.record(call)
    await stats.flush()
    assert.deepEqual([stats.figures(), errors.map(({ message }) => message)], [{ waiting: 2, lost: 0 }, ['the database is away']])
    assert.equal(await stats.find(calls[0]!.id, 'default'), calls[0])
    down = false
    for (let at = 0; stats.figures().waiting > 0 && at < 1000; at++) await sleep(20)
    assert.deepEqual(stats.figures(), { waiting: 0, lost: 0 })
    assert.deepEqual(await stats.find(calls[1]!.id, 'default'), calls[1])
  })

  test('rows written twice, because the outcome of a write was not known, are there once', async () => {
    const { store } = await open()
    let replyLost = true
    const { stats } = start({
      ...store,
      insertNew: async (...args) => {
        const refused = await store.insertNew(...args)
        if (replyLost) throw new Error('the connection broke after the commit')
        return refused
      },
    })
    const call = generation()
    stats.record(call)
    await stats.flush()
    replyLost = false
    await stats.flush()
    assert.equal(stats.figures().waiting, 0)
    const { rows, cost_nano } = await store.db.selectFrom('generations')
      .select(build => [build.fn.countAll<number>().as('rows'), build.fn.sum<bigint>('cost_nano').as('cost_nano')]).executeTakeFirstOrThrow()
    assert.deepEqual([rows, cost_nano], [1, call.cost])
  })

  test('when the database stays away, the oldest records go, are counted, and ten thousand stay', async () => {
    const { store } = await open()
    const { stats } = start(faulty(store, () => true))
    const calls = Array.from({ length: 10_003 }, () => generation())
    for (const call of calls) stats.record(call)
    assert.deepEqual(stats.figures(), { waiting: 10_000, lost: 3 })
    assert.equal(await stats.find(calls[3]!.id, 'default'), calls[3])
  })

  test('a record that the database refuses is counted and does not hold up the others', async () => {
    const { store } = await open()
    const { stats, errors } = start(store)
    const bad = generation({ durationMs: NaN })
    const good = [generation(), generation({ user: 'nul \0', title: 'half \ud83d' })]
    for (const call of [good[0]!, bad, good[1]!]) stats.record(call)
    await stats.flush()
    assert.deepEqual(stats.figures(), { waiting: 0, lost: 1 })
    assert.match(errors[0]!.message, /refused.*1 generation records are lost/)
    assert.deepEqual(await stats.find(good[0]!.id, 'default'), good[0])
    assert.equal((await stats.find(good[1]!.id, 'default'))?.user, 'nul \ufffd')
  })

  test('the end writes what is left, and a record after it is counted as lost', async () => {
    const { store } = await open()
    const { stats } = start(store)
    const call = generation()
    stats.record(call)
    await stats.close()
    stats.record(generation())
    assert.deepEqual(stats.figures(), { waiting: 0, lost: 1 })
    assert.deepEqual(await stats.find(call.id, 'default'), call)
  })

  test('when the database is down a lookup is a 503, never a 404', async () => {
    const { store } = await open()
    const { stats } = start(store)
    await store.close()
    await assert.rejects(stats.find('gen-1-x', 'default'), (error: unknown) => faultOf(error).kind === 'unavailable')
  })

  test('records that were flushed are there after the process was killed', async () => {
    const { store, place } = await open()
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import { openStore } from ${JSON.stringify(import.meta.resolve('../store/index.ts'))}
      import { createStats } from ${JSON.stringify(import.meta.resolve('./index.ts'))}
      import { ambient } from ${JSON.stringify(import.meta.resolve('../ambient.ts'))}
      const stats = createStats({ store: await openStore(${JSON.stringify(place)}), ambient })
      const call = ${JSON.stringify(generation(EMPTY), (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}
      for (let at = 0; at < 700; at++) stats.record({ ...call, id: 'gen-1-' + at, cost: BigInt(at), absorbed: 0n })
      await stats.flush()
      process.stdout.write('flushed')
      setInterval(() => {}, 1000)
    `], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => { child.stdout.once('data', resolve) })
    child.kill('SIGKILL')
    const { cost_nano } = await store.db.selectFrom('generations').select(build => build.fn.sum<bigint>('cost_nano').as('cost_nano')).executeTakeFirstOrThrow()
    assert.equal(cost_nano, 699n * 700n / 2n)
  })
})

describe('the price sheet of a call', () => {
  test('is kept as decimal strings of dollars', () => {
    assert.deepEqual(JSON.parse(priceText(SHEET)), {
      rates: { prompt: '0.00000175', completion: '0.000014', input_cache_read: '0.000000000000000001', request: '1' },
      overrides: [{ minPromptTokens: 200_000, rates: { prompt: '0.0000035' } }],
      discount: 0.25,
      source: 'catalogue',
    })
  })

  test('comes back to the last atto-dollar', () => {
    const rates = fc.dictionary(fc.constantFrom(...TOKEN_PRICES, ...UNIT_PRICES), fc.bigInt({ min: 0n, max: 10n ** 24n }), { noNullPrototype: true })
    const sheet = fc.record({
      rates, overrides: fc.array(fc.record({ minPromptTokens: fc.nat(), rates }, { noNullPrototype: true }), { maxLength: 3 }),
      source: fc.constantFrom('catalogue', 'operator', 'stated'),
    }, { noNullPrototype: true })
    fc.assert(fc.property(sheet, each => { assert.deepEqual(priceOf(priceText(each as PriceSheet)), each) }))
  })
})
