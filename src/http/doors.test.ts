import assert from 'node:assert/strict'
import * as http from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { openDoors, type Doors } from './doors.ts'

const opened: Doors[] = []
const sockets: Socket[] = []
after(async () => {
  for (const socket of sockets) socket.destroy()
  for (const doors of opened) {
    const closing = doors.close()
    for (const server of made) server.closeAllConnections()
    await closing
  }
})

const made: http.Server[] = []
function createServer(answer?: http.RequestListener): http.Server {
  const server = http.createServer(answer)
  made.push(server)
  return server
}

async function open(make: () => http.Server, port = 0): Promise<Doors> {
  const doors = await openDoors(make, { port, host: '127.0.0.1' })
  opened.push(doors)
  return doors
}
const portOf = ({ address }: Doors): number => Number(new URL(address).port)

describe('the doors of a server', () => {
  it('take a crowd within a few turns of a busy event loop, where a single listener takes one in each', { skip: process.platform !== 'linux' }, async () => {
    const crowd = 200
    const taken: unknown[] = []
    const doors = await open(() => createServer().on('connection', (socket) => { taken.push(socket) }))
    for (let i = 0; i < crowd; i++) sockets.push(connect(portOf(doors), '127.0.0.1').on('error', () => {}))
    let turns = 0
    while (taken.length < crowd && turns < 10_000) {
      await turn()
      if (taken.length > 0) turns++
    }
    assert.equal(taken.length, crowd)
    assert.ok(turns < crowd / 2, `it took ${turns} turns`)
  })

  it('all answer at the same address', async () => {
    const doors = await open(() => createServer((_req, res) => { res.end('here') }))
    for (let i = 0; i < 20; i++) assert.equal(await (await fetch(doors.address, { headers: { connection: 'close' } })).text(), 'here')
  })

  it('are not opened at a port that another server of ours has: each would get half of the callers', async () => {
    const first = await open(() => createServer())
    await assert.rejects(open(() => createServer(), portOf(first)), { code: 'EADDRINUSE' })
  })

  it('are all closed when it is closed', async () => {
    const doors = await open(() => createServer((_req, res) => { res.end() }))
    await doors.close()
    await assert.rejects(fetch(doors.address))
  })
})
