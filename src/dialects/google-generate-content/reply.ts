import { FAULTS, type ChatReply, type Choice, type JsonObject } from '../../core/index.ts'
import type { Rendered, ReplyMeta } from '../dialect.ts'
import { errorBody } from './errors-out.ts'
import { finishWord, groundingOf, partsOf } from './parts-out.ts'
import { writeUsage } from './usage-out.ts'

/** A whole reply as a response object. One that failed is an error: nothing of it was sent yet, and the format has no other way. */
export function renderReply(reply: ChatReply, meta: ReplyMeta, thoughts: boolean, metadata?: JsonObject): Rendered {
  const { fault } = reply
  if (fault) return { status: FAULTS[fault.kind].status, body: errorBody(fault, metadata && { openrouter_metadata: metadata }) }
  const body = {
    candidates: reply.choices.map((choice) => candidateOf(choice, thoughts)),
    ...(reply.usage && { usageMetadata: writeUsage(reply.usage, reply.charge) }),
    ...aboutOf(meta),
    openrouter_metadata: metadata,
  }
  return { status: 200, body: JSON.stringify(body) }
}

/** What each response object says of itself. */
export const aboutOf = (meta: ReplyMeta): JsonObject =>
  ({ modelVersion: meta.model, responseId: meta.id, createTime: new Date(meta.created * 1000).toISOString(), provider: meta.provider })

function candidateOf({ index, parts, annotations, reason, native, logprobs }: Choice, thoughts: boolean): JsonObject {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return {
    content: { parts: partsOf(parts, thoughts), role: 'model' },
    ...(reason !== null && { finishReason: finishWord(reason, native) }),
    index,
    ...groundingOf(annotations, text),
    ...(logprobs && logprobs.content.length > 0 && { logprobsResult: logprobsOf(logprobs.content) }),
  }
}

export function logprobsOf(tokens: NonNullable<Choice['logprobs']>['content']): JsonObject {
  const one = ({ token, logprob }: { token: string; logprob: number }) => ({ token, logProbability: logprob })
  return { topCandidates: tokens.map(({ top_logprobs: top }) => ({ candidates: top.map(one) })), chosenCandidates: tokens.map(one) }
}
