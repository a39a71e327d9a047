import {
  fault, SAMPLING, type Asked, type ChatRequest, type Fault, type JsonObject, type OutputFormat, type Plugin, type Reasoning,
  type SamplingName, type Tool, type ToolChoice,
} from '../../core/index.ts'
import { checker, type Checker, type Issue } from '../../schema/index.ts'
import { readPreferences } from '../openai-chat/preferences.ts'
import { bringsTool, deferral, loopOf, serverToolOf, standInOf, unfindable } from '../server-tools.ts'
import { cacheOf, readInput } from './items.ts'
import { ambiguous, joined, NAMESPACE, toolsOf } from './namespaces.ts'
import { APPLY_PATCH } from './patch-call.ts'
import { DIALECT, given, ITEMS, KNOWN_KEYS, outlineSchema, ROUTER_KEYS, TOOLS, type Loose } from './wire.ts'

/** Made once; they compile on the first request. */
const checkOutline = checker(outlineSchema)
const checksOf = (shapes: Readonly<Record<string, Parameters<typeof checker>[0]>>): ReadonlyMap<string, Checker> =>
  new Map(Object.entries(shapes).map(([type, shape]) => [type, checker(shape)]))
const checkItem = checksOf(ITEMS)
const checkTool = checksOf(TOOLS)

/**
 * Reads the body of a response's request. Every fault is a 400 that names the field, its fault, and what would be right.
 * What only state can answer (a previous response, a conversation) has been put into `input` before, or is refused by
 * whoever keeps none.
 */
export function decode(body: unknown, bytes?: Uint8Array): { readonly asked: Asked } | { readonly fault: Fault } {
  const issue = checkOutline(body) ?? issueIn(body as Loose, 'input', checkItem, 'message') ?? issueInTools(body as Loose)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const problem = contradiction(it) ?? ambiguous(it['tools'] ?? []) ?? unavailable(it) ?? limits(it)
  if (problem) return { fault: problem }

  const read = readInput(it['input'])
  if ('fault' in read) return read
  const wishes = readPreferences(it)
  if ('fault' in wishes) return wishes
  const { instructions } = it
  const messages = given(instructions) ? [{ role: 'system' as const, parts: [{ type: 'text' as const, text: instructions as string }] }, ...read.messages] : read.messages
  if (messages.length === 0) return { fault: bad('input', 'must have at least one item') }

  const request: Draft = { messages, sampling: readSampling(it), extras: extrasOf(it) }
  const placed = ((it['tools'] ?? []) as Loose[]).flatMap((tool, at): { readonly tool: Tool; readonly place: string }[] => (tool['type'] === NAMESPACE
    ? toolsOf(tool).map((inner, n) => ({ tool: readTool(inner), place: `tools[${at}].tools[${n}]` }))
    : [{ tool: serverToolOf(tool, at) ?? vendorToolOf(tool, at) ?? readTool(tool), place: `tools[${at}]` }]))
  const tools = placed.map(({ tool }) => tool)
  const lost = unfindable(tools, (at) => `${placed[at]!.place}.defer_loading`)
  if (lost) return { fault: lost }
  if (tools.length > 0) request.tools = tools
  if (given(it['tool_choice'])) request.toolChoice = readToolChoice(it['tool_choice'])
  const format = it['text']?.format
  if (format) request.format = readFormat(format)
  if (it['cache_control']) request.cache = cacheOf(it)!
  const reasoning = readReasoningWish(it['reasoning'])
  if (reasoning) request.reasoning = reasoning
  if (it['include']?.includes('message.output_text.logprobs')) request.logprobs = true
  put(request, 'parallelToolCalls', it['parallel_tool_calls'])
  put(request, 'maxOutputTokens', it['max_output_tokens'])
  put(request, 'topLogprobs', it['top_logprobs'])
  put(request, 'modalities', it['modalities'])
  put(request, 'imageConfig', it['image_config'])
  put(request, 'verbosity', it['text']?.verbosity)
  put(request, 'serviceTier', it['service_tier'] === 'fast' ? 'priority' : it['service_tier'])
  put(request, 'cacheKey', it['prompt_cache_key'])
  put(request, 'user', it['user'] ?? it['safety_identifier'])
  put(request, 'session', it['session_id'])
  put(request, 'metadata', it['metadata'])
  request.extrasFrom = DIALECT
  request.origin = bytes ? { dialect: DIALECT, body: it, bytes } : { dialect: DIALECT, body: it }
  const loop = loopOf(it, request.tools)
  return {
    asked: {
      operation: { type: 'chat', request },
      preferences: wishes.preferences,
      plugins: readPlugins(it),
      stream: it['stream'] === true,
      ignored: [...NO_EFFECT, ...loop ? [] : OF_LOOPS].filter((key) => given(it[key]) && !(key === 'debug' && echoes(it))),
      ...(loop && { loop }),
      ...(echoes(it) && { echo: true }),
      ...(it['preset'] && { preset: it['preset'] }),
    },
  }
}

