import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** A picture of one pixel, a page of nothing, a breath of sound: as callers send them. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PDF = 'JVBERi0xLjQKJSVFT0Y='
const WAV = 'UklGRiQAAABXQVZFZm10IA=='

const upstream = await startUpstream()
const box = await startSignalbox({
  config: together(
    providerAt('acme', `${upstream.url}/acme/v1`, { row: { input_modalities: ['text', 'image', 'file', 'audio', 'video'] } }),
    providerAt('thinker', `${upstream.url}/thinker/v1`, {
      model: 'acme/thinker',
      row: { reasoning: { supported: true, efforts: ['low', 'medium', 'high'] } },
    }),
    // As a router that hands signed reasoning on, and understands when it is sent back.
    { providers: { openrouter: { base_url: `${upstream.url}/router/v1`, api_key: 'key-of-openrouter' } } },
    {
      providers: { lmstudio: { base_url: `${upstream.url}/lmstudio/v1` } },
      models: [{ id: 'acme/local' }], endpoints: [{ model: 'acme/local', provider: 'lmstudio', pricing: 'free' }],
    },
    {
      ...providerAt('strict', `${upstream.url}/strict/v1`, { model: 'acme/strict' }),
      providers: { strict: { base_url: `${upstream.url}/strict/v1`, api_key: 'key-of-strict', data_policy: { requires_user_ids: true } } },
    },
    { providers: { openai: { base_url: `${upstream.url}/openai/v1`, api_key: 'key-of-openai' } } },
  ),
})
// oxlint-disable-next-line typescript/no-explicit-any
const arrived = (): any => upstream.requests.at(-1)!.body
const order = (what: object, text = 'Go.') => `#fake ${JSON.stringify(what)}\n${text}`

