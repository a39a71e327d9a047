import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import Anthropic, { APIError, APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from '@anthropic-ai/sdk'
import type { Message, MessageParam, Tool } from '@anthropic-ai/sdk/resources/messages'
import { CITY_SCHEMA, inThreeTries, order, PNG, PNG_BYTES, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** Anthropic's own client, with nothing changed but the address: `/api`, as OpenRouter's users have it, and the bare host. */

const { upstream, box, last, assertLetGo } = await startWorld()
const clientAt = (base: string, rest: { apiKey?: string | null; authToken?: string; maxRetries?: number; defaultHeaders?: Record<string, string> } = {}) =>
  new Anthropic({ baseURL: box.url + base, apiKey: box.key, maxRetries: 0, ...rest })
const BASES = [
  { base: '', modelOf: (road: (typeof ROADS)[number]) => road.bare },
  { base: '/api', modelOf: (road: (typeof ROADS)[number]) => road.id },
]
const user = (content: MessageParam['content']): MessageParam => ({ role: 'user', content })
const WEATHER: Tool = { name: 'get_weather', description: 'The weather', input_schema: { ...CITY_SCHEMA, required: ['city'] } }
const textOf = (message: Pick<Message, 'content'>): string => message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
const callsOf = (message: Pick<Message, 'content'>) => message.content.filter((block) => block.type === 'tool_use')
/** What stands in the usage beyond Anthropic's: the cost. */
const costOf = (message: Message): number => (message.usage as unknown as { cost: number }).cost

for (const { base, modelOf } of BASES) for (const road of ROADS) {
  const client = clientAt(base)
  const model = modelOf(road)

  describe(`${model} at ${base || 'the bare host'}, through ${road.dialect}`, () => {
    test('A whole answer is a message: text, stop reason, counts, cost and who gave it', async () => {
      const reply = await client.messages.create({ model, max_tokens: 100, system: 'Be brief.', messages: [user('Say this.')] })
      assert.equal(last().dialect, road.dialect)
      assert.deepEqual([reply.type, reply.role, reply.model, reply.stop_reason, reply.stop_sequence], ['message', 'assistant', road.id, 'end_turn', null])
      assert.equal(textOf(reply), 'Say this.')
      assert.ok(reply.usage.input_tokens > 0)
      assert.equal(reply.usage.output_tokens - (reply.usage.output_tokens_details?.thinking_tokens ?? 0), 2)
      assert.ok(costOf(reply) > 0)
      const generation = await box.generation(reply.id)
      assert.equal(generation['total_cost'], costOf(reply))
      assert.match(last().raw.toString(), /Be brief\./)
    })

    test('A stream has the events in their order, the text in pieces and the usage at the end', async () => {
      const stream = await client.messages.create({ model, max_tokens: 100, messages: [user(order({ text: ['One', ' two', ' 三', ' 🙂'] }))], stream: true })
      const events = await Array.fromAsync(stream)
      assert.deepEqual(events.map((event) => event.type), [
        'message_start', 'content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_delta', 'content_block_delta',
        'content_block_stop', 'message_delta', 'message_stop',
      ])
      assert.deepEqual(events.flatMap((event) => (event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? [event.delta.text] : [])), ['One', ' two', ' 三', ' 🙂'])
      const delta = events.find((event) => event.type === 'message_delta')!
      assert.equal(delta.delta.stop_reason, 'end_turn')
      assert.ok(delta.usage.input_tokens! > 0 && delta.usage.output_tokens > 0)
    })

    test('A stream begins with the tokens of its prompt, counted by its provider or estimated, and the accumulator ends with the true ones', async () => {
      const stream = client.messages.stream({ model, max_tokens: 100, messages: [user(order({ text: 'Counted.', usage: { input: 30, output: 4, cacheRead: 10 } }))] })
      let begun: Message['usage'] | undefined
      stream.on('streamEvent', (event) => {
        if (event.type === 'message_start') begun = { ...event.message.usage }
      })
      const { usage } = await stream.finalMessage()
      const tellsAtStart = road.dialect === 'anthropic-messages' || road.dialect === 'google-generate-content'
      if (tellsAtStart) assert.deepEqual([begun?.input_tokens, begun?.cache_read_input_tokens], [20, 10])
      else assert.ok(begun!.input_tokens > 0 && begun!.input_tokens < 200, `${begun!.input_tokens}`)
      assert.deepEqual([usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens], [20, 10, 4])
    })

    test("The client's own accumulator makes of a stream the message that comes whole", async () => {
      const params = { model, max_tokens: 100, messages: [user('The same either way.')] }
      const { id: _, ...whole } = await client.messages.create(params)
      const { id: __, ...collected } = await client.messages.stream(params).finalMessage()
      for (const key of ['type', 'role', 'model', 'stop_reason', 'stop_sequence'] as const) assert.deepEqual(collected[key], whole[key], key)
      assert.equal(textOf(collected), textOf(whole))
      // Gemini seals the first piece of a stream and the whole of a text, so there the blocks are cut otherwise.
      if (road.dialect !== 'google-generate-content') assert.deepEqual(collected.content, whole.content)
      for (const key of ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'] as const) {
        assert.equal(collected.usage[key], whole.usage[key], key)
      }
    })

    test('Two tools are called at once, whole and streamed, and their results go back', async () => {
      const params = { model, max_tokens: 200, messages: [user(order(TWO_CALLS, 'What of the weather?'))], tools: [WEATHER] }
      const whole = await client.messages.create(params)
      const streamed = await client.messages.stream(params).finalMessage()
      for (const reply of [whole, streamed]) {
        assert.equal(reply.stop_reason, 'tool_use')
        assert.deepEqual(callsOf(reply).map((call) => [call.name, call.input]), [['get_weather', { city: 'Zürich' }], ['get_weather', { city: 'Paris' }]])
        assert.equal(new Set(callsOf(reply).map((call) => call.id)).size, 2)
        const second = await client.messages.create({
          ...params,
          messages: [...params.messages, { role: 'assistant', content: reply.content }, user(callsOf(reply).map((call, at) => ({
            type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: ['It rains.', 'It is dry.'][at]! }],
          })))],
        })
        assert.match(textOf(second), /It is dry\./)
        assert.match(last().raw.toString(), /It rains\./)
      }
    })

    test('A picture arrives at the provider whole, also out of the result of a tool', async () => {
      const picture = { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png' as const, data: PNG } }
      const reply = await client.messages.create({ model, max_tokens: 100, messages: [user([{ type: 'text', text: 'What is it?' }, picture])] })
      assert.match(textOf(reply), new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
      await client.messages.create({
        model, max_tokens: 100, tools: [WEATHER],
        messages: [
          user('Look.'), { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'x' } }] },
          user([{ type: 'tool_result', tool_use_id: 'toolu_1', content: [picture] }]),
        ],
      })
      assert.ok(last().raw.toString().includes(PNG), 'the picture of the result is gone')
    })

    test('A schema is answered with what fits it', async () => {
      const reply = await client.messages.create({
        model, max_tokens: 100, messages: [user('Which city?')], output_config: { format: { type: 'json_schema', schema: CITY_SCHEMA } },
      })
      assert.equal(typeof (JSON.parse(textOf(reply)) as { city: string }).city, 'string')
      assert.equal(reply.stop_reason, 'end_turn')
    })

    test('An answer that met its limit says so', async () => {
      const reply = await client.messages.create({ model, max_tokens: 16, messages: [user('word '.repeat(40))] })
      assert.equal(reply.stop_reason, 'max_tokens')
      assert.equal((await client.messages.stream({ model, max_tokens: 16, messages: [user('word '.repeat(40))] }).finalMessage()).stop_reason, 'max_tokens')
    })

    test('Who leaves in the middle of a stream stops the provider', () => inThreeTries(async () => {
      const stream = client.messages.stream({
        model, max_tokens: 2000, messages: [user(order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }))],
      })
      let leftAt = 0
      stream.on('text', () => {
        if (leftAt > 0) return
        leftAt = performance.now()
        stream.abort()
      })
      await assert.rejects(stream.finalMessage(), APIUserAbortError)
      await assertLetGo(last(), leftAt)
    }))
  })
}

