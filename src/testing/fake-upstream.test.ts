import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createFakeUpstream, secretMark } from './index.ts'
import type { FakeUpstream } from './index.ts'
import { eventsIn, talk } from './raw-client.ts'

const PIXEL = 'data:image/png;base64,aGVsbG8='
const VERSION = { 'anthropic-version': '2023-06-01' }
let upstream: FakeUpstream
before(async () => { upstream = await createFakeUpstream() })
beforeEach(() => upstream.forget())
after(() => upstream.close())

const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
  const exchange = await talk(upstream.url + path, { body, headers })
  assert.equal(exchange.end, 'complete')
  exchange.socket.destroy()
  return exchange
}
const json = async (path: string, body: unknown, headers = {}) => JSON.parse(
  (await post(path, body, headers)).body.toString()
)
const chat = (extra: object = {}, text: unknown = 'Hello there') => (
  { model: 'm-1', messages: [{ role: 'user', content: text }], ...extra }
)
const claude = (extra: object = {}, text: unknown = 'Hello there') => ({ max_tokens: 100, ...chat(extra, text) })
const gemini = (
  extra: object = {}, parts: unknown[] = [{ text: 'Hello there' }]
) => ({ contents: [{ role: 'user', parts }], ...extra })
const GEMINI = '/v1beta/models/gem-1:generateContent'
const GEMINI_SSE = '/v1beta/models/gem-1:streamGenerateContent?alt=sse'

