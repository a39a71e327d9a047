import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** An address that swallows what is sent to it, as a firewall does that drops packets. */
export interface BlackHole {
  readonly port: number
  close(): Promise<void>
}

/** Listens for one connection, says where, and never looks at it: its thread sleeps. */
const DEAF = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => { Atomics.wait(new Int32Array(workerData), 0, 0); process.exit() })
  })`
const FULL = 8
const QUIET_MS = 150

/**
 * An address of this machine at which no connection ever comes about: its queue of those that wait to be accepted is
 * kept full, and the kernel drops what does not fit, without a refusal.
 */
export async function createBlackHole(): Promise<BlackHole> {
  const memory = new SharedArrayBuffer(4)
  const worker = new Worker(DEAF, { eval: true, workerData: memory })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  // All at once, more than it holds: whether one stood in time would be as much a question of this machine's load.
  const fillers: Socket[] = Array.from({ length: FULL }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.race(fillers.map((filler) => once(filler, 'connect')))
  await new Promise((resolve) => { setTimeout(resolve, QUIET_MS) })
  return {
    port,
    async close() {
      for (const filler of fillers) filler.destroy()
      const gone = new Promise((resolve) => worker.once('exit', resolve))
      Atomics.store(new Int32Array(memory), 0, 1)
      Atomics.notify(new Int32Array(memory), 0)
      await gone
    },
  }
}

/** An address that refuses every connection. */
export interface Refusal {
  readonly port: number
  close(): Promise<void>
}

/**
 * An address of this machine at which nobody listens, for as long as it is open. A port that was merely seen to be free
 * is soon given to somebody else's server; this one is taken, as the near end of a connection of our own.
 */
export async function createRefusal(): Promise<Refusal> {
  const server = createServer((far) => { far.on('error', () => {}).resume() }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect((server.address() as { port: number }).port, '127.0.0.1')
  await once(near, 'connect')
  return {
    port: near.localPort!,
    async close() {
      near.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
