import FindMyWay from 'find-my-way'
import type { Inbound } from '../dialects/index.ts'
import type { Method, Route } from './route.ts'

export interface Found {
  readonly route: Route
  readonly params: Readonly<Record<string, string | undefined>>
  readonly search: Readonly<Record<string, unknown>>
}

export interface Router {
  find(method: string, url: string): Found | null
  /** The methods that the address takes, for 405 and OPTIONS; empty when there is no such address. */
  methods(url: string): readonly string[]
  /** The surface that an address speaks, whatever the method. */
  faceOf(url: string): Inbound | undefined
  /** Addresses of routes that are spelled nearly the same. */
  near(method: string, url: string): readonly string[]
}

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const PARAM_LENGTH = 300
const NOTHING: Readonly<Record<string, never>> = Object.freeze({})

/**
 * Finds the route of an address. A trailing and a doubled slash are overlooked (base URLs that end in one make them)
 * and escapes that need not be are undone; everything else must be spelled exactly. The policy belongs to the route
 * that is found, so no spelling leads to the same route under another policy.
 */
export function createRouter(routes: readonly Route[]): Router {
  /** By method and address, those without parameters, as clients write them: most requests of all are for one of a few. */
  const plain = new Map<string, Map<string, Found>>()
  const table = FindMyWay({ ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: true, maxParamLength: PARAM_LENGTH })
  for (const route of routes) {
    for (const path of route.paths) {
      table.on([...route.methods], path.replace(/\{(\w+)\}/g, ':$1'), () => {}, route)
      if (path.includes('{')) continue
      for (const method of route.methods) {
        const found = plain.get(method) ?? new Map<string, Found>()
        plain.set(method, found.set(path, { route, params: NOTHING, search: NOTHING }))
      }
    }
  }
  const find = (method: string, url: string): Found | null => {
    const known = plain.get(method)?.get(url)
    if (known !== undefined) return known
    const path = pathOf(url)
    if (path === null) return null
    const found = table.find((method === 'HEAD' ? 'GET' : method) as Method, path)
    if (found === null) return null
    return { route: found.store as Route, params: found.params, search: found.searchParams }
  }
  return {
    find,
    methods(url) {
      const taken: string[] = METHODS.filter((method) => find(method, url) !== null)
      if (taken.includes('GET')) taken.splice(1, 0, 'HEAD')
      return taken.length === 0 ? taken : [...taken, 'OPTIONS']
    },
    faceOf: (url) => METHODS.map((method) => find(method, url)?.route.speaks?.face).find((face) => face !== undefined),
    near(method, url) {
      const path = (pathOf(url) ?? '').replace(/[?#].*$/s, '').slice(0, 200).toLowerCase()
      return routes.filter((route) => route.policy !== 'operator')
        .flatMap((route) => route.methods.flatMap((each) => route.paths.map((there) => ({
          name: `${each} ${there}`,
          away: distance(path, there.toLowerCase()) + (each === method ? 0 : 1),
        }))))
        .filter(({ away }) => away <= Math.max(3, path.length / 3))
        .toSorted((a, b) => a.away - b.away)
        .slice(0, 3)
        .map(({ name }) => name)
    },
  }
}

/** The path with its query, of an address in origin form or, as proxies send it, in absolute form. */
function pathOf(url: string): string | null {
  if (url.charCodeAt(0) === 47) return url
  return /^https?:\/\/[^/?#]*(\/.*)$/i.exec(url)?.[1] ?? null
}

/** Levenshtein's distance of two short strings. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
