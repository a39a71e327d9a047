import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, createCatalog, NO_OVERLAY, type Overlay } from './index.ts'

const FACES = new Set(['openai-chat', 'anthropic-messages', 'google-generate-content'])
const catalogWith = (overlay: Partial<Overlay> = {}, settings: Record<string, string> = {}, faces = FACES) =>
  createCatalog({ overlay: { ...NO_OVERLAY, ...overlay }, faces, settings: () => settings }).snapshot()
const endpointOf = (id: string, overlay: Partial<Overlay> = {}, settings: Record<string, string> = {}, faces = FACES) => {
  const found = catalogWith(overlay, settings, faces).endpointsOf(id.slice(0, id.indexOf('@'))).find((endpoint) => endpoint.id === id)
  assert.ok(found, `${id} exists`)
  return found
}
const refuses = (overlay: Partial<Overlay>, message: RegExp) => assert.throws(() => catalogWith(overlay), (error: unknown) => {
  assert.ok(error instanceof ConfigError, String(error))
  assert.match(error.message, message)
  return true
})

test('the whole catalogue loads well within a start', () => {
  catalogWith()
  // By the time that this thread worked, whatever else the machine does.
  const before = process.threadCpuUsage()
  const snapshot = catalogWith()
  const { user, system } = process.threadCpuUsage(before)
  const took = (user + system) / 1000
  assert.ok(snapshot.models.length > 800)
  assert.ok(took < 480, `took ${took} ms; the target is 120 ms on a quiet machine`)
})

test('a row that nobody may be billed by has no price and says why', () => {
  const reasons = new Map<string, number>()
  for (const { row } of catalogWith().models) {
    for (const endpoint of catalogWithAll.endpointsOf(row.id)) {
      assert.equal(endpoint.price === null, endpoint.unpriced !== null, endpoint.id)
      if (endpoint.unpriced) reasons.set(endpoint.unpriced, (reasons.get(endpoint.unpriced) ?? 0) + 1)
    }
  }
  assert.ok(reasons.get('price_suspect')! >= 5)
  assert.ok(reasons.get('zero_listed')! >= 60)
  assert.ok(reasons.get('pricing_unknown')! >= 30)
})
const catalogWithAll = catalogWith()

test('a free variant is free, and a plain model that is listed at zero is not', () => {
  const free = catalogWithAll.endpointsOf('openai/gpt-oss-20b:free').find((endpoint) => endpoint.provider !== 'openrouter')
  assert.equal(free?.price?.rates.prompt, 0n)
  for (const { row } of catalogWithAll.models) {
    if (row.id.endsWith(':free')) continue
    for (const endpoint of catalogWithAll.endpointsOf(row.id)) {
      if (!endpoint.price || endpoint.simulated) continue
      assert.ok(Object.values(endpoint.price.rates).some((rate) => rate > 0n), `${endpoint.id} would be free`)
    }
  }
})

test("OpenRouter offers each chat model that it lists, at the cost that it states, bounded by the dearest known row", () => {
  const endpoint = catalogWithAll.endpointsOf('openai/gpt-4o').find(({ provider }) => provider === 'openrouter')
  assert.equal(endpoint?.upstreamModel, 'openai/gpt-4o')
  assert.equal(endpoint?.price?.source, 'stated')
  assert.equal(endpoint?.dialect, 'openai-chat')
  for (const other of catalogWithAll.endpointsOf('openai/gpt-4o')) {
    for (const [key, rate] of Object.entries(other.price?.rates ?? {})) {
      assert.ok((endpoint.price.rates[key as 'prompt'] ?? 0n) >= rate, `${other.id}: ${key}`)
    }
  }
  for (const { row } of catalogWithAll.models) {
    const own = catalogWithAll.endpointsOf(row.id).filter(({ provider }) => provider === 'openrouter')
    if (row.kind === 'chat' && row.openrouter_listed === 'yes' && row.status !== 'retired') assert.equal(own.length, 1, row.id)
    for (const { price } of own) assert.ok(price === null || price.source === 'stated', row.id)
  }
})

