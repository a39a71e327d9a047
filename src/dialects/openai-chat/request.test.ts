import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Asked, ChatRequest, Fault } from '../../core/index.ts'
import { decode } from './request.ts'
import type { Loose } from './wire.ts'

const HI = { model: 'a/b', messages: [{ role: 'user', content: 'Hi' }] }

function asked(body: unknown): Asked {
  const result = decode(body)
  assert.ok('asked' in result, 'fault' in result ? result.fault.message : '')
  return result.asked
}
const request = (change: Loose): ChatRequest => asked({ ...HI, ...change }).operation.request
function refused(body: unknown): Fault {
  const result = decode(body)
  assert.ok('fault' in result, 'it was accepted')
  assert.equal(result.fault.kind, 'invalid-request')
  return result.fault
}
const refusal = (change: Loose): string => refused({ ...HI, ...change }).message

test('a request with everything in it is read as it was meant', () => {
  const { body, asked: expected } = JSON.parse(readFileSync(new URL('fixtures/request.json', import.meta.url), 'utf8')) as { body: Loose; asked: Loose }
  const { operation, preferences, plugins, stream, ignored } = asked(body)
  const { origin, ...rest } = operation.request
  assert.equal(origin?.body, body)
  const plain = JSON.parse(JSON.stringify({ request: rest, preferences, plugins, stream, ignored }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)))
  assert.deepEqual(plain, expected)
})

const REFUSALS: readonly (readonly [string, Loose, RegExp])[] = [
  ['a temperature out of range', { temperature: 3 }, /^temperature: must be a number from 0 to 2.*is 3/],
  ['a role that nobody has', { messages: [{ role: 'robot', content: 'x' }] }, /messages\[0\]\.role/],
  ['a message without content', { messages: [{ role: 'user' }] }, /messages\[0\]\.content: is required/],
  ['an image without its address', { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image_url', image_url: {} }] }] }, /messages\[0\]\.content\[1\]\.image_url\.url: is required/],
  ['an image from a disk', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }] }, /messages\[0\]\.content\[0\]\.image_url\.url: must be an http\(s\) address or a data URL/],
  ['an image that is percent-encoded', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/svg+xml,%3Csvg' } }] }] }, /must be base64/],
  ['an image without data', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,' } }] }] }, /holds no data/],
  ['sound by address', { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'https://x.example/a.wav', format: 'wav' } }] }] }, /messages\[0\]\.content\[0\]\.input_audio\.data: must be plain base64/],
  ['a file without either source', { messages: [{ role: 'user', content: [{ type: 'file', file: { filename: 'a.pdf' } }] }] }, /messages\[0\]\.content\[0\]\.file: needs file_data/],
  ['a file from a disk', { messages: [{ role: 'user', content: [{ type: 'file', file: { file_data: 'file:///a' } }] }] }, /file\.file_data: must be/],
  ['an unknown routing wish', { provider: { ordr: ['x'] } }, /Unrecognized key\(s\) in object: 'ordr'/],
  ['an unknown price cap', { provider: { max_price: { promt: 1 } } }, /Unrecognized key\(s\) in object: 'promt'/],
  ['too many stops', { stop: ['1', '2', '3', '4', '5'] }, /^stop: .*at most 4/],
  ['too much metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }, /^metadata: must have at most 16 pairs, has 17/],
  ['a metadata key that is too long', { metadata: { ['k'.repeat(65)]: 'v' } }, /^metadata: must have keys of at most 64/],
  ['a metadata value that is too long', { metadata: { k: 'v'.repeat(513) } }, /^metadata\.k: .*512/],
  ['no model', { model: null }, /^No model was named/],
  ['no messages', { messages: null }, /^messages: is required/],
  ['messages and a prompt', { prompt: 'x' }, /^prompt: contradicts messages/],
  ['two efforts', { reasoning: { effort: 'high' }, reasoning_effort: 'low' }, /^reasoning_effort: contradicts reasoning\.effort/],
  ['an effort and a budget', { reasoning: { effort: 'high', max_tokens: 5 } }, /^reasoning\.max_tokens: contradicts reasoning\.effort/],
  ['a short effort and a budget', { reasoning: { max_tokens: 5 }, reasoning_effort: 'low' }, /^reasoning\.max_tokens: contradicts reasoning_effort/],
  ['reasoning off and an effort', { reasoning: { enabled: false }, reasoning_effort: 'low' }, /^reasoning\.enabled: contradicts reasoning_effort/],
  ['reasoning on and effort none', { reasoning: { enabled: true, effort: 'none' } }, /^reasoning\.enabled: contradicts reasoning\.effort/],
  ['reasoning shown and hidden', { include_reasoning: true, reasoning: { exclude: true } }, /^include_reasoning: contradicts reasoning\.exclude/],
  ['two output limits', { max_tokens: 5, max_completion_tokens: 6 }, /^max_tokens: contradicts max_completion_tokens/],
  ['alternatives without log probabilities', { logprobs: false, top_logprobs: 3 }, /^top_logprobs: contradicts logprobs/],
  ['a route against its partition', { route: 'sort', provider: { sort: { by: 'price', partition: 'model' } } }, /^route: contradicts provider\.sort\.partition/],
  ['a forced tool without tools', { tool_choice: 'required' }, /^tool_choice: asks for a tool, but tools is empty/],
  ['the old functions', { functions: [] }, /^functions: is the old form/],
  ['a call without a function', { messages: [{ role: 'assistant', tool_calls: [{ id: 'x', type: 'function' }] }] }, /messages\[0\]\.tool_calls\[0\]\.function: is required/],
]
for (const [name, change, message] of REFUSALS) {
  test(`a request with ${name} is refused by its field`, () => { assert.match(refusal(change), message) })
}

