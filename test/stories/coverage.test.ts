import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { ConfigFile } from '../../src/config/index.ts'
import type { Endpoint } from '../../src/core/index.ts'
import { createTokenEndpoint, type Received } from '../../src/testing/index.ts'
import { saying, startSignalbox, startUpstream } from './signalbox.ts'
import { readStream } from './stream.ts'

/**
 * Every provider of the catalogue that has endpoints and an address, called at the fake in its own format and with its
 * own sign-in: what arrives is what its row demands. The exceptions are those of docs/providers.md.
 */

interface Row {
  readonly slug: string
  readonly name: string
  readonly base_url: string | null
  readonly protocols: readonly { readonly protocol: string; readonly base_url: string | null }[]
  readonly auth: { readonly scheme: string; readonly header?: string; readonly prefix?: string; readonly extra_headers?: Readonly<Record<string, string>> }
  readonly endpoints: number
}
interface EndpointRow { readonly id: string; readonly model: string; readonly provider: string; readonly tag: string; readonly provider_model_id: string | null; readonly protocol?: string; readonly via?: string; readonly api?: string }

const data = <T>(name: string): T => JSON.parse(readFileSync(new URL(`../../src/catalog/data/${name}.json`, import.meta.url), 'utf8')) as T
const { providers: rows } = data<{ providers: readonly Row[] }>('providers')
const { endpoints } = data<{ endpoints: readonly EndpointRow[] }>('endpoints')
const kinds = new Map(data<{ models: readonly { id: string; kind: string }[] }>('models').models.map(({ id, kind }) => [id, kind]))
const excepted = new Set([...readFileSync(new URL('../../docs/providers.md', import.meta.url), 'utf8').matchAll(/^\| `([\w-]+)` \| [^|]+ \| [^|]+ \|$/gm)].map((found) => found[1]!))

const upstream = await startUpstream({ keepSecrets: true })
const signIn = await createTokenEndpoint()
after(() => signIn.close())
const account = path.join(mkdtempSync(path.join(tmpdir(), 'signalbox-account-')), 'account.json')
writeFileSync(account, JSON.stringify({
  type: 'service_account', client_email: 'box@p.iam.gserviceaccount.com', token_uri: `${signIn.url}/google`,
  private_key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
}))

const SETTINGS: Record<string, string> = { region: 'eu-west-1', project_id: 'project-1', project: 'p', location: 'l', workspace: 'w', resource: 'r' }
const KEYS: Readonly<Record<string, NonNullable<ConfigFile['providers']>[string]>> = {
  'aws-sigv4': { credentials: { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'secret' } },
  'google-oauth2': { credentials_file: account },
  'ibm-iam-token': { api_key: 'ibm-key', settings: { ...SETTINGS, token_url: `${signIn.url}/ibm` } },
}
const keyOf = (slug: string): string => `key-of-${slug}`

/** The path of the provider's own address, so that its own format is what an address of ours means. */
function pathOf(row: Row): string {
  const template = row.protocols[0]?.base_url ?? row.base_url ?? ''
  return URL.parse(template.replace(/\{\w+\}/g, 'x'))?.pathname.replace(/\/$/, '') ?? ''
}

const called = rows.filter((row) => row.endpoints > 0 && !excepted.has(row.slug))
/** One model for each provider, and at clouds one for each of its protocols. */
const chosen = called.flatMap((row) => {
  const own = endpoints.filter((endpoint) => endpoint.provider === row.slug && kinds.get(endpoint.model) === 'chat' && endpoint.api === undefined)
  const groups = Map.groupBy(own, ({ protocol = '', via = '' }) => `${protocol}/${via}`)
  return [...groups.values()].map((group) => ({ row, endpoint: group.find(({ provider_model_id: id }) => id !== null) ?? group[0]! }))
})

/** Every row of a model that makes vectors or rankings. */
const lists = called.flatMap((row) => endpoints
  .filter((endpoint) => endpoint.provider === row.slug && ['embedding', 'rerank'].includes(kinds.get(endpoint.model)!))
  .map((endpoint) => ({ row, endpoint })))

const box = await startSignalbox({
  config: {
    providers: Object.fromEntries(called.map((row) => [row.slug, {
      base_url: `${upstream.url}/${row.slug}${pathOf(row)}`, enabled: true, settings: SETTINGS, ...KEYS[row.auth.scheme] ?? (row.auth.scheme === 'none' ? {} : { api_key: keyOf(row.slug) }),
    }])),
    endpoints: [...chosen, ...lists].map(({ endpoint: { id, model, provider, tag, provider_model_id: upstreamModel } }) => ({
      id, model, provider, tag, pricing: { prompt: '0.000001', completion: '0.000002' }, ...(upstreamModel === null && { provider_model_id: `${provider}-model` }),
    })),
  },
})

