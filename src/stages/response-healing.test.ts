import assert from 'node:assert/strict'
import test from 'node:test'
import { collectNow, malformed, type Asked, type ChatEvent, type Offer, type OutputFormat } from '../core/index.ts'
import { responseHealing } from './index.ts'

const read = (text: string): { readonly value: unknown } | { readonly fault: unknown } => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (fault) {
    return { fault }
  }
}
const OBJECT: OutputFormat = { type: 'json' }
const offers: readonly Offer[] = []

function asked(format: OutputFormat, plugin: Record<string, unknown> | null = {}, stream = false): Asked {
  return {
    operation: { type: 'chat', request: { messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {}, format } },
    preferences: { models: ['m'] }, stream, ignored: [],
    plugins: plugin ? [{ id: 'response-healing', enabled: true, settings: plugin }] : [],
  }
}

const stage = responseHealing({ judge: () => null, read, enforce: () => 'strict' })
const reviewOf = (of: Asked) => stage.review!({ asked: of, offers })

/** Two answers side by side, the first thinking before it speaks in two pieces. */
const TWO: readonly ChatEvent[] = [
  { type: 'start' },
  { type: 'block-open', index: 0, choice: 0, block: { type: 'reasoning' } }, { type: 'block-delta', index: 0, text: 'hm' }, { type: 'block-close', index: 0 },
  { type: 'block-open', index: 1, choice: 0, block: { type: 'text' } },
  { type: 'block-open', index: 2, choice: 1, block: { type: 'text' } },
  { type: 'block-delta', index: 1, text: '{"a":' }, { type: 'block-delta', index: 2, text: '{"b":2}' }, { type: 'block-close', index: 1 }, { type: 'block-close', index: 2 },
  { type: 'note', choice: 0, note: { type: 'logprobs', content: [{ token: '{', logprob: 0, bytes: null, top_logprobs: [] }] } },
  { type: 'note', choice: 1, note: { type: 'logprobs', content: [{ token: '{', logprob: 0, bytes: null, top_logprobs: [] }] } },
  { type: 'block-open', index: 3, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 3, text: '1,}' }, { type: 'block-close', index: 3 },
  { type: 'finish', choice: 0, reason: 'stop' }, { type: 'finish', choice: 1, reason: 'stop' },
]

test('of several answers only the one that is wrong is mended; its thoughts stay, and probabilities of words that are gone go', () => {
  const found = reviewOf(asked(OBJECT))(TWO)
  assert.ok('pass' in found)
  assert.equal(malformed(found.pass), null)
  const [first, second] = collectNow(found.pass).choices
  assert.deepEqual(first!.parts.map((part) => 'text' in part && part.text), ['hm', '{"a":1}'])
  assert.equal(first!.logprobs, undefined)
  assert.deepEqual(second!.parts.map((part) => 'text' in part && part.text), ['{"b":2}'])
  assert.equal(second!.logprobs!.content.length, 1)
})

test('what is right goes on as the very events that came', () => {
  const events: readonly ChatEvent[] = [
    { type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 0, text: '{}' },
    { type: 'block-close', index: 0 }, { type: 'finish', choice: 0, reason: 'stop' },
  ]
  assert.deepEqual(reviewOf(asked(OBJECT))(events), { pass: events })
})

test('a stream is never mended', () => {
  const found = reviewOf(asked(OBJECT, {}, true))(TWO)
  assert.ok('pass' in found && found.pass === TWO && found.note!.name === 'validation')
})

test('it has nothing to do with requests that ask for no JSON, nor, where the operator says never, with those that do not ask for it', () => {
  assert.equal(stage.wants({ asked: asked({ type: 'text' }), offers }), false)
  const never = responseHealing({ judge: () => null, read, enforce: () => 'never' })
  assert.equal(never.wants({ asked: asked(OBJECT, null), offers }), false)
  assert.equal(never.wants({ asked: asked(OBJECT), offers }), true)
})
