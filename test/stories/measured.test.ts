/** What this instance's traffic measured decides where the next request goes: caches that are warm, tool calls that are right. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUpstream } from '../../src/testing/index.ts'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, together, type Signalbox } from './signalbox.ts'

const SHEET = (perMillion: number) => ({
  prompt: (perMillion / 1e6).toFixed(9), completion: (perMillion / 1e6).toFixed(9), input_cache_read: (perMillion / 1e7).toFixed(9),
})
const at = (upstream: FakeUpstream, slug: string, price: number) =>
  providerAt(slug, `${upstream.url}/${slug}/v1`, { endpoint: { pricing: SHEET(price) } })

const LONG = 'You are a careful assistant. '.repeat(200)
const turn = (text: string, rest: Record<string, unknown> = {}) =>
  ({ model: 'acme/one', messages: [{ role: 'system', content: LONG }, { role: 'user', content: text }], ...rest })

const WEATHER = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }

describe('A prompt cache', () => {
  const start = async (): Promise<{ upstream: FakeUpstream; box: Signalbox }> => {
    const upstream = await startUpstream()
    // Alike in price, so that without a reason each turn is a toss.
    const box = await startSignalbox({ config: together(at(upstream, 'left', 1), at(upstream, 'right', 1)) })
    return { upstream, box }
  }

  test('keeps a conversation where its prompt is cached, without the caller saying anything', async () => {
    const { upstream, box } = await start()
    upstream.always({ text: 'Hello.', usage: { input: 1500, output: 5, cacheRead: 1400 } })
    const first = await box.whole(turn('What is the tallest mountain?'))
    for (let i = 0; i < 12; i++) assert.equal((await box.whole(turn('What is the tallest mountain?', { temperature: i / 10 })))['provider'], first['provider'])
  })

  test('is nothing to a conversation that begins otherwise, nor to one that used no cache', async () => {
    const { upstream, box } = await start()
    upstream.always({ text: 'Hello.', usage: { input: 1500, output: 5 } })
    const seen = new Set<unknown>()
    for (let i = 0; i < 24; i++) seen.add((await box.whole(turn('The same words')))['provider'])
    assert.equal(seen.size, 2, 'twenty-four tosses of a coin')
  })

  test('is kept by session from the first answer on, in the body or in the header', async () => {
    const { upstream, box } = await start()
    upstream.always({ text: 'Hello.' })
    const first = await box.whole(saying('acme/one', 'One', { session_id: 'chat-7' }))
    for (let i = 0; i < 8; i++) assert.equal((await box.whole(saying('acme/one', `And ${i}`, { session_id: 'chat-7' })))['provider'], first['provider'])
    for (let i = 0; i < 8; i++) assert.equal((await box.whole(saying('acme/one', `Or ${i}`), { 'x-session-id': 'chat-7' }))['provider'], first['provider'])
    const { status, error } = await box.refused(saying('acme/one', 'Hi'), { 'x-session-id': 'x'.repeat(257) })
    assert.equal(status, 400)
    assert.match(error.message, /^x-session-id: must have at most 256 characters, has 257/)
  })

  test('does not hold a conversation at a provider that fails', async () => {
    const { upstream, box } = await start()
    upstream.always({ text: 'Hello.' })
    const first = (await box.whole(saying('acme/one', 'One', { session_id: 's' })))['provider'] as string
    upstream.when({ path: `/${first.toLowerCase()}/` }, { status: 500 })
    const second = (await box.whole(saying('acme/one', 'Two', { session_id: 's' })))['provider']
    assert.notEqual(second, first)
    assert.equal((await box.whole(saying('acme/one', 'Three', { session_id: 's' })))['provider'], second, 'and it has moved')
  })
})

onBothStores((start) => {
  test('requests with tools go to the provider whose calls are right, and the explanation says by which figure', async () => {
    const upstream = await startUpstream()
    upstream.when({ path: '/cheap/' }, { calls: [{ name: 'weather', arguments: '{"town":"Paris"}' }] })
    upstream.when({ path: '/sound/' }, { calls: [{ name: 'weather', arguments: '{"city":"Paris"}' }] })
    const box = await start({ config: { ...together(at(upstream, 'cheap', 1), at(upstream, 'sound', 300)), routing: { tool_requests: 10 } } })
    const ask = (only: string) => box.whole(saying('acme/one', 'The weather?', { tools: [WEATHER], provider: { only: [only] } }))
    for (let i = 0; i < 12; i++) await Promise.all([ask('cheap'), ask('sound')])

    const plan = () => box.explain(saying('acme/one', 'The weather?', { tools: [WEATHER] }))
    let explained = await plan()
    // Not until 'sound' comes first: a rare draw has it first by chance, before anything was measured.
    const isMeasured = () => explained.candidates.every(({ reasons }) => reasons.some((reason: string) => reason.includes('of 12 requests with tools')))
    for (let i = 0; i < 200 && !isMeasured(); i++) {
      await sleep(100)
      explained = await plan()
    }
    assert.deepEqual(explained.candidates.map(({ provider }) => provider), ['sound', 'cheap'])
    assert.ok(explained.candidates[1]!.reasons.some((reason: string) => reason.startsWith('100 % of 12 requests with tools had a wrong call within seven days')), String(explained.candidates[1]!.reasons))
    assert.ok(explained.candidates[0]!.reasons.includes('0 % of 12 requests with tools had a wrong call within seven days'))
    assert.equal((await box.explain(saying('acme/one', 'Hello'))).candidates[0]!.provider, 'cheap', 'a request without tools goes by price')
    assert.equal((await box.whole(saying('acme/one', 'The weather?', { tools: [WEATHER] })))['provider'], 'sound')
  })
})
