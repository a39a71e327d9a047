/**
 * Anthropic's Messages wire format, version 2023-06-01, as far as it is written or read here. Requests are ours and
 * typed exactly; what comes back is foreign, so everything in it may be missing.
 */

export const DIALECT = 'anthropic-messages'

/** The version that is spoken. Under 2026-10-21 sampling parameters are refused even at their defaults. */
export const VERSION = '2023-06-01'

/** The format of the seals that are made here, in OpenRouter's words. */
export const SEAL_FORMAT = 'anthropic-claude-v1'

export interface CacheControl {
  readonly type: 'ephemeral'
  readonly ttl?: '5m' | '1h'
}

/** Marks are dealt out when all blocks are known, because four is the most that a request may have. */
interface Markable {
  cache_control?: CacheControl
}

export type Source =
  | { readonly type: 'base64'; readonly media_type: string; readonly data: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file'; readonly file_id: string }
  | { readonly type: 'text'; readonly media_type: 'text/plain'; readonly data: string }

export type TextBlock = Markable & { readonly type: 'text'; text: string }
export type ImageBlock = Markable & { readonly type: 'image'; readonly source: Source }
export type DocumentBlock = Markable & { readonly type: 'document'; readonly source: Source; readonly title?: string }
export type ThinkingBlock = { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
export type RedactedBlock = { readonly type: 'redacted_thinking'; readonly data: string }
/** `input` is the JSON text of an object: it is written into the body as it is, never parsed and written anew. */
export type ToolUseBlock = Markable & {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly input: string
}
export type ToolResultBlock = Markable & {
  readonly type: 'tool_result'
  readonly tool_use_id: string
  readonly content?: string | readonly (TextBlock | ImageBlock | DocumentBlock)[]
  readonly is_error?: true
}
/** A block of this format that nothing else has a word for, as it came. */
export type NativeBlock = Markable & { readonly type: 'native'; readonly value: { readonly [key: string]: unknown } }

export type Block =
  | TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedBlock | ToolUseBlock | ToolResultBlock | NativeBlock

export interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: Block[]
}

export type Tool = Markable & {
  readonly name: string
  readonly description?: string
  readonly input_schema: { readonly [key: string]: unknown }
}

export type ToolChoice =
  | { readonly type: 'auto' | 'any'; readonly disable_parallel_tool_use?: true }
  | { readonly type: 'tool'; readonly name: string; readonly disable_parallel_tool_use?: true }
  | { readonly type: 'none' }

export type Thinking =
  | { readonly type: 'enabled'; readonly budget_tokens: number }
  | { readonly type: 'adaptive'; readonly display: 'summarized' | 'omitted' }
  | { readonly type: 'disabled' }

export interface OutputConfig {
  readonly effort?: string
  readonly format?: { readonly type: 'json_schema'; readonly schema: { readonly [key: string]: unknown } }
}

export { isObject as isLoose, type Loose } from '../loose.ts'

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Statuses of the error types, for errors that arrive inside a stream of status 200. */
export const ERROR_STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
}
