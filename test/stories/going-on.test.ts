import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** How far a call goes on when providers fail, where it stops, and what the caller is told at the end. */

const upstream = await startUpstream()
const at = (name: string, model = 'acme/one', given = {}) => providerAt(name, `${upstream.url}/${name}/v1`, { model, ...given })
const names = (prefix: string) => ['1', '2', '3', '4', '5'].map((n) => `${prefix}${n}`)
const box = await startSignalbox({
  config: together(
    ...names('a').map((name) => at(name, 'acme/dead')),
    ...names('b').map((name) => at(name, 'acme/gone')),
    ...names('c').map((name) => at(name, 'acme/lost')),
    at('picky', 'acme/picky'), at('picky-twin', 'acme/picky'), at('other', 'acme/other'),
    at('narrow', 'acme/roomy', { endpoint: { context_length: 1000 } }),
    at('narrow-twin', 'acme/roomy', { endpoint: { context_length: 1000 } }),
    at('wide', 'acme/roomy', { endpoint: { context_length: 100_000 } }),
    at('busy', 'acme/busy'), at('busier', 'acme/busy'),
    at('waits', 'acme/waits'), at('queued', 'acme/queue'), at('idle', 'acme/queue'),
    at('flaky', 'acme/flaky', { prompt: 1, completion: 1 }), at('steady', 'acme/flaky', { prompt: 3, completion: 3 }),
    at('keyless', 'acme/keyless', { prompt: 1, completion: 1 }), at('keyed', 'acme/keyless', { prompt: 3, completion: 3 }),
    at('hangs-1', 'acme/hangs', { timeouts: { first_token_ms: 1200 } }), at('hangs-2', 'acme/hangs', { timeouts: { first_token_ms: 1200 } }),
    at('hangs-3', 'acme/hangs', { timeouts: { first_token_ms: 1200 } }),
    { timeouts: { pre_token_total_ms: 3000 } },
  ),
})
for (const prefix of ['a', 'b', 'c']) for (const name of names(prefix)) upstream.when({ path: `/${name}/` }, { status: 500, body: { error: { message: `${name} is down` } } })

const tried = async (id: string): Promise<(string | number | null)[][]> => {
  const record = await box.generation(id)
  return (record['provider_responses'] as { provider_name: string; status: number | null }[]).map((it) => [it.provider_name, it.status])
}

describe('How many are tried', () => {
  test('Of five providers that fail, three are tried, the last error is returned, the others are named before it, and two are said to be left', async () => {
    const refusal = await box.refused(saying('acme/dead', 'Anyone?', { provider: { order: names('a') } }))
    assert.equal(refusal.status, 502)
    assert.equal(refusal.error.message, 'a3 is down')
    assert.deepEqual(refusal.error.metadata['previous_errors'], [
      { provider: 'a1', code: 'upstream-error', status: 500 }, { provider: 'a2', code: 'upstream-error', status: 500 },
    ])
    assert.equal(refusal.error.metadata['not_tried'], 2)
    assert.deepEqual(await tried(refusal.id), [['a1', 500], ['a2', 500], ['a3', 500]])
  })

  test('Of three models with five dead providers each, six attempts are made, three of each of the first two models', async () => {
    const refusal = await box.refused({ ...saying('acme/dead', 'Anyone?'), models: ['acme/gone', 'acme/lost'] })
    assert.equal(refusal.status, 502)
    const providers = (await tried(refusal.id)).map(([name]) => String(name)[0])
    assert.deepEqual(providers, ['a', 'a', 'a', 'b', 'b', 'b'])
    assert.equal((refusal.error.metadata['previous_errors'] as unknown[]).length, 5)
    assert.equal(refusal.error.metadata['not_tried'], 9)
  })

  test('When a model fails on all its providers, the next of the list answers under its own name and price', async () => {
    const streamed = await readStream(await box.chat({ ...saying('acme/dead', 'Next one'), models: ['acme/other'], stream: true }))
    assert.equal(streamed.text, 'Next one')
    assert.ok(streamed.chunks.every((chunk) => chunk.model === 'acme/other' && chunk.provider === 'other'))
    const record = await box.generation(streamed.id)
    assert.equal(record['model'], 'acme/other')
    assert.deepEqual((await tried(streamed.id)).at(-1), ['other', 200])
  })

  test('Time before the first piece is bounded over all attempts: what is left is not enough for another try', async () => {
    for (const name of ['hangs-1', 'hangs-2', 'hangs-3']) upstream.when({ path: `/${name}/` }, { stallAfter: 'request' })
    const begun = performance.now()
    const refusal = await box.refused(saying('acme/hangs', 'Anyone?', { stream: true }))
    assert.equal(refusal.status, 504)
    assert.equal(refusal.error.metadata['not_tried'], 2)
    assert.ok(performance.now() - begun < 15_000)
  })

  test('With allow_fallbacks false the first provider is the only one, and its error comes back as it is', async () => {
    const refusal = await box.refused(saying('acme/dead', 'Just you', { provider: { order: ['a2'], allow_fallbacks: false } }))
    assert.equal(refusal.error.message, 'a2 is down')
    assert.equal('previous_errors' in refusal.error.metadata, false)
    assert.deepEqual(await tried(refusal.id), [['a2', 500]])
  })
})

