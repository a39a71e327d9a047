import {
  fault, type Annotation, type CacheMark, type Fault, type MediaPart, type Message, type Part, type ReasoningPart, type TextPart,
} from '../../core/index.ts'
import { audioMime, sourceOf } from '../openai-chat/media.ts'
import { joined } from './namespaces.ts'
import { APPLY_PATCH } from './patch-call.ts'
import { opened } from './seals.ts'
import { useOfItem } from './server-tools.ts'
import { DIALECT, given, type Loose } from './wire.ts'

/**
 * Reads a checked `input` as messages. Items have no turns: what the assistant said, thought and called between two
 * other messages is one message. Faults name the part: `input[0].content[1].image_url`.
 */
export function readInput(input: string | readonly Loose[]): { messages: Message[] } | { fault: Fault } {
  if (typeof input === 'string') return { messages: [{ role: 'user', parts: [{ type: 'text', text: input }] }] }
  const messages: Message[] = []
  let turn: Part[] | null = null
  const said = (): Part[] => {
    if (turn) return turn
    turn = []
    messages.push({ role: 'assistant', parts: turn })
    return turn
  }
  for (const [at, item] of input.entries()) {
    const field = `input[${at}]`
    switch (item['type'] ?? 'message') {
      case 'message': {
        const read = readContent(item['content'], `${field}.content`, typeof item['phase'] === 'string' ? item['phase'] : undefined)
        if ('fault' in read) return read
        if (item['role'] === 'assistant') {
          const parts = said()
          for (const part of read.parts) if (part.type !== 'text' || part.text !== '' || part.cache) parts.push(part)
        } else {
          turn = null
          messages.push({ role: item['role'], parts: read.parts })
        }
        break
      }
      case 'reasoning': readReasoning(item, said()); break
      case 'function_call':
        said().push({ type: 'tool-call', id: item['call_id'], name: joined(item['namespace'], item['name']), form: 'function', input: item['arguments'] })
        break
      case 'custom_tool_call':
        said().push({ type: 'tool-call', id: item['call_id'], name: joined(item['namespace'], item['name']), form: 'custom', input: item['input'] })
        break
      case 'apply_patch_call':
        said().push({ type: 'tool-call', id: item['call_id'], name: APPLY_PATCH, form: 'function', input: JSON.stringify(item['operation']) })
        break
      case 'apply_patch_call_output': {
        const failed = item['status'] === 'failed'
        const text: string = item['output'] || (failed ? 'Error: the patch could not be applied.' : 'The patch was applied.')
        turn = null
        messages.push({ role: 'tool', parts: [{ type: 'tool-result', callId: item['call_id'], content: [{ type: 'text', text }], ...(failed && { failed }) }] })
        break
      }
      case 'function_call_output':
      case 'custom_tool_call_output': {
        const read = readContent(item['output'], `${field}.output`)
        if ('fault' in read) return read
        turn = null
        const content = item['output'] === '' ? [] : read.parts
        messages.push({ role: 'tool', parts: [{ type: 'tool-result', callId: item['call_id'], content }] })
        break
      }
      case 'item_reference':
        return bad(`${field}.id`, `is an item that was not kept here: ${JSON.stringify(item['id'])}. Send the item itself`)
      default: said().push(useOfItem(item) ?? { type: 'native', dialect: DIALECT, value: item })
    }
  }
  return { messages: messages.filter(({ role, parts }) => role !== 'assistant' || parts.length > 0) }
}

/** The parts of a reasoning item: one for each summary and text. What is only a seal goes to what it seals. */
function readReasoning(item: Loose, parts: Part[]): void {
  const sealed = opened(item)
  if (sealed?.on) {
    const { on, seal } = sealed
    const at = parts.findLastIndex((part) => ('call' in on ? part.type === 'tool-call' && part.id === on.call : part.type === 'text'))
    if (at >= 0) parts[at] = { ...parts[at]!, seal }
    return
  }
  const base = {
    ...(typeof item['id'] === 'string' && item['id'] !== '' && { id: item['id'] }),
    ...(!sealed && typeof item['format'] === 'string' && { format: item['format'] }),
  }
  const found: ReasoningPart[] = sealed?.text !== undefined
    ? [{ type: 'reasoning', ...base, text: sealed.text, ...(sealed.summary && { summary: true }) }]
    : [
      ...((item['summary'] ?? []) as Loose[]).map((it): ReasoningPart => ({ type: 'reasoning', ...base, text: it['text'], summary: true })),
      ...((item['content'] ?? []) as Loose[]).map((it): ReasoningPart => ({ type: 'reasoning', ...base, text: it['text'] })),
    ]
  if (found.length === 0 && sealed) found.push({ type: 'reasoning', ...base, text: '' })
  const last = found.pop()
  if (last) parts.push(...found, sealed ? { ...last, seal: sealed.seal } : last)
}

