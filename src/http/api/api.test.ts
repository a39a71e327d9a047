import assert from 'node:assert/strict'
import { gunzipSync, brotliDecompressSync } from 'node:zlib'
import { after, before, describe, it } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import { fault, NO_USAGE, usage, type Asked, type Generation } from '../../core/index.ts'
import { LARGE_BYTES, type Explanation } from '../../gateway/index.ts'
import { createConformance } from '../openapi.ts'
import { createHttp, type Http } from '../server.ts'
import { CHAT, get, KEY, post, servicesWith } from '../stand-ins.test.ts'
import { request as plainRequest } from 'node:http'

const GENERATION: Generation = {
  id: 'gen-1795160000-abcdefghijklmnopqrst', createdAt: 1_795_160_000_123, keyId: KEY.id, workspace: 'default', surface: 'openai-chat',
  requested: 'gpt-5', model: 'openai/gpt-5', endpoint: 'openai/gpt-5@openai', provider: 'openai', providerName: 'OpenAI', upstreamId: 'chatcmpl-1',
  streamed: true, cancelled: false, simulated: false, finish: 'stop', nativeFinish: 'stop', fault: null, latencyMs: 812.4, durationMs: 2000.6,
  usage: usage({ total: 1000, cacheRead: 400, cacheWrite5m: 100 }, { total: 50, reasoning: 20 }), cost: 140_000n, absorbed: 0n,
  price: {
    rates: { prompt: 1_000_000_000_000n, completion: 2_000_000_000_000n, input_cache_read: 100_000_000_000n, input_cache_write: 1_250_000_000_000n },
    overrides: [], source: 'catalogue',
  },
  tier: null, untried: 0, referer: 'https://app.example/', title: 'App', categories: [], userAgent: 'test/1', user: 'u1', session: 's1',
  inputMedia: 1, inputAudio: 0, quality: null, sampling: null,
  attempts: [
    {
      endpoint: 'openai/gpt-5@azure', provider: 'azure', providerName: 'Azure', model: 'openai/gpt-5', credential: 'c', startedAt: 1, headersMs: 31.5,
      durationMs: 32, status: 500, upstreamId: null, outcome: 'failed', fault: 'upstream-error', message: 'boom',
    },
    {
      endpoint: 'openai/gpt-5@openai', provider: 'openai', providerName: 'OpenAI', model: 'openai/gpt-5', credential: 'c', startedAt: 2, headersMs: 700,
      durationMs: 1900, status: 200, upstreamId: 'chatcmpl-1', outcome: 'answered', fault: null, message: null,
    },
  ],
}

