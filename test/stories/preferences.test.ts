import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'

/** What callers, keys and workspaces may say of who answers, field by field of `provider`, and of tiers. */

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const perToken = (perMillion: number) => (perMillion / 1e6).toFixed(12)
const deployment = (provider: string, tag: string, more: Readonly<Record<string, unknown>>) =>
  ({ model: 'acme/weights', provider, tag, provider_model_id: tag, pricing: { prompt: perToken(1), completion: perToken(1) }, ...more })
const config = together(
  at('house', 'acme/first', { prompt: 5, completion: 5 }), at('yard', 'acme/second', { prompt: 1, completion: 1 }),
  at('crawls', 'acme/paced', { prompt: 1, completion: 1 }), at('runs', 'acme/paced', { prompt: 9, completion: 9 }),
  at('jogs', 'acme/other', { prompt: 9, completion: 9 }),
  at('tiers', 'acme/tiers', { prompt: 2, completion: 2, endpoint: { modes: [
    { name: 'priority', pricing: { prompt: perToken(4), completion: perToken(4) }, body: { service_tier: 'priority' } },
    { name: 'flex', pricing: { prompt: perToken(1), completion: perToken(1) }, body: { service_tier: 'flex' } },
  ] } }),
  at('plain', 'acme/tiers', { prompt: 3, completion: 3 }),
  at('farm', 'acme/weights', { endpoint: { tag: 'farm/eu', quantization: 'mxfp8', provider_model_id: 'farm-eu' } }),
  { endpoints: [
    deployment('farm', 'farm/us', { quantization: 'bf16' }), deployment('farm', 'farm/turbo', { quantization: 'fp4' }), deployment('yard', 'yard', {}),
  ] },
  at('open', 'acme/teacher', { row: { distillation: true } }), at('open', 'acme/jealous', { row: { distillation: false } }), at('open', 'acme/silent'),
)
const box = await startSignalbox({ config })
const strict = await startSignalbox({ config: {
  ...config,
  workspaces: { default: { provider: { ignore: ['crawls'], max_price: { prompt: 8 }, quantizations: ['fp8', 'bf16', 'unknown'] } } },
} })
const tagsOf = async (body: Record<string, unknown>) => (await box.explain(body)).candidates.map((it) => it['tag'] as string)
const rejectedOf = async (body: Record<string, unknown>) =>
  Object.fromEntries((await box.explain(body)).rejected.map(({ endpoint, why }) => [endpoint.split('@')[1]!, why]))

describe('A list of models', () => {
  const both = (provider: object) => ({ ...saying('acme/first', 'Hi'), models: ['acme/second'], provider })

  test('is tried model by model, unless its partition is none: then the cheapest endpoint of all goes first', async () => {
    assert.equal((await box.whole(both({ sort: 'price' }))).model, 'acme/first')
    assert.equal((await box.whole(both({ sort: { by: 'price', partition: 'none' } }))).model, 'acme/second')
    assert.equal((await box.whole({ ...both({ sort: 'price' }), route: 'sort' })).model, 'acme/second', 'the old spelling')
  })

  test('is drawn as one by a partition without a sort', async () => {
    for (const body of [both({ sort: { partition: 'none' } }), { ...both({}), route: 'sort' }]) {
      const { strategy, candidates } = await box.explain(body)
      assert.equal(strategy, 'balanced')
      const weights = Object.fromEntries(candidates.map((it) => [it['model'], it['weight']]))
      assert.ok(Math.abs(weights['acme/second'] - 25 / 26) < 0.001, JSON.stringify(weights))
    }
  })
})

