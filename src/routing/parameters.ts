import type { Endpoint } from '../core/index.ts'

/** Other names under which lists carry the same ability. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  max_tokens: ['max_completion_tokens'],
  reasoning: ['reasoning_effort', 'include_reasoning'],
  response_format: ['structured_outputs'],
}

/** What a derived list had a flag for (docs/decisions/0002-derived-parameters.md); of anything else it is silent. */
const DERIVED_KNOWS: ReadonlySet<string> = new Set([
  'tools', 'tool_choice', 'response_format', 'structured_outputs', 'reasoning', 'temperature', 'top_p',
])

/** Parameters that OpenRouter's own lists leave out even where they work, so that their absence says nothing. */
const LISTED_SILENT: ReadonlySet<string> = new Set(['parallel_tool_calls', 'prediction'])

/**
 * Whether the endpoint is known not to honour a parameter. No list means all of its dialect; a derived list speaks
 * only of what it was derived from.
 */
export function lacks(endpoint: Endpoint, parameter: string): boolean {
  const { parameters } = endpoint
  if (parameters === null || parameters.has(parameter)) return false
  const others = SYNONYMS[parameter]
  if (others !== undefined) for (const other of others) if (parameters.has(other)) return false
  switch (endpoint.parametersSource) {
    case 'derived': return DERIVED_KNOWS.has(parameter)
    case 'listed': return !LISTED_SILENT.has(parameter)
    default: return true
  }
}

/** Parameters whose silent loss changes what the answer is: endpoints that honour them go first even when not required. */
const PREFERRED = ['tools', 'tool_choice', 'response_format', 'structured_outputs', 'verbosity'] as const

/** Those of the preferred parameters that a request sets. */
export function preferredOf(parameters: ReadonlySet<string>): readonly string[] {
  return parameters.size === 0 ? NONE : PREFERRED.filter((name) => parameters.has(name))
}

const NONE: readonly string[] = []