type Draft = { -readonly [K in keyof ChatRequest]: ChatRequest[K] }

function put<K extends keyof Draft>(draft: Draft, key: K, value: Draft[K] | null): void {
  if (value !== undefined && value !== null) draft[key] = value
}

/** Holds each entry of a list against the shape of its type; what has none is not known here and passes. */
function issueIn(body: Loose, key: string, checks: ReadonlyMap<string, Checker>, usual = ''): Issue | null {
  const list = body[key]
  if (!Array.isArray(list)) return null
  for (const [at, entry] of (list as Loose[]).entries()) {
    const type: string = entry['type'] ?? usual
    if (type === 'message' && !given(entry['role']) && !given(entry['type'])) {
      return { path: `${key}[${at}]`, message: 'needs a type, or a role and content' }
    }
    const issue = checks.get(type)?.(entry)
    if (issue) return { path: issue.path === '' ? `${key}[${at}]` : `${key}[${at}].${issue.path}`, message: issue.message }
  }
  return null
}

/** The same for tools, and for those that stand in a namespace. */
function issueInTools(body: Loose): Issue | null {
  const issue = issueIn(body, 'tools', checkTool)
  if (issue || !Array.isArray(body['tools'])) return issue
  for (const [at, tool] of (body['tools'] as Loose[]).entries()) {
    const inside = tool['type'] === NAMESPACE ? issueIn(tool, 'tools', checkTool) : null
    if (inside) return { path: `tools[${at}].${inside.path}`, message: inside.message }
  }
  return null
}

/** Understood, and without effect here: said in the answer's metadata. */
const NO_EFFECT = ['debug', 'trace'] as const
/** And where there are no server tools. */
const OF_LOOPS = ['max_tool_calls', 'stop_server_tools_when'] as const

/** OpenRouter's `debug` has one switch that does something, and only on a stream. */
const echoes = (body: Loose): boolean => body['stream'] === true && body['debug']?.echo_upstream_body === true

/** What the caller may set that only this wire format has a word for, and every key that is not known. */
function extrasOf(body: Loose): JsonObject {
  const extras: Record<string, unknown> = {}
  for (const key in body) {
    if (KNOWN_KEYS.has(key) && !EXTRA_KEYS.has(key)) continue
    if (ROUTER_KEYS.has(key) || !given(body[key])) continue
    extras[key] = body[key]
  }
  return extras
}

const EXTRA_KEYS: ReadonlySet<string> = new Set(['prompt_cache_retention', 'prompt_cache_options', 'max_tool_calls'])

function readSampling(body: Loose): ChatRequest['sampling'] {
  const found: Partial<Record<SamplingName, number>> = {}
  for (const name in SAMPLING) if (given(body[name])) found[name as SamplingName] = body[name]
  return found
}

function readReasoningWish(wish: Loose | null | undefined): Reasoning | undefined {
  if (!wish) return undefined
  const { effort, max_tokens: maxTokens, exclude, enabled, summary, generate_summary: old } = wish
  const read = {
    ...optional('effort', effort), ...optional('maxTokens', maxTokens), ...optional('exclude', exclude), ...optional('enabled', enabled),
    ...optional('summary', summary ?? old),
  }
  return Object.keys(read).length > 0 ? read : undefined
}

function readTool(tool: Loose): Tool {
  const { type, name, description, parameters, strict, format } = tool
  if (type === 'function') {
    return {
      type: 'function', name, ...optional('description', description), ...optional('parameters', parameters), ...optional('strict', strict),
      ...optional('cache', cacheOf(tool)), ...deferral(tool),
    }
  }
  if (type === 'custom') return { type: 'custom', name, ...optional('description', description), ...optional('format', nestedFormat(format)), ...deferral(tool) }
  return { type: 'native', dialect: DIALECT, value: tool }
}

const TOOL_SEARCH = 'tool_search'

/** OpenAI's own tools that other models are offered as well, and that a stage carries out for them. */
function vendorToolOf(tool: Loose, at: number): Tool | null {
  if (tool['type'] === APPLY_PATCH) return standInOf(APPLY_PATCH, at, { dialect: DIALECT, value: tool })
  // One that its caller carries out is known to OpenAI's models alone.
  return tool['type'] === TOOL_SEARCH && tool['execution'] !== 'client' ? standInOf(TOOL_SEARCH, at, { dialect: DIALECT, value: tool, asWritten: true }) : null
}

/** A grammar stands flat in this format and nested in the canonical one. */
function nestedFormat(format: Loose | null | undefined): JsonObject | undefined {
  if (!format) return undefined
  if (format['type'] !== 'grammar' || given(format['grammar'])) return format
  const { type, ...grammar } = format
  return { type, grammar }
}

