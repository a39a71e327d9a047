import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFree } from '../core/index.ts'
import { createCatalog, NO_OVERLAY, pricingShape, sellerOf, type Overlay } from './index.ts'

const given = (overlay: Partial<Overlay> = {}) => ({ overlay: { ...NO_OVERLAY, ...overlay }, faces: new Set(['openai-chat']), settings: () => ({}) })
const catalogWith = (overlay: Partial<Overlay> = {}) => createCatalog(given(overlay))

test('every endpoint that asks a price of its own is told once, with the price that the API shows, whether or not it was made before', () => {
  const fresh = catalogWith().snapshot()
  const told = new Map([...fresh.listPrices()].map((it) => [it.endpoint, it]))
  assert.equal(told.size, [...fresh.listPrices()].length)
  let priced = 0
  for (const { row } of fresh.models) {
    if (row.alias_target !== undefined) continue
    for (const { id, price, disabled, simulated } of fresh.endpointsOf(row.id)) {
      const own = price !== null && price.source !== 'stated' && !disabled && !simulated
      assert.equal(told.has(id), own, id)
      if (!own) continue
      priced++
      const { discount: _, ...pricing } = pricingShape(price)
      assert.deepEqual(told.get(id), { endpoint: id, model: row.id, pricing })
    }
  }
  assert.equal(told.size, priced)
  assert.ok(priced > 2000)
  assert.ok([...told.keys()].some((id) => id.endsWith('/priority')), 'tiers too')
  assert.deepEqual(new Map([...fresh.listPrices()].map((it) => [it.endpoint, it])), told)
})

test('what the operator hides or leaves without a price is not on sale, and a free model of this machine has no price that could change', () => {
  const endpoint = { model: 'acme/one', provider: 'openai', pricing: { prompt: '0.000001', completion: '0.000002' } }
  const told = (catalog: ReturnType<typeof catalogWith>) => [...catalog.snapshot().listPrices()].filter(({ model }) => /^(?:acme|ollama)\//.test(model)).map(({ endpoint }) => endpoint)
  const models = [{ id: 'acme/one' }]
  assert.deepEqual(told(catalogWith({ models, endpoints: [endpoint] })), ['acme/one@openai'])
  assert.deepEqual(told(catalogWith({ models, endpoints: [{ ...endpoint, enabled: false }] })), [])
  assert.deepEqual(told(catalogWith({ models: [{ id: 'acme/one', enabled: false }], endpoints: [endpoint] })), [])
  assert.deepEqual(told(catalogWith({ models, endpoints: [{ ...endpoint, pricing: 'free' }] })), ['acme/one@openai'])
  const catalog = catalogWith()
  catalog.discovered('ollama', { models: [{ id: 'ollama/tiny' }], endpoints: [{ model: 'ollama/tiny', provider: 'ollama', provider_model_id: 'tiny', pricing: 'free' }] })
  assert.ok(isFree(catalog.snapshot().endpointsOf('ollama/tiny')[0]!.price!))
  assert.deepEqual(told(catalog), [])
})

test('who sold an endpoint is known after it went, and after its provider went', () => {
  const at = catalogWith().snapshot()
  assert.deepEqual(sellerOf(at, 'a/gone@deepinfra/turbo'), { tag: 'deepinfra/turbo', providerName: 'DeepInfra' })
  assert.deepEqual(sellerOf(at, 'a/gone@was-ours/fast'), { tag: 'was-ours/fast', providerName: 'was-ours/fast' })
})
