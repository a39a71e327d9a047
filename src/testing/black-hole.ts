import { connect, type Socket } from 'node:net'
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
  const fillers: Socket[] = []
  // Until one of them stands no more.
  for (let i = 0, stands = true; stands && i < FULL; i++) {
    const filler = connect(port, '127.0.0.1').on('error', () => {})
    fillers.push(filler)
    stands = await new Promise<boolean>((resolve) => {
      filler.once('connect', () => resolve(true))
      setTimeout(() => resolve(false), QUIET_MS)
    })
  }
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
