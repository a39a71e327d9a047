import assert from 'node:assert/strict'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { FaultError } from '../core/index.ts'
import { kernelTakes } from '../testing/index.ts'
import { createNet, type Net, type OutboundResponse } from './index.ts'

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function net(): Net {
  const made = createNet()
  closers.push(() => made.close())
  return made
}

async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise<void>((resolve) => {
    for (const socket of sockets) socket.destroy()
    server.close(() => resolve())
  }))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const http = (handler: (req: IncomingMessage, res: ServerResponse) => void) => listening(createHttpServer(handler))
const raw = (handler: (socket: Socket) => void) => listening(createServer(handler))
const post = (url: string) => ({ url, method: 'POST' as const, headers: [], body: '{}', connectMs: 20_000 })

async function rest(response: OutboundResponse): Promise<string> {
  let text = ''
  for (;;) {
    const chunk = await response.read()
    if (chunk === null) return text
    text += Buffer.from(chunk).toString()
  }
}

async function faultOfSending(sending: Promise<unknown>): Promise<FaultError['fault']> {
  try {
    await sending
  } catch (error) {
    assert.ok(error instanceof FaultError)
    return error.fault
  }
  throw new Error('it did not fail')
}

test('an answer comes with its status, its headers and its body', async () => {
  const url = await http((_, res) => res.writeHead(418, { 'X-Test': 'a' }).end('short and stout'))
  const response = await net().send(post(`${url}/x?y=1`))
  assert.equal(response.status, 418)
  assert.equal(response.headers['x-test'], 'a')
  assert.equal(await rest(response), 'short and stout')
  assert.equal(await response.read(), null)
})

test('a provider that is not there is a connection fault that names no address', async () => {
  const fault = await faultOfSending(net().send(post('http://127.0.0.1:1/')))
  assert.equal(fault.kind, 'connection')
  assert.doesNotMatch(fault.message, /127\.0\.0\.1/)
})

test('a provider that answers in no HTTP is an invalid response', async () => {
  const url = await raw((socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
  assert.equal((await faultOfSending(net().send(post(url)))).kind, 'invalid-response')
})

test('an abort while waiting for the answer closes the socket at once', async () => {
  let closed: () => void
  const gone = new Promise<void>((resolve) => { closed = resolve })
  const url = await raw((socket) => socket.on('close', () => closed()).resume())
  let abort = (): void => {}
  const sending = faultOfSending(net().send({ ...post(url), control: (way) => { abort = way } }))
  setTimeout(() => abort(), 30)
  assert.equal((await sending).kind, 'cancelled')
  await gone
})

test('an abort in the middle of a read rejects the read and closes the socket', async () => {
  let closed: () => void
  const gone = new Promise<void>((resolve) => { closed = resolve })
  const url = await http((req, res) => {
    req.socket.on('close', () => closed())
    res.writeHead(200)
    res.write('a')
  })
  const response = await net().send(post(url))
  await response.read()
  const reading = faultOfSending(response.read())
  response.abort()
  assert.equal((await reading).kind, 'cancelled')
  await gone
})

test('a connection that breaks in the middle of a body is a fault and not an end', async () => {
  const url = await http((_, res) => {
    res.writeHead(200, { 'content-length': '100' })
    res.write('half')
    setTimeout(() => res.destroy(), 20)
  })
  const response = await net().send(post(url))
  assert.equal((await faultOfSending(rest(response))).kind, 'connection')
})

test('a request that rode on a connection which the provider was just closing is sent once more, and only once', async () => {
  const seen: string[] = []
  const url = await raw((socket) => {
    let requests = 0
    socket.on('data', () => {
      seen.push('request')
      if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      else socket.destroy()
    })
  })
  const door = net()
  assert.equal(await rest(await door.send(post(url))), 'ok')
  await new Promise((resolve) => setTimeout(resolve, 10))
  const second = await door.send(post(url))
  assert.equal(await rest(second), 'ok')
  assert.equal(seen.length, 3)
})

test('a request on a fresh connection that breaks is not repeated: the provider may have acted on it', async () => {
  let requests = 0
  const url = await raw((socket) => socket.on('data', () => {
    requests++
    socket.destroy()
  }))
  assert.equal((await faultOfSending(net().send(post(url)))).kind, 'connection')
  assert.equal(requests, 1)
})

test('a reader that stops reading stops the provider, not our memory', async () => {
  let sent = 0
  const piece = Buffer.alloc(64 * 1024, 'x')
  const all = Math.ceil((kernelTakes() + (16 << 20)) / piece.length) * piece.length
  const url = await http((_, res) => {
    res.writeHead(200)
    const push = (): void => {
      while (sent < all) {
        sent += piece.length
        if (!res.write(piece)) {
          res.once('drain', push)
          return
        }
      }
      res.end()
    }
    push()
  })
  const response = await net().send(post(url))
  let before = -1
  for (let still = 0; still < 10; before = sent) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    still = sent === before ? still + 1 : 0
  }
  assert.ok(sent < all, 'the provider could send all of it')
  assert.equal((await rest(response)).length, all)
})
