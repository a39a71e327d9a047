import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fault, type Fault } from '../core/index.ts'
import type { AdmissionFigures } from '../gateway/index.ts'
import { createHttp, type Http } from './server.ts'
import { answering, batchesOf, CHAT, chatRequest, get, head, post, raw, servicesWith, type Faked } from './stand-ins.test.ts'

const LIMITS = { bodyBytes: 2000, headersTimeoutMs: 300, bodyGraceMs: 200, lingerMs: 300 }

describe('the server', () => {
  let services: Faked
  let http: Http
  before(async () => {
    services = servicesWith(undefined, { limits: LIMITS })
    http = createHttp(services)
    await http.listen({ port: 0, host: '127.0.0.1' })
  })
  after(() => http.close())

  it('answers a chat at both addresses, with the generation id in body and header', async () => {
    for (const path of ['/api/v1/chat/completions', '/v1/chat/completions']) {
      const response = await post(http, path, CHAT)
      assert.equal(response.status, 200)
      const body = await response.json() as { id: string; choices: { message: { content: string } }[] }
      assert.match(body.id, /^gen-\d{10}-[0-9A-Za-z]{20}$/)
      assert.equal(response.headers.get('x-generation-id'), body.id)
      assert.equal(body.choices[0]!.message.content, 'Hello')
    }
  })

  it('says the generation id on refusals too, so that a user can quote it', async () => {
    for (const response of [await post(http, '/v1/chat/completions', '{'), await post(http, '/v1/chat/completions', CHAT, { authorization: '' })]) {
      assert.match(response.headers.get('x-generation-id') ?? '', /^gen-/)
    }
  })

  it('takes a key in x-api-key, in any case of Bearer, and one that has to be looked up', async () => {
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { authorization: 'bEaReR good' })).status, 200)
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { 'authorization': '', 'x-api-key': 'good' })).status, 200)
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { authorization: 'Bearer slow' })).status, 200)
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { 'x-api-key': '' })).status, 200)
  })

  it('tells a missing key from an unknown one and from another scheme, and asks for a bearer', async () => {
    const of = async (headers: Record<string, string>) => {
      const response = await post(http, '/v1/chat/completions', CHAT, headers)
      assert.equal(response.status, 401)
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/)
      return (await response.json() as { error: { message: string } }).error.message
    }
    const messages = [await of({ authorization: '' }), await of({ authorization: 'Bearer bad' }), await of({ authorization: 'Basic Zm9v' })]
    assert.equal(new Set(messages).size, 3)
  })

  it('refuses two different keys in one request rather than choosing who pays', async () => {
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { 'x-api-key': 'other' })).status, 400)
  })

  it('names routes near to one that does not exist', async () => {
    const response = await post(http, '/v1/chat/completion', CHAT)
    assert.equal(response.status, 404)
    const { error } = await response.json() as { error: { code: number; message: string } }
    assert.equal(error.code, 404)
    assert.match(error.message, /POST \/v1\/chat\/completions/)
    assert.equal(response.headers.get('access-control-allow-origin'), '*')
  })

  it('answers a wrong method with 405 and the right ones', async () => {
    const response = await get(http, '/v1/chat/completions')
    assert.equal(response.status, 405)
    assert.equal(response.headers.get('allow'), 'POST, OPTIONS')
  })

  it('gives every spelling of an address the same decision: the route with its key, or nothing', async () => {
    const spelled = ['/v1/models', '/v1/models/', '//v1/models', '/v1//models', '/v1/model%73', '/v1/./models', '/v1/%2e/models', '/V1/models',
      '/v1/Models', '/v1/models;x=1', '/v1/models/..;/models', '/x/../v1/models', '/v1/%2e%2e/v1/models', '/v1\\models', 'http://elsewhere/v1/models']
    for (const path of spelled) {
      const request = raw(http, head('GET', path, { Authorization: 'Bearer bad', Connection: 'close' }))
      assert.match(await request.closed(), /^HTTP\/1\.1 (401|404|400) /, path)
      request.socket.destroy()
    }
  })

  it('answers a preflight for any header that a browser names, and shows answers to any origin without credentials', async () => {
    const response = await fetch(`${http.address()}/api/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: { 'origin': 'https://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-stainless-os' },
    })
    assert.equal(response.status, 204)
    assert.equal(response.headers.get('access-control-allow-origin'), '*')
    assert.equal(response.headers.get('access-control-allow-credentials'), null)
    assert.equal(response.headers.get('access-control-allow-headers'), 'authorization,x-stainless-os')
    assert.match(response.headers.get('access-control-allow-methods') ?? '', /POST/)
    const answer = await post(http, '/v1/chat/completions', CHAT, { origin: 'https://app.example' })
    assert.match(answer.headers.get('access-control-expose-headers') ?? '', /X-Generation-Id/)
  })

  it('answers HEAD as GET without the body', async () => {
    const response = await fetch(`${http.address()}/api/v1/providers`, { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.ok(Number(response.headers.get('content-length')) > 1000)
    assert.equal(await response.text(), '')
  })

  it('passes who calls on to the record, without what a URL may hide, and drops unknown categories', async () => {
    await post(http, '/v1/chat/completions', CHAT, {
      'http-referer': 'https://user:secret@app.example/room?key=secret#x',
      'x-title': Buffer.from('Schöne App').toString('latin1'),
      'x-openrouter-categories': 'cli-agent, nonsense, game, legal',
      'user-agent': 'test/1',
    })
    assert.deepEqual(services.calls.at(-1)!.app, {
      referer: 'https://app.example/room', title: 'Schöne App', categories: ['cli-agent', 'game'], userAgent: 'test/1',
    })
  })

  it('adds openrouter_metadata only when it was asked for', async () => {
    const plain = await (await post(http, '/v1/chat/completions', CHAT)).json() as Record<string, unknown>
    const wanted = await (await post(http, '/v1/chat/completions', CHAT, { 'x-openrouter-metadata': 'Enabled' })).json() as Record<string, unknown>
    assert.equal(plain['openrouter_metadata'], undefined)
    assert.deepEqual(wanted['openrouter_metadata'], { requested: 'fake/model' })
  })

  const bad: readonly [string, string, Record<string, string>, number][] = [
    ['an empty body', '', {}, 400],
    ['not JSON', '{"model": nope}', {}, 400],
    ['a wrong type', '{"model": 7, "messages": []}', {}, 400],
    ['duplicate keys', '{"model":"a","model":"b","messages":[]}', {}, 400],
    ['__proto__', '{"model":"a","messages":[],"__proto__":{"x":1}}', {}, 400],
    ['deep nesting', '['.repeat(900) + ']'.repeat(900), {}, 400],
    ['a form', 'model=a', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['another charset', '{}', { 'content-type': 'application/json; charset=utf-16' }, 415],
    ['a compressed body', 'x', { 'content-encoding': 'gzip' }, 415],
    ['too much by its header', 'x'.repeat(3000), {}, 413],
  ]
  for (const [what, body, headers, status] of bad) {
    it(`refuses ${what} with ${status} in OpenRouter's shape`, async () => {
      const response = await post(http, '/v1/chat/completions', body, headers)
      assert.equal(response.status, status)
      const { error } = await response.json() as { error: { code: number; message: string } }
      assert.equal(error.code, status)
      assert.equal(typeof error.message, 'string')
    })
  }

  it('takes a body without a Content-Type, and JSON with a charset, as JSON', async () => {
    const bare = raw(http, chatRequest(CHAT, { 'Content-Type': '', 'Connection': 'close' }))
    assert.match(await bare.closed(), /^HTTP\/1\.1 200 /)
    assert.equal((await post(http, '/v1/chat/completions', CHAT, { 'content-type': 'application/json;charset=UTF-8' })).status, 200)
  })

  it('refuses a large body on its header, before a byte of it was read', async () => {
    const request = raw(http, head('POST', '/v1/chat/completions', { 'Content-Length': 50_000_000, 'Content-Type': 'application/json' }))
    assert.match(await request.closed(), /^HTTP\/1\.1 413 [^]*Connection: close[^]*"code":413/)
    request.socket.destroy()
  })

  it('refuses a chunked body as soon as it is too large', async () => {
    const request = raw(http, head('POST', '/v1/chat/completions', { 'Transfer-Encoding': 'chunked', 'Content-Type': 'application/json' }))
    for (let i = 0; i < 5; i++) request.socket.write(`200\r\n${'x'.repeat(512)}\r\n`)
    assert.match(await request.closed(), /^HTTP\/1\.1 413 /)
    request.socket.destroy()
  })

  it('asks for a body that waits for 100 Continue only when it will read it', async () => {
    const body = JSON.stringify(CHAT)
    const good = raw(http, head('POST', '/v1/chat/completions', { 'Expect': '100-continue', 'Content-Length': body.length, 'Connection': 'close' }))
    await good.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    good.socket.write(body)
    assert.match(await good.closed(), /\r\n\r\nHTTP\/1\.1 200 /)
    for (const headers of [{ 'Authorization': 'Bearer bad' }, { 'Content-Length': 99_999 }] as Record<string, string | number>[]) {
      const refused = raw(http, head('POST', '/v1/chat/completions', { 'Expect': '100-continue', 'Content-Length': body.length, ...headers }))
      assert.match(await refused.closed(), /^HTTP\/1\.1 4(01|13) /)
      refused.socket.destroy()
    }
    const odd = raw(http, head('POST', '/v1/chat/completions', { 'Expect': 'a-miracle', 'Content-Length': 2 }))
    assert.match(await odd.closed(), /^HTTP\/1\.1 417 /)
    odd.socket.destroy()
  })

  it('answers what is not HTTP, two lengths, and a large head with one clean error', async () => {
    const cases: [string, number][] = [
      ['GARBAGE\r\n\r\n', 400],
      [`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      [`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc`, 400],
      [`GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n`, 400],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ]
    for (const [bytes, status] of cases) {
      const request = raw(http, bytes)
      const text = await request.closed()
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n\\{"error":\\{"code":${status},`), bytes.slice(0, 60))
      assert.equal(text.match(/^HTTP\/1\.1/gm)?.length, 1)
      request.socket.destroy()
    }
  })

  it('lets go of clients that send their head or their body a byte at a time', async () => {
    const slowHead = raw(http, 'GET /v1/models HTTP/1.1\r\nHost: x\r\n')
    const slowBody = raw(http, head('POST', '/v1/chat/completions', { 'Content-Length': 1500, 'Content-Type': 'application/json' }) + '{')
    const drip = setInterval(() => { slowHead.socket.write('X'); slowBody.socket.write(' ') }, 50)
    const [first, second] = await Promise.all([slowHead.closed(), slowBody.closed()]).finally(() => clearInterval(drip))
    assert.match(first, /^HTTP\/1\.1 408 /)
    assert.match(second, /^HTTP\/1\.1 408 [^]*"code":408/)
    slowHead.socket.destroy()
    slowBody.socket.destroy()
  })

  it('keeps answers to pipelined requests in order and apart', async () => {
    const slow = servicesWith(async (call) => {
      const first = call.asked.preferences.models[0] === 'one'
      return answering(call, [() => new Promise((resolve) => { setTimeout(resolve, first ? 60 : 0) }), ...batchesOf(first ? 'ONE' : 'TWO')])
    })
    const server = createHttp(slow)
    await server.listen({ port: 0, host: '127.0.0.1' })
    const request = raw(server, chatRequest({ ...CHAT, model: 'one' }) + chatRequest({ ...CHAT, model: 'two' }, { Connection: 'close' }))
    assert.match(await request.closed(), /^HTTP\/1\.1 200[^]*"content":"ONE"[^]*\}HTTP\/1\.1 200[^]*"content":"TWO"/)
    request.socket.destroy()
    await server.close()
  })

  it('masks a fault of its own, logs it, and goes on serving', async () => {
    const broken = servicesWith(async () => { throw new Error('the secret of the database') })
    const server = createHttp(broken)
    await server.listen({ port: 0, host: '127.0.0.1' })
    const response = await post(server, '/v1/chat/completions', CHAT)
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /secret/)
    assert.equal(broken.logged.length, 1)
    assert.equal(broken.logged[0]!.facts['generation'], response.headers.get('x-generation-id'))
    assert.equal((await get(server, '/healthz')).status, 200)
    await server.close()
  })
})

