import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { malformed } from '../../core/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { assertEvents } from '../laws/fixtures.ts'
import { createDecoder, decodeReply } from './decoder.ts'
import { decodeFault } from './faults.ts'
import { fc } from '../../../test/properties.ts'

const STREAMS = new URL('fixtures/streams/', import.meta.url)
const WHOLES = new URL('fixtures/wholes/', import.meta.url)

for (const file of readdirSync(STREAMS).filter((name) => name.endsWith('.sse'))) {
  const bytes = readFileSync(new URL(file, STREAMS))
  const says = /^: (.*)/.exec(bytes.toString())?.[1] ?? file
  test(`reads ${file.slice(0, -4)}: ${says}`, () => {
    const expected = readFileSync(new URL(file.replace('.sse', '.events.jsonl'), STREAMS), 'utf8')
      .trim().split('\n').map((line) => JSON.parse(line) as unknown)
    const decoder = createDecoder(aTarget({}, { stream: true }))
    assertEvents([...decoder.push(bytes), ...decoder.end()], expected)
  })
}

for (const file of readdirSync(WHOLES)) {
  const fixture = JSON.parse(readFileSync(new URL(file, WHOLES), 'utf8')) as { says: string; quirks: string[]; body: unknown; events: unknown[] }
  test(`reads a whole reply, ${file.slice(0, -5)}: ${fixture.says}`, () => {
    const body = typeof fixture.body === 'string' ? fixture.body : JSON.stringify(fixture.body)
    assertEvents(decodeReply(Buffer.from(body), aTarget({ quirks: fixture.quirks })), fixture.events)
  })
}

test('a thought is sealed in the name of who can open it', () => {
  const body = Buffer.from(JSON.stringify({ status: 'completed', output: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' }] }))
  const formatAt = (endpoint: Parameters<typeof aTarget>[0]) => {
    const close = decodeReply(body, aTarget(endpoint)).find((event) => event.type === 'block-close')
    return close?.type === 'block-close' ? close.seal?.format : undefined
  }
  assert.equal(formatAt({ provider: 'openai' }), 'openai-responses-v1')
  assert.equal(formatAt({ provider: 'xai' }), 'xai-responses-v1')
  assert.equal(formatAt({ provider: 'azure', quirks: ['azure-deployment-names'] }), 'azure-openai-responses-v1')
  assert.equal(formatAt({ provider: 'amazon-bedrock', quirks: ['inference-profile-prefix'], model: 'openai/gpt-5.6' }), 'bedrock-openai-responses-v1')
  assert.equal(formatAt({ provider: 'amazon-bedrock', quirks: ['inference-profile-prefix'], model: 'x-ai/grok-5' }), 'bedrock-xai-responses-v1')
})

test('a refused seal is marked, so that the request can be tried without it; the rest is told as OpenAI means it', () => {
  const faultOf = (status: number, error: object) => decodeFault(status, {}, Buffer.from(JSON.stringify({ error })), aTarget().endpoint)
  const refused = faultOf(400, { message: 'The encrypted content could not be verified.', type: 'invalid_request_error', param: null, code: 'invalid_encrypted_content' })
  assert.deepEqual([refused.kind, refused.metadata?.['reason']], ['invalid-request', 'reasoning_signature'])
  const parameter = faultOf(400, { message: "Unsupported parameter: 'temperature'", type: 'invalid_request_error', param: 'temperature', code: 'unsupported_parameter' })
  assert.deepEqual([parameter.kind, parameter.metadata?.['parameter']], ['unsupported-parameter', 'temperature'])
  assert.equal(faultOf(400, { message: 'Your input exceeds the context window of this model.', code: 'context_length_exceeded' }).kind, 'context-length')
  assert.equal(faultOf(429, { message: 'You exceeded your current quota', code: 'insufficient_quota' }).kind, 'upstream-payment')
  assert.equal(faultOf(404, { message: 'The model does not exist', code: 'model_not_found' }).kind, 'model-unavailable')
})

test('events in any order and of any content make a well-formed reply, and never an exception', () => {
  const index = fc.constantFrom<unknown>(0, 1, 2, undefined, 'x')
  const word = fc.constantFrom<unknown>('', 'a', '{}', 'ab', null, 7)
  const item = fc.record({
    type: fc.constantFrom<unknown>('message', 'reasoning', 'function_call', 'custom_tool_call', 'image_generation_call', 'web_search_call', 'novelty', 7),
    id: word, call_id: word, name: word, arguments: word, input: word, result: word, phase: word, encrypted_content: word, signature: word, format: word,
    summary: fc.constantFrom<unknown>([], [{ type: 'summary_text', text: 'a' }], 7), content: fc.constantFrom<unknown>([], [{ type: 'output_text', text: 'ab' }], [{ type: 'refusal', refusal: 'a' }], 'x'),
  })
  const place = { output_index: index, content_index: index, summary_index: index, delta: word, text: word, arguments: word, input: word, refusal: word, logprobs: fc.constantFrom<unknown>([], [{}], 7) }
  const event = fc.oneof(
    fc.record({ type: fc.constantFrom('response.output_item.added', 'response.output_item.done'), output_index: index, item: fc.oneof(item, fc.constant(null)) }),
    fc.record({
      type: fc.constantFrom(
        'response.output_text.delta', 'response.output_text.done', 'response.refusal.delta', 'response.refusal.done', 'response.reasoning_text.delta', 'response.reasoning_text.done',
        'response.reasoning_summary_text.delta', 'response.reasoning_summary_text.done', 'response.function_call_arguments.delta', 'response.function_call_arguments.done',
        'response.custom_tool_call_input.delta', 'response.custom_tool_call_input.done', 'response.output_text.annotation.added', 'response.created',
      ),
      ...place, annotation: fc.constantFrom<unknown>({ type: 'url_citation', url: 'https://example.com', start_index: 1 }, null, 7),
    }),
    fc.record({ type: fc.constantFrom('response.completed', 'response.incomplete'), response: fc.record({ status: word, output: fc.oneof(fc.array(item, { maxLength: 3 }), fc.constant(7)), usage: fc.constantFrom<unknown>({ input_tokens: 3 }, null) }) }),
    fc.constantFrom<Record<string, unknown>>({ type: 'error', error: {} }, { type: 'error', code: 'constructor' }, { type: 'response.failed' }, {}, { error: { code: 429 } }),
  )
  fc.assert(fc.property(fc.array(event, { maxLength: 14 }), (events) => {
    const decoder = createDecoder(aTarget({}, { stream: true }))
    const stream = events.map((it) => `data: ${JSON.stringify(it)}\n\n`).join('')
    const found = [...decoder.push(Buffer.from(stream)), ...decoder.end()]
    assert.equal(malformed(found), null, JSON.stringify(found))
  }), { numRuns: 2000 })
})

test('arbitrary bytes end in a fault and never in an exception', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    const decoder = createDecoder(aTarget({}, { stream: true }))
    assert.equal([...decoder.push(bytes), ...decoder.end()].at(-1)?.type, 'fault')
    assert.equal(decodeReply(bytes, aTarget())[0]?.type, 'fault')
    assert.ok(decodeFault(500, {}, bytes, aTarget().endpoint).kind)
  }), { numRuns: 400 })
})
