import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { near } from './asking.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Patches that a model proposes and its caller applies: what is handed over, what the model has to mend, and what goes to a model that knows the tool. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, prompt: 10, completion: 20, ...given })
const KNOWS = ['tools', 'tool_choice', 'max_tokens', 'apply_patch']
const box = await startSignalbox({ config: together(
  at('acme', 'acme/one'), at('plain', 'acme/plain', { dialect: 'openai-responses' }), at('taught', 'acme/taught', { dialect: 'openai-responses', endpoint: { supported_parameters: KNOWS } }),
  at('first', 'acme/both', { dialect: 'openai-responses', endpoint: { supported_parameters: KNOWS } }), at('second', 'acme/both'),
) })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const USED = { input: 100, output: 10 }
const STEP = (100 * 10 + 10 * 20) / 1e6

const PATCH = { type: 'openrouter:apply_patch' }
const RIGHT = { type: 'update_file', path: 'src/greet.py', diff: '@@ def greet():\n-    print("Hi")\n+    print("Grüezi")\n' }
const WRONG = { ...RIGHT, diff: 'print("Grüezi")' }
const DELETED = { type: 'delete_file', path: 'old.py' }
const ASK = { role: 'user', content: 'Greet in Swiss German.' }

const patching = (...operations: readonly Loose[]): Loose => ({ calls: operations.map((operation) => ({ name: 'apply_patch', arguments: JSON.stringify(operation) })) })
const answers = (...orders: readonly Loose[]): void => {
  upstream.forget()
  for (const order of orders) upstream.next({ usage: USED, ...order })
}
const sent = (n: number): Loose => upstream.requests[n]!.body as Loose
const respond = async (body: Loose): Promise<Loose> => {
  const response = await box.send('POST', '/api/v1/responses', { body: { input: [ASK], tools: [PATCH], ...body }, headers: TOLD })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text) as Loose
}
const streamed = async (body: Loose): Promise<readonly Loose[]> => {
  const text = await (await box.send('POST', '/api/v1/responses', { body: { input: [ASK], tools: [PATCH], stream: true, ...body } })).text()
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!) as Loose)
}
const typesOf = (events: readonly Loose[]): readonly string[] => events.map(({ type }) => String(type).replace('response.', '')).filter((type) => /patch|item/.test(type))

