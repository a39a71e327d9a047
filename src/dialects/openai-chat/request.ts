import {
  fault, SAMPLING, type Asked, type ChatRequest, type Fault, type JsonObject, type OutputFormat, type Plugin, type Reasoning,
  type SamplingName, type Tool, type ToolChoice,
} from '../../core/index.ts'
import { checker, type Issue } from '../../schema/index.ts'
import { bringsTool, deferral, loopOf, serverToolOf, unfindable } from '../server-tools.ts'
import { cacheOf, readMessages } from './messages.ts'
import { readPreferences } from './preferences.ts'
import { given, KNOWN_KEYS, requestSchema, ROUTER_KEYS, type Loose } from './wire.ts'

const DIALECT = 'openai-chat'

/** Made once; it compiles on the first request. */
const check = checker(requestSchema)

/** Reads the body of a chat completion. Every fault is a 400 that names the field, its fault, and what would be right. */
export function decode(body: unknown, bytes?: Uint8Array): { readonly asked: Asked } | { readonly fault: Fault } {
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const problem = contradiction(it) ?? unavailable(it) ?? limits(it)
  if (problem) return { fault: problem }

  const fromPrompt = !given(it['messages'])
  const read = fromPrompt
    ? { messages: [{ role: 'user' as const, parts: [{ type: 'text' as const, text: it['prompt'] as string }] }] }
    : readMessages(it['messages'])
  if ('fault' in read) return read
  const wishes = readPreferences(it)
  if ('fault' in wishes) return wishes
  const tools = it['tools'] ? readTools(it['tools']) : undefined
  const lost = unfindable(tools)
  if (lost) return { fault: lost }
  const choice = given(it['tool_choice']) ? readToolChoice(it['tool_choice']) : undefined
  if (choice && typeof choice === 'object' && 'fault' in choice) return choice

  const request: Draft = { messages: read.messages, sampling: readSampling(it), extras: extrasOf(it) }
  if (tools && tools.length > 0) request.tools = tools
  if (choice !== undefined) request.toolChoice = choice
  if (it['response_format']) request.format = readFormat(it['response_format'])
  if (given(it['stop'])) request.stop = typeof it['stop'] === 'string' ? [it['stop']] : it['stop']
  if (it['cache_control']) request.cache = cacheOf(it)
  const reasoning = reasoningOf(it)
  if (reasoning) request.reasoning = reasoning
  put(request, 'parallelToolCalls', it['parallel_tool_calls'])
  put(request, 'maxOutputTokens', it['max_completion_tokens'] ?? it['max_tokens'])
  put(request, 'seed', it['seed'])
  put(request, 'logitBias', it['logit_bias'])
  put(request, 'logprobs', it['logprobs'])
  put(request, 'topLogprobs', it['top_logprobs'])
  put(request, 'choices', it['n'])
  put(request, 'modalities', it['modalities'])
  put(request, 'audio', it['audio'])
  put(request, 'imageConfig', it['image_config'])
  put(request, 'prediction', it['prediction'])
  put(request, 'verbosity', it['verbosity'])
  put(request, 'serviceTier', it['service_tier'] === 'fast' ? 'priority' : it['service_tier'])
  put(request, 'cacheKey', it['prompt_cache_key'])
  put(request, 'user', it['user'] ?? it['safety_identifier'])
  put(request, 'session', it['session_id'])
  put(request, 'metadata', it['metadata'])
  // A body with `prompt` has no messages that a provider could read, so there is nothing to patch.
  if (!fromPrompt) request.origin = bytes ? { dialect: DIALECT, body: it, bytes } : { dialect: DIALECT, body: it }
  const loop = loopOf(it, tools)
  return {
    asked: {
      operation: { type: 'chat', request },
      preferences: wishes.preferences,
      plugins: readPlugins(it),
      stream: it['stream'] === true,
      ...heartbeatsOf(it['stream_options']),
      ignored: ignoredIn(it, loop !== null),
      ...(loop && { loop }),
      ...(echoes(it) && { echo: true }),
      ...(it['preset'] && { preset: it['preset'] }),
    },
  }
}

function heartbeatsOf(options: Loose | null | undefined): Pick<Asked, 'heartbeats'> | null {
  const wanted = options?.['include_heartbeats']
  return given(wanted) ? { heartbeats: wanted } : null
}

/** A request under way. Fields are put in one by one: most requests have few of the many that there are. */
type Draft = { -readonly [K in keyof ChatRequest]: ChatRequest[K] }

/** Sets a field that has a value. */
function put<K extends keyof Draft>(draft: Draft, key: K, value: Draft[K] | null): void {
  if (value !== undefined && value !== null) draft[key] = value
}

