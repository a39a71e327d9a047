import { parseUpstream } from '../dialects/index.ts'
import type { ChatEvent, ChatRequest, FinishReason, JsonObject, Quality, Tool } from '../core/index.ts'

/** What of a value is not as a schema says, or null; null of a schema that cannot be judged by. */
export type Judge = (schema: JsonObject) => ((value: unknown) => object | null) | null

/** Longer arguments and answers are not judged. */
const MOST_CHARACTERS = 1_000_000

/** A piece of a reply that can be right or wrong. */
interface Piece {
  readonly choice: number
  /** The tool that is called; null for text. */
  readonly tool: string | null
  text: string
}

/**
 * Judges what a reply was asked for: tool calls (the arguments parse, the tool exists, its schema holds) and
 * structured output (it parses, its schema holds). Made only for requests that ask for either. Providers differ in
 * this more than in anything else, and nobody who calls them can see it before it breaks their program.
 */
export class Audit {
  readonly #request: ChatRequest
  readonly #judge: Judge
  readonly #pieces = new Map<number, Piece>()
  #length = 0

  constructor(request: ChatRequest, judge: Judge) {
    this.#request = request
    this.#judge = judge
  }

  take(batch: readonly ChatEvent[]): void {
    for (const event of batch) {
      if (event.type === 'block-open') {
        const { block } = event
        if (block.type === 'tool-call' && block.form === 'function') this.#pieces.set(event.index, { choice: event.choice, tool: block.name, text: '' })
        else if (block.type === 'text') this.#pieces.set(event.index, { choice: event.choice, tool: null, text: '' })
      } else if (event.type === 'block-delta') {
        const piece = this.#pieces.get(event.index)
        if (piece === undefined || (this.#length += event.text.length) > MOST_CHARACTERS) continue
        piece.text += event.text
      }
    }
  }

  /** The verdict on a reply that came to its end; null where there is none: it was cut by a limit, filtered, or too long. */
  verdict(reason: FinishReason | null): Quality | null {
    if ((reason !== 'stop' && reason !== 'tool_calls') || this.#length > MOST_CHARACTERS) return null
    const calls = [...this.#pieces.values()].filter((piece) => piece.tool !== null)
    const tools = new Map<string, Tool>()
    for (const tool of this.#request.tools ?? []) if (tool.type === 'function') tools.set(tool.name, tool)
    return {
      tools: tools.size > 0,
      toolCalls: calls.length,
      badToolCalls: calls.filter((call) => !this.#isGoodCall(call, tools)).length,
      // A reply that calls a tool is not the final answer, which alone has the form that was asked for.
      ...this.#structured(calls.length > 0),
    }
  }

  #isGoodCall({ tool: name, text }: Piece, tools: ReadonlyMap<string, Tool>): boolean {
    const tool = tools.get(name!)
    if (tool === undefined || tool.type !== 'function') return false
    const value = parsed(text === '' ? '{}' : text)
    if (value === undefined || typeof value !== 'object' || value === null) return false
    return tool.parameters === undefined || this.#fits(tool.parameters, value)
  }

  #fits(schema: JsonObject, value: unknown): boolean {
    const check = this.#judge(schema)
    return check === null || check(value) === null
  }

  #structured(calls: boolean): Pick<Quality, 'structured' | 'badStructured'> {
    const { format } = this.#request
    if (calls || (format?.type !== 'json' && format?.type !== 'schema')) return { structured: false, badStructured: false }
    const texts = new Map<number, string>()
    for (const { choice, tool, text } of this.#pieces.values()) if (tool === null) texts.set(choice, (texts.get(choice) ?? '') + text)
    const good = texts.size > 0 && [...texts.values()].every((text) => {
      const value = parsed(text)
      if (value === undefined) return false
      return format.type === 'json' || this.#fits(format.schema, value)
    })
    return { structured: true, badStructured: !good }
  }
}

/** Whether there is anything to judge in the replies to a request. */
export function auditable({ tools, format }: ChatRequest): boolean {
  return format?.type === 'json' || format?.type === 'schema' || (tools?.some((tool) => tool.type === 'function') ?? false)
}

function parsed(text: string): unknown {
  const read = parseUpstream(Buffer.from(text))
  return 'value' in read ? read.value : undefined
}
