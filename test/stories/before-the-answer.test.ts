import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { createBlackHole, createRefusal, type Order } from '../../src/testing/index.ts'
import { providerAt, saying, startSignalbox, startUpstream, together } from './signalbox.ts'
import { readStream } from './stream.ts'

/** What fails before the first piece of an answer: the caller sees the next provider's answer, or one honest error. */

const upstream = await startUpstream()
/** Of those that take their whole time; and of all others, which cost a caller next to nothing, on a busy machine too. */
const TIMEOUTS = { connect_ms: 300, first_token_ms: 200, idle_ms: 200 }
const PATIENT = { connect_ms: 20_000, first_token_ms: 20_000, idle_ms: 20_000 }
/** Far less than any of the patient ones: who met it was not waited for. How long a name takes that nobody knows is up to this machine. */
const AT_ONCE_MS = 10_000

interface Failing {
  readonly name: string
  readonly does: string
  readonly order: Order
  /** What the caller gets when there is no other provider. */
  readonly status: number
  readonly type: string
  readonly says?: RegExp
  /** The status on the record of the attempt; null when there was no answer. */
  readonly recorded: number | null
  /** Only where an answer that is not streamed differs. */
  readonly onlyStreamed?: boolean
  /** Whom health blames: the endpoint, unless it is said otherwise; or the key, which is left alone. */
  readonly blames?: 'key'
}

const html = { 'content-type': 'text/html' }
const FAILING: readonly Failing[] = [
  { name: 'resets', does: 'resets the connection', order: { reset: true }, status: 502, type: 'provider_unavailable', recorded: null },
  { name: 'hangs-up', does: 'closes the connection without an answer', order: { hangUp: true }, status: 502, type: 'provider_unavailable', recorded: null },
  { name: 'refuses-key', does: 'answers 401 to our key', order: { status: 401 }, status: 502, type: 'provider_unavailable', says: /refused the key that this server holds/, recorded: 401, blames: 'key' },
  { name: 'refuses-key-silently', does: 'answers 401 without a word', order: { status: 401, body: '' }, status: 502, type: 'provider_unavailable', recorded: 401, blames: 'key' },
  { name: 'forbids-key', does: 'answers 403 to our key', order: { status: 403 }, status: 502, type: 'provider_unavailable', recorded: 403, blames: 'key' },
  { name: 'wants-money', does: 'answers 402', order: { status: 402 }, status: 502, type: 'provider_unavailable', says: /out of credit/, recorded: 402, blames: 'key' },
  { name: 'has-no-model', does: 'answers 404', order: { status: 404 }, status: 404, type: 'not_found', recorded: 404 },
  { name: 'times-out', does: 'answers 408', order: { status: 408 }, status: 504, type: 'timeout', recorded: 408 },
  { name: 'limits', does: 'answers 429', order: { status: 429 }, status: 429, type: 'rate_limit_exceeded', recorded: 429, blames: 'key' },
  { name: 'fails', does: 'answers 500', order: { status: 500 }, status: 502, type: 'provider_unavailable', recorded: 500 },
  { name: 'bad-gateway', does: 'answers 502 with an HTML page', order: { status: 502, body: '<html><title>502 Bad Gateway</title></html>', headers: html }, status: 502, type: 'provider_unavailable', says: /502 Bad Gateway/, recorded: 502 },
  { name: 'unavailable', does: 'answers 503', order: { status: 503 }, status: 503, type: 'provider_overloaded', recorded: 503 },
  { name: 'gateway-timeout', does: 'answers 504', order: { status: 504 }, status: 504, type: 'timeout', recorded: 504 },
  { name: 'overloaded', does: 'answers 529', order: { status: 529 }, status: 503, type: 'provider_overloaded', recorded: 529 },
  { name: 'html', does: 'answers 200 with a web page', order: { status: 200, body: '<html><body>Sign in</body></html>', headers: html }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'lies', does: 'answers 200 with an error inside', order: { shapes: ['error-in-200'] }, status: 503, type: 'provider_overloaded', recorded: 200 },
  { name: 'lies-quota', does: 'answers 200 with a rate limit inside', order: { body: { error: { message: 'Slow down', code: 429 } } }, status: 429, type: 'rate_limit_exceeded', recorded: 200, blames: 'key' },
  { name: 'empty', does: 'answers 200 with nothing', order: { status: 200, body: '' }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'no-content', does: 'answers 204', order: { status: 204, body: '' }, status: 502, type: 'provider_unavailable', recorded: 204 },
  { name: 'redirects', does: 'answers with a redirect', order: { status: 302, body: '', headers: { location: `${upstream.url}/elsewhere/chat/completions` } }, status: 502, type: 'provider_unavailable', recorded: 302 },
  { name: 'garbles', does: 'answers with broken JSON', order: { garble: 'json', garbleAt: 0 }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'first-event-error', does: 'begins its stream with an error', order: { events: [{ error: { message: 'No capacity', code: 503 } }] }, status: 503, type: 'provider_overloaded', recorded: 200, onlyStreamed: true },
  { name: 'only-role', does: 'ends its stream after the role', order: { cutAfter: 1, cutBy: 'end' }, status: 502, type: 'provider_unavailable', recorded: 200, onlyStreamed: true },
  { name: 'silent', does: 'takes the request and never answers', order: { stallAfter: 'request' }, status: 504, type: 'timeout', recorded: null },
  { name: 'headers', does: 'sends its headers and nothing more', order: { stallAfter: 'headers' }, status: 504, type: 'timeout', recorded: 200 },
  { name: 'comments', does: 'sends only comments', order: { commentsForever: 20 }, status: 504, type: 'timeout', recorded: 200 },
  { name: 'moves', does: 'answers with a permanent redirect', order: { status: 301, body: '', headers: { location: `${upstream.url}/elsewhere/chat/completions` } }, status: 502, type: 'provider_unavailable', recorded: 301 },
  { name: 'moves-with-body', does: 'answers with a redirect that would keep the body', order: { status: 308, body: '', headers: { location: `${upstream.url}/elsewhere/chat/completions` } }, status: 502, type: 'provider_unavailable', recorded: 308 },
  { name: 'paints', does: 'answers 200 with a picture', order: { status: 200, body: '\u0089PNG\r\n\u001a\n', headers: { 'content-type': 'image/png' } }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'chats', does: 'answers 200 with a line of plain text', order: { status: 200, body: 'Service is starting', headers: { 'content-type': 'text/plain' } }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'mumbles', does: 'answers with bytes that are no UTF-8', order: { garble: 'utf8', garbleAt: 0 }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'gives-half', does: 'breaks off within the first piece, or in the middle of a whole answer', order: { cutAtByte: 60, cutBy: 'fin' }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'drips', does: 'sends a byte every ten milliseconds', order: { trickle: { bytes: 1, everyMs: 10 } }, status: 504, type: 'timeout', recorded: 200 },
  { name: 'inflates', does: 'answers with a gzip bomb', order: { gzip: 'honest', hugeEvent: 4 << 20 }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'mislabels', does: 'answers in gzip and does not say so', order: { gzip: 'unlabelled' }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'early', does: 'answers 500 before it has read the request', order: { status: 500, early: true }, status: 502, type: 'provider_unavailable', recorded: 500 },
  { name: 'gzips', does: 'answers in an encoding that was not asked for', order: { gzip: 'honest' }, status: 502, type: 'provider_unavailable', recorded: 200 },
  { name: 'huge-header', does: 'sends a header of 100 KB', order: { hugeHeader: 100_000 }, status: 502, type: 'provider_unavailable', recorded: null },
]

