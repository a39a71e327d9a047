import type {
  ChatRequest, JsonObject, MediaPart, Message, OutputFormat, Part, TextPart, Tool, ToolCallPart, ToolChoice, ToolResultPart,
} from '../../core/index.ts'
import { writeAnnotations } from './annotations.ts'
import { audioFormat, urlOf } from './media.ts'
import { allDetails, reasoningText } from './reasoning-details.ts'
import type { Loose } from './wire.ts'

/** What this wire format has no word for; it is lost or changes its form, and the laws except exactly this. */
export const CANNOT: readonly string[] = [
  'interleaved-parts: an assistant message is its reasoning, then its text, its refusal, its media, then its calls',
  'several-results: each result of a tool is a message of its own',
  'text.seal: becomes a reasoning detail of its own',
  'media.seal',
  'call.cache',
  'call.seal.signature: the seal of a call is told as encrypted',
  'result.failed',
  'result.media: goes into a user message behind the results',
  'native-parts: items of other dialects',
  'empty-message: a message or result without parts has an empty text',
  'text.annotations: all stand on the first text of an assistant message, and nowhere else',
  'assistant-media: images, and an audio by its id',
  'media.id: only files have ids',
  'audio.mime: follows from its format',
  'router-fields: user, session, metadata and serviceTier are written from the target',
]

/** A part that cannot be sent at all, or null: the id of a picture in another store means nothing here. */
export function unsendable(messages: readonly Message[]): MediaPart | null {
  for (const message of messages) {
    for (const part of message.parts) {
      const all = part.type === 'tool-result' ? part.content : [part]
      const found = all.find((it): it is MediaPart => it.type === 'media' && it.source.from === 'id' && it.kind !== 'file' && !(it.kind === 'audio' && message.role === 'assistant'))
      if (found) return found
    }
  }
  return null
}

/** A canonical request as a body of this format, in OpenAI's plain form; what an endpoint wants otherwise comes later. */
export function writeBody(request: ChatRequest): Record<string, unknown> {
  const tools = request.tools?.map(writeTool).filter((tool) => tool !== null)
  return {
    messages: writeMessages(request.messages),
    ...(tools && tools.length > 0 && { tools }),
    ...(request.toolChoice !== undefined && { tool_choice: writeToolChoice(request.toolChoice, request.tools) }),
    ...(request.parallelToolCalls !== undefined && { parallel_tool_calls: request.parallelToolCalls }),
    ...(request.format && { response_format: writeFormat(request.format) }),
    ...(request.stop && { stop: request.stop }),
    ...request.sampling,
    ...(request.seed !== undefined && { seed: request.seed }),
    ...(request.logitBias && { logit_bias: request.logitBias }),
    ...(request.logprobs !== undefined && { logprobs: request.logprobs }),
    ...(request.topLogprobs !== undefined && { top_logprobs: request.topLogprobs }),
    ...(request.choices !== undefined && { n: request.choices }),
    ...(request.modalities && { modalities: request.modalities }),
    ...(request.audio && { audio: request.audio }),
    ...(request.imageConfig && { image_config: request.imageConfig }),
    ...(request.prediction && { prediction: request.prediction }),
    ...(request.verbosity !== undefined && { verbosity: request.verbosity }),
    ...(request.cacheKey !== undefined && { prompt_cache_key: request.cacheKey }),
    ...(request.extrasFrom === undefined && request.extras),
  }
}

export function writeMessages(messages: readonly Message[]): Loose[] {
  const out: Loose[] = []
  /** Media of tool results, which only a user message can hold; it goes behind the last result of the run. */
  let media: MediaPart[] = []
  const flush = (): void => {
    if (media.length > 0) out.push({ role: 'user', content: media.map(writePart) })
    media = []
  }
  for (const message of messages) {
    const results = message.parts.filter((part): part is ToolResultPart => part.type === 'tool-result')
    const rest = message.parts.filter((part) => part.type !== 'tool-result')
    if (results.length === 0) flush()
    for (const result of results) {
      const kept = result.content.filter((part) => part.type !== 'media')
      media.push(...result.content.filter((part): part is MediaPart => part.type === 'media'))
      out.push({
        role: 'tool', tool_call_id: result.callId, content: writeContent(kept),
        ...(result.name !== undefined && { name: result.name }), ...mark(result),
      })
    }
    if (rest.length === 0 && results.length > 0) continue
    if (results.length > 0) flush()
    const named = message.name !== undefined && { name: message.name }
    if (message.role === 'assistant') out.push({ role: 'assistant', ...writeAssistant(rest), ...named })
    else out.push({ role: message.role === 'tool' ? 'user' : message.role, content: writeContent(rest), ...named })
  }
  flush()
  return out
}

/** Plain text as a string, everything else as parts. */
function writeContent(parts: readonly Part[]): unknown {
  const written = parts.filter((part) => part.type === 'text' || part.type === 'media' || part.type === 'refusal')
  const [only] = written
  if (written.length === 0) return ''
  if (written.length === 1 && only?.type === 'text' && !only.cache) return only.text
  return written.map(writePart)
}

