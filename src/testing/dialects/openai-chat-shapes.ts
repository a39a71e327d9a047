import type { Loose } from '../asked.ts'
import { joined, wordsOf } from '../order.ts'
import type { Part } from '../order.ts'

/** `each` edits every chunk and the whole answer alike; `stream` and `whole` rearrange one of them. */
interface ChatDeviation {
  says: string
  each?(it: Loose): void
  stream?(chunks: Loose[]): Loose[]
  whole?(answer: Loose): Loose
}

const messages = (it: Loose): Loose[] => (it.choices ?? []).map((choice: Loose) => choice.delta ?? choice.message)
const calls = (it: Loose): Loose[] => messages(it).flatMap((message) => message.tool_calls ?? [])
const finishOf = (chunk: Loose): string | undefined => chunk.choices?.[0]?.finish_reason ?? undefined
const isUsage = (chunk: Loose) => chunk.choices?.length === 0 && chunk.usage
const onCalls = (edit: (call: Loose) => void) => (it: Loose) => calls(it).forEach(edit)
const onMessages = (edit: (message: Loose) => void) => (it: Loose) => messages(it).forEach(edit)
const setArguments = (value: (text: string) => unknown) => onCalls((call) => {
  if (call.function) call.function.arguments = value(call.function.arguments ?? '')
})

/** Providers with these shapes report usage whether it was asked for or not. */
export const tellsUsage = (shapes: ReadonlySet<string>) =>
  [...shapes].some((name) => name.startsWith('usage-') || name === 'x-groq-usage')

/** Takes the usage chunk out of a stream and gives it to `place`; with `usage: null` there is nothing to move. */
const moveUsage = (place: (usage: Loose, chunks: Loose[]) => void) => (chunks: Loose[]) => {
  const usage = chunks.find(isUsage)?.usage
  const rest = chunks.filter((chunk) => !isUsage(chunk))
  if (usage) place(usage, rest)
  return rest
}

/** Joins the fragments of each call into the chunk that opened it. */
function wholeCalls(chunks: Loose[]): Loose[] {
  const open = new Map<string, Loose>()
  return chunks.filter((chunk) => {
    const call = calls(chunk)[0]
    if (!call?.function) return true
    const slot = `${chunk.choices[0].index}/${call.index}`
    if (call.id) open.set(slot, call)
    else open.get(slot)!.function.arguments += call.function.arguments
    return Boolean(call.id)
  })
}

/** Replays the fragments of each call with what was sent of it so far. */
function eachFragment(chunks: Loose[], edit: (fn: Loose, soFar: string) => void): void {
  const texts = new Map<string, string>()
  for (const chunk of chunks) {
    const call = calls(chunk)[0]
    if (!call?.function) continue
    const slot = `${chunk.choices[0].index}/${call.index}`
    texts.set(slot, (texts.get(slot) ?? '') + call.function.arguments)
    edit(call.function, texts.get(slot)!)
  }
}

const parsed = (text: string): unknown => { try { return JSON.parse(text || '{}') } catch { return text } }
const upstreamError = { message: 'The model is overloaded.', type: 'server_error', param: null, code: 'overloaded' }

