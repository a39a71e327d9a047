import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** From a clean start to an answer: by a key in the environment, by a server on this machine, and only then by the simulation. */

describe('With a key', () => {
  test('OPENROUTER_API_KEY alone makes the models that OpenRouter lists answer, and the cost that it reports is the price', async () => {
    const upstream = await startUpstream({ keepSecrets: true })
    const box = await startSignalbox({
      env: { OPENROUTER_API_KEY: 'sk-or-v1-of-the-operator' },
      config: { providers: { openrouter: { base_url: `${upstream.url}/api/v1` } } },
    })
    upstream.always({ text: 'From afar.', extra: { provider: 'DeepInfra', usage: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150, cost: 0.00123456 } } })
    for (const model of ['openai/gpt-4o-mini', 'anthropic/claude-sonnet-4.5', 'google/gemini-2.5-flash', 'deepseek/deepseek-r1']) {
      const reply = await box.whole(saying(model, 'Hello'))
      assert.equal(reply.model, model)
      assert.equal(reply.choices[0]!['message'].content, 'From afar.')
      assert.equal(reply.usage.cost, 0.00123456)
      assert.equal(reply.provider, 'DeepInfra', 'the name of who really answered')
      const sent = upstream.requests.at(-1)!
      assert.equal((sent.body as { model: string }).model, model)
      assert.equal(sent.headers['authorization'], 'Bearer sk-or-v1-of-the-operator')
      const streamed = await readStream(await box.chat(saying(model, 'Hello', { stream: true })))
      assert.equal(streamed.usage!.cost, 0.00123456)
      const record = await box.generation(streamed.id)
      assert.equal(record['total_cost'], 0.00123456)
      assert.equal((await box.app.stats.find(streamed.id, 'default'))!.price!.source, 'stated')
    }
  })

  test('A key in the environment switches on its provider and no other; the demo steps back', async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({ env: { OPENAI_API_KEY: 'sk-of-openai' }, config: { providers: { openai: { base_url: `${upstream.url}/v1` } } } })
    assert.deepEqual(box.app.providers().enabled(), ['openai'])
    assert.equal((await box.whole(saying('openai/gpt-4o-mini', 'Hello'))).provider, 'OpenAI')
    const refusal = await box.refused(saying('mistralai/mistral-nemo', 'Hello'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /MISTRAL_API_KEY|DEEPINFRA_API_KEY|OPENROUTER_API_KEY/)
  })

  test('Variables that other tools set too are no permission to spend', async () => {
    const box = await startSignalbox({ env: { GITHUB_TOKEN: 'ghp_x', HF_TOKEN: 'hf_x', AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'x' } })
    assert.deepEqual(box.app.providers().enabled(), [])
  })
})

describe('With a server on this machine', () => {
  test('A local server that the operator names answers at price 0, without a key', async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox({
      config: together(
        { providers: { ollama: { base_url: `${upstream.url}/v1` } } },
        { models: [{ id: 'ollama/llama3.2:3b' }], endpoints: [{ model: 'ollama/llama3.2:3b', provider: 'ollama', pricing: 'free' }] },
      ),
    })
    const reply = await box.whole(saying('ollama/llama3.2:3b', 'Hello'))
    assert.equal(reply.choices[0]!['message'].content, 'Hello')
    assert.equal(reply.usage.cost, 0)
    assert.equal(upstream.requests.at(-1)!.headers['authorization'], undefined)
    assert.equal((upstream.requests.at(-1)!.body as { model: string }).model, 'llama3.2:3b')
    assert.equal(box.app.providers().usable(), true, 'the simulation stands back')
  })
})

describe('With neither', () => {
  test('The simulation answers for any chat model and says that it is one, in its text, its name and its price', async () => {
    const box = await startSignalbox()
    for (const model of ['openai/gpt-4o-mini', 'anthropic/claude-sonnet-4.5', 'demo/echo', 'meta-llama/llama-3.3-70b-instruct:demo']) {
      const whole = await box.whole(saying(model, 'Good morning'))
      assert.match(whole.choices[0]!['message'].content, /^Simulated by Signalbox: .*Good morning/)
      assert.equal(whole.provider, 'Demo (simulation)')
      assert.equal(whole.usage.cost, 0)
      const streamed = await readStream(await box.chat(saying(model, 'Good morning', { stream: true })))
      assert.equal(streamed.text, whole.choices[0]!['message'].content)
      assert.deepEqual(streamed.usage, whole.usage)
    }
    const { simulated } = (await box.app.stats.find((await box.whole(saying('demo/echo', 'x'))).id, 'default'))!
    assert.equal(simulated, true)
  })

  test('demo/tools calls the first tool, structured output parses, and a limit is kept', async () => {
    const box = await startSignalbox()
    const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: { a: { type: 'integer' }, why: { type: 'string' } } } } }]
    const called = await box.whole(saying('demo/tools', 'Add', { tools }))
    assert.equal(called.choices[0]!['finish_reason'], 'tool_calls')
    const [call] = called.choices[0]!['message'].tool_calls
    assert.equal(call.function.name, 'add')
    assert.equal(JSON.parse(call.function.arguments).a, 0)
    const shaped = await box.whole(saying('demo/echo', 'Shape', { response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object', properties: { ok: { type: 'boolean' } } } } } }))
    assert.deepEqual(JSON.parse(shaped.choices[0]!['message'].content), { ok: false })
    const cut = await box.whole(saying('demo/echo', 'A long text to be cut', { max_tokens: 3 }))
    assert.equal(cut.choices[0]!['finish_reason'], 'length')
    assert.equal(cut.usage.completion_tokens, 3)
  })

  test('When the operator adds a provider, the next call goes there; when it is taken away, the simulation is back; a bad file changes nothing', async () => {
    const upstream = await startUpstream()
    const box = await startSignalbox()
    assert.equal((await box.whole(saying('openai/gpt-4o-mini', 'Hello'))).provider, 'Demo (simulation)')
    box.reload({ providers: { openai: { base_url: `${upstream.url}/v1`, api_key: 'sk-new' } } })
    const real = await box.whole(saying('openai/gpt-4o-mini', 'Hello'))
    assert.equal(real.provider, 'OpenAI')
    assert.ok(real.usage.cost > 0)
    assert.throws(() => box.reload(providerAt('broken', 'http://127.0.0.1:9/v1', { endpoint: { pricing: { prompt: 'cheap' } } })), /prompt/)
    assert.equal((await box.whole(saying('openai/gpt-4o-mini', 'Hello'))).provider, 'OpenAI')
    box.reload({})
    assert.equal((await box.whole(saying('openai/gpt-4o-mini', 'Hello'))).provider, 'Demo (simulation)')
    assert.equal((await box.whole(saying('demo/echo', 'Hello'))).model, 'demo/echo')
  })
})
