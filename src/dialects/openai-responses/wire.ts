import { EFFORTS, SAMPLING, type SamplingName } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { providerSchema } from '../openai-chat/wire.ts'
import { deferLoading, SERVER_TOOL_SHAPES, stopSchema } from '../server-tools.ts'

/**
 * The request of `POST /responses` as callers send it: OpenAI's fields with OpenRouter's on top. What is checked here is
 * what is published. Input is read leniently (ids, statuses and the type of a message may be missing: clients leave them
 * out), unknown keys are allowed everywhere but in `provider`, and `null` stands for absent.
 */

export const DIALECT = 'openai-responses'

const text = z.string()
const status = z.enum(['in_progress', 'completed', 'incomplete', 'searching', 'failed', 'generating', 'interpreting'])
const cacheControl = z.looseObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).nullish() }).describe('A prompt-cache breakpoint.')
const marks = {
  cache_control: cacheControl.nullish(),
  prompt_cache_breakpoint: z.looseObject({ mode: z.literal('explicit').nullish() }).nullish(),
}

function sampling(name: SamplingName) {
  const { min, max, integer } = SAMPLING[name]
  const base = (integer ? z.int() : z.number()).min(min)
  return (max === null ? base : base.max(max)).nullish()
}

/** ajv's discriminator says nothing of what is no object: a text among the parts would pass for one. */
const byTag = (propertyName: string) => ({ type: 'object', discriminator: { propertyName } })

const inputText = z.looseObject({ type: z.literal('input_text'), text, ...marks })
const inputImage = z.looseObject({
  type: z.literal('input_image'),
  image_url: text.nullish().describe('An http(s) address or a data URL.'),
  file_id: text.nullish(),
  detail: z.enum(['auto', 'low', 'high', 'original']).nullish(),
  ...marks,
})
const inputFile = z.looseObject({
  type: z.literal('input_file'),
  file_data: text.nullish().describe('A data URL.'),
  file_url: text.nullish().describe('An http(s) address.'),
  file_id: text.nullish(),
  filename: text.nullish(),
  ...marks,
})
const inputAudio = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: text.describe('Base64; no address.'), format: text.describe('wav, mp3 …') }),
  ...marks,
})
const inputVideo = z.looseObject({ type: z.literal('input_video'), video_url: text.describe('An http(s) address or a data URL.'), ...marks })
const outputText = z.looseObject({
  type: z.literal('output_text'), text,
  annotations: z.array(z.looseObject({ type: text })).nullish(),
  logprobs: z.array(z.looseObject({})).nullish(),
  ...marks,
})
const refusal = z.looseObject({ type: z.literal('refusal'), refusal: text })

const part = z.discriminatedUnion('type', [inputText, inputImage, inputFile, inputAudio, inputVideo, outputText, refusal]).meta(byTag('type'))
const resultPart = z.discriminatedUnion('type', [inputText, inputImage, inputFile, outputText]).meta(byTag('type'))
const output = z.union([text, z.array(resultPart)])

const path = text.min(1)
const operation = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('create_file'), path, diff: text }),
  z.looseObject({ type: z.literal('update_file'), path, diff: text }),
  z.looseObject({ type: z.literal('delete_file'), path }),
]).meta(byTag('type'))

const envelope = { id: text.nullish(), status: status.nullish() }

