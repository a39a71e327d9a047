import type { ReasoningPart } from '../../core/index.ts'
import { labelled } from '../seals.ts'
import { SEAL_FORMAT } from './wire.ts'

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
