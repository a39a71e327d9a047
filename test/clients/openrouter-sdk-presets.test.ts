import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import { ROADS, startWorld } from './world.ts'

/** Presets through OpenRouter's official client, which throws where a field is missing or null. */

const { upstream, box } = await startWorld()
const client = new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' } })
const [{ id: model }] = ROADS

test('Presets are written from all three surfaces, listed, read by version, and called by', async () => {
  const before = upstream.requests.length
  const first = await client.presets.createPresetsChatCompletions({
    slug: 'sdk', chatRequest: { model, temperature: 0.3, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'x' }] },
  })
  assert.equal(first.data.designatedVersion!.version, 1)
  assert.equal(first.data.designatedVersion!.systemPrompt, 'Be brief.')
  const second = await client.presets.createPresetsResponses({ slug: 'sdk', responsesRequest: { model, input: 'x', instructions: 'Be long.' } })
  const third = await client.presets.createPresetsMessages({
    slug: 'sdk', messagesRequest: { model, maxTokens: 100, system: 'Be odd.', messages: [{ role: 'user', content: 'x' }] },
  })
  assert.deepEqual([second.data.designatedVersion!.version, third.data.designatedVersion!.version], [2, 3])
  assert.equal(upstream.requests.length, before, 'a model was called')

  const [list] = await Array.fromAsync(await client.presets.list({}))
  assert.deepEqual(list!.result.data.map(({ slug }) => slug), ['sdk'])
  const [versions] = await Array.fromAsync(await client.presets.listVersions({ slug: 'sdk' }))
  assert.deepEqual([versions!.result.totalCount, versions!.result.data.map((it) => it!.systemPrompt)], [3, ['Be brief.', 'Be long.', 'Be odd.']])
  assert.equal((await client.presets.getVersion({ slug: 'sdk', version: '2' })).data!.systemPrompt, 'Be long.')
  assert.equal((await client.presets.get({ slug: 'sdk' })).data.designatedVersion!.version, 3)

  const reply = await client.chat.send({ chatRequest: { model: '@preset/sdk', messages: [{ role: 'user', content: 'Hi' }], stream: false } })
  assert.equal((reply as { model: string }).model, model)
  assert.ok(JSON.stringify(upstream.requests.at(-1)!.body).includes('Be odd.'))
})
