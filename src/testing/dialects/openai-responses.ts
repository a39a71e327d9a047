import { count, list, mediaOf, texts } from '../asked.ts'
import type { Asked, Loose, Media, Turn } from '../asked.ts'
import type { Frame } from '../frames.ts'
import { fragmentsOf, joined, wordsOf } from '../order.ts'
import type { Citation, Part, Pieces, TokenLogprob, Usage } from '../order.ts'
import type { Reply } from '../reply.ts'
import { CREATED } from './dialect.ts'
import type { FakeDialect, Incoming } from './dialect.ts'
import { reshapeResponses, RESPONSES_SHAPES } from './openai-responses-shapes.ts'

/** OpenAI's Responses, as OpenAI sends them to a caller who keeps nothing there. */
export const openaiResponses: FakeDialect = {
  name: 'openai-responses',
  path: /\/responses$/,
  shapes: Object.fromEntries(Object.entries(RESPONSES_SHAPES).map(([name, shape]) => [name, shape.says])),
  eol: '\n',
  understand,
  whole: (reply, asked) => response(reply, asked, statusOf(reply), itemsOf(reply)),
  stream,
  error: (status, message) => {
    const [type, code] = ERROR_TYPES[status] ?? (status < 500 ? ['invalid_request_error', null] : ['server_error', null])
    return { error: { message, type, param: null, code } }
  },
  headers: (serial) => ({ 'x-request-id': `req_fake_${serial}`, 'openai-processing-ms': '1' }),
}

const ERROR_TYPES: Record<number, readonly [string, string | null]> = {
  401: ['invalid_request_error', 'invalid_api_key'], 402: ['insufficient_balance', null],
  404: ['invalid_request_error', 'model_not_found'], 429: ['requests', 'rate_limit_exceeded'],
}

function understand({ body }: Incoming): Asked {
  const items = typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : list(body.input)
  const format = body.text?.format
  const effort = body.reasoning?.effort
  return {
    dialect: 'openai-responses',
    model: String(body.model ?? ''),
    stream: body.stream === true,
    turns: [
      ...(typeof body.instructions === 'string' ? [{ role: 'system' as const, text: body.instructions }] : []),
      ...items.flatMap(turnOf),
    ],
    tools: list(body.tools).map((tool) => tool.type === 'custom'
      ? { name: String(tool.name), form: 'custom' as const } : { name: String(tool.name), schema: tool.parameters }),
    choice: choiceOf(body.tool_choice),
    format: format?.type === 'json_schema' ? format.schema ?? true : format?.type === 'json_object' ? true : undefined,
    effort: effort === undefined || effort === null ? undefined : String(effort),
    showReasoning: typeof effort === 'string' && effort !== 'none',
    stop: [],
    maxTokens: count(body.max_output_tokens),
    choices: 1,
    logprobs: texts(body.include).includes('message.output_text.logprobs'),
    problem: problemOf(body, items),
  }
}

function turnOf(item: Loose): Turn[] {
  if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output') return [{ role: 'tool', ...content(item.output) }]
  if (item.type !== undefined && item.type !== 'message') return []
  return [{ role: item.role === 'developer' ? 'system' : item.role, ...content(item.content) }]
}

function content(value: unknown): { text: string; media?: Media[] } {
  if (typeof value === 'string') return { text: value }
  const parts = list(value)
  return { text: parts.map((part) => part.text ?? part.refusal ?? '').join(''), media: parts.flatMap(partMedia) }
}

function partMedia(part: Loose): Media[] {
  if (part.type === 'input_image') return [mediaOf('image', String(part.image_url ?? part.file_id))]
  if (part.type === 'input_file') return [mediaOf('file', String(part.file_data ?? part.file_url ?? part.file_id))]
  if (part.type !== 'input_audio') return []
  const { data, format } = part.input_audio
  return [{ kind: 'audio', mediaType: `audio/${format}`, bytes: Buffer.byteLength(String(data), 'base64') }]
}

function choiceOf(choice: unknown): Asked['choice'] {
  if (choice === 'none' || choice === 'required') return choice
  const it = choice as Loose | undefined
  if (typeof it?.name === 'string') return { name: it.name }
  return it?.type === 'allowed_tools' && it.mode === 'required' ? 'required' : 'auto'
}

const UNKNOWN = ['messages', 'max_tokens', 'max_completion_tokens', 'stop', 'seed', 'n', 'logit_bias', 'frequency_penalty', 'presence_penalty',
  'response_format', 'reasoning_effort', 'logprobs', 'provider', 'plugins', 'models', 'modalities']

