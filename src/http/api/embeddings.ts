import { embeddingsReplySchema, embeddingsRequestSchema } from '../../dialects/index.ts'
import { api, INFERENCE_ERRORS, type Route } from '../route.ts'
import { createListSurface, type SurfaceGiven } from '../surface.ts'

/** Texts, tokens or pictures as vectors, in OpenAI's shape. */
export function embeddingsRoutes(given: SurfaceGiven): readonly Route[] {
  const face = given.services.dialects.get('openai-embeddings')?.embed?.inbound
  if (!face) return []
  return [{
    name: 'createEmbedding', methods: ['POST'], paths: api('/embeddings'), tag: 'Embeddings', policy: 'key', inference: true,
    summary: 'Vectors for texts, tokens or inputs with pictures, by whichever provider of the model is best',
    body: embeddingsRequestSchema.meta({ id: 'EmbeddingsRequest' }),
    bodyExample: { model: 'openai/text-embedding-3-small', input: ['A signal box', 'A level crossing'] },
    replies: { 200: { description: 'The vectors, in the order of the inputs', schema: embeddingsReplySchema.meta({ id: 'EmbeddingsReply' }) } },
    errors: INFERENCE_ERRORS,
    handle: createListSurface(given, face),
  }]
}
