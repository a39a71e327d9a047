import { isUtf8 } from 'node:buffer'
import type { Changed, Decoder, Outbound, Outgoing, Target } from '../dialects/index.ts'
import { fault, FaultError, faultOf, type ChatEvent, type ChatRequest, type Departure, type Endpoint, type Fault, type Operation } from '../core/index.ts'
import type { GuardedFetch, Net, OutboundResponse } from '../net/index.ts'
import type { Authoriser, LocalProvider } from '../providers/index.ts'
import { inlined, mediaBytes, type Downloads } from './inline.ts'
import { LARGE_BYTES, LARGE_VECTORS } from './large.ts'

/** Where the events of one attempt come from, read by read. */
export interface Source {
  /** The events that the next read completes, maybe none; null at the end. Rejects with a FaultError. */
  next(): Promise<readonly ChatEvent[] | null>
  /**
   * What is left to say when no more can be read: where the answer had given its reason to end, only counts and the end
   * mark are missing. Null where it had not.
   */
  conclude(): readonly ChatEvent[] | null
  /** What was heard and not yet said, when nothing more shall be read: what the provider counted so far, where it does early. */
  rest(): readonly ChatEvent[]
  /** It has given its reason to end. */
  readonly finished: boolean
  /** Ends it at once. Safe at any time and more than once. */
  abort(): void
  /** Nothing will come any more: the next read is the end. */
  readonly ended: boolean
  readonly status: number | null
}

/** The longest body that a provider may send in one piece, and the longest error that is read. */
const MAX_WHOLE_BYTES = 64 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024
/** How long the rest of a stream may take after its end mark, so that its socket can be used again. */
const TAIL_MS = 1000

/** An endpoint with what a request needs to get there and back, whatever is asked. */
export interface Door {
  readonly net: Net
  readonly target: Target
  readonly headers: readonly string[]
  /** Where each request is signed, or its token expires; null where `headers` do. */
  readonly authoriser: Authoriser | null
  readonly connectMs: number
  readonly download: GuardedFetch
  readonly downloads: () => Downloads
  readonly control: (abort: () => boolean) => void
  /** Writes a request that became large by what was fetched for it; null where the face may. */
  readonly writeLarge?: ((request: Operation['request']) => Promise<Outgoing | { readonly fault: Fault }>) | null
  /** Reads a whole answer that is too large for the event loop; null where none is. */
  readonly readLarge?: ((body: Uint8Array) => Promise<readonly ChatEvent[]>) | null
  /** Sees what is about to be sent; a fault keeps it here. */
  readonly check?: ((outgoing: Outgoing) => Fault | null) | null
}

/** What a provider's answer to a request came to: events to read, or a fault with what is known of it. */
export type Opened =
  | { readonly source: Source; readonly dropped: readonly string[]; readonly changed?: readonly Changed[] | undefined; readonly prompted?: readonly string[] }
  | { readonly fault: Fault; readonly status: number | null }

/**
 * Sends a request and reads the answer's head. `write` writes it in the place of the face, null where the face itself
 * may; `reword` says in other words what the endpoint would not be told. Resolves; what goes wrong is a fault in the result.
 */
