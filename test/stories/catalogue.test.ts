import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, startSignalbox, startUpstream, together } from './signalbox.ts'

/** The lists of models, endpoints and providers, as clients read them. What is answered is held against the document each time. */

const upstream = await startUpstream()
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/v1`, { prompt: 1, completion: 2, row: { name: 'Acme One', description: 'Ours.', context_length: 9000 }, endpoint: { context_length: 8000 } }),
    { models: [{ id: 'openai/gpt-4o-mini', enabled: false }] },
  ),
})
// oxlint-disable-next-line typescript/no-explicit-any
const json = async (at: string): Promise<any> => {
  const response = await box.get(at)
  const text = await response.text()
  assert.equal(response.status, 200, `${at}: ${text.slice(0, 300)}`)
  return JSON.parse(text)
}

describe('The list of models', () => {
  test('has every model that somebody serves, ours among them and what the operator hides not', async () => {
    const list = await json('/api/v1/models')
    assert.ok(list.data.length > 300)
    assert.equal(list.total_count, list.data.length)
    assert.equal(list.links.next, null)
    const ours = list.data.find(({ id }: { id: string }) => id === 'acme/one')
    assert.equal(ours.name, 'Acme One')
    assert.equal(ours.description, 'Ours.')
    assert.deepEqual([ours.pricing.prompt, ours.pricing.completion], ['0.000001', '0.000002'])
    assert.equal(list.data.some(({ id }: { id: string }) => id === 'openai/gpt-4o-mini'), false)
    assert.equal((await json('/api/v1/models/count')).data.count, list.total_count)
  })

  test('comes in pages that have no gap and no overlap', async () => {
    const all = (await json('/api/v1/models')).data.map(({ id }: { id: string }) => id) as string[]
    const paged: string[] = []
    for (let next: string | null = '/api/v1/models?limit=150'; next !== null;) {
      const page: { data: { id: string }[]; links: { next: string | null } } = await json(next)
      paged.push(...page.data.map(({ id }) => id))
      next = page.links.next
      assert.ok(paged.length <= all.length, 'the pages never end')
    }
    assert.deepEqual(paged, all)
  })

  test('can be searched, and a filter that does not exist is refused by name', async () => {
    const found = await json('/api/v1/models?q=acme')
    assert.deepEqual(found.data.map(({ id }: { id: string }) => id), ['acme/one'])
    const refused = await box.get('/api/v1/models?colour=red')
    assert.ok([200, 400].includes(refused.status))
    assert.equal((await box.get('/api/v1/models?limit=lots')).status, 400)
  })

  test('is sent once: whoever has it gets a 304, and it travels packed', async () => {
    const first = await fetch(`${box.url}/api/v1/models`, { headers: { 'accept-encoding': 'gzip' } })
    const etag = first.headers.get('etag')!
    assert.equal(first.headers.get('content-encoding'), 'gzip')
    await first.text()
    const second = await fetch(`${box.url}/api/v1/models`, { headers: { 'if-none-match': etag } })
    assert.equal(second.status, 304)
    assert.equal(await second.text(), '')
  })

  test("at OpenAI's address it has OpenAI's shape and only what the key can call now", async () => {
    const list = await json('/v1/models')
    assert.equal(list.object, 'list')
    const ids = list.data.map(({ id }: { id: string }) => id) as string[]
    assert.ok(ids.includes('acme/one'))
    assert.ok(!ids.includes('anthropic/claude-sonnet-4.5'), 'a model without a key to its providers')
    assert.equal((await json('/v1/models/acme/one')).object, 'model')
    const { key } = await box.app.accounts.createKey({ name: 'none', settings: { provider: { ignore: ['acme'] } } })
    const other = await (await fetch(`${box.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json() as { data: { id: string }[] }
    assert.ok(!other.data.some(({ id }) => id === 'acme/one'))
    assert.equal((await fetch(`${box.url}/v1/models`)).status, 401)
  })
})

describe('One model', () => {
  test('shows its endpoints with prices and limits, and what nobody measured is null', async () => {
    const { data } = await json('/api/v1/models/acme/one/endpoints')
    assert.equal(data.id, 'acme/one')
    assert.equal(data.endpoints.length, 1)
    const [endpoint] = data.endpoints
    assert.equal(endpoint.provider_name, 'acme')
    assert.equal(endpoint.context_length, 8000)
    assert.equal(endpoint.pricing.prompt, '0.000001')
    assert.equal(endpoint.latency_last_30m, null)
  })

  test('is found by its canonical slug as well, and o3-mini tells its default effort', async () => {
    assert.equal((await json('/api/v1/model/acme/one')).data.id, 'acme/one')
    const { data } = await json('/api/v1/model/openai/o3-mini')
    assert.equal(data.reasoning.default_effort, 'medium')
    assert.ok(data.description.length > 20)
    assert.equal((await json('/api/v1/model/openai/o3-mini-2025-01-31')).data.id, 'openai/o3-mini')
    assert.equal((await box.get('/api/v1/model/acme/none')).status, 404)
  })
})

describe('The other lists', () => {
  for (const at of ['/api/v1/providers', '/api/v1/endpoints/zdr', '/api/v1/embeddings/models', '/api/v1/models/user', '/healthz', '/readyz', '/openapi.json']) {
    test(`${at} answers as the document says`, async () => {
      const body = await json(at)
      if (Array.isArray(body.data)) assert.ok(body.data.length > 0, 'it is empty')
    })
  }

  test('Metrics count the calls that were made, and name no key', async () => {
    await box.whole({ model: 'acme/one', messages: [{ role: 'user', content: 'Count me' }] })
    const response = await box.get('/metrics')
    const text = await response.text()
    assert.equal(response.status, 200)
    assert.match(text, /^# TYPE /m)
    assert.ok(!text.includes(box.key.slice(9)))
  })
})
