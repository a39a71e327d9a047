/** Shapes of Cohere's chat, version 2, as requests are written. What comes in is read through `loose.ts`. */
import type { JsonObject } from '../../core/index.ts'

export const DIALECT = 'cohere-v2'

/** Whose reasoning it is, as `reasoning_details` name it: nothing here is signed. */
export const THOUGHT_FORMAT = 'cohere-v2'

export type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string; readonly detail?: string } }
  | { readonly type: 'thinking'; readonly thinking: string }
  | { readonly type: 'document'; readonly document: { readonly data: JsonObject; readonly id?: string } }

export interface WireCall {
  readonly id: string
  readonly type: 'function'
  readonly function: { readonly name: string; readonly arguments: string }
}

export type WireMessage =
  | { readonly role: 'system' | 'user'; readonly content: string | readonly Content[] }
  | { readonly role: 'assistant'; readonly content?: string | readonly Content[]; readonly tool_plan?: string; readonly tool_calls?: readonly WireCall[] }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string | readonly Content[] }

export interface WireBody {
  model: string
  messages: readonly WireMessage[]
  stream: boolean
  tools?: readonly object[]
  tool_choice?: 'REQUIRED' | 'NONE'
  response_format?: { readonly type: 'json_object'; readonly json_schema?: JsonObject }
  thinking?: { readonly type: 'enabled' | 'disabled'; readonly token_budget?: number }
  [more: string]: unknown
}
