/** What somebody types finds what they mean, first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findIn, type Findable } from './search.ts'

const thing = (id: string, name: string, ...more: readonly string[]): Findable =>
  ({ hit: { kind: 'model', to: `/${id}`, id, name, detail: '' }, names: [name, id, ...more] })
const THINGS = [
  thing('openai/gpt-5.3-chat', 'OpenAI: GPT-5.3 Chat', 'openai/gpt-5.3-chat-20260303'),
  thing('openai/gpt-5', 'OpenAI: GPT-5'),
  thing('mistralai/chatty', 'Mistral: Chatty'),
  thing('openai/gpt-5-mini', 'OpenAI: GPT-5 Mini'),
]
const found = (text: string, most = 9): readonly string[] => findIn(THINGS, text, most).map(({ id }) => id)

test('whoever types a whole name or id gets that one first, and then what begins like it', () => {
  assert.deepEqual(found('gpt-5'), ['openai/gpt-5', 'openai/gpt-5.3-chat', 'openai/gpt-5-mini'])
  assert.equal(found('openai/gpt-5')[0], 'openai/gpt-5')
  assert.equal(found('OpenAI GPT 5 mini')[0], 'openai/gpt-5-mini')
})

test('every word has to fit, in whatever order, and other names of a model find it too', () => {
  assert.deepEqual(found('chat gpt'), ['openai/gpt-5.3-chat'])
  assert.deepEqual(found('20260303'), ['openai/gpt-5.3-chat'])
  assert.deepEqual(found('gpt zebra'), [])
})

test('the beginning of a part counts more than its middle, and no more is told than was asked for', () => {
  assert.deepEqual(found('hat'), ['openai/gpt-5.3-chat', 'mistralai/chatty'])
  assert.deepEqual(found('chat', 1), ['openai/gpt-5.3-chat'])
  assert.deepEqual([found(''), found('  /: ')], [[], []])
})
