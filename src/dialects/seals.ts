import type { Seal } from '../core/index.ts'
import { parseUpstream } from './json.ts'
import { isObject } from './loose.ts'

/**
 * Seals on their way through a client whose format has an opaque place for one, which it keeps and sends back: what the
 * vendor of the format itself sealed stands there bare, and what another family sealed stands there with a label: whose
 * it is, the id of the reasoning, and the call or text that it belongs to where it is not the place's own.
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
  /** The reasoning itself, where it is not to be shown and must come back with its seal. */
  readonly hidden?: string
}

const LABEL = 'sealed.1.'

/** A label as the text that a client keeps. */
export function labelled({ seal, id, summary, format, call, ofText, hidden }: Sealed): string {
  const of = {
    f: seal?.format ?? format, k: seal?.kind, v: seal?.value, i: id, s: summary || undefined, c: call, t: ofText || undefined, x: hidden,
  }
  return LABEL + Buffer.from(JSON.stringify(of)).toString('base64url')
}

/** What a client sent back: a label, or null where it is the vendor's own seal. A label that was damaged is no seal at all. */
export function labelOf(text: string): Sealed | null {
  if (!text.startsWith(LABEL)) return null
  const parsed = parseUpstream(Buffer.from(text.slice(LABEL.length), 'base64url'))
  if ('fault' in parsed || !isObject(parsed.value)) return {}
  const { f: format, k: kind, v: value, i: id, s: summary, c: call, t: of, x: hidden } = parsed.value
  const sealed = typeof format === 'string' && typeof value === 'string' && (kind === 'signature' || kind === 'encrypted')
  return {
    ...(sealed && { seal: { format, kind, value } }),
    ...(!sealed && typeof format === 'string' && { format }),
    ...(typeof id === 'string' && { id }),
    ...(summary === true && { summary }),
    ...(typeof call === 'string' && { call }),
    ...(of === true && { ofText: true }),
    ...(typeof hidden === 'string' && { hidden }),
  }
}
