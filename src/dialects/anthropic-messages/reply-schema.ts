import { z } from '../../schema/index.ts'

/** What Anthropic's clients get back, for publication and for tests: a message, and an error. */

const text = z.string()
const count = z.int().min(0)

export const replySchema = z.object({
  id: text,
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: text,
  provider: text.optional().describe('Who served, by name.'),
  content: z.array(z.looseObject({ type: text })).describe('text, thinking, redacted_thinking, tool_use, and what servers of Anthropic add'),
  stop_reason: text.nullable(),
  stop_sequence: text.nullable(),
  stop_details: z.looseObject({ type: text }).nullable(),
  container: z.looseObject({}).nullable(),
  usage: z.looseObject({
    input_tokens: count.describe('Without what was read from or written to a cache.'),
    output_tokens: count,
    cache_creation_input_tokens: count,
    cache_read_input_tokens: count,
    cache_creation: z.object({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count }),
    cost: z.number().optional().describe('Dollars that this call is charged.'),
  }),
  openrouter_metadata: z.looseObject({}).optional(),
})

export const errorBodySchema = z.looseObject({
  type: z.literal('error'),
  error: z.looseObject({ type: text, message: text }),
  request_id: text.nullable(),
})
