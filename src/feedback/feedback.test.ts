import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeAmbient } from '../testing/index.ts'
import { forEachStore } from '../../test/stores.ts'
import { createFeedback } from './index.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 4, 4, 9)
const ada = { address: '203.0.113.7', agent: 'Browser/1' }
const errors = { page: '/docs/errors', helpful: true, text: null, ...ada }

forEachStore((_, open) => {
  test('a visitor has one vote for each page and can change it until the day is over; others have their own, from the same address as well', async () => {
    const { store, again } = await open()
    const clock = createFakeAmbient({ now: NOW })
    const [one, other] = [createFeedback({ store, ambient: clock }), createFeedback({ store: await again(), ambient: createFakeAmbient({ now: NOW, seed: 9 }) })]
    await one.take(errors)
    await other.take({ ...errors, helpful: false, text: 'Which status is it?' })
    assert.deepEqual(await one.read(), [{ page: '/docs/errors', helpful: 0, notHelpful: 1, texts: [{ at: NOW, helpful: false, text: 'Which status is it?' }] }], 'on any node')
    await one.take({ ...errors, agent: 'Browser/2' })
    await one.take({ ...errors, page: '/docs/routing' })
    clock.advance(DAY)
    await one.take(errors)
    assert.deepEqual((await one.read()).map(({ page, helpful, notHelpful }) => [page, helpful, notHelpful]), [['/docs/errors', 2, 1], ['/docs/routing', 1, 0]], 'those that the most did not find helpful first')
  })

  test('nothing in the database tells who voted: not the address, and from the next day on not what it was hashed with', async () => {
    const { store } = await open()
    const clock = createFakeAmbient({ now: NOW })
    const feedback = createFeedback({ store, ambient: clock })
    await feedback.take({ ...errors, text: 'Thanks' })
    const salts = async () => store.db.selectFrom('visitor_salts').selectAll().execute()
    const [today] = await salts()
    clock.advance(DAY)
    await feedback.take({ ...errors, page: '/docs/routing' })
    const [tomorrow, ...older] = await salts()
    assert.deepEqual([older, tomorrow!.salt === today!.salt], [[], false])
    const votes = await store.db.selectFrom('page_votes').selectAll().execute()
    assert.equal(new Set(votes.map(({ visitor }) => visitor)).size, 2)
    assert.doesNotMatch(JSON.stringify(votes), /203\.0\.113|Browser/)
  })

  test('what somebody wrote moves no cursor and turns no letters around in the terminal that it is read in', async () => {
    const { store } = await open()
    const feedback = createFeedback({ store, ambient: createFakeAmbient({ now: NOW }) })
    await feedback.take({ ...errors, text: ' Good\r\nbut \u001b[2Jlong,\u202e and\u0000 \ud800 more \u{1f600} ' })
    await feedback.take({ ...errors, page: '/docs/routing', text: '\u0007' })
    assert.deepEqual((await feedback.read()).map(({ page, texts }) => [page, texts.map(({ text }) => text)]), [['/docs/errors', ['Good but  [2Jlong,  and    more \u{1f600}']], ['/docs/routing', []]])
  })

  test('an address may say so much in an hour, and all of them together so much in a day', async () => {
    const { store } = await open()
    const clock = createFakeAmbient({ now: NOW })
    const feedback = createFeedback({ store, ambient: clock })
    const allowed = (address: string) => Array.from({ length: 40 }, () => feedback.allows(address)).filter(Boolean).length
    assert.deepEqual([allowed(ada.address), allowed(ada.address), allowed('203.0.113.8')], [30, 0, 30])
    clock.advance(3_600_000)
    assert.equal(feedback.allows(ada.address), true)

    await store.insertNew('page_votes', ['page', 'visitor', 'at', 'helpful', 'text'], Array.from({ length: 5000 }, (_, i) => ['/docs/errors', `somebody ${i}`, clock.now(), 1, null]))
    assert.equal(await feedback.take(errors), false)
    clock.advance(DAY)
    assert.equal(await feedback.take(errors), true)
  })
})
