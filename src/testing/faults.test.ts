import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { createFakeUpstream, createFaultyRelay, createRefusal } from './index.ts'
import type { FakeUpstream, Order } from './index.ts'
import { eventsIn, talk } from './raw-client.ts'

let upstream: FakeUpstream
before(async () => { upstream = await createFakeUpstream() })
beforeEach(() => upstream.forget())
after(() => upstream.close())

const body = (stream: boolean) => (
  { model: 'm', stream, messages: [{ role: 'user', content: 'Grüße, schöne Welt 🌍!' }] }
)
const ask = async (order: Order, { stream = true, quietMs = 10_000 } = {}) => {
  upstream.next(order)
  const exchange = await talk(`${upstream.url}/v1/chat/completions`, { body: body(stream), quietMs })
  exchange.socket.destroy()
  return exchange
}
const plain = await createFakeUpstream().then(async (own) => {
  const { body: text } = await talk(`${own.url}/v1/chat/completions`, { body: body(true) })
  await own.close()
  return text.toString()
})
/** The ids count requests; everything else of two streams must be equal to the byte. */
const same = (found: Buffer) => found.toString().replaceAll(/chatcmpl-fake\d+/g, 'chatcmpl-fake1')

/** For answers that never end: how long without a byte counts as silence. */
const QUIET = { quietMs: 100 }

describe('time', () => {
  it('hold keeps the status line back until it is let go', async () => {
    const answered = ask({ hold: true }, { quietMs: 10_000 })
    const held = await upstream.waitFor((it) => it.state === 'answering')
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([held.sentBytes, upstream.openStreams()], [0, 1])
    upstream.release()
    assert.equal((await answered).end, 'complete')
  })
  it('delayMs holds the status line back', async () => {
    const { times } = await ask({ delayMs: 50 })
    assert.ok(times[0]! >= 49, `came after ${times[0]} ms`)
  })
  it('paceMs puts a pause between events', async () => {
    const { writes, times } = await ask({ paceMs: 10 })
    assert.equal(writes.length, 7)
    assert.ok(times.at(-1)! - times[0]! >= 45)
  })
  it('trickle sends so many bytes at a time', async () => {
    const { writes, end } = await ask({ text: 'x', trickle: { bytes: 100, everyMs: 1 } })
    assert.equal(end, 'complete')
    assert.ok(writes.slice(0, -1).every((write) => write.length <= 100) && writes.length > 5)
  })
})

describe('silence', () => {
  it('stallAfter request: not even a status line, and the socket stays open', async () => {
    assert.deepEqual(await ask({ stallAfter: 'request' }, QUIET).then((it) => [it.status, it.end]), [0, 'open'])
  })
  it('stallAfter headers: status and headers leave, nothing after', async () => {
    for (const stream of [true, false]) {
      const { status, end, body: rest } = await ask({ stallAfter: 'headers' }, { stream, ...QUIET })
      assert.deepEqual([status, end, rest.length], [200, 'open', 0])
    }
  })
  it('stallAfter n: exactly n events; of a whole answer half of the body', async () => {
    const { body: found, end } = await ask({ stallAfter: 2 }, QUIET)
    assert.deepEqual([eventsIn(found).length, end], [2, 'open'])
    const half = await ask({ stallAfter: 1 }, { stream: false, ...QUIET })
    assert.equal(half.end, 'open')
    assert.throws(() => JSON.parse(half.body.toString()), SyntaxError)
  })
  it('stallAtByte: exactly n bytes', async () => {
    assert.deepEqual(await ask({ stallAtByte: 123 }, QUIET).then((it) => [it.body.length, it.end]), [123, 'open'])
  })
  it('commentsForever: comments and no event until the caller leaves', async () => {
    upstream.next({ commentsForever: 5 })
    const socket = connect(upstream.port, '127.0.0.1')
    const text = JSON.stringify(body(true))
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
    )
    let seen = ''
    socket.on('data', (bytes) => { seen += bytes })
    while (seen.split(': keep-alive').length <= 4) await once(socket, 'data')
    socket.destroy()
    await upstream.waitFor((it) => it.state === 'aborted')
    assert.ok(!seen.includes('data:'))
  })
})

