import type { Annotation, MediaKind, Seal, VendorCall } from './chat.ts'
import type { Vector } from './embed.ts'
import type { Fault } from './fault.ts'
import type { Charge } from './price.ts'
import type { Ranked } from './rerank.ts'
import type { Usage } from './usage.ts'

/** What a block of a reply is. Blocks of one choice may be open side by side (parallel tool calls). */
export type Block =
  | { readonly type: 'text'; readonly phase?: string }
  | { readonly type: 'refusal' }
  | { readonly type: 'reasoning'; readonly id?: string; readonly summary?: boolean; readonly format?: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly form: 'function' | 'custom'; readonly as?: VendorCall }
  /** Deltas are base64 (or one whole `url`); `id` and `expiresAt` are those of OpenAI's audio. */
  | { readonly type: 'media'; readonly kind: MediaKind; readonly mime?: string; readonly url?: string; readonly id?: string; readonly expiresAt?: number }
  | { readonly type: 'native'; readonly dialect: string; readonly value: unknown }
  /** All vectors of a request for embeddings, in the order of its inputs; whole when it opens. */
  | { readonly type: 'embeddings'; readonly vectors: readonly Vector[] }
  /** The documents of a request to rank, the best first; whole when it opens. */
  | { readonly type: 'ranking'; readonly ranked: readonly Ranked[] }

/** One token with its alternatives, in OpenAI's shape, which every dialect with logprobs follows closely enough. */
export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[] | null
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number; readonly bytes: readonly number[] | null }[]
}

export type Note =
  | { readonly type: 'annotation'; readonly annotation: Annotation }
  | { readonly type: 'logprobs'; readonly content?: readonly TokenLogprob[]; readonly refusal?: readonly TokenLogprob[] }
  | { readonly type: 'transcript'; readonly text: string }

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'error'

/**
 * One event of a reply. A stream is `start`, then blocks and notes, then one `finish` for each choice and at most
 * one last `usage`, or one `fault` that ends it at any point. A decoder never throws: bad bytes are a `fault`.
 */
export type ChatEvent =
  | {
      readonly type: 'start'
      readonly upstreamId?: string
      readonly model?: string
      readonly created?: number
      readonly fingerprint?: string
      readonly tier?: string
      /** The provider's display name, where the upstream is itself a router and names it. */
      readonly provider?: string
      /** What the provider has counted by then, mostly the prompt; what it says at the end stands. */
      readonly usage?: Usage
    }
  | { readonly type: 'block-open'; readonly index: number; readonly choice: number; readonly block: Block }
  | { readonly type: 'block-delta'; readonly index: number; readonly text: string }
  | { readonly type: 'note'; readonly choice: number; readonly index?: number; readonly note: Note }
  | { readonly type: 'block-close'; readonly index: number; readonly seal?: Seal }
  /** Absolute; the last one stands. The gateway's meter withholds those of the upstream and adds the charge. */
  | { readonly type: 'usage'; readonly usage: Usage; readonly charge?: Charge }
  | { readonly type: 'finish'; readonly choice: number; readonly reason: FinishReason; readonly native?: string; readonly stop?: string }
  | { readonly type: 'fault'; readonly fault: Fault }

/** Events as they travel: one batch for each read from the upstream. */
export type EventStream = AsyncIterable<readonly ChatEvent[]>

/** Whether a batch commits the call to this endpoint: from the first block on, falling over is illegal. */
export function commits(batch: readonly ChatEvent[]): boolean {
  for (const event of batch) if (event.type === 'block-open' || event.type === 'finish') return true
  return false
}

/**
 * The grammar of a reply, as the reason why a list of events breaks it, or null. Block indices count up from 0 in
 * order of opening, over all choices. Every decoder's output is held against this in every test.
 */
export function malformed(events: readonly ChatEvent[]): string | null {
  const open = new Set<number>()
  const finished = new Set<number>()
  let next = 0
  let started = false
  for (const [at, event] of events.entries()) {
    const where = `event ${at} (${event.type})`
    if (event.type === 'fault') return at === events.length - 1 ? null : `${where} is not the last`
    if (!started && event.type !== 'start') return `${where} comes before start`
    switch (event.type) {
      case 'start':
        if (started) return `${where}: a second start`
        started = true
        break
      case 'block-open':
        if (event.index !== next) return `${where}: block ${event.index} opened, ${next} was next`
        if (finished.has(event.choice)) return `${where}: choice ${event.choice} was finished`
        open.add(next++)
        break
      case 'block-delta':
        if (!open.has(event.index)) return `${where}: block ${event.index} is not open`
        break
      case 'block-close':
        if (!open.delete(event.index)) return `${where}: block ${event.index} is not open`
        break
      case 'finish':
        if (finished.has(event.choice)) return `${where}: choice ${event.choice} finished twice`
        finished.add(event.choice)
        break
      case 'usage':
      case 'note':
        break
    }
  }
  if (!started) return 'no start'
  if (open.size > 0) return `blocks left open: ${[...open].join(', ')}`
  if (finished.size === 0) return 'no finish'
  return null
}