describe('a call that is let in and has to wait for its turn', () => {
  const NOBODY: AdmissionFigures = { running: 0, limit: 1, waiting: { free: 0, playground: 0, api: 0 }, refused: [], shedding: 0, memoryLimit: 0 }

  /** A server on which each call waits until the test gives it its turn, or what it is turned away with. */
  async function waiting() {
    const turns: ((what: Fault | null) => void)[] = []
    const came = Promise.withResolvers<void>()
    const services = servicesWith(undefined, {
      admission: {
        knock: () => null,
        turn() {
          came.resolve()
          return new Promise((resolve) => turns.push(resolve))
        },
        figures: () => NOBODY,
      },
    })
    const http = createHttp(services)
    await http.listen({ port: 0, host: '127.0.0.1' })
    return { http, services, turns, came: came.promise }
  }

  it('is not begun before, and is answered after', async () => {
    const { http, services, turns, came } = await waiting()
    const answer = post(http, '/v1/chat/completions', CHAT)
    await came
    await get(http, '/healthz')
    assert.equal(services.calls.length, 0)
    turns[0]!(null)
    assert.equal((await answer).status, 200)
    await http.close()
  })

  it('may be turned away when its turn comes, and is then not even read', async () => {
    const { http, services, turns, came } = await waiting()
    const answer = post(http, '/v1/chat/completions', '{')
    await came
    turns[0]!(fault('over-capacity', 'full', { retryAfterMs: 3000 }))
    const { status, headers } = await answer
    assert.equal(status, 503)
    assert.equal(headers.get('retry-after'), '3')
    assert.equal(services.calls.length, 0)
    await http.close()
  })

  it('is not begun for a caller who has left', async () => {
    const { http, services, turns, came } = await waiting()
    const request = raw(http, chatRequest(CHAT))
    await came
    request.socket.destroy()
    while (http.inFlight() > 0) await new Promise((resolve) => { setImmediate(resolve) })
    turns[0]!(null)
    await get(http, '/healthz')
    assert.equal(services.calls.length, 0)
    await http.close()
  })
})

