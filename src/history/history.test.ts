import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachStore } from '../../test/stores.ts'
import { FaultError } from '../core/index.ts'
import type { Store } from '../store/index.ts'
import { createFakeAmbient, type FakeAmbient } from '../testing/index.ts'
import { createHistory, type History } from './index.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
/** On the minute. */
const T0 = Math.floor(1_760_000_000_000 / MINUTE) * MINUTE

type World = { health: unknown; catalog: object; policy: object }

function node(store: Store, ambient: FakeAmbient, world: World, errors: Error[] = []): History<unknown, object, object> {
  return createHistory({ store, ambient, take: () => ({ ...world }), onError: (error) => errors.push(error) })
}

async function refused(asking: Promise<unknown>): Promise<FaultError['fault']> {
  const error = await asking.then(() => assert.fail('it was answered'), (thrown: unknown) => thrown)
  assert.ok(error instanceof FaultError, String(error))
  return error.fault
}

const count = async (store: Store, table: 'versions' | 'health_summaries'): Promise<number> =>
  Number((await store.db.selectFrom(table).select(({ fn }) => fn.countAll().as('n')).executeTakeFirstOrThrow()).n)

forEachStore((_, open) => {
  test('A moment has the health, the catalogue and the policy that were in force then, whatever came after', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const world: World = { health: 'well', catalog: { a: 1 }, policy: { p: 1 } }
    const history = node(store, ambient, world)
    await history.keep()
    ambient.advance(10 * SECOND)
    Object.assign(world, { health: 'sick', policy: { p: 2 } })
    await history.keep()
    ambient.advance(10 * SECOND)
    Object.assign(world, { health: 'well again', catalog: { a: 2 } })
    await history.keep()

    const at = async (ms: number) => {
      const it = await history.recall(T0 + ms)
      return [it.at - T0, it.health, it.catalog.value, it.policy.value]
    }
    assert.deepEqual(await at(0), [0, ['well'], { a: 1 }, { p: 1 }])
    assert.deepEqual(await at(9_999), [0, ['well'], { a: 1 }, { p: 1 }])
    assert.deepEqual(await at(15_000), [10_000, ['sick'], { a: 1 }, { p: 2 }])
    assert.deepEqual(await at(20_000), [20_000, ['well again'], { a: 2 }, { p: 2 }])
  })

  test('A version is written once, however often it holds, and again when it comes back after another', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const world: World = { health: {}, catalog: { a: 1 }, policy: { p: 1 } }
    const history = node(store, ambient, world)
    for (let i = 0; i < 5; i++) {
      await history.keep()
      ambient.advance(10 * SECOND)
    }
    assert.equal(await count(store, 'versions'), 2)
    assert.equal(await count(store, 'health_summaries'), 5)
    world.catalog = { a: 2 }
    await history.keep()
    await store.db.deleteFrom('versions').where('body', '=', '{"a":1}').execute()
    world.catalog = { a: 1 }
    ambient.advance(10 * SECOND)
    await history.keep()
    assert.deepEqual((await history.recall(ambient.now())).catalog.value, { a: 1 })
  })

  test('A moment of which nothing is known is refused with those that are: before, after, in a gap, and in the future', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const history = node(store, ambient, { health: {}, catalog: {}, policy: {} })
    assert.match((await refused(history.recall(T0))).message, /Nothing has been kept yet/)
    await history.keep()
    ambient.advance(5 * MINUTE)
    await history.keep()
    ambient.advance(SECOND)
    for (const ms of [-1, 2 * MINUTE, 10 * MINUTE]) {
      const fault = await refused(history.recall(T0 + ms))
      assert.deepEqual([fault.kind, fault.field], ['invalid-request', 'at'])
      const { moments } = fault.metadata as { moments: Record<string, unknown> }
      assert.deepEqual([moments['from'], moments['to']], [new Date(T0).toISOString(), new Date(T0 + 5 * MINUTE).toISOString()])
      assert.match(fault.message, /each minute for 30 days, each 10 s for a day/)
    }
    assert.match((await refused(history.recall(T0 + 2 * MINUTE))).message, /The nearest are .* and /)
    assert.match((await refused(history.recall(T0 + 10 * MINUTE))).message, /has not been yet/)
  })

  test('Each ten seconds stay for a day and each minute for thirty, and versions as long as a moment names them', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const world: World = { health: {}, catalog: { old: true }, policy: {} }
    const history = node(store, ambient, world)
    for (let i = 0; i < 12; i++) {
      await history.keep()
      ambient.advance(10 * SECOND)
    }
    world.catalog = { old: false }
    ambient.set(T0 + DAY + 5 * MINUTE)
    await history.keep()
    assert.equal(await count(store, 'health_summaries'), 3, 'two full minutes, and now')
    assert.equal((await history.recall(T0 + MINUTE + 30 * SECOND)).at, T0 + MINUTE)
    await refused(history.recall(T0 + 3 * MINUTE))
    assert.equal(await count(store, 'versions'), 3)

    ambient.set(T0 + 31 * DAY)
    await history.keep()
    assert.equal(await count(store, 'versions'), 2, 'the old catalogue is named by nothing any more')
    await refused(history.recall(T0 + MINUTE))

    ambient.set(T0 + 90 * DAY)
    await history.keep()
    assert.deepEqual((await history.recall(ambient.now())).catalog.value, { old: false }, 'one that has held for months is still there')
  })

  test('Several nodes are told together, the one with the latest word first; one that stopped is left out', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const [one, two] = [{ health: 'one', catalog: { a: 1 }, policy: {} }, { health: 'two', catalog: { a: 1 }, policy: {} }]
    const first = node(store, ambient, one)
    const second = node(store, ambient, two)
    await first.keep()
    ambient.advance(3 * SECOND)
    await second.keep()
    ambient.advance(7 * SECOND)
    await first.keep()
    assert.deepEqual((await first.recall(ambient.now())).health, ['one', 'two'])
    assert.deepEqual((await second.recall(T0 + 5 * SECOND)).health, ['two', 'one'])
    ambient.advance(10 * SECOND)
    await first.keep()
    assert.deepEqual((await first.recall(ambient.now())).health, ['one'])
  })

  test('A database that is down costs a gap and nothing else, and the reader is told to try again', async () => {
    const { store } = await open()
    const ambient = createFakeAmbient({ now: T0 })
    const errors: Error[] = []
    const history = node(store, ambient, { health: {}, catalog: {}, policy: {} }, errors)
    await store.close()
    await history.keep()
    assert.equal(errors.length, 1)
    assert.equal((await refused(history.recall(T0))).kind, 'unavailable')
    await history.close()
  })
})
