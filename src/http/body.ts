import { fault, FaultError } from '../core/index.ts'
import { LARGE_BYTES } from '../gateway/index.ts'
import type { RequestHeaders } from '../http1/index.ts'
import type { BodyReader, Exchange } from './exchange.ts'
import type { HttpLimits } from './limits.ts'
import type { Swept } from './sweeper.ts'

/** The client closed its connection before its request was whole: there is nobody to answer. */
export class ClientGone extends Error {
  constructor() {
    super('the client left before its request was whole')
    this.name = 'ClientGone'
  }
}

/** The body came more slowly than one KiB a second: answered with 408, which no other failure is. */
export class SlowBody extends Error {
  constructor() {
    super('The request body came too slowly')
    this.name = 'SlowBody'
  }
}

/**
 * Checks what the head says of the body, before a byte of it is read: its size, its type, its encoding.
 * A missing Content-Type is taken as JSON, as every client here sends JSON. Throws FaultErrors of 413 and 415.
 */
export function checkBodyHead(headers: RequestHeaders, limits: HttpLimits): void {
  const declared = headers['content-length']
  if (declared !== undefined && Number(declared) > limits.bodyBytes) throw tooLarge(limits, `${declared} bytes`)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity') {
    throw new FaultError(fault('unsupported-media-type',
      `The body must be sent without Content-Encoding, is ${JSON.stringify(encoding.slice(0, 40))}`))
  }
  const type = headers['content-type']
  if (type === undefined || type === '' || type === 'application/json') return
  const match = JSON_TYPE.exec(type)
  if (!match) {
    throw new FaultError(fault('unsupported-media-type',
      `Content-Type must be application/json, is ${JSON.stringify(type.slice(0, 80))}`))
  }
  const charset = match[1]?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
    throw new FaultError(fault('unsupported-media-type', `The charset of the body must be utf-8, is ${JSON.stringify(charset.slice(0, 40))}`))
  }
}

/** A browser states how long a form is, and no form here has to be longer. */
const FORM_BYTES = 16 * 1024

/** The same for the form of a page. Throws FaultErrors of 400, 413 and 415. */
export function checkFormHead(headers: RequestHeaders): void {
  const type = headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    throw new FaultError(fault('unsupported-media-type', `Content-Type must be application/x-www-form-urlencoded, is ${JSON.stringify(type.slice(0, 80))}`))
  }
  const length = headers['content-length']
  if (length === undefined) throw new FaultError(fault('invalid-request', 'Content-Length: must be stated for a form', { field: 'Content-Length' }))
  if (Number(length) > FORM_BYTES) throw new FaultError(fault('payload-too-large', `A form must be at most ${FORM_BYTES} bytes, is ${length} bytes`))
}

const JSON_TYPE = /^(?:application\/(?:[\w.+-]{1,60}\+)?|text\/)json\s*(?:;\s*charset\s*=\s*"?([\w-]{1,40})"?)?\s*;?\s*$/i

/**
 * Reads the whole body: at once where it came with its head. Throws, or rejects with, a FaultError (413) as soon as more
 * than the limit has come, SlowBody when it comes at less than the least rate, ClientGone when the connection closes. The
 * rest of a refused body is thrown away.
 */
export function readBody(x: Exchange): Buffer | Promise<Buffer> {
  const { limits } = x.serving
  if (x.complete) {
    const body = x.arrived() ?? EMPTY
    if (body.length > limits.bodyBytes) throw tooLarge(limits, 'more')
    return body
  }
  if (x.awaitsContinue) {
    x.awaitsContinue = false
    x.sendContinue()
  }
  return new Promise((resolve, reject) => x.readTo(new Reading(x, resolve, reject)))
}

/** A body on its way. */
class Reading implements BodyReader, Swept {
  place = -1
  private readonly x: Exchange
  private readonly resolve: (body: Buffer) => void
  private readonly reject: (error: Error) => void
  private readonly placed: Buffer | null
  private first: Buffer | null = null
  private more: Buffer[] | null = null
  private size = 0
  private windowStart: number
  private windowBytes = 0
  private settled = false

  constructor(x: Exchange, resolve: (body: Buffer) => void, reject: (error: Error) => void) {
    this.x = x
    this.resolve = resolve
    this.reject = reject
    this.placed = placeFor(x.headers)
    this.windowStart = x.serving.now()
    x.serving.sweeper.add(this)
  }

  take(piece: Buffer): void {
    if (this.settled) return
    const { limits } = this.x.serving
    this.size += piece.length
    this.windowBytes += piece.length
    if (this.size > limits.bodyBytes) return this.fail(tooLarge(limits, 'more'))
    if (this.placed !== null) piece.copy(this.placed, this.size - piece.length)
    else if (this.first === null) this.first = piece
    else (this.more ??= [this.first]).push(piece)
  }

  end(): void {
    if (this.settled) return
    this.settle()
    const { placed, more, first, size } = this
    this.resolve(placed ?? (more === null ? first ?? EMPTY : Buffer.concat(more, size)))
  }

  gone(): void {
    this.fail(new ClientGone())
  }

  sweep(now: number): void {
    const { limits } = this.x.serving
    if (now - this.windowStart < limits.bodyGraceMs) return
    if (this.windowBytes * 1000 < limits.bodyBytesPerSecond * (now - this.windowStart)) return this.fail(new SlowBody())
    this.windowStart = now
    this.windowBytes = 0
  }

  private settle(): void {
    this.settled = true
    this.x.serving.sweeper.delete(this)
  }

  private fail(error: Error): void {
    if (this.settled) return
    this.settle()
    this.first = this.more = null
    this.reject(error)
  }
}

const EMPTY = Buffer.alloc(0)

/**
 * Where a large body of a known length is put as it comes: joining 20 MB at its end would hold the event loop up, and
 * memory that is shared can be read by a thread where it lies. The system gives the pages only as they are filled.
 */
function placeFor(headers: RequestHeaders): Buffer | null {
  const length = Number(headers['content-length'])
  return length > LARGE_BYTES ? Buffer.from(new SharedArrayBuffer(length)) : null
}

function tooLarge(limits: HttpLimits, is: string): FaultError {
  return new FaultError(fault('payload-too-large', `The request body must be at most ${limits.bodyBytes} bytes, is ${is}`))
}
