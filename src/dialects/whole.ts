import { fault, type Block, type ChatEvent, type Fault, type Operation, type Usage } from '../core/index.ts'
import type { Outbound, Target } from './dialect.ts'
import { parseUpstream, viewOf } from './json.ts'
import { isObject, type Loose } from './loose.ts'
import { saidBy, scrub, upstreamFault, type Headers } from './upstream-fault.ts'

/** What a whole answer says: its one block, and what it used where the provider tells. */
export interface Said {
  readonly start?: Omit<Extract<ChatEvent, { type: 'start' }>, 'type'>
  readonly block: Block
  readonly usage?: Usage | undefined
}

type Given<Request extends Operation['request']> = Omit<Outbound<Request>, 'decodeReply' | 'decoder' | 'decodeFault'> & {
  /** Reads the body of an answer; null where it is none. */
  read(body: Loose, target: Target): Said | null
}

const MAX_ERROR_BYTES = 16_384

/**
 * A face for an operation whose answers come in one JSON body, as embeddings and rankings do everywhere. What is told in
 * a body of status 200 that is no answer (an error, a page) is a fault.
 */
export function wholeOutbound<Request extends Operation['request']>({ read, ...face }: Given<Request>): Outbound<Request> {
  const decodeReply = (body: Uint8Array, target: Target): readonly ChatEvent[] => eventsOf(body, target, read)
  return {
    ...face,
    decodeReply,
    // Nobody asks for a stream; a server that sends one all the same is read to its end.
    decoder(target) {
      const pieces: Uint8Array[] = []
      return {
        push(bytes) {
          // A copy: the caller may reuse its buffer.
          pieces.push(Uint8Array.prototype.slice.call(bytes))
          return NONE
        },
        end: () => decodeReply(Buffer.concat(pieces), target),
      }
    },
    decodeFault: faultOfAnswer,
  }
}

function eventsOf(body: Uint8Array, target: Target, read: (body: Loose, target: Target) => Said | null): readonly ChatEvent[] {
  const { providerName } = target.endpoint
  const parsed = parseUpstream(body)
  if ('fault' in parsed || !isObject(parsed.value)) return [unreadable(providerName, viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES))]
  const said = read(parsed.value, target)
  if (said === null) {
    const words = saidBy(parsed.value)
    return [words !== null && words.message !== '' ? { type: 'fault', fault: upstreamFault(500, {}, words, target.endpoint, JSON.stringify(parsed.value).slice(0, MAX_ERROR_BYTES)) }
      : unreadable(providerName, '')]
  }
  const { start, block, usage } = said
  return [
    { type: 'start', ...start },
    { type: 'block-open', index: 0, choice: 0, block },
    { type: 'block-close', index: 0 },
    { type: 'finish', choice: 0, reason: 'stop' },
    ...(usage ? [{ type: 'usage', usage } as const] : NONE),
  ]
}

function unreadable(providerName: string, raw: string): ChatEvent {
  return {
    type: 'fault',
    fault: fault('invalid-response', `${providerName} answered with something else than was asked for.`, { upstream: { status: 200, ...(raw !== '' && { raw: scrub(raw) }), provider: providerName } }),
  }
}

/** An answer of another status as a fault, whatever the shape of its body. */
export function faultOfAnswer(status: number, headers: Headers, body: Uint8Array, { endpoint }: Pick<Target, 'endpoint'>): Fault {
  const raw = viewOf(body).toString('utf8', 0, MAX_ERROR_BYTES)
  const parsed = parseUpstream(raw)
  return upstreamFault(status, headers, 'value' in parsed ? saidBy(parsed.value) : null, endpoint, raw)
}

const NONE: readonly never[] = Object.freeze([])
