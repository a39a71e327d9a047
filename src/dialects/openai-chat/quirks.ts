/**
 * How providers of this wire format differ, as typed flags. The catalogue gives a provider its codes; this table
 * says what each of them means here. No provider is named anywhere else in this folder, nor here.
 */
export interface Flags {
  /** Reasoning models refuse `max_tokens` and want `max_completion_tokens`; role `developer` exists. */
  readonly completionTokens: boolean
  /** Reasoning models refuse sampling parameters and stop while they think. */
  readonly noSamplingWhileThinking: boolean
  /** Reasoning models refuse stop and the penalties. */
  readonly noStopOnReasoning: boolean
  /** How reasoning is asked for: an effort, OpenRouter's object, `thinking {type}`, `enable_thinking`, or template arguments. */
  readonly control: 'effort' | 'object' | 'type' | 'enable' | 'template'
  /** Thinking is only possible while streaming. */
  readonly thinksOnlyStreaming: boolean
  /** What is sent back of earlier reasoning: nothing, typed details, text under these field names, or chunks of the content. */
  readonly replay: 'none' | 'details' | 'text' | 'chunks'
  readonly reasoningFields: readonly ('reasoning' | 'reasoning_content')[]
  /** `cache_control` marks are understood. */
  readonly cacheControl: boolean
  /** `prompt_cache_breakpoint` marks are understood, by models that charge for writing to a cache. */
  readonly breakpoints: boolean
  /** Tool call ids must be nine letters or digits. */
  readonly nineIds: boolean
  /** `seed` is called `random_seed`. */
  readonly randomSeed: boolean
  /** A trailing assistant message needs `prefix: true`. */
  readonly prefix: boolean
  /** `tool_choice: "required"` is called `any`. */
  readonly choiceAny: boolean
  /** User and assistant messages must alternate, and the last one must be the user's. */
  readonly alternate: boolean
  /** No function tools. */
  readonly noTools: boolean
  /** `tool_stream` must be set for arguments to stream. */
  readonly toolStream: boolean
  /** JSON mode wants the word "json" in the prompt. */
  readonly jsonWord: boolean
  /** A grammar stands at the top level. */
  readonly grammarParam: boolean
  /** A schema goes as `response_format {type: "json", value}`. */
  readonly grammarFormat: boolean
  /** The default output limit is small: send the endpoint's own. */
  readonly smallDefaultLimit: boolean
  /** `<think>` may stand in the text; with `thinkOpen` the template has opened it already. */
  readonly thinkTags: boolean
  readonly thinkOpen: boolean
  /** Reasoning tokens are not inside the completion tokens. */
  readonly reasoningOutside: boolean
}

const PLAIN: Flags = {
  completionTokens: false, noSamplingWhileThinking: false, noStopOnReasoning: false, control: 'effort', thinksOnlyStreaming: false,
  replay: 'none', reasoningFields: ['reasoning_content'], cacheControl: false, breakpoints: false, nineIds: false, randomSeed: false, prefix: false,
  choiceAny: false, alternate: false, noTools: false, toolStream: false, jsonWord: false, grammarParam: false, grammarFormat: false,
  smallDefaultLimit: false, thinkTags: false, thinkOpen: false, reasoningOutside: false,
}

/** Codes that change what is sent or how an answer is read. */
export const QUIRKS: Readonly<Record<string, Partial<Flags>>> = {
  'openai-token-limit-name': { completionTokens: true },
  'openai-reasoning-sampling': { noSamplingWhileThinking: true },
  'no-stop-on-reasoning': { noStopOnReasoning: true },
  'reasoning-details': { control: 'object', replay: 'details', cacheControl: true },
  'reasoning-content-field': { reasoningFields: ['reasoning_content'] },
  'reasoning-field': { reasoningFields: ['reasoning'] },
  // vLLM renamed reasoning_content to reasoning (RFC 27755): a server of either age must find its own.
  'reasoning-rename': { replay: 'text', reasoningFields: ['reasoning', 'reasoning_content'] },
  'reasoning-replay': { replay: 'text', control: 'type' },
  'content-chunk-array': { replay: 'chunks' },
  'tool-stream-flag': { toolStream: true, control: 'type' },
  'stream-only-thinking': { thinksOnlyStreaming: true, control: 'enable' },
  'extra-body-params': { control: 'template' },
  'cache-control-accepted': { cacheControl: true },
  'cache-breakpoints': { breakpoints: true },
  'tool-id-9-alnum': { nineIds: true },
  'random-seed-name': { randomSeed: true },
  'prefix-flag': { prefix: true },
  'tool-choice-any': { choiceAny: true },
  'strict-alternation': { alternate: true },
  'no-tools': { noTools: true },
  'json-word-required': { jsonWord: true },
  'grammar-param': { grammarParam: true },
  'tgi-grammar-format': { grammarFormat: true },
  'tgi-default-max-tokens': { smallDefaultLimit: true },
  'think-tags': { thinkTags: true },
  'think-open': { thinkTags: true, thinkOpen: true },
  'usage-reasoning-excluded': { reasoningOutside: true },
}