type Read = { parts: Part[] } | { fault: Fault }

function readContent(content: unknown, field: string, phase?: string): Read {
  const told = phase !== undefined && { phase }
  if (typeof content === 'string') return { parts: [{ type: 'text', text: content, ...told }] }
  const parts: Part[] = []
  for (const [at, part] of (content as Loose[]).entries()) {
    const read = readPart(part, `${field}[${at}]`)
    if ('fault' in read) return read
    parts.push(read.part.type === 'text' && told ? { ...read.part, ...told } : read.part)
  }
  return { parts }
}

function readPart(part: Loose, field: string): { part: Part } | { fault: Fault } {
  const cache = cacheOf(part)
  const mark = cache && { cache }
  switch (part['type']) {
    case 'refusal': return { part: { type: 'refusal', text: part['refusal'] } }
    case 'input_image': return readImage(part, field, mark)
    case 'input_file': return readFile(part, field, mark)
    case 'input_video': {
      const found = sourceOf(part['video_url'], `${field}.video_url`, 'video')
      return 'fault' in found ? found : { part: { type: 'media', kind: 'video', source: found.source, ...mark } }
    }
    case 'input_audio': {
      const { data, format } = part['input_audio'] as Loose
      if (/^(data|https?|file):/i.test(data)) return bad(`${field}.input_audio.data`, 'must be plain base64, neither an address nor a data URL')
      return { part: { type: 'media', kind: 'audio', source: { from: 'data', base64: data, mime: audioMime(format) }, detail: format, ...mark } }
    }
    default: return { part: readText(part, mark) }
  }
}

type Mark = { readonly cache: CacheMark } | undefined

function readText(part: Loose, mark: Mark): TextPart {
  const annotations = ((part['annotations'] ?? []) as Loose[]).map(citationOf).filter((note) => note !== null)
  return { type: 'text', text: part['text'], ...mark, ...(annotations.length > 0 && { annotations }) }
}

function readImage(part: Loose, field: string, mark: Mark): { part: MediaPart } | { fault: Fault } {
  const rest = { ...(given(part['detail']) && { detail: part['detail'] as string }), ...mark }
  if (given(part['file_id'])) return { part: { type: 'media', kind: 'image', source: { from: 'id', id: part['file_id'] }, ...rest } }
  if (!given(part['image_url'])) return bad(field, 'needs image_url (an http(s) address or a data URL) or file_id')
  const found = sourceOf(part['image_url'], `${field}.image_url`, 'image')
  return 'fault' in found ? found : { part: { type: 'media', kind: 'image', source: found.source, ...rest } }
}

function readFile(part: Loose, field: string, mark: Mark): { part: MediaPart } | { fault: Fault } {
  const rest = { ...(given(part['filename']) && { name: part['filename'] as string }), ...mark }
  if (given(part['file_id'])) return { part: { type: 'media', kind: 'file', source: { from: 'id', id: part['file_id'] }, ...rest } }
  const key = given(part['file_url']) ? 'file_url' : 'file_data'
  if (!given(part[key])) return bad(field, 'needs file_url (an http(s) address), file_data (a data URL) or file_id')
  const found = sourceOf(part[key], `${field}.${key}`, 'file')
  return 'fault' in found ? found : { part: { type: 'media', kind: 'file', source: found.source, ...rest } }
}

/** A citation of a page; those of files in OpenAI's own store mean nothing elsewhere. */
export function citationOf(note: Loose): Annotation | null {
  if (note['type'] !== 'url_citation' || typeof note['url'] !== 'string') return null
  const { url, title, content, start_index: start, end_index: end } = note
  return {
    type: 'citation', url,
    ...(typeof title === 'string' && { title }), ...(typeof content === 'string' && { content }),
    ...(typeof start === 'number' && { start }), ...(typeof end === 'number' && { end }),
  }
}

/** `cache_control` (OpenRouter's) or `prompt_cache_breakpoint` (OpenAI's) of a part or a tool. */
export function cacheOf(at: Loose): CacheMark | undefined {
  const control = at['cache_control']
  if (control) return control.ttl ? { ttl: control.ttl } : {}
  return at['prompt_cache_breakpoint'] ? {} : undefined
}

const bad = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