describe("What is the caller's own fault", () => {
  test('A request that a provider finds wrong is not sent to its competitor, and the provider\'s reason reaches the caller', async () => {
    upstream.when({ path: '/picky/' }, { status: 400, body: { error: { message: "Invalid schema for function 'f'", type: 'invalid_request_error', param: 'tools[0]', code: 'invalid_function_parameters' } } })
    upstream.when({ path: '/picky-twin/' }, { status: 422 })
    const before = upstream.requests.length
    const refusal = await box.refused(saying('acme/picky', 'Wrong', { provider: { order: ['picky'] } }))
    assert.equal(refusal.status, 400)
    assert.match(refusal.error.message, /Invalid schema for function 'f'/)
    assert.equal(refusal.error.metadata['provider_name'], 'picky')
    assert.equal(refusal.error.metadata['provider_code'], 'invalid_function_parameters')
    assert.equal(refusal.error.metadata['parameter'], 'tools[0]')
    assert.equal(upstream.requests.length, before + 1, 'the twin was asked, too')
    const other = await box.refused(saying('acme/picky', 'Wrong', { provider: { order: ['picky-twin'] } }))
    assert.equal(other.status, 422)
  })

  test('A models list goes on after such a request, because the next model may see it otherwise', async () => {
    const reply = await box.whole({ ...saying('acme/picky', 'Wrong?', { provider: { order: ['picky'] } }), models: ['acme/picky', 'acme/other'] })
    assert.equal(reply.model, 'acme/other')
    assert.deepEqual(await tried(reply.id), [['picky', 400], ['other', 200]])
  })

  test('So it does after a request that is too large for a provider, or that it cannot carry out', async () => {
    for (const status of [413, 422]) {
      upstream.next({ status }, { path: '/picky/' })
      const list = { models: ['acme/picky', 'acme/other'] }
      const reply = await box.whole({ ...saying('acme/picky', 'Large?', { provider: { order: ['picky'] } }), ...list })
      assert.deepEqual(await tried(reply.id), [['picky', status], ['other', 200]])
      upstream.next({ status }, { path: '/picky/' })
      const refusal = await box.refused(saying('acme/picky', 'Large?', { provider: { order: ['picky'] } }))
      assert.equal(refusal.status, status)
      assert.equal((await tried(refusal.id)).length, 1, 'the twin was asked, too')
    }
  })

  test('Of what a provider says of a wrong request, at most 2 KiB come through, and nothing that looks like a key', async () => {
    const secret = 'sk-live-4f9QxZ71bLmW8tRk2VnYc6'
    upstream.next({ status: 400, body: { error: { message: `${secret} is wrong. ${'Really. '.repeat(2000)}`, code: 'bad' } } }, { path: '/picky/' })
    const { error, body } = await box.refused(saying('acme/picky', 'Wrong', { provider: { order: ['picky'] } }))
    assert.match(error.message, /Really/)
    assert.ok(error.message.length <= 2048 && error.metadata['raw'].length <= 2048, `${error.message.length} and ${error.metadata['raw'].length}`)
    assert.ok(!JSON.stringify(body).includes(secret))
  })

  test('A flagged prompt is refused with 403 and goes to no competitor', async () => {
    upstream.next({ status: 403, body: { error: { message: 'Your input was flagged by moderation', code: 'content_policy_violation' } } }, { path: '/picky/' })
    const refusal = await box.refused(saying('acme/picky', 'Naughty', { provider: { order: ['picky'] } }))
    assert.equal(refusal.status, 403)
    assert.equal(refusal.error.metadata['error_type'], 'content_policy_violation')
    assert.equal((await tried(refusal.id)).length, 1)
  })

  test('A prompt that turns out too long goes on to the endpoint with the larger context, and past the one with the same', async () => {
    for (const name of ['narrow', 'narrow-twin']) {
      upstream.when({ path: `/${name}/` }, { status: 400, body: { error: { message: "This model's maximum context length is 1000 tokens.", code: 'context_length_exceeded' } } })
    }
    const reply = await box.whole(saying('acme/roomy', 'Long', { provider: { order: ['narrow', 'narrow-twin', 'wide'] } }))
    assert.deepEqual(await tried(reply.id), [['narrow', 400], ['wide', 200]])
    const refusal = await box.refused(saying('acme/roomy', 'Long', { provider: { only: ['narrow', 'narrow-twin'] } }))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.error.metadata['error_type'], 'context_length_exceeded')
    const list = await box.whole({ ...saying('acme/roomy', 'Long', { provider: { only: ['narrow', 'narrow-twin', 'other'] } }), models: ['acme/roomy', 'acme/other'] })
    assert.equal(list.model, 'acme/other', 'a list goes on to its next model')
    assert.deepEqual((await tried(list.id)).map(([name]) => name === 'narrow-twin' ? 'narrow' : name), ['narrow', 'other'])
  })
})

