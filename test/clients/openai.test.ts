import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import OpenAI, {
  APIError, APIUserAbortError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError, RateLimitError,
} from 'openai'
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod'
import type { ChatCompletion, ChatCompletionAssistantMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions'
import { z } from 'zod'
import { CITY_SCHEMA, inThreeTries, order, PNG_BYTES, PNG_URL, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** OpenAI's own client, as anyone has it who moves from OpenAI (`/v1`) or from OpenRouter (`/api/v1`). */

const { upstream, box, last, assertLetGo } = await startWorld()
const clientAt = (base: string, rest: { apiKey?: string; maxRetries?: number } = {}) =>
  new OpenAI({ baseURL: box.url + base, apiKey: box.key, maxRetries: 0, ...rest })
/** OpenAI's clients send bare names; OpenRouter's users have changed nothing but the address. */
const BASES = [
  { base: '/v1', modelOf: (road: (typeof ROADS)[number]) => road.bare },
  { base: '/api/v1', modelOf: (road: (typeof ROADS)[number]) => road.id },
]
const user = (content: string) => ({ role: 'user' as const, content })
const WEATHER: ChatCompletionTool = {
  type: 'function', function: { name: 'get_weather', description: 'The weather', parameters: CITY_SCHEMA, strict: true },
}
const Point = z.object({ x: z.number(), y: z.int(), label: z.string(), tags: z.array(z.string()) })

/** What OpenRouter says beyond OpenAI, which OpenAI's types do not have. */
interface Beyond { readonly provider: string; readonly usage: { readonly cost: number } }
const beyond = (of: object) => of as unknown as Beyond

for (const { base, modelOf } of BASES) for (const road of ROADS) {
  const client = clientAt(base)
  const model = modelOf(road)

  describe(`${model} at ${base}, through ${road.dialect}`, () => {
    test('A whole answer has its text, its counts, its cost and who gave it', async () => {
      const reply = await client.chat.completions.create({ model, messages: [{ role: 'system', content: 'Be brief.' }, user('Say this.')] })
      assert.equal(last().dialect, road.dialect)
      assert.equal(reply.object, 'chat.completion')
      assert.equal(reply.model, road.id)
      assert.equal(reply.choices[0]!.message.role, 'assistant')
      assert.equal(reply.choices[0]!.message.content, 'Say this.')
      assert.equal(reply.choices[0]!.finish_reason, 'stop')
      assert.equal(reply.usage!.total_tokens, reply.usage!.prompt_tokens + reply.usage!.completion_tokens)
      assert.equal(reply.usage!.completion_tokens - (reply.usage!.completion_tokens_details?.reasoning_tokens ?? 0), 2)
      assert.equal(beyond(reply).provider, road.provider)
      assert.ok(beyond(reply).usage.cost > 0, 'no cost')
      assert.equal((await box.generation(reply.id))['total_cost'], beyond(reply).usage.cost)
    })

    test('A stream gives the text in pieces, one finish, and the usage at the end', async () => {
      const stream = await client.chat.completions.create({
        model, messages: [user(order({ text: ['One', ' two', ' 三', ' 🙂'] }))], stream: true, stream_options: { include_usage: true },
      })
      const chunks = await Array.fromAsync(stream)
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.delta.content).filter((text) => text), ['One', ' two', ' 三', ' 🙂'])
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter((reason) => reason), ['stop'])
      assert.equal(chunks[0]!.choices[0]!.delta.role, 'assistant')
      const { usage } = chunks.at(-1)!
      assert.ok(usage!.prompt_tokens > 0 && usage!.completion_tokens > 0 && beyond(chunks.at(-1)!).usage.cost > 0)
    })

    test("The client's own collector makes of a stream the answer that comes whole", async () => {
      const params = { model, messages: [user('The same either way.')] }
      const whole = await client.chat.completions.create(params)
      const collected = await client.chat.completions.stream({ ...params, stream_options: { include_usage: true } }).finalChatCompletion()
      assert.equal(collected.choices[0]!.message.content, whole.choices[0]!.message.content)
      assert.equal(collected.choices[0]!.finish_reason, whole.choices[0]!.finish_reason)
      assert.deepEqual(
        { ...collected.usage }, JSON.parse(JSON.stringify(whole.usage)), 'the usage of the stream is another than that of the whole answer',
      )
    })

    test('Two tools are called at once, whole and streamed, and their results go back', async () => {
      const params = { model, messages: [user(order(TWO_CALLS, 'What of the weather?'))], tools: [WEATHER] }
      const whole = await client.chat.completions.create(params)
      const streamed = await client.chat.completions.stream(params).finalChatCompletion()
      for (const reply of [whole, streamed]) {
        assert.equal(reply.choices[0]!.finish_reason, 'tool_calls')
        const calls = callsOf(reply)
        assert.deepEqual(calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [
          ['get_weather', { city: 'Zürich' }], ['get_weather', { city: 'Paris' }],
        ])
        assert.equal(new Set(calls.map((call) => call.id)).size, 2)
      }
      const { message } = whole.choices[0]!
      const second = await client.chat.completions.create({
        ...params,
        messages: [
          ...params.messages, message as ChatCompletionAssistantMessageParam,
          ...callsOf(whole).map((call, at) => ({ role: 'tool' as const, tool_call_id: call.id, content: ['It rains.', 'It is dry.'][at]! })),
        ],
      })
      assert.match(second.choices[0]!.message.content!, /It is dry\./)
      assert.match(last().raw.toString(), /It rains\./)
    })

    test("The client's own loop runs the tool and gets the last word, whole and streamed", async () => {
      const asked: string[] = []
      const params = {
        model, messages: [user('Please call get_weather')],
        tools: [zodFunction({
          name: 'get_weather', parameters: z.object({ city: z.string() }),
          function: ({ city }) => { asked.push(city); return 'Sunny.' },
        })],
      }
      assert.match((await client.chat.completions.runTools(params).finalContent())!, /Sunny\./)
      assert.match((await client.chat.completions.runTools({ ...params, stream: true }).finalContent())!, /Sunny\./)
      assert.deepEqual(asked, ['x', 'x'])
    })

    test("A schema written with the client's helper comes back parsed, whole and streamed", async () => {
      const params = { model, messages: [user('A point')], response_format: zodResponseFormat(Point, 'point') }
      const whole = await client.chat.completions.parse(params)
      const streamed = await client.chat.completions.stream(params).finalChatCompletion()
      for (const reply of [whole, streamed]) {
        const { parsed } = reply.choices[0]!.message
        assert.ok(typeof parsed!.x === 'number' && Number.isInteger(parsed!.y) && typeof parsed!.label === 'string' && Array.isArray(parsed!.tags), JSON.stringify(parsed))
      }
    })

    test('A picture arrives at the provider whole', async () => {
      const reply = await client.chat.completions.create({
        model, messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'image_url', image_url: { url: PNG_URL } }] }],
      })
      assert.match(reply.choices[0]!.message.content!, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
    })

    test('Who leaves in the middle of a stream stops the provider', () => inThreeTries(async () => {
      const stream = await client.chat.completions.create({
        model, messages: [user(order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }))], stream: true,
      })
      let leftAt = 0
      for await (const chunk of stream) {
        if (!chunk.choices[0]?.delta.content?.includes('first')) continue
        leftAt = performance.now()
        stream.controller.abort()
      }
      assert.ok(leftAt > 0, 'no piece came')
      await assertLetGo(last(), leftAt)
    }))
  })
}

