import { fault, type ChatRequest, type Fault, type MediaPart, type ReasoningPart } from '../../core/index.ts'
import { argumentsOf } from '../tool-list.ts'
import { wireName } from '../tool-names.ts'
import { NO_RESULT, plainText, turnsOf, type Answered, type Placed } from '../turns.ts'
import { THOUGHT_FORMAT, type Content, type WireCall, type WireMessage } from './wire.ts'

/**
 * The messages: roles as OpenAI has them, and behind each turn with calls a message of the role `tool` for each of them.
 * What the model planned before its calls goes back as `tool_plan`, or as a thought where the model thinks.
 */
export function writeMessages(
  request: ChatRequest, thinks: boolean, dropped: Set<string>,
): { readonly messages: readonly WireMessage[] } | { readonly fault: Fault } {
  const messages: WireMessage[] = []
  /** Pictures of results, which are texts here: the user shows them, behind the last result of the turn. */
  let shown: readonly Content[] = []
  for (const turn of turnsOf(request.messages)) {
    if (shown.length > 0 && turn.role !== 'user') {
      messages.push({ role: 'user', content: shown })
      shown = []
    }
    if (turn.role === 'results') {
      const pictures = contentOf(turn.results.flatMap(({ result, field }) => result?.content.filter((part) => part.type === 'media').map((part) => ({ part, field })) ?? []), dropped)
      if ('fault' in pictures) return pictures
      shown = pictures.content
      for (const answered of turn.results) messages.push(resultOf(answered))
    } else if (turn.role === 'assistant') {
      const message = assistantOf(turn.parts, thinks, dropped)
      if (message) messages.push(message)
    } else {
      const written = contentOf(turn.parts, dropped)
      if ('fault' in written) return written
      const content = [...shown, ...written.content]
      shown = []
      if (content.length > 0) messages.push({ role: turn.role, content: joined(content) })
    }
  }
  if (shown.length > 0) messages.push({ role: 'user', content: shown })
  if (messages.length > 0) return { messages }
  return refused('messages', 'hold nothing to answer; send at least one message with text or media')
}

function contentOf(parts: readonly Placed[], dropped: Set<string>): { readonly content: Content[] } | { readonly fault: Fault } {
  const content: Content[] = []
  for (const { part, field } of parts) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (part.text !== '') content.push({ type: 'text', text: part.text })
    } else if (part.type === 'media') {
      const written = imageOf(part, field)
      if ('fault' in written) return written
      content.push(written)
    } else if (part.type === 'native') dropped.add('messages')
  }
  return { content }
}

/** One text stands as a string, which every model of the family takes; several stay apart. */
const joined = (content: readonly Content[]): string | readonly Content[] =>
  content.length === 1 && content[0]!.type === 'text' ? content[0]!.text : content

function imageOf(part: MediaPart, field: string): Content | { readonly fault: Fault } {
  if (part.kind !== 'image' || part.source.from === 'id') return refused(field, `is ${part.kind === 'image' ? 'an image by its id' : `of the kind ${part.kind}`}, and this provider takes images by address or as data`)
  const url = part.source.from === 'url' ? part.source.url : `data:${part.source.mime};base64,${part.source.base64}`
  return { type: 'image_url', image_url: { url, ...(part.detail !== undefined && { detail: part.detail }) } }
}

function assistantOf(parts: readonly Placed[], thinks: boolean, dropped: Set<string>): WireMessage | null {
  const content: Content[] = []
  const calls: WireCall[] = []
  let plan = ''
  const planned = parts.some(({ part }) => part.type === 'tool-call')
  for (const { part } of parts) {
    switch (part.type) {
      case 'text':
      case 'refusal':
        if (part.text !== '') content.push({ type: 'text', text: part.text })
        break
      case 'reasoning':
        if (!isReplayable(part)) break
        if (thinks) content.push({ type: 'thinking', thinking: part.text })
        else if (planned) plan += part.text
        break
      case 'tool-call':
        calls.push({ id: part.id, type: 'function', function: { name: wireName(part.name, part.form), arguments: argumentsOf(part) } })
        break
      default: dropped.add('messages')
    }
  }
  if (content.length === 0 && calls.length === 0) return null
  return {
    role: 'assistant',
    ...(content.length > 0 && { content: joined(content) }),
    ...(plan !== '' && { tool_plan: plan }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

/** Reasoning that is told to be another family's, by its seal or its name, is nothing to this one. */
const isReplayable = (part: ReasoningPart): boolean =>
  part.text !== '' && part.seal === undefined && (part.format === undefined || part.format === THOUGHT_FORMAT)

function resultOf({ call, result }: Answered): WireMessage {
  const text = result ? plainText(result.content) : NO_RESULT
  return { role: 'tool', tool_call_id: call.id, content: result?.failed ? `Error: ${text}` : text }
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
