import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ChatAnthropic } from '@langchain/anthropic'
import { ContextOverflowError, getRetryable } from '@langchain/core/errors'
import type { BaseChatModel, BaseChatModelCallOptions } from '@langchain/core/language_models/chat_models'
import { HumanMessage, SystemMessage, type AIMessageChunk, type BaseMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { concat } from '@langchain/core/utils/stream'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { z } from 'zod'
import { inThreeTries, order, PNG_BYTES, PNG_URL, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** LangChain's clients for OpenAI (both of its doors) and Anthropic, as their users have them: only the address is another. */

// Whoever traces their own chains has this in their environment; these are nobody's.
for (const name of ['LANGSMITH_TRACING', 'LANGSMITH_TRACING_V2', 'LANGCHAIN_TRACING', 'LANGCHAIN_TRACING_V2']) delete process.env[name]
const { upstream, box, last, assertLetGo } = await startWorld()
type Model = BaseChatModel<BaseChatModelCallOptions, AIMessageChunk>
interface Rest { readonly apiKey?: string; readonly temperature?: number; readonly thinking?: boolean }

const openai = (model: string, { thinking, ...rest }: Rest, useResponsesApi: boolean): Model => new ChatOpenAI({
  model, apiKey: box.key, configuration: { baseURL: `${box.url}/v1` }, maxRetries: 0, useResponsesApi, ...rest,
  // Written as it goes out: the client leaves `reasoning` away for every model that OpenAI does not make.
  ...(thinking && { zdrEnabled: true, modelKwargs: { reasoning: { effort: 'high', summary: 'auto' } } }),
})
const CLIENTS: readonly { readonly name: string; of(model: string, rest?: Rest): Model }[] = [
  { name: 'ChatOpenAI', of: (model, rest = {}) => openai(model, rest, false) },
  { name: 'ChatOpenAI with Responses', of: (model, rest = {}) => openai(model, rest, true) },
  {
    name: 'ChatAnthropic',
    of: (model, { thinking, ...rest } = {}) => new ChatAnthropic({
      model, apiKey: box.key, anthropicApiUrl: `${box.url}/api`, maxRetries: 0, maxTokens: 4000, ...rest,
      ...(thinking && { thinking: { type: 'enabled', budget_tokens: 2000 } }),
    }),
  },
]
const [CHAT, RESPONSES, ANTHROPIC] = CLIENTS as [typeof CLIENTS[0], typeof CLIENTS[0], typeof CLIENTS[0]]
const Place = z.object({ city: z.string(), streets: z.array(z.string()) })

/** The chunks of a stream, and what LangChain's own sum of them is. */
async function streamed(stream: AsyncIterable<AIMessageChunk>) {
  const chunks = await Array.fromAsync(stream)
  return { chunks, sum: chunks.reduce((all, chunk) => concat(all, chunk)) }
}

/** A tool, and who asked for it. */
function weather() {
  const asked: string[] = []
  const getWeather = tool(({ city }: { city: string }) => { asked.push(city); return `It rains in ${city}.` }, {
    name: 'get_weather', description: 'The weather', schema: z.object({ city: z.string() }),
  })
  return { asked, getWeather }
}

for (const { name, of } of CLIENTS) for (const { id, dialect } of ROADS) describe(`${name} with ${id}, through ${dialect}`, () => {
  const model = of(id)

  test('A whole answer has its text, its counts and the id by which its cost is found', async () => {
    const reply = await model.invoke([new SystemMessage('Be brief.'), new HumanMessage('Say this.')])
    assert.equal(last().dialect, dialect)
    assert.ok(last().raw.includes('Be brief.'))
    assert.equal(reply.text, 'Say this.')
    const usage = reply.usage_metadata!
    assert.ok(usage.input_tokens > 0 && usage.output_tokens >= 2, JSON.stringify(usage))
    assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens)
    const generation = await box.generation(reply.id!)
    assert.ok((generation['total_cost'] as number) > 0)
    assert.deepEqual([generation['tokens_prompt'], generation['tokens_completion']], [usage.input_tokens, usage.output_tokens])
  })

  test('A stream gives the text in pieces, and the usage once', async () => {
    const { chunks, sum } = await streamed(await model.stream(order({ text: ['One', ' two', ' 三', ' 🙂'], usage: { input: 7, output: 4 } })))
    assert.deepEqual(chunks.map((chunk) => chunk.text).filter((text) => text !== ''), ['One', ' two', ' 三', ' 🙂'])
    assert.equal(sum.usage_metadata!.output_tokens, 4)
    // ChatAnthropic takes the count of the input from a stream's first event alone, which is an estimate where its provider has not counted yet.
    const estimated = name === 'ChatAnthropic' && dialect !== 'anthropic-messages' && dialect !== 'google-generate-content'
    if (estimated) assert.ok(sum.usage_metadata!.input_tokens > 0)
    else assert.deepEqual([sum.usage_metadata!.input_tokens, sum.usage_metadata!.total_tokens], [7, 11])
  })

  for (const how of ['whole', 'streamed'] as const) test(`A loop of two turns runs two tools at once and gets the last word, ${how}`, async () => {
    const { asked, getWeather } = weather()
    const bound = model.bindTools!([getWeather])
    const ask = async (messages: BaseMessage[]) => (how === 'whole' ? bound.invoke(messages) : (await streamed(await bound.stream(messages))).sum)
    const messages: BaseMessage[] = [new HumanMessage(order(TWO_CALLS, 'What of the weather?'))]
    const first = await ask(messages)
    const calls = first.tool_calls!
    assert.deepEqual(calls.map((call) => [call.name, call.args]), [['get_weather', { city: 'Zürich' }], ['get_weather', { city: 'Paris' }]])
    assert.equal(new Set(calls.map((call) => call.id)).size, 2)
    assert.deepEqual(first.invalid_tool_calls ?? [], [])
    messages.push(first)
    for (const call of calls) messages.push(await getWeather.invoke(call))
    const second = await ask(messages)
    assert.deepEqual(asked, ['Zürich', 'Paris'])
    assert.deepEqual(second.tool_calls ?? [], [])
    assert.match(second.text, /It rains in (Paris|Zürich)\./)
    for (const city of asked) assert.ok(last().raw.toString().includes(`It rains in ${city}.`), `the result for ${city} did not arrive`)
  })

  test('A schema comes back parsed, whole, streamed, and by way of a tool', async () => {
    const streamed = await Array.fromAsync(await model.withStructuredOutput(Place, { method: 'jsonSchema', name: 'place' }).stream('A place'))
    // The client cannot stream this one from anybody: it parses every chunk for itself.
    const called = await model.withStructuredOutput(Place, { method: 'functionCalling', name: 'place' }).invoke('A place')
    const whole = await model.withStructuredOutput(Place, { method: 'jsonSchema', name: 'place' }).invoke('A place')
    for (const place of [whole, streamed.at(-1), called]) assert.deepEqual(place, { city: 'x', streets: [] })
  })

  test('A picture arrives at the provider whole', async () => {
    const { text } = await model.invoke([new HumanMessage({ content: [{ type: 'text', text: 'What is it?' }, { type: 'image_url', image_url: { url: PNG_URL } }] })])
    assert.match(text, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
  })

  test('Who aborts in the middle of a stream stops the provider', () => inThreeTries(async () => {
    const controller = new AbortController()
    let leftAt = 0
    await assert.rejects(async () => {
      const stream = await model.stream(order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }), { signal: controller.signal })
      for await (const chunk of stream) {
        if (leftAt > 0 || chunk.text === '') continue
        leftAt = performance.now()
        controller.abort()
      }
    }, (error: Error) => /abort/i.test(`${error.name} ${error.message}`))
    assert.ok(leftAt > 0, 'no piece came')
    await assertLetGo(last(), leftAt)
  }))
})

