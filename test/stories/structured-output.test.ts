import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together, type WholeReply } from './signalbox.ts'
import { readStream } from './stream.ts'

/** Answers that have to be JSON, or of a schema: what becomes of those that are not. 1 and 2 dollars a million tokens. */

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const config = together(at('acme', 'acme/one', { prompt: 10, completion: 20 }), at('backup', 'acme/two', { prompt: 10, completion: 20 }))
const box = await startSignalbox({ config })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const CITY = { type: 'object', properties: { city: { type: 'string' }, people: { type: 'integer' } }, required: ['city', 'people'], additionalProperties: false }
const schema = (strict?: boolean) => ({ type: 'json_schema', json_schema: { name: 'city', schema: CITY, ...(strict !== undefined && { strict }) } })
const STRICT = { response_format: schema(true) }
const LOOSE = { response_format: schema() }
const healing = (settings: Record<string, unknown> = {}) => ({ plugins: [{ id: 'response-healing', ...settings }] })
const GOOD = '{"city":"Paris","people":2100000}'
const ALMOST = "Sure!\n```json\n{'city': 'Paris', people: 2100000,}\n```\nAnything else?"
const BAD = '{"city":"Paris","people":"many"}'
const USED = { input: 100, output: 10 }
const COST = (100 * 10 + 10 * 20) / 1e6

const contentOf = (reply: WholeReply): string => reply.choices[0]!['message'].content as string
const pipelineOf = (reply: unknown) => (reply as { openrouter_metadata?: { pipeline?: readonly Record<string, unknown>[] } }).openrouter_metadata?.pipeline
const attemptsOf = (reply: unknown) => (reply as { openrouter_metadata: { attempts: readonly Record<string, unknown>[] } }).openrouter_metadata.attempts
const says = (...texts: readonly string[]): void => {
  upstream.forget()
  for (const text of texts) upstream.next({ text, usage: USED })
}

describe('A whole answer of a strict schema', () => {
  test('that fits is passed on as it was written, and there is nothing to tell', async () => {
    says(GOOD)
    const reply = await box.whole(saying('acme/one', 'Where?', STRICT), TOLD)
    assert.equal(contentOf(reply), GOOD)
    assert.equal(pipelineOf(reply), undefined)
  })

  test('that is almost JSON is mended before it is sent, and the metadata says of what', async () => {
    says(ALMOST)
    const reply = await box.whole(saying('acme/one', 'Where?', STRICT), TOLD)
    assert.deepEqual(JSON.parse(contentOf(reply)), JSON.parse(GOOD))
    assert.deepEqual(pipelineOf(reply)!.map(({ type, name, summary }) => ({ type, name, summary })), [{
      type: 'response_healing', name: 'response-healing',
      summary: 'mended: code fence, single quotes, unquoted key, trailing comma, text around',
    }])
    assert.equal(reply.usage.cost, COST)
  })

  test('that does not fit is an error that says where and hands over what was paid for; the record has its cost and none of its words', async () => {
    says(BAD)
    const { status, error, id, body } = await box.refused(saying('acme/one', 'Where?', STRICT), TOLD)
    assert.equal(status, 422)
    assert.equal(error.metadata['error_type'], 'unprocessable')
    assert.deepEqual(error.metadata['violation'], { path: 'people', message: 'must be a whole number, is "many"' })
    assert.equal(error.metadata['answer'], BAD)
    assert.deepEqual(attemptsOf(body).map(({ status: of, fault }) => ({ of, fault })), [{ of: 200, fault: 'schema-mismatch' }])
    const record = await box.generation(id)
    assert.equal(record['total_cost'], COST)
    const kept = await box.app.stats.find(id, 'default')
    assert.equal(kept!.fault, 'schema-mismatch')
    assert.equal(kept!.quality!.badStructured, true, 'the provider is measured by what it said')
    assert.doesNotMatch(JSON.stringify(record), /many|Paris/)
  })

  test('that is no answer of a provider counts against nobody: it is asked again by the next call', async () => {
    says(BAD, GOOD)
    await box.refused(saying('acme/one', 'Where?', STRICT))
    assert.equal(contentOf(await box.whole(saying('acme/one', 'Where?', STRICT))), GOOD)
  })

  test('gives its place back once: the server has as many as before, however many answers do not fit', async () => {
    const before = box.app.admission.figures().running
    for (const stream of [false, false, true]) {
      says(BAD)
      await (await box.chat(saying('acme/one', 'Where?', { ...STRICT, stream }))).text()
    }
    await box.app.gateway.idle()
    assert.equal(box.app.admission.figures().running, before)
    assert.equal(before, 0)
  })

  test('with the plugin switched off is judged, and not mended', async () => {
    says(ALMOST)
    const { error } = await box.refused(saying('acme/one', 'Where?', { ...STRICT, ...healing({ enabled: false }) }))
    assert.deepEqual(error.metadata['violation'], { path: '', message: 'is not JSON' })
  })

  test('that was cut by its limit, or refused, is no error: its finish reason says what it is', async () => {
    upstream.forget()
    upstream.next({ text: '{"city":"Par', finish: 'length', usage: USED })
    const cut = await box.whole(saying('acme/one', 'Where?', STRICT))
    assert.equal(contentOf(cut), '{"city":"Par')
    assert.equal(cut.choices[0]!['finish_reason'], 'length')
    upstream.next({ refusal: 'I would rather not.', usage: USED })
    assert.equal((await box.whole(saying('acme/one', 'Where?', STRICT))).choices[0]!['message'].refusal, 'I would rather not.')
  })

  test('that calls a tool is no final answer and is not judged', async () => {
    upstream.forget()
    upstream.next({ calls: [{ name: 'look', arguments: '{}' }], usage: USED })
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }]
    const reply = await box.whole(saying('acme/one', 'Where?', { ...STRICT, tools }))
    assert.equal(reply.choices[0]!['finish_reason'], 'tool_calls')
  })

  test('goes on to the next model of a list when it does not fit, and both are paid', async () => {
    says(BAD, GOOD)
    const reply = await box.whole(saying('acme/one', 'Where?', { ...STRICT, models: ['acme/one', 'acme/two'] }), TOLD)
    assert.equal(reply.model, 'acme/two')
    assert.equal(contentOf(reply), GOOD)
    assert.equal(reply.usage.cost, 2 * COST)
    assert.equal(reply.usage['cost_details'].retry_cost, COST)
  })
})

