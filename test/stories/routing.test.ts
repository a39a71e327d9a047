import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** Who answers, in which order others would, and what a caller is told when nobody can. */

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const config = together(
  at('one', 'acme/shop', { prompt: 1, completion: 1 }),
  at('two', 'acme/shop', { prompt: 2, completion: 2 }),
  at('three', 'acme/shop', { prompt: 3, completion: 3 }),
  at('solo', 'acme/solo'),
  at('short', 'acme/read', { prompt: 1, completion: 1, endpoint: { context_length: 500 } }),
  at('long', 'acme/read', { prompt: 5, completion: 5, endpoint: { context_length: 50_000 } }),
  at('blind', 'acme/blind'), at('seeing', 'acme/seeing', { row: { input_modalities: ['text', 'image'] } }),
  at('plain', 'acme/tools', { prompt: 1, completion: 1, endpoint: { supported_parameters: ['max_tokens', 'temperature'] } }),
  at('able', 'acme/tools', { prompt: 9, completion: 9, endpoint: { supported_parameters: ['max_tokens', 'temperature', 'tools', 'tool_choice', 'response_format'] } }),
  at('keeps', 'acme/secret', { prompt: 1, completion: 1 }), at('forgets', 'acme/secret', { prompt: 9, completion: 9 }),
  { providers: {
    keeps: { base_url: `${upstream.url}/keeps/v1`, api_key: 'k', data_policy: { training: true, retains_prompts: true, retention_days: 30 } },
    forgets: { base_url: `${upstream.url}/forgets/v1`, api_key: 'k', data_policy: { training: false, retains_prompts: false, retention_days: 0 } },
  } },
  at('gives', 'acme/gift', { endpoint: { pricing: 'free' } }), at('sells', 'acme/gift'),
  { model_aliases: { 'gpt-4': 'acme/solo', 'our model': 'acme/seeing', fast: 'acme/shop:nitro' } },
  { providers: { openai: { base_url: `${upstream.url}/openai/v1`, api_key: 'key-of-openai' } } },
)
const box = await startSignalbox({ config })
const shop = (provider: object, rest: Record<string, unknown> = {}) => saying('acme/shop', 'Hi', { provider, ...rest })
const order = async (body: Record<string, unknown>) => (await box.explain(body)).candidates.map((it) => it['provider'])

describe('The balance', () => {
  test('By default a provider of half the price is drawn first four times as often, and the others wait behind it', async () => {
    const plan = await box.explain(saying('acme/shop', 'Hi'))
    assert.equal(plan.strategy, 'balanced')
    const weights = Object.fromEntries(plan.candidates.map((it) => [it['provider'], it['weight']]))
    const sum = 1 + 1 / 4 + 1 / 9
    for (const [name, share] of [['one', 1 / sum], ['two', 1 / 4 / sum], ['three', 1 / 9 / sum]] as const) {
      assert.ok(Math.abs(weights[name] - share) < 0.001, `${name}: ${weights[name]}`)
    }
    assert.equal(plan.candidates.length, 3)
  })

  test('What is drawn is what is called: of sixty calls most go to the cheapest, and not all', async () => {
    const calls = await Promise.all(Array.from({ length: 60 }, () => box.whole(saying('acme/shop', 'Hi'))))
    const counts = Map.groupBy(calls, (reply) => reply.provider)
    const cheapest = counts.get('one')?.length ?? 0
    assert.ok(cheapest > 28 && cheapest < 60, `${cheapest} of 60`)
  })
})

