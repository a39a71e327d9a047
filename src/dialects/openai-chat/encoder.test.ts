import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChatResult$inboundSchema, ChatStreamChunk$inboundSchema } from '@openrouter/sdk/models'
import { collectNow, fault, usage, type ChatEvent, type Charge } from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import { createEncoder } from './encoder.ts'
import { inbound } from './inbound.ts'
import type { Loose } from './wire.ts'
import { chunkSchema, errorBodySchema, replySchema } from './wire-reply.ts'
import { fc } from '../../../test/properties.ts'

const META = { id: 'gen-1-abc', created: 1_760_000_000, model: 'a/b', provider: 'Host' }
const SEAL = { format: 'anthropic-claude-v1', kind: 'signature', value: 'EqMB==' } as const
const charge: Charge = { total: 140_000n, prompt: 40_000_000_000_000n, completion: 100_000_000_000_000n, services: 0n }

/** One reply with everything in it. */
const EVENTS: readonly ChatEvent[] = [
  { type: 'start', upstreamId: 'u', fingerprint: 'fp_1' },
  { type: 'block-open', index: 0, choice: 0, block: { type: 'reasoning', format: 'anthropic-claude-v1' } },
  { type: 'block-delta', index: 0, text: 'Let' },
  { type: 'block-delta', index: 0, text: ' "me"' },
  { type: 'block-close', index: 0, seal: SEAL },
  { type: 'block-open', index: 1, choice: 0, block: { type: 'text' } },
  { type: 'block-delta', index: 1, text: 'Hi\n' },
  { type: 'note', choice: 0, index: 1, note: { type: 'logprobs', content: [{ token: 'Hi', logprob: -0.5, bytes: null, top_logprobs: [] }] } },
  { type: 'note', choice: 0, note: { type: 'annotation', annotation: { type: 'citation', url: 'https://a.example', title: 'A' } } },
  { type: 'block-close', index: 1 },
  { type: 'block-open', index: 2, choice: 0, block: { type: 'tool-call', id: 'call_1', name: 'f', form: 'function' } },
  { type: 'block-open', index: 3, choice: 0, block: { type: 'tool-call', id: 'call_2', name: 'g', form: 'custom' } },
  { type: 'block-delta', index: 2, text: '{"a":' },
  { type: 'block-delta', index: 3, text: 'x' },
  { type: 'block-delta', index: 2, text: '1}' },
  { type: 'block-close', index: 2, seal: { format: 'google-gemini-v1', kind: 'encrypted', value: 'CiQB' } },
  { type: 'block-close', index: 3 },
  { type: 'block-open', index: 4, choice: 0, block: { type: 'media', kind: 'image', mime: 'image/png' } },
  { type: 'block-delta', index: 4, text: 'iVBO' },
  { type: 'block-delta', index: 4, text: 'Rw0K' },
  { type: 'block-close', index: 4 },
  { type: 'block-open', index: 5, choice: 1, block: { type: 'refusal' } },
  { type: 'block-delta', index: 5, text: 'No.' },
  { type: 'block-close', index: 5 },
  { type: 'finish', choice: 0, reason: 'tool_calls', native: 'tool_use' },
  { type: 'finish', choice: 1, reason: 'stop' },
  { type: 'usage', usage: usage({ total: 10, cacheRead: 4 }, { total: 20, reasoning: 5 }), charge },
]

const chunksOf = (text: string): Loose[] => {
  assert.ok(text.endsWith('\n\n'))
  return text.slice(0, -2).split('\n\n').map((frame) => {
    assert.match(frame, /^data: [^\n]+$/)
    return JSON.parse(frame.slice(6)) as Loose
  })
}

function encodeAll(events: readonly ChatEvent[], metadata?: Loose): string {
  const encoder = createEncoder(META)
  return encoder.push(events) + encoder.end(metadata)
}

