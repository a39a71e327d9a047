import { z } from '../../schema/index.ts'

/** What `POST /responses` answers with, as it is published. Items are open: servers of tools add types of their own. */

const text = z.string()
const count = z.int().min(0)

export const usageSchema = z.object({
  input_tokens: count,
  input_tokens_details: z.object({ cached_tokens: count, cache_write_tokens: count }),
  output_tokens: count,
  output_tokens_details: z.object({ reasoning_tokens: count }),
  total_tokens: count,
  cost: z.number().describe('Dollars.'),
  is_byok: z.boolean(),
  cost_details: z.object({
    upstream_inference_cost: z.number().nullable(), upstream_inference_input_cost: z.number(), upstream_inference_output_cost: z.number(),
    server_tool_cost: z.number().optional(),
  }),
  server_tool_use_details: z.object({ tool_calls_requested: count.optional(), tool_calls_executed: count.optional(), web_search_requests: count.optional() }).optional(),
})

const status = z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled'])
const item = z.looseObject({ type: text })

export const responseSchema = z.object({
  id: text.describe('Also the id of GET /generation.'),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  model: text,
  provider: text.optional(),
  status,
  error: z.object({ code: text, message: text }).nullable(),
  error_type: text.optional(),
  incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  output: z.array(item),
  output_text: text.describe('All texts of the output, one behind the other.'),
  usage: usageSchema.optional(),
  access_programs: z.null(),
  background: z.boolean(),
  conversation: z.object({ id: text }).nullable(),
  frequency_penalty: z.number().nullable(),
  instructions: text.nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  metadata: z.record(text, text),
  parallel_tool_calls: z.boolean(),
  presence_penalty: z.number().nullable(),
  previous_response_id: text.nullable(),
  prompt_cache_key: text.nullable(),
  reasoning: z.looseObject({}).nullable(),
  safety_identifier: text.nullable(),
  service_tier: text,
  store: z.boolean(),
  temperature: z.number().nullable(),
  text: z.looseObject({ format: z.looseObject({ type: text }) }),
  tool_choice: z.union([text, z.looseObject({ type: text })]),
  tools: z.array(item),
  top_logprobs: z.int(),
  top_p: z.number().nullable(),
  truncation: z.enum(['auto', 'disabled']),
  user: text.optional(),
  openrouter_metadata: z.looseObject({}).optional(),
})

/** What `POST /responses/compact` answers with. */
export const compactedSchema = z.object({
  id: text.describe('Also the id of GET /generation.'),
  object: z.literal('response.compaction'),
  created_at: z.int(),
  output: z.array(item).describe('The messages of the user, then one item of the type compaction: what a next request begins with.'),
  usage: usageSchema,
})

export const errorBodySchema = z.object({
  error: z.object({
    code: z.int().describe('The HTTP status.'),
    message: text,
    type: text,
    param: text.nullable().describe('The field at fault.'),
    error_type: text,
    http_status: z.int(),
    metadata: z.looseObject({ error_type: text }),
    availability: z.looseObject({}).optional(),
  }),
  openrouter_metadata: z.looseObject({}).optional(),
})
