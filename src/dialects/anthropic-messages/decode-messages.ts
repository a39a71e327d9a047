import { fault, type Annotation, type CacheMark, type Fault, type Message, type Part, type Seal } from '../../core/index.ts'
import { sourceOf } from '../openai-chat/media.ts'
import { labelOf } from '../seals.ts'
import { withUses } from './server-tools.ts'
import { DIALECT, isLoose, SEAL_FORMAT, textOf, type Loose } from './wire.ts'

type Read<T> = T | { readonly fault: Fault }

/** Reads `system` and `messages` of a checked body. Faults name the block: `messages[0].content[1].source.url`. */
export function readConversation(body: Loose): Read<{ readonly messages: Message[] }> {
  const messages: Message[] = []
  const { system } = body
  if (typeof system === 'string') {
    if (system !== '') messages.push({ role: 'system', parts: [{ type: 'text', text: system }] })
  } else if (Array.isArray(system) && system.length > 0) {
    messages.push({ role: 'system', parts: (system as Loose[]).map((block): Part => ({ type: 'text', text: textOf(block['text']), ...markIn(block) })) })
  }
  for (const [at, message] of (body['messages'] as Loose[]).entries()) {
    const read = readMessage(message, `messages[${at}]`)
    if ('fault' in read) return read
    messages.push(...read.messages)
  }
  return { messages }
}

/** A user's message that holds results of tools is two: the results, and what the user says beside them. */
function readMessage({ role, content }: Loose, field: string): Read<{ readonly messages: Message[] }> {
  const said = role as Message['role']
  if (typeof content === 'string') return { messages: [{ role: said, parts: [{ type: 'text', text: content }] }] }
  const results: Part[] = []
  const parts: Part[] = []
  const seals = new Map<string, Seal>()
  for (const [at, block] of (content as Loose[]).entries()) {
    const read = readBlock(block, `${field}.content[${at}]`)
    if ('fault' in read) return read
    if ('label' in read) {
      const { call, seal } = read.label
      if (call !== undefined && seal) seals.set(call, seal)
      else if (seal) sealText(parts, seal)
    } else for (const part of read.parts) (part.type === 'tool-result' ? results : parts).push(part)
  }
  if (seals.size > 0) {
    for (const [at, part] of parts.entries()) {
      const seal = part.type === 'tool-call' ? seals.get(part.id) : undefined
      if (seal) parts[at] = { ...part, seal }
    }
  }
  const messages: Message[] = []
  if (results.length > 0) messages.push({ role: 'tool', parts: results })
  if (parts.length > 0 || results.length === 0) messages.push({ role: said, parts: said === 'assistant' ? withUses(parts) : parts })
  return { messages }
}

/** A seal of text stands behind it; where the text is gone, it is a sealed text of nothing. */
function sealText(parts: Part[], seal: Seal): void {
  const last = parts.at(-1)
  if (last?.type === 'text' && !last.seal) parts[parts.length - 1] = { ...last, seal }
  else parts.push({ type: 'text', text: '', seal })
}

type Block = Read<{ readonly parts: readonly Part[] } | { readonly label: { readonly call?: string; readonly seal?: Seal } }>

function readBlock(block: Loose, field: string): Block {
  switch (block['type']) {
    case 'text': return one({ type: 'text', text: textOf(block['text']), ...notesOf(block['citations']), ...markIn(block) })
    case 'image':
    case 'document': return readMedia(block, field)
    case 'search_result': return one({ type: 'text', text: searchText(block), ...markIn(block) })
    case 'thinking': return readThinking(textOf(block['thinking']), textOf(block['signature']))
    case 'redacted_thinking': return readRedacted(textOf(block['data']))
    case 'tool_use':
      return one({
        type: 'tool-call', id: textOf(block['id']), name: textOf(block['name']), form: 'function', input: JSON.stringify(block['input']), ...markIn(block),
      })
    case 'tool_result': return readResult(block, field)
    default: return one({ type: 'native', dialect: DIALECT, value: block })
  }
}

const one = (part: Part): { readonly parts: readonly Part[] } => ({ parts: [part] })

function readThinking(text: string, signature: string): Block {
  const label = labelOf(signature)
  if (label) {
    const { id, summary, seal, format } = label
    return one({
      type: 'reasoning', text, ...(id !== undefined && { id }), ...(summary && { summary }), ...(seal && { seal }), ...(!seal && format !== undefined && { format }),
    })
  }
  return one({ type: 'reasoning', text, ...(signature !== '' && { seal: { format: SEAL_FORMAT, kind: 'signature', value: signature } }) })
}