test('a preset without a model stands in its place, and beside one for itself', () => {
  const of = (body: object) => {
    const read = decode({ messages: [{ role: 'user', content: 'Hi' }], ...body })
    assert.ok('asked' in read)
    return [read.asked.preferences.models, read.asked.preset]
  }
  assert.deepEqual(of({ preset: 'mine' }), [['@preset/mine'], 'mine'])
  assert.deepEqual(of({ model: 'a/b', preset: 'mine' }), [['a/b'], 'mine'])
})

test('a fault names its field for programs too', () => {
  assert.equal(refused({ ...HI, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'ftp://x' } }] }] }).field, 'messages[0].content[0].image_url.url')
})

test('a body that is no object is refused', () => {
  for (const body of [null, 'x', [], 5]) assert.match(refused(body).message, /^The body must be an object/)
})

test('null means absent', () => {
  const nulls = { temperature: null, stop: null, tools: null, tool_choice: null, response_format: null, reasoning: null, provider: null, max_tokens: null, seed: null, plugins: null, metadata: null }
  const { origin: _, ...plain } = request({})
  const { origin: __, ...read } = request(nulls)
  assert.deepEqual(read, plain)
})

test('unknown keys are kept for a provider of the same format, and router keys are not', () => {
  assert.deepEqual(request({ safe_prompt: true, web_search_options: {}, trace: { a: 1 }, debug: {}, session_id: 's' }).extras, { safe_prompt: true, web_search_options: {} })
})

