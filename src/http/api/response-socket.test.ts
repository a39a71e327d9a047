import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { DIALECTS } from '../../dialects/index.ts'
import { createHttp, type Http } from '../server.ts'
import type { HttpLimits } from '../limits.ts'
import { answering, batchesOf, servicesWith, type Generate } from '../stand-ins.test.ts'

// oxlint-disable-next-line typescript/no-explicit-any
type Event = Record<string, any>

/** A server that keeps nothing, and one connection to it. */
async function connected(limits: Partial<HttpLimits>, work: (socket: WebSocket, http: Http) => Promise<void>, generate?: Generate): Promise<void> {
  const nothing = { find: async () => null, compactions: { isOurs: () => false } }
  const http = createHttp({ ...servicesWith(generate), dialects: DIALECTS, limits, responses: nothing as never })
  await http.listen({ port: 0, host: '127.0.0.1' })
  const socket = new WebSocket(`${http.address()!.replace('http', 'ws')}/v1/responses`, { headers: { authorization: 'Bearer good' } })
  try {
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    await work(socket, http)
  } finally {
    socket.terminate()
    await http.close()
  }
}

const nextOf = (socket: WebSocket): Promise<Event> => new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)) as Event)))
const closeOf = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve))
const ASKS = JSON.stringify({ type: 'response.create', model: 'fake/model', input: 'hi' })

describe('a WebSocket of responses', () => {
  it('is closed when it has been open for as long as one is kept, and its client is told why', async () => {
    await connected({ socketAgeMs: 100, heartbeatMs: 100 }, async (socket) => {
      const [event, code] = await Promise.all([nextOf(socket), closeOf(socket)])
      assert.deepEqual([event['type'], event['error'].code, code], ['error', 'websocket_connection_limit_reached', 1001])
    })
  })

  it('that is too old answers what it has begun, and nothing behind it', async () => {
    const gate = Promise.withResolvers<void>()
    await connected({ socketAgeMs: 100, heartbeatMs: 100 }, async (socket) => {
      const events: Event[] = []
      const refused = new Promise<void>((resolve) => socket.on('message', (data) => {
        events.push(JSON.parse(String(data)) as Event)
        if (events.at(-1)!['type'] === 'error') resolve()
      }))
      socket.send(ASKS)
      socket.send(ASKS)
      await refused
      gate.resolve()
      assert.equal(await closeOf(socket), 1001)
      assert.deepEqual(events.filter(({ type }) => type === 'response.completed' || type === 'error').map(({ type, error }) => error?.code ?? type),
        ['websocket_connection_limit_reached', 'response.completed'])
    }, async (call) => answering(call, [() => gate.promise, ...batchesOf('late')]))
  })

  it('is pinged in silence, at rest and while an answer is made', async () => {
    const gate = Promise.withResolvers<void>()
    await connected({ pingMs: 50, heartbeatMs: 50, commitAfterMs: 50 }, async (socket) => {
      const pinged = (): Promise<unknown> => new Promise((resolve) => socket.once('ping', resolve))
      await pinged()
      socket.send(ASKS)
      await pinged()
      gate.resolve()
      assert.equal((await nextOf(socket))['type'], 'response.created')
    }, async (call) => answering(call, [() => gate.promise, ...batchesOf('late')]))
  })

  it('whose message does not come to its end in time is closed', async () => {
    await connected({ requestTimeoutMs: 200, heartbeatMs: 100 }, async (socket) => {
      socket.send(ASKS.slice(0, 10), { fin: false })
      assert.equal(await closeOf(socket), 1008)
    })
  })

  it('takes no message that is longer than it may be', async () => {
    await connected({ messageBytes: 1000 }, async (socket) => {
      socket.send('x'.repeat(1001))
      assert.equal(await closeOf(socket), 1009)
    })
  })

  it('counts as no request while it rests, and as one while it is answered', async () => {
    const gate = Promise.withResolvers<void>()
    await connected({}, async (socket, http) => {
      assert.equal(http.inFlight(), 0)
      const ended = new Promise<void>((resolve) => socket.on('message', (data) => {
        if (String(data).startsWith('{"type":"response.completed"')) resolve()
      }))
      socket.send(ASKS)
      await gate.promise
      assert.equal(http.inFlight(), 1)
      await ended
      while (http.inFlight() > 0) await new Promise(setImmediate)
    }, async (call) => {
      gate.resolve()
      return answering(call, batchesOf('Hello'))
    })
  })
})
