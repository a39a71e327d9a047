import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createOpenRouter } from '@openrouter/ai-sdk-provider'
import { APICallError, generateText, stepCountIs, streamText, type ModelMessage } from 'ai'
import { answersTheSdk, partsOf, weather } from './ai-sdk.ts'
import { order, ROADS, SEAL, startWorld, THINKERS, TWO_CALLS } from './world.ts'

/** Vercel's AI SDK with OpenRouter's provider for it, as its users have it: only the address is another. */

// It would tell on the console that it drops what Gemini never seals.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
const world = await startWorld()
const { upstream, box, last } = world
const openrouter = createOpenRouter({ apiKey: box.key, baseURL: `${box.url}/api/v1`, compatibility: 'strict' })
const model = (id: string) => openrouter.chat(id, { usage: { include: true } })
/** What the provider hands on beside the answer. */
interface Beside { readonly provider: string; readonly usage: { readonly cost: number; readonly totalTokens: number }; readonly reasoning_details?: readonly object[] }
const beside = (metadata: unknown) => (metadata as { openrouter: Beside }).openrouter

for (const { id, dialect, provider } of ROADS) describe(`${id}, through ${dialect}`, () => {
  test('A whole answer has its text, its counts, its cost and who gave it', async () => {
    const result = await generateText({ model: model(id), instructions: 'Be brief.', prompt: 'Say this.', maxRetries: 0 })
    assert.equal(last().dialect, dialect)
    assert.equal(result.text, 'Say this.')
    assert.equal(result.finishReason, 'stop')
    assert.deepEqual(result.warnings ?? [], [])
    assert.equal(result.usage.totalTokens, result.usage.inputTokens! + result.usage.outputTokens!)
    const { usage, provider: by } = beside(result.providerMetadata)
    assert.equal(by, provider)
    assert.ok(usage.cost > 0)
    assert.equal(usage.totalTokens, result.usage.totalTokens)
    assert.equal((await box.generation(result.response.id))['total_cost'], usage.cost)
  })

  test('A stream gives the text in pieces, and the usage with the cost at the end', async () => {
    const result = streamText({ model: model(id), prompt: order({ text: ['One', ' two', ' 三', ' 🙂'] }), maxRetries: 0 })
    const parts = await partsOf(result.fullStream)
    assert.deepEqual(parts.flatMap((part) => (part.type === 'text-delta' ? [part.text] : [])).filter((text) => text !== ''), ['One', ' two', ' 三', ' 🙂'])
    assert.equal(await result.finishReason, 'stop')
    assert.ok((await result.usage).outputTokens! > 0)
    assert.ok(beside(await result.providerMetadata).usage.cost > 0)
  })

  answersTheSdk(world, model(id))
})

describe('Reasoning', () => {
  for (const { id, dialect } of THINKERS) test(`Sealed reasoning comes apart from the text and goes back with the next turn, through ${dialect}`, async () => {
    const thinking = openrouter.chat(id, { reasoning: { effort: 'high' } })
    const messages: ModelMessage[] = [{ role: 'user', content: 'Why?' }]
    const whole = await generateText({ model: thinking, messages, maxRetries: 0 })
    assert.equal(whole.reasoningText, 'Weighing the request.')
    assert.match(whole.text, /^Why\?/)
    assert.ok(whole.usage.outputTokenDetails.reasoningTokens! > 0)
    assert.ok(JSON.stringify(beside(whole.providerMetadata).reasoning_details).includes(SEAL), 'the seal is missing')

    const streamed = streamText({ model: thinking, messages, maxRetries: 0 })
    const parts = await partsOf(streamed.fullStream)
    assert.equal(parts.flatMap((part) => (part.type === 'reasoning-delta' ? [part.text] : [])).join(''), 'Weighing the request.')

    for (const [how, reply] of [['whole', whole.responseMessages], ['streamed', await streamed.responseMessages]] as const) {
      const again = await generateText({ model: thinking, messages: [...messages, ...reply, { role: 'user', content: 'And now?' }], maxRetries: 0 })
      assert.match(again.text, /^And now\?/)
      // Of a whole answer the client keeps what seals a thought or a call, and drops what seals the text (Gemini's).
      if (how === 'streamed' || dialect === 'anthropic-messages') assert.ok(last().raw.toString().includes(SEAL), `${how}: the provider did not get its seal back`)
    }
  })

  for (const { id, dialect } of THINKERS) test(`A model that thinks before it calls a tool gets its thought back with the result, through ${dialect}`, async () => {
    const { asked, tools } = weather()
    const thinking = openrouter.chat(id, { reasoning: { effort: 'high' } })
    const say = { reasoning: 'I need the weather.', signature: SEAL, ...TWO_CALLS }
    for (const streamed of [false, true]) {
      const params = { model: thinking, prompt: order(say), tools, stopWhen: stepCountIs(2), maxRetries: 0 }
      if (streamed) await partsOf(streamText(params).fullStream)
      else await generateText(params)
      const sent = last().raw.toString()
      assert.ok(sent.includes('It rains in Paris.') && sent.includes(SEAL), `${streamed ? 'streamed' : 'whole'}: ${sent}`)
      assert.equal(sent.split(SEAL).length, 3, `${streamed ? 'streamed' : 'whole'}: the seal went back more than once: ${sent}`)
    }
    assert.equal(asked.length, 4)
  })
})

