/** What `npm run rehearse` makes of what callers got: a table that praises a bad run would be worse than none. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Asked } from '../bench/rehearse/load.ts'
import { DYING, TROUBLES, troubleFor } from '../bench/rehearse/score.ts'
import { momentsOf, resultOf, secondsOf } from '../bench/rehearse/tally.ts'

const MOMENTS = momentsOf([{ name: 'troubled', seconds: 10 }, { name: 'dead', seconds: 5 }, { name: 'back', seconds: 35 }])

/** A request each hundredth of a second; `by` says who answers it. */
function run(by: (at: number) => string, change: (asked: Asked, index: number) => Asked = (asked) => asked): readonly Asked[] {
  return Array.from({ length: MOMENTS.ended / 10 }, (_, i) => {
    const at = i * 10
    const who = by(at)
    return change({ verdict: 'whole', at, tookMs: 20, streamed: i % 2 === 0, by: who, tried: [who], said: '' }, i)
  })
}

const isDead = (at: number): boolean => at >= MOMENTS.died && at < MOMENTS.returned
const well = (at: number): string => isDead(at) || (at >= MOMENTS.returned && at < MOMENTS.returned + 8000) ? 'bravo' : DYING

test('a run in which everyone was answered passes, and says when traffic came back', () => {
  const asked = run(well)
  const result = resultOf(asked, asked.length, MOMENTS)
  assert.equal(result.passed, true)
  assert.equal(result.success, 1)
  assert.equal(result.extraCalls, 0)
  assert.equal(result.leavesMs, 0)
  assert.ok(result.returnsMs! > 8000 && result.returnsMs! < 11_500, String(result.returnsMs))
})

test('one caller in five hundred who gets an error is one too many; one whose stream was cut after it began is no router’s fault', () => {
  const everyFiveHundredth = (verdict: Asked['verdict']) => run(well, (it, i) => i % 500 === 0 ? { ...it, verdict, by: null } : it)
  assert.equal(resultOf(everyFiveHundredth('failed'), 5000, MOMENTS).passed, false)
  assert.equal(resultOf(everyFiveHundredth('cut'), 5000, MOMENTS).passed, true)
})

test('a single wrong answer fails the run', () => {
  const asked = run(well, (it, i) => i === 77 ? { ...it, verdict: 'wrong', by: null } : it)
  assert.equal(resultOf(asked, asked.length, MOMENTS).passed, false)
})

test('more than a fifth of calls beyond one for each request fails the run, those that a dead upstream refused included', () => {
  const asked = run(well)
  assert.equal(resultOf(asked, asked.length * 1.21, MOMENTS).passed, false)
  const knocking = run(well, (it) => isDead(it.at) ? { ...it, tried: [DYING, 'bravo'] } : it)
  assert.ok(resultOf(knocking, asked.length, MOMENTS).extraCalls > 0.09)
})

test('requests that still go to a dead upstream after two seconds fail the run; a trial each second does not', () => {
  const until = (ms: number) => run(well, (it) => isDead(it.at) && it.at < MOMENTS.died + ms ? { ...it, tried: [DYING, 'bravo'] } : it)
  const slow = resultOf(until(2500), 5000, MOMENTS)
  assert.ok(slow.leavesMs > 2000, String(slow.leavesMs))
  assert.equal(slow.passed, false)
  const tried = run(well, (it) => isDead(it.at) && it.at % 1000 === 0 ? { ...it, tried: [DYING, 'bravo'] } : it)
  assert.ok(resultOf(tried, 5000, MOMENTS).leavesMs <= 1000)
})

test('an upstream that never gets its traffic back fails the run', () => {
  const result = resultOf(run((at) => at < MOMENTS.died ? DYING : 'bravo'), 5000, MOMENTS)
  assert.equal(result.returnsMs, null)
  assert.equal(result.passed, false)
})

test('the drawing has every answer in its second', () => {
  const seconds = secondsOf(run(well), MOMENTS)
  assert.equal(seconds.length, 50)
  assert.deepEqual(seconds[3]!.by, { alpha: 100, bravo: 0, charlie: 0 })
  assert.deepEqual(seconds[12]!.by, { alpha: 0, bravo: 100, charlie: 0 })
})

test('each trouble befalls its stated share of calls', () => {
  const draws = 200_000
  const seen = new Map<string, number>()
  for (let i = 0; i < draws; i++) {
    const name = troubleFor(i / draws)?.name ?? 'none'
    seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  for (const { name, share } of TROUBLES) assert.ok(Math.abs(seen.get(name)! / draws - share) < 0.0001, name)
})
