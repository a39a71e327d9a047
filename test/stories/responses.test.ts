import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Order } from '../../src/testing/index.ts'
import { assertEvents, eventsOf } from '../clients/responses-grammar.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** What callers of POST /responses live through, beyond what the official clients show. */

const upstream = await startUpstream()
const row = { input_modalities: ['text', 'image', 'file'], max_output_tokens: 8000, context_length: 400 }
const endpoint = { context_length: 400 }
const box = await startSignalbox({
  config: together(
    { providers: { openai: { base_url: `${upstream.url}/openai/v1`, api_key: 'key-of-openai' } } },
    providerAt('first', `${upstream.url}/first/v1`, { model: 'acme/one', row, endpoint, timeouts: { first_token_ms: 2000, idle_ms: 400 } }),
    providerAt('second', `${upstream.url}/second/v1`, { model: 'acme/one', row, endpoint, dialect: 'openai-responses', prompt: 3, completion: 3 }),
    providerAt('slow', `${upstream.url}/slow/v1`, { model: 'acme/slow', timeouts: { first_token_ms: 4000 } }),
  ),
})
const order = (what: Order, text = 'Go.') => `#fake ${JSON.stringify(what)}\n${text}`
const respond = (body: unknown, headers?: Readonly<Record<string, string>>) => box.send('POST', '/api/v1/responses', { body, ...(headers && { headers }) })
// oxlint-disable-next-line typescript/no-explicit-any
const json = async (response: Response): Promise<any> => response.json()

describe('A response', () => {
  test('comes from the next provider when the first fails, in another language, and is paid once', async () => {
    upstream.next({ status: 500 }, { path: '/first/' })
    const response = await json(await respond({ model: 'acme/one', input: 'Still here.', provider: { order: ['first', 'second'] } }))
    assert.deepEqual([response.status, response.output_text, response.provider], ['completed', 'Still here.', 'second'])
    assert.equal(response.usage.cost, (response.usage.input_tokens * 3 + response.usage.output_tokens * 3) / 1e6)
    const record = await box.generation(response.id)
    assert.deepEqual((record['provider_responses'] as { status: number }[]).map((it) => it.status), [500, 200])
    assert.equal(record['total_cost'], response.usage.cost)
  })

  test('says how it came about when it is asked to', async () => {
    const metadata = { 'x-openrouter-metadata': 'enabled' }
    const whole = await json(await respond({ model: 'acme/one', input: 'Hi' }, metadata))
    assert.equal(whole.openrouter_metadata.requested, 'acme/one')
    const events = eventsOf(await (await respond({ model: 'acme/one', input: 'Hi', stream: true }, metadata)).text())
    assert.equal(events.at(-1)!['response'].openrouter_metadata.requested, 'acme/one')
  })

  test('repeats its limit of tool calls, sends it to whoever counts them, and says where nobody could', async () => {
    const told = { 'x-openrouter-metadata': 'enabled' }
    const body = { model: 'acme/one', input: 'Hi', max_tool_calls: 3 }
    for (const [provider, sent, lost] of [['second', 3, undefined], ['first', undefined, ['max_tool_calls']]] as const) {
      const whole = await json(await respond({ ...body, provider: { only: [provider] } }, told))
      const events = eventsOf(await (await respond({ ...body, provider: { only: [provider] }, stream: true }, told)).text())
      for (const response of [whole, events.at(-1)!['response']]) {
        assert.equal(response.max_tool_calls, 3)
        const { dropped, ignored } = response.openrouter_metadata.parameters ?? {}
        assert.deepEqual([dropped, ignored], [lost, undefined], provider)
      }
      assert.equal((upstream.requests.at(-1)!.body as { max_tool_calls?: number }).max_tool_calls, sent)
    }
    for (const limit of [0, 1.5, '3']) {
      const refused = await respond({ ...body, max_tool_calls: limit })
      assert.deepEqual([refused.status, (await json(refused)).error.param], [400, 'max_tool_calls'])
    }
    assert.equal((await json(await respond({ model: 'acme/one', input: 'Hi' }))).max_tool_calls, null)
  })

  test('is a model of OpenAI that is sold nowhere but here, also for a caller of chat completions', async () => {
    const reply = await box.whole(saying('openai/gpt-5.3-codex', 'Say this.'))
    assert.deepEqual([reply.choices[0]!['message'].content, upstream.requests.at(-1)!.dialect], ['Say this.', 'openai-responses'])
    assert.equal((upstream.requests.at(-1)!.body as { store: boolean }).store, false)
  })

  test('does not promise what Responses have no word for', async () => {
    const plan = await box.explain(saying('openai/gpt-5.4', 'Hi', { seed: 1, provider: { only: ['openai'], require_parameters: true } }))
    assert.deepEqual(plan.rejected.filter((it) => it.endpoint === 'openai/gpt-5.4@openai').map((it) => it.why), ['parameters'])
  })

  test('too long for the model is a 400, and goes through with its middle cut out when truncation is auto', async () => {
    const input = [
      { role: 'user', content: 'First.' }, ...Array.from({ length: 40 }, (_, at) => ({ role: at % 2 === 0 ? 'assistant' : 'user', content: `middle ${at} ${'word '.repeat(12)}` })),
      { role: 'user', content: 'Last.' },
    ]
    const refused = await respond({ model: 'acme/one', input, max_output_tokens: 16 })
    assert.equal(refused.status, 400)
    assert.equal((await json(refused)).error.error_type, 'context_length_exceeded')
    const disabled = await respond({ model: 'acme/one', input, max_output_tokens: 16, truncation: 'disabled' })
    assert.equal(disabled.status, 400)
    const cut = await json(await respond({ model: 'acme/one', input, max_output_tokens: 16, truncation: 'auto' }))
    assert.deepEqual([cut.status, cut.truncation], ['completed', 'auto'])
    const sent = JSON.stringify(upstream.requests.at(-1)!.body)
    assert.ok(sent.includes('First.') && sent.includes('Last.') && !sent.includes('middle 20 '))
  })
})

