import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import { HTTPClient } from '@openrouter/sdk/lib/http.js'
import { order, ROADS, startWorld } from './world.ts'

/**
 * Every row that we list, read by OpenRouter's official client. That it really checks is seen by taking from our
 * answers, one after the other, each field that it demands: it has to throw, or the rows that passed prove nothing.
 */

const { box } = await startWorld()
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any
/** What is done to a body on its way to the client. */
let spoil: ((body: Loose) => void) | null = null
const client = new OpenRouter({
  apiKey: box.key, serverURL: `${box.url}/api/v1`, retryConfig: { strategy: 'none' },
  httpClient: new HTTPClient({ fetcher: async (input, init) => spoilt(await fetch(input, init)) }),
})

async function spoilt(response: Response): Promise<Response> {
  if (!spoil) return response
  const text = await response.text()
  const change = (json: string): string => {
    const body = JSON.parse(json) as Loose
    spoil!(body)
    return JSON.stringify(body)
  }
  const sse = response.headers.get('content-type')?.startsWith('text/event-stream')
  const changed = sse ? text.replaceAll(/^data: (\{.*\})$/gm, (_, json: string) => `data: ${change(json)}`) : change(text)
  return new Response(changed, { status: response.status, headers: { 'content-type': response.headers.get('content-type')! } })
}

const raw = async (path: string): Promise<Loose> => {
  const response = await box.get(path)
  assert.equal(response.status, 200, path)
  return response.json()
}
const pathOf = (id: string) => ({ author: id.slice(0, id.indexOf('/')), slug: id.slice(id.indexOf('/') + 1) })

/** Does for all what takes its turn, a few at a time. */
async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items]
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let item = rest.pop(); item !== undefined; item = rest.pop()) await act(item)
  }))
}

/** The client's own walk over the pages; it asks for 500 rows at a time without being told. */
async function pagesOf(request: NonNullable<Parameters<typeof client.models.list>[0]>) {
  const pages = await Array.fromAsync(await client.models.list(request))
  for (const { result } of pages) assert.equal(result.totalCount, pages[0]!.result.totalCount)
  return pages.flatMap(({ result }) => result.data)
}

const { data: ALL } = (await raw('/api/v1/models?output_modalities=all')) as { data: readonly Loose[] }

describe('Models', () => {
  test('Every model of the catalogue passes the check, of every modality, with its price, its limits and its name', async () => {
    assert.ok(ALL.length > 500, `${ALL.length} models`)
    assert.deepEqual(
      (await pagesOf({ outputModalities: 'all' })).map((row) => [row.id, row.name, row.created, row.contextLength, row.pricing.prompt, row.pricing.completion, row.supportedParameters, row.links.details]),
      ALL.map((row) => [row.id, row.name, row.created, row.context_length, row.pricing.prompt, row.pricing.completion, row.supported_parameters, row.links.details]),
    )
  })

  test('Without a filter the list has text models only, as many as the count says, and pages hold each of them once', async () => {
    const rows = await pagesOf({})
    const { data: { count } } = await client.models.count()
    assert.equal(rows.length, count)
    assert.ok(rows.every((row) => row.architecture.outputModalities.includes('text')))
    assert.ok(rows.length < ALL.length)
    assert.deepEqual((await pagesOf({ limit: 70 })).map((row) => row.id), rows.map((row) => row.id))
    assert.equal(new Set(rows.map((row) => row.id)).size, rows.length)
  })

  test('Filters and sorts of the client arrive', async () => {
    const { result } = await client.models.list({ q: 'claude', supportedParameters: 'tools', sort: 'pricing-low-to-high', context: 200_000, maxPrice: 5 })
    assert.ok(result.data.length > 1)
    const prices = result.data.map((row) => Number(row.pricing.prompt))
    assert.deepEqual(prices, prices.toSorted((a, b) => a - b))
    for (const row of result.data) assert.ok(row.supportedParameters.includes('tools') && row.contextLength! >= 200_000 && Number(row.pricing.prompt) <= 5e-6, row.id)
  })

  test('Each model can be fetched alone, also one with a variant in its id, and is the row of the list', async () => {
    await each(ALL, async (row) => {
      const { data } = await client.models.get(pathOf(row.id))
      assert.equal(data.id, row.id)
      assert.equal(data.canonicalSlug, row.canonical_slug)
    })
  })

  test('The models that make embeddings pass the check', async () => {
    const { result } = await client.embeddings.listModels()
    assert.ok(result.data.length > 3)
    assert.ok(result.data.every((row) => row.architecture.outputModalities.includes('embeddings')))
  })

  test('The models of a user are those that the key can call', async () => {
    const { result } = await client.models.listForUser({ bearer: box.key }, { outputModalities: 'all' })
    const ids = new Set(result.data.map((row) => row.id))
    for (const { id } of ROADS) assert.ok(ids.has(id), `${id} is missing`)
    assert.ok(!ids.has('mistralai/mistral-large'))
  })
})

