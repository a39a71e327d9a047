import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attoFromDecimal, charge, count, listPerMillion, usage, worstCharge, type PriceKey, type PriceSheet, type Rates } from './index.ts'
import { fc } from '../../test/properties.ts'

function sheet(prices: Partial<Record<PriceKey, string>>, rest: Partial<PriceSheet> = {}): PriceSheet {
  const rates: Rates = Object.fromEntries(Object.entries(prices).map(([key, price]) => [key, attoFromDecimal(price)!]))
  return { rates, overrides: [], source: 'catalogue', ...rest }
}

test('cached tokens cost the cache price and leave the plain count', () => {
  const used = usage({ total: 1000, cacheRead: 600, cacheWrite5m: 100 }, { total: 10 })
  // 300 × 3 + 600 × 0.3 + 100 × 3.75 + 10 × 15 micro-dollars = 900 + 180 + 375 + 150
  const cost = charge(sheet({ prompt: '0.000003', completion: '0.000015', input_cache_read: '0.0000003', input_cache_write: '0.00000375' }), used)
  assert.equal(cost.total, 1_605_000n)
})

test('reasoning costs as completion unless it has a price of its own', () => {
  const used = usage({ total: 0 }, { total: 100, reasoning: 40 })
  assert.equal(charge(sheet({ prompt: '0', completion: '0.000001' }), used).total, 100_000n)
  assert.equal(charge(sheet({ prompt: '0', completion: '0.000001', internal_reasoning: '0.000002' }), used).total, 140_000n)
})

test('a long prompt pays the long-context price for the whole request, from one token beyond the threshold', () => {
  const long = sheet({ prompt: '0.000001', completion: '0' }, {
    overrides: [{ minPromptTokens: 200_000, rates: { prompt: attoFromDecimal('0.000002')! } }],
  })
  assert.equal(charge(long, usage({ total: 200_000 }, {})).total, 200_000_000n)
  assert.equal(charge(long, usage({ total: 200_001 }, {})).total, 400_002_000n)
})

test('searches and the fee per request are added to the tokens', () => {
  const used = usage({ total: 1 }, { total: 1 }, { services: { web_search: 2 } })
  const cost = charge(sheet({ prompt: '0.000001', completion: '0.000001', request: '0.005', web_search: '0.01' }), used)
  assert.equal(cost.total, 25_002_000n)
})

test('where the provider states its cost, that is the price', () => {
  const stated = sheet({ prompt: '1', completion: '1' }, { source: 'stated' })
  assert.equal(charge(stated, usage({ total: 5 }, { total: 5 }, { stated: 42n })).total, 42n)
  assert.equal(charge(stated, usage({ total: 1 }, {})).total, 1_000_000_000n, 'without a statement the bound is charged')
})

test('a provider that reports nonsense cannot make a charge negative or unbounded', () => {
  for (const bad of [-5, NaN, '7', null, undefined, {}]) assert.equal(count(bad), 0)
  assert.equal(count(1e18), 1e9)
  assert.equal(count(1.2), 2)
})

test('no reply within its bounds ever costs more than the worst charge', () => {
  const price = fc.bigInt({ min: 0n, max: 10n ** 14n })
  const rates = fc.record({
    prompt: price, completion: price, input_cache_read: price, internal_reasoning: price, audio_output: price, request: price,
  })
  fc.assert(fc.property(rates, fc.nat(100_000), fc.nat(100_000), fc.nat(100), fc.nat(100), (rates, input, output, cached, reasoning) => {
    // A cache read dearer than a prompt token does not exist; the bound leans on that.
    const sane = { ...rates, input_cache_read: rates.input_cache_read < rates.prompt ? rates.input_cache_read : rates.prompt }
    const of: PriceSheet = { rates: sane, overrides: [{ minPromptTokens: 50_000, rates: { prompt: rates.prompt * 2n } }], source: 'catalogue' }
    const used = usage({ total: input, cacheRead: Math.min(cached, input) }, { total: output, reasoning: Math.min(reasoning, output) })
    assert.ok(charge(of, used).total <= worstCharge(of, { inputTokens: input, outputTokens: output, images: 0 }))
  }))
})

test('a list price of mixed tokens is by the tokens that there were, and nothing of none', () => {
  const sheet: PriceSheet = { rates: { prompt: 1_000_000_000_000n, completion: 4_000_000_000_000n }, overrides: [], source: 'catalogue' }
  assert.equal(listPerMillion(sheet, 300, 100), '1.75')
  assert.equal(listPerMillion(sheet, 0, 0), null)
  assert.equal(listPerMillion(null, 300, 100), null)
})
