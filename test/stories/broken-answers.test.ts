import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Order } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** What breaks after the first piece of an answer: nobody else may go on, and the caller must not take it for the end. */

const upstream = await startUpstream()
const PRICE = { prompt: 1, completion: 2 }
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`, { ...PRICE, timeouts: { connect_ms: 300, first_token_ms: 400, idle_ms: 250, total_ms: 900 } }),
    providerAt('spare', `${upstream.url}/spare/v1`, { prompt: 100, completion: 100 }),
    // A provider of whole answers only: three seconds to its end, if nothing stops it.
    { timeouts: { pre_token_total_ms: 5000 } },
  ),
})
const order = (what: Order, text = 'Tell me a story.') => `#fake ${JSON.stringify(what)}\n${text}`
const PIECES = ['Once', ' upon', ' a', ' time', ' there', ' was']
const first = { provider: { order: ['acme', 'spare'] } }
const ask = (what: Order, rest = {}) => saying('acme/one', order({ text: PIECES, ...what }), { stream: true, ...first, ...rest })

/** The record of an answer that failed in the middle: nothing charged, one attempt, an error as its end. */
async function assertFreeOfCharge(id: string): Promise<void> {
  const record = await box.generation(id)
  assert.equal(record['total_cost'], 0)
  assert.equal(record['usage'], 0)
  assert.equal(record['finish_reason'], 'error')
  assert.equal(record['cancelled'], false)
  assert.equal((record['provider_responses'] as unknown[]).length, 1, 'nobody else was tried')
}

describe('An answer that breaks in the middle', () => {
  const CUTS: readonly [string, Order][] = [
    ['closes the connection', { cutAfter: 4, cutBy: 'fin' }],
    ['resets the connection', { cutAfter: 4, cutBy: 'rst', paceMs: 15 }],
    ['ends its body properly, but without a finish reason', { cutAfter: 4, cutBy: 'end' }],
    ['ends in the middle of an event', { cutAtByte: 900 }],
  ]
  for (const [does, what] of CUTS) {
    test(`A provider ${does}: within 100 ms the caller gets what there was, one error, no [DONE], and no bill`, async () => {
      const before = upstream.requests.length
      const following = follow(await box.chat(ask(what)))
      await following.until('Once')
      const streamed = await following.end()
      const told = performance.now()
      const cut = upstream.requests.at(-1)!
      assert.equal(streamed.done, false)
      assert.ok('Once upon a time there was'.startsWith(streamed.text) && streamed.text.length > 0)
      assert.equal(streamed.error!.code, 502)
      assert.equal(streamed.error!.metadata!['error_type'], 'provider_unavailable')
      assert.equal(streamed.error!.metadata!['provider_name'], 'acme')
      assert.equal(upstream.requests.length, before + 1, 'another provider was asked after the first piece')
      if (cut.endedAt !== undefined) assert.ok(told - cut.endedAt < 100, `it took ${(told - cut.endedAt).toFixed(0)} ms`)
      await assertFreeOfCharge(streamed.id)
    })
  }

  test('A provider sends an error instead of its finish: the caller gets that error', async () => {
    const streamed = await readStream(await box.chat(ask({ shapes: ['error-chunk'] })))
    assert.equal(streamed.text, PIECES.join(''))
    assert.equal(streamed.done, false)
    assert.ok(streamed.error!.code >= 500)
    await assertFreeOfCharge(streamed.id)
  })

  test('A provider sends an event that is no JSON: the answer fails there, and nothing of it is guessed', async () => {
    const streamed = await readStream(await box.chat(ask({ garble: 'json', garbleAt: 3 })))
    assert.equal(streamed.text, 'Once upon')
    assert.equal(streamed.error!.code, 502)
    await assertFreeOfCharge(streamed.id)
  })

  test('A provider falls silent: the caller is told after the idle timeout, and the provider is let go', async () => {
    const begun = performance.now()
    const streamed = await readStream(await box.chat(ask({ stallAfter: 4 })))
    const took = performance.now() - begun
    assert.equal(streamed.text, 'Once upon a')
    assert.equal(streamed.error!.code, 504)
    assert.equal(streamed.error!.metadata!['error_type'], 'timeout')
    assert.ok(took > 200 && took < 600, `it took ${took.toFixed(0)} ms`)
    await upstream.waitFor((request) => request === upstream.requests.at(-1) && request.state === 'aborted')
    await assertFreeOfCharge(streamed.id)
  })

  test('A provider that trickles bytes and never completes an event is as silent as one that sends nothing', async () => {
    const begun = performance.now()
    // The first three events at once would need another script: here an event takes longer than the idle timeout.
    const refusal = await box.refused(saying('acme/one', order({ text: PIECES, trickle: { bytes: 1, everyMs: 10 } }), { stream: true, provider: { only: ['acme'] } }))
    assert.equal(refusal.status, 504)
    assert.ok(performance.now() - begun < 900)
    const long = 'x'.repeat(4000)
    const streamed = await readStream(await box.chat(ask({ text: ['Once', long], stallAtByte: 1500 })))
    assert.equal(streamed.text, 'Once')
    assert.equal(streamed.error!.code, 504)
  })

  test('An answer that goes on for ever is ended at the total timeout', async () => {
    const begun = performance.now()
    const streamed = await readStream(await box.chat(ask({ endless: true, paceMs: 20 })))
    const took = performance.now() - begun
    assert.equal(streamed.error!.code, 504)
    assert.ok(took > 800 && took < 1600, `it took ${took.toFixed(0)} ms`)
    await upstream.waitFor((request) => request === upstream.requests.at(-1) && request.state === 'aborted')
    await assertFreeOfCharge(streamed.id)
  })

  test('Half of a whole answer is no answer: another provider gives it', async () => {
    const reply = await box.whole(saying('acme/one', 'Whole?', { ...first, stream: false }))
    assert.equal(reply.provider, 'acme')
    upstream.next({ cutAfter: 1, cutBy: 'fin' }, { path: '/acme/' })
    const other = await box.whole(saying('acme/one', 'Whole?', first))
    assert.equal(other.provider, 'spare')
    upstream.next({ stallAfter: 1 }, { path: '/acme/' })
    const third = await box.whole(saying('acme/one', 'Whole?', first))
    assert.equal(third.provider, 'spare')
  })
})