export async function openUpstream<Request extends Operation['request']>(
  door: Door, outbound: Outbound<Request>, asked: Request, write: ((request: Request) => Promise<Outgoing | { readonly fault: Fault }>) | null,
  reword: ((request: Request, dropped: readonly string[]) => Request | null) | null,
): Promise<Opened> {
  const { target } = door
  let request = asked
  let writer = write
  if (outbound.fetches) {
    try {
      request = await inlined(request, outbound, target, door.download, door.downloads())
    } catch (error) {
      return { fault: faultOf(error), status: null }
    }
    if (writer === null && door.writeLarge && request !== asked && mediaBytes(request) > LARGE_BYTES) writer = door.writeLarge
  }
  let outgoing = writer === null ? outbound.encode(request, target) : await writer(request)
  if ('fault' in outgoing) return { fault: outgoing.fault, status: null }
  const said = reword === null ? null : reword(request, outgoing.dropped)
  const prompted = said === null ? NOTHING : FORMAT
  if (said !== null) {
    outgoing = writer === null ? outbound.encode(said, target) : await writer(said)
    if ('fault' in outgoing) return { fault: outgoing.fault, status: null }
  }
  const refusal = door.check ? door.check(outgoing) : null
  if (refusal) return { fault: refusal, status: null }
  let response: OutboundResponse
  try {
    response = await send(door, outbound, outgoing)
    // A token that was revoked before its time, or a clock that is off: once more with a new one.
    if (response.status === 401 && door.authoriser?.refused()) {
      response.abort()
      response = await send(door, outbound, outgoing)
    }
  } catch (error) {
    return { fault: faultOf(error), status: null }
  }
  const { status } = response
  try {
    if (status === 200 && !response.headers['content-encoding'] && target.stream && !isWhole(response)) {
      return { source: new StreamSource(response, outbound.decoder(target)), dropped: outgoing.dropped, changed: outgoing.changed, prompted }
    }
    if (status === 200 && !response.headers['content-encoding']) {
      const body = await readAll(response, MAX_WHOLE_BYTES)
      if (!isUtf8(body)) return { fault: fault('invalid-response', 'The provider sent bytes that are no UTF-8', { upstream: { status } }), status }
      const events = door.readLarge && body.length > LARGE_VECTORS ? await door.readLarge(body) : outbound.decodeReply(body, target)
      return { source: new WholeSource(events, response), dropped: outgoing.dropped, changed: outgoing.changed, prompted }
    }
    const body = await readAll(response, MAX_ERROR_BYTES, 'cut')
    return { fault: outbound.decodeFault(status, response.headers, body, target), status }
  } catch (error) {
    response.abort()
    return { fault: faultOf(error), status }
  }
}

function send(door: Door, outbound: Pick<Outbound, 'listHeaders'>, outgoing: Outgoing): Promise<OutboundResponse> {
  const { target, authoriser } = door
  const url = urlOf(target.endpoint.baseUrl!, outgoing.path)
  const headers = headersFor(target, outbound, outgoing.headers, door.headers)
  if (authoriser) return authorised(door, authoriser, url, headers, outgoing)
  return door.net.send({ url, method: 'POST', headers, body: outgoing.body, connectMs: door.connectMs, control: door.control })
}

async function authorised(
  door: Door, authoriser: Authoriser, url: string, plain: readonly string[], { body }: Outgoing,
): Promise<OutboundResponse> {
  const headers = [...plain, ...await authoriser.headers({ method: 'POST', url, body })]
  return door.net.send({ url, method: 'POST', headers, body, connectMs: door.connectMs, control: door.control })
}

/** The path behind the address; what an address has as its query (Azure's api-version) stays at the end. */
function urlOf(baseUrl: string, path: string): string {
  const at = baseUrl.indexOf('?')
  if (at < 0) return baseUrl + path
  return `${baseUrl.slice(0, at)}${path}${path.includes('?') ? '&' : '?'}${baseUrl.slice(at + 1)}`
}

const NOTHING: readonly never[] = Object.freeze([])
/** What was said in the prompt, in the name of its parameter. */
const FORMAT: readonly string[] = Object.freeze(['response_format'])

/** The source of a provider that answers in this process. */
export function openLocal(local: LocalProvider, request: ChatRequest, target: Target, departure: Departure): Source {
  const iterator = local.stream(request, target.endpoint, departure)[Symbol.asyncIterator]()
  return {
    status: 200,
    ended: false,
    finished: false,
    conclude: () => null,
    rest: () => NOTHING_MORE,
    abort() {},
    async next() {
      const result = await iterator.next()
      return result.done ? null : result.value
    },
  }
}

const NOTHING_MORE: readonly ChatEvent[] = Object.freeze([])

/** Some providers answer a streaming request with one JSON body, mostly an error with status 200. */
function isWhole(response: OutboundResponse): boolean {
  const type = response.headers['content-type']
  return typeof type === 'string' && /^(application\/json|text\/html)/i.test(type)
}

/**
 * A source that has told everything lets go of it. Something of a call that V8 took for old keeps what came after it until
 * the next full collection, sources among it; with the text of a whole read on each, a stream of fifty events left 22 KB of
 * old garbage behind, and leaves 8 (a whole answer in one read: 20, and 2).
 */
class StreamSource implements Source {
  ended = false
  readonly #response: OutboundResponse
  /** Null once it has ended. */
  #decoder: Decoder | null
  #finished = false
  constructor(response: OutboundResponse, decoder: Decoder) {
    this.#response = response
    this.#decoder = decoder
  }

  get finished(): boolean {
    return this.#decoder === null ? this.#finished : this.#decoder.finished === true
  }

  conclude(): readonly ChatEvent[] | null {
    return this.finished ? this.rest() : null
  }

