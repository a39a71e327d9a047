import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readStream, type Delta } from './stream.ts'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'

/** Models that take no tools, and a caller who uses them as if they did. */

const upstream = await startUpstream()
const WITHOUT = { supported_parameters: ['max_tokens', 'temperature', 'response_format', 'structured_outputs'] }
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) =>
  providerAt(name, `${upstream.url}/${name}${given.dialect === 'ollama-native' ? '/api' : '/v1'}`, { model, endpoint: WITHOUT, prompt: 10, completion: 20, ...given })
const box = await startSignalbox({ config: together(
  at('plain', 'acme/plain'), at('able', 'acme/able', { endpoint: {} }),
  at('prompts', 'acme/qwen2.5-7b', { dialect: 'openai-completions', endpoint: {} }), at('bare', 'acme/base', { dialect: 'openai-completions', endpoint: {} }),
  at('perplexity', 'acme/searches', { endpoint: {} }),
) })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const WEATHER = { type: 'function', function: { name: 'get_weather', description: 'How it is.', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }
const SAID = 'Let me see.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
const USED = { input: 100, output: 10 }

const callsOf = (message: Readonly<Record<string, unknown>>) => (message['tool_calls'] as readonly { id: string; function: { name: string; arguments: string } }[] | undefined)?.map((it) => [it.function.name, it.function.arguments])
/** The arguments of each call of a stream, put together. */
const streamedCalls = (deltas: readonly Delta[]): readonly string[] => {
  const calls: string[] = []
  for (const { tool_calls: pieces = [] } of deltas) for (const piece of pieces) calls[piece.index] = (calls[piece.index] ?? '') + (piece.function?.arguments ?? '')
  return calls
}
const messageOf = (reply: WholeReply) => reply.choices[0]!['message'] as Readonly<Record<string, unknown>>
const says = (text: string, rest: object = {}): void => {
  upstream.forget()
  upstream.next({ text, usage: USED, ...rest })
}
const arrived = () => upstream.requests.at(-1)!.body as { readonly messages: readonly { role: string; content: string }[]; readonly tools?: unknown; readonly response_format?: unknown; readonly prompt?: string }
const parametersOf = (reply: unknown) => (reply as { openrouter_metadata: { parameters?: Record<string, unknown> } }).openrouter_metadata.parameters

describe('A model that takes no tools', () => {
  test('is told of them in words, and what it says of calls is calls: whole, priced as any answer, and the metadata says how', async () => {
    says(SAID)
    const reply = await box.whole(saying('acme/plain', 'Is it dry?', { tools: [WEATHER] }), TOLD)
    const message = messageOf(reply)
    assert.equal(message['content'], 'Let me see.')
    assert.deepEqual(callsOf(message), [['get_weather', '{"city": "Zürich"}'], ['get_weather', '{"city": "Paris"}']])
    assert.equal(reply.choices[0]!['finish_reason'], 'tool_calls')
    assert.equal(reply.usage.cost, (100 * 10 + 10 * 20) / 1e6)
    assert.deepEqual(parametersOf(reply), { prompted: ['tools'] })
    assert.equal(arrived().tools, undefined)
    assert.match(arrived().messages[0]!.content, /"get_weather".*How it is\./)
  })

  test('streams its calls as they come, letter by letter', async () => {
    says('', { text: SAID.split('') })
    const { deltas, text, finish, raw } = await readStream(await box.chat(saying('acme/plain', 'Is it dry?', { tools: [WEATHER], stream: true }), TOLD))
    assert.equal(text, 'Let me see.')
    assert.deepEqual(streamedCalls(deltas), ['{"city": "Zürich"}', '{"city": "Paris"}'])
    assert.equal(finish, 'tool_calls')
    assert.ok(deltas.filter((delta) => delta.tool_calls).length > 10, 'the arguments came in one piece')
    assert.doesNotMatch(raw, /tool_call>/)
  })

  test('reads the results in the next turn, beside the calls that it made', async () => {
    says(SAID)
    const tools = [WEATHER]
    const first = messageOf(await box.whole(saying('acme/plain', 'Is it dry?', { tools })))
    const calls = first['tool_calls'] as readonly { id: string }[]
    assert.notEqual(calls[0]!.id, calls[1]!.id)
    says('Only in Paris.')
    const reply = await box.whole({ model: 'acme/plain', tools, messages: [
      { role: 'user', content: 'Is it dry?' }, first,
      { role: 'tool', tool_call_id: calls[1]!.id, content: 'dry' }, { role: 'tool', tool_call_id: calls[0]!.id, content: 'wet' },
    ] })
    assert.equal(messageOf(reply)['content'], 'Only in Paris.')
    const [, , assistant, results] = arrived().messages
    assert.equal(assistant!.content, SAID)
    assert.equal(results!.role, 'user')
    assert.ok(results!.content.indexOf('wet') < results!.content.indexOf('dry'), 'the results stand in another order than the calls')
    assert.doesNotMatch(JSON.stringify(arrived().messages), /tool_call_id|tool_calls/)
  })

  test('is sent the calls of earlier turns as words also where the request names no tools any more', async () => {
    says('Well.')
    await box.whole({ model: 'acme/plain', messages: [
      { role: 'user', content: 'Is it dry?' }, { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c', content: 'dry' }, { role: 'user', content: 'So?' },
    ] })
    assert.deepEqual(arrived().messages.map(({ role }) => role), ['user', 'assistant', 'user', 'user'])
  })

  test('answers on every surface', async () => {
    const tool = { name: 'get_weather', input_schema: WEATHER.function.parameters }
    says(SAID)
    const messages = await (await box.send('POST', '/api/v1/messages', { body: { model: 'acme/plain', max_tokens: 100, messages: [{ role: 'user', content: 'Dry?' }], tools: [tool] } })).json() as { content: readonly Record<string, unknown>[]; stop_reason: string }
    assert.deepEqual(messages.content.map((block) => block['text'] ?? block['input']), ['Let me see.', { city: 'Zürich' }, { city: 'Paris' }])
    assert.equal(messages.stop_reason, 'tool_use')
    says(SAID)
    const response = await (await box.send('POST', '/api/v1/responses', { body: { model: 'acme/plain', input: 'Dry?', tools: [{ type: 'function', ...WEATHER.function }] } })).json() as { output: readonly Record<string, unknown>[] }
    assert.deepEqual(response.output.filter((item) => item['type'] === 'function_call').map((item) => item['arguments']), ['{"city": "Zürich"}', '{"city": "Paris"}'])
    says(SAID)
    const google = await (await box.send('POST', '/api/v1beta/models/acme/plain:generateContent', { body: {
      contents: [{ role: 'user', parts: [{ text: 'Dry?' }] }], tools: [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } } } }] }],
    } })).json() as { candidates: readonly { content: { parts: readonly { functionCall?: { args: unknown } }[] } }[] }
    assert.deepEqual(google.candidates[0]!.content.parts.flatMap(({ functionCall }) => (functionCall ? [functionCall.args] : [])), [{ city: 'Zürich' }, { city: 'Paris' }])
  })

  test('has a broken call mended, and one that cannot be is text', async () => {
    says(`<tool_call>{"name": "get_weather", "arguments": {'city': "Rome",}}</tool_call>`)
    assert.deepEqual(callsOf(messageOf(await box.whole(saying('acme/plain', 'Dry?', { tools: [WEATHER] })))), [['get_weather', '{"city":"Rome"}']])
    says('<tool_call>get_weather, Rome</tool_call>')
    const reply = await box.whole(saying('acme/plain', 'Dry?', { tools: [WEATHER] }))
    assert.equal(messageOf(reply)['content'], '<tool_call>get_weather, Rome</tool_call>')
    assert.equal(reply.choices[0]!['finish_reason'], 'stop')
  })

  test('that its limit cuts off in a call ends for that reason, and its call is not completed', async () => {
    says('<tool_call>{"name": "get_weather", "arguments": {"city": "Ro', { finish: 'length' })
    const { deltas, finish } = await readStream(await box.chat(saying('acme/plain', 'Dry?', { tools: [WEATHER], stream: true })))
    assert.deepEqual(streamedCalls(deltas), ['{"city": "Ro'])
    assert.equal(finish, 'length')
  })

  test('is asked in words for a form of its answer too, which a host that enforces it would enforce upon calls', async () => {
    says('{"dry":true}')
    const format = { type: 'json_schema', json_schema: { name: 'dry', strict: true, schema: { type: 'object', properties: { dry: { type: 'boolean' } }, required: ['dry'] } } }
    const reply = await box.whole(saying('acme/plain', 'Dry?', { tools: [WEATHER], response_format: format }), TOLD)
    assert.equal(messageOf(reply)['content'], '{"dry":true}')
    assert.equal(arrived().response_format, undefined)
    assert.deepEqual(parametersOf(reply), { prompted: ['tools', 'response_format'] })
    says('no JSON')
    assert.equal((await box.refused(saying('acme/plain', 'Dry?', { tools: [WEATHER], response_format: format }))).status, 422)
  })

  test('is told by the chat template of its family where its server only continues texts', async () => {
    says(SAID)
    const reply = await box.whole(saying('acme/qwen2.5-7b', 'Dry?', { tools: [WEATHER] }), TOLD)
    assert.deepEqual(callsOf(messageOf(reply))?.length, 2)
    assert.match(arrived().prompt!, /<tools>\n\{"name":"get_weather"/)
    assert.deepEqual(parametersOf(reply)!['prompted'], ['tools'])
  })

  test('without any template is told nothing: no words are an instruction to it, and the metadata says what was dropped', async () => {
    says('Rain is')
    const reply = await box.whole(saying('acme/base', 'Dry?', { tools: [WEATHER] }), TOLD)
    assert.equal(arrived().prompt, 'Dry?')
    assert.deepEqual(parametersOf(reply)!['dropped'], ['tools'])
  })

  test('is known by a quirk of its provider too', async () => {
    says(SAID)
    assert.equal(callsOf(messageOf(await box.whole(saying('acme/searches', 'Dry?', { tools: [WEATHER] }))))?.length, 2)
  })
})

