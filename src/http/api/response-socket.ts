import { LRUCache } from 'lru-cache'
import type { WebSocket } from 'ws'
import { fault, type Fault } from '../../core/index.ts'
import { parseBody, type Inbound } from '../../dialects/index.ts'
import { contextOf, type Item } from '../../responses/index.ts'
import type { Guest } from '../connection.ts'
import { Exchange } from '../exchange.ts'
import type { HttpLimits } from '../limits.ts'
import { api, type Keyed, type Route } from '../route.ts'
import type { SurfaceGiven } from '../surface.ts'
import { createHandshake } from '../websocket.ts'
import { bad, isBody, speaksOf, type Body } from './responses.ts'

/**
 * Responses over a WebSocket, as OpenAI's clients speak it: each message of the client is a request, each of ours an event
 * of an answer. A request is served as if it had been posted (its key, its place, its record), only that it may go on from
 * any answer of the same connection, kept or not.
 */
export function responseSocketRoutes({ services, limits }: SurfaceGiven): readonly Route[] {
  const face = services.dialects.get('openai-responses')?.inbound
  if (!face || !services.responses) return []
  const shake = createHandshake({ ...limits, messageBytes: Math.min(limits.messageBytes, limits.bodyBytes) })
  let opened = 0
  const remembered: Remembered = new LRUCache({
    maxSize: REMEMBERED_BYTES, maxEntrySize: limits.bodyBytes, sizeCalculation: ({ bytes }) => bytes,
  })
  return [{
    name: 'connectResponses', methods: ['GET'], paths: api('/responses'), tag: 'Responses', policy: 'key', socket: true, speaks: speaksOf(face),
    summary: 'A WebSocket: `response.create` messages with the fields of POST are answered with the events of its stream, one after the other',
    replies: { 101: { description: 'The connection is a WebSocket from now on' } },
    errors: ['invalid-request'],
    handle(x: Keyed) {
      shake(x, (socket) => new ResponseSocket(socket, x, { face, limits, remembered, place: opened++ }))
    },
  }]
}

/** What all connections together remember of unkept answers; the oldest are forgotten first. */
const REMEMBERED_BYTES = 256 * 1024 * 1024
/** Answers that one connection remembers: the last, and some before it that a client may go back to. */
const REMEMBERED = 16
/** Lanes (`stream_id`) of a connection that are answered at the same time. */
const MAX_LANES = 8
/** Requests that wait on a connection for those before them. */
const MAX_WAITING = 32
/** A client that leaves so much of what it is refused with unread is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024
const LANE = /^[A-Za-z0-9_.-]{1,256}$/

const CLOSE = { away: 1001, policy: 1008, failed: 1011 } as const
/** A ping or pong of a client: two bytes of head, four of mask. */
const CONTROL_BYTES = 6

/** An answer that is not kept, with what was said before it. */
interface Answer {
  readonly items: readonly Item[]
  /** The event that it ended with, as JSON: read only when somebody goes on from it. */
  readonly end: string
  /** Of everything that was said up to here. */
  readonly bytes: number
}

/** By connection and id. */
type Remembered = LRUCache<string, Answer>

interface Message {
  readonly body: Body
  readonly prepares: boolean
  readonly bytes: number
}

interface Lane {
  running: Turn | null
  readonly waiting: Message[]
}

interface SocketGiven {
  readonly face: Inbound
  readonly limits: HttpLimits
  readonly remembered: Remembered
  /** Of the connection, among all that are remembered for. */
  readonly place: number
}

/** One request that came as a message, and its answer. */
class Turn extends Exchange {
  readonly lane: string
  /** What it was asked with all that it goes on from, once that is known. */
  asked: { readonly items: readonly Item[]; readonly bytes: number } | null = null
  private readonly socket: ResponseSocket
  private head = ''

  constructor(opened: Exchange, socket: ResponseSocket, lane: string) {
    const { connection, serving, target, headers } = opened
    // Without chunks, which are HTTP/1.1's.
    super(connection, serving, { method: 'POST', target, headers, minorVersion: 0, reusable: true })
    this.complete = true
    this.socket = socket
    this.lane = lane
  }