describe('Thresholds', () => {
  test('put an endpoint that was measured to miss them behind those of every model that meet them, and exclude nobody', async () => {
    upstream.when({ path: '/crawls/' }, { text: Array.from({ length: 8 }, () => ' word'), paceMs: 150 })
    for (const name of ['runs', 'jogs']) upstream.when({ path: `/${name}/` }, { text: Array.from({ length: 200 }, () => ' word'), paceMs: 1 })
    for (const [name, model] of [['crawls', 'acme/paced'], ['runs', 'acme/paced'], ['jogs', 'acme/other']] as const) {
      for (let i = 0; i < 2; i++) await (await box.chat(saying(model, 'Hi', { stream: true, provider: { only: [name] } }))).text()
    }
    const ask = (provider: object) => tagsOf({ ...saying('acme/paced', 'Hi'), models: ['acme/other'], provider: { sort: 'price', ...provider } })
    assert.deepEqual(await ask({}), ['crawls', 'runs', 'jogs'])
    // The crawling one gives at most 7 tokens a second, the others hundreds, and never so fast that their speed could not be told.
    assert.deepEqual(await ask({ preferred_min_throughput: 25 }), ['runs', 'jogs', 'crawls'])
    assert.deepEqual(await ask({ preferred_min_throughput: { p50: 1, p90: 25 } }), ['runs', 'jogs', 'crawls'], 'all of them have to hold')
    assert.deepEqual(await ask({ preferred_min_throughput: 10_000_000 }), ['crawls', 'runs', 'jogs'], 'nobody meets it: nobody is left out')
    assert.deepEqual(await ask({ preferred_max_latency: 60 }), ['crawls', 'runs', 'jogs'], 'seconds')
    assert.deepEqual(await ask({ preferred_max_latency: 0.000001 }), ['crawls', 'runs', 'jogs'])
    assert.equal((await box.whole(saying('acme/paced', 'Hi', { provider: { preferred_min_throughput: 25, sort: 'price' } }))).provider, 'runs')
  })
})

describe('Service tiers', () => {
  test('A tier has its own price, and nobody gets it who did not ask: a base slug never does', async () => {
    for (const rest of [{}, { provider: { only: ['tiers', 'plain'] } }, { provider: { order: ['tiers'] } }, { service_tier: 'default' }, { service_tier: 'auto' }]) {
      const tags = await tagsOf(saying('acme/tiers', 'Hi', rest))
      assert.deepEqual(tags.toSorted(), ['plain', 'tiers'], JSON.stringify(rest))
    }
    assert.deepEqual(await rejectedOf(saying('acme/tiers', 'Hi')), { 'tiers/priority': 'tier', 'tiers/flex': 'tier' })
  })

  test('Its full name asks for it; what is paid, sent and answered is the tier', async () => {
    const served = upstream.when((_, { path, body }) => path.startsWith('/tiers/') && (body as { service_tier?: string }).service_tier === 'priority', { extra: { service_tier: 'priority' } })
    for (const only of ['tiers/priority', 'Tiers/Fast']) {
      const reply = await box.whole(saying('acme/tiers', 'Hi', { provider: { only: [only] } }))
      assert.equal(reply['service_tier'], 'priority', only)
      assert.equal((upstream.requests.at(-1)!.body as Record<string, unknown>)['service_tier'], 'priority')
      const { prompt_tokens: input, completion_tokens: output, cost } = reply.usage
      assert.ok(Math.abs(cost - (input + output) * 4e-6) < 1e-9, `${cost}`)
      assert.equal((await box.generation(reply.id))['service_tier'], 'priority')
    }
    served()
    assert.deepEqual(await tagsOf(saying('acme/tiers', 'Hi', { provider: { order: ['tiers/flex', 'plain'] } })), ['tiers/flex', 'plain', 'tiers'])
  })

  test('A provider that has no room left at a tier says that it served the default one, and that is what is paid', async () => {
    const reply = await box.whole(saying('acme/tiers', 'Hi', { provider: { only: ['tiers/priority'] } }))
    assert.equal(reply['service_tier'], 'default')
    const { prompt_tokens: input, completion_tokens: output, cost } = reply.usage
    assert.ok(Math.abs(cost - (input + output) * 2e-6) < 1e-9, `${cost}`)
  })

  test('service_tier priority goes to priority first and falls back to the default tier; flex has no way back', async () => {
    assert.equal((await tagsOf(saying('acme/tiers', 'Hi', { service_tier: 'priority' })))[0], 'tiers/priority')
    assert.equal((await tagsOf(saying('acme/tiers', 'Hi', { service_tier: 'fast' }))).length, 3)
    assert.deepEqual(await tagsOf(saying('acme/tiers', 'Hi', { service_tier: 'flex' })), ['tiers/flex'])
    upstream.when({ path: '/tiers/' }, { status: 529, body: { error: { message: 'no capacity' } } })
    const flex = await box.refused(saying('acme/tiers', 'Hi', { service_tier: 'flex' }))
    assert.ok(flex.status === 503 || flex.status === 529, String(flex.status))
    assert.equal((await box.whole(saying('acme/tiers', 'Hi', { service_tier: 'priority' }))).provider, 'plain')
  })
})

