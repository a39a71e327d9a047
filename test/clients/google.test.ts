import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, type Content, type GenerateContentResponse, type Part } from '@google/genai'
import { CITY_SCHEMA, inThreeTries, order, PNG, PNG_BYTES, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** Google's own client, with nothing changed but the address: `/api` and the bare host. */

const { upstream, box, last, assertLetGo } = await startWorld()
const clientAt = (base: string, apiKey = box.key) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: box.url + base, retryOptions: { attempts: 1 } } })
const BASES = [
  { base: '', modelOf: (road: (typeof ROADS)[number]) => road.bare },
  { base: '/api', modelOf: (road: (typeof ROADS)[number]) => road.id },
]
const user = (...parts: (string | Part)[]): Content => ({ role: 'user', parts: parts.map((part) => (typeof part === 'string' ? { text: part } : part)) })
const WEATHER = { functionDeclarations: [{ name: 'get_weather', description: 'The weather', parametersJsonSchema: CITY_SCHEMA }] }
const picture: Part = { inlineData: { mimeType: 'image/png', data: PNG } }
const partsOf = (reply: GenerateContentResponse): Part[] => reply.candidates?.[0]?.content?.parts ?? []
const collected = async (stream: AsyncIterable<GenerateContentResponse>): Promise<{ parts: Part[]; last: GenerateContentResponse; all: GenerateContentResponse[] }> => {
  const all = await Array.fromAsync(stream)
  return { parts: all.flatMap(partsOf), last: all.at(-1)!, all }
}

for (const { base, modelOf } of BASES) for (const road of ROADS) {
  const { models } = clientAt(base)
  const model = modelOf(road)

  describe(`${model} at ${base || 'the bare host'}, through ${road.dialect}`, () => {
    test('A whole answer has its text, its finish and its counts', async () => {
      const reply = await models.generateContent({ model, contents: 'Say this.', config: { systemInstruction: 'Be brief.', maxOutputTokens: 100 } })
      assert.equal(last().dialect, road.dialect)
      assert.equal(reply.text, 'Say this.')
      assert.equal(reply.modelVersion, road.id)
      assert.equal(reply.candidates![0]!.finishReason, 'STOP')
      const { promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: total, thoughtsTokenCount: thoughts = 0 } = reply.usageMetadata!
      assert.ok(input! > 0)
      assert.equal(output, 2)
      assert.equal(total, input! + output! + thoughts)
      assert.match(last().raw.toString(), /Be brief\./)
      const { cost } = reply.usageMetadata as unknown as { cost: number }
      assert.equal((await box.generation(reply.responseId!))['total_cost'], cost)
    })

    test('A stream gives the text in pieces, and at its end the finish and the counts', async () => {
      const { parts, last: end, all } = await collected(await models.generateContentStream({ model, contents: order({ text: ['One', ' two', ' 三', ' 🙂'] }) }))
      assert.deepEqual(parts.map((part) => part.text).filter((text) => text), ['One', ' two', ' 三', ' 🙂'])
      assert.equal(end.candidates![0]!.finishReason, 'STOP')
      assert.ok(end.usageMetadata!.candidatesTokenCount! > 0)
      assert.equal(all.filter((one) => one.candidates![0]!.finishReason).length, 1)
    })

    test('Two tools are called at once, whole and streamed, and their results go back', async () => {
      const config = { tools: [WEATHER] }
      const contents = [user(order(TWO_CALLS, 'What of the weather?'))]
      const whole = partsOf(await models.generateContent({ model, contents, config }))
      const streamed = (await collected(await models.generateContentStream({ model, contents, config }))).parts
      for (const parts of [whole, streamed]) {
        const calls = parts.flatMap((part) => part.functionCall ?? [])
        assert.deepEqual(calls.map((call) => [call.name, call.args]), [['get_weather', { city: 'Zürich' }], ['get_weather', { city: 'Paris' }]])
        assert.equal(new Set(calls.map((call) => call.id)).size, 2)
        // With their ids, and without, as older clients have it.
        for (const id of [true, false]) {
          const reply = await models.generateContent({
            model, config,
            contents: [...contents, { role: 'model', parts: id ? parts : parts.map(withoutId) }, {
              role: 'user', parts: calls.map((call, at) => ({ functionResponse: { ...(id && { id: call.id }), name: call.name, response: { output: ['It rains.', 'It is dry.'][at] } } })),
            }],
          })
          assert.match(reply.text!, /It is dry\./)
          assert.ok(last().raw.toString().indexOf('It rains.') < last().raw.toString().indexOf('It is dry.'))
        }
      }
    })

    test('A chat keeps its own history over streams, with calls in it', async () => {
      const chat = clientAt(base).chats.create({ model, config: { tools: [WEATHER] } })
      await Array.fromAsync(await chat.sendMessageStream({ message: order({ text: ['Let', ' me', ' see.'], calls: TWO_CALLS.calls! }) }))
      const calls = chat.getHistory().flatMap((content) => content.parts ?? []).flatMap((part) => part.functionCall ?? [])
      assert.equal(calls.length, 2, JSON.stringify(chat.getHistory()))
      const reply = await chat.sendMessage({ message: calls.map((call) => ({ functionResponse: { id: call.id!, name: call.name!, response: { output: `Dry in ${String(call.args!['city'])}` } } })) })
      assert.match(reply.text!, /Dry in Paris/)
      assert.match(last().raw.toString(), /Let me see\./)
    })

    test('A forced tool is forced', async () => {
      const reply = await models.generateContent({
        model, contents: 'Hello', config: { tools: [WEATHER], toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['get_weather'] } } },
      })
      assert.equal(reply.functionCalls?.[0]?.name, 'get_weather')
    })

    test('A picture arrives at the provider whole', async () => {
      assert.match((await models.generateContent({ model, contents: [user('What is it?', picture)] })).text!, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
    })

    test('A schema is answered with what fits it, in either of its two notations', async () => {
      const schemas = [{ responseJsonSchema: CITY_SCHEMA }, { responseSchema: { type: 'OBJECT', properties: { city: { type: 'STRING' } }, required: ['city'] } }]
      for (const schema of schemas) {
        const reply = await models.generateContent({ model, contents: 'Which city?', config: { responseMimeType: 'application/json', ...schema } as never })
        assert.equal(typeof (JSON.parse(reply.text!) as { city: string }).city, 'string')
      }
    })

    test('Who leaves in the middle of a stream stops the provider', () => inThreeTries(async () => {
      const leaving = new AbortController()
      const stream = await models.generateContentStream({
        model, contents: order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }), config: { abortSignal: leaving.signal },
      })
      let leftAt = 0
      await assert.rejects(async () => {
        for await (const chunk of stream) {
          if (leftAt > 0 || !chunk.text) continue
          leftAt = performance.now()
          leaving.abort()
        }
      })
      await assertLetGo(last(), leftAt)
    }))
  })
}

