import { fault, FaultError } from '../../core/index.ts'
import { MOST_TEXT } from '../../feedback/index.ts'
import type { RequestHeaders } from '../../http1/index.ts'
import { isLoopback } from '../auth.ts'
import type { Exchange } from '../exchange.ts'
import type { Route } from '../route.ts'
import type { Services } from '../services.ts'

/** Addresses of the manual's pages: the only ones that a form leads back to. */
const PAGE = /^\/docs(?:\/[\w-]{1,100}){0,2}$/

/** What a form on each page of the manual sends: whether the page was helpful. It works as any form does, without scripts. */
export function feedbackRoutes({ pages, feedback }: Services): readonly Route[] {
  if (pages === undefined || feedback === undefined) return []
  const isPage = async (url: string, headers: RequestHeaders): Promise<boolean> =>
    PAGE.test(url) && (await pages.respond({ method: 'GET', url, headers: { host: headers['host'], accept: 'text/html' } })).status === 200

  return [{
    name: 'sayHelpful', methods: ['POST'], paths: ['/api/web/v1/docs/feedback'], tag: 'Site', policy: 'none', ownOrigin: true, form: true,
    summary: 'Whether a page of the manual was helpful', replies: {}, errors: ['invalid-request', 'forbidden'],
    async handle(x: Exchange) {
      if (!isOwnPage(x.headers)) throw new FaultError(fault('forbidden', "This form is sent by this server's own pages alone"))
      const form = new URLSearchParams(x.body?.toString('utf8') ?? '')
      const page = form.get('page') ?? ''
      const helpful = form.get('helpful')
      const text = (form.get('text') ?? '').trim()
      if (helpful !== 'yes' && helpful !== 'no') throw invalid('helpful', `must be yes or no, is ${JSON.stringify(helpful?.slice(0, 40) ?? null)}`)
      if ([...text].length > MOST_TEXT) throw invalid('text', `must be at most ${MOST_TEXT} characters long, is ${[...text].length}`)
      if (!PAGE.test(page)) throw invalid('page', `must be the address of a page of the manual, such as /docs/errors, is ${JSON.stringify(page.slice(0, 80))}`)
      const address = addressOf(x)
      // Asked before the page is looked for: making one is what costs.
      const allowed = feedback.allows(address)
      if (allowed && !await isPage(page, x.headers)) throw invalid('page', `names no page of the manual, is ${JSON.stringify(page.slice(0, 80))}`)
      const taken = allowed && await feedback.take({ page, helpful: helpful === 'yes', text: text === '' ? null : text, address, agent: x.headers['user-agent'] ?? '' })
      const said = new URLSearchParams({ helpful: taken ? helpful : 'later', ...(taken && text !== '' && { words: 'yes' }) })
      return { status: 303, text: '', headers: ['Location', `${page}?${said}#helpful`, 'Cache-Control', 'no-store'] }
    },
  }]
}

function invalid(field: string, why: string): FaultError {
  return new FaultError(fault('invalid-request', `${field}: ${why}`, { field }))
}

/**
 * Whether a form was sent by a page of ours, as browsers say with every form and no other site can have them say. What says
 * neither is no browser, and has no form to send.
 */
export function isOwnPage(headers: RequestHeaders): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  const { origin } = headers
  return typeof origin === 'string' && URL.canParse(origin) && new URL(origin).host === (headers['x-forwarded-host'] ?? headers['host'])
}

/** Who sent it. A proxy on this machine has everybody behind its address, and says last whom it heard. */
function addressOf({ remoteAddress = '', headers }: Exchange): string {
  const forwarded = headers['x-forwarded-for']
  return forwarded !== undefined && isLoopback(remoteAddress) ? String(forwarded).split(',').at(-1)!.trim() : remoteAddress
}
