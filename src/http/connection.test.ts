import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createHttp, type Http } from './server.ts'
import { answering, batchesOf, CHAT, chatRequest, head, raw, servicesWith, type Faked, type Raw } from './stand-ins.test.ts'

const wait = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms) })
const LIMITS = { headersTimeoutMs: 800, keepAliveMs: 800, requestTimeoutMs: 1000, bodyGraceMs: 5000 }

async function serving(services: Faked, work: (http: Http) => Promise<void>): Promise<void> {
  const http = createHttp(services)
  await http.listen({ port: 0, host: '127.0.0.1' })
  try {
    await work(http)
  } finally {
    await http.close()
  }
}

const statusesOf = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!)
const chunked = (body: string, size: number): string => {
  let wire = ''
  for (let at = 0; at < body.length; at += size) wire += `${Math.min(size, body.length - at).toString(16)};x=y\r\n${body.slice(at, at + size)}\r\n`
  return `${wire}0\r\nX-Trailer: a\r\n\r\n`
}
const finished = async (request: Raw): Promise<string> => {
  const text = await request.closed()
  request.socket.destroy()
  return text
}

describe('a connection', () => {
  it('serves one request after the other, whatever their framing and however their bytes are cut', async () => {
    await serving(servicesWith(), async (http) => {
      const body = JSON.stringify(CHAT)
      const all = chatRequest(CHAT)
        + head('POST', '/v1/chat/completions', { 'Transfer-Encoding': 'chunked' }) + chunked(body, 7)
        + head('GET', '/healthz')
        + '\r\n' + chatRequest(CHAT, { Connection: 'close' })
      for (const size of [1, 3, 50, 400, all.length]) {
        const request = raw(http, '')
        for (let at = 0; at < all.length; at += size) {
          request.socket.write(all.slice(at, at + size))
          if (size > 3) await wait(1)
        }
        const text = await finished(request)
        assert.deepEqual(statusesOf(text), ['200', '200', '200', '200'], `in pieces of ${size}: ${text}`)
        assert.equal(text.match(/Connection: keep-alive/g)?.length, 3)
        assert.match(text, /Date: \w{3}, \d{2} \w{3} \d{4} [\d:]{8} GMT\r\n/)
      }
    })
  })

  it('answers two hundred requests that come at once, in their order', async () => {
    const services = servicesWith(async (call) => {
      await wait(Number(call.asked.preferences.models[0]) % 3)
      return answering(call, batchesOf(`<${call.asked.preferences.models[0]}>`))
    })
    await serving(services, async (http) => {
      const models = Array.from({ length: 200 }, (_, i) => String(i + 1))
      const request = raw(http, models.map((model, i) => chatRequest({ ...CHAT, model }, i === 199 ? { Connection: 'close' } : {})).join(''))
      const text = await finished(request)
      assert.deepEqual([...text.matchAll(/<(\d+)>/g)].map(([, model]) => model), models)
    })
  })

  it('reads no more than it can hold of a client that sends requests and never reads answers', async () => {
    const gate = Promise.withResolvers<void>()
    await serving(servicesWith(async (call) => { await gate.promise; return answering(call, batchesOf('x')) }), async (http) => {
      const request = raw(http, chatRequest(CHAT))
      for (let i = 0; i < 400; i++) request.socket.write(chatRequest({ ...CHAT, user: 'x'.repeat(20_000) }))
      while (http.inFlight() < 1) await wait(5)
      let left = -1
      for (let still = 0; still < 10; left = request.socket.writableLength) {
        await wait(20)
        still = request.socket.writableLength === left ? still + 1 : 0
      }
      assert.ok(request.socket.writableLength > 1_000_000, `${request.socket.writableLength} bytes were left at the client`)
      assert.equal(http.inFlight(), 1)
      gate.resolve()
      request.socket.destroy()
    })
  })

  it('goes on after a small body that nobody wanted, and ends after a large one', async () => {
    await serving(servicesWith(), async (http) => {
      const small = raw(http, head('POST', '/v1/nowhere', { 'Content-Length': 1000 }))
      await small.until(/404/)
      small.socket.write('x'.repeat(1000) + head('GET', '/healthz', { Connection: 'close' }))
      assert.deepEqual(statusesOf(await finished(small)), ['404', '200'])
      const large = raw(http, head('POST', '/v1/nowhere', { 'Content-Length': 1_000_000 }))
      large.socket.write('x'.repeat(1_000_000))
      large.socket.write(head('GET', '/healthz'))
      assert.deepEqual(statusesOf(await finished(large)), ['404'])
    })
  })

  it('ends with HTTP/1.0, whose streams have no chunks', async () => {
    await serving(servicesWith(), async (http) => {
      const old = (body: unknown) => chatRequest(body).replace('HTTP/1.1', 'HTTP/1.0')
      assert.match(await finished(raw(http, old(CHAT))), /^HTTP\/1\.1 200 [^]*Connection: close\r\n/)
      const text = await finished(raw(http, old({ ...CHAT, stream: true })))
      assert.doesNotMatch(text, /Transfer-Encoding/i)
      assert.match(text, /\r\n\r\n(: |data: )[^]*data: \[DONE\]\n\n$/)
    })
  })

  it('writes a plain answer in one piece, and text beyond ASCII in as many bytes as it says', async () => {
    await serving(servicesWith(async (call) => answering(call, batchesOf('Grüße, 世界'))), async (http) => {
      const request = raw(http, '')
      const pieces: string[] = []
      request.socket.on('data', (piece) => pieces.push(String(piece)))
      request.socket.write(chatRequest(CHAT))
      const text = await request.until(/\}$/)
      assert.equal(pieces.length, 1)
      const [, length, body] = /Content-Length: (\d+)\r\n[^]*?\r\n\r\n([^]*)$/.exec(text)!
      assert.equal(body!.length, Number(length))
      assert.match(Buffer.from(body!, 'latin1').toString(), /Grüße, 世界/)
      request.socket.destroy()
    })
  })
})

