import type { ChatRequest, Message, Part, SamplingName, TextPart, Tool, ToolResultPart } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { effortOf, thinkingOf } from '../reasoning.ts'

/**
 * What a wire format may lack, as the change that a request suffers on its way through it. A dialect names these in
 * its `cannot`; the laws make the change before they compare, so that everything else has to come back as it was.
 */
export const FEATURES: Readonly<Record<string, (request: ChatRequest) => ChatRequest>> = {
  'interleaved-parts': assistants((parts) => ORDER.flatMap((kind) => (kind === 'refusal' ? oneRefusal(parts) : parts.filter((part) => kindOf(part) === kind)))),
  'several-results': (request) => ({
    ...request,
    messages: request.messages.flatMap((message): Message[] => (message.role === 'tool' ? message.parts.map((part) => ({ ...message, parts: [part] })) : [message])),
  }),
  'text.seal': (request) => {
    const moved = assistants((parts) => {
      const seals = parts.flatMap((part): Part[] => (part.type === 'text' && part.seal ? [{ type: 'reasoning', text: '', seal: { ...part.seal, kind: 'encrypted' } }] : []))
      const after = parts.findLastIndex((part) => part.type === 'reasoning') + 1
      return [...parts.slice(0, after), ...seals, ...parts.slice(after)]
    })(request)
    return everyPart((part) => (part.type === 'text' ? [without(part, 'seal')] : [part]))(moved)
  },
  'media.seal': everyPart((part) => (part.type === 'media' ? [without(part, 'seal')] : [part])),
  'call.cache': everyPart((part) => (part.type === 'tool-call' ? [without(part, 'cache')] : [part])),
  'call.seal.signature': everyPart((part) => (part.type === 'tool-call' && part.seal ? [{ ...part, seal: { ...part.seal, kind: 'encrypted' } }] : [part])),
  'result.failed': results((part) => without(part, 'failed')),
  'result.media': mediaBehindResults,
  'native-parts': everyPart((part) => (part.type === 'native' ? [] : [part])),
  'text.annotations': (request) => {
    const told = everyPart((part) => (part.type === 'text' ? [without(part, 'annotations')] : [part]))(request)
    return {
      ...told,
      messages: told.messages.map((message, at) => {
        const notes = message.role === 'assistant' ? request.messages[at]!.parts.flatMap((part) => (part.type === 'text' ? part.annotations ?? [] : [])) : []
        const first = message.parts.findIndex((part) => part.type === 'text')
        return notes.length === 0 ? message : { ...message, parts: message.parts.map((part, i) => (i === first ? { ...part, annotations: notes } as Part : part)) }
      }),
    }
  },
  'assistant-media.all': assistants((parts) => parts.filter((part) => part.type !== 'media')),
  'assistant-media': assistants((parts) => parts.filter((part) => part.type !== 'media' || (part.kind === 'image' && part.source.from !== 'id'))),
  'media.id': everyPart((part) => (part.type === 'media' && part.source.from === 'id' && part.kind !== 'file' ? [] : [part])),
  'audio.mime': everyPart((part) => [part.type === 'media' && part.kind === 'audio' && part.source.from === 'data'
    ? { ...part, source: { ...part.source, mime: part.detail === 'mp3' ? 'audio/mpeg' : `audio/${part.detail}` } } : part]),
  'reasoning.sealed-elsewhere': assistants((parts) => parts.filter((part) => part.type !== 'reasoning' || (part.seal?.kind === 'encrypted' && part.seal.format === 'openai-responses-v1'))),
  'seals-of-parts': everyPart((part) => (part.type === 'reasoning' ? [part] : [without(part, 'seal')])),
  'cache.life': everyPart((part) => [part.cache ? { ...part, cache: {} } : part]),
  'cache.parts': ({ cache: _, ...request }) => {
    const tools = request.tools?.map((tool) => without(tool, 'cache'))
    const kept = (part: Part): Part => (isSound(part) ? without(part, 'cache') : part)
    return {
      ...request, ...(tools && { tools }),
      messages: request.messages.map((message) => ({
        ...message, parts: message.parts.map((part) => (message.role === 'assistant' ? without(part, 'cache') : part.type === 'tool-result' ? markInside(part) : kept(part))),
      })),
    }
  },
  names: (request) => results((part) => without(part, 'name'))({ ...request, messages: request.messages.map((message) => without(message, 'name')) }),
  annotations: (request) => ({
    ...request,
    messages: request.messages.map((message) => ({
      ...message, parts: message.parts.map((part) => (message.role === 'assistant' && part.type === 'text' ? citing(part) : uncited(part))),
    })),
  }),
  video: everyPart((part) => (part.type === 'media' && part.kind === 'video' ? [] : [part])),
  'tool.strict': (request) => (request.tools
    ? { ...request, tools: request.tools.map((tool) => (tool.type === 'function' ? { ...tool, strict: tool.strict ?? false } : tool)) } : request),
  sampling: (request) => ({
    ...request, sampling: Object.fromEntries(Object.entries(request.sampling).filter(([name]) => OF_ALL.has(name as SamplingName))),
  }),
  unspoken: ({ stop: _, seed: __, logitBias: ___, choices: ____, modalities: _____, audio: ______, imageConfig: _______, prediction: ________, ...request }) =>
    ({ ...(request.format?.type === 'grammar' || request.format?.type === 'python' ? without(request, 'format') : request), extras: {} }),
  'reasoning-wish': (request) => {
    const wish = thinkingOf(request.reasoning)
    const effort = wish && ('off' in wish ? 'none' as const : effortOf(wish, request.maxOutputTokens ?? 32_768))
    const summary = request.reasoning?.summary
    const rest = without(request, 'reasoning')
    return effort || summary ? { ...rest, reasoning: { ...(effort && { effort }), ...(summary && { summary }) } } : rest
  },
  'max_output_tokens': (request) => (request.maxOutputTokens === undefined ? request : { ...request, maxOutputTokens: Math.max(request.maxOutputTokens, 16) }),
  'router-fields': ({ user: _, session: __, metadata: ___, serviceTier: ____, ...request }) => request,
  'adjacent-assistants': (request) => {
    const messages: Message[] = []
    for (const message of request.messages) {
      const before = messages.at(-1)
      if (message.role === 'assistant' && before?.role === 'assistant') messages[messages.length - 1] = { ...before, parts: [...before.parts, ...message.parts] }
      else if (message.role !== 'assistant' || message.parts.length > 0) messages.push(message)
    }
    return { ...request, messages }
  },
  'empty-message': (request) => {
    const filled = results((part) => (part.content.length > 0 ? part : { ...part, content: [{ type: 'text', text: '' }] }))(request)
    return { ...filled, messages: filled.messages.map((message) => (message.parts.length > 0 ? message : { ...message, parts: [{ type: 'text', text: '' }] })) }
  },
  'audio-video': everyPart((part) => (part.type === 'media' && (part.kind === 'audio' || part.kind === 'video') ? [] : [part])),
  'media.detail': everyPart((part) => (part.type === 'media' ? [without(part, 'detail')] : [part])),
  'media.assistant': assistants((parts) => parts.filter((part) => part.type !== 'media')),
  'message.name': (request) => ({ ...request, messages: request.messages.map((message) => without(message, 'name')) }),
  'text.blank': (request) => {
    const told = everyPart((part) => (part.type === 'text' && part.text.trim() === '' ? [] : [part]))(request)
    return { ...told, ...(told.stop && { stop: told.stop.filter((text) => text.trim() !== '') }) }
  },
  'text.marks': everyPart((part) => (part.type === 'text' ? [without(without(part, 'seal'), 'annotations')] : [part])),
  'refusal.text': everyPart((part) => (part.type === 'refusal' ? (part.text.trim() === '' ? [] : [{ type: 'text', text: part.text }]) : [part])),
  'reasoning.foreign': everyPart((part) => (part.type !== 'reasoning' ? [part]
    : part.seal?.format !== 'anthropic-claude-v1' || part.summary || part.id !== undefined ? [] : [part])),
  'calls.custom': (request) => {
    const kept = request.tools?.filter((tool) => tool.type !== 'custom')
    const { tools: _, toolChoice: __, parallelToolCalls: ___, ...rest } = everyPart((part) => (part.type === 'tool-call' && part.form === 'custom' ? [] : [part]))(request)
    return kept?.length ? { ...rest, tools: kept, ...choiceAmong(request, kept) } : rest
  },
  'calls.seal': everyPart((part) => (part.type === 'tool-call' ? [without(part, 'seal')] : [part])),
  'calls.input': everyPart((part) => (part.type === 'tool-call' ? [{ ...part, input: compactObject(part.input) }] : [part])),
  'tools.schema': (request) => ({
    ...request,
    ...(request.tools && {
      tools: request.tools.map((tool) => (tool.type === 'function'
        ? { ...without(tool, 'strict'), parameters: tool.parameters ? { ...tool.parameters, type: 'object' } : { type: 'object', properties: {} } } : tool)),
    }),
  }),
  'media.loose': everyPart((part) => {
    if (part.type !== 'media') return [part]
    if (part.source.from === 'id') return []
    const bare = without(part, 'name')
    return [part.source.from === 'url' ? { ...bare, source: { from: 'url', url: 'https://example.com/media' } } : bare]
  }),
  'reasoning.google': everyPart((part) => {
    if (part.type !== 'reasoning') return [part]
    if (part.seal?.format !== 'google-gemini-v1' || part.text === '') return []
    return [{ type: 'reasoning', text: part.text, seal: { ...part.seal, kind: 'encrypted' } }]
  }),
  'turns': inTurns,
  'cache.four': fourMarks,
  'format.words': ({ format, ...request }) => (format?.type === 'schema'
    ? { ...request, format: { type: 'schema', name: 'answer', schema: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false } } } : request),
  'sampling.three': (request) => {
    const { temperature, top_p: topP, top_k: topK } = request.sampling
    const sampling = {
      ...(temperature !== undefined && { temperature: Math.min(temperature, 1) }), ...(topP !== undefined && { top_p: topP }), ...(topK && { top_k: topK }),
    }
    return { ...request, sampling: request.reasoning ? {} : sampling }
  },
  'limit.required': (request) => ({ ...request, maxOutputTokens: Math.min(Math.max(request.maxOutputTokens ?? 8192, 4096), 21_333) }),
  'reasoning.budget': ({ reasoning, ...request }) => {
    const forced = typeof request.toolChoice === 'object' || request.toolChoice === 'required'
    const off = reasoning?.enabled === false || reasoning?.effort === 'none' || reasoning?.maxTokens === 0
    const thinks = reasoning !== undefined && !off && !forced && !request.messages.some((message) => message.role === 'tool')
    return { ...request, ...(off ? { reasoning: { enabled: false } } : thinks && { reasoning: { maxTokens: 2048 } }) }
  },
  'tools.bare': (request) => ({
    ...request,
    ...(request.tools && {
      tools: request.tools.map((tool): Tool => {
        if (tool.type !== 'function') return tool
        const { strict: _, parameters, ...bare } = tool
        return parameters && Object.keys(parameters).length > 0 ? { ...bare, parameters } : bare
      }),
    }),
  }),
  'calls.unnamed': (request) => {
    const names = new Map(request.messages.flatMap((message) => message.parts.flatMap((part) => (part.type === 'tool-call' ? [[part.id, part.name] as const] : []))))
    return everyPart((part) => {
      if (part.type === 'tool-result') return [{ ...part, name: names.get(part.callId) ?? part.callId }]
      if (part.type !== 'tool-call') return [part]
      return [part.seal?.format === 'google-gemini-v1' ? { ...part, seal: { ...part.seal, kind: 'encrypted' } } : without(part, 'seal')]
    })(request)
  },
  'result.text': results((part) => {
    const text = part.content.flatMap((inner) => (inner.type === 'text' && inner.text !== '' ? [inner.text] : [])).join('\n')
    return { ...part, content: text === '' ? [] : [{ type: 'text', text }] }
  }),
  'text.joined': assistants((parts) => parts.reduce<Part[]>((list, part) => {
    const last = list.at(-1)
    if (last?.type === 'text' && part.type === 'text') list[list.length - 1] = { ...last, text: last.text + part.text }
    else list.push(part)
    return list
  }, [])),
  'cache': (request) => ({
    ...without(everyPart((part) => [without(part, 'cache')])(request), 'cache'), ...(request.tools && { tools: request.tools.map((tool) => without(tool, 'cache')) }),
  }),
  'config.google': ({ format, reasoning, seed, stop, logprobs, topLogprobs, choices, modalities, ...request }) => {
    const { repetition_penalty: _, min_p: __, top_a: ___, top_k: topK, ...sampling } = request.sampling
    const off = reasoning?.enabled === false || reasoning?.effort === 'none' || reasoning?.maxTokens === 0
    const plain = format?.type === 'schema' && Object.keys(format.schema).length > 0 ? { type: 'schema' as const, name: 'answer', schema: format.schema }
      : format?.type === 'schema' || format?.type === 'json' ? { type: 'json' as const } : undefined
    return {
      ...request, sampling: { ...sampling, ...(topK && { top_k: topK }) },
      ...(plain && !request.tools && { format: plain }),
      reasoning: off ? { enabled: false } : reasoning?.maxTokens ? { maxTokens: reasoning.maxTokens } : { enabled: true },
      ...(seed !== undefined && { seed: Number(BigInt.asIntN(32, BigInt(seed))) }),
      ...(stop && { stop: stop.slice(0, 5) }),
      ...(logprobs && { logprobs, ...(topLogprobs && { topLogprobs }) }),
      ...(choices !== undefined && choices > 1 && { choices }),
      ...(modalities && modalities.length > 1 && { modalities }),
    }
  },
  'tools': ({ tools: _, toolChoice: __, parallelToolCalls: ___, ...request }) =>
    everyPart((part) => (part.type === 'tool-call' || part.type === 'tool-result' ? [] : [part]))(request),
  'media': everyPart((part) => (part.type === 'media' ? [] : [part])),
  'reasoning': ({ reasoning: _, ...request }) => everyPart((part) => (part.type === 'reasoning' ? [] : [part]))(request),
  'response_format': ({ format: _, ...request }) => request,
  'n': ({ choices: _, ...request }) => request,
  'prediction': ({ prediction: _, ...request }) => request,
  'verbosity': ({ verbosity: _, ...request }) => request,
  'modalities': ({ modalities: _, audio: __, imageConfig: ___, ...request }) => request,
  'prompt_cache_key': ({ cacheKey: _, ...request }) => request,
  'logprobs.five': ({ logprobs, topLogprobs, ...request }) => ({ ...request, ...(logprobs && { logprobs, topLogprobs: Math.min(topLogprobs ?? 0, 5) }) }),
  'stop.four': ({ stop, ...request }) => ({ ...request, ...(stop && { stop: stop.slice(0, 4) }) }),
  'extras': (request) => ({ ...request, extras: {} }),
  'conversations': (request) => ({ ...request, messages: [{ role: 'user', parts: [{ type: 'text', text: textOf(request) }] }] }),
  'parallel_tool_calls': ({ parallelToolCalls: _, ...request }) => request,
  'no-such': ({ logitBias: _, prediction: __, verbosity: ___, audio: ____, imageConfig: _____, cacheKey: ______, ...request }) => ({ ...request, extras: {} }),
  'no-word': ({
    seed: _, logitBias: __, logprobs: ___, topLogprobs: ____, choices: _____, modalities: ______, audio: _a, imageConfig: _b, prediction: _c, cacheKey: _d, ...request
  }) => ({ ...request, extras: {} }),
}

