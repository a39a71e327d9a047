import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { usdFromNano } from '../../src/core/index.ts'
import { onBothStores, providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** What an answer cost: known with its last byte, the same however it was sent, and never a guess of the reader. */

const order = (what: object, text = 'one two three') => `#fake ${JSON.stringify(what)}\n${text}`

onBothStores((start) => {
  test('The record is there, with its final usage and cost, from the moment of the last byte: a hundred times in a row, streamed and whole', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: providerAt('acme', `${upstream.url}/acme/v1`, { prompt: 3, completion: 7 }) })
    let waited = 0
    for (let i = 0; i < 100; i++) {
      const words = Array.from({ length: 1 + i % 7 }, () => 'word').join(' ')
      const expected = { input: words.split(' ').length, cost: (words.split(' ').length * 10) / 1e6 }
      let id: string
      if (i % 2 === 0) {
        const following = follow(await box.chat(saying('acme/one', words, { stream: true })))
        await following.until('[DONE]')
        id = /gen-[\w-]+/.exec(following.raw)![0]
      } else id = (await box.whole(saying('acme/one', words))).id
      const asked = performance.now()
      const response = await box.get(`/api/v1/generation?id=${id}`)
      waited += performance.now() - asked
      assert.equal(response.status, 200, `the record of answer ${i} was not there`)
      const { data } = await response.json() as { data: Record<string, unknown> }
      assert.equal(data['native_tokens_prompt'], expected.input)
      assert.equal(data['native_tokens_completion'], expected.input)
      assert.equal(data['total_cost'], expected.cost)
      assert.equal(data['usage'], expected.cost)
      assert.equal(data['finish_reason'], 'stop')
      assert.equal(data['cancelled'], false)
      assert.equal(data['streamed'], i % 2 === 0)
      assert.ok((data['latency'] as number) >= 0 && (data['generation_time'] as number) >= 0)
    }
    assert.ok(waited < 15_000, `a hundred records took ${waited.toFixed(0)} ms: they were waited for`)
    assert.deepEqual(box.complaints, [])
  })

  test('A record says the same before and after it was written to the database, and to nobody else', async () => {
    const upstream = await startUpstream()
    const box = await start({ config: providerAt('acme', `${upstream.url}/acme/v1`) })
    const { id, usage } = await box.whole(saying('acme/one', 'Keep this.'))
    const before = await box.generation(id)
    await box.app.stats.flush()
    assert.deepEqual(await box.generation(id), before)
    assert.equal(before['total_cost'], usage.cost)
    const other = await box.app.stats.find(id, 'somebody-else')
    assert.equal(other, null, 'another workspace can read it')
    assert.equal((await box.get('/api/v1/generation?id=gen-1-nobody')).status, 404)
    assert.equal((await box.get('/api/v1/generation')).status, 400)
  })
})

