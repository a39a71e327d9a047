import type { DataPolicy, Effort, Endpoint, JsonObject, Model, PriceSheet, ReasoningSupport, Tier } from '../core/index.ts'
import { fill, reachOf, type KindFaces, type ProtocolPaths } from './address.ts'
import { boundOf, priceOf, type Decimals, type Priced } from './price.ts'
import type { DataPolicyRow, EndpointRow, ModeRow, ModelRow, ProviderRow, ReasoningRow } from './rows.ts'

/** What turns rows into endpoints; shares what rows have in common, so that 2,300 of them stay small. */
export interface EndpointMaker {
  /** Every endpoint of a model, those at other tiers behind the one that they belong to. */
  endpointsOf(model: ModelRow, rows: readonly EndpointRow[]): readonly Endpoint[]
  modelOf(row: ModelRow): Model
}

/** Parameters, in the names of `supported_parameters`, that a dialect has no word for, by its name. */
export type Unspoken = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Dialects with an outbound face for models of another kind than chat, by that kind. Models that continue a text
 * (`completion`) are chat models to all the others.
 */
export type FacesOf = Readonly<Partial<Record<'completion' | 'embedding' | 'rerank', ReadonlySet<string>>>>

/** Which of a row's extra modes are billing tiers. `fast` is the vendors' name for what OpenAI sells as priority. */
const TIER_OF_MODE: Readonly<Record<string, Tier>> = { fast: 'priority', priority: 'priority', flex: 'flex' }

/** The field of a reply that carries reasoning, as the quirk code that says so. */
const QUIRK_OF_REASONING_FIELD: Readonly<Record<string, string>> = {
  reasoning: 'reasoning-field',
  reasoning_content: 'reasoning-content-field',
  reasoning_details: 'reasoning-details',
}

export function createEndpointMaker(given: {
  readonly providers: ReadonlyMap<string, ProviderRow>
  readonly faces: ReadonlySet<string>
  readonly facesOf?: FacesOf
  readonly unspoken?: Unspoken
  readonly paths: ProtocolPaths
  readonly settings: (provider: string, variables: readonly string[]) => Readonly<Record<string, string>>
}): EndpointMaker {
  const sets = new Map<string, ReadonlySet<string>>()
  const reasonings = new Map<string, ReasoningSupport>()
  const doors = new Map<string, Door>()
  const decimals: Decimals = new Map()

  const setOf = (words: readonly string[]): ReadonlySet<string> => {
    const key = words.join()
    let set = sets.get(key)
    if (!set) sets.set(key, set = new Set(words))
    return set
  }
  const reasoningOf = (row: ReasoningRow, defaultEffort: string | null): ReasoningSupport => {
    const key = `${defaultEffort} ${JSON.stringify(row)}`
    let support = reasonings.get(key)
    if (!support) reasonings.set(key, support = { ...supportOf(row), ...(defaultEffort && { defaultEffort: defaultEffort as Effort }) })
    return support
  }
  const doorOf = (slug: string): Door => {
    let door = doors.get(slug)
    if (!door) {
      const row = given.providers.get(slug)!
      doors.set(slug, door = {
        row, settings: given.settings(slug, row.env), policy: policyOf(row.data_policy), quirks: setOf(row.quirks),
      })
    }
    return door
  }

  const facesFor = (kind: string): KindFaces => {
    const { completion, embedding, rerank } = given.facesOf ?? {}
    switch (kind) {
      case 'embedding': return { faces: embedding ?? NO_FACES }
      case 'rerank': return { faces: rerank ?? NO_FACES }
      case 'completion': return { faces: given.faces, ...(completion && { first: completion }) }
      default: return { faces: given.faces }
    }
  }

  const endpointOf = (row: EndpointRow, model: ModelRow, priced: Priced): Endpoint => {
    const door = doorOf(row.provider)
    const { row: provider } = door
    const reach = reachOf(row, provider, facesFor(model.kind), given.paths, door.settings)
    const own = QUIRK_OF_REASONING_FIELD[row.reasoning_field ?? '']
    return {
      id: row.id,
      model: row.model,
      provider: row.provider,
      providerName: provider.name,
      tag: row.tag,
      tier: 'default',
      upstreamModel: row.provider_model_id ?? '',
      dialect: reach.dialect,
      protocols: reach.protocols,
      baseUrl: reach.baseUrl,
      price: priced.price,
      unpriced: priced.unpriced,
      contextLength: row.context_length,
      maxOutputTokens: row.max_completion_tokens,
      maxPromptTokens: row.max_prompt_tokens ?? null,
      quantization: row.quantization,
      parameters: row.supported_parameters === null || row.supported_parameters_source === 'none'
        ? null : setOf(spoken(row.supported_parameters, given.unspoken?.get(reach.dialect ?? ''))),
      parametersSource: row.supported_parameters_source,
      reasoning: reasoningOf(row.reasoning ?? model.reasoning, model.default_effort),
      inputModalities: setOf(model.input_modalities),
      outputModalities: setOf(model.output_modalities),
      implicitCaching: row.implicit_caching ?? false,
      dataPolicy: door.policy,
      quirks: own && !door.quirks.has(own) ? setOf([...provider.quirks, own]) : door.quirks,
      forcedParams: withProject(row.forced_params ?? null, provider, door.settings),
      forcedHeaders: row.forced_headers ?? null,
      disabled: row.enabled === false || provider.enabled === false,
      deprecated: row.provider_status === 'deprecated',
      simulated: row.simulated ?? false,
    }
  }

  return {
    endpointsOf(model, rows) {
      const sheets: PriceSheet[] = []
      const priced = rows.map((row) => {
        const found = priceOf(row, model, decimals)
        if (found.price && row.price_source !== 'stated' && !row.simulated) sheets.push(found.price)
        return found
      })
      return rows.flatMap((row, index) => {
        const own = row.price_source === 'stated' ? statedPrice(sheets, priced[index]!) : priced[index]!
        const endpoint = endpointOf(row, model, own)
        if (!row.modes) return endpoint
        return [endpoint, ...row.modes.flatMap((mode) => tierEndpoint(endpoint, row, mode, model, decimals) ?? [])]
      })
    },
    modelOf: (row) => ({
      id: row.id,
      name: row.name,
      author: row.author,
      kind: row.kind,
      status: row.status,
      contextLength: row.context_length,
      inputModalities: setOf(row.input_modalities),
      outputModalities: setOf(row.output_modalities),
      reasoning: reasoningOf(row.reasoning, row.default_effort),
      openWeights: row.features.open_weights,
      ...(row.distillation !== null && { distillable: row.distillation }),
    }),
  }
}