/** The items that have a meaning here, by type. Others are native to the format: a provider of it gets them as they are. */
export const ITEMS = {
  message: z.looseObject({
    type: z.literal('message').nullish(),
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content: z.union([text, z.array(part)]),
    phase: z.enum(['commentary', 'final_answer']).nullish(),
    ...envelope,
  }).describe('A message; the type may be left out.'),
  reasoning: z.looseObject({
    type: z.literal('reasoning'),
    summary: z.array(z.looseObject({ type: z.literal('summary_text').nullish(), text })).nullish(),
    content: z.array(z.looseObject({ type: z.literal('reasoning_text').nullish(), text })).nullish(),
    encrypted_content: text.nullish(),
    format: text.nullish().describe('Whose reasoning it is.'),
    signature: text.nullish(),
    ...envelope,
  }),
  function_call: z.looseObject({ type: z.literal('function_call'), call_id: text.min(1), name: text.min(1), namespace: text.nullish(), arguments: text, ...envelope }),
  function_call_output: z.looseObject({ type: z.literal('function_call_output'), call_id: text.min(1), output, ...envelope }),
  custom_tool_call: z.looseObject({ type: z.literal('custom_tool_call'), call_id: text.min(1), name: text.min(1), namespace: text.nullish(), input: text, ...envelope }),
  custom_tool_call_output: z.looseObject({ type: z.literal('custom_tool_call_output'), call_id: text.min(1), output, ...envelope }),
  apply_patch_call: z.looseObject({ type: z.literal('apply_patch_call'), call_id: text.min(1), operation, ...envelope }),
  apply_patch_call_output: z.looseObject({
    type: z.literal('apply_patch_call_output'), call_id: text.min(1), id: text.nullish(), status: z.enum(['completed', 'failed']), output: text.nullish(),
  }),
  item_reference: z.looseObject({ type: z.literal('item_reference'), id: text.min(1) }),
} as const

/** Anything else with a type: items of server tools, compaction, and what comes after them. */
const nativeItem = z.looseObject({ type: text.regex(new RegExp(`^(?!(${Object.keys(ITEMS).join('|')})$)`)) })

const functionTool = z.looseObject({
  type: z.literal('function'), name: text.min(1).max(256), description: text.nullish(),
  parameters: z.looseObject({}).nullish(), strict: z.boolean().nullish(), cache_control: cacheControl.nullish(), defer_loading: deferLoading,
})
const customTool = z.looseObject({
  type: z.literal('custom'), name: text.min(1).max(256), description: text.nullish(), format: z.looseObject({ type: text }).nullish(), defer_loading: deferLoading,
})
/** Tools under a name of their own; each is held against its own shape afterwards. */
const namespaceOf = <T extends z.ZodType>(tool: T) =>
  z.looseObject({ type: z.literal('namespace'), name: text.min(1).max(256), description: text.nullish(), tools: z.array(tool) })
/** Tools that a server runs; their settings stand beside the type. */
const serverTool = z.looseObject({ type: text.regex(/^(?!(function|custom|namespace)$)/) })
export const TOOLS = { function: functionTool, custom: customTool, namespace: namespaceOf(z.looseObject({ type: z.enum(['function', 'custom']) })) } as const

const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({
    type: text, name: text.nullish(), mode: z.enum(['auto', 'required']).nullish(), tools: z.array(z.looseObject({ type: text })).nullish(),
  }),
])

const format = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'), name: text.min(1).max(64), schema: z.looseObject({}), description: text.nullish(), strict: z.boolean().nullish(),
  }),
  z.looseObject({ type: z.literal('grammar'), grammar: text }),
]).meta(byTag('type'))

const reasoning = z.looseObject({
  effort: z.enum(EFFORTS).nullish(),
  summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish().describe('The old name of summary.'),
  max_tokens: z.int().min(0).nullish(),
  enabled: z.boolean().nullish(),
  exclude: z.boolean().nullish(),
})

/** What `include` may ask for. */
export const INCLUDABLE = [
  'reasoning.encrypted_content', 'message.output_text.logprobs', 'message.input_image.image_url', 'file_search_call.results',
  'web_search_call.results', 'web_search_call.action.sources', 'code_interpreter_call.outputs', 'computer_call_output.output.image_url',
] as const

