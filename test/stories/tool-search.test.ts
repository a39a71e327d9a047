import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { askerOf, near } from './asking.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Tools that are kept from the model until it has searched for them: what it is sent step by step, and what its caller sees of that. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, prompt: 10, completion: 20, ...given })
const KNOWS = ['tools', 'tool_choice', 'max_tokens', 'tool_search']
const box = await startSignalbox({ config: together(
  at('acme', 'acme/one'), at('claude', 'acme/claude', { dialect: 'anthropic-messages' }), at('taught', 'acme/taught', { dialect: 'anthropic-messages', endpoint: { supported_parameters: KNOWS } }), at('first', 'acme/both', { dialect: 'anthropic-messages', endpoint: { supported_parameters: KNOWS } }), at('second', 'acme/both'),
  at('native', 'acme/native', { dialect: 'openai-responses', endpoint: { supported_parameters: KNOWS } }), at('plain', 'acme/plain', { dialect: 'openai-responses' }), at('small', 'acme/small', { endpoint: { context_length: 4000 } })) })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const USED = { input: 100, output: 10 }
const STEP = (100 * 10 + 10 * 20) / 1e6

const SEARCH = { type: 'openrouter:tool_search' }
const ABOUT: Readonly<Record<string, string>> = { get_weather: 'Tells the weather of a city', get_forecast: 'Weather of the days to come', send_mail: 'Sends a message', book_table: 'Reserves seats in a restaurant' }
const schema = { type: 'object', properties: { city: { type: 'string' } } }
const deferred = (name: string): Loose => ({ type: 'function', defer_loading: true, function: { name, description: ABOUT[name], parameters: schema } })
const RING = { type: 'function', function: { name: 'ring', parameters: { type: 'object', properties: {} } } }
const LIBRARY = [RING, ...Object.keys(ABOUT).map(deferred), SEARCH]

const call = (name: string, args: unknown): Loose => ({ name, arguments: JSON.stringify(args) })
const searching = (query: string): Loose => ({ calls: [call('openrouter_tool_search', { query })] })
const answers = (...orders: readonly Loose[]): void => {
  upstream.forget()
  for (const order of orders) upstream.next({ usage: USED, ...order })
}
const sent = (n: number): Loose => upstream.requests[n]!.body as Loose
const nameOf = (tool: Loose): string => tool['function']?.name ?? tool['name'] ?? tool['type']
const offered = (n: number): readonly string[] => ((sent(n)['tools'] ?? []) as Loose[]).map(nameOf)
const results = (n: number): readonly Loose[] => (sent(n)['messages'] as Loose[]).filter(({ role }) => role === 'tool').map(({ content }) => JSON.parse(String(content)) as Loose)
const { post } = askerOf(box)

