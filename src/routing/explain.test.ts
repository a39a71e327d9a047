import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Fault, Need, Offer, Preferences } from '../core/index.ts'
import { explain } from './explain.ts'
import { planFault } from './failure.ts'
import { plan } from './plan.ts'
import { endpoint, given, need, offer, planOne, sheet, WELL } from './sample.ts'

const listed = (...names: string[]) => ({ parameters: new Set(names), parametersSource: 'listed' as const })

function failed(offers: readonly Offer[], preferences: Partial<Preferences> = {}, change: Partial<Need> = {}, rest: Partial<ReturnType<typeof given>> = {}): Fault {
  const made = plan(need(change), offers, given(preferences, rest))
  assert.deepEqual(made.candidates, [])
  return planFault(made, offers, need(change))
}

describe('an explained plan', () => {
  const made = planOne([
    endpoint('cheap', { price: sheet(0.25, 1) }), endpoint('dear', { price: sheet(0.75, 3) }),
    endpoint('sick', { price: sheet(0.1, 0.1) }), endpoint('shut', { disabled: true }),
  ], {}, { given: { health: { ...WELL, unstable: (id) => id.endsWith('@sick') } } })
  const told = explain(made, need())

  it('says of each candidate what it costs and why it stands where it does', () => {
    assert.deepEqual(told.candidates[0], {
      position: 1, endpoint: 'acme/one@cheap', model: 'acme/one', provider: 'cheap', provider_name: 'Cheap', tag: 'cheap',
      tier: 'default', credential: 'sk-…abcd', weight: 0.9, estimated_cost: 0.000751, worst_cost: 0.009196,
      price_per_million: { prompt: '0.25', completion: '1' }, simulated: false,
      reasons: ['stable', '4.99 times the cost of the cheapest', 'drawn first with a share of 90 %'],
    })
    assert.deepEqual(told.candidates[2]!.reasons, ['failed within the last seconds', 'cheapest'])
  })

  it('says of each endpoint that was left out why', () => {
    assert.deepEqual(told.rejected, [{
      endpoint: 'acme/one@shut', model: 'acme/one', provider: 'shut', why: 'disabled',
      detail: 'the operator or the provider has withdrawn it',
    }])
  })

  it('is plain JSON, with amounts of money as numbers and no secrets', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(told)), told)
  })
})

