import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ambient } from '../../src/ambient.ts'
import { createFakeAmbient, type FakeUpstream } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type Given, type Signalbox } from './signalbox.ts'

/** Providers that die, hang, flap and come back: traffic leaves them, and returns without anyone's help. */

/** So short that it is the ejection, and not the outage window, that keeps traffic away. */
const SHORT_OUTAGES = { outage_window_ms: 1 }

type Routing = NonNullable<NonNullable<Given['config']>['routing']>

/** Real time but for the wall clock, which health goes by: it stands, and jumps when the story says that time passes. */
function jumpingClock() {
  let now = ambient.now()
  const { random } = createFakeAmbient({ seed: 11 })
  return { ambient: { ...ambient, random, now: () => now }, pass: (ms: number) => void (now += ms) }
}

/** Two providers of the same model at the same price, and what each was asked. */
async function town(given: { readonly routing?: Routing; readonly ambient?: Given['ambient']; readonly firstTokenMs?: number } = {}) {
  const [a, b] = [await startUpstream({ keep: 10_000 }), await startUpstream({ keep: 10_000 })]
  const timeouts = { connect_ms: 500, first_token_ms: given.firstTokenMs ?? 2_000 }
  const box = await startSignalbox({
    config: {
      ...together(providerAt('a', `${a.url}/a/v1`, { timeouts }), providerAt('b', `${b.url}/b/v1`, { timeouts })),
      ...(given.routing && { routing: given.routing }),
    },
    ...(given.ambient && { ambient: given.ambient }),
  })
  return { a, b, box, asked: () => ({ a: a.requests.length, b: b.requests.length }) }
}

const hello = saying('acme/one', 'Hello')
const burst = (box: Signalbox, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, async () => (await box.whole(hello)).provider))
const reasonsOf = async (box: Signalbox, provider: string): Promise<readonly string[]> => {
  const { candidates } = await box.explain(hello)
  return candidates.find((it) => it['provider'] === provider)!['reasons'] as readonly string[]
}
/** Asks until A has failed often enough; every caller is answered by B meanwhile. */
const ejectA = async (box: Signalbox, clock: ReturnType<typeof jumpingClock>): Promise<void> => {
  for (let i = 0; i < 30; i++) {
    assert.ok((await burst(box, 10)).every((provider) => provider === 'b'))
    clock.pass(2)
    if ((await reasonsOf(box, 'a')).some((why) => why.startsWith('ejected'))) return
  }
  assert.fail('it was not ejected')
}
const says = (reasons: readonly string[], what: RegExp): void => assert.ok(reasons.some((why) => what.test(why)), reasons.join('; '))