describe('Tools that are deferred', () => {
  test('are not sent to the model, which is offered a search in their place', async () => {
    answers({ text: 'Hello.' })
    await box.whole(saying('acme/one', 'Hi', { tools: LIBRARY }))
    assert.deepEqual(offered(0), ['ring', 'openrouter_tool_search'])
    assert.match((sent(0)['tools'] as Loose[])[1]!['function'].description, /library of 4 tools/)
    assert.ok(!JSON.stringify(sent(0)).includes('defer_loading') && !JSON.stringify(sent(0)).includes('restaurant'))
  })

  test('are offered once they are found, behind all others, and a call of one is handed to the caller as any call is', async () => {
    answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] })
    const reply = await box.whole(saying('acme/one', 'How is it in Olten?', { tools: LIBRARY }), TOLD)
    assert.deepEqual(offered(1), ['ring', 'openrouter_tool_search', 'get_weather', 'get_forecast'])
    assert.deepEqual((sent(1)['tools'] as Loose[])[2]!['function'], { name: 'get_weather', description: ABOUT['get_weather'], parameters: schema })
    assert.deepEqual(results(1)[0]!['found'], ['get_weather', 'get_forecast'])
    const { message, finish_reason: finish } = reply.choices[0]!
    assert.deepEqual([finish, message.tool_calls.map((it: Loose) => [it['function'].name, it['function'].arguments])], ['tool_calls', [['get_weather', '{"city":"Olten"}']]])
    near(reply.usage.cost, 2 * STEP)
    assert.deepEqual(reply.usage['server_tool_use_details'], { tool_calls_requested: 1, tool_calls_executed: 1 })
    const note = reply.openrouter_metadata.pipeline.find((it: Loose) => it['type'] === 'server_tools')
    assert.deepEqual([note.summary, note.data.calls[0].tool, note.data.steps.length], ['openrouter:tool_search 1', 'openrouter:tool_search', 2])
  })

  test('that were found or called in an earlier turn are there from the beginning of the next one, in the order in which they were found', async () => {
    answers(searching('restaurant seats'), searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] }, { text: 'Sunny.' })
    const first = await box.whole(saying('acme/one', 'How is it?', { tools: LIBRARY }))
    const { message } = first.choices[0]!
    const before = offered(2)
    assert.deepEqual(before, ['ring', 'openrouter_tool_search', 'book_table', 'get_weather', 'get_forecast'])
    const turn = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '"sunny"' }
    const reply = await box.whole({ model: 'acme/one', tools: LIBRARY, messages: [{ role: 'user', content: 'How is it?' }, message, turn] })
    assert.equal(reply.choices[0]!['message'].content, 'Sunny.')
    assert.deepEqual(offered(3), before)
    assert.equal(JSON.stringify(sent(3)['tools']), JSON.stringify(sent(2)['tools']), 'and the prompt cache still has them')
    answers({ text: 'Sunny.' })
    const { reasoning_details: _, ...bare } = message
    await box.whole({ model: 'acme/one', tools: LIBRARY, messages: [{ role: 'user', content: 'How is it?' }, bare, turn] })
    assert.deepEqual(offered(0), ['ring', 'openrouter_tool_search', 'get_weather'])
  })

  test('are searched as often as the model likes, of which each finding is added once', async () => {
    answers({ calls: [call('openrouter_tool_search', { query: 'weather' }), call('openrouter_tool_search', { query: 'forecast mail' })] }, searching('submarine'), { text: 'Well.' })
    const reply = await box.whole(saying('acme/one', 'Hi', { tools: LIBRARY }))
    assert.deepEqual(offered(1), ['ring', 'openrouter_tool_search', 'get_weather', 'get_forecast', 'send_mail'])
    assert.deepEqual(offered(2), offered(1))
    assert.deepEqual(results(2)[2]!['found'], [])
    assert.equal(reply.usage['server_tool_use_details'].tool_calls_requested, 3)
  })

  test('stream as they do whole', async () => {
    answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] })
    const streamed = await readStream(await box.chat(saying('acme/one', 'How is it?', { tools: LIBRARY, stream: true })))
    assert.deepEqual([streamed.finish, streamed.error], ['tool_calls', undefined])
    const names = streamed.deltas.flatMap((delta) => (delta.tool_calls ?? []) as readonly Loose[]).flatMap((it) => it['function']?.name ?? [])
    assert.deepEqual(names, ['get_weather'])
  })

  test('are found as few at once as the caller says, and no more after as many searches as it permits', async () => {
    answers(searching('weather'), searching('mail'), { text: 'Well.' })
    await box.whole(saying('acme/one', 'Hi', { tools: [...LIBRARY.slice(0, -1), { ...SEARCH, parameters: { max_results: 1 } }], max_tool_calls: 2 }))
    assert.deepEqual([offered(1).slice(2), sent(2)['tool_choice']], [['get_weather'], 'none'])
    upstream.forget()
    upstream.always({ ...searching('weather'), usage: USED })
    await box.whole(saying('acme/one', 'Hi', { tools: LIBRARY, stop_server_tools_when: [{ type: 'has_tool_call', tool_name: 'openrouter:tool_search' }] }))
    assert.equal(upstream.requests.length, 2)
  })

  test('are not deferred when tool_choice names them', async () => {
    answers({ calls: [call('send_mail', {})] })
    await box.whole(saying('acme/one', 'Write.', { tools: LIBRARY, tool_choice: { type: 'function', function: { name: 'send_mail' } } }))
    assert.deepEqual([offered(0), sent(0)['tool_choice']], [['ring', 'openrouter_tool_search', 'send_mail'], { type: 'function', function: { name: 'send_mail' } }])
  })

  test('take no room in the context of the model: a library that would not fit is no reason to refuse', async () => {
    answers({ text: 'Hello.' })
    const many = Array.from({ length: 2000 }, (_, n) => deferred(`get_weather_${n}`))
    const reply = await box.whole(saying('acme/small', 'Hi', { tools: [...many, SEARCH] }))
    assert.equal(reply.choices[0]!['message'].content, 'Hello.')
    assert.deepEqual(offered(0), ['openrouter_tool_search'])
  })

  test('are sent to Claude in its own words once they are found', async () => {
    answers(searching('seats'), { calls: [call('book_table', { city: 'Olten' })] })
    const reply = await box.whole(saying('acme/claude', 'Eat.', { tools: LIBRARY }))
    assert.deepEqual([offered(0), offered(1)], [['ring', 'openrouter_tool_search'], ['ring', 'openrouter_tool_search', 'book_table']])
    assert.equal(reply.choices[0]!['message'].tool_calls[0].function.name, 'book_table')
  })
})

