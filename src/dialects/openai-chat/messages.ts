import {
  fault, type Annotation, type CacheMark, type Fault, type Message, type Part, type Seal, type TextPart, type ToolCallPart,
} from '../../core/index.ts'
import { audioMime, sourceOf } from './media.ts'
import { readDetails } from './reasoning-details.ts'
import { given, type Loose } from './wire.ts'

/** Reads the messages of a checked body. Faults name the part: `messages[0].content[1].image_url.url`. */
export function readMessages(list: readonly Loose[]): { messages: Message[] } | { fault: Fault } {
  const messages: Message[] = []
  for (let at = 0; at < list.length; at++) {
    const message = list[at]!
    const { role, name } = message
    const read = readParts(message, at)
    if ('fault' in read) return read
    const parts = marked(read.parts, message)
    messages.push(typeof name === 'string' && role !== 'tool' ? { role, parts, name } : { role, parts })
  }
  return { messages }
}

type Read = { parts: Part[] } | { fault: Fault }

function readParts(message: Loose, at: number): Read {
  const { role, content } = message
  if (role === 'assistant') return readAssistant(message, `messages[${at}]`)
  if (role === 'tool') return readToolResult(message, `messages[${at}]`)
  // Plain text, as most messages are, has nothing in it that a fault could name.
  return typeof content === 'string' ? textOnly(content) : readContent(content, `messages[${at}].content`)
}

const textOnly = (text: string): { parts: Part[] } => ({ parts: [{ type: 'text', text }] })

function readContent(content: unknown, field: string): Read {
  if (typeof content === 'string') return textOnly(content)
  const parts: Part[] = []
  for (const [at, part] of ((content ?? []) as Loose[]).entries()) {
    const read = readPart(part, `${field}[${at}]`)
    if ('fault' in read) return read
    parts.push(read.part)
  }
  return { parts }
}

function readPart(part: Loose, field: string): { part: Part } | { fault: Fault } {
  const cache = cacheOf(part)
  const mark = cache && { cache }
  switch (part['type']) {
    case 'text': return { part: { type: 'text', text: part['text'], ...mark } }
    case 'refusal': return { part: { type: 'refusal', text: part['refusal'] } }
    case 'image_url': {
      const { url, detail } = part['image_url'] as Loose
      const found = sourceOf(url, `${field}.image_url.url`, 'image')
      return 'fault' in found ? found
        : { part: { type: 'media', kind: 'image', source: found.source, ...(given(detail) && { detail }), ...mark } }
    }
    case 'video_url': {
      const { url, processing } = part['video_url'] as Loose
      const found = sourceOf(url, `${field}.video_url.url`, 'video')
      return 'fault' in found ? found
        : { part: { type: 'media', kind: 'video', source: found.source, ...(given(processing) && { detail: processing }), ...mark } }
    }
    case 'input_audio': {
      const { data, format } = part['input_audio'] as Loose
      if (/^(data|https?|file):/i.test(data)) return bad(`${field}.input_audio.data`, 'must be plain base64, neither an address nor a data URL')
      return { part: { type: 'media', kind: 'audio', source: { from: 'data', base64: data, mime: audioMime(format) }, detail: format, ...mark } }
    }
    case 'file': return readFile(part['file'], `${field}.file`, mark)
    default: return bad(`${field}.type`, `is not a part that is known here: ${JSON.stringify(part['type'])}`)
  }
}

function readFile(file: Loose, field: string, mark: { cache: CacheMark } | undefined): { part: Part } | { fault: Fault } {
  const name = typeof file['filename'] === 'string' ? { name: file['filename'] } : null
  if (typeof file['file_id'] === 'string' && file['file_id'] !== '') {
    return { part: { type: 'media', kind: 'file', source: { from: 'id', id: file['file_id'] }, ...name, ...mark } }
  }
  if (typeof file['file_data'] !== 'string') return bad(field, 'needs file_data (an http(s) address or a data URL) or file_id')
  const found = sourceOf(file['file_data'], `${field}.file_data`, 'file')
  return 'fault' in found ? found : { part: { type: 'media', kind: 'file', source: found.source, ...name, ...mark } }
}

