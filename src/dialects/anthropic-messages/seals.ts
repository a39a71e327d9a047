import type { ReasoningPart, Seal } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { isLoose, SEAL_FORMAT } from './wire.ts'

/**
 * Seals on their way through a client of this format. It keeps `signature` and `data` as they are and sends them back,
 * so what Anthropic itself sealed stands there bare, and what another family sealed stands there with a label: whose
 * it is, the id of the reasoning, and the call or text that it belongs to where it is not the block's own.
 */
export interface Sealed {
  readonly seal?: Seal
  readonly id?: string
  readonly summary?: boolean
  /** Whose the reasoning is, where nobody sealed it. */
  readonly format?: string
  /** The seal belongs to the call with this id. */
  readonly call?: string
  /** The seal belongs to the text that stands before it. */
  readonly ofText?: boolean
}

const LABEL = 'sealed.1.'

/** A label as the text that a client keeps. */
export function labelled({ seal, id, summary, format, call, ofText }: Sealed): string {
  const of = {
    f: seal?.format ?? format, k: seal?.kind, v: seal?.value, i: id, s: summary || undefined, c: call, t: ofText || undefined,
  }
  return LABEL + Buffer.from(JSON.stringify(of)).toString('base64url')
}

/** What a client sent back: a label, or null where it is Anthropic's own seal. A label that was damaged is no seal at all. */
export function labelOf(text: string): Sealed | null {
  if (!text.startsWith(LABEL)) return null
  const parsed = parseUpstream(Buffer.from(text.slice(LABEL.length), 'base64url'))
  if ('fault' in parsed || !isLoose(parsed.value)) return {}
  const { f: format, k: kind, v: value, i: id, s: summary, c: call, t: of } = parsed.value
  const sealed = typeof format === 'string' && typeof value === 'string' && (kind === 'signature' || kind === 'encrypted')
  return {
    ...(sealed && { seal: { format, kind, value } }),
    ...(!sealed && typeof format === 'string' && { format }),
    ...(typeof id === 'string' && { id }),
    ...(summary === true && { summary }),
    ...(typeof call === 'string' && { call }),
    ...(of === true && { ofText: true }),
  }
}

/** Whether reasoning can stand in a block of this format without a label. */
export function isPlain({ seal, id, summary, format, text }: Pick<ReasoningPart, 'seal' | 'id' | 'summary' | 'format' | 'text'>): boolean {
  if (id !== undefined || summary) return false
  if (!seal) return format === undefined || format === SEAL_FORMAT || format === 'unknown'
  return seal.format === SEAL_FORMAT && (seal.kind === 'signature' || text === '')
}

/** Reasoning as a block: what is sealed and says nothing is `redacted_thinking`, all else `thinking`. */
export function blockOf(part: Pick<ReasoningPart, 'seal' | 'id' | 'summary' | 'format' | 'text'>):
  { readonly type: 'thinking'; readonly thinking: string; readonly signature: string } | { readonly type: 'redacted_thinking'; readonly data: string } {
  const { seal, text } = part
  const plain = isPlain(part)
  const value = plain ? seal?.value ?? '' : labelled(part)
  const silent = text === '' && (plain ? seal?.kind === 'encrypted' : true)
  return silent ? { type: 'redacted_thinking', data: value } : { type: 'thinking', thinking: text, signature: value }
}
