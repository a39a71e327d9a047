import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { answerOf, errorAnswer } from './answer.ts'
import { heard } from './asked.ts'
import type { Asked, Loose } from './asked.ts'
import { controlRoute } from './control.ts'
import { CREATED } from './dialects/dialect.ts'
import type { FakeDialect } from './dialects/dialect.ts'
import { FAKE_DIALECTS } from './dialects/index.ts'
import { checkOrder } from './order.ts'
import type { Order } from './order.ts'
import { perform } from './perform.ts'
import type { Answer } from './perform.ts'
import { createRecords } from './records.ts'
import type { Received } from './records.ts'
import { SCENES, sceneOf, sceneOfModel } from './scenes.ts'

/** Which requests an order is for: all given keys must fit, `path` being any part of the path; or a function. */
export type Match =
  | { path?: string; model?: string; dialect?: string; stream?: boolean }
  | ((asked: Asked, received: Received) => boolean)
export type OrderFor = Order | ((asked: Asked, received: Received) => Order)

export interface FakeUpstreamOptions {
  port?: number
  host?: string
  /** Models to list at `/v1/models` and `/api/tags`; by default one for each scene. */
  models?: readonly string[]
  /** Answer requests too that the real provider would refuse with a 400. */
  lenient?: boolean
  /** Record secrets as they came. Only for tests that compare them. */
  keepSecrets?: boolean
  keep?: number
  keepBytes?: number
  keepAliveMs?: number
  now?: () => number
}

export interface FakeUpstream {
  /** The base address, no slash at the end. Any prefix before a dialect's path is accepted. */
  readonly url: string
  readonly port: number
  readonly requests: readonly Received[]
  /** Orders for the next matching requests, one each, before every rule. */
  next(orders: OrderFor | readonly OrderFor[], match?: Match): void
  /** An order for every matching request; the latest rule wins. Returns a function that takes it back. */
  when(match: Match, order: OrderFor): () => void
  always(order: OrderFor): () => void
  /** Forgets scripts and records. */
  forget(): void
  /** The first request, past or future, that matches; rejects after `timeoutMs` (20 s) with what was seen. */
  waitFor(matches: (received: Received) => boolean, options?: { timeoutMs?: number }): Promise<Received>
  /** Lets answers that are held back by `hold` begin. */
  release(): void
  /** Answers that were begun, or are held back on order, and have not ended. */
  openStreams(): number
  openSockets(): number
  /** Refuses connections on the same port until `up`, and resets those that are open. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

type Waker = (alive: boolean) => void
interface Rule { match?: Match; order: OrderFor }

/** A real HTTP server that speaks the providers' dialects, answers an echo, and misbehaves on order. */
export async function createFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const { host = '127.0.0.1', now = () => performance.now() } = options
  const records = createRecords(
    {
      keep: options.keep ?? 1000, keepBytes: options.keepBytes ?? 64 << 20, keepSecrets: options.keepSecrets ?? false,
      now
    }
  )
  const sockets = new Map<Socket, { connection: number; turns: number }>()
  const waits = new Set<Waker>()
  const held = new Set<Waker>()
  let connections = 0
  let open = 0
  let queue: Rule[] = []
  let rules: Rule[] = []

  const fits = (match: Match | undefined, asked: Asked, received: Received): boolean => {
    if (!match) return true
    if (typeof match === 'function') return match(asked, received)
    return (
      match.path === undefined || received.path.includes(match.path)
    ) && (match.model === undefined || match.model === asked.model)
      && (
        match.dialect === undefined || match.dialect === asked.dialect
      ) && (match.stream === undefined || match.stream === asked.stream)
  }

