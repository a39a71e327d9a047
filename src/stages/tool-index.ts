import { setImmediate } from 'node:timers/promises'
import type { JsonObject, Tool } from '../core/index.ts'

/** Tools that can be searched for: those that a model may call. */
export type Callable = Exclude<Tool, { type: 'native' }>

/** What a tool says of itself: its name, what it does, and the same of its arguments. */
export interface ToolText {
  readonly name: string
  readonly description: string
  readonly argumentNames: string
  readonly argumentTexts: string
}

/** How often each word is said of a tool, by where it is said, and of how many words that is. */
interface Entry {
  readonly tool: Callable
  readonly words: ReadonlyMap<string, number>
  readonly length: number
}

/** Tools by their words; made once for a call, in pieces that do not hold up the calls of others. */
export interface ToolIndex {
  readonly entries: readonly Entry[]
  /** How many tools say a word. */
  readonly having: ReadonlyMap<string, number>
  readonly meanLength: number
}

/** A word of a name says more than one of an argument's description. */
const WEIGHTS = { name: 4, description: 2, argumentNames: 2, argumentTexts: 1 } as const satisfies Record<keyof ToolText, number>
/** BM25's own: how soon a word that is repeated says no more, and how much length is held against a tool. */
const SATURATION = 1.2
const LENGTH_COUNTS = 0.75
/** Characters that are read in one go, where a tool counts as some by itself: a millisecond or two. */
const AT_ONCE = 32_768
const CHARACTERS_PER_TOOL = 64
/** Words that are looked up in one go. */
const LOOKUPS_AT_ONCE = 20_000
/** Of one tool; what lies behind is not searched. */
const MOST_CHARACTERS = 20_000
const MOST_SCHEMAS = 2000
const MOST_DEPTH = 8
/** Of a question; models write a few. */
const MOST_WORDS = 32

/** Reads tools as what they say of themselves, and lets others work in between. */
export async function* toolTexts(tools: readonly Callable[]): AsyncGenerator<readonly [Callable, ToolText]> {
  let read = 0
  for (const tool of tools) {
    const text = textOf(tool)
    yield [tool, text]
    read += CHARACTERS_PER_TOOL + text.name.length + text.description.length + text.argumentNames.length + text.argumentTexts.length
    if (read < AT_ONCE) continue
    read = 0
    await setImmediate()
  }
}

export async function indexOf(tools: readonly Callable[]): Promise<ToolIndex> {
  const entries: Entry[] = []
  const having = new Map<string, number>()
  let total = 0
  for await (const [tool, text] of toolTexts(tools)) {
    const words = new Map<string, number>()
    let length = 0
    for (const [part, weight] of Object.entries(WEIGHTS) as [keyof ToolText, number][]) {
      for (const word of wordsIn(text[part])) {
        words.set(word, (words.get(word) ?? 0) + weight)
        length += weight
      }
    }
    for (const word of words.keys()) having.set(word, (having.get(word) ?? 0) + 1)
    entries.push({ tool, words, length })
    total += length
  }
  return { entries, having, meanLength: entries.length === 0 ? 0 : total / entries.length }
}

/** The tools that fit a question best by BM25, those that it names before all others; of equals the one that was declared first. */
export async function best({ entries, having, meanLength }: ToolIndex, question: string, most: number): Promise<readonly Callable[]> {
  const words = [...new Set(wordsIn(question))].filter((word) => having.has(word)).slice(0, MOST_WORDS)
  const rarity = words.map((word) => Math.log(1 + (entries.length - having.get(word)! + 0.5) / (having.get(word)! + 0.5)))
  const named = new Set(question.split(/[\s,;"'`()]+/))
  const found: { readonly tool: Callable; readonly score: number }[] = []
  let lookups = 0
  for (const { tool, words: said, length } of entries) {
    let score = named.has(tool.name) ? Infinity : 0
    for (const [at, word] of words.entries()) {
      const weight = said.get(word)
      if (weight === undefined) continue
      score += rarity[at]! * weight * (SATURATION + 1) / (weight + SATURATION * (1 - LENGTH_COUNTS + LENGTH_COUNTS * length / meanLength))
    }
    if (score > 0 && !(found.length === most && found.at(-1)!.score >= score)) {
      found.splice(found.findLastIndex((other) => other.score >= score) + 1, 0, { tool, score })
      found.length = Math.min(found.length, most)
    }
    if ((lookups += words.length + 1) < LOOKUPS_AT_ONCE) continue
    lookups = 0
    await setImmediate()
  }
  return found.map(({ tool }) => tool)
}

/** Words as they are compared: `getOpenIssues`, `get_open_issues` and "open issue" have two in common. */
export function wordsIn(text: string): readonly string[] {
  const apart = text.replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2').replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
  return (apart.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map(singular)
}

/** English plurals, about: issues, matches, queries; a word of another language that loses an s does so on both sides. */
function singular(word: string): string {
  if (word.length <= 3 || !word.endsWith('s') || word.endsWith('ss') || word.endsWith('us') || word.endsWith('is')) return word
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`
  return /(?:ch|sh|x|z|ss)es$/.test(word) ? word.slice(0, -2) : word.slice(0, -1)
}

function textOf(tool: Callable): ToolText {
  const names: string[] = []
  const texts: string[] = []
  let left = MOST_CHARACTERS
  let schemas = 0
  const say = (to: string[], text: string): void => {
    if (left <= 0) return
    to.push(text.slice(0, left))
    left -= text.length
  }
  const walk = (schema: unknown, depth: number): void => {
    if (typeof schema !== 'object' || schema === null || depth > MOST_DEPTH || left <= 0 || ++schemas > MOST_SCHEMAS) return
    if (Array.isArray(schema)) return schema.slice(0, MOST_SCHEMAS).forEach((it) => walk(it, depth + 1))
    const { description, properties, items, enum: values, anyOf, oneOf, allOf } = schema as JsonObject
    if (typeof description === 'string') say(texts, description)
    if (Array.isArray(values)) for (const value of values.slice(0, MOST_SCHEMAS)) if (typeof value === 'string') say(texts, value)
    if (typeof properties === 'object' && properties !== null) {
      for (const [name, of] of Object.entries(properties)) {
        if (left <= 0) return
        say(names, name)
        walk(of, depth + 1)
      }
    }
    for (const inner of [items, anyOf, oneOf, allOf]) walk(inner, depth + 1)
  }
  if (tool.type === 'function') walk(tool.parameters, 0)
  return { name: tool.name, description: (tool.description ?? '').slice(0, MOST_CHARACTERS), argumentNames: names.join(' '), argumentTexts: texts.join('\n') }
}
