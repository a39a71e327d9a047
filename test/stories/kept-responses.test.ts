import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { startServer, type ServerProcess } from './processes.ts'
import { onBothStores, providerAt, startUpstream, together, type Signalbox } from './signalbox.ts'

/** Responses that are kept: turns that go on from each other without being sent again. */

const upstream = await startUpstream()
const row = { input_modalities: ['text', 'image'], reasoning: { supported: true, efforts: ['low', 'high'] } }
const config: ConfigFile = together(
  providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one', dialect: 'anthropic-messages', row }),
  providerAt('second', `${upstream.url}/second/v1`, { model: 'acme/one', row, prompt: 3, completion: 3 }),
)
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const sent = (): string => JSON.stringify(upstream.requests.at(-1)!.body)

interface Speaking { respond(body: Loose, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly body: Loose }> }
const speaking = (box: Signalbox): Speaking => ({
  async respond(body, headers) {
    const response = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', ...body }, ...(headers && { headers }) })
    return { status: response.status, body: JSON.parse(await response.text()) as Loose }
  },
})
const read = async (response: Response): Promise<Loose> => ({ status: response.status, ...JSON.parse(await response.text()) as Loose })

onBothStores((start) => {
  describe('A response that is kept', () => {
    test('is gone on from: what was said is there again, what was instructed is not', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const one = await respond({ input: 'My name is Ada.', instructions: 'Speak like a pirate.', store: true })
      assert.deepEqual([one.status, one.body['store']], [200, true])
      const two = await respond({ input: 'And I am 36.', previous_response_id: one.body['id'], store: true })
      assert.equal(two.body['previous_response_id'], one.body['id'])
      assert.ok(sent().includes('My name is Ada.') && sent().includes('And I am 36.'))
      assert.ok(!sent().includes('pirate'), 'instructions were carried over')
      await respond({ input: 'Who am I?', previous_response_id: two.body['id'] })
      for (const said of ['My name is Ada.', 'And I am 36.', 'Who am I?']) assert.ok(sent().includes(said), said)
    })

    test('streamed, can be named as soon as its end was read', async () => {
      const box = await start({ config })
      const response = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input: 'Streamed words.', stream: true, store: true } })
      const id = /"id":"(gen-[^"]+)"/.exec(await response.text())![1]!
      assert.equal((await speaking(box).respond({ input: 'Go on.', previous_response_id: id })).status, 200)
      assert.ok(sent().includes('Streamed words.'))
    })

    test('survives the provider that gave it: the next turn goes to another, in another language', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const one = await respond({ input: 'Remember the number 7.', store: true, provider: { only: ['first'] } })
      assert.equal(upstream.requests.at(-1)!.dialect, 'anthropic-messages')
      const back = upstream.when({ path: '/first/' }, { status: 500 })
      const two = await respond({ input: 'Which number?', previous_response_id: one.body['id'], provider: { order: ['first', 'second'] } })
      back()
      assert.deepEqual([two.status, two.body['provider'], upstream.requests.at(-1)!.dialect], [200, 'second', 'openai-chat'])
      assert.ok(sent().includes('Remember the number 7.'))
    })

    test('keeps what the model thought, sealed as its maker wants it back', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const thinking = { reasoning: { effort: 'low' }, store: true, provider: { only: ['first'] } }
      const one = await respond({ input: `#fake ${JSON.stringify({ reasoning: 'Hm.', signature: 'U2VhbA==', text: 'Yes.' })}\nWell?`, ...thinking })
      await respond({ input: 'And now?', previous_response_id: one.body['id'], ...thinking })
      assert.ok(sent().includes('U2VhbA==') && sent().includes('Hm.'))
    })

    test('lets a tool loop go on with nothing but the result', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const tools = [{ type: 'function', name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }]
      const one = await respond({ input: 'Call get_weather now', tools, store: true })
      const call = (one.body['output'] as Loose[]).find((item) => item['type'] === 'function_call')!
      const two = await respond({ input: [{ type: 'function_call_output', call_id: call['call_id'], output: 'Rain in Bern' }], tools, previous_response_id: one.body['id'] })
      assert.match(two.body['output_text'], /Rain in Bern/)
      const named = await respond({ input: [{ type: 'item_reference', id: call['id'] }, { type: 'function_call_output', call_id: call['call_id'], output: 'Snow' }], tools })
      assert.deepEqual([named.status, named.body['error'].param], [400, 'input[0].id'])
    })

    test('is read, listed by its items page by page, and deleted', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const one = await respond({ input: [{ role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' }, { role: 'user', content: 'Three' }], store: true })
      const at = `/api/v1/responses/${String(one.body['id'])}`
      assert.deepEqual(await read(await box.get(at)), { status: one.body['status'], ...one.body })
      const page = await read(await box.get(`${at}/input_items?limit=2&order=asc`))
      assert.deepEqual([page['data'].map((item: Loose) => item['content'][0].text), page['has_more']], [['One', 'Two'], true])
      const rest = await read(await box.get(`${at}/input_items?limit=2&order=asc&after=${String(page['last_id'])}`))
      assert.deepEqual([rest['data'].length, rest['has_more']], [1, false])
      const newest = await read(await box.get(`${at}/input_items`))
      assert.equal(newest['data'][0].content[0].text, 'Three')
      assert.equal((await box.get(`${at}/input_items?limit=101`)).status, 400)
      assert.equal((await box.get(`${at}/input_items?after=nobody`)).status, 400)
      assert.deepEqual(await read(await box.send('DELETE', at)), { status: 200, id: one.body['id'], object: 'response', deleted: true })
      assert.equal((await box.get(at)).status, 404)
      assert.equal((await box.send('DELETE', at)).status, 404)
      const gone = await respond({ input: 'x', previous_response_id: one.body['id'] })
      assert.equal(gone.status, 400)
    })

    test('is nobody else\'s: a key of another workspace sees none of it', async () => {
      const box = await start({ config })
      await box.app.store.db.insertInto('workspaces').values({ id: 'other', name: 'Other', created_at: 0 }).execute()
      const { key } = await box.app.accounts.createKey({ workspace: 'other' })
      const headers = { authorization: `Bearer ${key}` }
      const one = await speaking(box).respond({ input: 'Ours alone.', store: true })
      const before = upstream.requests.length
      assert.equal((await box.get(`/api/v1/responses/${String(one.body['id'])}`, headers)).status, 404)
      assert.equal((await box.send('DELETE', `/api/v1/responses/${String(one.body['id'])}`, { headers })).status, 404)
      assert.equal((await speaking(box).respond({ input: 'Tell me.', previous_response_id: one.body['id'] }, headers)).status, 400)
      assert.equal(upstream.requests.length, before, 'a provider was asked')
      assert.equal((await box.get(`/api/v1/responses/${String(one.body['id'])}`)).status, 200)
    })
  })

  test('A row that somebody changed is a 503 for its caller and a line in the log, and nobody is asked for an answer', async () => {
    const box = await start({ config })
    const { respond } = speaking(box)
    const one = await respond({ input: 'Mine.', store: true })
    await box.app.store.db.updateTable('responses').set({ content: 'v1.0.AAAA' }).execute()
    const before = upstream.requests.length
    const two = await respond({ input: 'Go on.', previous_response_id: one.body['id'] })
    assert.deepEqual([two.status, upstream.requests.length], [503, before])
    assert.equal((await box.get(`/api/v1/responses/${String(one.body['id'])}`)).status, 503)
    assert.equal(box.complaints.filter((line) => line.startsWith('a response that was kept could not be read')).length, 2)
  })

  describe('A response that is not kept', () => {
    test('cannot be gone on from, and the refusal names the setting that would have kept it', async () => {
      const box = await start({ config })
      const { respond } = speaking(box)
      const one = await respond({ input: 'Hi' })
      assert.equal(one.body['store'], false)
      assert.deepEqual(await box.app.store.db.selectFrom('responses').select('id').execute(), [])
      const two = await respond({ input: 'Again', previous_response_id: one.body['id'] })
      assert.deepEqual([two.status, two.body['error'].param], [400, 'previous_response_id'])
      assert.match(two.body['error'].message, /responses\.store_default: true/)
    })

    test('unless the server, the workspace or the key keeps what does not say otherwise; the nearest one counts', async () => {
      const box = await start({ config: { ...config, responses: { store_default: true } } })
      const { respond } = speaking(box)
      const one = await respond({ input: 'Hi there' })
      assert.equal(one.body['store'], true)
      assert.equal((await respond({ input: 'Again', previous_response_id: one.body['id'] })).status, 200)
      const no = await respond({ input: 'Hi', store: false })
      assert.equal((await respond({ input: 'Again', previous_response_id: no.body['id'] })).status, 400)
      const { key } = await box.app.accounts.createKey({ settings: { responses: { store_default: false } } })
      assert.equal((await respond({ input: 'Hi' }, { authorization: `Bearer ${key}` })).body['store'], false)
      box.reload(config)
      assert.equal((await respond({ input: 'Hi' })).body['store'], false)
      box.reload({ ...config, workspaces: { default: { responses: { store_default: true } } } })
      assert.equal((await respond({ input: 'Hi' })).body['store'], true)
      assert.equal((await respond({ input: 'Hi' }, { authorization: `Bearer ${key}` })).body['store'], false)
    })

    test('under zero data retention, whatever the server would do; asking for both is a contradiction', async () => {
      const zdr = together(
        { providers: { nothing: { base_url: `${upstream.url}/nothing/v1`, api_key: 'k', dialect: 'openai-chat', data_policy: { training: false, retains_prompts: false, retention_days: 0 } } } },
        { models: [{ id: 'acme/zdr' }], endpoints: [{ model: 'acme/zdr', provider: 'nothing', provider_model_id: 'zdr', pricing: { prompt: '0.000001', completion: '0.000001' } }] },
      )
      const box = await start({ config: { ...together(config, zdr), responses: { store_default: true } } })
      const { respond } = speaking(box)
      const quiet = await respond({ model: 'acme/zdr', input: 'Forget this.', provider: { zdr: true } })
      assert.deepEqual([quiet.status, quiet.body['store']], [200, false])
      const both = await respond({ model: 'acme/zdr', input: 'Forget this.', store: true, provider: { zdr: true } })
      assert.deepEqual([both.status, both.body['error'].param], [400, 'store'])
      const { key } = await box.app.accounts.createKey({ settings: { provider: { zdr: true } } })
      assert.equal((await respond({ model: 'acme/zdr', input: 'Forget this.' }, { authorization: `Bearer ${key}` })).body['store'], false)
      assert.deepEqual(await box.app.store.db.selectFrom('responses').select('id').execute(), [])
    })
  })
})

describe('A server that is killed', () => {
  for (const name of ['sqlite', 'postgres'] as const) {
    test(`has kept every response whose end its caller has read (${name})`, async () => {
      const server = await startServer(name, config)
      const respond = async ({ send }: ServerProcess, body: object): Promise<Loose> =>
        (await send('POST', '/v1/responses', { model: 'acme/one', ...body })).json() as Promise<Loose>
      const before = await server.run()
      const one = await respond(before, { input: 'Outlive me.', store: true })
      await before.kill()
      const behind = await server.run()
      const two = await respond(behind, { input: 'Still there?', previous_response_id: one['id'] })
      assert.equal(two['status'], 'completed')
      assert.ok(sent().includes('Outlive me.') && sent().includes('Still there?'))
      await behind.kill()
    })
  }
})
