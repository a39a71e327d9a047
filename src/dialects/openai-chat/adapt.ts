import type { ChatRequest, Endpoint, JsonObject } from '../../core/index.ts'
import type { Changed, Target } from '../dialect.ts'
import { isObject } from '../loose.ts'
import { budgetOf, effortOf, nearestEffort, thinkingOf, type Thinking } from '../reasoning.ts'
import { adaptMessages } from './adapt-messages.ts'
import { takesBreakpoints } from './breakpoints.ts'
import type { Flags } from './quirks.ts'
import type { Loose } from './wire.ts'

/** A body under way: what is in it, and what was taken out that the caller had set. */
export interface Draft {
  readonly body: Record<string, unknown>
  readonly dropped: string[]
  changed: readonly Changed[] | null
}

/** Parameters by their keys in a body, with the names that `supported_parameters` has for them. */
const PARAMETERS: Readonly<Record<string, string>> = {
  temperature: 'temperature', top_p: 'top_p', top_k: 'top_k', min_p: 'min_p', top_a: 'top_a', frequency_penalty: 'frequency_penalty',
  presence_penalty: 'presence_penalty', repetition_penalty: 'repetition_penalty', seed: 'seed', stop: 'stop', logit_bias: 'logit_bias',
  logprobs: 'logprobs', top_logprobs: 'top_logprobs', tools: 'tools', tool_choice: 'tool_choice', verbosity: 'verbosity',
  prediction: 'prediction', web_search_options: 'web_search_options',
}

/** Keys that `provider.options` may not set: they decide what is billed, or what was already checked and counted. */
const FIXED: ReadonlySet<string> = new Set([
  'model', 'models', 'messages', 'prompt', 'stream', 'stream_options', 'service_tier', 'provider', 'plugins', 'route', 'n',
])

/**
 * Makes a body fit an endpoint: its model, the parameters that it takes under the names that it has for them, its
 * way to ask for reasoning, its quirks. Forced parameters win over the caller's, `provider.options` come last.
 */
export function adapt(draft: Draft, request: ChatRequest, target: Target, flags: Flags): void {
  const { endpoint } = target
  const { body } = draft
  const thinking = thinkingOf(request.reasoning)
  body['model'] = endpoint.upstreamModel
  body['messages'] = adaptMessages(body['messages'] as Loose[], {
    flags, upstreamModel: endpoint.upstreamModel, thinks: endpoint.reasoning.supported, breakpoints: takesBreakpoints(endpoint), json: request.format?.type === 'json',
  })
  unsupported(draft, endpoint, flags)
  format(draft, request, endpoint, flags)
  outputLimit(draft, request, endpoint, flags)
  reasoning(draft, request, target, flags, thinking)
  samplingWhileThinking(draft, endpoint, flags, thinking)
  names(draft, flags)
  if (request.cache && flags.cacheControl) body['cache_control'] = { type: 'ephemeral', ...request.cache }
  if (target.userId !== undefined) body['user'] = target.userId
  if (endpoint.tier !== 'default') body['service_tier'] = endpoint.tier
  if (target.stream) {
    body['stream'] = true
    body['stream_options'] = streamOptions(request.origin?.body['stream_options'] as JsonObject | undefined)
  }
  if (endpoint.forcedParams) for (const [key, value] of Object.entries(endpoint.forcedParams)) body[key] = merged(body[key], value)
  if (!target.options) return
  for (const [key, value] of Object.entries(target.options)) {
    if (FIXED.has(key)) draft.dropped.push(`provider.options.${key}`)
    else body[key] = value
  }
}

/** The caller's options for the stream with the one that is needed here, and without the one that is meant for us. */
function streamOptions(asked: JsonObject | undefined): JsonObject {
  if (!asked) return { include_usage: true }
  const { include_heartbeats: _, ...rest } = asked
  return { ...rest, include_usage: true }
}

function drop(draft: Draft, key: string, name = key): void {
  if (!(key in draft.body)) return
  delete draft.body[key]
  if (!draft.dropped.includes(name)) draft.dropped.push(name)
}

const supports = (endpoint: Endpoint, name: string): boolean => endpoint.parameters === null || endpoint.parameters.has(name)

function unsupported(draft: Draft, endpoint: Endpoint, flags: Flags): void {
  for (const key in PARAMETERS) {
    if (key in draft.body && !supports(endpoint, PARAMETERS[key]!)) drop(draft, key, PARAMETERS[key])
  }
  if (flags.noTools) drop(draft, 'tools')
  // Hardly any list names it, and every host with tools takes it; without tools it is a 400.
  if (!('tools' in draft.body)) {
    drop(draft, 'tool_choice')
    drop(draft, 'parallel_tool_calls')
  }
}

function format(draft: Draft, request: ChatRequest, endpoint: Endpoint, flags: Flags): void {
  const wanted = request.format
  if (!wanted || wanted.type === 'text' || !('response_format' in draft.body)) return
  if (wanted.type === 'schema' && !supports(endpoint, 'structured_outputs')) {
    if (!supports(endpoint, 'response_format')) drop(draft, 'response_format')
    else {
      draft.body['response_format'] = { type: 'json_object' }
      draft.dropped.push('structured_outputs')
    }
    return
  }
  if (!supports(endpoint, 'response_format') && !supports(endpoint, 'structured_outputs')) {
    drop(draft, 'response_format')
    return
  }
  if (wanted.type === 'grammar' && flags.grammarParam) {
    delete draft.body['response_format']
    draft.body['grammar'] = wanted.grammar
  }
  if (wanted.type === 'schema' && flags.grammarFormat) draft.body['response_format'] = { type: 'json', value: wanted.schema }
}

