import { z } from '../../schema/index.ts'
import { requestSchema as chatSchema } from '../openai-chat/wire.ts'
import { usageSchema } from '../openai-chat/wire-reply.ts'

/** OpenAI's legacy completions, as far as they are read here: one prompt, and the settings that chat completions share. */

export const DIALECT = 'openai-completions'

/** Keys of a chat that a completion has not. */
const { messages: _, tools: __, tool_choice: ___, parallel_tool_calls: ____, prompt: _____, logprobs: ______, top_logprobs: _______, ...shared } = chatSchema.shape

const text = z.string()

/** Tokens are numbers in a vocabulary that only the model's own provider has. */
const prompt = z.union([text, z.array(text).min(1)]).describe('A text, or a list of one; tokens are not taken.')

export const requestSchema = z.looseObject({
  ...shared,
  prompt,
  logprobs: z.int().min(0).max(20).nullish().describe('How many alternatives to each token.'),
  suffix: text.nullish().describe('Not available.'),
  echo: z.boolean().nullish().describe('Only false.'),
  best_of: z.int().min(1).max(20).nullish().describe('Only as many as n.'),
})

/** Keys that are read here and mean nothing, or something else, to a chat. */
export const OWN_KEYS: ReadonlySet<string> = new Set(['prompt', 'logprobs', 'suffix', 'echo', 'best_of'])

const logprobs = z.object({
  tokens: z.array(text), token_logprobs: z.array(z.number()), top_logprobs: z.array(z.record(text, z.number())), text_offset: z.array(z.int()),
})

export const replySchema = z.looseObject({
  id: text,
  object: z.literal('text_completion'),
  created: z.int(),
  model: text,
  provider: text,
  choices: z.array(z.looseObject({
    index: z.int(), text, logprobs: logprobs.nullable(), finish_reason: text.nullable(), native_finish_reason: text.nullable(),
    reasoning: text.optional().describe('What the model thought, where it shows it.'),
  })),
  usage: usageSchema.optional(),
})