/**
 * An address where nobody listens, one where no connection ever comes about, and one that takes connections and never
 * says a word: a TLS handshake without end.
 */
const nobody = await createRefusal()
after(() => nobody.close())
const deaf = createServer((socket) => void socket.on('error', () => {}))
await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
const { port: deafPort } = deaf.address() as { port: number }
after(() => deaf.close())
const hole = await createBlackHole()
after(() => hole.close())

/** What takes its whole timeout. */
const SLOW: ReadonlySet<string> = new Set(['silent', 'headers', 'comments', 'drips'])

const sells = (name: string, model: string) => providerAt(name, `${upstream.url}/${name}/v1`, { model, timeouts: SLOW.has(name) ? TIMEOUTS : PATIENT })
const box = await startSignalbox({
  config: together(
    ...FAILING.flatMap(({ name }) => [sells(name, `acme/${name}`), sells(`after-${name}`, `acme/${name}`)]),
    providerAt('refuses', `http://127.0.0.1:${nobody.port}/v1`, { model: 'acme/refuses', timeouts: PATIENT }),
    sells('after-refuses', 'acme/refuses'),
    providerAt('unknown', 'http://nowhere.invalid/v1', { model: 'acme/unknown', timeouts: TIMEOUTS }), sells('after-unknown', 'acme/unknown'),
    // Its own first piece may take longer than a connection: it is the connection that is given up.
    providerAt('swallows', `http://127.0.0.1:${hole.port}/v1`, { model: 'acme/swallows', timeouts: { ...PATIENT, connect_ms: 250 } }),
    sells('after-swallows', 'acme/swallows'),
    providerAt('deaf', `https://127.0.0.1:${deafPort}/v1`, { model: 'acme/deaf', timeouts: TIMEOUTS }), sells('after-deaf', 'acme/deaf'),
    providerAt('plain', `https://127.0.0.1:${upstream.port}/v1`, { model: 'acme/plain', timeouts: TIMEOUTS }), sells('after-plain', 'acme/plain'),
    { timeouts: { pre_token_total_ms: 60_000 } },
  ),
})
for (const { name, order } of FAILING) upstream.when({ path: `/${name}/` }, order)

