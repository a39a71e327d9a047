import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer as createPlainServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { FaultError, type Fault } from '../core/index.ts'
import { createNet, type Net, type OutboundResponse } from './index.ts'

/* The certificates sign themselves. Their key stands beside them: it protects nothing. */

const file = (name: string): string => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8')
const CERT = file('here.cert')
const KEY = file('key')

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function net(ca?: string): Net {
  const made = createNet(ca === undefined ? {} : { ca })
  closers.push(() => made.close())
  return made
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise<void>((resolve) => {
    for (const socket of sockets) socket.destroy()
    server.close(() => resolve())
  }))
  return (server.address() as AddressInfo).port
}

const secure = (options: TlsOptions, onSocket: (socket: TLSSocket) => void) => {
  const server = createServer({ key: KEY, cert: CERT, ...options }, (socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.on('tlsClientError', () => {})
  return listening(server)
}

const post = (port: number, host = 'localhost') =>
  ({ url: `https://${host}:${port}/`, method: 'POST' as const, headers: ['authorization', 'Bearer secret'], body: '{}', connectMs: 2000 })

async function rest(response: OutboundResponse): Promise<string> {
  let text = ''
  for (let piece = await response.read(); piece !== null; piece = await response.read()) text += Buffer.from(piece).toString()
  return text
}

async function faultOf(doing: Promise<unknown>): Promise<Fault> {
  const error = await doing.then(() => null, (reason: unknown) => reason)
  assert.ok(error instanceof FaultError, 'it did not fail with a fault')
  return error.fault
}

for (const [what, cert, ca, host] of [
  ['that signed itself', 'here.cert', undefined, 'localhost'],
  ['that has expired', 'expired.cert', 'expired.cert', 'localhost'],
  ['of another name', 'elsewhere.cert', 'elsewhere.cert', 'localhost'],
  ['of another name than this address', 'elsewhere.cert', 'elsewhere.cert', '127.0.0.1'],
] as const) {
  test(`a certificate ${what} is refused before a byte of the request, and its key, is sent`, async () => {
    let received = 0
    const port = await secure({ cert: file(cert) }, (socket) => socket.on('data', (bytes) => { received += bytes.length }))
    const fault = await faultOf(net(ca && file(ca)).send(post(port, host)))
    assert.equal(fault.kind, 'connection')
    assert.equal(fault.upstream?.code, 'tls')
    assert.doesNotMatch(fault.message, /localhost|127\.0\.0\.1|elsewhere/)
    assert.equal(received, 0)
  })
}

test('a provider that speaks plain text, or an old TLS, is a fault of the connection', async () => {
  const plain = await listening(createPlainServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  assert.equal((await faultOf(net(CERT).send(post(plain)))).kind, 'connection')
  const old = await secure({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, () => {})
  assert.equal((await faultOf(net(CERT).send(post(old)))).upstream?.code, 'tls')
})

test('a provider that accepts and never shakes hands is a timeout', async () => {
  const port = await listening(createPlainServer(() => {}))
  assert.equal((await faultOf(net(CERT).send({ ...post(port), connectMs: 100 }))).kind, 'timeout')
})

for (const host of ['localhost', '127.0.0.1']) {
  test(`a trusted provider at ${host} is asked in HTTP/1.1 over one connection`, async () => {
    const protocols: unknown[] = []
    let accepted = 0
    const port = await secure({ ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
      accepted++
      protocols.push(socket.alpnProtocol)
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
    })
    const door = net(CERT)
    for (let i = 0; i < 3; i++) assert.equal(await rest(await door.send(post(port, host))), 'ok')
    assert.deepEqual([accepted, protocols], [1, ['http/1.1']])
  })
}

test('the second connection resumes the session of the first', async () => {
  const resumed: boolean[] = []
  const port = await secure({}, (socket) => {
    resumed.push(socket.isSessionReused())
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'))
  })
  const door = net(CERT)
  for (let i = 0; i < 2; i++) assert.equal(await rest(await door.send(post(port))), 'ok')
  assert.deepEqual(resumed, [false, true])
})

test('large bodies go both ways over TLS, also past a reader that pauses, and the connection serves on', async () => {
  const size = 3_000_000
  let accepted = 0
  const port = await secure({}, (socket) => {
    accepted++
    let got = 0
    let total = Infinity
    socket.on('data', (bytes) => {
      got += bytes.length
      const end = total === Infinity ? bytes.indexOf('\r\n\r\n') : -1
      if (end >= 0) total = end + 4 + Number(/content-length: (\d+)/.exec(bytes.toString('latin1'))![1])
      if (got < total) return
      got = 0
      total = Infinity
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${'x'.repeat(size)}`)
    })
  })
  const door = net(CERT)
  for (const body of ['y'.repeat(size), 'é'.repeat(size), Buffer.alloc(size, 'z'), '{}']) {
    const response = await door.send({ ...post(port), body })
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal((await rest(response)).length, size)
  }
  assert.equal(accepted, 1)
})

test('an answer that ends just beyond what may wait unread leaves a connection that still listens', async () => {
  const sizes = [64, 66, 68, 70, 72, 76, 80].map((kib) => kib * 1024 + 1)
  let accepted = 0
  let asked = 0
  const port = await secure({}, (socket) => {
    accepted++
    socket.on('data', () => {
      const size = sizes[asked++ % sizes.length]!
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${'x'.repeat(size)}`)
    })
  })
  const door = net(CERT)
  for (const size of sizes) {
    const response = await door.send(post(port))
    await new Promise((resolve) => setTimeout(resolve, 15))
    assert.equal((await rest(response)).length, size)
  }
  assert.equal(accepted, 1)
})