describe('Deployments of one provider', () => {
  test('A base slug means all of them, a full tag itself', async () => {
    const only = (...names: string[]) => tagsOf(saying('acme/weights', 'Hi', { provider: { only: names } })).then((tags) => tags.toSorted())
    assert.deepEqual(await only('farm'), ['farm/eu', 'farm/turbo', 'farm/us'])
    assert.deepEqual(await only('farm/us', 'yard'), ['farm/us', 'yard'])
    assert.deepEqual((await tagsOf(saying('acme/weights', 'Hi', { provider: { ignore: ['farm'] } }))), ['yard'])
    const reply = await box.whole(saying('acme/weights', 'Hi', { provider: { only: ['farm/turbo'] } }))
    assert.equal((upstream.requests.at(-1)!.body as { model: string }).model, 'farm/turbo')
    assert.equal(reply.model, 'acme/weights')
  })

  test('Quantizations are a hard limit, with families, and what nobody stated is unknown', async () => {
    const among = (...quantizations: string[]) => tagsOf(saying('acme/weights', 'Hi', { provider: { quantizations } })).then((tags) => tags.toSorted())
    assert.deepEqual(await among('fp8'), ['farm/eu'])
    assert.deepEqual(await among('fp4', 'unknown'), ['farm/turbo', 'yard'])
    const refusal = await box.refused(saying('acme/weights', 'Hi', { provider: { quantizations: ['int4'] } }))
    assert.deepEqual([refusal.status, refusal.error['availability'].excluded_by, refusal.error['availability'].constraint.field],
      [404, ['quantization'], 'provider.quantizations'])
  })
})

describe('What an author permits', () => {
  test('Text to train on comes only from models whose authors are known to permit it', async () => {
    const ask = (model: string) => saying(model, 'Hi', { provider: { enforce_distillable_text: true } })
    assert.equal((await box.whole(ask('acme/teacher'))).model, 'acme/teacher')
    for (const model of ['acme/jealous', 'acme/silent']) {
      const refusal = await box.refused(ask(model))
      assert.deepEqual([refusal.status, refusal.error['availability'].constraint.field], [404, 'provider.enforce_distillable_text'])
    }
    assert.equal((await box.whole({ ...ask('acme/jealous'), models: ['acme/teacher'] })).model, 'acme/teacher')
  })
})

describe('A slip', () => {
  test('in a key of provider, at any depth, is refused with its path, and nobody is called', async () => {
    const before = upstream.requests.length
    for (const [provider, path] of [
      [{ onyl: ['house'] }, 'provider.onyl'], [{ sort: { by: 'price', parition: 'none' } }, 'provider.sort.parition'],
      [{ max_price: { promt: 1 } }, 'provider.max_price.promt'], [{ preferred_max_latency: { p95: 1 } }, 'provider.preferred_max_latency.p95'],
    ] as const) {
      const refusal = await box.refused(saying('acme/first', 'Hi', { provider }))
      assert.equal(refusal.status, 400, path)
      assert.equal(refusal.error.metadata['field'], path)
      assert.match(refusal.error.message, /^Unrecognized key\(s\) in object|is not a known field/)
    }
    assert.equal(upstream.requests.length, before)
  })

  test('in the name of a provider is refused with its path and the nearest name: a denial with a slip in it would deny nothing', async () => {
    const before = upstream.requests.length
    for (const [provider, path] of [
      [{ ignore: ['house', 'yrad'] }, 'provider.ignore[1]'], [{ order: ['yrad'] }, 'provider.order[0]'], [{ only: ['house', 'yrad/eu'] }, 'provider.only[1]'],
    ] as const) {
      const refusal = await box.refused(saying('acme/first', 'Hi', { provider }))
      assert.deepEqual([refusal.status, refusal.error.metadata['field']], [400, path])
      assert.match(refusal.error.message, /no provider has the slug "yrad(\/eu)?"; did you mean yard\?/)
    }
    assert.equal(upstream.requests.length, before)
  })
})

