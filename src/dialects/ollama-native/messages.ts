import { fault, type ChatRequest, type Fault, type ReasoningPart } from '../../core/index.ts'
import { argumentsOf } from '../tool-list.ts'
import { wireName } from '../tool-names.ts'
import { NO_RESULT, plainText, turnsOf, type Placed } from '../turns.ts'
import { Verbatim } from '../verbatim.ts'

export interface WireMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly thinking?: string
  /** Base64 without any prefix. */
  readonly images?: readonly string[]
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: Verbatim } }[]
  readonly tool_name?: string
  readonly tool_call_id?: string
}

/** The messages: one text each, images beside it, calls with arguments as objects, results by the tool's name. */
export function writeMessages(request: ChatRequest, dropped: Set<string>): { readonly messages: readonly WireMessage[] } | { readonly fault: Fault } {
  const messages: WireMessage[] = []
  for (const turn of turnsOf(request.messages)) {
    if (turn.role === 'results') {
      for (const { call, result, field } of turn.results) {
        const text = result ? plainText(result.content) : NO_RESULT
        const images = imagesOf(result?.content.map((part) => ({ part, field })) ?? [])
        if ('fault' in images) return images
        // Newer servers go by the id, older ones by the name.
        messages.push({ role: 'tool', content: result?.failed ? `Error: ${text}` : text, ...images, tool_name: wireName(call.name, call.form), tool_call_id: call.id })
      }
    } else if (turn.role === 'assistant') {
      const message = assistantOf(turn.parts, dropped)
      if (message) messages.push(message)
    } else {
      const images = imagesOf(turn.parts)
      if ('fault' in images) return images
      const content = turn.parts.map(({ part }) => {
        if (part.type === 'native') dropped.add('messages')
        return part.type === 'text' || part.type === 'refusal' ? part.text : ''
      }).filter((text) => text !== '').join('\n')
      if (content !== '' || images.images) messages.push({ role: turn.role, content, ...images })
    }
  }
  if (messages.length > 0) return { messages }
  return refused('messages', 'hold nothing to answer; send at least one message with text or an image')
}

function assistantOf(parts: readonly Placed[], dropped: Set<string>): WireMessage | null {
  let content = ''
  let thinking = ''
  const calls: NonNullable<WireMessage['tool_calls']>[number][] = []
  for (const { part } of parts) {
    if (part.type === 'text' || part.type === 'refusal') content += part.text
    else if (part.type === 'reasoning') thinking += isReplayable(part) ? part.text : ''
    else if (part.type === 'tool-call') calls.push({ id: part.id, function: { name: wireName(part.name, part.form), arguments: new Verbatim(argumentsOf(part)) } })
    else dropped.add('messages')
  }
  if (content === '' && calls.length === 0) return null
  return { role: 'assistant', content, ...(thinking !== '' && { thinking }), ...(calls.length > 0 && { tool_calls: calls }) }
}

/** Nobody seals anything here; what another family sealed or is named for is nothing to these models. */
const isReplayable = (part: ReasoningPart): boolean => part.seal === undefined && part.format === undefined

function imagesOf(parts: readonly Placed[]): { readonly images?: readonly string[] } | { readonly fault: Fault } {
  const images: string[] = []
  for (const { part, field } of parts) {
    if (part.type !== 'media') continue
    if (part.kind !== 'image' || part.source.from !== 'data') {
      return refused(field, `is ${part.kind === 'image' ? 'an image that is not inline' : `of the kind ${part.kind}`}, and this provider takes only images as data`)
    }
    images.push(part.source.base64)
  }
  return images.length > 0 ? { images } : {}
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
