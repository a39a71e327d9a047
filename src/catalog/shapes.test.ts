import { keepsNothing } from '../core/index.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listEndpointsResponseFromJSON, modelsListResponseFromJSON } from '@openrouter/sdk/models'
import { listEndpointsZdrResponseFromJSON, listProvidersResponseFromJSON } from '@openrouter/sdk/models/operations'
import {
  createCatalog, endpointShape, endpointsShape, isListed, modelShape, NO_OVERLAY, openAiModelsShape, providersShape, zdrShape,
} from './index.ts'

const snapshot = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }).snapshot()
const entryOf = (id: string) => {
  const entry = snapshot.model(id)
  assert.ok(entry, id)
  return entry
}
const accepted = <T>(result: { ok: true; value: T } | { ok: false; error: unknown }, what: string): T => {
  assert.ok(result.ok, `${what}: ${result.ok ? '' : String(result.error)}`)
  return result.value
}

test("the official SDK reads every model of the list, retired and routers too, without a validation error", () => {
  const list = { data: snapshot.models.map((entry) => modelShape(entry, snapshot, true)), total_count: snapshot.models.length, links: { next: null } }
  const read = accepted(modelsListResponseFromJSON(JSON.stringify(list)), 'the list')
  assert.equal(read.data.length, snapshot.models.length)
})

test("the official SDK reads every model's endpoints", () => {
  let endpoints = 0
  for (const entry of snapshot.models) {
    const { data } = endpointsShape(entry, snapshot) as { data: unknown }
    endpoints += accepted(listEndpointsResponseFromJSON(JSON.stringify(data)), entry.row.id).endpoints.length
  }
  assert.ok(endpoints > 2300)
})

test('the official SDK reads the providers and the endpoints that keep nothing', () => {
  const providers = accepted(listProvidersResponseFromJSON(JSON.stringify(providersShape(snapshot))), 'providers')
  assert.ok(providers.data.some(({ slug }) => slug === 'openrouter'))
  const zdr = zdrShape(snapshot)
  assert.ok(zdr.data.length > 100)
  accepted(listEndpointsZdrResponseFromJSON(JSON.stringify(zdr)), 'zdr')
})

test('a model says what OpenRouter says, in its words', () => {
  const shape = modelShape(entryOf('openai/o3-mini'), snapshot)
  assert.equal(shape.canonical_slug, 'openai/o3-mini-2025-01-31')
  assert.deepEqual(shape.architecture, {
    modality: 'text+file->text', input_modalities: ['text', 'file'], output_modalities: ['text'], tokenizer: 'GPT', instruct_type: null,
  })
  assert.equal(shape.pricing.prompt, '0.0000011')
  assert.equal((shape['reasoning'] as { default_effort: string }).default_effort, 'medium')
  assert.deepEqual(shape['links'], { details: '/api/v1/models/openai/o3-mini/endpoints' })
  assert.deepEqual([shape['default_effort'], shape['fine_tuning'], shape['per_request_limits']], ['medium', null, null])
})

test('a router model is listed without a price of its own, but for the free one, and the others not at all', () => {
  assert.equal(modelShape(entryOf('openrouter/auto'), snapshot).pricing.prompt, '-1')
  assert.deepEqual(modelShape(entryOf('openrouter/free'), snapshot).pricing, { prompt: '0', completion: '0' })
  assert.deepEqual(['openrouter/auto', 'openrouter/free', 'openrouter/fusion', 'openrouter/pareto-code'].map((id) => isListed(entryOf(id))), [true, true, true, false])
})

test('a model without a known price is not shown as free', () => {
  const unpriced = snapshot.models.filter(({ row }) => row.kind === 'chat' && row.status === 'active')
    .filter(({ row }) => snapshot.endpointsOf(row.id).every(({ price }) => price === null))
  for (const entry of unpriced) assert.equal(modelShape(entry, snapshot).pricing.prompt, '-1', entry.row.id)
  const [suspect] = snapshot.models.flatMap((entry) => snapshot.endpointsOf(entry.row.id).filter(({ unpriced: why }) => why !== null)
    .map((endpoint) => endpointShape(endpoint, entry)))
  assert.deepEqual(suspect?.['pricing'], { prompt: '-1', completion: '-1' })
})

test('long-context prices are shown as overrides, and a discount as a number', () => {
  const [opus] = snapshot.endpointsOf('anthropic/claude-opus-4.6').filter(({ tag }) => tag === 'azure/us-east-2')
  assert.deepEqual((endpointShape(opus!, entryOf('anthropic/claude-opus-4.6'))['pricing'] as { overrides: unknown }).overrides, [
    { min_prompt_tokens: 200_000, prompt: '0.00001', completion: '0.0000375', input_cache_read: '0.000001', input_cache_write: '0.0000125' },
  ])
  const [discounted] = snapshot.endpointsOf('deepseek/deepseek-v3.2').filter(({ provider }) => provider === 'alibaba')
  assert.equal((endpointShape(discounted!, entryOf('deepseek/deepseek-v3.2'))['pricing'] as { discount: unknown }).discount, 0.35)
})

test('a moving alias shows its target, with the price and the endpoints of that', () => {
  const shape = modelShape(entryOf('~anthropic/claude-sonnet-latest'), snapshot)
  const target = entryOf((shape['alias_target'] as { slug: string }).slug)
  assert.deepEqual(shape.pricing, modelShape(target, snapshot).pricing)
})

test('what was measured of an endpoint stands in it, and null where nothing was', () => {
  const entry = entryOf('openai/gpt-4o')
  const [endpoint] = snapshot.endpointsOf('openai/gpt-4o')
  const latency = { p50: 1, p75: 2, p90: 3, p99: 4 }
  const shape = endpointShape(endpoint!, entry, { status: -2, uptime5m: 99.5, uptime30m: null, uptime1d: 98, latency30m: latency, throughput30m: null, duration30m: null, samples30m: 12, probes30m: 5, tries1d: 90, probes1d: 20 })
  assert.deepEqual(
    [shape['status'], shape['uptime_last_5m'], shape['uptime_last_1d'], shape['latency_last_30m'], shape['throughput_last_30m']],
    [-2, 99.5, 98, latency, null])
  assert.equal(endpointShape(endpoint!, entry)['latency_last_30m'], null)
})

test('an endpoint that the operator switched off is not listed', () => {
  const off = createCatalog({
    overlay: { ...NO_OVERLAY, endpoints: [{ id: 'openai/gpt-4o@openai', enabled: false }] }, faces: new Set(), settings: () => ({}),
  }).snapshot()
  const { data } = endpointsShape(off.model('openai/gpt-4o')!, off) as { data: { endpoints: { tag: string }[] } }
  assert.equal(data.endpoints.some(({ tag }) => tag === 'openai'), false)
  assert.ok(data.endpoints.length > 0)
})

test('a provider that did not say what it keeps is not counted as keeping nothing', () => {
  const policies = snapshot.models.flatMap(({ row }) => snapshot.endpointsOf(row.id)).filter((endpoint) => !keepsNothing(endpoint.dataPolicy))
  assert.ok(policies.some(({ dataPolicy }) => dataPolicy.retentionDays === null))
})

test("OpenAI's clients get OpenAI's list", () => {
  const list = openAiModelsShape([entryOf('openai/gpt-4o')])
  assert.deepEqual(list, { object: 'list', data: [{ id: 'openai/gpt-4o', object: 'model', created: 1715558400, owned_by: 'openai' }] })
})
