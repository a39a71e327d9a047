import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import type { ChatMessages, ChatRequest, ChatResult, ChatStreamChunk, ChatStreamDelta } from '@openrouter/sdk/models'
import * as errors from '@openrouter/sdk/models/errors'
import { CITY_SCHEMA, inThreeTries, order, PNG_BYTES, PNG_URL, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** OpenRouter's official client: it checks every answer against its schema and throws where a field is missing or null. */

const { upstream, box, last, assertLetGo } = await startWorld()
/** Without retries: by default it tries every 5xx again for up to an hour. */
const client = new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
type Asking = Omit<ChatRequest, 'stream'>
type Options = Parameters<typeof client.chat.send>[1]

const whole = async (chatRequest: Asking, options?: Options, by = client): Promise<ChatResult> =>
  (await by.chat.send({ chatRequest: { ...chatRequest, stream: false } }, options)) as ChatResult
const streamOf = async (chatRequest: Asking, options?: Options) =>
  (await client.chat.send({ chatRequest: { ...chatRequest, stream: true } }, options)) as ReadableStream<ChatStreamChunk> & AsyncIterable<ChatStreamChunk>
const deltasOf = (chunks: readonly ChatStreamChunk[]): ChatStreamDelta[] => chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta)
const user = (content: string): ChatMessages => ({ role: 'user', content })
const WEATHER = { type: 'function' as const, function: { name: 'get_weather', description: 'The weather', parameters: CITY_SCHEMA } }

