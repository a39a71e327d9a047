import {
  fault, type Fault, type MediaPart, type Part, type ReasoningPart, type ToolCallPart, type ToolResultPart,
} from '../../core/index.ts'
import { isJson } from '../json.ts'
import { wireId, wireName } from './names.ts'
import {
  DIALECT, isLoose, SEAL_FORMAT, textOf,
  type Block, type CacheControl, type DocumentBlock, type ImageBlock, type RedactedBlock, type Source, type TextBlock,
  type ThinkingBlock, type ToolResultBlock, type ToolUseBlock,
} from './wire.ts'

/** Blocks, or why they cannot be written. */
export type Written<B> = { readonly blocks: B[] } | { readonly fault: Fault }

/** The wire's mark of a part, if it has one. */
export function markOf(part: Pick<Part, 'cache'>): { cache_control: CacheControl } | null {
  if (!part.cache) return null
  return { cache_control: part.cache.ttl ? { type: 'ephemeral', ttl: part.cache.ttl } : { type: 'ephemeral' } }
}

/** Blank text is refused everywhere, so it becomes nothing. */
export function textBlocks(text: string, mark: { cache_control: CacheControl } | null): TextBlock[] {
  return text.trim() === '' ? [] : [{ type: 'text', text, ...mark }]
}

/**
 * Reasoning as it was sealed: signature and text belong together, and nothing may be trimmed. What another family
 * sealed is a 400 here and is left out; so is what nobody sealed, except for hosts that want it back all the same.
 */
export function reasoningBlocks(part: ReasoningPart, replaysUnsealed: boolean): (ThinkingBlock | RedactedBlock)[] {
  const { seal } = part
  if (seal?.format === SEAL_FORMAT && seal.value !== '') {
    return seal.kind === 'encrypted'
      ? [{ type: 'redacted_thinking', data: seal.value }]
      : [{ type: 'thinking', thinking: part.text, signature: seal.value }]
  }
  return replaysUnsealed && part.text.trim() !== '' ? [{ type: 'thinking', thinking: part.text, signature: '' }] : []
}

/** A call of the history. The text of its arguments is kept; where it is no object it goes in as the text that it is. */
export function callBlock(part: ToolCallPart, id: string): ToolUseBlock {
  const input = part.form === 'custom' ? JSON.stringify({ input: part.input }) : objectText(part.input)
  return { type: 'tool_use', id, name: wireName(part.name, part.form), input, ...markOf(part) }
}

/** `input` has to be an object: `""` and `null` are `{}`, and what a model garbled stays readable. */
function objectText(input: string): string {
  const text = input.trim()
  if (text === '' || text === 'null') return '{}'
  if (text.startsWith('{') && isJson(text)) return text
  return JSON.stringify({ input })
}

/** A media part that cannot be sent; the plan rarely lets one come so far. */
const cannotSend = (what: string): { fault: Fault } =>
  ({ fault: fault('invalid-request', `messages: ${what}`, { field: 'messages' }) })

const IMAGE_TYPES: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg', 'image/pjpeg': 'image/jpeg' }
const TEXT_TYPE = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript|toml|sql)\b|[^;]+\+(json|xml)\b)/

/** Images and documents: base64, addresses and file ids; a file of text goes as text. Audio and video have no block. */
export function mediaBlocks(part: MediaPart): Written<ImageBlock | DocumentBlock> {
  const { source } = part
  if (part.kind !== 'image' && part.kind !== 'file') {
    return cannotSend(`this provider takes no ${part.kind}: send text, images, PDF or text files`)
  }
  const mark = markOf(part)
  const title = part.name === undefined || part.name.trim() === '' ? null : { title: part.name }
  if (source.from === 'data') {
    const mime = source.mime.toLowerCase()
    if (source.base64 === '') return { blocks: [] }
    if (part.kind === 'image' || mime.startsWith('image/')) {
      return image({ type: 'base64', media_type: IMAGE_TYPES[mime] ?? mime, data: source.base64 })
    }
    if (mime === 'application/pdf') return document({ type: 'base64', media_type: mime, data: source.base64 })
    if (!TEXT_TYPE.test(mime)) {
      return cannotSend(`a file of type ${JSON.stringify(mime.slice(0, 64))} cannot be read by this provider: send PDF or text`)
    }
    const text = Buffer.from(source.base64, 'base64').toString('utf8')
    return text.trim() === '' ? { blocks: [] } : document({ type: 'text', media_type: 'text/plain', data: text })
  }
  const from: Source = source.from === 'url' ? { type: 'url', url: source.url } : { type: 'file', file_id: source.id }
  return part.kind === 'image' ? image(from) : document(from)

  function image(from: Source): Written<ImageBlock> {
    return { blocks: [{ type: 'image', source: from, ...mark }] }
  }
  function document(from: Source): Written<DocumentBlock> {
    return { blocks: [{ type: 'document', source: from, ...title, ...mark }] }
  }
}

const FAILED = 'The tool failed and said nothing.'

/**
 * A tool's result. An empty one is fine unless it failed; a mark inside becomes the mark of the result. One plain
 * text is written as a string, the form that every host of this format takes.
 */
export function resultBlock(part: ToolResultPart, id: string): { readonly block: ToolResultBlock } | { readonly fault: Fault } {
  const inner = resultContent(part.content)
  if ('fault' in inner) return inner
  let mark = markOf(part)
  for (const block of inner.blocks) {
    if (!block.cache_control) continue
    mark ??= { cache_control: block.cache_control }
    delete block.cache_control
  }
  if (inner.blocks.length === 0 && part.failed) inner.blocks.push({ type: 'text', text: FAILED })
  const only = inner.blocks.length === 1 ? inner.blocks[0]! : null
  const content = only?.type === 'text' ? only.text : inner.blocks
  return {
    block: {
      type: 'tool_result', tool_use_id: id,
      ...(content.length > 0 && { content }),
      ...(part.failed && { is_error: true }),
      ...mark,
    },
  }
}

/** The content of a result, for its block, or for the plain message that a result without its call becomes. */
export function resultContent(parts: readonly Part[]): Written<TextBlock | ImageBlock | DocumentBlock> {
  const blocks: (TextBlock | ImageBlock | DocumentBlock)[] = []
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'refusal') blocks.push(...textBlocks(part.text, markOf(part)))
    else if (part.type === 'media') {
      const written = mediaBlocks(part)
      if ('fault' in written) return written
      blocks.push(...written.blocks)
    }
  }
  return { blocks }
}

/** An item of this format as it came: its value is copied only to take its mark into the books. */
export function nativeBlock(value: unknown): Block | null {
  if (!isLoose(value) || textOf(value['type']) === '') return null
  const { cache_control: mark, ...rest } = value
  return { type: 'native', value: rest, ...(isLoose(mark) && { cache_control: mark as unknown as CacheControl }) }
}

export const isOurs = (dialect: string): boolean => dialect === DIALECT

/** Gives each call of a conversation an id of its own; some hosts number the calls of every turn from 0. */
export function createCallIds(): { issue(id: string): string } {
  const used = new Set<string>()
  return {
    issue(id) {
      const first = wireId(id)
      let wire = first
      for (let n = 2; used.has(wire); n++) wire = `${first}_${n}`
      used.add(wire)
      return wire
    },
  }
}
