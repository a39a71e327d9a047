import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ambient } from '../../src/ambient.ts'
import type { ConfigFile } from '../../src/config/index.ts'
import { assertEvents, assertTyped, eventsOf } from '../clients/responses-grammar.ts'
import { startServer } from './processes.ts'
import { onBothStores, providerAt, startUpstream, together, type Signalbox } from './signalbox.ts'

/** Responses that are made with nobody waiting for them, and streams that are taken up again. */

const upstream = await startUpstream()
const config: ConfigFile = together(
  providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one', prompt: 3, completion: 5 }),
  providerAt('broken', `${upstream.url}/broken/v1`, { model: 'acme/broken' }),
)
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const order = (of: Loose): string => `#fake ${JSON.stringify(of)}\nGo.`
const LONG = { text: Array.from({ length: 40 }, (_, at) => ` w${at}`), paceMs: 10 }
/** Says three pieces and then nothing more. */
const ENDLESS = { text: ['a', ' b', ' c', ' d', ' e'], stallAfter: 4 }
const last = () => upstream.requests.at(-1)!

const speaking = (box: Signalbox) => {
  const at = (id: string, rest = ''): string => `/api/v1/responses/${id}${rest}`
  const read = async (response: Response): Promise<{ readonly status: number; readonly body: Loose }> =>
    ({ status: response.status, body: JSON.parse(await response.text()) as Loose })
  const get = async (id: string) => read(await box.get(at(id)))
  return {
    at, read, get,
    post: async (body: Loose, headers?: Readonly<Record<string, string>>) =>
      read(await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', background: true, ...body }, ...(headers && { headers }) })),
    cancel: async (id: string) => read(await box.send('POST', at(id, '/cancel'))),
    /** Polls as clients do. */
    async until(id: string, wanted: (response: Loose) => boolean): Promise<Loose> {
      for (;;) {
        const { body } = await get(id)
        if (wanted(body)) return body
        await sleep(20)
      }
    },
    stream: async (body: Loose) => box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', background: true, stream: true, ...body } }),
    events: async (id: string, after?: number) => box.get(at(id, `?stream=true${after === undefined ? '' : `&starting_after=${after}`}`)),
  }
}
const over = ({ status }: Loose): boolean => status !== 'queued' && status !== 'in_progress'

/** Reads a stream until a text has come, and leaves. */
async function readUntil(response: Response, wanted: string): Promise<string> {
  let text = ''
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece
    if (text.includes(wanted)) break
  }
  return text
}

/** The frames of a text that are whole. */
const whole = (text: string): string => text.slice(0, text.lastIndexOf('\n\n') + 2)

