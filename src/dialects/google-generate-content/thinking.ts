import { fault, type ChatRequest, type Effort, type Endpoint, type Fault } from '../../core/index.ts'
import { budgetOf, effortOf, nearestEffort, thinkingOf, type Thinking } from '../reasoning.ts'
import type { Traits } from './traits.ts'

export interface ThinkingConfig {
  readonly thinkingLevel?: string
  readonly thinkingBudget?: number
  readonly includeThoughts?: boolean
}

/** Where neither the caller nor the catalogue says how long an answer may be. */
const USUAL_OUTPUT = 65_536
/** The model decides by itself how long it thinks. */
const DYNAMIC = -1
/** The levels that every Gemini 3 has; the others are only asked for where the catalogue names them. */
const LEVELS: readonly Effort[] = ['low', 'high']
const ALL_LEVELS: readonly Effort[] = ['minimal', 'low', 'medium', 'high']

/**
 * How the model is to think. Level and budget exclude each other on the wire, so each model gets the one that it
 * knows. Thoughts are shown unless the caller excludes them. Switching off what cannot be switched off is a fault.
 */
export function writeThinking(
  request: ChatRequest, endpoint: Endpoint, traits: Traits, dropped: Set<string>,
): { readonly config?: ThinkingConfig } | { readonly fault: Fault } {
  const wish = thinkingOf(request.reasoning)
  if (traits.thinking === 'never') {
    // Off is what a model that never thinks does anyway.
    if (wish && (endpoint.reasoning.supported || !('off' in wish))) dropped.add('reasoning')
    return {}
  }
  if (wish && 'off' in wish) return switchedOff(request, endpoint, traits)
  const shown = request.reasoning?.exclude === true ? null : { includeThoughts: true }
  const config = { ...(wish && (traits.thinking === 'level' ? level(wish, request, endpoint) : budget(wish, request, endpoint))), ...shown }
  return Object.keys(config).length > 0 ? { config } : {}
}

function level(wish: Wish, request: ChatRequest, endpoint: Endpoint): ThinkingConfig {
  const { efforts, toggle } = endpoint.reasoning
  // Gemma is told on or off, in the words of a level.
  if (!efforts && toggle) return { thinkingLevel: 'HIGH' }
  const known = efforts?.filter((effort) => ALL_LEVELS.includes(effort)) ?? []
  // High is the highest of all levels, so it is also what xhigh and max are nearest to.
  return { thinkingLevel: nearestEffort(effortOf(wish, outputOf(request, endpoint)), known.length > 0 ? known : LEVELS).toUpperCase() }
}

function budget(wish: Wish, request: ChatRequest, endpoint: Endpoint): ThinkingConfig {
  const range = endpoint.reasoning.budgetTokens
  // Without a known range a share of the output may lie outside of it, which is a 400.
  if (!range && 'effort' in wish) return { thinkingBudget: DYNAMIC }
  return { thinkingBudget: budgetOf(wish, outputOf(request, endpoint), range) }
}

function switchedOff(
  request: ChatRequest, endpoint: Endpoint, traits: Traits,
): { readonly config?: ThinkingConfig } | { readonly fault: Fault } {
  const { canDisable, toggle, budgetTokens, efforts } = endpoint.reasoning
  const can = canDisable ?? toggle ?? (traits.thinking === 'budget' && (budgetTokens?.min ?? 0) === 0)
  if (!can) return mandatory(request)
  if (traits.thinking === 'budget') return { config: { thinkingBudget: 0 } }
  return { config: { thinkingLevel: efforts ? nearestEffort('minimal', efforts.filter((effort) => ALL_LEVELS.includes(effort))).toUpperCase() : 'MINIMAL' } }
}

function mandatory(request: ChatRequest): { readonly fault: Fault } {
  const field = request.reasoning?.effort !== undefined ? 'reasoning.effort'
    : request.reasoning?.enabled !== undefined ? 'reasoning.enabled' : 'reasoning.max_tokens'
  return {
    fault: fault('invalid-request', `${field}: reasoning is mandatory for this model and cannot be switched off; ask for effort "low", or leave it out`, { field }),
  }
}

type Wish = Exclude<Thinking, { off: true }>

const outputOf = (request: ChatRequest, endpoint: Endpoint): number =>
  Math.min(request.maxOutputTokens ?? Infinity, endpoint.maxOutputTokens ?? USUAL_OUTPUT)
