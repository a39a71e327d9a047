import { needOf, type ChatRequest, type Endpoint, type Fault } from '../../core/index.ts'
import type { Outgoing, Target } from '../dialect.ts'
import { effortOf, nearestEffort, thinkingOf } from '../reasoning.ts'
import { listTools } from '../tool-list.ts'
import { dropUnspoken } from '../unspoken.ts'
import { stringify } from '../verbatim.ts'
import { without } from '../without.ts'
import { writeMessages } from './messages.ts'

/** What has no word here at all. */
const UNSPOKEN = ['top_a', 'logit_bias', 'n', 'parallel_tool_calls', 'modalities', 'prediction', 'verbosity', 'prompt_cache_key', 'service_tier'] as const

export const DIALECT = 'ollama-native'

const OURS: ReadonlySet<string> = new Set(['model', 'messages', 'stream'])
/** What a server gives a prompt unless told otherwise; more is cut from its beginning without a word. */
const USUAL_CONTEXT = 4096
/** Tokens that bytes ÷ 4 may underestimate a prompt by. */
const ESTIMATE_MARGIN = 1.5
const ROOM_TO_ANSWER = 1024
const LIMIT_IF_UNKNOWN = 8192
/** The levels that `think` knows; other models only know on and off. */
const LEVELS = ['low', 'medium', 'high'] as const

/** Writes a request for an endpoint; what the caller set and this format has no word for is reported by its name. */
export function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  const { endpoint, stream } = target
  const dropped = new Set<string>()
  const conversation = writeMessages(request, dropped)
  if ('fault' in conversation) return conversation
  const tools = listTools(request, endpoint, dropped)
  if ('fault' in tools) return tools
  if (tools.choice === 'required') dropped.add('tool_choice')
  const native = request.origin?.dialect === DIALECT ? request.extras : null
  if (!native) for (const key of Object.keys(request.extras)) dropped.add(key)
  const options = optionsOf(request, endpoint, stream)
  const passed = { ...without(native, OURS), ...without(target.options, OURS), ...endpoint.forcedParams }

  const body = {
    model: endpoint.upstreamModel,
    messages: conversation.messages,
    // Ollama streams unless it is told not to.
    stream,
    ...(tools.choice !== 'none' && tools.declared.length > 0 && {
      tools: tools.declared.map(({ cached: _, ...declared }) => ({ type: 'function', function: declared })),
    }),
    ...formatOf(request, dropped),
    ...thinkOf(request, endpoint, dropped),
    ...(request.logprobs && { logprobs: true, ...(request.topLogprobs !== undefined && { top_logprobs: request.topLogprobs }) }),
    ...passed,
    ...optionsIn(options, passed['options']),
  }
  dropUnspoken(UNSPOKEN, request, endpoint, dropped)
  return { path: '/chat', headers: { accept: stream ? 'application/x-ndjson' : 'application/json' }, body: stringify(body), dropped: [...dropped] }
}

/** Options that are passed through stand beside ours. */
function optionsIn(ours: Record<string, unknown>, passed: unknown): { readonly options?: object } {
  const all = { ...ours, ...(typeof passed === 'object' ? passed : null) }
  return Object.keys(all).length > 0 ? { options: all } : {}
}

function optionsOf(request: ChatRequest, endpoint: Endpoint, stream: boolean): Record<string, unknown> {
  const { sampling } = request
  const stop = request.stop?.filter((text) => text !== '')
  const context = contextFor(request, endpoint, stream)
  const options = {
    num_predict: request.maxOutputTokens,
    temperature: sampling.temperature,
    top_p: sampling.top_p,
    top_k: sampling.top_k === 0 ? undefined : sampling.top_k,
    min_p: sampling.min_p,
    repeat_penalty: sampling.repetition_penalty,
    frequency_penalty: sampling.frequency_penalty,
    presence_penalty: sampling.presence_penalty,
    seed: request.seed,
    stop: stop && stop.length > 0 ? stop : undefined,
    num_ctx: context,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * Room for the prompt and its answer where a server would cut what does not fit: the next power of two, because each
 * other size has the model loaded anew. A hosted server has the whole context always.
 */
function contextFor(request: ChatRequest, endpoint: Endpoint, stream: boolean): number | undefined {
  const { quirks, contextLength } = endpoint
  if (quirks.size > 0 && !quirks.has('silent-context-truncation')) return undefined
  const need = Math.ceil(needOf(request, stream).inputTokens * ESTIMATE_MARGIN) + (request.maxOutputTokens ?? ROOM_TO_ANSWER)
  if (need <= USUAL_CONTEXT) return undefined
  return Math.min(2 ** Math.ceil(Math.log2(need)), contextLength ?? Infinity)
}

function formatOf(request: ChatRequest, dropped: Set<string>): { readonly format?: unknown } {
  const { format } = request
  if (!format || format.type === 'text') return {}
  if (format.type === 'json') return { format: 'json' }
  if (format.type === 'schema') return { format: Object.keys(format.schema).length > 0 ? format.schema : 'json' }
  dropped.add('response_format')
  return {}
}

function thinkOf(request: ChatRequest, endpoint: Endpoint, dropped: Set<string>): { readonly think?: boolean | string } {
  const wish = thinkingOf(request.reasoning)
  if (!wish) return {}
  const { reasoning } = endpoint
  if (!reasoning.supported || reasoning.controllable === false) {
    if (!('off' in wish)) dropped.add('reasoning')
    return {}
  }
  if ('off' in wish) return { think: false }
  if (!reasoning.efforts) return { think: true }
  const known = LEVELS.filter((level) => reasoning.efforts!.includes(level))
  return { think: known.length > 0 ? nearestEffort(effortOf(wish, request.maxOutputTokens ?? endpoint.maxOutputTokens ?? LIMIT_IF_UNKNOWN), known) : true }
}