describe('A provider goes down and comes up again', () => {
  test('Every caller is answered; the dead one is asked no more, then by single requests, then by a growing part of them', async () => {
    const clock = jumpingClock()
    const { a, b, box, asked } = await town({ ambient: clock.ambient, routing: SHORT_OUTAGES })
    await burst(box, 10)
    await a.down()
    await ejectA(box, clock)
    says(await reasonsOf(box, 'a'), /^ejected until 20\d\d-.*Z: it kept failing$/)

    const { b: before } = asked()
    await burst(box, 20)
    assert.equal(asked().b, before + 20)
    const dead = await box.generation((await box.whole(hello)).id)
    assert.equal((dead['provider_responses'] as unknown[]).length, 1, 'a dead provider costs the next callers nothing')

    clock.pass(12_100)
    says(await reasonsOf(box, 'a'), /^on trial: it kept failing, and this request may try it$/)
    const replies = await Promise.all(Array.from({ length: 10 }, () => box.whole(hello)))
    const attempts = await Promise.all(replies.map(async ({ id }) => ((await box.generation(id))['provider_responses'] as unknown[]).length))
    assert.deepEqual(attempts.toSorted(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2], 'one of ten tried it, and was answered by the other')

    await a.up()
    const upAt = clock.ambient.now()
    clock.pass(12_100)
    for (let trial = 1; trial <= 3; trial++) {
      const from = asked().a
      assert.equal((await burst(box, 8)).filter((provider) => provider === 'a').length, 1, `trial ${trial} is one request`)
      assert.equal(asked().a, from + 1)
      clock.pass(1_001)
    }
    says(await reasonsOf(box, 'a'), /^ramping up after an ejection until .*, now (1[0-9]) % of its share$/)
    const early = (await burst(box, 60)).filter((provider) => provider === 'a').length
    assert.ok(early < 25, `${early} of 60 at the beginning of the ramp`)
    clock.pass(9_000)
    assert.deepEqual((await reasonsOf(box, 'a')).filter((why) => /stable|ramp|eject|trial/.test(why)), ['stable'])
    const late = (await burst(box, 60)).filter((provider) => provider === 'a').length
    assert.ok(late > 10 && late < 50, `${late} of 60 after it`)
    assert.ok(clock.ambient.now() - upAt <= 30_000, `it took ${clock.ambient.now() - upAt} ms`)
    assert.equal(b.openStreams(), 0)
  })

  test('In real time, at a tenth of the numbers and under steady traffic: no caller notices, the dead one is hardly met, and its traffic comes back by itself', async () => {
    const { a, box } = await town({
      routing: { outage_window_ms: 20, ejection_ms: 1_000, quick_ejection_longest_ms: 1_000, trial_gap_ms: 100, ramp_ms: 1_000, relapse_ms: 6_000 },
    })
    const seen: { provider: string; attempts: number }[] = []
    const one = async (): Promise<void> => {
      const { provider, id } = await box.whole(hello)
      seen.push({ provider, attempts: ((await box.generation(id))['provider_responses'] as unknown[]).length })
    }
    const over = new AbortController()
    const traffic = (async () => {
      const under: Promise<void>[] = []
      while (!over.signal.aborted) {
        under.push(one())
        await sleep(10)
      }
      await Promise.all(under)
    })()
    const until = async (what: string, is: () => boolean | Promise<boolean>): Promise<void> => {
      for (const from = performance.now(); !await is(); await sleep(20)) assert.ok(performance.now() - from < 40_000, what)
    }
    /** How many of the latest went to A. */
    const share = (of: number): number => seen.slice(-of).filter(({ provider }) => provider === 'a').length / of
    try {
      await until('there is no traffic', () => seen.length > 40)
      await a.down()
      await until('it was not ejected', async () => (await reasonsOf(box, 'a')).some((why) => why.startsWith('ejected')))
      const [ejectedAt, from] = [performance.now(), seen.length]
      await until('there is no more traffic', () => performance.now() - ejectedAt > 3_000 && seen.length > from + 100)
      const during = seen.slice(from)
      const touched = during.filter(({ attempts }) => attempts > 1).length
      // One trial each second or more, and who was under way when it was ejected.
      const trials = 5 + (performance.now() - ejectedAt) / 1_000
      assert.ok(touched <= trials, `${touched} of ${during.length} callers met the dead provider`)
      await a.up()
      await until('its traffic does not come back', () => share(60) > 0.25 && share(60) < 0.75)
    } finally {
      over.abort()
      await traffic
    }
  })
})

describe('A provider hangs', () => {
  test('Traffic leaves it after the first that waited; one request at a time tries it, and a stream need not end to be the verdict', async () => {
    const clock = jumpingClock()
    const { a, box, asked } = await town({ ambient: clock.ambient, routing: SHORT_OUTAGES, firstTokenMs: 200 })
    const well = a.when({ path: '/a/' }, { stallAfter: 'request' })
    await ejectA(box, clock)
    const before = asked().a
    await burst(box, 20)
    assert.equal(asked().a, before)
    clock.pass(12_100)
    const trials = asked().a
    await burst(box, 20)
    assert.equal(asked().a, trials + 1, 'nineteen of twenty did not wait behind the one that tried')
    well()

    a.when({ path: '/a/' }, { text: ['Once', ' upon', ' a', ' time'], stallAfter: 3 })
    clock.pass(12_100)
    const streams = []
    for (let i = 0; i < 3; i++) {
      const from = asked().a
      const response = await box.chat({ ...hello, stream: true })
      assert.equal(asked().a, from + 1)
      const reader = response.body!.getReader()
      await reader.read()
      streams.push(reader)
      clock.pass(1_001)
    }
    says(await reasonsOf(box, 'a'), /^ramping up/)
    await Promise.all(streams.map((reader) => reader.cancel()))
    await a.waitFor((request) => request.state === 'aborted')
    says(await reasonsOf(box, 'a'), /^ramping up/)
  })
})

