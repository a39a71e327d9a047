import type { IncomingMessage, ServerResponse } from 'node:http'
import { fault, FaultError } from '../core/index.ts'
import { LARGE_BYTES } from '../gateway/index.ts'
import type { HttpLimits } from './limits.ts'
import type { Swept, Sweeper } from './sweeper.ts'

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
export function checkBodyHead(req: IncomingMessage, limits: HttpLimits): void {
  const { headers } = req
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

const JSON_TYPE = /^(?:application\/(?:[\w.+-]{1,60}\+)?|text\/)json\s*(?:;\s*charset\s*=\s*"?([\w-]{1,40})"?)?\s*;?\s*$/i

export interface BodyReading {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly limits: HttpLimits
  readonly sweeper: Sweeper
  now(): number
  /** The client waits for `100 Continue` before it sends the body. */
  readonly awaitsContinue: boolean
}

/**
 * Reads the whole body. Rejects with a FaultError (413) as soon as more than the limit has come, with SlowBody when
 * it comes at less than the least rate, with ClientGone when the connection closes. The rest of a refused body is
 * thrown away.
 */
export function readBody(reading: BodyReading): Promise<Buffer> {
  const { req, res, limits, sweeper } = reading
  if (reading.awaitsContinue) res.writeContinue()
  return new Promise((resolve, reject) => {
    let first: Buffer | null = null
    let more: Buffer[] | null = null
    let size = 0
    const whole = placeFor(req)
    let windowStart = reading.now()
    let windowBytes = 0
    const pace: Swept = {
      place: -1,
      sweep(now) {
        if (now - windowStart < limits.bodyGraceMs) return
        if (windowBytes * 1000 < limits.bodyBytesPerSecond * (now - windowStart)) return fail(new SlowBody())
        windowStart = now
        windowBytes = 0
      },
    }
    let settled = false
    const settle = () => {
      settled = true
      sweeper.delete(pace)
    }
    const fail = (error: Error) => {
      if (settled) return
      settle()
      first = more = null
      reject(error)
    }
    // The listeners stay when all is said: taking them off costs more than a look at a flag, and after a refusal the
    // one for data is what throws the rest of the body away.
    const onData = (chunk: Buffer) => {
      if (settled) return
      size += chunk.length
      windowBytes += chunk.length
      if (size > limits.bodyBytes) return fail(tooLarge(limits, 'more'))
      if (whole !== null) chunk.copy(whole, size - chunk.length)
      else if (first === null) first = chunk
      else (more ??= [first]).push(chunk)
    }
    const onEnd = () => {
      if (settled) return
      settle()
      resolve(whole ?? (more === null ? first ?? EMPTY : Buffer.concat(more, size)))
    }
    const onClose = () => { if (!settled) fail(new ClientGone()) }
    sweeper.add(pace)
    req.on('data', onData)
    req.on('end', onEnd)
    req.on('close', onClose)
    if (req.destroyed) onClose()
  })
}

const EMPTY = Buffer.alloc(0)

/**
 * Where a large body of a known length is put as it comes: joining 20 MB at its end would hold the event loop up, and
 * memory that is shared can be read by a thread where it lies. The system gives the pages only as they are filled.
 */
function placeFor(req: IncomingMessage): Buffer | null {
  const length = Number(req.headers['content-length'])
  return length > LARGE_BYTES ? Buffer.from(new SharedArrayBuffer(length)) : null
}

function tooLarge(limits: HttpLimits, is: string): FaultError {
  return new FaultError(fault('payload-too-large', `The request body must be at most ${limits.bodyBytes} bytes, is ${is}`))
}