test('a mode that is a billing tier becomes an endpoint of that tier, with its body, headers and price', () => {
  const fast = endpointOf('anthropic/claude-opus-5@anthropic/priority')
  assert.equal(fast.tier, 'priority')
  assert.equal(fast.tag, 'anthropic/priority')
  assert.deepEqual(fast.forcedParams, { speed: 'fast' })
  assert.deepEqual(fast.forcedHeaders, { 'anthropic-beta': 'fast-mode-2026-02-01' })
  assert.equal(fast.price?.rates.prompt, 10_000_000_000_000n)
  const long = endpointOf('openai/gpt-5.4@openai/priority')
  assert.equal(long.maxPromptTokens, 272_000, 'its price beyond is not known')
  assert.deepEqual(long.forcedParams, { service_tier: 'priority' })
})

test('o3-mini-high is sent as o3-mini with effort high', () => {
  const high = endpointOf('openai/o3-mini-high@openai')
  assert.equal(high.upstreamModel, 'o3-mini')
  assert.deepEqual(high.forcedParams, { reasoning_effort: 'high' })
})

test('OpenAI is spoken to by Responses for models that reason, and by chat completions for those that stop where they are told', () => {
  const all = new Set([...FACES, 'openai-responses'])
  assert.equal(endpointOf('openai/gpt-5.4@openai').dialect, 'openai-chat', 'without such a face')
  assert.equal(endpointOf('openai/gpt-5.4@openai', {}, {}, all).dialect, 'openai-responses')
  for (const id of ['openai/gpt-4o@openai', 'openai/gpt-4.1@openai', 'openai/gpt-audio@openai']) assert.equal(endpointOf(id, {}, {}, all).dialect, 'openai-chat', id)
})

test('a model that exists only on the Responses route is not tried on another', () => {
  const codex = endpointOf('openai/gpt-5.3-codex@openai')
  assert.equal(codex.dialect, null)
  assert.deepEqual(codex.protocols, ['openai-responses'])
  assert.equal(endpointOf('openai/gpt-5.3-codex@aimlapi').dialect, 'openai-chat')
  const azure = endpointOf('openai/gpt-5-codex@azure', {}, { AZURE_RESOURCE_NAME: 'acme' }, new Set([...FACES, 'openai-responses']))
  assert.deepEqual([azure.dialect, azure.baseUrl], ['openai-responses', 'https://acme.openai.azure.com/openai/v1'])
})

test('models of vectors, of rankings and of texts that go on are each asked in a format that is for them, where their provider has one', () => {
  const facesOf = { completion: new Set(['openai-completions']), embedding: new Set(['openai-chat', 'cohere-v2']), rerank: new Set(['cohere-v2']) }
  const snapshot = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat', 'openai-completions', 'openai-responses']), facesOf, settings: () => ({ resource: 'acme' }) }).snapshot()
  const dialectAt = (id: string): string | null => snapshot.endpointsOf(id.slice(0, id.indexOf('@'))).find((endpoint) => endpoint.id === id)!.dialect
  assert.equal(dialectAt('openai/text-embedding-3-small@openai'), 'openai-chat')
  assert.equal(dialectAt('cohere/embed-v4.0@cohere'), 'cohere-v2')
  assert.equal(dialectAt('cohere/rerank-v3.5@cohere'), 'cohere-v2')
  assert.equal(dialectAt('voyageai/voyage-3.5@voyageai'), null)
  assert.equal(dialectAt('openai/gpt-3.5-turbo-instruct@openai'), 'openai-completions')
  assert.equal(dialectAt('openai/gpt-3.5-turbo-instruct@azure'), 'openai-completions')
  const chatOnly = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }).snapshot()
  assert.equal(chatOnly.endpointsOf('openai/gpt-3.5-turbo-instruct').find(({ provider }) => provider === 'openai')!.dialect, 'openai-chat')
})

test('a parameter that the wire format has no word for is not promised, whatever the row lists', () => {
  const given = { overlay: NO_OVERLAY, faces: new Set([...FACES, 'openai-responses']), settings: () => ({}) }
  const parameters = (unspoken?: ReadonlyMap<string, ReadonlySet<string>>) =>
    createCatalog({ ...given, ...(unspoken && { unspoken }) }).snapshot().endpointsOf('openai/gpt-5.4').find(({ provider }) => provider === 'openai')!.parameters!
  assert.ok(parameters().has('seed'))
  const spoken = parameters(new Map([['openai-responses', new Set(['seed'])]]))
  assert.ok(!spoken.has('seed') && spoken.has('tools'))
})

