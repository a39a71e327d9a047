import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChatEvent } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { createDecoder } from './decoder.ts'
import { learn, match } from './prefix-cache.ts'
import type { Loose } from './wire.ts'
import { fc } from '../../../test/properties.ts'

const chunk = (delta: Loose, rest: Loose = {}, choice: Loose = {}): Loose =>
  ({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: null, ...choice }], ...rest })

const template = (value: Loose) => learn(JSON.stringify(value), value)

test('the text of an event like the one before is read without parsing it', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), fc.constantFrom('content', 'reasoning', 'reasoning_content'), fc.boolean(), fc.boolean(), (first, second, key, role, padded) => {
    const make = (text: string, pad: string) => chunk({ ...(role && { role: 'assistant' }), [key]: text }, { usage: null, ...(padded && { obfuscation: pad }) })
    const found = template(make(first, 'abc'))
    assert.ok(found)
    assert.equal(found.kind, key === 'content' ? 'text' : 'reasoning')
    assert.equal(match(found, JSON.stringify(make(second, 'abcdefg'))), second)
  }))
})

test('keys of the same name elsewhere are not taken for the text', () => {
  const odd = chunk({ role: '"content":"no"', content: 'yes' }, { id: '"content":"no"', model: 'content' })
  const found = template(odd)
  assert.ok(found)
  assert.equal(match(found, JSON.stringify({ ...odd, choices: [{ ...odd['choices'][0], delta: { role: '"content":"no"', content: 'other' } }] })), 'other')
})

test('an event that means more than a piece of text teaches nothing', () => {
  for (const value of [
    chunk({ content: 'a' }, {}, { finish_reason: 'stop' }), chunk({ content: 'a' }, { usage: { prompt_tokens: 1 } }), chunk({ content: 'a' }, { error: { message: 'x' } }),
    chunk({ content: 'a', tool_calls: [{ index: 0 }] }), chunk({ content: 'a', reasoning: 'b' }), chunk({ content: 'a' }, {}, { logprobs: { content: [] } }), chunk({ content: '' }),
    chunk({ content: 'a' }, { citations: ['https://x.example'] }), chunk({ content: 'a' }, { x_groq: { usage: {} } }), chunk({}), { choices: [] },
    { choices: [{ index: 0, delta: { content: 'a' } }, { index: 1, delta: { content: 'b' } }] }, { error: 'x' },
  ]) assert.equal(template(value), null, JSON.stringify(value))
})

test('an event that differs in anything but its text is not matched', () => {
  const found = template(chunk({ content: 'a' }))!
  for (const value of [
    chunk({ content: 'b' }, {}, { finish_reason: 'stop' }), chunk({ content: 'b' }, { id: 'y' }), chunk({ content: 'b' }, {}, { index: 1 }), chunk({ content: 'b', refusal: 'c' }),
    chunk({ content: 'b' }, { usage: { prompt_tokens: 1 } }), chunk({ content: ['b'] }), chunk({ content: null }),
  ]) assert.equal(match(found, JSON.stringify(value)), null, JSON.stringify(value))
  const text = JSON.stringify(chunk({ content: 'b' }))
  assert.equal(match(found, text.replace('"b"', '"b","content":"c"')), null)
  assert.equal(match(found, text.replace('"b"', '"\\x"')), null)
  assert.equal(match(found, text.slice(0, -1)), null)
})

test('a stream says the same whether its events were remembered or not', () => {
  const delta = fc.oneof(
    fc.record({ content: fc.string() }), fc.record({ reasoning_content: fc.string() }), fc.record({ content: fc.string(), role: fc.constant('assistant') }),
    fc.constant({ tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '1' } }] }), fc.record({ refusal: fc.string() }), fc.constant({}),
  )
  fc.assert(fc.property(fc.array(fc.tuple(delta, fc.nat(1), fc.constantFrom(null, null, null, 'stop')), { minLength: 1, maxLength: 12 }), (list) => {
    const events = list.map(([it, index, finish]) => chunk(it, {}, { index, finish_reason: finish }))
    const read = (texts: string[]): ChatEvent[] => {
      const decoder = createDecoder(aTarget({}, { stream: true }))
      return [...decoder.push(Buffer.from(texts.map((text) => `data: ${text}\n\n`).join('') + 'data: [DONE]\n\n')), ...decoder.end()]
    }
    // Spaces that grow from event to event keep every one of them from matching.
    assert.deepEqual(read(events.map((event) => JSON.stringify(event))), read(events.map((event, at) => JSON.stringify(event).replace('{', `{${' '.repeat(at)}`))))
  }))
})
