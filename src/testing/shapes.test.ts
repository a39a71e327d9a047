import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Foreign } from './asked.ts'
import { FRAMING_SHAPES } from './frames.ts'
import type { FramingShape } from './frames.ts'
import type { ChatShape } from './dialects/openai-chat-shapes.ts'
import type { MessagesShape } from './dialects/anthropic-messages-shapes.ts'
import type { ResponsesShape } from './dialects/openai-responses-shapes.ts'
import type { GeminiShape } from './dialects/google-generate-content-shapes.ts'
import { createFakeUpstream } from './index.ts'
import type { FakeUpstream, Order, Shape } from './index.ts'
import { eventsIn, talk } from './raw-client.ts'

type Spoken = 'chat' | 'responses' | 'messages' | 'gemini'
let upstream: FakeUpstream
before(async () => { upstream = await createFakeUpstream() })
beforeEach(() => upstream.forget())
after(() => upstream.close())

const USAGE = { input: 9, output: 4, reasoning: 1 }
const TWO_CALLS = {
  text: 'On it',
  calls: [
    { name: 'f', id: 'call_a', arguments: '{"city":"Paris","n":12}' }, { name: 'g', id: 'call_b', arguments: '{}' }
  ],
  usage: USAGE
}
const TALK = { reasoning: 'Hm so', signature: 'c2ln', encrypted: 'c2VhbA==', text: 'Ja gut', usage: USAGE }

