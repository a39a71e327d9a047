import { EFFORTS, type Effort, type Reasoning } from '../core/index.ts'

/** A piece of a reply's text, told apart into reasoning and answer. */
export interface Piece {
  readonly kind: 'text' | 'reasoning'
  readonly text: string
}

/** Takes `<think>…</think>` out of the start of a text that arrives in pieces. */
export interface ThinkSplitter {
  push(text: string): readonly Piece[]
  /** What was held back because it might have become a tag. */
  end(): readonly Piece[]
}

const OPEN = '<think>'
const CLOSE = '</think>'

/**
 * Some servers leave the reasoning of R1-like models in the text. Only a tag at the start of the message counts:
 * later ones are what the model writes about. Tags may be cut between chunks. With `implicit` the template has
 * opened the thought already, and only `</think>` appears (seen with Qwen and R1 templates on vLLM and llama.cpp).
 */
export function createThinkSplitter(given: { readonly implicit?: boolean } = {}): ThinkSplitter {
  let state: 'start' | 'inside' | 'closed' | 'text' = 'start'
  let held = ''

  const push = (text: string): readonly Piece[] => {
    if (state === 'text') return text === '' ? [] : [{ kind: 'text', text }]
    const out: Piece[] = []
    held += text
    if (state === 'start') {
      const trimmed = held.trimStart()
      if (trimmed.length < OPEN.length && OPEN.startsWith(trimmed)) return out
      if (trimmed.startsWith(OPEN)) {
        held = trimmed.slice(OPEN.length)
        state = 'inside'
      } else if (given.implicit) {
        held = trimmed
        state = 'inside'
      } else state = 'text'
    }
    if (state === 'inside') {
      const close = held.indexOf(CLOSE)
      const upTo = close >= 0 ? close : held.length - partialTag(held)
      if (upTo > 0) out.push({ kind: 'reasoning', text: held.slice(0, upTo) })
      held = held.slice(close >= 0 ? close + CLOSE.length : upTo)
      if (close >= 0) state = 'closed'
    }
    if (state === 'closed') {
      held = held.replace(/^\s+/, '')
      if (held !== '') state = 'text'
    }
    if (state === 'text' && held !== '') {
      out.push({ kind: 'text', text: held })
      held = ''
    }
    return out
  }

  return {
    push,
    end() {
      const rest = held
      held = ''
      if (rest === '' || state === 'closed') return []
      return [{ kind: state === 'inside' ? 'reasoning' : 'text', text: rest }]
    },
  }
}

/** The same for a whole text, where a `</think>` without its opening shows that the thought was opened before. */
export function splitThinking(text: string): readonly Piece[] {
  const close = text.indexOf(CLOSE)
  const open = text.indexOf(OPEN)
  const splitter = createThinkSplitter({ implicit: close >= 0 && (open < 0 || open > close) })
  return [...splitter.push(text), ...splitter.end()]
}

/** How many characters at the end of a text may be the beginning of `</think>`. */
function partialTag(text: string): number {
  for (let n = Math.min(CLOSE.length - 1, text.length); n > 0; n--) if (text.endsWith(CLOSE.slice(0, n))) return n
  return 0
}

/** OpenRouter's published shares of the output limit that an effort stands for. */
export const EFFORT_SHARE: Readonly<Record<Effort, number>> = {
  none: 0, minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.95, max: 0.95,
}

/** What a caller's reasoning wish comes down to: off, or an effort, or a budget in tokens; undefined says nothing. */
export type Thinking = { readonly off: true } | { readonly effort: Effort } | { readonly budget: number }

/** Reads the wish: `enabled` alone is effort medium, effort none and `enabled: false` are off, `{}` says nothing. */
export function thinkingOf(reasoning: Reasoning | undefined): Thinking | undefined {
  if (!reasoning) return undefined
  if (reasoning.enabled === false || reasoning.effort === 'none' || reasoning.maxTokens === 0) return { off: true }
  if (reasoning.effort) return { effort: reasoning.effort }
  if (reasoning.maxTokens !== undefined) return { budget: reasoning.maxTokens }
  return reasoning.enabled ? { effort: 'medium' } : undefined
}

/** A wish as an effort: budgets become the effort whose share of the output limit is nearest. */
export function effortOf(thinking: Exclude<Thinking, { off: true }>, maxOutputTokens: number): Effort {
  if ('effort' in thinking) return thinking.effort
  const share = thinking.budget / Math.max(maxOutputTokens, 1)
  let best: Effort = 'minimal'
  for (const effort of EFFORTS) {
    if (effort === 'none' || effort === 'max') continue
    if (Math.abs(EFFORT_SHARE[effort] - share) < Math.abs(EFFORT_SHARE[best] - share)) best = effort
  }
  return best
}

/** A wish as a budget of tokens within the model's range. */
export function budgetOf(
  thinking: Exclude<Thinking, { off: true }>,
  maxOutputTokens: number,
  range: { readonly min?: number; readonly max?: number } = {},
): number {
  const wanted = 'budget' in thinking ? thinking.budget : Math.floor(EFFORT_SHARE[thinking.effort] * maxOutputTokens)
  return Math.max(Math.min(wanted, range.max ?? wanted), range.min ?? 1)
}

/**
 * The supported effort nearest to the one that is wanted; of two equally near ones the cheaper. None is never
 * taken for a wish to think, nor a wish to think for none.
 */
export function nearestEffort(wanted: Effort, supported: readonly Effort[] | undefined): Effort {
  if (!supported || supported.length === 0 || supported.includes(wanted)) return wanted
  const at = EFFORTS.indexOf(wanted)
  let best: Effort | undefined
  let distance = Infinity
  for (const effort of EFFORTS) {
    if (!supported.includes(effort) || effort === 'none') continue
    const d = Math.abs(EFFORTS.indexOf(effort) - at)
    if (d < distance) {
      best = effort
      distance = d
    }
  }
  return best ?? wanted
}