describe('A search for tools on each surface', () => {
  const found = (): void => answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] }, { text: 'Sunny.' })
  const flat = (name: string): Loose => ({ type: 'function', name, description: ABOUT[name], parameters: schema, defer_loading: true })

  test('is an item of Responses with what was searched for, which brings the findings back in the next turn', async () => {
    const tools = [...Object.keys(ABOUT).map(flat), SEARCH]
    for (const kept of [false, true]) {
      found()
      const first = await post('/responses', { model: 'acme/one', input: 'How is it?', tools, store: kept })
      const [search, called] = first['output'] as Loose[]
      assert.deepEqual([search!['type'], search!['status'], search!['query'], called!['type'], called!['name']], ['openrouter:tool_search', 'completed', 'weather', 'function_call', 'get_weather'])
      const done = { type: 'function_call_output', call_id: called!['call_id'], output: 'sunny' }
      const second = await post('/responses', {
        model: 'acme/one', tools, ...(kept ? { previous_response_id: first['id'], input: [done] } : { input: [{ role: 'user', content: 'How is it?' }, ...first['output'], done] }),
      })
      assert.equal(second['output_text'], 'Sunny.')
      assert.deepEqual(offered(2), offered(1))
    }
  })

  test("is a pair of blocks for Anthropic's clients, which brings the findings back in the next turn", async () => {
    const tools = [...Object.keys(ABOUT).map((name) => ({ name, description: ABOUT[name], input_schema: schema, defer_loading: true })), SEARCH]
    const ask = { role: 'user', content: 'How is it?' }
    found()
    const { content } = await post('/messages', { model: 'acme/one', max_tokens: 99, messages: [ask], tools })
    const [use, result, called] = content as Loose[]
    assert.deepEqual([use!['type'], use!['name'], use!['input']], ['server_tool_use', 'tool_search_tool_bm25', { query: 'weather' }])
    assert.deepEqual([result!['type'], result!['tool_use_id'] === use!['id'], result!['content']], ['tool_search_tool_result', true, {
      type: 'tool_search_tool_search_result', tool_references: [{ type: 'tool_reference', tool_name: 'get_weather' }, { type: 'tool_reference', tool_name: 'get_forecast' }],
    }])
    const done = { role: 'user', content: [{ type: 'tool_result', tool_use_id: called!['id'], content: 'sunny' }] }
    await post('/messages', { model: 'acme/one', max_tokens: 99, messages: [ask, { role: 'assistant', content }, done], tools })
    assert.deepEqual(offered(2), offered(1))
    assert.deepEqual((sent(2)['messages'] as Loose[]).slice(0, 3), (sent(1)['messages'] as Loose[]).map((message) => (
      message['tool_calls'] ? { ...message, tool_calls: [{ ...message['tool_calls'][0], id: use!['id'].replace('srvtoolu_', '') }] }
        : message['role'] === 'tool' ? { ...message, tool_call_id: use!['id'].replace('srvtoolu_', '') } : message)), 'the model reads of the search what it read when it was made')
    assert.deepEqual((sent(2)['messages'] as Loose[])[3]!['tool_calls'].map((it: Loose) => it['function'].name), ['get_weather'], 'and called what it found after that')
  })

  test("defers Google's declarations as well", async () => {
    found()
    const declared = Object.keys(ABOUT).map((name) => ({ name, description: ABOUT[name], parametersJsonSchema: schema, defer_loading: true }))
    const reply = await post('/models/acme/one:generateContent', { contents: [{ role: 'user', parts: [{ text: 'How is it?' }] }], tools: [{ functionDeclarations: declared }, { 'openrouter:tool_search': {} }] })
    assert.deepEqual(offered(0), ['openrouter_tool_search'])
    assert.deepEqual(reply['candidates'][0].content.parts[0].functionCall.name, 'get_weather')
  })
})

