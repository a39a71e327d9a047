import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { APICallError, generateText, streamText, type LanguageModel, type ModelMessage } from 'ai'
import { answersTheSdk, partsOf } from './ai-sdk.ts'
import { order, ROADS, SEAL, startWorld, THINKERS } from './world.ts'

/** Vercel's AI SDK with the providers of three vendors, as their users have it: only address and key are others, and every model answers each of them. */

// It would tell on the console which warnings a provider has for a model that it does not know.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
const world = await startWorld()
const { upstream, box, last } = world
const apiKey = box.key
const openai = createOpenAI({ apiKey, baseURL: `${box.url}/v1` })
const anthropic = createAnthropic({ apiKey, baseURL: `${box.url}/v1` })
const google = createGoogle({ apiKey, baseURL: `${box.url}/v1beta` })

/** The doors, by the surface that each speaks. */
const DOORS: Readonly<Record<string, (id: string) => LanguageModel>> = {
  'openai-chat': (id) => openai.chat(id),
  'openai-responses': (id) => openai.responses(id),
  'anthropic-messages': (id) => anthropic(id),
  'google-generate-content': (id) => google(id),
}

for (const [surface, model] of Object.entries(DOORS)) {
  for (const { id, dialect } of ROADS) describe(`${surface} to ${id}, through ${dialect}`, () => {
    test('A whole answer has its text and its counts', async () => {
      const result = await generateText({ model: model(id), instructions: 'Be brief.', prompt: 'Say this.', maxRetries: 0 })
      assert.equal(last().dialect, dialect)
      assert.ok(last().raw.toString().includes('Be brief.'))
      assert.equal(result.text, 'Say this.')
      assert.equal(result.finishReason, 'stop')
      assert.ok(result.usage.inputTokens! > 0 && result.usage.outputTokens! > 0, JSON.stringify(result.usage))
    })

    test('A stream gives the text in pieces, and the counts at its end', async () => {
      const result = streamText({ model: model(id), prompt: order({ text: ['One', ' two', ' 三', ' 🙂'], usage: { input: 7, output: 4 } }), maxRetries: 0 })
      const parts = await partsOf(result.fullStream)
      assert.deepEqual(parts.flatMap((part) => (part.type === 'text-delta' ? [part.text] : [])).filter((text) => text !== ''), ['One', ' two', ' 三', ' 🙂'])
      assert.equal(await result.finishReason, 'stop')
      const { inputTokens, outputTokens } = await result.usage
      assert.deepEqual([inputTokens, outputTokens], [7, 4])
    })

    answersTheSdk(world, model(id))
  })

  // OpenAI's chat has no word for thoughts that go back.
  if (surface !== 'openai-chat') for (const { id, dialect } of THINKERS) {
    test(`${surface} to ${id}: what it thought is shown and goes back sealed with the next turn, whole and streamed`, async () => {
      const say = order({ reasoning: 'Weighing it.', signature: SEAL, text: 'Done.' })
      const providerOptions = {
        openai: { store: false, reasoningSummary: 'auto', include: ['reasoning.encrypted_content'], forceReasoning: true },
        anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } }, google: { thinkingConfig: { includeThoughts: true } },
      }
      for (const streamed of [false, true]) {
        const params = { model: model(id), prompt: say, providerOptions, maxRetries: 0 }
        let messages: ModelMessage[]
        let thought: string | undefined
        if (streamed) {
          const result = streamText(params)
          await partsOf(result.fullStream)
          messages = [...(await result.response).messages]
          thought = await result.reasoningText
        } else {
          const result = await generateText(params)
          messages = [...result.response.messages]
          thought = result.reasoningText
        }
        // OpenAI's provider shows summaries alone, and this is the thought itself.
        if (surface !== 'openai-responses' || dialect === surface) assert.equal(thought, 'Weighing it.')
        await generateText({ model: model(id), providerOptions, maxRetries: 0, messages: [{ role: 'user', content: 'Why?' }, ...messages, { role: 'user', content: 'And now?' }] })
        assert.equal(last().dialect, dialect)
        assert.ok(last().raw.toString().includes(SEAL), `the seal did not go back ${streamed ? 'streamed' : 'whole'}: ${last().raw.toString()}`)
      }
    })
  }

  describe(`${surface}: errors`, () => {
    test('A wrong key, an unknown model and a field out of its range have their status, and say what is wrong', async () => {
      const refused = async (params: Partial<Parameters<typeof generateText>[0]>): Promise<APICallError> => {
        const error = await generateText({ model: model(ROADS[0].id), prompt: 'Hi', maxRetries: 0, ...params } as never).catch((thrown: unknown) => thrown)
        assert.ok(APICallError.isInstance(error), String(error))
        return error
      }
      const unknown = await refused({ model: model('acme/none') })
      assert.ok([400, 404].includes(unknown.statusCode!) && /acme\/none/.test(unknown.message), unknown.message)
      const range = await refused({ topP: 7 })
      assert.equal(range.statusCode, 400)
      assert.match(range.message, /top_?p/i)
    })

    test('A provider that limits, and one that breaks off in the middle, are told as failures', async () => {
      upstream.when({ path: '/limited/' }, { status: 429, headers: { 'retry-after': '7' } })
      const limited = await generateText({ model: model('acme/limited'), prompt: 'Hi', maxRetries: 0 }).catch((thrown: unknown) => thrown)
      assert.ok(APICallError.isInstance(limited) && limited.statusCode === 429 && limited.isRetryable, String(limited))
      upstream.when({ path: '/cutting/' }, { text: ['one', ' two', ' three'], cutAfter: 3 })
      const { fullStream } = streamText({ model: model('acme/cutting'), prompt: 'Hi', maxRetries: 0, onError() {} })
      const parts = await Array.fromAsync(fullStream)
      // OpenAI's chat provider knows no failure inside of a stream; it has another end than a model's.
      assert.ok(parts.some((part) => part.type === 'error' || (part.type === 'finish' && ['error', 'other'].includes(part.finishReason))), JSON.stringify(parts.at(-1)))
      assert.ok(!parts.some((part) => part.type === 'finish' && part.finishReason === 'stop'))
    })
  })
}

test('A wrong key is refused as an authentication error through every door', async () => {
  const wrong = { apiKey: 'sk-sb-v1-wrong' }
  const doors: readonly LanguageModel[] = [
    createOpenAI({ ...wrong, baseURL: `${box.url}/v1` }).chat(ROADS[0].id), createOpenAI({ ...wrong, baseURL: `${box.url}/v1` }).responses(ROADS[0].id),
    createAnthropic({ ...wrong, baseURL: `${box.url}/v1` })(ROADS[0].id), createGoogle({ ...wrong, baseURL: `${box.url}/v1beta` })(ROADS[0].id),
  ]
  for (const model of doors) {
    const error = await generateText({ model, prompt: 'Hi', maxRetries: 0 }).catch((thrown: unknown) => thrown)
    assert.ok(APICallError.isInstance(error) && error.statusCode === 401, String(error))
  }
})
