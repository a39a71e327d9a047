import type { AddressInfo, Server } from 'node:net'

/** All listeners at one address, as one. */
export interface Doors {
  /** `http://127.0.0.1:3000`. */
  readonly address: string
  /** Takes no more connections; resolves when all have ended. */
  close(): Promise<void>
}

/**
 * Node takes one connection from a listener for each turn of the event loop (libuv, since 1.45). A server that is busy,
 * with turns of 30 ms, takes 33 in a second: whoever comes new waits for seconds, and is not even turned away. So there are
 * several listeners at the same port, between which the kernel divides what comes.
 */
const DOORS = 32
/** Connections that wait at a listener: with Node's 511 a burst is lost in the kernel, and its clients try again after a second. */
const BACKLOG = 4096

/** Opens one listener after the other, made by `make`. Rejects when the port is taken. */
export async function openDoors(make: () => Server, { port, host }: { readonly port: number; readonly host: string }): Promise<Doors> {
  // Alone first: a shared port would be given to us though another server of ours had it, and both would have half.
  const first = make()
  await listening(first, { port, host })
  const at = first.address() as AddressInfo
  const address = `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`
  const servers: Server[] = []
  try {
    await closed(first)
    for (let i = 0; i < DOORS; i++) {
      const server = make()
      await listening(server, { port: at.port, host, reusePort: true })
      servers.push(server)
    }
  } catch {
    // A system that cannot share a port has one listener, as ever.
    for (const server of servers.splice(0)) await closed(server)
    const alone = make()
    await listening(alone, { port: at.port, host })
    servers.push(alone)
  }
  return {
    address,
    async close() {
      await Promise.all(servers.map(closed))
    },
  }
}

function listening(server: Server, at: { readonly port: number; readonly host: string; readonly reusePort?: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...at, backlog: BACKLOG }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve()
    server.close(() => resolve())
  })
}
