import { FaultError } from '../../core/index.ts'
import { messagesErrorSchema, messagesReplySchema, messagesRequestSchema } from '../../dialects/index.ts'
import { z } from '../../schema/index.ts'
import { api, INFERENCE_ERRORS, type Route } from '../route.ts'
import { askedOf, bodyOf, createSurface, type SurfaceGiven } from '../surface.ts'

export const MessagesRequestShape = messagesRequestSchema.meta({ id: 'MessagesRequest' })
const MessagesReplyShape = messagesReplySchema.meta({ id: 'MessagesReply' })
export const MessagesErrorShape = messagesErrorSchema.meta({ id: 'MessagesError' })

const EXAMPLE = { model: 'anthropic/claude-sonnet-4.5', max_tokens: 1024, messages: [{ role: 'user', content: 'What is a signal box?' }] }

/** Anthropic's surface: clients whose base URL is `/api` append `/v1/messages`. */
export function messagesRoutes(given: SurfaceGiven): readonly Route[] {
  const face = given.services.dialects.get('anthropic-messages')?.inbound
  if (!face) return []
  const speaks = { face, errors: MessagesErrorShape }
  return [
    {
      name: 'createMessage', methods: ['POST'], paths: api('/messages'), tag: 'Messages', policy: 'key', inference: true, speaks,
      summary: "An answer in Anthropic's words, whole or streamed, by any model behind any provider",
      body: MessagesRequestShape, bodyExample: EXAMPLE,
      replies: {
        200: {
          description: 'The message', schema: MessagesReplyShape,
          also: { type: 'text/event-stream', description: 'With `stream: true`: `message_start`, blocks, `message_delta` with the usage, `message_stop`' },
        },
      },
      errors: INFERENCE_ERRORS,
      handle: createSurface(given, face),
    },
    {
      name: 'countMessageTokens', methods: ['POST'], paths: api('/messages/count_tokens'), tag: 'Messages', policy: 'key', speaks,
      summary: 'The tokens of a prompt by our own count, which is an estimate for most models; no provider is asked and nothing is spent',
      body: MessagesRequestShape, bodyExample: EXAMPLE,
      replies: { 200: { description: 'The count', schema: z.object({ input_tokens: z.int().min(0) }).meta({ id: 'MessageTokens' }) } },
      errors: ['invalid-request', 'model-not-found', 'ambiguous-model', 'wrong-endpoint', 'forbidden', 'no-endpoint'],
      async handle(x) {
        const counted = await given.services.gateway.countTokens(askedOf(x, face, given, bodyOf(x)))
        if ('fault' in counted) throw new FaultError(counted.fault)
        return { json: { input_tokens: counted.tokens }, headers: ESTIMATE }
      },
    },
  ]
}

/** The shape has no place to say it. */
const ESTIMATE = ['X-Token-Count', 'estimate']