describe('the echo', () => {
  it('answers OpenAI chat with the whole shape that OpenAI sends', async () => {
    assert.deepEqual(await json('/v1/chat/completions', chat()), {
      id: 'chatcmpl-fake1', object: 'chat.completion', created: 1_760_000_000, model: 'm-1',
      service_tier: 'default', system_fingerprint: 'fp_fake',
      choices: [{
        index: 0, message: { role: 'assistant', content: 'Hello there', refusal: null, annotations: [] },
        logprobs: null, finish_reason: 'stop'
      }],
      usage: {
        prompt_tokens: 2, completion_tokens: 2, total_tokens: 4, prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0
        },
      },
    })
  })

  it('streams OpenAI chat: role, words, finish, usage without choices, [DONE]', async () => {
    const { body, headers } = await post(
      '/v1/chat/completions', chat({ stream: true, stream_options: { include_usage: true } })
    )
    const events = eventsIn(body)
    assert.match(headers['content-type']!, /^text\/event-stream/)
    assert.deepEqual(events.map((event) => event.choices?.[0]?.delta ?? event.choices ?? event), [
      { role: 'assistant', content: '', refusal: null }, { content: 'Hello' }, { content: ' there' }, {}, [], '[DONE]',
    ])
    assert.equal(events[3].choices[0].finish_reason, 'stop')
    assert.equal(events[4].usage.total_tokens, 4)
    assert.ok(events.slice(0, 4).every((event) => event.usage === null && event.obfuscation.length > 0))
  })

  it('sends no usage key at all when the stream was not asked for usage', async () => {
    const events = eventsIn((await post('/v1/chat/completions', chat({ stream: true }))).body)
    assert.ok(events.every((event) => event === '[DONE]' || !('usage' in event)))
  })

  it('answers Anthropic with its blocks and its cache counts', async () => {
    assert.deepEqual(await json('/v1/messages', claude(), VERSION), {
      id: `msg_fake${upstream.requests[0]!.serial}`, type: 'message', role: 'assistant', model: 'm-1',
      content: [{ type: 'text', text: 'Hello there' }],
      stop_reason: 'end_turn', stop_sequence: null,
      usage: {
        input_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 0,
        cache_creation: {
          ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0
        }, output_tokens: 2, service_tier: 'standard',
      },
    })
  })

  it('streams Anthropic in the order of the manual, each event named', async () => {
    const { body } = await post('/v1/messages', claude({ stream: true }), VERSION)
    const names = body.toString().match(/^event: .*/gm)!.map((line) => line.slice(7))
    assert.deepEqual(names, ['message_start', 'content_block_start', 'ping', 'content_block_delta', 'content_block_delta',
      'content_block_stop', 'message_delta', 'message_stop'])
    assert.deepEqual(eventsIn(body).map((event) => event.type), names)
  })

  it('answers Gemini, and streams it with CRLF, the finish on an empty text and no done mark', async () => {
    const answer = await json(GEMINI, gemini())
    assert.deepEqual(
      answer.candidates,
      [{ content: { parts: [{ text: 'Hello there' }], role: 'model' }, finishReason: 'STOP', index: 0 }]
    )
    assert.equal(answer.usageMetadata.totalTokenCount, 4)
    const text = (await post(GEMINI_SSE, gemini())).body.toString()
    assert.ok(text.endsWith('\r\n\r\n') && !text.replaceAll('\r\n', '').includes('\n'))
    const events = text.trim().split('\r\n\r\n').map((event) => JSON.parse(event.slice(6)))
    assert.deepEqual(events.map((event) => event.candidates[0].content.parts[0].text), ['Hello', ' there', ''])
    assert.deepEqual(events.map((event) => event.candidates[0].finishReason), [undefined, undefined, 'STOP'])
  })

  it('streams Gemini as a JSON array when nobody asks for SSE', async () => {
    const { body, headers } = await post(GEMINI_SSE.replace('?alt=sse', ''), gemini())
    assert.match(headers['content-type']!, /^application\/json/)
    assert.equal(JSON.parse(body.toString()).length, 3)
  })

  it('says in all three dialects which image arrived', async () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGVsbG8=' } }
    const answers = [
      (
        await json(
          '/v1/chat/completions',
          chat({}, [{ type: 'text', text: 'Look' }, { type: 'image_url', image_url: { url: PIXEL } }])
        )
      ).choices[0].message.content,
      (await json('/v1/messages', claude({}, [{ type: 'text', text: 'Look' }, image]), VERSION)).content[0].text,
      (
        await json(GEMINI, gemini({}, [{ text: 'Look' }, { inlineData: { mimeType: 'image/png', data: 'aGVsbG8=' } }]))
      ).candidates[0].content.parts[0].text,
    ]
    assert.deepEqual(answers, Array(3).fill('Look\n1 image, image/png, 5 bytes'))
  })

  it('says in all three dialects which reasoning effort arrived', async () => {
    const answers = [
      (await json('/v1/chat/completions', chat({ reasoning_effort: 'high' }))).choices[0].message.content,
      (await json('/v1/messages', claude({ output_config: { effort: 'high' } }), VERSION)).content[0].text,
      (
        await json(GEMINI, gemini({ generationConfig: { thinkingConfig: { thinkingLevel: 'HIGH' } } }))
      ).candidates[0].content.parts[0].text,
    ]
    assert.deepEqual(answers, Array(3).fill('Hello there\neffort: high'))
  })

  it('obeys the output limit and the stop sequence in all three dialects', async () => {
    const text = 'one two three four'
    const limited = [
      (await json('/v1/chat/completions', chat({ max_completion_tokens: 2 }, text))).choices[0],
      (await json('/v1/chat/completions', chat({ stop: ['three'] }, text))).choices[0],
    ]
    assert.deepEqual(
      limited.map((choice) => [choice.message.content, choice.finish_reason]),
      [['one two', 'length'], ['one two ', 'stop']]
    )
    const long = await json('/v1/messages', { ...claude({}, text), max_tokens: 1 }, VERSION)
    const stopped = await json('/v1/messages', claude({ stop_sequences: ['two'] }, text), VERSION)
    assert.deepEqual(
      [long.stop_reason, stopped.stop_reason, stopped.stop_sequence], ['max_tokens', 'stop_sequence', 'two']
    )
    const short = await json(GEMINI, gemini({ generationConfig: { maxOutputTokens: 1 } }, [{ text }]))
    assert.equal(short.candidates[0].finishReason, 'MAX_TOKENS')
  })

  it('calls the tool that is demanded, with arguments that its schema allows, and answers with the result after', async () => {
    const parameters = {
      type: 'object', properties: { city: { type: 'string', enum: ['Paris'] }, days: { type: 'integer', minimum: 2 } },
      required: ['city', 'days']
    }
    const tools = [{ type: 'function', function: { name: 'weather', parameters } }]
    const first = await json('/v1/chat/completions', chat({ tools, tool_choice: 'required' }))
    const call = first.choices[0].message.tool_calls[0]
    assert.deepEqual(
      [call.function, first.choices[0].finish_reason, first.choices[0].message.content],
      [{ name: 'weather', arguments: '{"city":"Paris","days":2}' }, 'tool_calls', null]
    )
    const messages = [
      ...chat().messages, first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }
    ]
    assert.equal(
      (await json('/v1/chat/completions', { model: 'm-1', tools, messages })).choices[0].message.content, 'sunny'
    )

    const use = await json(
      '/v1/messages', claude({ tools: [{ name: 'weather', input_schema: parameters }] }, 'please call weather'), VERSION
    )
    assert.deepEqual([use.content[0].input, use.stop_reason], [{ city: 'Paris', days: 2 }, 'tool_use'])
    const declared = {
      tools: [{ functionDeclarations: [{ name: 'weather', parameters }] }],
      toolConfig: { functionCallingConfig: { mode: 'ANY' } }
    }
    const part = (await json(GEMINI, gemini(declared))).candidates[0]
    assert.deepEqual(
      [part.content.parts[0].functionCall, part.finishReason],
      [{ name: 'weather', args: { city: 'Paris', days: 2 } }, 'STOP']
    )
  })

  it('fills the JSON schema that was asked for', async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] }
    const answer = await json(
      '/v1/chat/completions', chat({ response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } })
    )
    assert.equal(answer.choices[0].message.content, '{"ok":false}')
  })
})