describe('Reasoning', () => {
  for (const { name, of } of [RESPONSES, ANTHROPIC]) for (const { id, dialect } of THINKERS) {
    const model = of(id, { thinking: true })

    test(`${name} has sealed thoughts beside the text and sends them back with the next turn, through ${dialect}`, async () => {
      const question = new HumanMessage('Why?')
      for (const reply of [await model.invoke([question]), (await streamed(await model.stream([question]))).sum]) {
        const thoughts = reply.contentBlocks.filter((block) => block.type === 'reasoning')
        assert.ok(thoughts.length > 0)
        // Of Responses the client shows summaries, which OpenAI's models write; it keeps what others thought in full, but unseen.
        if (name === 'ChatAnthropic' || dialect === 'openai-responses') assert.equal(thoughts.map((block) => block.reasoning).join(''), 'Weighing the request.')
        assert.match(reply.text, /^Why\?/)
        assert.match((await model.invoke([question, reply, new HumanMessage('And now?')])).text, /^And now\?/)
        assert.ok(last().raw.includes(SEAL), 'the provider did not get its seal back')
      }
    })

    test(`${name} gives a model that thinks before it calls a tool its thought back with the result, through ${dialect}`, async () => {
      const { getWeather } = weather()
      const bound = model.bindTools!([getWeather])
      const messages = [new HumanMessage(order({ reasoning: 'I need the weather.', signature: SEAL, ...TWO_CALLS }))]
      for (const reply of [await bound.invoke(messages), (await streamed(await bound.stream(messages))).sum]) {
        const results = await Promise.all(reply.tool_calls!.map((call) => getWeather.invoke(call)))
        await bound.invoke([...messages, reply, ...results])
        const sent = last().raw.toString()
        assert.ok(sent.includes('It rains in Paris.'), sent)
        // Once in the order, which is a part of the prompt, and once where it belongs.
        assert.equal(sent.split(SEAL).length, 3, sent)
      }
    })
  }
})

