import { keepsNothing, listPerMillion, type Endpoint, type EndpointFigures, type LongerFigures } from '../core/index.ts'
import { pricingShape, topEndpoint, type PricingShape } from './pricing-shape.ts'
import { routerNamed } from './resolve.ts'
import type { ModelRow, ProviderRow } from './rows.ts'
import type { ModelEntry, Snapshot } from './snapshot.ts'

/*
 * The JSON of the catalogue's routes, field for field as OpenRouter's. Its SDK throws on a missing key that it calls
 * required, and on a null where it says optional: `null` here is for the first kind, leaving out for the second.
 */

export type FiguresOf = (endpoint: string) => EndpointFigures | null

export interface ArchitectureShape {
  readonly modality: string
  readonly input_modalities: readonly string[]
  readonly output_modalities: readonly string[]
  readonly tokenizer?: string
  readonly instruct_type: string | null
}

export interface ModelShape {
  readonly id: string
  readonly canonical_slug: string
  readonly name: string
  readonly created: number
  readonly description: string
  readonly context_length: number | null
  readonly architecture: ArchitectureShape
  readonly pricing: PricingShape
  readonly supported_parameters: readonly string[]
  readonly [key: string]: unknown
}

/**
 * A model, for `GET /models` and `GET /model/{author}/{slug}`. `detail` adds what was written about it at length.
 * `benchmarks` keeps OpenRouter's two keys and adds `reported`: figures with the source that reports them.
 */
export function modelShape(entry: ModelEntry, snapshot: Snapshot, detail = false): ModelShape {
  const { row } = entry
  const endpoints = snapshot.endpointsOf(row.id)
  const top = topEndpoint(endpoints)
  const target = snapshot.targetOf(entry)
  const reported = row.benchmarks ?? entry.text?.benchmarks ?? []
  return {
    id: row.id,
    canonical_slug: row.canonical_slug,
    hugging_face_id: row.hugging_face_id,
    name: row.name.trim(),
    created: createdOf(row),
    description: entry.description,
    description_source: entry.descriptionSource,
    context_length: row.context_length,
    architecture: architectureShape(row),
    pricing: routerNamed(row.id) === 'free' ? FREE : pricingShape(top?.price ?? null),
    top_provider: {
      context_length: top?.contextLength ?? null,
      max_completion_tokens: top?.maxOutputTokens ?? null,
      is_moderated: row.features.moderated ?? false,
    },
    per_request_limits: null,
    supported_parameters: parametersOf(row, endpoints),
    default_parameters: row.default_parameters ?? null,
    supported_voices: row.supported_voices ?? null,
    ...(row.reasoning.supported && { reasoning: reasoningShape(row) }),
    ...(reported.length > 0 && { benchmarks: { design_arena: [], reported } }),
    knowledge_cutoff: row.knowledge_cutoff,
    expiration_date: row.expiration_date ?? null,
    ...(row.last_pricing && { last_pricing: row.last_pricing }),
    ...(target && { alias_target: { name: target.row.name.trim(), slug: target.row.id } }),
    links: { details: `/api/v1/models/${row.id}/endpoints` },
    status: row.status,
    kind: row.kind,
    default_effort: row.default_effort,
    fine_tuning: row.fine_tuning,
    distillation: row.distillation,
    served_on: row.served_on,
    requires_own_key: row.requires_own_key,
    notes: row.notes,
    ...(detail && entry.text && {
      key_features: entry.text.key_features,
      use_cases: entry.text.use_cases,
      limitations: entry.text.limitations,
    }),
  }
}

/** What the router model costs that chooses among free models only. */
const FREE: PricingShape = Object.freeze({ prompt: '0', completion: '0' })

/** Unix seconds; a model whose date nobody stated is as old as time, so that it is never the newest. */
function createdOf(row: ModelRow): number {
  return row.created ?? 0
}

function architectureShape(row: ModelRow): ArchitectureShape {
  return {
    modality: `${row.input_modalities.join('+')}->${row.output_modalities.join('+')}`,
    input_modalities: row.input_modalities,
    output_modalities: row.output_modalities,
    ...(row.tokenizer !== undefined && { tokenizer: row.tokenizer }),
    instruct_type: row.instruct_type ?? null,
  }
}

