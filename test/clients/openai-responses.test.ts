import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import OpenAI, { AuthenticationError, BadRequestError, ConflictError, InternalServerError, NotFoundError } from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import type { FunctionTool, ResponseInputItem } from 'openai/resources/responses/responses'
import { z } from 'zod'
import { assertEvents, assertTyped, assertTypedIn, eventsOf } from './responses-grammar.ts'
import { CITY_SCHEMA, inThreeTries, order, PNG_BYTES, PNG_URL, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** OpenAI's own client through its newer door, and OpenRouter's through its copy of it: any model behind any provider. */

const { upstream, box, last, assertLetGo } = await startWorld()
const clientAt = (base: string, rest: { apiKey?: string } = {}) => new OpenAI({ baseURL: box.url + base, apiKey: box.key, maxRetries: 0, ...rest })
const client = clientAt('/v1')
const WEATHER: FunctionTool = { type: 'function', name: 'get_weather', description: 'The weather', parameters: CITY_SCHEMA, strict: true }
const Point = z.object({ x: z.number(), y: z.int(), label: z.string() })

/** What OpenRouter says beyond OpenAI, which OpenAI's types do not have. */
interface Beyond { readonly provider: string; readonly usage: { readonly cost: number } }
const beyond = (of: object) => of as unknown as Beyond

for (const road of ROADS) {
  const model = road.id

  describe(`${model}, through ${road.dialect}`, () => {
    test('A whole response has its text, its counts, its cost and who gave it, and is of the official type', async () => {
      const response = await client.responses.create({ model, input: 'Say this.', instructions: 'Be brief.', temperature: 0.5, metadata: { k: 'v' } })
      assert.equal(last().dialect, road.dialect)
      assert.ok(JSON.stringify(last().body).includes('Be brief.'))
      assert.equal(response.output_text, 'Say this.')
      assert.deepEqual([response.object, response.status, response.model, response.error], ['response', 'completed', model, null])
      assert.deepEqual([response.instructions, response.temperature, response.metadata], ['Be brief.', 0.5, { k: 'v' }])
      assert.equal(response.usage!.total_tokens, response.usage!.input_tokens + response.usage!.output_tokens)
      assert.equal(beyond(response).provider, road.provider)
      assert.ok(response.completed_at! >= response.created_at)
      assertTyped('Response', response)
      assert.equal((await box.generation(response.id))['total_cost'], beyond(response).usage.cost)
    })

    test('A stream brings events of the official types, and the helper makes the same response of them', async () => {
      const input = order({ text: ['One', ' two', ' 三', ' 🙂'], usage: { input: 7, output: 4 } })
      const raw = await (await fetch(`${box.url}/v1/responses`, {
        method: 'POST', headers: { authorization: `Bearer ${box.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ model, input, stream: true }),
      })).text()
      const events = eventsOf(raw)
      assertEvents(events)
      assert.deepEqual(events.filter((event) => event['type'] === 'response.output_text.delta').map((event) => event['delta']), ['One', ' two', ' 三', ' 🙂'])
      assert.ok(raw.endsWith('data: [DONE]\n\n'))

      const deltas: string[] = []
      const stream = client.responses.stream({ model, input }).on('response.output_text.delta', (event) => deltas.push(event.delta))
      const final = await stream.finalResponse()
      assert.equal(deltas.join(''), 'One two 三 🙂')
      assert.equal(final.output_text, 'One two 三 🙂')
      assert.equal(final.usage!.total_tokens, 11)
      const iterated = []
      for await (const event of await client.responses.create({ model, input, stream: true })) iterated.push(event.type)
      assert.deepEqual(iterated, events.map((event) => event['type']))
    })

    test('A tool loop: two calls at once, streamed in fragments, answered, and said back in words', async () => {
      const stream = client.responses.stream({ model, input: order(TWO_CALLS), tools: [WEATHER] })
      const first = await stream.finalResponse()
      const calls = first.output.filter((item) => item.type === 'function_call')
      assert.deepEqual(calls.map((call) => JSON.parse(call.arguments) as unknown), [{ city: 'Zürich' }, { city: 'Paris' }])
      assert.equal(new Set(calls.map((call) => call.call_id)).size, 2)
      const input: ResponseInputItem[] = [
        { role: 'user', content: 'The weather?' },
        ...first.output as ResponseInputItem[],
        ...calls.map((call, at) => ({ type: 'function_call_output' as const, call_id: call.call_id, output: `${at + 20} degrees` })),
      ]
      const second = await client.responses.create({ model, input, tools: [WEATHER] })
      assert.match(second.output_text, /2[01] degrees/)
      const sent = JSON.stringify(last().body)
      assert.ok(sent.includes('20 degrees') && sent.includes('21 degrees') && sent.includes('Zürich'))
    })

    test('A schema is kept to, and parsed by the client', async () => {
      const parsed = await client.responses.parse({ model, input: 'A point', text: { format: zodTextFormat(Point, 'point') } })
      assert.deepEqual(parsed.output_parsed, { x: 0, y: 0, label: 'x' })
      const tool = zodResponsesFunction({ name: 'place', parameters: Point })
      const called = await client.responses.parse({ model, input: 'Call place.', tools: [tool], tool_choice: { type: 'function', name: 'place' } })
      const [call] = called.output.filter((item) => item.type === 'function_call')
      assert.deepEqual(call!.parsed_arguments, { x: 0, y: 0, label: 'x' })
    })

    test('A picture is seen', async () => {
      const response = await client.responses.create({
        model, input: [{ role: 'user', content: [{ type: 'input_text', text: 'What is it?' }, { type: 'input_image', image_url: PNG_URL, detail: 'auto' }] }],
      })
      assert.match(response.output_text, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
    })

    test('A conversation is sent on: what was said by whom, and results of tools', async () => {
      await client.responses.create({
        model, input: [
          { role: 'developer', content: 'Speak plainly.' }, { role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' },
          { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: '{"city":"Bern"}' },
          { type: 'function_call_output', call_id: 'call_1', output: 'Rain' }, { role: 'user', content: 'Three' },
        ],
        tools: [WEATHER],
      })
      const sent = JSON.stringify(last().body)
      for (const said of ['Speak plainly.', 'One', 'Two', 'Bern', 'Rain', 'Three']) assert.ok(sent.includes(said), `${said} is missing in ${sent}`)
    })

    test('The limit of tokens ends a response as incomplete, whole and streamed', async () => {
      const params = { model, input: Array.from({ length: 40 }, (_, at) => `w${at}`).join(' '), max_output_tokens: 16 }
      for (const response of [await client.responses.create(params), await client.responses.stream(params).finalResponse()]) {
        assert.deepEqual([response.status, response.incomplete_details?.reason], ['incomplete', 'max_output_tokens'])
        assert.ok(response.output_text.startsWith('w0 w1'))
      }
    })

    test("OpenRouter's client reads responses and every event of their streams", async () => {
      const router = new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
      for (const responses of [router.responses, router.beta.responses]) {
        const whole = await responses.send({ responsesRequest: { model, input: 'Say this.' } })
        assert.ok('output' in whole)
        assert.equal(whole.outputText, 'Say this.')
        assert.ok(whole.usage!.cost! >= 0 && whole.usage!.costDetails!.upstreamInferenceInputCost >= 0)
        const events = []
        const stream = await responses.send({ responsesRequest: { model, input: order({ ...TWO_CALLS, text: 'On it.', reasoning: 'Hm.', signature: SEAL }), tools: [WEATHER as never], stream: true } })
        assert.ok(Symbol.asyncIterator in stream)
        for await (const event of stream) events.push(event)
        assert.ok(!events.some((event) => JSON.stringify(event).includes('UNKNOWN')), JSON.stringify(events.find((event) => JSON.stringify(event).includes('UNKNOWN'))))
        assert.equal(events.at(-1)!.type, 'response.completed')
        assert.equal(events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join(''), 'On it.')
      }
    })
  })
}

for (const road of THINKERS) {
  test(`${road.id}: what it thought goes back to it sealed, also when a client keeps nothing but OpenAI's fields`, async () => {
    const say = order({ reasoning: 'Weighing it.', signature: SEAL, text: 'Done.' })
    const params = { model: road.id, reasoning: { effort: 'low' as const, summary: 'auto' as const }, include: ['reasoning.encrypted_content' as const], store: false }
    for (const first of [await client.responses.create({ ...params, input: say }), await client.responses.stream({ ...params, input: say }).finalResponse()]) {
      assert.equal(first.output_text, 'Done.')
      const thoughts = first.output.flatMap((item) => (item.type === 'reasoning' ? [...item.summary, ...item.content ?? []] : []))
      assert.ok(thoughts.some((part) => part.text === 'Weighing it.'))
      // What LangChain, Vercel's SDK and others keep of an answer.
      const kept = first.output.flatMap((item): ResponseInputItem[] => {
        if (item.type === 'message') return [{ role: 'assistant', content: first.output_text }]
        return item.type === 'reasoning' ? [{ type: 'reasoning', id: item.id, summary: item.summary, encrypted_content: item.encrypted_content ?? null }] : []
      })
      const input: ResponseInputItem[] = [{ role: 'user', content: 'Why?' }, ...kept, { role: 'user', content: 'And now?' }]
      await client.responses.create({ ...params, input })
      const sent = JSON.stringify(last().body)
      assert.ok(sent.includes(SEAL), `the seal did not go back: ${sent}`)
      // Gemini keeps no text of a thought; where the maker wants the text, it is the very text that was signed.
      if (road.dialect === 'anthropic-messages') assert.ok(sent.includes('Weighing it.'))
      const other = THINKERS.find((it) => it.dialect !== road.dialect)!
      await client.responses.create({ ...params, model: other.id, input })
      assert.ok(!JSON.stringify(last().body).includes(SEAL), 'a seal went to a stranger')
    }
  })
}

describe('What is kept', () => {
  test('is gone on from, retrieved, listed and deleted by the client as at OpenAI', async () => {
    const params = { model: ROADS[1].id, store: true }
    const one = await client.responses.create({ ...params, input: 'My name is Ada.' })
    const two = await client.responses.stream({ ...params, input: 'Who am I?', previous_response_id: one.id }).finalResponse()
    assert.ok(JSON.stringify(last().body).includes('My name is Ada.'))
    assert.equal(two.previous_response_id, one.id)
    const again = await client.responses.retrieve(two.id)
    assertTyped('Response', again)
    assert.deepEqual([again.output_text, again.id], [two.output_text, two.id])
    const items = await Array.fromAsync(client.responses.inputItems.list(two.id, { limit: 1, order: 'asc' }))
    assert.deepEqual(items.map((item) => item.type), ['message', 'message', 'message'])
    for (const item of items) assertTyped('ResponseItem', item)
    await client.responses.delete(one.id)
    await assert.rejects(client.responses.retrieve(one.id), NotFoundError)
    assert.equal((await client.responses.create({ ...params, input: 'And still?', previous_response_id: two.id })).status, 'completed')
    assert.ok(JSON.stringify(last().body).includes('My name is Ada.'), 'what was deleted is still in what went on from it')
  })

  test('was not, and the client says which setting would have done it', async () => {
    const one = await client.responses.create({ model: ROADS[0].id, input: 'Hi' })
    const error = await client.responses.create({ model: ROADS[0].id, input: 'Again', previous_response_id: one.id }).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof BadRequestError && error.param === 'previous_response_id' && /store_default/.test(error.message))
  })
})

describe('A conversation', () => {
  test('is made, gone on with by two models, listed page by page, changed and deleted', async () => {
    const made = await client.conversations.create({ items: [{ type: 'message', role: 'user', content: 'My name is Ada.' }], metadata: { topic: 'names' } })
    assertTypedIn('conversations/conversations', 'Conversation', made)
    assert.deepEqual([made.object, made.metadata], ['conversation', { topic: 'names' }])
    for (const road of [ROADS[0], ROADS[1]!]) {
      const turn = await client.responses.create({ model: road.id, conversation: made.id, input: 'Who am I?' })
      assertTyped('Response', turn)
      assert.equal(turn.conversation!.id, made.id)
      assert.ok(JSON.stringify(last().body).includes('My name is Ada.'))
    }
    const streamed = await client.responses.stream({ model: ROADS[0].id, conversation: { id: made.id }, input: 'And streamed?' }).finalResponse()
    assert.equal(streamed.conversation!.id, made.id)
    const items = await Array.fromAsync(client.conversations.items.list(made.id, { limit: 2, order: 'asc' }))
    assert.equal(items.length, 7)
    for (const item of items) assertTypedIn('conversations/items', 'ConversationItem', item)
    const added = await client.conversations.items.create(made.id, { items: [{ role: 'user', content: 'One more.' }] })
    const [item] = added.data
    assert.ok(item && 'id' in item && typeof item.id === 'string')
    assert.deepEqual(await client.conversations.items.retrieve(item.id, { conversation_id: made.id }), item)
    assert.equal((await client.conversations.items.delete(item.id, { conversation_id: made.id })).id, made.id)
    assert.deepEqual((await client.conversations.update(made.id, { metadata: { topic: 'ships' } })).metadata, { topic: 'ships' })
    assert.deepEqual((await client.conversations.retrieve(made.id)).metadata, { topic: 'ships' })
    assert.equal((await client.conversations.delete(made.id)).deleted, true)
    await assert.rejects(client.conversations.retrieve(made.id), NotFoundError)
    await assert.rejects(client.responses.create({ model: ROADS[0].id, conversation: made.id, input: 'Hi' }), NotFoundError)
  })

  test('that has a turn under way refuses another with the error that the client tries again by itself', async () => {
    const { id } = await client.conversations.create()
    const running = await client.responses.create({ model: ROADS[0].id, conversation: id, input: order({ text: ['a', 'b', 'c', 'd'], stallAfter: 2 }), background: true })
    const error = await client.responses.create({ model: ROADS[0].id, conversation: id, input: 'Me too' }).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof ConflictError && error.param === 'conversation')
    await client.responses.cancel(running.id)
    assert.equal((await client.responses.create({ model: ROADS[0].id, conversation: id, input: 'Now' })).status, 'completed')
  })
})

test('A conversation is compacted, and what comes of it is gone on from', async () => {
  const compacted = await client.responses.compact({ model: ROADS[0].id, input: [{ role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' }, { role: 'user', content: 'Three' }] })
  for (const item of compacted.output) assertTyped('ResponseItem', item)
  assert.deepEqual(compacted.output.map(({ type }) => type), ['message', 'message', 'compaction'])
  const next = await client.responses.create({ model: ROADS[1]!.id, input: [...compacted.output as ResponseInputItem[], { role: 'user', content: 'Four' }] })
  assert.ok(next.output_text.endsWith('Four') && JSON.stringify(last().body).includes('summed up'))
})

describe('What is made in the background', () => {
  const model = ROADS[0].id
  const until = async (id: string): Promise<OpenAI.Responses.Response> => {
    for (;;) {
      const response = await client.responses.retrieve(id)
      if (response.status !== 'queued' && response.status !== 'in_progress') return response
    }
  }

  test('is polled to its end, as the guide of the client has it', async () => {
    const queued = await client.responses.create({ model, input: 'Later.', background: true })
    assert.deepEqual([queued.status, queued.background, queued.output_text], ['queued', true, ''])
    const response = await until(queued.id)
    assertTyped('Response', response)
    assert.deepEqual([response.status, response.output_text], ['completed', 'Later.'])
    assert.equal((await client.responses.delete(queued.id) as unknown as { deleted: boolean }).deleted, true)
  })

  test('is streamed, left, and taken up again by the number of the last event, once by hand and once by the helper', async () => {
    const text = Array.from({ length: 30 }, (_, at) => ` w${at}`)
    const seen: OpenAI.Responses.ResponseStreamEvent[] = []
    let id = ''
    for await (const event of await client.responses.create({ model, input: order({ text, paceMs: 10 }), background: true, stream: true })) {
      seen.push(event)
      if (event.type === 'response.created') id = event.response.id
      if (event.type === 'response.output_text.delta') break
    }
    const after = seen.at(-1)!.sequence_number
    const rest = await Array.fromAsync(await client.responses.retrieve(id, { stream: true, starting_after: after }))
    assertEvents([...seen, ...rest])
    const helped: number[] = []
    const final = await client.responses.stream({ response_id: id, starting_after: after }).on('event', (event) => helped.push(event.sequence_number)).finalResponse()
    assert.equal(final.output_text, text.join(''))
    assert.deepEqual(helped, rest.map((event) => event.sequence_number))
  })

  test('is cancelled', async () => {
    const queued = await client.responses.create({ model, input: order({ text: ['a', 'b', 'c', 'd'], stallAfter: 2 }), background: true })
    const cancelled = await client.responses.cancel(queued.id)
    assertTyped('Response', cancelled)
    assert.equal(cancelled.status, 'cancelled')
    assert.equal((await client.responses.retrieve(queued.id)).status, 'cancelled')
  })
})

describe('What goes wrong', () => {
  const model = 'acme/broken'

  test('A bad field is a BadRequestError that names it', async () => {
    const error = await client.responses.create({ model, input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'ftp://x', detail: 'auto' }] }] }).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof BadRequestError)
    assert.equal(error.param, 'input[0].content[0].image_url')
    assert.equal(error.type, 'invalid_request_error')
    assert.match(error.message, /input\[0\]\.content\[0\]\.image_url: must be an http\(s\) address or a data URL/)
  })

  test('A wrong key is an AuthenticationError', async () => {
    await assert.rejects(clientAt('/v1', { apiKey: 'sk-wrong' }).responses.create({ model, input: 'Hi' }), (error) => error instanceof AuthenticationError && error.param === null)
  })

  test('A provider that fails before the answer is an error with a status, whole and streamed', async () => {
    upstream.when({ path: '/broken/' }, { status: 500 })
    await assert.rejects(client.responses.create({ model, input: 'Hi' }), InternalServerError)
    await assert.rejects(client.responses.create({ model, input: 'Hi', stream: true }), InternalServerError)
  })

  test('A provider that is cut in the middle is a failed response, told once, with what had arrived', async () => {
    const stream = await client.responses.create({ model: 'acme/cutting', input: order({ text: ['a', 'b', 'c', 'd'], cutAfter: 3 }), stream: true })
    const events = await Array.fromAsync(stream)
    const end = events.at(-1)!
    assert.equal(end.type, 'response.failed')
    if (end.type !== 'response.failed') return
    assert.equal(end.response.error!.code, 'server_error')
    assert.ok(end.response.output_text.startsWith('a'))
    assertEvents(events)
  })

  test('A client that leaves stops the provider', () => inThreeTries(async () => {
    const controller = new AbortController()
    const stream = await client.responses.create({ model: 'acme/limited', input: order({ text: Array.from({ length: 500 }, (_, i) => ` w${i}`), paceMs: 20 }), stream: true }, { signal: controller.signal })
    const request = last()
    for await (const event of stream) if (event.sequence_number === 6) break
    await assertLetGo(request, performance.now())
  }))
})