describe("A search for tools in a vendor's own words", () => {
  const ask = { role: 'user', content: 'How is it?' }
  const mine = (name: string): Loose => ({ name, description: ABOUT[name], input_schema: schema, defer_loading: true })
  const CLAUDES = [{ name: 'ring', input_schema: { type: 'object', properties: {} } }, ...Object.keys(ABOUT).map(mine), { type: 'tool_search_tool_regex_20251119', name: 'tool_search_tool_regex' }]
  const GPTS = [...Object.keys(ABOUT).map((name) => ({ type: 'function', name, description: ABOUT[name], parameters: schema, defer_loading: true })), { type: 'tool_search' }]

  test('goes as it was written to a model of that vendor which knows it, and what the vendor found comes back as it is', async () => {
    const found = [
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'tool_search_tool_regex', input: { query: 'weather' } },
      { type: 'tool_search_tool_result', tool_use_id: 'srvtoolu_1', content: { type: 'tool_search_tool_search_result', tool_references: [{ type: 'tool_reference', tool_name: 'get_weather' }] } },
      { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Olten' } },
    ]
    answers({ body: { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: found, stop_reason: 'tool_use', stop_sequence: null, usage: { input_tokens: 100, output_tokens: 10 } } }, { text: 'Sunny.' })
    const body = { model: 'acme/taught', max_tokens: 99, tools: CLAUDES }
    const first = await post('/messages', { ...body, messages: [ask] })
    assert.deepEqual([sent(0)['tools'], first['content']], [CLAUDES, found])
    const history = [ask, { role: 'assistant', content: first['content'] }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'sunny' }] }]
    const second = await post('/messages', { ...body, messages: history, tool_choice: { type: 'auto', disable_parallel_tool_use: true } })
    assert.deepEqual([sent(1)['tools'], sent(1)['messages'][1].content, sent(1)['tool_choice']], [CLAUDES, found, { type: 'auto', disable_parallel_tool_use: true }])
    assert.equal(second['content'][0].text, 'Sunny.')
  })

  test('is made here for every other model, in words, whatever its provider speaks', async () => {
    for (const model of ['acme/one', 'acme/claude', 'acme/plain']) {
      answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] })
      const { content, stop_reason: stop } = await post('/messages', { model, max_tokens: 99, messages: [ask], tools: CLAUDES })
      assert.deepEqual([offered(0), offered(1)], [['ring', 'openrouter_tool_search'], ['ring', 'openrouter_tool_search', 'get_weather', 'get_forecast']])
      assert.deepEqual([stop, content.map((block: Loose) => block['type'] as string)], ['tool_use', ['server_tool_use', 'tool_search_tool_result', 'tool_use']])
      answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] })
      const { output } = await post('/responses', { model, input: [ask], tools: GPTS })
      assert.deepEqual([offered(0), output.map((item: Loose) => item['type'] as string)], [['openrouter_tool_search'], ['openrouter:tool_search', 'function_call']])
    }
  })

  test("goes as it was written to OpenAI's models that know it", async () => {
    const found = [
      { type: 'tool_search_call', id: 'tsc_1', call_id: null, execution: 'server', status: 'completed', arguments: { paths: ['weather'] } },
      { type: 'tool_search_output', id: 'tso_1', call_id: null, execution: 'server', status: 'completed', tools: [GPTS[0]] },
    ]
    const called = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'get_weather', arguments: '{"city":"Olten"}', status: 'completed' }
    answers({ body: { id: 'resp_1', object: 'response', created_at: 1, status: 'completed', model: 'm', output: [...found, called], usage: { input_tokens: 100, output_tokens: 10, total_tokens: 110 } } }, { text: 'Sunny.' })
    const first = await post('/responses', { model: 'acme/native', input: [ask], tools: GPTS })
    assert.deepEqual([sent(0)['tools'], first['output'].slice(0, 2), first['output'][2].name], [GPTS, found, 'get_weather'])
    await post('/responses', { model: 'acme/native', tools: GPTS, input: [ask, ...first['output'], { type: 'function_call_output', call_id: 'call_1', output: 'sunny' }] })
    assert.deepEqual([sent(1)['tools'], sent(1)['input'].slice(1, 3)], [GPTS, found])
  })

  test('is made here as soon as the model that knows it has failed', async () => {
    upstream.forget()
    upstream.when({ path: '/first/' }, { status: 503 })
    upstream.next({ ...searching('weather'), usage: USED }, { path: '/second/' })
    upstream.when({ path: '/second/' }, { calls: [{ name: 'get_weather', arguments: '{}' }], usage: USED })
    const { content } = await post('/messages', { model: 'acme/both', max_tokens: 99, messages: [ask], tools: CLAUDES, provider: { order: ['first', 'second'] } })
    assert.equal(content.at(-1).name, 'get_weather')
    const bodies = upstream.requests.filter(({ path }) => path.includes('/second/')).map(({ body }) => (body as Loose)['tools'].map(nameOf) as string[])
    assert.deepEqual(bodies, [['ring', 'openrouter_tool_search'], ['ring', 'openrouter_tool_search', 'get_weather', 'get_forecast']])
    assert.deepEqual(sent(0)['tools'], CLAUDES)
  })

  test('that was made here in an earlier turn goes on here, also with a model that knows it', async () => {
    answers(searching('weather'), { calls: [call('get_weather', { city: 'Olten' })] }, { text: 'Sunny.' })
    const { output } = await post('/responses', { model: 'acme/plain', input: [ask], tools: GPTS })
    await post('/responses', { model: 'acme/native', tools: GPTS, input: [ask, ...output, { type: 'function_call_output', call_id: output[1].call_id, output: 'sunny' }] })
    assert.deepEqual(offered(2), offered(1))
    assert.deepEqual((sent(2)['input'] as Loose[]).map(({ type }) => type as string), ['message', 'function_call', 'function_call_output', 'function_call', 'function_call_output'])
  })

  test('that its caller carries out itself is none of ours', async () => {
    answers({ text: 'Sunny.' })
    const tools = [{ ...mine('get_weather'), defer_loading: true }, { name: 'find', input_schema: { type: 'object', properties: {} } }]
    await post('/messages', { model: 'acme/taught', max_tokens: 99, messages: [ask], tools })
    assert.deepEqual(sent(0)['tools'], tools)
  })
})

