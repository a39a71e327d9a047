import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Offer } from '../core/index.ts'
import { createCatalog, NO_OVERLAY, type Overlay } from './index.ts'

const FACES = new Set(['openai-chat', 'anthropic-messages', 'google-generate-content'])
const catalogWith = (overlay: Partial<Overlay> = {}) =>
  createCatalog({ overlay: { ...NO_OVERLAY, ...overlay }, faces: FACES, settings: () => ({}) })
const snapshot = catalogWith().snapshot()

const offered = (reference: string, from = snapshot): Offer => {
  const resolved = from.offer(reference)
  assert.ok('offer' in resolved, `${reference}: ${'fault' in resolved ? resolved.fault.message : 'a router'}`)
  return resolved.offer
}
const routed = (reference: string) => {
  const resolved = snapshot.offer(reference)
  assert.ok('router' in resolved, `${reference} is no router`)
  return resolved.router
}
const refused = (reference: string, from = snapshot) => {
  const resolved = from.offer(reference)
  assert.ok('fault' in resolved, `${reference} is answered`)
  return resolved.fault
}

test('an id, its dated slug, its alias and its bare names all reach the same model', () => {
  for (const name of ['openai/gpt-5.3-codex', 'openai/gpt-5-3-codex', 'gpt-5.3-codex', 'gpt-5-3-codex']) {
    assert.equal(offered(name).model.id, 'openai/gpt-5.3-codex', name)
  }
  assert.equal(offered('openai/o3-mini-2025-01-31').model.id, 'openai/o3-mini')
})

test("OpenAI's, Anthropic's and Google's clients are understood though they name no author", () => {
  assert.equal(offered('gpt-5.3-chat-latest').model.id, 'openai/gpt-5.3-chat')
  assert.equal(offered('claude-sonnet-4-5').model.id, 'anthropic/claude-sonnet-4.5')
  assert.equal(offered('gemini-2.5-pro').model.id, 'google/gemini-2.5-pro')
})

test('every chat model on sale resolves by its own id to itself, with endpoints', () => {
  for (const { row } of snapshot.models) {
    if (row.kind !== 'chat' || row.status === 'retired') continue
    const offer = offered(row.id)
    assert.equal(offer.model.id, row.id)
    assert.ok(offer.endpoints.length > 0, row.id)
  }
})

test('letters in the wrong case still reach the model', () => {
  assert.equal(offered('OpenAI/GPT-4o').model.id, 'openai/gpt-4o')
  assert.equal(offered('Claude-Sonnet-4-5').model.id, 'anthropic/claude-sonnet-4.5')
})

test('dynamic variants are taken off and kept in the order in which they were asked for', () => {
  const offer = offered('openai/gpt-4o:online:nitro')
  assert.equal(offer.model.id, 'openai/gpt-4o')
  assert.deepEqual(offer.variants, ['online', 'nitro'])
  assert.equal(offer.requested, 'openai/gpt-4o:online:nitro')
  assert.deepEqual(offered('gpt-4o:floor').variants, ['floor'])
})

test('a free variant is a model of its own, and a dynamic one stacks on it', () => {
  const offer = offered('openai/gpt-oss-20b:free:online')
  assert.equal(offer.model.id, 'openai/gpt-oss-20b:free')
  assert.deepEqual(offer.variants, ['online'])
})

test('a free variant that has ended, or never was, is a 404 that names the paid model', () => {
  for (const name of ['openai/gpt-oss-120b:free', 'openai/gpt-4o:free']) {
    const fault = refused(name)
    assert.equal(fault.kind, 'no-endpoint')
    assert.equal(fault.availability?.['code'], 'free_variant_ended')
    assert.deepEqual(fault.availability?.['fallback_models'], [name.replace(':free', '')])
  }
})

test('a bare name that a model and its free variant share means the model', () => {
  assert.equal(offered('gemma-4-26b-a4b-it-20260403').model.id, 'google/gemma-4-26b-a4b-it')
})

test('a bare name that is one id and the alias of another means the id', () => {
  assert.equal(offered('devstral-medium-2507').model.id, 'mistralai/devstral-medium-2507')
})

test('a bare name with two owners is a 400 that lists both', () => {
  const two = catalogWith({ models: [{ id: 'acme/gpt-4o' }] }).snapshot()
  const fault = refused('gpt-4o', two)
  assert.equal(fault.kind, 'ambiguous-model')
  assert.match(fault.message, /openai\/gpt-4o/)
  assert.match(fault.message, /acme\/gpt-4o/)
})

test('a moving alias answers as the model that it stands for at present', () => {
  const offer = offered('~anthropic/claude-sonnet-latest:nitro')
  assert.equal(offer.model.id, snapshot.model('~anthropic/claude-sonnet-latest')?.row.alias_target)
  assert.deepEqual(offer.variants, ['nitro'])
  for (const { row } of snapshot.models) {
    if (row.kind === 'alias') assert.ok(offered(row.id).endpoints.length > 0, row.id)
  }
})

