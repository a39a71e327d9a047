import type { ChatRequest, Effort } from '../core/index.ts'
import type { RouterRules, TaskSignal } from './router-rules.ts'

/** What a prompt seems to be about, and how hard the caller wants it thought over. */
export interface Intent {
  /** A name of the rules' tasks. */
  readonly task: string
  /** What spoke for the task: words of the prompt, and signals such as `tools`. Empty where nothing did. */
  readonly seen: readonly string[]
  /** The effort that the prompt asks for in words, and the words; null where it says nothing of it, or the request does. */
  readonly effort: { readonly effort: Effort; readonly words: string } | null
}

/** A prompt is known by its beginning and its end: of long ones the rest is quoted matter. */
const LOOKED_AT = 4_000

/**
 * Reads what the last message of the user is about: the task with the most of its words in it, the earlier one of the
 * table where two have as many. Pure, and linear in a bounded part of the text.
 */
export function readIntent(request: ChatRequest, rules: RouterRules): Intent {
  const text = lastUserText(request)
  const signals = signalsOf(request)
  let task = rules.defaultTask
  let seen: readonly string[] = []
  for (const [name, rule] of Object.entries(rules.tasks)) {
    const found = [...wordsIn(text, rule.words), ...rule.signals.filter((signal) => signals.has(signal))]
    if (found.length > seen.length) [task, seen] = [name, found]
  }
  return { task, seen, effort: statesReasoning(request) ? null : effortIn(text, rules) }
}

/** The rules' words say nothing to a request that says itself how it wants to be reasoned about. */
function statesReasoning({ reasoning }: ChatRequest): boolean {
  return reasoning?.effort !== undefined || reasoning?.maxTokens !== undefined || reasoning?.enabled !== undefined
}

function effortIn(text: string, { efforts }: RouterRules): Intent['effort'] {
  for (const { words, effort } of efforts) {
    const [found] = wordsIn(text, words)
    if (found !== undefined) return { effort, words: found }
  }
  return null
}

function wordsIn(text: string, words: readonly string[]): readonly string[] {
  return words.filter((word) => holds(text, word))
}

/** Whether the text has the words, and not as a part of longer ones: "plan" is not in "explanation". */
function holds(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    if (!(isLetter(text[at - 1]) && isLetter(words[0])) && !(isLetter(text[at + words.length]) && isLetter(words.at(-1)))) return true
  }
  return false
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character)
}

function lastUserText({ messages }: ChatRequest): string {
  const last = messages.findLast((message) => message.role === 'user')
  if (last === undefined) return ''
  const text = last.parts.map((part) => part.type === 'text' ? part.text : '').join('\n')
  const looked = text.length <= 2 * LOOKED_AT ? text : `${text.slice(0, LOOKED_AT)}\n${text.slice(-LOOKED_AT)}`
  return looked.toLowerCase()
}

function signalsOf(request: ChatRequest): ReadonlySet<TaskSignal> {
  const signals = new Set<TaskSignal>()
  if (request.tools?.length) signals.add('tools')
  if (request.format && request.format.type !== 'text') signals.add('structured output')
  if (request.messages.some(({ parts }) => parts.some((part) => part.type === 'media'))) signals.add('media')
  return signals
}