/** What the health table says of a provider, through the plan that goes by it. */
async function healthOf(name: string): Promise<string> {
  const { candidates } = await box.explain(saying(`acme/${name}`, 'How is it?', { provider: { only: [name] } }))
  return (candidates[0]!['reasons'] as readonly string[]).join('; ')
}

type Attempts = { readonly provider_name: string; readonly status: number | null }[]

describe('With another provider, the caller does not notice', () => {
  const all: readonly Pick<Failing, 'name' | 'does' | 'recorded' | 'onlyStreamed' | 'blames'>[] =
    [
      ...FAILING, { name: 'refuses', does: 'refuses the connection', recorded: null },
      { name: 'unknown', does: 'has a name that nobody knows', recorded: null },
      { name: 'swallows', does: 'lies behind a firewall that swallows connections', recorded: null },
      { name: 'deaf', does: 'takes the connection and never shakes hands', recorded: null },
      { name: 'plain', does: 'speaks no TLS where it should', recorded: null },
    ]
  for (const { name, does, recorded, onlyStreamed, blames } of all) {
    test(`A provider ${does}: the next one answers, streamed and whole, for one price, and the record shows both`, async () => {
      const order = { provider: { order: [name, `after-${name}`] } }
      const begun = performance.now()
      const streamed = await readStream(await box.chat(saying(`acme/${name}`, 'Who answers?', { ...order, stream: true })))
      const took = performance.now() - begun
      if (name !== 'unknown') assert.ok(took < AT_ONCE_MS, `the failure cost the caller ${took.toFixed(0)} ms`)
      assert.equal(streamed.text, 'Who answers?')
      assert.equal(streamed.done, true)
      assert.equal(streamed.usage!.cost, (2 * 1 + 2 * 2) / 1e6)
      const record = await box.generation(streamed.id)
      assert.deepEqual((record['provider_responses'] as Attempts).map((it) => [it.provider_name, it.status]), [[name, recorded], [`after-${name}`, 200]])
      assert.equal(record['provider_name'], `after-${name}`)
      assert.equal(record['total_cost'], streamed.usage!.cost)
      assert.match(await healthOf(name), blames === 'key' ? /^stable; its provider asked us to wait, or refused the key until/ : /^(failed within|ejected until)/)
      if (onlyStreamed) return
      const again = performance.now()
      const whole = await box.whole(saying(`acme/${name}`, 'Who answers?', order))
      const after = performance.now() - again
      if (name !== 'unknown') assert.ok(after < AT_ONCE_MS, `the failure cost the caller ${after.toFixed(0)} ms`)
      assert.equal(whole.choices[0]!['message'].content, 'Who answers?')
      assert.equal(whole.provider, `after-${name}`)
      assert.equal(whole.usage.cost, streamed.usage!.cost)
    })
  }

  test('A provider that refuses connections costs the caller less than 50 ms', async () => {
    const times: number[] = []
    for (let i = 0; i < 20 && !times.some((ms) => ms < 50); i++) {
      const begun = performance.now()
      await box.whole(saying('acme/refuses', 'Quick', { provider: { order: ['refuses', 'after-refuses'] } }))
      times.push(performance.now() - begun)
    }
    assert.ok(Math.min(...times) < 50, `it took ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`)
  })

  test('No redirect was followed', () => {
    assert.ok(upstream.requests.some((request) => request.path.startsWith('/redirects/')))
    assert.equal(upstream.requests.filter((request) => request.path.startsWith('/elsewhere')).length, 0)
  })

  test('Providers that stalled were let go', async () => {
    for (const name of ['silent', 'headers', 'comments']) {
      await upstream.waitFor((request) => request.path.startsWith(`/${name}/`) && request.state === 'aborted')
    }
  })
})

const TIMEOUT_OF_OURS = { silent: 1, headers: 1, comments: 1, drips: 1 }