test('a moving alias moves to the newest model of its family by date, and to none that only shares its beginning', () => {
  const row = (id: string, released: string, more = {}) => ({ id, released, ...more })
  const own = catalogWith({ models: [
    row('anthropic/claude-sonnet-6', '2026-11-01'), row('anthropic/claude-sonnet-6-fast', '2026-11-02'), row('anthropic/claude-sonnet', '2026-11-03', { status: 'deprecated' }),
    row('acme/claude-sonnet-7', '2026-11-04'), { id: 'anthropic/claude-sonnet-8' },
  ] }).snapshot()
  assert.equal(offered('~anthropic/claude-sonnet-latest', own).model.id, 'anthropic/claude-sonnet-6')
  assert.equal(offered('~anthropic/claude-sonnet-latest', own).via, 'latest')
  assert.equal(offered('anthropic/claude-sonnet-5.5', own).via, undefined)
})

test("by its words alone every moving alias finds the target that the catalogue states, so a newer row moves it and no row is misread", () => {
  for (const entry of snapshot.models) {
    if (entry.row.kind === 'alias') assert.equal(snapshot.targetOf(entry)?.row.id, entry.row.alias_target, entry.row.id)
  }
})

test("what the operator says of an alias stands, whatever is newer", () => {
  const own = catalogWith({ models: [{ id: '~anthropic/claude-sonnet-latest', alias_target: 'anthropic/claude-sonnet-4.5' }] }).snapshot()
  assert.equal(offered('~anthropic/claude-sonnet-latest', own).model.id, 'anthropic/claude-sonnet-4.5')
})

test('variants stack in any order, the static ones on their own rows', () => {
  for (const name of ['openai/gpt-oss-20b:nitro:free', 'openai/gpt-oss-20b:free:nitro']) {
    assert.deepEqual([offered(name).model.id, offered(name).variants], ['openai/gpt-oss-20b:free', ['nitro']], name)
  }
  assert.deepEqual(offered('openai/gpt-5:thinking:floor').variants, ['floor', 'thinking'])
})

test(':free on a model without a row for it means the endpoints that the operator has free of charge', () => {
  const own = catalogWith({
    providers: { mine: { base_url: 'http://10.0.0.5/v1' } },
    endpoints: [{ model: 'openai/gpt-4o', provider: 'mine', pricing: 'free' }],
  }).snapshot()
  assert.deepEqual([offered('openai/gpt-4o:free', own).model.id, offered('openai/gpt-4o:free', own).variants], ['openai/gpt-4o', ['free']])
})

test(':thinking is for models that reason, and :extended for those that are listed with it: the others say what they can do', () => {
  assert.deepEqual(offered('openai/gpt-5:thinking').variants, ['thinking'])
  for (const [name, why] of [
    ['openai/gpt-4o:thinking', /not a valid model ID: openai\/gpt-4o does not reason/],
    ['openai/gpt-4o:extended', /has no :extended variant; the largest context of openai\/gpt-4o is \d+ tokens/],
    ['openai/gpt-4o:batch', /has no :batch variant/], ['openai/gpt-4oo:extended', /openai\/gpt-4oo:extended is not a valid model ID/],
  ] as const) {
    assert.equal(refused(name).kind, 'model-not-found', name)
    assert.match(refused(name).message, why)
  }
  const own = catalogWith({ models: [{ id: 'acme/long', name: 'Long' }, { id: 'acme/long:extended', name: 'Long', context_length: 1_000_000 }] }).snapshot()
  assert.equal(offered('acme/long:extended:nitro', own).model.id, 'acme/long:extended')
})

test('an unknown model is a 400 in the words that clients look for, with near ids', () => {
  const fault = refused('openai/gpt-4oo')
  assert.equal(fault.kind, 'model-not-found')
  assert.match(fault.message, /^openai\/gpt-4oo is not a valid model ID/)
  assert.equal(fault.availability?.['code'], 'model_not_found')
  assert.ok((fault.availability!['fallback_models'] as string[]).includes('openai/gpt-4o'))
  assert.equal(refused('').kind, 'model-not-found')
  assert.equal(refused(':nitro').kind, 'model-not-found')
})

test('a name of a megabyte, or of a hundred thousand variants, costs nothing and is not repeated', () => {
  for (const name of ['x'.repeat(1_000_000), `openai/gpt-4o${':nitro'.repeat(100_000)}`]) {
    const before = process.threadCpuUsage()
    const fault = refused(name)
    assert.ok(process.threadCpuUsage(before).user < 100_000)
    assert.ok(fault.message.length < 120)
    assert.ok(JSON.stringify(fault.availability).length < 300)
  }
})

test('a retired model is a 404 that says so, and names what follows it where the operator does', () => {
  const fault = refused('01-ai/yi-large')
  assert.equal(fault.kind, 'no-endpoint')
  assert.equal(fault.availability?.['code'], 'model_deprecated')
  const named = catalogWith({ models: [{ id: '01-ai/yi-large', successor: 'qwen/qwen3-32b' }] }).snapshot()
  assert.deepEqual(refused('01-ai/yi-large', named).availability?.['fallback_models'], ['qwen/qwen3-32b'])
})

test('a deprecated model still works', () => {
  assert.equal(offered('openai/gpt-5.3-chat').model.status, 'deprecated')
})

