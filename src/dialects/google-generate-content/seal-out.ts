import type { Seal } from '../../core/index.ts'
import { labelled, labelOf, type Sealed } from '../seals.ts'
import { SEAL_FORMAT } from './wire.ts'

/** How a label begins in base64: signatures are bytes here, and some clients decode them and write them anew. */
const LABEL = Buffer.from('sealed.1.').toString('base64')

/** A seal as the `thoughtSignature` of its part: Google's own bare, another family's under its label. */
export function signatureOf(seal: Seal): string {
  return seal.format === SEAL_FORMAT ? seal.value : labelSignature({ seal })
}

export const labelSignature = (sealed: Sealed): string => Buffer.from(labelled(sealed)).toString('base64')

/** What a signature is: a label of ours, or the bare seal of Google. */
export function sealedBy(signature: string): Sealed {
  if (!signature.startsWith(LABEL)) return { seal: { format: SEAL_FORMAT, kind: 'encrypted', value: signature } }
  return labelOf(Buffer.from(signature, 'base64').toString('utf8')) ?? {}
}
