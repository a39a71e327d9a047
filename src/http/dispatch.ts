import { fault, FaultError, type Fault, type Roster } from '../core/index.ts'
import type { Inbound } from '../dialects/index.ts'
import type { RequestHeaders } from '../http1/index.ts'
import type { KeyRecord } from '../accounts/index.ts'
import { createRefusalGuard, isLocal, presentedKey } from './auth.ts'
import { checkBodyHead, checkFormHead, ClientGone, readBody, SlowBody } from './body.ts'
import { JSON_TYPE, send, sendEmpty, type Exchange } from './exchange.ts'
import { caught, plainError, sendFault } from './failure.ts'
import { createIds } from './ids.ts'
import type { HttpLimits } from './limits.ts'
import { mayBePage } from './page.ts'
import { createRefusals } from './refusals.ts'
import type { Keyed, Reply, Route } from './route.ts'
import type { Found, Router } from './router.ts'
import type { Services } from './services.ts'
import { asksForSocket } from './websocket.ts'

export interface Dispatch {
  /** Answers a request whose head is there. */
  request(x: Exchange): void
  /** Hears that a response has ended. */
  closed(x: Exchange, delivered: boolean): void
}

export interface DispatchGiven {
  readonly services: Services
  readonly limits: HttpLimits
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
export function createDispatch(given: DispatchGiven, router: Router, site: Route | null = null): Dispatch {
  const { services, limits, live, face } = given
  const newId = createIds(services.ambient)
  const guard = createRefusalGuard(limits.refusedKeysPerMinute)
  const turnAway = createRefusals()
  const { ambient } = services

  const open = (x: Exchange, found: Found | null): void => {
    x.arrivedAt = x.startedAt = ambient.monotonic()
    x.createdAt = ambient.now()
    if (found !== null) {
      x.route = found.route
      x.params = found.params
      x.search = found.search
      if (found.route.inference) x.id = newId()
      x.open = found.route.policy !== 'operator' && found.route.ownOrigin === undefined
    }
    live.add(x)
  }

  /**
   * The surface in whose words a failure is told: that of the client where it says on every request whose it is, else
   * that of the route, else that of the address with another method.
   */
  const wordsFor = (x: Exchange, route: Route | null): Inbound => {
    const { headers } = x
    const own = headers['anthropic-version'] !== undefined ? 'anthropic-messages' : headers['x-goog-api-key'] !== undefined ? 'google-generate-content' : null
    if (own !== null) return services.dialects.get(own)?.inbound ?? face
    return (route === null ? router.faceOf(x.target) : route.speaks?.face) ?? face
  }

  const refuseKey = (x: Exchange, what: Fault): Fault => {
    if (what.kind !== 'unauthenticated') return what
    const wait = guard.refused(x.remoteAddress ?? '', ambient.monotonic())
    return wait === null ? what
      : fault('rate-limited', 'Too many refused keys from this address. Wait a minute.', { retryAfterMs: wait })
  }

  const admit = (x: Exchange, who: KeyRecord | Fault): void => {
    if ('kind' in who) throw new FaultError(refuseKey(x, who))
    x.key = who
  }

  const authenticate = (x: Exchange): void | Promise<void> => {
    const presented = presentedKey(x.headers)
    if (presented !== null && typeof presented === 'object') throw new FaultError(refuseKey(x, presented))
    const who = services.accounts.authenticate(presented)
    if (who instanceof Promise) return who.then((settled) => admit(x, settled))
    return admit(x, who)
  }

  /**
   * What will be turned away is turned away unread, and without an exception: it has to cost little. What is let in may have
   * to wait for its turn.
   */
  const knock = ({ id, settings }: KeyRecord): Fault | null | Promise<Fault | null> => {
    const { admission } = services
    if (admission === undefined) return null
    const caller = { key: id, best: settings.traffic_class ?? 'api' }
    return admission.knock(caller) ?? admission.turn(caller)
  }

  const serve = async (x: Exchange, route: Route): Promise<void> => {
    try {
      if (route.policy === 'key') {
        const pending = authenticate(x)
        if (pending !== undefined) await pending
      } else if (route.policy === 'operator' && !isLocal(x.remoteAddress, x.headers)) {
        return sendUnknown(x)
      }
      if (route.inference === true) {
        const knocking = knock(x.key!)
        const refused = knocking instanceof Promise ? await knocking : knocking
        if (refused !== null) return turnAway(x, wordsFor(x, route), refused)
        if (x.unreachable) return
      }
      if (route.body !== undefined || route.form === true) {
        if (route.form === true) checkFormHead(x.headers)
        else checkBodyHead(x.headers, limits)
        const body = readBody(x)
        x.body = body instanceof Promise ? await body : body
        x.startedAt = ambient.monotonic()
      }
      const reply = route.handle(x as Keyed)
      sendReply(x, reply instanceof Promise ? await reply : reply)
    } catch (error) {
      fail(x, error, route)
    }
  }

  const fail = (x: Exchange, error: unknown, route: Route): void => {
    if (route === site && error instanceof FaultError && error.fault.kind === 'not-found') return sendUnknown(x)
    if (error instanceof ClientGone) return x.destroy()
    if (error instanceof SlowBody) {
      x.closing = true
      return send(x, 408, JSON_TYPE, plainError(408, 'invalid_request', error.message))
    }
    const what = caught(error, services.log, { route: route.name, generation: x.id })
    if (x.status === 0) return sendFault(x, wordsFor(x, route), what)
    // A handler that fails after it began to write can only be cut: half an answer must not look like a whole one.
    x.destroy()
  }

  const sendUnknown = (x: Exchange): void => {
    const { method } = x
    const url = x.target.replace(/[?#].*$/s, '')
    const near = router.near(method, url)
    const hint = near.length === 0 ? 'GET /openapi.json lists them all.' : `Near it: ${near.join(', ')}.`
    sendFault(x, wordsFor(x, null), fault('not-found', `There is no route ${method} ${url.slice(0, 200)}. ${hint}`))
  }

  const sendOther = (x: Exchange, methods: readonly string[]): void => {
    if (x.method === 'OPTIONS') return sendEmpty(x, 204, ['Allow', methods.join(', '), ...preflight(x.headers, methods)])
    sendFault(x, wordsFor(x, null), fault('method-not-allowed', `This address takes ${methods.join(', ')}, not ${x.method}`), ['Allow', methods.join(', ')])
  }

  const page: Found | null = site && { route: site, params: {}, search: {} }

  return {
    request(x) {
      const found = router.find(x.method, x.target) ?? (page !== null && mayBePage(x.method, x.target) ? page : null)
      open(x, found)
      if (found !== null) {
        if (x.talk === null && found.route.socket !== true && asksForSocket(x)) return sendFault(x, wordsFor(x, found.route), NO_SOCKET)
        return void serve(x, found.route)
      }
      const methods = router.methods(x.target)
      if (methods.length === 0) sendUnknown(x)
      else sendOther(x, methods)
    },
    closed(x, delivered) {
      live.delete(x)
      if (!delivered) {
        given.left()
        x.onGone?.()
      }
      given.observe(x.route, x.status === 0 ? 499 : x.status, ambient.monotonic() - x.arrivedAt)
    },
  }
}

/** What else would be a page or a list is no answer to whoever wants to talk. */
const NO_SOCKET = fault('invalid-request', 'upgrade: this address opens no WebSocket; GET /v1/responses does', { field: 'upgrade' })

/** The headers that a browser asks for; echoed, since `*` does not cover Authorization and SDKs send many of their own. */
const HEADER_NAMES = /^[\w-]{1,80}(?:\s*,\s*[\w-]{1,80}){0,63}$/

function preflight(headers: RequestHeaders, methods: readonly string[]): string[] {
  if (headers['access-control-request-method'] === undefined) return []
  const wanted = headers['access-control-request-headers'] ?? ''
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

