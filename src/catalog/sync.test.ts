import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { compare, ConfigError, createCatalog, diffTable, NO_OVERLAY, overlayYaml, syncCatalog, type Overlay } from './index.ts'
import { perToken, readModelsDev, readOpenRouter } from './live.ts'

const FACES = new Set(['openai-chat'])
const catalogOf = (overlay: Partial<Overlay> = {}) => createCatalog({ overlay: { ...NO_OVERLAY, ...overlay }, faces: FACES, settings: () => ({}) })
/** A catalogue with one provider of two models, so that a list can be written down whole. */
const OWN: Partial<Overlay> = {
  providers: { acme: { base_url: 'https://acme.example/v1' } },
  models: [{ id: 'acme/one' }, { id: 'acme/two' }, { id: 'acme/three' }],
  endpoints: [
    { model: 'acme/one', provider: 'acme', pricing: { prompt: '0.000001', completion: '0.000002' }, context_length: 8000 },
    { model: 'acme/two', provider: 'acme', pricing: { prompt: '0.000001', completion: '0.000002' } },
  ],
}
const snapshot = catalogOf(OWN).snapshot()

test('a price and a limit that changed, a model that came and one that went are each a line', () => {
  const result = compare('models.dev', [
    { provider: 'acme', upstreamModel: 'one', pricing: { prompt: '0.000001', completion: '0.000003' }, contextLength: 16_000 },
    { provider: 'acme', upstreamModel: 'three', pricing: { prompt: '0.000005', completion: '0.000006' } },
    { provider: 'acme', upstreamModel: 'nobody-knows-this', pricing: { prompt: '0.1', completion: '0.1' } },
  ], snapshot)
  assert.deepEqual(result.diff, [
    { what: 'price', id: 'acme/one@acme', field: 'completion', from: '0.000002', to: '0.000003' },
    { what: 'limit', id: 'acme/one@acme', field: 'context_length', from: '8000', to: '16000' },
    { what: 'added', id: 'acme/three@acme' },
    { what: 'unmatched', id: 'acme: nobody-knows-this' },
    { what: 'removed', id: 'acme/two@acme' },
  ])
  assert.match(diffTable(result), /^change +endpoint +field +here +there\nprice +acme\/one@acme +completion +0\.000002 +0\.000003\n/)
  assert.match(diffTable(result), /models\.dev: 1 price, 1 limit, 1 added, 1 unmatched, 1 removed\.\n$/)
})

test('approving the differences brings them into force, through a file as it would be written', () => {
  const result = compare('models.dev', [
    { provider: 'acme', upstreamModel: 'one', pricing: { prompt: '0.000001', completion: '0.000003' }, contextLength: 16_000 },
    { provider: 'acme', upstreamModel: 'three', pricing: { prompt: '0.000005', completion: '0.000006' } },
  ], snapshot)
  const section = parse(overlayYaml(result.overlay)) as Pick<Overlay, 'endpoints'>
  const after = catalogOf({ ...OWN, endpoints: [...OWN.endpoints!, ...section.endpoints] }).snapshot()
  const [one] = after.endpointsOf('acme/one')
  assert.deepEqual([one?.price?.rates.completion, one?.price?.rates.prompt, one?.contextLength], [3_000_000_000_000n, 1_000_000_000_000n, 16_000])
  assert.equal(after.endpointsOf('acme/three')[0]?.price?.rates.prompt, 5_000_000_000_000n)
  assert.equal(after.endpointsOf('acme/two')[0]?.disabled, true)
  assert.deepEqual(compare('models.dev', [
    { provider: 'acme', upstreamModel: 'one', pricing: { prompt: '0.000001', completion: '0.000003' }, contextLength: 16_000 },
    { provider: 'acme', upstreamModel: 'three', pricing: { prompt: '0.000005', completion: '0.000006' } },
  ], after).diff, [])
})

test('a list that says the same changes nothing', () => {
  const result = compare('models.dev', [
    { provider: 'acme', upstreamModel: 'one', pricing: { prompt: '0.000001', completion: '0.000002' }, contextLength: 8000 },
    { provider: 'acme', upstreamModel: 'two' },
  ], snapshot)
  assert.deepEqual(result.diff, [])
  assert.equal(diffTable(result), 'models.dev: nothing has changed.\n')
})

