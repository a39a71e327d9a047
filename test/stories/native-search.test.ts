import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Providers that search the web themselves, beside others that do not, and an engine for those. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const upstream = await startUpstream()
let searches = 0
let engineStatus = 200
const engine = createServer((request, response) => {
  request.resume()
  searches++
  response.writeHead(engineStatus, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ results: [{ title: 'Levers', url: 'https://rail.example/levers', text: 'It has 36 levers.' }] }))
})
await new Promise<void>((resolve) => engine.listen(0, '127.0.0.1', resolve))
after(() => {
  engine.closeAllConnections()
  engine.close()
})

const at = (name: string, model: string, dialect: string, base: string, endpoint: Loose, price = 1): ConfigFile => {
  const file = providerAt(name, `${upstream.url}/${name}${base}`, { model, dialect, prompt: price, completion: price })
  const [row] = file.endpoints!
  return { ...file, endpoints: [{ ...row!, ...endpoint, pricing: { ...row!['pricing'] as object, ...endpoint['pricing'] } }] }
}
const SEARCHES = { pricing: { web_search: '0.01' } }
const providers = together(
  at('claude', 'acme/claude', 'anthropic-messages', '/v1', { ...SEARCHES, max_completion_tokens: 1000 }),
  at('gemini', 'acme/gemini', 'google-generate-content', '/v1beta', { ...SEARCHES, provider_model_id: 'gemini-3-pro' }),
  at('respond', 'acme/respond', 'openai-responses', '/v1', SEARCHES),
  at('finder', 'acme/finder', 'openai-chat', '/v1', { supported_parameters: ['max_tokens', 'web_search_options'] }),
  at('unpriced', 'acme/unpriced', 'anthropic-messages', '/v1', { max_completion_tokens: 1000 }),
  at('plain', 'acme/plain', 'openai-chat', '/v1', {}),
  at('cheap', 'acme/both', 'openai-chat', '/v1', {}), at('dear', 'acme/both', 'anthropic-messages', '/v1', { ...SEARCHES, max_completion_tokens: 1000 }, 50),
)
const web_search = { engines: { exa: { api_key: 'exa-secret-key', base_url: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`, price: '0.007' } } }
const box = await startSignalbox({ config: { ...providers, web_search } })
const bare = await startSignalbox({ config: providers })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const WEB = { plugins: [{ id: 'web' }] }
const sent = (): Loose => upstream.requests.at(-1)!.body as Loose
const noteOf = (reply: Loose): Loose => reply['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'web')
const asksNobody = async <T>(call: Promise<T>): Promise<T> => {
  const before = searches
  const done = await call
  assert.equal(searches, before, 'the engine was asked')
  return done
}
const CITED = { text: 'It has 36.', citations: [{ url: 'https://rail.example/levers', title: 'Levers' }] }
const citedIn = (reply: WholeReply): string[] => reply.choices[0]!['message'].annotations.map((it: Loose) => it['url_citation'].url as string)

describe("A provider's own search", () => {
  test('is asked for in its own words by default, and its citations come back', async () => {
    for (const [model, tool] of [
      ['acme/claude', { type: 'web_search_20250305', name: 'web_search' }], ['acme/gemini', { googleSearch: {} }], ['acme/respond', { type: 'web_search' }],
    ] as const) {
      upstream.next(CITED)
      const reply = await asksNobody(box.whole(saying(model, 'How many levers?', WEB), TOLD))
      assert.deepEqual(sent()['tools'], [tool], model)
      assert.deepEqual(citedIn(reply), ['https://rail.example/levers'], model)
      assert.deepEqual([noteOf(reply)['data'], noteOf(reply)['summary']], [{ engine: 'native' }, "the provider's own search was asked"], model)
    }
  })

  test('is asked for with what the caller wishes of it, as far as it has a word for it', async () => {
    const wish = { max_uses: 3, include_domains: ['rail.example'], user_location: { city: 'Olten', country: 'CH' } }
    await asksNobody(box.whole(saying('acme/claude', 'Levers?', { plugins: [{ id: 'web', engine: 'native', ...wish }] })))
    assert.deepEqual(sent()['tools'], [{
      type: 'web_search_20250305', name: 'web_search', max_uses: 3, allowed_domains: ['rail.example'], user_location: { type: 'approximate', city: 'Olten', country: 'CH' },
    }])
    await asksNobody(box.whole(saying('acme/respond', 'Levers?', { plugins: [{ id: 'web', ...wish }] })))
    assert.deepEqual(sent()['tools'], [{ type: 'web_search', filters: { allowed_domains: ['rail.example'] }, user_location: { type: 'approximate', city: 'Olten', country: 'CH' } }])
  })

  test('costs what its row says of each search that the provider counts', async () => {
    upstream.next({ ...CITED, usage: null, extra: { usage: { input_tokens: 100, output_tokens: 10, server_tool_use: { web_search_requests: 2 } } } })
    const { usage, id } = await asksNobody(box.whole(saying('acme/claude', 'Levers?', WEB)))
    assert.deepEqual([usage['cost_details'].server_tool_cost, usage['server_tool_use_details']], [0.02, { web_search_requests: 2 }])
    assert.equal(usage.cost, 0.02 + 110 / 1e6)
    assert.equal((await box.generation(id))['num_search_results'], 2)
  })

  test('streams, and is told on other surfaces as their clients know it', async () => {
    upstream.next(CITED)
    const { deltas, text } = await readStream(await asksNobody(box.chat(saying('acme/gemini:online', 'Levers?', { stream: true }))))
    assert.equal(text, 'It has 36.')
    assert.ok(deltas.some(({ annotations }) => JSON.stringify(annotations)?.includes('rail.example')))
    upstream.next(CITED)
    const response = await (await asksNobody(box.send('POST', '/api/v1/responses', { body: { model: 'acme/claude:online', input: 'Levers?' } }))).text()
    assert.match(response, /url_citation/)
  })

  test('stands beside the tools of the caller', async () => {
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }]
    await asksNobody(box.whole(saying('acme/claude', 'Levers?', { ...WEB, tools })))
    assert.deepEqual(sent()['tools'].map((it: Loose) => it['name']), ['look', 'web_search'])
  })
})

describe('web_search_options', () => {
  test('reach a model that takes them as they were written', async () => {
    const web_search_options = { search_context_size: 'low', user_location: { type: 'approximate', approximate: { city: 'Olten' } }, other: 1 }
    await asksNobody(box.whole(saying('acme/finder', 'Levers?', { web_search_options })))
    assert.deepEqual(sent()['web_search_options'], web_search_options)
  })

  test('are the wish for a search in every other format', async () => {
    const web_search_options = { search_context_size: 'high', user_location: { type: 'approximate', approximate: { city: 'Olten' } } }
    await asksNobody(box.whole(saying('acme/respond', 'Levers?', { web_search_options })))
    assert.deepEqual(sent()['tools'], [{ type: 'web_search', search_context_size: 'high', user_location: { type: 'approximate', city: 'Olten' } }])
  })

  test('that say what nobody knows are refused by their field', async () => {
    for (const [options, field] of [[{ search_context_size: 'vast' }, 'search_context_size'], [{ user_location: { approximate: { city: 1 } } }, 'user_location.approximate.city']] as const) {
      const { status, error } = await box.refused(saying('acme/finder', 'Levers?', { web_search_options: options }))
      assert.deepEqual([status, error.message.split(':')[0]], [400, `web_search_options.${field}`])
    }
  })
})

describe('An endpoint that does not search', () => {
  test('has the results of the engine in its prompt, whether its provider was to search or nothing was said', async () => {
    for (const plugin of [{ engine: 'native' }, {}]) {
      const before = searches
      const reply = await box.whole(saying('acme/plain', 'Levers?', { plugins: [{ id: 'web', ...plugin }] }), TOLD)
      assert.equal(searches, before + 1)
      assert.match(JSON.stringify(sent()['messages']), /36 levers/)
      assert.deepEqual([noteOf(reply)['data'].engine, reply.usage['cost_details'].server_tool_cost], ['exa', 0.007])
    }
  })

  test('beside one that does is stood in for only when it is asked: one search, told and paid once', async () => {
    const before = searches
    const reply = await box.whole(saying('acme/both', 'Levers?', { ...WEB, provider: { order: ['cheap', 'dear'] } }), TOLD)
    assert.equal(searches, before + 1)
    assert.equal(reply.provider, 'cheap')
    assert.match(JSON.stringify(sent()['messages']), /36 levers/)
    assert.deepEqual(citedIn(reply), ['https://rail.example/levers'])
    assert.deepEqual([noteOf(reply)['data'].engine, noteOf(reply)['cost_usd'], reply.usage['cost_details'].server_tool_cost], ['exa', 0.007, 0.007])
  })

  test('that fails goes on to one that searches itself: the caller does not pay for the search that nobody used', async () => {
    upstream.next({ status: 500 })
    const reply = await box.whole(saying('acme/both', 'Levers?', { ...WEB, provider: { order: ['cheap', 'dear'] } }), TOLD)
    assert.equal(reply.provider, 'dear')
    assert.doesNotMatch(JSON.stringify(sent()['messages']), /36 levers/)
    assert.deepEqual([noteOf(reply)['data'].engine, reply.usage['cost_details'].server_tool_cost], ['native', undefined])
    assert.equal((await box.app.stats.find(reply.id, 'default'))!.absorbed, 7_000_000n)
  })

  test('is left out where its search fails and another searches itself, and nothing is held against it', async () => {
    engineStatus = 500
    const reply = await box.whole(saying('acme/both', 'Levers?', { ...WEB, provider: { order: ['cheap', 'dear'] } }), TOLD)
    assert.equal(reply.provider, 'dear')
    assert.equal(reply['openrouter_metadata'].attempts.length, 1)
    const { status } = await box.refused(saying('acme/both', 'Levers?', { ...WEB, provider: { only: ['cheap'] } }))
    assert.equal(status, 502)
    engineStatus = 200
  })

  test('without any engine is left out as well, and the error says what is missing', async () => {
    assert.equal((await bare.whole(saying('acme/both', 'Levers?', { ...WEB, provider: { order: ['cheap'] } }))).provider, 'dear')
    const { status, error } = await bare.refused(saying('acme/both', 'Levers?', { ...WEB, provider: { only: ['cheap'] } }))
    assert.equal(status, 400)
    assert.match(error.message, /does not search the web itself, and no search engine is set up/)
    assert.match((await bare.refused(saying('acme/plain', 'Levers?', { plugins: [{ id: 'web', engine: 'native' }] }))).error.message, /^plugins\[0\]\.engine: no endpoint of this model searches/)
  })

  test('is named as dropping web_search_options where nobody can search', async () => {
    const file = providerAt('listed', `${upstream.url}/listed/v1`, { model: 'acme/listed', endpoint: { supported_parameters: ['max_tokens'] } })
    const other = await startSignalbox({ config: file })
    const reply = await other.whole(saying('acme/listed', 'Levers?', { web_search_options: {} }), TOLD)
    assert.deepEqual(reply['openrouter_metadata'].parameters.dropped, ['web_search_options'])
  })

  test('stands in where a provider has no word for what is wished of its search', async () => {
    const before = searches
    await box.whole(saying('acme/gemini', 'Levers?', { plugins: [{ id: 'web', include_domains: ['rail.example'] }] }))
    assert.equal(searches, before + 1)
    await box.whole(saying('acme/claude', 'Levers?', { ...WEB, response_format: { type: 'json_object' } }))
    assert.equal(searches, before + 2)
  })

  test('is one whose row does not say what a search costs: nobody could say what the answer will', async () => {
    const before = searches
    await box.whole(saying('acme/unpriced', 'Levers?', { plugins: [{ id: 'web', engine: 'native' }] }))
    assert.deepEqual([searches, sent()['tools']], [before + 1, undefined])
  })

  test('is explained without a search, with what would be done', async () => {
    const response = await asksNobody(box.send('POST', '/api/v1/route/explain', { body: saying('acme/both', 'Levers?', WEB) }))
    assert.match(JSON.stringify(await response.json()), /the provider's own search would be asked, or else exa/)
  })
})
