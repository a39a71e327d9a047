import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createHealth, type Health } from './health.ts'
import { NOW } from './sample.ts'
import { measuredIn, viewOf, type HealthSummary, type SummaryEntry } from './summary.ts'

function summaryOf(health: Health, now: number): HealthSummary {
  const entries = [...health.entries(now)].filter((it): it is readonly [string, SummaryEntry] => it[1] !== null)
  // Through JSON, as the history keeps it.
  return JSON.parse(JSON.stringify({ endpoints: Object.fromEntries(entries), keys: health.benched(now) })) as HealthSummary
}

const attempt = (endpoint: string, rest: Partial<Parameters<Health['observe']>[0]> = {}): Parameters<Health['observe']>[0] =>
  ({ endpoint, credential: 'key', fault: null, latencyMs: 120, throughput: 40, at: NOW, ...rest })

describe('A summary of health', () => {
  const health = createHealth({ ejectAfter: 2 })
  health.observe(attempt('well'))
  for (let i = 0; i < 2; i++) health.observe(attempt('out', { fault: 'upstream-error', lostMs: 5000 }))
  health.observe(attempt('shaky', { fault: 'upstream-error' }))
  health.observe(attempt('slow-down', { fault: 'upstream-rate-limited', retryAfterMs: 30_000 }))
  health.observe(attempt('locked', { fault: 'upstream-auth', credential: 'bad-key' }))
  health.observe(attempt('long-ago', { at: NOW - 3_600_000 }))
  const now = NOW + 1000
  const view = viewOf([summaryOf(health, now)])

  it('answers what a plan asks as the health itself would', () => {
    for (const id of ['well', 'out', 'shaky', 'slow-down', 'locked', 'long-ago', 'unheard-of']) {
      assert.equal(view.unstable(id, now), health.unstable(id, now), id)
      assert.deepEqual(view.figures(id, now), health.figures(id, now), id)
      assert.deepEqual(view.standing!(id, now)?.state, health.standing(id, now)?.state, id)
      for (const key of ['key', 'bad-key']) assert.equal(view.restsUntil!(id, key, now), Math.ceil(health.restsUntil(id, key, now)), `${id} ${key}`)
    }
    assert.equal(view.standing!('out', now)!.state, 'ejected')
    assert.ok(view.restsUntil!('anything', 'bad-key', now) > now)
  })

  it('has nothing of endpoints that nothing is to be said of', () => {
    assert.deepEqual(Object.keys(summaryOf(health, now).endpoints).toSorted(), ['out', 'shaky', 'slow-down', 'well'])
  })

  it('of several nodes takes the worst standing, the longest rest, and the figures that rest on the most answers', () => {
    const other = createHealth()
    for (let i = 0; i < 5; i++) other.observe(attempt('well', { latencyMs: 500 }))
    for (let i = 0; i < 5; i++) other.observe(attempt('out'))
    other.observe(attempt('slow-down', { fault: 'upstream-rate-limited', retryAfterMs: 50_000 }))
    for (const summaries of [[health, other], [other, health]]) {
      const both = viewOf(summaries.map((it) => summaryOf(it, now)))
      assert.equal(both.figures('well', now)!.latency!.p50, 500)
      assert.equal(both.figures('well', now)!.samples, 5)
      assert.equal(both.standing!('out', now)!.state, 'ejected')
      assert.equal(both.unstable('out', now), false)
      assert.equal(both.restsUntil!('slow-down', 'key', now), NOW + 50_000)
    }
  })
})

it('what was measured then is what a plan for that moment goes by', () => {
  const measured = { 'acme/one@a': { lately: null, tools: { requests: 200, bad: 90 } } }
  const then = measuredIn([{ endpoints: {}, keys: {} }, JSON.parse(JSON.stringify({ endpoints: {}, keys: {}, measured })) as HealthSummary])
  assert.deepEqual(then('acme/one@a'), measured['acme/one@a'])
  assert.equal(then('acme/one@b'), null)
})
