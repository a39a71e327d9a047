import type { ChatReply, Choice, JsonObject, Part, ReplyPart } from '../../core/index.ts'
import type { Rendered, ReplyMeta } from '../dialect.ts'
import { writeAnnotation } from './annotations.ts'
import { errorOf } from './faults.ts'
import { urlOf } from './media.ts'
import { allDetails, reasoningText } from './reasoning-details.ts'
import { writeUsage } from './usage-out.ts'
import { writeCall } from './write.ts'

/** A whole reply as a JSON body. After partial output a fault is a 200 whose unfinished choices carry the error. */
export function renderReply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered {
  const choices = reply.choices.length > 0 ? reply.choices : [EMPTY_CHOICE]
  const body = {
    id: meta.id,
    object: 'chat.completion',
    created: meta.created,
    model: meta.model,
    provider: meta.provider,
    system_fingerprint: reply.start.fingerprint ?? null,
    ...(meta.tier !== undefined && { service_tier: meta.tier }),
    choices: choices.map((choice) => renderChoice(choice, reply)),
    ...(reply.usage && { usage: writeUsage(reply.usage, reply.charge) }),
    ...(metadata && { openrouter_metadata: metadata }),
  }
  return { status: 200, body: JSON.stringify(body) }
}

const EMPTY_CHOICE: Choice = { index: 0, parts: [], annotations: [], reason: null }

function renderChoice(choice: Choice, reply: ChatReply): JsonObject {
  const failed = reply.fault !== undefined && choice.reason === null
  const { content = [], refusal = [] } = choice.logprobs ?? {}
  return {
    index: choice.index,
    logprobs: choice.logprobs ? { content, refusal: refusal.length > 0 ? refusal : null } : null,
    finish_reason: failed ? 'error' : choice.reason,
    native_finish_reason: choice.native ?? (failed ? reply.fault?.upstream?.code ?? 'error' : choice.reason),
    message: renderMessage(choice),
    ...(failed && reply.fault && { error: errorOf(reply.fault) }),
  }
}

function renderMessage(choice: Choice): JsonObject {
  const parts = choice.parts.filter((part): part is Part => part.type !== 'audio')
  const texts = parts.filter((part) => part.type === 'text')
  const refusal = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('')
  const calls = parts.filter((part) => part.type === 'tool-call')
  const images = parts.filter((part) => part.type === 'media' && part.kind === 'image')
  const audio = choice.parts.find((part): part is Extract<ReplyPart, { type: 'audio' }> => part.type === 'audio')
  const reasoning = reasoningText(parts)
  const details = allDetails(parts)
  const silent = texts.length === 0 && (calls.length > 0 || refusal !== '' || images.length > 0 || audio !== undefined)
  return {
    role: 'assistant',
    content: silent ? null : texts.map((part) => part.text).join(''),
    refusal: refusal === '' ? null : refusal,
    reasoning: reasoning === '' ? null : reasoning,
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && { tool_calls: calls.map((call, index) => ({ index, ...writeCall(call) })) }),
    ...(images.length > 0 && {
      images: images.map((part) => ({ type: 'image_url', image_url: { url: part.type === 'media' ? urlOf(part.source) : '' } })),
    }),
    ...(audio && { audio: { id: audio.id ?? '', data: audio.base64, transcript: audio.transcript, expires_at: audio.expiresAt ?? 0 } }),
    ...(choice.annotations.length > 0 && { annotations: choice.annotations.map(writeAnnotation) }),
  }
}
