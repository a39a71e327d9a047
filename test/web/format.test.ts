/** Figures as the pages write them: prices to the last digit, counts short, nothing made up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sent } from '../../web/charts/draw.server.ts'
import { clock, compact, date, day, duration, perMillion, shifted, stated, whole } from '../../web/data/format.ts'
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

test('a day, a date and a time of day are those of UTC, whatever the machine\'s own', () => {
  const at = Date.UTC(2026, 0, 5, 23, 7)
  assert.deepEqual([day(at), date(at), clock(at)], ['Jan 5', 'Jan 5, 2026', '23:07'])
  assert.deepEqual(['2025-13', '2025-02-31x', '2025-00-10'].map(stated), ['2025-13', '2025-02-31x', '2025-00-10'], 'what is no date stays as it was stated')
})

test('a table of thousands of counts is not what a page takes its time for', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, -1234].map(whole), ['0', '999', '1,000', '1,234,567', '-1,234'])
  const ready = new Intl.NumberFormat('en-US')
  const took = (write: (count: number) => string): number => {
    const { user } = process.cpuUsage()
    for (let i = 0; i < 20_000; i++) write(i * 7919)
    return process.cpuUsage().user - user
  }
  took(ready.format.bind(ready))
  // A formatter that is made for each figure takes twenty-five times as long as one that is there.
  const [mine, least] = [Math.min(took(whole), took(whole)), took(ready.format.bind(ready))]
  assert.ok(mine < 8 * least, `${mine} µs for ${least}`)
})

test('a chart\'s table is sent with a place for each step, and nothing where nothing was measured', () => {
  const step = { from: 100, to: 131, stepMs: 10 }
  assert.deepEqual(sent({ name: 'one', points: [{ at: 100, value: 1.5 }, { at: 130, value: 0 }] }, step), { name: 'one', values: '1.5,,,0' })
  assert.deepEqual(sent({ name: 'none', points: [] }, step).values, ',,,')
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
