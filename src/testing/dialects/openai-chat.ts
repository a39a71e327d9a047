import { count, list, mediaOf, texts } from '../asked.ts'
import type { Asked, Loose, Media, Turn } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { fragmentsOf, joined, wordsOf } from '../order.ts'
import type { Call, Citation, Part, TokenLogprob, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import { CREATED } from './dialect.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import {
  CHAT_SHAPES, reasoningDeltas, reasoningMessage, reshapeStream, reshapeWhole, tellsUsage
} from './openai-chat-shapes.ts'

/** OpenAI chat completions, as OpenAI sends them; its clones are shapes. */
export const openaiChat: FakeDialect = {
  name: 'openai-chat',
  path: /\/chat\/completions$/,
  shapes: Object.fromEntries(Object.entries(CHAT_SHAPES).map(([name, shape]) => [name, shape.says])),
  eol: '\n',
  understand,
  whole,
  stream,
  error: (status, message) => {
    const [type, code] = ERROR_TYPES[status] ?? (
      status < 500 ? ['invalid_request_error', null] : ['server_error', null]
    )
    return { error: { message, type, param: null, code } }
  },
  headers: (serial) => ({ 'x-request-id': `req_fake_${serial}`, 'openai-processing-ms': '1' }),
}

const ERROR_TYPES: Record<number, readonly [string, string | null]> = {
  401: ['invalid_request_error', 'invalid_api_key'], 402: ['insufficient_balance', null],
  404: ['invalid_request_error', 'model_not_found'], 429: ['requests', 'rate_limit_exceeded'],
}

function understand({ body }: Incoming): Asked {
  const messages = list(body.messages)
  const format = body.response_format
  return {
    dialect: 'openai-chat',
    model: String(body.model ?? ''),
    stream: body.stream === true,
    usageInStream: body.stream_options?.include_usage === true,
    obfuscate: body.stream_options?.include_obfuscation !== false,
    turns: messages.map(turnOf),
    tools: list(body.tools).map((tool) => tool.type === 'custom'
      ? { name: String(tool.custom?.name), form: 'custom' as const }
      : { name: String(tool.function?.name), schema: tool.function?.parameters }),
    choice: choiceOf(body.tool_choice),
    format: format?.type === 'json_schema' ? format.json_schema?.schema ?? format.schema ?? true
      : format?.type === 'json_object' ? true
      : undefined,
    effort: effortOf(body),
    showReasoning: effortOf(body) !== undefined && effortOf(body) !== 'none',
    stop: texts(body.stop),
    maxTokens: count(body.max_completion_tokens) ?? count(body.max_tokens),
    choices: Math.min(count(body.n) ?? 1, 16),
    logprobs: body.logprobs === true,
    problem: problemOf(body, messages),
  }
}

function effortOf(body: Loose): string | undefined {
  const { reasoning_effort: plain, reasoning, thinking_budget: budget } = body
  const found = plain ?? reasoning?.effort ?? reasoning?.max_tokens ?? budget
  return found === undefined || found === null ? undefined : String(found)
}

function turnOf(message: Loose): Turn {
  const content = message.content
  const parts = list(content)
  const role = message.role === 'developer' ? 'system' : message.role
  const text = typeof content === 'string' ? content : parts.map((part) => part.text ?? '').join('')
  return { role, text, media: parts.flatMap(partMedia) }
}

function partMedia(part: Loose): Media[] {
  if (part.image_url) return [mediaOf('image', String(part.image_url.url ?? part.image_url))]
  if (part.video_url) return [mediaOf('video', String(part.video_url.url ?? part.video_url))]
  if (part.input_audio) {
    const { data, format } = part.input_audio
    return [{ kind: 'audio', mediaType: `audio/${format}`, bytes: Buffer.byteLength(String(data), 'base64') }]
  }
  return part.file ? [mediaOf('file', String(part.file.file_data ?? part.file.file_id))] : []
}