/** All that was said, as one text. */
const textOf = ({ messages }: ChatRequest): string =>
  messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))).join('\n') || 'Once'

/** The choice among the tools that are left, as it can be said: no subset, and one call at a time only with a choice. */
function choiceAmong({ toolChoice, parallelToolCalls }: ChatRequest, tools: readonly Tool[]): Partial<ChatRequest> {
  const named = typeof toolChoice === 'object' ? ('tool' in toolChoice && tools.some((tool) => tool.type !== 'native' && tool.name === toolChoice.tool) ? toolChoice : undefined) : toolChoice
  const choice = named ?? (parallelToolCalls === undefined ? undefined : 'auto')
  return { ...(choice !== undefined && { toolChoice: choice }), ...(parallelToolCalls !== undefined && choice !== 'none' && { parallelToolCalls }) }
}

function compactObject(input: string): string {
  const parsed = parseUpstream(input)
  const value = 'value' in parsed ? parsed.value : null
  // Text that is no JSON goes as the input of an object.
  return JSON.stringify(typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { input })
}

/**
 * A conversation as formats want it that insist on turns: one system message at the start, then user and assistant by
 * turns, and behind each assistant's calls as many results. It ends with the user, and no assistant ends with a thought.
 */
function inTurns(request: ChatRequest): ChatRequest {
  const system = request.messages.flatMap((message) => (message.role === 'system' ? message.parts : []))
  const texts = (parts: readonly Part[]): Part[] => parts.filter((part) => part.type === 'text' || part.type === 'media')
  const said = request.messages.filter((message) => message.role === 'user').map((message) => texts(message.parts)).filter((parts) => parts.length > 0)
  const answers = request.messages.filter((message) => message.role === 'assistant').map((message) => trimmed(message.parts)).filter((parts) => parts.length > 0)
  const results = request.messages.flatMap((message) => message.parts.filter((part) => part.type === 'tool-result'))
  const messages: Message[] = system.length > 0 ? [{ role: 'system', parts: system }] : []
  let calls = 0
  const opening: readonly Part[] = [{ type: 'text', text: 'Begin' }]
  messages.push({ role: 'user', parts: said.shift() ?? opening })
  for (const parts of answers) {
    const asked = parts.map((part): Part => (part.type === 'tool-call' ? { ...part, id: `call_${calls++}` } : part))
    messages.push({ role: 'assistant', parts: asked })
    const answered = asked.flatMap((part): Part[] => (part.type === 'tool-call' ? [resultOf(part.id, results.shift())] : []))
    if (answered.length > 0) messages.push({ role: 'tool', parts: answered })
    messages.push({ role: 'user', parts: said.shift() ?? opening })
  }
  const declared = calls > 0 && !request.tools ? { tools: called(messages), toolChoice: 'none' as const } : null
  return { ...request, messages, ...declared }
}

