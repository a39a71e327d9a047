import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultError } from '../core/index.ts'
import { createNet, type Net, type OutboundRequest, type OutboundResponse } from './index.ts'

/* Providers here are raw sockets, so that every byte that they send is one that a test wrote. */

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function net(): Net {
  const made = createNet()
  closers.push(() => made.close())
  return made
}

interface Provider {
  readonly url: string
  /** Open at this moment. */
  readonly sockets: ReadonlySet<Socket>
  /** Accepted so far. */
  readonly accepted: () => number
  /** Resolves when no socket is open, whoever reads of it; rejects after twenty seconds. */
  gone(): Promise<void>
}

/** `onRequest` is called with each request, whole: its head, its body, and how many came on this socket before it. */
async function provider(
  onRequest: (socket: Socket, request: { head: string; body: Buffer; nth: number }) => void, onSocket: (socket: Socket) => void = () => {},
): Promise<Provider> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server = createServer({ noDelay: true }, (socket) => {
    accepted++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    onSocket(socket)
    let nth = 0
    let held: Buffer = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      held = held.length ? Buffer.concat([held, bytes]) : bytes
      for (;;) {
        const end = held.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = held.toString('latin1', 0, end + 2)
        const total = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (held.length < total) return
        const body = Buffer.from(held.subarray(end + 4, total))
        held = held.subarray(total)
        onRequest(socket, { head, body, nth: nth++ })
      }
    })
  })
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 2000 }, resolve))
  closers.push(() => new Promise<void>((resolve) => {
    for (const socket of sockets) socket.destroy()
    server.close(() => resolve())
  }))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets, accepted: () => accepted,
    async gone() {
      for (let i = 0; i < 4000 && sockets.size > 0; i++) {
        // One that is paused would not see its end.
        for (const socket of sockets) socket.resume()
        await sleep(5)
      }
      assert.equal(sockets.size, 0, `${sockets.size} sockets are still open`)
    },
  }
}

const ask = (url: string, rest: Partial<OutboundRequest> = {}): OutboundRequest =>
  ({ url, method: 'POST', headers: [], body: '{}', connectMs: 20_000, ...rest })
const answer = (body: string, head = '') => `HTTP/1.1 200 OK\r\n${head}content-length: ${body.length}\r\n\r\n${body}`

