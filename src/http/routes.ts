import type { Inbound } from '../dialects/index.ts'
import { CHAT_EXAMPLE, ChatReplyShape, ChatRequestShape } from './api/chat-shapes.ts'
import { analyticsRoutes } from './api/analytics.ts'
import { compactRoutes } from './api/compact.ts'
import { completionRoutes } from './api/completions.ts'
import { conversationRoutes } from './api/conversations.ts'
import { datasetRoutes } from './api/datasets.ts'
import { embeddingsRoutes } from './api/embeddings.ts'
import { explainRoutes } from './api/explain.ts'
import { feedbackRoutes } from './api/feedback.ts'
import { generateContentRoutes } from './api/generate-content.ts'
import { generationRoutes } from './api/generation.ts'
import { goneRoutes } from './api/gone.ts'
import { healthRoutes } from './api/health.ts'
import { messagesRoutes } from './api/messages.ts'
import { catalogRoutes } from './api/models.ts'
import { parameterRoutes } from './api/parameters.ts'
import { presetRoutes } from './api/presets.ts'
import { priceRoutes } from './api/prices.ts'
import { rerankRoutes } from './api/rerank.ts'
import { responseCacheRoutes } from './api/response-cache.ts'
import { responseSocketRoutes } from './api/response-socket.ts'
import { responseRoutes } from './api/responses.ts'
import type { HttpLimits } from './limits.ts'
import type { Metrics } from './metrics.ts'
import { openApiOf } from './openapi.ts'
import { createKeyReader } from './preferences.ts'
import { api, INFERENCE_ERRORS, type Route } from './route.ts'
import type { Services } from './services.ts'
import { createSurface, type SurfaceGiven } from './surface.ts'

export interface RoutesGiven {
  readonly services: Services
  readonly limits: HttpLimits
  readonly face: Inbound
  readonly metrics: Metrics
  draining(): boolean
}

/** The one table of all routes: the server serves nothing that is not in it, and the document of the API is made from it. */
export function createRoutes({ services, limits, face, metrics, draining }: RoutesGiven): readonly Route[] {
  const keyPreferences = createKeyReader(face, services.catalog.snapshot, services.workspace)
  const given: SurfaceGiven = { services, limits, keyPreferences }
  const routes: Route[] = [
    {
      name: 'createChatCompletion', methods: ['POST'], paths: api('/chat/completions'), tag: 'Chat', policy: 'key', inference: true,
      summary: "An answer of a model to a conversation, whole or streamed, by whichever provider is best",
      body: ChatRequestShape, bodyExample: CHAT_EXAMPLE,
      replies: {
        200: {
          description: 'The answer', schema: ChatReplyShape,
          also: { type: 'text/event-stream', description: 'With `stream: true`: chunks, then one with the usage, then `[DONE]`; of an answer that breaks off a last chunk with `error`, `finish_reason: "error"` and the usage so far, and no `[DONE]`' },
        },
      },
      errors: INFERENCE_ERRORS,
      handle: createSurface(given, face),
    },
    ...messagesRoutes(given),
    ...generateContentRoutes(given),
    ...completionRoutes(given),
    ...responseRoutes(given),
    ...responseSocketRoutes(given),
    ...compactRoutes(given),
    ...presetRoutes(services),
    ...embeddingsRoutes(given),
    ...rerankRoutes(given),
    ...conversationRoutes(given),
    ...responseCacheRoutes(services),
    ...goneRoutes(),
    ...explainRoutes(services, face, keyPreferences),
    ...generationRoutes(services),
    ...catalogRoutes(services, keyPreferences),
    ...datasetRoutes(services),
    ...analyticsRoutes(services),
    ...parameterRoutes(services),
    ...feedbackRoutes(services),
    ...priceRoutes(services),
    ...healthRoutes(services, metrics, draining),
    {
      name: 'getOpenApi', methods: ['GET'], paths: ['/openapi.json', ...api('/openapi.json')], tag: 'Operation', policy: 'none',
      summary: 'This document: the API in OpenAPI 3.1, made from the table of its routes',
      replies: { 200: { description: 'The document', schema: { type: 'object' } } }, errors: [],
      handle: () => ({ text: document() }),
    },
  ]
  let made: string | null = null
  const document = (): string => (made ??= JSON.stringify(openApiOf(routes, services.version)))
  return routes
}
