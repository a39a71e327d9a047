import { z } from '../../schema/index.ts'
import { requestSchema as chatSchema } from '../openai-chat/wire.ts'
import { metadataSchema } from '../openai-chat/wire-reply.ts'

/** Rerank as Jina has it, and those who copied it, with OpenRouter's extensions. What is checked here is what is published. */

export const DIALECT = 'jina-rerank'

const { model, models, provider, session_id: session, user, trace, route } = chatSchema.shape
const text = z.string()

const document = z.looseObject({
  text: text.nullish(),
  image: text.nullish().describe('An http(s) address or a data URL.'),
})

export const requestSchema = z.looseObject({
  model,
  models,
  query: text.min(1),
  documents: z.array(z.union([text, document])).min(1).describe('Texts, or objects with a text, an image or both.'),
  top_n: z.int().min(1).nullish().describe('How many of the best are wanted; all by default.'),
  return_documents: z.boolean().nullish().describe('Accepted; documents are always given back.'),
  provider,
  route,
  session_id: session,
  user,
  trace,
  stream: z.literal(false).nullish().describe('Rankings are not streamed.'),
})

/** Keys that have a meaning here; the others are extras. */
export const KNOWN_KEYS: ReadonlySet<string> = new Set(Object.keys(requestSchema.shape))

export const replySchema = z.object({
  id: text,
  model: text,
  provider: text,
  results: z.array(z.object({
    index: z.int().min(0), relevance_score: z.number(), document: z.object({ text: text.optional(), image: text.optional() }),
  })).describe('The best first.'),
  usage: z.object({ cost: z.number(), total_tokens: z.int().min(0).optional(), search_units: z.int().min(0).optional() }),
  openrouter_metadata: metadataSchema.optional(),
})
