import type { IncomingMessage, ServerResponse } from 'node:http'
import { fault, FaultError, type Fault, type Roster } from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'
import type { KeyRecord } from '../accounts/index.ts'
import { createRefusalGuard, isLocal, presentedKey } from './auth.ts'
import { checkBodyHead, ClientGone, readBody, SlowBody } from './body.ts'
import { attach, detach, JSON_TYPE, send, sendEmpty, type Exchange, type Sender } from './exchange.ts'
import { caught, plainError, sendFault } from './failure.ts'
import { createIds } from './ids.ts'
import type { HttpLimits } from './limits.ts'
import type { Keyed, Reply, Route } from './route.ts'
import type { Found, Router } from './router.ts'
import type { Services } from './services.ts'

export interface Dispatch {
  (req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean): void
}

export interface DispatchGiven {
  readonly services: Services
  readonly limits: HttpLimits
  readonly sender: Sender
  /** Errors of routes without a surface of their own are worded by this face. */
  readonly face: Inbound
  /** All exchanges that have not ended. */
  readonly live: Roster<Exchange>
  observe(route: Route | null, status: number, ms: number): void
  left(): void
}

/**
 * The life of a request on one listener: find its route, see who calls, read its body, let the handler answer, and
 * catch whatever goes wrong in exactly one place.
 */
