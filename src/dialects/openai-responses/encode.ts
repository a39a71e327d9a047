import { fault, type ChatRequest, type Endpoint, type Fault, type JsonObject } from '../../core/index.ts'
import type { Outgoing, Target } from '../dialect.ts'
import { isObject } from '../loose.ts'
import { foreignTool } from '../native-tools.ts'
import { bytesOf } from '../openai-chat/encode.ts'
import { effortOf, nearestEffort, thinkingOf, type Thinking } from '../reasoning.ts'
import { saysAsWritten } from '../server-tools.ts'
import { opened } from './seals.ts'
import { traitsOf, type Traits } from './traits.ts'
import { DIALECT, given, ITEMS, ROUTER_KEYS, type Loose } from './wire.ts'
import { marked, unsendable, writeBody } from './write.ts'

/** A body under way: what is in it, and what was taken out that the caller had set. */
interface Draft {
  readonly body: Record<string, unknown>
  readonly dropped: string[]
}

/** Keys of a caller's body that are written here, from the canonical request or the target. */
const REWRITTEN: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options', 'max_output_tokens', 'user', 'safety_identifier', 'service_tier', 'cache_control', 'store'])

/** Keys that `provider.options` may not set: they decide what is billed or kept, or what was already checked and counted. */
const FIXED: ReadonlySet<string> = new Set([
  'model', 'models', 'input', 'stream', 'service_tier', 'provider', 'plugins', 'store', 'background', 'previous_response_id', 'conversation', 'prompt',
])

const SEALS = 'reasoning.encrypted_content'

/**
 * Writes a request for an endpoint. A caller's own body of this format is patched, so that everything it says beyond
 * what we know reaches the provider; a request from elsewhere, or one that a stage has changed, is written anew. Nothing
 * is kept at the provider: what its models thought comes back sealed, for the next turn.
 */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const traits = traitsOf(endpoint)
  const lost = unsendable(request.messages)
  if (lost) return { fault: fault('invalid-request', `messages: ${endpoint.providerName} takes no ${lost.kind}${lost.kind === 'audio' ? ' by its address' : ''} in this format`, { field: 'messages' }) }
  const origin = request.origin?.dialect === DIALECT && saysAsWritten(request, DIALECT, traits.knows) ? request.origin : undefined
  const foreign = origin ? null : foreignTool(request, DIALECT)
  if (foreign) return { fault: foreign }
  const draft: Draft = { body: origin ? patchable(origin.body, traits) : writeBody(request, traits), dropped: [] }
  unspoken(draft, request)
  adapt(draft, request, target, traits)
  return {
    path: '/responses',
    headers: { 'content-type': 'application/json', accept: stream ? 'text/event-stream' : 'application/json' },
    body: bytesOf(draft.body, origin),
    dropped: draft.dropped,
    ...raised(request),
  }
}

/** A limit below what the format takes is a 400 there: it is raised, and that is said. */
function raised({ maxOutputTokens: asked }: ChatRequest): Pick<Outgoing, 'changed'> | null {
  return asked === undefined || asked >= LEAST_OUTPUT ? null : { changed: [{ parameter: 'max_tokens', asked, sent: LEAST_OUTPUT }] }
}

/** A shallow copy of the caller's body without what is the router's, and without nulls, which mean absent. */
function patchable(body: JsonObject, traits: Traits): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const key in body) {
    const value = body[key]
    if (!given(value) || ROUTER_KEYS.has(key) || REWRITTEN.has(key)) continue
    copy[key] = value
  }
  copy['input'] = inputOf(body['input'], traits)
  return copy
}

/** The caller's items as they go to this endpoint; the same list when none has to change, so that a large body is spliced. */
function inputOf(input: unknown, traits: Traits): unknown {
  if (!Array.isArray(input)) return input
  let copy: Loose[] | null = null
  for (const [at, item] of (input as Loose[]).entries()) {
    const kept = itemFor(item, traits)
    if (kept !== item) copy ??= (input as Loose[]).slice(0, at)
    if (copy && kept) copy.push(kept)
  }
  return copy ?? input
}