describe('Tools in words are not for', () => {
  test('endpoints that take tools: those get them as they are, and marks in their texts stay text', async () => {
    says(SAID)
    const reply = await box.whole(saying('acme/able', 'Dry?', { tools: [WEATHER] }))
    assert.equal(messageOf(reply)['content'], SAID)
    assert.ok(arrived().tools)
  })

  test('callers who demand endpoints that take their parameters', async () => {
    upstream.forget()
    for (const provider of [{ require_parameters: true }, { unsupported_parameters: 'refuse' }]) {
      for (const model of ['acme/plain', 'acme/qwen2.5-7b', 'acme/base', 'acme/searches']) {
        assert.ok((await box.refused(saying(model, 'Dry?', { tools: [WEATHER], provider }))).status < 500, model)
      }
    }
    assert.equal(upstream.requests.length, 0)
  })

  test('callers who want them sent all the same', async () => {
    says('Dry.')
    await box.whole(saying('acme/plain', 'Dry?', { tools: [WEATHER], provider: { unsupported_parameters: 'keep' } }))
    assert.ok(arrived().tools)
  })

  test('callers who want none called', async () => {
    says(SAID)
    assert.equal(messageOf(await box.whole(saying('acme/plain', 'Dry?', { tools: [WEATHER], tool_choice: 'none' })))['content'], SAID)
    assert.equal(arrived().messages.length, 1)
  })
})