test('each operation is offered models of its own kind, and a model that continues texts is one to talk to', () => {
  assert.ok('offer' in snapshot.offer('openai/text-embedding-3-small', 'embed'))
  assert.ok('offer' in snapshot.offer('cohere/rerank-v3.5', 'rerank'))
  assert.equal(offered('openai/gpt-3.5-turbo-instruct').model.kind, 'completion')
  for (const [reference, operation, says] of [
    ['openai/gpt-5.3-codex', 'embed', /is a chat model, not an embedding model: .*POST \/api\/v1\/chat\/completions/],
    ['openai/text-embedding-3-small', 'rerank', /is an embedding model, not a rerank model/],
    ['openrouter/auto', 'embed', /is a router model, not an embedding model/],
  ] as const) {
    const resolved = snapshot.offer(reference, operation)
    assert.ok('fault' in resolved)
    assert.equal(resolved.fault.kind, 'wrong-endpoint')
    assert.match(resolved.fault.message, says)
  }
})

test('a model of another kind is sent to its own route', () => {
  const fault = refused('openai/text-embedding-3-small')
  assert.equal(fault.kind, 'wrong-endpoint')
  assert.equal(fault.availability?.['code'], 'wrong_endpoint')
  assert.match((fault.availability!['constraint'] as { detail: string }).detail, /POST \/api\/v1\/embeddings/)
})

test('a router model is a reference of its own kind, by any of its names, with the variants for whatever it chooses', () => {
  for (const name of ['openrouter/auto', 'signalbox/auto', 'auto', 'OpenRouter/Auto']) {
    assert.deepEqual([routed(name).router, routed(name).requested], ['auto', name])
  }
  assert.deepEqual(routed('openrouter/auto:nitro').variants, ['nitro'])
  for (const name of ['openrouter/free', 'signalbox/free', 'openrouter/auto:free']) assert.equal(routed(name).router, 'free', name)
  for (const name of ['openrouter/auto:thinking', 'openrouter/fusion:free']) assert.match(refused(name).message, /is not for router models/)
  for (const name of ['openrouter/fusion', 'signalbox/fusion', 'openrouter/fusion:nitro']) assert.equal(routed(name).router, 'fusion', name)
})

test('a router model without a rule is refused by name, with those that there are', () => {
  const fault = refused('openrouter/pareto-code')
  assert.equal(fault.kind, 'no-endpoint')
  assert.match(fault.message, /^openrouter\/pareto-code is a router model that is not available here; openrouter\/auto, openrouter\/free and openrouter\/fusion are/)
})

test("the operator's aliases come first, for any string, and may name one another once", () => {
  const own = catalogWith({ modelAliases: { 'gpt-4o': 'best', best: 'anthropic/claude-sonnet-4.5', 'my model': 'openai/gpt-4o:nitro', a: 'b', b: 'c', c: 'd' } }).snapshot()
  assert.equal(offered('gpt-4o', own).model.id, 'anthropic/claude-sonnet-4.5')
  assert.deepEqual(offered('my model', own).variants, ['nitro'])
  assert.equal(offered('best:floor', own).model.id, 'anthropic/claude-sonnet-4.5')
  assert.match(refused('a', own).message, /not a valid model ID/)
})

test('a hidden model is as if it did not exist', () => {
  const own = catalogWith({ models: [{ id: 'openai/gpt-4o', enabled: false }] }).snapshot()
  assert.equal(refused('openai/gpt-4o', own).kind, 'model-not-found')
  assert.equal(own.models.some(({ row }) => row.id === 'openai/gpt-4o'), false)
})

test('any chat model can be simulated on request, and only then while a provider is usable', () => {
  const offer = offered('gpt-4o:demo')
  assert.equal(offer.model.id, 'openai/gpt-4o')
  assert.equal(offer.endpoints.length, 1)
  const [endpoint] = offer.endpoints
  assert.deepEqual(
    [endpoint?.id, endpoint?.provider, endpoint?.providerName, endpoint?.dialect, endpoint?.simulated, endpoint?.price?.rates.prompt],
    ['openai/gpt-4o@demo', 'demo', 'Demo (simulation)', 'demo', true, 0n])
  assert.equal(offered('openai/gpt-4o').endpoints.some(({ simulated }) => simulated), false)
})

test('the demo models are always there, and every chat model joins them while no provider is usable', () => {
  const own = catalogWith()
  const before = own.snapshot()
  for (const slug of ['echo', 'tools', 'slow']) {
    assert.deepEqual(offered(`demo/${slug}`, before).endpoints.map(({ upstreamModel, simulated }) => [upstreamModel, simulated]), [[slug, true]])
  }
  own.simulate(true)
  assert.equal(offered('openai/gpt-4o', own.snapshot()).endpoints.at(-1)?.id, 'openai/gpt-4o@demo')
  assert.equal(refused('01-ai/yi-large', own.snapshot()).availability?.['code'], 'model_deprecated')
  assert.notEqual(own.snapshot().version, before.version)
  own.simulate(false)
  assert.equal(own.snapshot().version, before.version)
})