/** The deviations that readers of this dialect meet in the wild, with who sends them. */
export const CHAT_SHAPES = {
  'azure-first-chunk': {
    says: 'the first chunk has no choices, an empty id and model, created 0 and filter results (Azure)',
    stream: (chunks) => [
      {
        id: '', object: '', created: 0, model: '', choices: [],
        prompt_filter_results: [{
          prompt_index: 0, content_filter_results: { hate: { filtered: false, severity: 'safe' } }
        }]
      },
      ...chunks
    ],
  },
  'usage-in-finish': {
    says: 'usage in the finish chunk (DeepSeek, Mistral)',
    stream: moveUsage((usage, chunks) => { chunks.findLast(finishOf)!.usage = usage }),
  },
  'usage-in-repeat-choice': {
    says: 'the usage chunk repeats the finish reason with an empty delta (OpenRouter)',
    stream: moveUsage((usage, chunks) => {
      const last = chunks.findLast(finishOf)!
      const choice = {
        index: 0, delta: { role: 'assistant', content: '' }, finish_reason: finishOf(last),
        native_finish_reason: finishOf(last)
      }
      chunks.push({ ...last, choices: [choice], usage })
    }),
  },
  'usage-every-chunk': {
    says: 'running usage on every chunk, none of its own (Perplexity)',
    stream: moveUsage((usage, chunks) => chunks.forEach((chunk, i) => {
      const output = i === chunks.length - 1 ? usage.completion_tokens : Math.min(i, usage.completion_tokens)
      chunk.usage = {
        prompt_tokens: usage.prompt_tokens, completion_tokens: output, total_tokens: usage.prompt_tokens + output
      }
    })),
  },
  'x-groq-usage': {
    says: 'usage inside x_groq of the finish chunk (Groq)',
    stream: moveUsage((usage, chunks) => {
      chunks[0]!.x_groq = { id: 'req_fake_groq' }
      chunks.findLast(finishOf)!.x_groq = {
        id: 'req_fake_groq', usage: { queue_time: 0.01, prompt_time: 0.02, ...usage }
      }
    }),
    whole: (answer) => ({ ...answer, x_groq: { id: 'req_fake_groq' } }),
  },
  'usage-in-choice': {
    says: 'usage inside the last choice (Moonshot)',
    stream: moveUsage((usage, chunks) => { chunks.findLast(finishOf)!.choices[0].usage = usage }),
  },
  'usage-unasked': { says: 'the usage chunk comes though nobody asked for it (Alibaba and others)' },
  'no-role': { says: 'no delta has a role (Moonshot)', each: onMessages((message) => { delete message.role }) },
  'role-everywhere': {
    says: 'every delta has role and content (OpenRouter)',
    each: onMessages((message) => { message.role = 'assistant'; message.content ??= '' }),
  },
  'no-finish-key': {
    says: 'the finish_reason key is missing until the end (xAI)',
    each: (it) => { for (const choice of it.choices ?? []) if (choice.finish_reason === null) delete choice.finish_reason },
  },
  'no-finish': {
    says: 'the stream ends properly but never gives a finish reason',
    each: (it) => { for (const choice of it.choices ?? []) choice.finish_reason = null }
  },
  'finish-twice': {
    says: 'the finish reason is sent twice (OpenRouter with MiniMax)',
    stream: (chunks) => chunks.flatMap((chunk) => (finishOf(chunk) ? [chunk, structuredClone(chunk)] : [chunk])),
  },
  'content-after-finish': {
    says: 'the last piece of text comes after the finish reason',
    stream: (chunks) => {
      const at = chunks.findLastIndex((chunk) => messages(chunk)[0]?.content)
      const late = at < 0 ? [] : chunks.splice(at, 1)
      return chunks.flatMap((chunk) => (finishOf(chunk) ? [chunk, ...late.splice(0)] : [chunk]))
    },
  },
  'index-missing': { says: 'tool calls have no index', each: onCalls((call) => { delete call.index }) },
  'index-from-1': {
    says: 'tool calls are counted from 1 (bridges from Anthropic)',
    each: onCalls((call) => { if ('index' in call) call.index += 1 })
  },
  'index-all-0': {
    says: 'all parallel calls have index 0 (Ollama)', each: onCalls((call) => { if ('index' in call) call.index = 0 })
  },
  'no-tool-id': { says: 'tool calls have no id (Ollama, SGLang)', each: onCalls((call) => { delete call.id }) },
  'empty-tool-id': { says: 'tool calls have an empty id (TGI)', each: onCalls((call) => { call.id = '' }) },
  'empty-name-later': {
    says: 'later fragments repeat the name as "" (GLM)',
    each: onCalls((call) => { if (call.function) call.function.name ??= '' })
  },
  'no-tool-type': { says: 'tool calls have no type (Mistral)', each: onCalls((call) => { delete call.type }) },
  'no-content-key': {
    says: 'no content key where there is no content (Mistral)',
    each: onMessages((message) => { if (!message.content) delete message.content })
  },
  'whole-call': { says: 'each call in a single delta (xAI, Groq, Cerebras)', stream: wholeCalls },
  'object-arguments': {
    says: 'arguments are an object, in a single delta (Ollama)', stream: wholeCalls, each: setArguments(parsed)
  },
  'null-arguments': {
    says: 'arguments are null, in a single delta: means {} (Cohere)', stream: wholeCalls, each: setArguments(() => null)
  },
  'empty-arguments': {
    says: 'arguments are "", in a single delta: means {}', stream: wholeCalls, each: setArguments(() => '')
  },
  'cumulative-arguments': {
    says: 'every fragment repeats the arguments from their beginning',
    stream: (chunks) => { eachFragment(chunks, (fn, soFar) => { fn.arguments = soFar }); return chunks },
  },
  'arguments-repeated': {
    says: 'after the fragments one more with the whole arguments',
    stream: (chunks) => {
      const whole = wholeCalls(structuredClone(chunks)).filter((chunk) => calls(chunk).length)
      return chunks.flatMap((chunk) => (finishOf(chunk) ? [...whole.splice(0), chunk] : [chunk]))
    },
  },
  'reasoning-content': { says: 'reasoning as reasoning_content (DeepSeek, SGLang, older vLLM)' },
  reasoning: { says: 'reasoning as reasoning (Groq, Cerebras, vLLM)' },
  'reasoning-details': { says: 'reasoning as reasoning and typed reasoning_details, the signature apart (OpenRouter)' },
  'think-tags': { says: 'reasoning inside <think> in the content, tags cut between chunks (MiniMax, LM Studio)' },
  'think-unopened': { says: 'the content starts inside a thought; only </think> appears' },
  'content-chunks': { says: 'content as a list of thinking and text chunks; later deltas are plain text (Mistral)' },
  'created-ms': { says: 'created in milliseconds', each: (it) => { it.created *= 1000 } },
  'created-text': { says: 'created as text', each: (it) => { it.created = String(it.created) } },
  'extra-keys': {
    says: 'keys that nobody documented (vLLM, SGLang, Groq, llama.cpp)',
    each: (it) => {
      Object.assign(it, { prompt_token_ids: null, timings: { cache_n: 0, prompt_ms: 1.5 } })
      for (const choice of it.choices ?? []) {
        Object.assign(choice, { stop_reason: null, token_ids: null, matched_stop: 128009 })
      }
      for (const message of messages(it)) message.channel = 'final'
    },
  },
  'error-in-200': {
    says: 'an error object with status 200, as the whole body or as the first event',
    stream: () => [{ error: upstreamError }],
    whole: () => ({ error: upstreamError }),
  },
  'error-chunk': {
    says: 'a chunk with an error beside an empty delta where the finish was due (OpenRouter)',
    stream: (chunks) => {
      const at = chunks.findIndex(finishOf)
      const choice = {
        index: 0, delta: { role: 'assistant', content: '' }, finish_reason: 'error', native_finish_reason: null
      }
      return [
        ...chunks.slice(0, at),
        { ...chunks[at], choices: [choice], error: { code: 502, message: 'Provider disconnected.' } }
      ]
    },
  },
} satisfies Record<string, ChatDeviation>
export type ChatShape = keyof typeof CHAT_SHAPES