describe('A patch that a model proposes', () => {
  test('is handed to its caller as an item of its own, and the turn is over', async () => {
    answers(patching(RIGHT, DELETED))
    const reply = await respond({ model: 'acme/one' })
    assert.deepEqual(reply['output'].map((item: Loose) => [item['type'], item['operation'], item['status']]), [['apply_patch_call', RIGHT, 'completed'], ['apply_patch_call', DELETED, 'completed']])
    assert.equal(new Set(reply['output'].map((item: Loose) => item['call_id'] as string)).size, 2)
    assert.deepEqual([reply['status'], upstream.requests.length], ['completed', 1])
    const [tool] = sent(0)['tools'] as Loose[]
    assert.deepEqual([tool!['type'], tool!['function'].name, tool!['function'].parameters.required], ['function', 'apply_patch', ['type', 'path']])
    assert.deepEqual(reply['usage'].server_tool_use_details, { tool_calls_requested: 2, tool_calls_executed: 2 })
    near(reply['usage'].cost, STEP)
  })

  test('goes back to the model with what is wrong with it, and the caller sees what came of that', async () => {
    answers(patching(WRONG), { text: 'Again.', ...patching(RIGHT) })
    const reply = await respond({ model: 'acme/one' })
    assert.deepEqual(reply['output'].map((item: Loose) => [item['type'], item['status']]), [['openrouter:apply_patch', 'failed'], ['message', 'completed'], ['apply_patch_call', 'completed']])
    assert.match(reply['output'][0].error, /begin with a space, "-" or "\+", line 1 is/)
    const told = (sent(1)['messages'] as Loose[]).at(-1)!
    assert.deepEqual([told['role'], told['content']], ['tool', `Error: ${reply['output'][0].error}`])
    near(reply['usage'].cost, 2 * STEP)
    assert.deepEqual(reply['usage'].server_tool_use_details, { tool_calls_requested: 2, tool_calls_executed: 1 })
    const note = reply['openrouter_metadata'].pipeline.find((it: Loose) => it['type'] === 'server_tools')
    assert.deepEqual([note.summary, note.data.calls.map((it: Loose) => it['ok'] as boolean)], ['openrouter:apply_patch 2; 1 failed', [false, true]])
  })

  test('is handed over although another of the same step was wrong, which the model hears of in the next turn', async () => {
    answers(patching(RIGHT, WRONG), { text: 'Done.' })
    const first = await respond({ model: 'acme/one' })
    assert.deepEqual(first['output'].map((item: Loose) => item['type'] as string).toSorted(), ['apply_patch_call', 'openrouter:apply_patch'])
    assert.equal(upstream.requests.length, 1)
    const { call_id: id } = first['output'].find((item: Loose) => item['type'] === 'apply_patch_call')
    await respond({ model: 'acme/one', input: [ASK, ...first['output'], { type: 'apply_patch_call_output', call_id: id, status: 'completed' }] })
    const results = (sent(1)['messages'] as Loose[]).filter(({ role }) => role === 'tool').map(({ content }) => String(content))
    assert.deepEqual(results.map((text) => text.slice(0, 25)).toSorted(), ['Error: each line of a sec', 'The patch was applied.'])
  })

  test('is streamed whole, in the events that OpenAI has for it', async () => {
    answers(patching(WRONG), patching(RIGHT))
    const events = await streamed({ model: 'acme/one' })
    assert.deepEqual(typesOf(events), ['output_item.added', 'output_item.done', 'output_item.added', 'apply_patch_call_operation_diff.delta', 'apply_patch_call_operation_diff.done', 'output_item.done'])
    const done = events.find(({ type }) => type === 'response.apply_patch_call_operation_diff.done')!
    assert.equal(done['diff'], RIGHT.diff)
    assert.deepEqual(events.map((event) => event['sequence_number'] as number), events.map((_, n) => n))
    assert.deepEqual(events.at(-1)!['response'].output.at(-1).operation, RIGHT)
  })

  test('goes on in the next turn with what became of it, kept or sent back', async () => {
    for (const kept of [false, true]) {
      answers(patching(RIGHT), { text: 'Done.' })
      const first = await respond({ model: 'acme/one', store: kept })
      const result = { type: 'apply_patch_call_output', call_id: first['output'][0].call_id, status: 'failed', output: 'No such line.' }
      const second = await respond({ model: 'acme/one', ...(kept ? { previous_response_id: first['id'], input: [result] } : { input: [ASK, ...first['output'], result] }) })
      assert.equal(second['output_text'], 'Done.')
      const [, said, told] = sent(1)['messages'] as Loose[]
      assert.deepEqual([said!['tool_calls'][0].function.name, JSON.parse(said!['tool_calls'][0].function.arguments)], ['apply_patch', RIGHT])
      assert.deepEqual([told!['tool_call_id'], told!['content']], [said!['tool_calls'][0].id, 'No such line.'])
    }
  })

  test('that a model never gets right ends with its words, once it has tried as often as it may', async () => {
    upstream.forget()
    upstream.always({ text: 'I cannot.', ...patching(WRONG), usage: USED })
    const reply = await respond({ model: 'acme/one', max_tool_calls: 2 })
    assert.deepEqual([upstream.requests.length, sent(2)['tool_choice']], [3, 'none'])
    assert.equal(reply['output'].filter((item: Loose) => item['type'] === 'apply_patch_call').length, 0)
  })

  test("is asked for by OpenAI's own name as well", async () => {
    answers(patching(RIGHT))
    const reply = await respond({ model: 'acme/one', tools: [{ type: 'apply_patch' }], tool_choice: { type: 'apply_patch' } })
    assert.deepEqual([reply['output'][0].type, reply['tools']], ['apply_patch_call', [{ type: 'apply_patch' }]])
    assert.deepEqual(sent(0)['tool_choice'], { type: 'function', function: { name: 'apply_patch' } })
  })
})

