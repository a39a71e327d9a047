import { fault, SAMPLING, type Asked, type ChatRequest, type Fault, type JsonObject, type Reasoning, type SamplingName, type Tool, type ToolChoice } from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import type { RequestHeaders } from '../dialect.ts'
import { readPreferences } from '../openai-chat/preferences.ts'
import { faultOfIssue, readPlugins } from '../openai-chat/request.ts'
import { bringsTool, deferral, loopOf, serverToolOf, standInOf } from '../server-tools.ts'
import { advisorIn } from './server-tools.ts'
import { betasIn, versionFault } from './headers.ts'
import { markIn, readConversation } from './decode-messages.ts'
import { READ_KEYS, requestSchema } from './request-schema.ts'
import { DIALECT, isLoose, textOf, type Loose } from './wire.ts'

/** Made once; it compiles on the first request. */
const check = checker(requestSchema)

/**
 * Reads the body of `POST /messages`. Anthropic's two versions differ in what Claude refuses, not in what the fields
 * mean, so both are read alike and a model that refuses a setting is spoken to without it.
 */
export function decode(body: unknown, bytes?: Uint8Array, headers?: RequestHeaders): { readonly asked: Asked } | { readonly fault: Fault } {
  const version = versionFault(headers)
  if (version) return { fault: version }
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const problem = contradiction(it)
  if (problem) return { fault: problem }
  const conversation = readConversation(it)
  if ('fault' in conversation) return conversation
  const wishes = readPreferences(withFallbacks(it))
  if ('fault' in wishes) return wishes
  const betas = betasIn(headers)

  const request: { -readonly [K in keyof ChatRequest]: ChatRequest[K] } = {
    messages: conversation.messages, sampling: samplingOf(it), extras: extrasOf(it), extrasFrom: DIALECT,
    origin: { dialect: DIALECT, body: it, ...(bytes && { bytes }), ...(betas.passed !== '' && { headers: { 'anthropic-beta': betas.passed } }) },
  }
  const tools = it['tools'] as readonly Loose[] | null | undefined
  if (tools && tools.length > 0) request.tools = tools.map((tool, at) => serverToolOf(tool, at) ?? advisorIn(tool, at) ?? searchIn(tool, at) ?? toolOf(tool))
  const choice = it['tool_choice'] as Loose | null | undefined
  if (choice && ((tools && tools.length > 0) || bringsTool(it))) {
    request.toolChoice = choiceOf(choice)
    if (choice['disable_parallel_tool_use'] === true) request.parallelToolCalls = false
  }
  const output = isLoose(it['output_config']) ? it['output_config'] : {}
  const format = output['format'] ?? it['output_format']
  if (isLoose(format)) request.format = { type: 'schema', name: 'answer', schema: format['schema'] as JsonObject }
  readThinking(request, it['thinking'], output['effort'])
  if (typeof it['max_tokens'] === 'number') request.maxOutputTokens = it['max_tokens']
  const stops = it['stop_sequences'] as readonly string[] | null | undefined
  if (stops && stops.length > 0) request.stop = stops
  const mark = markIn(it)
  if (mark) request.cache = mark.cache
  const tier = tierOf(it)
  if (tier !== undefined) request.serviceTier = tier
  const user = textOf(it['user']) || (isLoose(it['metadata']) ? textOf(it['metadata']['user_id']) : '')
  if (user !== '') request.user = user
  if (textOf(it['session_id']) !== '') request.session = textOf(it['session_id'])
  const loop = loopOf(it, request.tools)
  return {
    asked: {
      operation: { type: 'chat', request },
      preferences: wishes.preferences,
      plugins: readPlugins(it),
      stream: it['stream'] === true,
      ignored: [...[...NO_EFFECT, ...loop ? [] : OF_LOOPS].filter((key) => it[key] !== undefined && it[key] !== null), ...betas.kept],
      ...(loop && { loop }),
      ...(textOf(it['preset']) !== '' && { preset: textOf(it['preset']) }),
    },
  }
}

/** Understood, and without effect here: said in the answer's metadata. */
const NO_EFFECT = ['trace'] as const
/** And where there are no server tools. */
const OF_LOOPS = ['stop_server_tools_when'] as const

