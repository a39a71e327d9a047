import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kernelTakes, type Order } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** What breaks after the first piece of an answer: nobody else may go on, and the caller must not take it for the end. */

const upstream = await startUpstream()
const PRICE = { prompt: 1, completion: 2 }
const TIMEOUTS = { connect_ms: 5000, first_token_ms: 800, idle_ms: 500, total_ms: 2000 }
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`, { ...PRICE, timeouts: TIMEOUTS }),
    providerAt('spare', `${upstream.url}/spare/v1`, { prompt: 100, completion: 100 }),
    providerAt('painter', `${upstream.url}/painter/v1`, { ...PRICE, model: 'acme/painter', row: { output_modalities: ['text', 'image'] } }),
    // A provider of whole answers only: three seconds to its end, if nothing stops it.
    { timeouts: { pre_token_total_ms: 5000 } },
  ),
})
const order = (what: Order, text = 'Tell me a story.') => `#fake ${JSON.stringify(what)}\n${text}`
const PIECES = ['Once', ' upon', ' a', ' time', ' there', ' was']
const first = { provider: { order: ['acme', 'spare'] } }
const ask = (what: Order, rest = {}) => saying('acme/one', order({ text: PIECES, ...what }), { stream: true, ...first, ...rest })

/** An answer that failed in the middle: nothing charged, one attempt, an error as its end, and its provider looks worse for it. */
async function assertFreeOfCharge(id: string): Promise<void> {
  const { candidates } = await box.explain(saying('acme/one', 'How is it?', { provider: { only: ['acme'] } }))
  assert.match((candidates[0]!['reasons'] as readonly string[]).join('; '), /^(failed within|ejected until)/)
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
      const took: number[] = []
      // A neighbour on the machine may be in the way of one; what waits for a timer of ours does so in all of them.
      while (!took.some((ms) => ms < 100)) {
        assert.ok(took.length < 20, `it took ${took.map((ms) => ms.toFixed(0)).join(', ')} ms`)
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
        await upstream.waitFor((request) => request === cut && request.endedAt !== undefined)
        took.push(told - cut.endedAt!)
        await assertFreeOfCharge(streamed.id)
      }
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

  test('A provider sends bytes that are no UTF-8: the answer fails there, and nothing of it is guessed', async () => {
    for (const eventsPerWrite of [1, 0]) {
      const streamed = await readStream(await box.chat(ask({ garble: 'utf8', garbleAt: 3, eventsPerWrite })))
      assert.equal(streamed.text, 'Once upon')
      assert.equal(streamed.error!.code, 502)
      assert.match(streamed.error!.message, /no UTF-8/)
      await assertFreeOfCharge(streamed.id)
    }
    const lone = await readStream(await box.chat(ask({ text: ['It wrote ', '\ufffd', ' itself'] })))
    assert.equal(lone.text, 'It wrote \ufffd itself', 'a character that stands for a broken one is a character')
  })

  test('A provider falls silent: the caller is told after the idle timeout, and the provider is let go', async () => {
    const begun = performance.now()
    const streamed = await readStream(await box.chat(ask({ stallAfter: 4 })))
    assert.ok(performance.now() - begun > 450, 'it was not waited for')
    assert.equal(streamed.text, 'Once upon a')
    assert.equal(streamed.error!.code, 504)
    const { error_type: type, timeout, timeout_ms: after } = streamed.error!.metadata!
    assert.deepEqual([type, timeout, after], ['timeout', 'idle', 500])
    await upstream.waitFor((request) => request === upstream.requests.at(-1) && request.state === 'aborted')
    await assertFreeOfCharge(streamed.id)
  })

  test('A provider that trickles bytes and never completes an event is as silent as one that sends nothing', async () => {
    // The first three events at once would need another script: here an event takes longer than the idle timeout.
    const refusal = await box.refused(saying('acme/one', order({ text: PIECES, trickle: { bytes: 1, everyMs: 10 } }), { stream: true, provider: { only: ['acme'] } }))
    assert.equal(refusal.status, 504)
    assert.equal(refusal.error.metadata['timeout'], 'first_token')
    const long = 'x'.repeat(4000)
    const streamed = await readStream(await box.chat(ask({ text: ['Once', long], trickle: { bytes: 1, everyMs: 10, after: 2 } })))
    assert.equal(streamed.text, 'Once')
    assert.equal(streamed.error!.code, 504)
    assert.equal(streamed.error!.metadata!['timeout'], 'idle')
    await assertFreeOfCharge(streamed.id)
  })

  test('A provider that goes on with nothing but comments is as silent', async () => {
    const streamed = await readStream(await box.chat(ask({ stallAfter: 3, commentsForever: 20 })))
    assert.equal(streamed.text, 'Once upon')
    assert.equal(streamed.error!.code, 504)
    assert.equal(streamed.error!.metadata!['timeout'], 'idle')
    await upstream.waitFor((request) => request === upstream.requests.at(-1) && request.state === 'aborted')
    await assertFreeOfCharge(streamed.id)
  })

  test('What breaks off says how far it came: its error has the usage so far, counted by us, and it costs nothing', async () => {
    const streamed = await readStream(await box.chat(ask({ cutAfter: 4, cutBy: 'rst', paceMs: 15 })))
    const { usage } = streamed.chunks.at(-1)!
    assert.ok(usage!.completion_tokens >= 1 && usage!.prompt_tokens >= 5, JSON.stringify(usage))
    assert.equal(usage!.cost, 0)
    assert.equal(streamed.finish, 'error')
    const record = await box.generation(streamed.id)
    assert.equal(record['native_tokens_completion'], usage!.completion_tokens)
    assert.equal(record['native_tokens_prompt'], usage!.prompt_tokens)
  })

  test('A whole answer that breaks off after its first words has them, the error beside them, and costs nothing', async () => {
    const events = [
      { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'one', choices: [{ index: 0, delta: { role: 'assistant', content: 'Once upon' }, finish_reason: null }] },
      { error: { message: 'The engine stopped', code: 500 } },
    ]
    const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
    const reply = await box.whole(saying('acme/one', order({ body }), first))
    assert.equal(reply.choices[0]!['message'].content, 'Once upon')
    assert.equal(reply.choices[0]!['finish_reason'], 'error')
    assert.equal(reply.choices[0]!['error'].message, 'The engine stopped')
    assert.equal(reply.usage.cost, 0)
    assert.ok(reply.usage.completion_tokens > 0)
    await assertFreeOfCharge(reply.id)
  })

  test('An answer that goes on for ever is ended at the total timeout', async () => {
    const begun = performance.now()
    const streamed = await readStream(await box.chat(ask({ endless: true, paceMs: 5 })))
    assert.ok(performance.now() - begun > 1900, 'it was ended before')
    assert.equal(streamed.error!.code, 504)
    assert.equal(streamed.error!.metadata!['timeout'], 'total')
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

  test('A provider that resets the connection right behind its finish has answered', async () => {
    const streamed = await readStream(await box.chat(ask({ usage: null, shapes: ['no-done'], cutAfter: 8, cutBy: 'rst', paceMs: 5 })))
    assert.equal(streamed.done, true)
    assert.equal(streamed.finish, 'stop')
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

describe('After its finish', { concurrency: true }, () => {
  const chunk = (choices: readonly unknown[], rest = {}) => ({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'one', choices, ...rest })
  const piece = (content: string, finish: string | null) => chunk([{ index: 0, delta: { role: 'assistant', content }, finish_reason: finish }])
  /** Of a provider that may take as long as it likes. */
  const askSpare = (what: Order) => saying('acme/one', order(what), { stream: true, provider: { only: ['spare'] } })

  test('A provider that neither ends nor says more has answered: within seconds the usage and [DONE] come from us, by our count', { timeout: 100_000 }, async () => {
    const begun = performance.now()
    const streamed = await readStream(await box.chat(askSpare({ text: PIECES, usage: null, shapes: ['no-done'], stallAfter: 8, commentsForever: 50 })))
    const took = performance.now() - begun
    assert.equal(streamed.finish, 'stop')
    assert.equal(streamed.text, PIECES.join(''))
    assert.ok(streamed.usage!.cost > 0)
    assert.ok(took < 30_000, `it took ${took.toFixed(0)} ms`)
  })

  test('What a provider goes on to count keeps the answer open no longer', { timeout: 100_000 }, async () => {
    const running = chunk([], { usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })
    const begun = performance.now()
    const streamed = await readStream(await box.chat(askSpare({ events: [piece('Done', null), piece('', 'stop'), ...Array.from({ length: 4000 }, () => running)], paceMs: 30 })))
    const took = performance.now() - begun
    assert.equal(streamed.finish, 'stop')
    assert.equal(streamed.usage!.completion_tokens, 2)
    assert.ok(took < 30_000, `it took ${took.toFixed(0)} ms`)
  })

  test('A provider that says stop with every piece is heard to its end, however it pauses; broken off, it is no answer', { timeout: 100_000 }, async () => {
    const events = ['Once', ' upon', ' a'].map((content) => piece(content, 'stop'))
    // All together they take longer than counts may take behind a finish.
    const whole = await readStream(await box.chat(askSpare({ events, paceMs: 2000, shapes: ['no-done'] })))
    assert.equal(whole.text, 'Once upon a')
    assert.equal(whole.done, true)
    const broken = await readStream(await box.chat(askSpare({ events, cutAfter: 2, cutBy: 'rst', paceMs: 20 })))
    assert.equal(broken.done, false)
  })
})

describe('Too much of anything', () => {
  test('A body without end is given up at its limit, and the next provider answers', { timeout: 100_000 }, async () => {
    const before = process.memoryUsage().rss
    upstream.next({ endless: true }, { path: '/acme/' })
    const reply = await box.whole(saying('acme/one', 'Enough?', first))
    assert.equal(reply.provider, 'spare')
    assert.ok(process.memoryUsage().rss - before < 400 << 20)
    const endless = upstream.requests.findLast((request) => request.path.startsWith('/acme/'))!
    await upstream.waitFor(() => endless.state === 'aborted')
  })

  test('An event without end is given up at its limit: in the middle of an answer that is an error, and memory does not grow with it', { timeout: 100_000 }, async () => {
    const before = process.memoryUsage().rss
    const streamed = await readStream(await box.chat(ask({ endlessEvent: true })))
    assert.equal(streamed.text, PIECES.join(''))
    assert.equal(streamed.error!.code, 502)
    assert.match(streamed.error!.message, /too large/)
    const endless = upstream.requests.at(-1)!
    await upstream.waitFor(() => endless.state === 'aborted')
    assert.ok(endless.sentBytes < (16 << 20) + kernelTakes(), `${endless.sentBytes} bytes were taken in`)
    assert.ok(process.memoryUsage().rss - before < 200 << 20)
    await assertFreeOfCharge(streamed.id)
  })

  test('An event of eight megabytes comes through from a model that makes pictures, and from no other', { timeout: 100_000 }, async () => {
    const text = 'Once upon a time there was'
    const streamed = await readStream(await box.chat({ ...ask({ hugeEvent: 8 << 20 }), model: 'acme/painter' }))
    assert.equal(streamed.done, true)
    assert.equal(streamed.text.length, text.length + (8 << 20))
    const refused = await readStream(await box.chat(ask({ hugeEvent: 8 << 20 })))
    assert.equal(refused.text, text)
    assert.match(refused.error!.message, /too large/)
  })
})

test('None of this was a fault of ours', () => {
  assert.deepEqual(box.complaints, [])
})
