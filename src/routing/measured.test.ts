import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { attoFromDecimal, type Measured } from '../core/index.ts'
import { DEFAULT_POLICY, type Given } from './given.ts'
import { explain } from './explain.ts'
import { chargedShare, scores } from './measured.ts'
import { plan } from './plan.ts'
import { draws, endpoint, given, need, offer, planOne, sheet, tags } from './sample.ts'

type Lately = NonNullable<Measured['lately']>
const WELL: Lately = { promptTokens: 1_000_000, completionTokens: 0, spentNano: 1_000_000_000, latencyMs: 500, speed: 50, failed: 0, limited: 0 }

const lately = (of: Readonly<Record<string, Partial<Lately>>>): Given['measured'] =>
  (id) => of[id.split('@')[1]!] ? { lately: { ...WELL, ...of[id.split('@')[1]!] }, tools: null } : null

const tools = (of: Readonly<Record<string, readonly [requests: number, bad: number]>>): Given['measured'] => (id) => {
  const found = of[id.split('@')[1]!]
  return found ? { lately: null, tools: { requests: found[0], bad: found[1] } } : null
}

const WITH_TOOLS = { need: { parameters: new Set(['tools']) } }

describe('the balance by measure', () => {
  const policy = { ...DEFAULT_POLICY, balance: 'measured' as const }

  it('holds what is really charged against the list price: a cache that works makes an endpoint cheaper', () => {
    assert.equal(chargedShare(sheet(1), WELL), 1)
    assert.equal(chargedShare(sheet(1), { ...WELL, spentNano: 300_000_000 }), 0.3)
    assert.equal(chargedShare(sheet(1), null), null)
    const [cached, plain] = scores([
      { cost: 100, price: sheet(1), lately: { ...WELL, spentNano: 400_000_000 } }, { cost: 100, price: sheet(1), lately: WELL },
    ])
    assert.ok(cached!.weight > plain!.weight * 4, `${cached!.weight} to ${plain!.weight}`)
  })

  it('takes slow beginnings, failures and refusals for a higher price, and speed for a larger share', () => {
    const weight = (change: Partial<Lately>) => scores([
      { cost: 100, price: sheet(1), lately: WELL }, { cost: 100, price: sheet(1), lately: WELL }, { cost: 100, price: sheet(1), lately: { ...WELL, ...change } },
    ])[2]!.weight
    const usual = weight({})
    for (const worse of [{ latencyMs: 8_000 }, { failed: 0.2 }, { limited: 0.3 }, { speed: 20 }]) {
      assert.ok(weight(worse) < usual * 0.8, JSON.stringify(worse))
    }
    assert.ok(weight({ speed: 90 }) > usual * 1.5)
  })

  it('lets a slightly dearer endpoint keep its share, a much dearer one little, and none nothing', () => {
    const [best, near, far, absurd] = scores([100, 120, 300, 100_000].map((cost) => ({ cost, price: sheet(1), lately: WELL })))
    assert.ok(near!.weight / best!.weight > 0.8)
    assert.ok(far!.weight / best!.weight < 0.05)
    assert.ok(absurd!.weight > 0.001)
  })

  it('takes an endpoint of which nothing is known for a typical one', () => {
    const [, unknown, typical] = scores([
      { cost: 100, price: sheet(1), lately: { ...WELL, latencyMs: 400 } }, { cost: 100, price: sheet(1), lately: null }, { cost: 100, price: sheet(1), lately: WELL },
    ])
    assert.ok(Math.abs(unknown!.weight - typical!.weight) < typical!.weight * 0.1)
  })

  it('draws ten thousand plans in the shares that it states', () => {
    const endpoints = [endpoint('a', { price: sheet(1) }), endpoint('b', { price: sheet(1.1) }), endpoint('c', { price: sheet(2) })]
    const measured = lately({ a: {}, b: { spentNano: 700_000_000 }, c: { failed: 0.1 } })
    const random = draws(5)
    const stated = planOne(endpoints, {}, { given: { policy, measured } })
    assert.equal(stated.strategy, 'balanced by measure')
    const first = new Map<string, number>()
    for (let i = 0; i < 10_000; i++) {
      const tag = tags(planOne(endpoints, {}, { given: { policy, measured, random } }))[0]!
      first.set(tag, (first.get(tag) ?? 0) + 1)
    }
    for (const { endpoint: { tag }, weight } of stated.candidates) {
      const share = (first.get(tag) ?? 0) / 10_000
      assert.ok(Math.abs(share - weight!) < 5 * Math.sqrt(weight! * (1 - weight!) / 10_000) + 1e-9, `${tag}: ${share} for ${weight}`)
    }
  })

  it('draws by price while nothing was measured, and where the operator did not ask for it', () => {
    const endpoints = [endpoint('a', { price: sheet(1) }), endpoint('b', { price: sheet(3) })]
    const share = (change: Partial<Given>) => Math.round(planOne(endpoints, {}, { given: change }).candidates[0]!.weight! * 100)
    assert.equal(share({ policy, measured: () => null }), 90)
    assert.equal(share({ measured: lately({ a: { failed: 0.9 } }) }), 90)
  })
})

