import type { ChatRequest, Part } from './chat.ts'
import type { Atto } from './money.ts'

/** Figures at percentiles, as a caller states thresholds. */
export interface Percentiles {
  readonly p50?: number
  readonly p75?: number
  readonly p90?: number
  readonly p99?: number
}

/** What becomes of a bound on output tokens that an endpoint cannot give; the later, the stricter. */
export const MAX_OUTPUT = ['clamp', 'drop', 'refuse'] as const
export type MaxOutput = (typeof MAX_OUTPUT)[number]

/** What becomes of parameters that an endpoint does not honour; the later, the stricter. */
export const UNSUPPORTED_PARAMETERS = ['keep', 'drop', 'refuse'] as const
export type UnsupportedParameters = (typeof UNSUPPORTED_PARAMETERS)[number]

/** Which identical calls of a workspace share one: none, those that ask for it, all that do not object. */
export const COALESCE = ['off', 'asked', 'on'] as const
export type Coalesce = (typeof COALESCE)[number]

export type SortKey = 'price' | 'throughput' | 'latency' | 'exacto'

/** What the caller wishes of routing: OpenRouter's `models`, `provider` and variants, in one meaning. */
export interface Preferences {
  /** Model references as asked for, in order, without duplicates; the first is `model`. */
  readonly models: readonly string[]
  readonly order?: readonly string[]
  readonly only?: readonly string[]
  readonly ignore?: readonly string[]
  /** Default true. */
  readonly allowFallbacks?: boolean
  readonly requireParameters?: boolean
  /** Where it is not said, the operator's policy holds. */
  readonly maxOutput?: MaxOutput
  readonly unsupportedParameters?: UnsupportedParameters
  /** A second attempt beside a slow one, at the caller's cost; false: none, whoever pays. */
  readonly hedge?: boolean
  /** Whether identical calls of the workspace that are under way at once share one; false: never. */
  readonly coalesce?: boolean
  readonly dataCollection?: 'allow' | 'deny'
  readonly zdr?: boolean
  readonly enforceDistillableText?: boolean
  readonly quantizations?: readonly string[]
  /** Without `by` it only says whether the endpoints of several models are put in order together (`none`). */
  readonly sort?: { readonly by?: SortKey; readonly partition: 'model' | 'none' }
  /** Tokens per second. */
  readonly preferredMinThroughput?: Percentiles
  /** Seconds to the first token. */
  readonly preferredMaxLatency?: Percentiles
  /** Atto-dollars: prompt, completion and audio per token; request and image per unit. */
  readonly maxPrice?: Readonly<Partial<Record<'prompt' | 'completion' | 'request' | 'image' | 'audio', Atto>>>
  /** `provider.options`: passthrough by provider slug. */
  readonly options?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The limits that the settings of the key or its workspace set, alone or below the request's own. */
  readonly setBy?: Readonly<Partial<Record<
    'only' | 'ignore' | 'quantizations' | 'maxPrice' | 'allowFallbacks' | 'requireParameters' | 'zdr' | 'enforceDistillableText' | 'dataCollection',
    'key' | 'workspace'
  >>>
}

/** fp4 and fp8 also mean the formats that carry the same number of bits with a scale for each block. */
const QUANTIZATION_FAMILIES: Readonly<Record<string, readonly string[]>> = { fp4: ['mxfp4', 'nvfp4'], fp8: ['mxfp8'] }

/** The quantizations that a list of them admits: in lower case, families spelled out. */
export function quantizationsMeant(names: readonly string[]): ReadonlySet<string> {
  const meant = new Set<string>()
  for (const name of names) {
    const plain = name.toLowerCase()
    meant.add(plain)
    for (const member of QUANTIZATION_FAMILIES[plain] ?? []) meant.add(member)
  }
  return meant
}

