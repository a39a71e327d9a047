/** The rows of the catalogue's files, as they stand there and as an operator may write them. */

export interface ReasoningRow {
  readonly supported: boolean
  readonly efforts?: readonly string[]
  readonly toggle?: boolean
  readonly budget_tokens?: { readonly min?: number; readonly max?: number }
  readonly can_disable?: boolean
  readonly controllable?: boolean
  readonly field?: string
}

/** Decimal strings of dollars per unit, by price key. `discount` is a fraction that is already inside the others. */
export type PricingRow = Readonly<Record<string, string>>

export interface PricingOverrideRow {
  readonly min_prompt_tokens: number
  readonly [key: string]: string | number
}

export type ModelStatus = 'active' | 'deprecated' | 'delisted' | 'retired'

export interface ModelRow {
  readonly id: string
  readonly name: string
  readonly author: string
  readonly author_name: string
  readonly canonical_slug: string
  readonly kind: string
  readonly status: ModelStatus
  /** Unix seconds. */
  readonly created: number | null
  readonly released: string | null
  readonly context_length: number | null
  readonly max_output_tokens: number | null
  readonly max_input_tokens?: number | null
  readonly input_modalities: readonly string[]
  readonly output_modalities: readonly string[]
  readonly knowledge_cutoff: string | null
  readonly tokenizer?: string
  readonly instruct_type?: string
  readonly hugging_face_id: string | null
  readonly supported_parameters: readonly string[]
  readonly supported_parameters_source: 'listed' | 'derived' | 'none' | 'operator'
  readonly reasoning: ReasoningRow
  readonly features: {
    readonly tools: boolean
    readonly structured_outputs: boolean
    readonly temperature: boolean
    readonly vision: boolean
    readonly open_weights: boolean
    readonly moderated?: boolean
  }
  readonly default_parameters?: Readonly<Record<string, number | null>>
  readonly supported_voices?: readonly string[]
  readonly embedding_dimensions?: number
  readonly family?: string
  readonly variant?: string
  readonly variant_of?: string
  readonly alias_target?: string
  readonly alias_target_inferred?: boolean
  /** The target was named by the operator, so that newer models do not move it. */
  readonly alias_pinned?: boolean
  readonly aliases: readonly string[]
  readonly expiration_date?: string | null
  readonly last_pricing?: PricingRow
  readonly openrouter_listed: string
  readonly default_effort: string | null
  readonly fine_tuning: boolean | null
  readonly distillation: boolean | null
  readonly served_on: readonly string[] | null
  readonly requires_own_key: boolean | null
  readonly notes: readonly unknown[] | null
  readonly sources: readonly string[]
  /** Written by an operator; the catalogue's own texts are a file of their own. */
  readonly description?: string
  readonly benchmarks?: readonly Benchmark[]
  /** What the operator names as the model to use instead of a retired one. */
  readonly successor?: string
}

export interface Benchmark {
  readonly metric: string
  readonly value: number
  readonly unit?: string
  readonly source: string
  readonly source_url?: string
  readonly as_of?: string
}

/** What was written by hand about a model. */
export interface ModelText {
  readonly description: string
  readonly description_source: string
  readonly key_features: readonly string[]
  readonly benchmarks: readonly Benchmark[]
  readonly use_cases: readonly string[]
  readonly limitations: readonly string[]
}

