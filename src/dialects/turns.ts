import type { Message, Part, ToolCallPart, ToolResultPart } from '../core/index.ts'

/** A part with the path of its field, for faults. */
export interface Placed<P extends Part = Part> {
  readonly part: P
  readonly field: string
}

/** One result for each call of the turn before, in the order of the calls; none where nobody gave one. */
export interface Answered {
  readonly call: ToolCallPart
  readonly result: ToolResultPart | undefined
  readonly field: string
}

export type Turn =
  | { readonly role: 'system' | 'user' | 'assistant'; readonly parts: Placed[] }
  | { readonly role: 'results'; readonly results: readonly Answered[] }

/**
 * A conversation in turns, as the formats want it that answer 400 to anything else: what follows one another in one
 * role is one turn, and behind each assistant turn with calls comes one turn with exactly one result for each call.
 * A result that no call asked for stays where it stands, as what the user says and shows. An assistant that calls again
 * before it was answered has its calls answered first.
 */
export function turnsOf(messages: readonly Message[]): readonly Turn[] {
  const results = resultsByCall(messages)
  const turns: Turn[] = []
  let open: ToolCallPart[] = []

  const settle = (): void => {
    if (open.length === 0) return
    turns.push({ role: 'results', results: open.map((call) => ({ call, result: results.found.get(call)?.part, field: results.found.get(call)?.field ?? 'messages' })) })
    open = []
  }
  for (const [at, message] of messages.entries()) {
    const role = message.role === 'assistant' ? 'assistant' : message.role === 'system' || message.role === 'developer' ? 'system' : 'user'
    const parts = message.parts.flatMap((part, index): Placed[] => {
      if (results.taken.has(part)) return []
      const field = `messages[${at}].content[${index}]`
      return part.type === 'tool-result' ? orphan(part).map((own) => ({ part: own, field })) : [{ part, field }]
    })
    if (role !== 'assistant') settle()
    if (parts.length === 0) continue
    const last = turns.at(-1)
    if (last && last.role === role) last.parts.push(...parts)
    else turns.push({ role, parts })
    for (const { part } of parts) if (part.type === 'tool-call' && role === 'assistant') open.push(part)
  }
  settle()
  return turns
}

/**
 * Which result answers which call: the first of its id that stands behind the call and before another call of the
 * same id (clients that count ids from 0 in each turn use them again).
 */
function resultsByCall(messages: readonly Message[]): { readonly found: ReadonlyMap<ToolCallPart, Placed<ToolResultPart>>; readonly taken: ReadonlySet<Part> } {
  const open = new Map<string, ToolCallPart>()
  const found = new Map<ToolCallPart, Placed<ToolResultPart>>()
  const taken = new Set<Part>()
  for (const [at, message] of messages.entries()) {
    for (const [index, part] of message.parts.entries()) {
      if (part.type === 'tool-call' && message.role === 'assistant') open.set(part.id, part)
      else if (part.type === 'tool-result' && message.role !== 'assistant') {
        const call = open.get(part.callId)
        if (!call) continue
        open.delete(part.callId)
        found.set(call, { part, field: `messages[${at}].content[${index}]` })
        taken.add(part)
      }
    }
  }
  return { found, taken }
}

/** A result of a call that is not there, in the user's words: its text, and behind it what it shows. */
function orphan({ name, callId, content }: ToolResultPart): Part[] {
  return [{ type: 'text', text: `Result of ${name ?? 'a tool'} (call ${callId}):\n${plainText(content)}` }, ...content.filter((part) => part.type === 'media')]
}

/** What stands in the place of a result that nobody gave. */
export const NO_RESULT = 'There is no result of this call.'

/** The text of parts, one after the other, with line feeds between them. */
export function plainText(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : '')).filter((text) => text !== '').join('\n')
}