describe('When a provider says wait', () => {
  const in90s = new Date(Date.now() + 90_000).toUTCString()
  const now = new Date().toUTCString()
  const VARIANTS: readonly [string, Record<string, string>, object, string | null][] = [
    ['in seconds', { 'retry-after': '7' }, {}, '7'],
    ['in fractions of a second', { 'retry-after': '0.3' }, {}, '1'],
    ['in milliseconds', { 'retry-after-ms': '2300' }, {}, '3'],
    ['as a date', { 'retry-after': in90s, date: now }, {}, '90'],
    ['as the reset of a limit that is used up', { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s' }, {}, '360'],
    ['in its words', {}, { error: { message: 'Rate limit reached. Please try again in 1.2s.' } }, '2'],
    ['in a detail of the body', {}, { error: { code: 429, message: 'Quota', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12s' }] } }, '12'],
    ['as nonsense', { 'retry-after': 'soon' }, {}, null],
    ['not at all', {}, {}, null],
  ]
  for (const [how, headers, body, expected] of VARIANTS) {
    const reaches = expected === null ? 'a 429 without Retry-After' : `Retry-After: ${expected}`
    test(`A 429 that tells ${how} how long to wait reaches the caller as ${reaches}`, async () => {
      upstream.next({ status: 429, headers, ...(Object.keys(body).length > 0 && { body }) }, { path: '/waits/' })
      const refusal = await box.refused(saying('acme/waits', 'Now?'))
      assert.equal(refusal.status, 429)
      const given = refusal.headers.get('retry-after')
      if (how === 'as a date') assert.ok(Number(given) >= 88 && Number(given) <= 91, `${given}`)
      else assert.equal(given, expected)
    })
  }

  test('Of several that say wait, the caller is told the shortest', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '40' } }, { path: '/busy/' })
    upstream.next({ status: 429, headers: { 'retry-after': '9' } }, { path: '/busier/' })
    const refusal = await box.refused(saying('acme/busy', 'Now?'))
    assert.equal(refusal.headers.get('retry-after'), '9')
  })

  test('A wait that one provider asked for is not told of a request that another found wrong', async () => {
    upstream.next({ status: 429, headers: { 'retry-after': '40' } }, { path: '/busy/' })
    upstream.next({ status: 400 }, { path: '/busier/' })
    const refusal = await box.refused(saying('acme/busy', 'Now?', { provider: { order: ['busy', 'busier'] } }))
    assert.equal(refusal.status, 400)
    assert.equal(refusal.headers.get('retry-after'), null)
  })

  test('Whoever said wait is not asked first again while another is well, also when it is the one that the caller prefers', async () => {
    const order = { provider: { order: ['queued', 'idle'] } }
    upstream.next({ status: 429, headers: { 'retry-after': '40' } }, { path: '/queued/' })
    assert.equal((await box.whole(saying('acme/queue', 'Now?', order))).provider, 'idle')
    const plan = await box.explain(saying('acme/queue', 'Now?', order))
    assert.deepEqual(plan.candidates.map((it) => it['provider']), ['idle', 'queued'])
  })
})

describe('A connection that was kept open', () => {
  test('When the provider has closed it meanwhile, the request goes out once more on a fresh one, and nobody is the wiser', async () => {
    for (let i = 0; i < 3; i++) await box.whole(saying('acme/other', 'Warm'))
    for (const how of [{ reset: true }, { hangUp: true }] as const) {
      await box.whole(saying('acme/other', 'Warm'))
      const before = upstream.requests.length
      const takeBack = upstream.when((_, received) => received.path.startsWith('/other/') && received.turn > 1, how)
      const reply = await box.whole(saying('acme/other', 'Still there?'))
      takeBack()
      assert.equal(reply.choices[0]!['message'].content, 'Still there?')
      assert.deepEqual(upstream.requests.slice(before).map(({ turn, state }) => [turn > 1, state]), [[true, 'cut'], [false, 'answered']])
      assert.deepEqual(await tried(reply.id), [['other', 200]])
    }
  })

  test('When it breaks after an answer has begun, the provider has acted on the request: it is not asked twice', async () => {
    await box.whole(saying('acme/other', 'Warm'))
    const before = upstream.requests.length
    upstream.next({ cutAtByte: 1, cutBy: 'rst' }, { path: '/other/' })
    const refusal = await box.refused(saying('acme/other', 'Still there?'))
    assert.equal(refusal.status, 502)
    assert.equal(upstream.requests.length, before + 1)
    assert.ok(upstream.requests.at(-1)!.turn > 1, 'it was a connection that had been kept open')
    assert.equal((await tried(refusal.id)).length, 1)
  })

  test('A provider that answers before our body is there, and closes, is heard: the next one gets the whole body', async () => {
    const text = `${'Long. '.repeat(500_000)}The end.`
    upstream.next({ status: 503, early: true, headers: { connection: 'close' } }, { path: '/flaky/' })
    const reply = await box.whole(saying('acme/flaky', text, { provider: { order: ['flaky', 'steady'] } }))
    assert.equal(reply.provider, 'steady')
    assert.deepEqual(await tried(reply.id), [['flaky', 503], ['steady', 200]])
    assert.equal(reply.choices[0]!['message'].content.length, text.length)
  })
})

describe('What is remembered of a failure', () => {
  test('After one failure the dearer provider is asked first, until the cheap one is well again', async () => {
    upstream.next({ status: 500 }, { path: '/flaky/' })
    for (let i = 0; i < 40 && upstream.requests.at(-1)?.status !== 500; i++) await box.whole(saying('acme/flaky', 'Try', { provider: { sort: 'price' } }))
    const after = await box.whole(saying('acme/flaky', 'Try', { provider: { sort: 'price' } }))
    assert.equal(after.provider, 'steady')
    const plan = await box.explain(saying('acme/flaky', 'Try', { provider: { sort: 'price' } }))
    assert.deepEqual(plan.candidates.map((it) => it['provider']), ['steady', 'flaky'])
  })

  test("The operator's refused key is left alone, and the caller never learns of it while somebody else answers", async () => {
    upstream.next({ status: 401, body: { error: { message: 'Incorrect API key provided: key-of-keyless', code: 'invalid_api_key' } } }, { path: '/keyless/' })
    const reply = await box.whole(saying('acme/keyless', 'Try', { provider: { sort: 'price' } }))
    assert.equal(reply.provider, 'keyed')
    assert.ok(!JSON.stringify(reply).includes('401'))
    assert.equal((await box.whole(saying('acme/keyless', 'Try', { provider: { sort: 'price' } }))).provider, 'keyed')
    assert.deepEqual(await tried(reply.id), [['keyless', 401], ['keyed', 200]])
  })

  test("A caller's mistakes make no provider look ill", async () => {
    const before = await box.explain(saying('acme/other', 'Fine'))
    upstream.next({ status: 400 }, { path: '/other/' })
    await box.refused(saying('acme/other', 'Wrong'))
    assert.deepEqual((await box.explain(saying('acme/other', 'Fine'))).candidates, before.candidates)
  })
})
