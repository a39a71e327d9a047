import { z } from '../../schema/index.ts'
import { reasoningDetail } from './wire.ts'

/**
 * What callers get back, for publication and for tests: a whole reply, a chunk of a stream, an error. OpenRouter's
 * SDK throws on `null` where a field may only be absent, so the two are kept apart exactly.
 */

const text = z.string()
const count = z.int().min(0)

const urlCitation = z.object({
  type: z.literal('url_citation'),
  url_citation: z.object({
    url: text, title: text.optional(), content: text.optional(), start_index: count, end_index: count,
  }),
})
const fileNote = z.object({
  type: z.literal('file'),
  file: z.object({ hash: text, name: text.optional(), content: z.array(z.unknown()) }),
})

const image = z.object({ type: z.literal('image_url'), image_url: z.object({ url: text }) })

const tokenLogprob = z.object({
  token: text, logprob: z.number(), bytes: z.array(z.int()).nullable(),
  top_logprobs: z.array(z.object({ token: text, logprob: z.number(), bytes: z.array(z.int()).nullable() })),
})
const logprobs = z.object({ content: z.array(tokenLogprob).nullable(), refusal: z.array(tokenLogprob).nullable() })

const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'error'])

export const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  cost: z.number().describe('Dollars that this call is charged.'),
  is_byok: z.boolean(),
  prompt_tokens_details: z.object({
    cached_tokens: count, cache_write_tokens: count.optional(), audio_tokens: count.optional(), video_tokens: count.optional(),
  }),
  completion_tokens_details: z.object({
    reasoning_tokens: count, image_tokens: count.optional(), audio_tokens: count.optional(),
    accepted_prediction_tokens: count.optional(), rejected_prediction_tokens: count.optional(),
  }),
  cost_details: z.object({
    upstream_inference_cost: z.number().nullable(),
    upstream_inference_prompt_cost: z.number(),
    upstream_inference_completions_cost: z.number(),
    hedge_cost: z.number().optional().describe('What of the cost is for an attempt that lost against a faster one (provider.hedge).'),
    retry_cost: z.number().optional().describe('What of the cost is for answers before this one that were not what was asked for.'),
    coalesced_cost: z.number().optional().describe('What another call was charged for the answer that this one shares with it (provider.coalesce); not in the cost.'),
    server_tool_cost: z.number().optional(),
  }),
  server_tool_use_details: z.object({ tool_calls_requested: count.optional(), tool_calls_executed: count.optional(), web_search_requests: count.optional() }).optional(),
})

const names = z.array(text)

/** How an answer came about (docs/explain.md). What OpenRouter's SDK demands is demanded here. */
export const metadataSchema = z.looseObject({
  requested: text,
  strategy: text.describe('How the model came to be: direct, alias, latest, fallback …'),
  region: text.nullable(),
  summary: text,
  attempt: count.describe('How many attempts there were; 0 where no provider was asked.'),
  is_byok: z.boolean(),
  generation_time: count.optional().describe('Milliseconds.'),
  endpoints: z.object({ total: count, available: z.array(z.object({ provider: text, model: text, selected: z.boolean() })) }),
  order: text.optional().describe('How the endpoints were put in order.'),
  candidates: z.array(z.looseObject({
    provider: text, model: text, endpoint: text, tier: text, reasons: names,
    weight: z.number().nullable().describe('The share of first tries; null where the order is fixed.'),
    estimated_cost: z.number().describe('Dollars.'), worst_cost: z.number().describe('Dollars.'),
  })).optional(),
  rejected: z.array(z.object({ endpoint: text, why: text, detail: text })).optional(),
  attempts: z.array(z.looseObject({
    provider: text, model: text, status: z.int(), endpoint: text.optional(), duration_ms: z.number().optional(), fault: text.optional(),
    hedge: z.enum(['caller', 'operator']).optional().describe('It was opened beside a slow one; and who pays for the loser.'),
    superseded: z.boolean().optional().describe('Another answered before it did.'),
    cost: z.number().optional().describe('Of an answer that was not what was asked for: what it cost, in dollars.'),
  })).optional(),
  coalesced: z.object({ paid_by: text, calls: count }).optional()
    .describe('The answer is one of several identical requests: the generation that is charged for it, and how many share it.'),
  parameters: z.object({
    dropped: names.optional(), prompted: names.optional(), kept: names.optional(), ignored: names.optional(),
    changed: z.array(z.object({ parameter: text, asked: z.number().nullable(), sent: z.number() })).optional(),
  }).optional().describe('What of the request an endpoint was not sent as it was asked for.'),
  prompt_cache: z.object({ read_tokens: count, write_tokens: count, discount: z.number().describe('Dollars; below 0 where writing cost more.') }).optional()
    .describe('What was read from the prompt cache and written to it, and what that saved.'),
  pipeline: z.array(z.looseObject({ type: text, name: text, summary: text.optional(), data: z.looseObject({}).optional() })).optional(),
}).meta({ id: 'OpenRouterMetadata' })

