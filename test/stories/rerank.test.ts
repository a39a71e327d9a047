import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, startSignalbox, startUpstream, together, type Sending } from './signalbox.ts'

/** Documents in the order of what they have to do with a query: routed, told and paid for as everything else. */

const upstream = await startUpstream()
const selling = (slug: string, given: Parameters<typeof providerAt>[2] = {}) =>
  providerAt(slug, `${upstream.url}/${slug}`, { model: 'acme/rank', dialect: 'jina-rerank', row: { kind: 'rerank' }, prompt: 1, completion: 0, ...given })
const box = await startSignalbox({
  config: together(
    selling('alpha'), selling('beta', { prompt: 2 }),
    selling('units', { model: 'acme/units', endpoint: { pricing: { search_unit: '0.002' } } }),
  ),
})

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const post = (body: unknown, more: Sending = {}, path = '/api/v1/rerank') => box.send('POST', path, { body, ...more })
async function ranked(body: Loose, path?: string): Promise<Loose> {
  const response = await post({ model: 'acme/rank', ...body }, {}, path)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text) as Loose
}
async function refused(body: Loose, status: number): Promise<Loose> {
  const response = await post({ model: 'acme/rank', ...body })
  const parsed = await response.json() as Loose
  assert.equal(response.status, status, JSON.stringify(parsed))
  return parsed['error'] as Loose
}

const QUERY = 'trains on one track'
const DOCUMENTS = ['Tea is served at four.', 'Two trains never share one track.', 'Trains are late.']
const AT_ALPHA = { provider: { only: ['alpha'] } }

describe('A caller with documents', () => {
  test('has them back in order, the best first, each with its score and its place, at both addresses', async () => {
    for (const path of ['/api/v1/rerank', '/v1/rerank']) {
      const reply = await ranked({ query: QUERY, documents: DOCUMENTS, ...AT_ALPHA }, path)
      assert.deepEqual(reply['results'], [
        { index: 1, relevance_score: 0.75, document: { text: DOCUMENTS[1] } },
        { index: 2, relevance_score: 0.25, document: { text: DOCUMENTS[2] } },
        { index: 0, relevance_score: 0, document: { text: DOCUMENTS[0] } },
      ])
      assert.deepEqual([reply['model'], reply['provider']], ['acme/rank', 'alpha'])
      assert.match(reply['id'], /^gen-/)
    }
    assert.deepEqual((upstream.requests.at(-1)!.body as Loose)['documents'], DOCUMENTS)
  })

  test('has only so many as were wanted, and may write documents as objects', async () => {
    const reply = await ranked({ query: QUERY, documents: DOCUMENTS.map((text) => ({ text })), top_n: 1, ...AT_ALPHA })
    assert.deepEqual(reply['results'].map((one: Loose) => one['index']), [1])
  })

  test('pays for the tokens that the provider counted, and finds the same on record', async () => {
    upstream.next({ usage: { input: 815, output: 0 } })
    const reply = await ranked({ query: QUERY, documents: DOCUMENTS, ...AT_ALPHA })
    assert.deepEqual(reply['usage'], { cost: 0.000815, total_tokens: 815 })
    const record = await box.generation(reply['id'])
    assert.deepEqual([record['total_cost'], record['api_type'], record['tokens_prompt']], [0.000815, 'rerank', 815])
  })

  test('of more than a provider takes at once has them sent in pieces, and in one order again', async () => {
    const documents = Array.from({ length: 2100 }, (_, at) => (at === 2099 ? 'trains on one track' : at === 7 ? 'one track' : 'tea'))
    const before = upstream.requests.length
    const reply = await ranked({ query: QUERY, documents, top_n: 2, ...AT_ALPHA })
    assert.equal(upstream.requests.length - before, 2)
    assert.deepEqual(reply['results'].map((one: Loose) => [one['index'], one['relevance_score']]), [[2099, 1], [7, 0.5]])
  })
})

test('When the first provider is down, the second puts the documents in order, and one is paid', async () => {
  upstream.next({ status: 503 }, { path: '/alpha/' })
  const reply = await ranked({ query: QUERY, documents: DOCUMENTS, provider: { order: ['alpha', 'beta'] } })
  assert.equal(reply['provider'], 'beta')
  assert.equal(upstream.requests.at(-1)!.path, '/beta/rerank')
})

test('A place that no document has is no answer: the next provider is asked', async () => {
  upstream.next({ body: { model: 'rank', results: [{ index: 9, relevance_score: 1 }] } }, { path: '/alpha/' })
  assert.equal((await ranked({ query: QUERY, documents: DOCUMENTS, provider: { order: ['alpha', 'beta'] } }))['provider'], 'beta')
})

describe('What is sold by search units', () => {
  const told = (units: number) => ({ body: { results: [{ index: 0, relevance_score: 1 }], meta: { billed_units: { search_units: units } } } })

  test('costs as many as the provider billed', async () => {
    upstream.next(told(3))
    const reply = await ranked({ model: 'acme/units', query: 'a', documents: ['b'] })
    assert.deepEqual(reply['usage'], { cost: 0.006, search_units: 3 })
    assert.equal((await box.generation(reply['id']))['total_cost'], 0.006)
  })

  test('is bounded beforehand by one for each hundred documents', async () => {
    const plan = await box.explain({ model: 'acme/units', query: 'a', documents: Array.from({ length: 201 }, () => 'b') })
    assert.equal(plan.candidates[0]!['worst_cost'], 0.006)
  })
})

describe('A request to rank that cannot be meant', () => {
  const cases: readonly [string, Loose, RegExp][] = [
    ['no query', { documents: ['a'] }, /^query: /],
    ['no documents', { query: 'a', documents: [] }, /^documents: /],
    ['a document of nothing', { query: 'a', documents: ['b', {}] }, /^documents\[1\]: needs a text/],
    ['a picture without an address', { query: 'a', documents: [{ image: 'file:///etc/passwd' }] }, /^documents\[0\]\.image: /],
    ['none wanted', { query: 'a', documents: ['b'], top_n: 0 }, /^top_n: /],
  ]
  for (const [name, body, says] of cases) {
    test(`is refused by the name of its field: ${name}`, async () => assert.match((await refused(body, 400))['message'], says))
  }

  test('has a picture that no endpoint looks at', async () => {
    const error = await refused({ query: 'a', documents: [{ image: 'https://example.com/a.png' }] }, 404)
    assert.match(error['message'], /support image input/)
  })

  test('is larger than what may hold the server up', async () => {
    const error = await refused({ query: 'a', documents: ['x'.repeat(9 * 1024 * 1024)] }, 413)
    assert.match(error['message'], /send its list in several/)
  })
})

test('none of it was a fault of ours', () => assert.deepEqual(box.complaints, []))