/** An item as this endpoint takes it; null where it would be refused: a thought that it did not seal. */
function itemFor(item: Loose, traits: Traits): Loose | null {
  const { breakpoints } = traits
  if (item['type'] === 'reasoning') {
    const sealed = opened(item)
    if (!sealed && !traits.replaysUnsealed) return null
    if (sealed && (sealed.on || sealed.seal.kind !== 'encrypted' || sealed.seal.format !== traits.format)) return null
    if (!('format' in item) && !('signature' in item) && (!sealed || item['encrypted_content'] === sealed.seal.value)) return item
    const { format: _, signature: __, ...rest } = item
    return sealed ? { ...rest, encrypted_content: sealed.seal.value } : rest
  }
  // A response that was not kept at the provider has no items that could be named by their ids.
  if (!Object.hasOwn(ITEMS, item['type'] ?? 'message')) return item
  let out = item
  if ('id' in out) {
    const { id: _, ...rest } = out
    out = rest
  }
  for (const key of ['content', 'output'] as const) {
    const parts: unknown = out[key]
    if (Array.isArray(parts) && parts.some((part: Loose) => 'cache_control' in part)) {
      out = { ...out, [key]: (parts as Loose[]).map(({ cache_control: mark, ...part }) => (mark && breakpoints ? marked(part) : part)) }
    }
  }
  return out
}

/** What is set and has no word in this format, or none at this endpoint. */
function unspoken(draft: Draft, request: ChatRequest): void {
  const { sampling } = request
  for (const name in sampling) if (name !== 'temperature' && name !== 'top_p') draft.dropped.push(name)
  const set = (name: string, value: unknown): void => {
    if (value !== undefined) draft.dropped.push(name)
  }
  set('stop', request.stop)
  set('seed', request.seed)
  set('logit_bias', request.logitBias)
  if ((request.choices ?? 1) > 1) draft.dropped.push('n')
  if (request.modalities?.some((modality) => modality !== 'text')) draft.dropped.push('modalities')
  set('audio', request.audio)
  set('image_config', request.imageConfig)
  set('prediction', request.prediction)
  if (request.format && request.format.type !== 'text' && !formatIn(draft.body)) draft.dropped.push('response_format')
  if (request.extrasFrom !== DIALECT) draft.dropped.push(...Object.keys(request.extras))
}

const formatIn = (body: Loose): unknown => body['text']?.format

const supports = (endpoint: Endpoint, name: string): boolean => endpoint.parameters === null || endpoint.parameters.has(name)

function drop(draft: Draft, key: string, name = key): void {
  if (!(key in draft.body)) return
  delete draft.body[key]
  if (!draft.dropped.includes(name)) draft.dropped.push(name)
}

/** Parameters by their keys in a body, with the names that `supported_parameters` has for them. */
const PARAMETERS: Readonly<Record<string, string>> = {
  temperature: 'temperature', top_p: 'top_p', top_logprobs: 'top_logprobs', tools: 'tools', tool_choice: 'tool_choice',
}

/** Makes a body fit an endpoint. Forced parameters win over the caller's, `provider.options` come last. */
function adapt(draft: Draft, request: ChatRequest, target: Target, traits: Traits): void {
  const { endpoint } = target
  const { body } = draft
  body['model'] = endpoint.upstreamModel
  for (const key in PARAMETERS) if (key in body && !supports(endpoint, PARAMETERS[key]!)) drop(draft, key, PARAMETERS[key])
  if (!('tools' in body)) {
    drop(draft, 'tool_choice')
    drop(draft, 'parallel_tool_calls')
  }
  format(draft, request, endpoint)
  if (request.maxOutputTokens !== undefined) body['max_output_tokens'] = Math.max(request.maxOutputTokens, LEAST_OUTPUT)
  const thinking = thinkingOf(request.reasoning)
  reasoning(draft, request, endpoint, thinking)
  if (traits.noSamplingWhileThinking && endpoint.reasoning.supported && !(thinking && 'off' in thinking)) {
    // Without a word on reasoning the model's own default rules, and what is listed for it can be believed.
    for (const key of ['temperature', 'top_p']) if (thinking || !endpoint.parameters?.has(key)) drop(draft, key)
  }
  if (target.userId !== undefined) body['safety_identifier'] = target.userId
  if (endpoint.tier !== 'default') body['service_tier'] = endpoint.tier
  body['store'] = false
  const include = new Set([...((body['include'] ?? NONE) as readonly string[]), SEALS])
  body['include'] = [...include]
  if (target.stream) body['stream'] = true
  forced(body, endpoint)
  for (const [key, value] of Object.entries(target.options ?? {})) {
    if (FIXED.has(key)) draft.dropped.push(`provider.options.${key}`)
    else body[key] = value
  }
}

