import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import type { Foreign } from './asked.ts'
import type { ConverseShape } from './dialects/bedrock-converse.ts'
import type { CohereShape } from './dialects/cohere-v2.ts'
import type { OllamaShape } from './dialects/ollama-native.ts'
import { createFakeUpstream } from './index.ts'
import type { FakeUpstream, Order, Shape } from './index.ts'
import { eventsIn, talk } from './raw-client.ts'

let upstream: FakeUpstream
before(async () => { upstream = await createFakeUpstream() })
beforeEach(() => upstream.forget())
after(() => upstream.close())

type Spoken = 'cohere' | 'ollama' | 'converse'
const ASKING: Record<Spoken, (stream: boolean) => readonly [path: string, body: unknown]> = {
  cohere: (stream) => ['/v2/chat', { model: 'm', stream, messages: [{ role: 'user', content: 'Hi there' }] }],
  ollama: (stream) => ['/api/chat', { model: 'm', stream, messages: [{ role: 'user', content: 'Hi there' }] }],
  converse: (stream) => [`/model/m%3A0/converse${stream ? '-stream' : ''}`, { messages: [{ role: 'user', content: [{ text: 'Hi there' }] }] }],
}
const CALL: Order = { calls: [{ name: 'f', arguments: '{}' }] }

async function ask(spoken: Spoken, order: Order, shape?: Shape, stream = true) {
  upstream.next({ ...order, ...(shape && { shapes: [shape] }) })
  const [path, body] = ASKING[spoken](stream)
  const exchange = await talk(upstream.url + path, { body })
  exchange.socket.destroy()
  assert.equal(exchange.end, 'complete')
  return exchange
}
const cohere = async (order: Order, shape?: Shape): Promise<Foreign[]> => eventsIn((await ask('cohere', order, shape)).body)
const lines = async (order: Order, shape?: Shape): Promise<Foreign[]> =>
  (await ask('ollama', order, shape)).body.toString().trim().split('\n').map((line) => JSON.parse(line))
const whole = async (spoken: Spoken, order: Order, shape?: Shape): Promise<Foreign> => JSON.parse((await ask(spoken, order, shape, false)).body.toString())

/** Frames of the binary stream, read once more from its description. */
async function frames(order: Order, shape?: Shape): Promise<[kind: string, name: string, payload: Foreign][]> {
  const { body } = await ask('converse', order, shape)
  const found: [string, string, Foreign][] = []
  for (let at = 0; at < body.length;) {
    const end = at + body.readUInt32BE(at)
    assert.equal(crc32(body.subarray(at, at + 8)), body.readUInt32BE(at + 8))
    assert.equal(crc32(body.subarray(at, end - 4)), body.readUInt32BE(end - 4))
    const from = at + 12 + body.readUInt32BE(at + 4)
    // The first header is the event's: its name, the type of a text, the length of the value, the value.
    const nameEnd = at + 13 + body[at + 12]!
    const kind = body.toString('latin1', at + 14, nameEnd).replace('-type', '')
    const name = body.toString('latin1', nameEnd + 3, nameEnd + 3 + body.readUInt16BE(nameEnd + 1))
    found.push([kind, name, JSON.parse(body.toString('utf8', from, end - 4))])
    at = end
  }
  return found
}

const COHERE: Record<CohereShape, () => Promise<void>> = {
  'null-arguments': async () => assert.deepEqual((await cohere(CALL, 'null-arguments')).flatMap((it) => it.delta?.message?.tool_calls?.function?.arguments || []), ['null']),
  'no-argument-deltas': async () => assert.ok(!(await cohere(CALL, 'no-argument-deltas')).some((it) => it.type === 'tool-call-delta')),
  'no-token-counts': async () => assert.deepEqual(Object.keys((await whole('cohere', { text: 'x' }, 'no-token-counts')).usage), ['billed_units']),
  'error-in-end': async () => assert.match((await cohere({ text: 'x' }, 'error-in-end')).at(-1).delta.error, /internal/),
}
const OLLAMA: Record<OllamaShape, () => Promise<void>> = {
  'call-ids': async () => assert.match((await lines(CALL, 'call-ids')).find((it) => it.message.tool_calls).message.tool_calls[0].id, /^call_/),
  'no-call-index': async () => assert.ok(!('index' in (await lines(CALL, 'no-call-index')).find((it) => it.message.tool_calls).message.tool_calls[0].function)),
  'cached-prompt': async () => assert.ok(!('prompt_eval_count' in (await lines({ text: 'x' }, 'cached-prompt')).at(-1))),
  'error-line': async () => assert.match((await lines({ text: 'x' }, 'error-line')).at(-1).error, /running the model/),
}
const CONVERSE: Record<ConverseShape, () => Promise<void>> = {
  'metadata-first': async () => assert.deepEqual((await frames({ text: 'x' }, 'metadata-first')).slice(-2).map(([, name]) => name), ['metadata', 'messageStop']),
  'no-message-start': async () => assert.equal((await frames({ text: 'x' }, 'no-message-start'))[0]![1], 'contentBlockDelta'),
  'exception-first': async () => assert.deepEqual((await frames({ text: 'x' }, 'exception-first')).map(([kind, name]) => [kind, name]), [['exception', 'throttlingException']]),
  'exception-frame': async () => assert.deepEqual((await frames({ text: 'x' }, 'exception-frame')).at(-1)!.slice(0, 2), ['exception', 'modelStreamErrorException']),
  'capital-message': async () => {
    const { status, headers, body } = await ask('converse', { status: 429 }, 'capital-message')
    assert.equal(status, 429)
    assert.match(headers['x-amzn-errortype']!, /^ThrottlingException:/)
    assert.deepEqual(Object.keys(JSON.parse(body.toString())), ['Message'])
  },
}

