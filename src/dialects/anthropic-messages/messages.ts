import type { Fault, Message as Canonical, Part, ToolResultPart } from '../../core/index.ts'
import {
  callBlock, createCallIds, isOurs, markOf, mediaBlocks, nativeBlock, reasoningBlocks, resultBlock, resultContent, textBlocks,
} from './content.ts'
import type { Block, CacheControl, Message, TextBlock, ToolResultBlock } from './wire.ts'

/** The conversation as this format has it. */
export interface Conversation {
  readonly system: TextBlock[]
  readonly messages: readonly Message[]
  /** Wire names of the tools that the history calls, in order. */
  readonly called: readonly string[]
  /** Items of other formats were left out. */
  readonly lost: boolean
  /** Images or documents are named by their id at the provider, which is a beta. */
  readonly fileIds: boolean
}

/** What the target admits of a conversation. */
export interface Admits {
  readonly replaysUnsealed: boolean
  /** The last message may be the assistant's, to be continued. */
  readonly prefill: boolean
}

interface UserTurn {
  readonly role: 'user'
  readonly results: ToolResultPart[]
  readonly rest: Block[]
}
interface AssistantTurn {
  readonly role: 'assistant'
  readonly blocks: Block[]
  /** Calls in order: the caller's id and the wire's. */
  readonly calls: { readonly id: string; readonly wire: string }[]
}
type Turn = UserTurn | AssistantTurn

const NO_RESULT = 'No result of this call was given.'
/** Stands where the conversation would begin with the assistant, which is refused. */
const OPENING = 'Begin.'
/** Asks for what a trailing assistant message asks for where that is refused. */
const CONTINUE = 'Continue.'

/**
 * Writes the messages under the laws of this format: the first is the user's, roles alternate, no text is blank, no
 * message is empty, and all results of an assistant's calls stand first in the very next message. What a caller's
 * history breaks is mended, since a cut history is how long conversations are kept short: a call without a result
 * gets one that says so, a result without its call becomes text.
 */
export function writeMessages(list: readonly Canonical[], admits: Admits): Conversation | { readonly fault: Fault } {
  const draft = createDraft(admits)
  const opening = leadingSystem(list)
  for (const [at, message] of list.entries()) {
    const problem = at < opening ? draft.system(message) : draft.add(message)
    if (problem) return { fault: problem }
  }
  const settled = settle(draft.turns())
  if ('fault' in settled) return settled
  const { messages } = settled
  if (messages[0]?.role !== 'user') messages.unshift({ role: 'user', content: [{ type: 'text', text: OPENING }] })
  closeTrailingAssistant(messages, admits.prefill)
  return { system: draft.prompt, messages, called: draft.called, lost: draft.lost(), fileIds: draft.fileIds() }
}

/** How many system and developer messages stand before everything else; one alone is what the user asks. */
function leadingSystem(list: readonly Canonical[]): number {
  const first = list.findIndex((message) => message.role !== 'system' && message.role !== 'developer')
  return first < 0 ? list.length - 1 : first
}

function createDraft(admits: Admits) {
  const turns: Turn[] = []
  const prompt: TextBlock[] = []
  const called: string[] = []
  const ids = createCallIds()
  let displaced: Block[] = []
  let lost = false
  let fileIds = false

  const user = (): UserTurn => {
    const last = turns.at(-1)
    if (last?.role === 'user') return last
    const turn: UserTurn = { role: 'user', results: [], rest: displaced }
    displaced = []
    turns.push(turn)
    return turn
  }
  const assistant = (): AssistantTurn => {
    const last = turns.at(-1)
    if (last?.role === 'assistant') return last
    const turn: AssistantTurn = { role: 'assistant', blocks: [], calls: [] }
    turns.push(turn)
    return turn
  }
  const see = (part: Part): void => {
    if (part.type === 'media' && part.source.from === 'id') fileIds = true
    if (part.type === 'tool-result') part.content.forEach(see)
  }

  const addUser = (parts: readonly Part[], aside: boolean): Fault | null => {
    const turn = user()
    for (const part of parts) {
      see(part)
      switch (part.type) {
        case 'text':
        case 'refusal': push(turn.rest, textBlocks(aside ? asideText(part.text) : part.text, markOf(part)), part); break
        case 'media': {
          const written = mediaBlocks(part)
          if ('fault' in written) return written.fault
          push(turn.rest, written.blocks, part)
          break
        }
        case 'tool-result': turn.results.push(part); break
        case 'native': pushNative(turn.rest, part); break
        case 'reasoning':
        case 'tool-call': lost = true
      }
    }
    return null
  }

  const addAssistant = (parts: readonly Part[]): Fault | null => {
    const turn = assistant()
    for (const part of parts) {
      see(part)
      switch (part.type) {
        case 'text':
        case 'refusal': push(turn.blocks, textBlocks(part.text, markOf(part)), part); break
        case 'reasoning': push(turn.blocks, reasoningBlocks(part, admits.replaysUnsealed), part); break
        case 'tool-call': {
          const wire = ids.issue(part.id)
          const block = callBlock(part, wire)
          turn.calls.push({ id: part.id, wire })
          turn.blocks.push(block)
          called.push(block.name)
          break
        }
        case 'native': pushNative(turn.blocks, part); break
        case 'media': {
          // An assistant's images are refused where they stand: the user shows them in the next message.
          const written = mediaBlocks(part)
          if ('blocks' in written) displaced.push(...written.blocks)
          else lost = true
          break
        }
        case 'tool-result': lost = true
      }
    }
    return null
  }

  const pushNative = (blocks: Block[], part: Extract<Part, { type: 'native' }>): void => {
    const block = isOurs(part.dialect) ? nativeBlock(part.value) : null
    if (block) blocks.push(block)
    else lost = true
  }

  return {
    prompt,
    called,
    turns: (): readonly Turn[] => {
      if (displaced.length > 0) user()
      return turns
    },
    lost: () => lost,
    fileIds: () => fileIds,
    /** A message of the opening: its text is the system prompt. */
    system(message: Canonical): Fault | null {
      for (const part of message.parts) {
        if (part.type === 'text') push(prompt, textBlocks(part.text, markOf(part)), part)
        else lost = true
      }
      return null
    },
    add(message: Canonical): Fault | null {
      if (message.role === 'assistant') return addAssistant(message.parts)
      // A system message with nothing before it is the user's question, and is not set apart.
      const aside = message.role === 'system' || message.role === 'developer'
      return addUser(message.parts, aside && turns.length > 0)
    },
  }
}

