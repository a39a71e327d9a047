import { asksForChat, collect, Departure, fault, FaultError, type Asked, type Chat, type Fault, type Operation, type Preferences } from '../core/index.ts'
import { parseBody, type Inbound, type Voice } from '../dialects/index.ts'
import { LARGE_BYTES, type Call, type LargeBodies, type LargeBody, type Outcome } from '../gateway/index.ts'
import type { Presets } from '../presets/index.ts'
import { attributionOf, wantsMetadata } from './attribution.ts'
import { cacheWish, fromCache, mayKeep } from './cached.ts'
import { JSON_TYPE, send } from './exchange.ts'
import { masked, sendFault } from './failure.ts'
import type { HttpLimits } from './limits.ts'
import { tighten, withSlugs, type KeyReader } from './preferences.ts'
import type { Keyed } from './route.ts'
import type { Services } from './services.ts'
import { answerStream } from './stream.ts'

/** The JSON of a request's body. Throws a FaultError that says where it is none. */
export function bodyOf(x: Keyed): unknown {
  const parsed = parseBody(x.body!)
  if ('fault' in parsed) throw new FaultError(parsed.fault)
  return parsed.value
}

/**
 * Reads what a body asks, with the preset that it names and under the settings of its key and workspace; `bytes` are those of the body where it is the
 * whole of it. Throws FaultErrors that name the field at fault.
 */
export function askedOf<O extends Operation>(
  x: Keyed, face: Inbound<O>, { services, keyPreferences }: Pick<SurfaceGiven, 'services' | 'keyPreferences'>, body: unknown, bytes?: Uint8Array,
): Asked<O> {
  const decoded = face.decode(body, bytes, x.headers)
  if ('fault' in decoded) throw new FaultError(decoded.fault)
  return underKey(x, keyPreferences, services, decoded.asked)
}

/**
 * A preset fills in before the settings of the key tighten: what it says of routing is its caller's wish like any other.
 */
function underKey<O extends Operation>(x: Keyed, keyPreferences: KeyReader, { catalog, presets }: Services, read: Asked<O>): Asked<O> {
  const { settings } = x.key
  const whole = presets ? filledIn(presets, x.key.workspace, read) : read
  const heard = inTools(inSession(whole, x.headers['x-session-id']), x.headers)
  const asked = heard.echo && settings.echo_upstream_body === false ? { ...heard, echo: false } : heard
  const tightened = tighten(withSlugs(asked.preferences, catalog.snapshot()), keyPreferences(x.key))
  const preferences = tightened.hedge === undefined || settings.allow_hedge === true ? tightened : withoutHedge(tightened, asked.preferences)
  const held = preferences === asked.preferences ? asked : { ...asked, preferences }
  return settings.moderation === true ? { ...held, moderated: true } : held
}

/** What only a conversation can name is filled in only there. */
function filledIn<O extends Operation>(presets: Presets, workspace: string, read: Asked<O>): Asked<O> {
  const asked: Asked<Operation> = read
  return asksForChat(asked) ? presets.fill(workspace, asked) as Asked<Operation> as Asked<O> : read
}

/**
 * The preferences under a key that may not have second attempts at its cost. Who asks for one is refused; who asks for
 * nothing, and has the wish from settings, is served without.
 */
function withoutHedge(tightened: Preferences, asked: Preferences): Preferences {
  if (asked.hedge === true) {
    throw new FaultError(fault('forbidden', 'provider.hedge: a second attempt costs as much again, and the settings of this key do not permit it (allow_hedge)', {
      field: 'provider.hedge', metadata: { setting: 'allow_hedge' },
    }))
  }
  if (tightened.hedge !== true) return tightened
  const { hedge: _, ...rest } = tightened
  return rest
}

/** OpenRouter's guards against tools that ask models which have the same tool. */
const DEPTHS = { advisor: 'x-openrouter-advisor-depth', fusion: 'x-openrouter-fusion-depth' } as const

/** A call that its headers say is made for a server tool does not have that tool; what is no number counts as inside. */
function inTools<O extends Operation>(asked: Asked<O>, headers: Keyed['headers']): Asked<O> {
  if (headers[DEPTHS.advisor] === undefined && headers[DEPTHS.fusion] === undefined) return asked
  const inside = (Object.keys(DEPTHS) as (keyof typeof DEPTHS)[]).filter((name) => !/^0*$/.test(String(headers[DEPTHS[name]] ?? '').trim()))
  return inside.length === 0 ? asked : { ...asked, inside }
}

const SESSION_LENGTH = 256

/** A request that names no session is of the one that its header names (OpenRouter's `x-session-id`, at most 256 characters). */
function inSession<O extends Operation>(asked: Asked<O>, header: string | string[] | undefined): Asked<O> {
  const { request } = asked.operation
  if (header === undefined || request.session !== undefined) return asked
  const session = String(header)
  if (session.length > SESSION_LENGTH) {
    throw new FaultError(fault('invalid-request', `x-session-id: must have at most ${SESSION_LENGTH} characters, has ${session.length}`, { field: 'x-session-id' }))
  }
  return session === '' ? asked : { ...asked, operation: { ...asked.operation, request: { ...request, session } } }
}

/** What every surface is made with. */
export interface SurfaceGiven {
  readonly services: Services
  readonly limits: HttpLimits
  readonly keyPreferences: KeyReader
}

