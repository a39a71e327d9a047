import { count, list, mediaOf, texts } from '../asked.ts'
import type { Asked, Loose, Turn } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { fragmentsOf, joined, wordsOf } from '../order.ts'
import type { Call, Citation, Part, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import type { FakeDialect, Incoming } from './dialect.ts'

/** What readers of this dialect meet besides the manual. */
export const COHERE_SHAPES = {
  'null-arguments': 'the arguments of a call that has none are the text null',
  'no-argument-deltas': 'a call without arguments has no delta at all',
  'no-token-counts': 'only billed units are told',
  'error-in-end': 'an error beside the finish, where the end was due',
} as const
export type CohereShape = keyof typeof COHERE_SHAPES

/** Cohere counts instructions of its own, which it does not bill: here half of everything. */
const billedOf = (counted: number) => Math.ceil(counted / 2)

/** Cohere's chat, version 2: named events without an end mark, plans before calls, two counts of usage. */
export const cohereV2: FakeDialect = {
  name: 'cohere-v2',
  path: /\/v2\/chat$/,
  shapes: COHERE_SHAPES,
  eol: '\n',
  understand,
  whole,
  stream,
  error: (_, message) => ({ id: 'fake', message }),
  headers: () => ({ 'x-debug-trace-id': 'fake' }),
}

const FINISH: Record<string, string> = { stop: 'COMPLETE', length: 'MAX_TOKENS', tool_calls: 'TOOL_CALL', content_filter: 'ERROR_TOXIC' }

function understand({ body }: Incoming): Asked {
  const messages = list(body.messages)
  const tools = list(body.tools)
  const format = body.response_format
  const thinks = body.thinking?.type === 'enabled'
  return {
    dialect: 'cohere-v2',
    model: String(body.model ?? ''),
    stream: body.stream === true,
    turns: messages.map(turnOf),
    tools: tools.map((tool) => ({ name: String(tool.function?.name), schema: tool.function?.parameters })),
    choice: body.tool_choice === 'NONE' ? 'none' : body.tool_choice === 'REQUIRED' ? 'required' : 'auto',
    format: format?.type === 'json_object' ? format.json_schema ?? true : undefined,
    effort: thinks ? String(body.thinking.token_budget ?? 'on') : undefined,
    showReasoning: thinks,
    stop: texts(body.stop_sequences),
    maxTokens: count(body.max_tokens),
    choices: 1,
    logprobs: body.logprobs === true,
    problem: problemOf(body, messages),
  }
}

function turnOf({ role, content, tool_plan: plan }: Loose): Turn {
  const parts = list(content)
  const text = typeof content === 'string' ? content : parts.map((part) => part.text ?? '').join('')
  return { role, text: text || plan || '', media: parts.flatMap((part) => (part.image_url ? [mediaOf('image', String(part.image_url.url))] : [])) }
}

const KNOWN = new Set([
  'model', 'messages', 'stream', 'tools', 'tool_choice', 'strict_tools', 'documents', 'citation_options', 'response_format', 'safety_mode', 'max_tokens',
  'stop_sequences', 'temperature', 'seed', 'frequency_penalty', 'presence_penalty', 'k', 'p', 'logprobs', 'thinking', 'priority',
])

/** What Cohere refuses: unknown fields, numbers out of range, calls and results that do not meet. */
function problemOf(body: Loose, messages: readonly Loose[]): string | undefined {
  const unknown = Object.keys(body).find((key) => !KNOWN.has(key))
  if (unknown) return `invalid request: unknown field: parameter '${unknown}' is not a valid field`
  if (messages.length === 0) return 'invalid request: messages cannot be empty'
  if (body.temperature > 1 || body.temperature < 0) return 'invalid request: temperature must be between 0 and 1.0 inclusive.'
  if (body.p !== undefined && (body.p < 0.01 || body.p > 0.99)) return 'invalid request: p must be between 0.01 and 0.99 inclusive.'
  if (body.tool_choice && list(body.tools).length === 0) return 'invalid request: tool_choice requires tools'
  let open: string[] = []
  for (const [i, message] of messages.entries()) {
    if (!['system', 'user', 'assistant', 'tool'].includes(message.role)) return `invalid request: unknown role '${message.role}'`
    if (message.role === 'tool') {
      if (!open.includes(message.tool_call_id)) return `invalid request: cannot specify a tool message with an unknown tool call id at messages[${i}]`
      open = open.filter((id) => id !== message.tool_call_id)
      continue
    }
    if (open.length > 0) return `invalid request: all tool calls need a tool message: ${open.join(', ')}`
    if (message.role !== 'assistant' && !message.content?.length) return `invalid request: message at messages[${i}] must not be empty`
    open = list(message.tool_calls).map((call) => String(call.id))
    if (list(message.tool_calls).some((call) => typeof call.function?.arguments !== 'string')) return 'invalid request: arguments must be a string'
  }
  return open.length > 0 ? `invalid request: all tool calls need a tool message: ${open.join(', ')}` : undefined
}

/** Reasoning before calls is their plan; otherwise it is a thought of its own. */
const plans = (reply: Reply) => reply.parts.some((part) => part.type === 'call')

function whole(reply: Reply, _: Asked, shapes: ReadonlySet<string>): unknown {
  const calls = reply.parts.filter((part) => part.type === 'call')
  const content = reply.parts.flatMap((part): Loose[] => {
    if (part.type === 'reasoning' && !plans(reply)) return [{ type: 'thinking', thinking: joined(part.text) }]
    return part.type === 'text' || part.type === 'refusal' ? [{ type: 'text', text: joined(part.text) }] : []
  })
  const plan = plans(reply) ? reply.parts.flatMap((part) => (part.type === 'reasoning' ? [joined(part.text)] : [])).join('') : ''
  const citations = reply.parts.flatMap((part) => (part.type === 'text' ? (part.citations ?? []).map((it) => citation(it, joined(part.text))) : []))
  return {
    id: `fake${reply.serial}`, finish_reason: FINISH[reply.finish] ?? reply.finish,
    message: {
      role: 'assistant', ...(content.length ? { content } : {}), ...(plan ? { tool_plan: plan } : {}),
      ...(calls.length ? { tool_calls: calls.map((call, k) => callOf(reply, call, k, argumentsOf(call, shapes))) } : {}),
      ...(citations.length ? { citations } : {}),
    },
    ...(reply.usage ? { usage: usageOf(reply.usage, shapes) } : {}),
    ...(reply.logprobs ? { logprobs: reply.logprobs.map(({ token, logprob }) => ({ text: token, token_ids: [1], logprobs: [logprob] })) } : {}),
  }
}

function stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const frames: Frame[] = []
  const push = (type: string, rest: Loose, piece = false) => { frames.push({ event: type, data: { ...(rest.id ? { id: rest.id } : {}), type, ...rest }, piece }) }
  push('message-start', { id: `fake${reply.serial}`, delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } } })
  const unused = [...(reply.logprobs ?? [])]
  let contents = 0
  let calls = 0
  for (const part of reply.parts) {
    if (part.type === 'call') writeCall(push, reply, part, calls++, shapes)
    else if (part.type === 'reasoning' && plans(reply)) {
      for (const word of wordsOf(part.text)) push('tool-plan-delta', { delta: { message: { tool_plan: word } } })
    } else contents += writeContent(push, part, contents, asked.logprobs ? unused : [])
  }
  if (shapes.has('error-in-end')) push('message-end', { id: `fake${reply.serial}`, delta: { error: 'internal server error', finish_reason: 'ERROR' } })
  else {
    push('message-end', {
      id: `fake${reply.serial}`,
      delta: { finish_reason: FINISH[reply.finish] ?? reply.finish, ...(reply.usage ? { usage: usageOf(reply.usage, shapes) } : {}) },
    })
  }
  return frames
}

