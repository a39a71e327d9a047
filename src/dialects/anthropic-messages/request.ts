import {
  EFFORTS, type ChatRequest, type Effort, type Endpoint, type Fault, type JsonObject, type SamplingName,
} from '../../core/index.ts'
import type { Changed, Outgoing, Target } from '../dialect.ts'
import { foreignTool } from '../native-tools.ts'
import { nearestEffort, thinkingOf } from '../reasoning.ts'
import { asDeclared, asSaid, asWished, furtherConfig } from './as-said.ts'
import { saysAsWritten } from '../server-tools.ts'
import { settleMarks } from './cache-marks.ts'
import { markOf } from './content.ts'
import { forcesTool, planFormat } from './format.ts'
import { writeMessages } from './messages.ts'
import { outputLimit, reasonsOf } from './thinking.ts'
import { writeTools } from './tools.ts'
import { traitsOf, type Traits } from './traits.ts'
import { DIALECT, VERSION, type Block, type Message, type OutputConfig, type TextBlock, type Thinking } from './wire.ts'

/** Fields that a caller's passthrough may not set: they say what is bought, from whom, and how it is read. */
const OURS: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'max_tokens'])

const FILES_BETA = 'files-api-2025-04-14'

/**
 * Writes a request for an endpoint. Everything that the caller set and this format or model has no word for is
 * reported by its name. The body is the same bytes for the same request, so that prompt caches hit.
 */
export function encode(request: ChatRequest, target: Target, envelope: Envelope = PLAIN): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const foreign = foreignTool(request, DIALECT)
  if (foreign) return { fault: foreign }
  const traits = traitsOf(endpoint)
  const own = request.origin?.dialect === DIALECT ? request.origin : undefined
  const limit = outputLimit(request, endpoint, stream)
  const format = planFormat(request, endpoint, traits)
  const forced = forcesTool(request) || format.by === 'tool'
  const forceable = traits.canDisable || traits.thinking === 'never' || traits.thinking === 'always'

  const conversation = writeMessages(request.messages, {
    replaysUnsealed: traits.replaysUnsealed,
    prefill: !traits.noPrefill && format.by !== 'tool' && !mayThink(request, traits),
  })
  if ('fault' in conversation) return conversation
  const { messages } = conversation
  const toolbox = writeTools(request, format, { called: conversation.called, forceable })
  if ('fault' in toolbox) return toolbox
  const reasons = reasonsOf(request, endpoint, traits, { limit, forcedTool: forced && forceable, messages })
  const verbosity = effortOfVerbosity(request, endpoint, traits, reasons.effort)
  const sampling = writeSampling(request, traits, reasons.thinking)

  const system = [...conversation.system]
  for (const words of [format.by === 'words' ? format.words : undefined, toolbox.words]) {
    if (words !== undefined) system.push({ type: 'text', text: words })
  }
  const top = settleMarks(inPromptOrder(toolbox.tools, system, messages), markOf(request)?.cache_control)
  const config: OutputConfig = {
    ...(own && furtherConfig(own.body)),
    ...((reasons.effort ?? verbosity.effort) !== undefined && { effort: reasons.effort ?? verbosity.effort }),
    ...(format.by === 'config' && { format: format.format }),
  }
  // Its deferred tools stand in its caller's body alone.
  const asWritten = own && request.tools?.some((tool) => tool.type === 'function' && tool.instead?.dialect === DIALECT) && saysAsWritten(request, DIALECT, traits.knows) ? own.body : null
  const stops = request.stop?.filter((text) => text.trim() !== '') ?? []
  const tier = tierOf(request.serviceTier, endpoint)

  const body: Record<string, unknown> = {
    model: endpoint.upstreamModel,
    max_tokens: limit,
    ...(system.length > 0 && { system: systemOf(system) }),
    messages,
    ...(toolbox.tools.length > 0 && { tools: asWritten ? asWritten['tools'] : own ? asDeclared(toolbox.tools, own.body) : toolbox.tools }),
    ...(toolbox.choice && { tool_choice: asWritten?.['tool_choice'] ?? toolbox.choice }),
    ...(reasons.thinking && { thinking: own ? asWished(reasons.thinking, own.body) : reasons.thinking }),
    ...(Object.keys(config).length > 0 && { output_config: config }),
    ...sampling.body,
    ...(stops.length > 0 && { stop_sequences: stops }),
    ...(target.userId !== undefined && { metadata: { user_id: target.userId } }),
    ...(tier !== undefined && { service_tier: tier }),
    ...(top && { cache_control: top }),
    ...(stream && { stream: true }),
    ...((own || request.extrasFrom === DIALECT) && without(request.extras, OURS)),
    ...(target.options && without(target.options, OURS)),
    ...(endpoint.forcedParams && without(endpoint.forcedParams, new Set(['messages']))),
  }
  const dropped = new Set<string>([
    ...toolbox.dropped, ...sampling.dropped, ...unspoken(request),
    ...(format.by === 'nothing' || format.by === 'words' ? format.dropped : []),
    ...(reasons.dropped ? ['reasoning'] : []),
    ...(verbosity.dropped ? ['verbosity'] : []),
    ...(stops.length < (request.stop?.length ?? 0) ? ['stop'] : []),
    ...(request.serviceTier !== undefined && tier === undefined && endpoint.tier === 'default' ? ['service_tier'] : []),
    ...(conversation.lost ? ['messages'] : []),
  ])
  return {
    path: envelope.path(target),
    headers: envelope.versionInBody ? {} : headersOf(traits, conversation.fileIds, own?.headers?.['anthropic-beta']),
    body: serialised(envelope.body(body), messages, own ? asSaid(messages, own.body) : null),
    dropped: [...dropped],
    ...changedIn(request, limit, sampling.body),
  }
}

