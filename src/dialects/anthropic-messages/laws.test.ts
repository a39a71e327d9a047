import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EFFORTS, malformed, type ChatRequest, type Message, type Part } from '../../core/index.ts'
import { chatRequests } from '../laws/arbitrary.ts'
import { aTarget } from '../laws/endpoint.ts'
import { broken } from './messages-rules.ts'
import { nameOf, wireId, wireName } from './names.ts'
import { outbound } from './outbound.ts'
import { fc } from '../../../test/properties.ts'

/* Whatever a caller's history looks like, what goes out keeps the laws of the format, or is refused as a value. */

const RUNS = { numRuns: 400 }

const text = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('Hi', ' \n', '', 'Wie geht’s? ', '🙂', '"},{"') }, { weight: 1, arbitrary: fc.string({ maxLength: 12 }) })
const cache = fc.option(fc.constantFrom({}, { ttl: '5m' as const }, { ttl: '1h' as const }), { freq: 3, nil: undefined })
const callId = fc.constantFrom('a', 'b', 'call_1', 'functions.x:0', '', 'é', 'call64_YQ')
const toolName = fc.constantFrom('get_weather', 'now', 'json', 'a.b', 'custom__x', 'esc__y')
const seal = fc.option(fc.record({
  format: fc.constantFrom('anthropic-claude-v1', 'google-gemini-v1'), kind: fc.constantFrom('signature' as const, 'encrypted' as const),
  value: fc.constantFrom('Sig', ''),
}), { nil: undefined })

const plain: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text, cache }),
  fc.record({ type: fc.constant('text' as const), text, cache }),
  fc.record({ type: fc.constant('refusal' as const), text }),
  fc.record({
    type: fc.constant('media' as const), kind: fc.constantFrom('image' as const, 'file' as const),
    source: fc.oneof(
      fc.constant({ from: 'url' as const, url: 'https://example.com/a' }),
      fc.record({ from: fc.constant('data' as const), base64: fc.constantFrom('', 'AAAA', 'ICA='), mime: fc.constantFrom('image/png', 'application/pdf', 'text/plain') }),
      fc.constant({ from: 'id' as const, id: 'f' }),
    ),
    cache,
  }),
)
const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 4, arbitrary: plain },
  { weight: 3, arbitrary: fc.record({
    type: fc.constant('tool-call' as const), id: callId, name: toolName, form: fc.constantFrom('function' as const, 'custom' as const),
    input: fc.constantFrom('{}', '', 'null', '{"a": 1}', '{bad', '[1]', '"x"'), cache,
  }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('tool-result' as const), callId, content: fc.array(plain, { maxLength: 3 }), failed: fc.option(fc.boolean(), { nil: undefined }), cache }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('reasoning' as const), text, seal, cache }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('native' as const), dialect: fc.constant('openai-responses'), value: fc.constant({}) }) },
)
const message: fc.Arbitrary<Message> = fc.record({
  role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'assistant', 'tool'), parts: fc.array(part, { maxLength: 4 }),
})
const schema = fc.constantFrom<Readonly<Record<string, unknown>>>(
  { type: 'object', properties: { a: { type: 'string' } } }, { type: 'array', items: {} }, { anyOf: [] }, {},
)
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { freq: 2, nil: undefined })

const request: fc.Arbitrary<ChatRequest> = fc.record({
  messages: fc.array(message, { maxLength: 8 }),
  tools: maybe(fc.uniqueArray(fc.oneof(
    fc.record({ type: fc.constant('function' as const), name: toolName, parameters: maybe(schema), cache }),
    fc.record({ type: fc.constant('custom' as const), name: toolName }),
  ), { maxLength: 4, selector: (tool) => tool.name })),
  toolChoice: maybe(fc.oneof(
    fc.constantFrom('auto' as const, 'none' as const, 'required' as const),
    fc.record({ tool: toolName }), fc.record({ allowed: fc.array(toolName, { maxLength: 2 }), required: fc.boolean() }),
  )),
  parallelToolCalls: maybe(fc.boolean()),
  format: maybe(fc.oneof(
    fc.record({ type: fc.constant('schema' as const), name: fc.constant('n'), schema }),
    fc.constantFrom({ type: 'json' as const }, { type: 'text' as const }, { type: 'python' as const }),
  )),
  maxOutputTokens: maybe(fc.constantFrom(1, 500, 1024, 1025, 3000, 100_000)),
  stop: maybe(fc.array(fc.constantFrom('END', ' ', ''), { maxLength: 3 })),
  sampling: fc.record({ temperature: fc.constantFrom(0, 0.7, 1, 2), top_p: fc.constantFrom(0, 0.96, 1), top_k: fc.constantFrom(0, 5), min_p: fc.constant(0.1) }, { requiredKeys: [] }),
  reasoning: maybe(fc.oneof(
    fc.record({ effort: fc.constantFrom(...EFFORTS) }), fc.record({ maxTokens: fc.constantFrom(0, 1, 2000, 500_000) }), fc.record({ enabled: fc.boolean() }), fc.constant({}),
  )),
  verbosity: maybe(fc.constantFrom('low', 'max', 'odd')),
  cache: maybe(fc.constantFrom({}, { ttl: '1h' as const })),
  extras: fc.constant({}),
})

