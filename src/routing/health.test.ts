import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FAULTS, type FaultKind } from '../core/index.ts'
import { afterAttempt, createHealth, figuresOf, hadOutage, latencyAt, HEALTH_RULES, scopeOf, UNKNOWN_HEALTH, type EndpointHealth, type Observation } from './health.ts'
import { NOW } from './sample.ts'
import { fc } from '../../test/properties.ts'

const seen = (fault: FaultKind | null, change: Partial<Observation> = {}): Observation =>
  ({ endpoint: 'm@a', credential: 'a:main', fault, at: NOW, ...change })

const after = (...all: readonly Observation[]): EndpointHealth => all.reduce((health, it) => afterAttempt(health, it), UNKNOWN_HEALTH)

describe('whose trouble a fault is', () => {
  it("counts what the provider is to blame for against the endpoint, and a refused key against the key", () => {
    const scopes = Object.fromEntries((Object.keys(FAULTS) as FaultKind[]).map((kind) => [kind, scopeOf(kind)]))
    const of = (scope: string) => Object.keys(scopes).filter((kind) => scopes[kind] === scope)
    assert.deepEqual(of('endpoint'),
      ['model-unavailable', 'upstream-error', 'connection', 'invalid-response', 'stream-cut', 'overloaded', 'timeout'])
    assert.deepEqual(of('key'), ['upstream-auth', 'upstream-payment'])
    assert.deepEqual(of('key-at-endpoint'), ['upstream-rate-limited'])
  })

  it('never counts a mistake of the caller, or a caller who leaves, against anybody', () => {
    for (const kind of ['invalid-request', 'context-length', 'moderated', 'payload-too-large', 'unprocessable', 'cancelled'] as const) {
      assert.deepEqual(after(seen(kind)), UNKNOWN_HEALTH, kind)
    }
  })
})

describe('a significant outage', () => {
  it('is one failure that no success has followed, for 30 seconds', () => {
    const health = after(seen(null, { at: NOW - 1 }), seen('timeout'))
    assert.equal(hadOutage(health, NOW), true)
    assert.equal(hadOutage(health, NOW + 29_999), true)
    assert.equal(hadOutage(health, NOW + 30_000), false)
  })

  it('is over when most of what follows succeeds', () => {
    const failed = seen('upstream-error')
    const well = (ms: number) => seen(null, { at: NOW + ms })
    assert.equal(hadOutage(after(failed, well(1)), NOW + 5), true, 'one of two')
    assert.equal(hadOutage(after(failed, well(1), well(2)), NOW + 5), false, 'one of three')
  })

  it('is not there when nothing is known', () => {
    assert.equal(hadOutage(UNKNOWN_HEALTH, NOW), false)
  })
})

describe('what is slow at an endpoint', () => {
  const samples = Array.from({ length: 100 }, (_, i) => seen(null, { latencyMs: i + 1, streamed: i % 2 === 0, at: NOW + i }))

  it('is the nearest rank among streams, or among whole answers, never of both', () => {
    const health = after(...samples)
    assert.deepEqual(latencyAt(health, 95, true, NOW + 100), { ms: 95, samples: 50 })
    assert.deepEqual(latencyAt(health, 95, false, NOW + 100), { ms: 96, samples: 50 })
    assert.equal(latencyAt(health, 95, true, NOW + 400_000), null)
    assert.equal(latencyAt(UNKNOWN_HEALTH, 95, true, NOW), null)
  })

  it('counts one that another was faster than, as slow as it had been until then, and as no failure and no answer', () => {
    const health = after(...samples, seen('cancelled', { waitedMs: 5_000, streamed: true, at: NOW + 100 }))
    assert.deepEqual(latencyAt(health, 100, true, NOW + 101), { ms: 5_000, samples: 50 })
    assert.equal(health.outcomes.length, 100)
    assert.equal(health.failedInARow, 0)
  })
})

describe('figures', () => {
  const samples = Array.from({ length: 100 }, (_, i) => seen(null, { latencyMs: i + 1, throughput: i + 1, at: NOW + i }))

  it('say of a percentile what that share of requests kept to', () => {
    assert.deepEqual(figuresOf(after(...samples), NOW + 100), {
      latency: { p50: 50, p75: 75, p90: 90, p99: 99 },
      throughput: { p50: 51, p75: 26, p90: 11, p99: 2 },
      samples: 100,
    })
  })

  it('forget what is older than five minutes', () => {
    const health = after(...samples)
    assert.equal(figuresOf(health, NOW + 300_050)!.samples, 49)
    assert.equal(figuresOf(health, NOW + 400_000), null)
  })

  it('take no nonsense from a clock or a counter', () => {
    for (const value of [NaN, Infinity, -1, null, undefined]) {
      assert.equal(figuresOf(after(seen(null, { latencyMs: value, throughput: value })), NOW), null)
    }
  })

  it('are the same from the holder, also after new measurements and after time', () => {
    const health = createHealth()
    let pure = UNKNOWN_HEALTH
    for (const it of samples) {
      health.observe(it)
      pure = afterAttempt(pure, it)
      if (it.at % 7 === 0) assert.deepEqual(health.figures('m@a', it.at), figuresOf(pure, it.at))
    }
    for (const ms of [1_000, 299_990, 300_020, 400_000]) assert.deepEqual(health.figures('m@a', NOW + ms), figuresOf(pure, NOW + ms))
    assert.equal(health.figures('m@unknown', NOW), null)
  })
})

