import assert from 'node:assert/strict'
import test from 'node:test'
import { merged, NO_SKETCH, quantile, reachedBy, Sketching, SKETCH_ERROR, sketchOf, sketchText, type Sketch } from './sketch.ts'
import { fc } from '../../test/properties.ts'

const of = (values: readonly number[]): Sketch => {
  const sketching = new Sketching()
  for (const value of values) sketching.add(value)
  return sketching.done()
}
const values = fc.array(fc.double({ min: 1, max: 1e7, noNaN: true }), { minLength: 1, maxLength: 300 })

test('a percentile is within one part in a hundred of that of the full list', () => {
  fc.assert(fc.property(values, fc.constantFrom(0.01, 0.5, 0.75, 0.9, 0.99, 1), (list, share) => {
    const exact = list.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(share * list.length)) - 1]!
    const told = quantile(of(list), share)!
    assert.ok(Math.abs(told - exact) <= exact * SKETCH_ERROR * 1.000001, `${told} for ${exact}`)
  }))
})

test('what nine in ten reach is the same rank counted from above, also of a single value', () => {
  fc.assert(fc.property(values, fc.constantFrom(0.5, 0.75, 0.9, 0.99), (list, share) => {
    const exact = list.toSorted((a, b) => b - a)[Math.ceil(share * list.length) - 1]!
    const told = reachedBy(of(list), share)!
    assert.ok(Math.abs(told - exact) <= exact * SKETCH_ERROR * 1.000001, `${told} for ${exact}`)
  }))
})

test('the sketch of two minutes is the sketch of both, in whatever order they are added up', () => {
  fc.assert(fc.property(values, values, values, (a, b, c) => {
    const whole = sketchText(of([...a, ...b, ...c]))
    assert.equal(sketchText(merged([of(a), of(b), of(c)])), whole)
    assert.equal(sketchText(merged([of(c), merged([of(b), of(a)])])), whole)
  }))
})

test('a sketch that was written down is the same when it is read', () => {
  fc.assert(fc.property(values, (list) => {
    const sketch = of(list)
    const again = sketchOf(sketchText(sketch))
    assert.equal(again.count, sketch.count)
    assert.deepEqual(again, sketch)
  }))
  assert.deepEqual(sketchOf('-200*12 5 4*20 300'), { buckets: [-200, -195, -191, 109], counts: [12, 1, 20, 1], count: 34 })
  assert.equal(sketchText(NO_SKETCH), null)
  assert.equal(quantile(sketchOf(null), 0.5), null, 'a percentile of nothing is not zero')
})

test('what is below one, and what is no number, spoils nothing', () => {
  const sketch = of([0, 0.2, 1, Number.NaN, Infinity])
  assert.equal(sketch.count, 3)
  assert.equal(quantile(sketch, 0.5), 1)
})

test('a minute of a busy endpoint takes less than a kilobyte', () => {
  const spread = Array.from({ length: 100_000 }, (_, i) => 200 + (i * 7919 % 100_000) / 50)
  assert.ok(sketchText(of(spread))!.length < 1024)
})
