import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectNow, malformed, needOf, rewrite, usage, type ChatEvent, type ChatRequest } from './index.ts'

const EVENTS: readonly ChatEvent[] = [
  { type: 'start', upstreamId: 'x' },
  { type: 'block-open', index: 0, choice: 0, block: { type: 'reasoning' } },
  { type: 'block-delta', index: 0, text: 'hm' },
  { type: 'block-open', index: 1, choice: 0, block: { type: 'text' } },
  { type: 'block-delta', index: 1, text: 'Hel' },
  { type: 'block-close', index: 0, seal: { format: 'anthropic-claude-v1', kind: 'signature', value: 's' } },
  { type: 'block-delta', index: 1, text: 'lo' },
  { type: 'block-close', index: 1 },
  { type: 'finish', choice: 0, reason: 'stop', native: 'end_turn' },
  { type: 'usage', usage: usage({ total: 3 }, { total: 2 }) },
]

test('a whole reply is what its events say', () => {
  const reply = collectNow(EVENTS)
  assert.deepEqual(reply.choices[0]!.parts, [
    { type: 'reasoning', text: 'hm', seal: { format: 'anthropic-claude-v1', kind: 'signature', value: 's' } },
    { type: 'text', text: 'Hello' },
  ])
  assert.equal(reply.choices[0]!.reason, 'stop')
  assert.equal(reply.usage!.output.total, 2)
})

test('a reply that breaks the grammar is told why', () => {
  assert.equal(malformed(EVENTS), null)
  const without = (type: string) => EVENTS.filter((event) => event.type !== type)
  assert.match(malformed(without('start'))!, /before start/)
  assert.match(malformed(without('finish'))!, /no finish/)
  assert.match(malformed(without('block-close'))!, /left open/)
  assert.match(malformed([...EVENTS, EVENTS[8]!])!, /finished twice/)
  assert.match(malformed([...EVENTS.slice(0, 3), { type: 'fault', fault: { kind: 'stream-cut', message: '' } }, EVENTS[3]!])!, /not the last/)
})

const REQUEST: ChatRequest = {
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }, { type: 'media', kind: 'image', source: { from: 'url', url: 'https://x/y.png' } }] }],
  tools: [{ type: 'function', name: 'f' }],
  format: { type: 'schema', name: 's', schema: {} },
  sampling: { temperature: 0 },
  extras: {},
  origin: { dialect: 'openai-chat', body: {} },
}

test('what a request demands of an endpoint is read off the request', () => {
  const need = needOf(REQUEST, true)
  assert.deepEqual([...need.inputModalities], ['text', 'image'])
  assert.equal(need.images, 1)
  assert.deepEqual([...need.parameters].toSorted(), ['response_format', 'structured_outputs', 'temperature', 'tools'])
})

test("a changed request no longer claims to be the caller's body", () => {
  assert.equal(rewrite(REQUEST, { messages: [] }).origin, undefined)
})
