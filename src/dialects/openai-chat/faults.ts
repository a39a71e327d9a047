import { FAULTS, type Fault, type JsonObject } from '../../core/index.ts'
import type { ReplyMeta } from '../dialect.ts'

/**
 * A fault as the `error` object of this format: a number as its code, the type in OpenRouter's vocabulary both beside
 * the message and in `metadata` (clients read either place), the provider's own words where a provider is to blame.
 */
export function errorOf(fault: Fault): JsonObject {
  const { status, type } = FAULTS[fault.kind]
  const { upstream } = fault
  const metadata: Record<string, unknown> = { error_type: type }
  // An internal fault says nothing of what happened upstream.
  if (fault.kind !== 'internal') {
    if (upstream?.provider !== undefined) metadata['provider_name'] = upstream.provider
    // What a provider says of the operator's key or account is for the operator: it is in the log.
    if (FAULTS[fault.kind].blame !== 'operator') {
      if (upstream?.raw !== undefined) metadata['raw'] = upstream.raw
      if (upstream?.code !== undefined) metadata['provider_code'] = upstream.code
    }
    if (fault.field !== undefined) metadata['field'] = fault.field
    Object.assign(metadata, fault.metadata)
  }
  return {
    code: status,
    message: fault.message,
    error_type: metadata['error_type'],
    http_status: status,
    metadata,
    ...(fault.availability && { availability: fault.availability }),
  }
}

/** The body of a failure before anything was sent. */
export function errorBody(fault: Fault, extra?: JsonObject): string {
  return JSON.stringify({ error: errorOf(fault), ...(fault.kind !== 'internal' && extra) })
}

/** The last chunk of a stream that fails: `choices` are those that had not finished. Nothing follows it. */
export function errorChunk(
  fault: Fault, meta: Partial<ReplyMeta> & { readonly id: string; readonly created: number }, choices: readonly number[], usage?: JsonObject,
  metadata?: JsonObject,
): string {
  const native = fault.upstream?.code
  return `data: ${JSON.stringify({
    id: meta.id,
    object: 'chat.completion.chunk',
    created: meta.created,
    // The official SDK throws on a chunk without a model, and would lose the error.
    model: meta.model ?? '',
    ...(meta.provider !== undefined && { provider: meta.provider }),
    error: errorOf(fault),
    choices: choices.map((index) => ({ index, delta: { content: '' }, finish_reason: 'error', native_finish_reason: native ?? 'error' })),
    ...(usage && { usage }),
    // Left out of internal faults, as in a whole answer: it would tell what we just decided not to.
    ...(metadata && fault.kind !== 'internal' && { openrouter_metadata: metadata }),
  })}\n\n`
}
