import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** What a relay does to each connection from now on. Bytes are counted from the target to the caller. */
export interface RelayFault {
  /** Delays every piece, both ways. */
  delayMs?: number
  /** Resets after so many bytes of answer. */
  resetAfter?: number
  /** Swallows everything, both ways; the connections stay open. */
  blackHole?: boolean
}

export interface FaultyRelay {
  readonly port: number
  set(fault: RelayFault): void
  /** Resets what is open; new connections are accepted. */
  resetAll(): void
  close(): Promise<void>
}

/** A TCP relay that delays, cuts or swallows: for servers that are not ours to script (a database, a TLS endpoint). */
export async function createFaultyRelay(target: { host?: string; port: number }): Promise<FaultyRelay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const timers = new Set<NodeJS.Timeout>()
  let fault: RelayFault = {}

  const later = (act: () => void) => {
    if (!fault.delayMs) return act()
    const timer = setTimeout(() => { timers.delete(timer); act() }, fault.delayMs)
    timers.add(timer)
  }
  const server = createServer((caller) => {
    const upstream = connect(target.port, target.host ?? '127.0.0.1')
    const pair = [caller, upstream] as const
    pairs.add(pair)
    let answered = 0
    const drop = () => { pairs.delete(pair); caller.destroy(); upstream.destroy() }
    caller.on('data', (bytes) => { if (!fault.blackHole) later(() => upstream.write(bytes)) })
    upstream.on('data', (bytes: Buffer) => {
      if (fault.blackHole) return
      const room = (fault.resetAfter ?? Infinity) - answered
      answered += bytes.length
      later(() => {
        if (bytes.length < room) return void caller.write(bytes)
        caller.write(bytes.subarray(0, room), () => caller.resetAndDestroy())
      })
    })
    for (const side of pair) {
      side.on('error', drop)
      side.on('close', drop)
      side.on('end', () => later(() => (side === caller ? upstream : caller).end()))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const resetAll = () => { for (const [caller] of pairs) caller.resetAndDestroy() }
  return {
    port: (server.address() as AddressInfo).port,
    set: (next) => { fault = next },
    resetAll,
    close: () => new Promise((resolve) => {
      for (const timer of timers) clearTimeout(timer)
      server.close(() => resolve())
      resetAll()
    }),
  }
}