async function rest(response: OutboundResponse): Promise<string> {
  const pieces: Uint8Array[] = []
  for (let piece = await response.read(); piece !== null; piece = await response.read()) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

async function faultOf(doing: Promise<unknown>): Promise<FaultError['fault']> {
  const error = await doing.then(() => null, (reason: unknown) => reason)
  assert.ok(error instanceof FaultError, 'it did not fail with a fault')
  return error.fault
}

test('requests that follow each other ride on one connection', async () => {
  const up = await provider((socket, { nth }) => socket.write(answer(`${nth}`)))
  const door = net()
  for (let i = 0; i < 200; i++) assert.equal(await rest(await door.send(ask(up.url))), `${i}`)
  assert.equal(up.accepted(), 1)
})

test('a thousand calls at once each get their own answer, and idle connections are kept to a bound', async () => {
  const waiting: (() => void)[] = []
  const up = await provider((socket, { body }) => {
    waiting.push(() => socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body.toString()}\r\n0\r\n\r\n`))
    if (waiting.length === 1000) for (const go of waiting) go()
  })
  const door = net()
  const answers = await Promise.all(Array.from({ length: 1000 }, async (_, i) => rest(await door.send(ask(up.url, { body: `tag ${i}` })))))
  assert.deepEqual(answers, Array.from({ length: 1000 }, (_, i) => `tag ${i}`))
  for (let i = 0; i < 4000 && up.sockets.size > 512; i++) await sleep(5)
  assert.ok(up.sockets.size <= 512 && up.sockets.size > 0, `${up.sockets.size} idle connections`)
})

test('the connection that was used last is used next, so that the others can run out', async () => {
  const up = await provider((socket) => { setTimeout(() => socket.write(answer(`${socket.remotePort}`)), 5) })
  const door = net()
  await Promise.all([1, 2, 3].map(async () => rest(await door.send(ask(up.url)))))
  const ports = new Set<string>()
  for (let i = 0; i < 5; i++) ports.add(await rest(await door.send(ask(up.url))))
  assert.equal(ports.size, 1)
})

test('interim answers are passed over', async () => {
  const up = await provider((socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${answer('real')}`))
  const response = await net().send(ask(up.url))
  assert.equal(response.status, 200)
  assert.equal(await rest(response), 'real')
})

test('a body without a length ends where the connection ends, and the next call takes another', async () => {
  const up = await provider((socket, { nth }) => {
    if (nth > 0) socket.destroy()
    else socket.end('HTTP/1.1 200 OK\r\n\r\nto the end')
  })
  const door = net()
  for (let i = 0; i < 3; i++) assert.equal(await rest(await door.send(ask(up.url))), 'to the end')
  assert.equal(up.accepted(), 3)
})

for (const [how, wire] of [
  ['in the middle of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n9\r\nwor'],
  ['before the last chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nwor\r\n'],
  ['short of its length', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhellowor'],
] as const) {
  test(`an answer that is cut ${how} gives what came of it, and then a fault`, async () => {
    const up = await provider((socket) => socket.end(wire))
    const response = await net().send(ask(up.url))
    let text = ''
    const fault = await faultOf((async () => {
      for (;;) {
        const piece = await response.read()
        assert.ok(piece, 'it ended as if it were whole')
        text += Buffer.from(piece).toString()
      }
    })())
    assert.equal(fault.kind, 'connection')
    assert.equal(text, 'hellowor')
  })
}

test('a broken chunk is an invalid response, after what came before it', async () => {
  const up = await provider((socket) => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n'))
  const response = await net().send(ask(up.url))
  assert.equal(Buffer.from((await response.read())!).toString(), 'hello')
  assert.equal((await faultOf(response.read())).kind, 'invalid-response')
  await up.gone()
})

test('a second answer behind the first is thrown away with its connection, and never taken for the answer to the next call', async () => {
  const up = await provider((socket, { body }) => socket.write(answer(body.toString()) + answer('poison')))
  const door = net()
  for (let i = 0; i < 3; i++) assert.equal(await rest(await door.send(ask(up.url, { body: `call ${i}` }))), `call ${i}`)
  assert.equal(up.accepted(), 3)
})

test('what comes on an idle connection closes it', async () => {
  const up = await provider((socket) => {
    socket.write(answer('ok'))
    setTimeout(() => socket.write(answer('poison')), 10)
  })
  const door = net()
  assert.equal(await rest(await door.send(ask(up.url))), 'ok')
  await up.gone()
  assert.equal(await rest(await door.send(ask(up.url))), 'ok')
})

test('a head that comes byte by byte is read like any other', async () => {
  const up = await provider(async (socket) => {
    for (const byte of answer('slow', 'x-name: value\r\n')) {
      socket.write(byte)
      await sleep(1)
    }
  })
  const response = await net().send(ask(up.url))
  assert.equal(response.headers['x-name'], 'value')
  assert.equal(await rest(response), 'slow')
})

test('headers without end are refused within their bound, and the provider is hung up on', async () => {
  let sent = 0
  const up = await provider((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    const push = (): void => {
      while (sent < 64 * 1024 * 1024 && !socket.destroyed) {
        sent += 10_000
        if (!socket.write(`x-filler: ${'x'.repeat(9988)}\r\n`)) {
          socket.once('drain', push)
          return
        }
      }
    }
    push()
  })
  assert.equal((await faultOf(net().send(ask(up.url)))).kind, 'invalid-response')
  await up.gone()
  assert.ok(sent < 16 * 1024 * 1024, `the provider could send ${sent} bytes`)
})

test('chunks that arrive together are read together', async () => {
  const events = Array.from({ length: 50 }, (_, i) => `data: {"n":${i}}\n\n`)
  const chunks = events.map((event) => `${event.length.toString(16)}\r\n${event}\r\n`).join('')
  const up = await provider((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    setTimeout(() => socket.write(`${chunks}0\r\n\r\n`), 20)
  })
  const response = await net().send(ask(up.url))
  assert.equal(Buffer.from((await response.read())!).toString(), events.join(''))
  assert.equal(await response.read(), null)
})

test('pieces that were handed on stay what they were while the next ones arrive', async () => {
  const up = await provider((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    let n = 0
    const timer = setInterval(() => {
      socket.write(String(n % 10).repeat(5000))
      if (++n === 20) {
        clearInterval(timer)
        socket.end()
      }
    }, 2)
  })
  const door = net()
  const read = async (): Promise<string> => {
    const response = await door.send(ask(up.url))
    const pieces: Uint8Array[] = []
    for (let piece = await response.read(); piece !== null; piece = await response.read()) pieces.push(piece)
    return Buffer.concat(pieces).toString()
  }
  const expected = Array.from({ length: 20 }, (_, n) => String(n % 10).repeat(5000)).join('')
  for (const text of await Promise.all([read(), read(), read()])) assert.equal(text, expected)
})

test('text in any script arrives as it was sent, in both directions', async () => {
  const up = await provider((socket, { body }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body)
  })
  const door = net()
  for (const body of ['naïve', '日本語 🦊 \u0000', 'é'.repeat(20_000), '', 'x'.repeat(20_000)]) {
    assert.equal(await rest(await door.send(ask(up.url, { body }))), body)
    assert.equal(await rest(await door.send(ask(up.url, { body: Buffer.from(body) }))), body)
  }
  assert.equal(up.accepted(), 1)
})

test('five megabytes go out and come back, as text, as other text and as bytes', async () => {
  const up = await provider((socket, { body }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body)
  })
  const door = net()
  const ascii = '0123456789'.repeat(500_000)
  const other = '日本語 🦊 '.repeat(300_000)
  assert.ok(await rest(await door.send(ask(up.url, { body: ascii }))) === ascii)
  assert.ok(await rest(await door.send(ask(up.url, { body: other }))) === other)
  assert.ok(await rest(await door.send(ask(up.url, { body: Buffer.from(other) }))) === other)
  assert.equal(up.accepted(), 1)
})

test('host, length and connection are ours to say, whatever a caller hands in', async () => {
  const heads: string[] = []
  const up = await provider((socket, { head }) => {
    heads.push(head)
    socket.write(answer('ok'))
  })
  const door = net()
  await rest(await door.send(ask(`${up.url}/v1/x?y=1`, { headers: [
    'Host', 'elsewhere', 'content-length', '999', 'Connection', 'close', 'Transfer-Encoding', 'chunked', 'TE', 'trailers', 'Upgrade', 'h2c',
    'keep-alive', '1', 'proxy-authorization', 'x', 'Expect', '100-continue', 'trailer', 'x', 'authorization', 'Bearer k', 'x-latin', 'é',
  ] })))
  await rest(await door.send(ask(up.url, { method: 'GET', body: null })))
  await rest(await door.send(ask(up.url, { body: null })))
  const host = new URL(up.url).host
  assert.deepEqual(heads, [
    `POST /v1/x?y=1 HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\nauthorization: Bearer k\r\nx-latin: é\r\ncontent-length: 2\r\n`,
    `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`,
    `POST / HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\ncontent-length: 0\r\n`,
  ])
})

test('a header, a path or an address that could start a second request is never sent', async () => {
  const up = await provider((socket) => socket.write(answer('ok')))
  const door = net()
  for (const request of [
    { headers: ['a', 'b\r\nc: d'] }, { headers: ['a', 'b\nc'] }, { headers: ['a', 'b\rc'] }, { headers: ['a', 'b\0'] },
    // Cut to its lower byte, U+010A is a line feed.
    { headers: ['a', 'b\u010ac: d'] }, { headers: ['a\r\nb', 'c'] }, { headers: ['a b', 'c'] }, { headers: ['', 'c'] }, { headers: ['a'] },
    { url: `${up.url}/a b` }, { url: `${up.url}/a\r\nb: c` }, { url: `${up.url}/\u010a` }, { url: 'ftp://127.0.0.1/' }, { url: 'nonsense' },
    { url: `http://user:pass@${new URL(up.url).host}/` }, { url: `${up.url}?a/b` },
  ]) assert.equal((await faultOf(door.send(ask(up.url, request)))).kind, 'internal', JSON.stringify(request))
  assert.equal(up.accepted(), 0)
})

for (const [why, head, uses] of [
  ['says that it closes', 'Connection: close\r\n', 3],
  ['keeps it for a second only', 'Keep-Alive: timeout=1\r\n', 3],
  ['keeps it for long', 'Connection: keep-alive\r\nKeep-Alive: timeout=60, max=100\r\n', 1],
] as const) {
  test(`a provider that ${why} is taken at its word`, async () => {
    const up = await provider((socket) => socket.write(answer('ok', head)))
    const door = net()
    for (let i = 0; i < 3; i++) assert.equal(await rest(await door.send(ask(up.url))), 'ok')
    assert.equal(up.accepted(), uses)
  })
}

test('an idle connection is closed after thirty seconds, or a second before the provider would', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let head = ''
  const up = await provider((socket) => socket.write(answer('ok', head)))
  const door = net()
  await rest(await door.send(ask(up.url)))
  t.mock.timers.tick(29_000)
  await sleep(20)
  assert.equal(up.sockets.size, 1)
  t.mock.timers.tick(1000)
  await up.gone()
  head = 'keep-alive: timeout=5\r\n'
  await rest(await door.send(ask(up.url)))
  t.mock.timers.tick(4000)
  await up.gone()
})

