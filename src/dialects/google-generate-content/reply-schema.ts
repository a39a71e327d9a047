import { z } from '../../schema/index.ts'

/** What Google's clients get back, for publication and for tests. */

const text = z.string()
const count = z.int().min(0)

export const replySchema = z.looseObject({
  candidates: z.array(z.looseObject({
    content: z.object({ parts: z.array(z.looseObject({})), role: z.literal('model') }),
    finishReason: text.optional(),
    index: count,
  })),
  usageMetadata: z.looseObject({
    promptTokenCount: count, candidatesTokenCount: count, totalTokenCount: count,
    thoughtsTokenCount: count.optional().describe('Beside the candidates, not inside them.'),
    cost: z.number().describe('Dollars that this call is charged.'),
  }).optional(),
  modelVersion: text,
  responseId: text,
})

export const errorBodySchema = z.looseObject({
  error: z.looseObject({ code: z.int(), message: text, status: text, details: z.array(z.looseObject({})) }),
})
