import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachStore } from '../../test/stores.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { createResponses, openVault, type Conversation, type Turn } from './index.ts'

const DAY = 86_400_000
const said = (text: string, id?: string) => ({ role: 'user', content: text, ...(id !== undefined && { id }) })
const answering = (text: string, id: string): string => JSON.stringify({ output: [{ type: 'message', id, role: 'assistant', content: [{ type: 'output_text', text }] }] })
const ALL = { limit: 100, order: 'asc' } as const

forEachStore((_, open) => {
  const opened = async () => {
    const { store, place } = await open()
    const node = async () => {
      const clock = createFakeAmbient()
      const vault = await openVault({ store, home: place.home, ambient: clock })
      const settings = { retentionDays: 30, backgroundPerKey: 2, backgroundLeaseMs: 1000 }
      return { clock, ...createResponses({
        store, vault, ambient: clock, settings: () => settings, words: { ended: (response) => response, lastFrame: () => '' },
      }) }
    }
    const { clock, conversations, prune } = await node()
    const create = async (...items: readonly object[]): Promise<string> => {
      const made = await conversations.create({ workspace: 'w', key: 'k', items, metadata: { topic: 'trains' } })
      return (made as Conversation).id
    }
    const texts = async (id: string): Promise<unknown[]> => {
      const page = await conversations.page('w', id, ALL)
      assert.ok(page !== null && 'items' in page)
      return page.items.map((item) => (item['content'] as { text: string }[])[0]!.text)
    }
    const turn = async (id: string, at = conversations): Promise<Turn> => {
      const begun = await at.turn('w', id)
      assert.ok(begun !== null && 'items' in begun, JSON.stringify(begun))
      return begun
    }
    return { store, clock, conversations, prune, create, texts, turn, node }
  }

  test('what is said in turns is there in its order, with what was answered', async () => {
    const { conversations, create, texts, turn } = await opened()
    const id = await create(said('One'), said('Two'))
    const first = await turn(id)
    assert.equal(first.items.length, 2)
    await first.end([{ type: 'message', id: 'msg_3', role: 'user', content: [{ type: 'input_text', text: 'Three' }] }], answering('Four', 'msg_4'))
    await conversations.add('w', id, [said('Five')])
    assert.deepEqual(await texts(id), ['One', 'Two', 'Three', 'Four', 'Five'])
    const second = await turn(id)
    assert.equal(second.items.length, 5)
    await second.leave()
    assert.deepEqual(await texts(id), ['One', 'Two', 'Three', 'Four', 'Five'])
  })

  test('while a turn is under way there is no other, and nothing else is said or taken away', async () => {
    const { conversations, create, turn } = await opened()
    const id = await create(said('One', 'msg_1'))
    const both = await Promise.all([conversations.turn('w', id), conversations.turn('w', id)])
    const refused = both.find((one) => one !== null && 'kind' in one)
    const begun = both.find((one) => one !== null && 'items' in one) as Turn
    assert.deepEqual([refused && 'kind' in refused && refused.kind, begun !== undefined], ['conflict', true])
    assert.equal((await conversations.add('w', id, [said('Two')]) as { kind: string }).kind, 'conflict')
    assert.equal((await conversations.removeItem('w', id, 'msg_1') as { kind: string }).kind, 'conflict')
    await begun.leave()
    await (await turn(id)).leave()
  })

  test('a turn whose process fell silent does not lock its conversation for ever, and cannot be ended later', async () => {
    const { create, texts, turn, node } = await opened()
    const id = await create(said('One'))
    const lost = await turn(id)
    // For the other node's clock nothing was heard of it for a day.
    const elsewhere = await node()
    elsewhere.clock.advance(DAY)
    const next = await turn(id, elsewhere.conversations)
    await assert.rejects(lost.end([], answering('Late', 'msg_9')), /was over before its end/)
    await next.end([], answering('Two', 'msg_2'))
    assert.deepEqual(await texts(id), ['One', 'Two'])
  })

  test('pages follow each other in both orders, and an item that is not there is no place to go on from', async () => {
    const { conversations, create } = await opened()
    const id = await create(...[1, 2, 3, 4, 5].map((number) => said(`${number}`, `msg_${number}`)))
    for (const [order, pages] of [['asc', [['msg_1', 'msg_2'], ['msg_3', 'msg_4'], ['msg_5']]], ['desc', [['msg_5', 'msg_4'], ['msg_3', 'msg_2'], ['msg_1']]]] as const) {
      let after: string | undefined
      for (const [at, expected] of pages.entries()) {
        const page = await conversations.page('w', id, { after, limit: 2, order })
        assert.ok(page !== null && 'items' in page)
        assert.deepEqual([page.items.map((item) => item['id']), page.more], [expected, at < 2])
        after = expected.at(-1)
      }
    }
    assert.equal((await conversations.page('w', id, { ...ALL, after: 'msg_9' }) as { field: string }).field, 'after')
    await conversations.removeItem('w', id, 'msg_3')
    assert.equal(await conversations.item('w', id, 'msg_3'), null)
    assert.equal((await conversations.item('w', id, 'msg_4'))!['id'], 'msg_4')
    assert.equal(await conversations.removeItem('w', id, 'msg_3'), null)
  })

  test('an id that is there already is a fault at its place, and nothing is added', async () => {
    const { conversations, create, texts } = await opened()
    const id = await create(said('One', 'msg_1'))
    for (const items of [[said('Two'), said('Again', 'msg_1')], [said('Two', 'msg_2'), said('Again', 'msg_2')]]) {
      assert.equal((await conversations.add('w', id, items) as { field: string }).field, 'items[1].id')
    }
    assert.deepEqual(await texts(id), ['One'])
    const twice = await conversations.create({ workspace: 'w', key: 'k', items: [said('a', 'x'), said('b', 'x')], metadata: {} })
    assert.equal((twice as { field: string }).field, 'items[1].id')
  })

  test('it is its workspace\'s alone, ciphertext in the database, and gone with its items', async () => {
    const { store, conversations, create } = await opened()
    const id = await create(said('My secret plan'))
    for (const found of [
      conversations.find('other', id), conversations.update('other', id, {}), conversations.add('other', id, [said('x')]), conversations.page('other', id, ALL),
      conversations.turn('other', id), conversations.item('other', id, 'x'), conversations.removeItem('other', id, 'x'),
    ]) assert.equal(await found, null)
    assert.equal(await conversations.remove('other', id), false)
    const rows = JSON.stringify([await store.db.selectFrom('conversations').selectAll().execute(), await store.db.selectFrom('conversation_items').selectAll().execute()])
    assert.ok(!rows.includes('secret plan') && !rows.includes('trains'))
    assert.deepEqual((await conversations.update('w', id, { topic: 'ships' }))!.metadata, { topic: 'ships' })
    assert.deepEqual((await conversations.find('w', id))!.metadata, { topic: 'ships' })
    assert.equal(await conversations.remove('w', id), true)
    assert.deepEqual(await store.db.selectFrom('conversation_items').selectAll().execute(), [])
  })

  test('it stays for its time from the last change on', async () => {
    const { store, clock, conversations, prune, create } = await opened()
    const id = await create(said('One'))
    clock.advance(20 * DAY)
    await conversations.add('w', id, [said('Two')])
    clock.advance(20 * DAY)
    assert.ok(await conversations.find('w', id))
    clock.advance(10 * DAY)
    assert.equal(await conversations.find('w', id), null)
    await prune()
    assert.deepEqual(await store.db.selectFrom('conversations').selectAll().execute(), [])
  })
})
