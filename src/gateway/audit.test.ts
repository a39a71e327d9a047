import assert from 'node:assert/strict'
import test from 'node:test'
import type { ChatEvent, ChatRequest } from '../core/index.ts'
import { createJudge } from '../schema/index.ts'
import { Audit, auditable } from './audit.ts'

const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const REQUEST: ChatRequest = { messages: [], sampling: {}, extras: {}, tools: [{ type: 'function', name: 'weather', parameters: CITY }] }

/** A reply that calls tools, each with its arguments in fragments. */
function calling(...calls: readonly (readonly [name: string, ...fragments: string[]])[]): readonly (readonly ChatEvent[])[] {
  const batches: ChatEvent[][] = [[{ type: 'start' }]]
  calls.forEach(([name, ...fragments], index) => {
    batches.push([{ type: 'block-open', index, choice: 0, block: { type: 'tool-call', id: `c${index}`, name, form: 'function' } }])
    for (const text of fragments) batches.push([{ type: 'block-delta', index, text }])
    batches.push([{ type: 'block-close', index }])
  })
  return batches
}

const saying = (text: string): readonly (readonly ChatEvent[])[] => [[
  { type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type: 'text' } }, { type: 'block-delta', index: 0, text }, { type: 'block-close', index: 0 },
]]

function audited(request: ChatRequest, batches: readonly (readonly ChatEvent[])[], reason: 'stop' | 'tool_calls' | 'length' = 'tool_calls') {
  const audit = new Audit(request, createJudge())
  for (const batch of batches) audit.take(batch)
  return audit.verdict(reason)
}

test('a call is bad when its arguments do not parse, its tool was not offered, or its schema does not hold', () => {
  const bad = (...call: [string, ...string[]]) => audited(REQUEST, calling(call))!.badToolCalls
  assert.equal(bad('weather', '{"ci', 'ty":"Paris"}'), 0)
  assert.equal(bad('weather', '{"city":"Par'), 1)
  assert.equal(bad('weather', '{"town":"Paris"}'), 1)
  assert.equal(bad('wether', '{"city":"Paris"}'), 1)
  assert.equal(bad('weather', '"Paris"'), 1)
  assert.deepEqual(audited(REQUEST, calling(['weather', '{"city":"Paris"}'], ['weather', '{}'])),
    { tools: true, toolCalls: 2, badToolCalls: 1, structured: false, badStructured: false })
})

test('a tool without a schema, and one whose schema cannot be judged by, takes any object; none at all means {}', () => {
  const loose: ChatRequest = { ...REQUEST, tools: [{ type: 'function', name: 'go' }, { type: 'function', name: 'odd', parameters: { type: 'nonsense' } }] }
  assert.equal(audited(loose, calling(['go'], ['odd', '{"x":1}']))!.badToolCalls, 0)
})

test('an answer that was cut by its limit says nothing of its provider', () => {
  assert.equal(audited(REQUEST, calling(['weather', '{"city":"Par']), 'length'), null)
})

test('structured output is judged by its schema, unless the reply calls a tool first', () => {
  const shaped: ChatRequest = { ...REQUEST, format: { type: 'schema', name: 'city', schema: CITY } }
  assert.deepEqual([saying('{"city":"Paris"}'), saying('```json\n{"city":"Paris"}\n```'), saying('{"city":1}'), saying('')].map((it) => audited(shaped, it, 'stop')!.badStructured),
    [false, true, true, true])
  assert.equal(audited(shaped, calling(['weather', '{"city":"Paris"}']))!.structured, false)
  assert.equal(audited({ ...REQUEST, format: { type: 'json' } }, saying('[1]'), 'stop')!.badStructured, false)
})

test('a reply of many megabytes is not kept to be judged', () => {
  assert.equal(audited(REQUEST, calling(['weather', ...Array.from({ length: 30 }, () => 'x'.repeat(50_000))])), null)
})

test('requests without tools and without a form are not watched at all', () => {
  assert.equal(auditable({ messages: [], sampling: {}, extras: {} }), false)
  assert.equal(auditable({ messages: [], sampling: {}, extras: {}, tools: [{ type: 'native', dialect: 'x', value: {} }], format: { type: 'text' } }), false)
  assert.equal(auditable(REQUEST), true)
})
