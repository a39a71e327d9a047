import type { JsonObject } from './chat.ts'
import type { ModelId, ReasoningSupport } from './model.ts'
import type { PriceSheet } from './price.ts'

/** `model@tag`, with the tier behind it where an endpoint is sold at several (`…@openai/priority`). */
export type EndpointId = string
export type ProviderSlug = string

/** A billing tier that a provider sells beside its default one. */
export type Tier = 'default' | 'flex' | 'priority'

/** Why an endpoint cannot be priced; until the operator prices it, it is rejected and never free. */
export type Unpriced = 'pricing_unknown' | 'zero_listed' | 'price_suspect' | 'incomplete'

/** What the data of a request may meet at a provider; null is not stated, which a strict wish counts as no. */
export interface DataPolicy {
  readonly training: boolean | null
  readonly retainsPrompts: boolean | null
  /** Days; 0 is none. */
  readonly retentionDays: number | null
  readonly requiresUserIds?: boolean
}

/**
 * Whether nothing of a request is kept (zero data retention). Only a statement counts; not stated is no, and one that
 * contradicts itself counts for the worse.
 */
export function keepsNothing(policy: DataPolicy): boolean {
  return policy.retentionDays === 0 && policy.retainsPrompts === false
}

/** One model at one provider at one price: what a plan chooses among. */
export interface Endpoint {
  readonly id: EndpointId
  readonly model: ModelId
  readonly provider: ProviderSlug
  /** The provider's display name, the `provider` of OpenRouter's answers. */
  readonly providerName: string
  /** Provider slug, with `/region`, `/quantization` or `/tier` where it has several deployments. */
  readonly tag: string
  readonly tier: Tier
  /** What stands in the upstream's `model` field. */
  readonly upstreamModel: string
  /** The folder of the dialect that it is spoken to in; null when no face here reaches it. */
  readonly dialect: string | null
  /** The protocols that its row names, for saying what could not be reached. */
  readonly protocols: readonly string[]
  /** Address up to the dialect's path; null when not known or a `{placeholder}` is not filled in. */
  readonly baseUrl: string | null
  readonly price: PriceSheet | null
  /** Of an endpoint of another tier: what its provider asks when it says that it served the default tier after all. */
  readonly plainPrice?: PriceSheet
  readonly unpriced: Unpriced | null
  readonly contextLength: number | null
  readonly maxOutputTokens: number | null
  readonly maxPromptTokens: number | null
  readonly quantization: string | null
  /** Request parameters that it honours, in OpenRouter's names; null when nobody said, which is all of its dialect. */
  readonly parameters: ReadonlySet<string> | null
  /** Whether `parameters` was listed by OpenRouter, worked out from flags, or set by the operator. */
  readonly parametersSource: 'listed' | 'derived' | 'operator' | 'none'
  readonly reasoning: ReasoningSupport
  readonly inputModalities: ReadonlySet<string>
  readonly outputModalities: ReadonlySet<string>
  readonly implicitCaching: boolean
  readonly dataPolicy: DataPolicy
  /** Quirk codes of its provider and its own, from the catalogue; a dialect reads those that it knows. */
  readonly quirks: ReadonlySet<string>
  /** Merged into every body, over what the caller sent (`o3-mini-high` is `o3-mini` with effort high). */
  readonly forcedParams: JsonObject | null
  readonly forcedHeaders: Readonly<Record<string, string>> | null
  /** Hidden by the operator, or withdrawn by the provider. */
  readonly disabled: boolean
  readonly deprecated: boolean
  /** A simulation (the demo provider): left out of statistics, rankings and health. */
  readonly simulated: boolean
}

/** Whether an endpoint can be called from here at all. A simulated one answers in this process and needs nothing. */
export function canBeCalled(endpoint: Endpoint, hasCredential: (provider: ProviderSlug) => boolean): boolean {
  if (endpoint.disabled || endpoint.price === null) return false
  return endpoint.simulated
    || (endpoint.dialect !== null && endpoint.baseUrl !== null && endpoint.upstreamModel !== '' && hasCredential(endpoint.provider))
}

/** A key to a provider, without its secret: the secret is read at dispatch by its id. */
export interface Credential {
  readonly id: string
  readonly provider: ProviderSlug
  readonly owner: 'operator'
  /** Safe to show. */
  readonly label: string
}
