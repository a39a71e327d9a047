import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OpenRouter } from '@openrouter/sdk'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** How an answer, an error and a plan explain themselves. */

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

const upstream = await startUpstream()
const at = (name: string, model: string, given: Parameters<typeof providerAt>[2] = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const config = together(
  at('one', 'acme/shop', { prompt: 1, completion: 1 }), at('two', 'acme/shop', { prompt: 2, completion: 2 }), at('three', 'acme/shop', { prompt: 3, completion: 3 }),
  at('dead', 'acme/torn', { prompt: 1, completion: 1 }), at('well', 'acme/torn', { prompt: 2, completion: 2 }),
  at('alone', 'acme/alone'),
  { providers: { locked: { base_url: `${upstream.url}/locked/v1`, api_key: 'sk-locked-0123456789abcdef', headers: { 'x-team': 'team-secret-value' } } } },
  { models: [{ id: 'acme/locked', input_modalities: ['text', 'image'] }], endpoints: [{ model: 'acme/locked', provider: 'locked', provider_model_id: 'l', pricing: 'free', forced_params: { api_key: 'hidden-in-the-body', note: 'sk-locked-0123456789abcdef' } }] },
  { model_aliases: { shop: 'acme/shop' } },
)
const box = await startSignalbox({ config })
const TOLD = { 'x-openrouter-metadata': 'enabled' }
const metadataOf = (body: unknown): Loose => (body as Loose)['openrouter_metadata'] as Loose

/** Every field that the published shape demands, of the type that it demands. */
function holdsShape(it: Loose): void {
  assert.deepEqual([typeof it['requested'], typeof it['strategy'], typeof it['summary'], typeof it['is_byok']], ['string', 'string', 'string', 'boolean'])
  assert.ok(it['region'] === null && Number.isInteger(it['attempt']) && Number.isInteger(it['endpoints'].total))
  for (const each of it['endpoints'].available) assert.deepEqual(Object.keys(each), ['provider', 'model', 'selected'])
  for (const each of it['attempts'] ?? []) assert.ok(typeof each.provider === 'string' && typeof each.model === 'string' && Number.isInteger(each.status), JSON.stringify(each))
  if (it['generation_time'] !== undefined) assert.ok(Number.isInteger(it['generation_time']))
}

describe('The metadata of an answer', () => {
  test('It names the candidates in order, with their share of first draws, what they would cost, and why they stand there', async () => {
    const it = metadataOf(await box.whole(saying('acme/shop', 'Hi'), TOLD))
    holdsShape(it)
    assert.equal(it['strategy'], 'direct')
    assert.equal(it['order'], 'balanced')
    const candidates = it['candidates'] as Loose[]
    const of = (name: string) => candidates.find((each) => each['provider'] === name)!
    assert.ok(Math.abs(of('one')['weight'] / of('two')['weight'] - 4) < 0.01)
    assert.ok(of('one')['reasons'].includes('cheapest') && of('two')['reasons'].includes('2 times the cost of the cheapest'))
    assert.ok(of('one')['estimated_cost'] > 0 && of('one')['estimated_cost'] <= of('one')['worst_cost'])
    assert.equal(it['attempt'], 1)
    assert.equal(it['attempts'][0].provider, candidates.find((_, i) => it['endpoints'].available[i].selected)!['provider'])
  })

  test('An attempt that failed is told with its status, its time and its fault, and the one that answered behind it', async () => {
    upstream.when({ path: '/dead/' }, { status: 503, delayMs: 30 })
    for (const stream of [false, true]) {
      const response = await box.chat(saying('acme/torn', 'Hi', { stream, provider: { order: ['dead'] } }), TOLD)
      const it = stream ? metadataOf((await readStream(response)).chunks.at(-1)) : metadataOf(await response.json())
      holdsShape(it)
      assert.equal(it['attempt'], 2)
      const [failed, answered] = it['attempts'] as [Loose, Loose]
      assert.deepEqual([failed['provider'], failed['status'], failed['fault']], ['dead', 503, 'overloaded'])
      assert.ok(failed['duration_ms'] >= 25, `${failed['duration_ms']} ms`)
      assert.deepEqual([answered['provider'], answered['status'], answered['fault']], ['well', 200, undefined])
      assert.ok(it['endpoints'].available.find((each: Loose) => each['provider'] === 'well').selected)
    }
  })

  test('A connection that nobody took has the status that its error has, because clients want a number', async () => {
    upstream.when({ path: '/dead/' }, { reset: true })
    const it = metadataOf(await box.whole(saying('acme/torn', 'Hi', { provider: { order: ['dead'] } }), TOLD))
    holdsShape(it)
    assert.equal(it['attempts'][0].status, 502)
    upstream.when({ path: '/dead/' }, { status: 503 })
  })

  test('It says how the model came to be: by an alias, or as one of a list', async () => {
    assert.equal(metadataOf(await box.whole(saying('shop', 'Hi'), TOLD))['strategy'], 'alias')
    assert.equal(metadataOf(await box.whole(saying('acme/shop:nitro', 'Hi'), TOLD))['strategy'], 'direct')
    assert.equal(metadataOf(await box.whole({ ...saying('acme/shop', 'Hi'), models: ['acme/alone'] }, TOLD))['strategy'], 'fallback')
  })

  test('Fields that had no effect are named', async () => {
    assert.deepEqual(metadataOf(await box.whole(saying('acme/alone', 'Hi', { trace: { a: 1 }, debug: { echo_upstream_body: true } }), TOLD))['parameters'], { ignored: ['debug', 'trace'] })
  })

  test('An error has it beside it: with the attempts when all failed, with attempt 0 when nobody was asked or the model is not known', async () => {
    const failed = metadataOf((await box.refused(saying('acme/torn', 'Hi', { provider: { only: ['dead'] } }), TOLD)).body)
    holdsShape(failed)
    assert.deepEqual([failed['attempt'], failed['attempts'][0].fault, failed['summary']], [1, 'overloaded', 'available=1, selected=none, order=balanced'])
    assert.equal(failed['rejected'][0].why, 'not_allowed')
    for (const body of [saying('acme/shop', 'Hi', { provider: { only: ['nobody'] } }), saying('acme/unheard', 'Hi')]) {
      const it = metadataOf((await box.refused(body, TOLD)).body)
      holdsShape(it)
      assert.equal(it['attempt'], 0)
    }
    assert.ok(!('openrouter_metadata' in (await box.refused(saying('acme/unheard', 'Hi'))).body))
  })

  test('An answer that breaks off in its middle has it on the chunk of the error, with the fault', async () => {
    upstream.next({ text: ['a', ' b', ' c'], cutAfter: 2 })
    const streamed = await readStream(await box.chat(saying('acme/alone', 'Hi', { stream: true }), TOLD))
    assert.ok(streamed.error)
    const it = metadataOf(streamed.chunks.at(-1))
    holdsShape(it)
    assert.equal(it['attempts'][0].fault, 'stream-cut')
  })

  test("OpenRouter's own SDK reads it, whole and streamed", async () => {
    const client = new OpenRouter({ apiKey: box.key, serverURL: `${box.url}/api/v1` })
    const messages = [{ role: 'user' as const, content: 'Hi' }]
    const options = { headers: TOLD }
    const whole = await client.chat.send({ chatRequest: { model: 'acme/torn', messages, provider: { order: ['dead'] }, stream: false } }, options) as Loose
    assert.deepEqual([whole['openrouterMetadata'].attempt, whole['openrouterMetadata'].attempts.length], [2, 2])
    let last: Loose = {}
    for await (const chunk of await client.chat.send({ chatRequest: { model: 'acme/shop', messages, stream: true } }, options) as unknown as AsyncIterable<Loose>) last = chunk
    assert.equal(last['openrouterMetadata'].strategy, 'direct')
  })
})

describe('error.availability', () => {
  test('It says which condition kept how many out by itself, and who could answer without it', async () => {
    const { error } = await box.refused(saying('acme/shop', 'Hi', { provider: { only: ['one', 'two'], max_price: { prompt: 0.5 } } }))
    const { availability } = error as Loose
    assert.deepEqual(availability.excluded_by.toSorted(), ['allowed_providers', 'max_price'])
    assert.deepEqual(Object.keys(availability).toSorted(), ['affected_providers', 'code', 'constraint', 'excluded_by', 'requested_models', 'retryable'])
    const constraints = error.metadata['constraints'] as Loose[]
    assert.deepEqual(constraints.map((it) => [it['field'], it['excludes_alone']]), [['provider.max_price', 2], ['provider.only', 0]])
    assert.deepEqual(constraints[0]!['providers'].toSorted(), ['one', 'two'])
    assert.equal(availability.constraint.field, 'provider.max_price')
    assert.match(availability.constraint.detail, /without it 2 endpoints could answer \((one, two|two, one)\)$/)
  })

  test('Where providers were asked and none had room, it says that, when to come again, and of whom it is true', async () => {
    upstream.when({ path: '/alone/' }, { status: 429, headers: { 'retry-after': '7' } })
    const limited = await box.refused(saying('acme/alone', 'Hi'))
    assert.equal(limited.status, 429)
    assert.deepEqual((limited.error as Loose)['availability'], {
      code: 'capacity_exhausted', retryable: true, retry_after: 7, requested_models: ['acme/alone'], affected_providers: ['alone'],
    })
    upstream.when({ path: '/alone/' }, { status: 503 })
    const full = await box.refused(saying('acme/alone', 'Hi'))
    assert.deepEqual([full.status, (full.error as Loose)['availability'].code, (full.error as Loose)['availability'].retryable], [503, 'temporarily_unavailable', true])
    upstream.when({ path: '/alone/' }, {})
  })

  test('Where two conditions keep the same one out, lifting either alone gives nothing', async () => {
    const { error } = await box.refused(saying('acme/alone', 'Hi', { provider: { zdr: true, max_price: { prompt: 0.1 } } }))
    assert.deepEqual((error.metadata['constraints'] as Loose[]).map((it) => it['excludes_alone']), [0, 0])
  })
})

describe('debug.echo_upstream_body', () => {
  const debug = { debug: { echo_upstream_body: true }, stream: true }

  test('A stream begins with a chunk for each provider that was asked, with what it was sent and no choices', async () => {
    const streamed = await readStream(await box.chat(saying('acme/torn', 'Hi', { ...debug, temperature: 0.5, provider: { order: ['dead'] } })))
    const [first, second, third] = streamed.chunks as unknown as Loose[]
    for (const chunk of [first!, second!]) {
      assert.deepEqual(chunk['choices'], [])
      assert.deepEqual(chunk['debug'].echo_upstream_body.messages, [{ role: 'user', content: 'Hi' }])
      assert.equal(chunk['debug'].echo_upstream_body.temperature, 0.5)
    }
    assert.deepEqual(second!['debug'].echo_upstream_body, upstream.requests.at(-1)!.body, 'what the second was sent, to the letter')
    assert.ok(!('debug' in third!) && third!['choices'].length > 0)
    assert.equal(streamed.text, 'Hi')
  })

  test('No secret of the operator is in it, and long media is told by its length', async () => {
    const data = 'iVBORw0KGgo'.padEnd(5000, 'A')
    const raw = (await readStream(await box.chat({
      ...saying('acme/locked', '', debug),
      messages: [{ role: 'user', content: [{ type: 'text', text: 'See team-secret-value' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }] }],
    }))).chunks[0] as unknown as Loose
    const text = JSON.stringify(raw)
    for (const secret of ['sk-locked-0123456789abcdef', 'hidden-in-the-body', 'team-secret-value']) assert.ok(!text.includes(secret), secret)
    assert.match(text, /data:image\/png;base64,iVBORw0KGgo[A]*… \(5000 characters\)/)
    assert.ok(text.length < 2000)
  })

  test('It is nothing on a whole answer, nor when it was not asked for, nor for a key that may not', async () => {
    assert.ok(!('debug' in await box.whole(saying('acme/alone', 'Hi', { debug: { echo_upstream_body: true } }))))
    const silent = await readStream(await box.chat(saying('acme/alone', 'Hi', { stream: true })))
    assert.ok(!silent.raw.includes('echo_upstream_body'))
    const { key } = await box.app.accounts.createKey({ settings: { echo_upstream_body: false } })
    const denied = await readStream(await box.chat(saying('acme/alone', 'Hi', debug), { authorization: `Bearer ${key}` }))
    assert.ok(!denied.raw.includes('echo_upstream_body'))
  })
})