/** What a request demands of an endpoint; the plan sees this and never the request. */
export interface Need {
  readonly operation: 'chat' | 'embed' | 'rerank'
  /** Bytes of text in the prompt, as UTF-8: byte-level vocabularies never make more tokens than that. */
  readonly inputBytes: number
  /** An estimate of the prompt's tokens (bytes ÷ 4 and a share for each message and media part). */
  readonly inputTokens: number
  /** The caller's limit on output tokens. */
  readonly outputBound: number | null
  /** Of inputs that are read apart from each other: how many, and the tokens of the longest, which has the window for itself. */
  readonly apart?: { readonly count: number; readonly longest: number }
  /** What is billed by search units takes so many. */
  readonly searchUnits?: number
  readonly inputModalities: ReadonlySet<string>
  readonly outputModalities: ReadonlySet<string>
  readonly images: number
  /** Media parts of all kinds but audio, and audio parts. */
  readonly media: number
  readonly audios: number
  /** How many answers are asked for (`n`). */
  readonly choices: number
  /** Parameters that are present in the request, in OpenRouter's names. */
  readonly parameters: ReadonlySet<string>
  readonly stream: boolean
}

const MEDIA_TOKENS: Readonly<Record<string, number>> = { image: 1000, file: 2000, audio: 1000, video: 4000 }
const TEXT: ReadonlySet<string> = new Set(['text'])
const PER_MESSAGE_TOKENS = 4
/** What a token of text is taken for where nobody counts. */
export const BYTES_PER_TOKEN = 4

/** What a chat request demands. Linear in the number of parts; text is measured, never tokenised. */
export function needOf(request: ChatRequest, stream: boolean): Need {
  let inputModalities: Set<string> | null = null
  let bytes = 0
  let tokens = 0
  let images = 0
  let media = 0
  let audios = 0
  const weigh = (parts: readonly Part[]): void => {
    for (const part of parts) {
      switch (part.type) {
        case 'media':
          inputModalities ??= new Set(TEXT)
          inputModalities.add(part.kind)
          tokens += MEDIA_TOKENS[part.kind] ?? 1000
          if (part.kind === 'image') images++
          if (part.kind === 'audio') audios++
          else media++
          break
        case 'tool-result': weigh(part.content); break
        case 'tool-call': bytes += Buffer.byteLength(part.input) + part.name.length; break
        case 'native': break
        default: bytes += Buffer.byteLength(part.text)
      }
    }
  }
  for (const message of request.messages) {
    tokens += PER_MESSAGE_TOKENS
    weigh(message.parts)
  }
  if (request.tools) bytes += Buffer.byteLength(JSON.stringify(request.tools))
  return {
    operation: 'chat',
    inputBytes: bytes,
    inputTokens: tokens + Math.ceil(bytes / BYTES_PER_TOKEN),
    outputBound: request.maxOutputTokens ?? null,
    inputModalities: inputModalities ?? TEXT,
    outputModalities: request.modalities ? new Set(request.modalities) : TEXT,
    images,
    media,
    audios,
    choices: request.choices ?? 1,
    parameters: parametersOf(request),
    stream,
  }
}

/** The parameters that a request sets, in the names of `supported_parameters`. */
export function parametersOf(request: ChatRequest): ReadonlySet<string> {
  const names = new Set<string>(Object.keys(request.sampling))
  if (request.maxOutputTokens !== undefined) names.add('max_tokens')
  if (request.stop?.length) names.add('stop')
  if (request.seed !== undefined) names.add('seed')
  if (request.logitBias) names.add('logit_bias')
  if (request.logprobs) names.add('logprobs')
  if (request.topLogprobs !== undefined) names.add('top_logprobs')
  if (request.tools?.length) names.add('tools')
  if (request.toolChoice !== undefined && request.tools?.length) names.add('tool_choice')
  if (request.parallelToolCalls !== undefined && request.tools?.length) names.add('parallel_tool_calls')
  if (request.format && request.format.type !== 'text') {
    names.add('response_format')
    if (request.format.type === 'schema') names.add('structured_outputs')
  }
  if (request.reasoning && request.reasoning.effort !== 'none' && request.reasoning.enabled !== false) names.add('reasoning')
  if (request.verbosity !== undefined) names.add('verbosity')
  if (request.prediction) names.add('prediction')
  return names
}
