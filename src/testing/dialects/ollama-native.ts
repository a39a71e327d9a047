import { count, list, texts } from '../asked.ts'
import type { Asked, Loose } from '../asked.ts'
import { ndjson } from '../frames.ts'
import type { Frame } from '../frames.ts'
import { joined, wordsOf } from '../order.ts'
import type { Call, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import { CREATED } from './dialect.ts'
import type { FakeDialect, Incoming } from './dialect.ts'

/** What readers of this dialect meet besides the manual. */
export const OLLAMA_SHAPES = {
  'call-ids': 'calls have an id (newer servers)',
  'no-call-index': 'calls have no index either',
  'cached-prompt': 'the prompt was cached whole and is not counted',
  'error-line': 'a line with an error where the end was due, with status 200',
} as const
export type OllamaShape = keyof typeof OLLAMA_SHAPES

/** Ollama's own chat: a JSON object on each line, calls whole and without ids, arguments as objects. */
export const ollamaNative: FakeDialect = {
  name: 'ollama-native',
  path: /\/api\/chat$/,
  shapes: OLLAMA_SHAPES,
  eol: '\n',
  understand,
  whole: (reply, _, shapes) => line(reply, {
    content: textOf(reply), ...(thoughtOf(reply) ? { thinking: thoughtOf(reply) } : {}), ...callsIn(reply, shapes)
  }, reply.finish, shapes),
  stream,
  error: (_, message) => ({ error: message }),
  headers: () => ({}),
  framing: { type: 'application/x-ndjson', write: ndjson },
}

function understand({ body }: Incoming): Asked {
  const messages = list(body.messages)
  const options: Loose = body.options ?? {}
  return {
    dialect: 'ollama-native',
    model: String(body.model ?? ''),
    // It streams unless it is told not to.
    stream: body.stream !== false,
    turns: messages.map(({ role, content, images }) => ({
      role, text: String(content ?? ''),
      media: Array.isArray(images) ? images.map((data) => ({ kind: 'image' as const, mediaType: typeOf(String(data)), bytes: Buffer.byteLength(String(data), 'base64') })) : [],
    })),
    tools: list(body.tools).map((tool) => ({ name: String(tool.function?.name), schema: tool.function?.parameters })),
    choice: 'auto',
    format: body.format === 'json' ? true : body.format || undefined,
    effort: typeof body.think === 'string' ? body.think : body.think === true ? 'on' : undefined,
    showReasoning: body.think === true || typeof body.think === 'string',
    stop: texts(options.stop),
    maxTokens: count(options.num_predict),
    choices: 1,
    logprobs: body.logprobs === true,
    problem: problemOf(body, messages),
  }
}

/** The server looks at the bytes, since nothing says what they are. */
const typeOf = (data: string): string => (data.startsWith('iVBOR') ? 'image/png' : data.startsWith('/9j/') ? 'image/jpeg' : 'unknown')

function problemOf(body: Loose, messages: readonly Loose[]): string | undefined {
  if (!body.model) return 'model is required'
  for (const message of messages) {
    if (!['system', 'user', 'assistant', 'tool'].includes(message.role)) return `invalid role: ${message.role}, must be one of [system, user, assistant, tool]`
    if (typeof message.content !== 'string') return 'json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string'
    if (list(message.images).length > 0 || (message.images ?? []).some((data: string) => /^(data:|https?:)/.test(data))) return 'illegal base64 data at input byte 4'
    for (const call of list(message.tool_calls)) {
      if (typeof call.function?.arguments !== 'object') return 'json: cannot unmarshal string into Go struct field .function.arguments of type map'
    }
  }
  return undefined
}

const textOf = (reply: Reply) => reply.parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? joined(part.text) : '')).join('')
const thoughtOf = (reply: Reply) => reply.parts.map((part) => (part.type === 'reasoning' ? joined(part.text) : '')).join('')

function callsIn(reply: Reply, shapes: ReadonlySet<string>): Loose {
  const calls = reply.parts.filter((part) => part.type === 'call')
  return calls.length > 0 ? { tool_calls: calls.map((call, k) => callOf(reply, call, k, shapes)) } : {}
}

function callOf(reply: Reply, call: Call, k: number, shapes: ReadonlySet<string>): Loose {
  return {
    ...(shapes.has('call-ids') ? { id: call.id ?? `call_fake${reply.serial}x${k}` } : {}),
    function: { ...(shapes.has('no-call-index') ? {} : { index: 0 }), name: call.name, arguments: parsed(joined(call.arguments ?? '')) },
  }
}

const parsed = (text: string): Loose => { try { return JSON.parse(text || '{}') ?? {} } catch { return {} } }

function stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const frames: Frame[] = []
  const unused = asked.logprobs ? [...(reply.logprobs ?? [])] : []
  for (const part of reply.parts) {
    if (part.type === 'reasoning') frames.push(...wordsOf(part.text).map((thinking) => ({ data: line(reply, { content: '', thinking }) })))
    else if (part.type === 'text' || part.type === 'refusal') {
      for (const content of wordsOf(part.text)) {
        const [found] = unused.splice(0, 1)
        frames.push({ data: { ...line(reply, { content }), ...(found ? { logprobs: [{ ...found, bytes: [...Buffer.from(found.token)], top_logprobs: [] }] } : {}) }, piece: true })
      }
    }
  }
  const calls = callsIn(reply, shapes)
  if (calls.tool_calls) frames.push({ data: line(reply, { content: '', ...calls }) })
  frames.push({ data: shapes.has('error-line') ? { error: 'an error was encountered while running the model' } : line(reply, { content: '' }, reply.finish, shapes) })
  return frames
}

/** Calls finish with "stop" here. */
const FINISH: Record<string, string> = { tool_calls: 'stop', content_filter: 'stop' }

function line(reply: Reply, message: Loose, finish?: string, shapes: ReadonlySet<string> = new Set()): Loose {
  const head = { model: reply.model, created_at: new Date(CREATED * 1000).toISOString(), message: { role: 'assistant', ...message } }
  if (finish === undefined) return { ...head, done: false }
  return { ...head, done: true, done_reason: FINISH[finish] ?? finish, total_duration: 1_000_000, load_duration: 1000, ...(reply.usage ? usageOf(reply.usage, shapes) : {}) }
}

const usageOf = ({ input, output }: Usage, shapes: ReadonlySet<string>): Loose => ({
  ...(shapes.has('cached-prompt') ? {} : { prompt_eval_count: input }), prompt_eval_duration: 1000, eval_count: output, eval_duration: 1000,
})
