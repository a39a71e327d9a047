import { rewrite, type CacheMark, type ChatRequest, type JsonObject, type Message, type Part, type Tool, type ToolCallPart, type ToolResultPart } from '../core/index.ts'

/** What a call stands between in a text, and its result: the marks that most open models were taught. */
export const CALL_MARKS = { open: '<tool_call>', close: '</tool_call>' } as const
export const RESULT_MARKS = { open: '<tool_response>', close: '</tool_response>' } as const

/** A tool that may be called in a text. */
export type Callable = Exclude<Tool, { type: 'native' }>

export interface Templated {
  readonly request: ChatRequest
  /** What may be called in the answer. */
  readonly tools: readonly Callable[]
}

/**
 * The request with its tools said in the prompt, and with the calls and results of earlier turns as the texts that they
 * would have been, for a model that takes tools in no other way. Null where it has neither. Tools that only a provider's
 * own servers run stay where they are: no words make a model do what they do.
 */
export function withToolsInWords(request: ChatRequest): Templated | null {
  const { tools = [], toolChoice, parallelToolCalls, ...rest } = request
  const callable = tools.filter((tool) => tool.type !== 'native')
  const called = request.messages.some(({ parts }) => parts.some(({ type }) => type === 'tool-call' || type === 'tool-result'))
  if (callable.length === 0 && !called) return null
  const offered = offeredBy(callable, toolChoice)
  const history = called ? told(request.messages) : request.messages
  const messages = offered.length === 0 ? history : instructed(history, wordsFor(offered, request), markOf(offered))
  const native = tools.filter((tool) => tool.type === 'native')
  return { request: rewrite(rest, { messages, ...(native.length > 0 && { tools: native }) }), tools: offered }
}

/** A call as a model says it. The arguments stand as they are: nobody in the middle rewrites them. */
export function callInWords({ name, form, input }: Pick<ToolCallPart, 'name' | 'form' | 'input'>): string {
  const args = form === 'custom' ? JSON.stringify({ input }) : input.trim() === '' ? '{}' : input
  return `${CALL_MARKS.open}\n{"name": ${JSON.stringify(name)}, "arguments": ${args}}\n${CALL_MARKS.close}`
}

function offeredBy(tools: readonly Callable[], choice: ChatRequest['toolChoice']): readonly Callable[] {
  if (choice === 'none') return []
  if (typeof choice !== 'object') return tools
  const names = 'tool' in choice ? [choice.tool] : choice.allowed
  return tools.filter(({ name }) => names.includes(name))
}

const FREE_TEXT: JsonObject = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] }

function wordsFor(tools: readonly Callable[], { toolChoice, parallelToolCalls, format }: ChatRequest): string {
  const lines = tools.map((tool) => JSON.stringify({
    name: tool.name, ...(tool.description !== undefined && { description: tool.description }),
    parameters: tool.type === 'custom' ? FREE_TEXT : tool.parameters ?? { type: 'object', properties: {} },
  }))
  const required = toolChoice === 'required' || (typeof toolChoice === 'object' && ('tool' in toolChoice || toolChoice.required))
  return [
    'You can call tools. Each line between <tools> and </tools> is one of them, in JSON: its name, what it does, and the JSON Schema of its arguments.',
    '<tools>', ...lines, '</tools>',
    'A call is one JSON object with a name and arguments, between these marks:',
    `${CALL_MARKS.open}\n{"name": "name of the tool", "arguments": {"name of an argument": "its value"}}\n${CALL_MARKS.close}`,
    `${parallelToolCalls === false ? 'Make at most one call in an answer' : 'Calls that do not need each other\'s results stand one behind the other in one answer'}. `
    + `The answer ends behind its last call; what came of it follows in the next message, between ${RESULT_MARKS.open} and ${RESULT_MARKS.close}.`,
    required ? `This time call ${tools.length === 1 ? tools[0]!.name : 'at least one of the tools'} before you answer in words.` : 'Where no tool is needed, answer without a call.',
    ...(format !== undefined && format.type !== 'text' ? ['A form that is asked of the answer is not meant for calls.'] : []),
  ].join('\n')
}

/** A mark for the prompt cache behind a list of tools holds for the text that the list becomes. */
function markOf(tools: readonly Callable[]): CacheMark | undefined {
  for (const tool of tools.toReversed()) if (tool.type === 'function' && tool.cache !== undefined) return tool.cache
  return undefined
}

/** Behind the caller's own instructions, so that the beginning of the prompt stays what a cache knows. */
export function instructed(messages: readonly Message[], words: string, cache?: CacheMark): readonly Message[] {
  const said = (text: string): Part => ({ type: 'text', text, ...(cache && { cache }) })
  const [first, ...rest] = messages
  return first?.role === 'system' || first?.role === 'developer'
    ? [{ ...first, parts: [...first.parts, said(`\n\n${words}`)] }, ...rest]
    : [{ role: 'system', parts: [said(words)] }, ...messages]
}

/** Earlier calls and their results as texts. Results are the user's to say: there is no other turn for them. */
function told(messages: readonly Message[]): readonly Message[] {
  const calls = new Map<string, { readonly name: string; readonly at: number }>()
  const out: Message[] = []
  let results: ToolResultPart[] = []
  let seen = 0
  const flush = (): void => {
    if (results.length === 0) return
    // Calls of one turn are told apart by their order alone: ids mean nothing to a model that only reads.
    const at = ({ callId }: ToolResultPart): number => calls.get(callId)?.at ?? seen
    const parts = results.toSorted((a, b) => at(a) - at(b)).flatMap((result) => resultInWords(result, result.name ?? calls.get(result.callId)?.name))
    out.push({ role: 'user', parts: joined(parts) })
    results = []
  }
  for (const message of messages) {
    const rest = message.parts.filter((part) => part.type !== 'tool-result')
    if (rest.length < message.parts.length) results.push(...message.parts.filter((part) => part.type === 'tool-result'))
    if (rest.length === 0 && message.parts.length > 0) continue
    flush()
    const parts = rest.map((part): Part => {
      if (part.type !== 'tool-call') return part
      calls.set(part.id, { name: part.name, at: seen++ })
      return { type: 'text', text: callInWords(part), ...(part.cache && { cache: part.cache }) }
    })
    out.push({ ...message, parts: message.role === 'assistant' ? joined(parts) : parts })
  }
  flush()
  return out
}

function resultInWords({ content, failed, cache }: ToolResultPart, name: string | undefined): readonly Part[] {
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const said = JSON.stringify({ ...(name !== undefined && { name }), ...(failed && { failed }), content: text })
  return [
    { type: 'text', text: `${RESULT_MARKS.open}\n${said}\n${RESULT_MARKS.close}`, ...(cache && { cache }) },
    ...content.filter(({ type }) => type === 'media'),
  ]
}

/** Neighbouring texts as one: hosts that have no tools often take no lists of parts either. */
function joined(parts: readonly Part[]): readonly Part[] {
  const out: Part[] = []
  for (const part of parts) {
    const last = out.at(-1)
    if (part.type === 'text' && last?.type === 'text' && last.seal === undefined && last.cache === undefined) {
      out[out.length - 1] = { ...part, text: last.text === '' ? part.text : `${last.text}\n${part.text}` }
    } else out.push(part)
  }
  return out
}
