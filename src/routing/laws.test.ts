import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keepsNothing, type Endpoint, type Need, type Offer, type Preferences, type Tier } from '../core/index.ts'
import { planFault } from './failure.ts'
import { DEFAULT_POLICY } from './given.ts'
import { plan } from './plan.ts'
import { draws, endpoint, given, key, need, NOW, offer, sheet } from './sample.ts'
import { fc } from '../../test/properties.ts'

const PROVIDERS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta']
const PARAMETERS = ['tools', 'temperature', 'top_k', 'structured_outputs']

const someEndpoint: fc.Arbitrary<Partial<Endpoint> & { readonly tag: string }> = fc.record({
  provider: fc.constantFrom(...PROVIDERS),
  suffix: fc.constantFrom('', '/fp8', '/eu'),
  tier: fc.constantFrom<Tier>('default', 'default', 'default', 'priority', 'flex'),
  usd: fc.constantFrom(0, 0, 0.5, 1, 2, 3, 15),
  unpriced: fc.boolean().map((it) => it && 'price_suspect' as const),
  contextLength: fc.constantFrom(null, 1_000, 8_000, 128_000),
  maxOutputTokens: fc.constantFrom(null, 100, 4_000),
  quantization: fc.constantFrom(null, 'fp4', 'mxfp8', 'bf16'),
  parameters: fc.option(fc.subarray(PARAMETERS)),
  parametersSource: fc.constantFrom('listed' as const, 'derived' as const),
  training: fc.constantFrom(null, true, false),
  retentionDays: fc.constantFrom(null, 0, 30),
  disabled: fc.boolean().map((it) => it && Math.PI > 4),
  deprecated: fc.boolean(),
  simulated: fc.integer({ min: 0, max: 9 }).map((it) => it === 0),
  images: fc.boolean(),
}).map(({ provider, suffix, usd, unpriced, parameters, training, retentionDays, images, tier, ...rest }) => ({
  ...rest, tier,
  tag: `${provider}${suffix}${tier === 'default' ? '' : `/${tier}`}`,
  ...(unpriced ? { price: null, unpriced } : { price: sheet(usd) }),
  parameters: parameters && new Set(parameters),
  dataPolicy: { training, retainsPrompts: null, retentionDays },
  inputModalities: new Set(images ? ['text', 'image'] : ['text']),
}))

const someOffers: fc.Arbitrary<readonly Offer[]> = fc.array(fc.record({
  endpoints: fc.uniqueArray(someEndpoint, { maxLength: 12, selector: (it) => it.tag }),
  variants: fc.subarray(['nitro', 'floor', 'free', 'demo'], { maxLength: 1 }),
}), { minLength: 1, maxLength: 3 }).map((all) => all.map(({ endpoints, variants }, i) => {
  const model = `acme/m${i}`
  return offer(endpoints.map((it) => endpoint(it.tag, { ...it, model })), variants, model)
}))

const somePreferences: fc.Arbitrary<Partial<Preferences>> = fc.record({
  only: fc.uniqueArray(fc.constantFrom(...PROVIDERS, 'alpha/fp8', 'beta/priority')),
  order: fc.uniqueArray(fc.constantFrom(...PROVIDERS, 'gamma/eu', 'delta/flex')),
  ignore: fc.uniqueArray(fc.constantFrom(...PROVIDERS), { maxLength: 2 }),
  allowFallbacks: fc.boolean(),
  requireParameters: fc.boolean(),
  dataCollection: fc.constantFrom('allow' as const, 'deny' as const),
  zdr: fc.boolean(),
  quantizations: fc.constant(['fp8', 'fp4', 'unknown']),
  sort: fc.record({
    by: fc.constantFrom('price' as const, 'throughput' as const, 'latency' as const, 'exacto' as const),
    partition: fc.constantFrom('model' as const, 'none' as const),
  }),
  preferredMinThroughput: fc.record({ p50: fc.integer({ min: 1, max: 100 }) }),
  maxPrice: fc.constant({ prompt: 2_500_000_000_000n }),
}, { requiredKeys: [] })

const someNeed: fc.Arbitrary<Need> = fc.record({
  inputTokens: fc.constantFrom(10, 5_000, 100_000),
  outputBound: fc.constantFrom(null, 50, 20_000),
  parameters: fc.subarray(PARAMETERS).map((it) => new Set(it)),
  inputModalities: fc.constantFrom(new Set(['text']), new Set(['text', 'image'])),
}).map(need)

const someWorld = fc.record({
  need: someNeed, offers: someOffers, preferences: somePreferences, seed: fc.nat(),
  serviceTier: fc.constantFrom(null, 'flex', 'priority', 'auto'),
  clamp: fc.boolean(),
})

type World = typeof someWorld extends fc.Arbitrary<infer T> ? T : never