function choiceOf(choice: unknown): Asked['choice'] {
  if (choice === 'none' || choice === 'required') return choice
  if (choice === 'any') return 'required'
  const it = choice as Loose | undefined
  const name = it?.function?.name ?? it?.custom?.name
  if (typeof name === 'string') return { name }
  return it?.allowed_tools?.mode === 'required' ? 'required' : 'auto'
}

/** What OpenAI refuses; the order of calls and results above all, which translators get wrong first. */
function problemOf(body: Loose, messages: readonly Loose[]): string | undefined {
  if (typeof body.model !== 'string' || body.model === '') return 'you must provide a model parameter'
  if (messages.length === 0) return "[] is too short - 'messages'"
  let open = new Set<string>()
  for (const [i, message] of messages.entries()) {
    const { role, content, tool_call_id: answers, tool_calls: calls } = message
    if (!['system', 'developer', 'user', 'assistant', 'tool', 'function'].includes(role)) {
      return `Invalid value: '${role}'. 'messages[${i}].role'`
    }
    if (role === 'tool' && !open.delete(answers)) {
      return `'messages[${i}]' with role 'tool' must be a response to a preceding message with 'tool_calls'.`
    }
    if (role !== 'tool' && open.size > 0) {
      return `'tool_call_ids' did not have response messages: ${[...open].join(', ')}. 'messages[${i}]'`
    }
    if (content === undefined && role !== 'assistant') return `Missing required parameter: 'messages[${i}].content'.`
    for (const call of list(calls)) {
      if (typeof (call.function?.arguments ?? call.custom?.input) !== 'string') {
        return `Invalid type for 'messages[${i}].tool_calls[].function.arguments': expected a string.`
      }
    }
    if (role === 'assistant') open = new Set(list(calls).map((call) => String(call.id)))
  }
  return open.size > 0 ? `'tool_call_ids' did not have response messages: ${[...open].join(', ')}` : undefined
}

const callId = (reply: Reply, k: number, call: Call) => call.id ?? `call_fake${reply.serial}x${k}`
const callsOf = (reply: Reply) => reply.parts.filter((part) => part.type === 'call')

function whole(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): unknown {
  const content = reply.parts.flatMap((part) => (part.type === 'text' ? [joined(part.text)] : [])).join('')
  const refusal = reply.parts.flatMap((part) => (part.type === 'refusal' ? [joined(part.text)] : [])).join('')
  const calls = callsOf(reply)
  const message: Loose = {
    role: 'assistant', content: content || (calls.length || refusal ? null : ''), refusal: refusal || null,
    annotations: reply.parts.flatMap((part) => (part.type === 'text' ? annotations(part.citations) : [])),
  }
  if (calls.length) {
    message.tool_calls = calls.map((call, k) => ({
      id: callId(reply, k, call), ...callBody(call, joined(call.arguments ?? '{}'))
    }))
  }
  for (const part of reply.parts) {
    if (part.type === 'image') (message.images ??= []).push(imageOf(part))
    if (part.type === 'audio') {
      message.audio = {
        id: `audio_fake_${reply.serial}`, data: part.data, transcript: part.transcript, expires_at: CREATED + 3600
      }
    }
  }
  reasoningMessage(message, reply.parts, shapes)
  const choices = Array.from({ length: asked.choices }, (_, index) => ({
    index, message: structuredClone(message), logprobs: reply.logprobs
      ? logprobs(reply.logprobs)
      : null, finish_reason: reply.finish,
  }))
  const answer: Loose = { ...head(reply, 'chat.completion'), choices }
  if (reply.usage) answer.usage = usageOf(reply.usage)
  return reshapeWhole(answer, shapes)
}

function stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const base = head(reply, 'chat.completion.chunk')
  const chunks: Loose[] = []
  const push = (index: number, delta: Loose, finish: string | null = null, found?: readonly TokenLogprob[]) => {
    const chunk: Loose = {
      ...base, choices: [{ index, delta, logprobs: found ? logprobs(found) : null, finish_reason: finish }]
    }
    if (asked.usageInStream) chunk.usage = null
    if (asked.obfuscate) chunk.obfuscation = 'aB3xK9qLm2'.slice(chunks.length % 10)
    chunks.push(chunk)
  }
  for (let index = 0; index < asked.choices; index++) {
    push(index, { role: 'assistant', content: '', refusal: null })
    const unused = [...(reply.logprobs ?? [])]
    let calls = 0
    for (const part of reply.parts) {
      for (const delta of deltasOf(reply, part, shapes, part.type === 'call' ? calls++ : 0)) {
        push(
          index, delta, null, part.type === 'text' && delta.content && reply.logprobs ? unused.splice(0, 1) : undefined
        )
      }
    }
    push(index, {}, reply.finish)
  }
  if ((asked.usageInStream || tellsUsage(shapes)) && reply.usage) {
    const chunk: Loose = { ...base, choices: [], usage: usageOf(reply.usage) }
    if (asked.obfuscate) chunk.obfuscation = 'z7'
    chunks.push(chunk)
  }
  const shaped = reshapeStream(chunks, shapes)
  const frames: Frame[] = shaped.map((data) => ({ data, piece: Boolean(data.choices?.[0]?.delta?.content) }))
  return [...frames, { data: '[DONE]' }]
}

function deltasOf(reply: Reply, part: Part, shapes: ReadonlySet<string>, index: number): Loose[] {
  switch (part.type) {
    case 'text': return [
      ...wordsOf(part.text).map((content) => ({ content })),
      ...annotations(part.citations).map((it) => ({ annotations: [it] }))
    ]
    case 'refusal': return wordsOf(part.text).map((refusal) => ({ refusal }))
    case 'reasoning': case 'sealed': return reasoningDeltas(part, shapes)
    case 'image': return [{ images: [imageOf(part)] }]
    case 'audio': {
      const id = `audio_fake_${reply.serial}`
      return [
        { audio: { id, transcript: '' } }, { audio: { transcript: part.transcript } }, { audio: { data: part.data } },
        { audio: { expires_at: CREATED + 3600 } }
      ]
    }
    case 'call': {
      const first = { tool_calls: [{ index, id: callId(reply, index, part), ...callBody(part, '') }] }
      const key = part.form === 'custom' ? 'custom' : 'function'
      const field = part.form === 'custom' ? 'input' : 'arguments'
      return [
        first,
        ...fragmentsOf(part.arguments ?? '{}').map((text) => ({ tool_calls: [{ index, [key]: { [field]: text } }] }))
      ]
    }
  }
}

const callBody = (call: Call, text: string) => (call.form === 'custom'
  ? { type: 'custom', custom: { name: call.name, input: text } }
  : { type: 'function', function: { name: call.name, arguments: text } })
const head = (reply: Reply, object: string) => ({
  id: `chatcmpl-fake${reply.serial}`, object, created: CREATED, model: reply.model,
  service_tier: 'default', system_fingerprint: 'fp_fake',
})
const imageOf = (part: { mediaType: string; data: string }) => ({
  type: 'image_url', image_url: { url: `data:${part.mediaType};base64,${part.data}` }
})
const annotations = (citations: readonly Citation[] = []) => citations.map(({ url, title = '', start = 0, end = 0 }) => (
  { type: 'url_citation', url_citation: { url, title, start_index: start, end_index: end } }))
const logprobs = (found: readonly TokenLogprob[]) => ({
  content: found.map(({ token, logprob }) => ({
    token, logprob, bytes: [...Buffer.from(token)], top_logprobs: []
  })), refusal: null,
})

const usageOf = ({ input, output, cacheRead = 0, cacheWrite, reasoning = 0 }: Usage): Loose => ({
  prompt_tokens: input, completion_tokens: output, total_tokens: input + output,
  prompt_tokens_details: {
    cached_tokens: cacheRead, audio_tokens: 0, ...(cacheWrite === undefined ? {} : { cache_write_tokens: cacheWrite })
  },
  completion_tokens_details: {
    reasoning_tokens: reasoning, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0
  },
})