/** A history with calls needs their tools declared, though none may be called. */
function called(messages: readonly Message[]): Tool[] {
  const names = new Set(messages.flatMap((message) => message.parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : []))))
  return [...names].map((name) => ({ type: 'function', name, parameters: { type: 'object', properties: {} } }))
}

function trimmed(parts: readonly Part[]): Part[] {
  const last = parts.findLastIndex((part) => part.type !== 'reasoning')
  return parts.slice(0, last + 1)
}

function resultOf(callId: string, given: ToolResultPart | undefined): ToolResultPart {
  const content = (given?.content ?? []).filter((part) => part.type === 'text' || part.type === 'media').map((part) => without(part, 'cache'))
  const failed = given?.failed === true && { failed: true }
  return { type: 'tool-result', callId, content: failed && content.length === 0 ? [{ type: 'text', text: 'It failed' }] : content, ...failed, ...(given?.cache && { cache: given.cache }) }
}

/** At most four marks, of one life, and none on what cannot have one. */
function fourMarks(request: ChatRequest): ChatRequest {
  let left = request.cache ? 3 : 4
  const mark = <T extends Tool | Part>(at: T): T => (!('cache' in at) || at.cache === undefined ? at : left-- > 0 ? { ...at, cache: {} } : without(at, 'cache'))
  const tools = request.tools?.map(mark)
  const messages = request.messages.map((message) => ({ ...message, parts: message.parts.map((part) => (part.type === 'reasoning' ? without(part, 'cache') : mark(part))) }))
  return { ...request, messages, ...(tools && { tools }), ...(request.cache && { cache: {} }) }
}