describe('tool calls that were measured', () => {
  const three = ['a', 'b', 'c'].map((tag, i) => endpoint(tag, { price: sheet(i + 1) }))

  it('send requests with tools to those whose calls are right, once a hundred requests say so', () => {
    const measured = tools({ a: [400, 60], b: [400, 4] })
    assert.deepEqual(tags(planOne(three, {}, { ...WITH_TOOLS, given: { measured } })).at(-1), 'a')
    assert.equal(tags(planOne(three, {}, { given: { measured } }))[0], 'a', 'a request without tools goes by price')
    assert.equal(tags(planOne(three, {}, { ...WITH_TOOLS, given: { measured: tools({ a: [99, 60], b: [400, 4] }) } }))[0], 'a', 'ninety-nine are not enough')
  })

  it('say nothing where the difference may be chance', () => {
    assert.equal(tags(planOne(three, {}, { ...WITH_TOOLS, given: { measured: tools({ a: [100, 5], b: [100, 2] }) } }))[0], 'a')
  })

  it('never overrule what the caller sorts or orders by', () => {
    const measured = tools({ a: [400, 200], b: [400, 4] })
    assert.equal(tags(planOne(three, { sort: { by: 'price', partition: 'model' } }, { ...WITH_TOOLS, given: { measured } }))[0], 'a')
    assert.equal(tags(planOne(three, { order: ['a'] }, { ...WITH_TOOLS, given: { measured } }))[0], 'a')
  })

  it('order everything under :exacto, what is unknown in the middle; with no figures it is the default balance and says so', () => {
    const measured = tools({ a: [400, 60], c: [400, 1] })
    const made = plan(need(), [offer(three, ['exacto'])], given({}, { measured }))
    assert.deepEqual(tags(made), ['c', 'b', 'a'])
    assert.equal(made.strategy, 'sort:exacto')
    assert.match(plan(need(), [offer(three, ['exacto'])], given()).strategy, /^balanced \(sort:exacto: no endpoint has enough/)
  })

  it('are told with their figure and count', () => {
    const measured = tools({ a: [400, 60], b: [400, 4] })
    const [, , last] = explain(planOne(three, {}, { ...WITH_TOOLS, given: { measured } }), need(WITH_TOOLS.need), DEFAULT_POLICY, { health: given().health, now: 0, measured }).candidates
    assert.equal(last!.provider, 'a')
    assert.ok(last!.reasons.includes('15 % of 400 requests with tools had a wrong call within seven days, measurably more than at the best'), String(last!.reasons))
  })
})

describe('a conversation whose prompt is cached', () => {
  const cached = (usd: number) => ({ ...sheet(usd), rates: { ...sheet(usd).rates, input_cache_read: attoFromDecimal((usd / 1e7).toFixed(9))! } })
  const two = [endpoint('cheap', { price: cached(1) }), endpoint('warm', { price: cached(1.5) })]
  const sticky = (tag: string, cachedTokens: number): Given['sticky'] => () => ({ endpoint: `acme/one@${tag}`, cachedTokens })

  it('goes on where it is, though another is cheaper', () => {
    const made = planOne(two, {}, { given: { sticky: sticky('warm', 1_000) } })
    assert.deepEqual(tags(made), ['warm', 'cheap'])
    assert.deepEqual(made.candidates.map((it) => it.weight), [1, 0])
    assert.deepEqual(tags(planOne(two, { sort: { by: 'price', partition: 'model' } }, { given: { sticky: sticky('warm', 1_000) } })), ['warm', 'cheap'])
  })

  it('moves when the other saves more than the cache is worth', () => {
    assert.equal(tags(planOne(two, {}, { given: { sticky: sticky('warm', 10) } }))[0], 'cheap')
  })

  it('moves away from an endpoint that fails, is not permitted, or is gone; and a caller’s order is stronger', () => {
    const failing = { unstable: (id: string) => id.endsWith('@warm'), figures: () => null }
    assert.equal(tags(planOne(two, {}, { given: { sticky: sticky('warm', 1_000), health: failing } }))[0], 'cheap')
    assert.deepEqual(tags(planOne(two, { ignore: ['warm'] }, { given: { sticky: sticky('warm', 1_000) } })), ['cheap'])
    assert.equal(tags(planOne(two, {}, { given: { sticky: sticky('gone', 1_000) } }))[0], 'cheap')
    assert.equal(tags(planOne(two, { order: ['cheap'] }, { given: { sticky: sticky('warm', 1_000) } }))[0], 'cheap')
  })
})
