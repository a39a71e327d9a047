import { EFFORTS, SAMPLING, type SamplingName } from '../../core/index.ts'
import { jsonSchemaOf, z } from '../../schema/index.ts'
import { providerSchema } from '../openai-chat/wire.ts'
import { stopSchema } from '../server-tools.ts'

/**
 * The request of `POST /messages` as Anthropic's clients send it, with OpenRouter's fields on top. What is checked here
 * is what is published. Unknown keys and unknown kinds of blocks are allowed: Anthropic adds both without notice, and
 * they reach an endpoint that speaks the same. `null` stands for absent.
 */

const text = z.string()
const cacheControl = z.looseObject({
  type: z.literal('ephemeral'),
  ttl: z.enum(['5m', '1h']).nullish(),
}).describe('A prompt-cache breakpoint.')
const marked = { cache_control: cacheControl.nullish() }

/** ajv's discriminator says nothing of what is no object: a text among the blocks would pass for one. */
const byTag = (propertyName: string) => ({ type: 'object', discriminator: { propertyName } })

function sampling(name: SamplingName) {
  const { min, max, integer } = SAMPLING[name]
  const base = (integer ? z.int() : z.number()).min(min)
  return (max === null ? base : base.max(max)).nullish()
}

const imageSource = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('base64'), media_type: text, data: text.min(1) }),
  z.looseObject({ type: z.literal('url'), url: text }),
  z.looseObject({ type: z.literal('file'), file_id: text.min(1) }),
]).meta(byTag('type'))
const documentSource = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('base64'), media_type: text, data: text.min(1) }),
  z.looseObject({ type: z.literal('text'), media_type: text.nullish(), data: text }),
  z.looseObject({ type: z.literal('content'), content: z.union([text, z.array(z.looseObject({ type: text }))]) }),
  z.looseObject({ type: z.literal('url'), url: text }),
  z.looseObject({ type: z.literal('file'), file_id: text.min(1) }),
]).meta(byTag('type'))

/** What is of such a type has this shape. */
function implied(type: Readonly<Record<string, unknown>>, shape: z.ZodType): Readonly<Record<string, unknown>> {
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word, and nobody awaits a schema.
  return { if: { properties: { type } }, then: jsonSchemaOf(shape) }
}

/**
 * What has a kind of its own, under the shape of its kind; another kind passes as it is. Said by conditions and not by a
 * union, whose last branch ("any other kind") would be named in the fault of each of the others.
 */
function byKind(kinds: Readonly<Record<string, z.ZodType>>) {
  return z.looseObject({ type: text }).meta({
    allOf: Object.entries(kinds).map(([kind, shape]) => implied({ const: kind }, shape)),
  })
}

const textBlock = z.looseObject({ type: z.literal('text'), text, citations: z.array(z.looseObject({ type: text })).nullish(), ...marked })
const shown = {
  text: textBlock,
  image: z.looseObject({ source: imageSource, ...marked }),
  document: z.looseObject({ source: documentSource, title: text.nullish(), context: text.nullish(), ...marked }),
  search_result: z.looseObject({ source: text, title: text, content: z.array(z.looseObject({ type: z.literal('text'), text })), ...marked }),
}
const content = z.union([text, z.array(byKind({
  ...shown,
  thinking: z.looseObject({ thinking: text, signature: text.nullish() }),
  redacted_thinking: z.looseObject({ data: text }),
  tool_use: z.looseObject({ id: text.min(1), name: text.min(1).max(256), input: z.looseObject({}), ...marked }),
  tool_result: z.looseObject({
    tool_use_id: text.min(1), content: z.union([text, z.array(byKind(shown))]).nullish(), is_error: z.boolean().nullish(), ...marked,
  }),
}))])
const message = z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content })

const customTool = z.looseObject({ name: text.min(1).max(256), description: text.nullish(), input_schema: z.looseObject({}), ...marked })
/** A tool of the caller's, or (with another type) one that Anthropic's own servers know (`web_search_20250305`, `bash_20250124` …), or that is run here (`openrouter:web_search` …). */
const tool = z.looseObject({ type: text.nullish() }).meta({
  allOf: [implied({ enum: ['custom', null] }, customTool)],
})

const toolChoice = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('auto'), disable_parallel_tool_use: z.boolean().nullish() }),
  z.looseObject({ type: z.literal('any'), disable_parallel_tool_use: z.boolean().nullish() }),
  z.looseObject({ type: z.literal('tool'), name: text.min(1), disable_parallel_tool_use: z.boolean().nullish() }),
  z.looseObject({ type: z.literal('none') }),
]).meta(byTag('type'))

const thinking = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024) }),
  z.looseObject({ type: z.literal('adaptive'), display: z.enum(['summarized', 'omitted']).nullish() }),
  z.looseObject({ type: z.literal('between_tools') }),
  z.looseObject({ type: z.literal('disabled') }),
]).meta(byTag('type'))

const format = z.looseObject({ type: z.literal('json_schema'), schema: z.looseObject({}) })

export const requestSchema = z.looseObject({
  model: text.min(1),
  messages: z.array(message).min(1),
  max_tokens: z.int().min(1).nullish().describe("Anthropic demands it; here its absence means the model's own limit."),
  system: z.union([text, z.array(textBlock)]).nullish(),
  stop_sequences: z.array(text).max(64).nullish(),
  stream: z.boolean().nullish(),
  temperature: sampling('temperature'),
  top_p: sampling('top_p'),
  top_k: sampling('top_k'),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: thinking.nullish(),
  output_config: z.looseObject({ effort: z.enum(EFFORTS.filter((effort) => effort !== 'none')).nullish(), format: format.nullish() }).nullish(),
  output_format: format.nullish().describe('The old place of output_config.format.'),
  cache_control: cacheControl.nullish(),
  metadata: z.looseObject({ user_id: text.max(256).nullish() }).nullish(),
  service_tier: z.enum(['auto', 'standard_only', 'default', 'flex', 'priority']).nullish(),
  speed: z.enum(['standard', 'fast']).nullish(),
  context_management: z.looseObject({}).nullish(),
  models: z.array(text.min(1)).max(64).nullish(),
  fallbacks: z.array(z.strictObject({ model: text.min(1) })).max(3).nullish(),
  provider: providerSchema.nullish(),
  plugins: z.array(z.looseObject({ id: text, enabled: z.boolean().nullish() })).nullish(),
  transforms: z.array(text).nullish().describe('The old spelling of the context-compression plugin.'),
  route: z.enum(['fallback', 'sort']).nullish(),
  preset: text.nullish(),
  session_id: text.max(256).nullish(),
  trace: z.looseObject({}).nullish(),
  user: text.max(256).nullish(),
  stop_server_tools_when: stopSchema,
})

/** Keys that have a meaning in every dialect or only to a router; the rest goes to an endpoint that speaks this one. */
export const READ_KEYS: ReadonlySet<string> = new Set(Object.keys(requestSchema.shape).filter((key) => key !== 'context_management'))