function readRedacted(data: string): Block {
  const label = labelOf(data)
  if (!label) return one({ type: 'reasoning', text: '', seal: { format: SEAL_FORMAT, kind: 'encrypted', value: data } })
  return label.call !== undefined || label.ofText ? { label } : readThinking('', data)
}

function readResult(block: Loose, field: string): Block {
  const content: Part[] = []
  const { content: given } = block
  if (typeof given === 'string') content.push({ type: 'text', text: given })
  else if (Array.isArray(given)) {
    for (const [at, inner] of (given as Loose[]).entries()) {
      const read = readBlock(inner, `${field}.content[${at}]`)
      if ('fault' in read) return read
      if ('parts' in read) content.push(...read.parts)
    }
  }
  return one({
    type: 'tool-result', callId: textOf(block['tool_use_id']), content, ...(block['is_error'] === true && { failed: true }), ...markIn(block),
  })
}

function readMedia(block: Loose, field: string): Block {
  const kind = block['type'] === 'image' ? 'image' as const : 'file' as const
  const source = block['source'] as Loose
  const rest = { ...(textOf(block['title']) !== '' && { name: textOf(block['title']) }), ...markIn(block) }
  const data = (mime: string, base64: string): Block => one({ type: 'media', kind, source: { from: 'data', mime, base64 }, ...rest })
  switch (source['type']) {
    case 'base64': return data(textOf(source['media_type']).toLowerCase(), textOf(source['data']))
    case 'file': return one({ type: 'media', kind, source: { from: 'id', id: textOf(source['file_id']) }, ...rest })
    case 'text': return data('text/plain', Buffer.from(textOf(source['data'])).toString('base64'))
    case 'content': return readContentDocument(source['content'], rest, field)
    default: {
      const found = sourceOf(textOf(source['url']), `${field}.source.url`, kind)
      if ('fault' in found) return found
      if (found.source.from !== 'url') return bad(`${field}.source.url`, 'must be an http(s) address; inline data goes into a source of type "base64"')
      return one({ type: 'media', kind, source: found.source, ...rest })
    }
  }
}

/** A document that was given in pieces: its texts are one text file, its images stand behind it. */
function readContentDocument(content: unknown, rest: { readonly name?: string; readonly cache?: CacheMark }, field: string): Block {
  if (typeof content === 'string') return textFile(content, rest)
  const texts: string[] = []
  const images: Part[] = []
  for (const [at, inner] of (content as Loose[]).entries()) {
    if (inner['type'] === 'text') texts.push(textOf(inner['text']))
    else if (inner['type'] === 'image' && isLoose(inner['source'])) {
      const read = readMedia(inner, `${field}.source.content[${at}]`)
      if ('fault' in read) return read
      if ('parts' in read) images.push(...read.parts)
    }
  }
  const file = textFile(texts.join('\n\n'), rest)
  return { parts: [...file.parts, ...images] }
}

const textFile = (text: string, rest: object) =>
  one({ type: 'media', kind: 'file', source: { from: 'data', mime: 'text/plain', base64: Buffer.from(text).toString('base64') }, ...rest })

/** A search result as the text that a model of another family reads. */
const searchText = ({ title, source, content }: Loose): string =>
  [textOf(title), textOf(source), ...(content as Loose[]).map((inner) => textOf(inner['text']))].join('\n')

/** Citations of an earlier reply. Those with an address every dialect can say; places in documents only this one. */
function notesOf(citations: unknown): { readonly annotations: readonly Annotation[] } | null {
  if (!Array.isArray(citations) || citations.length === 0) return null
  return { annotations: (citations as Loose[]).map(annotationOf) }
}

/** One citation of this format as an annotation. */
export function annotationOf(value: Loose): Annotation {
  const url = textOf(value['url']) || textOf(value['source'])
  const native = { dialect: DIALECT, value }
  if (url === '') return { type: 'native', ...native }
  return {
    type: 'citation', url, native,
    ...(textOf(value['title']) && { title: textOf(value['title']) }),
    ...(textOf(value['cited_text']) && { content: textOf(value['cited_text']) }),
  }
}

/** The cache mark of a block, a tool or the body, as the field that it becomes. */
export function markIn(at: Loose): { readonly cache: CacheMark } | null {
  const control = at['cache_control']
  if (!isLoose(control)) return null
  return { cache: control['ttl'] === '5m' || control['ttl'] === '1h' ? { ttl: control['ttl'] } : {} }
}

const bad = (field: string, what: string): { readonly fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
