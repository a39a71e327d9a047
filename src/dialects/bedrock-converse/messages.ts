import { fault, type ChatRequest, type Fault } from '../../core/index.ts'
import { wireName } from '../tool-names.ts'
import { turnsOf, type Placed } from '../turns.ts'
import { cachePoint, callBlock, Documents, mediaBlock, reasoningBlocks, resultBlock, textBlocks, textOf, type Written } from './content.ts'
import type { Traits } from './families.ts'
import type { Block, WireMessage } from './wire.ts'

export interface Conversation {
  readonly system: Block[]
  readonly messages: WireMessage[]
  /** The wire names of the tools that the history calls, each once. */
  readonly called: readonly string[]
}

const CONTINUE = 'Continue.'

/**
 * The messages: user and assistant in turns, results first in the user's message behind their calls. System text at
 * the start stands apart; later it is text of the user, set apart by a tag.
 */
export function writeMessages(request: ChatRequest, traits: Traits, dropped: Set<string>): Conversation | { readonly fault: Fault } {
  const system: Block[] = []
  const messages: WireMessage[] = []
  const called = new Set<string>()
  const documents = new Documents()
  const say = (role: WireMessage['role'], blocks: readonly Block[]): void => {
    if (blocks.length === 0) return
    const last = messages.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else messages.push({ role, content: [...blocks] })
  }

  for (const turn of turnsOf(request.messages)) {
    if (turn.role === 'results') {
      for (const answered of turn.results) {
        const written = resultBlock(answered, traits, documents)
        if ('fault' in written) return written
        say('user', [written.block, ...(answered.result?.cache && traits.cachePoints ? [cachePoint(answered.result.cache)] : [])])
      }
    } else if (turn.role === 'assistant') {
      for (const { part } of turn.parts) if (part.type === 'tool-call') called.add(wireName(part.name, part.form))
      say('assistant', assistantOf(turn.parts, traits, dropped))
    } else {
      const opening = turn.role === 'system' && messages.length === 0
      const written = blocksOf(turn.parts, traits, documents, dropped, turn.role === 'system' && !opening)
      if ('fault' in written) return written
      if (opening) {
        system.push(...written.blocks.filter((block) => 'text' in block || 'cachePoint' in block))
        say('user', written.blocks.filter((block) => !('text' in block || 'cachePoint' in block)))
      } else say('user', written.blocks)
    }
  }
  // Only a system text: it is what the model is to answer.
  if (messages.length === 0 && system.length > 0) messages.push({ role: 'user', content: system.splice(0) })
  if (messages.length === 0) return refused('messages', 'hold nothing to answer; send at least one message with text or media')
  if (messages[0]!.role === 'assistant') messages.unshift({ role: 'user', content: [{ text: CONTINUE }] })
  for (const { role, content } of messages) if (role === 'user') besideDocuments(content)
  closeTrailingAssistant(messages, traits)
  return { system, messages, called: [...called] }
}

function blocksOf(
  parts: readonly Placed[], traits: Traits, documents: Documents, dropped: Set<string>, aside: boolean,
): Written {
  const blocks: Block[] = []
  for (const { part, field } of parts) {
    const before = blocks.length
    if (part.type === 'media') {
      const written = mediaBlock(part, field, documents)
      if ('fault' in written) return written
      blocks.push(written.block)
    } else if (part.type === 'native') dropped.add('messages')
    else blocks.push(...textBlocks(aside && textOf(part).trim() !== '' ? `<system>\n${textOf(part)}\n</system>` : textOf(part)))
    if (part.cache && traits.cachePoints && blocks.length > before) blocks.push(cachePoint(part.cache))
  }
  return { blocks }
}

function assistantOf(parts: readonly Placed[], traits: Traits, dropped: Set<string>): Block[] {
  const blocks: Block[] = []
  for (const { part } of parts) {
    if (part.type === 'text' || part.type === 'refusal') blocks.push(...textBlocks(part.text))
    else if (part.type === 'reasoning') blocks.push(...reasoningBlocks(part, traits))
    else if (part.type === 'tool-call') blocks.push(callBlock(part, traits))
    else dropped.add('messages')
    const last = blocks.at(-1)
    if (part.cache && traits.cachePoints && last && !('reasoningContent' in last) && !('cachePoint' in last)) blocks.push(cachePoint(part.cache))
  }
  // A message may not end with a thought: one that was cut off in it says nothing yet.
  const last = blocks.findLastIndex((block) => !('reasoningContent' in block))
  return blocks.slice(0, last + 1)
}

/** A document without a text beside it is refused. */
function besideDocuments(content: Block[]): void {
  if (content.some((block) => 'document' in block) && !content.some((block) => 'text' in block)) content.push({ text: 'See the document.' })
}

/** A last message of the assistant is continued, without the blanks at its end, or answered where that is refused. */
function closeTrailingAssistant(messages: WireMessage[], traits: Traits): void {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return
  const end = last.content.at(-1)!
  if (!traits.prefill) messages.push({ role: 'user', content: [{ text: CONTINUE }] })
  else if ('text' in end) last.content[last.content.length - 1] = { text: end.text.trimEnd() }
}

const refused = (field: string, what: string): { fault: Fault } => ({ fault: fault('invalid-request', `${field}: ${what}`, { field }) })
