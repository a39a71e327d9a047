import type { Endpoint } from '../../core/index.ts'

/**
 * How hosts and models of this wire format differ, read from the endpoint alone: its parameters, what it says of its
 * reasoning, and its quirk codes.
 */
export interface Traits {
  /** One of Anthropic's own models, wherever it is served. */
  readonly claude: boolean
  /** How thinking is asked for: a budget of tokens, an effort with adaptive thinking, or not at all. */
  readonly thinking: 'budget' | 'effort' | 'always' | 'never'
  /** Whether thinking can be switched off where it can be asked for. */
  readonly canDisable: boolean
  /** `output_config.effort` is understood, with or without thinking. */
  readonly effort: boolean
  readonly temperature: boolean
  readonly topP: boolean
  readonly topK: boolean
  /** Temperature and top_p exclude each other: Claude from Opus 4.1 on. */
  readonly oneOfTemperatureAndTopP: boolean
  /** A trailing assistant message is refused: Claude after Opus 4.6. */
  readonly noPrefill: boolean
  readonly structuredOutputs: boolean
  /** Thinking without a signature is taken back, and missed when it is not there (MiniMax, Kimi, DeepSeek, MiMo). */
  readonly replaysUnsealed: boolean
  /** Whether a tool that Anthropic runs is known to the model. */
  knows(tool: string): boolean
  /** The provider's own headers have the version. */
  readonly hasVersionHeader: boolean
}

export function traitsOf(endpoint: Endpoint): Traits {
  const { model, parameters, quirks, reasoning } = endpoint
  const has = (name: string): boolean => parameters === null || parameters.has(name)
  const claude = quirks.has('no-sampling-on-new-models')
  const temperature = has('temperature')
  const efforts = (reasoning.efforts?.length ?? 0) > 0
  // Lists name efforts for Claude 4 too, which has budgets only: adaptive thinking came when sampling went.
  const adaptive = efforts && !reasoning.budgetTokens && !(claude && temperature)
  return {
    claude,
    thinking: !reasoning.supported ? 'never' : reasoning.controllable === false ? 'always' : adaptive ? 'effort' : 'budget',
    canDisable: reasoning.canDisable !== false,
    effort: adaptive || has('verbosity'),
    temperature,
    topP: has('top_p'),
    // Lists that were derived from flags have no word for top_k: there it goes where temperature goes.
    topK: has('top_k') || (endpoint.parametersSource !== 'listed' && temperature),
    oneOfTemperatureAndTopP: claude,
    noPrefill: claude && reasoning.supported && !temperature,
    structuredOutputs: has('structured_outputs'),
    replaysUnsealed: quirks.has('reasoning-replay') || quirks.has('anthropic-first'),
    knows: (tool) => tool.startsWith('tool_search_tool_') && (parameters?.has('tool_search') === true || (claude && searchesTools(model))),
    hasVersionHeader: quirks.has('version-header'),
  }
}

/** By Anthropic's documents: from Claude Opus 4.5 and Sonnet 4.5 on, and of the smallest from 5 on. */
function searchesTools(model: string): boolean {
  const [, family, version] = /^anthropic\/claude-([a-z]+)-(\d+(?:\.\d+)?)/.exec(model) ?? []
  return version !== undefined && Number(version) >= (family === 'haiku' ? 5 : 4.5)
}
