import type { ChatRequest, Endpoint, Fault, JsonObject } from '../../core/index.ts'
import type { Changed, Outgoing, Target } from '../dialect.ts'
import { budgetOf, effortOf, nearestEffort, thinkingOf } from '../reasoning.ts'
import { listTools, type ToolList } from '../tool-list.ts'
import { dropUnspoken } from '../unspoken.ts'
import { stringify } from '../verbatim.ts'
import { cachePoint } from './content.ts'
import { traitsFor, type Traits } from './families.ts'
import { writeMessages, type Conversation } from './messages.ts'
import { without } from '../without.ts'
import { DIALECT, type Block, type WireBody } from './wire.ts'

/** What has no word here at all. */
const UNSPOKEN = [
  'frequency_penalty', 'presence_penalty', 'repetition_penalty', 'min_p', 'top_a', 'seed', 'logit_bias', 'logprobs', 'top_logprobs', 'n',
  'modalities', 'prediction', 'verbosity', 'prompt_cache_key', 'service_tier',
] as const

const MAX_STOPS = 4
const MAX_CACHE_POINTS = 4
const MIN_BUDGET = 1024
const LIMIT_IF_UNKNOWN = 8192
const OURS: ReadonlySet<string> = new Set(['messages', 'system', 'modelId', 'serviceTier'])

/** Writes a request for an endpoint: the model stands in the path, and streaming is another verb. */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const traits = traitsFor(endpoint)
  const dropped = new Set<string>()
  const conversation = writeMessages(request, traits, dropped)
  if ('fault' in conversation) return conversation
  const listed = listTools(request, endpoint, dropped)
  if ('fault' in listed) return listed
  const forced = listed.choice === 'required' && listed.declared.length > 0
  const thinking = writeThinking(request, endpoint, traits, forced, dropped)
  const tooling = writeTools(request, listed, conversation, traits, dropped)
  if (tooling.words !== undefined) conversation.system.push({ text: tooling.words })
  const fields = { ...thinking.fields, ...topKOf(request, traits, dropped), ...tooling.fields }
  const inference = writeInference(request, endpoint, traits, thinking.budget, dropped)
  const format = writeFormat(request, traits, dropped)
  settleCachePoints(request, conversation, traits)
  const native = request.origin?.dialect === DIALECT ? request.extras : null
  if (!native) for (const key of Object.keys(request.extras)) dropped.add(key)

  const body: WireBody = {
    messages: conversation.messages,
    ...(conversation.system.length > 0 && { system: conversation.system }),
    ...(Object.keys(inference).length > 0 && { inferenceConfig: inference }),
    ...(tooling.toolConfig && { toolConfig: tooling.toolConfig }),
    ...(format && { outputConfig: format }),
    ...(Object.keys(fields).length > 0 && { additionalModelRequestFields: fields }),
    ...(target.userId !== undefined && { requestMetadata: { user_id: target.userId } }),
    ...(endpoint.tier !== 'default' && { serviceTier: { type: endpoint.tier } }),
    ...without(native, OURS), ...without(target.options, OURS), ...endpoint.forcedParams,
  }
  dropUnspoken(UNSPOKEN, request, endpoint, dropped)
  return {
    path: `/model/${encodeURIComponent(endpoint.upstreamModel)}/${stream ? 'converse-stream' : 'converse'}`,
    headers: { accept: stream ? 'application/vnd.amazon.eventstream' : 'application/json' },
    body: stringify(body),
    dropped: [...dropped],
    ...changedIn(request, inference),
  }
}

/** A temperature ends at 1 here, and thinking wants a limit said. */
function changedIn({ maxOutputTokens: asked, sampling }: ChatRequest, { maxTokens, temperature }: Record<string, unknown>): Pick<Outgoing, 'changed'> {
  const changed: Changed[] = []
  if (typeof maxTokens === 'number' && maxTokens !== asked) changed.push({ parameter: 'max_tokens', asked: asked ?? null, sent: maxTokens })
  if (typeof temperature === 'number' && temperature !== sampling.temperature) changed.push({ parameter: 'temperature', asked: sampling.temperature ?? null, sent: temperature })
  return changed.length > 0 ? { changed } : {}
}

interface Tooling {
  readonly toolConfig?: WireBody['toolConfig']
  readonly fields?: JsonObject
  /** What the model is told in words, because it cannot be demanded. */
  readonly words?: string
}

/**
 * Tools, as far as the format allows. A history that calls tools needs some declared even when none are wanted now,
 * and there is no word for "none": the model is told. A single tool is sent alone and demanded as any.
 */
function writeTools(request: ChatRequest, listed: ToolList, { called }: Conversation, traits: Traits, dropped: Set<string>): Tooling {
  const none = listed.choice === 'none' || listed.declared.length === 0
  if (none && called.length === 0) return {}
  if (none) {
    const known = new Set([...called, ...listed.declared.map((tool) => tool.name)])
    const tools = [...known].map((name) => listed.declared.find((tool) => tool.name === name) ?? { name, parameters: { type: 'object', properties: {} } })
    return { toolConfig: { tools: tools.map(specOf) }, words: 'Do not call any tool now; answer in text.' }
  }
  const tools = listed.declared.flatMap((tool) => (tool.cached && traits.cachePoints ? [specOf(tool), cachePoint({})] : [specOf(tool)]))
  const choice = listed.choice === 'required' && !traits.forcesTools ? 'auto' : listed.choice
  if (choice !== listed.choice) dropped.add('tool_choice')
  const single = request.parallelToolCalls === false
  if (single && traits.family !== 'anthropic') dropped.add('parallel_tool_calls')
  return {
    toolConfig: { tools, ...(choice === 'required' && { toolChoice: { any: {} } }) },
    ...(choice !== listed.choice && { words: 'Call one of the tools now; do not answer in text.' }),
    ...(single && traits.family === 'anthropic' && {
      fields: { tool_choice: { type: choice === 'required' ? 'any' : 'auto', disable_parallel_tool_use: true } },
    }),
  }
}

