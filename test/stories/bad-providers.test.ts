import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Order, OrderFor } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/**
 * Eight bad providers, one after the other. Each is the cheap one of two that sell a model, so that every caller who
 * asks for the lowest price meets it first. Three things are told of each: what the caller sees, what is on record, and
 * what the health table says, by which the next callers are led around it.
 */

interface Town {
  readonly box: Awaited<ReturnType<typeof startSignalbox>>
  /** What the bad one was asked so far. */
  asked(): number
  /** A caller who streams. */
  streams(text?: string, rest?: object): ReturnType<typeof readStream>
  /** A caller who wants the answer of the bad one, or none. */
  insists(rest?: object): ReturnType<Town['box']['refused']>
  /** Who was tried for a call, with the status of each, and what it cost. */
  record(id: string): Promise<{ readonly tried: (string | number | null)[][]; readonly cost: unknown; readonly finish: unknown; readonly latency: unknown }>
  /** What the health table says of the bad one. */
  health(): Promise<string>
  /** Who would be asked first now. */
  next(rest?: object): Promise<unknown>
  bad: Awaited<ReturnType<typeof startUpstream>>
}

const CHEAP = { prompt: 1, completion: 1 }
const DEAR = { prompt: 5, completion: 5 }
/** Three words in, three words out, at the dear one. */
const PRICE = (3 * 5 + 3 * 5) / 1e6

/** How long the bad one is waited for; it is short only where the story is about that. */
const PATIENT = { connect_ms: 20_000, first_token_ms: 60_000, idle_ms: 60_000 }
const HASTY = { connect_ms: 20_000, first_token_ms: 500, idle_ms: 500 }

async function town(order: OrderFor, timeouts = PATIENT): Promise<Town> {
  const [bad, good] = [await startUpstream(), await startUpstream()]
  bad.always(order)
  const box = await startSignalbox({
    config: together(
      providerAt('bad', `${bad.url}/v1`, { ...CHEAP, timeouts }),
      providerAt('good', `${good.url}/v1`, DEAR),
    ),
  })
  const cheapest = { provider: { sort: 'price' } }
  return {
    box, bad,
    asked: () => bad.requests.length,
    streams: async (text = 'Who is there?', rest = {}) => readStream(await box.chat(saying('acme/one', text, { stream: true, ...cheapest, ...rest }))),
    insists: (rest = {}) => box.refused(saying('acme/one', 'Who is there?', { provider: { only: ['bad'] }, ...rest })),
    async record(id) {
      const record = await box.generation(id)
      const responses = record['provider_responses'] as { provider_name: string; status: number | null }[]
      return {
        tried: responses.map((it) => [it.provider_name, it.status]), cost: record['total_cost'],
        finish: record['finish_reason'], latency: record['latency'],
      }
    },
    async health() {
      const { candidates } = await box.explain(saying('acme/one', 'Who is there?', cheapest))
      return (candidates.find((it) => it['provider'] === 'bad')!['reasons'] as readonly string[]).join('; ')
    },
    async next(rest = {}) {
      return (await box.explain(saying('acme/one', 'Who is there?', { ...cheapest, ...rest }))).candidates[0]!['provider']
    },
  }
}

/** The caller was answered by the good one as if nothing had been, paid for one answer, and the record tells the rest. */
async function answeredByTheOther(story: Town, status: number | null): Promise<void> {
  const streamed = await story.streams()
  assert.equal(streamed.text, 'Who is there?')
  assert.equal(streamed.done, true)
  assert.equal(streamed.finish, 'stop')
  assert.ok(streamed.chunks.every(({ provider }) => provider === 'good'))
  assert.equal(streamed.usage!.cost, PRICE)
  const record = await story.record(streamed.id)
  assert.deepEqual(record.tried, [['bad', status], ['good', 200]])
  assert.equal(record.cost, PRICE)
}

describe('The dead one, which refuses connections', () => {
  test('costs its first caller a few milliseconds, the second nothing, and is thrown out when callers insist', async () => {
    const story = await town({})
    await story.bad.down()
    await answeredByTheOther(story, null)
    assert.match(await story.health(), /^failed within the last seconds/)
    const second = await story.streams()
    assert.deepEqual((await story.record(second.id)).tried, [['good', 200]])

    for (let i = 0; i < 4; i++) {
      const refusal = await story.insists()
      assert.equal(refusal.status, 502)
      assert.match(refusal.error.message, /refused the connection/)
      assert.deepEqual(await story.record(refusal.id), { tried: [['bad', null]], cost: 0, finish: 'error', latency: null })
    }
    assert.match(await story.health(), /^ejected until/)
    assert.equal(await story.next(), 'good')
  })
})

describe('The hung one, which takes requests and never answers', () => {
  test('is let go at its timeout, and only its first caller waits', async () => {
    const story = await town({ stallAfter: 'request' }, HASTY)
    const begun = performance.now()
    await answeredByTheOther(story, null)
    const took = performance.now() - begun
    assert.ok(took > 490 && took < 15_000, `it took ${took.toFixed(0)} ms`)
    await story.bad.waitFor(({ state }) => state === 'aborted')

    assert.match(await story.health(), /^failed within the last seconds/)
    assert.deepEqual((await story.record((await story.streams()).id)).tried, [['good', 200]])

    const refusal = await story.insists({ stream: true })
    assert.equal(refusal.status, 504)
    assert.equal(refusal.error.metadata['error_type'], 'timeout')
    assert.equal(refusal.error.metadata['timeout'], 'first_token')
    await story.bad.waitFor((it) => it === story.bad.requests.at(-1) && it.state === 'aborted')
  })
})

describe('The slow one, which answers late and well', () => {
  test('is no failure: who takes it waits, who sets a threshold is led around it', async () => {
    const story = await town({ delayMs: 150 })
    for (let i = 0; i < 3; i++) {
      const streamed = await story.streams()
      assert.equal(streamed.chunks[0]!.provider, 'bad')
      const record = await story.record(streamed.id)
      assert.deepEqual(record.tried, [['bad', 200]])
      assert.ok(Number(record.latency) >= 140, String(record.latency))
    }
    assert.match(await story.health(), /^stable/)
    assert.equal(await story.next(), 'bad')
    const hurried = { provider: { sort: 'price', preferred_max_latency: 0.1 } }
    assert.equal(await story.next(hurried), 'good')
    assert.equal((await story.streams('Quick!', hurried)).chunks[0]!.provider, 'good')
  })
})

describe('The flapping one, which fails every other time', () => {
  test('is noticed by no caller, not even by those who pin it, and is thrown out for the others', async () => {
    let turn = 0
    const story = await town((): Order => turn++ % 2 === 0 ? { status: 500 } : {})
    const pinned = { provider: { order: ['bad', 'good'] } }
    const tried: number[] = []
    for (let i = 0; i < 30; i++) {
      const streamed = await story.streams('Who is there?', pinned)
      assert.equal(streamed.done, true)
      tried.push((await story.record(streamed.id)).tried.length)
    }
    assert.equal(tried.filter((count) => count === 2).length, 15, 'every other caller needed both')
    assert.match(await story.health(), /^ejected until/)
    const asked = story.asked()
    for (let i = 0; i < 5; i++) assert.equal((await story.streams()).chunks[0]!.provider, 'good')
    assert.equal(story.asked(), asked)
  })
})

describe('The rate-limited one, which says wait', () => {
  test('is left alone for as long as it says; who insists is told how long', async () => {
    const story = await town({ status: 429, headers: { 'retry-after': '7' } })
    await answeredByTheOther(story, 429)
    assert.match(await story.health(), /^stable; its provider asked us to wait/)
    for (let i = 0; i < 5; i++) assert.deepEqual((await story.record((await story.streams()).id)).tried, [['good', 200]])
    assert.equal(story.asked(), 1)

    const refusal = await story.insists()
    assert.equal(refusal.status, 429)
    assert.equal(refusal.headers.get('retry-after'), '7')
    assert.equal(refusal.error.metadata['error_type'], 'rate_limit_exceeded')
    const record = await story.record(refusal.id)
    assert.deepEqual([record.tried, record.cost], [[['bad', 429]], 0])
    assert.doesNotMatch(await story.health(), /ejected|failed/)
  })
})