test('a data URL of megabytes is cut, not copied and not searched', () => {
  const base64 = 'QUJD'.repeat(2_000_000)
  const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/jpeg;charset=utf-8;base64,${base64}` } }] }
  decode({ ...HI, messages: [image] })
  const from = process.threadCpuUsage().user
  const [message] = request({ messages: [image] }).messages
  assert.ok(process.threadCpuUsage().user - from < 200_000)
  const part = message!.parts[0]!
  assert.ok(part.type === 'media' && part.source.from === 'data')
  assert.equal(part.source.mime, 'image/jpeg')
  assert.equal(part.source.base64.length, base64.length)
})

test('reasoning comes back in any of its spellings', () => {
  const assistant = (change: Loose) => request({ messages: [{ role: 'assistant', content: 'x', ...change }] }).messages[0]!.parts
  assert.deepEqual(assistant({ reasoning: 'why' }), [{ type: 'reasoning', text: 'why' }, { type: 'text', text: 'x' }])
  assert.deepEqual(assistant({ reasoning_content: 'why' }), [{ type: 'reasoning', text: 'why' }, { type: 'text', text: 'x' }])
  const seal = { format: 'anthropic-claude-v1', kind: 'signature', value: 'Eq==' }
  // What a client kept of a stream: pieces of one index, and the signature by itself.
  assert.deepEqual(assistant({
    reasoning: 'why not',
    reasoning_details: [
      { type: 'reasoning.text', text: 'why', format: 'anthropic-claude-v1', index: 0 }, { type: 'reasoning.text', text: ' not', index: 0 },
      { type: 'reasoning.text', signature: 'Eq==', format: 'anthropic-claude-v1', index: 0 },
    ],
  }), [{ type: 'reasoning', text: 'why not', seal }, { type: 'text', text: 'x' }])
  // A detail without a format is Anthropic's.
  assert.deepEqual(assistant({ reasoning_details: [{ type: 'reasoning.text', text: 'why', signature: 'Eq==' }] }), [{ type: 'reasoning', text: 'why', seal }, { type: 'text', text: 'x' }])
  // A summary with its encrypted twin is one part.
  assert.deepEqual(assistant({
    reasoning_details: [
      { type: 'reasoning.summary', summary: 'Plan', format: 'openai-responses-v1', index: 0, id: 'rs_1' },
      { type: 'reasoning.encrypted', data: 'gA', format: 'openai-responses-v1', index: 0, id: 'rs_1' },
    ],
  })[0], { type: 'reasoning', text: 'Plan', id: 'rs_1', summary: true, seal: { format: 'openai-responses-v1', kind: 'encrypted', value: 'gA' } })
})

test('the seal of a tool call is found by the id of the call', () => {
  const [call] = request({
    messages: [{
      role: 'assistant', content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      reasoning_details: [{ type: 'reasoning.encrypted', data: 'Ci', format: 'google-gemini-v1', id: 'c1', index: 0 }],
    }],
  }).messages[0]!.parts
  assert.deepEqual(call, { type: 'tool-call', id: 'c1', name: 'f', form: 'function', input: '{}', seal: { format: 'google-gemini-v1', kind: 'encrypted', value: 'Ci' } })
})

test('arguments stay the text that they were', () => {
  const args = '{ "n": 12345678901234567890,  "b": 1, "a": 2 }'
  const [call] = request({ messages: [{ role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'f', arguments: args } }] }] }).messages[0]!.parts
  assert.ok(call?.type === 'tool-call')
  assert.equal(call.input, args)
})

test('wishes of routing are read in their units', () => {
  const { preferences } = asked({
    ...HI, models: ['a/b', 'c/d'], route: 'sort',
    provider: { sort: 'price', max_price: { prompt: 1, completion: '2.5', request: 0.01, image: 1e-7 }, preferred_max_latency: 2, preferred_min_throughput: { p90: 50 } },
  })
  assert.deepEqual(preferences, {
    models: ['a/b', 'c/d'], sort: { by: 'price', partition: 'none' },
    maxPrice: { prompt: 1_000_000_000_000n, completion: 2_500_000_000_000n, request: 10_000_000_000_000_000n, image: 100_000_000_000n },
    preferredMaxLatency: { p50: 2 }, preferredMinThroughput: { p90: 50 },
  })
})

test('a partition is kept without a sort, and the old route says the same without a provider object', () => {
  const sortOf = (body: object) => asked({ ...HI, models: ['a/b', 'c/d'], ...body }).preferences.sort
  assert.deepEqual(sortOf({ provider: { sort: { partition: 'none' } } }), { partition: 'none' })
  assert.deepEqual(sortOf({ route: 'sort' }), { partition: 'none' })
  assert.deepEqual(sortOf({ route: 'sort', provider: { zdr: true } }), { partition: 'none' })
  for (const plain of [{ route: 'fallback' }, { provider: { sort: { partition: 'model' } } }, { provider: { sort: {} } }, { provider: { sort: null } }]) {
    assert.equal(sortOf(plain), undefined, JSON.stringify(plain))
  }
  assert.deepEqual(sortOf({ provider: { sort: { by: 'latency' } } }), { by: 'latency', partition: 'model' })
})

test('a prompt stands for one user message, and there is nothing to patch', () => {
  const { request: read } = asked({ model: 'a/b', prompt: 'Hi' }).operation
  assert.deepEqual(read.messages, [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }])
  assert.equal(read.origin, undefined)
})
