import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Foreign } from './asked.ts'

/** What a plain socket saw of one exchange. */
export interface Exchange {
  status: number
  headers: Record<string, string>
  /** The body without the chunk framing, as far as it came. */
  body: Buffer
  /** The HTTP chunks: one for each write of the server. */
  writes: Buffer[]
  /** Milliseconds from the request to each piece that the socket gave. */
  times: number[]
  /** How it ended: by the framing of HTTP, by FIN or RST before that, or not at all within the time given. */
  end: 'complete' | 'fin' | 'rst' | 'open'
  socket: Socket
}

export interface Asking {
  method?: string; headers?: Record<string, string>; body?: unknown; quietMs?: number; socket?: Socket
}

/** How often the event loop goes round between the end of patience and giving up. */
const LAST_TURNS = 20

/**
 * One HTTP/1.1 exchange over a socket of its own, with no client library between: libraries repair what a test of
 * broken answers wants to see. Gives up (`open`) after `quietMs` (10 s) without a byte.
 */
export function talk(url: string, asking: Asking = {}): Promise<Exchange> {
  const { method = 'POST', headers = {}, body, quietMs = 10_000, socket: reused } = asking
  const { hostname, port, pathname, search } = new URL(url)
  const socket = reused ?? connect(Number(port), hostname)
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const lines = {
    host: `${hostname}:${port}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
    ...headers
  }
  const begun = performance.now()
  const times: number[] = []
  let seen = Buffer.alloc(0)
  const head = Object.entries(lines).map((line) => `${line.join(': ')}\r\n`).join('')
  socket.write(`${method} ${pathname}${search} HTTP/1.1\r\n${head}\r\n${text}`)
  return new Promise((resolve) => {
    // A timer that is late, because this process was, runs before what came meanwhile is read: some turns are left for that.
    let timer: NodeJS.Timeout | undefined
    let turn: NodeJS.Immediate | undefined
    const later = (turns: number): void => { turn = setImmediate(() => turns === 0 ? done('open') : later(turns - 1)) }
    const listen = (): void => {
      clearTimeout(timer)
      clearImmediate(turn)
      timer = setTimeout(later, quietMs, LAST_TURNS)
    }
    listen()
    const done = (how: 'fin' | 'rst' | 'open') => {
      clearTimeout(timer)
      clearImmediate(turn)
      socket.removeAllListeners()
      socket.on('error', () => {})
      const read = readResponse(seen)
      if (how !== 'open' || !read.complete) socket.destroy()
      resolve({ ...read, times, socket, end: read.complete ? 'complete' : how })
    }
    socket.on('data', (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes])
      times.push(performance.now() - begun)
      if (readResponse(seen).complete) return done('open')
      listen()
    })
    socket.on('end', () => done('fin'))
    socket.on('error', () => done('rst'))
  })
}

function readResponse(seen: Buffer): Pick<Exchange, 'status' | 'headers' | 'body' | 'writes'> & { complete: boolean } {
  const end = seen.indexOf('\r\n\r\n')
  if (end < 0) return { status: 0, headers: {}, body: Buffer.alloc(0), writes: [], complete: false }
  const [first = '', ...rest] = seen.subarray(0, end).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    rest.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
  )
  const status = Number(first.split(' ')[1])
  const body = seen.subarray(end + 4)
  if (headers['transfer-encoding'] !== 'chunked') {
    return {
      status, headers, body, writes: [body],
      complete: status === 204 || body.length >= Number(headers['content-length'] ?? Infinity)
    }
  }
  const writes: Buffer[] = []
  for (let at = 0; ;) {
    const line = body.indexOf('\r\n', at)
    const size = line < 0 ? NaN : parseInt(body.subarray(at, line).toString('latin1'), 16)
    if (size > 0) writes.push(body.subarray(line + 2, line + 2 + size))
    if (!(size > 0) || line + 2 + size > body.length) {
      return { status, headers, body: Buffer.concat(writes), writes, complete: size === 0 }
    }
    at = line + 2 + size + 2
  }
}

/** The data of each event of an SSE body in LF framing, parsed where it is JSON. */
export const eventsIn = (body: Buffer): Foreign[] =>
  body.toString().split('\n').filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6)).map((data) => (data === '[DONE]' ? data : JSON.parse(data)))
