import type {
  Annotation, ChatRequest, JsonObject, MediaPart, Message, OutputFormat, Part, ReasoningPart, Seal, Tool, ToolCallPart, ToolChoice, ToolResultPart,
} from '../../core/index.ts'
import { BREAKPOINT } from '../openai-chat/breakpoints.ts'
import { audioFormat, urlOf } from '../openai-chat/media.ts'
import { APPLY_PATCH, operationIn } from './patch-call.ts'
import type { Traits } from './traits.ts'
import { DIALECT, type Loose } from './wire.ts'

/** What this wire format has no word for, or no place that is safe to use; it is lost or changes its form. */
export const CANNOT: readonly string[] = [
  'adjacent-assistants: items have no turns, so that neighbouring messages of the assistant are one',
  'several-results: each result of a tool is an item of its own',
  'reasoning.sealed-elsewhere: reasoning that another family sealed, or nobody',
  'seals-of-parts: a text, a picture or a call carries no seal',
  'cache.life: a mark lives as long as the provider says',
  'cache.parts: what is marked is a part of what somebody sends; not a tool, not what the assistant said, and not the whole request',
  'names: of messages and results',
  'result.failed',
  'annotations: of earlier replies, but citations of pages',
  'assistant-media.all: what a model drew or said is not sent back',
  'audio.mime: follows from its format',
  'video',
  'native-parts: items of other dialects',
  'tool.strict: is always said, because it is true where it is not',
  'sampling: only temperature and top_p',
  'unspoken: stop, seed, logit_bias, n, modalities, audio, image_config, prediction, grammars of the answer, fields of other formats',
  'max_output_tokens: at least 16',
  'reasoning-wish: budgets and switches become an effort, and exclusion is done here',
  'router-fields: user, session, metadata and serviceTier are written from the target',
]

/** Parameters, in the names of `supported_parameters`, that no endpoint can honour in this format. */
export const UNSPOKEN: ReadonlySet<string> = new Set([
  'stop', 'seed', 'logit_bias', 'frequency_penalty', 'presence_penalty', 'repetition_penalty', 'top_k', 'min_p', 'top_a', 'prediction',
])

/** A part that cannot be sent at all, or null. */
export function unsendable(messages: readonly Message[]): MediaPart | null {
  for (const message of messages) {
    if (message.role === 'assistant') continue
    for (const part of message.parts) {
      const all = part.type === 'tool-result' ? part.content : [part]
      const found = all.find((it): it is MediaPart => it.type === 'media' && (it.kind === 'video' || (it.kind === 'audio' && it.source.from !== 'data')))
      if (found) return found
    }
  }
  return null
}

/** A canonical request as a body of this format; what an endpoint wants otherwise comes later. */
export function writeBody(request: ChatRequest, traits: Traits): Record<string, unknown> {
  const tools = request.tools?.map((tool) => writeTool(tool, traits)).filter((tool) => tool !== null)
  const patches = request.tools?.some((tool) => nativeIn(tool, traits)?.['type'] === APPLY_PATCH) === true
  const [first, ...rest] = request.messages
  const instructions = first?.role === 'system' && first.parts.length === 1 && first.parts[0]!.type === 'text' && !(first.parts[0]!.cache && traits.breakpoints) ? first.parts[0]!.text : undefined
  const format = request.format && writeFormat(request.format)
  return {
    ...(instructions !== undefined && { instructions }),
    input: writeItems(instructions === undefined ? request.messages : rest, traits, patches),
    ...(tools && tools.length > 0 && { tools }),
    ...(request.toolChoice !== undefined && { tool_choice: writeToolChoice(request.toolChoice, request.tools, traits) }),
    ...(request.parallelToolCalls !== undefined && { parallel_tool_calls: request.parallelToolCalls }),
    ...((format || request.verbosity !== undefined) && {
      text: { ...(format && { format }), ...(request.verbosity !== undefined && { verbosity: request.verbosity }) },
    }),
    ...(request.sampling.temperature !== undefined && { temperature: request.sampling.temperature }),
    ...(request.sampling.top_p !== undefined && { top_p: request.sampling.top_p }),
    ...(request.logprobs && { include: ['message.output_text.logprobs'] }),
    ...(request.topLogprobs !== undefined && { top_logprobs: request.topLogprobs }),
    ...(request.cacheKey !== undefined && { prompt_cache_key: request.cacheKey }),
    ...(request.extrasFrom === DIALECT && request.extras),
  }
}

/**
 * Messages as items, in their order: a thought before what it led to, a result behind its call. Calls of a patch are items
 * of their own only beside the tool.
 */
