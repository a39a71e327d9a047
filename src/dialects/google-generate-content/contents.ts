import { fault, type ChatRequest, type Fault, type Message, type Part, type ToolCallPart, type ToolResultPart } from '../../core/index.ts'
import { writeMedia } from './media.ts'
import { wireName } from './names.ts'
import { writeArgs, writeResult } from './calls.ts'
import type { Traits } from './traits.ts'
import { DIALECT, NO_SIGNATURE, SEAL_FORMAT, type WireContent, type WirePart } from './wire.ts'

export interface Conversation {
  readonly contents: readonly WireContent[]
  readonly system: readonly WirePart[]
}

/**
 * The messages as `contents`: user and model in turns, what follows one another in one role in one entry, and after
 * each entry with calls one entry with as many results, in the order of the calls. A call without a result gets one
 * that says so, and a result without a call becomes text, because Gemini answers 400 to either. System text at the
 * start is the system instruction; later it is text of the user. `dropped` gathers what has no place here.
 */
export function writeConversation(
  request: ChatRequest, traits: Traits, dropped: Set<string>,
): Conversation | { readonly fault: Fault } {
  const { messages } = request
  const lead = messages.findIndex((message) => !isSystem(message))
  const opening = lead < 0 ? messages.length : lead
  const system = traits.system ? messages.slice(0, opening).flatMap(textsOf) : []
  const results = resultsByCall(messages)
  const contents: WireContent[] = []

  const speak = (role: WireContent['role'], parts: readonly WirePart[]): void => {
    if (parts.length === 0) return
    const last = contents.at(-1)
    if (last?.role === role && !last.parts.some((part) => part.functionResponse)) last.parts.push(...parts)
    else contents.push({ role, parts: [...parts] })
  }

  let turn: Turn | null = null
  /** Ends the model's entry, with the results of its calls. */
  const settle = (): Fault | null => {
    if (!turn) return null
    const { parts, calls } = signed(turn, traits)
    turn = null
    // A call must follow a user's entry; a history that was cut before one gets an entry in its place.
    if (calls.length > 0 && !contents.some((entry) => entry.role === 'user')) contents.unshift({ role: 'user', parts: [{ text: 'Continue.' }] })
    speak('model', parts)
    if (calls.length === 0) return null
    const written: WirePart[] = []
    const beside: WirePart[] = []
    for (const call of calls) {
      const found = results.get(call)
      const result = writeResult(call, found?.part, found?.field ?? '', traits)
      if ('fault' in result) return result.fault
      written.push(result.part)
      beside.push(...result.beside)
    }
    contents.push({ role: 'user', parts: written })
    speak('user', beside)
    return null
  }

  for (const [at, message] of messages.entries()) {
    if (traits.system && at < opening) {
      const media = writeParts(message.parts, (part) => part.type !== 'text', `messages[${at}]`, traits, dropped)
      if ('fault' in media) return media
      speak('user', media.parts)
      continue
    }
    if (message.role === 'assistant') {
      turn ??= { entries: [] }
      const read = readAssistant(message, at, turn, traits, dropped)
      if (read) return { fault: read }
      continue
    }
    const problem = settle()
    if (problem) return { fault: problem }
    const written = writeParts(message.parts, (part) => !results.taken.has(part), `messages[${at}]`, traits, dropped)
    if ('fault' in written) return written
    speak('user', written.parts)
  }
  const problem = settle()
  if (problem) return { fault: problem }
  if (contents.length > 0) return { contents, system }
  // Only a system text: it is what the model is to answer.
  if (system.length > 0) return { contents: [{ role: 'user', parts: [...system] }], system: [] }
  return { fault: fault('invalid-request', 'messages: hold nothing to answer; send at least one message with text or media', { field: 'messages' }) }
}

const isSystem = (message: Message): boolean => message.role === 'system' || message.role === 'developer'

function textsOf(message: Message): WirePart[] {
  return message.parts.flatMap((part) => (part.type === 'text' && part.text !== '' ? [{ text: part.text }] : []))
}

/** What the model said in one go: parts with the calls that they stand for. */
interface Turn {
  readonly entries: { readonly part: WirePart; readonly call?: ToolCallPart }[]
}