test("a new model of OpenRouter's is billed by what its answers state, and its listed price only bounds that", async () => {
  const sold = snapshot.models.filter(({ row }) => row.alias_target === undefined).flatMap(({ row }) => snapshot.endpointsOf(row.id))
    .filter(({ provider }) => provider === 'openrouter')
  const unpriced = sold.filter(({ model, price }) => price === null && snapshot.model(model)?.row.kind === 'chat').map(({ id }) => id)
  const known = sold.map(({ upstreamModel, contextLength, maxOutputTokens }) => ({
      id: upstreamModel, context_length: contextLength, top_provider: { max_completion_tokens: maxOutputTokens }, pricing: { prompt: '9', completion: '9' },
    }))
  const fresh = {
    id: 'newlab/brand-new', name: 'New Lab: Brand New', created: 1793000000, context_length: 1000,
    architecture: { input_modalities: ['text'], output_modalities: ['text'] }, pricing: { prompt: '0.000001', completion: '0.000004', request: 'free' },
  }
  const asked: string[] = []
  const result = await syncCatalog('openrouter', {
    snapshot, settings: () => ({}), get: (url) => { asked.push(url); return Promise.resolve({ data: [...known, fresh, { no: 'id' }] }) },
  })
  assert.deepEqual(asked, ['https://openrouter.ai/api/v1/models'])
  assert.deepEqual(result.diff.filter(({ what }) => what !== 'price'), [{ what: 'added', id: 'newlab/brand-new@openrouter' }])
  assert.deepEqual([...new Set(result.diff.filter(({ what }) => what === 'price').map(({ id }) => id))], unpriced, 'only what had no bound gets one')
  const after = catalogOf(result.overlay).snapshot()
  const [endpoint] = after.endpointsOf('newlab/brand-new')
  for (const id of unpriced) {
    assert.equal(after.endpointsOf(id.slice(0, id.indexOf('@'))).find((candidate) => candidate.id === id)?.price?.source, 'stated', id)
  }
  assert.deepEqual([endpoint?.price?.source, endpoint?.price?.rates.completion, endpoint?.upstreamModel], ['stated', 4_000_000_000_000n, 'newlab/brand-new'])
})

test("a provider's own list is asked at its own address", async () => {
  const asked: string[] = []
  const result = await syncCatalog('acme', {
    snapshot, settings: () => ({}), get: (url) => { asked.push(url); return Promise.resolve({ object: 'list', data: [{ id: 'one', context_window: 8000 }] }) },
  })
  assert.deepEqual(asked, ['https://acme.example/v1/models'])
  assert.deepEqual(result.diff, [{ what: 'removed', id: 'acme/two@acme' }])
})

test('an empty or broken list withdraws nothing', async () => {
  for (const body of [{}, { data: [] }, null, 'no', { data: [{ name: 'x' }] }]) {
    await assert.rejects(syncCatalog('acme', { snapshot, settings: () => ({}), get: () => Promise.resolve(body) }), ConfigError)
  }
  await assert.rejects(syncCatalog('acmee', { snapshot, settings: () => ({}), get: () => Promise.resolve({}) }), /did you mean acme\?/)
})

test('a price per million becomes the exact price per token', () => {
  assert.equal(perToken(0.15), '0.00000015')
  assert.equal(perToken(15), '0.000015')
  assert.equal(perToken(0), '0')
  assert.equal(perToken(1e-7), '0.0000000000001')
  for (const bad of [-1, NaN, '3', null, Infinity, 1e9]) assert.equal(perToken(bad), undefined)
})

test('what a list holds beside what it should is left out', () => {
  assert.deepEqual(readModelsDev({
    acme: { models: { one: { id: 'one', cost: { input: 1, output: 'two', cache_read: 0.1 }, limit: { context: 8000, output: -1 } } } },
    stranger: { models: { x: {} } }, broken: 5,
  }, (id) => id === 'acme' ? 'acme' : undefined), [{
    provider: 'acme', upstreamModel: 'one', contextLength: 8000, maxOutputTokens: undefined,
    pricing: { prompt: '0.000001', input_cache_read: '0.0000001' }, inputModalities: undefined, outputModalities: undefined,
  }])
  assert.deepEqual(readOpenRouter({ data: [{ id: 'a/b', pricing: { prompt: '-1', completion: '1e-6' } }] })[0]?.pricing, undefined)
})
