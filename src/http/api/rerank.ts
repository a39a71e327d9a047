import { rerankReplySchema, rerankRequestSchema } from '../../dialects/index.ts'
import { api, INFERENCE_ERRORS, type Route } from '../route.ts'
import { createListSurface, type SurfaceGiven } from '../surface.ts'

/** Documents in the order of what they have to do with a query, in OpenRouter's shape. */
export function rerankRoutes(given: SurfaceGiven): readonly Route[] {
  const face = given.services.dialects.get('jina-rerank')?.rerank?.inbound
  if (!face) return []
  return [{
    name: 'createRerank', methods: ['POST'], paths: api('/rerank'), tag: 'Rerank', policy: 'key', inference: true,
    summary: 'Documents put in the order of what they have to do with a query, the best first',
    body: rerankRequestSchema.meta({ id: 'RerankRequest' }),
    bodyExample: { model: 'cohere/rerank-v3.5', query: 'How are trains kept apart?', documents: ['A block holds one train.', 'Tea is at four.'] },
    replies: { 200: { description: 'The order, each document with its score', schema: rerankReplySchema.meta({ id: 'RerankReply' }) } },
    errors: INFERENCE_ERRORS,
    handle: createListSurface(given, face),
  }]
}
