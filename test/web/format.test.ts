/** Figures as the pages write them: prices to the last digit, counts short, nothing made up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compact, duration, perMillion, shifted, stated } from '../../web/data/format.ts'
import { originOf } from '../../web/data/origin.ts'
import { pricesOf } from '../../web/data/prices.ts'
import { fc } from '../properties.ts'

test('a price by the million is the price by the unit with its point moved, whatever its size', () => {
  assert.deepEqual(['0.00000175', '0.000014', '0', '0.000000000000000001', '12', '1.5', '0.0000011', '0.0000000004'].map(perMillion),
    ['$1.75', '$14', '$0', '$0.000000000001', '$12000000', '$1500000', '$1.10', '$0.0004'])
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 24n }), (atto) => {
    const text = atto.toString().padStart(19, '0')
    const moved = shifted(`${text.slice(0, -18)}.${text.slice(-18)}`, 6)
    const [whole, part = ''] = moved.split('.')
    assert.equal(BigInt(whole! + part.padEnd(12, '0')), atto)
    assert.doesNotMatch(moved, /^0\d|\.$|\.\d*0$/)
  }))
})

test('a count is told in three figures, and one that rounds up takes the next unit', () => {
  assert.deepEqual([0, 999, 1000, 16_384, 128_000, 999_499, 999_600, 1_048_576, 8_550_000_000].map(compact),
    ['0', '999', '1K', '16.4K', '128K', '999K', '1M', '1.05M', '8.55B'])
})

test('a duration changes its unit at a second', () => {
  assert.deepEqual([0.4, 347, 1210, 83_500].map(duration), ['0 ms', '347 ms', '1.21 s', '83.5 s'])
})

test('a date is as exact as it was stated', () => {
  assert.deepEqual(['2025-08-31', '2025-01', '2023', 'soon'].map(stated), ['Aug 31, 2025', 'Jan 2025', '2023', 'soon'])
})

test('a model that is sold by the image shows no price by the token, and a free one shows zeros', () => {
  assert.deepEqual(pricesOf({ prompt: '0', completion: '0', output_image: '0.04' }).map(({ key, amount, unit }) => [key, amount, unit]), [['output_image', '$0.04', 'image']])
  assert.deepEqual(pricesOf({ prompt: '0', completion: '0' }).map(({ key, amount }) => [key, amount]), [['prompt', '$0'], ['completion', '$0']])
  assert.deepEqual(pricesOf({ prompt: '0.000001', completion: '0.000002', input_cache_read: '0' }).map(({ key }) => key), ['prompt', 'completion'])
})

test('the address in a sample is the one that was asked, and never anything that is no host', () => {
  const asked = (headers: Record<string, string>) => originOf(new Request('http://127.0.0.1:3000/x', { headers }))
  assert.equal(asked({}), 'http://127.0.0.1:3000')
  assert.equal(asked({ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'models.example' }), 'https://models.example')
  for (const evil of ['"; rm -rf ~; "', "a'b", 'a b', '$(id)', '<x>']) assert.equal(asked({ 'x-forwarded-host': evil }), 'http://127.0.0.1:3000', evil)
})
