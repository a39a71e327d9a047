import type { Endpoint } from '../../core/index.ts'

/**
 * How the models behind this wire format differ, read from the upstream's name for the model and from what the
 * catalogue says of the endpoint.
 */
export interface Traits {
  /** How thinking is asked for: a level (Gemini 3), a budget in tokens (2.5), only whether to show it, or not at all. */
  readonly thinking: 'level' | 'budget' | 'never'
  /** Full JSON Schema is understood (`parametersJsonSchema`, `responseJsonSchema`): Gemini 2.5 and later. */
  readonly jsonSchema: boolean
  /** Function calls must carry a thought signature: Gemini 3. */
  readonly signedCalls: boolean
  /** Thought signatures are known at all. */
  readonly signatures: boolean
  /** Media may stand inside a function's response: Gemini 3. */
  readonly mediaInResults: boolean
  /** Built-in tools may stand beside functions, and JSON output beside tools: Gemini 3. */
  readonly mixesTools: boolean
  /** Any http address may be given as a file; before 2.5 only Google's own and YouTube. */
  readonly fetches: boolean
  /** A search is billed by query (Gemini 3), before by prompt. */
  readonly searchesByQuery: boolean
  /** There is a system instruction; Gemma before 4 has none. */
  readonly system: boolean
}

/** A model whose name tells no generation is taken for this one, which has the fewest customs of its own. */
const UNKNOWN_GENERATION = 2.5
/** `gemini-flash-latest` and the like move on with Google's newest. */
const LATEST_GENERATION = 3

export function traitsOf(endpoint: Endpoint): Traits {
  const gemma = /gemma-(\d+)/i.exec(endpoint.upstreamModel) ?? /gemma-(\d+)/i.exec(endpoint.model)
  const generation = gemma ? 0 : generationOf(endpoint.upstreamModel) ?? generationOf(endpoint.model) ?? UNKNOWN_GENERATION
  const newGemma = gemma !== null && Number(gemma[1]) >= 4
  return {
    thinking: thinkingOf(endpoint, generation, newGemma),
    jsonSchema: generation >= 2.5 || newGemma,
    signedCalls: generation >= 3,
    signatures: generation >= 2.5 || newGemma,
    mediaInResults: generation >= 3,
    mixesTools: generation >= 3,
    fetches: generation >= 2.5,
    searchesByQuery: generation >= 3,
    system: gemma === null || newGemma,
  }
}

function generationOf(name: string): number | undefined {
  const numbered = /gemini-(\d+(?:\.\d+)?)(?!\d)/i.exec(name)
  if (numbered) return Number(numbered[1])
  if (/gemini-.*latest/i.test(name)) return LATEST_GENERATION
  // The first ones: gemini-pro, gemini-flash-1.5.
  return /gemini-(pro|flash)/i.test(name) ? 1 : undefined
}

function thinkingOf(endpoint: Endpoint, generation: number, newGemma: boolean): Traits['thinking'] {
  const { reasoning } = endpoint
  if (!reasoning.supported || reasoning.controllable === false) return 'never'
  if (reasoning.budgetTokens) return 'budget'
  return reasoning.efforts || generation >= 3 || newGemma ? 'level' : 'budget'
}

/** What a list that was worked out from flags can speak of; of anything else its silence says nothing. */
const DERIVED_KNOWS: ReadonlySet<string> = new Set(['tools', 'tool_choice', 'response_format', 'structured_outputs', 'temperature', 'top_p'])

/** Whether the endpoint is known to refuse a parameter ("Penalty is not enabled for models/gemini-2.5-pro"). */
export function refuses(endpoint: Endpoint, parameter: string): boolean {
  const { parameters, parametersSource } = endpoint
  if (parameters === null || parameters.has(parameter)) return false
  return parametersSource === 'derived' ? DERIVED_KNOWS.has(parameter) : true
}
