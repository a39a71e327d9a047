import { pricingShape, topEndpoint, type ModelEntry, type ProviderRow, type Snapshot } from '../catalog/index.ts'
import { decimalFromAtto, isFree, listPerMillion, type Endpoint, type PriceSheet } from '../core/index.ts'
import type { EndpointView, Measured, ModelCard, ModelView, Pricing, ProviderCard } from '../site.ts'

/** The rows of the catalogue as the pages show them. What nobody stated stays null, so that a page can say so. */

/** The catalogue at one moment, and which of its endpoints can be called from here. */
export interface Shelf {
  readonly at: Snapshot
  usable(endpoint: Endpoint): boolean
}

/** The model under whose name traffic to an entry is counted: of a moving alias its target. */
export function countedAs({ at }: Shelf, entry: ModelEntry): string {
  return (at.targetOf(entry) ?? entry).row.id
}

/** What is on sale of a model: neither hidden nor a simulation. */
export function saleOf({ at }: Shelf, id: string): readonly Endpoint[] {
  return at.endpointsOf(id).filter(({ disabled, simulated }) => !disabled && !simulated)
}

export function cardOf({ at, usable }: Shelf, entry: ModelEntry): ModelCard {
  const { row } = entry
  const endpoints = at.endpointsOf(row.id)
  const top = topEndpoint(endpoints)
  return {
    id: row.id,
    name: nameOf(entry),
    author: row.author,
    authorName: row.author_name,
    summary: entry.descriptionSource === 'generated' ? null : firstSentences(entry.description),
    kind: row.kind,
    status: row.status,
    created: row.created,
    contextLength: row.context_length,
    inputModalities: row.input_modalities,
    outputModalities: row.output_modalities,
    pricing: pricingOf(top?.price ?? null),
    free: row.variant === 'free' || row.id === 'openrouter/free' || (top !== null && !top.simulated && top.price !== null && isFree(top.price)),
    providers: new Set(endpoints.filter(({ disabled, simulated }) => !disabled && !simulated).map(({ provider }) => provider)).size,
    usable: endpoints.some(usable),
  }
}

export function endpointOf({ at, usable }: Shelf, endpoint: Endpoint, measured: Measured | null): EndpointView {
  const row = at.providers.get(endpoint.provider)
  return {
    id: endpoint.id,
    tag: endpoint.tag,
    tier: endpoint.tier,
    provider: endpoint.provider,
    providerName: endpoint.providerName,
    contextLength: endpoint.contextLength,
    maxOutput: endpoint.maxOutputTokens,
    maxPrompt: endpoint.maxPromptTokens,
    quantization: endpoint.quantization,
    pricing: pricingOf(endpoint.price),
    unpriced: endpoint.unpriced,
    overrides: endpoint.price?.overrides.map(({ minPromptTokens, rates }) => ({
      minPromptTokens, pricing: Object.fromEntries(Object.entries(rates).map(([key, rate]) => [key, decimalFromAtto(rate)])),
    })) ?? [],
    discount: endpoint.price?.discount ?? null,
    priceIsBound: endpoint.price?.source === 'stated',
    training: endpoint.dataPolicy.training,
    retainsPrompts: endpoint.dataPolicy.retainsPrompts,
    retentionDays: endpoint.dataPolicy.retentionDays,
    parameters: endpoint.parameters === null ? null : [...endpoint.parameters],
    implicitCaching: endpoint.implicitCaching,
    deprecated: endpoint.deprecated,
    simulated: endpoint.simulated,
    usable: usable(endpoint),
    headquarters: row?.headquarters ?? null,
    datacenters: row?.datacenters ?? [],
    listPerMillion: measured?.longer ? listPerMillion(endpoint.price, measured.longer.week.promptTokens, measured.longer.week.completionTokens) : null,
    measured,
  }
}