describe('keys', () => {
  it('wait as long as a 429 says, at that endpoint only, and never more than a minute', () => {
    const health = createHealth()
    health.observe(seen('upstream-rate-limited', { retryAfterMs: 20_000 }))
    assert.equal(health.restsUntil('m@a', 'a:main', NOW), NOW + 20_000)
    assert.equal(health.restsUntil('m@a', 'a:main', NOW + 20_000), 0)
    assert.equal(health.restsUntil('m@a', 'a:other', NOW), 0)
    assert.equal(health.restsUntil('n@a', 'a:main', NOW), 0)
    assert.equal(health.unstable('m@a', NOW), false)
    health.observe(seen('upstream-rate-limited', { retryAfterMs: 86_400_000 }))
    assert.equal(health.restsUntil('m@a', 'a:main', NOW), NOW + 60_000)
  })

  it('wait five seconds when the 429 names no time', () => {
    const health = createHealth()
    for (const retryAfterMs of [null, NaN, -5]) {
      health.observe(seen('upstream-rate-limited', { retryAfterMs }))
      assert.equal(health.restsUntil('m@a', 'a:main', NOW), NOW + 5_000)
    }
  })

  it('are benched everywhere for five minutes when the provider refuses them, and the endpoint is not blamed', () => {
    const health = createHealth()
    health.observe(seen('upstream-auth'))
    assert.equal(health.restsUntil('n@a', 'a:main', NOW), NOW + 300_000)
    assert.equal(health.unstable('m@a', NOW), false)
  })

  it('are well again with the first answer', () => {
    const health = createHealth()
    health.observe(seen('upstream-auth'))
    health.observe(seen('upstream-rate-limited', { retryAfterMs: 30_000 }))
    health.observe(seen(null, { at: NOW + 1 }))
    assert.equal(health.restsUntil('m@a', 'a:main', NOW + 2), 0)
  })
})

describe('memory', () => {
  it('is bounded in endpoints, keys and measurements', () => {
    const health = createHealth({ remembered: 10 })
    for (let i = 0; i < 50; i++) {
      health.observe(seen('timeout', { endpoint: `m@${i}` }))
      health.observe(seen('upstream-auth', { credential: `k${i}` }))
    }
    assert.equal(health.unstable('m@0', NOW), false)
    assert.equal(health.unstable('m@49', NOW), true)
    assert.equal(health.restsUntil('x', 'k0', NOW), 0)
    assert.ok(health.restsUntil('x', 'k49', NOW) > NOW)
    const busy = after(...Array.from({ length: 1_000 }, (_, i) => seen(i % 2 ? 'timeout' : null, { latencyMs: 5, at: NOW + i })))
    assert.ok(busy.outcomes.length <= HEALTH_RULES.kept && busy.samples.length <= HEALTH_RULES.kept)
  })

  it('keeps the endpoints in use and forgets those that are not', () => {
    const health = createHealth({ remembered: 2 })
    health.observe(seen('timeout', { endpoint: 'old' }))
    health.observe(seen('timeout', { endpoint: 'idle' }))
    health.observe(seen('timeout', { endpoint: 'old' }))
    health.observe(seen('timeout', { endpoint: 'new' }))
    assert.deepEqual(['old', 'idle', 'new'].map((id) => health.unstable(id, NOW)), [true, false, true])
  })
})

describe('the reducer', () => {
  const observations = fc.array(fc.record({
    fault: fc.constantFrom<FaultKind | null>(null, 'timeout', 'upstream-rate-limited', 'upstream-auth', 'cancelled', 'invalid-request'),
    latencyMs: fc.option(fc.double()), throughput: fc.option(fc.double()), retryAfterMs: fc.option(fc.double()),
    at: fc.integer({ min: NOW - 600_000, max: NOW }),
  }), { maxLength: 150 })

  it('never changes the state that it is given and stays within its bounds, whatever it is told', () => {
    fc.assert(fc.property(observations, (all) => {
      let health = UNKNOWN_HEALTH
      for (const it of all) {
        const before = JSON.stringify(health)
        const next = afterAttempt(health, seen(it.fault, it))
        assert.equal(JSON.stringify(health), before)
        health = next
      }
      assert.ok(health.outcomes.length <= HEALTH_RULES.kept && health.samples.length <= HEALTH_RULES.kept)
      assert.ok(health.cooling.every((it) => Number.isFinite(it.until) && it.until <= NOW + HEALTH_RULES.longestCooldownMs))
      const figures = figuresOf(health, NOW)
      if (figures?.latency) assert.ok(figures.latency.p50 <= figures.latency.p99)
      if (figures?.throughput) assert.ok(figures.throughput.p50 >= figures.throughput.p99)
    }), { numRuns: 60 })
  })
})