describe('Thinking', () => {
  for (const { id: model, dialect } of THINKERS) {
    for (const shown of [true, false]) {
      test(`goes back sealed with the next turn, ${shown ? 'shown' : 'not shown'}, through ${dialect}`, async () => {
        const { models } = clientAt('/api')
        const config = { maxOutputTokens: 4000, thinkingConfig: { thinkingBudget: 2000, includeThoughts: shown } }
        const contents = [user(order({ reasoning: 'Weighing it.', signature: SEAL, text: ['So', ' it is.'] }))]
        const whole = partsOf(await models.generateContent({ model, contents, config }))
        const streamed = (await collected(await models.generateContentStream({ model, contents, config }))).parts
        for (const parts of [whole, streamed]) {
          assert.equal(parts.map((part) => (part.thought ? part.text : '')).join(''), shown ? 'Weighing it.' : '')
          assert.equal(parts.map((part) => (part.thought ? '' : part.text)).join(''), 'So it is.')
          await models.generateContent({ model, config, contents: [...contents, { role: 'model', parts }, user('And now?')] })
          assert.ok(last().raw.toString().includes(SEAL), 'the provider did not get its seal back')
          // Claude wants the thought itself back beside its signature, also where its caller never saw it.
          assert.equal(last().raw.toString().includes('"thinking":"Weighing it."'), dialect === 'anthropic-messages')
        }
      })
    }
  }
})

describe('What only Google knows', () => {
  const { models } = clientAt('/api')
  const model = ROADS[2].id

  test('reaches Google as it was said', async () => {
    await models.generateContent({
      model, contents: [user({ ...picture, mediaResolution: { level: 'MEDIA_RESOLUTION_LOW' } } as Part, 'Look')],
      config: { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }], mediaResolution: 'MEDIA_RESOLUTION_LOW', thinkingConfig: { thinkingBudget: -1 } } as never,
    })
    const body = last().body as { safetySettings: unknown; generationConfig: Record<string, unknown>; contents: { parts: object[] }[] }
    assert.deepEqual(body.safetySettings, [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }])
    assert.equal(body.generationConfig['mediaResolution'], 'MEDIA_RESOLUTION_LOW')
    assert.deepEqual(body.generationConfig['thinkingConfig'], { thinkingBudget: -1 })
    assert.deepEqual(body.contents[0]!.parts[0], { ...picture, mediaResolution: { level: 'MEDIA_RESOLUTION_LOW' } })
  })

  test('a tool that its servers run is refused where another family answers, by its place', async () => {
    await models.generateContent({ model, contents: 'Hi', config: { tools: [{ googleSearch: {} }] } })
    assert.deepEqual((last().body as { tools: object[] }).tools, [{ googleSearch: {} }])
    for (const road of ROADS.slice(0, 2)) {
      const error = await failure(() => models.generateContent({ model: road.id, contents: 'Hi', config: { tools: [{ googleSearch: {} }] } }))
      assert.ok(error instanceof ApiError && error.status === 400, String(error))
      assert.match(error.message, /tools\[0\]/)
    }
  })

  test('sources come as grounding', async () => {
    const reply = await models.generateContent({ model, contents: order({ text: 'Zürich ist es.', citations: [{ url: 'https://example.com', title: 'E', start: 0, end: 6 }] }) })
    const { groundingChunks, groundingSupports } = reply.candidates![0]!.groundingMetadata!
    assert.deepEqual(groundingChunks, [{ web: { uri: 'https://example.com', title: 'E' } }])
    assert.equal(groundingSupports![0]!.segment!.endIndex, 7)
  })
})