describe('Endpoints and providers', () => {
  test('The endpoints of every model pass the check, each with its price', async () => {
    let rows = 0
    await each(ALL, async ({ id }) => {
      const { data } = await client.endpoints.list(pathOf(id))
      assert.equal(data.id, id)
      rows += data.endpoints.length
      for (const endpoint of data.endpoints) assert.ok(Number(endpoint.pricing.prompt) >= -1 && endpoint.tag !== '' && endpoint.providerName !== '', id)
    })
    assert.ok(rows > 1500, `${rows} endpoints`)
  })

  test('Every endpoint that keeps nothing passes the check', async () => {
    const { data } = await client.endpoints.listZdrEndpoints()
    assert.ok(data.length > 100, `${data.length} endpoints`)
    assert.equal(data.length, (await raw('/api/v1/endpoints/zdr')).data.length)
  })

  test('Every provider passes the check', async () => {
    const { data } = await client.providers.list()
    const { data: rows } = await raw('/api/v1/providers')
    assert.ok(data.length > 100, `${data.length} providers`)
    assert.deepEqual(data.map((row) => [row.slug, row.name, row.privacyPolicyUrl ?? null]), rows.map((row: Loose) => [row.slug, row.name, row.privacy_policy_url ?? null]))
  })
})

const MODEL = ROADS[0].id
const asking = (stream: boolean) =>
  client.chat.send({ chatRequest: { model: MODEL, stream, messages: [{ role: 'user', content: order({ text: ['One', ' two'] }) }] } })
const { id: GENERATION } = await box.whole({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] })

