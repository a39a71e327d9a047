import type { Endpoint } from '../../core/index.ts'
import { takesBreakpoints } from '../openai-chat/breakpoints.ts'

/** How hosts of this wire format differ, read from the endpoint alone. */
export interface Traits {
  /** Whose ciphertexts the endpoint can read, in OpenRouter's words for them: its own provider's and nobody else's. */
  readonly format: string
  /** Reasoning that nobody sealed is taken back as text (servers of open weights). */
  readonly replaysUnsealed: boolean
  /** The model takes OpenAI's own marks of a prompt cache. */
  readonly breakpoints: boolean
  /** Sampling parameters are refused while the model thinks. */
  readonly noSamplingWhileThinking: boolean
  /** Whether a tool of OpenAI's own is known to the model. */
  knows(tool: string): boolean
}

export function traitsOf(endpoint: Endpoint): Traits {
  const { provider, model, quirks, parameters } = endpoint
  // Clouds resell models whose makers seal in a way of their own.
  const maker = quirks.has('azure-deployment-names') ? 'azure-openai'
    : quirks.has('inference-profile-prefix') ? `bedrock-${model.slice(0, model.indexOf('/')).replace('x-ai', 'xai')}` : provider
  return {
    format: `${maker}-responses-v1`,
    replaysUnsealed: quirks.has('reasoning-rename') || quirks.has('reasoning-replay'),
    breakpoints: takesBreakpoints(endpoint),
    noSamplingWhileThinking: quirks.has('openai-reasoning-sampling'),
    knows: (tool) => parameters?.has(tool) === true || (quirks.has('openai-own-tools') && isFrom(model, SINCE[tool])),
  }
}

/** The version of GPT from which on a tool is known, by OpenAI's documents. A list of parameters that names the tool says it as well. */
const SINCE: Readonly<Record<string, number>> = { apply_patch: 5.1, tool_search: 5.4 }

/** `chat-latest` models take functions and nothing else. */
function isFrom(model: string, since: number | undefined): boolean {
  const version = /^openai\/gpt-(\d+(?:\.\d+)?)(?!.*-chat)/.exec(model)?.[1]
  return since !== undefined && version !== undefined && Number(version) >= since
}
