import { createHash } from 'node:crypto'
import { fault, type CacheMark, type Fault, type MediaPart, type Part, type ReasoningPart, type ToolCallPart } from '../../core/index.ts'
import { argumentsOf } from '../tool-list.ts'
import { wireName } from '../tool-names.ts'
import { NO_RESULT, type Answered } from '../turns.ts'
import { Verbatim } from '../verbatim.ts'
import type { Traits } from './families.ts'
import { CLAUDE_FORMAT, OWN_FORMAT, type Block, type CachePoint } from './wire.ts'

export type Written = { readonly blocks: Block[] } | { readonly fault: Fault }

/** Blank text is a 400 anywhere, so it becomes nothing. */
export const textBlocks = (text: string): Block[] => (text.trim() === '' ? [] : [{ text }])

export const cachePoint = ({ ttl }: CacheMark): CachePoint => ({ cachePoint: { type: 'default', ...(ttl && { ttl }) } })

/** Names of documents have to be unique, and a name that the model could read as an order should not be there at all. */
export class Documents {
  private count = 0
  next(): string {
    return `document-${++this.count}`
  }
}

const IMAGES: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpeg', 'image/jpg': 'jpeg', 'image/gif': 'gif', 'image/webp': 'webp' }
const VIDEOS: Readonly<Record<string, string>> = {
  'video/mp4': 'mp4', 'video/quicktime': 'mov', 'video/x-matroska': 'mkv', 'video/webm': 'webm', 'video/x-flv': 'flv', 'video/mpeg': 'mpeg',
  'video/x-ms-wmv': 'wmv', 'video/3gpp': 'three_gp',
}
const DOCUMENTS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf', 'text/csv': 'csv', 'application/msword': 'doc', 'text/html': 'html', 'text/plain': 'txt', 'text/markdown': 'md',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx', 'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
}

/** Media as bytes, or a place in S3; what has no block is refused by its field. */
export function mediaBlock(part: MediaPart, field: string, documents: Documents): { readonly block: Block } | { readonly fault: Fault } {
  const { kind, source } = part
  const formats = kind === 'image' ? IMAGES : kind === 'video' ? VIDEOS : kind === 'file' ? DOCUMENTS : null
  if (!formats || source.from !== 'data') return refused(field, `is ${formats ? 'not inline' : 'audio'}, and this provider takes images, videos and documents as data`)
  const mime = source.mime.toLowerCase().split(';')[0]!.trim()
  const format = formats[mime] ?? (kind === 'file' ? formatOfText(mime) : undefined)
  if (format === undefined) return refused(field, `is of the type ${JSON.stringify(mime.slice(0, 64))}; this provider takes ${Object.values(formats).join(', ')}`)
  const bytes = { bytes: source.base64 }
  if (kind === 'image') return { block: { image: { format, source: bytes } } }
  if (kind === 'video') return { block: { video: { format, source: bytes } } }
  return { block: { document: { format, name: documents.next(), source: bytes } } }
}

const formatOfText = (mime: string): string | undefined => (/^(text\/|application\/(json|xml|yaml|x-yaml|javascript))/.test(mime) ? 'txt' : undefined)

/** Reasoning goes back only with what sealed it, and only what Claude or Bedrock sealed. */
export function reasoningBlocks(part: ReasoningPart, traits: Traits): Block[] {
  const { seal } = part
  if (!seal || seal.value === '') return []
  if (seal.kind === 'encrypted') return seal.format === OWN_FORMAT ? [{ reasoningContent: { redactedContent: seal.value } }] : []
  if (seal.format !== (traits.family === 'anthropic' ? CLAUDE_FORMAT : OWN_FORMAT)) return []
  return [{ reasoningContent: { reasoningText: { text: part.text, signature: seal.value } } }]
}

export function callBlock(part: ToolCallPart, traits: Traits): Block {
  return { toolUse: { toolUseId: wireId(part.id, traits), name: wireName(part.name, part.form), input: new Verbatim(argumentsOf(part)) } }
}

/** The result of a call. Blank text is refused where it failed, and taken where it did not. */
export function resultBlock({ call, result, field }: Answered, traits: Traits, documents: Documents): { readonly block: Block } | { readonly fault: Fault } {
  const failed = result === undefined || result.failed === true
  const content: Block[] = []
  for (const part of result?.content ?? []) {
    if (part.type === 'media') {
      const written = mediaBlock(part, field, documents)
      if ('fault' in written) return written
      content.push(written.block)
    } else content.push(...textBlocks(textOf(part)))
  }
  if (content.length === 0) content.push({ text: failed ? NO_RESULT : '' })
  else if (failed && !traits.resultStatus) content.unshift({ text: 'Error:' })
  return { block: { toolResult: { toolUseId: wireId(call.id, traits), content, ...(failed && traits.resultStatus && { status: 'error' as const }) } } }
}

export const textOf = (part: Part): string => (part.type === 'text' || part.type === 'refusal' ? part.text : '')

const ID = /^[a-zA-Z0-9_-]{1,64}$/
const NINE = /^[a-zA-Z0-9]{9}$/

/** An id as the family takes it. The same id always becomes the same one, so calls and results still meet. */
function wireId(id: string, traits: Traits): string {
  if (traits.nineIds) return NINE.test(id) ? id : hashed(id).replace(/[^a-zA-Z0-9]/g, '0').slice(0, 9)
  return ID.test(id) ? id : `call_${hashed(id).slice(0, 24)}`
}

const hashed = (id: string): string => createHash('sha256').update(id).digest('hex')

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