describe('a plan without candidates', () => {
  it('tells a caller whose prompt is too long the two numbers that clients cut their history by', () => {
    const fault = failed([offer([endpoint('a'), endpoint('b', { contextLength: 200_000, maxOutputTokens: 8_000 })])], {}, {
      inputTokens: 300_000, outputBound: 50_000,
    })
    assert.equal(fault.kind, 'context-length')
    assert.match(fault.message, /^This endpoint's maximum context length is 200000 tokens\. However, you requested about 308000 tokens/)
    assert.deepEqual(fault.availability!['excluded_by'], ['context_length'])
  })

  it('calls it too long also when other endpoints only lack a key', () => {
    const fault = failed([offer([endpoint('a'), endpoint('b', { contextLength: 1_000_000 })])], {}, { inputTokens: 300_000 }, {
      credentials: (provider) => provider === 'a' ? given().credentials('a') : [],
    })
    assert.match(fault.message, /maximum context length is 128000 tokens/)
  })

  it('says that nobody supports tools, in the words that clients look for', () => {
    const fault = failed([offer([endpoint('a', listed('temperature'))])], { requireParameters: true }, { parameters: new Set(['tools']) })
    assert.equal(fault.kind, 'no-endpoint')
    assert.equal(fault.message, 'No endpoints found that support tool use. a: it does not honour tools.')
    assert.deepEqual(fault.availability, {
      code: 'constraint_filtered', retryable: false, requested_models: ['acme/one'], affected_providers: ['a'],
      excluded_by: ['require_parameters'],
      constraint: { field: 'provider.require_parameters', detail: 'it does not honour tools' },
    })
  })

  it('names who serves the model and whom the caller permits', () => {
    const fault = failed([offer([endpoint('a'), endpoint('b')])], { only: ['c'] })
    assert.ok(fault.message.startsWith('No allowed providers are available for the selected model. Providers serving acme/one: a, b, '
      + "but your request's provider.only preference permits only: c."), fault.message)
    assert.deepEqual(fault.availability!['excluded_by'], ['allowed_providers'])
    const closed = failed([offer([endpoint('a')])], { order: ['c'], allowFallbacks: false })
    assert.equal((closed.availability!['constraint'] as { field: string }).field, 'provider.order')
  })

  it('keeps its one reason when tiers that nobody asked for were left out too', () => {
    const fault = failed([offer([endpoint('a'), endpoint('a/priority', { tier: 'priority' })])], { only: ['c'] })
    assert.match(fault.message, /^No allowed providers are available .* permits only: c\. a: your request's/)
    const flex = failed([offer([endpoint('a/flex', { tier: 'flex' }), endpoint('a')])], { zdr: true }, {}, { serviceTier: 'flex' })
    assert.equal(flex.availability!['code'], 'privacy_restricted')
  })

  it('says which data policy was not met, and that it is a matter of privacy', () => {
    const fault = failed([offer([endpoint('a')])], { zdr: true })
    assert.match(fault.message, /^No endpoints found matching your data policy \(provider\.zdr\)\./)
    assert.equal(fault.availability!['code'], 'privacy_restricted')
    assert.deepEqual(fault.availability!['excluded_by'], ['data_policy:zdr'])
  })

  it('says which modality nobody takes', () => {
    assert.match(failed([offer([endpoint('a')])], {}, { inputModalities: new Set(['text', 'image']) }).message,
      /^No endpoints found that support image input\./)
    assert.match(failed([offer([endpoint('a')])], {}, { outputModalities: new Set(['audio']) }).message,
      /^No endpoints found that support audio output\./)
  })

  it('names the keys that are missing, five of them and how many more', () => {
    const many = Array.from({ length: 12 }, (_, i) => endpoint(`p${i}`))
    const nobody = { credentials: () => [], remedy: (provider: string) => `set ${provider.toUpperCase()}_API_KEY` }
    const fault = failed([offer(many)], {}, {}, nobody)
    assert.equal(fault.availability!['code'], 'no_endpoints')
    assert.match(fault.message, /^No endpoints found for acme\/one\. There is no key for P0: set P0_API_KEY; .*P4_API_KEY; and 7 more\.$/)
    const made = plan(need(), [offer(many)], given({}, nobody))
    assert.match(planFault(made, [offer(many)], need(), nobody).message, /No key for p0 \(set P0_API_KEY\), .* and 7 more\.$/)
  })

  it('gives every group its reason when several conditions stand in the way', () => {
    const fault = failed([offer([endpoint('a', { quantization: 'int4' }), endpoint('b', { quantization: 'fp8', price: sheet(9) }), endpoint('c', { disabled: true })])], {
      quantizations: ['fp8'], maxPrice: { prompt: 1n },
    })
    for (const part of [/a: its quantization is int4/, /b: it asks \$9 per million prompt tokens/, /c: .*withdrawn/]) assert.match(fault.message, part)
    assert.deepEqual(fault.availability!['excluded_by'], ['quantization', 'max_price'])
  })

  it('points from a free variant that nobody gives to the paid model', () => {
    const fault = failed([offer([endpoint('a')], ['free'])])
    assert.equal(fault.availability!['code'], 'free_variant_ended')
    assert.deepEqual(fault.availability!['fallback_models'], ['acme/one'])
  })

  it('has something to say when the model has no endpoint at all', () => {
    assert.match(failed([offer([])]).message, /nobody serves it here/)
  })

  it('stays short, however many endpoints there are', () => {
    const many = Array.from({ length: 300 }, (_, i) => endpoint(`provider-${i}`, i % 3 ? { contextLength: 10 + i } : { disabled: true }))
    assert.ok(failed([offer(many)], { only: ['x'] }, {}).message.length < 2_000)
  })
})
