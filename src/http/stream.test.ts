import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fault, type ChatEvent } from '../core/index.ts'
import type { Outcome } from '../gateway/index.ts'
import { createHttp, type Http } from './server.ts'
import { aborted, answering, batchesOf, CHAT, chatRequest, get, KEY, post, raw, servicesWith, START, USAGE, type Faked } from './stand-ins.test.ts'

const STREAM = { ...CHAT, stream: true }
const FAST = { commitAfterMs: 100, heartbeatMs: 100, writeStallMs: 300, lingerMs: 100, bodyGraceMs: 1000 }

async function serving(services: Faked, then: (http: Http) => Promise<void>): Promise<void> {
  const http = createHttp(services)
  await http.listen({ port: 0, host: '127.0.0.1' })
  try {
    await then(http)
  } finally {
    await http.close()
  }
}

/** Whether a text is a stream of events and comments, whole, with at most one end and nothing behind it. */
function isGrammatical(text: string): boolean {
  return /^(?:(?::[^\n]*|data: [^\n]+)\n\n)*$/.test(text) && (text.match(/data: \[DONE\]/g)?.length ?? 0) <= 1
    && (!text.includes('[DONE]') || text.endsWith('data: [DONE]\n\n'))
}

describe('a stream', () => {
  it('comes as server-sent events that nobody on the way may keep or gather', async () => {
    await serving(servicesWith(), async (http) => {
      const response = await post(http, '/v1/chat/completions', STREAM)
      assert.equal(response.status, 200)
      assert.match(response.headers.get('content-type')!, /^text\/event-stream/)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('x-accel-buffering'), 'no')
      assert.equal(response.headers.get('content-encoding'), null)
      assert.match(response.headers.get('x-generation-id')!, /^gen-/)
      const text = await response.text()
      assert.ok(isGrammatical(text), text)
      assert.match(text, /"content":"Hel"[^]*"content":"lo"[^]*"finish_reason":"stop"[^]*"choices":\[\],"usage"[^]*\[DONE\]/)
      assert.equal(text.match(/"finish_reason":"stop"/g)!.length, 1)
    })
  })

  it('sends each batch at once and in one piece', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const services = servicesWith(async (call) => {
      const [open, first, second, ...rest] = batchesOf('one', 'two')
      return answering(call, [open!, first!, () => gates[0]!.promise, [...second!, ...second!], () => gates[1]!.promise, ...rest])
    })
    await serving(services, async (http) => {
      const request = raw(http, chatRequest(STREAM))
      await request.until(/"content":"one"/)
      assert.doesNotMatch(request.text(), /two/)
      const before = request.text().length
      gates[0]!.resolve()
      await request.until(/two[^]*two/)
      assert.equal(request.text().slice(before).match(/^[0-9a-f]+\r$/gm)!.length, 1, 'one chunk')
      gates[1]!.resolve()
      await request.until(/\[DONE\]/)
      request.socket.destroy()
    })
  })

  it('counts the bytes of a chunk and not its characters, in the one that brings the head and in those after it', async () => {
    for (const words of [['Grüße, 世界', 'plain'], ['plain', 'Grüße, 世界']]) {
      await serving(servicesWith(async (call) => answering(call, batchesOf(...words))), async (http) => {
        const request = raw(http, chatRequest(STREAM))
        const bytes = Buffer.from(await request.until(/\r\n0\r\n\r\n$/), 'latin1')
        request.socket.destroy()
        let at = bytes.indexOf('\r\n\r\n') + 4
        let body = ''
        while (at < bytes.length) {
          const end = bytes.indexOf('\r\n', at)
          const length = Number.parseInt(bytes.toString('latin1', at, end), 16)
          body += bytes.toString('utf8', end + 2, end + 2 + length)
          assert.equal(bytes.toString('latin1', end + 2 + length, end + 4 + length), '\r\n', 'the chunk ends where its length says')
          at = end + 4 + length
        }
        assert.ok(isGrammatical(body), body)
        for (const word of words) assert.ok(body.includes(`"content":"${word}"`), body)
      })
    }
  })

  it('fails with a plain status while nothing was sent, so that an SDK sees its typed error', async () => {
    const services = servicesWith(async () => ({ fault: fault('overloaded', 'all busy', { retryAfterMs: 1500 }), metadata: () => ({ attempt: 2 }) }))
    await serving(services, async (http) => {
      const response = await post(http, '/v1/chat/completions', STREAM, { 'x-openrouter-metadata': 'enabled' })
      assert.equal(response.status, 503)
      assert.equal(response.headers.get('retry-after'), '2')
      const body = await response.json() as { error: { code: number }; openrouter_metadata: unknown }
      assert.equal(body.error.code, 503)
      assert.deepEqual(body.openrouter_metadata, { attempt: 2 })
    })
  })

  it('commits with a comment while providers are still tried, keeps the line warm, and then answers', async () => {
    const services = servicesWith(async (call) => {
      await wait(450)
      return answering(call, batchesOf('late'))
    }, { limits: FAST })
    await serving(services, async (http) => {
      const text = await (await post(http, '/v1/chat/completions', STREAM)).text()
      assert.ok(isGrammatical(text), text)
      assert.match(text, /^: OPENROUTER PROCESSING\n\n(: OPENROUTER PROCESSING\n\n)+data: /)
      assert.match(text, /late[^]*\[DONE\]\n\n$/)
    })
  })

  it('reports a failure after the commit inside the stream, without [DONE]', async () => {
    const services = servicesWith(async () => {
      await wait(250)
      return { fault: fault('upstream-error', 'all failed'), metadata: () => undefined }
    }, { limits: FAST })
    await serving(services, async (http) => {
      const response = await post(http, '/v1/chat/completions', STREAM)
      assert.equal(response.status, 200)
      const text = await response.text()
      assert.ok(isGrammatical(text), text)
      assert.match(text, /"error":\{"code":502[^\n]*"finish_reason":"error"[^\n]*\n\n$/)
      assert.doesNotMatch(text, /DONE/)
    })
  })

  it('ends a stream that breaks in its midst with one error frame', async () => {
    const services = servicesWith(async (call) => answering(call, [
      ...batchesOf('Hel').slice(0, 2), [USAGE, { type: 'fault', fault: fault('stream-cut', 'it broke') }],
    ]))
    await serving(services, async (http) => {
      const text = await (await post(http, '/v1/chat/completions', STREAM)).text()
      assert.ok(isGrammatical(text), text)
      assert.match(text, /Hel[^]*"error":\{"code":502[^\n]*\n\n$/)
      assert.doesNotMatch(text, /DONE/)
    })
  })

  it('masks and logs an exception in the midst of a stream', async () => {
    const services = servicesWith(async (call) => answering(call, [...batchesOf('Hel').slice(0, 2), async () => { throw new Error('secret') }]))
    await serving(services, async (http) => {
      const text = await (await post(http, '/v1/chat/completions', STREAM)).text()
      assert.match(text, /Hel[^]*"error":\{"code":500,"message":"Internal error"[^\n]*\n\n$/)
      assert.doesNotMatch(text, /secret/)
      assert.equal(services.logged.length, 1)
    })
  })

  it('sends no comments to clients whose key says that they cannot read them', async () => {
    const gate = Promise.withResolvers<void>()
    const services = servicesWith(async (call) => {
      await gate.promise
      return answering(call, [...batchesOf('late').slice(0, 2), () => wait(350), ...batchesOf('late').slice(2)])
    }, { limits: FAST, key: { ...KEY, settings: { heartbeats: false } } })
    await serving(services, async (http) => {
      // The status does not wait for the answer, which waits for the status here.
      const response = await post(http, '/v1/chat/completions', STREAM)
      gate.resolve()
      assert.match(await response.text(), /^data: [^]*late[^]*\[DONE\]\n\n$/)
    })
  })

  it('sends comments during silence after the first words', async () => {
    const services = servicesWith(async (call) => answering(call, [...batchesOf('a').slice(0, 2), () => wait(450), ...batchesOf('a').slice(2)]), { limits: FAST })
    await serving(services, async (http) => {
      const text = await (await post(http, '/v1/chat/completions', STREAM)).text()
      assert.ok(isGrammatical(text), text)
      assert.match(text, /"content":"a"[^]*: OPENROUTER PROCESSING\n\n[^]*\[DONE\]/)
    })
  })

  it('waits for a client that does not read, and cuts it after the stall with the call aborted', async () => {
    const big = 'x'.repeat(256 * 1024)
    let given = 0
    let left: Promise<void> | null = null
    const services = servicesWith(async (call) => {
      left = aborted(call)
      return {
        ...answering(call, []),
        events: (async function* (): AsyncGenerator<readonly ChatEvent[]> {
          yield batchesOf()[0]!
          for (; given < 400 && !call.departure.gone; given++) yield [{ type: 'block-delta', index: 0, text: big }]
          yield [USAGE, { type: 'fault', fault: fault('cancelled', 'left') }]
        })(),
      } as Outcome
    }, { limits: FAST })
    await serving(services, async (http) => {
      const request = raw(http, chatRequest(STREAM))
      await request.until(/200 OK/)
      request.socket.pause()
      let held = -1
      for (let still = 0; still < 10 && held < 400; held = given) {
        await wait(20)
        still = given === held ? still + 1 : 0
      }
      assert.ok(held < 400, `all of it was taken while the client does not read`)
      await left
      request.socket.destroy()
      assert.ok(given <= held + 1)
    })
  })

  it('goes on for a slow client once it reads again', async () => {
    const big = 'x'.repeat(512 * 1024)
    await serving(servicesWith(async (call) => answering(call, batchesOf(...Array.from({ length: 12 }, () => big)))), async (http) => {
      const request = raw(http, chatRequest(STREAM))
      await request.until(/200 OK/)
      request.socket.pause()
      await wait(150)
      request.socket.resume()
      await request.until(/\[DONE\]/)
      assert.ok(request.text().length > 12 * big.length)
      request.socket.destroy()
    })
  })
})

describe('a client that leaves', () => {
  const waits = (name: string, body: unknown, steps: readonly ChatEvent[][], seen: RegExp | null, how: 'destroy' | 'resetAndDestroy' = 'destroy') =>
    it(`stops the call at once: ${name}`, async () => {
      const left = Promise.withResolvers<void>()
      const services = servicesWith(async (call) => {
        void aborted(call).then(left.resolve)
        if (steps.length === 0) {
          await aborted(call)
          return { fault: fault('cancelled', 'left'), metadata: () => undefined }
        }
        return answering(call, [...steps, () => aborted(call), [USAGE, { type: 'fault', fault: fault('cancelled', 'left') }]])
      })
      await serving(services, async (http) => {
        const request = raw(http, chatRequest(body))
        if (seen) await request.until(seen)
        else await wait(50)
        const at = performance.now()
        request.socket[how]()
        await Promise.race([left.promise, wait(10_000, undefined, { ref: false })])
        assert.ok(performance.now() - at < 10_000, 'it went on')
        while (http.inFlight() > 0) await wait(5)
        assert.equal(services.logged.length, 0)
      })
    })
  waits('before the first token of a stream', STREAM, [], null)
  waits('in the midst of a stream', STREAM, batchesOf('Hel').slice(0, 2), /Hel/)
  waits('in the midst of a stream, by reset', STREAM, batchesOf('Hel').slice(0, 2), /Hel/, 'resetAndDestroy')
  waits('while it waits for a whole answer', CHAT, [], null)
  waits('while a whole answer is collected', CHAT, batchesOf('Hel').slice(0, 2), null)

  it('is not one that only shut its sending side: it gets its answer, streamed or whole', async () => {
    const services = servicesWith(async (call) => {
      await wait(300)
      assert.equal(call.departure.gone, false)
      return answering(call, batchesOf('here'))
    })
    await serving(services, async (http) => {
      for (const body of [STREAM, CHAT]) {
        const request = raw(http, chatRequest(body))
        request.socket.end()
        const text = await request.closed()
        assert.match(text, /^(HTTP\/1\.1 100 Continue\r\n\r\n)+HTTP\/1\.1 200 OK[^]*"content":"here"/)
        request.socket.destroy()
      }
    })
  })
})

describe('a server that stops', () => {
  it('lets streams end, refuses new work, and tells a load balancer at once', async () => {
    const gate = Promise.withResolvers<void>()
    const services = servicesWith(async (call) => answering(call, [...batchesOf('Hel').slice(0, 2), () => gate.promise, ...batchesOf('Hel').slice(2)]))
    const http = createHttp(services)
    await http.listen({ port: 0, host: '127.0.0.1' })
    const request = raw(http, chatRequest(STREAM))
    await request.until(/Hel/)
    const probe = raw(http, 'GET /readyz HTTP/1.1\r\nHost: x\r\n')
    await wait(20)
    const drained = http.drain(2000, 100)
    probe.socket.write('\r\n')
    assert.match(await probe.closed(), /^HTTP\/1\.1 503 [^]*"stopping"/)
    await wait(150)
    await assert.rejects(get(http, '/healthz').then(() => undefined), /./)
    gate.resolve()
    await drained
    assert.match(await request.closed(), /\[DONE\]/)
    request.socket.destroy()
    probe.socket.destroy()
  })

  it('ends what is left after the grace with an error frame, and aborts the call', async () => {
    let left = false
    const services = servicesWith(async (call) => {
      void (async () => { await aborted(call); left = true })()
      return answering(call, [START ? batchesOf('Hel')[0]! : [], batchesOf('Hel')[1]!, () => aborted(call), [USAGE, { type: 'fault', fault: fault('cancelled', 'x') }]])
    })
    const http = createHttp(services)
    await http.listen({ port: 0, host: '127.0.0.1' })
    const stream = raw(http, chatRequest(STREAM))
    await stream.until(/Hel/)
    const whole = raw(http, chatRequest(CHAT))
    await wait(50)
    await http.drain(100)
    assert.equal(left, true)
    assert.match(await stream.closed(), /"error":\{"code":503[^\n]*\n\n\r\n0\r\n\r\n$/)
    assert.match(await whole.closed(), /^HTTP\/1\.1 503 /)
    stream.socket.destroy()
    whole.socket.destroy()
  })
})