const fields = {
  model: text.min(1).nullish(),
  models: z.array(text.min(1)).max(64).nullish(),
  instructions: text.nullish().describe('Said before everything else; not carried over to the next turn.'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_obfuscation: z.boolean().nullish() }).nullish().describe('Accepted; nothing is obfuscated.'),
  max_output_tokens: z.int().min(16).nullish().describe('Reasoning included.'),
  temperature: sampling('temperature'),
  top_p: sampling('top_p'),
  top_k: sampling('top_k'),
  frequency_penalty: sampling('frequency_penalty'),
  presence_penalty: sampling('presence_penalty'),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  stop_server_tools_when: stopSchema,
  text: z.looseObject({ format: format.nullish(), verbosity: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish() }).nullish(),
  reasoning: reasoning.nullish(),
  include: z.array(z.enum(INCLUDABLE)).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish().describe('auto: messages in the middle go when the input is too long; disabled, the default: a 400.'),
  metadata: z.record(text, text.max(512)).nullish().describe('At most 16 pairs; keys of 64 characters.'),
  service_tier: z.enum(['auto', 'default', 'fast', 'flex', 'priority', 'scale', 'ultrafast']).nullish(),
  user: text.max(256).nullish(),
  safety_identifier: text.max(256).nullish(),
  prompt_cache_key: text.nullish(),
  prompt_cache_retention: z.enum(['in_memory', 'in-memory', '24h']).nullish(),
  prompt_cache_options: z.looseObject({}).nullish(),
  store: z.boolean().nullish().describe('Whether the response is kept; false when it is left out, unless a setting or background says otherwise.'),
  background: z.boolean().nullish().describe('Made with nobody waiting, and kept: with store: false only until it was fetched.'),
  previous_response_id: text.nullish(),
  conversation: z.union([text, z.looseObject({ id: text })]).nullish()
    .describe('What was said before, to which this turn is added; the response is kept, unless store: false is said.'),
  prompt: z.looseObject({ id: text }).nullish(),
  modalities: z.array(z.enum(['text', 'image', 'audio'])).nullish(),
  image_config: z.looseObject({}).nullish(),
  provider: providerSchema.nullish(),
  plugins: z.array(z.looseObject({ id: text, enabled: z.boolean().nullish() })).nullish(),
  route: z.enum(['fallback', 'sort']).nullish(),
  preset: text.nullish(),
  cache_control: cacheControl.nullish(),
  session_id: text.max(256).nullish(),
  trace: z.looseObject({}).nullish(),
  debug: z.looseObject({}).nullish(),
}

/** As it is published: every item with its own shape. */
export const requestSchema = z.looseObject({
  ...fields,
  input: z.union([text, z.array(z.union([...Object.values(ITEMS), nativeItem]))]).nullish(),
  tools: z.array(z.union([functionTool, customTool, namespaceOf(z.union([functionTool, customTool])), ...SERVER_TOOL_SHAPES, serverTool])).nullish(),
})

/**
 * As it is checked first: items and tools are only told apart here, and each is then held against the shape of its own
 * type. A union of all would answer for a call without its arguments with what a message wants.
 */
export const outlineSchema = z.looseObject({
  ...fields,
  input: z.union([text, z.array(z.looseObject({ type: text.nullish(), role: text.nullish() }))]).nullish(),
  tools: z.array(z.looseObject({ type: text })).nullish(),
})

const { model, models, instructions, previous_response_id, prompt_cache_key, prompt_cache_retention, prompt_cache_options, service_tier, provider, session_id, user } = fields

/** What `POST /responses/compact` takes. */
export const compactSchema = z.looseObject({
  model, models, instructions, previous_response_id, prompt_cache_key, prompt_cache_retention, prompt_cache_options, service_tier, provider, session_id, user,
  input: requestSchema.shape.input,
})

/** Keys that only a router reads; they never go to a provider. */
export const ROUTER_KEYS: ReadonlySet<string> = new Set([
  'models', 'provider', 'plugins', 'route', 'preset', 'session_id', 'trace', 'debug', 'metadata', 'stop_server_tools_when',
  'modalities', 'image_config', 'background', 'previous_response_id', 'conversation', 'prompt', 'top_k', 'frequency_penalty', 'presence_penalty',
])

/** Every key that has a meaning here; the others are extras. */
export const KNOWN_KEYS: ReadonlySet<string> = new Set(Object.keys(requestSchema.shape))

/** A body, an item or a part that passed the check, or that a provider sent: any key may be there, of any type. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = { readonly [key: string]: any }

/** Whether a field has a value: `null` and absent mean the same. */
export const given = (value: unknown): boolean => value !== undefined && value !== null

export { isObject } from '../openai-chat/foreign.ts'
