import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { EFFORTS, SAMPLING } from '../../src/core/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Requests that are wrong: the caller learns which field, what is wrong with it and what would be right; nobody is called. */

const upstream = await startUpstream()
const box = await startSignalbox({
  config: together(providerAt('acme', `${upstream.url}/v1`, { row: { input_modalities: ['text', 'image', 'file', 'audio'] } }), { limits: { max_body_bytes: 65_536 } }),
})

const user = (content: unknown) => ({ model: 'acme/one', messages: [{ role: 'user', content }] })
const also = (rest: Record<string, unknown>) => saying('acme/one', 'Hi', rest)
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const tool = (of: unknown) => also({ tools: [{ type: 'function', function: of }] })

/** A body, the path of its field at fault, and a word of what is said about it. */
const WRONG: readonly [string, unknown, string | null, RegExp][] = [
  ['nothing', '', null, /JSON|empty/i],
  ['no JSON', '{"model": "acme/one", ', null, /JSON/],
  ['JavaScript instead of JSON', "{model: 'acme/one'}", null, /JSON/],
  ['NaN', '{"model":"acme/one","temperature":NaN,"messages":[]}', null, /JSON/],
  ['a number without end', '{"model":"acme/one","temperature":1e999,"messages":[{"role":"user","content":"Hi"}]}', 'temperature', /2|number/],
  ['a list', '[]', null, /object/],
  ['a text', '"hello"', null, /object/],
  ['null', 'null', null, /object/],
  ['a body nested without end', `{"model":"acme/one","messages":${nested(5000)}}`, null, /deep|nest/i],
  ['no messages', { model: 'acme/one' }, 'messages', /required/],
  ['an empty list of messages', { model: 'acme/one', messages: [] }, 'messages', /at least/],
  ['messages of another type', { model: 'acme/one', messages: 'Hi' }, 'messages', /list|array/],
  ['a message that is a text', { model: 'acme/one', messages: ['Hi'] }, 'messages[0]', /object/],
  ['an unknown role', { model: 'acme/one', messages: [{ role: 'robot', content: 'Hi' }] }, 'messages[0].role', /system/],
  ['no content', { model: 'acme/one', messages: [{ role: 'user' }] }, 'messages[0].content', /required/],
  ['a part that is a text', user(['Hi']), 'messages[0].content[0]', /object/],
  ['a format that is a text', also({ response_format: 'json_object' }), 'response_format', /object/],
  ['a tool that is a text', also({ tools: ['f'] }), 'tools[0]', /object/],
  ['messages that are lists', { model: 'acme/one', messages: [[]] }, 'messages[0]', /object/],
  ['a message that is nothing', { model: 'acme/one', messages: [null] }, 'messages[0]', /object/],
  ['content that is a number', user(7), 'messages[0].content', /text|string/],
  ['a part of an unknown type', user([{ type: 'smell', smell: 'rose' }]), 'messages[0].content[0].type', /text/],
  ['a text part without its text', user([{ type: 'text' }]), 'messages[0].content[0].text', /required/],
  ['a picture whose address is a number', user([{ type: 'image_url', image_url: { url: 5 } }]), 'messages[0].content[0].image_url.url', /text|string/],
  ['a picture at no address', user([{ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url: 'cat.png' } }]), 'messages[0].content[1].image_url.url', /http/],
  ['a picture on our own disk', user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }]), 'messages[0].content[0].image_url.url', /http/],
  ['a data URL that is none', user([{ type: 'image_url', image_url: { url: 'data:image/png;base64' } }]), 'messages[0].content[0].image_url.url', /data URL/],
  ['a data URL without data', user([{ type: 'image_url', image_url: { url: 'data:image/png;base64,' } }]), 'messages[0].content[0].image_url.url', /no data/],
  ['a sound without its format', user([{ type: 'input_audio', input_audio: { data: 'AAAA' } }]), 'messages[0].content[0].input_audio.format', /required/],
  ['a file with neither data nor id', user([{ type: 'file', file: {} }]), 'messages[0].content[0].file', /./],
  ['a result of no call', { model: 'acme/one', messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id', /required/],
  ['arguments that are an object', {
    model: 'acme/one', messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: {} } }] }],
  }, 'messages[0].tool_calls[0].function.arguments', /text|string/],
  ['no model', { messages: [{ role: 'user', content: 'Hi' }] }, 'model', /No model was named/],
  ['a model that is a number', { model: 4, messages: [{ role: 'user', content: 'Hi' }] }, 'model', /text|string/],
  ['an unknown model', saying('acme/none', 'Hi'), 'model', /not a valid model ID/],
  ['a list of models with a number in it', also({ models: ['acme/one', 3] }), 'models[1]', /text|string/],
  ['stream as a text', also({ stream: 'yes' }), 'stream', /true|boolean/],
  ['max_tokens of zero', also({ max_tokens: 0 }), 'max_tokens', /1/],
  ['max_tokens of a half', also({ max_tokens: 1.5 }), 'max_tokens', /whole|integer/],
  ['five stops', also({ stop: ['a', 'b', 'c', 'd', 'e'] }), 'stop', /4/],
  ['top_logprobs of 21', also({ logprobs: true, top_logprobs: 21 }), 'top_logprobs', /20/],
  ['a bias beyond its range', also({ logit_bias: { 50: 101 } }), 'logit_bias[50]', /100/],
  ['a tool without a name', tool({ description: 'x' }), 'tools[0].function.name', /required/],
  ['a tool choice without tools', also({ tool_choice: 'required' }), 'tool_choice', /tools/],
  ['an unknown tool choice', tool({ name: 'f' }) && also({ tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'maybe' }), 'tool_choice', /auto/],
  ['a schema without a name', also({ response_format: { type: 'json_schema', json_schema: { schema: {} } } }), 'response_format.json_schema.name', /required/],
  ['an unknown format', also({ response_format: { type: 'xml' } }), 'response_format.type', /json_schema/],
  ['an unknown effort', also({ reasoning: { effort: 'huge' } }), 'reasoning.effort', new RegExp(EFFORTS[1])],
  ['two efforts that differ', also({ reasoning: { effort: 'low' }, reasoning_effort: 'high' }), 'reasoning_effort', /reasoning\.effort/],
  ['an effort and a budget', also({ reasoning: { effort: 'low', max_tokens: 1000 } }), 'reasoning.max_tokens', /only one/],
  ['no reasoning, but much of it', also({ reasoning: { enabled: false, effort: 'high' } }), 'reasoning.enabled', /false/],
  ['two limits that differ', also({ max_tokens: 5, max_completion_tokens: 6 }), 'max_tokens', /max_completion_tokens/],
  ['an unknown key of provider', also({ provider: { onyl: ['acme'] } }), 'provider.onyl', /^Unrecognized key\(s\) in object: 'onyl'/],
  ['an unknown provider', also({ provider: { only: ['nobody-at-all'] } }), null, /nobody-at-all|No allowed providers/],
  ['an unknown sort', also({ provider: { sort: 'beauty' } }), 'provider.sort', /price/],
  ['a negative price', also({ provider: { max_price: { prompt: -1 } } }), 'provider.max_price.prompt', /0/],
  ['a price in words', also({ provider: { max_price: { prompt: 'cheap' } } }), 'provider.max_price.prompt', /./],
  ['an unknown quantization', also({ provider: { quantizations: ['int5'] } }), 'provider.quantizations[0]', /int4/],
  ['seventeen pairs of metadata', also({ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }), 'metadata', /16/],
  ['metadata that is a number', also({ metadata: { a: 1 } }), 'metadata.a', /text|string/],
  ['a session id without end', also({ session_id: 'x'.repeat(300) }), 'session_id', /256/],
  ['a preset that is a number', also({ preset: 7 }), 'preset', /text|string/],
  ['functions of the old form', also({ functions: [{ name: 'f' }] }), 'functions', /tools/],
  ['a plugin without an id', also({ plugins: [{ enabled: true }] }), 'plugins[0].id', /required/],
]

