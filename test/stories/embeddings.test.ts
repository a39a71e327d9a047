import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, startSignalbox, startUpstream, together, type Sending } from './signalbox.ts'

/** Vectors: asked for in OpenAI's words, made by whichever provider of the model is best, paid for by what it says. */

const upstream = await startUpstream()
const EMBEDDING = { kind: 'embedding' }
const selling = (slug: string, model: string, given: Parameters<typeof providerAt>[2] = {}) =>
  providerAt(slug, `${upstream.url}/${slug}`, { model, row: EMBEDDING, endpoint: { context_length: 100 }, prompt: 1, completion: 0, ...given })
const box = await startSignalbox({
  config: together(
    selling('alpha', 'acme/vec', { prompt: 1 }),
    selling('beta', 'acme/vec', { prompt: 2 }),
    selling('alpha', 'acme/other'),
    providerAt('alpha', `${upstream.url}/alpha`, { model: 'acme/talk' }),
  ),
})

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const post = (path: string, body: unknown, more: Sending = {}) => box.send('POST', path, { body, ...more })
async function embedded(body: Loose, more: Sending = {}): Promise<Loose> {
  const response = await post('/api/v1/embeddings', { model: 'acme/vec', ...body }, more)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text) as Loose
}
async function refused(body: unknown, status: number, path = '/api/v1/embeddings'): Promise<Loose> {
  const response = await post(path, body)
  const parsed = await response.json() as Loose
  assert.equal(response.status, status, JSON.stringify(parsed))
  return parsed['error'] as Loose
}
const sent = () => upstream.requests.at(-1)!
const floatsOf = (base64: string): number[] => {
  const bytes = Buffer.from(base64, 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
}
const AT_ALPHA = { provider: { only: ['alpha'] } }
/** In this order, whoever failed a test ago. */
const ALPHA_FIRST = { provider: { order: ['alpha', 'beta'] } }

describe('A caller of vectors', () => {
  test('gets one for each text, in the order of the texts, at both addresses', async () => {
    for (const path of ['/api/v1/embeddings', '/v1/embeddings']) {
      const response = await post(path, { model: 'acme/vec', input: ['One thing', 'another'], ...AT_ALPHA })
      const reply = await response.json() as Loose
      assert.equal(response.status, 200, JSON.stringify(reply))
      assert.deepEqual([reply['object'], reply['model'], reply['provider']], ['list', 'acme/vec', 'alpha'])
      assert.deepEqual(reply['data'].map((one: Loose) => [one['object'], one['index'], one['embedding'].length]), [['embedding', 0, 8], ['embedding', 1, 8]])
      assert.match(reply['id'], /^gen-/)
      assert.equal(response.headers.get('x-generation-id'), reply['id'])
      assert.deepEqual(sent().body, { model: 'vec', input: ['One thing', 'another'] })
    }
  })

  test('has the same texts at the same places when the provider answers in another order', async () => {
    const straight = await embedded({ input: ['a b', 'c'], ...AT_ALPHA })
    upstream.next({ shapes: ['backwards'] })
    assert.deepEqual((await embedded({ input: ['a b', 'c'], ...AT_ALPHA }))['data'], straight['data'])
  })

  test('reads the same numbers from base64 as from a list, to the last bit', async () => {
    const input = ['The very same', 'twice']
    const listed = await embedded({ input, ...AT_ALPHA })
    const packed = await embedded({ input, encoding_format: 'base64', ...AT_ALPHA })
    assert.deepEqual(packed['data'].map((one: Loose) => floatsOf(one['embedding'])), listed['data'].map((one: Loose) => one['embedding']))
    // The provider is not known to take the field, and sends numbers unasked.
    assert.equal((sent().body as Loose)['encoding_format'], undefined)
  })

  test('gets hundreds of long ones, which a thread reads and writes, as they would have come one by one', async () => {
    const input = Array.from({ length: 60 }, (_, at) => `Text ${at}`)
    const all = await embedded({ input, dimensions: 1536, ...AT_ALPHA })
    assert.deepEqual(all['data'].map((one: Loose) => [one['object'], one['index'], one['embedding'].length]), input.map((_, at) => ['embedding', at, 1536]))
    const [last] = (await embedded({ input: input.at(-1), dimensions: 1536, ...AT_ALPHA }))['data']
    assert.deepEqual(all['data'].at(-1)['embedding'], last['embedding'])
    const packed = await embedded({ input, dimensions: 1536, encoding_format: 'base64', ...AT_ALPHA })
    assert.deepEqual(packed['data'].map((one: Loose) => floatsOf(one['embedding'])), all['data'].map((one: Loose) => one['embedding']))
    assert.equal((await box.generation(all['id']))['total_cost'], all['usage'].cost)
  })

  test('pays for the tokens that the provider counted, and finds the same on record', async () => {
    upstream.next({ usage: { input: 1234, output: 0 } })
    const reply = await embedded({ input: 'Any', ...AT_ALPHA })
    assert.equal(reply['usage'].prompt_tokens, 1234)
    assert.equal(reply['usage'].total_tokens, 1234)
    assert.equal(reply['usage'].cost, 0.001234)
    const record = await box.generation(reply['id'])
    assert.equal(record['total_cost'], 0.001234)
    assert.equal(record['tokens_prompt'], 1234)
    assert.equal(record['api_type'], 'embeddings')
    assert.equal(record['streamed'], false)
  })

  test('pays for what we count where the provider counts nothing', async () => {
    upstream.next({ usage: null })
    const reply = await embedded({ input: ['one two three', 'four'], ...AT_ALPHA })
    assert.ok(reply['usage'].prompt_tokens >= 4 && reply['usage'].prompt_tokens <= 8, JSON.stringify(reply['usage']))
    assert.ok(reply['usage'].cost > 0)
  })

  test('may send tokens, alone or in a list, and they arrive as they are', async () => {
    await embedded({ input: [1, 2, 3] })
    assert.deepEqual((sent().body as Loose)['input'], [[1, 2, 3]])
    await embedded({ input: [[1, 2], [3]] })
    assert.deepEqual((sent().body as Loose)['input'], [[1, 2], [3]])
  })

  test('may shorten the vectors, and say what no one here has a word for', async () => {
    const reply = await embedded({ input: 'Short', dimensions: 4, ...AT_ALPHA })
    assert.equal(reply['data'][0].embedding.length, 4)
    assert.equal((sent().body as Loose)['dimensions'], 4)
  })

  test('is told what an endpoint has no word for', async () => {
    const reply = await embedded({ input: 'Short', input_type: 'search_query', ...AT_ALPHA }, { headers: { 'x-openrouter-metadata': 'enabled' } })
    assert.deepEqual(reply['openrouter_metadata'].parameters, { dropped: ['input_type'] })
    assert.equal((sent().body as Loose)['input_type'], undefined)
  })

  test('has more inputs than a provider takes at once sent in pieces, and pays for all of them once', async () => {
    const before = upstream.requests.length
    const input = Array.from({ length: 4100 }, (_, at) => `text ${at}`)
    const reply = await embedded({ input, ...AT_ALPHA })
    assert.deepEqual(upstream.requests.slice(before).map((request) => (request.body as Loose)['input'].length).toSorted((a, b) => a - b), [4, 2048, 2048])
    assert.equal(reply['usage'].prompt_tokens, 8200)
    const [first, , last] = [reply['data'][0], 0, reply['data'][4099]]
    assert.deepEqual([first.index, last.index], [0, 4099])
    assert.deepEqual(last.embedding, (await embedded({ input: 'text 4099', ...AT_ALPHA }))['data'][0].embedding)
    assert.equal((await box.generation(reply['id']))['tokens_prompt'], 8200)
  })
})

describe('When a provider of vectors fails', () => {
  test('the next one answers, the caller pays for one, and the record shows both', async () => {
    upstream.next({ status: 500 }, { path: '/alpha/' })
    const reply = await embedded({ input: 'Still', ...ALPHA_FIRST })
    assert.equal(reply['provider'], 'beta')
    assert.equal(reply['usage'].cost, 0.000002)
    const record = await box.generation(reply['id'])
    assert.deepEqual((record['provider_responses'] as Loose[]).map((one) => [one['provider_name'], one['status']]), [['alpha', 500], ['beta', 200]])
  })

  test('an answer with a vector too few is none: the next one is asked', async () => {
    upstream.next({ shapes: ['one-short', 'no-index'] }, { path: '/alpha/' })
    assert.equal((await embedded({ input: ['a', 'b'], ...ALPHA_FIRST }))['provider'], 'beta')
  })

  test('in the middle of the pieces, all of them are sent again to one provider, whose vectors do not get mixed', async () => {
    upstream.next({ status: 503 }, (_, { path, body }) => path.includes('/alpha/') && (body as Loose)['input'].length === 4)
    const before = upstream.requests.length
    const reply = await embedded({ input: Array.from({ length: 4100 }, () => 'x'), ...ALPHA_FIRST })
    assert.equal(reply['provider'], 'beta')
    assert.equal(upstream.requests.slice(before).filter(({ path }) => path.includes('/beta/')).length, 3)
    assert.equal(reply['usage'].cost, 0.0082)
  })

  test('and another model is named, that model answers', async () => {
    upstream.next({ status: 400 }, { model: 'vec' })
    const reply = await embedded({ input: 'On', models: ['acme/other'] })
    assert.equal(reply['model'], 'acme/other')
  })
})

describe('A request for vectors that cannot be meant', () => {
  const cases: readonly [string, Loose, RegExp][] = [
    ['no input', {}, /^input: /],
    ['an empty text', { input: '' }, /^input: must not be empty/],
    ['an empty text among others', { input: ['a', ''] }, /^input\[1\]: must not be empty/],
    ['a fraction of a token', { input: [1.5] }, /^input/],
    ['a length of nothing', { input: 'a', dimensions: 0 }, /^dimensions: /],
    ['an encoding that nobody has', { input: 'a', encoding_format: 'hex' }, /^encoding_format: /],
    ['a stream', { input: 'a', stream: true }, /^stream: /],
    ['a slip in the preferences', { input: 'a', provider: { sorted: 'price' } }, /provider\.sorted/],
    ['a picture with a broken address', { input: [{ content: [{ type: 'image_url', image_url: { url: 'nowhere' } }] }] }, /^input\[0\]\.content\[0\]\.image_url\.url: /],
    ['a part without its content', { input: [{ content: [{ type: 'image_url' }] }] }, /^input\[0\]\.content\[0\]\.image_url: is required/],
  ]
  for (const [name, body, says] of cases) {
    test(`is refused by the name of its field: ${name}`, async () => {
      const before = upstream.requests.length
      const error = await refused({ model: 'acme/vec', ...body }, 400)
      assert.match(error['message'], says)
      assert.equal(upstream.requests.length, before)
    })
  }

  test('goes to no model that talks, and no conversation to a model of vectors, and each is told where', async () => {
    const error = await refused({ model: 'acme/talk', input: 'Hi' }, 400)
    assert.match(error['message'], /acme\/talk is a chat model, not an embedding model: .*POST \/api\/v1\/chat\/completions/)
    assert.equal(error['availability'].code, 'wrong_endpoint')
    const other = await box.refused({ model: 'acme/vec', messages: [{ role: 'user', content: 'Hi' }] })
    assert.match(other.error.message, /is an embedding model, not a chat model: .*POST \/api\/v1\/embeddings/)
    assert.match((await refused({ model: 'openrouter/auto', input: 'Hi' }, 400))['message'], /not an embedding model/)
  })

  test('is too long for the window by its longest input, not by all of them together', async () => {
    const fitting = 'word '.repeat(60)
    await embedded({ input: Array.from({ length: 20 }, () => fitting) })
    const error = await refused({ model: 'acme/vec', input: ['short', 'word '.repeat(200)] }, 400)
    assert.match(error['message'], /maximum context length is 100 tokens/)
    assert.equal(error['metadata'].field, 'input')
  })

  test('has a picture that no endpoint takes', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
    const error = await refused({ model: 'acme/vec', input: [{ content: [image] }] }, 404)
    assert.match(error['message'], /support image input/)
  })
})