  rest(): readonly ChatEvent[] {
    const decoder = this.#decoder
    if (decoder === null) return NOTHING_MORE
    this.ended = true
    this.#decoder = null
    const last = decoder.end()
    this.#finished = decoder.finished === true
    return last
  }

  get status(): number {
    return this.#response.status
  }

  abort(): void {
    this.#response.abort()
  }

  async next(): Promise<readonly ChatEvent[] | null> {
    if (this.ended) return null
    const bytes = await this.#response.read()
    const decoder = this.#decoder
    if (bytes === null || decoder === null) return this.rest()
    const events = decoder.push(bytes)
    if (!decoder.done) return events
    // Mostly the end came in the same read as the end mark.
    if (!this.#response.over) drain(this.#response)
    const last = this.rest()
    return last.length > 0 ? [...events, ...last] : events
  }
}

class WholeSource implements Source {
  ended = false
  readonly finished = false
  /** None once they were told. */
  #events: readonly ChatEvent[]
  readonly #response: OutboundResponse
  constructor(events: readonly ChatEvent[], response: OutboundResponse) {
    this.#events = events
    this.#response = response
  }

  get status(): number {
    return this.#response.status
  }

  abort(): void {
    this.#response.abort()
  }

  conclude(): null {
    return null
  }

  rest(): readonly ChatEvent[] {
    return this.#events
  }

  next(): Promise<readonly ChatEvent[] | null> {
    if (this.ended) return Promise.resolve(null)
    this.ended = true
    const events = this.#events
    this.#events = NOTHING_MORE
    return Promise.resolve(events)
  }
}

/** Reads what follows the end mark, mostly nothing, so that the connection can serve the next call. */
function drain(response: OutboundResponse): void {
  const timer = setTimeout(response.abort, TAIL_MS)
  const step = (): void => {
    response.read().then((bytes) => bytes === null ? clearTimeout(timer) : step(), () => clearTimeout(timer))
  }
  step()
}

async function readAll(response: OutboundResponse, max: number, beyond: 'cut' | 'refuse' = 'refuse'): Promise<Uint8Array> {
  let first: Uint8Array | null = null
  let more: Uint8Array[] | null = null
  let length = 0
  for (;;) {
    const chunk = await response.read()
    if (chunk === null) break
    length += chunk.length
    if (length > max) {
      response.abort()
      if (beyond === 'refuse') throw new FaultError(fault('invalid-response', "The provider's answer was too large"))
      break
    }
    if (first === null) first = chunk
    else (more ??= [first]).push(chunk)
  }
  return more ? Buffer.concat(more) : first ?? EMPTY
}

const EMPTY = new Uint8Array(0)

/**
 * What the face asks for, under what the catalogue forces, under what the provider's row and the operator set. They
 * are the same for almost every call of an endpoint, so the last are kept with it.
 */
function headersFor(
  target: Target, outbound: Pick<Outbound, 'listHeaders'>, own: Readonly<Record<string, string>>, credential: readonly string[],
): readonly string[] {
  const { endpoint, stream } = target
  const known = LAST_HEADERS.get(endpoint)
  if (known && known.credential === credential && known.stream === stream && sameHeaders(known.own, own)) return known.headers
  const headers = ['content-type', 'application/json', 'accept', stream ? 'text/event-stream' : 'application/json']
  const put = (name: string, value: string): void => {
    const at = headers.indexOf(name)
    if (at < 0 || at % 2 === 1) headers.push(name, value)
    else if (outbound.listHeaders?.includes(name)) headers[at + 1] += `,${value}`
    else headers[at + 1] = value
  }
  for (const name in own) put(name, own[name]!)
  const forced = endpoint.forcedHeaders
  if (forced) for (const name in forced) put(name.toLowerCase(), forced[name]!)
  for (let i = 0; i < credential.length; i += 2) put(credential[i]!, credential[i + 1]!)
  LAST_HEADERS.set(endpoint, { own, credential, stream, headers })
  return headers
}

/** A memo by immutable values: it can be forgotten at any time and nothing changes. */
const LAST_HEADERS = new WeakMap<Endpoint, {
  readonly own: Readonly<Record<string, string>>
  readonly credential: readonly string[]
  readonly stream: boolean
  readonly headers: readonly string[]
}>()

function sameHeaders(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  for (const name in a) if (a[name] !== b[name]) return false
  for (const name in b) if (a[name] === undefined) return false
  return true
}