describe('max_retries', () => {
  test('asks the same endpoint once more, with what was wrong; both answers are paid and shown', async () => {
    says(BAD, GOOD)
    const reply = await box.whole(saying('acme/one', 'Where?', { ...LOOSE, ...healing({ max_retries: 1 }) }), TOLD)
    assert.equal(contentOf(reply), GOOD)
    assert.equal(upstream.requests.length, 2)
    const { messages } = upstream.requests[1]!.body as { messages: readonly { role: string; content: string }[] }
    assert.deepEqual(messages.map(({ role }) => role), ['user', 'assistant', 'user'])
    assert.equal(messages[1]!.content, BAD)
    assert.match(messages[2]!.content, /people must be a whole number, is "many"/)
    assert.equal(reply.usage.cost, 2 * COST)
    assert.equal(reply.usage['cost_details'].retry_cost, COST)
    assert.deepEqual(attemptsOf(reply).map(({ provider, fault, cost }) => ({ provider, fault, cost })), [
      { provider: 'acme', fault: 'schema-mismatch', cost: COST }, { provider: 'acme', fault: undefined, cost: undefined },
    ])
    const record = await box.generation(reply.id) as { total_cost: number; provider_responses: readonly Record<string, unknown>[] }
    assert.equal(record.total_cost, 2 * COST)
    assert.deepEqual(record.provider_responses.map(({ cost }) => cost), [COST, undefined])
  })

  test('is as often as it says, and then the last answer is the error', async () => {
    says(BAD, '{"city":1,"people":2}', '[]', GOOD)
    const { error, body } = await box.refused(saying('acme/one', 'Where?', { ...STRICT, ...healing({ max_retries: 2 }) }), TOLD)
    assert.deepEqual(error.metadata['violation'], { path: '', message: 'must be an object, is a list of 0' })
    assert.equal(upstream.requests.length, 3)
    assert.equal(attemptsOf(body).length, 3)
  })

  test('is not asked for unless it is said', async () => {
    says(BAD, GOOD)
    await box.refused(saying('acme/one', 'Where?', STRICT))
    assert.equal(upstream.requests.length, 1)
  })

  test('A second answer that fails by its provider costs nothing, and neither does the first', async () => {
    says(BAD)
    upstream.next({ status: 500 })
    const { status, id } = await box.refused(saying('acme/one', 'Where?', { ...STRICT, ...healing({ max_retries: 1 }) }))
    assert.equal(status, 502)
    assert.equal((await box.generation(id))['total_cost'], 0)
    assert.equal((await box.app.stats.find(id, 'default'))!.absorbed, BigInt(Math.round(COST * 1e9)))
  })
})