/** Understood, and without effect here: said in the answer's metadata. */
const NO_EFFECT = ['debug', 'trace'] as const
/** And where there are no server tools. */
const OF_LOOPS = ['max_tool_calls', 'stop_server_tools_when'] as const
const NO_EFFECT_BUT_IN_LOOPS = [...NO_EFFECT, ...OF_LOOPS] as const

function ignoredIn(body: Loose, loops: boolean): readonly string[] {
  const all = loops ? NO_EFFECT : NO_EFFECT_BUT_IN_LOOPS
  for (const key of all) if (given(body[key])) return all.filter((key) => given(body[key]) && !(key === 'debug' && echoes(body)))
  return NONE
}

/** OpenRouter's `debug` has one switch that does something, and only on a stream. */
const echoes = (body: Loose): boolean => body['stream'] === true && body['debug']?.echo_upstream_body === true

/** What the caller may set that only this wire format has a word for, and every key that is not known. */
function extrasOf(body: Loose): JsonObject {
  let extras: Record<string, unknown> | null = null
  for (const key in body) {
    if (KNOWN_KEYS.has(key) && !EXTRA_KEYS.has(key)) continue
    if (ROUTER_KEYS.has(key) || body[key] === undefined || body[key] === null) continue
    extras ??= {}
    extras[key] = body[key]
  }
  return extras ?? NOTHING
}

const EXTRA_KEYS: ReadonlySet<string> = new Set(['web_search_options', 'prompt_cache_options'])
const NOTHING: JsonObject = Object.freeze({})
const NONE: readonly never[] = Object.freeze([])

function readSampling(body: Loose): ChatRequest['sampling'] {
  const found: Partial<Record<SamplingName, number>> = {}
  for (const name in SAMPLING) {
    const value = body[name]
    if (value !== undefined && value !== null) found[name as SamplingName] = value
  }
  return found
}

/** `reasoning_effort` is short for `reasoning.effort`, `include_reasoning` for `reasoning: {}` or `{exclude: true}`. */
function reasoningOf(body: Loose): Reasoning | undefined {
  const { reasoning, reasoning_effort: short, include_reasoning: include } = body
  if (!given(reasoning) && !given(short) && !given(include)) return undefined
  const { effort, max_tokens: maxTokens, exclude, enabled, summary } = (reasoning ?? {}) as Loose
  return {
    ...optional('effort', effort ?? short),
    ...optional('maxTokens', maxTokens),
    ...optional('exclude', exclude ?? (include === false ? true : undefined)),
    ...optional('enabled', enabled),
    ...optional('summary', summary),
  }
}

function readTools(list: readonly Loose[]): Tool[] {
  return list.map((tool, at): Tool => {
    if (tool['type'] === 'function') {
      const { name, description, parameters, strict } = tool['function'] as Loose
      return {
        type: 'function', name,
        ...optional('description', description), ...optional('parameters', parameters), ...optional('strict', strict),
        ...optional('cache', cacheOf(tool) ?? cacheOf(tool['function'])), ...deferral(tool, tool['function']),
      }
    }
    if (tool['type'] === 'custom') {
      const { name, description, format } = tool['custom'] as Loose
      return { type: 'custom', name, ...optional('description', description), ...optional('format', format), ...deferral(tool) }
    }
    return serverToolOf(tool, at) ?? { type: 'native', dialect: DIALECT, value: tool as JsonObject }
  })
}

function readToolChoice(choice: Loose | string): ToolChoice | { fault: Fault } {
  if (typeof choice === 'string') return choice as ToolChoice
  if (choice['type'] === 'allowed_tools') {
    if (!choice['allowed_tools']) return { fault: bad('tool_choice.allowed_tools', 'is required beside the type "allowed_tools"') }
    const { mode, tools } = choice['allowed_tools'] as Loose
    return { allowed: (tools as Loose[]).map(toolName), required: mode === 'required' }
  }
  if (choice['type'] === 'function' && !choice['function']) {
    return { fault: bad('tool_choice.function', 'is required beside the type "function": {"name"}') }
  }
  return { tool: toolName(choice) }
}

const toolName = (tool: Loose): string => tool['function']?.name ?? tool['custom']?.name ?? tool['name'] ?? tool['type']

function readFormat(format: Loose): OutputFormat {
  switch (format['type']) {
    case 'json_object': return { type: 'json' }
    case 'json_schema': {
      const { name, schema, strict, description } = format['json_schema'] as Loose
      return { type: 'schema', name, schema: schema ?? NOTHING, ...optional('strict', strict), ...optional('description', description) }
    }
    case 'grammar': return { type: 'grammar', grammar: format['grammar'] }
    case 'python': return { type: 'python' }
    default: return { type: 'text' }
  }
}

