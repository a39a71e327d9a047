import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import { assertTyped } from '../clients/responses-grammar.ts'
import { onBothStores, providerAt, startUpstream, together, type Signalbox } from './signalbox.ts'

/** Conversations that have become too long are made smaller by one model, and gone on with by any. */

const upstream = await startUpstream()
const config: ConfigFile = together(
  providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one' }),
  providerAt('second', `${upstream.url}/second/v1`, { model: 'acme/two', dialect: 'anthropic-messages' }),
)
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>
const sent = (): string => JSON.stringify(upstream.requests.at(-1)!.body)
const speaking = (box: Signalbox) => {
  const call = (at: string) => async (body: Loose, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly body: Loose }> => {
    const response = await box.send('POST', at, { body: { model: 'acme/one', ...body }, ...(headers && { headers }) })
    return { status: response.status, body: JSON.parse(await response.text()) as Loose }
  }
  return { compact: call('/api/v1/responses/compact'), respond: call('/v1/responses') }
}
const WORK = [
  { role: 'developer', content: 'You mend clocks.' },
  { role: 'user', content: 'Look at the clock.' },
  { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"at":"clock"}' },
  { type: 'function_call_output', call_id: 'c1', output: 'A spring is broken.' },
  { role: 'assistant', content: 'It is the spring.' },
  { role: 'user', content: 'Mend it.' },
]
/** The next answer there. */
const answering = (order: Loose): void => upstream.next(order)

onBothStores((start) => {
  describe('A long conversation', () => {
    test('becomes the messages of its user and one sealed item, and another model at another provider goes on from these', async () => {
      const box = await start({ config })
      const { compact, respond } = speaking(box)
      answering({ text: 'The spring of the clock is broken; it is to be mended.' })
      const { status, body } = await compact({ input: WORK, instructions: 'Be exact.' })
      assert.equal(status, 200, JSON.stringify(body))
      // The client's type of what comes out has no messages of users, of which its description speaks.
      assertTyped('CompactedResponse', { ...body, output: body['output'].slice(-1) })
      for (const item of body['output']) assertTyped('ResponseItem', item)
      assert.deepEqual(body['output'].map((item: Loose) => [item['type'], item['role'], item['content']?.[0].text]), [
        ['message', 'developer', 'You mend clocks.'], ['message', 'user', 'Look at the clock.'], ['message', 'user', 'Mend it.'], ['compaction', undefined, undefined],
      ])
      for (const said of ['You mend clocks.', 'A spring is broken.', 'It is the spring.', 'Mend it.', 'Be exact.']) assert.ok(sent().includes(said), said)
      const [item] = body['output'].slice(-1)
      assert.ok(!JSON.stringify(item).includes('spring'))
      assert.equal((await box.generation(body['id']))['total_cost'], body['usage'].cost)
      assert.ok(body['usage'].cost > 0)

      const next = await respond({ model: 'acme/two', input: [...body['output'], { role: 'user', content: 'Is it done?' }], store: true })
      assert.equal(next.status, 200)
      assert.ok(sent().includes('The spring of the clock is broken') && sent().includes('Is it done?') && !sent().includes('A spring is broken.'))
      await respond({ input: 'And now?', previous_response_id: next.body['id'] })
      assert.ok(sent().includes('The spring of the clock is broken') && sent().includes('And now?'))
      answering({ text: 'All is done.' })
      const again = await compact({ previous_response_id: next.body['id'] })
      assert.ok(sent().includes('The spring of the clock is broken'), 'what was summed up before was lost')
      assert.deepEqual(again.body['output'].map(({ type }: Loose) => type), ['message', 'message', 'message', 'message', 'compaction'])
      assert.deepEqual(box.complaints, [])
    })

    test('is not lost to a summary that there is none of: the failure says so', async () => {
      const box = await start({ config })
      const { compact } = speaking(box)
      for (const order of [{ text: 'The spring', finish: 'length' }, { text: ' ' }, { status: 500 }]) {
        answering(order)
        const { status, body } = await compact({ input: WORK })
        assert.deepEqual([status, body['error'].type], [502, 'server_error'], JSON.stringify(order))
      }
      const before = upstream.requests.length
      for (const [bad, field] of [[{}, 'input'], [{ input: [] }, 'input'], [{ input: [{ type: 'function_call', call_id: 'a', name: 'b' }] }, 'input[0].arguments'], [{ input: 'x', previous_response_id: 'gen-x' }, 'previous_response_id']] as const) {
        const { status, body } = await compact(bad)
        assert.deepEqual([status, body['error'].param], [400, field], JSON.stringify(body))
      }
      assert.equal(upstream.requests.length, before)
    })

    test('is opened for its own workspace alone', async () => {
      const box = await start({ config })
      const { compact, respond } = speaking(box)
      answering({ text: 'A secret.' })
      const { body } = await compact({ input: WORK })
      const input = [{ role: 'user', content: 'Tell me.' }, body['output'].at(-1)]
      await box.app.store.db.insertInto('workspaces').values({ id: 'other', name: 'Other', created_at: 0 }).execute()
      const { key } = await box.app.accounts.createKey({ workspace: 'other' })
      const before = upstream.requests.length
      const stolen = await respond({ input }, { authorization: `Bearer ${key}` })
      assert.deepEqual([stolen.status, stolen.body['error'].param], [400, 'input[1].encrypted_content'])
      assert.equal(upstream.requests.length, before)
      assert.equal((await respond({ input })).status, 200)
    })
  })
})
