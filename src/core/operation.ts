import type { ChatRequest } from './chat.ts'
import type { Preferences } from './need.ts'

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
}