describe('a hostile client', () => {
  const smuggled = head('POST', '/v1/chat/completions', { 'X-Smuggled': 'yes' })
  const tricks: readonly [string, string][] = [
    ['two lengths', head('POST', '/v1/chat/completions', { 'Content-Length': '5\r\nContent-Length: 0' }) + 'abcde'],
    ['a length beside chunks', head('POST', '/v1/chat/completions', { 'Content-Length': 5, 'Transfer-Encoding': 'chunked' }) + '0\r\n\r\n'],
    ['a coding that hides its name', head('POST', '/v1/chat/completions', { 'Transfer-Encoding': 'xchunked' })],
    ['a folded line', head('POST', '/v1/chat/completions', { 'X-A': 'b\r\n Content-Length: 5' })],
    ['a line that ends in LF alone', head('POST', '/v1/chat/completions', { 'X-A': 'b\nContent-Length: 5' })],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['two Hosts', head('GET', '/healthz', { 'host': 'b' })],
    ['chunks that are no chunks', head('POST', '/v1/chat/completions', { 'Transfer-Encoding': 'chunked' }) + 'zz\r\n'],
    ['a chunk that is longer than it says', head('POST', '/v1/chat/completions', { 'Transfer-Encoding': 'chunked' }) + '1\r\nab\r\n0\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ]
  for (const [what, wire] of tricks) {
    it(`gets one refusal for ${what}, and what stands behind is never taken for a request`, async () => {
      const services = servicesWith()
      await serving(services, async (http) => {
        const text = await finished(raw(http, wire + smuggled + chatRequest(CHAT)))
        assert.match(text, /^HTTP\/1\.1 400 [^]*Connection: close\r\n\r\n\{"error":\{"code":400,/)
        assert.equal(statusesOf(text).length, 1, text)
        assert.equal(services.calls.length, 0)
        while (http.inFlight() > 0) await wait(5)
      })
    })
  }

  it('is let go of when it says nothing, when it stays after its answer, and when its body never ends', async () => {
    await serving(servicesWith(undefined, { limits: LIMITS }), async (http) => {
      const silent = raw(http, '')
      const staying = raw(http, head('GET', '/healthz'))
      const endless = raw(http, head('POST', '/v1/chat/completions', { 'Content-Length': 1000 }))
      const drip = setInterval(() => endless.socket.write(' '), 50)
      const texts = await Promise.all([finished(silent), finished(staying), finished(endless)]).finally(() => clearInterval(drip))
      assert.equal(texts[0], '')
      assert.deepEqual(statusesOf(texts[1]!), ['200'])
      assert.deepEqual(statusesOf(texts[2]!), ['408'])
      while (http.inFlight() > 0) await wait(5)
    })
  })

  it('that ends its side in the midst of a request gets one refusal', async () => {
    await serving(servicesWith(), async (http) => {
      for (const part of ['GET /healthz HTT', head('POST', '/v1/chat/completions', { 'Content-Length': 100 }) + '{']) {
        const request = raw(http, part)
        request.socket.end()
        assert.deepEqual(statusesOf(await finished(request)), ['400'])
      }
      while (http.inFlight() > 0) await wait(5)
    })
  })

  it('cannot put a line into a head by what is echoed of it', async () => {
    await serving(servicesWith(), async (http) => {
      const request = raw(http, head('OPTIONS', '/v1/chat/completions', {
        'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x\tSet-Cookie: a', 'Connection': 'close',
      }))
      assert.doesNotMatch(await finished(request), /Set-Cookie/)
    })
  })
})

describe('a client that reads slowly', () => {
  it('keeps its connection after an answer that it took in parts, for longer than a stalled one would live', async () => {
    const big = 'x'.repeat(16_000_000)
    const services = servicesWith(async (call) => answering(call, batchesOf(big)), { limits: { writeStallMs: 1500 } })
    await serving(services, async (http) => {
      const request = raw(http, chatRequest(CHAT))
      request.socket.pause()
      await wait(100)
      request.socket.resume()
      while (request.text().length < big.length) await wait(20)
      await wait(2000)
      request.socket.write(head('GET', '/healthz', { Connection: 'close' }))
      assert.deepEqual(statusesOf((await finished(request)).replaceAll('x', '')), ['200', '200'])
    })
  })

  it('that leaves before all was taken counts as one that left', async () => {
    const services = servicesWith(async (call) => answering(call, batchesOf('x'.repeat(30_000_000))))
    await serving(services, async (http) => {
      const request = raw(http, chatRequest(CHAT))
      await request.until(/200 OK/)
      request.socket.pause()
      await wait(50)
      request.socket.destroy()
      while (http.inFlight() > 0) await wait(5)
      const metrics = await (await fetch(`${http.address()}/metrics`)).text()
      assert.match(metrics, /signalbox_http_clients_left 1\n/)
    })
  })
})