const NO_FACES: ReadonlySet<string> = new Set()

const spoken = (parameters: readonly string[], unspoken: ReadonlySet<string> | undefined): readonly string[] =>
  (unspoken ? parameters.filter((name) => !unspoken.has(name)) : parameters)

/** A cloud whose requests name the project that pays: a setting of it is in every body. */
function withProject(forced: JsonObject | null, provider: ProviderRow, settings: Readonly<Record<string, string>>): JsonObject | null {
  if (!provider.quirks.includes('project-id-in-body')) return forced
  const project = fill('{project_id}', settings)
  const space = fill('{space_id}', settings)
  return project ? { ...forced, project_id: project } : space ? { ...forced, space_id: space } : forced
}

interface Door {
  readonly row: ProviderRow
  readonly settings: Readonly<Record<string, string>>
  readonly policy: DataPolicy
  readonly quirks: ReadonlySet<string>
}

/** The cost that the answer states is the price; others' prices bound it, and its own listed one where there are none. */
function statedPrice(sheets: readonly PriceSheet[], own: Priced): Priced {
  const price = boundOf(sheets.length > 0 ? sheets : own.price ? [own.price] : [])
  return price ? { price, unpriced: null } : { price: null, unpriced: own.unpriced ?? 'pricing_unknown' }
}

/**
 * The endpoint of a billing tier: the same door with a price, a body and headers of its own. A tier's price for long
 * prompts is not listed, so where the plain price rises beyond a length the tier ends there.
 */
function tierEndpoint(base: Endpoint, row: EndpointRow, mode: ModeRow, model: ModelRow, known: Decimals): Endpoint | null {
  const tier = TIER_OF_MODE[mode.name]
  if (!tier || !mode.pricing) return null
  const { pricing_overrides: overrides, ...plain } = row
  const { price, unpriced } = priceOf({
    ...plain, id: `${row.id}/${tier}`, pricing: mode.pricing, price_source: row.price_source === 'stated' ? 'stated' : 'catalogue',
  }, model, known)
  const priced = Math.min(...(overrides ?? []).map((override) => override.min_prompt_tokens), Infinity)
  const limit = Math.min(base.maxPromptTokens ?? Infinity, priced)
  return {
    ...base,
    id: `${row.id}/${tier}`,
    tag: `${row.tag}/${tier}`,
    tier,
    price,
    ...(base.price && { plainPrice: base.price }),
    unpriced,
    maxPromptTokens: limit === Infinity ? null : limit,
    forcedParams: mode.body ? { ...base.forcedParams, ...mode.body } : base.forcedParams,
    forcedHeaders: mode.headers ? { ...base.forcedHeaders, ...mode.headers } : base.forcedHeaders,
  }
}

function supportOf(row: ReasoningRow): ReasoningSupport {
  return {
    supported: row.supported,
    ...(row.efforts && { efforts: row.efforts as Effort[] }),
    ...(row.toggle !== undefined && { toggle: row.toggle }),
    ...(row.budget_tokens && { budgetTokens: row.budget_tokens }),
    ...(row.can_disable !== undefined && { canDisable: row.can_disable }),
    ...(row.controllable !== undefined && { controllable: row.controllable }),
  }
}

function policyOf(row: DataPolicyRow | null): DataPolicy {
  if (!row) return NOT_STATED
  return {
    training: row.training,
    retainsPrompts: row.retains_prompts,
    retentionDays: row.retention_days,
    ...(row.requires_user_ids !== undefined && { requiresUserIds: row.requires_user_ids }),
  }
}

const NOT_STATED: DataPolicy = Object.freeze({ training: null, retainsPrompts: null, retentionDays: null })