  override get unreachable(): boolean {
    return this.over || !this.socket.open
  }

  override begin(status: number, lines: string): void {
    this.status = status
    this.head = lines
  }

  override flush(): void {}

  override write(text: string): boolean {
    this.socket.say(this, text)
    return !this.connection.socket.writableNeedDrain
  }

  override end(body: string | Uint8Array): void {
    this.ended = true
    const text = String(body)
    if (this.status === 200) this.socket.say(this, text)
    else this.socket.refuseTurn(this, text, this.head)
    this.socket.answered(this)
  }

  override destroy(): void {
    this.socket.fail()
  }
}

class ResponseSocket implements Guest {
  private readonly socket: WebSocket
  private readonly opened: Keyed
  private readonly given: SocketGiven
  private readonly lanes = new Map<string, Lane>()
  private waiting = 0
  private waitingBytes = 0
  /** Ids of answers, the oldest first. */
  private readonly ids: string[] = []
  private readonly openedAt: number
  private pingedAt: number
  /** Bytes of a message that is not whole yet, and since when it comes. */
  private arriving = 0
  private arrivingSince = 0
  /** Takes no more requests: why. */
  private leaving: Fault | null = null

  constructor(socket: WebSocket, opened: Keyed, given: SocketGiven) {
    this.socket = socket
    this.opened = opened
    this.given = given
    this.openedAt = this.pingedAt = opened.serving.now()
    opened.connection.socket.on('data', (chunk: Buffer) => this.arrives(chunk.length))
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.arriving = 0
      this.heard(data, isBinary)
    })
    socket.on('ping', (data: Buffer) => {
      this.arrives(-CONTROL_BYTES - data.length)
      // Not for a client that reads nothing: its answers would pile up here.
      if (!opened.connection.socket.writableNeedDrain) socket.pong(data)
    })
    socket.on('pong', (data: Buffer) => this.arrives(-CONTROL_BYTES - data.length))
    // What broke the rules is told its code by the close frame; whatever runs for it is over now.
    socket.on('error', () => this.closed())
  }

  get open(): boolean {
    return this.socket.readyState === this.socket.OPEN
  }

  get idle(): boolean {
    return this.lanes.size === 0
  }

  /** Sends the events of a piece of a stream, each as a message of its own; its comments become pings. */
  say(turn: Turn, frames: string): void {
    const { socket } = this.opened.connection
    socket.cork()
    for (let at = 0; at < frames.length;) {
      const end = frames.indexOf('\n\n', at)
      const frame = frames.slice(at, end)
      at = end + 2
      if (frame.startsWith(':')) this.ping()
      else this.tell(turn, frame.slice(frame.indexOf('data: ') + 'data: '.length))
    }
    socket.uncork()
  }

  private tell(turn: Turn, json: string): void {
    if (json === '[DONE]') return
    // Before the end is out, since the next request may follow at once.
    if (turn.asked !== null && ENDS.test(json)) this.remember(turn.id!, { ...turn.asked, end: json, bytes: turn.asked.bytes + json.length })
    this.send(turn.lane === '' ? json : `${json.slice(0, -1)},"stream_id":"${turn.lane}"}`)
  }

  /** Tells a request why it was refused; `head` are the header lines that HTTP's answer would have had. */
  refuseTurn(turn: Turn, body: string, head: string): void {
    this.send(errorEvent(turn.status, body, head, turn.lane))
  }

  /** All of an answer was said: the next of its lane begins when the client's side has taken it. */
  answered(turn: Turn): void {
    this.opened.connection.guardStall()
    this.opened.connection.socket.write('', (error) => {
      if (!error && !turn.over) this.over(turn)
    })
  }

  /** An answer that cannot be brought to its end is not left half: the connection ends with it. */
  fail(): void {
    this.socket.close(CLOSE.failed)
    this.closed()
  }

  drained(): void {
    for (const { running } of this.lanes.values()) running?.drained()
  }

  leave(why: Fault = fault('shutting-down', 'The server is stopping: open another WebSocket', { metadata: { reason: 'server_shutdown' } })): void {
    this.leaving ??= why
    for (const [name, lane] of this.lanes) {
      for (const message of lane.waiting.splice(0)) {
        this.forgetWaiting(message)
        this.refuse(this.leaving, name)
      }
    }
    if (this.idle) this.socket.close(CLOSE.away)
  }

  /** Whatever still runs is not heard by anybody: its calls end. */
  closed(): void {
    const running = [...this.lanes.values()].flatMap((lane) => lane.running ?? [])
    this.lanes.clear()
    this.leaving ??= fault('cancelled', 'The caller left')
    for (const id of this.ids.splice(0)) this.given.remembered.delete(this.keyOf(id))
    for (const turn of running) {
      if (turn.over) continue
      turn.over = true
      turn.serving.closed(turn, false)
    }
  }

  sweep(now: number): void {
    const { limits } = this.given
    if (!this.open) return
    if (this.arriving > 0 && now - this.arrivingSince >= limits.requestTimeoutMs) {
      this.socket.close(CLOSE.policy, 'a message did not arrive in time')
      return this.closed()
    }
    if (now - this.openedAt >= limits.socketAgeMs && this.leaving === null) {
      const why = fault('invalid-request', 'This WebSocket has been open for as long as one is kept: open another', { metadata: { code: 'websocket_connection_limit_reached' } })
      if (this.idle) this.refuse(why, '')
      return this.leave(why)
    }
    if (now - this.pingedAt >= limits.pingMs) {
      this.pingedAt = now
      this.ping()
    }
  }

  private arrives(bytes: number): void {
    if (this.arriving === 0) this.arrivingSince = this.opened.serving.now()
    this.arriving = Math.max(0, this.arriving + bytes)
  }

  private ping(): void {
    if (this.open && !this.opened.connection.socket.writableNeedDrain) this.socket.ping()
  }

  private send(json: string): void {
    if (this.open) this.socket.send(json)
  }

  private refuse(why: Fault, lane: string): void {
    if (this.socket.bufferedAmount > MAX_UNREAD_BYTES) {
      this.socket.terminate()
      return
    }
    const { status, body } = this.given.face.fault(why)
    const wait = why.retryAfterMs === undefined ? '' : `Retry-After: ${Math.ceil(why.retryAfterMs / 1000)}\r\n`
    this.send(errorEvent(status, body, wait, lane))
  }

  private heard(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.refuse(bad('message', 'must be text'), '')
    const parsed = parseBody(data)
    if ('fault' in parsed) return this.refuse(parsed.fault, '')
    if (!isBody(parsed.value)) return this.refuse(bad('message', 'must be a JSON object with a type'), '')
    const { type, stream_id: name, stream: _, background, generate, ...rest } = parsed.value
    const lane = name ?? ''
    if (typeof lane !== 'string' || (name !== undefined && !LANE.test(lane))) {
      return this.refuse(bad('stream_id', 'must be a text of at most 256 letters, digits, dots, dashes and underscores'), '')
    }
    if (type === 'response.steer') return this.send(unsteered(rest))
    if (type !== 'response.create') return this.refuse(bad('type', `must be response.create, is ${JSON.stringify(type ?? null).slice(0, 80)}`), lane)
    if (background !== undefined && background !== null && background !== false) {
      return this.refuse(bad('background', 'a response of a WebSocket is not made in the background: POST it'), lane)
    }
    if (generate !== undefined && generate !== null && typeof generate !== 'boolean') return this.refuse(bad('generate', 'must be true or false'), lane)
    this.take(lane, { body: { ...rest, stream: true }, prepares: generate === false, bytes: data.length })
  }

  private take(name: string, message: Message): void {
    if (this.leaving !== null) return this.refuse(this.leaving, name)
    const lane = this.lanes.get(name)
    if (lane === undefined) {
      if (this.lanes.size >= MAX_LANES) return this.refuse(fault('rate-limited', `On a WebSocket ${MAX_LANES} lanes are answered at a time: wait for the end of one`), name)
      this.lanes.set(name, { running: null, waiting: [] })
      return this.begin(name, message)
    }
    if (this.waiting >= MAX_WAITING || this.waitingBytes + message.bytes > this.given.limits.messageBytes) {
      return this.refuse(fault('rate-limited', 'Too much waits on this WebSocket for the responses before it: wait for the end of one'), name)
    }
    this.waiting++
    this.waitingBytes += message.bytes
    lane.waiting.push(message)
  }

  private forgetWaiting({ bytes }: Message): void {
    this.waiting--
    this.waitingBytes -= bytes
  }

  private begin(name: string, { body, prepares, bytes }: Message): void {
    const turn = new Turn(this.opened, this, name)
    let recalled = 0
    turn.talk = {
      body, prepares,
      recall: (id) => {
        const answer = this.given.remembered.get(this.keyOf(id))
        if (answer === undefined) return null
        recalled = answer.bytes
        return contextOf({ items: answer.items, response: (JSON.parse(answer.end) as { response: Item }).response })
      },
      asks(items, before) {
        const earlier = before.length === 0 ? 0 : recalled || JSON.stringify(before).length
        turn.asked = { items, bytes: earlier + bytes }
      },
    }
    this.lanes.get(name)!.running = turn
    turn.serving.request(turn)
  }

  private over(turn: Turn): void {
    turn.over = true
    turn.serving.closed(turn, true)
    const lane = this.lanes.get(turn.lane)
    if (lane === undefined) return
    lane.running = null
    if (turn.serving.draining()) this.leave()
    const next = lane.waiting.shift()
    if (next !== undefined) {
      this.forgetWaiting(next)
      return this.begin(turn.lane, next)
    }
    this.lanes.delete(turn.lane)
    if (this.leaving !== null) this.leave(this.leaving)
  }

  private remember(id: string, answer: Answer): void {
    const { remembered } = this.given
    remembered.set(this.keyOf(id), answer)
    this.ids.push(id)
    if (this.ids.length > REMEMBERED) remembered.delete(this.keyOf(this.ids.shift()!))
  }

  /** Nobody finds an answer but the connection that got it. */
  private keyOf(id: string): string {
    return `${this.given.place} ${id}`
  }
}