/** `max_completion_tokens` only where it is known to be understood: most hosts have just the old name. */
function outputLimit(draft: Draft, request: ChatRequest, endpoint: Endpoint, flags: Flags): void {
  const { parameters } = endpoint
  const limit = request.maxOutputTokens ?? (flags.smallDefaultLimit ? endpoint.maxOutputTokens ?? undefined : undefined)
  if (limit === undefined) return
  const newName = flags.completionTokens || (parameters?.has('max_completion_tokens') === true && !parameters.has('max_tokens'))
  if (!newName && !supports(endpoint, 'max_tokens')) {
    if (request.maxOutputTokens !== undefined) draft.dropped.push('max_tokens')
    return
  }
  if (request.maxOutputTokens === undefined) draft.changed = [{ parameter: 'max_tokens', asked: null, sent: limit }]
  draft.body[newName ? 'max_completion_tokens' : 'max_tokens'] = limit
}

const LIMIT_IF_UNKNOWN = 32_768

/** Puts the wish to think into the words of the endpoint. A wish for effort goes to the nearest level that it has. */
function reasoning(draft: Draft, request: ChatRequest, target: Target, flags: Flags, thinking: Thinking | undefined): void {
  const { endpoint, stream } = target
  const { body } = draft
  const support = endpoint.reasoning
  if (flags.control === 'object') {
    const wish = request.reasoning
    if (wish) body['reasoning'] = objectOf(wish)
    return
  }
  if (!thinking) return
  const off = 'off' in thinking
  const named = endpoint.parameters === null || ['reasoning', 'reasoning_effort', 'include_reasoning'].some((name) => endpoint.parameters!.has(name))
  if (!support.supported || !named || support.controllable === false || (off && support.canDisable === false && !support.efforts)) {
    if (!off) draft.dropped.push('reasoning')
    return
  }
  const limit = request.maxOutputTokens ?? endpoint.maxOutputTokens ?? LIMIT_IF_UNKNOWN
  const effort = off
    ? support.canDisable === false || (support.efforts && !support.efforts.includes('none')) ? nearestEffort('none', support.efforts) : 'none'
    : nearestEffort(effortOf(thinking, limit), support.efforts)
  switch (flags.control) {
    case 'effort':
      body['reasoning_effort'] = effort
      return
    case 'type':
      body['thinking'] = { type: off ? 'disabled' : 'enabled' }
      if (!off && support.efforts && support.efforts.length > 0) body['reasoning_effort'] = effort
      return
    case 'enable': {
      const on = !off && (stream || !flags.thinksOnlyStreaming)
      body['enable_thinking'] = on
      if (on && ('budget' in thinking || support.budgetTokens)) body['thinking_budget'] = budgetOf(thinking, limit, support.budgetTokens)
      if (!on && !off) draft.dropped.push('reasoning')
      return
    }
    case 'template':
      body['chat_template_kwargs'] = { ...(body['chat_template_kwargs'] as object | undefined), enable_thinking: !off }
      if (support.efforts && support.efforts.length > 0) body['reasoning_effort'] = effort
  }
}

function objectOf(wish: NonNullable<ChatRequest['reasoning']>): JsonObject {
  const { maxTokens, ...rest } = wish
  return { ...rest, ...(maxTokens !== undefined && { max_tokens: maxTokens }) }
}

const REFUSED_WHILE_THINKING = ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'logit_bias', 'stop'] as const
const REFUSED_WITH_REASONING = ['stop', 'presence_penalty', 'frequency_penalty'] as const

function samplingWhileThinking(draft: Draft, endpoint: Endpoint, flags: Flags, thinking: Thinking | undefined): void {
  if (!endpoint.reasoning.supported) return
  if (flags.noStopOnReasoning) for (const key of REFUSED_WITH_REASONING) drop(draft, key)
  if (!flags.noSamplingWhileThinking || (thinking && 'off' in thinking)) return
  for (const key of REFUSED_WHILE_THINKING) {
    // Without a word on reasoning the model's own default rules, and what is listed for it can be believed.
    if (!thinking && endpoint.parameters?.has(key)) continue
    drop(draft, key)
  }
}

function names(draft: Draft, flags: Flags): void {
  const { body } = draft
  if (flags.randomSeed && 'seed' in body) {
    body['random_seed'] = body['seed']
    delete body['seed']
  }
  if (flags.choiceAny && body['tool_choice'] === 'required') body['tool_choice'] = 'any'
  if (flags.toolStream && 'tools' in body && body['tool_stream'] === undefined) body['tool_stream'] = true
  if (!flags.cacheControl && Array.isArray(body['tools']) && body['tools'].some((tool: Loose) => 'cache_control' in tool)) {
    body['tools'] = (body['tools'] as Loose[]).map(({ cache_control: _, ...tool }) => tool)
  }
}

/** Objects are merged one level deep, so that `reasoning: {mode}` does not take the caller's effort away. */
const merged = (mine: unknown, forced: unknown): unknown => (isObject(mine) && isObject(forced) ? { ...mine, ...forced } : forced)