async function ask(dialect: Spoken, order: Order, shape: Shape | undefined, stream = true): Promise<Buffer> {
  upstream.next({ ...order, shapes: shape ? [shape] : [] })
  const messages = [{ role: 'user', content: 'Hi' }]
  const [path, body] = dialect === 'chat'
    ? ['/v1/chat/completions', { model: 'm', messages, stream, stream_options: { include_usage: true } }]
    : dialect === 'responses' ? ['/v1/responses', { model: 'm', input: 'Hi', stream }]
    : dialect === 'messages' ? ['/v1/messages', { model: 'm', messages, stream, max_tokens: 9 }]
      : [
        `/v1beta/models/m:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
        { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }
      ]
  const exchange = await talk(upstream.url + path, { body, headers: { 'anthropic-version': '2023-06-01' } })
  exchange.socket.destroy()
  assert.equal(exchange.end, 'complete')
  return exchange.body
}
const lf = (body: Buffer) => Buffer.from(body.toString().replaceAll('\r\n', '\n'))
const stream = async (
  dialect: Spoken, order: Order, shape?: Shape
) => eventsIn(lf(await ask(dialect, order, shape))).filter((it) => it !== '[DONE]')
const whole = async (
  dialect: Spoken, order: Order, shape?: Shape
) => JSON.parse((await ask(dialect, order, shape, false)).toString())

const choice = (chunk: Foreign) => chunk.choices?.[0]
const finish = (chunks: Foreign[]) => chunks.filter((chunk) => choice(chunk)?.finish_reason)
const calls = (chunks: Foreign[]) => chunks.flatMap((chunk) => choice(chunk)?.delta?.tool_calls ?? [])
const usages = (chunks: Foreign[]) => chunks.filter((chunk) => chunk.usage)
const args = (chunks: Foreign[]) => calls(chunks).map((call) => call.function.arguments)
const text = (chunks: Foreign[], key: string) => chunks.map((chunk) => choice(chunk)?.delta?.[key] ?? '').join('')
const last = (items: Foreign[]) => items[items.length - 1]

/** One check for each shape; the type demands that none is missing. */
const CHAT: Record<ChatShape, () => Promise<void>> = {
  'azure-first-chunk': async () => {
    const [first, second] = await stream('chat', TALK, 'azure-first-chunk')
    assert.deepEqual([first.choices, first.id, first.model, first.created], [[], '', '', 0])
    assert.equal(second.model, 'm')
  },
  'usage-in-finish': async () => {
    const chunks = await stream('chat', TALK, 'usage-in-finish')
    assert.deepEqual(usages(chunks), finish(chunks))
    assert.equal(last(chunks).usage.prompt_tokens, 9)
  },
  'usage-in-repeat-choice': async () => {
    const end = last(await stream('chat', TALK, 'usage-in-repeat-choice'))
    assert.deepEqual(
      [choice(end).finish_reason, choice(end).delta.content, end.usage.completion_tokens], ['stop', '', 4]
    )
  },
  'usage-every-chunk': async () => {
    const chunks = await stream('chat', TALK, 'usage-every-chunk')
    assert.deepEqual(chunks.map((chunk) => chunk.usage.completion_tokens), [0, 1, 2, 4])
  },
  'x-groq-usage': async () => {
    const chunks = await stream('chat', TALK, 'x-groq-usage')
    assert.deepEqual([usages(chunks).length, last(chunks).x_groq.usage.total_tokens], [0, 13])
  },
  'usage-in-choice': async () => assert.equal(
    choice(last(await stream('chat', TALK, 'usage-in-choice'))).usage.total_tokens, 13
  ),
  'usage-unasked': async () => {
    upstream.next({ shapes: ['usage-unasked'] })
    const { body, socket } = await talk(
      `${upstream.url}/v1/chat/completions`,
      { body: { model: 'm', stream: true, messages: [{ role: 'user', content: 'Hi' }] } }
    )
    socket.destroy()
    assert.equal(eventsIn(body).at(-2).usage.total_tokens, 2)
  },
  'no-role': async () => assert.ok(
    (await stream('chat', TALK, 'no-role')).every((chunk) => !('role' in (choice(chunk)?.delta ?? {})))
  ),
  'role-everywhere': async () => {
    assert.ok(
      (await stream('chat', TALK, 'role-everywhere')).every(
        (chunk) => !choice(chunk) || choice(chunk).delta.role === 'assistant'
      )
    )
  },
  'no-finish-key': async () => {
    const chunks = await stream('chat', TALK, 'no-finish-key')
    assert.deepEqual(
      chunks.filter(
        (chunk) => choice(chunk) && 'finish_reason' in choice(chunk)
      ).map((chunk) => choice(chunk).finish_reason),
      ['stop']
    )
  },
  'no-finish': async () => assert.equal(finish(await stream('chat', TALK, 'no-finish')).length, 0),
  'finish-twice': async () => assert.equal(finish(await stream('chat', TALK, 'finish-twice')).length, 2),
  'content-after-finish': async () => {
    const chunks = await stream('chat', TALK, 'content-after-finish')
    assert.equal(choice(chunks[chunks.indexOf(finish(chunks)[0]) + 1]).delta.content, ' gut')
  },
  'index-missing': async () => assert.ok(
    calls(await stream('chat', TWO_CALLS, 'index-missing')).every((call) => !('index' in call))
  ),
  'index-from-1': async () => assert.deepEqual(
    [...new Set(calls(await stream('chat', TWO_CALLS, 'index-from-1')).map((call) => call.index))], [1, 2]
  ),
  'index-all-0': async () => {
    const found = calls(await stream('chat', TWO_CALLS, 'index-all-0'))
    assert.deepEqual([...new Set(found.map((call) => call.index))], [0])
    assert.deepEqual(found.flatMap((call) => call.id ?? []), ['call_a', 'call_b'])
  },
  'no-tool-id': async () => {
    assert.ok(calls(await stream('chat', TWO_CALLS, 'no-tool-id')).every((call) => !('id' in call)))
    assert.ok(!('id' in choice(await whole('chat', TWO_CALLS, 'no-tool-id')).message.tool_calls[0]))
  },
  'empty-tool-id': async () => assert.ok(
    calls(await stream('chat', TWO_CALLS, 'empty-tool-id')).every((call) => call.id === '')
  ),
  'empty-name-later': async () => assert.deepEqual(
    calls(await stream('chat', TWO_CALLS, 'empty-name-later')).map((call) => call.function.name), ['f', '', '', 'g', '']
  ),
  'no-tool-type': async () => assert.ok(
    !('type' in choice(await whole('chat', TWO_CALLS, 'no-tool-type')).message.tool_calls[0])
  ),
  'no-content-key': async () => assert.ok(
    !('content' in choice(await whole('chat', { calls: TWO_CALLS.calls }, 'no-content-key')).message)
  ),
  'whole-call': async () => assert.deepEqual(
    args(await stream('chat', TWO_CALLS, 'whole-call')), ['{"city":"Paris","n":12}', '{}']
  ),
  'object-arguments': async () => {
    assert.deepEqual(args(await stream('chat', TWO_CALLS, 'object-arguments')), [{ city: 'Paris', n: 12 }, {}])
    assert.deepEqual(
      choice(await whole('chat', TWO_CALLS, 'object-arguments')).message.tool_calls[0].function.arguments,
      { city: 'Paris', n: 12 }
    )
  },
  'null-arguments': async () => assert.deepEqual(args(await stream('chat', TWO_CALLS, 'null-arguments')), [null, null]),
  'empty-arguments': async () => assert.deepEqual(args(await stream('chat', TWO_CALLS, 'empty-arguments')), ['', '']),
  'cumulative-arguments': async () => {
    assert.deepEqual(
      args(await stream('chat', TWO_CALLS, 'cumulative-arguments')).slice(0, 3),
      ['', '{"city":"Par', '{"city":"Paris","n":12}']
    )
  },
  'arguments-repeated': async () => {
    const found = args(await stream('chat', TWO_CALLS, 'arguments-repeated'))
    assert.deepEqual(found.slice(-2), ['{"city":"Paris","n":12}', '{}'])
    assert.ok(found.length > 4)
  },
  'reasoning-content': async () => {
    assert.equal(text(await stream('chat', TALK, 'reasoning-content'), 'reasoning_content'), 'Hm so')
    assert.equal(choice(await whole('chat', TALK, 'reasoning-content')).message.reasoning_content, 'Hm so')
  },
  reasoning: async () => assert.equal(text(await stream('chat', TALK, 'reasoning'), 'reasoning'), 'Hm so'),
  'reasoning-details': async () => {
    const details = (await stream('chat', TALK, 'reasoning-details')).flatMap(
      (chunk) => choice(chunk)?.delta.reasoning_details ?? []
    )
    assert.deepEqual(details.map((it) => it.text ?? it.signature ?? it.data), ['Hm', ' so', 'c2ln', 'c2VhbA=='])
    assert.equal(choice(await whole('chat', TALK, 'reasoning-details')).message.reasoning_details[0].signature, 'c2ln')
  },
  'think-tags': async () => {
    const chunks = await stream('chat', TALK, 'think-tags')
    assert.equal(text(chunks, 'content'), '<think>\nHm so\n</think>\n\nJa gut')
    assert.equal(choice(chunks[1]).delta.content, '<thi')
  },
  'think-unopened': async () => assert.equal(
    text(await stream('chat', TALK, 'think-unopened'), 'content'), 'Hm so\n</think>\n\nJa gut'
  ),
  'content-chunks': async () => {
    const deltas = (await stream('chat', TALK, 'content-chunks')).flatMap((chunk) => choice(chunk)?.delta.content || [])
    assert.deepEqual(deltas.map((it) => it.thinking?.[0].text ?? it), ['Hm', ' so', 'Ja', ' gut'])
  },
  'created-ms': async () => assert.equal((await whole('chat', TALK, 'created-ms')).created, 1_760_000_000_000),
  'created-text': async () => assert.equal((await whole('chat', TALK, 'created-text')).created, '1760000000'),
  'extra-keys': async () => {
    const [first] = await stream('chat', TALK, 'extra-keys')
    assert.ok('prompt_token_ids' in first && 'matched_stop' in choice(first) && 'channel' in choice(first).delta)
  },
  'error-in-200': async () => {
    assert.deepEqual((await stream('chat', TALK, 'error-in-200')).map((it) => Object.keys(it)), [['error']])
    assert.deepEqual(Object.keys(await whole('chat', TALK, 'error-in-200')), ['error'])
  },
  'error-chunk': async () => {
    const chunks = await stream('chat', TALK, 'error-chunk')
    assert.deepEqual(
      [last(chunks).error.code, choice(last(chunks)).finish_reason, text(chunks, 'content')], [502, 'error', 'Ja gut']
    )
  },
}

const types = (events: Foreign[]): string[] => events.map((event) => event.type)
const outputs = (events: Foreign[]) => last(events).response.output
const RESPONSES: Record<ResponsesShape, () => Promise<void>> = {
  'rotating-ids': async () => {
    const ids = (await stream('responses', TALK, 'rotating-ids')).flatMap((it) => it.item_id ?? [])
    assert.equal(new Set(ids).size, ids.length)
  },
  'no-argument-deltas': async () => {
    const events = await stream('responses', TWO_CALLS, 'no-argument-deltas')
    assert.ok(!types(events).includes('response.function_call_arguments.delta'))
    assert.equal(events.find((it) => it.type === 'response.function_call_arguments.done').arguments, '{"city":"Paris","n":12}')
  },
  'only-completed': async () => {
    const events = await stream('responses', TALK, 'only-completed')
    assert.deepEqual(types(events), ['response.created', 'response.completed'])
    assert.equal(outputs(events).length, 3)
  },
  'reasoning-closed-late': async () => {
    const events = await stream('responses', { reasoning: 'Hm', text: 'Ja' }, 'reasoning-closed-late')
    assert.equal(events.at(-2).item.type, 'reasoning')
    assert.notEqual(events.at(-2).item.id, outputs(events)[0].id)
  },
  'responses-done': async () => assert.ok((await ask('responses', TALK, 'responses-done')).toString().endsWith('data: [DONE]\n\n')),
  'responses-no-event-lines': async () => assert.ok(!(await ask('responses', TALK, 'responses-no-event-lines')).includes('event:')),
  'responses-unknown-events': async () => {
    const events = await stream('responses', TALK, 'responses-unknown-events')
    assert.ok(types(events).includes('response.novelty.delta') && events.some((it) => it.item?.type === 'novelty_call'))
    assert.deepEqual(events.map((it) => it.sequence_number), events.map((_, at) => at))
  },
  'error-nested': async () => {
    const events = await stream('responses', TALK, 'error-nested')
    assert.deepEqual(types(events).slice(-2), ['error', 'response.failed'])
    assert.deepEqual([events.at(-2).error.code, last(events).response.error.code], ['server_error', 'server_error'])
  },
  'error-flat': async () => {
    const event = last(await stream('responses', TALK, 'error-flat'))
    assert.deepEqual([event.type, event.code, event.error], ['error', 'server_error', undefined])
  },
  'failed-first': async () => assert.deepEqual(types(await stream('responses', TALK, 'failed-first')), ['response.created', 'response.failed']),
  'no-end': async () => assert.equal(last(await stream('responses', TALK, 'no-end')).type, 'response.output_item.done'),
}

const MESSAGES: Record<MessagesShape, () => Promise<void>> = {
  pings: async () => {
    const types = (await stream('messages', TALK, 'pings')).map((it) => it.type)
    assert.deepEqual([types[0], types[2], types.at(-2)], ['ping', 'ping', 'ping'])
  },
  'no-pings': async () => assert.ok(!(await ask('messages', TALK, 'no-pings')).includes('ping')),
  padded: async () => assert.match((await ask('messages', TALK, 'padded')).toString(), /\} +\}\n/),
  'full-input-in-start': async () => {
    const events = await stream('messages', TWO_CALLS, 'full-input-in-start')
    assert.deepEqual(events.flatMap((it) => it.content_block?.input ?? []), [{ city: 'Paris', n: 12 }, {}])
    assert.ok(!events.some((it) => it.delta?.type === 'input_json_delta'))
  },
  'duplicate-message-start': async () => assert.deepEqual(
    (await stream('messages', TALK, 'duplicate-message-start')).map((it) => it.type).slice(0, 2),
    ['message_start', 'message_start']
  ),
  'spliced-message-start': async () => {
    const events = await stream('messages', TALK, 'spliced-message-start')
    assert.deepEqual(
      events.slice(0, 4).map((it) => it.type),
      ['message_start', 'content_block_start', 'content_block_delta', 'message_start']
    )
  },
  'thinking-omitted': async () => {
    const deltas = (await stream('messages', TALK, 'thinking-omitted')).flatMap(
      (it) => (it.index === 0 && it.delta ? [it.delta.type] : [])
    )
    assert.deepEqual(deltas, ['signature_delta'])
    assert.deepEqual(
      (await whole('messages', TALK, 'thinking-omitted')).content[0],
      { type: 'thinking', thinking: '', signature: 'c2ln' }
    )
  },
  'revised-input-tokens': async () => {
    const events = await stream('messages', TALK, 'revised-input-tokens')
    assert.deepEqual([events[0].message.usage.input_tokens, events.at(-2).usage.input_tokens], [4, 9])
  },
  'usage-delta-output-only': async () => assert.deepEqual(
    (await stream('messages', TALK, 'usage-delta-output-only')).at(-2).usage, { output_tokens: 4 }
  ),
  'error-event': async () => assert.equal(
    last(await stream('messages', TALK, 'error-event')).error.type, 'overloaded_error'
  ),
  'error-first': async () => assert.deepEqual(
    (await stream('messages', TALK, 'error-first')).map((it) => it.type), ['error']
  ),
  'unknown-events': async () => assert.ok(
    (await stream('messages', TALK, 'unknown-events')).some((it) => it.type === 'novelty')
  ),
  'no-event-lines': async () => assert.ok(!(await ask('messages', TALK, 'no-event-lines')).includes('event:')),
  'no-message-stop': async () => assert.equal(
    last(await stream('messages', TALK, 'no-message-stop')).type, 'message_delta'
  ),
}

const parts = (responses: Foreign[]) => responses.flatMap((it) => it.candidates?.[0].content.parts ?? [])
const GEMINI: Record<GeminiShape, () => Promise<void>> = {
  'trailing-signature': async () => {
    const found = parts(await stream('gemini', TALK, 'trailing-signature'))
    assert.deepEqual(found.filter((it) => it.thoughtSignature), [{ text: '', thoughtSignature: 'c2ln' }])
    assert.deepEqual(last(found), { text: '', thoughtSignature: 'c2ln' })
  },
  'call-ids': async () => assert.ok(
    parts(await stream('gemini', { calls: [{ name: 'f' }] }, 'call-ids'))[0].functionCall.id
  ),
  'partial-args': async () => {
    const found = parts(
      await stream('gemini', { calls: TWO_CALLS.calls.slice(0, 1) }, 'partial-args')
    ).map((it) => it.functionCall)
    assert.deepEqual(
      found.map((it) => it.partialArgs?.[0].stringValue ?? it.partialArgs?.[0].numberValue ?? it.name ?? 'end'),
      ['f', 'Par', 'is', 12, 'end']
    )
  },
  'partial-args-unterminated': async () => {
    const found = parts(await stream('gemini', { calls: TWO_CALLS.calls.slice(0, 1) }, 'partial-args-unterminated'))
    assert.equal(last(found).functionCall.partialArgs[0].numberValue, 12)
  },
  'blocked-prompt': async () => {
    const answer = await whole('gemini', TALK, 'blocked-prompt')
    assert.deepEqual([answer.candidates, answer.promptFeedback.blockReason], [undefined, 'PROHIBITED_CONTENT'])
  },
  'error-array': async () => assert.equal(
    (await whole('gemini', { status: 429 }, 'error-array'))[0].error.status, 'RESOURCE_EXHAUSTED'
  ),
  'error-event': async () => assert.equal(
    last(await stream('gemini', TALK, 'error-event')).error.status, 'UNAVAILABLE'
  ),
  'no-finish': async () => assert.ok(
    (await stream('gemini', TALK, 'no-finish')).every((it) => !('finishReason' in it.candidates[0]))
  ),
  'revised-usage': async () => assert.deepEqual(
    [...new Set((await stream('gemini', TALK, 'revised-usage')).map((it) => it.usageMetadata.promptTokenCount))], [3, 9]
  ),
  'usage-last-only': async () => assert.equal(
    (await stream('gemini', TALK, 'usage-last-only')).filter((it) => it.usageMetadata).length, 1
  ),
}

const raw = async (shape: FramingShape) => (await ask('chat', TALK, shape)).toString()
const FRAMING: Record<FramingShape, () => Promise<void>> = {
  crlf: async () => assert.ok(!(await raw('crlf')).replaceAll('\r\n', '').match(/[\r\n]/)),
  cr: async () => { const found = await raw('cr'); assert.ok(found.endsWith('\r\r') && !found.includes('\n')) },
  lf: async () => assert.ok(!(await ask('gemini', TALK, 'lf')).includes('\r')),
  comments: async () => {
    const found = await raw('comments')
    assert.ok(found.startsWith(': OPENROUTER PROCESSING\n') && found.includes('\n\n: keep-alive\n'))
    assert.ok((await ask('chat', TALK, 'comments', false)).toString().startsWith('\n\n{'))
  },
  'no-space-after-data': async () => assert.match(await raw('no-space-after-data'), /^data:\{/),
  'multi-line-data': async () => {
    const [event = ''] = (await raw('multi-line-data')).split('\n\n')
    const lines = event.split('\n')
    assert.ok(lines.length > 5)
    assert.equal(JSON.parse(lines.map((line) => line.slice(6)).join('\n')).object, 'chat.completion.chunk')
  },
  bom: async () => assert.deepEqual([...(await ask('chat', TALK, 'bom')).subarray(0, 3)], [0xef, 0xbb, 0xbf]),
  'no-last-blank': async () => assert.ok((await raw('no-last-blank')).endsWith('[DONE]\n')),
  'no-done': async () => assert.ok(!(await raw('no-done')).includes('[DONE]')),
  'data-after-done': async () => assert.ok(
    (await raw('data-after-done')).endsWith('[DONE]\n\ndata: {"late":true}\n\n')
  ),
}

for (const [dialect, checks] of Object.entries({ FRAMING, CHAT, RESPONSES, MESSAGES, GEMINI })) {
  describe(`shapes: ${dialect.toLowerCase()}`, () => {
    for (const [name, check] of Object.entries(checks)) it(`${name} is on the wire what its name says`, check)
  })
}

describe('without shapes', () => {
  it('Anthropic gives a call without arguments one empty fragment', async () => {
    const deltas = (
      await stream('messages', { calls: [{ name: 'g', arguments: '{}' }] })
    ).flatMap((it) => it.delta?.partial_json ?? [])
    assert.deepEqual(deltas, [''])
  })
  it('Anthropic passes native finish words through and explains a refusal', async () => {
    assert.equal((await whole('messages', { text: 'x', finish: 'pause_turn' })).stop_reason, 'pause_turn')
    const { content, stop_reason, stop_details } = await whole('messages', { refusal: 'No.' })
    assert.deepEqual([content, stop_reason, stop_details.explanation], [[], 'refusal', 'No.'])
  })
  it('Gemini leaves args out when there are none and counts thoughts beside the candidates', async () => {
    const answer = await whole('gemini', { calls: [{ name: 'g', arguments: '{}' }], usage: USAGE })
    assert.deepEqual(parts([answer]), [{ functionCall: { name: 'g' } }])
    assert.deepEqual([answer.usageMetadata.candidatesTokenCount, answer.usageMetadata.thoughtsTokenCount], [3, 1])
  })
  it(
    'framing shapes are offered to every dialect',
    () => assert.equal(Object.keys(FRAMING_SHAPES).length, Object.keys(FRAMING).length)
  )
})