test('a cloud is reached only by the protocol of the row, and Claude on Vertex by none of ours', () => {
  assert.equal(endpointOf('openai/gpt-5@azure').dialect, null)
  assert.equal(endpointOf('anthropic/claude-fable-5@google-vertex').dialect, null)
})

test('an address with a placeholder is no address until a setting or a variable fills it', () => {
  const id = catalogWithAll.models.flatMap(({ row }) => catalogWithAll.endpointsOf(row.id)).find(({ provider }) => provider === 'cloudflare')!.id
  assert.equal(endpointOf(id).baseUrl, null)
  assert.equal(endpointOf(id, {}, { account_id: 'abc' }).baseUrl, 'https://api.cloudflare.com/client/v4/accounts/abc/ai/v1')
  assert.equal(endpointOf(id, {}, { CLOUDFLARE_ACCOUNT_ID: 'xyz' }).baseUrl, 'https://api.cloudflare.com/client/v4/accounts/xyz/ai/v1')
})

test("Gemini on Vertex keeps the part of its path that is not Google's usual one", () => {
  const gemini = catalogWith({}, { project: 'p1', location: 'us-east5' }).endpointsOf('google/gemini-2.5-pro')
    .find(({ provider, dialect }) => provider === 'google-vertex' && dialect === 'google-generate-content')
  assert.equal(gemini?.baseUrl, 'https://us-east5-aiplatform.googleapis.com/v1/projects/p1/locations/us-east5/publishers/google')
})

test("Google's host of a location is not the same for all of them, and its partners' models are there too", () => {
  const hostOf = (location: string, model = 'google/gemini-2.5-pro'): string | undefined => {
    const found = catalogWith({}, { project: 'p1', GOOGLE_VERTEX_LOCATION: location }).endpointsOf(model).find(({ provider }) => provider === 'google-vertex')
    return found?.baseUrl ? new URL(found.baseUrl).host : undefined
  }
  assert.equal(hostOf('europe-west4'), 'europe-west4-aiplatform.googleapis.com')
  assert.equal(hostOf('global'), 'aiplatform.googleapis.com')
  assert.equal(hostOf('us'), 'aiplatform.us.rep.googleapis.com')
  assert.equal(hostOf('eu'), 'aiplatform.eu.rep.googleapis.com')
  assert.equal(hostOf('global', 'openai/gpt-oss-120b'), 'aiplatform.googleapis.com')
})

test('Claude on Vertex has a face of its own, up to the publisher', () => {
  const faces = new Set([...FACES, 'anthropic-messages/vertex-raw-predict'])
  const claude = endpointOf('anthropic/claude-fable-5@google-vertex', {}, { project: 'p1', location: 'us-east5' }, faces)
  assert.equal(claude.dialect, 'anthropic-messages/vertex-raw-predict')
  assert.equal(claude.baseUrl, 'https://us-east5-aiplatform.googleapis.com/v1/projects/p1/locations/us-east5')
})

test("Azure's addresses: the new one by itself, the older ones with the deployment in their path and the version behind", () => {
  const faces = new Set([...FACES, 'azure-openai'])
  const at = (id: string, settings: Record<string, string>) => endpointOf(id, {}, { resource: 'res', ...settings }, faces).baseUrl
  assert.equal(at('openai/gpt-5@azure', {}), 'https://res.openai.azure.com/openai/v1')
  assert.equal(at('openai/gpt-5@azure', { api_version: '2024-10-21' }), 'https://res.openai.azure.com/openai/deployments/gpt-5?api-version=2024-10-21')
  assert.equal(at('cohere/command-a@azure', {}), 'https://res.services.ai.azure.com/models?api-version=2024-05-01-preview')
  assert.equal(at('cohere/command-a@azure', { api_version: '2026-01-01' }), 'https://res.services.ai.azure.com/models?api-version=2026-01-01')
})

test("an operator's address that ends like that of another protocol of the provider means that protocol", () => {
  const faces = new Set([...FACES, 'cohere-v2'])
  const dialectAt = (address: string) => endpointOf('cohere/command-a@cohere', { providers: { cohere: { base_url: address } } }, {}, faces).dialect
  assert.equal(dialectAt('http://127.0.0.1:9/v2'), 'cohere-v2')
  assert.equal(dialectAt('http://127.0.0.1:9/compatibility/v1'), 'openai-chat')
  assert.equal(dialectAt('http://127.0.0.1:9/anything'), 'cohere-v2')
})