describe('An answer that ends oddly, but ends', () => {
  test('A finish without [DONE] is a whole answer: the usage and [DONE] come from us', async () => {
    for (const shape of ['no-done', 'data-after-done', 'no-last-blank', 'content-after-finish', 'usage-in-finish'] as const) {
      const streamed = await readStream(await box.chat(ask({ shapes: [shape] })))
      assert.equal(streamed.done, true, shape)
      assert.ok(streamed.text.startsWith('Once upon a time there'), shape)
      assert.equal(streamed.finish, 'stop', shape)
      assert.ok(streamed.usage!.cost > 0, shape)
    }
  })

  test('A provider that ends with [DONE] and never says why has not failed', async () => {
    const streamed = await readStream(await box.chat(ask({ shapes: ['no-finish'] })))
    assert.equal(streamed.text, PIECES.join(''))
    assert.equal(streamed.done, true)
    assert.equal(streamed.finish, 'stop')
  })

  test('A provider that says that it failed is believed, and not paid by the caller', async () => {
    const streamed = await readStream(await box.chat(ask({ finish: 'insufficient_system_resource' })))
    const record = await box.generation(streamed.id)
    assert.equal(record['total_cost'], 0)
    assert.equal(record['finish_reason'], 'error')
    assert.equal(streamed.finish, 'error')
  })
})

describe('Too much of anything', () => {
  test('A body without end is given up at its limit, and the next provider answers', { timeout: 20_000 }, async () => {
    const before = process.memoryUsage().rss
    upstream.next({ endless: true }, { path: '/acme/' })
    const reply = await box.whole(saying('acme/one', 'Enough?', first))
    assert.equal(reply.provider, 'spare')
    assert.ok(process.memoryUsage().rss - before < 400 << 20)
    const endless = upstream.requests.findLast((request) => request.path.startsWith('/acme/'))!
    await upstream.waitFor(() => endless.state === 'aborted')
  })

  test('An event of eight megabytes, as pictures are, comes through', { timeout: 20_000 }, async () => {
    const streamed = await readStream(await box.chat(ask({ hugeEvent: 8 << 20 })))
    assert.equal(streamed.done, true)
    assert.equal(streamed.text.length, 'Once upon a time there was'.length + (8 << 20))
  })
})

test('None of this was a fault of ours', () => {
  assert.deepEqual(box.complaints, [])
})
