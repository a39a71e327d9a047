import type { ChatRequest, Endpoint, Fault } from '../../core/index.ts'
import type { Changed, Outgoing, Target } from '../dialect.ts'
import { budgetOf, thinkingOf } from '../reasoning.ts'
import { listTools } from '../tool-list.ts'
import { dropUnspoken } from '../unspoken.ts'
import { writeMessages } from './messages.ts'
import { without } from '../without.ts'
import { DIALECT, type WireBody } from './wire.ts'

/** What has no word here at all. */
const UNSPOKEN = [
  'repetition_penalty', 'min_p', 'top_a', 'logit_bias', 'top_logprobs', 'n', 'parallel_tool_calls',
  'modalities', 'prediction', 'verbosity', 'prompt_cache_key', 'service_tier',
] as const

const MAX_STOPS = 5
/** Where nobody says how much a model can write, for the share of it that an effort stands for. */
const LIMIT_IF_UNKNOWN = 8192
/** What a caller's passthrough may not set: what is bought, from whom, and how it is read. */
const OURS: ReadonlySet<string> = new Set(['model', 'messages', 'stream'])

/** Writes a request for an endpoint; what the caller set and this format has no word for is reported by its name. */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const dropped = new Set<string>()
  const changed: Changed[] = []
  const thinking = writeThinking(request, endpoint, dropped)
  const conversation = writeMessages(request, endpoint.reasoning.supported, dropped)
  if ('fault' in conversation) return conversation
  const tools = listTools(request, endpoint, dropped)
  if ('fault' in tools) return tools
  const native = request.origin?.dialect === DIALECT ? request.extras : null
  if (!native) for (const key of Object.keys(request.extras)) dropped.add(key)

  const body: WireBody = {
    model: endpoint.upstreamModel,
    messages: conversation.messages,
    stream,
    ...(tools.declared.length > 0 && {
      tools: tools.declared.map(({ cached: _, ...declared }) => ({ type: 'function', function: declared })),
      ...(tools.choice !== 'auto' && { tool_choice: tools.choice === 'none' ? 'NONE' as const : 'REQUIRED' as const }),
    }),
    ...writeFormat(request, endpoint, dropped),
    ...thinking,
    ...writeNumbers(request, endpoint, dropped, changed),
    ...without(native, OURS), ...without(target.options, OURS), ...endpoint.forcedParams,
  }
  dropUnspoken(UNSPOKEN, request, endpoint, dropped)
  return { path: '/chat', headers: {}, body: JSON.stringify(body), dropped: [...dropped], ...(changed.length > 0 && { changed }) }
}

/** Numbers in the names of this format (`p`, `k`) and within what it takes: outside of that it answers 400. */
function writeNumbers(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>, changed: Changed[]): Record<string, unknown> {
  const { sampling } = request
  const body: Record<string, unknown> = {}
  const put = (parameter: string, key: string, value: number | undefined, min = -Infinity, max = Infinity): void => {
    if (value === undefined) return
    if (refuses(endpoint, parameter)) {
      dropped.add(parameter)
      return
    }
    const sent = Math.min(Math.max(value, min), max)
    body[key] = sent
    if (sent !== value) changed.push({ parameter, asked: value, sent })
  }
  put('max_tokens', 'max_tokens', request.maxOutputTokens, 1, endpoint.maxOutputTokens ?? Infinity)
  put('temperature', 'temperature', sampling.temperature, 0, 1)
  put('top_p', 'p', sampling.top_p, 0.01, 0.99)
  put('top_k', 'k', sampling.top_k, 0, 500)
  put('frequency_penalty', 'frequency_penalty', sampling.frequency_penalty, 0, 1)
  put('presence_penalty', 'presence_penalty', sampling.presence_penalty, 0, 1)
  put('seed', 'seed', request.seed === undefined ? undefined : Number(BigInt.asUintN(53, BigInt(Math.trunc(request.seed)))))
  const stops = request.stop?.filter((stop) => stop !== '') ?? []
  if (stops.length > MAX_STOPS) dropped.add('stop')
  if (stops.length > 0) body['stop_sequences'] = stops.slice(0, MAX_STOPS)
  if (request.logprobs) body['logprobs'] = true
  return body
}

function writeFormat(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): Pick<WireBody, 'response_format'> {
  const { format } = request
  if (!format || format.type === 'text') return {}
  if (format.type === 'grammar' || format.type === 'python' || refuses(endpoint, 'response_format')) {
    dropped.add('response_format')
    return {}
  }
  if (format.type === 'json' || Object.keys(format.schema).length === 0) return { response_format: { type: 'json_object' } }
  return { response_format: { type: 'json_object', json_schema: format.schema } }
}

/** Thinking is on unless it is switched off, for models that think at all; an effort is a share of the output limit. */
function writeThinking(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): Pick<WireBody, 'thinking'> {
  const wish = thinkingOf(request.reasoning)
  const { reasoning } = endpoint
  if (!wish) return {}
  if (!reasoning.supported || reasoning.controllable === false) {
    if (!('off' in wish)) dropped.add('reasoning')
    return {}
  }
  if ('off' in wish) return { thinking: { type: 'disabled' } }
  const limit = request.maxOutputTokens ?? endpoint.maxOutputTokens ?? LIMIT_IF_UNKNOWN
  return { thinking: { type: 'enabled', token_budget: budgetOf(wish, limit, reasoning.budgetTokens) } }
}

function refuses(endpoint: Endpoint, parameter: string): boolean {
  return endpoint.parametersSource !== 'derived' && endpoint.parameters !== null && !endpoint.parameters.has(parameter)
}