test("an operator's address and dialect stand before the catalogue's", () => {
  const own = { providers: { openai: { base_url: 'http://127.0.0.1:9/v1/' }, anthropic: { base_url: 'http://127.0.0.1:8', dialect: 'openai-chat' } } }
  assert.equal(endpointOf('openai/gpt-4o@openai', own).baseUrl, 'http://127.0.0.1:9/v1')
  const claude = endpointOf('anthropic/claude-sonnet-4.5@anthropic', own)
  assert.deepEqual([claude.baseUrl, claude.dialect], ['http://127.0.0.1:8', 'openai-chat'])
  refuses({ providers: { openai: { dialect: 'openai-chats' } } }, /providers\.openai\.dialect must be one of .*openai-chat.* is "openai-chats"/)
})

test('a new provider needs only an address, a new model an id, a new endpoint model, provider and pricing', () => {
  const endpoint = endpointOf('acme/one@acme-cloud', {
    providers: { 'acme-cloud': { base_url: 'http://10.0.0.1/v1', name: 'Acme Cloud' } },
    models: [{ id: 'acme/one' }],
    endpoints: [{ model: 'acme/one', provider: 'acme-cloud', pricing: { prompt: '0.000001', completion: '0.000002' } }],
  })
  assert.deepEqual(
    [endpoint.upstreamModel, endpoint.dialect, endpoint.baseUrl, endpoint.providerName, endpoint.parameters, endpoint.contextLength, endpoint.price?.source],
    ['one', 'openai-chat', 'http://10.0.0.1/v1', 'Acme Cloud', null, null, 'operator'])
})

test('a row of the catalogue is changed field by field, lists are replaced, and the rest stays', () => {
  const overlay = {
    models: [{ id: 'openai/gpt-4o', aliases: ['acme/four'], name: 'Ours' }],
    endpoints: [{ id: 'openai/gpt-4o@openai', pricing: { prompt: '0.000001' }, supported_parameters: ['tools'] }],
  }
  const snapshot = catalogWith(overlay)
  assert.equal(snapshot.model('acme/four')?.row.name, 'Ours')
  assert.equal(snapshot.model('acme/four')?.row.context_length, 128000)
  const endpoint = endpointOf('openai/gpt-4o@openai', overlay)
  assert.deepEqual(endpoint.price?.rates, { prompt: 1_000_000_000_000n, completion: 10_000_000_000_000n, input_cache_read: 1_250_000_000_000n })
  assert.deepEqual([...endpoint.parameters!], ['tools'])
  assert.equal(endpoint.parametersSource, 'operator')
})

test('an operator prices what the catalogue could not, in whole, or says that it is free', () => {
  const suspect = [...catalogWithAll.models].flatMap(({ row }) => catalogWithAll.endpointsOf(row.id)).find(({ unpriced }) => unpriced === 'price_suspect')!
  const priced = endpointOf(suspect.id, { endpoints: [{ id: suspect.id, pricing: { prompt: '0.000001', completion: '0' } }] })
  assert.deepEqual(priced.price?.rates, { prompt: 1_000_000_000_000n, completion: 0n })
  const free = endpointOf(suspect.id, { endpoints: [{ id: suspect.id, pricing: 'free' }] })
  assert.deepEqual([free.price?.rates.prompt, free.price?.source], [0n, 'operator'])
})

test("an operator's half price sheet is incomplete, not half free", () => {
  const half = endpointOf('acme/one@together', { models: [{ id: 'acme/one' }], endpoints: [{ model: 'acme/one', provider: 'together', pricing: { prompt: '0.000001' } }] })
  assert.deepEqual([half.price, half.unpriced], [null, 'incomplete'])
})

test('an endpoint or a provider that is switched off is there but disabled', () => {
  assert.equal(endpointOf('openai/gpt-4o@openai', { endpoints: [{ id: 'openai/gpt-4o@openai', enabled: false }] }).disabled, true)
  assert.equal(endpointOf('openai/gpt-4o@openai', { providers: { openai: { enabled: false } } }).disabled, true)
})