/** Why nobody could take a request, in OpenRouter's words. */
export const availabilitySchema = z.looseObject({
  code: text, retryable: z.boolean(), requested_models: names,
  retry_after: z.number().optional(), affected_providers: names.optional(), excluded_by: names.optional(), fallback_models: names.optional(),
  constraint: z.object({ field: text.optional(), detail: text }).optional(),
})

export const errorSchema = z.object({
  code: z.int().describe('The HTTP status that it has, or would have had before the stream began.'),
  message: text,
  error_type: text.optional(),
  http_status: z.int().optional(),
  metadata: z.looseObject({ error_type: text }).optional(),
  availability: availabilitySchema.optional(),
})

export const errorBodySchema = z.object({ error: errorSchema, openrouter_metadata: metadataSchema.optional() })

const wholeCall = z.object({
  index: count.optional(),
  id: text,
  type: z.enum(['function', 'custom']),
  function: z.object({ name: text, arguments: text }).optional(),
  custom: z.object({ name: text, input: text }).optional(),
})

export const replySchema = z.object({
  id: text,
  object: z.literal('chat.completion'),
  created: z.int(),
  model: text,
  provider: text,
  system_fingerprint: text.nullable(),
  service_tier: text.nullable().optional(),
  choices: z.array(z.object({
    index: count,
    logprobs: logprobs.nullable(),
    finish_reason: finishReason.nullable(),
    native_finish_reason: text.nullable(),
    message: z.object({
      role: z.literal('assistant'),
      content: text.nullable(),
      refusal: text.nullable(),
      reasoning: text.nullable(),
      reasoning_details: z.array(reasoningDetail).optional(),
      tool_calls: z.array(wholeCall).optional(),
      images: z.array(image).optional(),
      audio: z.object({ id: text, data: text, transcript: text, expires_at: z.int() }).optional(),
      annotations: z.array(z.union([urlCitation, fileNote])).optional(),
    }),
    error: errorSchema.optional(),
  })),
  usage: usageSchema.optional(),
  openrouter_metadata: metadataSchema.optional(),
})

const callDelta = z.object({
  index: count,
  id: text.optional(),
  type: z.enum(['function', 'custom']).optional(),
  function: z.object({ name: text.optional(), arguments: text.optional() }).optional(),
  custom: z.object({ name: text.optional(), input: text.optional() }).optional(),
})

export const chunkSchema = z.object({
  id: text,
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: text.optional(),
  provider: text.optional(),
  system_fingerprint: text.optional(),
  service_tier: text.optional(),
  choices: z.array(z.object({
    index: count,
    delta: z.object({
      role: z.literal('assistant').optional(),
      content: text.optional(),
      refusal: text.optional(),
      reasoning: text.optional(),
      reasoning_details: z.array(reasoningDetail).optional(),
      tool_calls: z.array(callDelta).optional(),
      images: z.array(image).optional(),
      audio: z.object({ id: text.optional(), data: text.optional(), transcript: text.optional(), expires_at: z.int().optional() }).optional(),
      annotations: z.array(z.union([urlCitation, fileNote])).optional(),
    }),
    logprobs: logprobs.optional(),
    finish_reason: finishReason.nullable(),
    native_finish_reason: text.nullable().optional(),
  })),
  usage: usageSchema.optional(),
  error: errorSchema.optional(),
  debug: z.object({ echo_upstream_body: z.looseObject({}) }).optional().describe('What went to a provider; choices is empty.'),
  openrouter_metadata: metadataSchema.optional(),
})