describe('A text, whole and streamed', () => {
  test('A caller asks and gets the answer in one piece, with who gave it, what it cost and an id to ask about it', async () => {
    const reply = await box.whole(saying('acme/one', 'Say exactly this.'))
    assert.match(reply.id, /^gen-\d+-\w+$/)
    assert.equal(reply['object'], 'chat.completion')
    assert.ok(Number.isInteger(reply['created']))
    assert.equal(reply.model, 'acme/one')
    assert.equal(reply.provider, 'acme')
    assert.equal(reply['system_fingerprint'], 'fp_fake')
    const [choice] = reply.choices
    assert.equal(choice!['message'].role, 'assistant')
    assert.equal(choice!['message'].content, 'Say exactly this.')
    assert.equal(choice!['message'].refusal, null)
    assert.equal(choice!['finish_reason'], 'stop')
    assert.equal(choice!['native_finish_reason'], 'stop')
    assert.equal(choice!['logprobs'], null)
    for (const name of ['tool_calls', 'images', 'reasoning_details']) assert.ok(!(name in choice!['message']), `${name} is there without any`)
    assert.deepEqual(reply.usage, {
      prompt_tokens: 3, completion_tokens: 3, total_tokens: 6, cost: (3 * 1 + 3 * 2) / 1e6, is_byok: false,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 0, audio_tokens: 0, video_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, image_tokens: 0, audio_tokens: 0 },
      cost_details: { upstream_inference_cost: null, upstream_inference_prompt_cost: 0.000003, upstream_inference_completions_cost: 0.000006 },
    })
  })

  test('A provider without a fingerprint is no reason to leave the field out, because the official SDK would throw', async () => {
    upstream.next({ body: { id: 'x', object: 'chat.completion', created: 1, model: 'one', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }] } })
    const reply = await box.whole(saying('acme/one', 'Hello'))
    assert.equal(reply['system_fingerprint'], null)
    assert.equal(reply.choices[0]!['message'].content, 'Hi')
  })

  test('A streamed answer begins with the role, comes in the pieces of the provider, and ends with the usage and [DONE]', async () => {
    const pieces = ['One', ' two', ' three,', ' “four”', ' 五 🙂']
    const streamed = await readStream(await box.chat(saying('acme/one', order({ text: pieces }), { stream: true })))
    assert.equal(streamed.done, true)
    assert.equal(streamed.deltas[0]!.role, 'assistant')
    assert.deepEqual(streamed.deltas.map((delta) => delta.content).filter((text) => text), pieces)
    assert.equal(streamed.finish, 'stop')
    assert.equal(streamed.chunks.at(-2)!.choices[0]!.native_finish_reason, 'stop')
    for (const chunk of streamed.chunks) {
      assert.equal(chunk.model, 'acme/one')
      assert.equal(chunk.provider, 'acme')
    }
    assert.equal(streamed.usage!.total_tokens, streamed.usage!.prompt_tokens + streamed.usage!.completion_tokens)
  })

  test('Each piece reaches the caller when the provider sends it, and not when the answer is complete', async () => {
    const response = await box.chat(saying('acme/one', order({ text: ['first', ' last'], paceMs: 150 }), { stream: true }))
    const reader = response.body!.getReader()
    let seen = ''
    while (!seen.includes('first')) seen += Buffer.from((await reader.read()).value!).toString()
    assert.ok(!seen.includes(' last'), 'the first piece was held back until the last one')
    assert.equal(upstream.requests.at(-1)!.state, 'answering')
    await reader.cancel()
  })

  test('Text cut through the middle of characters, lines and events arrives as it was meant', async () => {
    const text = ['Grüße', ' aus 東京', ' 👩‍🚀', '\u2028', ' "\\n"']
    for (const shapes of [[], ['crlf'], ['cr'], ['no-space-after-data', 'bom'], ['comments', 'multi-line-data', 'no-last-blank']]) {
      for (const chunkBytes of [1, 7]) {
        const streamed = await readStream(await box.chat(saying('acme/one', order({ text, shapes, chunkBytes }), { stream: true })))
        assert.equal(streamed.text, text.join(''), `${shapes.join()} in pieces of ${chunkBytes}`)
      }
    }
  })

  test('n choices come back apart from each other, whole and streamed, and all are paid for', async () => {
    const whole = await box.whole(saying('acme/one', 'Twice', { n: 2 }))
    assert.deepEqual(whole.choices.map((choice) => [choice['index'], choice['message'].content]), [[0, 'Twice'], [1, 'Twice']])
    const streamed = await readStream(await box.chat(saying('acme/one', 'Twice', { n: 2, stream: true })))
    for (const index of [0, 1]) {
      const own = streamed.chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index)
      assert.equal(own.map((choice) => choice.delta.content ?? '').join(''), 'Twice')
    }
    assert.equal(streamed.usage!.cost, whole.usage.cost)
  })

  test('An old client that sends prompt instead of messages is understood', async () => {
    const reply = await box.whole({ model: 'acme/one', prompt: 'An old habit' })
    assert.equal(reply.choices[0]!['message'].content, 'An old habit')
    assert.deepEqual(arrived().messages, [{ role: 'user', content: 'An old habit' }])
  })
})