describe('The lying one, which answers 200 with an error inside', () => {
  test('is not believed, streamed or whole', async () => {
    const story = await town({ shapes: ['error-in-200'] })
    await answeredByTheOther(story, 200)
    assert.match(await story.health(), /^failed within the last seconds/)
    for (const stream of [true, false]) {
      const refusal = await story.insists({ stream })
      assert.equal(refusal.status, 503)
      assert.equal(refusal.error.metadata['error_type'], 'provider_overloaded')
      assert.deepEqual(await story.record(refusal.id), { tried: [['bad', 200]], cost: 0, finish: 'error', latency: null })
    }
    assert.equal(await story.next(), 'good')
  })
})

describe('The half-closed one, which stops sending in the middle', () => {
  test('of an answer: its caller gets what there was, one error with the usage so far, no stop and no bill; the next caller meets the other', async () => {
    const story = await town({ text: ['Once', ' upon', ' a', ' time'], cutAfter: 3, cutBy: 'fin' })
    const streamed = await story.streams()
    assert.equal(streamed.text, 'Once upon')
    assert.equal(streamed.done, false)
    assert.equal(streamed.finish, 'error')
    assert.equal(streamed.error!.code, 502)
    assert.equal(streamed.error!.metadata!['provider_name'], 'bad')
    assert.ok(streamed.usage!.completion_tokens > 0)
    const { tried, cost, finish } = await story.record(streamed.id)
    assert.deepEqual({ tried, cost, finish }, { tried: [['bad', 200]], cost: 0, finish: 'error' })
    assert.match(await story.health(), /^failed within the last seconds/)
    assert.deepEqual((await story.record((await story.streams()).id)).tried, [['good', 200]])
  })

  test('of nothing, before a word was said: the caller does not notice', async () => {
    const story = await town({ hangUp: true })
    await answeredByTheOther(story, null)
    assert.match(await story.health(), /^failed within the last seconds/)
  })

  test('of its silence: what it does not send is waited for with patience, and then the caller is told', async () => {
    const story = await town({ text: ['Once', ' upon'], stallAfter: 2 }, HASTY)
    const following = follow(await story.box.chat(saying('acme/one', 'Who is there?', { stream: true, provider: { sort: 'price' } })))
    await following.until('Once')
    const streamed = await following.end()
    assert.equal(streamed.error!.code, 504)
    assert.equal(streamed.error!.metadata!['timeout'], 'idle')
    await story.bad.waitFor(({ state }) => state === 'aborted')
    assert.match(await story.health(), /^failed within the last seconds/)
  })
})

describe('The one that has no credit left for us', () => {
  test('is no concern of the caller; its key rests, and the operator reads it once in the log', async () => {
    const story = await town({ status: 402, body: { error: { message: 'Insufficient balance on account 4711', code: 'insufficient_balance' } } })
    await answeredByTheOther(story, 402)
    assert.match(await story.health(), /^stable; its provider asked us to wait, or refused the key until/)
    for (let i = 0; i < 5; i++) assert.deepEqual((await story.record((await story.streams()).id)).tried, [['good', 200]])
    assert.equal(story.asked(), 1)

    const refusal = await story.insists()
    assert.equal(refusal.status, 502, 'never a 402, which would be the credit of the caller')
    assert.match(refusal.error.message, /out of credit/)
    assert.ok(!JSON.stringify(refusal.body).includes('4711'))
    assert.equal((await story.record(refusal.id)).cost, 0)
    assert.equal(story.box.complaints.length, 1)
    assert.match(story.box.complaints[0]!, /out of credit[^]*4711/)
  })
})