describe('Errors', () => {
  /** LangChain hands on the error of the client below, with a code of its own and whether another try may do. */
  const failure = (kind: string, status: number, says: RegExp, code?: string) => (error: Error & { status?: number; lc_error_code?: string }) => {
    assert.deepEqual([error.constructor.name, error.status, error.lc_error_code], [kind, status, code])
    assert.match(error.message, says)
    return true
  }

  for (const { name, of } of CLIENTS) {
    const ask = (model: string, rest?: Rest, prompt = 'Hello') => of(model, rest).invoke(prompt)

    test(`${name} reads a wrong key, a parameter out of its range, an unknown model and one that nobody here serves as what they are`, async () => {
      await assert.rejects(ask('gpt-4o-mini', { apiKey: 'sk-wrong' }), failure('AuthenticationError', 401, /Invalid API key/, 'MODEL_AUTHENTICATION'))
      await assert.rejects(ask('gpt-4o-mini', { temperature: 3 }), failure('BadRequestError', 400, /temperature: must be/))
      await assert.rejects(ask('nobody/knows-it'), failure('BadRequestError', 400, /nobody\/knows-it/))
      await assert.rejects(ask('mistralai/mistral-large'), failure('NotFoundError', 404, /mistralai\/mistral-large/, 'MODEL_NOT_FOUND'))
    })

    test(`${name} reads a provider's limit as one after which another try may do, and a provider's failure as a 502`, async () => {
      upstream.next({ status: 429 }, { path: '/limited/' })
      await assert.rejects(ask('acme/limited'), (error: Error) => failure('RateLimitError', 429, /./, 'MODEL_RATE_LIMIT')(error) && getRetryable(error) === true)
      upstream.next({ status: 500 }, { path: '/broken/' })
      await assert.rejects(ask('acme/broken'), failure('InternalServerError', 502, /./))
    })

    test(`${name} knows a prompt that does not fit as a ContextOverflowError, whether we or the provider found it too long`, async () => {
      const overflows = (error: Error) => ContextOverflowError.isInstance(error) && /maximum context length is \d+ tokens/.test(error.message)
      await assert.rejects(ask('gpt-4o-mini', {}, 'word '.repeat(200_000)), overflows)
      const body = { error: { message: "This model's maximum context length is 1000 tokens.", code: 'context_length_exceeded' } }
      upstream.next({ status: 400, body }, { path: '/limited/' })
      await assert.rejects(ask('acme/limited'), overflows)
    })
  }

  for (const { name, of } of [CHAT, ANTHROPIC]) test(`${name} ends a stream that breaks after its first words in an APIError`, async () => {
    upstream.next({ text: 'One two three four five six seven eight nine ten', cutAfter: 4 }, { path: '/cutting/' })
    let heard = ''
    await assert.rejects(async () => {
      for await (const chunk of await of('acme/cutting').stream('Count.')) heard += chunk.text
    }, (error: Error) => error.constructor.name === 'APIError')
    assert.match(heard, /^One/)
  })

  test('ChatOpenAI with Responses, which passes over the event that says so, never takes a broken stream for a complete one', async () => {
    upstream.next({ text: 'One two three four five six seven eight nine ten', cutAfter: 4 }, { path: '/cutting/' })
    const { sum } = await streamed(await RESPONSES.of('acme/cutting').stream('Count.'))
    assert.match(sum.text, /^One/)
    assert.deepEqual([sum.response_metadata['status'], sum.usage_metadata], [undefined, undefined])
  })
})

describe('OpenAIEmbeddings', () => {
  for (const [model, dialect] of [['text-embedding-3-small', 'openai-embeddings'], ['google/gemini-embedding-001', 'google-embed-content']] as const) {
    test(`A query and documents in batches have the same vector for the same text, through ${dialect}`, async () => {
      const embeddings = new OpenAIEmbeddings({ model, apiKey: box.key, configuration: { baseURL: `${box.url}/v1` }, maxRetries: 0, batchSize: 2 })
      const before = last().serial
      const vectors = await embeddings.embedDocuments(['One text', 'another', 'One text'])
      assert.deepEqual(upstream.requests.filter((request) => request.serial > before).map((request) => request.dialect), [dialect, dialect])
      assert.deepEqual(vectors.map((vector) => vector.length), [8, 8, 8])
      assert.deepEqual(vectors[0], vectors[2])
      assert.notDeepEqual(vectors[0], vectors[1])
      assert.deepEqual(await embeddings.embedQuery('One text'), vectors[0])
    })
  }
})

test('Nothing in all of this was an error of ours', () => {
  assert.deepEqual(box.complaints, [])
})
