import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { Order } from './order.ts'
import type { Received } from './records.ts'

/** A whole answer ready to leave: one piece per event (a body that is not streamed is one event). */
export interface Answer {
  status: number
  headers: Record<string, string>
  events: readonly (string | Buffer)[]
  stream: boolean
  /** For `endless`: how many events come before, and what is repeated. */
  loop?: { after: number; text: string | Buffer }
  /** For `commentsForever`. */
  filler: string
}

export interface Stage {
  /** Resolves after `ms`, false when the answer is over by then (caller gone, fake closed). */
  wait(ms: number): Promise<boolean>
  record: Received
  /** Resolves when the test says go on; false when the answer is over by then. */
  held(): Promise<boolean>
  /** To be called before the connection is ended on order, so that it does not count as the caller's leaving. */
  cutting(): void
}

/** Orders that leave the bytes and their timing alone go the short way. */
const FAULTS = [
  'hold', 'delayMs', 'reset', 'hangUp', 'stallAfter', 'stallAtByte', 'cutAfter', 'cutAtByte', 'paceMs', 'chunkBytes', 'trickle',
  'eventsPerWrite', 'splitEvents', 'garble', 'hugeHeader', 'endless', 'endlessEvent', 'commentsForever', 'gzip',
] as const satisfies readonly (keyof Order)[]

/** Sends an answer as the order says. Returns when the last byte was handed over, or the answer stalls for ever. */
export async function perform(response: ServerResponse, answer: Answer, order: Order, stage: Stage): Promise<void> {
  const { record } = stage
  record.status = answer.status
  if (!FAULTS.some((key) => order[key] !== undefined)) return sendPlainly(response, answer, record)

  if (order.hold && !(await stage.held())) return
  if (order.delayMs && !(await stage.wait(order.delayMs))) return
  if (order.reset || order.hangUp) {
    record.status = undefined
    return cut(response, order.reset ? 'rst' : 'fin', stage)
  }
  if (order.stallAfter === 'request') {
    record.status = undefined
    return
  }
  const labelled = order.gzip === 'mislabelled' || order.gzip === 'honest' ? { 'content-encoding': 'gzip' } : {}
  const huge = order.hugeHeader === undefined ? {} : { 'x-huge': 'h'.repeat(order.hugeHeader) }
  response.writeHead(answer.status, { ...answer.headers, ...labelled, ...huge })
  // A body of nothing has no chunk that would carry the headers out, and a stall must not hold them back.
  response.flushHeaders()
  const { stallAfter, commentsForever } = order
  if (commentsForever !== undefined && !(Number(stallAfter) > 0)) return fill(response, answer.filler, commentsForever, stage)
  if (stallAfter === 'headers' || stallAfter === 0 || order.stallAtByte === 0) return
  if (order.cutAfter === 0 || order.cutAtByte === 0) return cut(response, order.cutBy, stage)
  if (answer.status === 204 || answer.status === 304) return void response.end()

  const { stallAt, cutAt } = limitsOf(answer, order)
  const limit = Math.min(stallAt, cutAt)
  for (const { bytes, events } of writes(eventsOf(answer, order), order)) {
    const room = limit - record.sentBytes
    const slice = bytes.length > room ? bytes.subarray(0, room) : bytes
    if (!(await write(response, slice))) return
    record.sentBytes += slice.length
    if (slice.length === bytes.length) record.sentEvents = events
    if (record.sentBytes >= limit) return limit === cutAt ? cut(response, order.cutBy, stage) : undefined
    if (stallAfter !== undefined && events >= Number(stallAfter)) {
      return commentsForever === undefined ? undefined : fill(response, answer.filler, commentsForever, stage)
    }
    if (order.cutAfter !== undefined && events >= order.cutAfter) return cut(response, order.cutBy, stage)
    const pause = (events < (order.trickle?.after ?? 0) ? undefined : order.trickle?.everyMs) ?? order.paceMs ?? 0
    // Between writes others get a turn, also without a pause: an endless answer must not stop the process.
    if (!(await stage.wait(pause))) return
  }
  response.end()
}

function sendPlainly(response: ServerResponse, { status, headers, events, stream }: Answer, record: Received): void {
  if (!stream) {
    const body = events[0] ?? ''
    record.sentBytes = Buffer.byteLength(body)
    record.sentEvents = events.length
    response.writeHead(
      status, status === 204 || status === 304 ? headers : { ...headers, 'content-length': record.sentBytes }
    )
    return void response.end(body)
  }
  response.writeHead(status, headers)
  // Corked: each event is a chunk of its own, all leave in one write.
  response.cork()
  for (const text of events) {
    response.write(text)
    record.sentBytes += Buffer.byteLength(text)
  }
  record.sentEvents = events.length
  response.uncork()
  response.end()
}