function streamed(events: readonly ChatEvent[], metadata?: Loose): Loose[] {
  const text = encodeAll(events, metadata)
  assert.ok(text.endsWith('data: [DONE]\n\n'))
  return chunksOf(text.slice(0, -'data: [DONE]\n\n'.length))
}

const isChunk = checker(chunkSchema)
const isReply = checker(replySchema)

/** Custom tools have no place in the official SDK, which cannot ask for them either; OpenAI's clients can. */
const isCustom = (event: ChatEvent): boolean =>
  (event.type === 'block-open' && event.block.type === 'tool-call' && event.block.form === 'custom')
  || ((event.type === 'block-delta' || event.type === 'block-close') && event.index === 3)

test('every chunk is one that the official SDK reads, and one that is published', () => {
  for (const chunk of streamed(EVENTS)) assert.equal(isChunk(chunk), null, JSON.stringify(chunk))
  for (const chunk of streamed(EVENTS.filter((event) => !isCustom(event)), { requested: 'a/b' })) {
    const { openrouter_metadata: _, ...plain } = chunk
    const parsed = ChatStreamChunk$inboundSchema.safeParse(plain)
    assert.ok(parsed.success, `${JSON.stringify(chunk)}: ${parsed.error?.message}`)
    assert.equal(chunk['id'], META.id)
    assert.equal(chunk['provider'], META.provider)
    assert.equal(chunk['object'], 'chat.completion.chunk')
  }
})

