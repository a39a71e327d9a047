import { EFFORTS, MAX_OUTPUT, SAMPLING, UNSUPPORTED_PARAMETERS, type SamplingName } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { deferLoading, SERVER_TOOL_SHAPES, stopSchema } from '../server-tools.ts'

/**
 * The request of `POST /chat/completions` as callers send it: OpenAI's fields with OpenRouter's on top. What is
 * checked here is what is published. Unknown keys are allowed everywhere but in `provider`, and `null` stands for
 * absent, as SDKs of typed languages send it.
 */

const text = z.string()
const cacheControl = z.looseObject({
  type: z.literal('ephemeral'),
  ttl: z.enum(['5m', '1h']).nullish(),
}).describe('A prompt-cache breakpoint.')

/** A number in the range that the one table of sampling parameters gives. */
function sampling(name: SamplingName) {
  const { min, max, integer } = SAMPLING[name]
  const base = (integer ? z.int() : z.number()).min(min)
  return (max === null ? base : base.max(max)).nullish()
}

/** ajv's discriminator says nothing of what is no object: a text among the messages would pass for one. */
const byTag = (propertyName: string) => ({ type: 'object', discriminator: { propertyName } })

const textPart = z.looseObject({
  type: z.literal('text'),
  text,
  cache_control: cacheControl.nullish(),
  prompt_cache_breakpoint: z.looseObject({ mode: z.literal('explicit').nullish() }).nullish(),
})
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({
    url: text.describe('An http(s) address or a data URL.'),
    detail: z.enum(['auto', 'low', 'high', 'original']).nullish(),
  }),
  cache_control: cacheControl.nullish(),
})
const filePart = z.looseObject({
  type: z.literal('file'),
  file: z.looseObject({
    file_data: text.nullish().describe('An http(s) address or a data URL.'),
    file_id: text.nullish(),
    filename: text.nullish(),
  }),
  cache_control: cacheControl.nullish(),
})
const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: text.describe('Base64; no address.'), format: text.describe('wav, mp3 …') }),
  cache_control: cacheControl.nullish(),
})
const videoPart = z.looseObject({
  type: z.literal('video_url'),
  video_url: z.looseObject({ url: text, processing: z.enum(['agentic', 'static']).nullish() }),
  cache_control: cacheControl.nullish(),
})
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: text })

const userContent = z.union([text, z.array(z.discriminatedUnion('type', [textPart, imagePart, filePart, audioPart, videoPart]).meta(byTag('type')))])
const assistantContent = z.union([
  text,
  z.array(z.discriminatedUnion('type', [textPart, refusalPart, imagePart, filePart]).meta(byTag('type'))),
  z.null(),
])
const plainContent = z.union([text, z.array(textPart)])

/** One entry of `reasoning_details`, as a caller sends it back. Unknown types are accepted and passed on. */
export const reasoningDetail = z.looseObject({
  type: text.describe('reasoning.text, reasoning.summary, reasoning.encrypted or reasoning.server_tool_call'),
  id: text.nullish(),
  format: text.nullish(),
  index: z.int().nullish(),
  text: text.nullish(),
  summary: text.nullish(),
  data: text.nullish(),
  signature: text.nullish(),
})

const toolCall = z.looseObject({
  id: text,
  type: z.enum(['function', 'custom']).nullish(),
  function: z.looseObject({ name: text, arguments: text }).nullish(),
  custom: z.looseObject({ name: text, input: text }).nullish(),
})

const annotation = z.looseObject({ type: text })

const named = { name: text.nullish() }
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content: plainContent, ...named }),
  z.looseObject({ role: z.literal('developer'), content: plainContent, ...named }),
  z.looseObject({ role: z.literal('user'), content: userContent, ...named }),
  z.looseObject({
    role: z.literal('assistant'),
    content: assistantContent.nullish(),
    refusal: text.nullish(),
    reasoning: text.nullish(),
    reasoning_content: text.nullish().describe('Alias of reasoning.'),
    reasoning_details: z.array(reasoningDetail).nullish(),
    tool_calls: z.array(toolCall).nullish(),
    images: z.array(imagePart).nullish(),
    audio: z.looseObject({ id: text }).nullish(),
    annotations: z.array(annotation).nullish(),
    ...named,
  }),
  z.looseObject({ role: z.literal('tool'), tool_call_id: text, content: userContent, ...named }),
]).meta(byTag('role'))

const functionTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: text.min(1).max(256),
    description: text.nullish(),
    parameters: z.looseObject({}).nullish(),
    strict: z.boolean().nullish(),
  }),
  cache_control: cacheControl.nullish(),
  defer_loading: deferLoading,
})
const customTool = z.looseObject({
  type: z.literal('custom'),
  defer_loading: deferLoading,
  custom: z.looseObject({ name: text.min(1).max(256), description: text.nullish(), format: z.looseObject({ type: text }).nullish() }),
})
/** Tools that a server runs (`openrouter:web_search` …); their settings stand beside the type or in `parameters`. */
const serverTool = z.looseObject({ type: text.regex(/^(?!(function|custom)$)/) })

const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({
    type: text,
    function: z.looseObject({ name: text }).nullish(),
    custom: z.looseObject({ name: text }).nullish(),
    allowed_tools: z.looseObject({ mode: z.enum(['auto', 'required']).nullish(), tools: z.array(z.looseObject({ type: text })) }).nullish(),
  }),
])

const responseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: text.min(1).max(64),
      description: text.nullish(),
      schema: z.looseObject({}).nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
  z.looseObject({ type: z.literal('grammar'), grammar: text }),
  z.looseObject({ type: z.literal('python') }),
]).meta(byTag('type'))

const effort = z.enum(EFFORTS)
const reasoning = z.looseObject({
  effort: effort.nullish(),
  max_tokens: z.int().min(0).nullish(),
  exclude: z.boolean().nullish(),
  enabled: z.boolean().nullish(),
  summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
})

const percentiles = z.union([
  z.number().min(0),
  z.strictObject({
    p50: z.number().min(0).nullish(), p75: z.number().min(0).nullish(), p90: z.number().min(0).nullish(), p99: z.number().min(0).nullish(),
  }),
])
const price = z.union([z.number().min(0), z.string().regex(/^\d+(\.\d+)?$/)])
const sortKey = z.enum(['price', 'throughput', 'latency', 'exacto'])

/** `provider`: what the caller wishes of routing. The one object whose unknown keys are refused. */
export const providerSchema = z.strictObject({
  order: z.array(text).nullish(),
  only: z.array(text).nullish(),
  ignore: z.array(text).nullish(),
  allow_fallbacks: z.boolean().nullish(),
  require_parameters: z.boolean().nullish(),
  max_output: z.enum(MAX_OUTPUT).nullish().describe('A limit on output tokens above what an endpoint offers: lowered, or the endpoint is dropped, or the request refused.'),
  unsupported_parameters: z.enum(UNSUPPORTED_PARAMETERS).nullish().describe('Parameters that an endpoint does not honour: sent all the same, left out for it, or the request is refused.'),
  hedge: z.boolean().nullish().describe('A second attempt beside one that is slower than usual; the loser is charged too. Needs the setting allow_hedge of the key. false: none, also where the operator would pay.'),
  coalesce: z.boolean().nullish().describe('Identical requests of the workspace that are under way at once share one call to a provider, and one of them pays. false: this one shares nothing.'),
  data_collection: z.enum(['allow', 'deny']).nullish(),
  zdr: z.boolean().nullish(),
  enforce_distillable_text: z.boolean().nullish(),
  quantizations: z.array(z.enum([
    'int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'fp6', 'fp8', 'mxfp8', 'fp16', 'bf16', 'fp32', 'unknown',
  ])).nullish(),
  sort: z.union([sortKey, z.strictObject({ by: sortKey.nullish(), partition: z.enum(['model', 'none']).nullish() })]).nullish(),
  preferred_min_throughput: percentiles.nullish().describe('Tokens per second; a number means p50.'),
  preferred_max_latency: percentiles.nullish().describe('Seconds to the first token; a number means p50.'),
  max_price: z.strictObject({
    prompt: price.nullish(), completion: price.nullish(), request: price.nullish(), image: price.nullish(), audio: price.nullish(),
  }).nullish().describe('Dollars per million tokens; request and image per unit.'),
  options: z.record(text, z.looseObject({})).nullish().describe('Passthrough by provider slug.'),
})