describe('endings', () => {
  it('cutAtByte: exactly n bytes, then FIN, RST or a clean end, at every place', async () => {
    // The exact events of an earlier answer: its id would otherwise have another number, and another length.
    const events = plain.split('\n\n').slice(0, -1).map((event) => event.slice('data: '.length))
    for (const at of [0, 1, 100, Buffer.byteLength(plain) - 20]) {
      for (const [cutBy, end] of [['fin', 'fin'], ['rst', 'rst'], ['end', 'complete']] as const) {
        const exchange = await ask({ events, cutAtByte: at, cutBy })
        assert.deepEqual([exchange.status, exchange.body.length, exchange.end], [200, at, end], `${cutBy} at ${at}`)
        assert.deepEqual(exchange.body, Buffer.from(plain).subarray(0, at))
      }
    }
    await upstream.waitFor((it) => it.state === 'cut')
    assert.ok(upstream.requests.every((it) => it.state === 'cut'))
  })
  it('cutAfter: n whole events', async () => {
    assert.deepEqual(await ask({ cutAfter: 3 }).then((it) => [eventsIn(it.body).length, it.end]), [3, 'fin'])
  })
  it('reset and hangUp: no byte at all', async () => {
    assert.deepEqual(await ask({ reset: true }).then((it) => [it.status, it.end]), [0, 'rst'])
    assert.deepEqual(await ask({ hangUp: true }).then((it) => [it.status, it.end]), [0, 'fin'])
  })
  it('down refuses connections and resets open ones, up takes them again on the same port', async () => {
    const waiting = ask({ stallAfter: 'request' }, { quietMs: 500 })
    await upstream.waitFor((it) => it.state === 'answering')
    await upstream.down()
    assert.equal((await waiting).end, 'rst')
    assert.deepEqual(await ask({}).then((it) => [it.status, it.end]), [0, 'rst'])
    await upstream.up()
    upstream.forget()
    assert.equal((await ask({})).status, 200)
  })
})

describe('the bytes', () => {
  it('chunkBytes: every write has n bytes, also through a character, and together they are the same', async () => {
    const { writes, body: found } = await ask({ chunkBytes: 1 })
    assert.ok(writes.every((write) => write.length === 1))
    assert.equal(same(found), same(Buffer.from(plain)))
  })
  it('one event a write by default; eventsPerWrite joins them, splitEvents ends each write inside an event', async () => {
    const byDefault = await ask({})
    assert.ok(byDefault.writes.every((write) => write.toString().endsWith('\n\n')))
    assert.equal((await ask({ eventsPerWrite: 0 })).writes.length, 1)
    assert.equal((await ask({ eventsPerWrite: 3 })).writes.length, 3)
    const split = await ask({ splitEvents: true })
    assert.ok(split.writes.slice(0, -1).every((write) => !write.toString().endsWith('\n\n')))
    assert.equal(same(split.body), same(Buffer.from(plain)))
  })
  it('garble: one event is not JSON, or not UTF-8; its neighbours are whole', async () => {
    const lines = (await ask({ garble: 'json', garbleAt: 2 })).body.toString().split('\n\n')
    assert.deepEqual(
      lines.slice(0, 4).map((line) => { try { JSON.parse(line.slice(6)); return true } catch { return false } }),
      [true, true, false, true]
    )
    const { body: bytes } = await ask({ garble: 'utf8' })
    assert.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes), TypeError)
  })
  it('hugeEvent and hugeHeader have the size that was ordered', async () => {
    const { body: found } = await ask({ hugeEvent: 300_000 })
    assert.ok(eventsIn(found).some((event) => event.choices?.[0].delta.content?.length === 300_000))
    assert.equal((await ask({ hugeHeader: 20_000 })).headers['x-huge']!.length, 20_000)
  })
  it('endless: goes on until the caller leaves, in step with what the caller reads', async () => {
    for (const stream of [true, false]) {
      upstream.next({ endless: true })
      const socket = connect(upstream.port, '127.0.0.1')
      const text = JSON.stringify(body(stream))
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
      )
      await new Promise((resolve) => setTimeout(resolve, 40))
      let seen = 0
      await new Promise<void>(
        (resolve) => socket.on('data', (bytes) => { if ((seen += bytes.length) > 400_000) resolve() })
      )
      socket.destroy()
      const left = await upstream.waitFor((it) => it.state === 'aborted' && it.stream === stream)
      assert.ok(left.sentBytes >= 200_000)
    }
  })
  it('gzip: unlabelled, mislabelled and honest', async () => {
    const unlabelled = await ask({ gzip: 'unlabelled' })
    assert.equal(unlabelled.headers['content-encoding'], undefined)
    assert.equal(same(gunzipSync(unlabelled.body)), same(Buffer.from(plain)))
    const mislabelled = await ask({ gzip: 'mislabelled' })
    assert.deepEqual(
      [mislabelled.headers['content-encoding'], same(mislabelled.body)], ['gzip', same(Buffer.from(plain))]
    )
    const honest = await ask({ gzip: 'honest' })
    assert.deepEqual(
      [honest.headers['content-encoding'], same(gunzipSync(honest.body))], ['gzip', same(Buffer.from(plain))]
    )
  })
})

