import type { ChatRequest } from './chat.ts'
import { embedNeed, type EmbedRequest } from './embed.ts'
import { needOf, type Need, type Preferences } from './need.ts'
import { rerankNeed, type RerankRequest } from './rerank.ts'
import type { LoopWishes } from './server-tool.ts'
import type { StageNote } from './stage.ts'

export interface Chat {
  readonly type: 'chat'
  readonly request: ChatRequest
}

export interface Embed {
  readonly type: 'embed'
  readonly request: EmbedRequest
}

export interface Rerank {
  readonly type: 'rerank'
  readonly request: RerankRequest
}

/** What a caller asks for, whatever surface it came through. Further operations join as their dialects do. */
export type Operation = Chat | Embed | Rerank

/** What an operation demands of an endpoint. */
export function demandOf(operation: Operation, stream: boolean): Need {
  switch (operation.type) {
    case 'chat': return needOf(operation.request, stream)
    case 'embed': return embedNeed(operation.request)
    case 'rerank': return rerankNeed(operation.request)
  }
}

/** Something the caller switched on or configured by id (OpenRouter's `plugins[]`). */
export interface Plugin {
  readonly id: string
  readonly enabled: boolean
  readonly settings: Readonly<Record<string, unknown>>
}

/** Whether answers are kept and given again to who asks the same, and for how long. */
export interface CacheSettings {
  readonly enabled: boolean
  readonly ttlSeconds?: number
}

/** What an inbound face makes of a body; a chat, where nothing else is said. */
export interface Asked<O extends Operation = Chat> {
  readonly operation: O
  readonly preferences: Preferences
  readonly plugins: readonly Plugin[]
  readonly stream: boolean
  /** The settings of its key demand that it is judged, whatever it says itself. */
  readonly moderated?: boolean
  /** A stream shall begin with what was sent to each provider (`debug.echo_upstream_body`). */
  readonly echo?: boolean
  /** Whether a silent stream has comments; absent: as the key has it. */
  readonly heartbeats?: boolean
  /** Warnings for the answer's metadata: fields that were understood but have no effect. */
  readonly ignored: readonly string[]
  /** How far server tools may go. */
  readonly loop?: LoopWishes
  /** The server tools that this call is made within, by the headers of whoever makes it: they are not offered again. */
  readonly inside?: readonly string[]
  /** The slug of the preset that is named beside the models; one may also stand in a model's name (`@preset/slug`). */
  readonly preset?: string
  /** The preset that has filled in what the request left open, by its id. */
  readonly presetId?: string
  /** What that preset says of answers that are given again. */
  readonly cache?: CacheSettings
  /** The request as it was before that: answers repeat what their caller said, and are told in the way that it asked for. */
  readonly said?: ChatRequest
  /** What was made of it before it came to the stages, for the answer's metadata. */
  readonly notes?: readonly StageNote[]
}

/** What was asked in the words of its caller, where a preset has filled in the rest. */
export function asSaid(asked: Asked<Operation>): Asked<Operation> {
  return asked.said ? { ...asked, operation: { type: 'chat', request: asked.said } } : asked
}

/** Whether a conversation is asked for: what stages, conversations and audits are about. */
export function asksForChat(asked: Asked<Operation>): asked is Asked<Chat> {
  return asked.operation.type === 'chat'
}
