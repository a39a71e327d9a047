import type { Hit } from '../site.ts'

/** A thing that can be found, with what it may be found by: names first, then whatever else it is called. */
export interface Findable {
  readonly hit: Hit
  readonly names: readonly string[]
}

/** How well a word fits, best first: it is the name, it begins it, it begins a part of it, it stands somewhere in it. */
const WHOLE = 0
const BEGINS = 1
const BEGINS_PART = 2
const WITHIN = 3

/**
 * What a few typed words find, best first. Every word has to fit; between equals the order of `all` stands, so that the
 * caller decides what comes first (the newest model, say).
 */
export function findIn(all: readonly Findable[], text: string, most: number): readonly Hit[] {
  const words = wordsOf(text)
  if (words.length === 0) return []
  const whole = words.join(' ')
  const found = all.flatMap(({ hit, names }, at) => {
    const plain = names.map((name) => wordsOf(name).join(' '))
    let score = 0
    for (const word of words) {
      const fit = Math.min(...plain.map((name) => fitOf(name, word)))
      if (fit === Infinity) return []
      score += fit
    }
    // "gpt-5" means "OpenAI: GPT-5" before everything that goes on from there.
    return [{ hit, at, score: plain.some((name) => name === whole || name.endsWith(` ${whole}`)) ? -1 : score }]
  })
  return found.toSorted((a, b) => a.score - b.score || a.at - b.at).slice(0, most).map(({ hit }) => hit)
}

/** "OpenAI: GPT-5.3" and "openai/gpt-5.3" are the same words: people type neither colons nor slashes. */
const wordsOf = (text: string): readonly string[] => text.toLowerCase().split(/[\s:/()~_-]+/).filter(Boolean)

function fitOf(name: string, word: string): number {
  if (name === word) return WHOLE
  if (name.startsWith(word)) return BEGINS
  const at = name.indexOf(word)
  if (at === -1) return Infinity
  return name.includes(` ${word}`) ? BEGINS_PART : WITHIN
}