test('a client sees the role first, one finish for each choice, then one usage without choices, and the mark of the end', () => {
  const chunks = streamed(EVENTS)
  assert.deepEqual(chunks[0]!['choices'], [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
  const finishes = chunks.flatMap((chunk) => chunk['choices']).filter((choice: Loose) => choice['finish_reason'] !== null)
  assert.deepEqual(finishes, [
    { index: 0, delta: {}, finish_reason: 'tool_calls', native_finish_reason: 'tool_use' },
    { index: 1, delta: {}, finish_reason: 'stop', native_finish_reason: 'stop' },
  ])
  const last = chunks.at(-1)!
  assert.deepEqual(last['choices'], [])
  assert.equal(last['usage'].cost, 0.00014)
  assert.equal(last['usage'].prompt_tokens_details.cached_tokens, 4)
  assert.equal(last['usage'].cost_details.upstream_inference_prompt_cost, 0.00004)
  assert.equal(chunks.filter((chunk) => 'usage' in chunk).length, 1)
})

test('reasoning goes out as text and as details of one index, its signature by itself', () => {
  const deltas = streamed(EVENTS).flatMap((chunk) => chunk['choices'].map((choice: Loose) => choice['delta']))
  assert.deepEqual(deltas.filter((delta: Loose) => 'reasoning' in delta || 'reasoning_details' in delta), [
    { reasoning: 'Let', reasoning_details: [{ type: 'reasoning.text', text: 'Let', format: 'anthropic-claude-v1', index: 0 }] },
    { reasoning: ' "me"', reasoning_details: [{ type: 'reasoning.text', text: ' "me"', format: 'anthropic-claude-v1', index: 0 }] },
    { reasoning_details: [{ type: 'reasoning.text', signature: 'EqMB==', format: 'anthropic-claude-v1', index: 0 }] },
    { reasoning_details: [{ type: 'reasoning.encrypted', data: 'CiQB', id: 'call_1', format: 'google-gemini-v1', index: 1 }] },
  ])
})

test('fragments of parallel calls keep their index, and leave byte for byte', () => {
  const calls = streamed(EVENTS).flatMap((chunk) => chunk['choices']).flatMap((choice: Loose) => choice['delta'].tool_calls ?? [])
  assert.deepEqual(calls, [
    { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } },
    { index: 1, id: 'call_2', type: 'custom', custom: { name: 'g', input: '' } },
    { index: 0, function: { arguments: '{"a":' } },
    { index: 1, custom: { input: 'x' } },
    { index: 0, function: { arguments: '1}' } },
  ])
})

test('an image leaves whole, as a data URL', () => {
  const images = streamed(EVENTS).flatMap((chunk) => chunk['choices']).flatMap((choice: Loose) => choice['delta'].images ?? [])
  assert.deepEqual(images, [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0K' } }])
})

test('the batches of a stream do not change what is written', () => {
  const encoder = createEncoder(META)
  const single = EVENTS.map((event) => encoder.push([event])).join('') + encoder.end()
  assert.equal(single, encodeAll(EVENTS))
})

test('a failure in the middle is one chunk that clients can read, and nothing follows it', () => {
  const encoder = createEncoder(META)
  const upstream = { status: 502, code: 'bad_gateway', raw: 'x', provider: 'Host' }
  const text = encoder.push([...EVENTS.slice(0, 8),
    { type: 'usage', usage: usage({ total: 3 }, { total: 1 }), charge },
    { type: 'fault', fault: fault('upstream-error', 'It broke.', { upstream }) },
    { type: 'block-delta', index: 1, text: 'ghost' },
  ])
  assert.equal(encoder.push(EVENTS.slice(8)), '')
  assert.equal(encoder.end({ requested: 'a/b' }), '')
  const last = chunksOf(text).at(-1)!
  assert.deepEqual(last['choices'], [{ index: 0, delta: { content: '' }, finish_reason: 'error', native_finish_reason: 'bad_gateway' }])
  assert.deepEqual(last['error'], {
    code: 502, message: 'It broke.', error_type: 'provider_unavailable', http_status: 502,
    metadata: { error_type: 'provider_unavailable', provider_name: 'Host', raw: 'x', provider_code: 'bad_gateway' },
  })
  assert.equal(last['usage'].prompt_tokens, 3)
  assert.equal(ChatStreamChunk$inboundSchema.safeParse(last).success, true)
  assert.equal(isChunk(last), null)
})

test('a failure before any block is a whole frame with a model, without which the official SDK would lose the error', () => {
  const [chunk] = chunksOf(inbound.faultFrames(fault('timeout', 'Too slow.'), { id: 'gen-1', created: 5 }))
  assert.equal(chunk!['error'].code, 504)
  assert.equal(ChatStreamChunk$inboundSchema.safeParse(chunk).success, true)
})

test('metadata rides on the usage chunk', () => {
  const last = streamed(EVENTS, { requested: 'a/b', strategy: 'direct' }).at(-1)!
  assert.deepEqual(last['openrouter_metadata'], { requested: 'a/b', strategy: 'direct' })
  assert.ok('usage' in last)
})

test('a whole reply is one that the official SDK reads, and says what the stream said', () => {
  const { status, body } = inbound.reply(collectNow(EVENTS), META)
  assert.equal(status, 200)
  const reply = JSON.parse(body) as Loose
  const parsed = ChatResult$inboundSchema.safeParse(JSON.parse(inbound.reply(collectNow(EVENTS.filter((event) => !isCustom(event))), META).body))
  assert.ok(parsed.success, parsed.error?.message ?? '')
  assert.equal(isReply(reply), null)
  assert.equal(reply['system_fingerprint'], 'fp_1')
  assert.deepEqual(reply['choices'][0].message, {
    role: 'assistant', content: 'Hi\n', refusal: null, reasoning: 'Let "me"',
    reasoning_details: [
      { type: 'reasoning.text', text: 'Let "me"', signature: 'EqMB==', format: 'anthropic-claude-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'CiQB', id: 'call_1', format: 'google-gemini-v1', index: 1 },
    ],
    tool_calls: [
      { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
      { index: 1, id: 'call_2', type: 'custom', custom: { name: 'g', input: 'x' } },
    ],
    images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0K' } }],
    annotations: [{ type: 'url_citation', url_citation: { url: 'https://a.example', title: 'A', start_index: 0, end_index: 0 } }],
  })
  assert.equal(reply['choices'][1].message.content, null)
  assert.equal(reply['choices'][1].message.refusal, 'No.')
})

test('the smallest reply still has every field that the official SDK throws without', () => {
  const events: ChatEvent[] = [{ type: 'start' }, { type: 'finish', choice: 0, reason: 'stop' }]
  const reply = JSON.parse(inbound.reply(collectNow(events), META).body) as Loose
  assert.equal(reply['system_fingerprint'], null)
  assert.equal(reply['choices'][0].message.content, '')
  assert.ok(!('usage' in reply))
  assert.ok(ChatResult$inboundSchema.safeParse(reply).success)
})

test('a whole reply that failed after partial output is a 200 whose choice has the error', () => {
  const events: ChatEvent[] = [...EVENTS.slice(0, 7), { type: 'fault', fault: fault('stream-cut', 'Cut.') }]
  const { status, body } = inbound.reply(collectNow(events), META)
  const reply = JSON.parse(body) as Loose
  assert.equal(status, 200)
  assert.equal(reply['choices'][0].finish_reason, 'error')
  assert.equal(reply['choices'][0].message.content, 'Hi\n')
  assert.equal(reply['choices'][0].error.code, 502)
  assert.ok(ChatResult$inboundSchema.safeParse(reply).success)
  assert.equal(isReply(reply), null)
})

const UNPLANNED = {
  requested: 'a/b', strategy: 'direct', region: null, summary: 'available=0, selected=none', attempt: 0, is_byok: false,
  endpoints: { total: 0, available: [] },
}

test('a refused request names its status, type and field; what the plan knows rides along', () => {
  const { status, body } = inbound.fault(
    fault('no-endpoint', 'None left.', { field: 'provider.only', availability: { code: 'constraint_filtered', retryable: false, requested_models: ['a/b'] } }),
    { openrouter_metadata: UNPLANNED },
  )
  const error = JSON.parse(body) as Loose
  assert.equal(status, 404)
  assert.equal(checker(errorBodySchema)(error), null)
  assert.deepEqual(error, {
    error: {
      code: 404, message: 'None left.', error_type: 'not_found', http_status: 404, metadata: { error_type: 'not_found', field: 'provider.only' },
      availability: { code: 'constraint_filtered', retryable: false, requested_models: ['a/b'] },
    },
    openrouter_metadata: UNPLANNED,
  })
})

test('an internal failure tells nothing of the provider', () => {
  const { body } = inbound.fault(fault('internal', 'Internal error', { upstream: { raw: 'secret', code: 'x', provider: 'Host' } }), { openrouter_metadata: {} })
  assert.deepEqual(JSON.parse(body), { error: { code: 500, message: 'Internal error', error_type: 'server', http_status: 500, metadata: { error_type: 'server' } } })
})

test('a piece of text that needs no escaping goes out in the same bytes as one that is quoted by JSON', () => {
  const odd = fc.constantFrom('"', '\\', '\n', '\u0000', '\u007f', '\u2028', '\ud800', '😀', 'é')
  const around = fc.string({ maxLength: 70 })
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.tuple(around, odd, around).map((parts) => parts.join('')))
  fc.assert(fc.property(text, fc.constantFrom('text', 'refusal', 'reasoning'), (said, type) => {
    const encoder = createEncoder(META)
    encoder.push([{ type: 'start' }, { type: 'block-open', index: 0, choice: 0, block: { type } }])
    const frame = encoder.push([{ type: 'block-delta', index: 0, text: said }])
    const { delta } = (chunksOf(frame)[0] as Loose)['choices'][0]
    assert.equal(delta[type === 'text' ? 'content' : type], said)
    assert.ok(frame.includes(`":${JSON.stringify(said)}`))
    if (type === 'reasoning') assert.equal(delta.reasoning_details[0].text, delta.reasoning)
  }), { numRuns: 500 })
})