test('a call that rode on a dead connection is repeated on a fresh one, not on the next that may be as dead', async () => {
  let refused = 0
  const up = await provider((socket, { nth }) => {
    if (nth === 0) {
      setTimeout(() => socket.write(answer('ok')), 10)
      return
    }
    refused++
    socket.destroy()
  })
  const door = net()
  await Promise.all([1, 2, 3, 4].map(async () => rest(await door.send(ask(up.url)))))
  assert.equal(await rest(await door.send(ask(up.url))), 'ok')
  assert.equal(refused, 1)
  assert.equal(up.accepted(), 5)
})

test('a call is not repeated once a byte of its answer has come', async () => {
  let requests = 0
  const up = await provider((socket, { nth }) => {
    requests++
    if (nth === 0) socket.write(answer('ok'))
    else socket.end('HTTP/1.1 2')
  })
  const door = net()
  await rest(await door.send(ask(up.url)))
  assert.equal((await faultOf(door.send(ask(up.url)))).kind, 'connection')
  assert.equal(requests, 2)
})

test('a connection that the provider closed while it was idle is not used again', async () => {
  const up = await provider((socket) => {
    socket.write(answer('ok'))
    setTimeout(() => socket.end(), 5)
  })
  const door = net()
  for (let i = 0; i < 3; i++) {
    assert.equal(await rest(await door.send(ask(up.url))), 'ok')
    await up.gone()
  }
})