describe('What a request may say of providers', () => {
  test('order goes first, and the others follow by price', async () => {
    assert.deepEqual(await order(shop({ order: ['three'] })), ['three', 'one', 'two'])
    assert.equal((await box.whole(shop({ order: ['three'] }))).provider, 'three')
  })
  test('order is closed when fallbacks are not allowed', async () => {
    assert.deepEqual(await order(shop({ order: ['three', 'two'], allow_fallbacks: false })), ['three', 'two'])
  })
  test('allow_fallbacks false leaves the one that is drawn', async () => {
    assert.equal((await order(shop({ allow_fallbacks: false }))).length, 1)
  })
  test('only and ignore narrow it down, in either case of letters', async () => {
    assert.deepEqual((await order(shop({ only: ['Two', 'THREE'] }))).toSorted(), ['three', 'two'])
    assert.deepEqual((await order(shop({ ignore: ['one'] }))).toSorted(), ['three', 'two'])
    assert.deepEqual(await order(shop({ only: ['one', 'two'], ignore: ['one'] })), ['two'])
  })
  test('sort by price is a fixed order, and so are :floor and sort as an object', async () => {
    for (const body of [shop({ sort: 'price' }), shop({ sort: { by: 'price', partition: 'model' } }), saying('acme/shop:floor', 'Hi')]) {
      const plan = await box.explain(body)
      assert.equal(plan.strategy, 'sort:price')
      assert.deepEqual(plan.candidates.map((it) => it['provider']), ['one', 'two', 'three'])
    }
  })
  test('sort by throughput puts the one that was measured to be fast first, and :nitro means that', async () => {
    upstream.when({ path: '/one/' }, { text: Array.from({ length: 20 }, () => ' word'), paceMs: 10 })
    upstream.when({ path: '/two/' }, { text: Array.from({ length: 100 }, () => ' word'), paceMs: 1 })
    for (const name of ['one', 'two']) for (let i = 0; i < 2; i++) await (await box.chat(shop({ only: [name] }, { stream: true }))).text()
    const plan = await box.explain(saying('acme/shop:nitro', 'Hi'))
    assert.equal(plan.strategy, 'sort:throughput')
    const places = plan.candidates.map((it) => it['provider'])
    assert.ok(places.indexOf('two') < places.indexOf('one'), places.join())
    assert.deepEqual(await order(shop({ sort: 'throughput' })), places)
    assert.deepEqual(await order(saying('fast', 'Hi')), places, 'an alias may carry a variant')
  })
  test('max_price, in dollars per million tokens, is a hard limit; as a number or as text', async () => {
    assert.deepEqual((await order(shop({ max_price: { prompt: 2, completion: '2' } }))).toSorted(), ['one', 'two'])
    const refusal = await box.refused(shop({ max_price: { prompt: 0.5 } }))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /^No endpoints found within provider\.max_price\./)
    assert.deepEqual(refusal.error['availability'].excluded_by, ['max_price'])
    assert.equal(refusal.error['availability'].constraint.field, 'provider.max_price')
  })
  test('Data policies are met where they are stated, and what is not stated meets none', async () => {
    for (const wish of [{ data_collection: 'deny' }, { zdr: true }]) {
      assert.deepEqual(await order(saying('acme/secret', 'Hi', { provider: wish })), ['forgets'])
      const refusal = await box.refused(saying('acme/solo', 'Hi', { provider: wish }))
      assert.equal(refusal.status, 404)
      assert.match(refusal.error.message, /^No endpoints found matching your data policy/)
      assert.equal(refusal.error['availability'].code, 'privacy_restricted')
    }
  })
})

describe('What a request demands', () => {
  test('Tools go first to who honours them, and only there with require_parameters', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    assert.deepEqual(await order(saying('acme/tools', 'Hi', { tools })), ['able', 'plain'])
    const plan = await box.explain(saying('acme/tools', 'Hi', { tools, provider: { require_parameters: true } }))
    assert.deepEqual(plan.candidates.map((it) => it['provider']), ['able'])
    assert.deepEqual(plan.rejected.map(({ provider, why }) => [provider, why]), [['plain', 'parameters']])
    const refusal = await box.refused(saying('acme/tools', 'Hi', { tools, provider: { require_parameters: true, only: ['plain'] } }))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /tool|parameters|only/)
  })

  test('A parameter that an endpoint does not have is left out for it, and the request is served', async () => {
    await box.whole(saying('acme/tools', 'Hi', { top_k: 5, temperature: 0.5, provider: { only: ['plain'] } }))
    const { body } = upstream.requests.at(-1)! as { body: Record<string, unknown> }
    assert.equal(body['temperature'], 0.5)
    assert.ok(!('top_k' in body))
  })

  test('A prompt goes to an endpoint that it fits; when it fits none, the 400 has the two numbers that clients look for', async () => {
    const text = 'word '.repeat(1000)
    assert.equal((await box.whole(saying('acme/read', text))).provider, 'long')
    const refusal = await box.refused(saying('acme/read', text.repeat(60)))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['error_type'], 'context_length_exceeded')
    assert.match(refusal.error.message, /^This endpoint's maximum context length is 50000 tokens\. However, you requested about \d+ tokens/)
    assert.deepEqual(refusal.error['availability'].excluded_by, ['context_length'])
  })

  test('Room for the answer counts, too', async () => {
    assert.deepEqual(await order(saying('acme/read', 'Hi', { max_tokens: 600 })), ['long'])
  })

  test('A picture goes to a model that can see, and to no other', async () => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'What?' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }]
    assert.equal((await box.whole({ model: 'acme/seeing', messages })).provider, 'seeing')
    const before = upstream.requests.length
    const refusal = await box.refused({ model: 'acme/blind', messages })
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /^No endpoints found that support image input\./)
    assert.equal(upstream.requests.length, before)
    const listed = await box.whole({ model: 'acme/blind', models: ['acme/seeing'], messages })
    assert.equal(listed.model, 'acme/seeing')
  })
})

