import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { forEachStore } from '../../test/stores.ts'
import { Departure } from '../core/index.ts'
import { createFakeAmbient } from '../testing/index.ts'
import { createResponses, openVault, type EndWords, type Run, type Runs } from './index.ts'

/** The words of a format of which only this room's part matters here. */
const WORDS: EndWords = {
  ended: (response, why) => ({ ...response, status: why.kind === 'cancelled' ? 'cancelled' : 'failed', why: why.message }),
  lastFrame: (response, sequence) => `${sequence} over ${String(response['status'])}\n\n`,
}
const HOUR = 3_600_000
const frame = (number: number): string => `event ${number} said\n\n`

/** What a reader has read, and ways to wait for it. */
function reading(runs: Runs, from: number, id = 'gen-1') {
  const reader = new Departure()
  const texts: string[] = []
  let wake = (): void => {}
  const over = (async () => {
    for await (const text of runs.events('w', id, from, reader)) {
      texts.push(text)
      wake()
    }
  })()
  return {
    reader, over,
    text: () => texts.join(''),
    async until(wanted: string): Promise<void> {
      while (!texts.join('').includes(wanted)) await new Promise<void>((resolve) => { wake = resolve })
    },
  }
}

forEachStore((_, open) => {
  const opened = async () => {
    const { store, place, again } = await open()
    const errors: Error[] = []
    const node = async (on = store) => {
      const clock = createFakeAmbient()
      const vault = await openVault({ store: on, home: place.home, ambient: clock })
      const settings = { retentionDays: 30, backgroundPerKey: 2, backgroundLeaseMs: 1000 }
      return { clock, ...createResponses({ store: on, vault, ambient: clock, settings: () => settings, words: WORDS, onError: (error) => errors.push(error) }) }
    }
    return { store, errors, here: await node(), there: async () => node(await again()) }
  }
  const asked = (id: string, key = 'k') => ({
    id, workspace: 'w', key, createdAt: 5, items: [], response: JSON.stringify({ id, status: 'queued' }), frames: `${frame(0)}${frame(1)}`, stored: true,
  })
  const started = async (runs: Runs, id = 'gen-1', key = 'k'): Promise<Run> => {
    const run = await runs.begin(asked(id, key))
    assert.ok('departure' in run, JSON.stringify(run))
    return run
  }

  test('a run is found as it stands, and as it ended', async () => {
    const { here } = await opened()
    const run = await started(here.runs)
    assert.deepEqual(await here.find('w', 'gen-1'), { id: 'gen-1', createdAt: 5, items: [], response: { id: 'gen-1', status: 'queued' }, running: 'queued' })
    assert.equal(await here.find('other', 'gen-1'), null)
    run.begun()
    run.say(frame(2))
    await run.end('{"id":"gen-1","status":"completed"}', frame(3))
    assert.deepEqual(await here.find('w', 'gen-1'), { id: 'gen-1', createdAt: 5, items: [], response: { id: 'gen-1', status: 'completed' } })
  })

  test('a key may have so many under way, and no key has those of another', async () => {
    const { here, store } = await opened()
    const both = await Promise.all([here.runs.begin(asked('gen-1')), here.runs.begin(asked('gen-2')), here.runs.begin(asked('gen-3'))])
    const refused = both.flatMap((run) => ('departure' in run ? [] : [[run.kind, run.metadata]]))
    assert.deepEqual(refused, [['rate-limited', { reason: 'background_per_key' }]])
    assert.equal((await store.db.selectFrom('responses').select('id').execute()).length, 2, 'what was refused was kept')
    await started(here.runs, 'gen-4', 'another')
    for (const run of both) if ('departure' in run) await run.end('{"status":"completed"}', '')
    await started(here.runs, 'gen-5')
  })

  test('its events are read from any number on, here and at another node, without a gap and to the end', async () => {
    const { here, there, store } = await opened()
    const run = await started(here.runs)
    const elsewhere = await there()
    const first = reading(here.runs, 0)
    const far = reading(elsewhere.runs, 0)
    const rows = () => store.db.selectFrom('response_events').selectAll().execute()
    let all = `${frame(0)}${frame(1)}`
    let number = 1
    const say = (): void => {
      run.say(frame(++number))
      all += frame(number)
    }
    // Said while others are on their way to the database, too.
    while ((await rows()).length < 4) {
      say()
      await setImmediate()
    }
    await far.until(frame(number - 1))
    for (let more = 0; more < 10; more++) say()
    const last = frame(number)
    const late = reading(here.runs, number - 20)
    await first.until(last)
    await late.until(last)
    await run.end('{"status":"completed"}', frame(number + 1))
    all += frame(number + 1)
    await Promise.all([first.over, far.over, late.over])
    assert.equal(first.text(), all)
    assert.equal(far.text(), all)
    assert.equal(late.text(), all.slice(all.indexOf(frame(number - 20))))
    const after = reading(elsewhere.runs, number - 1)
    await after.over
    assert.equal(after.text(), `${frame(number - 1)}${frame(number)}${frame(number + 1)}`)
    const written = await rows()
    assert.ok(written.length < number / 2 && !JSON.stringify(written).includes('said'), 'events are rows of their own, or in the clear')
  })

  test('a reader that leaves is let go, whoever makes the response', async () => {
    const { here, there } = await opened()
    const run = await started(here.runs)
    const near = reading(here.runs, 0)
    const far = reading((await there()).runs, 0)
    await Promise.all([near.until(frame(1)), far.until(frame(1))])
    near.reader.leave()
    far.reader.leave()
    await Promise.all([near.over, far.over])
    await run.end('{"status":"completed"}', frame(2))
  })

  test('cancelled or deleted at another node, it is ended here', async () => {
    const { here, there } = await opened()
    const elsewhere = await there()
    for (const [id, end] of [['gen-1', () => elsewhere.runs.cancel('w', 'gen-1')], ['gen-2', () => elsewhere.remove('w', 'gen-2')]] as const) {
      const run = await started(here.runs, id)
      const told = new Promise<void>((resolve) => { run.departure.listen(resolve) })
      const ending = end()
      await told
      assert.equal(run.why?.kind, 'cancelled')
      await run.end('{"status":"cancelled"}', frame(2))
      await ending
    }
    assert.equal((await elsewhere.find('w', 'gen-1'))?.response['status'], 'cancelled')
    assert.equal(await elsewhere.find('w', 'gen-2'), null)
  })

  test('a run whose process fell silent ends as failed, and what comes of it later changes nothing', async () => {
    const { here, there, store } = await opened()
    const run = await started(here.runs)
    run.say(frame(2))
    const seen = reading(here.runs, 0)
    await seen.until(frame(2))
    const elsewhere = await there()
    const behind = reading(elsewhere.runs, 0)
    await behind.until(frame(2))
    // For the other node's clock nothing was heard for an hour.
    elsewhere.clock.advance(HOUR)
    const told = new Promise<void>((resolve) => { run.departure.listen(resolve) })
    const found = await elsewhere.find('w', 'gen-1')
    assert.deepEqual([found?.response['status'], found?.running], ['failed', undefined])
    assert.match(String(found?.response['why']), /stopped before it was finished/)
    await behind.over
    assert.equal(behind.text(), `${frame(0)}${frame(1)}${frame(2)}3 over failed\n\n`)
    await told
    await run.end('{"status":"completed"}', frame(3))
    assert.equal((await elsewhere.find('w', 'gen-1'))?.response['status'], 'failed')
    // Who has seen more than was kept is told the end under the number that comes next for it.
    const further = reading(elsewhere.runs, 9)
    await further.over
    assert.equal(further.text(), '9 over failed\n\n')
    assert.deepEqual(await store.db.selectFrom('response_runs').selectAll().execute(), [])
  })

  test('those of dead processes are found without being asked for', async () => {
    const { here, there, store } = await opened()
    await started(here.runs)
    const elsewhere = await there()
    await elsewhere.runs.bury()
    assert.equal((await store.db.selectFrom('response_runs').select('id').execute()).length, 1, 'one that is alive was ended')
    elsewhere.clock.advance(HOUR)
    await elsewhere.runs.bury()
    assert.deepEqual(await store.db.selectFrom('response_runs').select('id').execute(), [])
  })

  test('a server that stops waits for its runs, then ends them, and says why', async () => {
    const { here } = await opened()
    const [quick, slow] = [await started(here.runs, 'gen-1'), await started(here.runs, 'gen-2')]
    const told = new Promise<void>((resolve) => { slow.departure.listen(resolve) })
    let drained = false
    const draining = (async () => {
      await here.runs.drain(HOUR)
      drained = true
    })()
    await quick.end('{"status":"completed"}', '')
    assert.deepEqual([drained, slow.why], [false, null])
    here.clock.advance(HOUR)
    await told
    assert.equal(slow.why?.kind, 'shutting-down')
    await slow.end('{"status":"failed"}', '')
    await draining
  })

  test('what is not to be stored stays long enough to be fetched', async () => {
    const { here } = await opened()
    const run = await here.runs.begin({ ...asked('gen-1'), stored: false })
    assert.ok('departure' in run)
    await run.end('{"status":"completed"}', '')
    here.clock.advance(9 * 60_000)
    assert.ok(await here.find('w', 'gen-1'))
    here.clock.advance(2 * 60_000)
    assert.equal(await here.find('w', 'gen-1'), null)
  })

  test('a response that is gone takes its events with it', async () => {
    const { here, store, errors } = await opened()
    await here.keep({ id: 'gen-1', workspace: 'w', key: 'k', createdAt: 5, items: [], response: '{}', frames: `${frame(0)}${frame(1)}` })
    assert.equal(await here.hasEvents('gen-1'), true)
    const read = reading(here.runs, 1)
    await read.over
    assert.equal(read.text(), frame(1))
    await here.remove('w', 'gen-1')
    assert.deepEqual(await store.db.selectFrom('response_events').selectAll().execute(), [])
    assert.deepEqual(errors, [])
  })
})
