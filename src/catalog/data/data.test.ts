import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'

interface Model {
  id: string; author: string; kind: string; status: string; aliases: string[]; variant?: string
  variant_of?: string; alias_target?: string; context_length: number | null; max_output_tokens: number | null
  default_effort: string | null; fine_tuning: boolean | null; distillation: boolean | null
  served_on: string[] | null; requires_own_key: boolean | null; notes: string[] | null
}
interface Endpoint {
  id: string; model: string; provider: string; tag: string; provider_model_id: string | null; protocol?: string
  forced_params?: Record<string, unknown>; pricing: Record<string, string>
  pricing_overrides?: ({ min_prompt_tokens: number } & Record<string, string | number>)[]
  modes?: { name: string; pricing?: Record<string, string> }[]
  pricing_unknown?: true; zero_listed?: true; price_suspect?: true; last_seen: string
}
interface Provider {
  slug: string; aliases: string[]; protocol: string | null; protocols: { protocol: string }[]; quirks: string[]
  base_url_source: string | null; env: string[]; models: number; endpoints: number
}
interface Benchmark { metric: string; value: number; source: string; source_url?: string }
interface Text {
  description: string; key_features: string[]; benchmarks: Benchmark[]; use_cases: string[]; limitations: string[]
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, name), 'utf8'))
const modelFile = read('models.json') as { models: Model[] }
const endpointFile = read('endpoints.json') as { endpoints: Endpoint[] }
const providerFile = read('providers.json') as {
  providers: Provider[]; protocols: Record<string, unknown>; quirk_codes: Record<string, string>
}
const texts = read('texts.json') as Record<string, Text>
const { models } = modelFile
const { endpoints } = endpointFile
const { providers } = providerFile
const modelById = new Map(models.map((model) => [model.id, model]))

const tally = <Row>(rows: readonly Row[], key: (row: Row) => string): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const row of rows) counts[key(row)] = (counts[key(row)] ?? 0) + 1
  return counts
}
const repeated = (values: readonly string[]): string[] =>
  Object.entries(tally(values, (value) => value)).filter(([, times]) => times > 1).map(([value]) => value)
/** Digits glued to a letter before them are part of a name (o3, V3, R1) and do not count. */
const numbersIn = (text: string): number[] =>
  (text.match(/(?<![\p{L}\d.,])\d[\d,]*(\.\d+)?/gu) ?? []).map((digits) => Number(digits.replaceAll(',', '')))
const upstreamName = (id: string): string | null | undefined =>
  endpoints.find((endpoint) => endpoint.id === id)?.provider_model_id

describe('the shape of the files', () => {
  for (const name of ['models', 'endpoints', 'providers', 'texts']) {
    test(`${name}.json keeps to its schema, so that a loader meets no surprise`, () => {
      const validate = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false })
        .compile(read(`${name}.schema.json`) as object)
      const ok = validate(read(`${name}.json`))
      const faults = (validate.errors ?? []).slice(0, 5).map((e) => `${e.instancePath} ${e.message}`)
      assert.ok(ok, faults.join('\n'))
    })
  }

  test('the files are in their settled form, so that a change of a row is a change of a line', () => {
    const run = spawnSync(process.execPath, [join(import.meta.dirname, 'format.mjs'), '--check'], { encoding: 'utf8' })
    assert.equal(run.status, 0, run.stdout + run.stderr)
  })
})

describe('names', () => {
  test('no model id, endpoint id, endpoint tag, provider slug or provider alias stands twice', () => {
    assert.deepEqual(repeated(models.map((model) => model.id)), [])
    assert.deepEqual(repeated(endpoints.map((endpoint) => endpoint.id)), [])
    assert.deepEqual(repeated(providers.flatMap((provider) => [provider.slug, ...provider.aliases])), [])
  })

  test('an alias belongs to one model and hides no model id', () => {
    assert.deepEqual(repeated([...models.map((model) => model.id), ...models.flatMap((model) => model.aliases)]), [])
  })
})