describe('Reasoning', () => {
  for (const { id: model, dialect } of THINKERS) {
    test(`Sealed reasoning comes beside the text and goes back with the next turn, through ${dialect}`, async () => {
      const client = clientAt('/api/v1')
      const params = { model, reasoning_effort: 'high' as const, messages: [user('Why?')] }
      const whole = await client.chat.completions.create(params)
      const { message } = whole.choices[0]! as unknown as { message: ChatCompletionAssistantMessageParam & Thinking }
      assert.equal(message.reasoning, 'Weighing the request.')
      assert.match(message.content as string, /^Why\?/)
      assert.ok(JSON.stringify(message.reasoning_details).includes(SEAL), 'the seal is missing')
      assert.ok(whole.usage!.completion_tokens_details!.reasoning_tokens! > 0)

      const chunks = await Array.fromAsync(await client.chat.completions.create({ ...params, stream: true }))
      const deltas = chunks.map((chunk) => (chunk.choices[0]?.delta ?? {}) as Partial<Thinking>)
      assert.equal(deltas.map((delta) => delta.reasoning ?? '').join(''), 'Weighing the request.')
      assert.ok(JSON.stringify(deltas.flatMap((delta) => delta.reasoning_details ?? [])).includes(SEAL), 'the seal is missing in the stream')

      await client.chat.completions.create({ ...params, messages: [...params.messages, message, user('And now?')] })
      assert.ok(last().raw.toString().includes(SEAL), 'the provider did not get its seal back')
    })
  }
})