const NONE: readonly never[] = Object.freeze([])
/** What the format takes at least; a smaller limit is a 400. */
const LEAST_OUTPUT = 16
const LIMIT_IF_UNKNOWN = 32_768

function format(draft: Draft, request: ChatRequest, endpoint: Endpoint): void {
  const wanted = request.format?.type
  if ((wanted !== 'schema' && wanted !== 'json') || !formatIn(draft.body)) return
  const text = draft.body['text'] as Loose
  if (wanted === 'schema' && supports(endpoint, 'structured_outputs')) return
  if (supports(endpoint, 'response_format')) {
    if (wanted === 'json') return
    draft.body['text'] = { ...text, format: { type: 'json_object' } }
    draft.dropped.push('structured_outputs')
  } else if (wanted === 'schema' || !supports(endpoint, 'structured_outputs')) {
    const { format: _, ...rest } = text
    draft.body['text'] = rest
    draft.dropped.push('response_format')
  }
}

/** A wish to think as an effort, the nearest that the endpoint has. What else the caller's object says stays in it. */
function reasoning(draft: Draft, request: ChatRequest, endpoint: Endpoint, thinking: Thinking | undefined): void {
  const { body } = draft
  const { max_tokens: _, enabled: __, exclude: ___, effort: ____, generate_summary: _____, ...rest } = (body['reasoning'] ?? NOTHING) as Loose
  delete body['reasoning']
  const { supported, controllable, canDisable, efforts } = endpoint.reasoning
  const off = thinking !== undefined && 'off' in thinking
  const named = endpoint.parameters === null || ['reasoning', 'reasoning_effort', 'include_reasoning'].some((name) => endpoint.parameters!.has(name))
  if (!supported || !named || (off && canDisable === false && !efforts)) {
    if (request.reasoning && !off) draft.dropped.push('reasoning')
    return
  }
  const limit = request.maxOutputTokens ?? endpoint.maxOutputTokens ?? LIMIT_IF_UNKNOWN
  const effort = !thinking || controllable === false ? undefined
    : off ? (canDisable === false || (efforts && !efforts.includes('none')) ? nearestEffort('none', efforts) : 'none')
      : nearestEffort(effortOf(thinking, limit), efforts)
  const summary = request.reasoning?.summary
  if (effort === undefined && summary === undefined && Object.keys(rest).length === 0) return
  body['reasoning'] = { ...rest, ...(effort !== undefined && { effort }), ...(summary !== undefined && { summary }) }
}

const NOTHING: Loose = Object.freeze({})
/** Catalogues write forced parameters in the words of chat completions. Objects are merged one level deep. */
function forced(body: Record<string, unknown>, endpoint: Endpoint): void {
  for (const [key, value] of Object.entries(endpoint.forcedParams ?? {})) {
    if (key === 'reasoning_effort') body['reasoning'] = { ...(body['reasoning'] as object | undefined), effort: value }
    else if (key === 'max_completion_tokens' || key === 'max_tokens') body['max_output_tokens'] = value
    else body[key] = isObject(body[key]) && isObject(value) ? { ...body[key], ...value } : value
  }
}