/** `fallbacks: [{model}]` is this surface's word for the rest of `models`. */
function withFallbacks(body: Loose): Loose {
  const fallbacks = body['fallbacks'] as readonly Loose[] | null | undefined
  return fallbacks && fallbacks.length > 0 ? { ...body, models: fallbacks.map(({ model }) => model) } : body
}

function contradiction(body: Loose): Fault | null {
  const { fallbacks, models, tools, tool_choice: choice, thinking, max_tokens: limit } = body
  if (Array.isArray(fallbacks) && fallbacks.length > 0 && Array.isArray(models)) return bad('fallbacks', 'contradicts models: send one of them')
  if (isLoose(choice) && (choice['type'] === 'any' || choice['type'] === 'tool') && !(Array.isArray(tools) && tools.length > 0) && !bringsTool(body)) {
    return bad('tool_choice', 'asks for a tool, but tools is empty')
  }
  if (isLoose(thinking) && thinking['type'] === 'enabled' && typeof limit === 'number' && (thinking['budget_tokens'] as number) >= limit) {
    return bad('thinking.budget_tokens', `must be less than max_tokens (${limit}), is ${String(thinking['budget_tokens'])}`)
  }
  const output = body['output_config']
  if (isLoose(output) && isLoose(output['format']) && isLoose(body['output_format'])) return bad('output_format', 'contradicts output_config.format: send one of them')
  return null
}

function samplingOf(body: Loose): ChatRequest['sampling'] {
  const found: Partial<Record<SamplingName, number>> = {}
  for (const name in SAMPLING) {
    const value = body[name]
    if (typeof value === 'number' && name in requestSchema.shape) found[name as SamplingName] = value
  }
  return found
}

function extrasOf(body: Loose): JsonObject {
  const extras: Record<string, unknown> = {}
  for (const key in body) if (!READ_KEYS.has(key) && body[key] !== undefined && body[key] !== null) extras[key] = body[key]
  return extras
}

/** Anthropic's own search for tools, by words or by a pattern; other models search by words. */
function searchIn(tool: Loose, at: number): Tool | null {
  return textOf(tool['type']).startsWith('tool_search_tool_') ? standInOf('tool_search', at, { dialect: DIALECT, value: tool, asWritten: true }) : null
}

function toolOf(tool: Loose): Tool {
  const type = textOf(tool['type'])
  if (type !== '' && type !== 'custom') return { type: 'native', dialect: DIALECT, value: tool }
  return {
    type: 'function', name: textOf(tool['name']), parameters: tool['input_schema'] as JsonObject,
    ...(typeof tool['description'] === 'string' && { description: tool['description'] }),
    ...(typeof tool['strict'] === 'boolean' && { strict: tool['strict'] }),
    ...markIn(tool), ...deferral(tool),
  }
}

function choiceOf(choice: Loose): ToolChoice {
  switch (choice['type']) {
    case 'any': return 'required'
    case 'tool': return { tool: textOf(choice['name']) }
    case 'none': return 'none'
    default: return 'auto'
  }
}

/**
 * Adaptive thinking without an effort is Anthropic's high. An effort without thinking says how many words are spent,
 * which others call verbosity. That thoughts are not to be shown (`display: omitted`) is left to the endpoint: their
 * seals have to come back in a loop of tools, and `exclude` would take them away.
 */
function readThinking(request: { reasoning?: Reasoning; verbosity?: string }, thinking: unknown, effort: unknown): void {
  const type = isLoose(thinking) ? thinking['type'] : undefined
  if (type === 'enabled') request.reasoning = { maxTokens: (thinking as Loose)['budget_tokens'] as number }
  else if (type === 'disabled') request.reasoning = { enabled: false }
  else if (type !== undefined) request.reasoning = { effort: (effort ?? 'high') as NonNullable<Reasoning['effort']> }
  if (typeof effort === 'string' && (type === undefined || type === 'enabled' || type === 'disabled')) request.verbosity = effort
}

function tierOf({ service_tier: tier, speed }: Loose): string | undefined {
  if (speed === 'fast') return 'priority'
  if (tier === 'standard_only') return 'default'
  return typeof tier === 'string' ? tier : undefined
}

const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })
