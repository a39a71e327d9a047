import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { collectNow, malformed, type ChatEvent, type ChatRequest } from '../../core/index.ts'
import { createNet, type Net } from '../../net/index.ts'
import { createFakeUpstream, type FakeUpstream, type Order } from '../../testing/index.ts'
import { aTarget } from '../laws/endpoint.ts'
import { outbound } from './outbound.ts'

/* Over a real socket, with a fake that refuses what Anthropic refuses and was not written with our own code. */

let upstream: FakeUpstream
let net: Net

before(async () => {
  upstream = await createFakeUpstream()
  net = createNet()
})
after(async () => {
  await net.close()
  await upstream.close()
})

async function ask(request: Partial<ChatRequest>, order: Order | null, stream: boolean): Promise<readonly ChatEvent[]> {
  if (order) upstream.next(order)
  const target = aTarget({ baseUrl: `${upstream.url}/v1` }, { stream })
  const outgoing = outbound.encode({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }], sampling: {}, extras: {}, ...request }, target)
  assert.ok(!('fault' in outgoing))
  const response = await net.send({
    url: target.endpoint.baseUrl + outgoing.path, method: 'POST', body: outgoing.body, connectMs: 1000,
    headers: ['content-type', 'application/json', ...Object.entries(outgoing.headers).flat()],
  })
  const pieces: Uint8Array[] = []
  const decoder = outbound.decoder(target)
  const events: ChatEvent[] = []
  for (let piece = await response.read(); piece !== null; piece = await response.read()) {
    pieces.push(piece)
    if (stream && response.status === 200) events.push(...decoder.push(piece))
  }
  const body = Buffer.concat(pieces)
  if (response.status !== 200) return [{ type: 'fault', fault: outbound.decodeFault(response.status, response.headers, body, target) }]
  return stream ? [...events, ...decoder.end()] : outbound.decodeReply(body, target)
}

const SAYS: Order = {
  reasoning: 'Let me see.', signature: 'U2ln', text: 'It is warm. 🙂', calls: [{ name: 'get_weather', id: 'toolu_1', arguments: '{"city":"Paris"}' }],
  usage: { input: 100, output: 20, cacheRead: 40, cacheWrite: 10, reasoning: 5 }, finish: 'tool_calls',
}

for (const shapes of [[], ['pings', 'padded'], ['crlf', 'comments', 'multi-line-data'], ['duplicate-message-start'], ['full-input-in-start'],
  ['usage-delta-output-only', 'no-event-lines'], ['revised-input-tokens'], ['no-message-stop'], ['unknown-events', 'no-last-blank']] as const) {
  test(`a stream and a whole answer say the same: ${shapes.join(', ') || 'as the manual has it'}`, async () => {
    const streamed = await ask({}, { ...SAYS, shapes, chunkBytes: 37 }, true)
    const whole = await ask({}, SAYS, false)
    assert.equal(malformed(streamed), null)
    const { choices, usage } = collectNow(streamed)
    assert.deepEqual(choices, collectNow(whole).choices)
    assert.deepEqual(usage, collectNow(whole).usage)
    assert.equal(choices[0]!.reason, 'tool_calls')
    assert.deepEqual(choices[0]!.parts, [
      { type: 'reasoning', text: 'Let me see.', seal: { format: 'anthropic-claude-v1', kind: 'signature', value: 'U2ln' } },
      { type: 'text', text: 'It is warm. 🙂' },
      { type: 'tool-call', id: 'toolu_1', name: 'get_weather', form: 'function', input: '{"city":"Paris"}' },
    ])
    assert.deepEqual(
      { input: usage!.input.total, read: usage!.input.cacheRead, write: usage!.input.cacheWrite5m, output: usage!.output.total, reasoning: usage!.output.reasoning },
      { input: 100, read: 40, write: 10, output: 20, reasoning: 5 },
    )
  })
}

test('a conversation that breaks every law of the format on its way in is one that the fake takes', async () => {
  const weather = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: { city: { const: 'Paris' } }, required: ['city'] } } as const
  const request: Partial<ChatRequest> = {
    messages: [
      { role: 'assistant', parts: [{ type: 'text', text: 'Welcome.' }, { type: 'tool-call', id: 'x', name: 'now', form: 'function', input: '' }] },
      { role: 'user', parts: [{ type: 'text', text: 'Weather?' }, { type: 'media', kind: 'image', source: { from: 'data', base64: 'iVBORw0KGgo=', mime: 'image/png' } }] },
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'functions.get_weather:0', name: 'get_weather', form: 'function', input: '{"city":"Paris"}' }] },
      { role: 'user', parts: [{ type: 'text', text: ' ' }, { type: 'text', text: 'So?' }] },
      { role: 'tool', parts: [{ type: 'tool-result', callId: 'functions.get_weather:0', content: [{ type: 'text', text: '21°' }] }] },
    ],
    tools: [weather], maxOutputTokens: 50,
  }
  const answered = collectNow(await ask({ ...request, toolChoice: 'auto' }, null, true))
  assert.equal(answered.fault, undefined)
  assert.deepEqual(answered.choices[0]!.parts, [{ type: 'text', text: 'So?\n1 image, image/png, 8 bytes' }])

  const called = collectNow(await ask({ ...request, toolChoice: 'required' }, null, true))
  const call = called.choices[0]!.parts.find((part) => part.type === 'tool-call')
  assert.equal(call?.type === 'tool-call' && call.name, 'get_weather')
  assert.equal(called.choices[0]!.reason, 'tool_calls')
})

test('an overload is told apart inside a stream and before it', async () => {
  for (const events of [await ask({}, { text: 'Hi', shapes: ['error-first'] }, true), await ask({}, { status: 529 }, true)]) {
    const last = events.at(-1)!
    assert.equal(last.type === 'fault' && last.fault.kind, 'overloaded')
  }
  const late = (await ask({}, { text: 'Hi there', shapes: ['error-event'] }, true)).at(-1)!
  assert.equal(late.type === 'fault' && late.fault.kind, 'overloaded')
})

test('a connection that breaks in an answer is a cut answer', async () => {
  const events = await ask({}, { text: 'One two three four', cutAfter: 4, cutBy: 'end' }, true)
  const last = events.at(-1)!
  assert.equal(last.type === 'fault' && last.fault.kind, 'stream-cut')
  assert.equal(malformed(events), null)
})