describe('A plan that failed says why', () => {
  test('Endpoint by endpoint: who serves the model, and what stood in the way of each', async () => {
    const refusal = await box.refused(shop({ only: ['one', 'two'], ignore: ['one'], max_price: { prompt: 1 } }))
    assert.equal(refusal.status, 404)
    const { message } = refusal.error
    assert.match(message, /one: provider\.ignore names it/)
    assert.match(message, /two: .*price|two: .*\$/)
    assert.match(message, /three: .*provider\.only/)
    assert.deepEqual(refusal.error['availability'].affected_providers.toSorted(), ['one', 'three', 'two'])
    assert.deepEqual(refusal.error['availability'].requested_models, ['acme/shop'])
  })

  test('An allowlist without anybody on it names those that serve the model, in the words that clients know', async () => {
    const refusal = await box.refused(shop({ only: ['four'] }))
    assert.match(refusal.error.message, /^No allowed providers are available for the selected model\. Providers serving acme\/shop: one, two, three/)
    assert.equal(refusal.error['availability'].code, 'constraint_filtered')
    assert.deepEqual(refusal.error['availability'].excluded_by, ['allowed_providers'])
  })

  test('A model whose providers have no key here says which key would help', async () => {
    const refusal = await box.refused(saying('anthropic/claude-sonnet-4.5', 'Hi'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /OPENROUTER_API_KEY/)
    assert.equal(refusal.error['availability'].code, 'no_endpoints')
  })

  test('Explaining a request calls nobody, records nothing and spends nothing', async () => {
    const before = upstream.requests.length
    const plan = await box.explain(saying('acme/shop', 'Hi', { provider: { only: ['two', 'three'], max_price: { prompt: 2 } } }))
    assert.equal(upstream.requests.length, before)
    assert.deepEqual(plan.candidates.map((it) => it['provider']), ['two'])
    assert.deepEqual(plan.rejected.map(({ provider, why }) => [provider, why]).toSorted(), [['one', 'not_allowed'], ['three', 'max_price']])
    for (const { detail } of plan.rejected) assert.ok(detail.length > 10)
    assert.ok(plan.candidates[0]!['worst_cost'] > 0)
    assert.ok(!JSON.stringify(plan).includes('key-of-'), 'a key is in the plan')
    await box.app.stats.flush()
    const { count } = await box.app.store.db.selectFrom('generations').select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
    await box.explain(saying('acme/shop', 'Hi'))
    await box.app.stats.flush()
    const after = await box.app.store.db.selectFrom('generations').select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
    assert.equal(Number(after.count), Number(count))
  })
})

describe('Models by name', () => {
  test('A list of models is tried in order, whichever key it stands under, and nobody twice', async () => {
    const both = await box.explain({ ...saying('acme/solo', 'Hi'), models: ['acme/seeing', 'acme/solo'] })
    assert.deepEqual(both.candidates.map((it) => it['model']), ['acme/solo', 'acme/seeing'])
    const list = await box.whole({ models: ['acme/seeing', 'acme/solo'], messages: [{ role: 'user', content: 'Hi' }] })
    assert.equal(list.model, 'acme/seeing')
  })

  test('OpenAI clients send bare names, and get the model that they mean', async () => {
    for (const [name, id] of [
      ['gpt-4o-mini', 'openai/gpt-4o-mini'], ['gpt-5.3-chat-latest', 'openai/gpt-5.3-chat'], ['claude-sonnet-4-5', 'anthropic/claude-sonnet-4.5'],
      ['gemini-2.5-pro', 'google/gemini-2.5-pro'], ['openai/o3-mini-2025-01-31', 'openai/o3-mini'],
    ] as const) {
      const plan = await box.explain(saying(name, 'Hi')) as unknown as { models: string[] }
      assert.deepEqual(plan.models, [id], name)
    }
    const reply = await box.whole(saying('gpt-4o-mini', 'Hi', { provider: { only: ['openai'] } }))
    assert.equal(reply.model, 'openai/gpt-4o-mini')
    assert.equal((upstream.requests.at(-1)!.body as { model: string }).model, 'gpt-4o-mini')
  })

  test('A moving alias answers as the model that it stands for', async () => {
    const { models } = box.app.catalog.snapshot()
    const alias = models.find(({ row }) => row.alias_target !== undefined)!.row
    const plan = await box.explain(saying(alias.id, 'Hi')) as unknown as { models: string[] }
    assert.deepEqual(plan.models, [alias.alias_target])
  })

  test('The operator maps any string to a model, and the answer says which one it was', async () => {
    assert.equal((await box.whole(saying('gpt-4', 'Hi'))).model, 'acme/solo')
    assert.equal((await box.whole(saying('our model', 'Hi'))).model, 'acme/seeing')
  })

  test('A name that nobody knows is a 400 with the nearest ones, and so is a name that two models share', async () => {
    const unknown = await box.refused(saying('openai/gpt-4o-mimi', 'Hi'))
    assert.equal(unknown.status, 400)
    assert.match(unknown.error.message, /^openai\/gpt-4o-mimi is not a valid model ID\. Did you mean openai\/gpt-4o-mini/)
    assert.equal(unknown.error['availability'].code, 'model_not_found')
    const two = await startSignalbox({ config: together(at('solo', 'acme/twin'), at('one', 'other/twin')) })
    const ambiguous = await two.refused(saying('twin', 'Hi'))
    assert.equal(ambiguous.status, 400)
    assert.match(ambiguous.error.message, /acme\/twin, other\/twin/)
    assert.equal((await two.whole(saying('other/twin', 'Hi'))).provider, 'one')
  })

  test('A fallback that nobody knows is an error even while the first model is well, because it would be found out too late', async () => {
    const refusal = await box.refused({ ...saying('acme/solo', 'Hi'), models: ['acme/sollo'] })
    assert.equal(refusal.status, 400)
  })

  test('A retired model is a 404 that says so and names its successor where there is one', async () => {
    const { models } = box.app.catalog.snapshot()
    const retired = models.find(({ row }) => row.status === 'retired' && row.kind === 'chat' && row.successor !== undefined)
      ?? models.find(({ row }) => row.status === 'retired' && row.kind === 'chat' && row.variant === undefined)!
    const refusal = await box.refused(saying(retired.row.id, 'Hi'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /retired/)
    assert.equal(refusal.error['availability'].code, 'model_deprecated')
    if (retired.row.successor) assert.deepEqual(refusal.error['availability'].fallback_models, [retired.row.successor])
    const listed = await box.whole({ ...saying(retired.row.id, 'Hi'), models: ['acme/solo'] })
    assert.equal(listed.model, 'acme/solo')
  })

  test('A model of another kind says where it is asked', async () => {
    const embedding = box.app.catalog.snapshot().models.find(({ row }) => row.kind === 'embedding')!.row.id
    const refusal = await box.refused(saying(embedding, 'Hi'))
    assert.equal(refusal.status, 400)
    assert.match(refusal.error.message, /embedding model/)
    assert.equal(refusal.error['availability'].code, 'wrong_endpoint')
  })

  test(':free where nobody gives it away is a 404 that names the paid one', async () => {
    const refusal = await box.refused(saying('openai/gpt-4o-mini:free', 'Hi'))
    assert.equal(refusal.status, 404)
    assert.equal(refusal.error['availability'].code, 'free_variant_ended')
    assert.deepEqual(refusal.error['availability'].fallback_models, ['openai/gpt-4o-mini'])
  })
})