function readToolChoice(choice: Loose | string): ToolChoice {
  if (typeof choice === 'string') return choice as ToolChoice
  if (choice['type'] === 'allowed_tools') {
    return { allowed: ((choice['tools'] ?? []) as Loose[]).map((tool) => (given(tool['name']) ? joined(tool['namespace'], tool['name']) : tool['type'])), required: choice['mode'] === 'required' }
  }
  return { tool: choice['type'] === 'function' || choice['type'] === 'custom' ? joined(choice['namespace'], choice['name']) : choice['type'] }
}

function readFormat(format: Loose): OutputFormat {
  switch (format['type']) {
    case 'json_object': return { type: 'json' }
    case 'json_schema': {
      const { name, schema, strict, description } = format
      return { type: 'schema', name, schema, ...optional('strict', strict), ...optional('description', description) }
    }
    case 'grammar': return { type: 'grammar', grammar: format['grammar'] }
    default: return { type: 'text' }
  }
}

const COMPRESSION = 'context-compression'

/**
 * `truncation` in the words of the plugin that does it. Without it nothing may be cut: too long an input is a 400, also
 * where models with a small context would be helped elsewhere.
 */
function readPlugins(body: Loose): readonly Plugin[] {
  const plugins = ((body['plugins'] ?? []) as Loose[]).map(({ id, enabled, ...settings }): Plugin => ({ id, enabled: enabled !== false, settings }))
  if (plugins.some((plugin) => plugin.id === COMPRESSION)) return plugins
  const auto = body['truncation'] === 'auto'
  return [...plugins, { id: COMPRESSION, enabled: auto, settings: auto ? { engine: 'middle-out' } : {} }]
}

/** Two settings that cannot both be meant: a 400 that names both. */
function contradiction(body: Loose): Fault | null {
  const { reasoning, tool_choice: choice, tools } = body
  if (reasoning) {
    const { effort, max_tokens: budget, enabled, summary, generate_summary: old } = reasoning as Loose
    if (given(effort) && given(budget)) return clash('reasoning.max_tokens', 'reasoning.effort', 'only one of them can be given')
    if (enabled === false && given(effort) && effort !== 'none') return clash('reasoning.enabled', 'reasoning.effort', `false against ${JSON.stringify(effort)}`)
    if (enabled === true && effort === 'none') return clash('reasoning.enabled', 'reasoning.effort', 'true against "none"')
    if (given(summary) && given(old) && summary !== old) return clash('reasoning.generate_summary', 'reasoning.summary', 'they are two names of one setting')
  }
  if (given(choice) && typeof choice === 'object') {
    const { type, name } = choice as Loose
    if ((type === 'function' || type === 'custom') && !given(name)) return bad('tool_choice.name', `is required beside the type ${JSON.stringify(type)}`)
    if (type === 'allowed_tools' && !given(choice['tools'])) return bad('tool_choice.tools', 'is required beside the type "allowed_tools"')
  }
  const forced = choice === 'required' || (given(choice) && typeof choice === 'object')
  if (forced && !tools?.length && !bringsTool(body)) return bad('tool_choice', 'asks for a tool, but tools is empty')
  if (given(body['previous_response_id']) && given(body['conversation'])) {
    return clash('previous_response_id', 'conversation', 'each of them says what was before')
  }
  return null
}

/** What exists elsewhere and not here is refused by name, never accepted and left out. */
function unavailable(body: Loose): Fault | null {
  if (given(body['prompt'])) return bad('prompt', 'templates are kept at OpenAI and cannot be read here; send instructions and input')
  if (!given(body['input'])) return bad('input', 'is required: a text, or a list of items')
  return null
}

const MAX_PAIRS = 16
const MAX_KEY = 64

function limits(body: Loose): Fault | null {
  const metadata = body['metadata'] as Loose | null | undefined
  if (!metadata) return null
  const keys = Object.keys(metadata)
  if (keys.length > MAX_PAIRS) return bad('metadata', `must have at most ${MAX_PAIRS} pairs, has ${keys.length}`)
  const long = keys.find((key) => key.length > MAX_KEY)
  return long ? bad('metadata', `must have keys of at most ${MAX_KEY} characters, has ${JSON.stringify(long.slice(0, MAX_KEY))}…`) : null
}

function faultOfIssue({ path, message }: Issue): Fault {
  if (path === '') return fault('invalid-request', `The body ${message}.`)
  if (path.startsWith('provider.') && message === 'is not a known field') {
    return fault('invalid-request', `Unrecognized key(s) in object: '${path.slice(path.lastIndexOf('.') + 1)}' (${path})`, { field: path })
  }
  return bad(path, message)
}

const clash = (a: string, b: string, why: string): Fault => bad(a, `contradicts ${b}: ${why}`)
const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })

/** A field that is there only when it has a value. */
function optional<K extends string, V>(key: K, value: V): { [P in K]: NonNullable<V> } | null {
  return value === undefined || value === null ? null : { [key]: value } as { [P in K]: NonNullable<V> }
}