/** Some providers have no key, some two; some endpoints fail, some are measured, some keys rest: fixed by the name. */
function worldOf(world: World) {
  const last = (id: string): number => id.charCodeAt(id.length - 1) + id.length
  const figure = (value: number) => ({ p50: value, p75: value, p90: value, p99: value })
  return given(world.preferences, {
    credentials: (provider) => provider === 'zeta' ? [] : provider === 'beta' ? [key('beta', 'x'), key('beta', 'y')] : [key(provider)],
    health: {
      unstable: (id) => last(id) % 4 === 0,
      figures: (id) => last(id) % 3 === 0 ? null : { latency: figure(last(id)), throughput: figure(last(id) % 100), samples: 3 },
      restsUntil: (_, credential) => credential === 'beta:x' ? NOW + 1 : 0,
    },
    policy: { ...DEFAULT_POLICY, maxOutput: world.clamp ? 'clamp' : 'drop' },
    random: draws(world.seed), serviceTier: world.serviceTier,
  })
}

const law = (check: (world: World, made: ReturnType<typeof plan>) => void): void =>
  fc.assert(fc.property(someWorld, (world) => check(world, plan(world.need, world.offers, worldOf(world)))), { numRuns: 400 })

describe('every plan', () => {
  it('has each endpoint of the offers once, as a candidate or among the rejected', () => law((world, made) => {
    const all = world.offers.flatMap((it) => it.endpoints.map((e) => e.id)).toSorted()
    const candidates = [...new Set(made.candidates.map((it) => it.endpoint.id))]
    assert.deepEqual([...candidates, ...made.rejected.map((it) => it.endpoint)].toSorted(), all)
    const pairs = made.candidates.map((it) => `${it.endpoint.id} ${it.credential.id}`)
    assert.equal(new Set(pairs).size, pairs.length)
  }))

  it('has no candidate that a hard condition rules out', () => law(({ need: wanted, preferences, clamp, offers }, made) => {
    for (const { endpoint: it, credential } of made.candidates) {
      assert.ok(!it.disabled && it.price !== null && (it.simulated || credential.provider === it.provider))
      assert.ok(it.simulated || it.provider !== 'zeta', 'no key')
      assert.ok([...wanted.inputModalities].every((one) => it.inputModalities.has(one)))
      assert.ok(it.contextLength === null || wanted.inputTokens <= it.contextLength)
      if (!clamp && wanted.outputBound !== null) assert.ok(it.maxOutputTokens === null || wanted.outputBound <= it.maxOutputTokens)
      if (preferences.only) assert.ok(preferences.only.some((name) => name === it.tag || name === it.provider))
      if (preferences.order?.length && preferences.allowFallbacks === false) {
        assert.ok(preferences.order.some((name) => name === it.tag || name === it.provider))
      }
      assert.ok(!preferences.ignore?.includes(it.provider))
      if (preferences.zdr) assert.ok(keepsNothing(it.dataPolicy))
      if (preferences.dataCollection === 'deny') assert.ok(it.dataPolicy.training === false && keepsNothing(it.dataPolicy))
      if (preferences.quantizations) assert.notEqual(it.quantization, 'bf16')
      if (preferences.maxPrice) assert.ok((it.price.rates.prompt ?? 0n) <= preferences.maxPrice.prompt!)
      if (preferences.requireParameters && it.parameters && wanted.parameters.has('tools')) assert.ok(it.parameters.has('tools'))
      const { variants } = offers.find((of) => of.model.id === it.model)!
      if (variants.includes('free')) assert.equal(it.price.rates.prompt, 0n)
      if (variants.includes('demo')) assert.ok(it.simulated)
    }
  }))

  it('says why in a sentence for each rejected endpoint', () => law((_, made) => {
    for (const { detail } of made.rejected) {
      assert.ok(detail.length > 10 && detail.length < 300, detail)
      assert.doesNotMatch(detail, /undefined|null|NaN|Infinity|\bn\b|: ?$|honour $/)
    }
  }))

  it('is the same for the same draws', () => law((world, made) => {
    assert.deepEqual(plan(world.need, world.offers, worldOf(world)), made)
  }))

  it('gives shares between 0 and 1 that come to 1 for each model, or none', () => law((world, made) => {
    const weights = made.candidates.map((it) => it.weight)
    assert.ok(weights.every((it) => it === null || (it >= 0 && it <= 1)))
    if (world.offers.length > 1 || world.preferences.allowFallbacks === false || weights.some((it) => it === null)) return
    const sum = weights.reduce<number>((all, it) => all + it!, 0)
    assert.ok(weights.length === 0 || Math.abs(sum - 1) < 1e-9, String(sum))
  }))

  it('costs at worst no less than nothing and names its order', () => law((_, made) => {
    assert.ok(made.candidates.every((it) => it.worst >= 0n))
    assert.notEqual(made.strategy, '')
  }))

  it('that has no candidate gives a fault that a caller can act on', () => law((world, made) => {
    if (made.candidates.length > 0) return
    const fault = planFault(made, world.offers, world.need)
    assert.ok(fault.kind === 'no-endpoint' || fault.kind === 'context-length')
    assert.ok(fault.message.length > 20 && fault.message.length < 3_000)
    assert.doesNotMatch(fault.message, /undefined|null|NaN|Infinity/)
    assert.equal(fault.availability!['retryable'], false)
    assert.deepEqual(fault.availability!['requested_models'], world.offers.map((it) => it.requested))
  }))
})
