import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { forEachStore } from '../../test/stores.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { contextOf, createResponses, expanded, inputItems, openVault, resolved, type EndWords } from './index.ts'

const DAY = 86_400_000
/** The words of a format of which only the room's part matters here. */
const WORDS: EndWords = {
  ended: (response, why) => ({ ...response, status: why.kind === 'cancelled' ? 'cancelled' : 'failed', why: why.message }),
  lastFrame: (response, sequence) => `${sequence} over ${String(response['status'])}\n\n`,
}

forEachStore((_, open) => {
  const opened = async () => {
    const { store, place, again } = await open()
    const clock = createFakeAmbient()
    const vault = await openVault({ store, home: place.home, ambient: clock })
    const days = { retentionDays: 30, backgroundPerKey: 2, backgroundLeaseMs: 60_000 }
    return { store, place, again, clock, vault, days, responses: createResponses({ store, vault, ambient: clock, settings: () => days, words: WORDS }) }
  }
  const said = { id: 'gen-1', workspace: 'w', key: 'k', createdAt: 5, items: [{ type: 'message', id: 'msg_1', role: 'user', content: 'My secret plan' }], response: '{"id":"gen-1","output":[{"type":"message","id":"msg_2"}]}' }

  test('what was kept is found by its workspace and by nobody else, and is gone when it is deleted', async () => {
    const { responses } = await opened()
    await responses.keep(said)
    assert.deepEqual(await responses.find('w', 'gen-1'), { id: 'gen-1', createdAt: 5, items: said.items, response: JSON.parse(said.response) })
    assert.equal(await responses.find('other', 'gen-1'), null)
    assert.equal(await responses.remove('other', 'gen-1'), false)
    assert.equal(await responses.remove('w', 'gen-1'), true)
    assert.equal(await responses.remove('w', 'gen-1'), false)
    assert.equal(await responses.find('w', 'gen-1'), null)
  })

  test('in the database it is ciphertext, and another process with the data folder can read it', async () => {
    const { responses, store, place, again, clock, days } = await opened()
    await responses.keep(said)
    const [row] = await store.db.selectFrom('responses').selectAll().execute()
    assert.ok(!JSON.stringify(row).includes('secret plan'))
    assert.equal(statSync(path.join(place.home, 'vault.json')).mode & 0o777, 0o600)
    const second = await again()
    const elsewhere = createResponses({ store: second, vault: await openVault({ store: second, home: place.home, ambient: clock }), ambient: clock, settings: () => days, words: WORDS })
    assert.deepEqual((await elsewhere.find('w', 'gen-1'))!.items, said.items)
  })

  test('a row that was changed, or moved to another workspace or id, does not open', async () => {
    const { responses, store } = await opened()
    await responses.keep(said)
    await responses.keep({ ...said, id: 'gen-2' })
    const { content } = await store.db.selectFrom('responses').select('content').where('id', '=', 'gen-1').executeTakeFirstOrThrow()
    await store.db.updateTable('responses').set({ content }).where('id', '=', 'gen-2').execute()
    await assert.rejects(responses.find('w', 'gen-2'), /was changed, or was sealed for another place/)
    await store.db.updateTable('responses').set({ workspace: 'thief' }).where('id', '=', 'gen-1').execute()
    await assert.rejects(responses.find('thief', 'gen-1'), /was changed, or was sealed for another place/)
    await store.db.updateTable('responses').set({ workspace: 'w', content: `${content.slice(0, -6)}AAAAA=` }).where('id', '=', 'gen-1').execute()
    await assert.rejects(responses.find('w', 'gen-1'), /was changed/)
  })

  test('when its time is over it is as if it had never been, and then it is removed', async () => {
    const { responses, store, clock, days } = await opened()
    await responses.keep(said)
    days.retentionDays = 60
    await responses.keep({ ...said, id: 'gen-2' })
    clock.advance(30 * DAY)
    assert.equal(await responses.find('w', 'gen-1'), null)
    assert.equal(await responses.remove('w', 'gen-1'), false)
    assert.ok(await responses.find('w', 'gen-2'))
    await responses.prune()
    assert.deepEqual((await store.db.selectFrom('responses').select('id').execute()).map(({ id }) => id), ['gen-2'])
  })

  test('what a conversation was summed up to opens for its workspace alone, unchanged', async () => {
    const { responses: { compactions } } = await opened()
    const sealed = compactions.seal('w', 'My secret plan')
    assert.ok(compactions.isOurs(sealed) && !sealed.includes('secret') && !compactions.isOurs('gAAAAB') && !compactions.isOurs(null))
    assert.equal(compactions.open('w', sealed), 'My secret plan')
    assert.equal(compactions.open('other', sealed), null)
    assert.equal(compactions.open('w', `${sealed.slice(0, -6)}AAAAA=`), null)
  })

  test('a server without the key that rows were sealed under does not start, and says which file is missing', async () => {
    const { store, place, clock } = await opened()
    const file = path.join(place.home, 'vault.json')
    renameSync(file, `${file}.away`)
    await assert.rejects(openVault({ store, home: place.home, ambient: clock }), /sealed under vault key [0-9a-f]{12}, which .*vault\.json does not have/)
    assert.equal(existsSync(file), false, 'it made a new one in its place')
    writeFileSync(file, readFileSync(`${file}.away`, 'utf8').replace(/"secret": "./, '"secret": "_'))
    await assert.rejects(openVault({ store, home: place.home, ambient: clock }), /the secret of key .* was changed/)
  })
})

describe('a conversation that was summed up', () => {
  const compactions = { isOurs: (sealed: unknown): sealed is string => String(sealed).startsWith('ours.'), open: (workspace: string, sealed: string) => sealed === `ours.${workspace}` ? 'All of it.' : null }

  test('is a message that any model can read, at its place; what others have sealed is left to them', () => {
    const foreign = { type: 'compaction', encrypted_content: 'theirs' }
    const input = [{ role: 'user', content: 'Hi' }, { type: 'compaction', encrypted_content: 'ours.w' }, foreign]
    assert.deepEqual(expanded(input, 'w', compactions), {
      input: [{ role: 'user', content: 'Hi' }, { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What was said before was summed up as follows.\n\nAll of it.' }] }, foreign],
    })
    const plain = [{ role: 'user', content: 'Hi' }]
    assert.deepEqual([expanded(plain, 'w', compactions), expanded('Hi', 'w', compactions)], [{ input: plain }, { input: 'Hi' }])
  })

  test('is a fault at its place for another workspace', () => {
    assert.equal(expanded([{ role: 'user', content: 'Hi' }, { type: 'compaction', encrypted_content: 'ours.w' }], 'other', compactions).fault?.field, 'input[1].encrypted_content')
  })
})

describe('turns', () => {
  test('items of a request get what they lack: a type, an id, their text as a part', () => {
    assert.deepEqual(inputItems('Hi', 'gen-1-Abc'), [{ type: 'message', id: 'msg_Abci0', role: 'user', status: 'completed', content: [{ type: 'input_text', text: 'Hi' }] }])
    assert.deepEqual(inputItems([{ role: 'assistant', content: 'Yo' }, { type: 'function_call_output', call_id: 'a', output: 'x' }, { type: 'reasoning', id: 'rs_1', summary: [] }], 'gen-1-Abc'), [
      { type: 'message', id: 'msg_Abci0', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Yo', annotations: [] }] },
      { type: 'function_call_output', call_id: 'a', output: 'x', id: 'fco_Abci1' }, { type: 'reasoning', id: 'rs_1', summary: [] },
    ])
  })

  test('a name of an item stands for the item, and a name of none is a fault at its place', () => {
    const known = contextOf({ items: [{ id: 'msg_1', type: 'message' }], response: { output: [{ id: 'rs_1', type: 'reasoning' }] } })
    assert.deepEqual(resolved([{ type: 'item_reference', id: 'rs_1' }, { role: 'user', content: 'x' }], known), { input: [{ id: 'rs_1', type: 'reasoning' }, { role: 'user', content: 'x' }] })
    assert.equal(resolved([{ role: 'user', content: 'x' }, { type: 'item_reference', id: 'rs_2' }], known).fault?.field, 'input[1].id')
    assert.deepEqual(resolved('Hi', known), { input: 'Hi' })
  })
})