const specOf = ({ name, description, parameters }: { readonly name: string; readonly description?: string; readonly parameters: JsonObject }): object =>
  ({ toolSpec: { name, ...(description !== undefined && { description }), inputSchema: { json: parameters } } })

/** What every family has: the limit, temperature, top_p, stops. Claude takes only one of the two in the middle. */
function writeInference(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, budget: number | undefined, dropped: Set<string>,
): Record<string, unknown> {
  const { temperature, top_p: topP } = request.sampling
  const config: Record<string, unknown> = {}
  const limit = request.maxOutputTokens ?? (budget === undefined ? undefined : outputLimit(request, endpoint))
  if (limit !== undefined) config['maxTokens'] = Math.min(limit, endpoint.maxOutputTokens ?? limit)
  const thinks = budget !== undefined
  if (temperature !== undefined) {
    if (traits.temperature && (!thinks || temperature === 1)) config['temperature'] = Math.min(temperature, 1)
    else dropped.add('temperature')
  }
  if (topP !== undefined) {
    if (traits.topP && (!thinks || topP >= 0.95) && !(traits.oneOfTemperatureAndTopP && 'temperature' in config)) config['topP'] = topP
    else dropped.add('top_p')
  }
  const stops = request.stop?.filter((stop) => stop.trim() !== '') ?? []
  if (stops.length > MAX_STOPS || stops.length < (request.stop?.length ?? 0)) dropped.add('stop')
  if (stops.length > 0) config['stopSequences'] = stops.slice(0, MAX_STOPS)
  return config
}

const outputLimit = (request: ChatRequest, endpoint: Endpoint): number =>
  request.maxOutputTokens ?? endpoint.maxOutputTokens ?? LIMIT_IF_UNKNOWN

function topKOf(request: ChatRequest, traits: Traits, dropped: Set<string>): JsonObject {
  const { top_k: topK } = request.sampling
  // 0 is how callers write "no limit".
  if (topK === undefined || topK === 0) return {}
  if (traits.topK === 'topK') return { inferenceConfig: { topK } }
  if (traits.topK !== null) return { [traits.topK]: topK }
  dropped.add('top_k')
  return {}
}

interface Thought {
  readonly fields?: JsonObject
  /** Thinking is on, with this many tokens, or with as many as the model likes (0). */
  readonly budget?: number
}

/** Reasoning in the words of the family. A forced tool is refused beside Claude's thinking, which then gives way. */
function writeThinking(request: ChatRequest, endpoint: Endpoint, traits: Traits, forced: boolean, dropped: Set<string>): Thought {
  const wish = thinkingOf(request.reasoning)
  if (!wish) return {}
  const limit = outputLimit(request, endpoint)
  const { reasoning } = endpoint
  const effort = 'off' in wish ? 'none' : nearestEffort(effortOf(wish, limit), reasoning.efforts)
  switch (traits.thinking) {
    case 'never':
      if (!('off' in wish)) dropped.add('reasoning')
      return {}
    case 'effort': return { fields: { reasoning_effort: effort === 'none' ? nearestEffort('minimal', reasoning.efforts) : effort } }
    case 'nova': return { fields: { reasoningConfig: effort === 'none' ? { type: 'disabled' } : { type: 'enabled', maxReasoningEffort: nearestEffort(effort, ['low', 'medium', 'high']) } } }
    case 'config': return effort === 'none' ? {} : { fields: { reasoning_config: nearestEffort(effort, ['low', 'medium', 'high']) } }
    default:
  }
  if ('off' in wish) return reasoning.canDisable === false ? {} : { fields: { thinking: { type: 'disabled' } } }
  if (forced || (traits.thinking === 'budget' && limit <= MIN_BUDGET)) {
    dropped.add('reasoning')
    return {}
  }
  if (traits.thinking === 'adaptive') return { fields: { thinking: { type: 'adaptive' }, output_config: { effort } }, budget: 0 }
  const budget = Math.min(budgetOf(wish, limit, { min: MIN_BUDGET, ...reasoning.budgetTokens }), limit - 1)
  return { fields: { thinking: { type: 'enabled', budget_tokens: budget } }, budget }
}

/** A schema stands as text inside the text format; any JSON has no word. */
function writeFormat(request: ChatRequest, traits: Traits, dropped: Set<string>): JsonObject | undefined {
  const { format } = request
  if (!format || format.type === 'text') return undefined
  if (format.type !== 'schema' || !traits.structuredOutputs) {
    dropped.add('response_format')
    return undefined
  }
  const { name, description, schema } = format
  return { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: JSON.stringify(schema), name, ...(description !== undefined && { description }) } } } }
}

/** A mark for the whole request goes to the end of the conversation; of more than four the last ones stay. */
function settleCachePoints(request: ChatRequest, { system, messages }: Conversation, traits: Traits): void {
  if (!traits.cachePoints) return
  const end = messages.at(-1)!.content
  if (request.cache && !('cachePoint' in end.at(-1)!)) end.push(cachePoint(request.cache))
  const lists: Block[][] = [system, ...messages.map((message) => message.content)]
  let left = MAX_CACHE_POINTS - (request.tools?.some((tool) => tool.type === 'function' && tool.cache) ? 1 : 0)
  for (const list of lists.toReversed()) {
    for (let at = list.length - 1; at >= 0; at--) if ('cachePoint' in list[at]! && left-- <= 0) list.splice(at, 1)
  }
}
