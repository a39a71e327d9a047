import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** Models with something behind their names, and the two that leave the choice to us. */

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const reasons = { reasoning: { supported: true, efforts: ['low', 'medium', 'high', 'xhigh'], controllable: true } }
const config = together(
  at('one', 'acme/shop', { prompt: 1, completion: 1 }), at('two', 'acme/shop', { prompt: 2, completion: 2 }),
  at('gives', 'acme/gift', { endpoint: { pricing: 'free' } }), at('sells', 'acme/gift', { prompt: 1, completion: 1 }),
  at('muses', 'acme/muse', { prompt: 3, completion: 3, row: reasons }),
  at('sees', 'acme/eye', { endpoint: { pricing: 'free' }, row: { input_modalities: ['text', 'image'] } }),
  at('masters', 'acme/master', { prompt: 40, completion: 40, row: { ...reasons, released: '2026-09-01' } }),
  { models: [{ id: '~acme/muse-latest', alias_target: 'acme/muse' }] },
)
const box = await startSignalbox({ config })
const METADATA = { 'x-openrouter-metadata': 'enabled' }
type Loose = { readonly [key: string]: any } // oxlint-disable-line typescript/no-explicit-any
const last = () => upstream.requests.at(-1)!.body as Loose

describe('Variants', () => {
  test(':floor is the cheapest first, :nitro the fastest, :exacto the default balance until tool calls are measured, and says so', async () => {
    const strategy = async (model: string) => (await box.explain(saying(model, 'Hi'))).strategy
    assert.equal(await strategy('acme/shop:floor'), 'sort:price')
    assert.equal(await strategy('acme/shop:nitro'), 'sort:throughput')
    assert.match(await strategy('acme/shop:exacto'), /^balanced \(sort:exacto: no endpoint has enough requests with tools yet\)$/)
    assert.equal((await box.whole(saying('acme/shop:floor', 'Hi'))).provider, 'one')
    assert.equal((await box.whole(saying('acme/shop:nitro:floor', 'Hi'))).model, 'acme/shop', 'the answer names the model, the last sort holds')
    assert.equal(await strategy('acme/shop:nitro:floor'), 'sort:price')
  })

  test(':free goes to endpoints without a charge and to no other, also when they fail', async () => {
    const reply = await box.whole(saying('acme/gift:free', 'Hi'))
    assert.deepEqual([reply.provider, reply.usage.cost], ['gives', 0])
    const failing = upstream.when({ path: '/gives/' }, { status: 500 })
    const before = upstream.requests.length
    assert.equal((await box.refused(saying('acme/gift:free:floor', 'Hi'))).status, 502)
    assert.ok(upstream.requests.slice(before).every(({ path }) => path.startsWith('/gives/')), 'a silent paid fallback')
    failing?.()
  })

  test(':thinking switches reasoning on, unless the request says how it wants it, and the metadata says so', async () => {
    const reply = await box.whole(saying('acme/muse:thinking', 'Why?'), METADATA) as Loose
    assert.ok(last()['reasoning_effort'] !== undefined || last()['reasoning'] !== undefined, JSON.stringify(last()))
    assert.equal(reply['openrouter_metadata'].pipeline[0].name, 'thinking')
    await box.whole(saying('acme/muse:thinking:floor', 'Why?', { reasoning: { effort: 'low' } }))
    assert.ok(JSON.stringify(last()).includes('"low"'))
    const clash = await box.refused(saying('acme/muse:thinking', 'Why?', { reasoning: { effort: 'none' } }))
    assert.deepEqual([clash.status, clash.error.metadata['field']], [400, 'reasoning.effort'])
    const mute = await box.refused(saying('acme/shop:thinking', 'Why?'))
    assert.equal(mute.status, 400)
    assert.match(mute.error.message, /acme\/shop does not reason/)
  })

  test(':online is refused by name where no search engine is set up, stacked or not, and so is the plugin that it stands for', async () => {
    const before = upstream.requests.length
    for (const model of ['acme/shop:online', 'acme/gift:free:online', 'acme/shop:online:nitro', 'openrouter/auto:online']) {
      const refusal = await box.refused(saying(model, 'News?'))
      assert.deepEqual([refusal.status, refusal.error.metadata['field']], [400, 'model'], model)
      assert.match(refusal.error.message, /web search is not set up on this server/)
    }
    const plugin = await box.refused(saying('acme/shop', 'News?', { plugins: [{ id: 'context-compression' }, { id: 'web', max_results: 3 }] }))
    assert.deepEqual([plugin.status, plugin.error.metadata['field']], [400, 'plugins[1].id'])
    assert.equal(upstream.requests.length, before)
    await box.whole(saying('acme/shop', 'News?', { plugins: [{ id: 'web', enabled: false }] }))
  })

  test(':extended where there is none says how far the model goes without it', async () => {
    const refusal = await box.refused(saying('acme/shop:extended', 'Hi'))
    assert.equal(refusal.status, 400)
    assert.match(refusal.error.message, /acme\/shop:extended is not a valid model ID: acme\/shop has no :extended variant/)
  })

  test('A moving alias answers as the model that it stands for, and the metadata says how it came about', async () => {
    const reply = await box.whole(saying('~acme/muse-latest', 'Hi'), METADATA) as Loose
    assert.equal(reply['model'], 'acme/muse')
    assert.deepEqual([reply['openrouter_metadata'].requested, reply['openrouter_metadata'].strategy], ['~acme/muse-latest', 'latest'])
  })
})

