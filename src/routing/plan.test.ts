import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { attoFromDecimal, worstCharge } from '../core/index.ts'
import { DEFAULT_POLICY, type Figures, type HealthView } from './given.ts'
import { plan } from './plan.ts'
import { draws, endpoint, given, key, need, NOW, offer, planOne, sheet, tags, WELL, whys } from './sample.ts'

const failing = (...providers: string[]): HealthView =>
  ({ ...WELL, unstable: (id) => providers.some((it) => id.endsWith(`@${it}`)) })

const measured = (figures: Readonly<Record<string, { tps?: number; ms?: number }>>): HealthView => ({
  ...WELL,
  figures(id): Figures | null {
    const found = figures[id.split('@')[1]!]
    const all = (value: number | undefined) => value === undefined ? null : { p50: value, p75: value, p90: value, p99: value }
    return found ? { latency: all(found.ms), throughput: all(found.tps), samples: 10 } : null
  },
})

const priced = (prices: Readonly<Record<string, number>>) =>
  Object.entries(prices).map(([tag, usd]) => endpoint(tag, { price: sheet(usd) }))

/** How often each order comes out of 10,000 draws. */
function orders(make: (random: () => number) => readonly string[]): ReadonlyMap<string, number> {
  const random = draws(7)
  const counts = new Map<string, number>()
  for (let i = 0; i < 10_000; i++) {
    const order = make(random).join(' ')
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  return counts
}

describe('the default balance', () => {
  it('prefers the cheaper endpoint nine times in ten when it costs a third, and puts the failing one last', () => {
    const three = priced({ one: 1, two: 2, three: 3 })
    const counts = orders((random) => tags(planOne(three, {}, { given: { health: failing('two'), random } })))
    assert.deepEqual([...counts.keys()].toSorted(), ['one three two', 'three one two'])
    const first = counts.get('one three two')!
    // 9,000 expected, standard deviation 30: five of them.
    assert.ok(Math.abs(first - 9_000) < 150, `${first}`)
  })

  it('draws the further ones without replacement with the same weights', () => {
    const counts = orders((random) => tags(planOne(priced({ one: 1, two: 2, three: 3 }), {}, { given: { random } })))
    // After the cheapest, the two-dollar one stands against the three-dollar one as 9 : 4.
    const after = counts.get('one two three')! / (counts.get('one two three')! + counts.get('one three two')!)
    assert.ok(Math.abs(after - 9 / 13) < 0.03, `${after}`)
  })

  it('states the share of first draws, none for those that wait behind', () => {
    const made = planOne(priced({ one: 1, two: 2, three: 3 }), {}, { given: { health: failing('two') } })
    assert.deepEqual(made.candidates.map((it) => [it.endpoint.tag, Math.round(it.weight! * 1000) / 1000]),
      [['one', 0.9], ['three', 0.1], ['two', 0]])
    assert.equal(made.strategy, 'balanced')
  })

  it('compares what the request would cost, not one of two prices', () => {
    const talkative = [endpoint('a', { price: sheet(1, 100) }), endpoint('b', { price: sheet(2, 4) })]
    assert.deepEqual(tags(planOne(talkative)), ['b', 'a'])
    assert.deepEqual(tags(planOne(talkative, {}, { need: { outputBound: 1 } })), ['a', 'b'])
  })

  it('puts free endpoints first in equal shares, with finite weights', () => {
    const counts = orders((random) => tags(planOne(priced({ paid: 1, x: 0, y: 0 }), {}, { given: { random } })))
    assert.deepEqual([...counts.keys()].toSorted(), ['x y paid', 'y x paid'])
    assert.ok(Math.abs(counts.get('x y paid')! - 5_000) < 250)
    assert.deepEqual(planOne(priced({ paid: 1, x: 0, y: 0 })).candidates.map((it) => it.weight), [0.5, 0.5, 0])
  })

  it('uses a deprecated endpoint only as a fallback, yet before one that fails', () => {
    const made = planOne([endpoint('old', { price: sheet(0.1), deprecated: true }), endpoint('sick'), endpoint('well')], {}, {
      given: { health: failing('sick') },
    })
    assert.deepEqual(tags(made), ['well', 'old', 'sick'])
  })

  it('tries the least bad one rather than nobody when all are failing', () => {
    assert.equal(planOne(priced({ a: 1, b: 2 }), {}, { given: { health: failing('a', 'b') } }).candidates.length, 2)
  })

  it('gives the same plan for the same draws', () => {
    const many = priced({ a: 1, b: 1.1, c: 1.2, d: 1.3, e: 1.4 })
    assert.deepEqual(tags(planOne(many, {}, { given: { random: draws(3) } })), tags(planOne(many, {}, { given: { random: draws(3) } })))
  })
})

describe('what a request would lose', () => {
  const listed = (...names: string[]) => ({ parameters: new Set(names), parametersSource: 'listed' as const })

  it('makes endpoints that honour tools go first, without making the model unavailable', () => {
    const both = [endpoint('mute', { ...listed('temperature'), price: sheet(0.1) }), endpoint('handy', listed('tools', 'tool_choice'))]
    assert.deepEqual(tags(planOne(both, {}, { need: { parameters: new Set(['tools']) } })), ['handy', 'mute'])
    assert.deepEqual(tags(planOne(both.slice(0, 1), {}, { need: { parameters: new Set(['tools']) } })), ['mute'])
  })

  it('counts for more than the order that the caller wrote', () => {
    const both = [endpoint('mute', listed()), endpoint('handy', listed('tools'))]
    assert.deepEqual(tags(planOne(both, { order: ['mute'] }, { need: { parameters: new Set(['tools']) } })), ['handy', 'mute'])
  })
})

describe('provider.order', () => {
  const all = priced({ a: 3, b: 2, c: 1, d: 4 })

  it('goes first as written, and the others follow by price', () => {
    const made = planOne(all, { order: ['d', 'b'] })
    assert.deepEqual(tags(made), ['d', 'b', 'c', 'a'])
    assert.equal(made.strategy, 'order')
    assert.deepEqual(made.candidates.map((it) => it.weight), [null, null, null, null])
  })

  it('is closed by allow_fallbacks false', () => {
    const made = planOne(all, { order: ['d', 'b'], allowFallbacks: false })
    assert.deepEqual(tags(made), ['d', 'b'])
    assert.deepEqual(whys(made), { a: 'not_allowed', c: 'not_allowed' })
  })

  it('beats a sort, which then orders the rest', () => {
    assert.deepEqual(tags(planOne(all, { order: ['d'], sort: { by: 'latency', partition: 'none' } }, {
      given: { health: measured({ a: { ms: 100 }, b: { ms: 900 }, c: { ms: 500 } }) },
    })), ['d', 'a', 'c', 'b'])
  })

  it('keeps a pinned endpoint in its place through an outage', () => {
    assert.deepEqual(tags(planOne(all, { order: ['d', 'b'] }, { given: { health: failing('d', 'c') } })), ['d', 'b', 'a', 'c'])
  })

  it('passes over a provider that told us to wait', () => {
    const health: HealthView = { ...WELL, restsUntil: (id) => id.endsWith('@d') ? NOW + 1 : 0 }
    assert.deepEqual(tags(planOne(all, { order: ['d', 'b'] }, { given: { health } })), ['b', 'c', 'a', 'd'])
  })
})

describe('allow_fallbacks false', () => {
  it('leaves the one endpoint that was chosen, and says so to the others', () => {
    const made = planOne(priced({ a: 2, b: 1 }), { allowFallbacks: false })
    assert.deepEqual(tags(made), ['b'])
    assert.equal(made.rejected[0]!.detail, 'provider.allow_fallbacks is false, and b comes first')
  })

  it('tries one key of it only, so that its error comes through as it is', () => {
    const made = planOne(priced({ a: 1 }), { allowFallbacks: false }, { given: { credentials: (p) => [key(p, 'x'), key(p, 'y')] } })
    assert.equal(made.candidates.length, 1)
  })

  it('still goes on to the next model of a list', () => {
    const made = plan(need(), [
      offer(priced({ a: 1, b: 2 })), offer([endpoint('a', { model: 'acme/two' }), endpoint('b', { model: 'acme/two' })], [], 'acme/two'),
    ], given({ allowFallbacks: false }))
    assert.deepEqual(made.candidates.map((it) => it.endpoint.id), ['acme/one@a', 'acme/two@a'])
  })
})

describe('provider.sort', () => {
  const all = priced({ a: 3, b: 2, c: 1 })
  const health = measured({ a: { tps: 90, ms: 200 }, b: { tps: 30, ms: 900 } })

  it('by price takes the cheapest first, always', () => {
    const counts = orders((random) => tags(planOne(all, { sort: { by: 'price', partition: 'model' } }, { given: { random } })))
    assert.deepEqual([...counts.keys()], ['c b a'])
  })

  it('by throughput takes the fastest first and the unmeasured after the measured', () => {
    const made = planOne(all, { sort: { by: 'throughput', partition: 'model' } }, { given: { health } })
    assert.deepEqual([tags(made), made.strategy], [['a', 'b', 'c'], 'sort:throughput'])
  })

  it('by latency takes the quickest to the first token', () => {
    assert.deepEqual(tags(planOne(all, { sort: { by: 'latency', partition: 'model' } }, { given: { health } })), ['a', 'b', 'c'])
  })

  it('by what nothing was measured of goes by price', () => {
    assert.deepEqual(tags(planOne(all, { sort: { by: 'latency', partition: 'model' } })), ['c', 'b', 'a'])
  })

  it('puts a failing endpoint last, however cheap', () => {
    assert.deepEqual(tags(planOne(all, { sort: { by: 'price', partition: 'model' } }, { given: { health: failing('c') } })), ['b', 'a', 'c'])
  })

  it('by exacto balances, and says that nothing is measured yet', () => {
    const made = planOne(all, { sort: { by: 'exacto', partition: 'model' } })
    assert.match(made.strategy, /^balanced \(sort:exacto: no endpoint has enough requests with tools yet\)$/)
    assert.equal(typeof made.candidates[0]!.weight, 'number')
  })
})

describe('a list of models', () => {
  const one = offer(priced({ a: 5, b: 6 }))
  const two = offer([endpoint('c', { model: 'acme/two', price: sheet(1) }), endpoint('d', { model: 'acme/two', price: sheet(5.5) })], [], 'acme/two')

  it('tries all of the first before any of the second', () => {
    const made = plan(need(), [one, two], given())
    assert.deepEqual(tags(made), ['a', 'b', 'c', 'd'])
    assert.deepEqual(made.models, ['acme/one', 'acme/two'])
  })

  it('is mixed by partition none', () => {
    assert.deepEqual(tags(plan(need(), [one, two], given({ sort: { by: 'price', partition: 'none' } }))), ['c', 'a', 'd', 'b'])
  })

  it('is mixed and drawn as one by a partition without a sort', () => {
    const made = plan(need(), [one, two], given({ sort: { partition: 'none' } }))
    assert.equal(made.strategy, 'balanced')
    assert.ok(Math.abs(made.candidates.reduce((sum, it) => sum + it.weight!, 0) - 1) < 1e-9, 'one draw over all of them')
    assert.ok(made.candidates.find((it) => it.endpoint.tag === 'c')!.weight! > 0.9)
  })

  it('is mixed by the sort of its variants where all have the same', () => {
    const nitro = [one, two].map((it) => ({ ...it, variants: ['floor'] }))
    assert.equal(plan(need(), nitro, given({ sort: { partition: 'none' } })).strategy, 'sort:price')
    assert.equal(plan(need(), [nitro[0]!, two], given({ sort: { partition: 'none' } })).strategy, 'balanced')
  })

  it('counts an endpoint once when two references name its model', () => {
    const made = plan(need(), [offer(priced({ a: 1, b: 0 }), ['free']), offer(priced({ a: 1, b: 0 }))], given())
    assert.deepEqual(tags(made), ['b', 'a'])
    assert.deepEqual(made.rejected, [])
  })
})

describe('thresholds', () => {
  const one = offer(priced({ a: 1, b: 1 }))
  const two = offer([endpoint('c', { model: 'acme/two' })], [], 'acme/two')
  const health = measured({ a: { tps: 20, ms: 400 }, b: { tps: 80, ms: 3_000 }, c: { tps: 80, ms: 400 } })
  const order = (preferences: Parameters<typeof given>[0]) => tags(plan(need(), [one, two], given(preferences, { health })))

  it('put an endpoint that misses them behind every model that meets them, and never exclude it', () => {
    assert.deepEqual(order({ preferredMinThroughput: { p50: 50 } }), ['b', 'c', 'a'])
  })

  it('read latency in seconds', () => {
    assert.deepEqual(order({ preferredMaxLatency: { p90: 2 } }), ['a', 'c', 'b'])
  })

  it('want every stated percentile to hold', () => {
    assert.deepEqual(order({ preferredMinThroughput: { p50: 50 }, preferredMaxLatency: { p50: 2 } }), ['c', 'a', 'b'])
  })

  it('do not hold it against an endpoint that nothing was measured of it', () => {
    assert.deepEqual(tags(plan(need(), [one], given({ preferredMinThroughput: { p50: 1_000 } }))), ['a', 'b'])
  })

  it('do not let a fast endpoint that drops the tools overtake a slow one that honours them', () => {
    const tools = { parameters: new Set(['tools']), parametersSource: 'listed' as const }
    const none = { parameters: new Set<string>(), parametersSource: 'listed' as const }
    const made = plan(need({ parameters: new Set(['tools']) }), [offer([endpoint('b', none), endpoint('a', tools)])],
      given({ preferredMinThroughput: { p50: 50 } }, { health }))
    assert.deepEqual(tags(made), ['a', 'b'])
  })
})

describe('variants and service tiers', () => {
  const tiers = [
    endpoint('openai', { price: sheet(2) }),
    endpoint('openai/priority', { price: sheet(4), tier: 'priority' }),
    endpoint('openai/flex', { price: sheet(1), tier: 'flex' }),
    endpoint('azure', { price: sheet(1.5) }),
  ]
  const health = measured({ openai: { tps: 50 }, 'openai/priority': { tps: 40 }, azure: { tps: 60 } })

  it('leave tier endpoints out when nobody asked', () => {
    for (const serviceTier of [null, 'auto', 'default', 'scale']) {
      const made = planOne(tiers, {}, { given: { serviceTier } })
      assert.deepEqual(whys(made), { 'openai/priority': 'tier', 'openai/flex': 'tier' }, String(serviceTier))
    }
  })

  it('take priority endpoints first when priority or fast is asked for, and fall back to default ones', () => {
    for (const serviceTier of ['priority', 'fast']) {
      const made = planOne(tiers, {}, { given: { serviceTier, health } })
      assert.deepEqual([tags(made), made.strategy], [['openai/priority', 'azure', 'openai'], 'tier:priority'])
    }
  })

  it('take nothing but flex when flex is asked for and the model has it', () => {
    const made = planOne(tiers, {}, { given: { serviceTier: 'flex' } })
    assert.deepEqual(tags(made), ['openai/flex'])
    assert.match(made.rejected.find((it) => it.endpoint.endsWith('@azure'))!.detail, /service_tier is flex/)
    assert.deepEqual(tags(planOne([tiers[0]!, tiers[3]!], {}, { given: { serviceTier: 'flex' } })), ['azure', 'openai'])
  })

  it('admit priority by :nitro and go purely by throughput', () => {
    const made = planOne(tiers, {}, { variants: ['nitro'], given: { health } })
    assert.deepEqual([tags(made), made.strategy], [['azure', 'openai', 'openai/priority'], 'sort:throughput'])
  })

  it('admit flex by :floor and go purely by price', () => {
    assert.deepEqual(tags(planOne(tiers, {}, { variants: ['floor'] })), ['openai/flex', 'azure', 'openai'])
  })

  it('keep to endpoints without any charge by :free', () => {
    const made = planOne([endpoint('paid'), endpoint('gift', { price: sheet(0) })], {}, { variants: ['free'] })
    assert.deepEqual(tags(made), ['gift'])
    assert.equal(made.rejected[0]!.detail, ':free takes only endpoints without a charge; it asks $1 and $1 per million tokens')
  })

  it('do not call an endpoint free whose provider states the cost afterwards', () => {
    const made = planOne([endpoint('router', { price: { ...sheet(0), source: 'stated' } })], {}, { variants: ['free'] })
    assert.deepEqual(whys(made), { router: 'variant' })
  })

  it('leave variants that are not about routing alone', () => {
    assert.deepEqual(tags(planOne([endpoint('a')], {}, { variants: ['online', 'thinking'] })), ['a'])
  })
})

describe('simulated endpoints', () => {
  const demo = endpoint('demo', { simulated: true, price: sheet(0), dialect: null, baseUrl: null })

  it('need no key and no address', () => {
    assert.deepEqual(tags(planOne([demo], {}, { given: { credentials: () => [] } })), ['demo'])
  })

  it('never stand in for a real endpoint, not even for one that the request rules out', () => {
    assert.deepEqual(whys(planOne([demo, endpoint('real')], { ignore: ['real'] })), { demo: 'variant', real: 'ignored' })
    assert.deepEqual(tags(planOne([demo, endpoint('real', { price: null })])), ['demo'])
  })

  it('answer alone when they are asked for', () => {
    assert.deepEqual(tags(planOne([demo, endpoint('real')], {}, { variants: ['demo'] })), ['demo'])
  })
})

describe('keys', () => {
  const two = { credentials: (provider: string) => [key(provider, 'x'), key(provider, 'y')] }

  it('make a candidate each, in order, at each endpoint', () => {
    const made = planOne(priced({ a: 1, b: 2 }), {}, { given: two })
    assert.deepEqual(made.candidates.map((it) => it.credential.id), ['a:x', 'a:y', 'b:x', 'b:y'])
    assert.equal(made.candidates.reduce((sum, it) => sum + it.weight!, 0), 1)
  })

  it('wait at the end while they rest, and the endpoint goes on with its others', () => {
    const health: HealthView = { ...WELL, restsUntil: (_, id) => id === 'a:x' ? NOW + 5_000 : 0 }
    const made = planOne(priced({ a: 1, b: 2 }), {}, { given: { ...two, health } })
    assert.deepEqual(made.candidates.map((it) => it.credential.id), ['a:y', 'b:x', 'b:y', 'a:x'])
  })

  it('put their endpoint behind the others when all of them rest', () => {
    const health: HealthView = { ...WELL, restsUntil: (_, id) => id.startsWith('a:') ? NOW + 5_000 : 0 }
    assert.deepEqual(tags(planOne(priced({ a: 1, b: 2 }), {}, { given: { health } })), ['b', 'a'])
  })
})

describe('the worst cost', () => {
  it('takes a token for each byte of the prompt and the most output that can come', () => {
    const price = sheet(1, 10)
    const [candidate] = planOne([endpoint('a', { price })], {}, { need: { inputBytes: 4_000, inputTokens: 1_004 } }).candidates
    assert.equal(candidate!.worst, worstCharge(price, { inputTokens: 4_016, outputTokens: 8_192, images: 0 }))
  })

  it('goes by the lower of max_tokens and what the endpoint gives', () => {
    const at = (outputBound: number) => planOne([endpoint('a')], {}, { need: { outputBound } }).candidates[0]!.worst
    assert.ok(at(10) < at(8_192))
    assert.equal(at(8_192), at(50_000))
  })

  it('counts no prompt longer than the window, and a stated limit where nobody knows one', () => {
    const price = sheet(1, 1)
    const wide = endpoint('a', { price, contextLength: 2_000 })
    assert.equal(planOne([wide]).candidates[0]!.worst, worstCharge(price, { inputTokens: 2_000, outputTokens: 2_000, images: 0 }))
    const open = endpoint('a', { price, contextLength: null, maxOutputTokens: null })
    assert.equal(planOne([open]).candidates[0]!.worst,
      worstCharge(price, { inputTokens: 4_016, outputTokens: DEFAULT_POLICY.unboundedOutputTokens, images: 0 }))
  })

  it('counts the dearer of two prices where a tier may be served, and billed, as the default one', () => {
    const flex = endpoint('a/flex', { tier: 'flex', price: sheet(1), plainPrice: sheet(2) })
    const worst = (it: ReturnType<typeof endpoint>) => planOne([it], { only: ['a/flex'] }).candidates[0]!.worst
    assert.equal(worst(flex), worst({ ...flex, price: sheet(2) }))
    assert.equal(worst({ ...flex, price: sheet(3) }), worst({ ...flex, price: sheet(3), plainPrice: sheet(1) }))
  })

  it('is in whole nano-dollars', () => {
    const price = { ...sheet(0), rates: { request: attoFromDecimal('0.0000000001')! } }
    assert.equal(planOne([endpoint('a', { price })]).candidates[0]!.worst, 1n)
  })
})
