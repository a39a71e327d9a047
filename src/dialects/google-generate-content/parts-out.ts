import type { Annotation, FinishReason, JsonObject, MediaPart, ReplyPart, Seal } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { labelSignature, signatureOf } from './seal-out.ts'
import { DIALECT, isObject, SEAL_FORMAT } from './wire.ts'

/** The parts of a whole reply. Thoughts that are not to be shown leave their seal, with the thought in it. */
export function partsOf(parts: readonly ReplyPart[], thoughts: boolean): JsonObject[] {
  return parts.flatMap((part) => partOf(part, thoughts))
}

function partOf(part: ReplyPart, thoughts: boolean): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal': return part.text === '' && !part.seal ? [] : [{ text: part.text, ...sealed(part.seal) }]
    case 'reasoning': return thoughts ? shownThought(part.text, sealOf(part, '')) : hiddenThought(part, part.text)
    case 'tool-call': return [{ functionCall: callOf(part.id, part.name, part.form, part.input), ...sealed(part.seal) }]
    case 'media': return [{ ...mediaOf(part), ...sealed(part.seal) }]
    case 'audio': return [{ inlineData: { mimeType: 'audio/wav', data: part.base64 } }]
    case 'native': return part.dialect === DIALECT && isObject(part.value) ? [part.value] : []
    // No conversation has vectors or a ranking.
    case 'embeddings':
    case 'ranking':
    case 'tool-result': return []
  }
}

const sealed = (seal: Seal | undefined): { readonly thoughtSignature: string } | null => (seal ? { thoughtSignature: signatureOf(seal) } : null)

const shownThought = (text: string, signature: string | null): JsonObject[] =>
  (text === '' && signature === null ? [] : [{ text, thought: true, ...(signature !== null && { thoughtSignature: signature }) }])

export interface Thought {
  readonly seal?: Seal | undefined
  readonly id?: string
  readonly summary?: boolean
  readonly format?: string
}

/** What stands in the place of a thought that the caller did not ask to see: nothing, unless it has to come back. */
export function hiddenThought(thought: Thought, text: string): JsonObject[] {
  const signature = sealOf(thought, text)
  return signature === null ? [] : [{ text: '', thought: true, thoughtSignature: signature }]
}

/** The signature of a thought: Google's own bare, any other under a label, which `hidden` text goes into. */
export function sealOf({ seal, id, summary, format }: Thought, hidden: string): string | null {
  if (seal?.format === SEAL_FORMAT && id === undefined && hidden === '') return seal.value
  if (!seal && id === undefined) return null
  return labelSignature({ ...(seal && { seal }), ...(id !== undefined && { id }), ...(summary && { summary }), ...(format !== undefined && { format }), ...(hidden !== '' && { hidden }) })
}

/** A call with its arguments as the object that this format wants; text that is none is the input of one. */
export function callOf(id: string, name: string, form: 'function' | 'custom', input: string): JsonObject {
  if (form === 'custom') return { id, name, args: { input } }
  const parsed = parseUpstream(input.trim() === '' ? '{}' : input)
  const value = 'value' in parsed ? parsed.value ?? {} : input
  return { id, name, args: isObject(value) ? value : { input: value } }
}

function mediaOf({ source, kind }: MediaPart): JsonObject {
  if (source.from === 'data') return { inlineData: { mimeType: source.mime, data: source.base64 } }
  return { fileData: { mimeType: kind === 'file' ? 'application/octet-stream' : `${kind}/*`, fileUri: source.from === 'url' ? source.url : source.id } }
}

const WORDS: Readonly<Record<FinishReason, string>> = { stop: 'STOP', tool_calls: 'STOP', length: 'MAX_TOKENS', content_filter: 'SAFETY', error: 'OTHER' }
/** Google's own words, which say more than the common ones. */
const OWN = new Set([
  'RECITATION', 'LANGUAGE', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'MODEL_ARMOR', 'IMAGE_SAFETY', 'IMAGE_PROHIBITED_CONTENT', 'IMAGE_RECITATION',
  'MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'MISSING_THOUGHT_SIGNATURE', 'MALFORMED_RESPONSE', 'NO_IMAGE',
])

export const finishWord = (reason: FinishReason, native: string | undefined): string =>
  (native !== undefined && OWN.has(native) && (reason === 'content_filter' || reason === 'error') ? native : WORDS[reason])

/** Sources as grounding. Offsets are bytes of UTF-8 here; one that is not known is left out. */
export function groundingOf(annotations: readonly Annotation[], text: string): { readonly groundingMetadata: JsonObject } | null {
  const citations = annotations.filter((note) => note.type === 'citation')
  if (citations.length === 0) return null
  const bytes = (at: number): number => Buffer.byteLength(text.slice(0, at))
  return {
    groundingMetadata: {
      groundingChunks: citations.map(({ url, title }) => ({ web: { uri: url, ...(title !== undefined && { title }) } })),
      groundingSupports: citations.flatMap(({ start, end, content }, at) => (end === undefined || end === 0 ? [] : [{
        segment: { ...(start ? { startIndex: bytes(start) } : {}), endIndex: bytes(end), text: content ?? text.slice(start ?? 0, end) }, groundingChunkIndices: [at],
      }])),
    },
  }
}