describe('openrouter/auto', () => {
  test('answers with a model that can be called here, by its name and at its price, and says what it took the prompt for', async () => {
    for (const model of ['openrouter/auto', 'signalbox/auto', 'auto']) {
      const reply = await box.whole(saying(model, 'Prove the theorem of Pythagoras'), METADATA) as Loose
      const { strategy, requested, pipeline } = reply['openrouter_metadata']
      assert.deepEqual([strategy, requested], ['auto', model])
      assert.deepEqual([pipeline[0].type, pipeline[0].name, pipeline[0].data.task], ['plugin', 'auto-router', 'mathematics'])
      assert.equal(reply['model'], pipeline[0].data.models[0].model)
      assert.ok(reply['usage'].cost > 0)
      const { model: answered, router } = await box.generation(reply['id'])
      assert.deepEqual([answered, router], [reply['model'], 'openrouter/auto'])
    }
  })

  test('goes on to the next model of its choice when the first fails', async () => {
    const { pipeline } = await box.explain(saying('openrouter/auto', 'Prove it')) as unknown as { pipeline: Loose[] }
    const [first, second] = (pipeline[0]!['data'].models as { model: string }[]).map((it) => it.model)
    const slug = (await box.explain(saying(first!, 'Hi'))).candidates.map((it) => it['provider'] as string)
    const undo = slug.map((name) => upstream.when({ path: `/${name}/` }, { status: 500 }))
    assert.equal((await box.whole(saying('openrouter/auto', 'Prove it'))).model, second)
    for (const each of undo) each?.()
  })

  test('hears "think hard": a model that reasons is asked to, and the metadata says why', async () => {
    const own = await startSignalbox({ config })
    const reply = await own.whole(saying('openrouter/auto', 'Think hard: who built it?'), METADATA) as Loose
    assert.ok(['acme/muse', 'acme/master'].includes(reply['model']), reply['model'])
    assert.ok(JSON.stringify(last()).includes('"high"'), JSON.stringify(last()))
    const { data } = reply['openrouter_metadata'].pipeline[0]
    assert.deepEqual([data.effort, data.effort_because], ['high', 'think hard'])
    await own.whole(saying('openrouter/auto', 'Think hard: who built it?', { reasoning: { effort: 'low' } }))
    assert.ok(!JSON.stringify(last()).includes('"high"'), 'what the caller says stands')
  })

  test('keeps to the settings of its plugin and to the preferences of the request and the key', async () => {
    const auto = (plugin: object, rest: object = {}) => saying('openrouter/auto', 'Hi', { plugins: [{ id: 'auto-router', ...plugin }], ...rest })
    assert.equal((await box.whole(auto({ cost_tier: 'max' }))).model, 'acme/master')
    assert.equal((await box.whole(auto({ allowed_models: ['acme/*'], excluded_models: ['acme/s*', 'acme/gift', 'acme/eye', 'acme/ma*'] }))).model, 'acme/muse')
    assert.equal((await box.whole(saying('openrouter/auto', 'Hi', { provider: { only: ['masters'] } }))).model, 'acme/master')
    const { key } = await box.app.accounts.createKey({ name: 'narrow', settings: { provider: { only: ['muses'] } } })
    const held = await box.chat(saying('openrouter/auto', 'Hi'), { authorization: `Bearer ${key}` })
    assert.equal((await held.json() as { model: string }).model, 'acme/muse')
    const wrong = await box.refused(auto({ cost_tier: 'cheap' }))
    assert.deepEqual([wrong.status, wrong.error.metadata['field']], [400, 'plugins[0].cost_tier'])
    const none = await box.refused(auto({ allowed_models: ['nobody/*'] }))
    assert.equal(none.status, 404)
    assert.match(none.error.message, /^No models match your request and model restrictions/)
  })

  test('may stand in a list, and a picture goes to a model that can see', async () => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }]
    assert.equal((await box.whole({ model: 'openrouter/auto', messages })).model, 'acme/eye')
    const listed = await box.whole({ ...saying('openrouter/auto', 'Hi'), models: ['acme/muse'], plugins: [{ id: 'auto-router', allowed_models: ['nobody/*'] }] })
    assert.equal(listed.model, 'acme/muse')
  })

  test('takes the rules from the operator, who may name the models of a task and change the default', async () => {
    const own = await startSignalbox({ config: {
      ...config, auto_router: { tasks: { support: { words: ['Refund'], models: ['acme/master'] } }, default_task: 'general', models: 1 },
    } })
    const plan = await own.explain(saying('openrouter/auto', 'My refund, please')) as unknown as { models: string[]; pipeline: Loose[] }
    assert.deepEqual(plan.models, ['acme/master'])
    assert.equal(plan.pipeline[0]!['data'].task, 'support')
    assert.throws(() => own.reload({ ...config, auto_router: { default_task: 'nonsense' } }), /auto_router\.default_task must be one of code, .*, is "nonsense"/)
  })

  test('is answered by the simulation where no provider has a key, so that a first try works', async () => {
    const bare = await startSignalbox()
    const reply = await bare.whole(saying('openrouter/auto', 'Hello'))
    assert.deepEqual([reply.model, reply.usage.cost], ['demo/echo', 0])
  })

  test('is in the list of models, with the free one, and the routers without a rule are not', async () => {
    const { data } = await (await box.get('/api/v1/models')).json() as { data: { id: string }[] }
    const ids = new Set(data.map(({ id }) => id))
    assert.deepEqual(['openrouter/auto', 'openrouter/free', 'openrouter/fusion', 'openrouter/pareto-code'].map((id) => ids.has(id)), [true, true, true, false])
    assert.equal((await box.refused(saying('openrouter/pareto-code', 'Hi'))).status, 404)
  })
})

