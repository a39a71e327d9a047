import type { ChatRequest } from './chat.ts'
import type { Preferences } from './need.ts'
import type { StageNote } from './stage.ts'

/** What a caller asks for, whatever surface it came through. Further operations join as their dialects do. */
export interface Chat {
  readonly type: 'chat'
  readonly request: ChatRequest
}

export type Operation = Chat

/** Something the caller switched on or configured by id (OpenRouter's `plugins[]`). */
export interface Plugin {
  readonly id: string
  readonly enabled: boolean
  readonly settings: Readonly<Record<string, unknown>>
}

/** What an inbound face makes of a body. */
export interface Asked {
  readonly operation: Operation
  readonly preferences: Preferences
  readonly plugins: readonly Plugin[]
  readonly stream: boolean
  /** A stream shall begin with what was sent to each provider (`debug.echo_upstream_body`). */
  readonly echo?: boolean
  /** Whether a silent stream has comments; absent: as the key has it. */
  readonly heartbeats?: boolean
  /** Warnings for the answer's metadata: fields that were understood but have no effect. */
  readonly ignored: readonly string[]
  /** The slug of the preset that is named beside the models; one may also stand in a model's name (`@preset/slug`). */
  readonly preset?: string
  /** The preset that has filled in what the request left open, by its id. */
  readonly presetId?: string
  /** The request as it was before that: answers repeat what their caller said, and are told in the way that it asked for. */
  readonly said?: ChatRequest
  /** What was made of it before it came to the stages, for the answer's metadata. */
  readonly notes?: readonly StageNote[]
}

/** What was asked in the words of its caller, where a preset has filled in the rest. */
export function asSaid(asked: Asked): Asked {
  return asked.said ? { ...asked, operation: { type: 'chat', request: asked.said } } : asked
}
