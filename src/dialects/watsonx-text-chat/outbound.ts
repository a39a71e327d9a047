import { fault, type ChatRequest, type Fault } from '../../core/index.ts'
import type { Outbound, Outgoing, Target } from '../dialect.ts'
import { parseUpstream } from '../json.ts'
import { isObject } from '../loose.ts'
import { outbound as chat } from '../openai-chat/outbound.ts'

export const DIALECT = 'watsonx-text-chat'

/** The version of the API that a request was written for, which every address has to name. */
const VERSION = '2025-02-11'

/** Fields of OpenAI's that this route refuses; streaming is another path. */
const REFUSED: ReadonlySet<string> = new Set([
  'model', 'stream', 'stream_options', 'tool_choice', 'parallel_tool_calls', 'user', 'safety_identifier', 'service_tier', 'store', 'metadata', 'prediction',
  'verbosity', 'modalities', 'audio', 'prompt_cache_key', 'functions', 'function_call',
])
/** What a caller would miss of them, in OpenRouter's names. */
const MISSED: readonly string[] = ['parallel_tool_calls', 'prediction', 'verbosity', 'modalities', 'prompt_cache_key']

/**
 * IBM watsonx's text chat: OpenAI's messages under other names of the model and of the choice of tools, with the
 * project that pays in the body. Answers are OpenAI's, in events that have a name.
 */
export const outbound: Outbound = {
  ...chat,
  dialect: DIALECT,
  cannot: [...chat.cannot, 'reasoning.back: is shown, and has no place in what an assistant said', 'cache.marks', ...MISSED],
  encode,
}

function encode(request: ChatRequest, target: Target): Outgoing | { readonly fault: Fault } {
  // Anew from what it means: a body of the caller's own would be patched as OpenAI's.
  const { origin: _, ...meant } = request
  const written = chat.encode(meant, target)
  if ('fault' in written) return written
  const parsed = parseUpstream(written.body)
  if (!('value' in parsed) || !isObject(parsed.value)) return { fault: fault('invalid-request', 'The body is nested too deeply for this provider.') }
  const body = parsed.value
  const choice = body['tool_choice']
  return {
    path: `/text/${target.stream ? 'chat_stream' : 'chat'}?version=${VERSION}`,
    headers: written.headers,
    body: JSON.stringify({
      model_id: body['model'],
      ...Object.fromEntries(Object.entries(body).filter(([key]) => !REFUSED.has(key))),
      ...(typeof choice === 'string' ? { tool_choice_option: choice } : choice !== undefined && { tool_choice: choice }),
    }),
    dropped: [...new Set([...written.dropped, ...MISSED.filter((key) => key in body)])],
  }
}
