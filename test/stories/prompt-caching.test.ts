import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Marks for prompt caches that have to be told where: placed by policy where the caller set none, and what they saved. */

const upstream = await startUpstream()
const pricing = { prompt: '0.000010', completion: '0.000020', input_cache_read: '0.000001', input_cache_write: '0.0000125' }
const config = together(
  providerAt('claude', `${upstream.url}/claude/v1`, { model: 'acme/claude', dialect: 'anthropic-messages', endpoint: { pricing } }),
  providerAt('plain', `${upstream.url}/plain/v1`, { model: 'acme/plain' }),
)
const box = await startSignalbox({ config })
const ON = { plugins: [{ id: 'prompt-caching' }] }
const TOLD = { 'x-openrouter-metadata': 'enabled' }
/** About two thousand tokens. */
const LONG = 'You answer customers of a railway. '.repeat(240)
const sent = (): string => JSON.stringify(upstream.requests.at(-1)!.body)
const marks = (): number => sent().split('cache_control').length - 1
const metadataOf = (reply: unknown) => (reply as { openrouter_metadata: { pipeline?: readonly Record<string, unknown>[]; prompt_cache?: unknown } }).openrouter_metadata
const says = (usage: Record<string, number> = { input: 2000, output: 10 }): void => {
  upstream.forget()
  upstream.next({ text: 'Yes.', usage })
}
const system = { role: 'system', content: LONG }
const turns = [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: 'And now?' }]
const asking = (messages: readonly unknown[], rest: Record<string, unknown> = ON) => ({ model: 'acme/claude', messages, ...rest })

describe('A request that asks for marks', () => {
  test('has one behind long instructions, and one at the end of a conversation that goes on', async () => {
    says()
    const first = await box.whole(asking([system, turns[0]]), TOLD)
    assert.equal(marks(), 1)
    assert.match(sent(), /railway\. ","cache_control":\{"type":"ephemeral"\}/)
    assert.deepEqual(metadataOf(first).pipeline!.map(({ name, data }) => ({ name, data })), [{ name: 'prompt-caching', data: { places: ['instructions'] } }])
    says()
    const later = await box.whole(asking([system, ...turns]), TOLD)
    assert.deepEqual(metadataOf(later).pipeline![0]!['data'], { places: ['instructions', 'conversation'] })
    assert.equal(marks(), 2)
  })

  test('has none where the beginning is too short to be cached, or where its caller set one', async () => {
    says()
    assert.equal(metadataOf(await box.whole(asking(turns), TOLD)).pipeline, undefined)
    assert.equal(marks(), 0)
    says()
    const own = [{ role: 'system', content: [{ type: 'text', text: LONG, cache_control: { type: 'ephemeral', ttl: '1h' } }] }, ...turns]
    assert.equal(metadataOf(await box.whole(asking(own), TOLD)).pipeline, undefined)
    assert.equal(marks(), 1)
  })

  test('has none at an endpoint that finds by itself what it has cached, or sells no cache', async () => {
    says()
    await box.whole({ ...asking([system, ...turns]), model: 'acme/plain' })
    assert.equal(marks(), 0)
  })
})

test('Without the plugin nothing is marked, unless the operator says so; and a request may say no to that', async () => {
  says()
  await box.whole(asking([system, ...turns], {}))
  assert.equal(marks(), 0)
  const auto = await startSignalbox({ config: { ...config, prompt_caching: { automatic: true } } })
  says()
  await auto.whole(asking([system, ...turns], {}))
  assert.equal(marks(), 2)
  says()
  await auto.whole(asking([system, ...turns], { plugins: [{ id: 'prompt-caching', enabled: false }] }))
  assert.equal(marks(), 0)
})

describe('What it saved', () => {
  // 1,500 read at 1 in the place of 10 dollars a million, and 300 written at 12.5 in the place of 10.
  const USED = { input: 2000, output: 10, cacheRead: 1500, cacheWrite: 300 }
  const CACHE = { read_tokens: 1500, write_tokens: 300, discount: (1500 * 9 - 300 * 2.5) / 1e6 }

  test('is in the metadata, whole and streamed, and on record, from the tokens that the provider counted', async () => {
    says(USED)
    const whole: WholeReply = await box.whole(asking([system, ...turns]), TOLD)
    assert.deepEqual(metadataOf(whole).prompt_cache, CACHE)
    assert.equal((await box.generation(whole.id))['cache_discount'], CACHE.discount)
    says(USED)
    const { chunks } = await readStream(await box.chat({ ...asking([system, ...turns]), stream: true }, TOLD))
    assert.deepEqual(metadataOf(chunks.at(-1)).prompt_cache, CACHE)
  })

  test('is not spoken of where no cache was used', async () => {
    says()
    assert.equal(metadataOf(await box.whole(saying('acme/claude', 'Hi'), TOLD)).prompt_cache, undefined)
  })
})

describe('On every surface', () => {
  for (const [name, path, body] of [
    ['Responses', '/api/v1/responses', { model: 'acme/claude', instructions: LONG, input: 'Hi' }],
    ['Messages', '/api/v1/messages', { model: 'acme/claude', max_tokens: 100, system: LONG, messages: [{ role: 'user', content: 'Hi' }] }],
    ["Google's", '/api/v1beta/models/acme%2Fclaude:generateContent', { systemInstruction: { parts: [{ text: LONG }] }, contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }],
  ] as const) {
    test(`${name}: long instructions are marked`, async () => {
      says()
      const response = await box.send('POST', path, { body: { ...body, ...ON } })
      assert.equal(response.status, 200, await response.text())
      assert.equal(marks(), 1)
    })
  }
})
