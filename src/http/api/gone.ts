import { fault, FaultError } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { api, type Method, type Route } from '../route.ts'

/** What OpenAI has taken out of service, with what came after it. Said at every address below, so that old programs learn it. */
const GONE: readonly { readonly name: string; readonly path: string; readonly what: string }[] = [
  { name: 'Assistants', path: '/assistants', what: 'The Assistants API is no longer served' },
  { name: 'Threads', path: '/threads', what: 'Threads of the Assistants API are no longer served' },
  { name: 'Runs', path: '/runs', what: 'Runs of the Assistants API are no longer served' },
]
const SUCCESSOR = 'Use POST /v1/responses; its conversations (/v1/conversations) keep what a thread kept.'
const METHODS: readonly Method[] = ['GET', 'POST', 'DELETE']

export function goneRoutes(): readonly Route[] {
  return GONE.flatMap(({ name, path, what }): Route[] => {
    const described = {
      methods: METHODS, tag: 'Gone', policy: 'none', summary: `${what}: answers 410 and names its successor`,
      replies: { 410: { description: 'The successor' } }, errors: ['gone'],
      handle() { throw new FaultError(fault('gone', `${what}. ${SUCCESSOR}`)) },
    } as const
    return [
      { ...described, name: `gone${name}`, paths: api(path) },
      // OpenAI's client addresses what is below: a thread, its messages, its runs and their steps.
      { ...described, name: `gone${name}Below`, paths: api(`${path}/{rest}`), params: z.object({ rest: z.string() }) },
      { ...described, name: `gone${name}Deep`, paths: api(`${path}/{rest}/{further}`), params: z.object({ rest: z.string(), further: z.string() }) },
      {
        ...described, name: `gone${name}Deeper`, paths: [...api(`${path}/{rest}/{further}/{id}`), ...api(`${path}/{rest}/{further}/{id}/{action}`)],
        params: z.object({ rest: z.string(), further: z.string(), id: z.string(), action: z.string().optional() }),
      },
    ]
  })
}