describe('Keys and workspaces', () => {
  const asking = (key: string) => ({ authorization: `Bearer ${key}` })

  test("A workspace's limits hold for all of its keys, and an error says whose they are", async () => {
    const refusal = await strict.refused(saying('acme/paced', 'Hi'))
    assert.equal(refusal.status, 404)
    assert.match(refusal.error.message, /crawls: provider\.ignore names it: crawls \(a setting of the workspace\)/)
    assert.match(refusal.error.message, /runs: .*provider\.max_price allows \$8 \(a setting of the workspace\)/)
    assert.equal((await strict.refused(saying('acme/paced', 'Hi', { provider: { max_price: { prompt: 1000 }, ignore: [] } }))).status, 404)
    const { rejected } = await strict.explain(saying('acme/weights', 'Hi'))
    assert.deepEqual(rejected.map(({ endpoint, why }) => [endpoint, why]), [['acme/weights@farm/turbo', 'quantization']])
    assert.equal((await box.whole(saying('acme/paced', 'Hi'))).model, 'acme/paced', 'where nothing is set, nothing is limited')
  })

  test("A key's limits meet its workspace's, and a request's meet both: nobody below widens what is set above", async () => {
    const { key } = await strict.app.accounts.createKey({ name: 'narrow', settings: { provider: { quantizations: ['fp8', 'fp4'], order: ['farm/eu'], allow_fallbacks: false } } })
    const ask = (provider: object) => strict.chat(saying('acme/weights', 'Hi', { provider }), asking(key))
    for (const provider of [{}, { quantizations: ['mxfp8'] }, { allow_fallbacks: true }, { only: ['farm'] }]) {
      const response = await ask(provider)
      assert.equal(response.status, 200, JSON.stringify(provider))
      await response.text()
      assert.equal((upstream.requests.at(-1)!.body as { model: string }).model, 'farm-eu')
    }
    for (const provider of [{ quantizations: ['fp4'] }, { quantizations: ['bf16'] }, { quantizations: ['int4'] }, { order: ['yard'] }, { only: ['yard'] }, { ignore: ['farm'] }]) {
      assert.equal((await ask(provider)).status, 404, JSON.stringify(provider))
    }
  })

  test('The models that a key is shown are those that its settings let it call', async () => {
    const shown = async (provider: object) => {
      const { key } = await box.app.accounts.createKey({ name: 'shown', settings: { provider } })
      const { data } = await (await box.get('/v1/models', asking(key))).json() as { data: { id: string }[] }
      return data.map(({ id }) => id).filter((id) => id.startsWith('acme/')).toSorted()
    }
    assert.deepEqual(await shown({ quantizations: ['fp8'] }), ['acme/weights'], 'a family by its member')
    assert.deepEqual(await shown({ enforce_distillable_text: true }), ['acme/teacher'])
    assert.deepEqual(await shown({ only: ['crawls', 'jogs'] }), ['acme/other', 'acme/paced'])
  })

  test("A key's wishes hold until the request has its own", async () => {
    const { key } = await strict.app.accounts.createKey({ name: 'wishes', settings: { provider: { sort: 'price', preferred_max_latency: 5 } } })
    const strategy = async (provider?: object) => {
      const response = await strict.send('POST', '/api/v1/route/explain', { body: saying('acme/weights', 'Hi', provider && { provider }), headers: asking(key) })
      return ((await response.json()) as { data: { strategy: string } }).data.strategy
    }
    assert.equal(await strategy(), 'sort:price')
    assert.equal(await strategy({ sort: { partition: 'none' } }), 'sort:price', 'a partition alone leaves the sort')
    assert.equal(await strategy({ sort: 'latency' }), 'sort:latency')
  })
})