describe('Thinking', () => {
  for (const { id: model, dialect } of THINKERS) {
    test(`comes as sealed blocks and goes back with the next turn, through ${dialect}`, async () => {
      const client = clientAt('/api')
      const params = { model, max_tokens: 4000, thinking: { type: 'enabled' as const, budget_tokens: 2000 }, messages: [user('Why?')] }
      const whole = await client.messages.create(params)
      const streamed = await client.messages.stream(params).finalMessage()
      for (const reply of [whole, streamed]) {
        const [thought, answer] = reply.content
        assert.ok(thought?.type === 'thinking' && answer?.type === 'text', JSON.stringify(reply.content))
        assert.equal(thought.thinking, 'Weighing the request.')
        assert.ok(thought.signature.length > 0, 'the seal is missing')
        assert.match(answer.text, /^Why\?/)
        await client.messages.create({ ...params, messages: [...params.messages, { role: 'assistant', content: reply.content }, user('And now?')] })
        assert.ok(last().raw.toString().includes(SEAL), 'the provider did not get its seal back')
      }
    })
  }

  test('in blocks that Anthropic itself blacked out goes back byte for byte', async () => {
    const client = clientAt('/api')
    const { id: model } = ROADS[1]
    const params = { model, max_tokens: 4000, thinking: { type: 'enabled' as const, budget_tokens: 2000 }, messages: [user(order({ encrypted: 'b3BhcXVl', text: 'Done.' }))] }
    const reply = await client.messages.stream(params).finalMessage()
    assert.deepEqual(reply.content[0], { type: 'redacted_thinking', data: 'b3BhcXVl' })
    await client.messages.create({ ...params, messages: [...params.messages, { role: 'assistant', content: reply.content }, user('Go on')] })
    assert.ok(last().raw.toString().includes('"data":"b3BhcXVl"'))
  })
})