/**
 * A surface: a dialect that callers may speak, as the handler of a route. It reads the body, has the gateway carry the
 * call out, and answers with JSON or a stream. Its promise ends with the call, not with the response. A dialect whose
 * address says part of the request makes its face from it.
 */
export function createSurface(given: SurfaceGiven, spoken: Inbound | ((x: Keyed) => Inbound)): (x: Keyed) => Promise<void> {
  return (x) => {
    const face = typeof spoken === 'function' ? spoken(x) : spoken
    const { large } = given.services
    if (large !== undefined && x.body!.length > LARGE_BYTES) return answerLarge(given, face, x, large)
    return answer(given, face, x, askedOf(x, face, given, bodyOf(x), x.body!))
  }
}

async function answerLarge(given: SurfaceGiven, face: Inbound, x: Keyed, bodies: Pick<LargeBodies, 'read'>): Promise<void> {
  const { asked, ...arrived } = await readLarge(given, face, x, bodies)
  return answer(given, face, x, asked, undefined, arrived)
}

/**
 * The same for operations whose bodies are lists that can be sent in pieces: those that would hold the event loop up are
 * refused. No answer is streamed.
 */
export function createListSurface<O extends Exclude<Operation, Chat>>(given: SurfaceGiven, face: Inbound<O>): (x: Keyed) => Promise<void> {
  return (x) => {
    if (x.body!.length > LARGE_BYTES) {
      throw new FaultError(fault('payload-too-large', `The body has ${x.body!.length} bytes; a request here has at most ${LARGE_BYTES}: send its list in several`))
    }
    return answer(given, face, x, askedOf(x, face, given, bodyOf(x)))
  }
}

/** As `askedOf`, in a thread, which also writes the request: a body of many megabytes would hold the event loop up. */
export async function readLarge(
  given: Pick<SurfaceGiven, 'services' | 'keyPreferences'>, face: Inbound, x: Keyed, bodies: Pick<LargeBodies, 'read'>,
): Promise<Arrived & { readonly asked: Asked }> {
  const departure = new Departure()
  x.onGone = () => departure.leave()
  const read = await bodies.read(x.body!, face, x.headers, departure)
  if ('fault' in read) throw new FaultError(read.fault)
  return { asked: underKey(x, given.keyPreferences, given.services, read.asked), departure, large: read.large }
}

export interface Arrived {
  readonly departure: Departure
  /** Where the body was read by a thread. */
  readonly large: LargeBody | null
}

/** What a surface does once it knows what is asked. `follow` may stand between the gateway and the caller. */
export function answer(
  { services, limits }: SurfaceGiven, face: Voice, x: Keyed, asked: Asked<Operation>, follow?: (calling: Promise<Outcome>) => Promise<Outcome>,
  { departure, large }: Arrived = { departure: new Departure(), large: null },
): Promise<void> {
  const call = callOf(face, x, asked, { departure, large }, follow !== undefined)
  const abort = () => departure.leave()
  const withMetadata = wantsMetadata(x.headers)
  const { answers } = services
  // What is kept from turn to turn has to be made: an answer of before is another response.
  const wish = answers?.enabled !== true || follow !== undefined || large !== null ? null : cacheWish(x.headers, asked.cache)
  const generating = wish !== null && asksForChat(asked) && mayKeep(asked) ? fromCache(x, call, wish, { ...services, answers: answers! }) : services.gateway.generate(call)
  const calling = follow ? follow(generating) : generating
  if (asked.stream) {
    return answerStream({
      x, face, asked, limits, log: services.log, heartbeats: asked.heartbeats ?? x.key.settings.heartbeats !== false, withMetadata, abort,
    }, calling)
  }
  x.onGone = abort
  x.cut = cutterOf(x, face, abort)
  return answerWhole(x, face, calling, withMetadata)
}

/** The call that a request is; `kept` when its answer is for its caller alone. It knows nothing of the exchange, which may be over before it is. */
export function callOf(face: Voice, x: Keyed, asked: Asked<Operation>, { departure, large }: Arrived, kept: boolean): Call {
  return {
    id: x.id!,
    createdAt: x.createdAt,
    startedAt: x.startedAt,
    asked,
    surface: face.dialect,
    key: { id: x.key.id, workspace: x.key.workspace, trafficClass: x.key.settings.traffic_class ?? 'api' },
    app: attributionOf(x.headers),
    departure,
    large,
    kept,
  }
}

/**
 * Made here and not where it is set: a closure there would put the whole exchange into the scope that the call's
 * abort hangs on, and V8 then promoted half of all garbage (measured: 50 µs a request in the place of 35).
 */
function cutterOf(x: Keyed, face: Voice, abort: () => void): (what: Fault) => void {
  return (what) => {
    sendFault(x, face, what)
    abort()
  }
}

async function answerWhole(x: Keyed, face: Voice, calling: Promise<Outcome>, withMetadata: boolean): Promise<void> {
  const outcome = await calling
  if ('fault' in outcome) return sendFault(x, face, masked(outcome.fault), [], withMetadata ? outcome.metadata() : undefined)
  const reply = await collect(outcome.events)
  const { status, body } = face.reply(reply, outcome.meta, withMetadata ? outcome.metadata() ?? undefined : undefined)
  send(x, status, JSON_TYPE, body)
}
