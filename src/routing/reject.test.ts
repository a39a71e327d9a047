import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { attoFromDecimal, type Endpoint } from '../core/index.ts'
import { DEFAULT_POLICY } from './given.ts'
import { plan } from './plan.ts'
import { endpoint, given, need, offer, planOne, sheet, tags, whys } from './sample.ts'

const PERMITTED = { training: false, retainsPrompts: false, retentionDays: 0 }
const perToken = (usdPerMillion: string): bigint => attoFromDecimal(usdPerMillion)! / 1_000_000n

describe('endpoints that cannot be called here', () => {
  const cases: readonly [string, Partial<Endpoint>, RegExp][] = [
    ['disabled', { disabled: true }, /withdrawn/],
    ['no_dialect', { dialect: null, protocols: ['cohere-v2'] }, /speaks cohere-v2/],
    ['no_address', { baseUrl: null }, /providers\.alpha\.base_url/],
    ['no_model_id', { upstreamModel: '' }, /acme\/one/],
    ['no_price', { price: null, unpriced: 'zero_listed' }, /listed at zero/],
  ]
  for (const [why, change, detail] of cases) {
    it(`are rejected with ${why} and a sentence that says what is missing`, () => {
      const made = planOne([endpoint('alpha', change), endpoint('beta')])
      assert.deepEqual(tags(made), ['beta'])
      assert.equal(made.rejected[0]!.why, why)
      assert.match(made.rejected[0]!.detail, detail)
    })
  }

  it('tell the operator how to add the key that is missing', () => {
    const made = planOne([endpoint('groq')], {}, { given: { credentials: () => [], remedy: () => 'set GROQ_API_KEY' } })
    assert.equal(made.rejected[0]!.why, 'no_credential')
    assert.equal(made.rejected[0]!.detail, 'there is no key for Groq: set GROQ_API_KEY')
  })

  it('say so before they say anything about the request', () => {
    const made = planOne([endpoint('alpha', { price: null, contextLength: 10 })], { ignore: ['alpha'] })
    assert.deepEqual(whys(made), { alpha: 'no_price' })
  })
})

describe('what the request needs', () => {
  it('leaves out an endpoint that cannot see the picture', () => {
    const made = planOne([endpoint('blind'), endpoint('seeing', { inputModalities: new Set(['text', 'image']) })], {}, {
      need: { inputModalities: new Set(['text', 'image']), images: 1 },
    })
    assert.deepEqual(tags(made), ['seeing'])
    assert.equal(made.rejected[0]!.detail, 'it does not take image input')
  })

  it('names the prompt and the window that it does not fit', () => {
    const made = planOne([endpoint('small'), endpoint('large', { contextLength: 1_000_000 }), endpoint('unknown', { contextLength: null })], {}, {
      need: { inputTokens: 210_000 },
    })
    assert.deepEqual(tags(made), ['large', 'unknown'])
    assert.equal(made.rejected[0]!.detail, 'the prompt is about 210,000 tokens, its context is 128,000')
  })

  it('counts the asked output towards the window, but no more than the endpoint gives', () => {
    const tight = endpoint('tight', { contextLength: 10_000, maxOutputTokens: 4_000 })
    assert.deepEqual(tags(planOne([tight], {}, { need: { inputTokens: 5_000, outputBound: 100_000 } })), ['tight'])
    const made = planOne([tight], { maxOutput: 'drop' }, { need: { inputTokens: 6_001, outputBound: 4_000 } })
    assert.equal(made.rejected[0]!.detail, 'the prompt is about 6,001 tokens and 4,000 more are for output, its context is 10,000')
  })

  it('keeps an endpoint whose window has room for a usual answer when a bound is lowered, behind those that have all of it', () => {
    const tight = endpoint('tight', { contextLength: 10_000, maxOutputTokens: 4_000, price: sheet(0.1) })
    const asked = (inputTokens: number) => ({ need: { inputTokens, outputBound: 100_000 } })
    assert.deepEqual(tags(planOne([tight, endpoint('roomy')], {}, asked(8_500))), ['roomy', 'tight'])
    assert.deepEqual(tags(planOne([tight], {}, asked(9_501))), [])
  })

  it('respects a limit on the prompt alone', () => {
    const made = planOne([endpoint('alpha', { maxPromptTokens: 1_000 })])
    assert.equal(made.rejected[0]!.detail, 'the prompt is about 1,004 tokens, it takes at most 1,000')
  })

  it('keeps an endpoint whose output cap is below max_tokens when the policy clamps, and drops it when it does not', () => {
    const both = [endpoint('short', { maxOutputTokens: 1_000 }), endpoint('long', { maxOutputTokens: 64_000 })]
    const asked = { need: { outputBound: 32_000 } }
    assert.deepEqual(tags(planOne(both, {}, asked)), ['short', 'long'])
    const strict = planOne(both, {}, { ...asked, given: { policy: { ...DEFAULT_POLICY, maxOutput: 'drop' } } })
    assert.deepEqual(tags(strict), ['long'])
    assert.equal(strict.rejected[0]!.detail, '32,000 output tokens were asked for, it gives at most 1,000')
  })
})