const upstream = await startUpstream()
const rich = {
  prompt: '0.000003', completion: '0.000015', input_cache_read: '0.0000003', input_cache_write: '0.00000375', internal_reasoning: '0.00002', request: '0.001',
}
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`, { prompt: 3, completion: 15 }),
    providerAt('rich', `${upstream.url}/rich/v1`, { model: 'acme/rich', endpoint: { pricing: rich } }),
    providerAt('stepped', `${upstream.url}/stepped/v1`, {
      model: 'acme/stepped',
      endpoint: { pricing: { prompt: '0.000001', completion: '0.000002' }, pricing_overrides: [{ min_prompt_tokens: 1000, prompt: '0.000002', completion: '0.000004' }] },
    }),
    providerAt('fine', `${upstream.url}/fine/v1`, { model: 'acme/fine', endpoint: { pricing: { prompt: '0.0000000000012', completion: '0.0000000000034' } } }),
    providerAt('gift', `${upstream.url}/gift/v1`, { model: 'acme/gift', endpoint: { pricing: 'free' } }),
    providerAt('unpriced', `${upstream.url}/unpriced/v1`, { model: 'acme/unpriced', endpoint: { pricing: {} } }),
  ),
})
const full = async (id: string) => (await box.app.stats.find(id, 'default'))!

describe('The price of an answer', () => {
  const USAGES = [
    { input: 10, output: 5 },
    { input: 1000, output: 1 },
    { input: 1000, output: 100, cacheRead: 600 },
    { input: 1000, output: 100, cacheRead: 600, cacheWrite: 300 },
    { input: 7, output: 90, reasoning: 60 },
    { input: 1, output: 0 },
    { input: 123_456, output: 7890, cacheRead: 100_000, cacheWrite: 20_000, reasoning: 4000 },
  ]
  test('Streamed or whole, the same usage costs the same to the last digit, at every kind of price', async () => {
    for (const model of ['acme/one', 'acme/rich', 'acme/stepped', 'acme/fine', 'acme/gift']) {
      for (const usage of USAGES) {
        const say = saying(model, order({ text: 'Done.', usage }))
        const whole = await box.whole(say)
        const streamed = await readStream(await box.chat({ ...say, stream: true }))
        assert.deepEqual(streamed.usage, whole.usage, `${model} ${JSON.stringify(usage)}`)
        for (const id of [whole.id, streamed.id]) assert.equal((await box.generation(id))['total_cost'], whole.usage.cost)
      }
    }
  })

  test('What is read from a cache, written to it, and thought has a price of its own; the request itself, too', async () => {
    const reply = await box.whole(saying('acme/rich', order({ text: 'Done.', usage: { input: 1000, output: 100, cacheRead: 600, cacheWrite: 300, reasoning: 40 } })))
    const prompt = 100 * 3 + 600 * 0.3 + 300 * 3.75
    const completion = 60 * 15 + 40 * 20
    assert.equal(reply.usage.cost, Number(((prompt + completion) / 1e6 + 0.001).toFixed(9)))
    assert.equal(reply.usage['prompt_tokens_details'].cached_tokens, 600)
    assert.equal(reply.usage['prompt_tokens_details'].cache_write_tokens, 300)
    assert.equal(reply.usage['completion_tokens_details'].reasoning_tokens, 40)
    assert.equal(reply.usage['cost_details'].upstream_inference_prompt_cost, Number((prompt / 1e6).toFixed(12)))
    assert.equal(reply.usage['cost_details'].upstream_inference_completions_cost, Number((completion / 1e6).toFixed(12)))
    const record = await box.generation(reply.id)
    assert.equal(record['native_tokens_cached'], 600)
    assert.equal(record['native_tokens_reasoning'], 40)
    // 600 tokens at a tenth save 1.62 thousandths of a dollar, writing 300 costs a quarter more.
    assert.equal(record['cache_discount'], Number(((600 * 2.7 - 300 * 0.75) / 1e6).toFixed(12)))
  })

  test('Above the length from which a prompt is dearer, all of it is, and the token before it is not', async () => {
    const at = async (input: number) => (await box.whole(saying('acme/stepped', order({ text: 'x', usage: { input, output: 10 } })))).usage.cost
    assert.equal(await at(1000), (1000 * 1 + 10 * 2) / 1e6)
    assert.equal(await at(1001), (1001 * 2 + 10 * 4) / 1e6)
  })

  test('A price finer than the unit of account is rounded up once, for the whole answer', async () => {
    const reply = await box.whole(saying('acme/fine', order({ text: 'x', usage: { input: 1, output: 1 } })))
    assert.equal(reply.usage.cost, 1e-9)
    const long = await box.whole(saying('acme/fine', order({ text: 'x', usage: { input: 1_000_000, output: 0 } })))
    assert.equal(long.usage.cost, 0.0000012)
  })

  test('Free has to be said; a model without a price is a 404 that says so, nobody is called, and nothing is ever free by mistake', async () => {
    const gift = await box.whole(saying('acme/gift', 'Thanks'))
    assert.equal(gift.usage.cost, 0)
    const before = upstream.requests.length
    const refusal = await box.refused(saying('acme/unpriced', 'How much?'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /price/)
    assert.equal(refusal.error['availability'].code, 'no_endpoints')
    assert.equal(upstream.requests.length, before)
    const plan = await box.explain(saying('acme/unpriced', 'How much?'))
    assert.deepEqual(plan.rejected.map(({ provider, why }) => [provider, why]), [['unpriced', 'no_price']])
  })

  test('Prices may change; what was charged, and by which sheet, stays as it was', async () => {
    const mine = await startUpstream()
    const config = (prompt: number) => providerAt('acme', `${mine.url}/acme/v1`, { prompt, completion: 0 })
    const own = await startSignalbox({ config: config(5) })
    const first = await own.whole(saying('acme/one', 'one two'))
    own.reload(config(9))
    const second = await own.whole(saying('acme/one', 'one two'))
    assert.deepEqual([first.usage.cost, second.usage.cost], [10 / 1e6, 18 / 1e6])
    assert.equal((await own.generation(first.id))['total_cost'], 10 / 1e6)
    const { price, cost } = (await own.app.stats.find(first.id, 'default'))!
    assert.equal(price!.rates.prompt, 5_000_000_000_000n)
    assert.equal(price!.source, 'operator')
    assert.equal(cost, 10_000n)
  })
})

describe('When a provider reports no usage, or nonsense', () => {
  test('Tokens are counted by us, charged, and marked as our count', async () => {
    for (const stream of [false, true]) {
      const say = saying('acme/one', order({ text: 'The quick brown fox jumps over the lazy dog.', usage: null }, 'Tell me about the fox, please.'), { stream })
      const response = await box.chat(say)
      const usage = stream ? (await readStream(response)).usage! : (await response.json() as { usage: Record<string, number> }).usage
      const id = response.headers.get('x-generation-id')!
      assert.equal(usage['completion_tokens'], 10)
      assert.ok((usage['prompt_tokens'] as number) > 5)
      const { usage: kept, cost } = await full(id)
      assert.equal(kept.counted, 'by-us')
      assert.equal(usage['cost'], usdFromNano(cost))
      assert.ok(cost > 0n)
    }
  })

  test('Counts that no model can have had are made harmless and never become a credit', async () => {
    for (const [usage, tokens] of [
      [{ prompt_tokens: -5, completion_tokens: -1 }, 0], [{ prompt_tokens: 'many', completion_tokens: null }, 0],
      [{ prompt_tokens: 1e18, completion_tokens: 1 }, 1e9 + 1], [{ prompt_tokens: 2.5, completion_tokens: 1 }, 4],
    ] as const) {
      const reply = await box.whole(saying('acme/one', order({ extra: { usage } })))
      assert.ok(reply.usage.cost >= 0 && Number.isFinite(reply.usage.cost))
      if (tokens > 0) assert.equal(reply.usage['total_tokens'], tokens, JSON.stringify(usage))
    }
  })
})

describe('What is not charged', () => {
  test('An answer without a word and without a reason is not charged; what the provider bills for it is on our side of the books', async () => {
    const empty = {
      id: 'x', object: 'chat.completion', created: 1, model: 'one', usage: { prompt_tokens: 1000, completion_tokens: 0, total_tokens: 1000 },
      choices: [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: null }],
    }
    const refusal = await box.refused(saying('acme/one', order({ body: empty })))
    assert.equal(refusal.status, 502)
    const { cost, absorbed } = await full(refusal.id)
    assert.equal(cost, 0n)
    assert.equal(usdFromNano(absorbed), 0.003)
  })

  test('An answer without a word, that ended as it should, is charged: its prompt was read', async () => {
    const reply = await box.whole(saying('acme/one', order({ text: '', usage: { input: 1000, output: 0 } })))
    assert.equal(reply.usage.cost, 0.003)
  })

  test('An answer that the provider calls failed costs nothing, and the cost that it reports for it is absorbed', async () => {
    const say = saying('acme/one', order({ text: 'Half a', finish: 'error', usage: { input: 1000, output: 2 } }))
    const whole = await box.whole(say)
    assert.equal(whole.choices[0]!['finish_reason'], 'error')
    assert.equal(whole.usage.cost, 0)
    const { cost, absorbed } = await full(whole.id)
    assert.equal(cost, 0n)
    assert.equal(usdFromNano(absorbed), (1000 * 3 + 2 * 15) / 1e6)
  })

  test('A stream that breaks costs nothing; what it is likely to cost us is absorbed', async () => {
    const streamed = await readStream(await box.chat(saying('acme/one', order({ text: 'a b c d e f', cutAfter: 4 }), { stream: true })))
    assert.equal(streamed.done, false)
    const { cost, absorbed, usage } = await full(streamed.id)
    assert.equal(cost, 0n)
    assert.ok(absorbed > 0n)
    assert.equal(usage.counted, 'by-us')
    if (streamed.usage) assert.equal(streamed.usage.cost, 0)
  })
})
