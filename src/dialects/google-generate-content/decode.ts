import { fault, type Asked, type ChatRequest, type Effort, type Fault, type JsonObject, type OutputFormat, type Reasoning, type SamplingName, type Tool, type ToolChoice } from '../../core/index.ts'
import { checker } from '../../schema/index.ts'
import { readPreferences } from '../openai-chat/preferences.ts'
import { faultOfIssue, readPlugins } from '../openai-chat/request.ts'
import { deferral, serverToolsIn, unfindable } from '../server-tools.ts'
import { inCamelCase, snakeKeys } from './camel.ts'
import { readConversation } from './decode-contents.ts'
import { READ_CONFIG, READ_KEYS, requestSchema } from './request-schema.ts'
import { fromSubset } from './schemas.ts'
import { DIALECT, isObject, listIn, textIn, type Loose } from './wire.ts'

/** Made once; it compiles on the first request. */
const check = checker(requestSchema)

/** What the address says of a request: the model, and whether the answer is a stream. */
export interface Addressed {
  readonly model: string
  readonly stream: boolean
}

/** Reads the body of `:generateContent`. Faults name the field in the camelCase of Google's documents. */
export function decode(given: unknown, { model, stream }: Addressed): { readonly asked: Asked } | { readonly fault: Fault } {
  const body = inCamelCase(given)
  const issue = check(body)
  if (issue) return { fault: faultOfIssue(issue) }
  const it = body as Loose
  const config = isObject(it['generationConfig']) ? it['generationConfig'] : {}
  const problem = contradiction(config)
  if (problem) return { fault: problem }
  const conversation = readConversation(it)
  if ('fault' in conversation) return conversation
  const wishes = readPreferences({ ...it, model })
  if ('fault' in wishes) return wishes

  const request: { -readonly [K in keyof ChatRequest]: ChatRequest[K] } = {
    messages: conversation.messages, sampling: samplingOf(config), extras: extrasOf(it, config), extrasFrom: DIALECT, origin: { dialect: DIALECT, body: it },
  }
  const tools = listIn(it, 'tools').flatMap(toolsOf)
  const lost = unfindable(tools, () => 'tools')
  if (lost) return { fault: lost }
  if (tools.length > 0) {
    request.tools = tools
    const choice = choiceOf(it['toolConfig'], tools)
    if (choice && typeof choice === 'object' && 'fault' in choice) return choice
    if (choice !== undefined) request.toolChoice = choice
  }
  const format = formatOf(config)
  if (format) request.format = format
  const reasoning = reasoningOf(config['thinkingConfig'])
  if (reasoning) request.reasoning = reasoning
  const stops = config['stopSequences']
  if (Array.isArray(stops) && stops.length > 0) request.stop = stops as string[]
  const count = (key: string): number | undefined => (typeof config[key] === 'number' ? config[key] : undefined)
  if (count('maxOutputTokens') !== undefined) request.maxOutputTokens = count('maxOutputTokens')!
  if (count('seed') !== undefined) request.seed = count('seed')!
  if ((count('candidateCount') ?? 1) > 1) request.choices = count('candidateCount')!
  if (typeof config['responseLogprobs'] === 'boolean') request.logprobs = config['responseLogprobs']
  if (count('logprobs') !== undefined) request.topLogprobs = count('logprobs')!
  const modalities = Array.isArray(config['responseModalities']) ? config['responseModalities'].map((word) => String(word).toLowerCase()) : []
  const known = modalities.filter((word) => word === 'text' || word === 'image' || word === 'audio')
  if (known.length > 0) request.modalities = known
  const voice = voiceOf(config['speechConfig'])
  if (voice !== undefined) request.audio = { voice }
  if (isObject(config['imageConfig'])) request.imageConfig = snakeKeys(config['imageConfig'])
  const tier = textIn(it, 'serviceTier')
  if (tier !== undefined) request.serviceTier = tier === 'standard' ? 'default' : tier
  const user = textIn(it, 'user')
  if (user !== undefined) request.user = user
  const session = textIn(it, 'sessionId')
  if (session !== undefined) request.session = session
  const preset = textIn(it, 'preset')
  return {
    asked: {
      operation: { type: 'chat', request }, preferences: wishes.preferences, plugins: readPlugins(it), stream, ignored: [], ...(preset && { preset }),
    },
  }
}

/** Whether the caller wants to see the thoughts, which a client of this format has to say. */
export const showsThoughts = ({ origin }: ChatRequest): boolean => {
  const config = origin?.body['generationConfig']
  return isObject(config) && isObject(config['thinkingConfig']) && config['thinkingConfig']['includeThoughts'] === true
}

const SAMPLED: Readonly<Record<string, SamplingName>> = {
  temperature: 'temperature', topP: 'top_p', topK: 'top_k', frequencyPenalty: 'frequency_penalty', presencePenalty: 'presence_penalty',
}

function samplingOf(config: Loose): ChatRequest['sampling'] {
  const found: Partial<Record<SamplingName, number>> = {}
  for (const [key, name] of Object.entries(SAMPLED)) if (typeof config[key] === 'number') found[name] = config[key]
  return found
}

