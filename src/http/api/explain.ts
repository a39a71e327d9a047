import { FaultError } from '../../core/index.ts'
import type { Inbound } from '../../dialects/index.ts'
import type { KeyReader } from '../preferences.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { readAsked } from '../surface.ts'
import { CHAT_EXAMPLE, ChatRequestShape } from './chat-shapes.ts'
import { ExplanationShape } from './shapes.ts'

export function explainRoutes(services: Services, face: Inbound, keyPreferences: KeyReader): readonly Route[] {
  return [{
    name: 'explainRoute', methods: ['POST'], paths: api('/route/explain'), tag: 'Routing', policy: 'key',
    summary: 'What would be done with a chat request, and why; nothing is called and nothing is spent',
    body: ChatRequestShape, bodyExample: CHAT_EXAMPLE,
    replies: { 200: { description: 'The plan: what would be tried in which order, and why not the others', schema: ExplanationShape } },
    errors: ['invalid-request', 'model-not-found', 'forbidden', 'no-endpoint', 'unprocessable'],
    async handle(x) {
      const made = await services.gateway.explain(readAsked(x, face, keyPreferences, services.catalog))
      if ('fault' in made) throw new FaultError(made.fault)
      return { json: { data: made } }
    },
  }]
}
