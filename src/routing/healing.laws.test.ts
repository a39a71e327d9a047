import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FaultKind } from '../core/index.ts'
import { afterAttempt, afterTrialAnswered, createHealth, HEALTH_RULES, UNKNOWN_HEALTH, withTrial, type EndpointHealth } from './health.ts'
import { draws, endpoint, NOW, planOne, sheet } from './sample.ts'
import { fc } from '../../test/properties.ts'

const FAULTS = ['timeout', 'upstream-error', 'connection', 'stream-cut', 'upstream-rate-limited', 'upstream-auth', 'cancelled', 'invalid-request'] as const

/** What happens next: time passes, an attempt begins, or one that is under way begins to answer or ends. */
const step = fc.oneof(
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 100, 1_000, 5_000, 20_000) }),
  fc.record({ do: fc.constant('begin' as const) }),
  fc.record({ do: fc.constant('answer' as const), which: fc.nat(5) }),
  fc.record({
    do: fc.constant('end' as const), which: fc.nat(5), lostMs: fc.option(fc.constantFrom(1, 30_000)),
    fault: fc.option(fc.constantFrom<FaultKind>(...FAULTS)), broken: fc.integer({ min: 0, max: 20 }).map((it) => it === 0),
  }),
  fc.record({ do: fc.constant('fail' as const), count: fc.constantFrom(1, 5, 20) }),
)

describe('whatever happens to an endpoint', () => {
  it('there is never more than one trial under way, and never more than one a second begins', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), fc.nat(), (steps, seed) => {
      const health = createHealth({}, draws(seed))
      let now = NOW
      let lastTrialAt = -Infinity
      const under: { trial: number; at: number; answered: boolean }[] = []
      for (const it of steps) {
        if (it.do === 'wait') now += it.ms
        else if (it.do === 'begin') {
          const trial = health.begin('e', now)
          if (trial > 0) {
            const open = under.filter((other) => other.trial > 0 && !other.answered && now - other.at < HEALTH_RULES.trialLeaseMs)
            assert.equal(open.length, 0, 'a second trial beside one that has not answered')
            assert.ok(now - lastTrialAt >= HEALTH_RULES.trialGapMs)
            lastTrialAt = now
          }
          under.push({ trial, at: now, answered: false })
        } else if (it.do === 'fail') for (let i = 0; i < it.count; i++) health.observe({ endpoint: 'e', credential: 'k', fault: 'upstream-error', at: now })
        else {
          const attempt = under[it.which]
          if (attempt === undefined) continue
          if (it.do === 'answer') {
            attempt.answered = true
            health.answers({ endpoint: 'e', provider: 'p', trial: attempt.trial, cost: 0 }, now)
          } else {
            under.splice(it.which, 1)
            health.observe({ endpoint: 'e', credential: 'k', fault: it.fault, trial: attempt.trial, lostMs: it.lostMs, broken: it.broken, at: now })
          }
        }
        const standing = health.standing('e', now)
        if (standing !== null) {
          assert.ok(standing.share >= 0 && standing.share <= 1 && Number.isFinite(standing.badness))
          if (standing.state === 'ejected') assert.ok(standing.until - now <= 360_000, 'no wait is longer than five minutes and a fifth')
        }
      }
    }), { numRuns: 300 })
  })

  it('it is let in again within seconds of its recovery when its failures were quick, and within six minutes when not', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 3_600 }), fc.boolean(), fc.nat(), (seconds, quick, seed) => {
      const random = draws(seed)
      const health = createHealth({}, random)
      const two = [endpoint('a', { price: sheet(2) }), endpoint('b', { price: sheet(1) })]
      const wellAt = NOW + seconds * 1000
      let fullAt: number | null = null
      for (let now = NOW; fullAt === null; now += 500) {
        assert.ok(now - wellAt <= (quick ? 30_000 : 375_000), 'it is starved')
        const burst = now === NOW ? 6 : 1
        for (let i = 0; i < burst; i++) {
          const first = now === NOW ? 'a' : planOne(two, {}, { given: { health, now, random } }).candidates[0]!.endpoint.tag
          if (first !== 'a') continue
          const trial = health.begin('acme/one@a', now)
          const fails = now < wellAt || now === NOW
          if (!fails && trial > 0) health.answers({ endpoint: 'acme/one@a', provider: 'a', trial, cost: 0 }, now)
          health.observe({ endpoint: 'acme/one@a', credential: 'a:main', fault: fails ? 'connection' : null, trial, lostMs: quick ? 2 : 3_000, at: now })
        }
        if (now >= wellAt && health.standing('acme/one@a', now) === null && !health.unstable('acme/one@a', now)) fullAt = now
      }
    }), { numRuns: 60 })
  })

  it('its state is a value that stays small, and is never changed in place', () => {
    fc.assert(fc.property(fc.array(fc.record({
      fault: fc.option(fc.constantFrom<FaultKind>(...FAULTS)), trial: fc.nat(3), ms: fc.constantFrom(0, 1, 1_000, 15_000),
      lostMs: fc.option(fc.double()), begin: fc.boolean(), answered: fc.boolean(), broken: fc.boolean(),
    }), { maxLength: 150 }), (all) => {
      let health: EndpointHealth = UNKNOWN_HEALTH
      let at = NOW
      for (const [i, it] of all.entries()) {
        at += it.ms
        const before = JSON.stringify(health)
        let next = (it.begin ? withTrial(health, i + 1, at) : null) ?? health
        if (it.answered) next = afterTrialAnswered(next, i + 1, at)
        next = afterAttempt(next, { endpoint: 'e', credential: `k${i % 5}`, at, fault: it.fault, trial: it.trial, lostMs: it.lostMs, broken: it.broken })
        assert.equal(JSON.stringify(health), before)
        health = next
        assert.ok(health.outcomes.length <= HEALTH_RULES.kept && health.samples.length <= HEALTH_RULES.kept && health.cooling.length <= 5)
        const { circuit } = health
        if (circuit === null) continue
        assert.ok(circuit.until - at <= 360_000 && circuit.relapses <= 6 && circuit.wins <= HEALTH_RULES.trialsToRecover, JSON.stringify(circuit))
      }
    }), { numRuns: 150 })
  })

  it('what is remembered of endpoints and budgets that come and go is bounded, and those that are out do not outlive it', () => {
    const health = createHealth({ remembered: 20, ejectAfter: 1 })
    for (let i = 0; i < 500; i++) {
      health.observe({ endpoint: `e${i}`, credential: 'k', fault: 'timeout', at: NOW })
      health.retry(`p${i}`, 'timeout', NOW)
    }
    for (let i = 0; i < 480; i++) assert.equal(health.standing(`e${i}`, NOW), null)
    for (let i = 480; i < 500; i++) assert.equal(health.standing(`e${i}`, NOW)!.state, 'ejected')
    assert.equal(health.begin('e0', NOW), 0)
  })
})