describe('Tools of a namespace, which agents declare', () => {
  const add = (namespace: string, name: string, rest: object = {}) =>
    ({ type: 'namespace', name: namespace, description: `All about ${namespace}.`, tools: [{ type: 'function', name, description: 'It counts.', parameters: { type: 'object', properties: { by: { type: 'integer' } } }, ...rest }] })
  const tools = [{ type: 'function', name: 'count', parameters: { type: 'object', properties: {} } }, add('one', 'count'), add('two', 'count')]
  const calls = (response: { output: Record<string, unknown>[] }) => response.output.filter((item) => item['type'] === 'function_call').map(({ name, namespace, arguments: input }) => ({ name, namespace, input }))

  for (const [provider, how] of [['first', 'that has no word for them'], ['second', 'that has them itself']] as const) {
    test(`reach a provider ${how}, and each call of one comes back under the name and the namespace that it was declared with`, async () => {
      const called = provider === 'second' ? [{ name: 'count', namespace: 'two' }, { name: 'count' }] : [{ name: 'two__count' }, { name: 'count' }]
      const input = order({ calls: called.map((call, at) => ({ ...call, id: `call_${at}`, arguments: ['{"by', '":2}'] })) })
      const body = { model: 'acme/one', input, tools, provider: { only: [provider] } }
      const streamed = eventsOf(await (await respond({ ...body, stream: true })).text())
      assertEvents(streamed)
      const expected = [{ name: 'count', namespace: 'two', input: '{"by":2}' }, { name: 'count', namespace: undefined, input: '{"by":2}' }]
      for (const response of [await json(await respond(body)), streamed.at(-1)!['response']]) {
        assert.deepEqual(calls(response), expected)
        assert.deepEqual(response.tools.map((tool: { name: string }) => tool.name), ['count', 'one', 'two'])
        assert.equal((await box.generation(response.id))['finish_reason'], 'tool_calls')
      }
      const added = streamed.filter((event) => event['type'] === 'response.output_item.added').map((event) => event['item'])
      assert.deepEqual(added.map(({ name, namespace }) => [namespace, name]), [['two', 'count'], [undefined, 'count']])

      const { output } = streamed.at(-1)!['response']
      const results = output.map(({ call_id }: { call_id: string }) => ({ type: 'function_call_output', call_id, output: 'Done.' }))
      await json(await respond({ ...body, input: [{ role: 'user', content: 'Count.' }, ...output, ...results] }))
      const sent = upstream.requests.at(-1)!.body as { tools: unknown[]; input?: Record<string, unknown>[]; messages?: { tool_calls?: { function: { name: string } }[] }[] }
      if (provider === 'second') {
        assert.deepEqual(sent.tools, tools)
        assert.deepEqual(sent.input!.filter((item) => item['type'] === 'function_call').map((item) => [item['namespace'], item['name']]), [['two', 'count'], [undefined, 'count']])
      } else {
        const functions = (sent.tools as { function: { name: string; description?: string } }[]).map((tool) => [tool.function.name, tool.function.description])
        assert.deepEqual(functions, [['count', undefined], ['one__count', 'It counts.\n\nAll tools of one: All about one.'], ['two__count', 'It counts.\n\nAll tools of two: All about two.']])
        assert.deepEqual(sent.messages!.flatMap((message) => message.tool_calls ?? []).map((call) => call.function.name), ['two__count', 'count'])
      }
    })
  }

  test('are refused where what is wrong with one, or two of one name, would be found out by nobody', async () => {
    const before = upstream.requests.length
    for (const [wrong, param] of [
      [[...tools, add('three', '')], 'tools[3].tools[0].name'], [[add('one', 'count', { parameters: 'none' })], 'tools[0].tools[0].parameters'],
      [[add('one', 'count', { type: 'shell' })], 'tools[0].tools[0].type'], [[{ type: 'namespace', name: 'one' }], 'tools[0].tools'],
      [[add('one', 'count'), { type: 'function', name: 'one__count' }], 'tools[0].tools[0].name'],
    ] as const) {
      const refused = await respond({ model: 'acme/one', input: 'Hi', tools: wrong })
      assert.deepEqual([refused.status, (await json(refused)).error.param], [400, param])
    }
    assert.equal(upstream.requests.length, before)
  })

  test('leave the places of the other tools to those that faults name', async () => {
    const two = add('one', 'count')
    two.tools.push({ ...two.tools[0]!, name: 'again' })
    const refused = await respond({ model: 'acme/one', input: 'Hi', tools: [two, add('two', 'count'), { type: 'mcp', server_label: 'x' }], provider: { only: ['first'] } })
    assert.equal((await json(refused)).error.param, 'tools[2]')
  })
})