type Push = (type: string, rest: Loose, piece?: boolean) => void

function writeContent(push: Push, part: Part, index: number, unused: { token: string; logprob: number }[]): number {
  const kind = part.type === 'reasoning' ? 'thinking' : 'text'
  if (part.type !== 'reasoning' && part.type !== 'text' && part.type !== 'refusal') return 0
  push('content-start', { index, delta: { message: { content: { type: kind, [kind]: '' } } } })
  for (const word of wordsOf(part.text)) {
    const [found] = kind === 'text' ? unused.splice(0, 1) : []
    push('content-delta', {
      index, delta: { message: { content: { [kind]: word } } },
      ...(found ? { logprobs: { text: word, token_ids: [1], logprobs: [found.logprob] } } : {}),
    }, kind === 'text')
  }
  if (part.type === 'text') {
    for (const [i, it] of (part.citations ?? []).entries()) {
      push('citation-start', { index: i, delta: { message: { citations: { ...citation(it, joined(part.text)), content_index: index } } } })
      push('citation-end', { index: i })
    }
  }
  push('content-end', { index })
  return 1
}

function writeCall(push: Push, reply: Reply, part: Call, index: number, shapes: ReadonlySet<string>): void {
  push('tool-call-start', { index, delta: { message: { tool_calls: callOf(reply, part, index, '') } } })
  const text = argumentsOf(part, shapes)
  for (const piece of text === '' ? [] : fragmentsOf(typeof part.arguments === 'object' ? part.arguments : text)) {
    push('tool-call-delta', { index, delta: { message: { tool_calls: { function: { arguments: piece } } } } })
  }
  push('tool-call-end', { index })
}

function argumentsOf({ arguments: given = '{}' }: Call, shapes: ReadonlySet<string>): string {
  const text = joined(given)
  if (text !== '{}') return text
  return shapes.has('null-arguments') ? 'null' : shapes.has('no-argument-deltas') ? '' : text
}

const callOf = (reply: Reply, call: Call, k: number, text: string) =>
  ({ id: call.id ?? `${call.name}_fake${reply.serial}x${k}`, type: 'function', function: { name: call.name, arguments: text } })

/** Offsets count code points, as Python does. */
function citation({ url, title, start = 0, end = 0 }: Citation, text: string): Loose {
  const points = (at: number) => Array.from(text.slice(0, at)).length
  return {
    start: points(start), end: points(end), text: text.slice(start, end), type: 'TEXT_CONTENT',
    sources: [{ type: 'document', id: `doc:${url}`, document: { id: `doc:${url}`, url, ...(title ? { title } : {}) } }],
  }
}

function usageOf({ input, output, cacheRead }: Usage, shapes: ReadonlySet<string>): Loose {
  const billed = { input_tokens: billedOf(input), output_tokens: billedOf(output) }
  if (shapes.has('no-token-counts')) return { billed_units: billed }
  return { billed_units: billed, tokens: { input_tokens: input, output_tokens: output }, ...(cacheRead === undefined ? {} : { cached_tokens: cacheRead }) }
}