describe('Errors', () => {
  const ask = (id: string, rest: { temperature?: number; maxRetries?: number } = {}) => generateText({ model: model(id), prompt: 'Hello', maxRetries: 0, ...rest })
  const callError = (status: number, message: RegExp) => (error: unknown) => {
    assert.ok(APICallError.isInstance(error), String(error))
    assert.equal(error.statusCode, status)
    assert.match(error.message, message)
    return true
  }

  test('A parameter out of its range, an unknown model, one that nobody here serves, and a wrong key say what they are', async () => {
    await assert.rejects(ask('openai/gpt-4o-mini', { temperature: 3 }), callError(400, /temperature/))
    await assert.rejects(ask('nobody/knows-it'), callError(400, /nobody\/knows-it/))
    await assert.rejects(ask('mistralai/mistral-large'), callError(404, /./))
    const stranger = createOpenRouter({ apiKey: 'sk-wrong', baseURL: `${box.url}/api/v1` })
    await assert.rejects(generateText({ model: stranger.chat('openai/gpt-4o-mini'), prompt: 'Hello', maxRetries: 0 }), callError(401, /./))
  })

  test('A provider that limits us is a 429, after which the SDK waits as long as it was told', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '7' } }, { path: '/limited/' })
    await assert.rejects(ask('acme/limited'), (error) => callError(429, /./)(error) && (error as APICallError).responseHeaders!['retry-after'] === '7')
    upstream.next({ status: 429, headers: { 'retry-after': '4' } }, { path: '/limited/' })
    const before = performance.now()
    assert.equal((await ask('acme/limited', { maxRetries: 1 })).text, 'Hello')
    const took = performance.now() - before
    assert.ok(took >= 3990, `it came back after ${took.toFixed(0)} ms, and its own wait would have been two seconds`)
  })

  test('A provider that fails is a 502, which the SDK knows that it may try again', async () => {
    upstream.next({ status: 500 }, { path: '/broken/' })
    await assert.rejects(ask('acme/broken'), (error) => callError(502, /./)(error) && (error as APICallError).isRetryable)
  })

  test('A stream that breaks after its first words ends in an error and not as if it were complete', async () => {
    upstream.next({ text: 'One two three four five six seven eight nine ten', cutAfter: 4 }, { path: '/cutting/' })
    const parts = await Array.fromAsync(streamText({ model: model('acme/cutting'), prompt: 'Count.', maxRetries: 0, onError: () => {} }).fullStream)
    const kinds = parts.map((part) => part.type)
    assert.ok(kinds.includes('text-delta'))
    assert.ok(kinds.includes('error'), kinds.join())
    assert.ok(!parts.some((part) => part.type === 'finish' && part.finishReason === 'stop'))
  })
})

test('Nothing in all of this was an error of ours', () => {
  assert.deepEqual(box.complaints, [])
})
