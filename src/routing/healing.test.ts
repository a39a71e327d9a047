import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FaultKind } from '../core/index.ts'
import { afterAttempt, createHealth, HEALTH_RULES, UNKNOWN_HEALTH, type EndpointHealth, type Health, type Observation } from './health.ts'
import { explain } from './explain.ts'
import { draws, endpoint, need, NOW, planOne, sheet, tags } from './sample.ts'

const A = 'acme/one@a'
const seen = (fault: FaultKind | null, at: number, change: Partial<Observation> = {}): Observation =>
  ({ endpoint: A, credential: 'a:main', provider: 'a', fault, at, ...change })

const times = (count: number, fault: FaultKind | null, at = NOW, change: Partial<Observation> = {}): Observation[] =>
  Array.from({ length: count }, () => seen(fault, at, change))

const after = (...all: readonly Observation[]): EndpointHealth => all.reduce((health, it) => afterAttempt(health, it), UNKNOWN_HEALTH)

/** Remembered health that has seen this, with the jitter in the middle. */
const remembering = (...all: readonly Observation[]): Health => {
  const health = createHealth()
  for (const it of all) health.observe(it)
  return health
}

/** A request that tries A at a moment and is answered; false when no trial was allowed. */
const tried = (health: Health, at: number, fault: FaultKind | null = null, lostMs: number | null = 5): boolean => {
  const trial = health.begin(A, at)
  if (trial === 0) return false
  if (fault === null) health.answers({ endpoint: A, provider: 'a', trial, cost: 0 }, at)
  health.observe(seen(fault, at, { trial, lostMs }))
  return true
}
const state = (health: Health, at: number): string => health.standing(A, at)?.state ?? 'well'

describe('An endpoint is ejected', () => {
  it('by five failures in a row, and one answer among them starts the count anew', () => {
    assert.equal(after(...times(4, 'timeout')).circuit, null)
    assert.equal(after(...times(4, 'timeout'), seen(null, NOW), ...times(4, 'timeout')).circuit, null)
    assert.equal(after(...times(5, 'timeout')).circuit!.until, NOW + 10_000)
  })

  it('by half of twenty requests within the outage window, and not by half of nineteen or by what is older', () => {
    const half = (count: number, at = NOW): Observation[] => Array.from({ length: count }, (_, i) => seen(i % 2 ? 'upstream-error' : null, at))
    assert.equal(after(...half(18), seen('stream-cut', NOW)).circuit, null)
    assert.notEqual(after(...half(18), seen(null, NOW), seen('stream-cut', NOW)).circuit, null)
    assert.equal(after(...half(18, NOW - 30_000), seen(null, NOW), seen('stream-cut', NOW)).circuit, null)
  })

  it('for 10 s, doubled by each slow trial that fails, up to five minutes', () => {
    const health = remembering(...times(5, 'timeout'))
    const waits: number[] = []
    for (let at = NOW, i = 0; i < 8; i++) {
      const wait = health.standing(A, at)!.until - at
      waits.push(wait / 1000)
      at += wait
      assert.ok(tried(health, at, 'timeout', 30_000))
    }
    assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300, 300])
  })

  it('for 10 s again and again while it fails at once: a caller loses milliseconds, and an hour later it is found well within seconds', () => {
    const health = remembering(...times(5, 'connection', NOW, { lostMs: 2 }))
    let at = NOW
    for (let i = 0; i < 360; i++, at += 10_000) {
      assert.equal(health.standing(A, at)!.until - at, 10_000)
      assert.ok(tried(health, at + 10_000, 'connection', 2))
    }
    assert.ok(tried(health, at + 10_000, 'timeout', 30_000))
    assert.equal(health.standing(A, at + 10_000)!.until - at - 10_000, 20_000, 'the first slow failure does not pay for the quick ones')
  })

  it('for 10 s again and again while trials that hang are given up soon: an hour later it is found well within seconds as well', () => {
    const health = remembering(seen(null, NOW, { latencyMs: 900, streamed: true }), ...times(5, 'timeout', NOW, { lostMs: 30_000 }))
    let at = NOW
    for (let i = 0; i < 360; i++, at += 10_000) {
      assert.equal(health.standing(A, at)!.until - at, 10_000)
      assert.equal(health.patience(A, true), 1_800, 'what was usual is known from before, however long ago that was')
      const trial = health.begin(A, at + 10_000)
      health.observe(seen('timeout', at + 10_000, { trial, lostMs: 1_800, brief: true }))
    }
    const trial = health.begin(A, at + 10_000)
    health.observe(seen('stream-cut', at + 10_000, { trial, lostMs: null, brief: true }))
    assert.equal(health.standing(A, at + 10_000)!.until - at - 10_000, 20_000, 'an answer that was cut had cost the caller all of it')
  })

  it('with as much patience in its trials as twice what nearly all of its answers needed, streams and whole ones each for themselves', () => {
    const answers = Array.from({ length: 100 }, (_, i) => seen(null, NOW, { latencyMs: 1_000 + 10 * i, streamed: true }))
    const health = remembering(...answers, seen(null, NOW, { latencyMs: 20, streamed: false }))
    assert.equal(health.patience(A, true), 2 * 1_950)
    assert.equal(health.patience(A, false), 1_000, 'less than a second says nothing')
    assert.equal(createHealth().patience(A, true), null)
    assert.equal(remembering(...times(5, 'timeout')).patience(A, true), null)
  })

  it('for up to a fifth longer or shorter, as the dice fall', () => {
    for (const [dice, ms] of [[0, 8_000], [0.5, 10_000], [0.75, 11_000]] as const) {
      const health = createHealth({}, () => dice)
      for (const it of times(5, 'timeout')) health.observe(it)
      assert.equal(Math.round(health.standing(A, NOW)!.until - NOW), ms)
    }
  })

  it('for five minutes by one certificate that is not acceptable', () => {
    assert.equal(after(seen('connection', NOW, { broken: true, lostMs: 1 })).circuit!.until, NOW + 300_000)
  })

  it('by nothing that is not its own fault', () => {
    for (const kind of ['cancelled', 'invalid-request', 'context-length', 'moderated', 'upstream-auth', 'upstream-payment', 'upstream-rate-limited', 'internal'] as const) {
      assert.equal(after(...times(50, kind)).circuit, null, kind)
    }
  })
})

