import { count, list, mediaOf, texts } from '../asked.ts'
import type { Asked, Loose, Media, Turn } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { fragmentsOf, joined, wordsOf } from '../order.ts'
import type { Citation, Part, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import { MESSAGES_SHAPES, reshapeMessages } from './anthropic-messages-shapes.ts'
import type { FakeDialect, Incoming } from './dialect.ts'

/** Claude on Vertex: the model and the verb in the path, the version in the body. */
const ON_VERTEX = /\/publishers\/anthropic\/models\/([^/]+):(rawPredict|streamRawPredict)$/

/** Anthropic Messages, version 2023-06-01; the same in Vertex's envelope. */
export const anthropicMessages: FakeDialect = {
  name: 'anthropic-messages',
  path: new RegExp(`/messages$|${ON_VERTEX.source}`),
  shapes: Object.fromEntries(Object.entries(MESSAGES_SHAPES).map(([name, shape]) => [name, shape.says])),
  eol: '\n',
  understand,
  whole,
  stream,
  error: (status, message) => ({
    type: 'error',
    error: { type: ERROR_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'), message },
    request_id: 'req_fake'
  }),
  headers: (serial) => ({ 'request-id': `req_fake_${serial}` }),
}

const ERROR_TYPES: Record<number, string> = {
  401: 'authentication_error', 402: 'billing_error', 403: 'permission_error', 404: 'not_found_error',
  413: 'request_too_large', 429: 'rate_limit_error', 504: 'timeout_error', 529: 'overloaded_error',
}
const FINISH: Record<string, string> = {
  stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal'
}

function understand({ path, body: sent, headers }: Incoming): Asked {
  const [, model, verb] = ON_VERTEX.exec(path) ?? []
  const body: Loose = model === undefined ? sent : { ...sent, model: decodeURIComponent(model), stream: verb === 'streamRawPredict' }
  const messages = list(body.messages)
  const { thinking, output_config: output, tool_choice: choice } = body
  const format = output?.format ?? body.output_format
  const thinks = thinking?.type === 'enabled' || thinking?.type === 'adaptive'
  const effort = output?.effort ?? thinking?.budget_tokens
  return {
    dialect: 'anthropic-messages',
    model: String(body.model ?? ''),
    stream: body.stream === true,
    turns: [
      ...turnsOf('system', body.system), ...messages.flatMap((message) => turnsOf(message.role, message.content))
    ],
    tools: list(body.tools).map((tool) => ({ name: String(tool.name), schema: tool.input_schema })),
    choice: choice?.type === 'tool' ? { name: choice.name }
      : choice?.type === 'any' ? 'required'
      : choice?.type === 'none' ? 'none'
      : 'auto',
    format: format?.type === 'json_schema' ? format.schema : undefined,
    effort: effort === undefined ? undefined : String(effort),
    showReasoning: thinks,
    stop: texts(body.stop_sequences),
    maxTokens: count(body.max_tokens),
    choices: 1,
    logprobs: false,
    problem: model !== undefined && sent.model !== undefined ? 'model: Extra inputs are not permitted'
      : model !== undefined && body.anthropic_version !== 'vertex-2023-10-16' ? 'anthropic_version: Field required'
      : headers['anthropic-version'] === undefined && body.anthropic_version === undefined
        ? 'anthropic-version: header is required' : problemOf(body, messages, thinks),
  }
}

/** A user message with results becomes a turn for the results and, when there is more, one for the rest. */
function turnsOf(role: Turn['role'], content: unknown): Turn[] {
  if (typeof content === 'string') return [{ role, text: content }]
  const turns: Turn[] = []
  const results = list(content).filter((block) => block.type === 'tool_result')
  for (const { content: inner } of results) {
    turns.push({ ...turnsOf('tool', inner)[0], role: 'tool', text: turnsOf('tool', inner)[0]?.text ?? '' })
  }
  const rest = list(content).filter((block) => block.type !== 'tool_result')
  if (rest.length > 0) {
    turns.push({ role, text: rest.map((block) => block.text ?? '').join(''), media: rest.flatMap(blockMedia) })
  }
  return turns
}

function blockMedia({ type, source }: Loose): Media[] {
  if ((type !== 'image' && type !== 'document') || !source) return []
  const kind = type === 'image' ? 'image' : 'file'
  if (source.type === 'base64') {
    return [{ kind, mediaType: source.media_type, bytes: Buffer.byteLength(String(source.data), 'base64') }]
  }
  if (source.type === 'text') return [{ kind, mediaType: 'text/plain', bytes: Buffer.byteLength(String(source.data)) }]
  return [mediaOf(kind, String(source.url ?? source.file_id))]
}

function problemOf(body: Loose, messages: readonly Loose[], thinks: boolean): string | undefined {
  if (typeof body.model !== 'string') return 'model: Field required'
  if (count(body.max_tokens) === undefined) return 'max_tokens: Field required'
  if (messages.length === 0) return 'messages: at least one message is required'
  if (body.temperature > 1) return 'temperature: range: 0..1'
  const { thinking, tool_choice: choice } = body
  if (thinking?.type === 'enabled' && !(thinking.budget_tokens >= 1024 && thinking.budget_tokens < body.max_tokens)) {
    return 'thinking.budget_tokens: must be at least 1024 and less than max_tokens'
  }
  if (thinks && (choice?.type === 'any' || choice?.type === 'tool')) {
    return 'Thinking may not be enabled when tool_choice forces tool use.'
  }
  let open = new Set<string>()
  for (const [i, { role, content }] of messages.entries()) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : list(content)
    if (!['user', 'assistant', 'system'].includes(role)) return `messages.${i}.role: unexpected role "${role}"`
    if (blocks.length === 0 && i < messages.length - 1) return `messages.${i}: all messages must have non-empty content`
    if (blocks.some((block) => block.type === 'text' && !String(block.text ?? '').trim())) {
      return `messages.${i}: text content blocks must be non-empty`
    }
    const results = blocks.filter((block) => block.type === 'tool_result')
    if (blocks.findLastIndex((block) => block.type === 'tool_result') >= results.length) {
      return `messages.${i}: tool_result blocks must come first`
    }
    for (const { tool_use_id: id } of results) {
      if (!open.delete(id)) return `messages.${i}: unexpected tool_use_id found in tool_result blocks: ${id}`
    }
    if (open.size > 0) {
      return `messages.${i}: tool_use ids without tool_result blocks immediately after: ${[...open].join(', ')}`
    }
    open = new Set(blocks.filter((block) => block.type === 'tool_use').map((block) => String(block.id)))
    for (const id of open) {
      if (!/^[a-zA-Z0-9_-]+$/.test(id)) {
        return `messages.${i}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`
      }
    }
    for (const block of blocks) {
      if (block.type === 'tool_use' && typeof block.input !== 'object') {
        return `messages.${i}: tool_use.input: Input should be a valid dictionary`
      }
    }
  }
  return open.size > 0
    ? `messages: tool_use ids were found without tool_result blocks: ${[...open].join(', ')}`
    : undefined
}

function whole(reply: Reply, _asked: Asked, shapes: ReadonlySet<string>): unknown {
  const content = reply.parts.flatMap((part, i): Loose[] => {
    const open = blockOpen(reply, part, i)
    if (!open) return []
    if (part.type === 'text') {
      return [{
        type: 'text', text: joined(part.text), ...(part.citations ? { citations: part.citations.map(citationOf) } : {})
      }]
    }
    if (part.type === 'reasoning') {
      return [{
        type: 'thinking', thinking: shapes.has('thinking-omitted') ? '' : joined(part.text),
        signature: part.signature ?? ''
      }]
    }
    if (part.type === 'call') return [{ ...open, input: parsed(joined(part.arguments ?? '')) }]
    return [open]
  })
  const { stop_reason, stop_sequence, stop_details } = ending(reply)
  return {
    ...message(reply), content, stop_reason, stop_sequence, ...(stop_details ? { stop_details } : {}),
    usage: reply.usage && usageOf(reply.usage)
  }
}

function stream(reply: Reply, _asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const frames: Frame[] = []
  const push = (type: string, rest: Loose, piece = false) => frames.push({
    event: type, data: { type, ...rest }, piece
  })
  const usage = reply.usage && usageOf(reply.usage)
  push(
    'message_start',
    { message: {
      ...message(reply), content: [], stop_reason: null, stop_sequence: null,
      usage: usage && { ...usage, output_tokens: 1 }
    } }
  )
  let index = 0
  reply.parts.forEach((part, i) => {
    const block = blockOpen(reply, part, i)
    if (!block) return
    push('content_block_start', { index, content_block: block })
    if (index === 0) push('ping', {})
    for (const delta of deltasOf(part, shapes)) {
      push('content_block_delta', { index, delta }, delta.type === 'text_delta')
    }
    push('content_block_stop', { index })
    index++
  })
  push('message_delta', { delta: ending(reply), ...(usage ? { usage } : {}) })
  push('message_stop', {})
  return reshapeMessages(frames, shapes)
}

/** The block as it opens. A refusal has no block: it is told in stop_details. Images and audio Claude does not make. */
function blockOpen(reply: Reply, part: Part, i: number): Loose | undefined {
  if (part.type === 'text') return { type: 'text', text: '', ...(part.citations ? { citations: [] } : {}) }
  if (part.type === 'reasoning') return { type: 'thinking', thinking: '', signature: '' }
  if (part.type === 'sealed') return { type: 'redacted_thinking', data: part.data }
  return part.type === 'call'
    ? { type: 'tool_use', id: part.id ?? `toolu_fake${reply.serial}x${i}`, name: part.name, input: {} }
    : undefined
}

function deltasOf(part: Part, shapes: ReadonlySet<string>): Loose[] {
  if (part.type === 'text') {
    return [...(part.citations ?? []).map((it) => ({ type: 'citations_delta', citation: citationOf(it) })),
      ...wordsOf(part.text).map((text) => ({ type: 'text_delta', text }))]
  }
  if (part.type === 'reasoning') {
    const thoughts = shapes.has('thinking-omitted')
      ? []
      : wordsOf(part.text).map((thinking) => ({ type: 'thinking_delta', thinking }))
    return part.signature ? [...thoughts, { type: 'signature_delta', signature: part.signature }] : thoughts
  }
  if (part.type !== 'call') return []
  // The first fragment is empty, and for a call without arguments it is the only one.
  const fragments = joined(part.arguments ?? '').trim().replace(/^{\s*}$/, '') === ''
    ? []
    : fragmentsOf(part.arguments!)
  return ['', ...fragments].map((partial_json) => ({ type: 'input_json_delta', partial_json }))
}

function ending(reply: Reply): Loose {
  const refusal = reply.parts.find((part) => part.type === 'refusal')
  const native = FINISH[reply.finish] ?? reply.finish
  const stop_reason = refusal && native === 'end_turn' ? 'refusal'
    : native === 'end_turn' && reply.stop ? 'stop_sequence'
    : native
  const details = stop_reason === 'refusal'
    ? { stop_details: { type: 'refusal', category: null, explanation: refusal ? joined(refusal.text) : null } }
    : {}
  return { stop_reason, stop_sequence: stop_reason === 'stop_sequence' ? reply.stop : null, ...details }
}

const message = (reply: Reply) => ({
  id: `msg_fake${reply.serial}`, type: 'message', role: 'assistant', model: reply.model
})
const citationOf = ({ url, title = '', text = '' }: Citation) => (
  { type: 'web_search_result_location', url, title, cited_text: text, encrypted_index: 'ZmFrZQ==' })
const parsed = (text: string): unknown => { try { return JSON.parse(text || '{}') } catch { return {} } }

/** Anthropic's input leaves both cache figures out. */
const usageOf = ({ input, output, cacheRead = 0, cacheWrite = 0, reasoning }: Usage): Loose => ({
  input_tokens: input - cacheRead - cacheWrite,
  cache_creation_input_tokens: cacheWrite, cache_read_input_tokens: cacheRead,
  cache_creation: { ephemeral_5m_input_tokens: cacheWrite, ephemeral_1h_input_tokens: 0 },
  output_tokens: output, ...(
    reasoning ? { output_tokens_details: { thinking_tokens: reasoning } } : {}
  ), service_tier: 'standard',
})