test('A caller who leaves takes every piece with them', async () => {
  const left = new AbortController()
  upstream.when({ path: '/alpha/' }, { stallAfter: 'request' })
  const count = upstream.requests.length
  const asking = post('/api/v1/embeddings', { model: 'acme/other', input: Array.from({ length: 4100 }, () => 'x') }, { signal: left.signal }).catch(() => null)
  await upstream.waitFor(() => upstream.openStreams() >= 3, { timeoutMs: 20_000 })
  left.abort()
  await asking
  const pieces = () => upstream.requests.slice(count)
  await upstream.waitFor(() => pieces().every(({ state }) => state === 'aborted'), { timeoutMs: 20_000 })
})

test('What would be done with a request for vectors can be asked beforehand', async () => {
  const plan = await box.explain({ model: 'acme/vec', input: ['How much?'], ...AT_ALPHA })
  assert.deepEqual(plan.candidates.map((it) => it['provider']), ['alpha'])
})

test('The list of models that make vectors has them, and so has OpenAI\'s', async () => {
  const list = (await (await box.get('/api/v1/embeddings/models')).json() as Loose)['data'].map((row: Loose) => row['id'])
  assert.ok(list.includes('acme/vec') && list.includes('acme/other') && !list.includes('acme/talk'), 'of the operator')
  const own = (await (await box.get('/v1/models')).json() as Loose)['data'].map((row: Loose) => row['id'])
  assert.ok(own.includes('acme/vec'))
})

test('none of it was a fault of ours', () => assert.deepEqual(box.complaints, []))

