import type { Asked, ChatEvent, Fault, JsonObject, Operation } from '../core/index.ts'
import type { Encoder, Voice } from '../dialects/index.ts'
import type { Outcome } from '../gateway/index.ts'
import { linesOf, type Exchange } from './exchange.ts'
import { caught, masked, sendFault } from './failure.ts'
import type { HttpLimits } from './limits.ts'
import type { Log } from './services.ts'
import type { Swept } from './sweeper.ts'

export interface StreamGiven {
  readonly x: Exchange
  readonly face: Voice
  readonly asked: Asked<Operation>
  readonly limits: HttpLimits
  readonly log: Log
  /** Comments during silence; a key can turn them off for clients that cannot read them. */
  readonly heartbeats: boolean
  readonly withMetadata: boolean
  /** Stops the call upstream. */
  abort(): void
}

/**
 * Answers with a stream of server-sent events: one write for each batch, never later than the batch. The status is
 * sent with the first of them, or after `commitAfterMs` with a comment while providers are still being tried. Returns
 * when the call has ended, also when its client has left long before, because only the end of the events settles it.
 */
export async function answerStream(given: StreamGiven, calling: Promise<Outcome>): Promise<void> {
  const { x, face } = given
  const writer = createWriter(given)
  try {
    const outcome = await calling
    if ('fault' in outcome) {
      writer.failed(masked(outcome.fault), given.withMetadata ? outcome.metadata() : undefined)
      return
    }
    writer.encoder = face.encoder(outcome.meta)
    const debug = outcome.echo ? writer.encoder.debug?.(outcome.echo) ?? '' : ''
    if (debug !== '' && !writer.over && !writer.write(debug)) await writer.drained()
    for await (const batch of outcome.events) {
      if (writer.over) continue
      if (isLast(batch)) {
        const metadata = given.withMetadata ? outcome.metadata() ?? undefined : undefined
        writer.end(writer.encoder.push(writer.parting === null ? batch : parted(batch, writer.parting), metadata) + writer.encoder.end(metadata))
        continue
      }
      const text = writer.encoder.push(batch)
      if (text !== '' && !writer.write(text)) await writer.drained()
    }
    if (!writer.over) writer.end(writer.encoder.end())
  } catch (error) {
    writer.failed(caught(error, given.log, { generation: x.id }))
  } finally {
    if (!x.ended && !x.unreachable) x.destroy()
  }
}

/**
 * Answers with events that are text already: those of a stream that is taken up again. When it cannot go on it is cut
 * without a word of its own, whose number would be wrong; its reader can take it up again.
 */
export async function answerFrames(given: Omit<StreamGiven, 'asked' | 'withMetadata'>, texts: AsyncIterable<string>): Promise<void> {
  const { x } = given
  const writer = createWriter(given)
  x.cut = (what) => {
    if (x.status === 0) writer.failed(what)
    else x.destroy()
    given.abort()
  }
  try {
    for await (const text of texts) {
      if (writer.over) break
      if (!writer.write(text)) await writer.drained()
    }
    if (!writer.over) writer.end('')
  } catch (error) {
    const what = caught(error, given.log, { route: x.route?.name })
    if (x.status === 0) writer.failed(what)
  } finally {
    if (!x.ended && !x.unreachable) x.destroy()
  }
}

/** A last batch that says why the server ended the stream, in the place of why the call ended then. */
function parted(batch: readonly ChatEvent[], why: Fault): readonly ChatEvent[] {
  return batch.map((event) => event.type === 'fault' ? { type: 'fault', fault: why } : event)
}

/** Whether a batch ends its stream: the charge or a fault is the last that is said, and by then the call is on record. */
function isLast(batch: readonly ChatEvent[]): boolean {
  const last = batch[batch.length - 1]
  return last !== undefined && (last.type === 'fault' || (last.type === 'usage' && last.charge !== undefined))
}

interface Writer {
  encoder: Encoder | null
  /** Why the server ends the stream, while the call's last batch, with its usage, is waited for. */
  readonly parting: Fault | null
  /** Nothing more may be written: the stream has ended, or nobody reads it. */
  readonly over: boolean
  /** False when the client reads more slowly than we write. */
  write(text: string): boolean
  drained(): Promise<void>
  end(text: string): void
  failed(what: Fault, metadata?: JsonObject): void
}

function createWriter({ x, face, asked, limits, heartbeats, abort }: Omit<StreamGiven, 'asked' | 'withMetadata'> & { readonly asked?: Asked<Operation> }): Writer {
  const { sweeper } = x.serving
  let over = false
  let parting: Fault | null = null
  let busy = true
  let quietSince = x.startedAt
  let release: (() => void) | null = null
  // HTTP/1.0 knows no chunks: there the end of the connection is the end of the stream.
  const chunked = x.minor > 0

  const commit = () => {
    if (x.status !== 0) return
    x.begin(200, linesOf(x, face.streamType ?? 'text/event-stream') + (chunked ? STREAM_LINES + CHUNKED : STREAM_LINES))
    x.nudge = beat
  }
  const send = (text: string): boolean => chunked ? x.writeChunk(text) : x.write(text, isAscii(text))
  const beat = () => {
    if (over || x.connection.socket.writableNeedDrain) return
    send(face.heartbeat)
    busy = true
  }
  const stop = () => {
    over = true
    sweeper.delete(silence)
    release?.()
  }
  const silence: Swept = {
    place: -1,
    sweep(now) {
      if (over) return
      if (busy) {
        busy = false
        quietSince = now
      }
      if (x.status === 0) {
        if (now - x.startedAt < limits.commitAfterMs) return
        commit()
        if (heartbeats) beat()
        else x.flush()
      } else if (heartbeats && now - quietSince >= limits.heartbeatMs) beat()
    },
  }
  const writer: Writer = {
    encoder: null,
    get over() { return over },
    get parting() { return parting },
    write(text) {
      commit()
      busy = true
      return send(text)
    },
    drained() {
      x.connection.guardStall()
      return new Promise((resolve) => {
        release = () => {
          release = x.onDrain = null
          resolve()
        }
        x.onDrain = release
        if (over || !x.connection.socket.writableNeedDrain) release()
      })
    },
    end(text) {
      commit()
      stop()
      if (chunked) x.endChunks(text)
      else x.end(text, isAscii(text))
    },
    failed(what, metadata) {
      if (over) return
      if (x.status === 0) {
        stop()
        sendFault(x, face, what, [], metadata)
        return
      }
      const id = { id: x.id!, created: Math.floor(x.createdAt / 1000), ...(asked && { asked }) }
      writer.end(writer.encoder === null ? face.faultFrames(what, id, metadata)
        : writer.encoder.push([{ type: 'fault', fault: what }], metadata) + writer.encoder.end(metadata))
    },
  }
  x.onGone = () => {
    stop()
    abort()
  }
  x.cut = (what) => {
    if (writer.encoder === null) writer.failed(what)
    else {
      parting = what
      release?.()
      setTimeout(() => writer.failed(what), PARTING_MS).unref()
    }
    abort()
  }
  sweeper.add(silence)
  return writer
}

/** How long the usage of a stream that the server ends may take, before it ends without. */
const PARTING_MS = 800

const STREAM_LINES = 'Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'

const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length