function readAssistant(message: Message, at: number, turn: Turn, traits: Traits, dropped: Set<string>): Fault | null {
  const loose: WirePart[] = []
  const calls = message.parts.filter((part) => part.type === 'tool-call')
  const unsigned = traits.signatures && !calls.some((call) => call.seal?.format === SEAL_FORMAT)
  let firstCall: string | undefined
  for (const [index, part] of message.parts.entries()) {
    const signature = signatureOf(part, traits)
    if (part.type === 'reasoning') {
      // Thoughts go back only with their signature; others, and other models', are not taken.
      if (signature === undefined) continue
      if (part.text !== '') turn.entries.push({ part: { text: part.text, thought: true, thoughtSignature: signature } })
      // A signature that lost its part on the way: it belonged to the first call, or stood behind the text.
      else if (calls.length > 0 && unsigned && firstCall === undefined) firstCall = signature
      else loose.push({ text: '', thoughtSignature: signature })
    } else if (part.type === 'tool-call') {
      const own = signature ?? firstCall
      firstCall = undefined
      turn.entries.push({
        part: { functionCall: { name: wireName(part.name, part.form), args: writeArgs(part) }, ...(own !== undefined && { thoughtSignature: own }) },
        call: part,
      })
    } else if (part.type === 'text' && part.text === '' && signature !== undefined) {
      turn.entries.push({ part: { text: '', thoughtSignature: signature } })
    } else {
      const written = writePart(part, `messages[${at}].content[${index}]`, traits, dropped)
      if ('fault' in written) return written.fault
      for (const one of written.parts) turn.entries.push({ part: signature === undefined ? one : { ...one, thoughtSignature: signature } })
    }
  }
  if (loose.length > 0) {
    const before = turn.entries.findIndex((entry) => entry.call !== undefined && calls.includes(entry.call))
    const place = before < 0 ? turn.entries.length : before
    turn.entries.splice(place, 0, ...loose.map((part) => ({ part })))
  }
  return null
}

/** The parts of a turn, the first of each run of calls with a signature where the model insists on one. */
function signed(turn: Turn, traits: Traits): { readonly parts: WirePart[]; readonly calls: readonly ToolCallPart[] } {
  let inRun = false
  const parts = turn.entries.map(({ part }) => {
    const bare = traits.signedCalls && part.functionCall !== undefined && part.thoughtSignature === undefined && !inRun
    inRun = part.functionCall !== undefined
    return bare ? { ...part, thoughtSignature: NO_SIGNATURE } : part
  })
  return { parts, calls: turn.entries.flatMap((entry) => entry.call ?? []) }
}

function signatureOf(part: Part, traits: Traits): string | undefined {
  return traits.signatures && part.seal?.format === SEAL_FORMAT && part.seal.value !== '' ? part.seal.value : undefined
}

interface Found {
  readonly part: ToolResultPart
  readonly field: string
}

/**
 * Which result answers which call: the first of its id that stands behind the call and before another call of the
 * same id (clients that count ids from 0 in each turn use them again).
 */
function resultsByCall(messages: readonly Message[]): { get(call: ToolCallPart): Found | undefined; readonly taken: ReadonlySet<Part> } {
  const open = new Map<string, ToolCallPart>()
  const found = new Map<ToolCallPart, Found>()
  const taken = new Set<Part>()
  for (const [at, message] of messages.entries()) {
    for (const part of message.parts) {
      if (part.type === 'tool-call' && message.role === 'assistant') open.set(part.id, part)
      else if (part.type === 'tool-result' && message.role !== 'assistant') {
        const call = open.get(part.callId)
        if (!call) continue
        open.delete(part.callId)
        found.set(call, { part, field: `messages[${at}]` })
        taken.add(part)
      }
    }
  }
  return { get: (call) => found.get(call), taken }
}

function writeParts(
  list: readonly Part[], wanted: (part: Part) => boolean, field: string, traits: Traits, dropped: Set<string>,
): { readonly parts: WirePart[] } | { readonly fault: Fault } {
  const parts: WirePart[] = []
  for (const [index, part] of list.entries()) {
    if (!wanted(part)) continue
    const written = writePart(part, `${field}.content[${index}]`, traits, dropped)
    if ('fault' in written) return written
    parts.push(...written.parts)
  }
  return { parts }
}

/** A part that is neither a call nor reasoning. Empty text is left out: alone it is a 400. */
function writePart(part: Part, field: string, traits: Traits, dropped: Set<string>): { readonly parts: WirePart[] } | { readonly fault: Fault } {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { parts: part.text === '' ? [] : [{ text: part.text }] }
    case 'media': {
      // Audio of an earlier answer is known by an id at whoever made it.
      if (part.kind === 'audio' && part.source.from === 'id') return lost(dropped)
      const written = writeMedia(part, traits, field)
      return 'fault' in written ? written : { parts: [written.part] }
    }
    case 'native':
      return part.dialect === DIALECT && typeof part.value === 'object' && part.value !== null
        ? { parts: [part.value as WirePart] } : lost(dropped)
    case 'tool-result': {
      const inner = writeParts(part.content, () => true, field, traits, dropped)
      if ('fault' in inner) return inner
      return { parts: [{ text: `Result of ${part.name ?? 'a tool'} (call ${part.callId}):` }, ...inner.parts] }
    }
    default: return { parts: [] }
  }
}

function lost(dropped: Set<string>): { readonly parts: WirePart[] } {
  dropped.add('messages')
  return { parts: [] }
}
