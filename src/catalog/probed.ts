import { canBeCalled, type Endpoint, type EndpointId, type Offer, type Operation } from '../core/index.ts'
import { nearest } from './nearest.ts'
import { ConfigError } from './rows.ts'
import type { Snapshot } from './snapshot.ts'

/** Which endpoints the operator wants probed: names, or patterns with `*`. Of each list, null leaves nothing out. */
export interface ProbeFilter {
  readonly providers: readonly string[] | null
  readonly models: readonly string[] | null
  readonly endpoints: readonly string[] | null
}

/** An endpoint as the one that is offered, and how its model is asked. */
export interface Probed {
  readonly offer: Offer
  readonly operation: Operation['type']
}

type Matches = (pattern: string, text: string) => boolean

const OPERATIONS: Readonly<Record<string, Operation['type']>> = { chat: 'chat', completion: 'chat', embedding: 'embed', rerank: 'rerank' }

/**
 * The endpoints that are probed: all that can be called at the price of every day and that the filter leaves in. Those of
 * other tiers are the same machines at another price.
 */
export function probedOf(snapshot: Snapshot, filter: ProbeFilter, given: {
  readonly hasCredential: (provider: string) => boolean
  readonly matches: Matches
}): ReadonlyMap<EndpointId, Probed> {
  const { hasCredential, matches } = given
  const means = (names: readonly string[] | null, ...texts: readonly string[]): boolean =>
    names === null || names.some((name) => texts.some((text) => matches(name, text)))
  const providers = filter.providers?.map((name) => snapshot.providerNamed(name) ?? name) ?? null
  const models = filter.models?.map((name) => snapshot.model(name)?.row.id ?? name) ?? null
  const wanted = ({ disabled, simulated, tier, id, provider }: Endpoint): boolean =>
    !disabled && !simulated && tier === 'default' && means(providers, provider) && means(filter.endpoints, id)
  return new Map(snapshot.soldAt((provider) => hasCredential(provider) && means(providers, provider)).flatMap(({ row, model }) => {
    const operation = OPERATIONS[row.kind]
    if (operation === undefined || row.alias_target !== undefined || !means(models, row.id)) return []
    return snapshot.endpointsOf(row.id).filter((endpoint) => wanted(endpoint) && canBeCalled(endpoint, hasCredential))
      .map((endpoint) => [endpoint.id, { offer: { requested: row.id, model, variants: [], endpoints: [endpoint] }, operation }] as const)
  }))
}

/**
 * Throws a ConfigError for a name of a filter that nothing in the catalogue has: what it was to leave in would never be
 * probed. Patterns are for the catalogue of tomorrow as well, and what local servers offer is known only while they run.
 */
export function checkProbeFilter(snapshot: Snapshot, { providers, models, endpoints }: ProbeFilter): void {
  const isLocal = (model: string): boolean => snapshot.providers.get(model.slice(0, Math.max(0, model.indexOf('/'))))?.kind === 'local'
  const refuse = (list: string, names: readonly string[] | null, known: (name: string) => boolean, like: (name: string) => Iterable<string>): void => {
    const at = (names ?? []).findIndex((name) => !name.includes('*') && !known(name))
    if (at < 0) return
    const name = names![at]!
    const [near] = nearest(name, like(name))
    throw new ConfigError(`probes.${list}[${at}] names ${JSON.stringify(name)}, which is not in the catalogue${near === undefined ? '' : `. Did you mean ${near}?`}`)
  }
  const offered = (endpoint: string): readonly Endpoint[] => snapshot.endpointsOf(endpoint.slice(0, Math.max(0, endpoint.lastIndexOf('@'))))
  refuse('providers', providers, (name) => snapshot.providerNamed(name) !== null, () => snapshot.providers.keys())
  refuse('models', models, (name) => isLocal(name) || snapshot.model(name) !== null, () => snapshot.models.map(({ row }) => row.id))
  refuse('endpoints', endpoints, (name) => isLocal(name) || offered(name).some(({ id }) => id === name), (name) => offered(name).map(({ id }) => id))
}