/** The union over what the model's endpoints honour, and the row's own list where none of them says. */
function parametersOf(row: ModelRow, endpoints: readonly Endpoint[]): readonly string[] {
  const names = new Set(row.supported_parameters)
  const seen = new Set<ReadonlySet<string>>()
  for (const { parameters } of endpoints) {
    if (parameters === null || seen.has(parameters)) continue
    seen.add(parameters)
    for (const name of parameters) names.add(name)
  }
  return [...names].toSorted()
}

function reasoningShape(row: ModelRow): Record<string, unknown> {
  const { reasoning } = row
  const efforts = reasoning.efforts?.filter((effort) => effort !== 'none')
  return {
    // Where the row does not say that reasoning cannot be switched off, nothing is claimed.
    mandatory: reasoning.can_disable === false || (reasoning.controllable === false && !reasoning.toggle),
    ...(efforts && efforts.length > 0 && { supported_efforts: efforts }),
    ...(row.default_effort !== null && { default_effort: row.default_effort }),
    ...(reasoning.budget_tokens && { supports_max_tokens: true }),
  }
}

/** An endpoint. `figures` are null for callers who may not see what was measured. */
export function endpointShape(endpoint: Endpoint, entry: ModelEntry, figures: EndpointFigures | null = null): Record<string, unknown> {
  return {
    name: `${endpoint.providerName} | ${entry.row.canonical_slug}`,
    model_id: entry.row.canonical_slug,
    model_name: entry.row.name.trim(),
    provider_name: endpoint.providerName,
    tag: endpoint.tag,
    context_length: endpoint.contextLength ?? entry.row.context_length ?? 0,
    max_completion_tokens: endpoint.maxOutputTokens,
    max_prompt_tokens: endpoint.maxPromptTokens,
    pricing: pricingShape(endpoint.price),
    quantization: endpoint.quantization ?? 'unknown',
    status: figures?.status ?? 0,
    supported_parameters: [...endpoint.parameters ?? entry.row.supported_parameters],
    supports_implicit_caching: endpoint.implicitCaching,
    supports_voice_cloning: false,
    supports_tool_choice: toolChoiceShape(endpoint),
    uptime_last_5m: figures?.uptime5m ?? null,
    uptime_last_30m: figures?.uptime30m ?? null,
    uptime_last_1d: figures?.uptime1d ?? null,
    latency_last_30m: figures?.latency30m ?? null,
    throughput_last_30m: figures?.throughput30m ?? null,
    e2e_latency_last_30m: figures?.duration30m ?? null,
    requests_last_30m: figures?.samples30m ?? 0,
    probes_last_30m: figures?.probes30m ?? 0,
    tries_last_1d: figures?.tries1d ?? 0,
    probes_last_1d: figures?.probes1d ?? 0,
    ...(figures?.longer && longerShape(endpoint, figures.longer)),
    unpriced: endpoint.unpriced,
  }
}

function longerShape({ price }: Endpoint, { week, ...shares }: LongerFigures): Record<string, unknown> {
  return {
    uptime_last_3d: shares.uptime3d, uptime_last_90d: shares.uptime90d,
    availability_last_3d: shares.availability3d, availability_last_90d: shares.availability90d,
    last_7d: {
      requests: week.requests,
      tool_requests: week.toolRequests, tool_call_error_rate: week.toolErrorRate,
      structured_requests: week.structuredRequests, structured_output_error_rate: week.structuredErrorRate,
      cache_hit_rate: week.cacheHitRate,
      effective_price_per_million: week.paidPerMillion, list_price_per_million: listPerMillion(price, week.promptTokens, week.completionTokens),
    },
  }
}

function toolChoiceShape(endpoint: Endpoint): Record<string, boolean> {
  const tools = endpoint.parameters?.has('tools') ?? true
  const chosen = tools && (endpoint.parameters?.has('tool_choice') ?? true) && !endpoint.quirks.has('no-tool-choice')
  return { auto: tools, none: chosen && !endpoint.quirks.has('tool-choice-no-none'), required: chosen, function: chosen }
}