test('an answer that comes while our body is still going out is delivered, and its connection not used again', async () => {
  let first = true
  const up = await provider((socket) => socket.write(answer('ok')), (socket) => {
    if (!first) return
    first = false
    socket.pause().write('HTTP/1.1 413 Too Large\r\ncontent-length: 7\r\n\r\ntoo big')
  })
  const door = net()
  const response = await door.send(ask(up.url, { body: 'x'.repeat(20_000_000) }))
  assert.equal(response.status, 413)
  assert.equal(await rest(response), 'too big')
  assert.equal(await rest(await door.send(ask(up.url))), 'ok')
  assert.equal(up.accepted(), 2)
})

const silent = () => provider(() => {})
const streaming = (size: number) => provider((socket) => { socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size + 1}\r\n\r\n${'x'.repeat(size)}`) })

test('an abort before anything was sent opens no connection', async () => {
  const up = await silent()
  assert.equal((await faultOf(net().send(ask(up.url, { control: (abort) => abort() })))).kind, 'cancelled')
  await sleep(20)
  assert.equal(up.accepted(), 0)
})

for (const [phase, afterMs, make, body] of [
  ['while connecting', 0, silent, '{}'],
  ['while the provider thinks', 20, silent, '{}'],
  ['in the middle of the head', 20, () => provider((socket) => { socket.write('HTTP/1.1 200 OK\r\nx-a') }), '{}'],
  ['while a large body goes out', 20, () => provider(() => {}, (socket) => socket.pause()), 'x'.repeat(20_000_000)],
] as const) {
  test(`an abort ${phase} leaves no socket behind`, async () => {
    const up = await make()
    let abort = (): void => {}
    const sending = faultOf(net().send(ask(up.url, { body, control: (way) => { abort = way } })))
    if (afterMs > 0) await sleep(afterMs)
    abort()
    abort()
    assert.equal((await sending).kind, 'cancelled')
    await up.gone()
  })
}

for (const [phase, size, reading] of [
  ['while a read waits', 10, true],
  ['while pieces wait to be read', 10, false],
  ['while the socket is paused', 5_000_000, false],
] as const) {
  test(`an abort ${phase} leaves no socket behind, and every read says that it was cancelled`, async () => {
    const up = await streaming(size)
    const response = await net().send(ask(up.url))
    if (reading) await response.read()
    else await sleep(30)
    const pending = reading ? faultOf(response.read()) : null
    response.abort()
    response.abort()
    if (pending) assert.equal((await pending).kind, 'cancelled')
    assert.equal((await faultOf(response.read())).kind, 'cancelled')
    await up.gone()
  })
}

test('an abort of a call that is complete leaves its connection to the next', async () => {
  const up = await provider((socket) => socket.write(answer('ok')))
  const door = net()
  for (let i = 0; i < 3; i++) {
    const response = await door.send(ask(up.url))
    assert.equal(await rest(response), 'ok')
    response.abort()
    assert.equal(await response.read(), null)
  }
  const unread = await door.send(ask(up.url))
  await sleep(10)
  unread.abort()
  assert.equal((await faultOf(unread.read())).kind, 'cancelled')
  assert.equal(await rest(await door.send(ask(up.url))), 'ok')
  assert.equal(up.accepted(), 1)
})

test('a thousand calls of which half are left in the middle get no byte of one another', async () => {
  const up = await provider(async (socket, { body }) => {
    const tag = body.toString()
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    for (let i = 0; i < 4 && !socket.destroyed; i++) {
      socket.write(`${tag.length.toString(16)}\r\n${tag}\r\n`)
      await sleep(1)
    }
    if (!socket.destroyed) socket.write('0\r\n\r\n')
  })
  const door = net()
  const call = async (i: number): Promise<void> => {
    const tag = `<${i}>`
    const response = await door.send(ask(up.url, { body: tag }))
    let text = ''
    for (let reads = 0; ; reads++) {
      if (i % 2 === 1 && reads === i % 5) {
        response.abort()
        break
      }
      const piece = await response.read()
      if (piece === null) break
      text += Buffer.from(piece).toString()
    }
    assert.equal(text.replaceAll(tag, ''), '')
    if (i % 2 === 0) assert.equal(text, tag.repeat(4))
  }
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 100 }, (_, i) => call(round * 100 + i)))
})

test('a provider that was paused goes on when its reader does, also to the end of the answer', async () => {
  const size = 3_000_000
  const up = await provider((socket) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${'x'.repeat(size)}`))
  const door = net()
  for (let i = 0; i < 2; i++) {
    const response = await door.send(ask(up.url))
    await sleep(50)
    const first = await response.read()
    assert.ok(first!.length <= 64 * 1024 + 64 * 1024, `${first!.length} bytes were taken in while nobody read`)
    assert.equal((await rest(response)).length, size - first!.length)
  }
  assert.equal(up.accepted(), 1)
})

test('two reads of one answer at once are refused, and the first still gets its piece', async () => {
  const up = await provider((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n')
    setTimeout(() => socket.write('ok'), 20)
  })
  const response = await net().send(ask(up.url))
  const first = response.read()
  assert.equal((await faultOf(response.read())).kind, 'internal')
  assert.equal(Buffer.from((await first)!).toString(), 'ok')
})

test('closing ends what is under way and leaves no socket, and nothing can be sent after it', async () => {
  const up = await streaming(10)
  const door = createNet()
  const response = await door.send(ask(up.url))
  await response.read()
  const reading = faultOf(response.read())
  const connecting = faultOf(door.send(ask(up.url)))
  await door.close()
  assert.equal((await reading).kind, 'cancelled')
  assert.equal((await connecting).kind, 'cancelled')
  assert.equal((await faultOf(door.send(ask(up.url)))).kind, 'cancelled')
  await up.gone()
})
