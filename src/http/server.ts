import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { fault, Roster } from '../core/index.ts'
import { createDispatch } from './dispatch.ts'
import { openDoors, type Doors } from './doors.ts'
import { mayRefuse, probeAfterEnd, type Exchange, type Sender } from './exchange.ts'
import { plainError } from './failure.ts'
import { HTTP_LIMITS, type HttpLimits } from './limits.ts'
import { createMetrics } from './metrics.ts'
import { openApiOf, type OpenApi } from './openapi.ts'
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

/** Makes the server. It holds no state but its connections; everything else is in the services. */
export function createHttp(services: Services): Http {
  const limits: HttpLimits = { ...HTTP_LIMITS, ...services.limits }
  const { ambient } = services
  const shortest = Math.min(limits.commitAfterMs, limits.heartbeatMs, limits.bodyGraceMs, limits.lingerMs)
  const sweeper = createSweeper({ now: ambient.monotonic, everyMs: Math.min(1000, Math.max(10, shortest / SWEEPS_PER_DEADLINE)) })
  const live = new Roster<Exchange>()
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
  const sender: Sender = {
    sweeper, lingerMs: limits.lingerMs, writeStallMs: limits.writeStallMs, now: ambient.monotonic, draining: () => draining,
  }
  // Whoever asks for readiness is a load balancer, which needs time to take us out.
  let watched = false
  const routes = createRoutes({
    services, limits, face, metrics,
    draining() {
      watched = true
      return draining
    },
  })
  const given = { services, limits, sender, face, live, observe: metrics.observe, left: () => { aborted++ } }

  const doorsFor = (chosen: typeof routes, at: { readonly port: number; readonly host: string }): Promise<Doors> => {
    const dispatch = createDispatch(given, createRouter(chosen))
    return openDoors(() => serverFor(dispatch), at)
  }
  const serverFor = (dispatch: ReturnType<typeof createDispatch>): Server => {
    const server = createServer({
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs / SWEEPS_PER_DEADLINE),
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.headerBytes,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      noDelay: true,
      insecureHTTPParser: false,
    })
    // A client may shut its sending side and wait: see probeAfterEnd. Node has this switch, its types do not.
    ;(server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true
    server.on('connection', (socket: Socket) => { socket.on('end', () => probeAfterEnd(socket)) })
    server.on('request', (req: IncomingMessage, res: ServerResponse) => dispatch(req, res, false))
    server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => dispatch(req, res, true))
    server.on('checkExpectation', (_req: IncomingMessage, res: ServerResponse) => {
      res.writeHead(417, ['Content-Type', 'application/json', 'Connection', 'close'])
      res.end(plainError(417, 'invalid_request', 'The only expectation that can be met is 100-continue'))
    })
    server.on('clientError', refuseConnection)
    return server
  }

  let main: Doors | null = null
  let admin: Doors | null = null

  const stop = async (): Promise<void> => {
    const closing = [main?.close(), admin?.close()]
    main?.cut()
    admin?.cut()
    await Promise.all(closing)
    sweeper.close()
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
      main = await doorsFor(moved ? routes.filter((route) => !route.moves) : routes, { port, host })
      if (!moved) return
      admin = await doorsFor(routes.filter((route) => route.moves || route.name === 'healthz'), { port: adminPort, host })
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

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

const REFUSALS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The head of the request is larger than 16 KiB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Content Too Large', 'The chunk extensions of the request are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not arrive in time'],
}

/** Answers what could not be read as a request: one clean error, then the connection ends. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET' || !mayRefuse(socket)) return void socket.destroy()
  const [status, reason, message] = REFUSALS[error.code ?? ''] ?? [400, 'Bad Request', 'The request is not valid HTTP/1.1']
  const body = plainError(status, 'invalid_request', message)
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
    + `Connection: close\r\n\r\n${body}`)
  // What else the client sends is read and dropped for a moment, so that the answer is not lost to a reset.
  socket.resume()
  setTimeout(() => socket.destroy(), 500).unref()
}