/** `GET /models/{author}/{slug}/endpoints`. `demo` where a demonstration is in the figures. */
export function endpointsShape(entry: ModelEntry, snapshot: Snapshot, figures: FiguresOf = NO_FIGURES, demo = false): Record<string, unknown> {
  const { row } = entry
  const target = row.alias_target !== undefined ? snapshot.model(row.alias_target) ?? entry : entry
  const architecture = architectureShape(row)
  return {
    data: {
      id: row.id,
      name: row.name.trim(),
      created: createdOf(row),
      description: entry.description,
      // Unlike a model's, this architecture's tokenizer must be there.
      architecture: { ...architecture, tokenizer: architecture.tokenizer ?? null },
      endpoints: snapshot.endpointsOf(row.id).filter((endpoint) => !endpoint.disabled)
        .map((endpoint) => endpointShape(endpoint, target, figures(endpoint.id))),
      ...(demo && { demo_traffic: true }),
    },
  }
}

const NO_FIGURES: FiguresOf = () => null

/** `GET /endpoints/zdr`: every endpoint on sale that is known to keep no data. */
export function zdrShape(snapshot: Snapshot, figures: FiguresOf = NO_FIGURES): { data: Record<string, unknown>[] } {
  const data: Record<string, unknown>[] = []
  for (const entry of snapshot.models) {
    if (!isListed(entry) || entry.row.alias_target !== undefined) continue
    for (const endpoint of snapshot.endpointsOf(entry.row.id)) {
      if (keepsNothing(endpoint.dataPolicy) && !endpoint.disabled && !endpoint.simulated) data.push(endpointShape(endpoint, entry, figures(endpoint.id)))
    }
  }
  return { data }
}

/** Whether lists show a model: not the retired ones, nor routers that there is no rule for. */
export function isListed(entry: ModelEntry): boolean {
  return entry.row.status !== 'retired' && (entry.row.kind !== 'router' || routerNamed(entry.row.id) !== null)
}

/** `GET /providers`. */
export function providersShape(snapshot: Snapshot): { data: Record<string, unknown>[] } {
  const rows = [...snapshot.providers.values()].filter((row) => row.status === 'active' && row.enabled !== false)
  return { data: rows.map(providerShape) }
}

function providerShape(row: ProviderRow): Record<string, unknown> {
  return {
    name: row.name,
    slug: row.slug,
    privacy_policy_url: row.privacy_policy_url,
    terms_of_service_url: row.terms_of_service_url,
    status_page_url: row.status_page_url,
    headquarters: row.headquarters,
    datacenters: row.datacenters.length > 0 ? row.datacenters : null,
  }
}

/** OpenAI's `GET /v1/models`, for clients that know no other. */
export function openAiModelsShape(entries: readonly ModelEntry[]): { object: 'list'; data: Record<string, unknown>[] } {
  return { object: 'list', data: entries.map(openAiModelShape) }
}

/** OpenAI's model object. */
export function openAiModelShape({ row }: ModelEntry): Record<string, unknown> {
  return { id: row.id, object: 'model', created: createdOf(row), owned_by: row.author }
}

/** Anthropic's model object. A model whose date nobody knows is told as of 1970, since the field may not be absent. */
export function anthropicModelShape({ row }: ModelEntry): Record<string, unknown> {
  return {
    type: 'model', id: row.id, display_name: row.name, created_at: new Date(createdOf(row) * 1000).toISOString(),
    max_input_tokens: row.context_length, max_tokens: row.max_output_tokens,
  }
}

/** Google's model object; `name` is what a client puts into the address, below `models/`. */
export function googleModelShape({ row }: ModelEntry): Record<string, unknown> {
  return {
    name: `models/${row.id}`, baseModelId: row.id, version: row.id, displayName: row.name,
    ...(row.description && { description: row.description }),
    ...(row.context_length !== null && { inputTokenLimit: row.context_length }),
    ...(row.max_output_tokens !== null && { outputTokenLimit: row.max_output_tokens }),
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  }
}
