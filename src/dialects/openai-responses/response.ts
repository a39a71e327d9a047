import { FAULTS, NO_USAGE, type ChatReply, type Fault, type JsonObject } from '../../core/index.ts'
import type { ReplyMeta } from '../dialect.ts'
import { writeUsage } from './usage.ts'
import { given, type Loose } from './wire.ts'

export type Status = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled'

/** What of a response changes while it is made. */
export interface Progress {
  readonly status: Status
  /** Items that are written already: `{…},{…}`. */
  readonly output: string
  readonly text: string
  readonly completedAt?: number | null
  readonly reason?: 'max_output_tokens' | 'content_filter' | null
  readonly fault?: Fault | null
  readonly usage?: JsonObject | null
  readonly metadata?: JsonObject | undefined
}

/** The meta of a response, as far as it is known when one fails before any provider has answered. */
export type ResponseMeta = Partial<ReplyMeta> & { readonly id: string; readonly created: number }

/**
 * A response as text, again and again while it grows: what never changes, the settings of the request that it repeats
 * above all, is written once. Fields that are not known are `null` where OpenAI's types have them so and are left out
 * where they do not: OpenRouter's SDK throws on a `null` that it does not expect.
 */
export function responseWriter(meta: ResponseMeta): (progress: Progress) => string {
  const body: Loose = meta.asked?.operation.request.origin?.body ?? NOTHING
  const front = JSON.stringify({
    id: meta.id, object: 'response', created_at: meta.created,
    model: meta.model ?? meta.asked?.preferences.models[0] ?? '',
    provider: meta.provider,
  }).slice(0, -1)
  const echo = JSON.stringify(echoOf(body, meta)).slice(1, -1)
  return ({ status, output, text, completedAt, reason, fault, usage, metadata }) => `${front},"status":"${status}"`
    + `,"completed_at":${completedAt ?? null},"error":${fault ? JSON.stringify(errorOf(fault)) : null}`
    + `${fault ? `,"error_type":${JSON.stringify(FAULTS[fault.kind].type)}` : ''}`
    + `,"incomplete_details":${reason ? `{"reason":"${reason}"}` : null},"output":[${output}],"output_text":${JSON.stringify(text)}`
    + `${usage ? `,"usage":${JSON.stringify(usage)}` : ''},${echo}`
    + `${metadata ? `,"openrouter_metadata":${JSON.stringify(metadata)}` : ''}}`
}

const NOTHING: Loose = Object.freeze({})
const NO_LIST: readonly Loose[] = Object.freeze([])

/** The settings of a request as its response repeats them, the defaults where it has none. */
function echoOf(body: Loose, meta: ResponseMeta): JsonObject {
  const { text, conversation } = body
  return {
    access_programs: null,
    background: body['background'] ?? false,
    conversation: given(conversation) ? { id: typeof conversation === 'string' ? conversation : conversation.id } : null,
    frequency_penalty: body['frequency_penalty'] ?? null,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    max_tool_calls: body['max_tool_calls'] ?? null,
    metadata: body['metadata'] ?? NOTHING,
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    presence_penalty: body['presence_penalty'] ?? null,
    previous_response_id: body['previous_response_id'] ?? null,
    prompt_cache_key: body['prompt_cache_key'] ?? null,
    reasoning: body['reasoning'] ?? null,
    safety_identifier: body['safety_identifier'] ?? null,
    service_tier: meta.tier ?? 'default',
    store: body['store'] ?? false,
    temperature: body['temperature'] ?? null,
    text: { ...text, format: text?.format ?? { type: 'text' } },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: ((body['tools'] ?? NO_LIST) as readonly Loose[]).map((tool) => (tool['type'] === 'function' ? { parameters: null, strict: null, ...tool } : tool)),
    top_logprobs: body['top_logprobs'] ?? 0,
    top_p: body['top_p'] ?? null,
    truncation: body['truncation'] ?? 'disabled',
    user: body['user'] ?? undefined,
  }
}

/** A response that was kept while it was made, as it ended when nobody was left to make it: cancelled, or failed for a reason. */
export function ended(response: JsonObject, fault: Fault): JsonObject {
  if (fault.kind === 'cancelled') return { ...response, status: 'cancelled' }
  return { ...response, status: 'failed', error: errorOf(fault), error_type: FAULTS[fault.kind].type }
}

/** What a conversation was made smaller to: its items, and what that came to. */
export function compacted({ id, created, output, reply }: {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  readonly output: readonly JsonObject[]
  readonly reply: ChatReply
}): JsonObject {
  return { id, object: 'response.compaction', created_at: created, output, usage: writeUsage(reply.usage ?? NO_USAGE, reply.charge) }
}

/** OpenRouter's words for why a response failed; everything else is `server_error`. */
const CODES: Readonly<Record<string, string>> = {
  rate_limit_exceeded: 'rate_limit_exceeded', context_length_exceeded: 'invalid_prompt', invalid_request: 'invalid_prompt',
  content_policy_violation: 'image_content_policy_violation',
}

function errorOf(fault: Fault): JsonObject {
  return { code: CODES[FAULTS[fault.kind].type] ?? 'server_error', message: fault.message }
}

/**
 * The body of a failure before anything was sent: OpenAI's keys (`type`, `param`) beside OpenRouter's (the status as
 * `code`, `error_type`, `metadata`), because clients of either read it.
 */
export function errorBody(fault: Fault, extra?: JsonObject): string {
  const { status, type } = FAULTS[fault.kind]
  const { upstream } = fault
  const metadata: Record<string, unknown> = { error_type: type }
  if (fault.kind !== 'internal') {
    if (upstream?.provider !== undefined) metadata['provider_name'] = upstream.provider
    if (upstream?.raw !== undefined) metadata['raw'] = upstream.raw
    if (upstream?.code !== undefined) metadata['provider_code'] = upstream.code
    if (fault.field !== undefined) metadata['field'] = fault.field
    Object.assign(metadata, fault.metadata)
  }
  return JSON.stringify({
    error: {
      code: status,
      message: fault.message,
      type: status >= 500 ? 'server_error' : OPENAI_TYPES[status] ?? 'invalid_request_error',
      param: fault.field ?? null,
      error_type: metadata['error_type'],
      http_status: status,
      metadata,
      ...(fault.availability && { availability: fault.availability }),
    },
    ...(fault.kind !== 'internal' && extra),
  })
}

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error', 402: 'insufficient_quota', 403: 'permission_error', 429: 'rate_limit_error',
}