describe('An endpoint that is out', () => {
  it('is let in by three trials that answer, not more than one at a time and one a second', () => {
    const health = remembering(...times(5, 'timeout'))
    assert.equal(state(health, NOW + 9_999), 'ejected')
    const at = NOW + 10_000
    assert.equal(state(health, at), 'trial')
    const first = health.begin(A, at)
    assert.ok(first > 0)
    assert.equal(health.begin(A, at + 5_000), 0, 'one at a time')
    assert.equal(state(health, at + 5_000), 'waiting')
    health.answers({ endpoint: A, provider: 'a', trial: first, cost: 0 }, at + 100)
    assert.equal(tried(health, at + 999), false, 'one a second')
    assert.ok(tried(health, at + 1_000))
    assert.equal(state(health, at + 1_999), 'waiting')
    assert.ok(tried(health, at + 2_000))
    assert.equal(state(health, at + 2_000), 'ramping')
    assert.equal(health.unstable(A, at + 2_000), false, 'what was before is forgotten')
    assert.equal(state(health, at + 12_000), 'well')
  })

  it('is ejected again by one trial that fails, however many answered before', () => {
    const health = remembering(...times(5, 'timeout'))
    const at = NOW + 10_000
    assert.ok(tried(health, at) && tried(health, at + 1_000) && tried(health, at + 2_000, 'upstream-error', 2_000))
    assert.equal(health.standing(A, at + 2_000)!.until, at + 2_000 + 20_000)
  })

  it('is ejected again by an answer that a trial cut in the middle, while its recovery is not sure', () => {
    const health = remembering(...times(5, 'timeout'))
    const at = NOW + 10_000
    const trial = health.begin(A, at)
    health.answers({ endpoint: A, provider: 'a', trial, cost: 0 }, at + 100)
    health.observe(seen('stream-cut', at + 3_000, { trial, lostMs: null }))
    assert.equal(state(health, at + 3_000), 'ejected')
    assert.equal(health.standing(A, at + 3_000)!.until, at + 3_000 + 20_000)
  })

  it('learns nothing from a trial whose caller left or was at fault, and the next may begin', () => {
    for (const kind of ['cancelled', 'invalid-request', 'upstream-rate-limited', 'upstream-auth'] as const) {
      const health = remembering(...times(5, 'timeout'))
      assert.ok(tried(health, NOW + 10_000, kind))
      assert.equal(state(health, NOW + 11_000), 'trial', kind)
    }
  })

  it('is not held up by a trial that never reports, nor confused when it reports after all', () => {
    const health = remembering(...times(5, 'timeout'))
    const at = NOW + 10_000
    const lost = health.begin(A, at)
    assert.equal(health.begin(A, at + 119_999), 0)
    const next = health.begin(A, at + 120_000)
    assert.ok(next > 0)
    health.answers({ endpoint: A, provider: 'a', trial: lost, cost: 0 }, at + 120_500)
    assert.equal(health.begin(A, at + 125_000), 0, 'the second is still under way')
    health.observe(seen('timeout', at + 126_000, { trial: lost, lostMs: 120_000 }))
    assert.equal(health.begin(A, at + 127_000), 0, 'still')
  })

  it('is judged neither by what was under way when it was ejected nor by what hung since before it came back', () => {
    const health = remembering(...times(5, 'timeout'))
    for (const it of times(20, 'timeout', NOW + 5_000, { lostMs: 30_000 })) health.observe(it)
    assert.equal(health.standing(A, NOW + 5_000)!.until, NOW + 10_000)
    for (const ms of [10_000, 11_000, 12_000]) assert.ok(tried(health, NOW + ms))
    for (const it of times(20, 'timeout', NOW + 13_000, { lostMs: 30_000 })) health.observe(it)
    assert.equal(state(health, NOW + 13_000), 'ramping')
  })

  it('comes back early by what had nowhere else to go, and is not kept out longer by it', () => {
    const health = remembering(...times(5, 'timeout'))
    for (let ms = 0; ms < 5_000; ms += 1_000) assert.ok(tried(health, NOW + ms, 'timeout', 30_000))
    assert.equal(health.standing(A, NOW + 5_000)!.until, NOW + 10_000)
    for (const ms of [5_000, 6_000, 7_000]) assert.ok(tried(health, NOW + ms))
    assert.equal(state(health, NOW + 7_000), 'ramping')
  })

  it('relapses within a minute to a longer wait, and later to the first', () => {
    for (const [ms, wait] of [[30_000, 20_000], [61_000, 10_000]] as const) {
      const health = remembering(...times(5, 'timeout'))
      for (const at of [10_000, 11_000, 12_000]) tried(health, NOW + at)
      const at = NOW + 12_000 + ms
      for (const it of times(5, 'timeout', at)) health.observe(it)
      assert.equal(health.standing(A, at)!.until - at, wait)
    }
  })

  it('is not kept out by a clock that was set back', () => {
    const health = remembering(...times(5, 'timeout'))
    assert.equal(state(health, NOW - 86_400_000), 'trial')
    assert.ok(tried(health, NOW - 86_400_000))
    assert.equal(state(health, NOW - 2 * 86_400_000), 'trial')
  })
})