describe('provider.only, order and ignore', () => {
  const all = [
    endpoint('google-vertex', { providerName: 'Google Vertex' }), endpoint('google-vertex/us-east5'),
    endpoint('deepinfra/turbo'), endpoint('deepinfra/fp8'), endpoint('openai'),
    endpoint('openai/priority', { tier: 'priority' }),
  ]

  it('take a base slug for all regions, variants and quantizations of a provider', () => {
    assert.deepEqual(tags(planOne(all, { only: ['google-vertex'] })), ['google-vertex', 'google-vertex/us-east5'])
    assert.deepEqual(tags(planOne(all, { only: ['deepinfra'] })), ['deepinfra/turbo', 'deepinfra/fp8'])
  })

  it('take a full tag for exactly itself', () => {
    assert.deepEqual(tags(planOne(all, { only: ['deepinfra/turbo'] })), ['deepinfra/turbo'])
    assert.deepEqual(tags(planOne(all, { only: ['deepinfra/tur', 'deep'] })), [])
  })

  it('take display names and any case, as old clients send them', () => {
    assert.deepEqual(tags(planOne(all, { only: ['Google Vertex'] })), ['google-vertex'])
    assert.deepEqual(tags(planOne(all, { only: ['DeepInfra/FP8'] })), ['deepinfra/fp8'])
  })

  it('never let a base slug pay the price of another tier', () => {
    assert.deepEqual(tags(planOne(all, { only: ['openai'] })), ['openai'])
    assert.deepEqual(tags(planOne(all, { only: ['openai'] }, { variants: ['nitro'] })), ['openai'])
    assert.deepEqual(tags(planOne(all, { order: ['openai'], allowFallbacks: false })), ['openai'])
  })

  it('take the full name of a tier as the wish for it', () => {
    assert.deepEqual(tags(planOne(all, { only: ['openai/priority'] })), ['openai/priority'])
    assert.deepEqual(tags(planOne(all, { only: ['openai/fast'] })), ['openai/priority'])
    assert.deepEqual(tags(planOne(all, { order: ['openai/priority', 'openai'], allowFallbacks: false })), ['openai/priority', 'openai'])
  })

  it('take service_tier and the base slug together for the full name', () => {
    assert.deepEqual(tags(planOne(all, { only: ['openai'] }, { given: { serviceTier: 'priority' } })), ['openai/priority', 'openai'])
  })

  it('ban every tier of an ignored provider: a denial is read widely', () => {
    const made = planOne(all, { ignore: ['openai', 'google-vertex'] }, { variants: ['nitro'] })
    assert.deepEqual(tags(made), ['deepinfra/turbo', 'deepinfra/fp8'])
    assert.equal(whys(made)['openai/priority'], 'ignored')
  })

  it('allow nobody when the allowlist is empty, as when a key and a request have no provider in common', () => {
    assert.deepEqual(tags(planOne(all, { only: [] })), [])
  })

  it('say which preference left an endpoint out, and whom it permits', () => {
    const only = planOne(all, { only: ['openai'] })
    assert.match(only.rejected[0]!.detail, /provider\.only preference permits only: openai$/)
    const closed = planOne(all, { order: ['openai'], allowFallbacks: false })
    assert.match(closed.rejected[0]!.detail, /provider\.order preference, with allow_fallbacks false, permits only: openai$/)
  })
})