const target = fc.record({
  quirks: fc.subarray(['no-sampling-on-new-models', 'version-header', 'anthropic-first', 'no-tool-choice']),
  parameters: fc.option(fc.subarray(['temperature', 'top_p', 'top_k', 'tools', 'tool_choice', 'structured_outputs', 'verbosity']), { nil: null }),
  parametersSource: fc.constantFrom('listed' as const, 'derived' as const),
  maxOutputTokens: fc.constantFrom(null, 4096, 64_000),
  contextLength: fc.constantFrom(null, 2000, 200_000),
  reasoning: fc.constantFrom(
    { supported: false }, { supported: true }, { supported: true, controllable: false },
    { supported: true, efforts: ['low', 'high'] as const, controllable: true },
    { supported: true, efforts: ['low', 'high'] as const, canDisable: false },
    { supported: true, budgetTokens: { min: 1024 }, canDisable: false },
    { supported: true, efforts: ['low', 'max'] as const, budgetTokens: { min: 2048, max: 8000 } },
  ),
})

test('whatever a caller sends, what goes out keeps every law of the format', () => {
  fc.assert(fc.property(request, target, fc.boolean(), (of, endpoint, stream) => {
    const outgoing = outbound.encode(of, aTarget(endpoint, { stream }))
    assert.ok(!('fault' in outgoing), JSON.stringify(outgoing))
    const body: unknown = JSON.parse(String(outgoing.body))
    assert.equal(broken(body), null, String(outgoing.body))
    assert.equal(String((outbound.encode(of, aTarget(endpoint, { stream })) as { body: string }).body), String(outgoing.body))
  }), { ...RUNS, numRuns: 1500 })
})

test('every canonical request that a dialect must write keeps the laws too, or is refused for its audio or video', () => {
  fc.assert(fc.property(chatRequests(fc), target, fc.boolean(), (of, endpoint, stream) => {
    const outgoing = outbound.encode(of, aTarget(endpoint, { stream }))
    if ('fault' in outgoing) return assert.match(outgoing.fault.message, /^messages: this provider takes no (audio|video): /)
    assert.equal(broken(JSON.parse(String(outgoing.body))), null, String(outgoing.body))
  }), RUNS)
})

test('no two ids of calls meet, and every one fits', () => {
  const id = fc.oneof(fc.string(), callId, fc.string({ unit: fc.constantFrom('a', '_', '-', '6', '4', 'c', 'l', '.', 'é') }))
  fc.assert(fc.property(id, id, (a, b) => {
    assert.match(wireId(a), /^[a-zA-Z0-9_-]+$/)
    assert.equal(wireId(a) === wireId(b), a === b)
  }), RUNS)
})

test('a tool comes back under the name and in the form that its caller gave it', () => {
  const name = fc.oneof(fc.string({ minLength: 1 }), toolName, fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }), fc.constantFrom('json_value', 'esc__-2e-', 'custom__', '-2e-'))
  fc.assert(fc.property(name, fc.constantFrom('function' as const, 'custom' as const), (of, form) => {
    const wire = wireName(of, form)
    assert.match(wire, /^[a-zA-Z0-9_-]+$/)
    assert.deepEqual(nameOf(wire), { is: 'call', name: of, form })
  }), RUNS)
})

test('events in any order and of any content make a well-formed reply, and never an exception', () => {
  const index = fc.constantFrom(0, 1, 2)
  const word = fc.constantFrom('', 'a', '{}', '{"input":"x"}', '{"a')
  const block = fc.oneof(
    fc.record({ type: fc.constantFrom('text', 'thinking', 'redacted_thinking', 'server_tool_use', 'novelty', 'compaction'), text: word, thinking: word, data: word, signature: word }),
    fc.record({ type: fc.constant('tool_use'), id: word, name: fc.constantFrom('f', 'json', 'json_value', 'custom__x', 7), input: fc.constantFrom<unknown>({}, { a: 1 }, null, 'x') }),
  )
  const delta = fc.record({
    type: fc.constantFrom('text_delta', 'thinking_delta', 'signature_delta', 'input_json_delta', 'citations_delta', 'compaction_delta', 'novelty'),
    text: word, thinking: word, signature: word, partial_json: word, citation: fc.constantFrom<unknown>({ url: 'https://example.com' }, 7), content: word,
  })
  const event = fc.oneof(
    fc.record({ type: fc.constant('message_start'), message: fc.constantFrom<unknown>({ id: 'm', usage: { input_tokens: 1 } }, { content: [{ type: 'text', text: 'x' }] }, 7) }),
    fc.record({ type: fc.constant('content_block_start'), index, content_block: block }),
    fc.record({ type: fc.constant('content_block_delta'), index, delta }),
    fc.record({ type: fc.constant('content_block_delta'), index, delta }),
    fc.record({ type: fc.constant('content_block_stop'), index }),
    fc.record({ type: fc.constant('message_delta'), delta: fc.record({ stop_reason: fc.constantFrom('end_turn', 'tool_use', 'refusal', null, 7) }), usage: fc.constantFrom<unknown>({ output_tokens: 3 }, null, 'x') }),
    fc.constantFrom<Record<string, unknown>>({ type: 'ping' }, { type: 'message_stop' }, { type: 'error', error: { type: 'api_error' } }, {}),
  )
  fc.assert(fc.property(fc.array(event, { maxLength: 14 }), (events) => {
    const decoder = outbound.decoder(aTarget({}, { stream: true }))
    const stream = events.map((it) => `data: ${JSON.stringify(it)}\n\n`).join('')
    const found = [...decoder.push(Buffer.from(stream)), ...decoder.end()]
    assert.equal(malformed(found), null, JSON.stringify(found))
  }), { ...RUNS, numRuns: 1500 })
})

test('arbitrary bytes end in a fault and never in an exception', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const decoder = outbound.decoder(aTarget({}, { stream: true }))
    assert.equal([...decoder.push(bytes), ...decoder.end()].at(-1)?.type, 'fault')
    assert.equal(outbound.decodeReply(bytes, aTarget())[0]?.type, 'fault')
    assert.ok(outbound.decodeFault(500, {}, bytes, aTarget()).kind)
  }), RUNS)
})