describe('openrouter/free', () => {
  test('answers with a free model, and never with one that costs something', async () => {
    const own = await startSignalbox({ config })
    const models = new Set<string>()
    for (let i = 0; i < 24; i++) {
      const reply = await own.whole(saying('openrouter/free', 'Hi'), METADATA) as Loose
      models.add(reply['model'])
      assert.equal(reply['usage'].cost, 0)
      assert.deepEqual([reply['openrouter_metadata'].strategy, reply['openrouter_metadata'].pipeline[0].name], ['free', 'free-router'])
    }
    assert.deepEqual([...models].toSorted(), ['acme/eye', 'acme/gift'])
    const undo = ['gives', 'sees'].map((name) => upstream.when({ path: `/${name}/` }, { status: 500 }))
    const before = upstream.requests.length
    assert.equal((await own.refused(saying('openrouter/free', 'Hi'))).status, 502)
    assert.ok(upstream.requests.slice(before).every(({ path }) => /^\/(gives|sees)\//.test(path)))
    for (const each of undo) each?.()
  })

  test('says so where nothing here is free', async () => {
    const own = await startSignalbox({ config: together(at('one', 'acme/shop')) })
    const refusal = await own.refused(saying('openrouter/free', 'Hi'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /1 model: they are not free|they are not free/)
  })
})