describe('What arrives at the provider', () => {
  test('The provider gets its own name for the model, its own key, and nothing that is meant for the router', async () => {
    await box.whole(saying('acme/one', 'Hello', {
      provider: { order: ['acme'] }, models: ['acme/one'], transforms: [], user: 'u-1', session_id: 's-1', metadata: { a: 'b' }, usage: { include: true },
    }))
    assert.equal(arrived().model, 'one')
    for (const name of ['provider', 'models', 'transforms', 'session_id', 'usage', 'plugins', 'metadata']) assert.ok(!(name in arrived()), `${name} was passed on`)
    assert.ok(!('user' in arrived()), 'the raw id of the end user was passed on')
    const { headers } = upstream.requests.at(-1)!
    assert.notEqual(headers['authorization'], undefined)
    for (const name of ['http-referer', 'x-title', 'cookie', 'x-forwarded-for']) assert.equal(headers[name], undefined)
  })

  test('Every sampling parameter, a seed, stops and what only this provider knows reach it as they were sent', async () => {
    const sent = {
      temperature: 0.3, top_p: 0.9, top_k: 40, frequency_penalty: -1.5, presence_penalty: 0.25, repetition_penalty: 1.1, min_p: 0.05, top_a: 0.1,
      seed: 7, stop: ['END'], max_tokens: 50, logit_bias: { 50256: -100 }, safe_prompt: true,
    }
    await box.whole(saying('acme/one', 'Hello', sent))
    const { model: _, messages: __, ...rest } = arrived()
    assert.deepEqual(rest, sent)
  })

  test('A null stands for absent, as SDKs of typed languages send it', async () => {
    await box.whole(saying('acme/one', 'Hello', { temperature: null, stop: null, tools: null, provider: null, seed: null, response_format: null }))
    assert.deepEqual(Object.keys(arrived()).toSorted(), ['messages', 'model'])
  })

  test('Images by address and by data URL, a PDF, a sound and a film arrive whole and in their places', async () => {
    const content = [
      { type: 'text', text: 'What are these?' },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png', detail: 'high' } },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
      { type: 'file', file: { filename: 'page.pdf', file_data: `data:application/pdf;base64,${PDF}` } },
      { type: 'input_audio', input_audio: { data: WAV, format: 'wav' } },
      { type: 'video_url', video_url: { url: 'https://example.com/cat.mp4' } },
    ]
    const reply = await box.whole({ model: 'acme/one', messages: [{ role: 'user', content }] })
    assert.deepEqual(arrived().messages, [{ role: 'user', content }])
    assert.match(reply.choices[0]!['message'].content, /1 image, by address/)
    assert.match(reply.choices[0]!['message'].content, new RegExp(`1 image, image/png, ${Buffer.from(PNG, 'base64').length} bytes`))
    const record = await box.generation(reply.id)
    assert.equal(record['num_media_prompt'], 4)
    assert.equal(record['num_input_audio_prompt'], 1)
  })

  test('A large body with a photograph arrives byte for byte', async () => {
    const data = Buffer.alloc(300_000, 7).toString('base64')
    const content = [{ type: 'text', text: 'Large. "\u{1F4F7}" \\u0041' }, { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${data}` } }]
    await box.whole({ model: 'acme/one', messages: [{ role: 'user', content }], temperature: 0.5 })
    assert.deepEqual(arrived().messages, [{ role: 'user', content }])
    assert.equal(arrived().temperature, 0.5)
    assert.equal(arrived().model, 'one')
  })
})

const WEATHER = {
  type: 'function',
  function: { name: 'get_weather', description: 'The weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
}

describe('Tools', () => {
  test('A tool is called, its result is sent back, and the model goes on', async () => {
    const first = await box.whole(saying('acme/one', 'Please call get_weather', { tools: [WEATHER], tool_choice: 'auto', parallel_tool_calls: true }))
    assert.deepEqual(arrived().tools, [WEATHER])
    assert.equal(arrived().parallel_tool_calls, true)
    const { message, finish_reason: finish } = first.choices[0]! as { message: Record<string, unknown>; finish_reason: string }
    assert.equal(finish, 'tool_calls')
    assert.equal(message['content'], null)
    const [call] = message['tool_calls'] as { id: string; type: string; function: { name: string; arguments: string } }[]
    assert.equal(call!.type, 'function')
    assert.equal(call!.function.name, 'get_weather')
    assert.deepEqual(JSON.parse(call!.function.arguments), { city: 'x' })

    const second = await box.whole({
      model: 'acme/one', tools: [WEATHER],
      messages: [
        { role: 'user', content: 'Please call get_weather' },
        message,
        { role: 'tool', tool_call_id: call!.id, content: 'It rains.' },
      ],
    })
    assert.equal(second.choices[0]!['message'].content, 'It rains.')
    const [, assistant, result] = arrived().messages
    assert.deepEqual(assistant.tool_calls.map(({ id, function: of }: typeof call & object) => [id, of]), [[call!.id, call!.function]])
    assert.deepEqual(result, { role: 'tool', tool_call_id: call!.id, content: 'It rains.' })
  })

  test('Parallel calls are streamed fragment by fragment, each under its own index, without a byte of the arguments changed', async () => {
    const fragments = ['{"city": ', '"Zü', 'rich"', ',  "n":1.0', '}']
    const odd = ['{ "path":"C:\\\\x"', ' ,"e":1e2 }']
    const calls = [
      { name: 'get_weather', id: 'call_a', arguments: fragments },
      { name: 'read_file', id: 'call_b', arguments: odd },
      { name: 'now', id: 'call_c', arguments: ['{}'] },
    ]
    const streamed = await readStream(await box.chat(saying('acme/one', order({ calls }), { stream: true, tools: [WEATHER] })))
    assert.equal(streamed.finish, 'tool_calls')
    const deltas = streamed.deltas.flatMap((delta) => delta.tool_calls ?? [])
    for (const [index, { id, name, arguments: sent }] of calls.entries()) {
      const own = deltas.filter((delta) => delta.index === index)
      assert.deepEqual([own[0]!.id, own[0]!.type, own[0]!.function!.name], [id, 'function', name])
      assert.equal(own.filter((delta) => delta.id !== undefined).length, 1, 'the id comes once')
      assert.deepEqual(own.map((delta) => delta.function?.arguments ?? '').filter((text) => text !== ''), sent)
    }
  })

  test('Calls in the shapes of other servers come out as OpenAI sends them', async () => {
    const calls = [{ name: 'get_weather', id: 'call_a', arguments: '{"city":"Paris"}' }, { name: 'now', id: 'call_b', arguments: '{"zone":"CET"}' }]
    for (const shape of [
      'index-missing', 'index-from-1', 'index-all-0', 'no-tool-id', 'empty-tool-id', 'empty-name-later', 'no-tool-type', 'whole-call',
      'object-arguments', 'cumulative-arguments', 'arguments-repeated', 'usage-every-chunk', 'finish-twice', 'no-finish-key',
    ]) {
      const streamed = await readStream(await box.chat(saying('acme/one', order({ calls, shapes: [shape] }), { stream: true, tools: [WEATHER] })))
      const deltas = streamed.deltas.flatMap((delta) => delta.tool_calls ?? [])
      const assembled = [0, 1].map((index) => {
        const own = deltas.filter((delta) => delta.index === index)
        return {
          name: own.map((delta) => delta.function?.name ?? '').join(''),
          arguments: JSON.parse(own.map((delta) => delta.function?.arguments ?? '').join('')) as unknown,
        }
      })
      assert.deepEqual(assembled, [{ name: 'get_weather', arguments: { city: 'Paris' } }, { name: 'now', arguments: { zone: 'CET' } }], shape)
      const ids = deltas.map((delta) => delta.id).filter((id) => id !== undefined)
      assert.equal(new Set(ids).size, 2, `${shape}: two calls have ids of their own`)
      assert.ok(ids.every((id) => id !== ''), `${shape}: no id is empty`)
      assert.equal(streamed.finish, 'tool_calls', shape)
    }
  })
})

describe('Structured output', () => {
  const format = {
    type: 'json_schema',
    json_schema: { name: 'point', strict: true, schema: { type: 'object', properties: { x: { type: 'number', minimum: 3 }, y: { type: 'integer' } }, required: ['x', 'y'], additionalProperties: false } },
  }

  test('A schema reaches the provider unchanged, and the answer is JSON that fits it, whole and streamed', async () => {
    const whole = await box.whole(saying('acme/one', 'A point', { response_format: format }))
    assert.deepEqual(arrived().response_format, format)
    assert.deepEqual(JSON.parse(whole.choices[0]!['message'].content), { x: 3, y: 0 })
    const streamed = await readStream(await box.chat(saying('acme/one', 'A point', { response_format: format, stream: true })))
    assert.deepEqual(JSON.parse(streamed.text), { x: 3, y: 0 })
  })

  test('JSON mode is passed on', async () => {
    const reply = await box.whole(saying('acme/one', 'An object', { response_format: { type: 'json_object' } }))
    assert.deepEqual(arrived().response_format, { type: 'json_object' })
    assert.deepEqual(JSON.parse(reply.choices[0]!['message'].content), { echo: 'An object' })
  })
})

describe('Reasoning', () => {
  test('o3-mini thinks with medium effort without being told, and o3-mini-high with high effort whatever it is told', async () => {
    await box.whole(saying('openai/o3-mini', 'Think', { provider: { only: ['openai'] } }))
    assert.equal(arrived().model, 'o3-mini')
    assert.equal(arrived().reasoning.effort, 'medium')
    await box.whole(saying('openai/o3-mini-high', 'Think', { provider: { only: ['openai'] } }))
    assert.equal(arrived().model, 'o3-mini')
    assert.equal(arrived().reasoning.effort, 'high')
    await box.whole(saying('openai/o3-mini-high', 'Think', { provider: { only: ['openai'] }, reasoning_effort: 'low' }))
    assert.equal(arrived().reasoning.effort, 'high')
  })

  test('What the caller says of effort goes before the default, in both spellings, and a budget becomes the nearest effort', async () => {
    for (const [rest, effort] of [
      [{ reasoning_effort: 'low' }, 'low'],
      [{ reasoning: { effort: 'high' } }, 'high'],
      [{ reasoning: { enabled: true } }, 'medium'],
      [{ reasoning: { effort: 'xhigh' } }, 'high'],
      [{ reasoning: { max_tokens: 80_000 } }, 'high'],
    ] as const) {
      await box.whole(saying('openai/o3-mini', 'Think', { ...rest, provider: { only: ['openai'] } }))
      assert.equal(arrived().reasoning.effort, effort, JSON.stringify(rest))
    }
  })

  test('A reasoning model of OpenAI gets its limit under the name that it takes, and no sampling that it would refuse', async () => {
    await box.whole(saying('openai/o3-mini', 'Think', { max_tokens: 5000, temperature: 0.2, provider: { only: ['openai'] } }))
    assert.equal(arrived().max_output_tokens, 5000)
    assert.ok(!('max_tokens' in arrived()))
    assert.ok(!('temperature' in arrived()))
  })

  for (const shapes of [['reasoning-content'], ['reasoning']]) {
    test(`Reasoning that a provider sends as ${shapes[0]} comes out as reasoning and reasoning_details, apart from the text`, async () => {
      const say = order({ reasoning: 'First I weigh it.', text: 'Then I say it.', shapes })
      const whole = await box.whole(saying('acme/thinker', say))
      const { message } = whole.choices[0]! as { message: Record<string, unknown> }
      assert.equal(message['content'], 'Then I say it.')
      assert.equal(message['reasoning'], 'First I weigh it.')
      assert.deepEqual((message['reasoning_details'] as Record<string, unknown>[]).map(({ type, text, index }) => ({ type, text, index })),
        [{ type: 'reasoning.text', text: 'First I weigh it.', index: 0 }])
      assert.equal(whole.usage['completion_tokens_details'].reasoning_tokens, 4)
      assert.equal(whole.usage.completion_tokens, 8)

      const streamed = await readStream(await box.chat(saying('acme/thinker', say, { stream: true })))
      assert.equal(streamed.text, 'Then I say it.')
      assert.equal(streamed.reasoning, 'First I weigh it.')
      const details = streamed.deltas.flatMap((delta) => delta.reasoning_details ?? [])
      assert.equal(details.map((detail) => detail['text'] ?? '').join(''), 'First I weigh it.')
      assert.ok(details.every((detail) => detail['index'] === 0 && detail['type'] === 'reasoning.text'))
    })
  }

  test('Signed reasoning comes out with its signature and, sent back, reaches the provider as it was', async () => {
    const model = 'anthropic/claude-sonnet-4.5'
    const only = { provider: { only: ['openrouter'] } }
    const say = order({ reasoning: 'I weigh it.', signature: 'U2lnbmVk', text: 'Said.', shapes: ['reasoning-details'] })
    const first = await box.whole(saying(model, say, only))
    const { message } = first.choices[0]! as { message: { reasoning: string; reasoning_details: Record<string, unknown>[] } }
    assert.equal(message.reasoning, 'I weigh it.')
    assert.equal(message.reasoning_details.map((detail) => detail['text'] ?? '').join(''), 'I weigh it.')
    assert.equal(message.reasoning_details.find((detail) => detail['signature'])?.['signature'], 'U2lnbmVk')

    const streamed = await readStream(await box.chat(saying(model, say, { ...only, stream: true })))
    const details = streamed.deltas.flatMap((delta) => delta.reasoning_details ?? [])
    assert.equal(details.find((detail) => detail['signature'])?.['signature'], 'U2lnbmVk')
    assert.equal(details.map((detail) => detail['text'] ?? '').join(''), 'I weigh it.')

    await box.whole({ model, ...only, messages: [{ role: 'user', content: 'Why?' }, message, { role: 'user', content: 'And now?' }] })
    assert.deepEqual(arrived().messages[1].reasoning_details, message.reasoning_details)
  })

  test('A caller who excludes the reasoning pays for it and does not see it, whole and streamed', async () => {
    const say = order({ reasoning: 'Hidden thoughts.', text: 'Visible.', shapes: ['reasoning-content'] })
    for (const rest of [{ reasoning: { exclude: true } }, { include_reasoning: false }]) {
      const whole = await box.whole(saying('acme/thinker', say, rest))
      assert.ok(!JSON.stringify(whole).includes('Hidden'), 'the reasoning is in the answer')
      assert.equal(whole.usage['completion_tokens_details'].reasoning_tokens, 2)
      const streamed = await readStream(await box.chat(saying('acme/thinker', say, { ...rest, stream: true })))
      assert.ok(!streamed.raw.includes('Hidden'), 'the reasoning is in the stream')
      assert.equal(streamed.text, 'Visible.')
    }
  })

  test('Thoughts that a local server leaves in the text between tags are not taken for the answer, however the tags are cut', async () => {
    const say = order({ reasoning: 'Tagged thought.', text: 'Clean.', shapes: ['think-tags'] })
    const whole = await box.whole(saying('acme/local', say))
    assert.equal(whole.choices[0]!['message'].reasoning.trim(), 'Tagged thought.')
    assert.equal(whole.choices[0]!['message'].content.trim(), 'Clean.')
    const streamed = await readStream(await box.chat(saying('acme/local', say, { stream: true })))
    assert.equal(streamed.reasoning.trim(), 'Tagged thought.')
    assert.equal(streamed.text.trim(), 'Clean.')
  })
})

describe('What else an answer may carry', () => {
  test('Log probabilities come token by token, whole and streamed', async () => {
    const say = order({ text: ['Yes', ' indeed'], logprobs: [{ token: 'Yes', logprob: -0.125 }, { token: ' indeed', logprob: -0.5 }] })
    const whole = await box.whole(saying('acme/one', say, { logprobs: true, top_logprobs: 2 }))
    assert.equal(arrived().top_logprobs, 2)
    const { content } = whole.choices[0]!['logprobs'] as { content: { token: string; logprob: number }[] }
    assert.deepEqual(content.map(({ token, logprob }) => [token, logprob]), [['Yes', -0.125], [' indeed', -0.5]])
    const streamed = await readStream(await box.chat(saying('acme/one', say, { logprobs: true, stream: true })))
    const tokens = streamed.chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.logprobs?.content ?? [])
    assert.deepEqual(tokens.map(({ token, logprob }) => [token, logprob]), [['Yes', -0.125], [' indeed', -0.5]])
  })

  test('A refusal is a refusal and not the text of the answer', async () => {
    const say = order({ refusal: 'I cannot help with that.' })
    const whole = await box.whole(saying('acme/one', say))
    assert.equal(whole.choices[0]!['message'].refusal, 'I cannot help with that.')
    assert.equal(whole.choices[0]!['message'].content, null)
    const streamed = await readStream(await box.chat(saying('acme/one', say, { stream: true })))
    assert.equal(streamed.deltas.map((delta) => delta.refusal ?? '').join(''), 'I cannot help with that.')
    assert.equal(streamed.text, '')
  })

  test('Citations arrive as annotations with their places in the text', async () => {
    const say = order({ text: 'See there.', citations: [{ url: 'https://example.com/a', title: 'A', start: 0, end: 3 }] })
    const annotation = { type: 'url_citation', url_citation: { url: 'https://example.com/a', title: 'A', start_index: 0, end_index: 3 } }
    const whole = await box.whole(saying('acme/one', say))
    assert.deepEqual(whole.choices[0]!['message'].annotations, [annotation])
    const streamed = await readStream(await box.chat(saying('acme/one', say, { stream: true })))
    assert.deepEqual(streamed.deltas.flatMap((delta) => delta.annotations ?? []), [annotation])
  })

  test('A picture and a voice come out as they were made', async () => {
    const say = order({ text: 'Look.', images: [{ mediaType: 'image/png', data: PNG }] })
    const whole = await box.whole(saying('acme/one', say))
    assert.equal(whole.choices[0]!['message'].images[0].image_url.url, `data:image/png;base64,${PNG}`)
    const voice = await box.whole(saying('acme/one', order({ audio: { format: 'wav', data: WAV, transcript: 'Good day.' } })))
    assert.equal(voice.choices[0]!['message'].audio.data, WAV)
    assert.equal(voice.choices[0]!['message'].audio.transcript, 'Good day.')
  })

  test('An answer cut by its limit or by a filter says so, in our word and in that of the provider', async () => {
    const long = await box.whole(saying('acme/one', 'one two three four', { max_tokens: 2 }))
    assert.equal(long.choices[0]!['finish_reason'], 'length')
    const filtered = await readStream(await box.chat(saying('acme/one', order({ text: 'I', finish: 'sensitive' }), { stream: true })))
    assert.equal(filtered.finish, 'content_filter')
    assert.equal(filtered.chunks.flatMap((chunk) => chunk.choices).find((choice) => choice.finish_reason)!.native_finish_reason, 'sensitive')
  })

  test('Who asks how the answer came about is told, and who does not is not', async () => {
    const asked = await box.whole(saying('acme/one', 'Hello'), { 'x-openrouter-metadata': 'enabled' })
    const { openrouter_metadata: metadata } = asked as unknown as { openrouter_metadata: Record<string, unknown> }
    assert.equal(metadata['requested'], 'acme/one')
    assert.equal(metadata['attempt'], 1)
    assert.equal(metadata['is_byok'], false)
    assert.equal(metadata['region'], null)
    assert.equal(metadata['strategy'], 'direct')
    assert.deepEqual(metadata['endpoints'], { total: 1, available: [{ provider: 'acme', model: 'acme/one', selected: true }] })
    const streamed = await readStream(await box.chat(saying('acme/one', 'Hello', { stream: true }), { 'x-openrouter-metadata': 'enabled' }))
    assert.equal(streamed.chunks.at(-1)!.openrouter_metadata!['requested'], 'acme/one')
    assert.ok(!('openrouter_metadata' in await box.whole(saying('acme/one', 'Hello'))))
  })
})

describe('Who asked', () => {
  test('The app, the end user and the session that a caller names are on the record', async () => {
    const reply = await box.whole(saying('acme/one', 'Hello', { user: 'user-7', session_id: 'session-9' }), {
      'http-referer': 'https://app.example/chat?token=secret', 'x-title': 'My App', 'user-agent': 'my-client/1.0',
    })
    const record = await box.generation(reply.id)
    assert.equal(record['http_referer'], 'https://app.example/chat')
    assert.equal(record['user_agent'], 'my-client/1.0')
    assert.equal((await box.app.stats.find(reply.id, 'default'))!.title, 'My App')
    assert.equal(record['external_user'], 'user-7')
    assert.equal(record['session_id'], 'session-9')
    assert.equal(record['upstream_id'], upstream.requests.at(-1) && `chatcmpl-fake${upstream.requests.at(-1)!.serial}`)
  })
})

describe('What is passed on by wish', () => {
  test('Options for one provider reach that one, over what the request says, and never change what is billed', async () => {
    await box.whole(saying('acme/one', 'Hello', { temperature: 0.1, provider: { options: { acme: { temperature: 0.9, raw_mode: true, model: 'dearer', n: 9 }, other: { x: 1 } } } }))
    assert.equal(arrived().temperature, 0.9)
    assert.equal(arrived().raw_mode, true)
    assert.equal(arrived().model, 'one')
    assert.ok(!('n' in arrived()) && !('x' in arrived()))
  })

  test('A provider that wants to tell end users apart gets a name that means nothing elsewhere, the same each time', async () => {
    const names = new Set<string>()
    for (const user of ['anna@example.com', 'anna@example.com', 'bert@example.com']) {
      await box.whole(saying('acme/strict', 'Hello', { user }))
      assert.match(arrived().user, /^[0-9a-f]{32}$/)
      assert.ok(!JSON.stringify(arrived()).includes('example.com'))
      names.add(arrived().user)
    }
    assert.equal(names.size, 2)
  })
})

test('None of all this was worth a line in the log', () => {
  assert.deepEqual(box.complaints, [])
})