describe('what a real provider refuses', () => {
  const refused = async (path: string, body: unknown, headers = {}) => {
    const { status, body: text } = await post(path, body, headers)
    assert.equal(status, 400)
    return JSON.parse(text.toString()).error.message as string
  }
  it('Anthropic: no version, no max_tokens, blank text, an unanswered call, a forced tool while thinking', async () => {
    const use = { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }] }
    assert.match(await refused('/v1/messages', claude()), /anthropic-version/)
    assert.match(await refused('/v1/messages', chat(), VERSION), /max_tokens/)
    assert.match(await refused('/v1/messages', claude({}, ' '), VERSION), /non-empty/)
    assert.match(
      await refused('/v1/messages', claude({ messages: [...chat().messages, use, ...chat().messages] }), VERSION), /t1/
    )
    assert.match(
      await refused('/v1/messages', claude({ thinking: { type: 'adaptive' }, tool_choice: { type: 'any' } }), VERSION),
      /Thinking/
    )
  })
  it('OpenAI: an unanswered call, and a result that answers none', async () => {
    const call = {
      role: 'assistant', content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }]
    }
    assert.match(await refused('/v1/chat/completions', chat({ messages: [call, ...chat().messages] })), /c1/)
    assert.match(
      await refused('/v1/chat/completions', chat({ messages: [{ role: 'tool', tool_call_id: 'c9', content: 'x' }] })),
      /preceding message/
    )
  })
  it('Gemini: OpenAI\'s roles and fields, and results that do not match the calls', async () => {
    assert.match(await refused(GEMINI, { contents: [{ role: 'assistant', parts: [{ text: 'x' }] }] }), /valid role/)
    assert.match(await refused(GEMINI, gemini({ temperature: 1 })), /temperature/)
    assert.match(
      await refused(GEMINI, gemini({}, [{ functionResponse: { name: 'f', response: {} } }])),
      /number of function response parts/
    )
  })
})

describe('how it is told', () => {
  it('takes queued orders once and in order, then rules, the latest first', async () => {
    upstream.always({ text: 'always' })
    upstream.when({ model: 'm-2' }, { text: 'for m-2' })
    upstream.next([{ text: 'first' }, { text: 'second' }], { path: '/v1/chat' })
    const heard = []
    for (const model of ['m-1', 'm-1', 'm-1', 'm-2']) {
      heard.push((await json('/v1/chat/completions', chat({ model }))).choices[0].message.content)
    }
    assert.deepEqual(heard, ['first', 'second', 'always', 'for m-2'])
  })

  it('takes an order from a header, a message, a model name and over the wire', async () => {
    const content = async (body: unknown, headers = {}) => (
      await json('/v1/chat/completions', body, headers)
    ).choices[0].message.content
    assert.equal(await content(chat(), { 'x-fake': '{"text":"by header"}' }), 'by header')
    assert.equal(await content(chat({}, '#fake {"text":"by message"}\nHello')), 'by message')
    assert.equal(await content(chat({}, '#fake {"usage":{"input":7}}\nHello')), 'Hello')
    assert.equal((await post('/v1/chat/completions', chat({ model: 'fake/error-503' }))).status, 503)
    await post('/_fake/script', { next: [{ order: { text: 'by script' } }] })
    assert.equal(await content(chat()), 'by script')
  })

  it('refuses an order that it does not understand, and says what it would', async () => {
    assert.throws(() => upstream.next({ stall: 1 } as object), /order\.stall is not a key; keys are text/)
    assert.throws(() => upstream.next({ delayMs: -1 }), /order\.delayMs must be a whole number/)
    const { status, headers, body } = await post(
      '/v1/messages', claude(), { ...VERSION, 'x-fake': '{"shapes":["index-all-0"]}' }
    )
    assert.deepEqual([status, headers['x-fake-misorder']], [400, 'true'])
    assert.match(body.toString(), /anthropic-messages has no shape/)
    assert.match(upstream.requests[0]!.misorder!, /index-all-0/)
    assert.match((await json('/_fake/script', { always: {} })).error, /"always" is not a key/)
  })

  it('sends reasoning, citations, seals and audio in each dialect\'s own words', async () => {
    upstream.always({
      reasoning: 'Hm so', signature: 'c2ln', encrypted: 'c2VhbA==', text: 'Ja ü', citations: [{
        url: 'https://a.test/', start: 3, end: 4
      }],
      calls: [{ name: 'f', id: 'k1' }], usage: { input: 10, cacheRead: 4, cacheWrite: 2, output: 5, reasoning: 2 },
    })
    const blocks = await json('/v1/messages', claude(), VERSION)
    assert.deepEqual(
      blocks.content.map((block: { type: string }) => block.type), ['thinking', 'redacted_thinking', 'text', 'tool_use']
    )
    assert.deepEqual([blocks.content[0].signature, blocks.content[3].input, blocks.usage.input_tokens], ['c2ln', {}, 4])
    const { content, groundingMetadata } = (await json(GEMINI, gemini())).candidates[0]
    assert.deepEqual(
      content.parts,
      [
        { text: 'Hm so', thought: true }, { text: 'Ja ü' },
        { functionCall: { name: 'f', id: 'k1' }, thoughtSignature: 'c2ln' }
      ]
    )
    assert.deepEqual(groundingMetadata.groundingSupports[0].segment, { startIndex: 3, endIndex: 5, text: 'ü' })
    const { message } = (await json('/v1/chat/completions', chat())).choices[0]
    assert.equal(message.annotations[0].url_citation.url, 'https://a.test/')
    assert.ok(!('reasoning' in message) && !('reasoning_content' in message))
  })

  it('lists its models for discovery, in OpenAI\'s and in Ollama\'s words', async () => {
    const own = await createFakeUpstream({ models: ['a', 'b'] })
    const get = async (path: string) => JSON.parse((await talk(own.url + path, { method: 'GET' })).body.toString())
    assert.deepEqual((await get('/v1/models')).data.map((model: { id: string }) => model.id), ['a', 'b'])
    assert.deepEqual((await get('/api/tags')).models.map((model: { name: string }) => model.name), ['a', 'b'])
    await own.close()
  })
})