for (const { id: model, dialect } of ROADS) describe(`${model}, through ${dialect}`, () => {
  test('A whole answer passes the check, with its text, its counts and its cost', async () => {
    const reply = await whole({ model, messages: [{ role: 'system', content: 'Be brief.' }, user('Say this.')] })
    assert.equal(last().dialect, dialect)
    assert.equal(reply.model, model)
    assert.equal(reply.choices[0]!.message.content, 'Say this.')
    assert.equal(reply.choices[0]!.finishReason, 'stop')
    const { usage } = reply
    assert.equal(usage!.totalTokens, usage!.promptTokens + usage!.completionTokens)
    assert.ok(usage!.cost! > 0 && usage!.isByok === false)
    assert.ok(usage!.costDetails!.upstreamInferencePromptCost > 0 && usage!.costDetails!.upstreamInferenceCompletionsCost > 0)
    const { data: record } = await client.generations.getGeneration({ id: reply.id })
    assert.equal(record.totalCost, usage!.cost)
    assert.equal(record.model, model)
    assert.equal(record.finishReason, 'stop')
    assert.equal(record.nativeTokensPrompt, usage!.promptTokens)
    assert.equal(record.nativeTokensCompletion, usage!.completionTokens)
    assert.equal(record.streamed, false)
    assert.deepEqual(record.providerResponses!.map((attempt) => attempt.status), [200])
  })

  test('Every chunk of a stream passes the check, and the usage comes last', async () => {
    const chunks = await Array.fromAsync(await streamOf({ model, messages: [user(order({ text: ['One', ' two', ' 三', ' 🙂'] }))] }))
    assert.deepEqual(deltasOf(chunks).map((delta) => delta.content).filter((text) => text), ['One', ' two', ' 三', ' 🙂'])
    assert.deepEqual(chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.finishReason).filter((reason) => reason !== null), ['stop'])
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1)
    assert.ok(chunks.at(-1)!.usage!.cost! > 0)
    const { data: record } = await client.generations.getGeneration({ id: chunks[0]!.id })
    assert.equal(record.totalCost, chunks.at(-1)!.usage!.cost)
    assert.equal(record.streamed, true)
  })

  test('Two tools are called at once, whole and streamed, and their results go back', async () => {
    const asking: Asking = { model, messages: [user(order(TWO_CALLS, 'What of the weather?'))], tools: [WEATHER], parallelToolCalls: true }
    const reply = await whole(asking)
    assert.equal(reply.choices[0]!.finishReason, 'tool_calls')
    const { message } = reply.choices[0]!
    const calls = message.toolCalls!
    assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), [{ city: 'Zürich' }, { city: 'Paris' }])
    assert.equal(new Set(calls.map((call) => call.id)).size, 2)

    const chunks = await Array.fromAsync(await streamOf(asking))
    const deltas = deltasOf(chunks).flatMap((delta) => delta.toolCalls ?? [])
    for (const [index, city] of ['Zürich', 'Paris'].entries()) {
      const own = deltas.filter((delta) => delta.index === index)
      assert.equal(own.map((delta) => delta.function?.name ?? '').join(''), 'get_weather')
      assert.equal(own.filter((delta) => delta.id).length, 1, 'a call has one id')
      assert.deepEqual(JSON.parse(own.map((delta) => delta.function?.arguments ?? '').join('')), { city })
    }

    const second = await whole({
      ...asking,
      messages: [
        ...asking.messages, message,
        ...calls.map((call, at) => ({ role: 'tool' as const, toolCallId: call.id, content: ['It rains.', 'It is dry.'][at]! })),
      ],
    })
    assert.match(second.choices[0]!.message.content as string, /It is dry\./)
    assert.match(last().raw.toString(), /It rains\./)
  })

  test('A schema comes back filled, whole and streamed', async () => {
    const asking: Asking = {
      model, messages: [user('A city')],
      responseFormat: { type: 'json_schema', jsonSchema: { name: 'city', strict: true, schema: CITY_SCHEMA } },
    }
    assert.deepEqual(JSON.parse((await whole(asking)).choices[0]!.message.content as string), { city: 'x' })
    const chunks = await Array.fromAsync(await streamOf(asking))
    assert.deepEqual(JSON.parse(deltasOf(chunks).map((delta) => delta.content ?? '').join('')), { city: 'x' })
  })

  test('A picture arrives at the provider whole', async () => {
    const reply = await whole({
      model, messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'image_url', imageUrl: { url: PNG_URL } }] }],
    })
    assert.match(reply.choices[0]!.message.content as string, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
  })

  test('Who asks how the answer came about is told in a form that passes the check', async () => {
    const reply = (await client.chat.send({ xOpenRouterMetadata: 'enabled', chatRequest: { model, messages: [user('Hello')], stream: false } })) as ChatResult
    assert.equal(reply.openrouterMetadata!.requested, model)
    assert.equal(reply.openrouterMetadata!.attempt, 1)
    assert.equal(reply.openrouterMetadata!.endpoints.available.filter((one) => one.selected).length, 1)
  })

  for (const [how, leave] of [
    ['leaves the loop', null], ['aborts', (controller: AbortController) => controller.abort()],
  ] as const) test(`Who ${how} in the middle of a stream stops the provider`, () => inThreeTries(async () => {
    const controller = new AbortController()
    const stream = await streamOf(
      { model, messages: [user(order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }))] }, { signal: controller.signal },
    )
    let leftAt = 0
    const reading = (async () => {
      for await (const chunk of stream) {
        if (leftAt > 0 || !chunk.choices[0]?.delta.content?.includes('first')) continue
        leftAt = performance.now()
        if (!leave) break
        leave(controller)
      }
    })()
    if (leave) await assert.rejects(reading)
    else await reading
    await assertLetGo(last(), leftAt)
  }))
})

describe('Reasoning', () => {
  for (const { id: model, dialect } of THINKERS) test(`Sealed reasoning passes the check and goes back with the next turn, through ${dialect}`, async () => {
    const asking: Asking = { model, messages: [user('Why?')], reasoning: { effort: 'high' } }
    const reply = await whole(asking)
    const { message } = reply.choices[0]!
    assert.equal(message.reasoning, 'Weighing the request.')
    assert.match(message.content as string, /^Why\?/)
    assert.ok(JSON.stringify(message.reasoningDetails).includes(SEAL), 'the seal is missing')
    assert.ok(reply.usage!.completionTokensDetails!.reasoningTokens! > 0)
    for (const detail of message.reasoningDetails!) assert.ok('type' in detail && detail.type !== 'UNKNOWN', JSON.stringify(detail))

    const deltas = deltasOf(await Array.fromAsync(await streamOf(asking)))
    assert.equal(deltas.map((delta) => delta.reasoning ?? '').join(''), 'Weighing the request.')
    assert.ok(JSON.stringify(deltas.flatMap((delta) => delta.reasoningDetails ?? [])).includes(SEAL), 'the seal is missing in the stream')

    await whole({ ...asking, messages: [...asking.messages, message, user('And now?')] })
    assert.ok(last().raw.toString().includes(SEAL), 'the provider did not get its seal back')
  })
})