/** What the client demands of each object: fields that must be there, and those of them that may be null. */
const DEMANDS: readonly { of: string; at(body: Loose): Loose; call(): Promise<unknown>; required: string; nullable?: string }[] = [
  {
    of: 'a whole answer', at: (body) => body, call: () => asking(false),
    required: 'id object created model system_fingerprint choices', nullable: 'system_fingerprint',
  },
  {
    of: 'a choice', at: (body) => body.choices[0], call: () => asking(false),
    required: 'index finish_reason message', nullable: 'finish_reason',
  },
  { of: 'a message', at: (body) => body.choices[0].message, call: () => asking(false), required: 'role' },
  { of: 'the usage', at: (body) => body.usage, call: () => asking(false), required: 'prompt_tokens completion_tokens total_tokens' },
  {
    of: 'the details of the cost', at: (body) => body.usage.cost_details, call: () => asking(false),
    required: 'upstream_inference_prompt_cost upstream_inference_completions_cost',
  },
  { of: 'a chunk', at: (body) => body, call: async () => Array.fromAsync(await asking(true) as AsyncIterable<unknown>), required: 'id object created model choices' },
  {
    of: 'a choice of a chunk', at: (body) => body.choices[0], call: async () => Array.fromAsync(await asking(true) as AsyncIterable<unknown>),
    required: 'index delta finish_reason', nullable: 'finish_reason',
  },
  { of: 'a list of models', at: (body) => body, call: () => client.models.list({ limit: 1 }), required: 'data total_count links' },
  {
    of: 'a model', at: (body) => body.data, call: () => client.models.get(pathOf(MODEL)),
    required: 'id canonical_slug name created context_length architecture pricing top_provider per_request_limits supported_parameters '
      + 'default_parameters supported_voices links',
    nullable: 'context_length per_request_limits default_parameters supported_voices',
  },
  {
    of: 'the architecture of a model', at: (body) => body.data.architecture, call: () => client.models.get(pathOf(MODEL)),
    required: 'modality input_modalities output_modalities', nullable: 'modality',
  },
  { of: 'the top provider of a model', at: (body) => body.data.top_provider, call: () => client.models.get(pathOf(MODEL)), required: 'is_moderated' },
  {
    of: 'the endpoints of a model', at: (body) => body.data, call: () => client.endpoints.list(pathOf(MODEL)),
    required: 'id name created description architecture endpoints',
  },
  {
    of: 'an endpoint', at: (body) => body.data.endpoints[0], call: () => client.endpoints.list(pathOf(MODEL)),
    required: 'name model_id model_name provider_name tag quantization context_length max_completion_tokens max_prompt_tokens pricing '
      + 'supported_parameters supports_implicit_caching supports_tool_choice latency_last_30m throughput_last_30m '
      + 'uptime_last_5m uptime_last_30m uptime_last_1d',
    nullable: 'quantization max_completion_tokens max_prompt_tokens latency_last_30m throughput_last_30m uptime_last_5m uptime_last_30m uptime_last_1d',
  },
  {
    of: 'a generation', at: (body) => body.data, call: () => client.generations.getGeneration({ id: GENERATION }),
    required: 'id total_cost created_at model origin usage is_byok data_region upstream_id provider_name router api_type http_referer user_agent app_id '
      + 'external_user preset_id workspace_id streamed cancelled service_tier finish_reason native_finish_reason latency generation_time moderation_latency '
      + 'tokens_prompt tokens_completion native_tokens_prompt native_tokens_completion native_tokens_completion_images native_tokens_reasoning '
      + 'native_tokens_cached num_media_prompt num_input_audio_prompt num_media_completion num_search_results num_fetches web_search_engine '
      + 'upstream_inference_cost cache_discount provider_responses',
    nullable: 'upstream_id provider_name router api_type http_referer user_agent app_id external_user preset_id workspace_id streamed cancelled '
      + 'service_tier finish_reason native_finish_reason latency generation_time moderation_latency tokens_prompt tokens_completion native_tokens_prompt '
      + 'native_tokens_completion native_tokens_completion_images native_tokens_reasoning native_tokens_cached num_media_prompt num_input_audio_prompt '
      + 'num_media_completion num_search_results num_fetches web_search_engine upstream_inference_cost cache_discount provider_responses',
  },
  { of: 'a provider', at: (body) => body.data[0], call: () => client.providers.list(), required: 'name slug privacy_policy_url', nullable: 'privacy_policy_url' },
]

describe('What the client demands of us, and would throw without', () => {
  for (const { of, at, call, required, nullable = '' } of DEMANDS) test(`Of ${of}: ${required.split(' ').length} fields`, async () => {
    await call()
    for (const name of required.split(' ')) {
      await throwsWhen(`${of} without ${name}`, (body) => {
        const object = at(body) as Record<string, unknown> | undefined
        if (object === undefined) return
        assert.ok(name in object, `${of} has no ${name}`)
        delete object[name]
      }, call)
      if (nullable.split(' ').includes(name)) continue
      await throwsWhen(`${of} with ${name}: null`, (body) => {
        const object = at(body) as Record<string, unknown> | undefined
        if (object) object[name] = null
      }, call)
    }
    for (const name of nullable.split(' ').filter((it) => it !== '')) {
      spoil = (body) => { const object = at(body) as Record<string, unknown> | undefined; if (object) object[name] = null }
      try { await call() } finally { spoil = null }
    }
  })
})

async function throwsWhen(what: string, change: (body: Loose) => void, call: () => Promise<unknown>): Promise<void> {
  spoil = change
  try {
    await assert.rejects(call(), (error: Error) => {
      assert.match(error.name, /Validation|ZodError/, `${what}: ${error.name} ${error.message}`)
      return true
    }, `the client takes ${what}`)
  } finally {
    spoil = null
  }
}

test('Nothing in all of this was an error of ours', () => {
  assert.deepEqual(box.complaints, [])
})
