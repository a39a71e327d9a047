import type { Endpoint, Tier } from '../core/index.ts'

/**
 * Whether an entry of `provider.order`, `only` or `ignore` means this endpoint. `entry` is lower-case.
 *
 * A base slug (`google-vertex`), or the display name that old clients send (`Google Vertex`), means every region,
 * variant and quantization of the provider. A longer tag (`deepinfra/turbo`) means exactly itself. A tier endpoint
 * (`openai/priority`) is meant by its full name only: a base slug never lets a request pay another tier's price.
 * `spelled` is the tier that the request's `service_tier` asks for: slug and tier together are a full name too.
 */
export function meansEndpoint(entry: string, endpoint: Endpoint, spelled: Tier): boolean {
  if (endpoint.tier !== 'default' && endpoint.tier !== spelled) return isTierName(entry, endpoint)
  return meansProvider(entry, endpoint) || entry === endpoint.tag.toLowerCase()
    || (endpoint.tier !== 'default' && isTierName(entry, endpoint))
}

/** Whether an entry means the endpoint's provider or its exact tag, whatever the tier: how `ignore` is read. */
export function coversEndpoint(entry: string, endpoint: Endpoint): boolean {
  return meansProvider(entry, endpoint) || entry === endpoint.tag.toLowerCase() || isTierName(entry, endpoint)
}

function meansProvider(entry: string, endpoint: Endpoint): boolean {
  return entry === endpoint.provider || entry === endpoint.providerName.toLowerCase()
}

/** `openai/priority`, also where the tag of the tier endpoint lacks the tier, and under the tier's other name `fast`. */
export function isTierName(entry: string, endpoint: Endpoint): boolean {
  if (endpoint.tier === 'default') return false
  const tag = endpoint.tag.toLowerCase()
  if (entry === tag) return tag !== endpoint.provider
  const base = tag.replace(/\/(?:priority|fast|flex)$/, '')
  return entry === `${base}/${endpoint.tier}` || (endpoint.tier === 'priority' && entry === `${base}/fast`)
}