const chosen = (shapes: ReadonlySet<string>): ChatDeviation[] =>
  Object.entries(CHAT_SHAPES).flatMap(([name, shape]) => (shapes.has(name) ? [shape] : []))

/** Rearranges first and edits after: an edit such as `no-tool-id` removes what the rearranging goes by. */
export function reshapeStream(chunks: Loose[], shapes: ReadonlySet<string>): Loose[] {
  const found = chosen(shapes)
  const arranged = found.reduce((sum, shape) => shape.stream?.(sum) ?? sum, chunks)
  for (const chunk of arranged) for (const shape of found) shape.each?.(chunk)
  return arranged
}

export function reshapeWhole(answer: Loose, shapes: ReadonlySet<string>): Loose {
  const found = chosen(shapes)
  for (const shape of found) shape.each?.(answer)
  return found.reduce((sum, shape) => shape.whole?.(sum) ?? sum, answer)
}

type Thought = Extract<Part, { type: 'reasoning' | 'sealed' }>
const FORMAT = { format: 'anthropic-claude-v1', index: 0 }

/** OpenAI itself counts its reasoning and never shows it; without one of the shapes nothing is shown. */
export function reasoningDeltas(part: Thought, shapes: ReadonlySet<string>): Loose[] {
  if (part.type === 'sealed') {
    return shapes.has('reasoning-details') ? [{ reasoning_details: [sealedDetail(part.data)] }] : []
  }
  const pieces = wordsOf(part.text)
  if (shapes.has('reasoning-details')) {
    const texts = pieces.map((text) => ({
      reasoning: text, reasoning_details: [{ type: 'reasoning.text', text, ...FORMAT }]
    }))
    return part.signature
      ? [...texts, { reasoning_details: [{ type: 'reasoning.text', signature: part.signature, ...FORMAT }] }]
      : texts
  }
  if (shapes.has('think-tags')) {
    return ['<thi', 'nk>\n', ...pieces, '\n</th', 'ink>\n\n'].map((content) => ({ content }))
  }
  if (shapes.has('think-unopened')) return [...pieces, '\n</think>\n\n'].map((content) => ({ content }))
  if (shapes.has('content-chunks')) {
    return pieces.map((text) => ({ content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] }))
  }
  const key = shapes.has('reasoning-content') ? 'reasoning_content' : shapes.has('reasoning') ? 'reasoning' : undefined
  return key ? pieces.map((text) => ({ [key]: text })) : []
}

/** The same for a whole message, in place. */
export function reasoningMessage(message: Loose, parts: readonly Part[], shapes: ReadonlySet<string>): void {
  const thoughts = parts.filter((part) => part.type === 'reasoning' || part.type === 'sealed')
  const text = thoughts.map((part) => (part.type === 'reasoning' ? joined(part.text) : '')).join('')
  if (shapes.has('reasoning-details')) {
    message.reasoning_details = thoughts.map((part) => (part.type === 'sealed' ? sealedDetail(part.data)
      : { type: 'reasoning.text', text: joined(part.text), signature: part.signature, ...FORMAT }))
  }
  if (!text) return
  const content = message.content ?? ''
  if (shapes.has('reasoning-details') || shapes.has('reasoning')) message.reasoning = text
  if (shapes.has('reasoning-content')) message.reasoning_content = text
  if (shapes.has('think-tags')) message.content = `<think>\n${text}\n</think>\n\n${content}`
  if (shapes.has('think-unopened')) message.content = `${text}\n</think>\n\n${content}`
  if (shapes.has('content-chunks')) {
    message.content = [
      { type: 'thinking', thinking: [{ type: 'text', text }] }, ...(content ? [{ type: 'text', text: content }] : [])
    ]
  }
}

const sealedDetail = (data: string) => ({ type: 'reasoning.encrypted', data, ...FORMAT })