function writePart(part: Part): Loose {
  switch (part.type) {
    case 'text': return { type: 'text', text: part.text, ...mark(part) }
    case 'refusal': return { type: 'refusal', refusal: part.text }
    case 'media': return { ...writeMedia(part), ...mark(part) }
    default: return { type: 'text', text: '' }
  }
}

function writeMedia(part: MediaPart): Loose {
  const { source } = part
  const detail = part.detail
  switch (part.kind) {
    case 'image': return { type: 'image_url', image_url: { url: urlOf(source), ...(detail !== undefined && { detail }) } }
    case 'video': return { type: 'video_url', video_url: { url: urlOf(source), ...(detail !== undefined && { processing: detail }) } }
    case 'audio': {
      const data = source.from === 'data' ? source.base64 : urlOf(source)
      return { type: 'input_audio', input_audio: { data, format: detail ?? (source.from === 'data' ? audioFormat(source.mime) : 'wav') } }
    }
    case 'file': {
      const filename = part.name !== undefined && { filename: part.name }
      return { type: 'file', file: source.from === 'id' ? { file_id: source.id, ...filename } : { file_data: urlOf(source), ...filename } }
    }
  }
}

function writeAssistant(parts: readonly Part[]): Loose {
  const said = parts.filter((part) => part.type === 'text' || (part.type === 'media' && part.kind === 'file'))
  const refusals = parts.filter((part) => part.type === 'refusal')
  const calls = parts.filter((part): part is ToolCallPart => part.type === 'tool-call')
  const images = parts.filter((part): part is MediaPart => part.type === 'media' && part.kind === 'image')
  const audio = parts.find((part): part is MediaPart => part.type === 'media' && part.kind === 'audio')
  const notes = writeAnnotations(parts.flatMap((part) => (part.type === 'text' ? (part as TextPart).annotations ?? [] : [])))
  const reasoning = reasoningText(parts)
  const details = allDetails(parts)
  return {
    content: said.length > 0 ? writeContent(said) : refusals.length > 0 || calls.length > 0 || images.length > 0 || audio ? null : '',
    ...(refusals.length > 0 && { refusal: refusals.map((part) => part.text).join('') }),
    ...(reasoning !== '' && { reasoning }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && { tool_calls: calls.map(writeCall) }),
    ...(images.length > 0 && { images: images.map(writePart) }),
    ...(audio?.source.from === 'id' && { audio: { id: audio.source.id } }),
    ...(notes.length > 0 && { annotations: notes }),
  }
}

/** A tool call of a message or a reply; its arguments stay the text that they are. */
export function writeCall(call: ToolCallPart): Loose {
  return call.form === 'custom'
    ? { id: call.id, type: 'custom', custom: { name: call.name, input: call.input } }
    : { id: call.id, type: 'function', function: { name: call.name, arguments: call.input } }
}

/** A tool; null for a server tool of another dialect, which has no word here. */
function writeTool(tool: Tool): JsonObject | null {
  switch (tool.type) {
    case 'function':
      return {
        type: 'function',
        function: {
          name: tool.name,
          ...(tool.description !== undefined && { description: tool.description }),
          ...(tool.parameters && { parameters: tool.parameters }),
          ...(tool.strict !== undefined && { strict: tool.strict }),
        },
        ...mark(tool),
      }
    case 'custom':
      return {
        type: 'custom',
        custom: {
          name: tool.name,
          ...(tool.description !== undefined && { description: tool.description }),
          ...(tool.format && { format: tool.format }),
        },
      }
    case 'native': return tool.dialect === 'openai-chat' ? tool.value : null
  }
}

function writeToolChoice(choice: ToolChoice, tools: readonly Tool[] | undefined): unknown {
  if (typeof choice === 'string') return choice
  const one = (name: string): JsonObject => {
    const tool = tools?.find((tool) => (tool.type === 'native' ? tool.value['type'] === name : tool.name === name))
    if (tool?.type === 'native') return { type: name }
    return tool?.type === 'custom' ? { type: 'custom', custom: { name } } : { type: 'function', function: { name } }
  }
  if ('tool' in choice) return one(choice.tool)
  return { type: 'allowed_tools', allowed_tools: { mode: choice.required ? 'required' : 'auto', tools: choice.allowed.map(one) } }
}

export function writeFormat(format: OutputFormat): JsonObject {
  switch (format.type) {
    case 'text': return { type: 'text' }
    case 'json': return { type: 'json_object' }
    case 'grammar': return { type: 'grammar', grammar: format.grammar }
    case 'python': return { type: 'python' }
    case 'schema':
      return {
        type: 'json_schema',
        json_schema: {
          name: format.name,
          ...(format.description !== undefined && { description: format.description }),
          schema: format.schema,
          ...(format.strict !== undefined && { strict: format.strict }),
        },
      }
  }
}

function mark(at: { readonly cache?: { readonly ttl?: '5m' | '1h' } }): Loose | null {
  return at.cache ? { cache_control: { type: 'ephemeral', ...at.cache } } : null
}
