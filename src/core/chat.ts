/**
 * The canonical chat request: what every surface is read into and every provider's request is written from.
 * A field enters when three dialects have it; until then it travels in `extras` or is a quirk of a provider.
 */

/** An opaque proof on a part, given back untouched to whoever sealed it and to nobody else. */
export interface Seal {
  /** OpenRouter's `reasoning_details[].format`: `anthropic-claude-v1`, `google-gemini-v1`, `openai-responses-v1` … */
  readonly format: string
  readonly kind: 'signature' | 'encrypted'
  readonly value: string
}

/** A prompt-cache breakpoint after the part. */
export interface CacheMark {
  readonly ttl?: '5m' | '1h'
}

export interface Citation {
  readonly type: 'citation'
  readonly url: string
  readonly title?: string
  readonly content?: string
  /** UTF-16 offsets into the text of the reply. */
  readonly start?: number
  readonly end?: number
  /** The citation in the words of the dialect that made it, with what this one has no word for. */
  readonly native?: { readonly dialect: string; readonly value: JsonObject }
}

/** A citation without an address (a place in a document): only its own dialect can say it. */
export interface NativeNote {
  readonly type: 'native'
  readonly dialect: string
  readonly value: JsonObject
  readonly start?: number
  readonly end?: number
}

/** A parsed file that the caller may send back so that it is not parsed again (OpenRouter's `file` annotation). */
export interface FileNote {
  readonly type: 'file'
  readonly hash: string
  readonly name?: string
  readonly content: readonly unknown[]
}

export type Annotation = Citation | FileNote | NativeNote

export type MediaKind = 'image' | 'file' | 'audio' | 'video'

/** Where the bytes are: inline base64, an address, or an id at the provider. */
export type MediaSource =
  | { readonly from: 'data'; readonly base64: string; readonly mime: string }
  | { readonly from: 'url'; readonly url: string }
  | { readonly from: 'id'; readonly id: string }

interface Marks {
  readonly seal?: Seal
  readonly cache?: CacheMark
}

export type TextPart = Marks & {
  readonly type: 'text'
  readonly text: string
  readonly annotations?: readonly Annotation[]
  /** OpenAI's word on a text between calls (`commentary`) or behind them (`final_answer`); a model that misses its own does worse. */
  readonly phase?: string
}
export type RefusalPart = Marks & { readonly type: 'refusal'; readonly text: string }
export type MediaPart = Marks & {
  readonly type: 'media'
  readonly kind: MediaKind
  readonly source: MediaSource
  readonly name?: string
  /** `detail` of an image, `format` of audio, `processing` of a video, as the caller wrote it. */
  readonly detail?: string
}
export type ReasoningPart = Marks & {
  readonly type: 'reasoning'
  readonly id?: string
  readonly text: string
  /** The text is a summary of the reasoning, not the reasoning itself. */
  readonly summary?: boolean
  /** Whose reasoning it is where nobody sealed it, in the words of a seal's `format`. */
  readonly format?: string
}
export type ToolCallPart = Marks & {
  readonly type: 'tool-call'
  readonly id: string
  readonly name: string
  readonly form: 'function' | 'custom'
  /** The arguments as JSON text, verbatim: nobody in the middle parses or rewrites it. */
  readonly input: string
  /** Also OpenAI's own call of that name, where a format has it; the input is its `operation`. */
  readonly as?: VendorCall
}
export interface VendorTool {
  readonly dialect: string
  readonly value: JsonObject
  /** It needs more of the body that its caller wrote: it is sent only in that. */
  readonly asWritten?: true
}

/** Calls that have a form of their own at OpenAI; everywhere else they are calls of a function. */
export type VendorCall = 'apply_patch'
export type ToolResultPart = Marks & {
  readonly type: 'tool-result'
  readonly callId: string
  readonly name?: string
  readonly content: readonly Part[]
  readonly failed?: boolean
}
/** An item of one dialect that others have no word for; it reaches the same dialect or is reported as lost. */
export type NativePart = Marks & { readonly type: 'native'; readonly dialect: string; readonly value: unknown }

export type Part = TextPart | RefusalPart | MediaPart | ReasoningPart | ToolCallPart | ToolResultPart | NativePart

export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool'

export interface Message {
  readonly role: Role
  readonly parts: readonly Part[]
  readonly name?: string
}

export type JsonObject = { readonly [key: string]: unknown }

