import { SERVER_TOOL, useIn, type Part, type ReasoningPart, type Seal, type ServerToolUse } from '../../core/index.ts'
import { readUse } from '../server-tools.ts'
import type { Loose } from './wire.ts'

/**
 * OpenRouter's `reasoning_details`: the typed form of reasoning that callers keep and send back unchanged.
 * One part is one `index`: a `reasoning.text` (or `.summary`) with its signature, or with a `reasoning.encrypted`
 * beside it. What seals a tool call (Gemini's thought signature) is an encrypted entry with the id of the call.
 */

/** What OpenRouter assumes where a detail names no format. */
export const DEFAULT_FORMAT = 'anthropic-claude-v1'
const DIALECT = 'openai-chat'

/** Reads the details of a message, and the seals that belong to tool calls by their ids. */
export function readDetails(details: readonly Loose[], callIds: ReadonlySet<string>): { parts: Part[]; seals: Map<string, Seal> } {
  const parts: Part[] = []
  const seals = new Map<string, Seal>()
  const at = new Map<number, number>()
  for (const detail of details) {
    const format = String(detail['format'] ?? DEFAULT_FORMAT)
    const index = typeof detail['index'] === 'number' ? detail['index'] : undefined
    const known = index === undefined ? undefined : at.get(index)
    const place = known === undefined ? undefined : parts[known]
    const id = typeof detail['id'] === 'string' && detail['id'] !== '' ? detail['id'] : undefined
    if (detail['type'] === 'reasoning.encrypted' && typeof detail['data'] === 'string') {
      const seal: Seal = { format, kind: 'encrypted', value: detail['data'] }
      if (id !== undefined && callIds.has(id)) seals.set(id, seal)
      else if (place?.type === 'reasoning' && !place.seal) parts[known!] = { ...place, seal, ...(place.id === undefined && id !== undefined && { id }) }
      else add({ type: 'reasoning', text: '', seal, ...(id !== undefined && { id }) }, index)
    } else if (detail['type'] === 'reasoning.text' || detail['type'] === 'reasoning.summary') {
      const summary = detail['type'] === 'reasoning.summary'
      const text = String((summary ? detail['summary'] : detail['text']) ?? '')
      const seal: Seal | undefined = typeof detail['signature'] === 'string' && detail['signature'] !== ''
        ? { format, kind: 'signature', value: detail['signature'] } : undefined
      if (place?.type === 'reasoning' && Boolean(place.summary) === summary) {
        parts[known!] = { ...place, text: place.text + text, ...(seal && { seal }), ...(place.id === undefined && id !== undefined && { id }) }
      } else {
        add({ type: 'reasoning', text, ...(id !== undefined && { id }), ...(summary && { summary }), ...(seal && { seal }) }, index)
      }
    } else add({ type: 'native', ...nativeOf(detail) }, undefined)
  }
  return { parts, seals }

  function add(part: Part, index: number | undefined): void {
    if (index !== undefined) at.set(index, parts.length)
    parts.push(part)
  }
}

/** What a server tool did, which is the router's to read; any other detail stays what it is. */
function nativeOf(detail: Loose): { readonly dialect: string; readonly value: unknown } {
  const { type, id, tool_call_id: call, tool_name: name, arguments: input, result } = detail
  if (type !== 'reasoning.server_tool_call' || typeof input !== 'string' || typeof result !== 'string' || !String(name).startsWith('openrouter:')) return { dialect: DIALECT, value: detail }
  return { dialect: SERVER_TOOL, value: readUse(String(call ?? id), String(name).slice('openrouter:'.length), input, result) }
}

/** OpenRouter's entry for what a server tool did: a caller who hands it back has it before the model again. */
export function useEntry({ id, name, input, output }: ServerToolUse, index: number): Loose {
  return { type: 'reasoning.server_tool_call', id, tool_call_id: id, tool_name: `openrouter:${name}`, arguments: input, result: output, format: 'unknown', index }
}

/** The entries of one reasoning part at its index. */
export function detailsOf(part: ReasoningPart, index: number): Loose[] {
  const entries: Loose[] = []
  const { seal } = part
  const format = seal?.format ?? part.format ?? 'unknown'
  const base = { ...(part.id !== undefined && { id: part.id }), format, index }
  if (part.summary) entries.push({ type: 'reasoning.summary', summary: part.text, ...base })
  else if (part.text !== '' || seal?.kind !== 'encrypted') {
    entries.push({ type: 'reasoning.text', text: part.text, ...(seal?.kind === 'signature' && { signature: seal.value }), ...base })
  }
  if (seal && (seal.kind === 'encrypted' || part.summary)) entries.push(sealEntry(seal, part.id, index))
  return entries
}

/** The entry that carries the seal of reasoning by itself, behind its streamed text. */
export function sealEntry(seal: Seal, id: string | undefined, index: number): Loose {
  const base = { ...(id !== undefined && { id }), format: seal.format, index }
  return seal.kind === 'encrypted'
    ? { type: 'reasoning.encrypted', data: seal.value, ...base }
    : { type: 'reasoning.text', signature: seal.value, ...base }
}

/** The entry that seals a call (by its id) or a text: always of the encrypted kind, which readers look for there. */
export function callSealEntry(seal: Seal, id: string | undefined, index: number): Loose {
  return sealEntry({ ...seal, kind: 'encrypted' }, id, index)
}

/** All details of a list of parts: its reasoning, then the seals of its tool calls. Indices count up from 0. */
export function allDetails(parts: readonly Part[]): Loose[] {
  const entries: Loose[] = []
  let index = 0
  for (const part of parts) {
    const use = useIn(part)
    if (part.type === 'reasoning') entries.push(...detailsOf(part, index++))
    else if (use !== null) entries.push(useEntry(use, index++))
    else if (part.type === 'native' && part.dialect === DIALECT && isReasoning(part.value)) {
      entries.push(part.value as Loose)
      index++
    }
  }
  for (const part of parts) {
    if (part.type === 'tool-call' && part.seal) entries.push(callSealEntry(part.seal, part.id, index++))
    else if (part.type === 'text' && part.seal) entries.push(callSealEntry(part.seal, undefined, index++))
  }
  return entries
}

const isReasoning = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && String((value as Loose)['type']).startsWith('reasoning.')

/** The text of all reasoning parts, as the plain `reasoning` field has it. */
export function reasoningText(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'reasoning' ? part.text : '')).join('')
}
