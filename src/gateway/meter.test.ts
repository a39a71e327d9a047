import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fault, usage, type ChatEvent, type ChatRequest, type EmbedRequest, type PriceSheet, type RerankRequest } from '../core/index.ts'
import { Meter } from './meter.ts'
import type { TokenCounter } from './tokens.ts'

/** A dollar per thousand tokens in, two out: figures that can be checked in the head. */
const SHEET: PriceSheet = { rates: { prompt: 10n ** 15n, completion: 2n * 10n ** 15n }, overrides: [], source: 'operator' }
const MILLI = 1_000_000n

/** Words are tokens, and what was counted can be asked for. */
function wordCounter(): TokenCounter & { readonly counted: string[] } {
  const counted: string[] = []
  return {
    counted,
    count: (texts) => {
      counted.push(...texts)
      return Promise.resolve(texts.map((text) => text.match(/\S+/g)?.length ?? 0))
    },
    close: () => Promise.resolve(),
  }
}

const REQUEST: ChatRequest = {
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'one two three' }] }], sampling: {}, extras: {},
}
const start: ChatEvent = { type: 'start', upstreamId: 'up-1', tier: 'default' }
const open = (index = 0, choice = 0): ChatEvent => ({ type: 'block-open', index, choice, block: { type: 'text' } })
const delta = (text: string, index = 0): ChatEvent => ({ type: 'block-delta', index, text })
const finish = (reason: 'stop' | 'error' = 'stop', choice = 0): ChatEvent => ({ type: 'finish', choice, reason, native: `native-${reason}` })
const reported = (input: number, output: number): ChatEvent => ({ type: 'usage', usage: usage({ total: input }, { total: output }) })

describe('What a reply came to', () => {
  test("the provider's last word on usage stands, and the caller pays by it", async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, open(), delta('a'), reported(1, 1)])
    meter.take([delta('b'), finish(), reported(10, 5)])
    const { usage: used, charge, absorbed } = await meter.settle('complete')
    assert.equal(used.counted, 'by-upstream')
    assert.equal(charge.total, (10n + 2n * 5n) * MILLI)
    assert.equal(absorbed, 0n)
    assert.deepEqual([meter.reason, meter.native, meter.upstreamId, meter.tier], ['stop', 'native-stop', 'up-1', 'default'])
  })

  test('the tier that served it is what is paid, where its provider says that it was the default one after all', async () => {
    const endpoint = { price: { ...SHEET, rates: { prompt: 9n * SHEET.rates.prompt! } }, plainPrice: SHEET }
    const costAt = async (tier?: string) => {
      const meter = new Meter(REQUEST, endpoint, wordCounter())
      meter.take([{ type: 'start', ...(tier && { tier }) }, open(), delta('a'), finish(), reported(10, 0)])
      return [(await meter.settle('complete')).charge.total, meter.sheet === SHEET]
    }
    assert.deepEqual(await costAt('priority'), [90n * MILLI, false])
    assert.deepEqual(await costAt(), [90n * MILLI, false], 'who says nothing served what was asked for')
    for (const tier of ['default', 'standard']) assert.deepEqual(await costAt(tier), [10n * MILLI, true])
  })

  test('usage is withheld from what is passed on, because the final one carries the charge', () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    const passed = meter.take([start, open(), delta('a'), reported(1, 1), delta('b')])
    assert.deepEqual(passed.map((event) => event.type), ['start', 'block-open', 'block-delta', 'block-delta'])
    const untouched = [delta('c')]
    assert.equal(meter.take(untouched), untouched, 'a batch without usage is copied on the hot path')
  })

  test('where a provider reports none, prompt and delivered text are counted and marked so', async () => {
    const tokens = wordCounter()
    const meter = new Meter(REQUEST, { price: SHEET }, tokens)
    meter.take([start, open(), delta('four more '), delta('words here'), finish()])
    const { usage: used, charge } = await meter.settle('complete')
    assert.deepEqual([used.input.total, used.output.total, used.counted], [3, 4, 'by-us'])
    assert.equal(charge.total, (3n + 8n) * MILLI)
    assert.deepEqual(tokens.counted, ['one two three', 'four more words here'])
  })

  test('tools, calls and results of the prompt count, and the name and arguments of a call that was made', async () => {
    const tokens = wordCounter()
    const meter = new Meter({
      ...REQUEST,
      tools: [{ type: 'function', name: 'lookup' }],
      messages: [
        { role: 'assistant', parts: [{ type: 'tool-call', id: 'c', name: 'look', form: 'function', input: '{"q":1}' }] },
        { role: 'tool', parts: [{ type: 'tool-result', callId: 'c', content: [{ type: 'text', text: 'found' }] }] },
      ],
    }, { price: SHEET }, tokens)
    meter.take([start, { type: 'block-open', index: 0, choice: 0, block: { type: 'tool-call', id: 'd', name: 'again', form: 'function' } }, delta('{"q":2}'), finish()])
    await meter.settle('complete')
    const [prompt, answer] = tokens.counted
    for (const part of ['look', '{"q":1}', 'found', 'lookup']) assert.ok(prompt!.includes(part), part)
    assert.ok(answer!.includes('again') && answer!.includes('{"q":2}'))
  })

  test('what the provider had counted when it began stands for the prompt of a reply that did not come to its end, its cache included', async () => {
    const rates = { ...SHEET.rates, input_cache_read: 10n ** 14n }
    const begun: ChatEvent = { type: 'start', usage: usage({ total: 1000, cacheRead: 900 }, { total: 1 }) }
    for (const ending of ['cancelled', 'failed'] as const) {
      const tokens = wordCounter()
      const meter = new Meter(REQUEST, { price: { ...SHEET, rates } }, tokens)
      meter.take([begun, open(), delta('four words were said')])
      const { usage: used, charge, absorbed } = await meter.settle(ending)
      assert.deepEqual([used.input.total, used.input.cacheRead, used.counted], [1000, 900, 'by-us'])
      const paid = ending === 'cancelled' ? charge.total : absorbed
      assert.equal(paid, (100n + 90n) * MILLI + BigInt(used.output.total) * 2n * MILLI)
      assert.ok(used.output.total > 1, 'what was said is counted from what was delivered')
      assert.ok(!tokens.counted.some((text) => text.includes('one two three')), 'the prompt was counted all the same')
    }
  })

  test('of a text of many megabytes a part is counted and the rest is reckoned from it', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, open()])
    for (let i = 0; i < 400; i++) meter.take([delta('word '.repeat(1000))])
    meter.take([finish()])
    const { usage: used } = await meter.settle('complete')
    assert.ok(Math.abs(used.output.total - 400_000) < 4000, `${used.output.total}`)
  })
})