describe('What only Anthropic knows', () => {
  const client = clientAt('/api')
  const [, { id: model }] = ROADS

  test('reaches Anthropic as it was said: unknown fields of blocks and tools, betas, marks with their lives', async () => {
    await client.beta.messages.create({
      model, max_tokens: 100, betas: ['context-management-2025-06-27'], context_management: { edits: [] },
      tools: [{ ...WEATHER, cache_control: { type: 'ephemeral', ttl: '1h' }, defer_loading: true }],
      messages: [user([
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A page' }, citations: { enabled: true }, context: 'of a book' },
        { type: 'text', text: 'Sum up', cache_control: { type: 'ephemeral', ttl: '5m' } },
      ])],
    } as never)
    const { body, headers } = last() as unknown as { body: Record<string, unknown>; headers: Record<string, string> }
    assert.match(headers['anthropic-beta']!, /context-management-2025-06-27/)
    assert.deepEqual(body['context_management'], { edits: [] })
    assert.deepEqual((body['tools'] as object[])[0], { ...WEATHER, cache_control: { type: 'ephemeral', ttl: '1h' }, defer_loading: true })
    assert.deepEqual((body['messages'] as { content: object[] }[])[0]!.content, [
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A page' }, citations: { enabled: true }, context: 'of a book' },
      { type: 'text', text: 'Sum up', cache_control: { type: 'ephemeral', ttl: '5m' } },
    ])
  })

  test('betas that change what is charged or who is asked stay here, and so does every header at other providers', async () => {
    await client.messages.create({ model, max_tokens: 10, messages: [user('Hi')] }, { headers: { 'anthropic-beta': 'fast-mode-2026-02-01,oauth-2025-04-20' } })
    assert.equal((last() as unknown as { headers: Record<string, string> }).headers['anthropic-beta'], undefined)
    await client.messages.create({ model: ROADS[0].id, max_tokens: 10, messages: [user('Hi')] }, { headers: { 'anthropic-beta': 'files-api-2025-04-14' } })
    assert.equal((last() as unknown as { headers: Record<string, string> }).headers['anthropic-beta'], undefined)
  })

  test('a tool that its servers run is refused where another family answers, by its place', async () => {
    const params = { max_tokens: 10, messages: [user('Hi')], tools: [{ type: 'web_search_20250305' as const, name: 'web_search' as const }] }
    await client.messages.create({ ...params, model })
    assert.deepEqual((last().body as { tools: object[] }).tools, params.tools)
    for (const road of [ROADS[0], ROADS[2]]) {
      const error = await failure(client.messages.create({ ...params, model: road.id }))
      assert.ok(error instanceof BadRequestError, String(error))
      assert.match(error.message, /tools\[0\]: \\?"web_search_20250305/)
    }
  })

  test('citations come as they were made, and places in documents with them', async () => {
    const reply = await client.messages.stream({ model, max_tokens: 100, messages: [user(order({ text: 'So it is.', citations: [{ url: 'https://example.com', title: 'E', text: 'it is' }] }))] }).finalMessage()
    assert.deepEqual(reply.content, [{
      type: 'text', text: 'So it is.',
      citations: [{ type: 'web_search_result_location', url: 'https://example.com', title: 'E', cited_text: 'it is', encrypted_index: 'ZmFrZQ==' }],
    }])
  })
})

describe('Counts', () => {
  test('count_tokens gives a number for any model without asking a provider', async () => {
    const before = upstream.requests.length
    for (const { id: model } of ROADS) {
      const { input_tokens: count } = await clientAt('/api').messages.countTokens({ model, messages: [user('The quick brown fox jumps over the lazy dog.')] })
      assert.ok(count >= 9 && count < 30, String(count))
    }
    assert.equal(upstream.requests.length, before)
  })

  test('what a cache gave or took is told apart from the input, whole and streamed', async () => {
    const { id: model } = ROADS[1]
    const params = { model, max_tokens: 10, messages: [user(order({ text: 'Hi', usage: { input: 100, cacheRead: 60, cacheWrite: 30, output: 1 } }))] }
    for (const reply of [await clientAt('/api').messages.create(params), await clientAt('/api').messages.stream(params).finalMessage()]) {
      const { input_tokens: input, cache_read_input_tokens: read, cache_creation_input_tokens: written } = reply.usage
      assert.deepEqual([input, read, written], [10, 60, 30])
    }
  })
})

describe('Errors', () => {
  const client = clientAt('/api')
  const ask = (model: string, rest: object = {}, by = client) => by.messages.create({ model, max_tokens: 10, messages: [user('Hello')], ...rest })

  test('are of the class and type that the client knows', async () => {
    const cases: [() => Promise<unknown>, new (...args: never[]) => APIError, string, RegExp][] = [
      [() => ask('openai/gpt-4o-mini', {}, clientAt('/api', { apiKey: 'sk-wrong' })), AuthenticationError, 'authentication_error', /./],
      [() => ask('no/such-model'), BadRequestError, 'invalid_request_error', /no\/such-model/],
      [() => ask('openai/gpt-4o-mini', { temperature: 'hot' }), BadRequestError, 'invalid_request_error', /temperature: must be a number from 0 to 2/],
      [() => ask('openai/gpt-4o-mini', { messages: [user([{ type: 'image', source: { type: 'url', url: 'file:///etc/passwd' } }])] }), BadRequestError, 'invalid_request_error',
        /messages\[0\]\.content\[0\]\.source\.url/],
      [() => ask('openai/gpt-4o-mini', { messages: [user([{ type: 'tool_use', id: 'a', name: 'f', input: 'x' } as never])] }), BadRequestError, 'invalid_request_error',
        /messages\[0\]\.content\[0\]\.input: must be an object/],
      [() => client.messages.create({ model: 'acme/limited', max_tokens: 10, messages: [user(order({ status: 429 }))] }), RateLimitError, 'rate_limit_error', /./],
      [() => client.messages.create({ model: 'openai/gpt-4o-mini', max_tokens: 10, messages: [user('word '.repeat(200_000))] }), BadRequestError, 'invalid_request_error',
        /^prompt is too long: This endpoint's maximum context length is 128000 tokens/],
      [() => client.models.retrieve('no/such-model'), BadRequestError, 'invalid_request_error', /no\/such-model/],
      [() => client.get('/v1/nowhere'), NotFoundError, 'not_found_error', /no route/],
    ]
    for (const [act, type, word, words] of cases) {
      const error = await failure(act())
      assert.ok(error instanceof type, `${String(error)} is no ${type.name}`)
      const body = error.error as { type: string; error: { type: string; message: string } }
      assert.equal(body.type, 'error')
      assert.equal(body.error.type, word)
      assert.match(body.error.message, words)
    }
  })

  test('that come in the midst of a stream end it with an error event', async () => {
    const stream = client.messages.stream({ model: 'acme/cutting', max_tokens: 100, messages: [user(order({ text: ['One', ' two', ' three'], cutAfter: 2 }))] })
    let text = ''
    stream.on('text', (piece) => { text += piece })
    const error = await failure(stream.finalMessage())
    assert.ok(error instanceof APIError, String(error))
    assert.equal((error.error as { error: { type: string } }).error.type, 'api_error')
    assert.ok(text.startsWith('One'))
  })
})

describe('Keys and lists', () => {
  test('a bearer token serves as well as x-api-key', async () => {
    const client = clientAt('/api', { apiKey: null, authToken: box.key })
    assert.equal(textOf(await client.messages.create({ model: ROADS[0].id, max_tokens: 10, messages: [user('Hi')] })), 'Hi')
  })

  test('models are listed in Anthropic\'s shape, page by page, and one is found by its name', async () => {
    for (const base of ['', '/api']) {
      const client = clientAt(base)
      const all = await Array.fromAsync(client.models.list({ limit: 2 }))
      assert.ok(all.length > 2 && all.every((model) => model.type === 'model' && model.display_name && !Number.isNaN(Date.parse(model.created_at))))
      assert.ok(all.some((model) => model.id === ROADS[1].id))
      const one = await client.models.retrieve(ROADS[1].id)
      assert.deepEqual([one.id, one.type], [ROADS[1].id, 'model'])
    }
  })
})

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail('it did not fail')
}
