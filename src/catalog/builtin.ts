import { completeEndpoint, completeModel, newProvider, type EndpointRow, type ModelRow, type ProviderRow } from './rows.ts'

/** The provider that answers in this process, so that a router without any key can be tried. */
export const DEMO = 'demo'

export const DEMO_PROVIDER: ProviderRow = {
  ...newProvider(DEMO, { name: 'Demo (simulation)', base_url: 'demo:', dialect: DEMO }),
  kind: 'local',
  base_url_source: 'builtin',
  auth: { scheme: 'none' },
  data_policy: { training: false, retains_prompts: false, retention_days: 0, basis: 'answers in this process' },
}

export const DEMO_MODELS: readonly ModelRow[] = [
  demoModel('echo', 'Echo', 'A simulation that repeats what it is told. No model is called and nothing is charged.'),
  demoModel('tools', 'Tools', 'A simulation that calls the first tool that it is given. No model is called and nothing is charged.'),
  demoModel('slow', 'Slow', 'A simulation that answers ten times as slowly as the others. No model is called and nothing is charged.'),
]

export const DEMO_ENDPOINTS: readonly EndpointRow[] = DEMO_MODELS.map((row) => demoEndpoint(row.id, row.id.slice(DEMO.length + 1)))

/** The simulation of any chat model, `model@demo`. */
export function demoEndpoint(model: string, upstreamModel = 'echo'): EndpointRow {
  return {
    ...completeEndpoint({ model, provider: DEMO, provider_model_id: upstreamModel, pricing: 'free' }),
    simulated: true,
  }
}

function demoModel(slug: string, name: string, description: string): ModelRow {
  return completeModel({
    id: `${DEMO}/${slug}`,
    name: `Demo: ${name}`,
    author: DEMO,
    author_name: 'Signalbox',
    input_modalities: ['text', 'image', 'file', 'audio', 'video'],
    supported_parameters: ['max_tokens', 'response_format', 'structured_outputs', 'tools', 'tool_choice'],
    features: { tools: true, structured_outputs: true, temperature: false, vision: true, open_weights: false },
    description,
  })
}

/** The names of our own that OpenRouter's router models also go by. */
const OWN_NAMES: Readonly<Record<string, string>> = { 'openrouter/auto': 'signalbox/auto', 'openrouter/free': 'signalbox/free', 'openrouter/fusion': 'signalbox/fusion' }

/** The seed's models with our own names for the router models that there is a rule for. */
export function withOwnNames(models: readonly ModelRow[]): readonly ModelRow[] {
  return models.map((row) => {
    const own = OWN_NAMES[row.id]
    return own === undefined ? row : { ...row, aliases: [...row.aliases, own] }
  })
}

/**
 * OpenRouter as a provider. It sells every model of its public list, and says in each answer what that answer cost:
 * its listed prices mix the rates of several hosts, so they bound the cost and never bill it.
 */
const RESELLER = 'openrouter'
const LISTED = new Set(['yes', 'other-endpoint'])

/** The seed's endpoints with one at OpenRouter for each chat model that it lists, none of them billed from a list. */
export function withReseller(models: readonly ModelRow[], endpoints: readonly EndpointRow[]): readonly EndpointRow[] {
  const rows = endpoints.map((row) => row.provider === RESELLER ? { ...row, price_source: 'stated' as const } : row)
  const sold = new Set(rows.filter((row) => row.provider === RESELLER).map((row) => row.model))
  for (const model of models) {
    if (model.kind !== 'chat' || !LISTED.has(model.openrouter_listed) || model.status === 'retired' || sold.has(model.id)) continue
    const known = model.supported_parameters_source !== 'none'
    rows.push({
      id: `${model.id}@${RESELLER}`,
      model: model.id,
      provider: RESELLER,
      tag: RESELLER,
      provider_model_id: model.id,
      pricing: NO_PRICING,
      pricing_unknown: true,
      context_length: model.context_length,
      max_completion_tokens: model.max_output_tokens,
      quantization: null,
      supported_parameters: known ? model.supported_parameters : null,
      supported_parameters_source: model.supported_parameters_source,
      price_source: 'stated',
    })
  }
  return rows
}

const NO_PRICING = Object.freeze({})