export function createDispatch(given: DispatchGiven, router: Router): Dispatch {
  const { services, limits, live, face } = given
  const newId = createIds(services.ambient)
  const guard = createRefusalGuard(limits.refusedKeysPerMinute)
  const { ambient } = services

  const open = (req: IncomingMessage, res: ServerResponse, found: Found | null, awaitsContinue: boolean): Exchange => {
    const arrivedAt = ambient.monotonic()
    const x: Exchange = {
      req, res,
      params: found?.params ?? NOTHING,
      search: found?.search ?? NOTHING,
      id: found?.route.inference ? newId() : null,
      createdAt: ambient.now(),
      arrivedAt,
      startedAt: arrivedAt,
      key: null,
      body: null,
      open: found === null || found.route.policy !== 'operator',
      onGone: null, nudge: null, cut: null,
      place: -1,
      done: false,
      closing: false,
      previous: null,
      awaitsContinue,
      sender: given.sender,
    }
    attach(x)
    live.add(x)
    res.on('close', () => {
      detach(x)
      live.delete(x)
      if (!res.writableFinished) {
        given.left()
        x.onGone?.()
      }
      given.observe(found?.route ?? null, res.headersSent ? res.statusCode : 499, ambient.monotonic() - arrivedAt)
    })
    return x
  }

  /**
   * The surface in whose words a failure is told: that of the client where it says on every request whose it is, else
   * that of the route, else that of the address with another method.
   */
  const wordsFor = (x: Exchange, route: Route | null): Inbound => {
    const { headers } = x.req
    const own = headers['anthropic-version'] !== undefined ? 'anthropic-messages' : headers['x-goog-api-key'] !== undefined ? 'google-generate-content' : null
    if (own !== null) return services.dialects.get(own)?.inbound ?? face
    return (route === null ? router.faceOf(x.req.url ?? '/') : route.speaks?.face) ?? face
  }

  const refuseKey = (x: Exchange, what: Fault): Fault => {
    if (what.kind !== 'unauthenticated') return what
    const wait = guard.refused(x.req.socket.remoteAddress ?? '', ambient.monotonic())
    return wait === null ? what
      : fault('rate-limited', 'Too many refused keys from this address. Wait a minute.', { retryAfterMs: wait })
  }

  const admit = (x: Exchange, who: KeyRecord | Fault): void => {
    if ('kind' in who) throw new FaultError(refuseKey(x, who))
    x.key = who
  }

  const authenticate = (x: Exchange): void | Promise<void> => {
    const presented = presentedKey(x.req.headers)
    if (presented !== null && typeof presented === 'object') throw new FaultError(refuseKey(x, presented))
    const who = services.accounts.authenticate(presented)
    if (who instanceof Promise) return who.then((settled) => admit(x, settled))
    return admit(x, who)
  }

  /** What will be turned away is turned away unread, and without an exception: it has to cost little. */
  const knock = ({ id, settings }: KeyRecord): Fault | null =>
    services.admission?.knock({ key: id, best: settings.traffic_class ?? 'api' }) ?? null

  const serve = async (x: Exchange, route: Route): Promise<void> => {
    try {
      if (route.policy === 'key') {
        const pending = authenticate(x)
        if (pending !== undefined) await pending
      } else if (route.policy === 'operator' && !isLocal(x.req.socket.remoteAddress, x.req.headers)) {
        return sendUnknown(x)
      }
      if (route.inference === true) {
        const refused = knock(x.key!)
        if (refused !== null) return sendFault(x, face, refused)
      }
      if (route.body !== undefined) {
        checkBodyHead(x.req, limits)
        x.body = await readBody({
          req: x.req, res: x.res, limits, sweeper: x.sender.sweeper, now: ambient.monotonic, awaitsContinue: x.awaitsContinue,
        })
        x.startedAt = ambient.monotonic()
      }
      const reply = route.handle(x as Keyed)
      sendReply(x, reply instanceof Promise ? await reply : reply)
    } catch (error) {
      fail(x, error, route)
    }
  }

  const fail = (x: Exchange, error: unknown, route: Route): void => {
    if (error instanceof ClientGone) return void x.res.destroy()
    if (error instanceof SlowBody) {
      x.closing = true
      return send(x, 408, JSON_TYPE, plainError(408, 'invalid_request', error.message))
    }
    const what = caught(error, services.log, { route: route.name, generation: x.id })
    if (!x.res.headersSent) return sendFault(x, wordsFor(x, route), what)
    // A handler that fails after it began to write can only be cut: half an answer must not look like a whole one.
    x.res.destroy()
  }

  const sendUnknown = (x: Exchange): void => {
    const method = x.req.method ?? 'GET'
    const url = (x.req.url ?? '/').replace(/[?#].*$/s, '')
    const near = router.near(method, url)
    const hint = near.length === 0 ? 'GET /openapi.json lists them all.' : `Near it: ${near.join(', ')}.`
    sendFault(x, wordsFor(x, null), fault('not-found', `There is no route ${method} ${url.slice(0, 200)}. ${hint}`))
  }

  const sendOther = (x: Exchange, methods: readonly string[]): void => {
    if (x.req.method === 'OPTIONS') return sendEmpty(x, 204, ['Allow', methods.join(', '), ...preflight(x.req, methods)])
    sendFault(x, wordsFor(x, null), fault('method-not-allowed', `This address takes ${methods.join(', ')}, not ${x.req.method}`), ['Allow', methods.join(', ')])
  }

  return (req, res, awaitsContinue) => {
    const url = req.url ?? '/'
    const found = router.find(req.method ?? 'GET', url)
    const x = open(req, res, found, awaitsContinue)
    if (found !== null) return void serve(x, found.route)
    const methods = router.methods(url)
    if (methods.length === 0) sendUnknown(x)
    else sendOther(x, methods)
  }
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({})

/** The headers that a browser asks for; echoed, since `*` does not cover Authorization and SDKs send many of their own. */
const HEADER_NAMES = /^[\w-]{1,80}(?:\s*,\s*[\w-]{1,80}){0,63}$/

function preflight(req: IncomingMessage, methods: readonly string[]): string[] {
  if (req.headers['access-control-request-method'] === undefined) return []
  const wanted = req.headers['access-control-request-headers'] ?? ''
  return [
    'Access-Control-Allow-Methods', methods.join(', '),
    'Access-Control-Allow-Headers', HEADER_NAMES.test(wanted) ? wanted : 'Authorization, Content-Type, X-API-Key',
    'Access-Control-Max-Age', '86400',
  ]
}

function sendReply(x: Exchange, reply: Reply): void {
  if (reply === undefined) return
  const status = reply.status ?? 200
  if (status === 304) return sendEmpty(x, 304, reply.headers ?? [])
  if ('json' in reply) return send(x, status, JSON_TYPE, JSON.stringify(reply.json), reply.headers)
  send(x, status, reply.type ?? JSON_TYPE, reply.text, reply.headers)
}

