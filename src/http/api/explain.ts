import { FaultError, type Asked, type Operation } from '../../core/index.ts'
import type { Inbound } from '../../dialects/index.ts'
import { LARGE_BYTES, readExplaining, type LargeBodies } from '../../gateway/index.ts'
import type { KeyReader } from '../preferences.ts'
import { api, type Keyed, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { askedOf, bodyOf, readLarge } from '../surface.ts'
import { CHAT_EXAMPLE } from './chat-shapes.ts'
import { ExplanationShape, ExplainRequestShape } from './shapes.ts'

export function explainRoutes(services: Services, face: Inbound, keyPreferences: KeyReader): readonly Route[] {
  return [{
    name: 'explainRoute', methods: ['POST'], paths: api('/route/explain'), tag: 'Routing', policy: 'key',
    summary: 'What would be done with a request (a chat, or one for embeddings or a ranking), or would have been at a moment in the past, and why; nothing is called and nothing is spent',
    body: ExplainRequestShape, bodyExample: { ...CHAT_EXAMPLE, policy: { max_output: 'drop' } },
    replies: { 200: { description: 'The plan: what would be tried in which order, and why not the others', schema: ExplanationShape } },
    errors: ['invalid-request', 'model-not-found', 'forbidden', 'not-found', 'no-endpoint', 'unprocessable', 'unavailable'],
    async handle(x) {
      const { large } = services
      const there = large !== undefined && x.body!.length > LARGE_BYTES ? await readThere({ services, keyPreferences }, face, x, large) : null
      const { asked, at, policy } = there ?? readHere({ services, keyPreferences }, face, x)
      const made = await services.gateway.explain(asked, { ...readExplaining({ at, policy }), workspace: x.key.workspace })
      if ('fault' in made) throw new FaultError(made.fault)
      return { json: { data: made } }
    },
  }]
}

/** A request, and how its plan shall be explained. */
interface Explained {
  readonly asked: Asked<Operation>
  readonly at?: unknown
  readonly policy?: unknown
}
type ReadWith = { readonly services: Services; readonly keyPreferences: KeyReader }

function readHere(given: ReadWith, face: Inbound, x: Keyed): Explained {
  const body = bodyOf(x)
  // A body that is no object is refused by the face, in the words of every other request.
  const { at, policy, ...request } = isObject(body) ? body : {}
  return { asked: askedOf(x, faceFor(request, given.services.dialects) ?? face, given, isObject(body) ? request : body), at, policy }
}

/** The same in a thread. What is no chat is left to the loop: null. */
async function readThere(given: ReadWith, face: Inbound, x: Keyed, large: Pick<LargeBodies, 'read'>): Promise<Explained | null> {
  try {
    const { asked } = await readLarge(given, face, x, large)
    const { request } = asked.operation
    const { at, policy, ...extras } = request.extras
    return { asked: { ...asked, operation: { type: 'chat', request: { ...request, extras } } }, at, policy }
  } catch (error) {
    if (error instanceof FaultError && error.fault.field === 'messages') return null
    throw error
  }
}

/** Requests for vectors have an `input`, those for a ranking `documents`, and chats neither. */
function faceFor(request: Readonly<Record<string, unknown>>, dialects: Services['dialects']): Inbound<Operation> | undefined {
  if (request['messages'] !== undefined) return undefined
  if (request['input'] !== undefined) return dialects.get('openai-embeddings')?.embed?.inbound
  return request['documents'] === undefined ? undefined : dialects.get('jina-rerank')?.rerank?.inbound
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
