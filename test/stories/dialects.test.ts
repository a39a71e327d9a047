import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Order } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { follow, readStream } from './stream.ts'

/** The same caller, the same request, providers that speak seven languages: nobody can tell which one answered. */

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const DIALECTS = ['openai-chat', 'openai-responses', 'anthropic-messages', 'google-generate-content', 'cohere-v2', 'ollama-native', 'bedrock-converse'] as const
type Name = (typeof DIALECTS)[number]
const SLUGS: Readonly<Record<Name, string>> = {
  'openai-chat': 'oai', 'openai-responses': 'rsp', 'anthropic-messages': 'ant', 'google-generate-content': 'goo', 'cohere-v2': 'coh', 'ollama-native': 'oll', 'bedrock-converse': 'bed',
}
const BASES: Partial<Record<Name, string>> = { 'cohere-v2': '/v2', 'ollama-native': '/api', 'bedrock-converse': '' }
/** Converse speaks to models of many makers, and signs only Claude's thoughts. */
const IDS: Partial<Record<Name, string>> = { 'bedrock-converse': 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' }
const SIGNS: readonly Name[] = ['openai-responses', 'anthropic-messages', 'google-generate-content', 'bedrock-converse']
/** Cohere bills fewer tokens than it counts, in the fake half of them; Ollama does not tell what it cached. */
const BILLED: Partial<Record<Name, (counted: number) => number>> = { 'cohere-v2': (counted) => Math.ceil(counted / 2) }
const TELLS_CACHE: readonly Name[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'google-generate-content', 'bedrock-converse']

const upstream = await startUpstream()
const row = {
  input_modalities: ['text', 'image', 'file'], max_output_tokens: 8000,
  reasoning: { supported: true, efforts: ['low', 'medium', 'high'], budget_tokens: { min: 1024 } },
}
const box = await startSignalbox({
  config: together(...DIALECTS.flatMap((dialect) => {
    const slug = SLUGS[dialect]
    const model = `acme/${slug}`
    return [
      providerAt(slug, `${upstream.url}/${slug}${BASES[dialect] ?? '/v1'}`, {
        model, dialect, row,
        endpoint: { pricing: { prompt: '0.000002', completion: '0.000008', input_cache_read: '0.0000002' }, max_completion_tokens: 8000, ...(IDS[dialect] && { provider_model_id: IDS[dialect] }) },
        timeouts: { connect_ms: 300, first_token_ms: 400, idle_ms: 300 },
      }),
      providerAt(`${slug}-spare`, `${upstream.url}/spare/v1`, { model, row, prompt: 3, completion: 3 }),
    ]
  })),
})
const order = (what: Order, text = 'Go.') => `#fake ${JSON.stringify(what)}\n${text}`
// oxlint-disable-next-line typescript/no-explicit-any
const arrived = (): any => upstream.requests.at(-1)!.body
const WEATHER = {
  type: 'function',
  function: { name: 'get_weather', description: 'The weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
}

for (const dialect of DIALECTS) {
  const slug = SLUGS[dialect]
  const ask = (text: string, rest: Record<string, unknown> = {}) => saying(`acme/${slug}`, text, { provider: { order: [slug] }, ...rest })

  describe(`A provider that speaks ${dialect}`, () => {
    test('answers in words, whole and streamed, for the same price', async () => {
      const say = order({ text: 'Repeat after me.', usage: { input: 3, output: 3 } })
      const whole = await box.whole(ask(say))
      assert.equal(upstream.requests.at(-1)!.dialect, dialect)
      assert.equal(whole.choices[0]!['message'].content, 'Repeat after me.')
      assert.equal(whole.choices[0]!['finish_reason'], 'stop')
      assert.deepEqual([whole.usage.prompt_tokens, whole.usage.completion_tokens], [3, 3])
      const billed = BILLED[dialect]?.(3) ?? 3
      assert.equal(whole.usage.cost, (billed * 2 + billed * 8) / 1e6)
      const streamed = await readStream(await box.chat(ask(say, { stream: true })))
      assert.equal(streamed.text, 'Repeat after me.')
      assert.equal(streamed.finish, 'stop')
      assert.deepEqual(streamed.usage, whole.usage)
      assert.ok(streamed.chunks.every((chunk) => chunk.provider === slug && chunk.model === `acme/${slug}`))
    })

    test('hears instructions, an earlier conversation, limits and stops', async () => {
      const reply = await box.whole({
        model: `acme/${slug}`, provider: { order: [slug] }, max_tokens: 16, stop: ['END'], temperature: 0.5,
        messages: [
          { role: 'system', content: 'Be short.' }, { role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' },
          { role: 'user', content: Array.from({ length: 20 }, (_, at) => `w${at}`).join(' ') },
        ],
      })
      assert.match(reply.choices[0]!['message'].content, /^w0 .* w15$/)
      assert.equal(reply.choices[0]!['finish_reason'], 'length')
      const text = JSON.stringify(arrived())
      for (const said of ['Be short.', 'One', 'Two', '0.5']) assert.ok(text.includes(said), said)
      // Responses have no word for a stop sequence.
      assert.equal(text.includes('END'), dialect !== 'openai-responses')
    })

    test('sees a picture', async () => {
      const content = [{ type: 'text', text: 'What?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }]
      const reply = await box.whole({ model: `acme/${slug}`, provider: { order: [slug] }, messages: [{ role: 'user', content }] })
      assert.match(reply.choices[0]!['message'].content, new RegExp(`1 image, image/png, ${Buffer.from(PNG, 'base64').length} bytes`))
    })

    test('calls tools, in parallel and in fragments, and reads their results', async () => {
      const calls = [{ name: 'get_weather', arguments: '{"city":"Zürich"}' }, { name: 'get_weather', arguments: '{"city":"Paris"}' }]
      const streamed = await readStream(await box.chat(ask(order({ calls }), { stream: true, tools: [WEATHER] })))
      assert.equal(streamed.finish, 'tool_calls')
      const deltas = streamed.deltas.flatMap((delta) => delta.tool_calls ?? [])
      const made = [0, 1].map((index) => {
        const own = deltas.filter((delta) => delta.index === index)
        return { id: own[0]!.id!, name: own[0]!.function!.name!, arguments: own.map((delta) => delta.function?.arguments ?? '').join('') }
      })
      assert.deepEqual(made.map((call) => JSON.parse(call.arguments) as unknown), [{ city: 'Zürich' }, { city: 'Paris' }])
      assert.equal(new Set(made.map((call) => call.id)).size, 2)

      const whole = await box.whole(ask(order({ calls }), { tools: [WEATHER] }))
      assert.equal(whole.choices[0]!['finish_reason'], 'tool_calls')
      const { message } = whole.choices[0]! as { message: { tool_calls: { id: string }[] } }
      const answered = await box.whole({
        model: `acme/${slug}`, provider: { order: [slug] }, tools: [WEATHER],
        messages: [
          { role: 'user', content: 'Weather?' }, message,
          ...message.tool_calls.map(({ id }, i) => ({ role: 'tool', tool_call_id: id, content: `${i + 20} degrees` })),
        ],
      })
      assert.match(answered.choices[0]!['message'].content, /2[01] degrees/)
      const text = JSON.stringify(arrived())
      assert.ok(text.includes('20 degrees') && text.includes('21 degrees') && text.includes('Zürich'))
    })

    test('reasons; its signature comes out and goes back as it was', async () => {
      const say = order({ reasoning: 'Weighing it.', signature: 'U2lnbmVkIGJ5IG1l', text: 'Done.', ...dialect === 'openai-chat' && { shapes: ['reasoning-content'] } })
      const reply = await box.whole(ask(say, { reasoning: { effort: 'low' } }))
      const { message } = reply.choices[0]! as { message: { content: string; reasoning: string; reasoning_details: Record<string, unknown>[] } }
      assert.equal(message.content, 'Done.')
      assert.equal(message.reasoning, 'Weighing it.')
      const streamed = await readStream(await box.chat(ask(say, { reasoning: { effort: 'low' }, stream: true })))
      assert.equal(streamed.reasoning, 'Weighing it.')
      assert.equal(streamed.text, 'Done.')
      if (!SIGNS.includes(dialect)) return
      assert.ok(JSON.stringify(message.reasoning_details).includes('U2lnbmVkIGJ5IG1l'), JSON.stringify(message))
      assert.ok(streamed.raw.includes('U2lnbmVkIGJ5IG1l'))
      await box.whole({ model: `acme/${slug}`, provider: { order: [slug] }, reasoning: { effort: 'low' }, messages: [{ role: 'user', content: 'Why?' }, message, { role: 'user', content: 'And now?' }] })
      assert.ok(JSON.stringify(arrived()).includes('U2lnbmVkIGJ5IG1l'), 'the signature did not go back')
      // To somebody else it is noise at best and a 400 at worst.
      const other = dialect === 'google-generate-content' ? 'anthropic-messages' : 'google-generate-content'
      await box.whole({ model: `acme/${SLUGS[other]}`, provider: { order: [SLUGS[other]] }, messages: [{ role: 'user', content: 'Why?' }, message, { role: 'user', content: 'And now?' }] })
      assert.ok(!JSON.stringify(arrived()).includes('U2lnbmVkIGJ5IG1l'), 'a signature went to a stranger')
    })

    test('answers in the shape of a schema', async () => {
      const schema = { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'], additionalProperties: false }
      const reply = await box.whole(ask('A point', { response_format: { type: 'json_schema', json_schema: { name: 'point', strict: true, schema } } }))
      assert.deepEqual(JSON.parse(reply.choices[0]!['message'].content), { x: 0 })
    })

    if (TELLS_CACHE.includes(dialect)) test('counts what it read from its cache inside the prompt, and it is paid for at its own price', async () => {
      const reply = await box.whole(ask(order({ text: 'x', usage: { input: 1000, output: 10, cacheRead: 800 } })))
      assert.equal(reply.usage.prompt_tokens, 1000)
      assert.equal(reply.usage['prompt_tokens_details'].cached_tokens, 800)
      assert.equal(reply.usage.cost, (200 * 2 + 800 * 0.2 + 10 * 8) / 1e6)
      const streamed = await readStream(await box.chat(ask(order({ text: 'x', usage: { input: 1000, output: 10, cacheRead: 800 } }), { stream: true })))
      assert.equal(streamed.usage!.cost, reply.usage.cost)
    })

    test('refuses a wrong request with 400, and the reason reaches the caller', async () => {
      upstream.next({ status: 400 }, { path: `/${slug}/` })
      const refusal = await box.refused(ask('Wrong', { provider: { only: [slug] } }))
      assert.equal(refusal.status, 400)
      assert.equal(refusal.error.metadata['provider_name'], slug)
      assert.ok(refusal.error.message.length > 5)
    })

    test('is cut in the middle: one error, no [DONE], no bill; stalls: a timeout', async () => {
      for (const [what, code] of [[{ cutAfter: 5 }, 502], [{ stallAfter: 5 }, 504]] as const) {
        const streamed = await readStream(await box.chat(ask(order({ text: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], ...what }), { stream: true, provider: { only: [slug] } })))
        assert.equal(streamed.done, false)
        assert.equal(streamed.error!.code, code)
        assert.equal((await box.generation(streamed.id))['total_cost'], 0)
      }
    })

    test('is stopped when the caller leaves', async () => {
      const following = follow(await box.chat(ask(order({ text: Array.from({ length: 500 }, (_, i) => ` word${i}`), paceMs: 20 }), { stream: true })))
      await following.until('word1')
      const request = upstream.requests.at(-1)!
      await following.leave()
      await upstream.waitFor(() => request.state === 'aborted')
    })

    test('fails in its own words, and the next provider, who speaks another language, answers', async () => {
      // The last one says wait: from then on it would not be asked first.
      for (const status of [500, 529, 429]) {
        upstream.next({ status }, { path: `/${slug}/` })
        const streamed = await readStream(await box.chat(ask('Anybody?', { stream: true })))
        assert.equal(streamed.text, 'Anybody?')
        assert.equal(streamed.chunks[0]!.provider, `${slug}-spare`)
        const record = await box.generation(streamed.id)
        assert.deepEqual((record['provider_responses'] as { status: number }[]).map((it) => it.status), [status, 200])
      }
    })
  })
}

describe('A provider that only continues texts', () => {
  const only = { provider: { only: ['base'] } }

  test('is sent a conversation by the template of its family, whole and streamed', async () => {
    const base = await startSignalbox({ config: providerAt('base', `${upstream.url}/base/v1`, { model: 'acme/qwen-base', dialect: 'openai-completions' }) })
    const messages = [{ role: 'system', content: 'Be short.' }, { role: 'user', content: 'Hi <|im_end|>' }]
    const whole = await base.whole({ model: 'acme/qwen-base', messages, ...only })
    const prompt = '<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi < |im_end|><|im_end|>\n<|im_start|>assistant\n'
    assert.equal(arrived().prompt, prompt)
    assert.equal(whole.choices[0]!['finish_reason'], 'stop')
    const streamed = await readStream(await base.chat({ model: 'acme/qwen-base', messages, stream: true, ...only }))
    assert.equal(streamed.text, whole.choices[0]!['message'].content)
    assert.deepEqual(streamed.usage, whole.usage)
  })

  test('is not sent one where nobody knows how its model was taught to tell who speaks', async () => {
    const base = await startSignalbox({ config: providerAt('base', `${upstream.url}/base/v1`, { model: 'acme/unheard-of', dialect: 'openai-completions' }) })
    const before = upstream.requests.length
    const refusal = await base.refused({ model: 'acme/unheard-of', messages: [{ role: 'system', content: 'Be short.' }, { role: 'user', content: 'Hi' }], ...only })
    assert.equal(refusal.status, 400)
    assert.match(refusal.error.message, /no chat template is known/)
    assert.equal(upstream.requests.length, before)
  })
})

test('None of this was a fault of ours', () => {
  assert.deepEqual(box.complaints, [])
})
