import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { renderToPipeableStream } from 'react-dom/server'
import { createRequestHandler, RouterContextProvider, ServerRouter, type EntryContext, type ServerBuild } from 'react-router'
import type { Responding } from '../src/site.ts'
import { given } from './site.ts'

/** Renders a page whole: nothing of it is awaited later, so that it is the same with and without scripts. */
export default async function handleRequest(
  request: Request, status: number, headers: Headers, routerContext: EntryContext, context: RouterContextProvider,
): Promise<Response> {
  const nonce = context.get(given.nonceContext)
  const body = await new Promise<string>((resolve, reject) => {
    const { pipe } = renderToPipeableStream(<ServerRouter context={routerContext} url={request.url} nonce={nonce} />, {
      nonce,
      // Whole means that no block comes after the end, to be put in its place by a script.
      progressiveChunkSize: Infinity,
      onAllReady() {
        const whole = new PassThrough()
        text(whole).then(resolve, reject)
        pipe(whole)
      },
      onShellError: reject,
      onError: context.get(given.reportContext),
    })
  })
  headers.set('Content-Type', 'text/html; charset=utf-8')
  return new Response(body, { status, headers })
}

/** What went wrong on our side goes to the server's log; a page that does not exist, or a reader who left, is nothing of that kind. */
export function handleError(error: unknown, { request, context }: { request: Request; context: Readonly<RouterContextProvider> }): void {
  if (!request.signal.aborted) context.get(given.reportContext)(error)
}

const HEADERS = ['accept', 'cookie', 'host', 'x-forwarded-proto', 'x-forwarded-host']

/** `.md` after the address of a page asks for it as Markdown; routes cannot say the end of a word. */
const TWIN = /^\/([^?#]+)\.md(?=$|[?#])(.*)$/s

/** What the server calls, once for a build, and then with each request for a page. */
export const responding: Responding = (build, { site, report }) => {
  const handler = createRequestHandler(build as ServerBuild, 'production')
  return async (request, nonce) => {
    const context = new RouterContextProvider()
    context.set(given.siteContext, site)
    context.set(given.nonceContext, nonce)
    context.set(given.reportContext, report)
    const headers = new Headers()
    for (const name of HEADERS) {
      const value = request.headers[name]
      if (typeof value === 'string') headers.set(name, value)
    }
    const place = request.url.replace(TWIN, '/-/markdown/$1$2')
    const address = `http://${headers.get('host') ?? ''}${place}`
    const url = URL.canParse(address) ? address : `http://localhost${URL.canParse(place, 'http://localhost') ? place : '/'}`
    const response = await handler(new Request(url, { headers }), context)
    return { status: response.status, headers: [...response.headers], body: await response.text() }
  }
}