describe('references', () => {
  test('every endpoint names a model and a provider that exist, and its id is model@tag', () => {
    const slugs = new Set(providers.map((provider) => provider.slug))
    for (const endpoint of endpoints) {
      assert.ok(modelById.has(endpoint.model), endpoint.id)
      assert.ok(slugs.has(endpoint.provider), endpoint.id)
      assert.equal(endpoint.id, `${endpoint.model}@${endpoint.tag}`)
      assert.ok(endpoint.tag.startsWith(endpoint.provider), endpoint.id)
      if (endpoint.protocol) assert.ok(endpoint.protocol in providerFile.protocols, endpoint.id)
    }
  })

  test('a provider speaks only protocols and quirks that the file explains, its main protocol first', () => {
    for (const provider of providers) {
      for (const { protocol } of provider.protocols) assert.ok(protocol in providerFile.protocols, provider.slug)
      if (provider.protocol) assert.equal(provider.protocols[0]?.protocol, provider.protocol, provider.slug)
      for (const quirk of provider.quirks) assert.ok(quirk in providerFile.quirk_codes, `${provider.slug} ${quirk}`)
    }
  })

  test('a provider counts its own models and endpoints rightly', () => {
    for (const provider of providers) {
      const own = endpoints.filter((endpoint) => endpoint.provider === provider.slug)
      assert.equal(provider.endpoints, own.length, provider.slug)
      assert.equal(provider.models, new Set(own.map((endpoint) => endpoint.model)).size, provider.slug)
    }
  })

  test('variants and aliases lead to models that exist, and an alias never to an alias', () => {
    for (const model of models) {
      assert.equal(model.id.replace(/^~/, '').split('/')[0], model.author, model.id)
      if (model.variant_of) assert.ok(modelById.has(model.variant_of), model.id)
      if (model.kind === 'alias') assert.ok(model.alias_target, model.id)
      if (model.alias_target) assert.notEqual(modelById.get(model.alias_target)?.kind, 'alias', model.id)
      if (model.alias_target) assert.ok(modelById.has(model.alias_target), model.id)
    }
  })

  test('a model is retired when nobody serves it, and only then', () => {
    const served = new Set(endpoints.map((endpoint) => endpoint.model))
    for (const model of models) {
      if (['alias', 'router'].includes(model.kind)) continue
      assert.equal(model.status === 'retired', !served.has(model.id), model.id)
    }
  })

  test('an active chat model has a context length, and no output limit beyond it', () => {
    for (const model of models) {
      if (model.kind !== 'chat') continue
      if (model.status === 'active') assert.ok(model.context_length, model.id)
      if (!model.max_output_tokens || !model.context_length) continue
      assert.ok(model.max_output_tokens <= model.context_length * 1.05, model.id)
    }
  })
})

describe('prices', () => {
  const priceLists = endpoints.flatMap((endpoint) => [
    { where: endpoint.id, prices: endpoint.pricing },
    ...(endpoint.modes ?? []).map((mode) => ({ where: `${endpoint.id} ${mode.name}`, prices: mode.pricing ?? {} })),
    ...(endpoint.pricing_overrides ?? []).map(({ min_prompt_tokens, ...prices }) =>
      ({ where: `${endpoint.id} above ${min_prompt_tokens}`, prices: prices as Record<string, string> })),
  ])

  test('every price is a plain decimal that fits whole attodollars, so that nothing is lost in billing', () => {
    for (const { where, prices } of priceLists) {
      for (const [key, price] of Object.entries(prices)) {
        assert.match(price, /^\d+(\.\d{1,18})?$/, `${where} ${key}`)
        if (['prompt', 'completion'].includes(key)) assert.ok(Number(price) <= 0.01, `${where} ${key} ${price}`)
      }
    }
  })

  test('an endpoint without a price says so, and one with a price does not', () => {
    for (const endpoint of endpoints) {
      const priced = Object.keys(endpoint.pricing).some((key) => key !== 'discount')
      assert.equal(endpoint.pricing_unknown === true, !priced, endpoint.id)
    }
  })

  test('a chat endpoint at zero is a free variant or is marked as not to be trusted', () => {
    const perUnit = ['image', 'audio', 'request', 'output_second', 'page']
    for (const endpoint of endpoints) {
      const model = modelById.get(endpoint.model)
      const free = endpoint.pricing.prompt === '0' && endpoint.pricing.completion === '0'
      if (!free || model?.kind !== 'chat' || model.variant === 'free') continue
      assert.ok(endpoint.zero_listed || perUnit.some((key) => key in endpoint.pricing), endpoint.id)
    }
  })

  test('price steps climb, so that the right one is found for a prompt', () => {
    for (const endpoint of endpoints) {
      const steps = (endpoint.pricing_overrides ?? []).map((step) => step.min_prompt_tokens)
      assert.deepEqual(steps, [...new Set(steps)].toSorted((a, b) => a - b), endpoint.id)
    }
  })
})