  /** Header, then message, then the queue, then rules, then the model's name; the first that speaks decides alone. */
  const choose = (asked: Asked, received: Received): Order => {
    const told = received.headers['x-fake'] ?? heard(asked.turns).order
    if (told !== undefined) return readOrder(told)
    const at = queue.findIndex((rule) => fits(rule.match, asked, received))
    const rule = at >= 0 ? queue.splice(at, 1)[0] : rules.findLast((it) => fits(it.match, asked, received))
    if (rule) return typeof rule.order === 'function' ? checkOrder(rule.order(asked, received)) : rule.order
    return sceneOfModel(asked.model) ?? {}
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const [path = '', query = ''] = request.url!.split('?', 2) as [string, string?]
    if (path.startsWith('/_fake')) {
      let script: Buffer = Buffer.alloc(0)
      if (!(await readBody(request, (raw) => { script = raw }))) return
      return sendJson(response, controlRoute(request.method!, path, script, api))
    }
    const seat = sockets.get(request.socket)!
    const record = records.open(request, seat.connection, ++seat.turns)
    const wakers = new Set<Waker>()
    let over = false
    let cutOnOrder = false
    open++
    const finish = (state: Received['state']) => {
      if (over) return
      over = true
      open--
      record.state = cutOnOrder ? 'cut' : state
      record.endedAt = now()
      for (const wake of wakers) wake(false)
      records.changed()
    }
    response.on('finish', () => finish('answered'))
    response.on('close', () => {
      record.socketClosed = request.socket.destroyed
      finish('aborted')
      records.changed()
    })
    const stage = {
      record,
      cutting: () => { cutOnOrder = true },
      held: () => new Promise<boolean>((resolve) => {
        if (over) return resolve(false)
        const wake = (alive: boolean) => {
          for (const all of [wakers, waits, held]) all.delete(wake)
          resolve(alive)
        }
        for (const all of [wakers, waits, held]) all.add(wake)
      }),
      wait: (ms: number) => new Promise<boolean>((resolve) => {
        if (over) return resolve(false)
        const wake = (alive: boolean) => {
          clearTimeout(timer)
          clearImmediate(turn)
          wakers.delete(wake)
          waits.delete(wake)
          resolve(alive)
        }
        const timer = ms > 0 ? setTimeout(wake, ms, true) : undefined
        const turn = ms > 0 ? undefined : setImmediate(wake, true)
        wakers.add(wake)
        waits.add(wake)
      }),
    }

    const dialect = request.method === 'POST' ? FAKE_DIALECTS.find((it) => it.path.test(path)) : undefined
    const early = dialect && earlyOrder(received(record, dialect, path, query, {}), record)
    if (!early && !(await readBody(request, (raw) => records.keep(record, raw)))) return
    record.state = 'answering'
    if (!dialect) {
      return sendJson(response, listing(path, options.models ?? Object.keys(SCENES).map((name) => `fake/${name}`)))
    }

    let body: unknown
    try {
      body = early ? {} : JSON.parse(record.raw.toString())
    } catch {
      body = undefined
    }
    record.body = body
    const asked = received(record, dialect, path, query, typeof body === 'object' && body !== null ? body : {})
    const refused = body === undefined ? 'We could not parse the JSON body of your request.'
      : options.lenient || early ? undefined
      : asked.problem
    let order: Order = early ?? {}
    let answer: Answer
    try {
      if (!early && !refused) order = choose(asked, record)
      answer = refused
        ? errorAnswer(dialect, 400, refused, new Set(), record.serial)
        : answerOf(dialect, asked, order, record.serial, query)
    } catch (error) {
      // A wrong order must fail the test that gave it, not look like a provider's whim.
      record.misorder = (error as Error).message
      order = {}
      answer = { ...errorAnswer(dialect, 400, `fake upstream: ${record.misorder}`, new Set(), record.serial) }
      answer.headers['x-fake-misorder'] = 'true'
    }
    records.changed()
    await perform(response, answer, order, stage)
    records.changed()
  }

  const received = (record: Received, dialect: FakeDialect, path: string, query: string, body: Loose): Asked => {
    const asked = dialect.understand({ path, query, headers: record.headers, body })
    record.dialect = dialect.name
    record.model = asked.model
    record.stream = asked.stream
    return asked
  }

  /** Only the header, the queue and rules without a function can speak before the body is there. */
  const earlyOrder = (asked: Asked, record: Received): Order | undefined => {
    if (record.headers['x-fake'] !== undefined) {
      try {
        const order = readOrder(record.headers['x-fake'])
        return order.early ? order : undefined
      } catch {
        return undefined
      }
    }
    const candidates = [...queue, ...rules.toReversed()]
    const rule = candidates.find(
      ({ match, order }) => typeof order === 'object' && order.early
        && typeof match !== 'function' && fits(match, asked, record),
    )
    if (!rule) return undefined
    queue = queue.filter((it) => it !== rule)
    return rule.order as Order
  }

