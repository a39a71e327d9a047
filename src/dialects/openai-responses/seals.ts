import type { Seal } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { isObject, type Loose } from './wire.ts'

/** What OpenAI seals is passed on as it is; it is what an item means that says no format. */
export const OWN_FORMAT = 'openai-responses-v1'

/**
 * A seal out of an item's `encrypted_content`. Clients of this format send back that one field of a reasoning item and
 * drop what they do not know, so everything that another family's seal needs is inside of it.
 */
export interface Opened {
  readonly seal: Seal
  /** The very text that was signed: a summary or a copy of it may have been cut by the client. */
  readonly text?: string
  readonly summary?: boolean
  /** The seal belongs to the text before it, or to the call of this id, and to no reasoning. */
  readonly on?: { readonly text: true } | { readonly call: string }
}

const PREFIX = 'sbx1.'

/** The `encrypted_content` that a seal is sent as. */
export function closed({ seal, text, summary, on }: Opened): string {
  if (seal.format === OWN_FORMAT && seal.kind === 'encrypted' && !on) return seal.value
  const envelope = {
    f: seal.format, k: seal.kind, v: seal.value,
    ...(seal.kind === 'signature' && text !== undefined && { t: text, ...(summary && { s: true }) }),
    ...(on && ('call' in on ? { c: on.call } : { o: 'text' })),
  }
  return PREFIX + Buffer.from(JSON.stringify(envelope)).toString('base64url')
}

/** The seal of a reasoning item that a caller sends, or null when it has none. `format` and `signature` are OpenRouter's. */
export function opened(item: Loose): Opened | null {
  const { encrypted_content: content, signature, format } = item
  if (typeof content === 'string' && content.startsWith(PREFIX)) {
    const read = readEnvelope(content)
    if (read) return read
  }
  if (typeof content === 'string' && content !== '') {
    return { seal: { format: typeof format === 'string' ? format : OWN_FORMAT, kind: 'encrypted', value: content } }
  }
  if (typeof signature !== 'string' || signature === '') return null
  return { seal: { format: typeof format === 'string' ? format : OWN_FORMAT, kind: 'signature', value: signature } }
}

function readEnvelope(content: string): Opened | null {
  const parsed = parseUpstream(Buffer.from(content.slice(PREFIX.length), 'base64url'))
  if ('fault' in parsed || !isObject(parsed.value)) return null
  const { f: format, k: kind, v: value, t: text, s: summary, c: call, o: on } = parsed.value
  if (typeof format !== 'string' || typeof value !== 'string' || (kind !== 'signature' && kind !== 'encrypted')) return null
  return {
    seal: { format, kind, value },
    ...(typeof text === 'string' && { text }), ...(summary === true && { summary: true }),
    ...(typeof call === 'string' ? { on: { call } } : on === 'text' ? { on: { text: true } } : null),
  }
}