describe('In a plan, an endpoint that is out', () => {
  const three = [endpoint('a', { price: sheet(1) }), endpoint('b', { price: sheet(2) }), endpoint('c', { price: sheet(3) })]
  const planAt = (health: Health, now: number, preferences = {}, endpoints = three, random: () => number = draws(1)) =>
    planOne(endpoints, preferences, { given: { health, now, random } })

  it('is last and never left out, and stays where the caller pinned it', () => {
    const health = remembering(...times(5, 'timeout'))
    for (let i = 0; i < 20; i++) assert.equal(tags(planAt(health, NOW, {}, three, draws(i)))[2], 'a')
    assert.deepEqual(tags(planAt(health, NOW, { order: ['c'] })), ['c', 'b', 'a'])
    assert.deepEqual(tags(planAt(health, NOW, { order: ['a', 'c'] })), ['a', 'c', 'b'])
    assert.ok(explain(planAt(health, NOW, { order: ['a'] }), need()).candidates[0]!.reasons.includes('ejected: it kept failing'))
    assert.deepEqual(tags(planAt(health, NOW, { sort: { by: 'price', partition: 'model' } })), ['b', 'c', 'a'])
    assert.deepEqual(tags(planAt(health, NOW, { only: ['a'] })), ['a'])
    assert.deepEqual(tags(planAt(health, NOW, { allowFallbacks: false })).length, 1)
    assert.notEqual(tags(planAt(health, NOW, { allowFallbacks: false }))[0], 'a')
  })

  it('is first for the one request that may try it, though neither its price nor the dice would have it so', () => {
    const health = remembering(...times(5, 'timeout', NOW, { endpoint: 'acme/one@c' }))
    const at = NOW + 10_000
    for (let i = 0; i < 20; i++) {
      const made = planAt(health, at, {}, three, draws(i))
      assert.equal(tags(made)[0], 'c')
      assert.deepEqual(made.candidates.map((it) => it.weight), [1, 0, 0])
    }
    health.begin('acme/one@c', at)
    assert.equal(tags(planAt(health, at))[2], 'c', 'the others go elsewhere')
  })

  it('has its own place again, and no better one, for a request with an order of its own', () => {
    const health = remembering(...times(5, 'timeout', NOW, { endpoint: 'acme/one@b' }))
    const at = NOW + 10_000
    assert.deepEqual(tags(planAt(health, at, { sort: { by: 'price', partition: 'model' } })), ['a', 'b', 'c'])
    assert.deepEqual(tags(planAt(health, at, { order: ['c', 'b'] })), ['c', 'b', 'a'])
  })

  it('is not tried at the expense of a caller: not without fallbacks, not at many times the price, not where it is free', () => {
    const at = NOW + 10_000
    const health = remembering(...times(5, 'timeout', NOW, { endpoint: 'acme/one@dear' }))
    for (let i = 0; i < 10; i++) {
      assert.notEqual(tags(planAt(health, at, { allowFallbacks: false }, [endpoint('dear'), endpoint('b')], draws(i)))[0], 'dear')
      assert.equal(tags(planAt(health, at, {}, [endpoint('dear', { price: sheet(1) }), endpoint('free', { price: sheet(0) })], draws(i)))[0], 'free')
    }
    const random = draws(3)
    const first = Array.from({ length: 400 }, () => tags(planAt(health, at, {}, [endpoint('dear', { price: sheet(4) }), endpoint('b', { price: sheet(1) })], random))[0])
    const share = first.filter((tag) => tag === 'dear').length
    assert.ok(share > 5 && share < 60, `a draw of one in seventeen still tries it: ${share} of 400`)
  })

  it('gives way to the least bad when all are out, and it is said when more than half of them are', () => {
    const health = createHealth()
    for (const it of times(5, 'timeout', NOW, { endpoint: 'acme/one@a' })) health.observe(it)
    for (let i = 0; i < 20; i++) health.observe(seen(i % 2 ? 'timeout' : null, NOW, { endpoint: 'acme/one@c' }))
    for (const it of times(5, 'timeout', NOW, { endpoint: 'acme/one@b' })) health.observe(it)
    const trial = health.begin('acme/one@b', NOW + 10_000)
    health.observe(seen('timeout', NOW + 10_000, { endpoint: 'acme/one@b', trial, lostMs: 30_000 }))
    const made = planAt(health, NOW + 9_000)
    assert.deepEqual(tags(made), ['c', 'a', 'b'], 'half of the requests, all of them, and again')
    assert.deepEqual(made.candidates.map((it) => it.weight), [1, 0, 0])
    assert.ok(explain(made, need()).candidates[0]!.reasons.includes('most endpoints are out: the least bad of them goes first'))
    const one = remembering(...times(5, 'timeout'))
    assert.ok(!explain(planAt(one, NOW), need()).candidates.some((it) => it.reasons.some((why) => why.startsWith('most'))))
  })

  it('begins with a tenth of its share and has all of it after 10 s: in a draw, in a sort, and when it is free', () => {
    const health = remembering(...times(5, 'timeout'))
    for (const ms of [10_000, 11_000, 12_000]) assert.ok(tried(health, NOW + ms))
    const shares = (preferences: object, endpoints: typeof three) => [0, 5_000, 10_000].map((ms) => {
      const random = draws(5)
      let first = 0
      for (let i = 0; i < 2_000; i++) if (tags(planAt(health, NOW + 12_000 + ms, preferences, endpoints, random))[0] === 'a') first++
      return first / 2_000
    })
    const near = (got: number[], wanted: number[]): void => got.forEach((it, i) => assert.ok(Math.abs(it - wanted[i]!) < 0.04, `${got.join()} for ${wanted.join()}`))
    near(shares({}, [endpoint('a'), endpoint('b')]), [0.1 / 1.1, 0.5 / 1.5, 0.5])
    near(shares({ sort: { by: 'price', partition: 'model' } }, three), [0.1, 0.5, 1])
    near(shares({}, [endpoint('a', { price: sheet(0) }), endpoint('b')]), [0.1, 0.5, 1])
    const failed = remembering(...times(5, 'timeout'))
    for (const ms of [10_000, 11_000, 12_000]) assert.ok(tried(failed, NOW + ms))
    failed.observe(seen('upstream-error', NOW + 20_000, { lostMs: 5 }))
    assert.deepEqual(tags(planAt(failed, NOW + 21_000)).at(-1), 'a', 'one failure on the way back sends the next request elsewhere')
    const weights = planAt(health, NOW + 17_000, {}, [endpoint('a'), endpoint('b')]).candidates
    assert.ok(Math.abs(weights.find((it) => it.endpoint.tag === 'a')!.weight! - 1 / 3) < 1e-9)
  })

  it('says in an explanation until when it is out, on trial, ramping up or resting', () => {
    const health = remembering(...times(5, 'timeout'))
    const told = (now: number) => explain(planAt(health, now), need(), undefined, { health, now }).candidates.find((it) => it.provider === 'a')!.reasons
    const iso = (ms: number) => new Date(NOW + ms).toISOString()
    assert.ok(told(NOW).includes(`ejected until ${iso(10_000)}: it kept failing`), told(NOW).join('; '))
    assert.ok(!told(NOW).includes('stable'))
    assert.ok(told(NOW + 10_000).includes('on trial: it kept failing, and this request may try it'))
    const trial = health.begin(A, NOW + 10_000)
    assert.ok(told(NOW + 10_500).includes('on trial: it kept failing, and single requests try it'))
    health.answers({ endpoint: A, provider: 'a', trial, cost: 0 }, NOW + 10_600)
    assert.ok(tried(health, NOW + 11_000) && tried(health, NOW + 12_000))
    assert.ok(told(NOW + 14_000).some((why) => why.startsWith(`ramping up after an ejection until ${iso(22_000)}, now 20 % of its share`)), told(NOW + 14_000).join('; '))
    health.observe(seen('upstream-rate-limited', NOW + 30_000, { retryAfterMs: 7_000 }))
    assert.ok(told(NOW + 30_000).includes(`its provider asked us to wait, or refused the key until ${iso(37_000)}`), told(NOW + 30_000).join('; '))
  })
})