describe('A stream', () => {
  test('whose provider stalls in the middle ends as failed, with what had come, and is not billed', async () => {
    const raw = await (await respond({ model: 'acme/one', input: order({ text: ['a', 'b', 'c', 'd'], stallAfter: 4 }), stream: true, provider: { only: ['first'] } })).text()
    const events = eventsOf(raw)
    assertEvents(events)
    const { response } = events.at(-1)!
    assert.deepEqual([response.status, response.error.code, response.error_type], ['failed', 'server_error', 'timeout'])
    assert.equal(response.output[0].status, 'incomplete')
    assert.ok(!raw.includes('[DONE]'))
    assert.equal((await box.generation(response.id))['total_cost'], 0)
  })

  test('that fails after comments were sent is a response that began and failed', async () => {
    upstream.next({ status: 503, delayMs: 1500 }, { path: '/slow/' })
    const raw = await (await respond({ model: 'acme/slow', input: 'Hi', stream: true })).text()
    if (!raw.startsWith(':')) return assert.match(raw, /"error"/)
    const events = eventsOf(raw)
    assertEvents(events)
    assert.deepEqual([events.at(-1)!['type'], events.at(-1)!['response'].model], ['response.failed', 'acme/slow'])
  })
})

describe('A refusal', () => {
  test('is an error as clients of this surface read it: the status, OpenAI\'s type and the field', async () => {
    const response = await respond({ model: 'acme/one', input: [{ role: 'user', content: [{ type: 'input_text' }] }] })
    assert.equal(response.status, 400)
    const { error } = await json(response)
    assert.deepEqual([error.code, error.type, error.param, error.error_type], [400, 'invalid_request_error', 'input[0].content[0].text', 'invalid_request'])
    assert.match(error.message, /input\[0\]\.content\[0\]\.text: is required/)
  })

  test('has that form also where the surface was not reached: a wrong key, and what is no JSON', async () => {
    const unknown = await json(await respond({ model: 'acme/one', input: 'Hi' }, { authorization: 'Bearer sk-wrong' }))
    assert.deepEqual([unknown.error.code, unknown.error.type, unknown.error.param], [401, 'authentication_error', null])
    const garbled = await json(await box.send('POST', '/v1/responses', { body: '{"model": ' }))
    assert.deepEqual([garbled.error.code, garbled.error.type], [400, 'invalid_request_error'])
  })

  test('names an unknown model, and spends nothing', async () => {
    const before = upstream.requests.length
    const { error } = await json(await respond({ model: 'acme/none', input: 'Hi' }))
    assert.match(error.message, /acme\/none/)
    assert.equal(upstream.requests.length, before)
  })

  test('says by name what OpenAI has and this server has not', async () => {
    for (const [field, value, status] of [['prompt', { id: 'pmpt_1' }, 400], ['conversation', 'conv_1', 404]] as const) {
      const response = await respond({ model: 'acme/one', input: 'Hi', [field]: value })
      assert.equal(response.status, status)
      assert.equal((await json(response)).error.param, field)
    }
    assert.equal((await json(await respond({ model: 'acme/one', input: 'Hi', store: false, background: false, previous_response_id: null }))).status, 'completed')
  })
})

test('None of this was a fault of ours', () => assert.deepEqual(box.complaints, []))