/** A request after everything that the list says it loses, in the order of the table. Names are what stands before the colon. */
export function suffer(request: ChatRequest, cannot: readonly string[]): ChatRequest {
  const names = cannot.map((entry) => entry.split(':')[0]!)
  const unknown = names.find((name) => !(name in FEATURES))
  if (unknown !== undefined) throw new Error(`the laws do not know what "${unknown}" means`)
  return Object.keys(FEATURES).filter((name) => names.includes(name)).reduce((it, name) => FEATURES[name]!(it), request)
}

/** Media of results stands in a user message behind the last result of a run. */
function mediaBehindResults(request: ChatRequest): ChatRequest {
  const messages: Message[] = []
  let media: Part[] = []
  const flush = (): void => {
    if (media.length > 0) messages.push({ role: 'user', parts: media })
    media = []
  }
  for (const message of request.messages) {
    if (message.role !== 'tool') flush()
    media.push(...message.parts.flatMap((part) => (part.type === 'tool-result' ? part.content.filter((inner) => inner.type === 'media') : [])))
    messages.push({
      ...message,
      parts: message.parts.map((part) => (part.type === 'tool-result' ? { ...part, content: part.content.filter((inner) => inner.type !== 'media') } : part)),
    })
  }
  flush()
  return { ...request, messages }
}