/** What OpenAI refuses; results without their call, and thoughts that it cannot read, above all. */
function problemOf(body: Loose, items: readonly Loose[]): string | undefined {
  if (typeof body.model !== 'string' || body.model === '') return "Missing required parameter: 'model'."
  const unknown = UNKNOWN.find((key) => key in body)
  if (unknown) return `Unknown parameter: '${unknown}'.`
  if (items.length === 0) return "Missing required parameter: 'input'."
  if (count(body.max_output_tokens) !== undefined && body.max_output_tokens < 16) return "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16."
  const open = new Map<string, string>()
  for (const [i, item] of items.entries()) {
    const { type = 'message' } = item
    if (type === 'message' && !['system', 'developer', 'user', 'assistant'].includes(item.role)) return `Invalid value: '${item.role}'. 'input[${i}].role'`
    if (type === 'message' && item.content === undefined) return `Missing required parameter: 'input[${i}].content'.`
    if (type === 'message' && item.role === 'assistant' && list(item.content).some((part) => part.type === 'input_text')) {
      return `Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'. 'input[${i}].content[0]'`
    }
    if (type === 'message' && item.role !== 'assistant' && list(item.content).some((part) => part.type === 'output_text')) {
      return `Invalid value: 'output_text'. 'input[${i}].content[0]'`
    }
    if (type === 'item_reference') return `Item with id '${item.id}' not found. Items are not persisted when 'store' is set to false.`
    if (type === 'reasoning' && !Array.isArray(item.summary)) return `Missing required parameter: 'input[${i}].summary'.`
    if (type === 'reasoning' && typeof item.encrypted_content !== 'string') {
      return `Item with id '${item.id}' not found. Items are not persisted when 'store' is set to false.`
    }
    if (type === 'reasoning' && item.encrypted_content.startsWith('sbx')) return "invalid_encrypted_content: The encrypted content could not be verified."
    if (type === 'reasoning' && (i === items.length - 1 || items[i + 1]!.role === 'user')) {
      return `Item '${item.id}' of type 'reasoning' was provided without its required following item.`
    }
    if (type === 'function_call' && typeof item.arguments !== 'string') return `Invalid type for 'input[${i}].arguments': expected a string.`
    if (type === 'function_call' || type === 'custom_tool_call') open.set(String(item.call_id), type)
    if (type === 'function_call_output' || type === 'custom_tool_call_output') {
      if (open.get(item.call_id) !== type.replace('_output', '')) return `No tool call found for function call output with call_id ${item.call_id}.`
      open.delete(item.call_id)
    }
  }
  return open.size > 0 ? `No tool output found for function call ${[...open.keys()].join(', ')}.` : undefined
}

type Status = 'in_progress' | 'completed' | 'incomplete'

const statusOf = (reply: Reply): Status => (reply.finish === 'length' || reply.finish === 'content_filter' ? 'incomplete' : 'completed')

function response(reply: Reply, asked: Asked, status: Status, output: readonly Loose[]): Loose {
  const reason = reply.finish === 'length' ? 'max_output_tokens' : reply.finish
  return {
    id: `resp_fake${reply.serial}`, object: 'response', created_at: CREATED, status, background: false, error: null,
    incomplete_details: status === 'incomplete' ? { reason } : null, instructions: null, max_output_tokens: asked.maxTokens ?? null,
    model: reply.model, output, parallel_tool_calls: true, previous_response_id: null, reasoning: { effort: asked.effort ?? null, summary: null },
    service_tier: 'default', store: false, temperature: 1, text: { format: { type: 'text' } }, tool_choice: 'auto', tools: [], top_p: 1,
    truncation: 'disabled', usage: status === 'in_progress' || !reply.usage ? null : usageOf(reply.usage), user: null, metadata: {},
  }
}

/** What the reply is made of, in items: words and refusals that follow each other are one message. */
interface Item { shape: Loose; parts: readonly Part[] }

function grouped(reply: Reply): Item[] {
  const items: Item[] = []
  const id = (prefix: string) => `${prefix}_fake${reply.serial}x${items.length}`
  for (const part of reply.parts) {
    const last = items.at(-1)
    if (part.type === 'text' || part.type === 'refusal') {
      if (last?.shape.type === 'message') items[items.length - 1] = { ...last, parts: [...last.parts, part] }
      else items.push({ shape: { id: id('msg'), type: 'message', role: 'assistant' }, parts: [part] })
    } else if (part.type === 'reasoning') items.push({ shape: { id: id('rs'), type: 'reasoning' }, parts: [part] })
    else if (part.type === 'sealed') items.push({ shape: { id: id('rs'), type: 'reasoning' }, parts: [part] })
    else if (part.type === 'call') {
      const call = { call_id: part.id ?? `call_fake${reply.serial}x${items.length}`, name: part.name, ...(part.namespace !== undefined && { namespace: part.namespace }) }
      items.push({ shape: part.form === 'custom' ? { id: id('ctc'), type: 'custom_tool_call', ...call } : { id: id('fc'), type: 'function_call', ...call }, parts: [part] })
    } else if (part.type === 'image') items.push({ shape: { id: id('ig'), type: 'image_generation_call' }, parts: [part] })
  }
  return items
}