describe('A patch on the other surfaces', () => {
  test('is a call of a function on chat, whole and streamed, whose result goes back as any does', async () => {
    answers(patching(WRONG), patching(RIGHT), { text: 'Done.' })
    const { choices: [choice] } = await box.whole(saying('acme/one', 'Greet.', { tools: [PATCH] }))
    const { message, finish_reason: finish } = choice!
    assert.deepEqual([finish, message.tool_calls.map((it: Loose) => [it['type'], it['function'].name, JSON.parse(it['function'].arguments as string)])], ['tool_calls', [['function', 'apply_patch', RIGHT]]])
    const next = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'applied' }
    const reply = await box.whole({ model: 'acme/one', tools: [PATCH], messages: [ASK, message, next] })
    assert.equal(reply.choices[0]!['message'].content, 'Done.')
    answers(patching(WRONG), patching(RIGHT))
    const told = await readStream(await box.chat(saying('acme/one', 'Greet.', { tools: [PATCH], stream: true })))
    assert.deepEqual([told.finish, told.deltas.flatMap((delta) => (delta.tool_calls ?? []) as readonly Loose[]).map((it) => (it['function']?.arguments ?? '') as string).join('')], ['tool_calls', JSON.stringify(RIGHT)])
  })

  test("is a tool_use for Anthropic's clients and a functionCall for Google's", async () => {
    answers(patching(RIGHT))
    const message = await (await box.send('POST', '/api/v1/messages', { body: { model: 'acme/one', max_tokens: 99, messages: [ASK], tools: [PATCH] } })).json() as Loose
    assert.deepEqual([message['stop_reason'], message['content'].map((block: Loose) => [block['type'], block['name'], block['input']])], ['tool_use', [['tool_use', 'apply_patch', RIGHT]]])
    answers(patching(RIGHT))
    const reply = await (await box.send('POST', '/api/v1/models/acme/one:generateContent', { body: { contents: [{ role: 'user', parts: [{ text: 'Greet.' }] }], tools: [{ 'openrouter:apply_patch': {} }] } })).json() as Loose
    const [{ functionCall }] = reply['candidates'][0].content.parts as Loose[] as [Loose]
    assert.deepEqual([functionCall['name'], functionCall['args']], ['apply_patch', RIGHT])
  })
})

