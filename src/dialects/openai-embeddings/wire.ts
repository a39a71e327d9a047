import { z } from '../../schema/index.ts'
import { requestSchema as chatSchema } from '../openai-chat/wire.ts'
import { metadataSchema } from '../openai-chat/wire-reply.ts'

/** OpenAI's embeddings with OpenRouter's extensions. What is checked here is what is published. */

export const DIALECT = 'openai-embeddings'

const { model, models, provider, session_id: session, user, trace, route } = chatSchema.shape
const text = z.string()
const token = z.int().min(0)

/** A part of an input of several: OpenRouter's, which are those of a chat's message. */
const part = z.looseObject({ type: z.enum(['text', 'image_url', 'input_audio', 'video_url', 'file']) })

export const requestSchema = z.looseObject({
  model,
  models,
  input: z.union([
    text, z.array(text).min(1), z.array(token).min(1), z.array(z.array(token).min(1)).min(1), z.array(z.looseObject({ content: z.array(part).min(1) })).min(1),
  ]).describe('A text, a list of texts, the tokens of one, a list of such, or a list of inputs with parts: [{"content": [{"type": "text", "text": "…"}, …]}].'),
  dimensions: z.int().min(1).nullish().describe('The length of the vectors, at models that can shorten them.'),
  encoding_format: z.enum(['float', 'base64']).nullish().describe('base64: the 32-bit floats of a vector, little-endian. float by default.'),
  input_type: text.min(1).nullish().describe('What the vectors are for: search_query, search_document, classification, clustering …'),
  provider,
  route,
  session_id: session,
  user,
  trace,
  stream: z.literal(false).nullish().describe('Vectors are not streamed.'),
})

/** Keys that have a meaning here; the others are extras. */
export const KNOWN_KEYS: ReadonlySet<string> = new Set(Object.keys(requestSchema.shape))

const count = z.int().min(0)

export const usageSchema = z.object({
  prompt_tokens: count,
  total_tokens: count,
  cost: z.number(),
  is_byok: z.boolean(),
  prompt_tokens_details: z.object({
    text_tokens: count.optional(), image_tokens: count.optional(), audio_tokens: count.optional(), video_tokens: count.optional(),
  }).optional(),
  cost_details: z.object({ upstream_inference_cost: z.null(), upstream_inference_prompt_cost: z.number(), upstream_inference_completions_cost: z.number() }),
})

export const replySchema = z.object({
  id: text,
  object: z.literal('list'),
  data: z.array(z.object({ object: z.literal('embedding'), index: count, embedding: z.union([z.array(z.number()), text]) })),
  model: text,
  provider: text,
  usage: usageSchema,
  openrouter_metadata: metadataSchema.optional(),
})