/** A limit is demanded here, and a temperature ends at 1. */
function changedIn(request: ChatRequest, limit: number, sampled: Sampled['body']): Pick<Outgoing, 'changed'> | null {
  if (limit === request.maxOutputTokens && sampled['temperature'] === request.sampling.temperature) return null
  const changed: Changed[] = []
  if (limit !== request.maxOutputTokens) changed.push({ parameter: 'max_tokens', asked: request.maxOutputTokens ?? null, sent: limit })
  const { temperature } = sampled
  const asked = request.sampling.temperature
  if (temperature !== undefined && asked !== undefined && temperature !== asked) changed.push({ parameter: 'temperature', asked, sent: temperature })
  return { changed }
}

/** What a cloud puts around the same request: another path, and another beginning of the body. */
export interface Envelope {
  path(target: Target): string
  body(body: Record<string, unknown>): Record<string, unknown>
  /** The version, and nothing else of the headers, is said in the body. */
  readonly versionInBody: boolean
}

const PLAIN: Envelope = { path: () => '/messages', body: (body) => body, versionInBody: false }

/**
 * Only what this format adds: the version, where the provider's own headers do not have it, and betas. What the caller
 * switched on goes to Anthropic's own models: other hosts of the format know none of these names.
 */
function headersOf(traits: Traits, fileIds: boolean, asked: string | undefined): Record<string, string> {
  const betas = traits.claude && asked !== undefined ? asked.split(',') : []
  if (fileIds && !betas.includes(FILES_BETA)) betas.push(FILES_BETA)
  return {
    ...(!traits.hasVersionHeader && { 'anthropic-version': VERSION }),
    ...(betas.length > 0 && { 'anthropic-beta': betas.join(',') }),
  }
}

/** Whether thinking may be on, in which case a last message of the assistant is refused. */
function mayThink(request: ChatRequest, traits: Traits): boolean {
  const wish = thinkingOf(request.reasoning)
  return wish !== undefined && !('off' in wish) && traits.thinking !== 'never'
}

function systemOf(blocks: readonly TextBlock[]): string | readonly TextBlock[] {
  return blocks.length === 1 && !blocks[0]!.cache_control ? blocks[0]!.text : blocks
}

function* inPromptOrder(tools: readonly object[], system: readonly TextBlock[], messages: readonly Message[]) {
  yield* tools
  yield* system
  for (const { content } of messages) {
    for (const block of content) if (block.type !== 'thinking' && block.type !== 'redacted_thinking') yield block
  }
}

type Sampled = { readonly body: Record<string, number>; readonly dropped: readonly string[] }