describe('data policy', () => {
  const all = [
    endpoint('private', { dataPolicy: PERMITTED }),
    endpoint('silent'),
    endpoint('keeping', { dataPolicy: { training: false, retainsPrompts: true, retentionDays: 30 } }),
    endpoint('training', { dataPolicy: { ...PERMITTED, training: true } }),
  ]

  it('takes what is not stated for a no when data collection is denied', () => {
    const made = planOne(all, { dataCollection: 'deny' })
    assert.deepEqual(tags(made), ['private'])
    assert.deepEqual(made.rejected.map((it) => it.detail), [
      'it is not stated that it does not train on prompts', 'it keeps prompts for 30 days', 'it may train on prompts',
    ])
  })

  it('lets zdr pass only endpoints that state that they keep nothing', () => {
    const made = planOne(all, { zdr: true })
    assert.deepEqual(tags(made), ['private', 'training'])
    assert.deepEqual(whys(made), { silent: 'zdr', keeping: 'zdr' })
  })

  it('believes the worse half of a statement that contradicts itself', () => {
    const contradictions = [
      endpoint('a', { dataPolicy: { training: false, retainsPrompts: false, retentionDays: 30 } }),
      endpoint('b', { dataPolicy: { training: false, retainsPrompts: true, retentionDays: 0 } }),
    ]
    assert.deepEqual(tags(planOne(contradictions, { zdr: true })), [])
  })

  it('asks nothing of a request that asks nothing', () => {
    assert.equal(planOne(all, { dataCollection: 'allow', zdr: false }).candidates.length, 4)
  })
})

describe('quantizations', () => {
  const all = ['fp4', 'mxfp4', 'nvfp4', 'fp8', 'mxfp8', 'bf16', null].map((quantization) =>
    endpoint(`p-${quantization ?? 'none'}`, { quantization }))

  it('spell out the families of fp4 and fp8', () => {
    assert.deepEqual(tags(planOne(all, { quantizations: ['fp4'] })), ['p-fp4', 'p-mxfp4', 'p-nvfp4'])
    assert.deepEqual(tags(planOne(all, { quantizations: ['FP8'] })), ['p-fp8', 'p-mxfp8'])
    assert.deepEqual(tags(planOne(all, { quantizations: ['mxfp8'] })), ['p-mxfp8'])
  })

  it('allow none when the list is empty, as when a key and a request have none in common', () => {
    assert.deepEqual(tags(planOne(all, { quantizations: [] })), [])
    assert.match(planOne(all, { quantizations: [] }).rejected[0]!.detail, /the request allows none$/)
  })

  it('say whose limit it was where the request set none', () => {
    const made = planOne(all, { quantizations: ['bf16'], only: ['p-fp4'], setBy: { quantizations: 'workspace', only: 'key' } })
    assert.match(made.rejected.find((it) => it.why === 'quantization')!.detail, /\(a setting of the workspace\)$/)
    assert.match(made.rejected.find((it) => it.why === 'not_allowed')!.detail, /^provider\.only permits only: p-fp4 \(a setting of the key\)$/)
  })

  it('call what nobody stated unknown', () => {
    const made = planOne(all, { quantizations: ['unknown', 'bf16'] })
    assert.deepEqual(tags(made), ['p-bf16', 'p-none'])
    assert.equal(made.rejected[0]!.detail, 'its quantization is fp4, the request allows unknown, bf16')
  })
})

