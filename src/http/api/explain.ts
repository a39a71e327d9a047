import { FaultError, type Operation } from '../../core/index.ts'
import type { Inbound } from '../../dialects/index.ts'
import { readExplaining } from '../../gateway/index.ts'
import type { KeyReader } from '../preferences.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { askedOf, bodyOf } from '../surface.ts'
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
      const body = bodyOf(x)
      // A body that is no object is refused by the face, in the words of every other request.
      const { at, policy, ...request } = isObject(body) ? body : {}
      const asked = askedOf(x, faceFor(request, services.dialects) ?? face, { services, keyPreferences }, isObject(body) ? request : body)
      const made = await services.gateway.explain(asked, { ...readExplaining({ at, policy }), workspace: x.key.workspace })
      if ('fault' in made) throw new FaultError(made.fault)
      return { json: { data: made } }
    },
  }]
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