describe('Without another provider, the caller is told once and pays nothing', () => {
  for (const { name, does, status, type, says, onlyStreamed } of FAILING) {
    test(`A provider ${does}: ${status}`, async () => {
      for (const stream of onlyStreamed ? [true] : [true, false]) {
        const begun = performance.now()
        const refusal = await box.refused(saying(`acme/${name}`, 'Anybody?', { stream, provider: { only: [name] } }))
        const took = performance.now() - begun
        assert.equal(refusal.status, status)
        assert.equal(refusal.error.metadata['error_type'], type)
        assert.equal(refusal.error.metadata['provider_name'], name)
        if (says) assert.match(refusal.error.message, says)
        if (name in TIMEOUT_OF_OURS) assert.equal(refusal.error.metadata['timeout'], 'first_token')
        assert.ok(took < AT_ONCE_MS, `it took ${took.toFixed(0)} ms`)
        for (const header of ['location', 'set-cookie', 'x-huge', 'x-request-id']) assert.equal(refusal.headers.get(header), null)
        const record = await box.generation(refusal.id)
        assert.equal(record['total_cost'], 0)
        assert.equal(record['finish_reason'], 'error')
        assert.equal((record['provider_responses'] as Attempts).length, 1)
      }
    })
  }

  test('A provider refuses the connection: 502 at once', async () => {
    const begun = performance.now()
    const refused = await box.refused(saying('acme/refuses', 'Anybody?', { provider: { only: ['refuses'] } }))
    assert.equal(refused.status, 502)
    assert.match(refused.error.message, /refused the connection/)
    assert.ok(performance.now() - begun < AT_ONCE_MS)
    assert.ok(!JSON.stringify(refused.body).includes(String(nobody.port)), 'the address of the provider is in the error')
  })
})

describe('Without a connection', () => {
  test('An address that swallows connections is given up at the connect timeout, which is not that of the first piece: 504', async () => {
    const begun = performance.now()
    const refusal = await box.refused(saying('acme/swallows', 'Anybody?', { provider: { only: ['swallows'] } }))
    const took = performance.now() - begun
    assert.equal(refusal.status, 504)
    assert.equal(refusal.error.metadata['timeout'], 'connect')
    assert.ok(took > 200 && took < AT_ONCE_MS, `it took ${took.toFixed(0)} ms`)
  })

  test('A name that nobody knows is a 502 that does not say the name', async () => {
    const refusal = await box.refused(saying('acme/unknown', 'Anybody?', { provider: { only: ['unknown'] } }))
    assert.equal(refusal.status, 502)
    assert.match(refusal.error.message, /could not be resolved/)
    assert.ok(!JSON.stringify(refusal.body).includes('nowhere'))
  })

  test('A handshake without end is given up at the connect timeout: 504', async () => {
    const begun = performance.now()
    const refusal = await box.refused(saying('acme/deaf', 'Anybody?', { provider: { only: ['deaf'] } }))
    assert.equal(refusal.status, 504)
    const took = performance.now() - begun
    assert.ok(took > 150 && took < AT_ONCE_MS, `it took ${took.toFixed(0)} ms`)
  })

  test('A certificate that is none is a 502 that says so', async () => {
    const refusal = await box.refused(saying('acme/plain', 'Anybody?', { provider: { only: ['plain'] } }))
    assert.equal(refusal.status, 502)
    assert.match(refusal.error.message, /TLS/)
  })
})

describe('What is for the operator', () => {
  test('A refused key, an account without credit, a model that is gone: the log says so once, with what the provider said, and the caller reads none of it', async () => {
    const asked = saying('acme/refuses-key', 'Whose key?', { provider: { only: ['refuses-key'] } })
    const before = box.complaints.length
    for (let i = 0; i < 3; i++) {
      const { body } = await box.refused(asked)
      assert.ok(!JSON.stringify(body).includes('Incorrect API key'), JSON.stringify(body))
      assert.equal(body['error'].metadata.provider_code, undefined)
    }
    assert.equal(box.complaints.length, before)
    const alarms = box.complaints.map((it) => JSON.parse(it.slice(it.indexOf('{'))) as { provider: string; kind: string; said?: string })
    assert.deepEqual(alarms.map((it) => [it.provider, it.kind]), [
      ['refuses-key', 'upstream-auth'], ['refuses-key-silently', 'upstream-auth'], ['forbids-key', 'upstream-auth'], ['wants-money', 'upstream-payment'],
      ['has-no-model', 'model-unavailable'], ['plain', 'connection'],
    ])
    assert.match(alarms[0]!.said!, /Incorrect API key/)
  })

  test('None of the failures of others was a failure of ours', () => {
    assert.deepEqual(box.complaints.filter((it) => !it.startsWith('for the operator: ')), [])
  })
})
