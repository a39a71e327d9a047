import type { JsonObject, Part, VendorTool } from './chat.ts'

/**
 * Server tools: what a model may call and we run ourselves, within one answer. A tool that is asked for, and a use of one,
 * travel as what only one dialect knows, and that dialect is nobody's: each face reads and shows them in the words that
 * its own format has for such tools.
 */
export const SERVER_TOOL = 'server-tool'

/** A server tool as it is asked for: OpenRouter's name of it without `openrouter:`, its settings, and where in the body they stand. */
export interface ServerToolWish {
  readonly name: string
  readonly settings: JsonObject
  /** `tools[0].parameters`, or `tools[0]` where they stand beside the type. */
  readonly field: string
  /** The tool of a dialect that endpoints which know it are sent in its place. */
  readonly native?: VendorTool
  /** It is what its caller has asked for: where it comes to nothing there is no answer. */
  readonly required?: boolean
}

/** What became of one call of a server tool. */
export interface ServerToolUse {
  /** Ours, and distinct: models count theirs from 0 in each answer. */
  readonly id: string
  readonly name: string
  /** The arguments, as the model wrote them. */
  readonly input: string
  /** What the model was told. */
  readonly output: string
  readonly failed?: boolean
  /** For the shapes of formats: the query and its sources, the address and the title of a page, the time and its zone. */
  readonly facts: JsonObject
}

/** How far a model may go with server tools before it has to answer (`max_tool_calls`, `stop_server_tools_when`). */
export interface LoopWishes {
  readonly maxCalls?: number
  /** Any of them ends it; they stand in the place of `maxCalls`. */
  readonly stopWhen?: readonly StopCondition[]
}

/** OpenRouter's conditions, in its words. */
export type StopCondition =
  | { readonly type: 'step_count_is'; readonly step_count: number }
  | { readonly type: 'has_tool_call'; readonly tool_name: string }
  | { readonly type: 'max_tokens_used'; readonly max_tokens: number }
  | { readonly type: 'max_cost'; readonly max_cost_in_dollars: number }
  | { readonly type: 'finish_reason_is'; readonly reason: string }

/** The use that a part of a message, or a block, stands for; null for all others. */
export function useIn(part: Part | { readonly type: string }): ServerToolUse | null {
  return part.type === 'native' && 'dialect' in part && part.dialect === SERVER_TOOL ? part.value as ServerToolUse : null
}

/** What a model is told of a search for tools: a format that has only a word for the names can say it again. */
export function toolsFound(names: readonly string[]): string {
  return JSON.stringify({ found: names, note: names.length > 0 ? 'They can be called from now on.' : 'No tool has these words. Others may find one.' })
}