/** What the path of each format ends in, whole and streamed, by the endpoint's own name of the model. */
const PATHS: Readonly<Record<string, (model: string, stream: boolean) => string>> = {
  'openai-chat': () => '/chat/completions', 'mistral-chat': () => '/chat/completions', 'azure-openai': () => '/chat/completions', 'openai-responses': () => '/responses', 'openai-completions': () => '/completions',
  'anthropic-messages': () => '/messages', 'cohere-v2': () => '/chat', 'ollama-native': () => '/chat',
  'anthropic-messages/vertex-raw-predict': (model, stream) => `/publishers/anthropic/models/${model}:${stream ? 'streamRawPredict' : 'rawPredict'}`,
  'google-generate-content': (model, stream) => `/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  'bedrock-converse': (model, stream) => `/model/${encodeURIComponent(model)}/${stream ? 'converse-stream' : 'converse'}`,
  'watsonx-text-chat': (_, stream) => `/text/${stream ? 'chat_stream' : 'chat'}?version=2025-02-11`,
}
/** Where a body says its model; formats that are not here have it in the path. */
const MODEL_KEYS: Readonly<Record<string, string>> = {
  'openai-chat': 'model', 'mistral-chat': 'model', 'azure-openai': 'model', 'openai-responses': 'model', 'anthropic-messages': 'model', 'cohere-v2': 'model', 'ollama-native': 'model',
  'watsonx-text-chat': 'model_id',
}

function assertArrived(received: Received, row: Row, endpoint: Endpoint, stream: boolean): void {
  const dialect = endpoint.dialect!
  assert.ok(received.path.startsWith(`/${row.slug}/`) || received.path.startsWith(`/${row.slug}${pathOf(row)}`), received.path)
  assert.ok(PATHS[dialect], `nothing is known of the path of ${dialect}`)
  assert.ok(received.path.endsWith(PATHS[dialect]!(endpoint.upstreamModel, stream)), `${received.path} for ${dialect}`)
  const { headers } = received
  const { scheme, header = 'authorization', prefix = scheme === 'bearer' ? 'Bearer ' : '', extra_headers: extra = {} } = row.auth
  if (scheme === 'aws-sigv4') assert.match(headers['authorization']!, /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/bedrock\/aws4_request, /)
  else if (scheme === 'google-oauth2' || scheme === 'ibm-iam-token') assert.match(headers['authorization']!, /^Bearer token-of-fake-\d+$/)
  else assert.equal(headers[header.toLowerCase()], prefix + keyOf(row.slug))
  for (const [name, value] of Object.entries(extra)) assert.equal(headers[name.toLowerCase()], value.replace(/\{(\w+)\}/g, (_, key: string) => SETTINGS[key]!))
  for (const [name, value] of Object.entries(endpoint.forcedHeaders ?? {})) assert.ok(headers[name.toLowerCase()]!.includes(value), name)
  const body = received.body as Record<string, unknown>
  const key = MODEL_KEYS[dialect]
  if (key !== undefined) assert.equal(body[key], endpoint.upstreamModel)
  for (const [name, value] of Object.entries(endpoint.forcedParams ?? {})) assert.deepEqual(body[name], value, name)
}

test('nothing but the reviewed exceptions is left out, and every provider has a model to call', () => {
  const withEndpoints = rows.filter((row) => row.endpoints > 0)
  assert.ok(withEndpoints.length >= 122)
  assert.equal(called.length, withEndpoints.length - excepted.size)
  assert.deepEqual(called.filter((row) => row.base_url === null).map((row) => row.slug), [])
  assert.deepEqual(called.filter((row) => ![...chosen, ...lists].some((one) => one.row === row)).map((row) => row.slug), [])
})

describe('Called at its own path, with its own sign-in and name of the model', () => {
  for (const { row, endpoint: { model, id, protocol, via } } of chosen) {
    test(`${row.name}${protocol ? ` (${protocol}${via ? ` via ${via}` : ''})` : ''}`, async (context) => {
      const endpoint = box.app.catalog.snapshot().endpointsOf(model).find((found) => found.id === id)!
      if (endpoint.dialect === null) {
        // Sold by a format that is not spoken yet; the provider's other models are.
        assert.ok(chosen.some((one) => one.row === row && one.endpoint.protocol !== protocol), endpoint.protocols.join())
        context.skip(`${endpoint.protocols.join()} is not spoken yet`)
        return
      }
      const asking = { provider: { only: [endpoint.tag] } }
      for (const stream of [false, true]) {
        const answer = stream
          ? (await readStream(await box.chat(saying(model, 'Anybody there?', { stream, ...asking })))).text
          : (await box.whole(saying(model, 'Anybody there?', asking))).choices[0]!['message'].content
        assert.equal(answer, 'Anybody there?')
        assertArrived(upstream.requests.at(-1)!, row, endpoint, stream)
      }
    })
  }
})

/** The same for vectors and rankings. */
const LIST_PATHS: Readonly<Record<string, (model: string) => RegExp>> = {
  'openai-chat embedding': () => /\/embeddings$/, 'azure-openai embedding': () => /\/embeddings$/, 'mistral-chat embedding': () => /\/embeddings$/,
  'cohere-v2 embedding': () => /\/v2\/embed$/, 'cohere-v2 rerank': () => /\/v2\/rerank$/,
  'voyage-embeddings embedding': (model) => (/multimodal/.test(model) ? /\/multimodalembeddings$/ : /context/.test(model) ? /\/contextualizedembeddings$/ : /\/v1\/embeddings$/),
  'voyage-embeddings rerank': () => /\/v1\/rerank$/, 'jina-rerank rerank': () => /\/v1\/rerank$/, 'openai-chat rerank': () => /\/rerank$/,
  'google-generate-content embedding': (model) => new RegExp(`/models/${model}:(batchEmbedContents|embedContent|predict)$`),
  'bedrock-invoke embedding': (model) => new RegExp(`/model/${encodeURIComponent(model)}/invoke$`), 'bedrock-invoke rerank': (model) => new RegExp(`/model/${encodeURIComponent(model)}/invoke$`),
}

describe('Asked for vectors or a ranking', () => {
  for (const { row, endpoint: { model, id, tag } } of lists) {
    test(`${row.name}: ${model}`, async () => {
      const endpoint = box.app.catalog.snapshot().endpointsOf(model).find((found) => found.id === id)!
      const kind = kinds.get(model)!
      const rank = kind === 'rerank'
      const response = await box.send('POST', rank ? '/api/v1/rerank' : '/api/v1/embeddings', {
        body: { model, provider: { only: [tag] }, ...(rank ? { query: 'one track', documents: ['tea', 'one track'] } : { input: ['one', 'two'] }) },
      })
      const answer = await response.json() as { readonly data?: readonly { readonly embedding: readonly number[] }[]; readonly results?: readonly { readonly index: number }[]; readonly usage: { readonly cost: number } }
      assert.equal(response.status, 200, JSON.stringify(answer))
      if (rank) assert.deepEqual(answer.results!.map(({ index }) => index), [1, 0])
      else assert.deepEqual(answer.data!.map(({ embedding }) => embedding.length), [8, 8])
      assert.ok(answer.usage.cost > 0)
      const received = upstream.requests.at(-1)!
      const path = LIST_PATHS[`${endpoint.dialect} ${kind}`]
      assert.ok(path, `nothing is known of the path of ${endpoint.dialect} for ${kind}`)
      assert.match(received.path, path(endpoint.upstreamModel))
      const { scheme, header = 'authorization', prefix = scheme === 'bearer' ? 'Bearer ' : '' } = row.auth
      if (scheme === 'aws-sigv4') assert.match(received.headers['authorization']!, /^AWS4-HMAC-SHA256 /)
      else if (scheme === 'google-oauth2') assert.match(received.headers['authorization']!, /^Bearer token-of-fake-\d+$/)
      else assert.equal(received.headers[header.toLowerCase()], prefix + keyOf(row.slug))
    })
  }
})

test('A model that only continues texts is asked for that, on whichever surface', async () => {
  const model = 'openai/gpt-3.5-turbo-instruct'
  const continued = await box.send('POST', '/api/v1/completions', { body: { model, prompt: 'Once upon a time', provider: { only: ['openai'] } } })
  assert.equal(continued.status, 200, await continued.text())
  assert.equal(upstream.requests.at(-1)!.path, '/openai/v1/completions')
  assert.equal((await box.whole(saying(model, 'Once upon a time', { provider: { only: ['openai'] } }))).choices[0]!['message'].content, 'Once upon a time')
  assert.equal(upstream.requests.at(-1)!.path, '/openai/v1/completions')
})

test('none of it was a fault of ours', () => assert.deepEqual(box.complaints, []))