/** Reasoning goes by its summary, and is sealed by what the order calls its signature. */
function itemOf({ shape, parts }: Item, reply: Reply, empty: boolean): Loose {
  const [part] = parts
  const status = empty ? 'in_progress' : 'completed'
  switch (shape.type) {
    case 'message': return { ...shape, status, content: empty ? [] : parts.map((it) => contentOf(it, reply, false)) }
    case 'reasoning': {
      const text = part?.type === 'reasoning' ? joined(part.text) : ''
      const sealed = part?.type === 'sealed' ? part.data : part?.type === 'reasoning' ? part.signature : undefined
      return {
        ...shape, summary: empty || text === '' ? [] : [{ type: 'summary_text', text }],
        ...(sealed === undefined ? {} : { encrypted_content: empty ? '' : sealed })
      }
    }
    case 'image_generation_call': return { ...shape, status, ...(empty ? {} : { result: (part as { data: string }).data, output_format: 'png' }) }
    default: {
      const text = empty || part?.type !== 'call' ? '' : joined(part.arguments ?? '{}')
      return { ...shape, status, ...(shape.type === 'custom_tool_call' ? { input: text } : { arguments: text }) }
    }
  }
}

const itemsOf = (reply: Reply): Loose[] => grouped(reply).map((item) => itemOf(item, reply, false))

function contentOf(part: Part, reply: Reply, empty: boolean): Loose {
  if (part.type === 'refusal') return { type: 'refusal', refusal: empty ? '' : joined(part.text) }
  if (part.type !== 'text') return {}
  return {
    type: 'output_text', text: empty ? '' : joined(part.text), annotations: empty ? [] : (part.citations ?? []).map(citationOf),
    logprobs: empty ? [] : (reply.logprobs ?? []).map(logprobOf)
  }
}

function stream(reply: Reply, asked: Asked, shapes: ReadonlySet<string>): readonly Frame[] {
  const frames: Frame[] = []
  const push = (type: string, rest: Loose, piece = false) => frames.push({ event: type, data: { type, sequence_number: frames.length, ...rest }, piece })
  push('response.created', { response: response(reply, asked, 'in_progress', []) })
  push('response.in_progress', { response: response(reply, asked, 'in_progress', []) })
  const items = grouped(reply)
  items.forEach((item, output_index) => {
    push('response.output_item.added', { output_index, item: itemOf(item, reply, true) })
    const at = { item_id: item.shape.id, output_index }
    for (const [index, part] of item.parts.entries()) {
      const pieces = (type: string, texts: Pieces, rest: Loose, split = wordsOf, visible = false) => {
        for (const delta of split(texts)) push(type, { ...at, ...rest, delta }, visible)
      }
      if (part.type === 'text' || part.type === 'refusal') {
        const place = { content_index: index }
        push('response.content_part.added', { ...at, ...place, part: contentOf(part, reply, true) })
        if (part.type === 'refusal') {
          pieces('response.refusal.delta', part.text, place)
          push('response.refusal.done', { ...at, ...place, refusal: joined(part.text) })
        } else {
          const unused = [...(reply.logprobs ?? [])]
          for (const delta of wordsOf(part.text)) push('response.output_text.delta', { ...at, ...place, delta, logprobs: unused.splice(0, 1).map(logprobOf) }, true)
          for (const [annotation_index, it] of (part.citations ?? []).entries()) {
            push('response.output_text.annotation.added', { ...at, ...place, annotation_index, annotation: citationOf(it) })
          }
          push('response.output_text.done', { ...at, ...place, text: joined(part.text), logprobs: (reply.logprobs ?? []).map(logprobOf) })
        }
        push('response.content_part.done', { ...at, ...place, part: contentOf(part, reply, false) })
      } else if (part.type === 'reasoning' && joined(part.text) !== '') {
        const place = { summary_index: 0 }
        push('response.reasoning_summary_part.added', { ...at, ...place, part: { type: 'summary_text', text: '' } })
        pieces('response.reasoning_summary_text.delta', part.text, place)
        push('response.reasoning_summary_text.done', { ...at, ...place, text: joined(part.text) })
        push('response.reasoning_summary_part.done', { ...at, ...place, part: { type: 'summary_text', text: joined(part.text) } })
      } else if (part.type === 'call') {
        const custom = part.form === 'custom'
        pieces(custom ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta', part.arguments ?? '{}', {}, fragmentsOf)
        const whole = joined(part.arguments ?? '{}')
        push(custom ? 'response.custom_tool_call_input.done' : 'response.function_call_arguments.done', { ...at, ...(custom ? { input: whole } : { name: part.name, arguments: whole }) })
      }
    }
    push('response.output_item.done', { output_index, item: itemOf(item, reply, false) })
  })
  const status = statusOf(reply)
  push(`response.${status}`, { response: response(reply, asked, status, itemsOf(reply)) })
  return reshapeResponses(frames, shapes)
}

const citationOf = ({ url, title = '', start = 0, end = 0 }: Citation): Loose => ({ type: 'url_citation', url, title, start_index: start, end_index: end })
const logprobOf = ({ token, logprob }: TokenLogprob): Loose => ({ token, logprob, bytes: [...Buffer.from(token)], top_logprobs: [] })

const usageOf = ({ input, output, cacheRead = 0, cacheWrite = 0, reasoning = 0 }: Usage): Loose => ({
  input_tokens: input, input_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
  output_tokens: output, output_tokens_details: { reasoning_tokens: reasoning }, total_tokens: input + output,
})