describe('A provider hangs for hours', () => {
  test('No trial has a caller wait much longer than is usual there; and with the first trials after its recovery its traffic is back', { timeout: 300_000 }, async () => {
    const clock = jumpingClock()
    const routing = { ...SHORT_OUTAGES, quick_failure_ms: 1_000 }
    const { a, b, box, asked } = await town({ ambient: clock.ambient, routing, firstTokenMs: 300 })
    while (asked().a < 10) await burst(box, 10)
    const well = a.when({ path: '/a/' }, { stallAfter: 'request' })
    await ejectA(box, clock)
    // From now on whoever waited for as long as an answer may take would wait for an hour, and this story with him.
    const timeouts = { first_token_ms: 3_600_000 }
    box.reload({ ...together(providerAt('a', `${a.url}/a/v1`, { timeouts }), providerAt('b', `${b.url}/b/v1`, { timeouts })), routing, timeouts: { pre_token_total_ms: 3_600_000 } })
    clock.pass(3_600_000)
    for (let trial = 0; trial < 5; trial++) {
      clock.pass(12_100)
      const before = asked().a
      assert.deepEqual([...new Set(await burst(box, 5))], ['b'])
      assert.equal(asked().a, before + 1, 'it is out for longer than twelve seconds')
    }
    well()
    for (let tries = 0; tries < 20 && !(await reasonsOf(box, 'a')).some((why) => why.startsWith('ramping up')); tries++) {
      clock.pass(tries === 0 ? 12_100 : 1_001)
      await burst(box, 1)
    }
    says(await reasonsOf(box, 'a'), /^ramping up/)
  })
})

describe('A provider breaks what it begins', () => {
  test('An answer that is cut while its provider is on trial sends it out again, though it had begun well', async () => {
    const clock = jumpingClock()
    const { a, box } = await town({ ambient: clock.ambient, routing: SHORT_OUTAGES })
    a.when({ path: '/a/' }, { status: 500 })
    await ejectA(box, clock)
    a.when({ path: '/a/' }, { text: ['Once', ' upon', ' a', ' time'], cutAfter: 3, cutBy: 'rst', paceMs: 5 })
    clock.pass(12_100)
    says(await reasonsOf(box, 'a'), /^on trial/)
    assert.match(await (await box.chat({ ...hello, stream: true })).text(), /"error"/)
    says(await reasonsOf(box, 'a'), /^ejected until/)
  })

  test('A TLS handshake that fails is enough to send it away for five minutes', async () => {
    const b = await startUpstream()
    const box = await startSignalbox({
      config: together(providerAt('a', b.url.replace('http:', 'https:'), { prompt: 0.01, completion: 0.01 }), providerAt('b', `${b.url}/b/v1`)),
    })
    assert.deepEqual(new Set(await burst(box, 10)), new Set(['b']))
    const why = (await reasonsOf(box, 'a')).find((it) => it.startsWith('ejected'))!
    const ms = Date.parse(/until (.*Z)/.exec(why)![1]!) - Date.now()
    assert.ok(ms > 240_000 && ms <= 300_000, why)
  })

  test('Numbers of health that the operator changes hold from then on, and what was seen is kept', async () => {
    const { a, b, box } = await town()
    a.when({ path: '/a/' }, { status: 500 })
    const asking = () => box.refused({ ...hello, provider: { only: ['a'] } })
    for (let i = 0; i < 2; i++) await asking()
    says(await reasonsOf(box, 'a'), /^failed within/)
    box.reload({ ...together(providerAt('a', `${a.url}/a/v1`), providerAt('b', `${b.url}/b/v1`)), routing: { ejection_failures: 3 } })
    await asking()
    says(await reasonsOf(box, 'a'), /^ejected until/)
  })
})

describe('A provider fails three times in ten', () => {
  test('With two that are well every caller is answered, and all providers together are called hardly more often than callers ask', async () => {
    const upstreams = [await startUpstream({ keep: 10_000 }), await startUpstream({ keep: 10_000 }), await startUpstream({ keep: 10_000 })]
    // With the usual window it would hardly be asked at all: each failure sends the next requests elsewhere.
    const box = await startSignalbox({ config: { ...together(...upstreams.map(({ url }, i) => providerAt(`p${i}`, `${url}/v1`))), routing: SHORT_OUTAGES } })
    let seen = 0
    upstreams[0]!.always(() => ([0, 3, 6].includes(seen++ % 10) ? { status: 500 } : {}))
    const callers = 600
    for (let i = 0; i < callers / 10; i++) assert.equal((await burst(box, 10)).length, 10)
    const calls = upstreams.reduce((sum, { requests }) => sum + requests.length, 0)
    const failed = upstreams[0]!.requests.filter(({ status }) => status === 500).length
    assert.ok(failed > callers / 20, `it failed ${failed} times`)
    assert.ok(calls <= callers * 1.2, `${calls} calls for ${callers} callers`)
  })
})