/** A model at length, with what was gathered about it elsewhere. */
export function modelOf(shelf: Shelf, entry: ModelEntry, gathered: Pick<ModelView, 'endpoints' | 'week' | 'more'>): ModelView {
  const { at } = shelf
  const { row, text } = entry
  const endpoints = at.endpointsOf(row.id)
  const target = at.targetOf(entry)
  const successor = row.successor === undefined ? null : at.model(row.successor)
  const plain = row.variant_of ?? row.id
  return {
    ...cardOf(shelf, entry),
    description: entry.description,
    descriptionSource: entry.descriptionSource,
    canonicalSlug: row.canonical_slug,
    aliases: row.aliases,
    released: row.released,
    maxOutput: row.max_output_tokens,
    knowledgeCutoff: row.knowledge_cutoff,
    tokenizer: row.tokenizer ?? null,
    instructType: row.instruct_type ?? null,
    huggingFaceId: row.hugging_face_id,
    parameters: [...new Set([...row.supported_parameters, ...endpoints.flatMap(({ parameters }) => [...parameters ?? []])])].toSorted(),
    defaultParameters: row.default_parameters ?? {},
    reasoning: {
      supported: row.reasoning.supported,
      efforts: row.reasoning.efforts ?? [],
      defaultEffort: row.default_effort,
      canDisable: row.reasoning.can_disable ?? null,
    },
    features: {
      tools: row.features.tools, structuredOutputs: row.features.structured_outputs,
      openWeights: row.features.open_weights, moderated: row.features.moderated ?? null,
    },
    fineTuning: row.fine_tuning,
    distillation: row.distillation,
    servedOn: row.served_on,
    requiresOwnKey: row.requires_own_key === true,
    experimental: EXPERIMENTAL.test(`${row.id} ${row.name}`),
    expires: row.expiration_date ?? null,
    successor: successor === null ? null : { id: successor.row.id, name: nameOf(successor) },
    movingTarget: target === null ? null : { id: target.row.id, name: nameOf(target) },
    movingAliases: at.models.filter((it) => it.row.alias_target !== undefined && at.targetOf(it) === entry).map((it) => it.row.id),
    variants: at.models.filter((it) => it.row.id !== row.id && (it.row.variant_of ?? it.row.id) === plain)
      .map((it) => ({ id: it.row.id, variant: it.row.variant ?? 'standard' })),
    notes: (row.notes ?? []).filter((note): note is string => typeof note === 'string'),
    keyFeatures: text?.key_features ?? [],
    useCases: text?.use_cases ?? [],
    limitations: text?.limitations ?? [],
    benchmarks: row.benchmarks ?? text?.benchmarks ?? [],
    ...gathered,
  }
}

export function providerCardOf(row: ProviderRow, models: number, usable: boolean): ProviderCard {
  return {
    slug: row.slug,
    name: row.name,
    models,
    headquarters: row.headquarters,
    datacenters: row.datacenters,
    training: row.data_policy?.training ?? null,
    retainsPrompts: row.data_policy?.retains_prompts ?? null,
    retentionDays: row.data_policy?.retention_days ?? null,
    usable,
  }
}

/** Prices as the API has them; null where none is known. */
function pricingOf(sheet: PriceSheet | null): Pricing {
  if (sheet === null) return null
  return Object.fromEntries(Object.entries(pricingShape(sheet)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** Makers say so in a model's name: it may change or go without notice. */
const EXPERIMENTAL = /\b(?:experimental|exp|preview|alpha|beta)\b/i

const nameOf = ({ row }: ModelEntry): string => row.name.trim()

const CARD_LENGTH = 220

/** What fits on a card: whole sentences, and at least one. */
function firstSentences(text: string): string {
  if (text.length <= CARD_LENGTH) return text
  const end = text.lastIndexOf('. ', CARD_LENGTH)
  if (end > CARD_LENGTH / 3) return text.slice(0, end + 1)
  return `${text.slice(0, text.lastIndexOf(' ', CARD_LENGTH))} …`
}
