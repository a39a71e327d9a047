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
}

export function traitsOf(endpoint: Endpoint): Traits {
  const { provider, model, quirks } = endpoint
  // Clouds resell models whose makers seal in a way of their own.
  const maker = quirks.has('azure-deployment-names') ? 'azure-openai'
    : quirks.has('inference-profile-prefix') ? `bedrock-${model.slice(0, model.indexOf('/')).replace('x-ai', 'xai')}` : provider
  return {
    format: `${maker}-responses-v1`,
    replaysUnsealed: quirks.has('reasoning-rename') || quirks.has('reasoning-replay'),
    breakpoints: takesBreakpoints(endpoint),
    noSamplingWhileThinking: quirks.has('openai-reasoning-sampling'),
  }
}
