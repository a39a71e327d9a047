import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfigFile } from '../../src/config/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, type Signalbox } from './signalbox.ts'

/** Web search before the model runs: what is asked, what the model reads, what the caller is told, and what it costs. */

interface Asked { readonly path: string; readonly headers: Readonly<Record<string, unknown>>; readonly body: Loose | null }
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

/** An engine in Exa's and SearXNG's words. */
interface FakeEngine { url: string; readonly asked: Asked[]; answer: { status: number; results: readonly Loose[]; silent?: boolean }; abandoned(): void }
async function startEngine(): Promise<FakeEngine> {
  const asked: Asked[] = []
  const engine: FakeEngine = { url: '', asked, answer: { status: 200, results: RESULTS }, abandoned() {} }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      asked.push({ path: request.url!, headers: request.headers, body: text === '' ? null : JSON.parse(text) as Loose })
      if (engine.answer.silent) {
        response.on('close', engine.abandoned)
        return
      }
      response.writeHead(engine.answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ results: engine.answer.results }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  engine.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return engine
}

const RESULTS = [
  { title: 'Olten opens', url: 'https://news.example/olten', text: 'The box at Olten opened in May.', content: 'From SearXNG.' },
  { title: 'Levers', url: 'https://rail.example/levers', text: 'It has 36 levers.', content: 'Also from SearXNG.' },
]
const engine = await startEngine()
const upstream = await startUpstream()
const KEY = 'exa-secret-key'
const config: ConfigFile = {
  ...providerAt('first', `${upstream.url}/v1`, { model: 'acme/one' }),
  web_search: { engines: { exa: { api_key: KEY, base_url: engine.url, price: '0.007' }, searxng: { base_url: engine.url } }, timeout_ms: 120_000 },
}
const box: Signalbox = await startSignalbox({ config })
const WEB = { plugins: [{ id: 'web', max_results: 2 }] }
const METADATA = { 'x-openrouter-metadata': 'enabled' }
const sent = (): Loose => upstream.requests.at(-1)!.body as Loose

describe('A request with the plugin web', () => {
  test('is searched for by what the user said last, and the model reads the results before it', async () => {
    const reply = await box.whole({
      model: 'acme/one', ...WEB,
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'First.' }, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'When did  Olten\nopen?' }],
    }, METADATA)
    const { body, headers } = engine.asked.at(-1)!
    assert.deepEqual([body!['query'], body!['numResults'], headers['x-api-key']], ['When did Olten open?', 2, KEY])
    const messages = sent()['messages'] as Loose[]
    assert.deepEqual(messages.map(({ role }) => role as string), ['system', 'user', 'assistant', 'system', 'user'])
    const told = String(messages[3]!['content'])
    for (const part of ['The box at Olten opened in May.', 'https://rail.example/levers', new Date().toISOString().slice(0, 10)]) assert.ok(told.includes(part), `${part} in ${told}`)
    const note = reply['openrouter_metadata'].pipeline.find((it: Loose) => it['name'] === 'web')
    assert.deepEqual([note.data.engine, note.data.results], ['exa', 2])
    assert.ok(!JSON.stringify(reply).includes(KEY))
  })

  test('tells its sources as annotations, whole and before the words of a stream', async () => {
    const { choices } = await box.whole(saying('acme/one', 'Olten?', WEB))
    assert.deepEqual(choices[0]!.message.annotations.map((it: Loose) => [it['type'], it['url_citation'].url, it['url_citation'].title]),
      [['url_citation', 'https://news.example/olten', 'Olten opens'], ['url_citation', 'https://rail.example/levers', 'Levers']])
    const text = await (await box.chat(saying('acme/one', 'Olten?', { ...WEB, stream: true }))).text()
    assert.ok(text.indexOf('news.example') > 0 && text.indexOf('news.example') < text.indexOf('"content":"O'), text.slice(0, 1500))
  })

  test('costs its price beside that of the tokens, in the answer and on the record', async () => {
    const plain = await box.whole(saying('acme/one', 'Olten?'))
    const { usage, id } = await box.whole(saying('acme/one', 'Olten?', WEB))
    assert.equal(plain.usage['server_tool_use_details'], undefined)
    assert.equal(usage['cost_details'].server_tool_cost, 0.007)
    assert.deepEqual(usage['server_tool_use_details'], { web_search_requests: 1 })
    const tokens = usage['cost_details'].upstream_inference_prompt_cost + usage['cost_details'].upstream_inference_completions_cost
    assert.ok(Math.abs(usage.cost - tokens - 0.007) < 2e-9, `${usage.cost} = ${tokens} + 0.007`)
    const record = await box.generation(id)
    assert.deepEqual([record['total_cost'], record['num_search_results']], [usage.cost, 1])
    const free = await box.whole(saying('acme/one', 'Olten?', { plugins: [{ id: 'web', engine: 'searxng' }] }))
    assert.equal(free.usage['cost_details'].server_tool_cost, undefined)
  })

  test('asks the engine that it names, at the domains that it names, in the words that it gives', async () => {
    await box.whole(saying('acme/one', 'Olten?', { plugins: [{ id: 'web', engine: 'searxng', include_domains: ['rail.example'], search_prompt: 'Found today:', max_uses: 3 }] }))
    const url = new URL(engine.asked.at(-1)!.path, 'http://x')
    assert.deepEqual([url.searchParams.get('q'), url.searchParams.get('format')], ['Olten? site:rail.example', 'json'])
    const told = String((sent()['messages'] as Loose[])[0]!['content'])
    assert.ok(told.startsWith('Found today:') && told.includes('From SearXNG.'), told)
  })

  test('is the same as :online, on every surface', async () => {
    for (const [path, body, said] of [
      ['/chat/completions', saying('acme/one:online', 'Hi'), '"annotations"'],
      ['/responses', { model: 'acme/one:online', input: 'Hi' }, 'url_citation'],
      ['/messages', { model: 'acme/one:online', max_tokens: 99, messages: [{ role: 'user', content: 'Hi' }] }, 'web_search_result_location'],
      ['/models/acme/one:online:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }, 'groundingMetadata'],
      ['/completions', { model: 'acme/one:online', prompt: 'Hi' }, '"cost"'],
    ] as const) {
      const before = engine.asked.length
      const response = await box.send('POST', `/api/v1${path}`, { body })
      const text = await response.text()
      assert.equal(response.status, 200, text)
      assert.equal(engine.asked.length, before + 1, path)
      assert.ok(JSON.stringify(sent()).includes('36 levers'), path)
      assert.ok(text.includes(said), `${path}: ${text}`)
    }
    const before = engine.asked.length
    await box.whole(saying('acme/one:online', 'Hi', { plugins: [{ id: 'web', enabled: false }] }))
    assert.equal(engine.asked.length, before, 'switched off by name')
  })

  test('is explained without a search', async () => {
    const before = engine.asked.length
    assert.equal((await box.explain(saying('acme/one', 'Olten?', WEB))).candidates.length, 1)
    assert.equal(engine.asked.length, before)
  })
})