/** The system prompt stands only at the start, so a later word of the developer comes in the user's turn, set apart. */
const asideText = (text: string): string => (text.trim() === '' ? '' : `<system>\n${text}\n</system>`)

/** Adds blocks; a mark on a part that became nothing, or that cannot have one, moves to what stands before it. */
function push(blocks: Block[], added: readonly Block[], part: Part): void {
  blocks.push(...added)
  const mark = markOf(part)
  if (!mark || added.some((block) => 'cache_control' in block)) return
  const before = blocks.findLast((block) => block.type !== 'thinking' && block.type !== 'redacted_thinking')
  if (before) (before as { cache_control?: CacheControl }).cache_control ??= mark.cache_control
}

/** Puts results to their calls, turn by turn, and leaves out turns in which nothing is left. */
function settle(turns: readonly Turn[]): { messages: Message[] } | { readonly fault: Fault } {
  const messages: Message[] = []
  let open: AssistantTurn['calls'] = []
  const say = (role: Message['role'], content: Block[]): void => {
    const last = messages.at(-1)
    if (content.length === 0) return
    if (last?.role === role) last.content.push(...content)
    else messages.push({ role, content })
  }
  const answer = (results: readonly ToolResultPart[], rest: readonly Block[]): Fault | null => {
    const found: Block[] = []
    const strays: Block[] = []
    for (const result of results) {
      const at = open.findIndex((call) => call.id === result.callId)
      if (at < 0) {
        const stray = resultContent(result.content)
        if ('fault' in stray) return stray.fault
        strays.push({ type: 'text', text: `Result of the tool call ${JSON.stringify(result.callId)}:` }, ...stray.blocks)
        continue
      }
      const written = resultBlock(result, open[at]!.wire)
      if ('fault' in written) return written.fault
      found.push(written.block)
      open = open.toSpliced(at, 1)
    }
    const missing = open.map(({ wire }): ToolResultBlock => ({ type: 'tool_result', tool_use_id: wire, content: NO_RESULT, is_error: true }))
    open = []
    say('user', [...found, ...missing, ...strays, ...rest])
    return null
  }

  for (const turn of turns) {
    if (turn.role === 'user') {
      const problem = answer(turn.results, turn.rest)
      if (problem) return { fault: problem }
    } else {
      say('assistant', withoutTrailingThought(turn.blocks))
      open = [...turn.calls]
    }
  }
  if (open.length > 0) answer([], [])
  return { messages }
}

/** A message may not end with a thought: one that was cut off in it says nothing yet. */
function withoutTrailingThought(blocks: readonly Block[]): Block[] {
  const last = blocks.findLastIndex((block) => block.type !== 'thinking' && block.type !== 'redacted_thinking')
  return blocks.slice(0, last + 1)
}

/** A last message of the assistant is continued, without the blanks at its end, or answered where that is refused. */
function closeTrailingAssistant(messages: Message[], prefill: boolean): void {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return
  if (!prefill) {
    messages.push({ role: 'user', content: [{ type: 'text', text: CONTINUE }] })
    return
  }
  const block = last.content.at(-1)
  if (block?.type === 'text') block.text = block.text.trimEnd()
}