export type Tool =
  | {
      readonly type: 'function'
      readonly name: string
      readonly description?: string
      readonly parameters?: JsonObject
      readonly strict?: boolean
      readonly cache?: CacheMark
      /** Kept from the model until it has searched for it (`defer_loading`). */
      readonly deferred?: true
      /** A tool of one dialect that the function stands in for: it is sent to endpoints that know it. */
      readonly instead?: VendorTool
    }
  | { readonly type: 'custom'; readonly name: string; readonly description?: string; readonly format?: JsonObject; readonly deferred?: true }
  | { readonly type: 'native'; readonly dialect: string; readonly value: JsonObject }

export type ToolChoice =
  | 'auto'
  | 'none'
  | 'required'
  | { readonly tool: string }
  | { readonly allowed: readonly string[]; readonly required: boolean }

export type OutputFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json' }
  | { readonly type: 'schema'; readonly name: string; readonly schema: JsonObject; readonly strict?: boolean; readonly description?: string }
  | { readonly type: 'grammar'; readonly grammar: string }
  | { readonly type: 'python' }

export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type Effort = (typeof EFFORTS)[number]

/** OpenRouter's `reasoning` object. `effort` and `maxTokens` exclude each other; `enabled` alone means effort medium. */
export interface Reasoning {
  readonly effort?: Effort
  readonly maxTokens?: number
  readonly exclude?: boolean
  readonly enabled?: boolean
  readonly summary?: 'auto' | 'concise' | 'detailed'
}

/**
 * The ranges and defaults of the eight sampling parameters (OpenRouter's parameter reference). The one table:
 * validation, schemas and documentation read it.
 */
export const SAMPLING = {
  temperature: { min: 0, max: 2, default: 1, integer: false },
  top_p: { min: 0, max: 1, default: 1, integer: false },
  top_k: { min: 0, max: null, default: 0, integer: true },
  frequency_penalty: { min: -2, max: 2, default: 0, integer: false },
  presence_penalty: { min: -2, max: 2, default: 0, integer: false },
  repetition_penalty: { min: 0, max: 2, default: 1, integer: false },
  min_p: { min: 0, max: 1, default: 0, integer: false },
  top_a: { min: 0, max: 1, default: 0, integer: false },
} as const satisfies Record<string, { min: number; max: number | null; default: number; integer: boolean }>

export type SamplingName = keyof typeof SAMPLING

/** What the caller sent, so that a face of the same dialect can patch it instead of writing it anew. */
export interface Origin {
  readonly dialect: string
  /** The parsed body; never changed in place. */
  readonly body: JsonObject
  /** Its bytes, while nothing in them had to be changed (large bodies are spliced, not re-serialised). */
  readonly bytes?: Uint8Array
  /** Headers that belong to the dialect and may go on to a provider of the same one, by their lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A wish that the web is searched by the provider itself, while it answers. */
export interface SearchWish {
  readonly contextSize?: string
  readonly maxUses?: number
  /** City, region, country and time zone, as far as the caller said them. */
  readonly location?: JsonObject
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** The caller's `web_search_options`, for endpoints that take them as they are. */
  readonly options?: JsonObject
}

export interface ChatRequest {
  readonly messages: readonly Message[]
  readonly tools?: readonly Tool[]
  readonly toolChoice?: ToolChoice
  readonly parallelToolCalls?: boolean
  readonly format?: OutputFormat
  readonly maxOutputTokens?: number
  readonly stop?: readonly string[]
  readonly sampling: Readonly<Partial<Record<SamplingName, number>>>
  readonly seed?: number
  readonly logitBias?: Readonly<Record<string, number>>
  readonly logprobs?: boolean
  readonly topLogprobs?: number
  readonly reasoning?: Reasoning
  readonly choices?: number
  readonly modalities?: readonly ('text' | 'image' | 'audio')[]
  readonly audio?: JsonObject
  readonly imageConfig?: JsonObject
  readonly prediction?: JsonObject
  readonly verbosity?: string
  readonly serviceTier?: string
  readonly cache?: CacheMark
  readonly cacheKey?: string
  readonly user?: string
  readonly session?: string
  /** Whoever does not search has the results of another in the prompt (see StandIn). */
  readonly search?: SearchWish
  readonly metadata?: Readonly<Record<string, string>>
  /** Fields that no face has a word for, as the caller wrote them: they reach a provider of the same dialect. */
  readonly extras: JsonObject
  /** Whose fields the extras are: absent where they are openai-chat's. They outlive the origin. */
  readonly extrasFrom?: string
  /** Absent as soon as a stage has changed the request. */
  readonly origin?: Origin
}

/** A request with a change made to it. The origin goes: the caller's body no longer says what is meant. */
export function rewrite(request: ChatRequest, change: Partial<Omit<ChatRequest, 'origin'>>): ChatRequest {
  const { origin: _, ...rest } = request
  return { ...rest, ...change }
}
