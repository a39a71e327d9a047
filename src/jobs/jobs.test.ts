import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../store/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createJobs } from './index.ts'

const NOW = 1_760_000_000_000

/** A node with a job that says who ran it. */
function node(store: Store, name: string, ran: string[], clock = createFakeAmbient({ now: NOW })) {
  const jobs = createJobs({ store, ambient: { ...clock, bytes: () => Buffer.from(name.padEnd(9)) }, onError: (error) => ran.push(error.message) })
  jobs.add({ name: 'job', everyMs: 5, run: async () => { ran.push(name) } })
  return { jobs, clock }
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !what(); i++) await sleep(10)
  assert.ok(what())
}

forEachStore((_, open) => {
  test('of two nodes one does the work, and the other takes over when it is gone', async () => {
    const { store, again } = await open()
    const ran: string[] = []
    const first = node(store, 'first', ran)
    await until(() => ran.length >= 3)
    const second = node(await again(), 'second', ran)
    await sleep(60)
    assert.deepEqual([...new Set(ran)], ['first'])
    await first.jobs.close()
    await until(() => ran.includes('second'))
    await second.jobs.close()
  })

  test('a node that fell silent loses its work when its lease is over, and not before', async () => {
    const { store, again } = await open()
    const ran: string[] = []
    await store.db.insertInto('leases').values({ name: 'job', holder: 'dead', until_at: NOW + 10_000 }).execute()
    const { jobs, clock } = node(await again(), 'second', ran)
    await sleep(60)
    assert.equal(ran.length, 0)
    clock.advance(10_001)
    await until(() => ran.includes('second'))
    await jobs.close()
  })

  test('a job that fails is heard of and runs again', async () => {
    const { store } = await open()
    const said: string[] = []
    let runs = 0
    const jobs = createJobs({ store, ambient: createFakeAmbient({ now: NOW }), onError: (error) => said.push(error.message) })
    jobs.add({ name: 'failing', everyMs: 5, run: async () => { runs++; throw new Error('it failed') } })
    await until(() => runs >= 2)
    await jobs.close()
    assert.deepEqual([...new Set(said)], ['it failed'])
    const after = runs
    await sleep(30)
    assert.equal(runs, after, 'and not after the end')
  })
})
