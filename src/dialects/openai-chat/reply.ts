import type { ChatReply, Choice, JsonObject, MediaPart, Part, ReplyPart, ToolCallPart } from '../../core/index.ts'
import type { Rendered, ReplyMeta } from '../dialect.ts'
import { writeAnnotations } from './annotations.ts'
import { errorOf } from './faults.ts'
import { urlOf } from './media.ts'
import { allDetails, reasoningText } from './reasoning-details.ts'
import { writeUsage } from './usage-out.ts'
import { writeCall } from './write.ts'

/**
 * A whole reply as a JSON body. After partial output a fault is a 200 whose unfinished choices carry the error.
 * What a reply does not have is written as `undefined`, which JSON leaves out: objects that are put together from
 * spreads cost several times as much to make, and again to print.
 */
export function renderReply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  const choices = reply.choices.length > 0 ? reply.choices : [EMPTY_CHOICE]
  const body = {
    id: meta.id,
    object: 'chat.completion',
    created: meta.created,
    model: meta.model,
    provider: meta.provider,
    system_fingerprint: reply.start.fingerprint ?? null,
    service_tier: meta.tier,
    choices: choices.map((choice) => renderChoice(choice, reply)),
    usage: reply.usage && writeUsage(reply.usage, reply.charge),
    openrouter_metadata: metadata,
  }
  return { status: 200, body: JSON.stringify(body) }
}

const EMPTY_CHOICE: Choice = { index: 0, parts: [], annotations: [], reason: null }

function renderChoice(choice: Choice, reply: ChatReply): JsonObject {
  const failed = reply.fault !== undefined && choice.reason === null
  return {
    index: choice.index,
    logprobs: choice.logprobs ? renderLogprobs(choice.logprobs) : null,
    finish_reason: failed ? 'error' : choice.reason,
    native_finish_reason: choice.native ?? (failed ? reply.fault?.upstream?.code ?? 'error' : choice.reason),
    message: renderMessage(choice),
    error: failed && reply.fault ? errorOf(reply.fault) : undefined,
  }
}

function renderLogprobs({ content, refusal }: NonNullable<Choice['logprobs']>): JsonObject {
  return { content, refusal: refusal.length > 0 ? refusal : null }
}

/** What a message is made of besides its text; each list is there when it has something. */
interface Rest {
  refusal: string
  calls: ToolCallPart[] | null
  images: MediaPart[] | null
  audio: Extract<ReplyPart, { type: 'audio' }> | null
  /** Reasoning, seals, and what only this format knows: they become `reasoning_details`. */
  detailed: boolean
}

function renderMessage({ parts, annotations }: Choice): JsonObject {
  const rest: Rest = { refusal: '', calls: null, images: null, audio: null, detailed: false }
  let text: string | null = null
  for (const part of parts) {
    if (part.type === 'text') {
      text = text === null ? part.text : text + part.text
      if (part.seal) rest.detailed = true
    } else gather(rest, part)
  }
  const { refusal, calls, images, audio } = rest
  const own = rest.detailed ? parts.filter((part): part is Part => part.type !== 'audio') : NONE
  const reasoning = reasoningText(own)
  const details = allDetails(own)
  const notes = annotations.length > 0 ? writeAnnotations(annotations) : NONE
  return {
    role: 'assistant',
    content: text ?? (calls || refusal !== '' || images || audio ? null : ''),
    refusal: refusal === '' ? null : refusal,
    reasoning: reasoning === '' ? null : reasoning,
    reasoning_details: details.length > 0 ? details : undefined,
    tool_calls: calls?.map((call, index) => ({ index, ...writeCall(call) })),
    images: images?.map((part) => ({ type: 'image_url', image_url: { url: urlOf(part.source) } })),
    audio: audio ? { id: audio.id ?? '', data: audio.base64, transcript: audio.transcript, expires_at: audio.expiresAt ?? 0 } : undefined,
    annotations: notes.length > 0 ? notes : undefined,
  }
}

const NONE: readonly never[] = Object.freeze([])

function gather(rest: Rest, part: ReplyPart): void {
  switch (part.type) {
    case 'refusal': rest.refusal += part.text; return
    case 'audio': rest.audio ??= part; return
    case 'tool-call':
      (rest.calls ??= []).push(part)
      if (part.seal) rest.detailed = true
      return
    case 'media':
      if (part.kind === 'image') (rest.images ??= []).push(part)
      return
    default: rest.detailed = true
  }
}