describe('whole answers of another kind', () => {
  it('a status alone gets the dialect\'s own error; body and headers go out as given', async () => {
    const limited = await ask({ status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' } })
    assert.deepEqual([limited.status, limited.headers['retry-after']], [429, 'Wed, 21 Oct 2099 07:28:00 GMT'])
    assert.equal(JSON.parse(limited.body.toString()).error.code, 'rate_limit_exceeded')
    upstream.next({ status: 529 })
    const claude = { model: 'm', max_tokens: 9, messages: body(false).messages }
    const { body: text } = await talk(
      `${upstream.url}/v1/messages`, { body: claude, headers: { 'anthropic-version': '2023-06-01' } }
    )
    assert.equal(JSON.parse(text.toString()).error.type, 'overloaded_error')
  })
  it('empty 200, 204, HTML and redirects', async () => {
    assert.deepEqual(
      await ask({ status: 200, body: '' }).then((it) => [it.status, it.body.length, it.end]), [200, 0, 'complete']
    )
    assert.deepEqual(await ask({ status: 204 }).then((it) => [it.status, it.end]), [204, 'complete'])
    const page = await ask({ body: '<html>', headers: { 'content-type': 'text/html' } })
    assert.deepEqual([page.headers['content-type'], page.body.toString()], ['text/html', '<html>'])
    assert.equal(
      (await ask({ status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } })).headers['location'],
      'http://127.0.0.1:9/'
    )
  })
  it('faults work on errors too', async () => {
    assert.deepEqual(
      await ask({ status: 500, cutAtByte: 5 }).then((it) => [it.status, it.body.length, it.end]), [500, 5, 'fin']
    )
  })
  it('events are sent verbatim, text as it is', async () => {
    assert.equal((await ask({ events: [{ a: 1 }, 'nonsense'] })).body.toString(), 'data: {"a":1}\n\ndata: nonsense\n\n')
  })
  it('early: the answer comes while the body is still on its way', async () => {
    upstream.next({ early: true, status: 413 })
    const socket = connect(upstream.port, '127.0.0.1')
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{')
    const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    socket.destroy()
    assert.match(first.toString(), /^HTTP\/1\.1 413 /)
  })
})

describe('close', () => {
  it('ends every socket and timer, whatever was under way', async () => {
    const own = await createFakeUpstream()
    own.next([{ stallAfter: 1 }, { delayMs: 60_000 }, { paceMs: 60_000 }, { endless: true }])
    const open = [0, 1, 2, 3].map(() => talk(`${own.url}/v1/chat/completions`, { body: body(true), quietMs: 20_000 }))
    await own.waitFor(() => own.requests.length === 4 && own.requests.every((it) => it.state === 'answering'))
    await own.close()
    for (const { end } of await Promise.all(open)) assert.equal(end, 'rst')
    assert.deepEqual([own.openStreams(), own.openSockets()], [0, 0])
  })
  it('a caller who leaves during a delay leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    upstream.next({ delayMs: 60_000 })
    const socket = connect(upstream.port, '127.0.0.1')
    const text = JSON.stringify(body(true))
    const before = timers()
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
    while (timers() === before) await new Promise((resolve) => setImmediate(resolve))
    const during = timers()
    socket.destroy()
    while (upstream.openStreams() > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(timers() < during)
  })
  it('what is held is over with it, and when its caller leaves', async () => {
    const own = await createFakeUpstream()
    own.always({ hold: true })
    const asking = () => talk(`${own.url}/v1/chat/completions`, { body: body(true), quietMs: 10_000 })
    const left = connect(own.port, '127.0.0.1')
    const text = JSON.stringify(body(true))
    left.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
    await own.waitFor((it) => it.state === 'answering')
    left.destroy()
    await own.waitFor((it) => it.state === 'aborted')
    const staying = asking()
    await own.waitFor((it) => it.state === 'answering')
    await own.close()
    assert.equal((await staying).end, 'rst')
    assert.equal(own.openStreams(), 0)
  })
  it('rejects those who still wait', async () => {
    const own = await createFakeUpstream()
    const waiting = assert.rejects(own.waitFor(() => false), /was closed/)
    await own.close()
    await waiting
  })
})

describe('an address that refuses', () => {
  it('goes on refusing while others take whatever port is free', async () => {
    const refusal = await createRefusal()
    const others = Array.from({ length: 20 }, () => createServer().listen(0, '127.0.0.1'))
    await Promise.all(others.map((other) => once(other, 'listening')))
    const [error] = await once(connect(refusal.port, '127.0.0.1'), 'error') as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNREFUSED')
    for (const other of others) other.close()
    await refusal.close()
  })
})

describe('the relay', () => {
  it('passes, delays, resets after so many bytes and swallows', async () => {
    const relay = await createFaultyRelay({ port: upstream.port })
    const through = async (quietMs = 10_000) => {
      const exchange = await talk(
        `http://127.0.0.1:${relay.port}/v1/chat/completions`, { body: body(true), quietMs }
      )
      exchange.socket.destroy()
      return exchange
    }
    assert.equal(same((await through()).body), same(Buffer.from(plain)))
    relay.set({ delayMs: 20 })
    assert.ok((await through()).times[0]! >= 39)
    relay.set({ resetAfter: 300 })
    assert.equal((await through()).end, 'rst')
    relay.set({ blackHole: true })
    assert.deepEqual(await through(100).then((it) => [it.status, it.end]), [0, 'open'])
    await relay.close()
  })
})