interface Thinking { readonly reasoning: string; readonly reasoning_details: readonly Record<string, unknown>[] }

describe('Errors', () => {
  const client = clientAt('/v1')
  const ask = (model: string, rest: object = {}, by = client) => by.chat.completions.create({ model, messages: [user('Hello')], ...rest })

  test('A parameter out of its range is a BadRequestError that names the field', async () => {
    await assert.rejects(ask('gpt-4o-mini', { temperature: 3 }), (error) => {
      assert.ok(error instanceof BadRequestError)
      assert.equal(error.status, 400)
      assert.match(error.message, /temperature/)
      return true
    })
  })

  test('A model that nobody knows is a BadRequestError, and one that nobody here serves a NotFoundError', async () => {
    await assert.rejects(ask('nobody/knows-it'), (error) => error instanceof BadRequestError && /nobody\/knows-it/.test(error.message))
    await assert.rejects(ask('mistralai/mistral-large'), (error) => error instanceof NotFoundError && error.status === 404)
  })

  test('A wrong key is an AuthenticationError', async () => {
    await assert.rejects(ask('gpt-4o-mini', {}, clientAt('/v1', { apiKey: 'sk-wrong' })), (error) =>
      error instanceof AuthenticationError && error.status === 401 && error.message.length > '401 '.length)
  })

  test('A provider that limits us is a RateLimitError that says when to come back', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '7' } }, { path: '/limited/' })
    await assert.rejects(ask('acme/limited'), (error) => {
      assert.ok(error instanceof RateLimitError)
      assert.equal(error.headers!.get('retry-after'), '7')
      return true
    })
  })

  test('A client that may try again waits as long as it was told, and gets its answer', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '1' } }, { path: '/limited/' })
    const before = performance.now()
    const reply = await ask('acme/limited', {}, clientAt('/v1', { maxRetries: 1 }))
    assert.ok(performance.now() - before >= 990, 'it did not wait')
    assert.equal(reply.choices[0]!.message.content, 'Hello')
  })

  test('A provider that fails is an InternalServerError with status 502', async () => {
    upstream.next({ status: 500 }, { path: '/broken/' })
    await assert.rejects(ask('acme/broken'), (error) => error instanceof InternalServerError && error.status === 502)
  })

  test('A stream that breaks after its first words ends in an APIError and not as if it were complete', async () => {
    const text = 'One two three four five six seven eight nine ten'
    upstream.next({ text, cutAfter: 4 }, { path: '/cutting/' })
    const stream = await client.chat.completions.create({ model: 'acme/cutting', messages: [user('Count.')], stream: true })
    let heard = ''
    await assert.rejects(async () => {
      for await (const chunk of stream) heard += chunk.choices[0]?.delta.content ?? ''
    }, (error) => error instanceof APIError)
    assert.ok(heard.length > 0 && text.startsWith(heard), heard)
  })
})

describe('Leaving before the first word', () => {
  test('Who gives up waiting for a whole answer stops the provider', () => inThreeTries(async () => {
    const controller = new AbortController()
    const before = last().serial
    const call = clientAt('/v1').chat.completions.create(
      { model: 'acme/cutting', messages: [user(order({ stallAfter: 'request' }))] }, { signal: controller.signal },
    )
    const request = await upstream.waitFor((it) => it.serial > before && it.state === 'answering')
    const leftAt = performance.now()
    controller.abort()
    await assert.rejects(call, APIUserAbortError)
    await assertLetGo(request, leftAt)
  }))
})