describe('max_price', () => {
  it('excludes by the price per million tokens, with both figures', () => {
    const made = planOne([endpoint('cheap', { price: sheet(1, 2) }), endpoint('dear', { price: sheet(3, 15) })], {
      maxPrice: { prompt: perToken('3'), completion: perToken('10') },
    })
    assert.deepEqual(tags(made), ['cheap'])
    assert.equal(made.rejected[0]!.detail, 'it asks $15 per million completion tokens, provider.max_price allows $10')
  })

  it('goes by the rates that hold for a prompt of this length', () => {
    const stepped = { ...sheet(1), overrides: [{ minPromptTokens: 1_000, rates: { prompt: perToken('5') } }] }
    const capped = { maxPrice: { prompt: perToken('2') } }
    assert.deepEqual(tags(planOne([endpoint('a', { price: stepped })], capped)), [])
    assert.deepEqual(tags(planOne([endpoint('a', { price: stepped })], capped, { need: { inputTokens: 1_000 } })), ['a'])
  })

  it('caps a charge for each request too', () => {
    const price = { ...sheet(1), rates: { ...sheet(1).rates, request: attoFromDecimal('0.01')! } }
    const made = planOne([endpoint('a', { price })], { maxPrice: { request: attoFromDecimal('0.005')! } })
    assert.equal(made.rejected[0]!.detail, 'it asks $0.01 per request, provider.max_price allows $0.005')
  })
})

describe('require_parameters', () => {
  const has = (source: Endpoint['parametersSource'], ...names: string[]): Partial<Endpoint> =>
    ({ parameters: new Set(names), parametersSource: source })
  const asking = (...names: string[]) => ({ need: { parameters: new Set(names) } })
  const required = { requireParameters: true }

  it('names every parameter that a listed endpoint does not honour', () => {
    const made = planOne([endpoint('a', has('listed', 'temperature'))], required, asking('temperature', 'top_k', 'min_p'))
    assert.equal(made.rejected[0]!.detail, 'it does not honour top_k, min_p')
  })

  it('takes an endpoint without a list to honour all of its dialect', () => {
    assert.deepEqual(tags(planOne([endpoint('a')], required, asking('tools', 'top_k'))), ['a'])
  })

  it('believes a derived list about tools, structured output and reasoning, and not in what it is silent about', () => {
    const derived = [endpoint('a', has('derived', 'temperature', 'max_tokens'))]
    for (const known of ['tools', 'structured_outputs', 'reasoning']) {
      assert.deepEqual(whys(planOne(derived, required, asking(known))), { a: 'parameters' }, known)
    }
    for (const silent of ['top_k', 'min_p', 'presence_penalty', 'logprobs', 'seed']) {
      assert.deepEqual(tags(planOne(derived, required, asking(silent))), ['a'], silent)
    }
  })

  it("believes an operator's list to the letter", () => {
    assert.deepEqual(whys(planOne([endpoint('a', has('operator', 'tools'))], required, asking('seed'))), { a: 'parameters' })
  })

  it('knows the two names of the output limit', () => {
    assert.deepEqual(tags(planOne([endpoint('a', has('listed', 'max_completion_tokens'))], required, asking('max_tokens'))), ['a'])
  })
})

describe('enforce_distillable_text', () => {
  it('takes a permission that nobody knows of for none', () => {
    const wish = { enforceDistillableText: true }
    assert.deepEqual(whys(planOne([endpoint('a')], wish)), { a: 'distillable' })
    const open = offer([endpoint('a')])
    assert.deepEqual(tags(plan(need(), [{ ...open, model: { ...open.model, distillable: true } }], given(wish))), ['a'])
    assert.deepEqual(tags(plan(need(), [{ ...open, model: { ...open.model, distillable: false } }], given(wish))), [])
  })
})