for (const [name, checks] of Object.entries({ 'cohere-v2': COHERE, 'ollama-native': OLLAMA, 'bedrock-converse': CONVERSE })) {
  describe(`the shapes of ${name}`, () => {
    for (const [shape, check] of Object.entries(checks)) it(shape, check)
  })
}

describe('what they say without a shape', () => {
  it('Cohere plans its calls, and counts more than it bills', async () => {
    const events = await cohere({ ...CALL, reasoning: 'Look first', usage: { input: 5, output: 2 } })
    assert.deepEqual(events.filter((it) => it.type === 'tool-plan-delta').map((it) => it.delta.message.tool_plan), ['Look', ' first'])
    assert.deepEqual(events.at(-1).delta.usage, { billed_units: { input_tokens: 3, output_tokens: 1 }, tokens: { input_tokens: 5, output_tokens: 2 } })
  })
  it('Ollama streams unless told not to, and its calls are objects', async () => {
    const { body, socket } = await talk(`${upstream.url}/api/chat`, { body: { model: 'm', messages: [{ role: 'user', content: 'Hi you' }] } })
    socket.destroy()
    assert.equal(body.toString().trim().split('\n').length, 3)
    assert.deepEqual((await whole('ollama', { calls: [{ name: 'f', arguments: '{"a":1}' }] })).message.tool_calls[0].function.arguments, { a: 1 })
  })
  it('Converse begins text with a delta and a call with a start, and knows the model by its path', async () => {
    const found = await frames({ text: 'On it', calls: [{ name: 'f', arguments: '{"a":1}' }] })
    assert.deepEqual(found.map(([, name]) => name), [
      'messageStart', 'contentBlockDelta', 'contentBlockDelta', 'contentBlockStop', 'contentBlockStart', 'contentBlockDelta', 'contentBlockStop', 'messageStop', 'metadata',
    ])
    assert.equal(upstream.requests.at(-1)!.model, 'm:0')
  })
})

describe('what they refuse', () => {
  const refused = async (path: string, body: unknown, says: RegExp) => {
    const { status, body: answer, socket } = await talk(upstream.url + path, { body })
    socket.destroy()
    assert.equal(status, 400, answer.toString())
    assert.match(answer.toString(), says)
  }
  const user = { role: 'user', content: [{ text: 'x' }] }
  it('Cohere: unknown fields, numbers out of range, results without calls', async () => {
    const messages = [{ role: 'user', content: 'x' }]
    await refused('/v2/chat', { model: 'm', messages, top_p: 1 }, /unknown field/)
    await refused('/v2/chat', { model: 'm', messages, p: 1 }, /between/)
    await refused('/v2/chat', { model: 'm', messages: [...messages, { role: 'tool', tool_call_id: 'a', content: 'x' }] }, /unknown tool call id/)
  })
  it('Ollama: arguments as text, images by address', async () => {
    await refused('/api/chat', { model: 'm', messages: [{ role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: '{}' } }] }] }, /unmarshal string/)
    await refused('/api/chat', { model: 'm', messages: [{ role: 'user', content: 'x', images: ['https://example.com/a.png'] }] }, /base64/)
  })
  it('Converse: blank text, roles that do not alternate, tools in the history that are not declared', async () => {
    await refused('/model/m/converse', { messages: [{ role: 'user', content: [{ text: ' ' }] }] }, /blank/)
    await refused('/model/m/converse', { messages: [user, user] }, /alternate/)
    const turns = [user, { role: 'assistant', content: [{ toolUse: { toolUseId: 'a', name: 'f', input: {} } }] }, { role: 'user', content: [{ toolResult: { toolUseId: 'a', content: [{ text: 'x' }] } }] }]
    await refused('/model/m/converse', { messages: turns }, /toolConfig/)
    await refused('/model/m/converse', { messages: turns, toolConfig: { tools: [] } }, /greater than or equal to 1/)
  })
})
