import type { Seal } from '../../core/index.ts'
import type { ThinkSplitter } from '../reasoning.ts'
import type { ToolAssembler } from '../tool-calls.ts'

/** One choice of a reply that is being read. What only some replies have is made when they turn out to have it. */
export interface ChoiceState {
  readonly index: number
  /** The text, refusal or reasoning block that is open; these follow one another, and only tool calls lie side by side. */
  block: number
  kind: 'text' | 'refusal' | 'reasoning' | null
  /** Which detail of reasoning the open block is: the plain field is one of its own. */
  key: string
  seal: Seal | undefined
  readonly splitter: ThinkSplitter | null
  tools: ToolAssembler | null
  toolBlocks: readonly { readonly block: number; readonly id: string }[]
  seals: Map<string, Seal> | null
  audio: number
  said: string | undefined
  /** More came after that: it was not the end. */
  late: boolean
  native: string | undefined
  stop: string | undefined
  spoke: boolean
}

const NO_CALLS: ChoiceState['toolBlocks'] = Object.freeze([])

export function openChoice(index: number, splitter: ThinkSplitter | null): ChoiceState {
  return {
    index, block: -1, kind: null, key: '', seal: undefined, splitter, tools: null, toolBlocks: NO_CALLS, seals: null,
    audio: -1, said: undefined, late: false, native: undefined, stop: undefined, spoke: false,
  }
}

/** The seals that wait for the calls of their ids. */
export const sealsOf = (choice: ChoiceState): Map<string, Seal> => choice.seals ??= new Map()