/** Where the body ends early. An order in events means half of the body when the answer is not a stream. */
function limitsOf({ stream, events }: Answer, { stallAfter, stallAtByte, cutAfter, cutAtByte }: Order) {
  const half = Math.ceil(Buffer.byteLength(events[0] ?? '') / 2)
  return {
    stallAt: stallAtByte ?? (!stream && typeof stallAfter === 'number' ? half : Infinity),
    cutAt: cutAtByte ?? (!stream && cutAfter ? half : Infinity),
  }
}

interface Piece { bytes: Buffer; events: number }

/** Of an event without end. */
const PIECE_BYTES = 64 * 1024

/** The events as bytes, each with its number from 1; endless ones never stop. */
function* eventsOf({ events, loop, stream }: Answer, order: Order): Generator<Buffer> {
  if (order.gzip === 'honest' || order.gzip === 'unlabelled') return yield gzipSync(Buffer.concat(events.map((text) => Buffer.from(text))))
  const at = order.garbleAt ?? (stream && events.length > 1 ? 1 : 0)
  const endless = order.endless || order.endlessEvent ? loop : undefined
  for (const [i, text] of events.slice(0, endless?.after).entries()) {
    yield i === at && order.garble ? garbled(text, order.garble) : Buffer.from(text)
  }
  if (!endless) return
  if (order.endlessEvent && stream) yield Buffer.from('data: {"endless":"')
  const again = order.endlessEvent ? Buffer.alloc(PIECE_BYTES, 'x') : Buffer.from(endless.text)
  while (true) yield again
}

/** Breaks an event where a reader must notice: half of its JSON, or a byte pair that is no UTF-8 in its last text. */
function garbled(text: string | Buffer, how: 'json' | 'utf8'): Buffer {
  const bytes = Buffer.from(text)
  if (typeof text !== 'string') {
    // Of a binary frame a byte is changed on the way, which its CRC tells.
    bytes[bytes.length - 1]! ^= 1
    return bytes
  }
  if (how === 'json') {
    const end = /\s*$/.exec(text)![0]
    const body = text.slice(0, text.length - end.length)
    return Buffer.from(body.slice(0, Math.ceil(body.length / 2)) + end)
  }
  const inside = bytes.lastIndexOf('"')
  return Buffer.concat([bytes.subarray(0, inside), Buffer.from([0xc3, 0x28]), bytes.subarray(inside)])
}

/** Decides which bytes leave together. `events` counts those complete by the end of the write. */
function* writes(events: Iterable<Buffer>, order: Order): Generator<Piece> {
  const grouped = order.splitEvents ? shifted(events) : together(events, order.eventsPerWrite ?? 1)
  const size = order.trickle?.bytes ?? order.chunkBytes
  for (const piece of grouped) {
    if (!size || piece.events <= (order.trickle?.after ?? 0)) {
      yield piece
      continue
    }
    for (let at = 0; at < piece.bytes.length; at += size) {
      const last = at + size >= piece.bytes.length
      yield { bytes: piece.bytes.subarray(at, at + size), events: last ? piece.events : piece.events - 1 }
    }
  }
}

function* together(events: Iterable<Buffer>, each: number): Generator<Piece> {
  let group: Buffer[] = []
  let count = 0
  for (const bytes of events) {
    group.push(bytes)
    count++
    if (each === 0 || count % each !== 0) continue
    yield { bytes: each === 1 ? bytes : Buffer.concat(group), events: count }
    group = []
  }
  if (group.length > 0) yield { bytes: Buffer.concat(group), events: count }
}

function* shifted(events: Iterable<Buffer>): Generator<Piece> {
  let held: Buffer = Buffer.alloc(0)
  let count = 0
  for (const bytes of events) {
    const half = Math.ceil(bytes.length / 2)
    yield { bytes: Buffer.concat([held, bytes.subarray(0, half)]), events: count++ }
    held = bytes.subarray(half)
  }
  yield { bytes: held, events: count }
}

/** Writes and waits for room; false when the connection is gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<boolean> | boolean {
  if (response.destroyed || response.writableEnded) return false
  if (response.write(bytes)) return true
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve(!response.destroyed)
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

async function fill(response: ServerResponse, filler: string, everyMs: number, stage: Stage): Promise<void> {
  do if (!(await write(response, Buffer.from(filler)))) return
  while (await stage.wait(everyMs))
}

/** Ends the connection in the middle, after what was written has gone to the kernel: the cut is at the byte ordered. */
function cut(response: ServerResponse, how: Order['cutBy'], stage: Stage): void {
  stage.cutting()
  if (how === 'end') return void response.end()
  // Node holds chunks back until the end of the tick, and a reset drops what the socket still holds.
  setImmediate(() => {
    const { socket } = response
    if (!socket || socket.destroyed) return
    if (how !== 'rst') return void socket.end()
    if (socket.writableLength === 0) return void socket.resetAndDestroy()
    socket.write('', () => socket.resetAndDestroy())
  })
}