describe('Whose trouble it is', () => {
  const failing = async (order: Parameters<FakeUpstream['when']>[1], body: Record<string, unknown> = hello) => {
    const { a, box, asked } = await town()
    a.when({ path: '/a/' }, order)
    for (let i = 0; i < 12; i++) await (await box.chat({ ...body, provider: { order: ['a', 'b'] } })).text()
    return { reasons: await reasonsOf(box, 'a'), asked: asked().a }
  }

  test('Twelve requests that the provider calls wrong leave it as it was', async () => {
    const { reasons, asked } = await failing({ status: 400 })
    assert.equal(asked, 12)
    assert.ok(reasons.includes('stable'), reasons.join('; '))
  })

  test('Twelve callers who leave before the answer leave it as it was', async () => {
    const { a, box } = await town()
    a.when({ path: '/a/' }, { stallAfter: 'request' })
    for (let i = 0; i < 12; i++) {
      const from = a.requests.length
      const leaving = new AbortController()
      const asking = box.chat({ ...hello, provider: { only: ['a'] } }, {}, leaving.signal).catch(() => null)
      while (a.requests.length === from) await sleep(5)
      leaving.abort()
      await asking
    }
    await a.waitFor((request) => request === a.requests.at(-1) && request.state === 'aborted')
    await box.app.gateway.idle()
    assert.ok((await reasonsOf(box, 'a')).includes('stable'))
  })

  test('A refused key is left alone for five minutes and says so; its endpoint is not ejected', async () => {
    const { reasons, asked } = await failing({ status: 401 })
    assert.equal(asked, 1)
    assert.ok(reasons.includes('stable'), reasons.join('; '))
    says(reasons, /^its provider asked us to wait, or refused the key until 20/)
  })

  test('A 429 is waited for as long as it says, at most a minute, and its endpoint is not ejected', async () => {
    const { reasons, asked } = await failing({ status: 429, headers: { 'retry-after': '3600' } })
    assert.equal(asked, 1)
    assert.ok(reasons.includes('stable'), reasons.join('; '))
    const until = Date.parse(/until (.*Z)/.exec(reasons.find((why) => why.includes('asked us to wait'))!)![1]!)
    assert.ok(until - Date.now() > 20_000 && until - Date.now() <= 60_000, `${until - Date.now()} ms`)
  })
})

describe('Everything fails', () => {
  test('The last providers are asked all the same, and no more often than their retry budgets allow', async () => {
    const { a, b, box, asked } = await town({ routing: { retry_tokens: 5, retry_tokens_per_second: 3 } })
    for (const upstream of [a, b]) upstream.always({ status: 500 })
    const begun = performance.now()
    const refusals = []
    for (let i = 0; i < 60; i++) refusals.push(await box.refused(hello))
    const { a: toA, b: toB } = asked()
    const seconds = (performance.now() - begun) / 1000
    assert.ok(toA + toB >= 60, 'nobody is turned away untried')
    assert.ok(toA + toB <= 60 + 2 * 5 + Math.ceil(2 * 3 * seconds), `${toA + toB} calls in ${seconds} s`)
    assert.equal(refusals.at(0)!.error.metadata['previous_errors'].length, 1)
    const last = refusals.at(-1)!.error
    assert.equal(last.code, 502)
    assert.deepEqual(last.metadata['not_tried_providers'].map((it: { reason: string }) => it.reason), ['retry_budget'])
    assert.equal(last.metadata['not_tried'], 1)
  })

  test('All of it is forgotten as soon as one answers: no caller waits for the end of an ejection', async () => {
    const { a, b, box } = await town()
    for (const upstream of [a, b]) upstream.always({ status: 500 })
    for (let i = 0; i < 12; i++) await box.refused(hello)
    for (const name of ['a', 'b']) says(await reasonsOf(box, name), /^ejected until/)
    says(await reasonsOf(box, (await box.explain(hello)).candidates[0]!['provider']), /^most endpoints are out/)
    b.forget()
    assert.equal((await box.whole(hello)).provider, 'b')
  })
})