/** `transforms: ["middle-out"]` is the old spelling of the context-compression plugin, and `[]` of switching it off. */
export function readPlugins(body: Loose): readonly Plugin[] {
  if (!body['plugins'] && !body['transforms']) return NONE
  const plugins = ((body['plugins'] ?? []) as Loose[]).map(({ id, enabled, ...settings }): Plugin => ({ id, enabled: enabled !== false, settings }))
  const transforms = body['transforms'] as string[] | null | undefined
  if (transforms && !plugins.some((plugin) => plugin.id === 'context-compression')) {
    plugins.push({
      id: 'context-compression', enabled: transforms.includes('middle-out'),
      settings: transforms.includes('middle-out') ? { engine: 'middle-out' } : {},
    })
  }
  return plugins
}

/** Two settings that cannot both be meant: a 400 that names both. */
function contradiction(body: Loose): Fault | null {
  const { reasoning, reasoning_effort: short, include_reasoning: include } = body
  if (reasoning) {
    const { effort, max_tokens: budget, enabled, exclude } = reasoning as Loose
    if (given(effort) && given(short) && effort !== short) {
      return clash('reasoning_effort', 'reasoning.effort', `${JSON.stringify(short)} against ${JSON.stringify(effort)}; send one of them`)
    }
    if (given(effort) && given(budget)) return clash('reasoning.max_tokens', 'reasoning.effort', 'only one of them can be given')
    if (given(budget) && given(short)) return clash('reasoning.max_tokens', 'reasoning_effort', 'only one of them can be given')
    const wanted = effort ?? short
    if (enabled === false && given(wanted) && wanted !== 'none') {
      return clash('reasoning.enabled', given(effort) ? 'reasoning.effort' : 'reasoning_effort', `false against ${JSON.stringify(wanted)}`)
    }
    if (enabled === true && wanted === 'none') {
      return clash('reasoning.enabled', given(effort) ? 'reasoning.effort' : 'reasoning_effort', 'true against "none"')
    }
    if (include === true && exclude === true) return clash('include_reasoning', 'reasoning.exclude', 'true against true')
  }
  const { max_tokens: old, max_completion_tokens: limit } = body
  if (given(old) && given(limit) && old !== limit) {
    return clash('max_tokens', 'max_completion_tokens', `${old} against ${limit}; they are two names of one limit`)
  }
  if (body['logprobs'] === false && body['top_logprobs'] > 0) return clash('top_logprobs', 'logprobs', 'it needs logprobs: true')
  if (given(body['messages']) && given(body['prompt'])) return clash('prompt', 'messages', 'send one of them')
  const { route, provider } = body
  const partition = provider?.sort?.partition
  if (route === 'sort' && partition === 'model') return clash('route', 'provider.sort.partition', '"sort" means partition "none"')
  if (route === 'fallback' && partition === 'none') return clash('route', 'provider.sort.partition', '"fallback" means partition "model"')
  const forced = body['tool_choice'] === 'required' || (typeof body['tool_choice'] === 'object' && body['tool_choice'] !== null)
  if (forced && !body['tools']?.length && !bringsTool(body)) return bad('tool_choice', 'asks for a tool, but tools is empty')
  return null
}

/** What exists elsewhere and not here is refused by name, never accepted and left out. */
function unavailable(body: Loose): Fault | null {
  if (given(body['functions'])) return bad('functions', 'is the old form; send tools: [{"type": "function", "function": {…}}]')
  if (given(body['function_call'])) return bad('function_call', 'is the old form; send tool_choice')
  if (!given(body['messages']) && !given(body['prompt'])) return bad('messages', 'is required: a list of at least one message')
  return null
}

const clash = (a: string, b: string, why: string): Fault => bad(a, `contradicts ${b}: ${why}`)

const MAX_PAIRS = 16
const MAX_KEY = 64

function limits(body: Loose): Fault | null {
  const metadata = body['metadata'] as Loose | null | undefined
  if (metadata) {
    const keys = Object.keys(metadata)
    if (keys.length > MAX_PAIRS) return bad('metadata', `must have at most ${MAX_PAIRS} pairs, has ${keys.length}`)
    const long = keys.find((key) => key.length > MAX_KEY)
    if (long) return bad('metadata', `must have keys of at most ${MAX_KEY} characters, has ${JSON.stringify(long.slice(0, MAX_KEY))}…`)
  }
  return null
}

/** The words that clients look for where a key of `provider` is not known; the house's own everywhere else. */
export function faultOfIssue({ path, message }: Issue): Fault {
  if (path === '') return fault('invalid-request', `The body ${message}.`)
  if (path.startsWith('provider.') && message === 'is not a known field') {
    const key = path.slice(path.lastIndexOf('.') + 1)
    return fault('invalid-request', `Unrecognized key(s) in object: '${key}' (${path})`, { field: path })
  }
  return bad(path, message)
}

const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })

/** A field that is there only when it has a value. */
function optional<K extends string, V>(key: K, value: V): { [P in K]: NonNullable<V> } | null {
  return value === undefined || value === null ? null : { [key]: value } as { [P in K]: NonNullable<V> }
}