describe('the operator\'s routes', () => {
  it('shows figures to programs on this machine and hides them behind a proxy', async () => {
    const http = createHttp(servicesWith())
    await http.listen({ port: 0, host: '127.0.0.1' })
    await post(http, '/v1/chat/completions', CHAT)
    const response = await get(http, '/metrics', {})
    const text = await response.text()
    assert.match(text, /signalbox_http_request_duration_seconds_count\{route="createChatCompletion",status="200"\} 1\n/)
    assert.match(text, /signalbox_http_request_duration_seconds_bucket\{route="createChatCompletion",status="200",le="\+Inf"\} 1\n/)
    assert.match(text, /nodejs_eventloop_lag_p99_seconds \d/)
    assert.match(text, /process_resident_memory_bytes \d{7}/)
    assert.equal(response.headers.get('access-control-allow-origin'), null)
    assert.equal((await get(http, '/metrics', { 'x-forwarded-for': '203.0.113.9' })).status, 404)
    await http.close()
  })

  it('moves them to their own listener when there is one', async () => {
    const http = createHttp(servicesWith())
    await http.listen({ port: 0, host: '127.0.0.1', adminPort: 0 })
    assert.equal((await get(http, '/metrics')).status, 404)
    assert.equal((await get(http, '/readyz')).status, 404)
    assert.equal((await get(http, '/healthz')).status, 200)
    for (const path of ['/metrics', '/readyz', '/healthz']) assert.equal((await fetch(http.adminAddress() + path)).status, 200, path)
    assert.equal((await fetch(`${http.adminAddress()}/v1/models`)).status, 404)
    await http.close()
  })

  it('is not ready while the database does not answer', async () => {
    const http = createHttp(servicesWith(undefined, { ready: async () => 'the database does not answer' }))
    await http.listen({ port: 0, host: '127.0.0.1' })
    const response = await get(http, '/readyz', {})
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), { status: 'the database does not answer' })
    await http.close()
  })
})