  // No limits of its own: what times out or is refused is up to the order.
  const keepAliveTimeout = options.keepAliveMs ?? 60_000
  const limits = { keepAliveTimeout, requestTimeout: 0, headersTimeout: 0, maxHeaderSize: 1 << 20 }
  const server = createServer(limits, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A programming error of the fake itself: visible in the answer, never a crash of the test process.
      if (!response.headersSent) response.writeHead(500, { 'x-fake-misorder': 'true' })
      response.end(String(error))
    })
  })
  server.on('connection', (socket) => {
    sockets.set(socket, { connection: ++connections, turns: 0 })
    socket.on('close', () => sockets.delete(socket))
    // A reset by the caller is news for the record, not an error of ours.
    socket.on('error', () => {})
  })
  const listen = (port: number) => new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => { server.off('error', reject); resolve() })
  })
  await listen(options.port ?? 0)
  const { port } = server.address() as AddressInfo

  const stop = () => new Promise<void>((resolve) => {
    for (const wake of waits) wake(false)
    server.close(() => resolve())
    for (const socket of sockets.keys()) {
      // A reset of a socket that is being shut down fails and leaves its handle open: the process then spins at its end.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  })
  const checked = (order: OrderFor) => (typeof order === 'function' ? order : checkOrder(order))
  const api: FakeUpstream = {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    requests: records.all,
    next: (orders, match) => { queue.push(
      ...(Array.isArray(orders) ? orders : [orders]).map((order) => ({ match, order: checked(order) }))
    ) },
    when(match, order) {
      const rule = { match, order: checked(order) }
      rules.push(rule)
      return () => { rules = rules.filter((it) => it !== rule) }
    },
    always: (order) => api.when({}, order),
    forget() { queue = []; rules = []; records.forget() },
    waitFor: records.waitFor,
    release() { for (const wake of held) wake(true) },
    openStreams: () => open,
    openSockets: () => sockets.size,
    down: stop,
    up: () => listen(port),
    async close() {
      records.close()
      if (server.listening) await stop()
    },
  }
  return api
}

/** An order as text: JSON, or the name of a scene. */
export function readOrder(text: string): Order {
  if (!text.startsWith('{')) {
    const scene = sceneOf(text)
    if (!scene) {
      throw new TypeError(`no scene is called "${text}"; there are ${Object.keys(SCENES).join(', ')} and error-NNN`)
    }
    return scene
  }
  try {
    return checkOrder(JSON.parse(text))
  } catch (error) {
    throw error instanceof SyntaxError ? new TypeError(`the order is not JSON: ${error.message}`) : error
  }
}

/** What discovery asks: OpenAI's list, and Ollama's. */
function listing(path: string, models: readonly string[]): { status: number; body: unknown } {
  if (path.endsWith('/models')) {
    return {
      status: 200,
      body: { object: 'list', data: models.map((id) => ({ id, object: 'model', created: CREATED, owned_by: 'fake' })) }
    }
  }
  if (path.endsWith('/api/tags')) {
    const details = {
      parent_model: '', format: 'gguf', family: 'fake', families: ['fake'], parameter_size: '1B',
      quantization_level: 'Q4_0'
    }
    return {
      status: 200,
      body: { models: models.map(
        (name) => ({ name, model: name, modified_at: '2025-10-09T08:53:20Z', size: 1, digest: 'fake', details })
      ) }
    }
  }
  return {
    status: 404,
    body: { error: {
      message: `the fake upstream has nothing at ${path}`, type: 'invalid_request_error', param: null, code: null
    } }
  }
}

function sendJson(response: ServerResponse, { status, body }: { status: number; body: unknown }): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

/** Reads the body to its end; false when the caller left before. */
function readBody(request: IncomingMessage, keep: (raw: Buffer) => void): Promise<boolean> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const ended = (whole: boolean) => () => {
      keep(Buffer.concat(chunks))
      chunks.length = 0
      resolve(whole)
    }
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.once('end', ended(true))
    request.once('close', () => { if (!request.complete) ended(false)() })
  })
}