describe('A model that knows the tool', () => {
  const item = { id: 'apc_1', type: 'apply_patch_call', status: 'completed', call_id: 'call_own', operation: RIGHT }
  const response = { id: 'resp_1', object: 'response', created_at: 1_760_000_000, status: 'completed', model: 'm', output: [item], usage: { input_tokens: 100, output_tokens: 10, total_tokens: 110 } }
  const event = (type: string, more: Loose): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
  const stream = [
    event('response.created', { response: { ...response, status: 'in_progress', output: [] } }),
    event('response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', operation: { ...RIGHT, diff: '' } } }),
    ...RIGHT.diff.match(/.{1,9}/gs)!.map((delta) => event('response.apply_patch_call_operation_diff.delta', { output_index: 0, item_id: 'apc_1', delta })),
    event('response.output_item.done', { output_index: 0, item }), event('response.completed', { response }),
  ].join('')

  test('is sent it as it is, with the calls and results of turns before', async () => {
    for (const tool of [PATCH, { type: 'apply_patch' }, { ...PATCH, parameters: { engine: 'native' } }]) {
      answers({ body: response })
      const before = [{ ...item, call_id: 'call_0' }, { type: 'apply_patch_call_output', call_id: 'call_0', status: 'failed', output: 'No such line.' }]
      const reply = await respond({ model: 'acme/taught', tools: [tool], tool_choice: { type: tool.type }, input: [ASK, ...before] })
      assert.deepEqual([sent(0)['tools'], sent(0)['tool_choice']], [[{ type: 'apply_patch' }], { type: 'apply_patch' }])
      assert.deepEqual((sent(0)['input'] as Loose[]).slice(1), [
        { type: 'apply_patch_call', call_id: 'call_0', operation: RIGHT, status: 'completed' }, { type: 'apply_patch_call_output', call_id: 'call_0', status: 'failed', output: 'No such line.' },
      ])
      assert.deepEqual(reply['output'].map((it: Loose) => [it['type'], it['call_id'], it['operation']]), [['apply_patch_call', 'call_own', RIGHT]])
    }
  })

  test('is heard piece by piece', async () => {
    answers({ body: stream, headers: { 'content-type': 'text/event-stream' } })
    const events = await streamed({ model: 'acme/taught' })
    const deltas = events.filter(({ type }) => type === 'response.apply_patch_call_operation_diff.delta').map(({ delta }) => String(delta))
    assert.ok(deltas.length > 3, 'the diff came in pieces')
    assert.equal(deltas.join(''), RIGHT.diff)
    answers({ body: stream, headers: { 'content-type': 'text/event-stream' } })
    const told = await readStream(await box.chat(saying('acme/taught', 'Greet.', { tools: [PATCH], stream: true })))
    assert.deepEqual([told.finish, told.deltas.flatMap((delta) => (delta.tool_calls ?? []) as readonly Loose[]).map((it) => (it['function']?.arguments ?? '') as string).join('')], ['tool_calls', JSON.stringify(RIGHT)])
  })

  test('is sent a function where its caller wants patches looked at here, as is one of the same format that does not know it', async () => {
    for (const [model, tool] of [['acme/taught', { ...PATCH, parameters: { engine: 'openrouter' } }], ['acme/plain', PATCH], ['acme/plain', { type: 'apply_patch' }]] as const) {
      answers(patching(WRONG), patching(RIGHT))
      const reply = await respond({ model, tools: [tool] })
      assert.deepEqual((sent(0)['tools'] as Loose[]).map((it) => [it['type'], it['name']]), [['function', 'apply_patch']])
      assert.deepEqual(reply['output'].map((it: Loose) => it['type'] as string), ['openrouter:apply_patch', 'apply_patch_call'])
    }
  })

  test('that fails is stood in for by one that does not know it, in the same turn', async () => {
    upstream.forget()
    upstream.when({ path: '/first/' }, { status: 503 })
    upstream.when({ path: '/second/' }, { ...patching(RIGHT), usage: USED })
    const reply = await respond({ model: 'acme/both', provider: { order: ['first', 'second'] } })
    assert.deepEqual([reply['provider'], reply['output'][0].type], ['second', 'apply_patch_call'])
    assert.deepEqual(upstream.requests.map(({ body }) => ((body as Loose)['tools'] as Loose[])[0]!['type'] as string), ['apply_patch', 'function'])
  })
})

describe('A patch that cannot be asked for', () => {
  test('is refused by its field before anybody is asked', async () => {
    answers()
    const own = { type: 'function', function: { name: 'apply_patch', parameters: { type: 'object', properties: {} } } }
    for (const [tools, field] of [
      [[own, PATCH], 'tools[1]'], [[{ ...PATCH, parameters: { engine: 'exa' } }], 'tools[0].parameters.engine'], [[{ ...PATCH, mode: 'x' }], 'tools[0].mode'],
      [[{ type: 'openrouter:subagent', parameters: { tools: [PATCH] } }], 'tools[0].parameters.tools[0].type'],
    ] as const) {
      const { status, error } = await box.refused(saying('acme/one', 'Hi', { tools }))
      assert.deepEqual([status, error.metadata['field']], [400, field], error.message)
    }
    for (const [input, field] of [
      [[{ type: 'apply_patch_call', call_id: 'a', operation: { type: 'update_file', path: 'x' } }], 'input[0].operation.diff'], [[{ type: 'apply_patch_call', call_id: 'a' }], 'input[0].operation'],
      [[{ type: 'apply_patch_call', call_id: 'a', operation: { type: 'move_file', path: 'x' } }], 'input[0].operation.type'],
      [[{ type: 'apply_patch_call_output', call_id: 'a', status: 'done' }], 'input[0].status'],
    ] as const) {
      const response = await box.send('POST', '/api/v1/responses', { body: { model: 'acme/one', input, tools: [PATCH] } })
      const { error } = await response.json() as Loose
      assert.deepEqual([response.status, error.param], [400, field], error.message)
    }
    assert.equal(upstream.requests.length, 0)
  })
})

after(() => assert.deepEqual(box.complaints, []))