/** The three sampling parameters of this format, as far as the model takes them; beside thinking most are refused. */
function writeSampling(request: ChatRequest, traits: Traits, thinking: Thinking | undefined): Sampled {
  const { sampling } = request
  const body: Record<string, number> = {}
  const dropped: string[] = []
  const thinks = thinking !== undefined && thinking.type !== 'disabled'
  for (const name of Object.keys(sampling) as SamplingName[]) {
    const value = sampling[name]
    if (value === undefined) continue
    if (name === 'temperature' && traits.temperature && (!thinks || value === 1)) body[name] = Math.min(Math.max(value, 0), 1)
    else if (name === 'top_p' && traits.topP && (!thinks || value >= 0.95)) body[name] = value
    else if (name === 'top_k' && traits.topK && !thinks && value > 0) body[name] = value
    // 0 is how callers write "no limit".
    else if (name !== 'top_k' || value > 0) dropped.push(name)
  }
  if (traits.oneOfTemperatureAndTopP && body['temperature'] !== undefined && body['top_p'] !== undefined) {
    delete body['top_p']
    dropped.push('top_p')
  }
  return { body, dropped }
}

/** Verbosity is an effort here; a wish for reasoning has said the effort already. */
function effortOfVerbosity(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, effort: Effort | undefined,
): { readonly effort?: Effort; readonly dropped: boolean } {
  const wanted = EFFORTS.find((known) => known === request.verbosity && known !== 'none')
  if (request.verbosity === undefined) return { dropped: false }
  if (wanted === undefined) return { dropped: true }
  if (effort !== undefined || !traits.effort) return { dropped: wanted !== effort }
  return { effort: nearestEffort(wanted, endpoint.reasoning.efforts), dropped: false }
}

/** `auto` may use priority capacity; `default` is what everybody gets. Other tiers are endpoints of their own. */
function tierOf(tier: string | undefined, endpoint: Endpoint): string | undefined {
  if (tier === 'auto') return 'auto'
  return tier === 'default' && endpoint.tier === 'default' ? 'standard_only' : undefined
}

/** What is set and has no word in this format at all. */
function unspoken(request: ChatRequest): string[] {
  const names: string[] = []
  const set = (name: string, value: unknown): void => {
    if (value !== undefined) names.push(name)
  }
  set('seed', request.seed)
  set('logit_bias', request.logitBias)
  if (request.logprobs) names.push('logprobs')
  set('top_logprobs', request.topLogprobs)
  if ((request.choices ?? 1) > 1) names.push('n')
  if (request.modalities?.some((modality) => modality !== 'text')) names.push('modalities')
  set('audio', request.audio)
  set('image_config', request.imageConfig)
  set('prediction', request.prediction)
  set('prompt_cache_key', request.cacheKey)
  set('metadata', request.metadata)
  if (request.origin?.dialect !== DIALECT && request.extrasFrom !== DIALECT) names.push(...Object.keys(request.extras))
  return names
}

function without(object: JsonObject, keys: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.has(key)))
}

/** The body as text. The arguments of calls go in as the model wrote them: numbers and the order of keys survive. */
function serialised(body: Record<string, unknown>, messages: readonly Message[], said: readonly (string | null)[] | null): string {
  const fields: string[] = []
  for (const [key, value] of Object.entries(body)) {
    if (value === undefined) continue
    const text = value === messages ? `[${messages.map((message, at) => said?.[at] ?? messageText(message)).join(',')}]` : JSON.stringify(value)
    fields.push(`${JSON.stringify(key)}:${text}`)
  }
  return `{${fields.join(',')}}`
}

function messageText({ role, content }: Message): string {
  const only = content.length === 1 ? content[0]! : null
  const plain = only?.type === 'text' && !only.cache_control
  const inner = plain ? JSON.stringify(only.text) : `[${content.map(blockText).join(',')}]`
  return `{"role":"${role}","content":${inner}}`
}

function blockText(block: Block): string {
  const mark = 'cache_control' in block && block.cache_control ? block.cache_control : null
  if (block.type === 'native') return JSON.stringify(mark ? { ...block.value, cache_control: mark } : block.value)
  if (block.type !== 'tool_use') return JSON.stringify(block)
  const end = mark ? `,"cache_control":${JSON.stringify(mark)}` : ''
  const { id, name, input } = block
  return `{"type":"tool_use","id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"input":${input}${end}}`
}
