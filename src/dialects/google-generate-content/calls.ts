import type { Fault, Part, ToolCallPart, ToolResultPart } from '../../core/index.ts'
import { parseUpstream } from '../json.ts'
import { writeMedia } from './media.ts'
import { wireName } from './names.ts'
import type { Traits } from './traits.ts'
import { isObject, type WirePart } from './wire.ts'

/**
 * The arguments of a call as the object that this format wants. Free-form input, and text that is no JSON object, is
 * the `input` of one. Numbers become doubles, which is all that Google's own struct can hold.
 */
export function writeArgs(call: ToolCallPart): object {
  if (call.form === 'custom') return { input: call.input }
  if (call.input.trim() === '') return {}
  const parsed = parseUpstream(call.input)
  if ('fault' in parsed) return { input: call.input }
  return isObject(parsed.value) ? parsed.value : { input: parsed.value }
}

/**
 * The result of a call: its text under `output`, or `error` where it failed. Media goes inside the response where the
 * model takes it there, else `beside` it, into an entry of the user's. Only bytes are taken inside, no addresses.
 */
export function writeResult(
  call: ToolCallPart, result: ToolResultPart | undefined, field: string, traits: Traits,
): { readonly part: WirePart; readonly beside: readonly WirePart[] } | { readonly fault: Fault } {
  const name = wireName(call.name, call.form)
  if (!result) return { part: { functionResponse: { name, response: { error: 'There is no result of this call.' } } }, beside: [] }
  const inside: WirePart[] = []
  const beside: WirePart[] = []
  for (const [at, part] of result.content.entries()) {
    if (part.type !== 'media') continue
    const written = writeMedia(part, traits, `${field}.content[${at}]`)
    if ('fault' in written) return written
    if (traits.mediaInResults && written.part.inlineData) inside.push(written.part)
    else beside.push(written.part)
  }
  const text = result.content.map(plain).filter((piece) => piece !== '').join('\n')
  return {
    part: {
      functionResponse: { name, response: result.failed ? { error: text } : { output: text }, ...(inside.length > 0 && { parts: inside }) },
    },
    beside: beside.length > 0 ? [{ text: `Returned by ${call.name}:` }, ...beside] : [],
  }
}

const plain = (part: Part): string => (part.type === 'text' || part.type === 'refusal' ? part.text : '')
