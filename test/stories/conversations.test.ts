import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfigFile } from '../../src/config/index.ts'
import { eventsOf } from '../clients/responses-grammar.ts'
import { onBothStores, providerAt, startUpstream, together, type Signalbox } from './signalbox.ts'

/** Conversations that are kept here: each turn sends only what is new, whichever model answers it. */

const upstream = await startUpstream()
const config: ConfigFile = together(
  providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one', dialect: 'anthropic-messages' }),
  providerAt('second', `${upstream.url}/second/v1`, { model: 'acme/two' }),
)
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
interface Answer { readonly status: number; readonly body: Loose }
const sent = (): string => JSON.stringify(upstream.requests.at(-1)!.body)
const STALL = `#fake ${JSON.stringify({ text: ['a', ' b', ' c', ' d', ' e'], stallAfter: 4 })}\nGo.`

const speaking = (box: Signalbox, headers: Readonly<Record<string, string>> = {}) => {
  const call = async (method: string, at: string, body?: Loose): Promise<Answer> => {
    const response = await box.send(method, `/api/v1${at}`, { ...(body && { body }), headers })
    return { status: response.status, body: JSON.parse(await response.text()) as Loose }
  }
  return {
    call,
    create: async (body: Loose = {}): Promise<string> => (await call('POST', '/conversations', body)).body['id'],
    respond: async (body: Loose) => call('POST', '/responses', { model: 'acme/one', ...body }),
    texts: async (id: string): Promise<string[]> =>
      (await call('GET', `/conversations/${id}/items?order=asc&limit=100`)).body['data'].map((item: Loose) => item['content']?.[0]?.text ?? item['type']),
  }
}