describe('A search for tools that cannot be had as it is asked for', () => {
  test('is refused by its field before anybody is asked', async () => {
    answers()
    for (const [tools, field] of [
      [[RING, deferred('send_mail')], 'tools[1].defer_loading'], [[{ ...SEARCH, defer_loading: true }], 'tools[0].defer_loading'],
      [[{ ...SEARCH, parameters: {}, defer_loading: true }], 'tools[0].defer_loading'], [[...LIBRARY, SEARCH], 'tools[6]'],
      [[deferred('send_mail'), { ...SEARCH, parameters: { max_results: 0 } }], 'tools[1].parameters.max_results'], [[deferred('send_mail'), { ...SEARCH, mode: 'x' }], 'tools[1].mode'],
      [[{ ...deferred('send_mail'), defer_loading: 'yes' }, SEARCH], 'tools[0].defer_loading'],
    ] as const) {
      const { status, error } = await box.refused(saying('acme/one', 'Hi', { tools }))
      assert.deepEqual([status, error.metadata['field'] ?? error.message.split(':')[0]], [400, field], error.message)
      assert.ok(error.message.startsWith(`${field}: `), error.message)
    }
    const flat = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input: 'Hi', tools: [{ type: 'function', name: 'a', defer_loading: true }] } })
    assert.equal(flat.status, 400)
    assert.match(await flat.text(), /tools\[0\]\.defer_loading: /)
    assert.equal(upstream.requests.length, 0)
  })

  test('has no effect without anything to search, and the metadata says so', async () => {
    answers({ text: 'Hello.' })
    const { openrouter_metadata: told } = await box.whole(saying('acme/one', 'Hi', { tools: [RING, SEARCH] }), TOLD)
    assert.deepEqual([offered(0), told.parameters.ignored], [['ring'], ['tools[1]']])
  })

  test('is told to the model where its words are none', async () => {
    answers({ calls: [call('openrouter_tool_search', {})] }, { calls: [call('openrouter_tool_search', { query: 'x'.repeat(2000) })] }, { text: 'Well.' })
    const reply = await box.whole(saying('acme/one', 'Hi', { tools: LIBRARY }))
    const told = (sent(2)['messages'] as Loose[]).filter(({ role }) => role === 'tool').map(({ content }) => String(content))
    assert.match(told[0]!, /^Error: query has to be a text/)
    assert.match(told[1]!, /^Error: query has to be of at most 1000/)
    assert.equal(reply.usage['server_tool_use_details'].tool_calls_executed, 0)
  })
})

after(() => assert.deepEqual(box.complaints, []))