/** An assistant message: reasoning first, then text, images and audio, then tool calls: the order of replies. */
function readAssistant(message: Loose, field: string): Read {
  const calls = (message['tool_calls'] ?? []) as Loose[]
  const details = (message['reasoning_details'] ?? []) as Loose[]
  const { parts, seals } = readDetails(details, new Set(calls.map((call) => String(call['id']))))
  const plain = message['reasoning'] ?? message['reasoning_content']
  if (details.length === 0 && typeof plain === 'string' && plain !== '') parts.push({ type: 'reasoning', text: plain })

  const content = readContent(message['content'], `${field}.content`)
  if ('fault' in content) return content
  // An empty text beside calls, reasoning or a refusal is how many clients write "no text".
  const more = calls.length > 0 || parts.length > 0 || Boolean(message['refusal']) || Boolean(message['images']) || Boolean(message['audio'])
  if (more && content.parts.length === 1 && isEmptyText(content.parts[0]!)) content.parts.pop()
  const annotations = ((message['annotations'] ?? []) as Loose[]).map(readAnnotation).filter((note) => note !== null)
  if (annotations.length > 0) attach(content.parts, annotations)
  parts.push(...content.parts)
  if (typeof message['refusal'] === 'string' && message['refusal'] !== '') parts.push({ type: 'refusal', text: message['refusal'] })

  for (const [at, image] of ((message['images'] ?? []) as Loose[]).entries()) {
    const read = readPart(image, `${field}.images[${at}]`)
    if ('fault' in read) return read
    parts.push(read.part)
  }
  if (message['audio']) parts.push({ type: 'media', kind: 'audio', source: { from: 'id', id: message['audio'].id } })
  for (const [at, call] of calls.entries()) {
    const read = readCall(call, `${field}.tool_calls[${at}]`, seals)
    if ('fault' in read) return read
    parts.push(read.call)
  }
  return { parts }
}

function readCall(call: Loose, field: string, seals: ReadonlyMap<string, Seal>): { call: ToolCallPart } | { fault: Fault } {
  const id = String(call['id'])
  const seal = seals.get(id) ?? googleSeal(call)
  const sealed = seal && { seal }
  if (call['custom'] && call['type'] !== 'function') {
    return { call: { type: 'tool-call', id, name: call['custom'].name, form: 'custom', input: call['custom'].input, ...sealed } }
  }
  if (!call['function']) return bad(`${field}.function`, 'is required: {"name", "arguments"}')
  return { call: { type: 'tool-call', id, name: call['function'].name, form: 'function', input: call['function'].arguments, ...sealed } }
}

/** Google's own OpenAI-style shape for the signature of a call, which its clients send back. */
function googleSeal(call: Loose): Seal | undefined {
  const value = call['extra_content']?.google?.thought_signature
  return typeof value === 'string' && value !== '' ? { format: 'google-gemini-v1', kind: 'encrypted', value } : undefined
}

function readToolResult(message: Loose, field: string): Read {
  const read = readContent(message['content'], `${field}.content`)
  if ('fault' in read) return read
  return {
    parts: [{
      type: 'tool-result', callId: message['tool_call_id'], content: read.parts,
      ...(typeof message['name'] === 'string' && { name: message['name'] }),
    }],
  }
}

function readAnnotation(note: Loose): Annotation | null {
  if (note['type'] === 'url_citation' && typeof note['url_citation']?.url === 'string') {
    const { url, title, content, start_index: start, end_index: end } = note['url_citation'] as Loose
    return {
      type: 'citation', url,
      ...(typeof title === 'string' && { title }), ...(typeof content === 'string' && { content }),
      ...(typeof start === 'number' && { start }), ...(typeof end === 'number' && { end }),
    }
  }
  if (note['type'] === 'file' && typeof note['file']?.hash === 'string') {
    const { hash, name, content } = note['file'] as Loose
    return { type: 'file', hash, ...(typeof name === 'string' && { name }), content: Array.isArray(content) ? content : [] }
  }
  return null
}

/** Annotations belong to the text of the reply; a reply without text gets an empty one to hold them. */
function attach(parts: Part[], annotations: readonly Annotation[]): void {
  const at = parts.findIndex((part) => part.type === 'text')
  if (at < 0) parts.unshift({ type: 'text', text: '', annotations })
  else parts[at] = { ...(parts[at] as TextPart), annotations }
}

/** A mark on the message itself, as some clients write it for plain text: it stands after the last part. */
function marked(parts: Part[], message: Loose): Part[] {
  const cache = cacheOf(message)
  const last = parts.at(-1)
  if (cache && last && !last.cache) parts[parts.length - 1] = { ...last, cache }
  return parts
}

/** `cache_control` (Anthropic's word) or `prompt_cache_breakpoint` (OpenAI's) of a part, a message or a tool. */
export function cacheOf(at: Loose): CacheMark | undefined {
  const control = at['cache_control']
  if (control) return control.ttl ? { ttl: control.ttl } : {}
  return at['prompt_cache_breakpoint'] ? {} : undefined
}

const isEmptyText = (part: Part): boolean => part.type === 'text' && part.text === '' && !part.cache

const bad = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