/** Codes of this wire format that the reader takes from anybody, so that no flag is needed. */
export const TOLERATED: readonly string[] = [
  'usage-chunk-empty-choices', 'azure-filter-chunk', 'azure-content-filter-400', 'error-in-200-stream', 'error-in-200-body',
  'flat-error', 'finish-model-length', 'null-tool-arguments', 'error-string', 'cost-ticks', 'cache-hit-fields',
  'keepalive-comments', 'finish-insufficient-resource', 'cached-tokens-top-level', 'usage-in-choice', 'tool-use-failed',
  'x-groq-usage', 'whole-tool-calls', 'usage-cumulative', 'citations-top-level', 'object-arguments', 'tool-index-zero',
  'finish-stop-with-tools', 'timings-field', 'loading-503', 'tgi-error-shape', 'usage-cost-inline', 'overloaded-529', 'retry-info-in-body',
  'error-array',
]

/** Codes that another room or dialect acts on. */
export const ELSEWHERE: readonly string[] = [
  // addresses, keys and headers: providers
  'azure-deployment-names', 'version-header', 'workspace-header', 'oauth-token', 'global-host-differs', 'project-id-in-body',
  'version-query', 'account-in-url', 'region-in-url', 'header-key', 'model-id-encoding', 'inference-profile-prefix', 'alt-sse',
  // other wire formats
  'responses-only-models', 'responses-store-default', 'summary-needs-verification', 'max-tokens-required', 'usage-cache-excluded',
  'signature-opaque', 'openai-own-tools', 'no-sampling-on-new-models', 'tool-id-charset', 'four-cache-breakpoints', 'thought-signature',
  'usage-thoughts-excluded', 'prompt-block-no-candidates', 'schema-subset', 'vertex-anthropic-body', 'binary-event-stream',
  'tool-config-required', 'blank-text-rejected', 'tool-choice-no-none', 'p-k-names', 'billed-vs-token-usage', 'citations-by-offset',
  'base64-embeddings', 'int8-embeddings', 'output-dimension-name', 'embeddings-input-type', 'embeddings-query-or-passage', 'multimodal-embeddings',
  'ndjson', 'no-tool-choice', 'think-param', 'silent-context-truncation', 'anthropic-first', 'async-job',
]

/** Codes that tell an operator something and change nothing that is sent or read. */
export const INFORMATION: readonly string[] = [
  // The key is passed on wherever the caller sends it.
  'prompt-cache-key-forwarded',
  // The caller's schema is sent as it is: making optional fields required would change what it means.
  'strict-schema-required-fields',
  'tool-parser-flag', 'jinja-flag-for-tools', 'jit-load-latency', 'zero-listed-trial', 'provider-suffix-routing', 'author-prefixed-ids',
]

/** An endpoint's codes never change, so that its flags are worked out once; a new catalogue brings new sets. */
const KNOWN = new WeakMap<ReadonlySet<string>, Flags>()

/** The flags of an endpoint from its codes; codes that are not known here have no effect here. */
export function flagsOf(codes: ReadonlySet<string>): Flags {
  if (codes.size === 0) return PLAIN
  const known = KNOWN.get(codes)
  if (known) return known
  const flags: { -readonly [K in keyof Flags]: Flags[K] } = { ...PLAIN }
  for (const code of codes) {
    const quirk = QUIRKS[code]
    if (quirk) Object.assign(flags, quirk)
  }
  KNOWN.set(codes, flags)
  return flags
}