function contradiction(config: Loose): Fault | null {
  const { responseSchema, responseJsonSchema, responseMimeType, thinkingConfig } = config
  if (isObject(responseSchema) && isObject(responseJsonSchema)) return bad('generationConfig.responseJsonSchema', 'contradicts responseSchema: send one of them')
  if ((isObject(responseSchema) || isObject(responseJsonSchema)) && responseMimeType !== 'application/json' && responseMimeType !== 'text/x.enum') {
    return bad('generationConfig.responseMimeType', `must be "application/json" beside a schema, is ${JSON.stringify(responseMimeType ?? null)}`)
  }
  if (isObject(thinkingConfig) && typeof thinkingConfig['thinkingBudget'] === 'number' && textIn(thinkingConfig, 'thinkingLevel') !== undefined) {
    return bad('generationConfig.thinkingConfig.thinkingLevel', 'contradicts thinkingBudget: send one of them')
  }
  return null
}

/** What only this format knows: safety settings, cached content, and what stands in a config beyond what is read. */
function extrasOf(body: Loose, config: Loose): JsonObject {
  const extras: Record<string, unknown> = {}
  for (const key in body) if (!READ_KEYS.has(key) && key !== 'toolConfig' && body[key] !== undefined && body[key] !== null) extras[key] = body[key]
  const further = Object.fromEntries(Object.entries(config).filter(([key, value]) => !READ_CONFIG.has(key) && value !== null))
  if (Object.keys(further).length > 0) extras['generationConfig'] = further
  const { toolConfig } = body
  if (isObject(toolConfig)) {
    const { functionCallingConfig: _, ...more } = toolConfig
    if (Object.keys(more).length > 0) extras['toolConfig'] = more
  }
  return extras
}

/** Functions one by one; Google's own tools stay what they are, and server tools are named as those are: by a key. */
function toolsOf(tool: Loose, at: number): Tool[] {
  const { functionDeclarations: _, ...others } = tool
  const { tools: run, rest: native } = serverToolsIn(others, at)
  const declared = listIn(tool, 'functionDeclarations').map((it): Tool => {
    const schema = isObject(it['parametersJsonSchema']) ? it['parametersJsonSchema'] : isObject(it['parameters']) ? fromSubset(it['parameters']) : undefined
    return {
      type: 'function', name: textIn(it, 'name')!, ...(typeof it['description'] === 'string' && { description: it['description'] }), ...(schema && { parameters: schema }), ...deferral(it),
    }
  })
  return [...declared, ...run, ...(Object.keys(native).length > 0 ? [{ type: 'native' as const, dialect: DIALECT, value: native }] : [])]
}

function choiceOf(toolConfig: unknown, tools: readonly Tool[]): ToolChoice | undefined | { readonly fault: Fault } {
  const calling = isObject(toolConfig) && isObject(toolConfig['functionCallingConfig']) ? toolConfig['functionCallingConfig'] : {}
  const allowed = Array.isArray(calling['allowedFunctionNames']) ? calling['allowedFunctionNames'] as string[] : []
  const unknown = allowed.findIndex((name) => !tools.some((tool) => tool.type !== 'native' && tool.name === name))
  if (unknown >= 0) {
    const field = `toolConfig.functionCallingConfig.allowedFunctionNames[${unknown}]`
    return { fault: bad(field, `names ${JSON.stringify(allowed[unknown]!.slice(0, 80))}, which is not declared in tools`) }
  }
  switch (calling['mode']) {
    case 'ANY': return allowed.length === 1 ? { tool: allowed[0]! } : allowed.length > 1 ? { allowed, required: true } : 'required'
    case 'NONE': return 'none'
    case 'AUTO':
    case 'VALIDATED': return allowed.length > 0 ? { allowed, required: false } : 'auto'
    default: return undefined
  }
}

function formatOf(config: Loose): OutputFormat | undefined {
  const { responseSchema, responseJsonSchema, responseMimeType } = config
  const schema = isObject(responseJsonSchema) ? responseJsonSchema : isObject(responseSchema) ? fromSubset(responseSchema) : undefined
  if (schema) return { type: 'schema', name: 'answer', schema }
  return responseMimeType === 'application/json' ? { type: 'json' } : undefined
}

/** A budget of 0 is off, of -1 the model's own affair: that it is to think at all is then all that is said. */
function reasoningOf(config: unknown): Reasoning | undefined {
  if (!isObject(config)) return undefined
  const budget = config['thinkingBudget']
  const level = textIn(config, 'thinkingLevel')?.toLowerCase()
  if (level !== undefined && level !== 'thinking_level_unspecified') return { effort: level as Effort }
  if (budget === 0) return { enabled: false }
  if (typeof budget === 'number' && budget > 0) return { maxTokens: budget }
  return budget === -1 || config['includeThoughts'] === true ? { enabled: true } : undefined
}

function voiceOf(config: unknown): string | undefined {
  const voice = isObject(config) && isObject(config['voiceConfig']) ? config['voiceConfig']['prebuiltVoiceConfig'] : undefined
  return isObject(voice) ? textIn(voice, 'voiceName') : undefined
}

const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })
