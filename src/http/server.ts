import { createServer, type Server } from 'node:net'
import { fault, Roster } from '../core/index.ts'
import { Connection, type Serving } from './connection.ts'
import { createDeadLinks } from './dead-links.ts'
import { createDispatch } from './dispatch.ts'
import { openDoors, type Doors } from './doors.ts'
import type { Exchange } from './exchange.ts'
import { HTTP_LIMITS, type HttpLimits } from './limits.ts'
import { createMetrics } from './metrics.ts'
import { openApiOf, type OpenApi } from './openapi.ts'
import { pageRoute } from './page.ts'
import { createRouter } from './router.ts'
import { createRoutes } from './routes.ts'
import type { Services } from './services.ts'
import { createSweeper } from './sweeper.ts'

export interface Http {
  /** Opens the listener; port 0 takes a free one. With `admin`, operator routes move to a listener of their own. */
  listen(at: { readonly port: number; readonly host: string; readonly adminPort?: number | null }): Promise<void>
  /** Where it listens, once it does: `http://127.0.0.1:3000`. */
  address(): string | null
  adminAddress(): string | null
  /**
   * Stops in good order: `/readyz` fails at once, new connections are taken for `settleMs` more (until a load balancer
   * has noticed), then refused; what runs may end within `graceMs`, then each open stream gets an error frame. Where
   * nothing runs and nobody has ever asked for `/readyz`, there is nobody to notice, and no time is spent on it. Asked
   * for again while it goes on, it takes the shorter times; every promise resolves when all is over.
   */
  drain(graceMs: number, settleMs?: number): Promise<void>
  /** Stops now: every connection is cut. */
  close(): Promise<void>
  /** Requests whose response has not ended. */
  inFlight(): number
  /** The document of the API, as `GET /openapi.json` has it. */
  document(): OpenApi
}

const SWEEPS_PER_DEADLINE = 5
const CUT_MS = 1000
/** Finds a peer that vanished without a word. */
const TCP_KEEP_ALIVE_MS = 30_000

/** Makes the server. It holds no state but its connections; everything else is in the services. */
export function createHttp(services: Services): Http {
  const limits: HttpLimits = { ...HTTP_LIMITS, ...services.limits }
  const { ambient } = services
  const shortest = Math.min(limits.headersTimeoutMs, limits.commitAfterMs, limits.heartbeatMs, limits.bodyGraceMs, limits.lingerMs)
  const sweeper = createSweeper({ now: ambient.monotonic, everyMs: Math.min(1000, Math.max(10, shortest / SWEEPS_PER_DEADLINE)) })
  const live = new Roster<Exchange>()
  const connections = new Set<Connection>()
  const deadLinks = createDeadLinks({ sockets: () => waiting(connections), stallMs: limits.writeStallMs, now: ambient.monotonic })
  const date = createDate(ambient.now)
  let draining = false
  let aborted = 0

  const face = services.dialects.get('openai-chat')?.inbound
  if (!face) throw new Error('the dialect openai-chat has no inbound face')
  const metrics = createMetrics({
    inFlight: () => live.size,
    openStreams() {
      let open = 0
      live.each((x) => { if (x.nudge !== null) open++ })
      return open
    },
    aborted: () => aborted,
    load: services,
  })
  // Whoever asks for readiness is a load balancer, which needs time to take us out.
  let watched = false
  const routes = createRoutes({
    services, limits, face, metrics,
    draining() {
      watched = true
      return draining
    },
  })
  const given = { services, limits, face, live, observe: metrics.observe, left: () => { aborted++ } }

  const site = services.pages ? pageRoute(services.pages) : null

  const doorsFor = (chosen: typeof routes, pages: typeof site, at: { readonly port: number; readonly host: string }): Promise<Doors> => {
    const dispatch = createDispatch(given, createRouter(chosen), pages)
    const serving: Serving = { limits, sweeper, now: ambient.monotonic, draining: () => draining, date, ...dispatch }
    return openDoors(() => serverFor(serving), at)
  }
  // Half open: a client may shut its sending side and wait (see Connection).
  const serverFor = (serving: Serving): Server =>
    createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS }, (socket) => {
      const connection = new Connection(socket, serving)
      connections.add(connection)
      socket.on('close', () => connections.delete(connection))
    })

  let main: Doors | null = null
  let admin: Doors | null = null

  const stop = async (): Promise<void> => {
    const closing = [main?.close(), admin?.close()]
    for (const { socket } of connections) socket.destroy()
    await Promise.all(closing)
    sweeper.close()
    deadLinks.close()
    metrics.close()
  }

  let settledAt = Infinity
  let graceUntil = Infinity
  let drained: Promise<void> | null = null

  /** Waits until then, which may come nearer meanwhile, or until there is nothing to wait for. */
  const until = async (over: () => boolean, at: () => number): Promise<void> => {
    while (!over() && ambient.monotonic() < at()) await delay(Math.max(1, Math.min(50, at() - ambient.monotonic())))
  }
  const drainNow = async (): Promise<void> => {
    draining = true
    await until(() => live.size === 0 && !watched, () => settledAt)
    const gone = main?.close()
    for (const connection of connections) if (connection.idle) connection.close()
    await until(() => live.size === 0, () => graceUntil)
    const stopping = fault('shutting-down', 'The server is stopping', { metadata: { reason: 'server_shutdown' } })
    live.each((x) => x.cut?.(stopping))
    const cutUntil = ambient.monotonic() + CUT_MS
    await until(() => live.size === 0, () => cutUntil)
    await stop()
    await gone
  }

  return {
    async listen({ port, host, adminPort }) {
      const moved = adminPort !== undefined && adminPort !== null
      main = await doorsFor(moved ? routes.filter((route) => !route.moves) : routes, site, { port, host })
      if (!moved) return
      admin = await doorsFor(routes.filter((route) => route.moves || route.name === 'healthz'), null, { port: adminPort, host })
    },
    address: () => main?.address ?? null,
    adminAddress: () => admin?.address ?? null,
    drain(graceMs, settleMs = 0) {
      const now = ambient.monotonic()
      graceUntil = Math.min(graceUntil, now + graceMs)
      settledAt = Math.min(settledAt, now + settleMs, graceUntil)
      return drained ??= drainNow()
    },
    close: stop,
    inFlight: () => live.size,
    document: () => openApiOf(routes, services.version),
  }
}

/** Connections with a request that is not answered to its end. */
function* waiting(connections: Iterable<Connection>): Iterable<Connection['socket']> {
  for (const connection of connections) if (!connection.idle) yield connection.socket
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

/** The value of `Date`, made anew once a second. */
function createDate(now: () => number): () => string {
  let second = 0
  let text = ''
  return () => {
    const current = Math.floor(now() / 1000)
    if (current !== second) {
      second = current
      text = new Date(current * 1000).toUTCString()
    }
    return text
  }
}
