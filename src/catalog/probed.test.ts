import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesPattern } from '../routing/index.ts'
import { checkProbeFilter, createCatalog, NO_OVERLAY, probedOf } from './index.ts'

const faces = new Set(['openai-chat', 'openai-responses', 'anthropic-messages'])
const snapshot = createCatalog({
  overlay: NO_OVERLAY, faces, facesOf: { embedding: new Set(['openai-embeddings']), rerank: new Set(['cohere-rerank']) }, settings: () => ({}),
}).snapshot()
const NOTHING = { providers: null, models: null, endpoints: null }
const keyed = new Set(['openai', 'anthropic'])
const probed = (filter: Partial<typeof NOTHING> | Record<string, readonly string[]> = {}, hasCredential = (provider: string) => keyed.has(provider)) =>
  probedOf(snapshot, { ...NOTHING, ...filter }, { hasCredential, matches: matchesPattern })

test('what is probed can be called, once, at its ordinary price, and is asked in the way of its kind', () => {
  const all = probed()
  assert.ok(all.size > 20)
  for (const [id, { offer, operation }] of all) {
    const [endpoint, ...others] = offer.endpoints
    assert.deepEqual([others.length, endpoint!.id, endpoint!.tier, endpoint!.disabled, endpoint!.simulated, keyed.has(endpoint!.provider)], [0, id, 'default', false, false, true])
    assert.equal(offer.requested, endpoint!.model, 'no alias is a model of its own')
    assert.equal(operation, snapshot.model(offer.requested)!.row.kind === 'embedding' ? 'embed' : 'chat')
  }
  assert.equal(probed({}, () => false).size, 0, 'without a key there is nobody to ask')
})

test('each list of the filter narrows what is probed; names may be patterns, display names and aliases', () => {
  const ids = (of: ReturnType<typeof probed>) => [...of.keys()]
  assert.deepEqual(ids(probed({ models: ['openai/gpt-4o'] })), ['openai/gpt-4o@openai'])
  assert.ok(ids(probed({ models: ['anthropic/*'] })).every((id) => id.startsWith('anthropic/')))
  assert.deepEqual(ids(probed({ providers: ['OpenAI'] })), ids(probed({ providers: ['openai'] })))
  assert.deepEqual(ids(probed({ providers: ['anthropic'], models: ['openai/*'] })), [])
  assert.deepEqual(ids(probed({ endpoints: ['openai/gpt-4o@*'] })), ['openai/gpt-4o@openai'])
})

test('a name that nothing has is refused with the nearest that there is; patterns, and models of local servers, may be of tomorrow', () => {
  const check = (filter: Partial<Record<keyof typeof NOTHING, readonly string[]>>) => () => checkProbeFilter(snapshot, { ...NOTHING, ...filter })
  assert.throws(check({ providers: ['anthropic', 'opennai'] }), /^ConfigError: probes\.providers\[1\] names "opennai", which is not in the catalogue\. Did you mean openai\?$/)
  assert.throws(check({ models: ['openai/gpt-4oo'] }), /probes\.models\[0\] names "openai\/gpt-4oo".*Did you mean openai\/gpt-4o/)
  assert.throws(check({ endpoints: ['openai/gpt-4o@opena'] }), /probes\.endpoints\[0\] names "openai\/gpt-4o@opena".*Did you mean openai\/gpt-4o@openai\?/)
  assert.throws(check({ endpoints: ['nothing of the kind'] }), /which is not in the catalogue$/)
  assert.doesNotThrow(check({ providers: ['open*'], models: ['ollama/llama3.2:3b', 'nobody/*'], endpoints: ['ollama/llama3.2:3b@ollama', 'openai/gpt-4o@openai'] }))
})