/** The ids of what was refused: none of them may be on the record. */
const refused: string[] = []

describe('Each wrong request', () => {
  for (const [what, body, field, says] of WRONG) {
    test(`${what} is refused with ${field ? `the path ${field}` : 'a sentence'}, in the shape that OpenRouter's clients read`, async () => {
      const before = upstream.requests.length
      const refusal = await box.refused(body)
      assert.ok(refusal.status === 400 || refusal.status === 404, `${refusal.status}: ${refusal.error.message}`)
      assert.match(refusal.error.message, says)
      assert.ok(refusal.error.message.length < 1000)
      if (field !== null) {
        assert.equal(refusal.error.metadata['field'], field, refusal.error.message)
      }
      assert.equal(refusal.error.metadata['error_type'], refusal.status === 400 ? 'invalid_request' : 'not_found')
      assert.equal(upstream.requests.length, before, 'a provider was called')
      refused.push(refusal.id)
    })
  }

  test('Another type at any depth of a full request is refused by a path at or near it, or understood; it is never a fault of ours', async () => {
    const places = placesIn(FULL)
    assert.ok(places.length > 100)
    let accepted = 0
    for (const place of places) {
      for (const value of [7, -1.5, 'x', '', true, [], {}, [null], { a: 1 }, null]) {
        const response = await box.chat(replaced(FULL, place, value))
        const text = await response.text()
        const shown = `${place.join('.')} = ${JSON.stringify(value)}: ${response.status} ${text.slice(0, 300)}`
        if (response.status === 200) {
          accepted++
          continue
        }
        assert.ok([400, 404].includes(response.status), shown)
        const { error } = JSON.parse(text) as { error: { message: string; metadata: { field?: string } } }
        const { field } = error.metadata
        if (response.status === 400 && field !== undefined) assert.ok(near(field, place), `${shown}: the path is ${field}`)
      }
    }
    assert.ok(accepted > 50, 'hardly anything was understood: the request itself must be wrong')
  })

  test('The same is refused before a stream is opened, so that a client sees a status and no broken stream', async () => {
    const refusal = await box.refused(also({ stream: true, temperature: 9 }))
    assert.equal(refusal.status, 400)
    assert.match(refusal.headers.get('content-type')!, /^application\/json/)
  })

  test('Keys that would reach into objects do nothing', async () => {
    const sent = `{"model":"acme/one","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"messages":[{"role":"user","content":"Hi","__proto__":{"polluted":1}}]}`
    const response = await box.chat(sent)
    assert.ok([200, 400].includes(response.status))
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  test('A key that stands twice is refused, or the last one counts for everybody: never one for the check and another for the provider', async () => {
    const response = await box.chat('{"model":"acme/one","max_tokens":1,"max_tokens":5,"messages":[{"role":"user","content":"one two three four five six"}]}')
    if (response.status !== 200) return void assert.equal(response.status, 400)
    const { usage } = await response.json() as { usage: { completion_tokens: number } }
    assert.equal(usage.completion_tokens, (upstream.requests.at(-1)!.body as { max_tokens: number }).max_tokens)
  })

  test('A body of another kind, or packed, is a 415', async () => {
    assert.equal((await box.refused('model=acme', { 'content-type': 'application/x-www-form-urlencoded' })).status, 415)
    assert.equal((await box.refused('{}', { 'content-encoding': 'gzip' })).status, 415)
  })

  test('A route that does not exist, and a method that a route does not take, say what there is', async () => {
    const lost = await fetch(`${box.url}/api/v1/chat/completion`, { method: 'POST' })
    assert.equal(lost.status, 404)
    assert.match((await lost.json() as { error: { message: string } }).error.message, /\/chat\/completions/)
    const wrong = await fetch(`${box.url}/api/v1/chat/completions`)
    assert.equal(wrong.status, 405)
    assert.match(wrong.headers.get('allow')!, /^POST\b/)
  })

  test('A body over the limit is refused on its header, before it is sent', async () => {
    const { hostname, port } = new URL(box.url)
    const socket = connect(Number(port), hostname)
    socket.write(`POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${box.key}\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n{`)
    const answer = await new Promise<string>((resolve) => socket.once('data', (bytes: Buffer) => resolve(bytes.toString())))
    socket.destroy()
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /at most 65536 bytes/)
    assert.equal((await box.refused(user('x'.repeat(70_000)))).status, 413)
  })
})

/** A request that says everything. */
const FULL = {
  model: 'acme/one', models: ['acme/one'], stream: false, stream_options: { include_usage: true },
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral', ttl: '5m' } }], name: 's' },
    { role: 'user', content: [
      { type: 'text', text: 'Look' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
    ] },
    {
      role: 'assistant', content: null, refusal: null, reasoning: 'Hm.',
      reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', signature: 's', format: 'anthropic-claude-v1', index: 0, id: null }],
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      annotations: [{ type: 'url_citation', url_citation: { url: 'https://example.com', title: 't', start_index: 0, end_index: 1 } }],
      images: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'done' },
    { role: 'user', content: 'Go on' },
  ],
  temperature: 1, top_p: 1, top_k: 0, seed: 1, stop: ['a'], max_tokens: 10, logit_bias: { 1: 1 }, logprobs: true, top_logprobs: 1, n: 1,
  tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} }, strict: true } }],
  tool_choice: { type: 'function', function: { name: 'f' } }, parallel_tool_calls: true,
  response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true, description: 'd' } },
  reasoning: { effort: 'low', exclude: false, summary: 'auto' }, verbosity: 'low', modalities: ['text'], prediction: { type: 'content', content: 'x' },
  provider: {
    order: ['acme'], only: ['acme'], ignore: ['groq'], allow_fallbacks: true, require_parameters: false, data_collection: 'allow', zdr: false,
    quantizations: ['unknown'], sort: { by: 'price', partition: 'model' }, preferred_min_throughput: { p50: 1 }, preferred_max_latency: 10,
    max_price: { prompt: '100', completion: 100 }, options: { acme: { a: 1 } },
  },
  plugins: [{ id: 'context-compression', enabled: true, engine: 'middle-out' }], transforms: ['middle-out'], route: 'fallback',
  cache_control: { type: 'ephemeral' }, prompt_cache_key: 'k', session_id: 's', user: 'u', metadata: { a: 'b' }, service_tier: 'auto',
  usage: { include: true }, trace: { trace_id: 't' }, debug: { echo_upstream_body: false },
}

