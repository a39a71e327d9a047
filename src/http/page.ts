import { fault, FaultError } from '../core/index.ts'
import type { Exchange } from './exchange.ts'
import type { Reply, Route } from './route.ts'
import type { Services } from './services.ts'

/** What answers the addresses of the site: a request's head in, a whole answer out. */
export interface Pages {
  respond(request: {
    readonly method: string
    /** Path and query. */
    readonly url: string
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  }): Promise<{ readonly status: number; readonly headers: readonly string[]; readonly body: string | Uint8Array }>
}

/** Addresses that programs ask: what is not spelled right there is told in JSON, never with a page. */
const PROGRAMS = /^\/(?:api|v1|v1beta)(?:[/?#]|$)/

/**
 * The route behind all others: a GET that the table does not know is the site's. An address that the site does not
 * know either is a page for a browser, and the usual refusal, with the routes that are near it, for a program.
 */
export function pageRoute(pages: NonNullable<Services['pages']>): Route {
  return {
    name: 'page', methods: ['GET'], paths: [], tag: 'Site', policy: 'none', ownOrigin: true,
    summary: 'A page of the site', replies: {}, errors: [],
    async handle(x: Exchange): Promise<Reply> {
      const { status, headers, body } = await pages.respond({ method: x.method, url: x.target, headers: x.headers })
      const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-type')
      const type = at === -1 ? 'text/html; charset=utf-8' : headers[at + 1]!
      if (status === 404 && type.startsWith('text/html') && !/\btext\/html\b/.test(x.headers['accept'] ?? '')) {
        throw new FaultError(fault('not-found', 'The site has no such page'))
      }
      const rest = headers.flatMap((name, i) => i % 2 === 0 && name.toLowerCase() !== 'content-type' ? [name, headers[i + 1]!] : [])
      return { status, text: body, type, headers: rest }
    },
  }
}

/** Whether an address that no route has may be the site's. */
export function mayBePage(method: string, url: string): boolean {
  return (method === 'GET' || method === 'HEAD') && url.charCodeAt(0) === 47 && !PROGRAMS.test(url)
}
