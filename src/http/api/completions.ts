import { completionReplySchema, completionRequestSchema } from '../../dialects/index.ts'
import { api, INFERENCE_ERRORS, type Route } from '../route.ts'
import { createSurface, type SurfaceGiven } from '../surface.ts'

/** OpenAI's legacy surface, for programs that are older than chats. */
export function completionRoutes(given: SurfaceGiven): readonly Route[] {
  const face = given.services.dialects.get('openai-completions')?.inbound
  if (!face) return []
  return [{
    name: 'createCompletion', methods: ['POST'], paths: api('/completions'), tag: 'Completions', policy: 'key', inference: true,
    summary: 'The continuation of a prompt, whole or streamed, in the old form',
    body: completionRequestSchema.meta({ id: 'CompletionRequest' }), bodyExample: { model: 'openai/gpt-5', prompt: 'A signal box is' },
    replies: {
      200: {
        description: 'The continuation', schema: completionReplySchema.meta({ id: 'CompletionReply' }),
        also: { type: 'text/event-stream', description: 'With `stream: true`: chunks, then one with the usage, then `[DONE]`' },
      },
    },
    errors: INFERENCE_ERRORS,
    handle: createSurface(given, face),
  }]
}