describe('A search that cannot be made', () => {
  test('is refused by its field before anybody is asked', async () => {
    const [engines, providers] = [engine.asked.length, upstream.requests.length]
    for (const [plugin, field] of [
      [{ engine: 'brave' }, 'plugins[0].engine'], [{ max_results: 0 }, 'plugins[0].max_results'], [{ max_results: 21 }, 'plugins[0].max_results'],
      [{ include_domains: 'a.b' }, 'plugins[0].include_domains'], [{ exclude_domains: ['ok.example', 'x OR y'] }, 'plugins[0].exclude_domains[1]'], [{ search_prompt: 7 }, 'plugins[0].search_prompt'],
      [{ max_uses: 0 }, 'plugins[0].max_uses'], [{ user_location: { city: 7 } }, 'plugins[0].user_location.city'],
    ] as const) {
      const { status, error } = await box.refused(saying('acme/one', 'Hi', { plugins: [{ id: 'web', ...plugin }] }))
      assert.deepEqual([status, error.message.split(':')[0]], [400, field])
    }
    assert.deepEqual([engine.asked.length, upstream.requests.length], [engines, providers])
  })

  test('fails the request with whose fault it was, and neither the key nor the words of the engine in it', async () => {
    const before = upstream.requests.length
    for (const [status, is] of [[500, 502], [401, 502], [429, 429]] as const) {
      engine.answer = { status, results: [] }
      const { status: said, body } = await box.refused(saying('acme/one', 'Hi', WEB))
      assert.equal(said, is)
      assert.ok(!JSON.stringify(body).includes(KEY))
    }
    engine.answer = { status: 200, results: RESULTS }
    assert.equal(upstream.requests.length, before, 'a provider was asked')
  })

  test('ends when its caller leaves', async () => {
    engine.answer = { status: 200, results: [], silent: true }
    const before = engine.asked.length
    const { promise: abandoned, resolve } = Promise.withResolvers<string>()
    engine.abandoned = () => resolve('abandoned')
    const leaving = new AbortController()
    const calling = box.chat(saying('acme/one', 'Hi', WEB), {}, leaving.signal).catch((error: Error) => error.name)
    while (engine.asked.length === before) await sleep(10)
    leaving.abort()
    assert.equal(await calling, 'AbortError')
    assert.equal(await Promise.race([abandoned, sleep(30_000, 'still waited for', { ref: false })]), 'abandoned')
    engine.answer = { status: 200, results: RESULTS }
  })

  test('on a server without an engine is a 400 that says what is missing', async () => {
    const bare = await startSignalbox({ config: providerAt('first', `${upstream.url}/v1`, { model: 'acme/one' }) })
    assert.match((await bare.refused(saying('acme/one:online', 'Hi'))).error.message, /^model: web search is not set up on this server \(web_search\.engines\); name acme\/one:online without :online$/)
    assert.match((await bare.refused(saying('acme/one', 'Hi', WEB))).error.message, /^plugins\[0\]\.id: web search is not set up/)
  })

  test('money that it cost is on record where no provider could answer', async () => {
    upstream.next([{ status: 500 }, { status: 500 }, { status: 500 }])
    const { id, status } = await box.refused(saying('acme/one', 'Hi', WEB))
    assert.equal(status, 502)
    assert.equal((await box.app.stats.find(id, 'default'))!.absorbed, 7_000_000n)
    upstream.forget()
  })
})
