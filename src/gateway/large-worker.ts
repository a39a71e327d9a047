import { parentPort, type Transferable } from 'node:worker_threads'
import { asVector, type Asked, type ChatEvent, type ChatRequest, type EmbedRequest, type Fault, type JsonObject, type Message } from '../core/index.ts'
import { DIALECTS, parseBody, type Inbound, type Outgoing, type Target } from '../dialects/index.ts'
import type { LargeAnswer, LargeJob, SharedBody } from './large.ts'
import type { Numbered } from './thread.ts'

type Read = { readonly asked: Asked } | { readonly fault: Fault }

/** About as many bytes of messages go over at once, because making them holds the other side's loop up. */
const PIECE_BYTES = 1024 * 1024
const SMALL_BYTES = 16 * 1024
/** What an object costs to make, in bytes of text that take as long. */
const PER_VALUE = 512

/** Answers jobs, and remembers the body that was read last: mostly it is the next that is written. */
function createAnswerer(): (job: LargeJob) => LargeAnswer {
  let kept: { readonly id: number; readonly read: Read } | null = null

  const readOf = (body: SharedBody): Read => {
    if (kept?.id === body.id) return kept.read
    // Let go before the next is made: there need not be memory for two.
    kept = null
    const bytes = Buffer.from(body.shared, 0, body.length)
    const parsed = parseBody(bytes)
    const read = 'fault' in parsed ? parsed : faceOf(body).decode(parsed.value, bytes, body.headers)
    kept = { id: body.id, read }
    return read
  }

  return (job) => {
    if (job.do === 'write') return written(job)
    if (job.do === 'vectors') return { events: vectorsOf(job) }
    const read = readOf(job.body)
    if ('fault' in read) return read
    const { request } = read.asked.operation
    switch (job.do) {
      case 'read': return { asked: light(read.asked), messages: request.messages.length }
      case 'messages': return { messages: pieceOf(request.messages, job.from) }
      case 'encode': return encoded(request, job)
    }
  }
}

function faceOf({ spoken: { dialect, address } }: SharedBody): Inbound {
  const { inbound, inboundAt } = DIALECTS.get(dialect)!
  return address === undefined ? inbound! : inboundAt!(address)
}

/**
 * Without what is large. That there is a caller's body is said, since whoever changes the request takes it off; of its
 * fields those are there that answers go by.
 */
function light(asked: Asked): Asked {
  const { request } = asked.operation
  const { origin } = request
  return {
    ...asked,
    operation: { type: 'chat', request: { ...request, messages: [], ...(origin && { origin: { dialect: origin.dialect, body: smallFields(origin.body) } }) } },
  }
}

function smallFields(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => weightOf(value) < SMALL_BYTES))
}

/** The messages from one on that go over next: at least one, and about a megabyte. */
export function pieceOf(messages: readonly Message[], from: number): readonly Message[] {
  let to = from
  for (let weight = 0; to < messages.length && weight < PIECE_BYTES; to++) weight += weightOf(messages[to])
  return messages.slice(from, to)
}

function weightOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  let weight = PER_VALUE
  for (const inner of Object.values(value)) weight += weightOf(inner)
  return weight
}

function encoded(original: ChatRequest, job: Extract<LargeJob, { do: 'encode' }>): LargeAnswer {
  const request: Record<string, unknown> = { ...original, ...job.changed }
  for (const key of job.gone) delete request[key]
  return inBytes(DIALECTS.get(job.dialect)!.outbound!.encode(request as unknown as ChatRequest, job.target))
}

function written({ operation, request, target }: Extract<LargeJob, { do: 'write' }>): LargeAnswer {
  const faces = facesOf(target)
  return inBytes(operation === 'embed' ? faces.embed!.outbound!.encode(request as EmbedRequest, target) : faces.outbound!.encode(request as ChatRequest, target))
}

const facesOf = ({ endpoint }: Target) => DIALECTS.get(endpoint.dialect!)!

function inBytes(outgoing: Outgoing | { readonly fault: Fault }): LargeAnswer {
  if ('fault' in outgoing) return outgoing
  const body = typeof outgoing.body === 'string' ? Buffer.from(outgoing.body) : outgoing.body
  return { outgoing: { ...outgoing, body } }
}

/** The events of an answer, with its vectors as pieces of one text: that goes over as it is, however many there are. */
function vectorsOf({ body, encoding, target }: Extract<LargeJob, { do: 'vectors' }>): readonly ChatEvent[] {
  return facesOf(target).embed!.outbound!.decodeReply(body, target).map((event) => {
    if (event.type !== 'block-open' || event.block.type !== 'embeddings') return event
    const texts = event.block.vectors.map((vector) => vector instanceof Uint8Array ? vector : Buffer.from(JSON.stringify(asVector(encoding, vector))))
    const all = new Uint8Array(texts.reduce((length, text) => length + text.length, 0))
    let at = 0
    const vectors = texts.map((text) => {
      all.set(text, at)
      return all.subarray(at, at += text.length)
    })
    return { ...event, block: { type: 'embeddings', vectors } }
  })
}

/** The memory of what was written here goes over as it is. */
function movable(answered: LargeAnswer): Transferable[] {
  if ('outgoing' in answered) return typeof answered.outgoing.body === 'string' ? [] : wholly(answered.outgoing.body)
  if (!('events' in answered)) return []
  const block = answered.events.find((event) => event.type === 'block-open')?.block
  const first = block?.type === 'embeddings' ? block.vectors[0] : undefined
  return first instanceof Uint8Array && first.buffer instanceof ArrayBuffer ? [first.buffer] : []
}

const wholly = ({ buffer, byteLength }: Uint8Array): Transferable[] => buffer instanceof ArrayBuffer && byteLength === buffer.byteLength ? [buffer] : []

const answer = createAnswerer()
parentPort?.on('message', ({ id, of }: Numbered<LargeJob>) => {
  const answered = answer(of)
  parentPort?.postMessage({ id, of: answered } satisfies Numbered<LargeAnswer>, movable(answered))
})