describe('Counts, lists, errors and framing', () => {
  const { models } = clientAt('/api')

  test('countTokens gives a number for any model without asking a provider', async () => {
    const before = upstream.requests.length
    for (const road of ROADS) {
      const { totalTokens } = await models.countTokens({ model: road.id, contents: 'The quick brown fox jumps over the lazy dog.' })
      assert.ok(totalTokens! >= 9 && totalTokens! < 30, String(totalTokens))
    }
    assert.equal(upstream.requests.length, before)
  })

  test("models are listed in Google's shape, page by page, and one is found by its name", async () => {
    const names: string[] = []
    for await (const model of await models.list({ config: { pageSize: 100, queryBase: true } })) names.push(model.name!)
    assert.ok(names.includes(`models/${ROADS[0].id}`) && new Set(names).size === names.length && names.length > 200, String(names.length))
    assert.equal((await models.get({ model: ROADS[2].id })).name, `models/${ROADS[2].id}`)
  })

  test('errors have the status and the words that the client shows', async () => {
    const ask = (model: string, contents: string, config = {}) => models.generateContent({ model, contents, config })
    const cases: [() => Promise<unknown>, number, RegExp][] = [
      [() => clientAt('/api', 'sk-wrong').models.generateContent({ model: ROADS[0].id, contents: 'Hi' }), 401, /UNAUTHENTICATED/],
      [() => ask('no/such-model', 'Hi'), 400, /no\/such-model.*INVALID_ARGUMENT/],
      [() => ask(ROADS[0].id, 'Hi', { temperature: 5 }), 400, /generationConfig\.temperature: must be a number from 0 to 2/],
      [() => ask('acme/limited', order({ status: 429 })), 429, /RESOURCE_EXHAUSTED/],
    ]
    for (const [act, status, words] of cases) {
      const error = await failure(act)
      assert.ok(error instanceof ApiError, String(error))
      assert.equal(error.status, status)
      assert.match(error.message, words)
    }
  })

  test('an error in the midst of a stream is thrown where it comes', async () => {
    const stream = await models.generateContentStream({ model: 'acme/cutting', contents: order({ text: ['One', ' two', ' three'], cutAfter: 2 }) })
    let text = ''
    const error = await failure(async () => { for await (const chunk of stream) text += chunk.text ?? '' })
    assert.ok(error instanceof ApiError && error.status === 502, String(error))
    assert.ok(text.startsWith('One'))
  })

  test('without alt=sse a stream is one JSON list, also when it breaks off', async () => {
    const at = `${box.url}/api/v1beta/models/${ROADS[0].id}:streamGenerateContent`
    const asked = async (text: string, model: string = ROADS[0].id) => (await fetch(at.replace(ROADS[0].id, model), {
      method: 'POST', headers: { 'x-goog-api-key': box.key, 'content-type': 'application/json' }, body: JSON.stringify({ contents: [{ parts: [{ text }] }] }),
    }))
    const response = await asked(order({ text: ['One', ' two'] }))
    assert.match(response.headers.get('content-type')!, /^application\/json/)
    const list = await response.json() as GenerateContentResponse[]
    assert.equal(list.flatMap((it) => it.candidates![0]!.content!.parts!).map((part) => part.text).join(''), 'One two')
    assert.ok(list.at(-1)!.usageMetadata)
    const broken = await (await asked(order({ text: ['One', ' two', ' three'], cutAfter: 2 }), 'acme/cutting')).json() as { error?: { code: number } }[]
    assert.equal(broken.at(-1)!.error!.code, 502)
  })

  test('a key in the address is refused, with the header that is right', async () => {
    const response = await fetch(`${box.url}/api/v1beta/models/${ROADS[0].id}:generateContent?key=${box.key}`, {
      method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${box.key}` }, body: JSON.stringify({ contents: [{ parts: [{ text: 'Hi' }] }] }),
    })
    assert.equal(response.status, 400)
    const { error } = await response.json() as { error: { message: string; status: string } }
    assert.match(error.message, /x-goog-api-key/)
    assert.ok(!error.message.includes(box.key))
  })
})

function withoutId(part: Part): Part {
  if (!part.functionCall) return part
  const { id: _, ...call } = part.functionCall
  return { ...part, functionCall: call }
}

async function failure(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act()
  } catch (error) {
    return error
  }
  return assert.fail('it did not fail')
}