describe('the API of the catalogue', () => {
  let http: Http
  let sdk: OpenRouter
  let conforms: ReturnType<typeof createConformance>
  before(async () => {
    http = createHttp(servicesWith(undefined, { generations: [GENERATION, { ...GENERATION, id: 'gen-none', model: null, providerName: null, usage: NO_USAGE, price: null, attempts: [] }] }))
    await http.listen({ port: 0, host: '127.0.0.1' })
    sdk = new OpenRouter({ serverURL: `${http.address()}/api/v1`, apiKey: 'good', retryConfig: { strategy: 'none' } })
    conforms = createConformance(http.document())
  })
  after(() => http.close())

  // oxlint-disable-next-line typescript/no-explicit-any -- foreign JSON, told apart by the assertions on it
  type Loose = any
  const json = async (path: string, status = 200): Promise<Loose> => {
    const response = await get(http, path)
    assert.equal(response.status, status, path)
    const got = await response.json()
    assert.equal(conforms({ method: 'GET', path, status, got }), null)
    return got
  }

  it('lists every model in a shape that the official SDK takes', async () => {
    let seen = 0
    for await (const page of await sdk.models.list({ outputModalities: 'all' })) seen += page.result.data.length
    const listed = await json('/api/v1/models?output_modalities=all')
    assert.ok(seen > 600)
    assert.equal(listed.total_count, seen)
    assert.equal(listed.data.length, seen)
    assert.equal(listed.links.next, null)
  })

  it('leaves out by default what writes no text, and what is retired', async () => {
    const ids = new Set((await json('/api/v1/models')).data.map((model: Loose) => model.id))
    const all = (await json('/api/v1/models?output_modalities=all')).data
    assert.ok(ids.size > 300 && ids.size < all.length)
    assert.ok(all.every((model: Loose) => model.status !== 'retired'))
    assert.ok(!ids.has('openai/text-embedding-3-small'))
  })

  it('states prices as decimal strings, and -1 where none is known', async () => {
    const { data } = await json('/api/v1/models?q=gpt-5&model_authors=openai')
    const gpt5 = data.find((model: Loose) => model.id === 'openai/gpt-5')
    assert.equal(gpt5.pricing.prompt, '0.00000125')
    assert.equal(gpt5.pricing.completion, '0.00001')
    const unpriced = (await json('/api/v1/models?output_modalities=all')).data.filter((model: Loose) => model.pricing.prompt === '-1')
    assert.ok(unpriced.length > 0 && unpriced.length < 200)
  })

  it('filters, sorts and pages', async () => {
    const cheap = (await json('/api/v1/models?max_price=0.5&sort=pricing-low-to-high&providers=deepinfra&context=100000')).data
    assert.ok(cheap.length > 3)
    const prices = cheap.map((model: Loose) => Number(model.pricing.prompt))
    assert.deepEqual(prices, prices.toSorted((a: number, b: number) => a - b))
    assert.ok(prices.every((price: number) => price <= 0.5e-6))
    assert.ok(cheap.every((model: Loose) => model.context_length >= 100_000))
    const first = await json('/api/v1/models?limit=3&input_modalities=image,audio')
    assert.equal(first.data.length, 3)
    assert.equal(first.links.next, '/api/v1/models?limit=3&input_modalities=image%2Caudio&offset=3'.replace('limit=3&input_modalities=image%2Caudio', 'input_modalities=image%2Caudio&limit=3'))
    const second = await json(first.links.next)
    assert.ok(second.data.every((model: Loose) => !first.data.some((one: Loose) => one.id === model.id)))
    assert.equal((await json('/api/v1/models/count?output_modalities=text')).data.count, (await json('/api/v1/models')).total_count)
  })

  it('refuses filters that it has no figures for and values out of range, by name', async () => {
    for (const [query, name] of [['category=legal', 'category'], ['limit=0', 'limit'], ['sort=best', 'sort'], ['context=long', 'context']]) {
      const { error } = await json(`/api/v1/models?${query}`, 400)
      assert.match(error.message, new RegExp(`^${name} `))
    }
  })

  it('pages as the SDK walks them', async () => {
    let seen = 0
    for await (const page of await sdk.embeddings.listModels({ limit: 20 })) seen += page.result.data.length
    assert.equal(seen, (await json('/api/v1/embeddings/models')).total_count)
    assert.ok(seen > 20)
  })

  it('shows one model and its endpoints to the SDK, by id, by alias and with an escaped variant', async () => {
    const { data } = await sdk.models.get({ author: 'openai', slug: 'gpt-5' })
    assert.equal(data.id, 'openai/gpt-5')
    assert.equal((await json('/api/v1/model/openai/gpt-5-2025-08-07')).data.id, 'openai/gpt-5')
    const endpoints = await sdk.endpoints.list({ author: 'openai', slug: 'gpt-5' })
    assert.ok(endpoints.data.endpoints.length > 1)
    const free = (await json('/api/v1/models?q=:free')).data[0].id as string
    assert.equal((await json(`/api/v1/model/${free.replace(':', '%3A')}`)).data.id, free)
  })

  it('takes every model\'s endpoints through the SDK\'s checks', async () => {
    const { data } = await json('/api/v1/models?output_modalities=all')
    for (const { id } of data.filter((_: unknown, i: number) => i % 9 === 0)) {
      const [author, slug] = id.split('/')
      const { data: model } = await sdk.endpoints.list({ author, slug })
      assert.ok(model.endpoints.length > 0, id)
    }
  })

  it('says 404 for a model that it does not know', async () => {
    await json('/api/v1/model/nobody/nothing', 404)
    await json('/api/v1/models/nobody/nothing/endpoints', 404)
  })

  it('says what a moving alias stands for', async () => {
    const { data } = await json('/api/v1/models?output_modalities=all')
    const alias = data.find((model: Loose) => model.alias_target)
    assert.ok(alias)
    assert.equal((await json(`/api/v1/model/${alias.alias_target.slug}`)).data.name, alias.alias_target.name)
  })

  it('lists providers and endpoints that keep no data as the SDK wants them', async () => {
    assert.ok((await sdk.providers.list()).data.length > 100)
    const zdr = await sdk.endpoints.listZdrEndpoints()
    assert.ok(zdr.data.length > 0)
    await json('/api/v1/providers')
    await json('/api/v1/endpoints/zdr')
  })

  it('shows OpenAI clients at /v1/models only what the key can call', async () => {
    const { object, data } = await json('/v1/models')
    assert.equal(object, 'list')
    assert.ok(data.some((model: Loose) => model.id === 'openai/gpt-5' && model.owned_by === 'openai' && Number.isInteger(model.created)))
    assert.ok(!data.some((model: Loose) => model.id.startsWith('anthropic/')), 'there is no key to Anthropic')
    assert.equal((await fetch(`${http.address()}/v1/models`)).status, 401)
    const user = await sdk.models.listForUser({ bearer: 'good' }, { outputModalities: 'all' })
    assert.equal(user.result.data.length, data.length)
  })

  it('narrows the lists by the settings of the key', async () => {
    const { FACE } = await import('../stand-ins.test.ts')
    const closed = { ...FACE, decode: () => ({ asked: { preferences: { models: [], only: ['azure'] } } }) } as never
    const other = createHttp({
      ...servicesWith(undefined, { key: { ...KEY, settings: { provider: { only: ['azure'] } } } }),
      dialects: new Map([['openai-chat', { name: 'openai-chat', inbound: closed }]]),
    })
    await other.listen({ port: 0, host: '127.0.0.1' })
    const { data } = await (await get(other, '/v1/models')).json() as { data: { id: string }[] }
    assert.ok(!data.some((model) => model.id === 'openai/gpt-5'))
    await other.close()
  })

  it('answers 304 to who has the list already, and sends it compressed to who reads that', async () => {
    const response = await get(http, '/api/v1/models')
    const etag = response.headers.get('etag')!
    await response.arrayBuffer()
    const again = await get(http, '/api/v1/models', { 'if-none-match': `"x", ${etag}` })
    assert.equal(again.status, 304)
    assert.equal(again.headers.get('etag'), etag)
    assert.equal(await again.text(), '')
    assert.notEqual((await get(http, '/api/v1/models?limit=5', { 'if-none-match': etag })).status, 304)
    const compressed = async (encoding: string) => new Promise<{ encoding: string | undefined; body: Buffer; vary: string | undefined }>((resolve, reject) => {
      plainRequest(`${http.address()}/api/v1/models`, { headers: { 'accept-encoding': encoding } }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve({ encoding: answer.headers['content-encoding'], body: Buffer.concat(chunks), vary: answer.headers.vary }))
      }).on('error', reject).end()
    })
    const plain = await compressed('identity')
    const gzip = await compressed('gzip;q=0.5')
    const brotli = await compressed('gzip, deflate, br')
    assert.deepEqual([plain.encoding, gzip.encoding, brotli.encoding], [undefined, 'gzip', 'br'])
    assert.equal(gzip.vary, 'Accept-Encoding')
    assert.ok(gunzipSync(gzip.body).equals(plain.body) && brotliDecompressSync(brotli.body).equals(plain.body))
    assert.ok(brotli.body.length * 5 < plain.body.length)
  })

  it('gives the record of a call with every field that the SDK demands', async () => {
    const { data } = await sdk.generations.getGeneration({ id: GENERATION.id })
    assert.equal(data.totalCost, 0.00014)
    assert.equal(data.providerResponses!.length, 2)
    const raw = (await json(`/api/v1/generation?id=${GENERATION.id}`)).data
    assert.equal(raw.created_at, '2026-11-20T07:33:20.123Z')
    assert.equal(raw.latency, 812)
    assert.equal(raw.generation_time, 1188)
    assert.equal(raw.native_tokens_cached, 400)
    // 400 tokens at 0.9 µ$ saved, 100 tokens at 0.25 µ$ spent on writing.
    assert.equal(raw.cache_discount, 0.000335)
    assert.deepEqual(raw.provider_responses.map((one: Loose) => [one.status, one.error_type ?? null]), [[500, 'provider_unavailable'], [200, null]])
    assert.equal((await json('/api/v1/generation?id=gen-none')).data.model, 'gpt-5')
  })

  it('knows no generation of another workspace, and asks for an id', async () => {
    await json('/api/v1/generation?id=gen-other', 404)
    const { error } = await json('/api/v1/generation', 400)
    assert.match(error.message, /^id is required/)
  })

  it('explains a plan without calling anything', async () => {
    const made: Explanation = {
      chosen: { endpoint: 'a/m@p', provider_name: 'P', estimated_cost: 0.00005, worst_cost: 0.0015 },
      strategy: 'balanced', models: ['a/m'], pipeline: [], ignored: ['debug'], hedge: { opens: false, why: 'neither the request nor the policy asks for one' },
      coalesce: { shares: false, why: 'neither the request nor the policy asks for it' },
      need: { prompt_tokens: 5, max_tokens: null, input_modalities: ['text'], output_modalities: ['text'], parameters: ['tools'] },
      candidates: [{
        position: 1, endpoint: 'a/m@p', model: 'a/m', provider: 'p', provider_name: 'P', tag: 'p', tier: 'default', credential: 'sk-…abcd', weight: 0.9,
        estimated_cost: 0.00005, worst_cost: 0.0015, price_per_million: { prompt: '0.25', completion: '1' }, simulated: false, reasons: ['cheapest'],
      }],
      rejected: [{ endpoint: 'a/m@q', provider: 'q', model: 'a/m', why: 'no_credential', detail: 'set Q_API_KEY' }],
    }
    const services = servicesWith()
    const explaining = createHttp({ ...services, gateway: { ...services.gateway, explain: async () => made } })
    await explaining.listen({ port: 0, host: '127.0.0.1' })
    const response = await post(explaining, '/api/v1/route/explain', CHAT)
    const got = await response.json() as unknown
    assert.equal(conforms({ method: 'POST', path: '/api/v1/route/explain', sent: CHAT, status: response.status, got }), null)
    assert.deepEqual(got, { data: made })
    assert.equal(services.calls.length, 0)
    await explaining.close()
    assert.equal((await post(http, '/api/v1/route/explain', CHAT)).status, 404)
  })

  it('has a request of many megabytes read in the thread for its plan, too, and hears how it shall be explained', async () => {
    const heard: unknown[] = []
    const asked: Asked = {
      operation: { type: 'chat', request: { messages: [], sampling: {}, extras: { seen: true, at: 1795000000, policy: { max_output: 'drop' } } } },
      preferences: { models: ['a/m'] }, plugins: [], stream: false, ignored: [],
    }
    let isChat = true
    const services = servicesWith(undefined, { large: { read: async (bytes) => {
      heard.push(bytes.length)
      if (!isChat) return { fault: fault('invalid-request', 'messages: is required', { field: 'messages' }) }
      return { asked, large: { encode: async () => ({ fault: fault('internal', 'nothing is written here') }) } }
    } } })
    const explaining = createHttp({ ...services, gateway: { ...services.gateway, explain: async (of, how) => {
      heard.push(of.operation.type === 'chat' && of.operation.request.extras, how)
      return { fault: fault('no-endpoint', 'nothing can take this') }
    } } })
    after(() => explaining.close())
    await explaining.listen({ port: 0, host: '127.0.0.1' })
    const body = JSON.stringify({ ...CHAT, padding: 'x'.repeat(LARGE_BYTES) })
    assert.equal((await post(explaining, '/api/v1/route/explain', body)).status, 404)
    assert.deepEqual(heard, [body.length, { seen: true }, { at: 1795000000_000, policy: { maxOutput: 'drop' }, workspace: 'default' }])
    // What is no chat is read as before.
    isChat = false
    heard.length = 0
    assert.equal((await post(explaining, '/api/v1/route/explain', body)).status, 404)
    assert.equal(heard.length, 3)
  })
})