export const requestSchema = z.looseObject({
  messages: z.array(message).min(1).nullish(),
  prompt: text.nullish().describe('Instead of messages, for old clients.'),
  model: text.min(1).nullish(),
  models: z.array(text.min(1)).max(64).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({
    include_usage: z.boolean().nullish().describe('Accepted; usage is always sent.'),
    include_heartbeats: z.boolean().nullish()
      .describe("Whether comments (`: OPENROUTER PROCESSING`) are sent while the provider is silent. Overrides the key's setting; true without one."),
  }).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish().describe('The old name of max_completion_tokens.'),
  temperature: sampling('temperature'),
  top_p: sampling('top_p'),
  top_k: sampling('top_k'),
  min_p: sampling('min_p'),
  top_a: sampling('top_a'),
  frequency_penalty: sampling('frequency_penalty'),
  presence_penalty: sampling('presence_penalty'),
  repetition_penalty: sampling('repetition_penalty'),
  seed: z.int().nullish(),
  stop: z.union([text, z.array(text).max(4)]).nullish(),
  logit_bias: z.record(text, z.number().min(-100).max(100)).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  n: z.int().min(1).max(128).nullish(),
  tools: z.array(z.union([functionTool, customTool, ...SERVER_TOOL_SHAPES, serverTool])).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).max(30).nullish(),
  stop_server_tools_when: stopSchema,
  response_format: responseFormat.nullish(),
  reasoning: reasoning.nullish(),
  reasoning_effort: effort.nullish(),
  include_reasoning: z.boolean().nullish(),
  verbosity: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  modalities: z.array(z.enum(['text', 'image', 'audio'])).nullish(),
  audio: z.looseObject({}).nullish(),
  image_config: z.looseObject({}).nullish(),
  prediction: z.looseObject({ type: text }).nullish(),
  web_search_options: z.looseObject({}).nullish(),
  provider: providerSchema.nullish(),
  plugins: z.array(z.looseObject({ id: text, enabled: z.boolean().nullish() })).nullish(),
  transforms: z.array(text).nullish().describe('The old spelling of the context-compression plugin.'),
  route: z.enum(['fallback', 'sort']).nullish().describe('The old spelling of provider.sort.partition.'),
  preset: text.nullish(),
  cache_control: cacheControl.nullish(),
  prompt_cache_key: text.nullish(),
  prompt_cache_options: z.looseObject({}).nullish(),
  session_id: text.max(256).nullish(),
  user: text.max(256).nullish(),
  safety_identifier: text.max(256).nullish(),
  metadata: z.record(text, text.max(512)).nullish().describe('At most 16 pairs; keys of 64 characters.'),
  trace: z.looseObject({}).nullish(),
  service_tier: z.enum(['auto', 'default', 'fast', 'flex', 'priority', 'scale']).nullish(),
  debug: z.looseObject({ echo_upstream_body: z.boolean().nullish() }).nullish()
    .describe('echo_upstream_body: a stream begins with a chunk for each provider that was asked, with what it was sent.'),
  usage: z.looseObject({ include: z.boolean().nullish() }).nullish().describe('Accepted; usage is always sent.'),
})

/** Keys that only a router reads; they never go to a provider. */
export const ROUTER_KEYS: ReadonlySet<string> = new Set([
  'models', 'provider', 'plugins', 'transforms', 'route', 'preset', 'session_id', 'trace', 'usage', 'debug', 'metadata',
  'include_reasoning', 'max_tool_calls', 'stop_server_tools_when', 'prompt',
])

/** Every key that has a meaning here; the others are extras. */
export const KNOWN_KEYS: ReadonlySet<string> = new Set(Object.keys(requestSchema.shape))

/** A body, a message or a part that passed the check, or that a provider sent: any key may be there, of any type. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = { readonly [key: string]: any }

/** Whether a field has a value: `null` and absent mean the same. */
export const given = (value: unknown): boolean => value !== undefined && value !== null
