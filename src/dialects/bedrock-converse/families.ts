import type { Endpoint } from '../../core/index.ts'
import { traitsOf } from '../anthropic-messages/traits.ts'

/** Who made the model: Converse is one format for all of them, but each takes other things in it. */
export type Family = 'anthropic' | 'amazon' | 'mistral' | 'openai' | 'qwen' | 'meta' | 'cohere' | 'other'

const KNOWN: Readonly<Record<string, Family>> = {
  anthropic: 'anthropic', amazon: 'amazon', mistral: 'mistral', openai: 'openai', qwen: 'qwen', meta: 'meta', cohere: 'cohere',
}

/** How the models behind this wire format differ, read from the model's id and from what the catalogue says. */
export interface Traits {
  readonly family: Family
  /** `toolChoice: any` is understood; others answer 400 to it. */
  readonly forcesTools: boolean
  /** The status of a tool result is understood. */
  readonly resultStatus: boolean
  readonly cachePoints: boolean
  /** Tool ids must be nine letters or digits. */
  readonly nineIds: boolean
  /** The conversation may begin and end with the assistant. */
  readonly prefill: boolean
  readonly temperature: boolean
  readonly topP: boolean
  /** Temperature and top_p exclude each other. */
  readonly oneOfTemperatureAndTopP: boolean
  /** Where `top_k` goes in the fields that Converse has no word for; null where the family has none. */
  readonly topK: 'top_k' | 'k' | 'topK' | null
  /** How reasoning is asked for there. */
  readonly thinking: 'budget' | 'adaptive' | 'effort' | 'nova' | 'config' | 'never'
  readonly structuredOutputs: boolean
}

export function traitsFor(endpoint: Endpoint): Traits {
  const family = familyOf(endpoint.upstreamModel)
  const claude = family === 'anthropic'
  const { parameters } = endpoint
  const has = (name: string): boolean => parameters === null || parameters.has(name)
  const asClaude = claude ? traitsOf({ ...endpoint, quirks: new Set([...endpoint.quirks, 'no-sampling-on-new-models']) }) : null
  return {
    family,
    forcesTools: claude || family === 'amazon' || family === 'mistral',
    resultStatus: claude || family === 'amazon',
    cachePoints: claude || family === 'amazon',
    nineIds: family === 'mistral',
    prefill: asClaude !== null && !asClaude.noPrefill,
    temperature: asClaude?.temperature ?? has('temperature'),
    topP: asClaude?.topP ?? has('top_p'),
    oneOfTemperatureAndTopP: asClaude?.oneOfTemperatureAndTopP ?? false,
    topK: claude ? (asClaude!.topK ? 'top_k' : null) : family === 'mistral' ? 'top_k' : family === 'cohere' ? 'k' : family === 'amazon' ? 'topK' : null,
    thinking: thinkingOf(endpoint, family, asClaude?.thinking),
    structuredOutputs: has('structured_outputs'),
  }
}

/** The maker stands in the id, behind the geography of an inference profile, or in the name at the end of an ARN. */
function familyOf(model: string): Family {
  const name = model.slice(model.lastIndexOf('/') + 1)
  for (const part of name.toLowerCase().split(/[.:]/).slice(0, 3)) if (KNOWN[part]) return KNOWN[part]
  // An application's own profile says nothing of its model; the name may.
  return /claude/i.test(name) ? 'anthropic' : /nova/i.test(name) ? 'amazon' : 'other'
}

function thinkingOf(endpoint: Endpoint, family: Family, claude: string | undefined): Traits['thinking'] {
  const { reasoning } = endpoint
  if (!reasoning.supported || reasoning.controllable === false) return 'never'
  switch (family) {
    case 'anthropic': return claude === 'effort' ? 'adaptive' : claude === 'budget' ? 'budget' : 'never'
    case 'openai': return 'effort'
    case 'amazon': return 'nova'
    case 'qwen': return 'config'
    default: return 'never'
  }
}
