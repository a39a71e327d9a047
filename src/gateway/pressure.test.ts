import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeAmbient } from '../testing/index.ts'
import { allot, createPressure, steered } from './pressure.ts'

const [FREE, PLAYGROUND, API] = [0, 1, 2]
const came = (...classes: Readonly<Record<string, number>>[]) => classes.map((keys) => new Map(Object.entries(keys)))

describe('What is turned away of the calls that came', () => {
  test('is the free class before anything else', () => {
    const { cut, kept } = allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.3)
    assert.equal(cut, FREE)
    assert.ok(Math.abs(kept.get('a')! - 0.4) < 1e-9)
  })

  test('then the playground, and the API only when nothing else is left to refuse', () => {
    assert.equal(allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.55).cut, PLAYGROUND)
    const { cut, kept } = allot(came({ a: 50 }, { b: 10 }, { c: 40 }), 0.8)
    assert.equal(cut, API)
    assert.ok(Math.abs(kept.get('c')! - 0.5) < 1e-9)
  })

  test('is only of the key that asks for more than the others: a hundred times the calls take nothing from anybody', () => {
    const { kept } = allot(came({}, {}, { greedy: 1000, one: 10, two: 10 }), 0.5)
    assert.equal(kept.get('one'), 1)
    assert.equal(kept.get('two'), 1)
    assert.ok(Math.abs(kept.get('greedy')! - 0.49) < 1e-9)
  })

  test('is the same part of two keys that ask for the same', () => {
    const { kept } = allot(came({}, {}, { one: 100, two: 100 }), 0.25)
    assert.deepEqual([...kept.values()], [0.75, 0.75])
  })
})

describe('The share that is turned away', () => {
  test('grows by a fifth of what is let in while the loop is late, and never takes in everybody', () => {
    assert.ok(Math.abs(steered(0.5, 60, 50) - 0.6) < 1e-9)
    assert.ok(steered(0.98, 500, 50) <= 0.98)
  })

  test('comes back by time and not by steps, which a busy machine makes long', () => {
    assert.ok(Math.abs(steered(0.5, 0, 50, 1000) - 0.3) < 1e-9)
  })

  test('is back to nothing within five seconds of the end of the load', () => {
    let share = 0.98
    let steps = 0
    for (; share > 0; steps++) share = steered(share, 0, 50)
    assert.ok(steps * 100 <= 5000, `${steps * 100} ms`)
  })
})

/** A loop whose ticks come as late as the test says, of which other programs take a part. */
function loop() {
  const { random } = createFakeAmbient()
  let now = 0
  let stolen = 0
  const pressure = createPressure({
    ambient: { monotonic: () => now, random }, classes: 3, rules: () => ({ delayMs: 200 }), stolenMs: () => stolen,
  })
  pressure.arrived('a', API)
  const late = (ms: number, times: number, given: { readonly stolen?: number; readonly calls?: number } = {}) => {
    for (let i = 0; i < times; i++) {
      now += 20 + ms
      stolen += given.stolen ?? 0
      for (let call = 0; call < (given.calls ?? 10); call++) pressure.arrived('a', API)
      pressure.tick(now)
    }
  }
  return { pressure, late }
}

describe('The loop', () => {
  test('that is late for a second has calls turned away, and all are let in again within five seconds of its end', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(250, 3)
    assert.equal(pressure.shedding, false, 'for less than a second nothing is done')
    late(250, 3)
    assert.equal(pressure.shedding, true)
    assert.ok(pressure.refuses('a', FREE), 'nothing of a lower class gets in')
    late(250, 30)
    assert.ok(pressure.share > 0.9)
    late(0, 250)
    assert.equal(pressure.shedding, false)
    assert.equal(pressure.refuses('a', FREE), false)
  })

  test('that is late in a moment when nobody comes still knows whom to turn away in the next', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(250, 40)
    late(250, 1, { calls: 0 })
    assert.equal(pressure.cut, API)
    assert.ok(pressure.refuses('a', PLAYGROUND))
  })

  test('that one long task held up turns nobody away', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(5000, 1)
    late(0, 20)
    late(5000, 2)
    late(0, 5)
    assert.equal(pressure.shedding, false)
  })

  test('that is late while nobody comes, as in a start or a reload, turns the next caller away as little', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(600, 1)
    late(600, 5, { calls: 0 })
    late(600, 1)
    assert.equal(pressure.shedding, false)
  })

  test('that is late because other programs have the processor turns nobody away', (t) => {
    const { pressure, late } = loop()
    t.after(() => pressure.close())
    late(400, 30, { stolen: 390 })
    assert.equal(pressure.shedding, false)
    assert.ok(pressure.delayMs < 20)
  })
})