describe('what it records', () => {
  it('keeps the parsed body and its bytes, and of secrets only a mark', async () => {
    const text = JSON.stringify(chat(), null, 2)
    await post('/x/v1/chat/completions?key=hush', text, { authorization: 'Bearer sk-hush', 'x-title': 'app' })
    const [received] = upstream.requests
    assert.deepEqual(received!.body, chat())
    assert.equal(received!.raw.toString(), text)
    assert.equal(received!.headers.authorization, secretMark('Bearer sk-hush'))
    assert.equal(received!.headers['x-title'], 'app')
    assert.deepEqual(
      [received!.dialect, received!.model, received!.stream, received!.status, received!.state],
      ['openai-chat', 'm-1', false, 200, 'answered']
    )
    const wire = (await talk(`${upstream.url}/_fake/requests`, { method: 'GET' })).body.toString()
    assert.equal(JSON.parse(wire).requests.length, 1)
    assert.ok(!wire.includes('hush'))
  })

  it('notices a caller who leaves in the middle, and counts what is open', async () => {
    upstream.always({ stallAfter: 2 })
    const exchange = await talk(`${upstream.url}/v1/chat/completions`, { body: chat({ stream: true }), quietMs: 30 })
    assert.equal(exchange.end, 'open')
    const left = await upstream.waitFor((it) => it.state === 'aborted' && it.socketClosed)
    assert.deepEqual([left.sentEvents, upstream.openStreams()], [2, 0])
    assert.ok(left.endedAt! >= left.at)
  })

  it('rejects a wait that nothing satisfies with what it has seen', async () => {
    await post('/v1/chat/completions', chat())
    await assert.rejects(
      upstream.waitFor((it) => it.model === 'nobody', { timeoutMs: 10 }), /POST \/v1\/chat\/completions answered/
    )
  })

  it('forgets the oldest requests and bodies, so that a load run does not fill the memory', async () => {
    const own = await createFakeUpstream({ keep: 2, keepBytes: 150 })
    for (const model of ['a', 'b', 'c']) {
      (await talk(`${own.url}/v1/chat/completions`, { body: chat({ model }, 'x'.repeat(60)) })).socket.destroy()
    }
    assert.deepEqual(own.requests.map((it) => [it.model, it.raw.length > 0]), [['b', false], ['c', true]])
    await own.close()
  })

  it('numbers connections and the requests on each, so that a reused socket can be told', async () => {
    const { socket } = await talk(`${upstream.url}/v1/chat/completions`, { body: chat() })
    await talk(`${upstream.url}/v1/chat/completions`, { body: chat(), socket }).then((it) => it.socket.destroy())
    assert.deepEqual(upstream.requests.map((it) => it.turn), [1, 2])
    assert.equal(upstream.requests[0]!.connection, upstream.requests[1]!.connection)
  })
})