onBothStores((start) => {
  describe('A conversation', () => {
    test('is gone on with from turn to turn, by any model, streamed or not, and has everything that was said', async () => {
      const box = await start({ config })
      const { create, respond, texts } = speaking(box)
      const id = await create({ items: [{ role: 'user', content: 'My name is Ada.' }], metadata: { topic: 'names' } })
      assert.match(id, /^conv_[0-9a-f]{48}$/)
      const one = await respond({ conversation: id, input: 'I am 36.' })
      assert.deepEqual([one.status, one.body['conversation'], one.body['store']], [200, { id }, true])
      assert.ok(sent().includes('My name is Ada.') && sent().includes('I am 36.'))
      const stream = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/two', conversation: { id }, input: 'And streamed.', stream: true, store: false } })
      const end = eventsOf(await stream.text()).at(-1)!
      assert.deepEqual([end['type'], end['response'].conversation], ['response.completed', { id }])
      for (const said of ['My name is Ada.', 'I am 36.', 'And streamed.']) assert.ok(sent().includes(said), said)
      await respond({ conversation: id, input: 'Who am I?' })
      assert.ok(sent().includes('And streamed.') && sent().includes('My name is Ada.'))
      assert.deepEqual((await texts(id)).filter((_, at) => [0, 1, 3, 5].includes(at)), ['My name is Ada.', 'I am 36.', 'And streamed.', 'Who am I?'])
      assert.equal((await texts(id)).length, 7)
      assert.deepEqual(box.complaints, [])
    })

    test('takes what is made in the background, too, by the time that it has ended', async () => {
      const box = await start({ config })
      const { create, respond, call, texts } = speaking(box)
      const id = await create()
      const { body } = await respond({ conversation: id, input: 'Later.', background: true })
      for (let status = 'queued'; status !== 'completed'; await sleep(20)) status = (await call('GET', `/responses/${String(body['id'])}`)).body['status']
      assert.deepEqual((await texts(id))[0], 'Later.')
      assert.equal((await respond({ conversation: id, input: 'And now?' })).status, 200)
      assert.equal((await texts(id)).length, 4)
    })

    test('has one turn at a time: a second is told to wait, and one whose caller left is over and has said nothing', async () => {
      const box = await start({ config })
      const { create, respond, texts, call } = speaking(box)
      const id = await create()
      const leaving = new AbortController()
      const stream = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', conversation: id, input: STALL, stream: true }, signal: leaving.signal })
      const reader = stream.body!.getReader()
      await reader.read()
      const before = upstream.requests.length
      const second = await respond({ conversation: id, input: 'Me too!' })
      assert.deepEqual([second.status, second.body['error'].param, second.body['error'].metadata.code], [409, 'conversation', 'conversation_locked'])
      assert.equal((await call('POST', `/conversations/${id}/items`, { items: [{ role: 'user', content: 'x' }] })).status, 409)
      assert.equal(upstream.requests.length, before, 'a provider was asked')
      leaving.abort()
      await reader.cancel().catch(() => {})
      for (;;) {
        const next = await respond({ conversation: id, input: 'Now?' })
        if (next.status === 200) break
        assert.equal(next.status, 409)
        await sleep(20)
      }
      assert.deepEqual((await texts(id))[0], 'Now?')
    })

    test('is as it was before a turn that failed, and can be gone on with', async () => {
      const box = await start({ config })
      const { create, respond, texts } = speaking(box)
      const id = await create({ items: [{ role: 'user', content: 'Before.' }] })
      const back = upstream.when({ path: '/first/' }, { status: 500 })
      assert.equal((await respond({ conversation: id, input: 'Lost.' })).status, 502)
      back()
      const bad = await respond({ conversation: id, input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'ftp://x' }] }] })
      assert.deepEqual([bad.status, bad.body['error'].param], [400, 'input[0].content[0].image_url'])
      assert.deepEqual(await texts(id), ['Before.'])
      assert.equal((await respond({ conversation: id, input: 'After.' })).status, 200)
      assert.deepEqual((await texts(id)).slice(0, 2), ['Before.', 'After.'])
    })

    test('is read, changed, listed and deleted, with its items one by one', async () => {
      const box = await start({ config })
      const { call, create, respond } = speaking(box)
      const id = await create({ metadata: { a: '1' } })
      const at = `/conversations/${id}`
      const read = await call('GET', at)
      assert.deepEqual([read.status, read.body['object'], read.body['metadata']], [200, 'conversation', { a: '1' }])
      assert.deepEqual((await call('POST', at, { metadata: { b: '2' } })).body['metadata'], { b: '2' })
      const added = await call('POST', `${at}/items`, { items: [{ role: 'user', content: 'One' }, { type: 'message', role: 'assistant', content: 'Two' }] })
      assert.deepEqual(added.body['data'].map((item: Loose) => [item['type'], item['status'], item['content'][0].type]), [['message', 'completed', 'input_text'], ['message', 'completed', 'output_text']])
      const first = added.body['data'][0].id as string
      assert.deepEqual((await call('GET', `${at}/items/${first}`)).body, added.body['data'][0])
      const page = await call('GET', `${at}/items?limit=1`)
      assert.deepEqual([page.body['data'][0].id, page.body['has_more']], [added.body['data'][1].id, true])
      assert.equal((await call('GET', `${at}/items?limit=1&after=${String(page.body['last_id'])}`)).body['data'][0].id, first)
      assert.equal((await call('DELETE', `${at}/items/${first}`)).body['id'], id)
      assert.equal((await call('GET', `${at}/items/${first}`)).status, 404)
      assert.deepEqual((await call('DELETE', at)).body, { id, object: 'conversation.deleted', deleted: true })
      for (const gone of [await call('GET', at), await call('DELETE', at), await call('GET', `${at}/items`), await respond({ conversation: id, input: 'Hi' })]) assert.equal(gone.status, 404)
    })

    test('refuses what cannot be kept or said twice, with the path of the field, and nobody is asked', async () => {
      const box = await start({ config })
      const { call, create, respond } = speaking(box)
      const id = await create({ items: [{ role: 'user', content: 'One', id: 'msg_one' }] })
      const before = upstream.requests.length
      for (const [answer, field] of [
        [await respond({ conversation: id, input: [{ role: 'user', content: 'Again', id: 'msg_one' }] }), 'input[0].id'],
        [await respond({ conversation: id, previous_response_id: 'gen-x', input: 'Hi' }), 'previous_response_id'],
        [await respond({ conversation: id, input: 'Hi', provider: { zdr: true } }), 'conversation'],
        [await call('POST', '/conversations', { items: [{ type: 'function_call', call_id: 'a', name: 'b' }] }), 'items[0].arguments'],
        [await call('POST', '/conversations', { items: Array.from({ length: 21 }, () => ({ role: 'user', content: 'x' })) }), 'items'],
        [await call('POST', '/conversations', { metadata: { k: 'v'.repeat(513) } }), 'metadata.k'],
        [await call('POST', `/conversations/${id}/items`, { items: [] }), 'items'],
        [await call('GET', `/conversations/${id}/items?after=nobody`), 'after'],
      ] as const) assert.deepEqual([answer.status, answer.body['error'].param], [400, field], JSON.stringify(answer.body))
      assert.equal(upstream.requests.length, before)
      assert.equal((await respond({ conversation: id, input: 'Hi' })).status, 200, 'a refused turn has locked it')
    })

    test('is nobody else\'s, and none is made under zero data retention', async () => {
      const box = await start({ config })
      const { create } = speaking(box)
      const id = await create()
      await box.app.store.db.insertInto('workspaces').values({ id: 'other', name: 'Other', created_at: 0 }).execute()
      const other = await box.app.accounts.createKey({ workspace: 'other' })
      const stranger = speaking(box, { authorization: `Bearer ${other.key}` })
      assert.equal((await stranger.call('GET', `/conversations/${id}`)).status, 404)
      assert.equal((await stranger.respond({ conversation: id, input: 'Tell me.' })).status, 404)
      const { key } = await box.app.accounts.createKey({ settings: { provider: { zdr: true } } })
      assert.equal((await speaking(box, { authorization: `Bearer ${key}` }).call('POST', '/conversations', {})).status, 403)
    })
  })
})
