import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** Context compression: a conversation that is too long, made to fit when the caller wants that. */

const upstream = await startUpstream()
const box = await startSignalbox({
  config: together(
    providerAt('large', `${upstream.url}/large/v1`, { model: 'acme/large', endpoint: { context_length: 20_000 } }),
    providerAt('small', `${upstream.url}/small/v1`, { model: 'acme/small', endpoint: { context_length: 2000 } }),
  ),
})
const turns = (count: number, words: number) => Array.from({ length: count }, (_, i) => (
  { role: i % 2 === 0 ? 'user' : 'assistant', content: `turn ${i}: ${'word '.repeat(words)}` }))
const long = (model: string, rest: Record<string, unknown> = {}) => ({
  model, messages: [{ role: 'system', content: 'You are kind.' }, ...turns(61, 400)], ...rest,
})
// oxlint-disable-next-line typescript/no-explicit-any
const arrived = (): any => upstream.requests.at(-1)!.body

describe('A conversation that is too long', () => {
  test('Unasked it is refused at a large model, because silence about lost text would be worse', async () => {
    const refusal = await box.refused(long('acme/large'))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['error_type'], 'context_length_exceeded')
  })

  for (const [how, rest] of [
    ['transforms: ["middle-out"]', { transforms: ['middle-out'] }],
    ['the plugin', { plugins: [{ id: 'context-compression' }] }],
  ] as const) {
    test(`With ${how} the middle goes: instructions, the beginning and the latest turns stay, and the answer says so`, async () => {
      const reply = await box.whole(long('acme/large', { ...rest, temperature: 0.5 }), { 'x-openrouter-metadata': 'enabled' })
      const contents = arrived().messages.map((message: { content: string }) => message.content) as string[]
      assert.equal(contents[0], 'You are kind.')
      assert.match(contents[1]!, /^turn 0:/)
      assert.match(contents.at(-1)!, /^turn 60:/)
      assert.ok(contents.length < 62 && contents.length > 10, `${contents.length} messages`)
      assert.ok(contents.join('').length / 4 < 20_000)
      assert.equal(arrived().temperature, 0.5, 'the rest of the request is as it was')
      assert.ok(!('plugins' in arrived()) && !('transforms' in arrived()))
      const { pipeline } = (reply as unknown as { openrouter_metadata: { pipeline: Record<string, unknown>[] } }).openrouter_metadata
      assert.equal(pipeline[0]!['type'], 'context_compression')
      assert.match(pipeline[0]!['summary'] as string, /to fit 20000/)
    })
  }

  test('At a small model it is done unasked, and not when the caller forbids it', async () => {
    await box.whole(long('acme/small'))
    assert.ok(arrived().messages.length < 62)
    for (const rest of [{ transforms: [] }, { plugins: [{ id: 'context-compression', enabled: false }] }]) {
      assert.equal((await box.refused(long('acme/small', rest))).status, 400)
    }
  })

  test('A call and its result go together', async () => {
    const messages = turns(60, 400).flatMap((message, i): object[] => i % 2 === 0 ? [message] : [
      { role: 'assistant', content: null, tool_calls: [{ id: `c${i}`, type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: `c${i}`, content: 'r '.repeat(500) },
    ])
    await box.whole({ model: 'acme/large', messages: [...messages, { role: 'user', content: 'Well?' }], transforms: ['middle-out'] })
    const calls = new Set(arrived().messages.flatMap((message: { tool_calls?: { id: string }[] }) => message.tool_calls ?? []).map((call: { id: string }) => call.id))
    const results = arrived().messages.filter((message: { role: string }) => message.role === 'tool').map((message: { tool_call_id: string }) => message.tool_call_id) as string[]
    assert.deepEqual(new Set(results), calls)
    assert.ok(results.length < 30)
  })

  test('What fits is not touched', async () => {
    const messages = turns(5, 10)
    await box.whole({ model: 'acme/large', messages, transforms: ['middle-out'] })
    assert.deepEqual(arrived().messages, messages)
    await box.whole(saying('acme/small', 'Short'))
    assert.deepEqual(arrived().messages, [{ role: 'user', content: 'Short' }])
  })
})
