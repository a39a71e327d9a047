import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateText, Output, stepCountIs, streamText, tool, type LanguageModel, type TextStreamPart, type ToolSet } from 'ai'
import { z } from 'zod'
import { inThreeTries, order, PNG, PNG_BYTES, TWO_CALLS, type World } from './world.ts'

/** What Vercel's AI SDK does alike with every provider of it. */

const Place = z.object({ city: z.string(), streets: z.array(z.string()) })

/** Two tools' results, and who asked for them. */
export function weather() {
  const asked: string[] = []
  const tools = {
    get_weather: tool({
      description: 'The weather', inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => { asked.push(city); return `It rains in ${city}.` },
    }),
  }
  return { asked, tools }
}

/** All parts of a stream; throws the error that is among them. */
export async function partsOf<T extends ToolSet>(stream: AsyncIterable<TextStreamPart<T>>): Promise<TextStreamPart<T>[]> {
  const parts = await Array.fromAsync(stream)
  for (const part of parts) if (part.type === 'error') throw part.error
  return parts
}

/** Tools, schemas, pictures and leaving, for one model through one provider of the SDK. */
export function answersTheSdk(world: Pick<World, 'last' | 'assertLetGo'>, model: LanguageModel): void {
  for (const streamed of [false, true]) test(`The SDK's own loop runs two tools at once and gets the last word, ${streamed ? 'streamed' : 'whole'}`, async () => {
    const { asked, tools } = weather()
    const params = { model, prompt: order(TWO_CALLS, 'What of the weather?'), tools, stopWhen: stepCountIs(3), maxRetries: 0 }
    let said: string
    let reasons: string[]
    if (streamed) {
      const result = streamText(params)
      await partsOf(result.fullStream)
      said = await result.text
      reasons = (await result.steps).map((step) => step.finishReason)
    } else {
      const result = await generateText(params)
      said = result.text
      reasons = result.steps.map((step) => step.finishReason)
    }
    assert.deepEqual(asked.toSorted(), ['Paris', 'Zürich'])
    assert.deepEqual(reasons, ['tool-calls', 'stop'])
    assert.match(said, /It rains in (Paris|Zürich)\./)
    for (const city of asked) assert.ok(world.last().raw.toString().includes(`It rains in ${city}.`), `the result for ${city} did not arrive`)
  })

  test('A schema comes back parsed, whole and streamed', async () => {
    const params = { model, prompt: 'A place', output: Output.object({ schema: Place }), maxRetries: 0 }
    const whole = await generateText(params)
    const streamed = streamText(params)
    for (const output of [whole.output, await streamed.output]) {
      assert.ok(typeof output.city === 'string' && Array.isArray(output.streets), JSON.stringify(output))
    }
  })

  test('A picture arrives at the provider whole', async () => {
    const { text } = await generateText({
      model, maxRetries: 0,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'file', data: Buffer.from(PNG, 'base64'), mediaType: 'image/png' }] }],
    })
    assert.match(text, new RegExp(`1 image, image/png, ${PNG_BYTES} bytes`))
  })

  test('Who aborts in the middle of a stream stops the provider', () => inThreeTries(async () => {
    const controller = new AbortController()
    const { fullStream } = streamText({
      model, prompt: order({ text: ['first', ...Array.from({ length: 500 }, () => ' word')], paceMs: 20 }),
      abortSignal: controller.signal, maxRetries: 0,
    })
    let leftAt = 0
    const kinds = new Set<string>()
    for await (const part of fullStream) {
      kinds.add(part.type)
      if (leftAt > 0 || part.type !== 'text-delta') continue
      leftAt = performance.now()
      controller.abort()
    }
    assert.ok(kinds.has('abort'))
    await world.assertLetGo(world.last(), leftAt)
  }))
}