describe('what the catalogue says it holds', () => {
  test('the counts in SOURCES.md are those of the files', () => {
    const served = endpoints.map((endpoint) => endpoint.provider)
    assert.equal(models.length, 800)
    assert.equal(endpoints.length, 2313)
    assert.equal(providers.length, 180)
    assert.equal(new Set(served).size, 124)
    const statuses = { active: 604, deprecated: 20, delisted: 36, retired: 140 }
    assert.deepEqual(tally(models, (model) => model.status), statuses)
    assert.equal(endpoints.filter((endpoint) => endpoint.pricing_unknown).length, 65)
    assert.equal(endpoints.filter((endpoint) => endpoint.zero_listed).length, 75)
    assert.equal(endpoints.filter((endpoint) => endpoint.price_suspect).length, 5)
    assert.equal(endpoints.filter((endpoint) => endpoint.provider_model_id === null).length, 187)
    assert.deepEqual(tally(endpoints, (endpoint) => endpoint.last_seen), {
      '2026-09-30': 1796, '2026-07-24': 83, '2026-05-31': 432, '2026-03-03': 1, '2026-02-24': 1,
    })
    const text = readFileSync(join(import.meta.dirname, 'SOURCES.md'), 'utf8')
    for (const count of ['800', '2,313', '180', '124', '604', '140', '65', '75', '187', '25']) {
      assert.match(text, new RegExp(`(?<![\\d,])${count}(?![\\d,])`), count)
    }
  })

  test('CometAPI and AI/ML API sell their models under their own spellings, at addresses marked unverified', () => {
    for (const [slug, env] of [['cometapi', 'COMETAPI_API_KEY'], ['aimlapi', 'AIMLAPI_API_KEY']]) {
      const provider = providers.find((row) => row.slug === slug)
      assert.equal(provider?.base_url_source, 'unverified')
      assert.deepEqual(provider?.env, [env])
      assert.deepEqual(provider?.protocols.map((row) => row.protocol), ['openai-chat', 'openai-responses'])
    }
    assert.equal(upstreamName('openai/gpt-5.3-chat@cometapi'), 'gpt-5.3-chat-latest')
    assert.equal(upstreamName('openai/gpt-5.3-codex@aimlapi'), 'openai/gpt-5-3-codex')
    assert.ok(modelById.get('openai/gpt-5.3-codex')?.aliases.includes('openai/gpt-5-3-codex'))
  })

  test('a fixed reasoning effort is the same in the model row and in what is sent upstream', () => {
    assert.equal(modelById.get('openai/o3-mini')?.default_effort, 'medium')
    assert.equal(modelById.get('openai/o3-mini-high')?.default_effort, 'high')
    for (const endpoint of endpoints) {
      const forced = endpoint.forced_params?.reasoning_effort
      if (forced) assert.equal(modelById.get(endpoint.model)?.default_effort, forced, endpoint.id)
    }
  })

  test('warnings of the model pages are kept, and what no page states stays null', () => {
    assert.deepEqual(modelById.get('openai/o1-preview')?.notes, ['experimental', 'heavily_rate_limited'])
    assert.deepEqual(modelById.get('openai/chatgpt-4o-latest')?.notes, ['may_be_redirected'])
    assert.equal(modelById.get('openai/gpt-5')?.requires_own_key, true)
    const chat = modelById.get('openai/gpt-5.3-chat')
    assert.deepEqual([chat?.fine_tuning, chat?.distillation, chat?.requires_own_key], [false, false, null])
  })
})

describe('written texts', () => {
  test('there are 25, each of a model that exists and is still served', () => {
    assert.equal(Object.keys(texts).length, 25)
    for (const id of Object.keys(texts)) {
      assert.ok(modelById.has(id), id)
      assert.notEqual(modelById.get(id)?.status, 'retired', id)
    }
    for (const id of ['gpt-5.3-chat', 'gpt-5', 'gpt-5.3-codex', 'o3-mini', 'o3-mini-high']) {
      assert.ok(`openai/${id}` in texts, id)
    }
  })

  test('every benchmark names where its number was published, and no metric stands twice', () => {
    for (const [id, text] of Object.entries(texts)) {
      for (const row of text.benchmarks) assert.ok(row.source.trim() && row.source_url, `${id} ${row.metric}`)
      assert.deepEqual(repeated(text.benchmarks.map((row) => row.metric)), [], id)
    }
  })

  test('a description is one to three sentences', () => {
    for (const [id, text] of Object.entries(texts)) {
      const sentences = text.description.split(/(?<=\.) (?=[A-Za-z])/).length
      assert.ok(sentences >= 1 && sentences <= 3 && text.description.endsWith('.'), id)
    }
  })

  test('a number in a text stands in the model row or in one of its sourced benchmarks', () => {
    for (const [id, text] of Object.entries(texts)) {
      const sources = [modelById.get(id), ...text.benchmarks].map((row) => JSON.stringify(row).replace(/[,:-]/g, ' '))
      const known = new Set(sources.flatMap(numbersIn))
      for (const part of [text.description, ...text.key_features, ...text.use_cases, ...text.limitations]) {
        for (const number of numbersIn(part)) assert.ok(known.has(number), `${id}: ${number} in "${part}"`)
      }
    }
  })
})