describe('The plugin response-healing', () => {
  test('mends answers of schemas that are not strict and of json_object, and lets pass what cannot be mended', async () => {
    for (const response_format of [schema(), { type: 'json_object' }]) {
      says(ALMOST)
      assert.deepEqual(JSON.parse(contentOf(await box.whole(saying('acme/one', 'Where?', { response_format, ...healing() })))), JSON.parse(GOOD))
    }
    says('I do not know.')
    const reply = await box.whole(saying('acme/one', 'Where?', { ...LOOSE, ...healing() }), TOLD)
    assert.equal(contentOf(reply), 'I do not know.')
    assert.deepEqual(pipelineOf(reply)!.map(({ name, data }) => ({ name, data })), [
      { name: 'validation', data: { valid: false, path: '', message: 'is not JSON' } },
    ])
  })

  test('closes an answer that its limit cut off, where what is there fits', async () => {
    upstream.forget()
    upstream.next({ text: '{"city":"Paris","people":21', finish: 'length', usage: USED })
    const reply = await box.whole(saying('acme/one', 'Where?', { ...LOOSE, ...healing() }), TOLD)
    assert.equal(contentOf(reply), '{"city":"Paris","people":21}')
    assert.equal(reply.choices[0]!['finish_reason'], 'length')
  })

  test('without it an answer of a schema that is not strict stays as it is, and the metadata tells what is wrong', async () => {
    says(BAD)
    const reply = await box.whole(saying('acme/one', 'Where?', LOOSE), TOLD)
    assert.equal(contentOf(reply), BAD)
    assert.equal(pipelineOf(reply)![0]!['summary'], 'people must be a whole number, is "many"')
  })


  test('A slip in its settings is refused by its path, and no provider is asked', async () => {
    says(GOOD)
    for (const [settings, field] of [
      [{ max_retries: 9 }, 'plugins[0].max_retries'], [{ mode: 'strict' }, 'plugins[0].mode'], [{ retries: 1 }, 'plugins[0].retries'],
      [{ mode: 'audit', max_retries: 1 }, 'plugins[0].max_retries'],
    ] as const) {
      const { status, error } = await box.refused(saying('acme/one', 'Where?', { ...LOOSE, ...healing(settings) }))
      assert.equal(status, 400)
      assert.equal(error.metadata['field'], field)
    }
    assert.equal(upstream.requests.length, 0)
  })
})

describe('A stream', () => {
  const streamed = async (rest: Record<string, unknown>) => readStream(await box.chat(saying('acme/one', 'Where?', { stream: true, ...rest }), TOLD))

  test('of a strict schema that does not fit ends with an error that says where; it is paid, because it was delivered', async () => {
    says(BAD)
    const { text, error, usage, chunks } = await streamed(STRICT)
    assert.equal(text, BAD)
    assert.equal(error!.code, 422)
    assert.deepEqual(error!.metadata!['violation'], { path: 'people', message: 'must be a whole number, is "many"' })
    assert.equal(usage!.cost, COST)
    assert.equal(pipelineOf(chunks.at(-1))![0]!['summary'], 'people must be a whole number, is "many"')
  })

  test('of another is told of in the metadata alone, and is never mended: it is on its way already', async () => {
    says(ALMOST)
    const { text, error, chunks } = await streamed({ ...LOOSE, ...healing() })
    assert.equal(text, ALMOST)
    assert.equal(error, undefined)
    assert.deepEqual(pipelineOf(chunks.at(-1))![0]!['data'], { valid: false, path: '', message: 'is not JSON' })
  })

  test('that fits ends as every stream does', async () => {
    says(GOOD)
    const { error, done, chunks } = await streamed(STRICT)
    assert.equal(error, undefined)
    assert.ok(done)
    assert.equal(pipelineOf(chunks.at(-1)), undefined)
  })
})

