import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attoFromDecimal, ceilToNano, decimalFromAtto, nanoFromUsd, usdFromAtto, usdFromNano } from './index.ts'
import { fc } from '../../test/properties.ts'

test('a price keeps every decimal that the catalogue writes', () => {
  assert.equal(attoFromDecimal('0.00000175'), 1_750_000_000_000n)
  assert.equal(attoFromDecimal('0.000000000000000001'), 1n)
  assert.equal(attoFromDecimal('2'), 2_000_000_000_000_000_000n)
  assert.equal(attoFromDecimal('0'), 0n)
})

test('a price that is no plain decimal, or finer than an atto-dollar, is refused and not rounded', () => {
  for (const bad of ['', '1e-7', ' 1', '1.', '.5', '+1', '0x1', 'NaN', '1,5', '0.0000000000000000001']) {
    assert.equal(attoFromDecimal(bad), null, JSON.stringify(bad))
  }
})

test('reading and writing a price gives it back', () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 24n }), (atto) => {
    assert.equal(attoFromDecimal(decimalFromAtto(atto)), atto)
  }))
})

test('a charge is rounded up once, so that a fraction of a nano-dollar is never given away', () => {
  assert.equal(ceilToNano(0n), 0n)
  assert.equal(ceilToNano(1n), 1n)
  assert.equal(ceilToNano(1_000_000_000n), 1n)
  assert.equal(ceilToNano(1_000_000_001n), 2n)
})

test('dollars read as a person would write them', () => {
  assert.equal(usdFromNano(140_000n), 0.00014)
  assert.equal(usdFromNano(1n), 1e-9)
})

test('a share of a cost is the number that its decimal reads as, small or large', () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 60n }), (atto) => {
    assert.equal(usdFromAtto(atto), Number(decimalFromAtto(atto)))
  }))
})

test("a provider's stated cost becomes exact money, and nonsense becomes none", () => {
  assert.equal(nanoFromUsd(0.0077585), 7_758_500n)
  assert.equal(nanoFromUsd(1e-7), 100n)
  assert.equal(nanoFromUsd(0), 0n)
  for (const bad of [-1, NaN, Infinity, '0.1', null, undefined, 1e18]) assert.equal(nanoFromUsd(bad), null)
})