/** The sampling parameters that every format has. */
const OF_ALL: ReadonlySet<SamplingName> = new Set(['temperature', 'top_p'])

const ORDER = ['reasoning', 'text', 'refusal', 'media', 'tool-call', 'native', 'tool-result'] as const
const kindOf = (part: Part) => part.type

function oneRefusal(parts: readonly Part[]): Part[] {
  const text = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('')
  return text === '' ? [] : [{ type: 'refusal', text }]
}

function assistants(change: (parts: readonly Part[]) => readonly Part[]): (request: ChatRequest) => ChatRequest {
  return (request) => ({
    ...request, messages: request.messages.map((message) => (message.role === 'assistant' ? { ...message, parts: change(message.parts) } : message)),
  })
}

function everyPart(change: (part: Part) => readonly Part[]): (request: ChatRequest) => ChatRequest {
  const within = (parts: readonly Part[]): Part[] => parts.flatMap(change)
    .map((part) => (part.type === 'tool-result' ? { ...part, content: within(part.content) } : part))
  return (request) => ({ ...request, messages: request.messages.map((message) => ({ ...message, parts: within(message.parts) })) })
}

function results(change: (part: ToolResultPart) => ToolResultPart): (request: ChatRequest) => ChatRequest {
  return everyPart((part) => [part.type === 'tool-result' ? change(part) : part])
}

/** A text with those of its annotations that cite a page, each with its title and its place. */
function citing(text: TextPart): TextPart {
  const kept = (text.annotations ?? []).flatMap((note) => (note.type === 'citation' ? [{ ...without(note, 'content'), title: note.title ?? '' }] : []))
  return kept.length > 0 ? { ...text, annotations: kept } : without(text, 'annotations')
}

const uncited = (part: Part): Part => (part.type === 'tool-result' ? { ...part, content: part.content.map(uncited) } : part.type === 'text' ? without(part, 'annotations') : part)

/** A mark of a result is one of its last part. */
function markInside(result: ToolResultPart): ToolResultPart {
  const content = result.content.map((part, at): Part => (at === result.content.length - 1 && result.cache && !isSound(part) ? { ...part, cache: result.cache } : part))
  return { ...without(result, 'cache'), content }
}

const isSound = (part: Part): boolean => part.type === 'media' && part.kind === 'audio'

function without<T extends object>(from: T, key: string): T {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name !== key)) as T
}