type Place = readonly (string | number)[]

function placesIn(value: unknown, place: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [place]
  const inner = Object.entries(value).flatMap(([key, item]) => placesIn(item, [...place, Array.isArray(value) ? Number(key) : key]))
  return place.length > 0 ? [place, ...inner] : inner
}

function replaced(value: unknown, place: Place, by: unknown): unknown {
  const [key, ...rest] = place
  if (key === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...value as object }) as Record<string | number, unknown>
  copy[key] = replaced(copy[key], rest, by)
  return copy
}

/** Whether a path is that of the place, leads to it, goes on from it, or names a setting that contradicts it. */
function near(field: string, place: Place): boolean {
  const path = place.map((step) => typeof step === 'number' ? `[${step}]` : `.${step}`).join('').slice(1)
  return path.startsWith(field) || field.startsWith(path) || field.split(/[.[]/)[0] === path.split(/[.[]/)[0]
    || ['reasoning', 'tool_choice', 'top_logprobs', 'route', 'prompt', 'model'].some((name) => field.startsWith(name))
}

describe('The range of each sampling parameter', () => {
  for (const [name, { min, max, integer }] of Object.entries(SAMPLING)) {
    test(`${name} is taken at its edges (${min} and ${max ?? 'any number'}) and refused beyond, by name and with the range`, async () => {
      const step = integer ? 1 : 0.001
      for (const value of [min, max ?? 1_000_000]) {
        await box.whole(also({ [name]: value }))
        assert.equal((upstream.requests.at(-1)!.body as Record<string, unknown>)[name], value)
      }
      const beyond = [min - step, ...max === null ? [] : [max + step], '1', true, [], ...integer ? [0.5] : []]
      for (const value of beyond) {
        const refusal = await box.refused(also({ [name]: value }))
        assert.equal(refusal.status, 400, `${JSON.stringify(value)}`)
        assert.equal(refusal.error.metadata['field'], name)
        assert.match(refusal.error.message, new RegExp(`^${name}: `))
      }
    })
  }

  test('The table is the one that OpenRouter documents', () => {
    assert.deepEqual(Object.fromEntries(Object.entries(SAMPLING).map(([name, { min, max, default: usual }]) => [name, [min, max, usual]])), {
      temperature: [0, 2, 1], top_p: [0, 1, 1], top_k: [0, null, 0], frequency_penalty: [-2, 2, 0], presence_penalty: [-2, 2, 0],
      repetition_penalty: [0, 2, 1], min_p: [0, 1, 0], top_a: [0, 1, 0],
    })
  })

  test('What is published says the same ranges', async () => {
    const document = await (await fetch(`${box.url}/openapi.json`)).json() as { components: { schemas: Record<string, { properties: Record<string, unknown> }> } }
    const { properties } = document.components.schemas['ChatRequest']!
    for (const [name, { min, max }] of Object.entries(SAMPLING)) {
      const text = JSON.stringify(properties[name])
      assert.match(text, new RegExp(`"minimum":${min}\\b`), name)
      if (max !== null) assert.match(text, new RegExp(`"maximum":${max}\\b`), name)
    }
  })
})

test('After all of this the server answers as if nothing had been, and nothing was spent', async () => {
  const streamed = await readStream(await box.chat(saying('acme/one', 'Still there?', { stream: true })))
  assert.equal(streamed.text, 'Still there?')
  await box.app.stats.flush()
  const rows = await box.app.store.db.selectFrom('generations').selectAll().execute()
  assert.deepEqual(rows.filter((row) => refused.includes(row.id)), [])
  assert.equal((await box.get(`/api/v1/generation?id=${refused[0]}`)).status, 404)
  const served = upstream.requests.filter((request) => request.state === 'answered').length
  assert.equal(rows.length, served)
  assert.deepEqual(box.complaints, [])
})