describe('The list of models', () => {
  test('One model is retrieved by its bare name and by its id, and an unknown one is said to be none', async () => {
    for (const base of ['/v1', '/api/v1']) for (const name of ['gpt-4o-mini', 'openai/gpt-4o-mini']) {
      const model = await clientAt(base).models.retrieve(name)
      assert.deepEqual([model.id, model.object, model.owned_by], ['openai/gpt-4o-mini', 'model', 'openai'])
    }
    await assert.rejects(clientAt('/v1').models.retrieve('gpt-nonsense'), (error: unknown) => error instanceof BadRequestError && /gpt-nonsense/.test(error.message))
  })

  test("At /v1 it is OpenAI's, and holds what this key can call now and nothing else", async () => {
    const models = await Array.fromAsync(clientAt('/v1').models.list())
    const ids = new Set(models.map((model) => model.id))
    for (const { id } of ROADS) assert.ok(ids.has(id), `${id} is missing`)
    assert.ok(ids.has('acme/limited'))
    assert.ok(!ids.has('mistralai/mistral-large'), 'a model without a key is listed')
    for (const model of models) {
      assert.equal(model.object, 'model')
      assert.ok(Number.isInteger(model.created) && typeof model.owned_by === 'string' && model.owned_by !== '', JSON.stringify(model))
    }
  })

  test("At /api/v1 it is OpenRouter's whole catalogue, and the client reads the ids of it", async () => {
    const models = await Array.fromAsync(clientAt('/api/v1').models.list())
    const ids = new Set(models.map((model) => model.id))
    assert.ok(models.length > 300, `${models.length} models`)
    for (const { id } of ROADS) assert.ok(ids.has(id), `${id} is missing`)
    assert.ok([...ids].every((id) => typeof id === 'string' && id.includes('/')))
  })
})

test('Nothing in all of this was an error of ours', () => {
  assert.deepEqual(box.complaints, [])
})

function callsOf(reply: ChatCompletion) {
  return (reply.choices[0]!.message.tool_calls ?? []).filter((call) => call.type === 'function')
}

describe('Legacy completions', () => {
  for (const road of ROADS) {
    test(`continue a prompt, whole and streamed, through ${road.dialect}`, async () => {
      const client = clientAt('/v1')
      const params = { model: road.bare, prompt: order({ text: ['Once', ' upon', ' a time'] }), max_tokens: 50 }
      const whole = await client.completions.create(params)
      assert.deepEqual([whole.object, whole.model, whole.choices[0]!.text, whole.choices[0]!.finish_reason], ['text_completion', road.id, 'Once upon a time', 'stop'])
      assert.ok(whole.usage!.total_tokens > 0 && beyond(whole).usage.cost > 0)
      assert.equal((await box.generation(whole.id))['total_cost'], beyond(whole).usage.cost)
      const chunks = await Array.fromAsync(await client.completions.create({ ...params, stream: true }))
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.text).filter(Boolean), ['Once', ' upon', ' a time'])
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean), ['stop'])
      assert.equal(chunks.at(-1)!.usage!.total_tokens, whole.usage!.total_tokens)
    })
  }

  test('are refused by the field at fault, and stop the provider when their caller leaves', () => inThreeTries(async () => {
    const client = clientAt('/v1')
    const { bare: model } = ROADS[0]
    await assert.rejects(client.completions.create({ model, prompt: 'Hi', echo: true }), (error) => error instanceof BadRequestError && error.message.startsWith('400 echo: '))
    await assert.rejects(client.completions.create({ model: 'no/such-model', prompt: 'Hi' }), BadRequestError)
    const stream = await client.completions.create({ model, prompt: order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }), stream: true })
    let leftAt = 0
    for await (const chunk of stream) {
      if (leftAt > 0 || !chunk.choices[0]?.text) continue
      leftAt = performance.now()
      stream.controller.abort()
    }
    await assertLetGo(last(), leftAt)
  }))
})

test("An address that another surface has for another method fails in OpenAI's words for OpenAI's client", async () => {
  await assert.rejects(clientAt('/v1').models.retrieve('no-such-model'), (error) => error instanceof BadRequestError && typeof error.code === 'number')
})

describe('What OpenAI itself has taken out of service', () => {
  test('is answered with 410 and the name of its successor, at every depth', async () => {
    const client = clientAt('/v1')
    for (const at of ['/assistants', '/threads/t/runs/r/steps', '/threads', '/assistants/a', '/threads/t/messages', '/runs/r/cancel']) {
      for (const act of [() => client.get(at), () => client.post(at, { body: {} })]) {
        await assert.rejects(act(), (error) => error instanceof APIError && error.status === 410 && /\/v1\/responses.*\/v1\/conversations/.test(error.message), at)
      }
    }
  })
})