export interface ModeRow {
  readonly name: string
  readonly pricing?: PricingRow
  readonly body?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface EndpointRow {
  /** `model@tag`. */
  readonly id: string
  readonly model: string
  readonly provider: string
  readonly tag: string
  readonly provider_model_id: string | null
  readonly provider_model_id_alternates?: readonly string[]
  readonly protocol?: string
  readonly base_url?: string
  readonly via?: string
  readonly api?: string
  readonly forced_params?: Readonly<Record<string, unknown>>
  readonly forced_headers?: Readonly<Record<string, string>>
  readonly pricing: PricingRow | 'free'
  readonly pricing_overrides?: readonly PricingOverrideRow[]
  readonly pricing_unknown?: boolean
  readonly zero_listed?: boolean
  readonly price_suspect?: boolean
  readonly context_length: number | null
  readonly max_completion_tokens: number | null
  readonly max_prompt_tokens?: number | null
  readonly quantization: string | null
  readonly supported_parameters: readonly string[] | null
  readonly supported_parameters_source: 'listed' | 'derived' | 'none' | 'operator'
  readonly implicit_caching?: boolean
  readonly reasoning?: ReasoningRow
  readonly reasoning_field?: string
  readonly modes?: readonly ModeRow[]
  readonly provider_status?: string
  readonly enabled?: boolean
  /** The address was given by the operator for this row: it stands before everything else. */
  readonly own_address?: boolean
  /** Who set the price; `stated` is the cost that the provider's answer names, and the rates only bound it. */
  readonly price_source?: 'catalogue' | 'operator' | 'stated'
  readonly simulated?: boolean
}

export interface ProtocolRow {
  readonly protocol: string
  readonly base_url: string | null
  readonly path?: string
  readonly stream_path?: string
}

export interface DataPolicyRow {
  readonly training: boolean | null
  readonly retains_prompts: boolean | null
  readonly retention_days: number | null
  readonly requires_user_ids?: boolean
  readonly can_publish?: boolean
  readonly as_of?: string | null
  readonly basis?: string
}

export interface AuthRow {
  readonly scheme: string
  readonly header?: string
  readonly prefix?: string
  readonly optional?: boolean
  readonly extra_headers?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

export interface ProviderRow {
  readonly slug: string
  readonly name: string
  readonly kind: string
  readonly status: string
  readonly aliases: readonly string[]
  readonly base_url: string | null
  readonly base_url_source?: string | null
  readonly protocols: readonly ProtocolRow[]
  readonly auth: AuthRow
  readonly env: readonly string[]
  readonly data_policy: DataPolicyRow | null
  readonly privacy_policy_url: string | null
  readonly terms_of_service_url: string | null
  readonly status_page_url: string | null
  readonly homepage: string | null
  readonly docs_url: string | null
  readonly headquarters: string | null
  readonly datacenters: readonly string[]
  readonly models_dev_id: string | null
  readonly quirks: readonly string[]
  /** Given by the operator; they stand before what the catalogue says. */
  readonly own_base_url?: string
  readonly own_dialect?: string
  readonly enabled?: boolean
}

/** A change to a provider's row, or a new one; `dialect` is the name of a folder of dialects. */
export interface ProviderPatch {
  readonly name?: string
  readonly base_url?: string
  readonly dialect?: string
  readonly enabled?: boolean
  readonly data_policy?: Partial<DataPolicyRow>
}

export type ModelPatch = Partial<ModelRow> & { readonly id: string; readonly enabled?: boolean }
export type EndpointPatch = Partial<Omit<EndpointRow, 'pricing'>> & {
  /** `null` for a key takes that price away. */
  readonly pricing?: 'free' | Readonly<Record<string, string | null>>
}

/** What an operator's file says of the catalogue. */
export interface Overlay {
  readonly providers: Readonly<Record<string, ProviderPatch>>
  readonly models: readonly ModelPatch[]
  readonly endpoints: readonly EndpointPatch[]
  readonly modelAliases: Readonly<Record<string, string>>
}

export const NO_OVERLAY: Overlay = Object.freeze({ providers: {}, models: [], endpoints: [], modelAliases: {} })

/** A setting or a row that cannot be used. The message names it, says what is wrong and what would be right. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** What a model of a kind gives where its row does not say. */
const OUTPUT_OF_KIND: Readonly<Record<string, string>> = { embedding: 'embeddings', rerank: 'rerank' }

/** A model's row with what an operator, or a server that was found, left out. */
export function completeModel(row: ModelPatch): ModelRow {
  const { enabled: _, ...given } = row
  const author = given.author ?? row.id.replace(/^~/, '').split('/')[0]!
  return {
    name: row.id,
    author,
    author_name: author,
    canonical_slug: row.id,
    kind: 'chat',
    status: 'active',
    created: null,
    released: null,
    context_length: null,
    max_output_tokens: null,
    input_modalities: ['text'],
    output_modalities: [OUTPUT_OF_KIND[given.kind ?? 'chat'] ?? 'text'],
    knowledge_cutoff: null,
    hugging_face_id: null,
    supported_parameters: [],
    supported_parameters_source: given.supported_parameters ? 'operator' : 'none',
    reasoning: { supported: false },
    features: { tools: false, structured_outputs: false, temperature: true, vision: false, open_weights: false },
    aliases: [],
    openrouter_listed: 'no',
    default_effort: null,
    fine_tuning: null,
    distillation: null,
    served_on: null,
    requires_own_key: null,
    notes: null,
    sources: [],
    ...given,
  }
}

/** An endpoint's row with what was left out: everything that is not known stays unknown. */
export function completeEndpoint(row: EndpointPatch & { readonly model: string; readonly provider: string }): EndpointRow {
  const tag = row.tag ?? row.provider
  return {
    provider_model_id: row.model.slice(row.model.lastIndexOf('/') + 1),
    context_length: null,
    max_completion_tokens: null,
    quantization: null,
    supported_parameters: null,
    ...row,
    id: `${row.model}@${tag}`,
    tag,
    pricing: pricingWithout(row.pricing ?? {}),
    supported_parameters_source: row.supported_parameters ? row.supported_parameters_source ?? 'operator' : 'none',
  }
}

/** A provider that the catalogue does not know: an address that is spoken to in one dialect. */
export function newProvider(slug: string, patch: ProviderPatch): ProviderRow {
  const dialect = patch.dialect ?? 'openai-chat'
  return {
    slug,
    name: patch.name ?? slug,
    kind: 'host',
    status: 'active',
    aliases: [],
    base_url: patch.base_url ?? null,
    base_url_source: 'operator',
    protocols: [{ protocol: dialect, base_url: patch.base_url ?? null }],
    auth: AUTH_OF[dialect] ?? { scheme: 'bearer', header: 'Authorization', prefix: 'Bearer ', optional: true },
    env: [],
    data_policy: null,
    privacy_policy_url: null,
    terms_of_service_url: null,
    status_page_url: null,
    homepage: null,
    docs_url: null,
    headquarters: null,
    datacenters: [],
    models_dev_id: null,
    quirks: [],
  }
}

/** How a server that speaks one of these wants to see its key, as their vendors do. */
const AUTH_OF: Readonly<Record<string, AuthRow>> = {
  'anthropic-messages': {
    scheme: 'header', header: 'x-api-key', prefix: '', optional: true, extra_headers: { 'anthropic-version': '2023-06-01' },
  },
  'google-generate-content': { scheme: 'header', header: 'x-goog-api-key', prefix: '', optional: true },
}

/** A pricing without the keys that were taken away. */
export function pricingWithout(pricing: NonNullable<EndpointPatch['pricing']>): EndpointRow['pricing'] {
  if (pricing === 'free') return pricing
  return Object.fromEntries(Object.entries(pricing).filter((entry): entry is [string, string] => entry[1] !== null))
}