describe('A retry budget', () => {
  it('is spent by retries that nobody answers, at two tokens after a timeout, and refilled by time and by answers', () => {
    const health = createHealth({ retryTokens: 4, retryTokensPerSecond: 3 })
    assert.deepEqual([1, 2, 3].map(() => health.retry('a', 'upstream-error', NOW)), [1, 1, 1])
    assert.equal(health.retry('a', 'timeout', NOW), null)
    assert.equal(health.retry('a', 'connection', NOW), 1)
    assert.equal(health.retry('a', 'connection', NOW), null)
    assert.equal(health.retry('b', 'connection', NOW), 1, 'each provider has its own')
    assert.equal(health.retry('a', 'connection', NOW + 334), 1, 'three a second')
    for (const it of times(5, null, NOW + 334)) health.observe(it)
    assert.equal(health.retry('a', 'connection', NOW + 334), 1, 'five answers')
    assert.equal(health.retry('a', 'connection', NOW + 334), null)
  })

  it('gives back what an answered retry cost, so that a sound provider can take over the traffic of a dead one', () => {
    const health = createHealth({ retryTokens: 4, retryTokensPerSecond: 0.01 })
    for (let i = 0; i < 1_000; i++) {
      const cost = health.retry('a', 'timeout', NOW)
      assert.equal(cost, 2)
      health.answers({ endpoint: A, provider: 'a', trial: 0, cost: cost! }, NOW)
    }
  })

  it('lets through no more than it holds and what comes back, whoever asks how often', () => {
    const health = createHealth()
    let granted = 0
    for (let ms = 0; ms < 10_000; ms += 5) if (health.retry('a', 'upstream-error', NOW + ms) !== null) granted++
    assert.ok(granted > 120 && granted <= HEALTH_RULES.retryTokens + 30, String(granted))
  })
})

describe('Other rules', () => {
  it('are taken into force while what is remembered stays', () => {
    const health = remembering(...times(2, 'timeout'))
    health.adopt({ ejectAfter: 3 })
    health.observe(seen('timeout', NOW))
    assert.equal(state(health, NOW), 'ejected')
  })
})