/** Events that end a response which can be gone on from. */
const ENDS = /^\{"type":"response\.(?:completed|incomplete)"/

/** A refusal as an event: the body that HTTP would have had, in OpenAI's shape for sockets, where a code is a text. */
function errorEvent(status: number, body: string, head: string, lane: string): string {
  const { error } = JSON.parse(body) as { error: Body }
  const { message, param, metadata } = error
  const said = isBody(metadata) ? metadata : {}
  const headers = Object.fromEntries([...head.matchAll(/^(Retry-After|X-Generation-Id): (.+)\r$/gm)].map(([, name, value]) => [name!.toLowerCase(), value]))
  return JSON.stringify({
    type: 'error', status,
    error: {
      type: error['type'] ?? (status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'),
      code: said['code'] ?? said['error_type'] ?? null, message, param: param ?? null,
      ...(Object.keys(said).length > 0 && { metadata: said }),
      ...(Object.keys(headers).length > 0 && { headers }),
    },
    ...(lane !== '' && { stream_id: lane }),
  })
}

/** No provider that is spoken to here takes words into an answer under way: the client gets them back. */
function unsteered({ input, previous_response_id: id }: Body): string {
  return JSON.stringify({
    type: 'response.steer.failed', sequence_number: 0, steer: { input: input ?? [], previous_response_id: id ?? '' },
    error: {
      type: 'invalid_request_error', code: 'steering_not_supported',
      message: 'A response under way takes no further input here: send it with the next response.create',
    },
  })
}