export function writeItems(messages: readonly Message[], traits: Traits, patches = false): Loose[] {
  const customs = new Set(messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' && part.form === 'custom' ? [part.id] : []))))
  const patched = new Set(patches ? messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' && operationIn(part) ? [part.id] : []))) : NONE)
  const items: Loose[] = []
  for (const message of messages) {
    if (message.role === 'assistant') {
      items.push(...writeTurn(message.parts, traits, patched))
      continue
    }
    const results = message.parts.filter((part): part is ToolResultPart => part.type === 'tool-result')
    for (const result of results) {
      if (patched.has(result.callId)) {
        items.push({ type: 'apply_patch_call_output', call_id: result.callId, status: result.failed ? 'failed' : 'completed', output: textOf(result.content) })
        continue
      }
      const type = customs.has(result.callId) ? 'custom_tool_call_output' : 'function_call_output'
      items.push({ type, call_id: result.callId, output: writeOutput(result, traits) })
    }
    const rest = message.parts.filter((part) => part.type !== 'tool-result')
    if (rest.length > 0 || results.length === 0) {
      items.push({ type: 'message', role: message.role === 'tool' ? 'user' : message.role, content: writeContent(rest, traits) })
    }
  }
  return items
}

/** What the assistant said, thought and called. Ids of items are left out: what is not kept there is not found there. */
function writeTurn(parts: readonly Part[], traits: Traits, patched: ReadonlySet<string>): Loose[] {
  const items: Loose[] = []
  let message: { type: 'message'; role: 'assistant'; content: Loose[]; phase?: string } | null = null
  for (const [at, part] of parts.entries()) {
    if (part.type === 'text' || part.type === 'refusal') {
      const phase = part.type === 'text' ? part.phase : undefined
      if (!message || message.phase !== phase) {
        message = { type: 'message', role: 'assistant', content: [], ...(phase !== undefined && { phase }) }
        items.push(message)
      }
      message.content.push(part.type === 'text' ? { type: 'output_text', text: part.text, annotations: (part.annotations ?? NONE).flatMap(writeCitation) } : { type: 'refusal', refusal: part.text })
      continue
    }
    const item = part.type === 'reasoning' ? writeThought(parts, at, traits) : part.type === 'tool-call' ? writeCall(part, patched)
      : part.type === 'native' && part.dialect === DIALECT ? part.value as Loose : null
    if (!item) continue
    message = null
    items.push(item)
  }
  return items
}

/** A citation of a page, with its place in the text; a file's note, or a place in a document, has no word that means anything here. */
function writeCitation(note: Annotation): Loose[] {
  if (note.type !== 'citation' || note.start === undefined || note.end === undefined) return []
  return [{ type: 'url_citation', url: note.url, title: note.title ?? '', start_index: note.start, end_index: note.end }]
}

const NONE: readonly never[] = Object.freeze([])

/** A reasoning item from all parts of one thought, written where the last of them stands; null for those before it. */
function writeThought(parts: readonly Part[], at: number, traits: Traits): Loose | null {
  const next = parts[at + 1]
  const last = parts[at] as ReasoningPart
  if (next?.type === 'reasoning' && belongs(last, next)) return null
  const all: ReasoningPart[] = [last]
  for (let before = at - 1; before >= 0; before--) {
    const part = parts[before]
    if (part?.type !== 'reasoning' || !belongs(part, all[0]!)) break
    all.unshift(part)
  }
  const encrypted = readable(last.seal, traits)
  if (encrypted === null && (last.seal || !traits.replaysUnsealed || last.text === '')) return null
  const content = all.filter((part) => !part.summary && part.text !== '').map(({ text }) => ({ type: 'reasoning_text', text }))
  return {
    type: 'reasoning',
    ...(last.id !== undefined && { id: last.id }),
    summary: all.filter((part) => part.summary).map(({ text }) => ({ type: 'summary_text', text })),
    ...(content.length > 0 && { content }),
    ...(encrypted !== null && { encrypted_content: encrypted }),
  }
}

/** Whether a part goes on with the thought of the part before it: the same id, nothing sealed between them, summaries first. */
const belongs = (before: ReasoningPart, part: ReasoningPart): boolean =>
  before.id !== undefined && before.id === part.id && !before.seal && (before.summary === true || part.summary !== true)

/** A ciphertext of the endpoint's own family; nobody else's is ever sent. */
const readable = (seal: Seal | undefined, { format }: Traits): string | null =>
  (seal?.kind === 'encrypted' && seal.format === format ? seal.value : null)

function writeCall(call: ToolCallPart, patched: ReadonlySet<string>): Loose {
  if (patched.has(call.id)) return { type: 'apply_patch_call', call_id: call.id, operation: operationIn(call), status: 'completed' }
  return call.form === 'custom'
    ? { type: 'custom_tool_call', call_id: call.id, name: call.name, input: call.input }
    : { type: 'function_call', call_id: call.id, name: call.name, arguments: call.input }
}

const textOf = (content: readonly Part[]): string => content.map((part) => ('text' in part ? part.text : '')).join('')

/** Plain text as a string, everything else as parts; nothing at all is an empty text. A mark of the result stands on its last part. */
function writeOutput({ content, cache }: ToolResultPart, traits: Traits): unknown {
  const [only] = content
  if (!only) return ''
  const own = traits.breakpoints && cache !== undefined
  if (content.length === 1 && only.type === 'text' && !own && !(traits.breakpoints && only.cache)) return only.text
  const parts = writeContent(content, traits)
  return own ? parts.map((part, at) => (at === parts.length - 1 ? marked(part) : part)) : parts
}

function writeContent(parts: readonly Part[], { breakpoints }: Traits): Loose[] {
  return parts.flatMap((part): Loose[] => {
    const written: Loose | null = part.type === 'text' || part.type === 'refusal' ? { type: 'input_text', text: part.text } : part.type === 'media' ? writeMedia(part) : null
    return written ? [breakpoints && part.cache ? marked(written) : written] : []
  })
}

/** A part with OpenAI's own mark behind it, where one may stand. */
export const marked = (part: Loose): Loose => (part['type'] === 'input_audio' ? part : { ...BREAKPOINT, ...part })

function writeMedia({ kind, source, name, detail }: MediaPart): Loose {
  if (kind === 'image') {
    const told = detail !== undefined && { detail }
    return source.from === 'id' ? { type: 'input_image', file_id: source.id, ...told } : { type: 'input_image', image_url: urlOf(source), ...told }
  }
  if (kind === 'audio') {
    const format = detail ?? (source.from === 'data' ? audioFormat(source.mime) : 'wav')
    return { type: 'input_audio', input_audio: { data: source.from === 'data' ? source.base64 : urlOf(source), format } }
  }
  const filename = name !== undefined && { filename: name }
  if (source.from === 'id') return { type: 'input_file', file_id: source.id, ...filename }
  return source.from === 'url' ? { type: 'input_file', file_url: source.url, ...filename } : { type: 'input_file', file_data: urlOf(source), ...filename }
}

/** A tool; null for a server tool of another dialect. `strict` is said: here a function without it is a strict one. */
function writeTool(tool: Tool, traits: Traits): JsonObject | null {
  const native = nativeIn(tool, traits)
  if (native) return native
  switch (tool.type) {
    case 'function':
      return {
        type: 'function', name: tool.name,
        ...(tool.description !== undefined && { description: tool.description }),
        parameters: tool.parameters ?? null,
        strict: tool.strict ?? false,
      }
    case 'custom':
      return {
        type: 'custom', name: tool.name,
        ...(tool.description !== undefined && { description: tool.description }),
        ...(tool.format && { format: flatFormat(tool.format) }),
      }
    case 'native': return tool.dialect === DIALECT ? tool.value : null
  }
}

/** OpenAI's own tool, in the place of a function that stands in for it, where the endpoint knows it. */
function nativeIn(tool: Tool, { knows }: Traits): JsonObject | null {
  const { instead } = tool.type === 'function' ? tool : {}
  return instead?.dialect === DIALECT && !instead.asWritten && knows(String(instead.value['type'])) ? instead.value : null
}

function flatFormat(format: JsonObject): JsonObject {
  const { grammar, ...rest } = format
  return typeof grammar === 'object' && grammar !== null ? { ...rest, ...grammar } : format
}

function writeToolChoice(choice: ToolChoice, tools: readonly Tool[] | undefined, traits: Traits): unknown {
  if (typeof choice === 'string') return choice
  const one = (name: string): JsonObject => {
    const tool = tools?.find((it) => (it.type === 'native' ? it.value['type'] === name : it.name === name))
    const native = tool && nativeIn(tool, traits)
    if (native) return { type: native['type'] }
    return tool?.type === 'native' ? { type: name } : { type: tool?.type ?? 'function', name }
  }
  if ('tool' in choice) return one(choice.tool)
  return { type: 'allowed_tools', mode: choice.required ? 'required' : 'auto', tools: choice.allowed.map(one) }
}

/** null for what the format cannot demand. */
function writeFormat(format: OutputFormat): JsonObject | null {
  switch (format.type) {
    case 'text': return { type: 'text' }
    case 'json': return { type: 'json_object' }
    case 'schema':
      return {
        type: 'json_schema', name: format.name,
        ...(format.description !== undefined && { description: format.description }),
        schema: format.schema,
        ...(format.strict !== undefined && { strict: format.strict }),
      }
    default: return null
  }
}