describe('An endpoint without the parameter', () => {
  const plain = (name: string, model: string, parameters: readonly string[], dialect = 'openai-chat') =>
    at(name, model, { dialect, endpoint: { supported_parameters: parameters } })
  const bare = startSignalbox({
    config: together(plain('none', 'acme/none', ['max_tokens']), plain('json', 'acme/json', ['max_tokens', 'response_format']), plain('full', 'acme/full', ['max_tokens', 'response_format', 'structured_outputs'])),
  })
  const bodyOf = (): { messages: readonly { role: string; content: unknown }[]; response_format?: unknown } => upstream.requests.at(-1)!.body as never
  const parametersOf = (reply: WholeReply) => (reply as unknown as { openrouter_metadata: { parameters?: unknown } }).openrouter_metadata.parameters

  test('is asked in words, behind the instructions of the caller, and its answer is held to the schema all the same', async () => {
    const box = await bare
    says(GOOD, BAD)
    const reply = await box.whole(saying('acme/none', 'Where?', STRICT), TOLD)
    assert.equal(contentOf(reply), GOOD)
    const { messages, response_format } = bodyOf()
    assert.equal(response_format, undefined)
    assert.deepEqual(messages.map(({ role }) => role), ['system', 'user'])
    assert.match(JSON.stringify(messages[0]!.content), /fits the JSON Schema below.*additionalProperties/)
    assert.deepEqual(parametersOf(reply), { dropped: ['response_format'], prompted: ['response_format'] })
    await box.refused(saying('acme/none', 'Where?', STRICT))
    says('{}')
    await box.whole({ model: 'acme/none', messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Where?' }], response_format: { type: 'json_object' } })
    assert.match(JSON.stringify(bodyOf().messages), /^\[\{"role":"system","content":.*Be brief\..*Answer with one JSON object/)
    assert.equal(bodyOf().messages.length, 2)
  })

  test('for schemas, and with one for JSON, is asked for JSON by the parameter and for which in words', async () => {
    const box = await bare
    says(GOOD)
    const reply = await box.whole(saying('acme/json', 'Where?', STRICT), TOLD)
    assert.deepEqual(bodyOf().response_format, { type: 'json_object' })
    assert.match(JSON.stringify(bodyOf().messages[0]!.content), /fits the JSON Schema below/)
    assert.deepEqual(parametersOf(reply), { dropped: ['structured_outputs'], prompted: ['response_format'] })
  })

  test('One that has it is asked by it alone', async () => {
    const box = await bare
    says(GOOD)
    const reply = await box.whole(saying('acme/full', 'Where?', STRICT), TOLD)
    assert.deepEqual(bodyOf().response_format, STRICT.response_format)
    assert.deepEqual(bodyOf().messages.map(({ role }) => role), ['user'])
    assert.equal(parametersOf(reply), undefined)
  })

  test('A request that wants its parameters honoured is not served by words', async () => {
    const box = await bare
    says(GOOD)
    const refusal = await box.refused(saying('acme/none', 'Where?', { ...STRICT, provider: { require_parameters: true } }))
    assert.equal(refusal.status, 404)
    assert.equal(upstream.requests.length, 0)
  })
})

describe('On every surface', () => {
  const surfaces: readonly (readonly [name: string, path: string, body: Record<string, unknown>, text: (reply: never) => string])[] = [
    ['Responses', '/api/v1/responses', { model: 'acme/one', input: 'Where?', text: { format: { type: 'json_schema', name: 'city', schema: CITY, strict: true } } },
      (reply: { output_text: string }) => reply.output_text],
    ['Messages', '/api/v1/messages', {
      model: 'acme/one', max_tokens: 100, messages: [{ role: 'user', content: 'Where?' }], output_config: { format: { type: 'json_schema', schema: CITY } },
    }, (reply: { content: readonly { text: string }[] }) => reply.content[0]!.text],
    ["Google's", '/api/v1beta/models/acme%2Fone:generateContent', {
      contents: [{ role: 'user', parts: [{ text: 'Where?' }] }], generationConfig: { responseMimeType: 'application/json', responseJsonSchema: CITY },
    }, (reply: { candidates: readonly { content: { parts: readonly { text: string }[] } }[] }) => reply.candidates[0]!.content.parts[0]!.text],
  ]
  for (const [name, path, body, textOf] of surfaces) {
    test(`${name}: an answer that is almost JSON is mended, and one that cannot be is an error in the surface's own shape`, async () => {
      const asked = { ...body, ...healing({ mode: 'enforce' }) }
      says(ALMOST)
      const good = await box.send('POST', path, { body: asked })
      const text = await good.text()
      assert.equal(good.status, 200, text)
      assert.deepEqual(JSON.parse(textOf(JSON.parse(text) as never)), JSON.parse(GOOD))
      says(BAD)
      const bad = await box.send('POST', path, { body: asked })
      assert.equal(bad.status, 422)
      assert.match(await bad.text(), /not what response_format asks for/)
    })
  }
})

test('The operator says for whom it holds: for all, or for nobody who does not ask', async () => {
  const always = await startSignalbox({ config: { ...config, structured_output: { enforce: 'always' } } })
  says(BAD, 'text')
  assert.equal((await always.refused(saying('acme/one', 'Where?', LOOSE))).status, 422)
  assert.equal((await always.refused(saying('acme/one', 'Where?', { response_format: { type: 'json_object' } }))).status, 422)
  always.reload({ ...config, structured_output: { enforce: 'never' } })
  says(BAD, BAD)
  assert.equal(contentOf(await always.whole(saying('acme/one', 'Where?', STRICT))), BAD)
  assert.equal((await always.refused(saying('acme/one', 'Where?', { ...STRICT, ...healing({ mode: 'enforce' }) }))).status, 422)
})
