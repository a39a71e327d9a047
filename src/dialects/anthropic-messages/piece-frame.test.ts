import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectNow, type ChatEvent } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { match } from '../openai-chat/prefix-cache.ts'
import { outbound } from './outbound.ts'
import { learn, unpadded } from './piece-frame.ts'
import type { Loose } from './wire.ts'

const delta = (piece: object, rest: object = {}): Loose => ({ type: 'content_block_delta', index: 2, delta: piece, ...rest })
const learned = (value: Loose) => learn(JSON.stringify(value), value)

test('an event like the one before is read by the string in which they differ, whatever is in it', () => {
  for (const [type, field] of [['text_delta', 'text'], ['thinking_delta', 'thinking'], ['input_json_delta', 'partial_json']] as const) {
    const frame = learned(delta({ type, [field]: 'first' }))!
    assert.deepEqual([frame.block, frame.type], [2, type])
    for (const said of ['second', '', 'a "quote"', '\\', 'Zürich 🙂\n', `"${field}":"x"`, '"}}']) assert.equal(match(frame, JSON.stringify(delta({ type, [field]: said }))), said)
  }
})

test('what means more than a piece is not learned from, and not taken for one', () => {
  for (const value of [
    delta({ type: 'text_delta', text: 'x', citations: [] }), delta({ type: 'text_delta', text: 'x' }, { usage: {} }), delta({ type: 'text_delta', text: 1 }),
    delta({ type: 'signature_delta', signature: 'x' }), delta({ type: 'toString', text: 'x' }), { type: 'content_block_start', index: 2, delta: { type: 'text_delta', text: 'x' } },
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'x' } }, delta({ type: ['text_delta'], text: 'x' }),
  ]) assert.equal(learned(value), null, JSON.stringify(value))
  const frame = learned(delta({ type: 'text_delta', text: 'x' }))!
  for (const value of [delta({ type: 'thinking_delta', thinking: 'x' }), delta({ type: 'text_delta', text: 'x' }, { usage: {} }), { ...delta({ type: 'text_delta', text: 'x' }), index: 3 }]) {
    assert.equal(match(frame, JSON.stringify(value)), null, JSON.stringify(value))
  }
})

test('the blanks that hide the length of a piece are no part of an event', () => {
  const text = JSON.stringify(delta({ type: 'text_delta', text: 'ends } ' }))
  assert.equal(unpadded(`${text.slice(0, -1)}${' '.repeat(17)}}`), text)
  assert.equal(unpadded(text), text)
  assert.equal(unpadded('}'), '}')
  assert.equal(unpadded('[DONE]'), '[DONE]')
})

test('blocks one behind the other, padded and of every kind, are the same whether their events are alike or not', () => {
  const events: readonly Loose[] = [
    { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage: { input_tokens: 5, output_tokens: 1 } } },
    ...[{ type: 'thinking', thinking: '' }, { type: 'text', text: '' }, { type: 'tool_use', id: 't_1', name: 'f', input: {} }, { type: 'text', text: '' }].flatMap((content, index): Loose[] => [
      { type: 'content_block_start', index, content_block: content },
      ...['{"a', '":"', 'ü 🙂"', '}', ''].map((piece) => ({
        type: 'content_block_delta', index,
        delta: index === 0 ? { type: 'thinking_delta', thinking: piece } : index === 2 ? { type: 'input_json_delta', partial_json: piece } : { type: 'text_delta', text: piece },
      })),
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } }, { type: 'message_stop' },
  ]
  const decoded = (written: (value: Loose, at: number) => string): readonly ChatEvent[] => {
    const decoder = outbound.decoder(aTarget({ dialect: 'anthropic-messages' }, { stream: true }))
    return [...events.flatMap((value, at) => decoder.push(Buffer.from(`event: ${value['type']}\ndata: ${written(value, at)}\n\n`))), ...decoder.end()]
  }
  // An event with a key of its own is like none before it.
  const unlike = decoded((value, at) => JSON.stringify({ [`x_${at}`]: 0, ...value }))
  assert.deepEqual(decoded((value) => JSON.stringify(value)), unlike)
  assert.deepEqual(decoded((value, at) => `${JSON.stringify(value).slice(0, -1)}${' '.repeat(at % 5)}}`), unlike)
  const whole = '{"a":"ü 🙂"}'
  assert.deepEqual(collectNow(unlike).choices[0]!.parts.map((part) => (part.type === 'tool-call' ? part.input : 'text' in part ? part.text : '')), [whole, whole, whole, whole])
})
