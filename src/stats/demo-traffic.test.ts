import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalog, NO_OVERLAY } from '../catalog/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createDemoTraffic, createFigures, createRollups, createStats, demoCalls } from './index.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 15, 21, 40)
const ambient = createFakeAmbient({ now: NOW })
const snapshot = createCatalog({ overlay: NO_OVERLAY, faces: new Set(['openai-chat']), settings: () => ({}) }).snapshot()
const models = ['openai/gpt-4o', 'openai/gpt-4o-mini', 'anthropic/claude-3-haiku']
  .map((id) => ({ id, endpoints: snapshot.endpointsOf(id).filter(({ price, simulated }) => price !== null && !simulated) })).filter(({ endpoints }) => endpoints.length > 0)
const calls = (given: Partial<Parameters<typeof demoCalls>[0]> = {}) => [...demoCalls({ models, now: NOW, days: 10, calls: 400, seed: 1, ...given })]

test('a demonstration is the same for the same seed, and an hour later it has more and nothing else', () => {
  assert.deepEqual(calls(), calls())
  assert.notDeepEqual(calls(), calls({ seed: 2 }))
  const later = calls({ now: NOW + 3_600_000 })
  assert.deepEqual(later.slice(0, calls().length), calls())
  const ids = new Set(calls().map(({ id }) => id))
  assert.equal(ids.size, calls().length)
  for (const { createdAt, durationMs } of calls()) assert.ok(createdAt >= Math.floor(NOW / DAY) * DAY - 9 * DAY && createdAt + durationMs <= NOW)
})

test('a demonstration has calls that were answered, failed, were tried twice, were left, had tools, and cost what their price says', () => {
  const all = calls({ calls: 4000 })
  for (const [what, is] of Object.entries({
    answered: all.some(({ fault }) => fault === null), failed: all.some(({ endpoint }) => endpoint === null), left: all.some(({ cancelled }) => cancelled),
    twice: all.some(({ attempts, fault }) => attempts.length > 1 && fault === null), tools: all.some(({ quality }) => (quality?.badToolCalls ?? 0) > 0),
    parameters: all.some(({ sampling }) => sampling !== null), apps: new Set(all.map(({ referer }) => referer)).size > 5,
  })) assert.ok(is, what)
  assert.ok(all.every(({ endpoint, cost, usage }) => (endpoint === null ? cost === 0n : usage.input.total > 0)))
})

forEachStore((_, open) => {
  test('no plan goes by a demonstration, nor by real calls as long as one is in', async () => {
    const { store } = await open()
    const demo = createDemoTraffic({ store, ambient })
    const measured = async () => (await createFigures({ store, ambient }).measurements()).size
    const [early, late] = [calls({ workspace: 'default' }).slice(0, -30), calls({ workspace: 'default' }).slice(-30)]
    const stats = createStats({ store, ambient, flushEveryMs: 60_000 })
    for (const call of late) stats.record(call)
    await stats.flush()
    const rollups = createRollups({ store, ambient })
    await rollups.catchUp()
    assert.ok(await measured() > 0, 'real calls are gone by')
    assert.equal(await demo.write(early), early.length)
    await rollups.catchUp()
    assert.equal(await measured(), 0)
    assert.equal(await demo.remove(), early.length)
    assert.ok(await measured() > 0)
    const { rows } = await store.db.selectFrom('generations').select((build) => build.fn.countAll<number>().as('rows')).executeTakeFirstOrThrow()
    assert.equal(rows, late.length, 'real records stay')
  })
})