describe('Errors', () => {
  const asking = (model: string, rest: Partial<Asking> = {}): Asking => ({ model, messages: [user('Hello')], ...rest })

  test('A parameter out of its range is a BadRequestResponseError that names the field', async () => {
    await assert.rejects(whole(asking('openai/gpt-4o-mini', { temperature: 3 })), (error) => {
      assert.ok(error instanceof errors.BadRequestResponseError, String(error))
      assert.equal(error.error.code, 400)
      assert.match(error.error.message, /temperature/)
      return true
    })
  })

  test('A model that nobody knows is a BadRequestResponseError, and one that nobody here serves a NotFoundResponseError', async () => {
    await assert.rejects(whole(asking('nobody/knows-it')), (error) => error instanceof errors.BadRequestResponseError && /nobody\/knows-it/.test(error.message))
    await assert.rejects(whole(asking('mistralai/mistral-large')), errors.NotFoundResponseError)
    await assert.rejects(streamOf(asking('mistralai/mistral-large')), errors.NotFoundResponseError)
  })

  test('A wrong key is an UnauthorizedResponseError', async () => {
    const stranger = new OpenRouter({ apiKey: 'sk-wrong', serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
    await assert.rejects(whole(asking('openai/gpt-4o-mini'), undefined, stranger), (error) => {
      assert.ok(error instanceof errors.UnauthorizedResponseError, String(error))
      assert.equal(error.error.code, 401)
      return true
    })
  })

  test('A provider that limits us is a TooManyRequestsResponseError that says when to come back', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '7' } }, { path: '/limited/' })
    await assert.rejects(whole(asking('acme/limited')), (error) => {
      assert.ok(error instanceof errors.TooManyRequestsResponseError, String(error))
      assert.equal(error.headers.get('retry-after'), '7')
      return true
    })
  })

  test('A client that may try again waits as long as it was told, and gets its answer', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '1' } }, { path: '/limited/' })
    const before = performance.now()
    const reply = await whole(asking('acme/limited'), {
      retries: { strategy: 'backoff', backoff: { initialInterval: 10, maxInterval: 5000, exponent: 1, maxElapsedTime: 3000 } }, retryCodes: ['429'],
    })
    assert.ok(performance.now() - before >= 990, 'it did not wait')
    assert.equal(reply.choices[0]!.message.content, 'Hello')
  })

  test('A provider that fails is a BadGatewayResponseError, and one that is overloaded a ServiceUnavailableResponseError', async () => {
    upstream.next({ status: 500 }, { path: '/broken/' })
    await assert.rejects(whole(asking('acme/broken')), (error) => {
      assert.ok(error instanceof errors.BadGatewayResponseError, String(error))
      assert.equal(error.error.code, 502)
      return true
    })
    upstream.next({ status: 503 }, { path: '/broken/' })
    await assert.rejects(streamOf(asking('acme/broken')), errors.ServiceUnavailableResponseError)
  })

  test('A stream that breaks after its first words ends in a chunk with the error, which passes the check', async () => {
    const text = 'One two three four five six seven eight nine ten'
    upstream.next({ text, cutAfter: 4 }, { path: '/cutting/' })
    const chunks = await Array.fromAsync(await streamOf(asking('acme/cutting')))
    const heard = deltasOf(chunks).map((delta) => delta.content ?? '').join('')
    assert.ok(heard.length > 0 && text.startsWith(heard), heard)
    assert.equal(chunks.at(-1)!.error!.code, 502)
    assert.ok(chunks.at(-1)!.error!.message.length > 0)
    assert.equal(chunks.at(-1)!.choices[0]!.finishReason, 'error')
  })
})

test('Nothing in all of this was an error of ours', () => {
  assert.deepEqual(box.complaints, [])
})