onBothStores((start) => {
  describe('A response in the background', () => {
    test('is answered as queued at once, is made whether anybody asks or not, and is charged like any other', async () => {
      const box = await start({ config })
      const { post, until } = speaking(box)
      const { status, body } = await post({ input: 'Take your time.' })
      assert.deepEqual([status, body['status'], body['background'], body['store'], body['output'], body['output_text']], [200, 'queued', true, true, [], ''])
      assertTyped('Response', body)
      const done = await until(body['id'], over)
      assertTyped('Response', done)
      assert.deepEqual([done['status'], done['id'], done['created_at'], done['background']], ['completed', body['id'], body['created_at'], true])
      assert.match(done['output_text'], /Take your time/)
      const record = await box.generation(body['id'])
      assert.ok(done['usage'].cost > 0)
      assert.equal(record['total_cost'], done['usage'].cost)
      const next = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input: 'And then?', previous_response_id: body['id'] } })
      assert.equal(next.status, 200)
      assert.ok(JSON.stringify(last().body).includes('Take your time.'))
      assert.deepEqual(box.complaints, [])
    })

    test('goes on when its caller leaves the stream, which is taken up again behind any event, without a gap', async () => {
      const box = await start({ config })
      const { stream, events } = speaking(box)
      const begun = whole(await readUntil(await stream({ input: order(LONG) }), 'w2"'))
      const seen = eventsOf(begun)
      assert.deepEqual(seen.slice(0, 3).map(({ type }) => type), ['response.created', 'response.queued', 'response.in_progress'])
      const { id } = seen[0]!['response']
      const rest = await (await events(id, seen.at(-1)!['sequence_number'])).text()
      assert.ok(rest.endsWith('data: [DONE]\n\n'))
      assertEvents([...seen, ...eventsOf(rest)])
      const again = eventsOf(await (await events(id)).text())
      assertEvents(again)
      assert.deepEqual(again, [...seen, ...eventsOf(rest)])
      assert.equal(again.at(-1)!['response'].output_text, LONG.text.join(''))
      assert.equal(last().state, 'answered', 'the provider was let go with the caller')
      assert.equal(await (await events(id, again.length - 1)).text(), 'data: [DONE]\n\n')
    })

    test('is cancelled: its provider is let go, what was delivered is charged, and asking again changes nothing', async () => {
      const box = await start({ config })
      const { stream, events, cancel, get, post } = speaking(box)
      const seen = eventsOf(whole(await readUntil(await stream({ input: order(ENDLESS) }), '" b"')))
      const { id } = seen[0]!['response']
      assert.equal((await get(id)).body['status'], 'in_progress')
      const early = await post({ background: false, input: 'Go on.', previous_response_id: id })
      assert.deepEqual([early.status, early.body['error'].param], [400, 'previous_response_id'])
      const request = last()
      const watching = events(id).then((response) => response.text())
      const cancelled = await cancel(id)
      assert.deepEqual([cancelled.status, cancelled.body['status'], cancelled.body['error']], [200, 'cancelled', null])
      assertTyped('Response', cancelled.body)
      assert.ok((await upstream.waitFor((one) => one === request && one.state === 'aborted')) !== undefined)
      assert.ok(cancelled.body['usage'].cost > 0)
      const record = await box.generation(id)
      assert.deepEqual([record['cancelled'], record['total_cost']], [true, cancelled.body['usage'].cost])
      const all = eventsOf(await watching)
      assertEvents(all)
      assert.deepEqual([all.at(-1)!['type'], all.at(-1)!['response'].status], ['response.incomplete', 'cancelled'])
      assert.deepEqual((await cancel(id)).body, cancelled.body)
      assert.deepEqual(box.complaints, [])
    })

    test('is deleted while it is made: its provider is let go, and nothing is left of it', async () => {
      const box = await start({ config })
      const { stream, get, at } = speaking(box)
      const seen = eventsOf(whole(await readUntil(await stream({ input: order(ENDLESS) }), '" b"')))
      const { id } = seen[0]!['response']
      const request = last()
      assert.equal((await box.send('DELETE', at(id))).status, 200)
      assert.ok((await upstream.waitFor((one) => one === request && one.state === 'aborted')) !== undefined)
      assert.equal((await get(id)).status, 404)
      for (const table of ['responses', 'response_runs', 'response_events'] as const) {
        assert.deepEqual(await box.app.store.db.selectFrom(table).select('id').execute(), [], table)
      }
    })

    test('that no provider could give ends as failed, says why, and its stream has no gap either', async () => {
      const box = await start({ config })
      const { post, until, events } = speaking(box)
      const back = upstream.when({ path: '/broken/' }, { status: 500 })
      const { body } = await post({ model: 'acme/broken', input: 'Hi' })
      const failed = await until(body['id'], over)
      back()
      assert.deepEqual([failed['status'], failed['error'].code, failed['error_type']], ['failed', 'server_error', 'provider_unavailable'])
      const all = eventsOf(await (await events(body['id'])).text())
      assertEvents(all)
      assert.deepEqual(all.map(({ type }) => type), ['response.created', 'response.queued', 'response.in_progress', 'response.failed'])
    })

    test('that can be refused at once is, and leaves nothing behind', async () => {
      const box = await start({ config: { ...config, responses: { background_per_key: 1 } } })
      const { post, cancel } = speaking(box)
      assert.equal((await post({ model: 'acme/nobody', input: 'Hi' })).status, 400)
      const zdr = await post({ input: 'Hi', provider: { zdr: true } })
      assert.deepEqual([zdr.status, zdr.body['error'].param], [400, 'background'])
      const one = await post({ input: order(ENDLESS) })
      const many = await post({ input: 'Hi' })
      assert.deepEqual([many.status, many.body['error'].metadata.reason], [429, 'background_per_key'])
      const { key } = await box.app.accounts.createKey({ name: 'another' })
      assert.equal((await post({ input: 'Hi' }, { authorization: `Bearer ${key}` })).status, 200, 'the places of one key were another\'s')
      await cancel(one.body['id'])
      assert.equal((await post({ input: 'Hi' })).status, 200)
    })

    test('is made by one node and read, followed and cancelled at another', async () => {
      const one = await start({ config })
      const two = await start({ config, env: { SIGNALBOX_HOME: one.home, DATABASE_URL: one.env['DATABASE_URL'] ?? '' } })
      const here = speaking(one)
      const there = speaking(two)
      const seen = eventsOf(whole(await readUntil(await here.stream({ input: order(LONG) }), 'w2"')))
      const { id } = seen[0]!['response']
      const rest = eventsOf(await (await there.events(id, seen.at(-1)!['sequence_number'])).text())
      assertEvents([...seen, ...rest])
      const endless = eventsOf(whole(await readUntil(await here.stream({ input: order(ENDLESS) }), '" b"')))[0]!['response'].id as string
      const request = last()
      const following = there.events(endless).then((response) => response.text())
      assert.equal((await there.cancel(endless)).body['status'], 'cancelled')
      assert.ok((await upstream.waitFor((it) => it === request && it.state === 'aborted')) !== undefined)
      assertEvents(eventsOf(await following))
    })

    test('is ended, and says so, by a server that is stopped before it is done', async () => {
      const box = await start({ config })
      const { stream } = speaking(box)
      const seen = eventsOf(whole(await readUntil(await stream({ input: order(ENDLESS) }), '" b"')))
      const { id } = seen[0]!['response']
      const other = await start({ config, env: { SIGNALBOX_HOME: box.home, DATABASE_URL: box.env['DATABASE_URL'] ?? '' } })
      await box.app.close(0)
      const { body } = await speaking(other).get(id)
      assert.deepEqual([body['status'], body['error_type']], ['failed', 'provider_overloaded'])
      assert.match(body['error'].message, /was stopped/)
    })
  })

  describe('A stream that was kept', () => {
    test('is read again as it was, from any event on, by whichever second each part of it was written', async () => {
      let seconds = 0
      const box = await start({ config, ambient: { ...ambient, now: () => ambient.now() + 1000 * seconds++ } })
      const { events } = speaking(box)
      const first = await (await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input: 'Say it twice.', stream: true, store: true } })).text()
      const seen = eventsOf(first)
      const { id } = seen[0]!['response']
      assert.equal(await (await events(id)).text(), first)
      assert.deepEqual(eventsOf(await (await events(id, 4)).text()), seen.slice(5))
    })

    test('is none where the response was not streamed, or where nobody asks for one', async () => {
      const box = await start({ config })
      const { events, post, cancel, read, at } = speaking(box)
      const { body } = await post({ background: false, store: true, input: 'In one piece.' })
      const none = await read(await events(body['id']))
      assert.deepEqual([none.status, none.body['error'].param], [400, 'stream'])
      const alone = await read(await box.get(at(body['id'], '?starting_after=3')))
      assert.deepEqual([alone.status, alone.body['error'].param], [400, 'starting_after'])
      assert.equal((await read(await box.get(at(body['id'], '?stream=true&starting_after=-1')))).status, 400)
      const refused = await cancel(body['id'])
      assert.equal(refused.status, 400)
      assert.match(refused.body['error'].message, /made in the background/)
      assert.equal((await cancel('gen-nobody')).status, 404)
    })
  })
})

for (const name of ['sqlite', 'postgres'] as const) {
  test(`A server that is killed leaves no response under way for ever: who asks later is told that it failed (${name})`, async () => {
    const server = await startServer(name, { ...config, responses: { background_lease_ms: 2000 } })
    const before = await server.run()
    const response = await before.send('POST', '/v1/responses', { model: 'acme/one', background: true, stream: true, input: order(ENDLESS) })
    const seen = eventsOf(whole(await readUntil(response, '" b"')))
    const { id } = seen[0]!['response']
    await before.kill()
    const behind = await server.run()
    const rest = await (await behind.send('GET', `/v1/responses/${String(id)}?stream=true&starting_after=${String(seen.at(-1)!['sequence_number'])}`)).text()
    const all = [...seen, ...eventsOf(rest)]
    assertEvents(all)
    const end = all.at(-1)!
    assert.deepEqual([end['type'], end['response'].error.code], ['response.failed', 'server_error'])
    assert.match(end['response'].error.message, /stopped before it was finished/)
    const found = await (await behind.send('GET', `/v1/responses/${String(id)}`)).json() as Loose
    assert.deepEqual([found['status'], found['error']], ['failed', end['response'].error])
    await behind.kill()
  })
}
