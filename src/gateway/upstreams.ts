import type { Ambient, Departure } from '../core/index.ts'
import { awaitPlace, Places, type PlacesRules, type Share } from './places.ts'

/** For whom a place at a provider is taken. */
export interface Taker {
  readonly key: string
  readonly rank: number
  readonly departure: Departure
}

/**
 * How many calls are under way at each provider. A provider that hangs holds as many as its own limit and no more; a
 * call that finds one full goes on to the next.
 */
export interface Upstreams {
  /** A place at a provider, to be released when the attempt is over; null when all are taken. */
  take(provider: string, by: Taker): Share | null
  /** The first place that comes free at any of these, within the short time that one may wait; null when none does. */
  wait(providers: readonly string[], by: Taker): Promise<{ readonly provider: string; readonly share: Share } | null>
  figures(): readonly UpstreamFigures[]
}

export interface UpstreamFigures {
  readonly provider: string
  readonly running: number
  readonly waiting: number
  readonly limit: number
  /** How often it was found full, since the start. */
  readonly full: number
}

export function createUpstreams(given: {
  readonly ambient: Pick<Ambient, 'monotonic'>
  /** The numbers of a provider; asked for at each attempt. */
  readonly limits: (provider: string) => PlacesRules
}): Upstreams {
  const all = new Map<string, { readonly provider: string; readonly places: Places; full: number }>()
  const of = (provider: string) => {
    let found = all.get(provider)
    if (!found) {
      found = { provider, places: new Places(() => given.limits(provider), given.ambient.monotonic), full: 0 }
      all.set(provider, found)
    }
    return found
  }
  return {
    take(provider, { key, rank }) {
      const upstream = of(provider)
      const share = upstream.places.take(key, rank)
      if (share === null) upstream.full++
      return share
    },
    async wait(providers, by) {
      const at = [...new Set(providers)].map((provider) => of(provider))
      const share = await awaitPlace(at.map(({ places }) => places), by, given.limits(providers[0]!).queueMs)
      return share && { provider: at.find(({ places }) => places === share.places)!.provider, share }
    },
    figures: () => [...all.values()].map(({ provider, places: { running, waiting, limit }, full }) => ({ provider, running, waiting, limit, full })),
  }
}