test('a bad row is refused with its place, its name, what is wrong and what would be right', () => {
  const model = { id: 'acme/one' }
  refuses({ models: [model, { id: 'acme/two', contxt_length: 5 } as never] }, /^models\[1\] \(acme\/two\): contxt_length is not a known key; did you mean context_length\?$/)
  refuses({ models: [{ id: 'acme/two', context_length: 'long' as never }] }, /^models\[0\] \(acme\/two\): context_length must be a whole number of at least 1, is "long"/)
  refuses({ models: [{ id: 'nameless' }] }, /models\[0\] \(nameless\): id must be/)
  refuses({ endpoints: [{ model: 'acme/on', provider: 'openai', pricing: 'free' }], models: [model] }, /endpoints\[0\] .*model names no model \(did you mean acme\/one\?\)/)
  refuses({ endpoints: [{ model: 'acme/one', provider: 'opnai', pricing: 'free' }], models: [model] }, /provider names no provider \(did you mean openai\?\)/)
  refuses({ endpoints: [{ model: 'acme/one', provider: 'openai' }], models: [model] }, /pricing is required of a new endpoint/)
  refuses({ endpoints: [{ model: 'acme/one', provider: 'openai', pricing: { prompt: 0.5 as never } }], models: [model] }, /pricing\.prompt must be .*decimal strings in quotes/)
  refuses({ endpoints: [{ model: 'acme/one', provider: 'openai', pricing: { promt: '1' } }], models: [model] }, /pricing\.promt is not a known key; did you mean prompt\?/)
  refuses({ endpoints: [{ provider: 'openai', pricing: 'free' }] }, /an endpoint needs model and provider/)
  refuses({ providers: { acme: {} } }, /providers\.acme is not a provider of the catalogue; a new one needs its base_url/)
})

test('a price of more than eighteen decimals is an error that names the row', () => {
  refuses({ endpoints: [{ id: 'openai/gpt-4o@openai', pricing: { prompt: '0.0000000000000000001' } }] }, /openai\/gpt-4o@openai: pricing\.prompt must be dollars .* at most 18 decimals/)
})

test('a reload with a bad row leaves the old catalogue in force', () => {
  const given = { overlay: NO_OVERLAY, faces: FACES, settings: () => ({}) }
  const catalog = createCatalog(given)
  const before = catalog.snapshot()
  assert.throws(() => catalog.reload({ ...given, overlay: { ...NO_OVERLAY, models: [{ id: 'x' }] } }), ConfigError)
  assert.equal(catalog.snapshot(), before)
  catalog.reload({ ...given, overlay: { ...NO_OVERLAY, models: [{ id: 'acme/one' }] } })
  assert.ok(catalog.snapshot().model('acme/one'))
  assert.notEqual(catalog.snapshot().version, before.version)
})

test('what a local server offers is there at price 0, and goes when the server offers it no more', () => {
  const catalog = createCatalog({ overlay: NO_OVERLAY, faces: FACES, settings: () => ({}) })
  const row = (name: string) => ({
    models: [{ id: `ollama/${name}` }],
    endpoints: [{ model: `ollama/${name}`, provider: 'ollama', provider_model_id: name, pricing: 'free' as const, protocol: 'openai-chat', base_url: 'http://127.0.0.1:11434/v1', own_address: true }],
  })
  catalog.discovered('ollama', row('llama3.2:3b'))
  const resolved = catalog.snapshot().offer('ollama/llama3.2:3b')
  assert.ok('offer' in resolved)
  const [endpoint] = resolved.offer.endpoints
  assert.deepEqual([endpoint?.upstreamModel, endpoint?.price?.rates.prompt, endpoint?.baseUrl, endpoint?.dialect],
    ['llama3.2:3b', 0n, 'http://127.0.0.1:11434/v1', 'openai-chat'])
  catalog.discovered('ollama', row('qwen3:8b'))
  assert.ok('fault' in catalog.snapshot().offer('ollama/llama3.2:3b'))
})

test('the version is the same for the same rows', () => {
  assert.equal(catalogWith().version, catalogWithAll.version)
  assert.notEqual(catalogWith({ modelAliases: { a: 'b' } }).version, catalogWithAll.version)
})
