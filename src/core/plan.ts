import type { Credential, Endpoint, EndpointId } from './endpoint.ts'
import type { Model } from './model.ts'
import type { Nano } from './money.ts'

/** One model of the request with everything that may serve it; a plan is made from a list of these. */
export interface Offer {
  /** The reference as the caller wrote it. */
  readonly requested: string
  readonly model: Model
  /** Dynamic variants that were asked for (`nitro`, `floor`, `free` …), in order. */
  readonly variants: readonly string[]
  readonly endpoints: readonly Endpoint[]
  /** How the model came about where the caller did not name it: by a moving alias, or by a router model's choice. */
  readonly via?: 'latest' | 'auto' | 'free' | 'fusion'
}

/** A reference that leaves the choice of the model to us: `openrouter/auto`, `openrouter/free`, `openrouter/fusion`. */
export interface RouterReference {
  /** As the caller wrote it. */
  readonly requested: string
  readonly router: 'auto' | 'free' | 'fusion'
  /** The id of the router model. */
  readonly id: string
  /** Dynamic variants, which hold for whatever is chosen. */
  readonly variants: readonly string[]
  /** Of a panel: by which rule (`general-high`). */
  readonly preset?: string
}

/** A model that a router reference may mean. */
export interface Choosable {
  readonly offer: Offer
  /** Seconds since the epoch; 0 where nobody stated a date. */
  readonly released: number
  /** The moving aliases that stand for it at present: then it is the head of a family that is in wide use. */
  readonly aliases: readonly string[]
  /** Its own row is a free variant (`x:free`), with limits of its own. */
  readonly freeVariant: boolean
}

/** An endpoint with the key that it would be called with. */
export interface Candidate {
  readonly endpoint: Endpoint
  readonly credential: Credential
  /** The most that this call can cost there. */
  readonly worst: Nano
  /** The share of first draws that balancing gave it, 0–1; null where the order is fixed. */
  readonly weight: number | null
}

/** Why an endpoint is not a candidate. `detail` says it in a sentence, with the figures. */
export const REJECTIONS = {
  disabled: 'the operator or the provider has withdrawn it',
  no_dialect: 'no dialect here speaks its protocol yet',
  no_address: 'its address is not known, or a setting in it is not filled in',
  no_model_id: "the provider's own id for the model is not known",
  no_credential: 'there is no key for its provider',
  no_price: 'it has no price that may be billed',
  modality: 'it does not take or give a modality of the request',
  context_length: 'the prompt does not fit its context window',
  max_output: 'it cannot give as many output tokens as asked for',
  parameters: 'it lacks a parameter of the request, and require_parameters is set',
  not_allowed: 'provider.only, or a closed provider.order, leaves it out',
  ignored: 'provider.ignore names it',
  max_price: 'it costs more than provider.max_price',
  data_policy: 'its data policy does not meet provider.data_collection',
  zdr: 'it is not known to keep no data, and provider.zdr is set',
  quantization: 'its quantization is not among provider.quantizations',
  distillable: 'its model is not known to permit distillation',
  tier: 'its service tier was not asked for',
  variant: 'it does not belong to the variant that was asked for',
} as const

export type RejectionReason = keyof typeof REJECTIONS

export interface Rejection {
  readonly endpoint: EndpointId
  readonly provider: string
  readonly model: string
  readonly why: RejectionReason
  readonly detail: string
}

/** The decision: what to try, in order, and for every other endpoint why not. Making one spends nothing. */
export interface Plan {
  readonly candidates: readonly Candidate[]
  readonly rejected: readonly Rejection[]
  /** How the order came about: `balanced`, `order`, `sort:price` … */
  readonly strategy: string
  /** The models of the request, as resolved. */
  readonly models: readonly string[]
}