describe('What is not charged', () => {
  test('the zero-completion rule: no token and no reason is nothing to pay, whatever the prompt cost us', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, reported(1000, 0)])
    const { charge, absorbed, usage: used } = await meter.settle('complete')
    assert.equal(charge.total, 0n)
    assert.equal(absorbed, 1000n * MILLI)
    assert.equal(used.input.total, 1000)
  })

  test('no token, but a reason, is a prompt that was read and is paid for', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, finish(), reported(1000, 0)])
    assert.equal((await meter.settle('complete')).charge.total, 1000n * MILLI)
  })

  test('a reply that the provider calls an error is absorbed', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, open(), delta('half'), finish('error'), reported(10, 1)])
    const { charge, absorbed } = await meter.settle('complete')
    assert.deepEqual([charge.total, absorbed], [0n, 12n * MILLI])
  })

  test('a reply that broke is absorbed, and does not wait for the tokenizer: its caller is told at once', async () => {
    const tokens = wordCounter()
    const meter = new Meter(REQUEST, { price: SHEET }, tokens)
    meter.take([start, open(), delta('eight characters and more'), { type: 'fault', fault: fault('stream-cut', 'cut') }])
    assert.equal(meter.fault?.kind, 'stream-cut')
    const { charge, absorbed, usage: used } = await meter.settle('failed')
    assert.equal(charge.total, 0n)
    assert.ok(absorbed > 0n && used.counted === 'by-us' && used.output.total > 0)
    assert.deepEqual(tokens.counted, [])
  })

  test('a caller who leaves pays for the prompt and for what was delivered, by our count', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, open(), delta('two words')])
    const { charge, absorbed } = await meter.settle('cancelled')
    assert.deepEqual([charge.total, absorbed], [(3n + 4n) * MILLI, 0n])
  })

  test('a caller who leaves before anything came pays nothing', async () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start])
    const { charge, absorbed } = await meter.settle('cancelled')
    assert.deepEqual([charge.total, absorbed], [0n, 0n])
  })
})

describe('When a reply is finished', () => {
  test('with the last of its choices, not with the first', () => {
    const meter = new Meter(REQUEST, { price: SHEET }, wordCounter())
    meter.take([start, open(0, 0), open(1, 1)])
    assert.equal(meter.finished, false)
    meter.take([finish('stop', 0)])
    assert.equal(meter.finished, false)
    meter.take([finish('stop', 1)])
    assert.equal(meter.finished, true)
  })
})

describe('Of vectors and rankings', () => {
  const vectors: ChatEvent = { type: 'block-open', index: 0, choice: 0, block: { type: 'embeddings', vectors: [[1], [2]] } }
  const ranking: ChatEvent = { type: 'block-open', index: 0, choice: 0, block: { type: 'ranking', ranked: [{ index: 0, score: 1 }] } }
  const picture = { type: 'media' as const, kind: 'image' as const, source: { from: 'data' as const, mime: 'image/png', base64: '' } }

  test('inputs are counted where the provider counts nothing, and pictures billed one by one', async () => {
    const request: EmbedRequest = { inputs: [{ parts: [{ type: 'text', text: 'one two' }, picture] }, { parts: [{ type: 'text', text: 'three' }] }], encoding: 'float', extras: {} }
    const meter = new Meter(request, { price: { ...SHEET, rates: { ...SHEET.rates, image: 10n ** 18n } } }, wordCounter())
    meter.take([start, vectors, finish()])
    const { usage: used, charge } = await meter.settle('complete')
    assert.deepEqual([used.input.total, used.services, used.counted], [3, { image: 1 }, 'by-us'])
    assert.equal(charge.total, 3n * MILLI + 1_000_000_000n)
  })

  test('a ranking that is sold by search units costs one for each hundred documents, where its provider does not say', async () => {
    const request: RerankRequest = { query: 'q', documents: Array.from({ length: 201 }, () => ({ text: 'd' })), extras: {} }
    const meter = new Meter(request, { price: { rates: { search_unit: 2n * 10n ** 15n }, overrides: [], source: 'operator' } }, wordCounter())
    meter.take([start, ranking, finish()])
    const { charge } = await meter.settle('complete')
    assert.equal(charge.total, 6n * MILLI)
  })
})
