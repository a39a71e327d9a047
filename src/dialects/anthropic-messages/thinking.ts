import { needOf, type ChatRequest, type Effort, type Endpoint } from '../../core/index.ts'
import { budgetOf, effortOf, nearestEffort, thinkingOf } from '../reasoning.ts'
import type { Traits } from './traits.ts'
import type { Message, Thinking } from './wire.ts'

/** The smallest budget that is taken, and the largest that an effort stands for. */
const MIN_BUDGET = 1024
const MAX_BUDGET = 128_000
/** Without streaming Anthropic refuses more, since an answer as long would outlast the connection (vercel/ai#20649). */
const MAX_WHOLE = 21_333
/** Where nobody says how much the model can write: what the smallest models in use can. */
const UNKNOWN_LIMIT = 8192
/** Tokens that bytes ÷ 4 may underestimate a prompt by: code and other scripts than Latin have more. */
const ESTIMATE_MARGIN = 1.5

/**
 * `max_tokens`, which has to be given. A caller's own is kept up to the endpoint's limit; otherwise the limit itself,
 * as far as the context has room for it: older models refuse a prompt and a limit that do not fit together.
 */
export function outputLimit(request: ChatRequest, endpoint: Endpoint, stream: boolean): number {
  const cap = Math.min(endpoint.maxOutputTokens ?? Infinity, stream ? Infinity : MAX_WHOLE)
  if (request.maxOutputTokens !== undefined) return Math.max(1, Math.min(request.maxOutputTokens, cap))
  const wanted = endpoint.maxOutputTokens ?? UNKNOWN_LIMIT + (request.reasoning?.maxTokens ?? 0)
  const limit = Math.min(wanted, cap)
  if (endpoint.contextLength === null) return limit
  const room = endpoint.contextLength - Math.ceil(needOf(request, stream).inputTokens * ESTIMATE_MARGIN)
  return Math.max(Math.min(limit, room), Math.min(limit, MIN_BUDGET))
}

export interface Reasons {
  readonly thinking?: Thinking
  readonly effort?: Effort
  /** The wish could not be met. */
  readonly dropped: boolean
}

const NOTHING: Reasons = { dropped: false }
const LOST: Reasons = { dropped: true }

/**
 * What a wish for reasoning comes to: a budget where budgets are known, an effort with adaptive thinking on the models
 * that refuse budgets. A forced tool is refused beside thinking; the tool is what the caller's program waits for, so
 * the thinking gives way, and so it does in a tool loop whose own thoughts are gone.
 */
export function reasonsOf(
  request: ChatRequest, endpoint: Endpoint, traits: Traits,
  given: { readonly limit: number; readonly forcedTool: boolean; readonly messages: readonly Message[] },
): Reasons {
  const wish = thinkingOf(request.reasoning)
  if (!wish) return NOTHING
  if (traits.thinking === 'never') return 'off' in wish ? NOTHING : LOST
  if (traits.thinking === 'always') {
    const particular = request.reasoning?.effort !== undefined || request.reasoning?.maxTokens !== undefined
    return 'off' in wish || particular ? LOST : NOTHING
  }
  const off: Reasons = traits.canDisable ? { thinking: { type: 'disabled' }, dropped: false } : LOST
  if ('off' in wish) return off
  if (given.forcedTool) return { ...off, dropped: true }
  if (traits.thinking === 'effort') {
    return {
      thinking: { type: 'adaptive', display: request.reasoning?.exclude ? 'omitted' : 'summarized' },
      effort: nearestEffort(effortOf(wish, given.limit), endpoint.reasoning.efforts),
      dropped: false,
    }
  }
  if (given.limit <= MIN_BUDGET || lacksThoughts(given.messages)) return LOST
  const range = endpoint.reasoning.budgetTokens
  const budget = budgetOf(wish, given.limit, {
    min: Math.max(range?.min ?? MIN_BUDGET, MIN_BUDGET),
    max: Math.min(range?.max ?? MAX_BUDGET, MAX_BUDGET),
  })
  return { thinking: { type: 'enabled', budget_tokens: Math.min(budget, given.limit - 1) }, dropped: false }
}

/**
 * Whether the assistant turn that the last tool results belong to does not begin with a thought. With a budget that
 * is a 400 ("Expected `thinking` or `redacted_thinking`, but found `tool_use`"): the history comes from elsewhere,
 * or its client threw the reasoning away.
 */
function lacksThoughts(messages: readonly Message[]): boolean {
  const last = messages.at(-1)
  if (last?.role !== 'user' || last.content[0]?.type !== 'tool_result') return false
  const first = messages.at(-2)?.content[0]?.type
  return first !== 'thinking' && first !== 'redacted_thinking'
}
