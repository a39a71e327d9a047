/** Shapes of AWS Bedrock's Converse, as requests are written. What comes in is read through `loose.ts`. */
import type { JsonObject } from '../../core/index.ts'
import type { Verbatim } from '../verbatim.ts'

export const DIALECT = 'bedrock-converse'
/** A signature of Claude is the same wherever Claude is served. */
export const CLAUDE_FORMAT = 'anthropic-claude-v1'
/** Reasoning of other families, and blobs, which only Bedrock itself can read. */
export const OWN_FORMAT = 'bedrock-converse-v1'

type Blob = { readonly bytes: string } | { readonly s3Location: { readonly uri: string } }

export interface CachePoint {
  readonly cachePoint: { readonly type: 'default'; readonly ttl?: '5m' | '1h' }
}

export type Block =
  | { readonly text: string }
  | { readonly image: { readonly format: string; readonly source: Blob } }
  | { readonly video: { readonly format: string; readonly source: Blob } }
  | { readonly document: { readonly format: string; readonly name: string; readonly source: Blob } }
  | { readonly toolUse: { readonly toolUseId: string; readonly name: string; readonly input: Verbatim } }
  | { readonly toolResult: { readonly toolUseId: string; readonly content: readonly Block[]; readonly status?: 'error' } }
  | { readonly reasoningContent: { readonly reasoningText: { readonly text: string; readonly signature: string } } | { readonly redactedContent: string } }
  | CachePoint

export interface WireMessage {
  readonly role: 'user' | 'assistant'
  readonly content: Block[]
}

export interface WireBody {
  messages: readonly WireMessage[]
  system?: readonly Block[]
  inferenceConfig?: JsonObject
  toolConfig?: { readonly tools: readonly object[]; readonly toolChoice?: { readonly any: object } | { readonly auto: object } }
  outputConfig?: JsonObject
  additionalModelRequestFields?: JsonObject
  requestMetadata?: Readonly<Record<string, string>>
  serviceTier?: { readonly type: string }
  [more: string]: unknown
}
