import { fault, type Fault } from '../../core/index.ts'
import { responseErrorSchema, responseRequestSchema, responseSchema, type Inbound } from '../../dialects/index.ts'
import { api, INFERENCE_ERRORS, type Route } from '../route.ts'
import { createSurface, type SurfaceGiven } from '../surface.ts'

const RequestShape = responseRequestSchema.meta({ id: 'ResponseRequest' })
const ResponseShape = responseSchema.meta({ id: 'Response' })
/** Refusals in the words of this surface. */
export const ResponseErrorShape = responseErrorSchema.meta({ id: 'ResponseError' })

/** The surface of OpenAI's Responses; there is none where nobody speaks it. */
export function responseRoutes(given: SurfaceGiven): readonly Route[] {
  const spoken = given.services.dialects.get('openai-responses')?.inbound
  if (!spoken) return []
  const face = stateless(spoken)
  return [{
    name: 'createResponse', methods: ['POST'], paths: api('/responses'), tag: 'Responses', policy: 'key', inference: true,
    speaks: { face, errors: ResponseErrorShape },
    summary: "An answer of a model to a list of items, whole or streamed, by whichever provider is best",
    body: RequestShape, bodyExample: { model: 'openai/gpt-5', input: 'What is a signal box?' },
    replies: {
      200: {
        description: 'The response', schema: ResponseShape,
        also: { type: 'text/event-stream', description: 'With `stream: true`: numbered events from `response.created` to `response.completed`, then `[DONE]`' },
      },
    },
    errors: INFERENCE_ERRORS,
    handle: createSurface(given, face),
  }]
}

/** What a response would have to be kept for. */
const KEPT: Readonly<Record<string, string>> = {
  previous_response_id: 'names a response, and none is kept here: send what was before as items in input',
  conversation: 'names a conversation, and none is kept here: send what was before as items in input',
  background: 'true would need the response to be kept until it is asked for, which is not done here',
  store: 'true would need the response to be kept, which is not done here: leave it out, or send false',
}

/** A face that refuses by name what only kept responses can answer; `false` and `null` ask for nothing. */
function stateless(face: Inbound): Inbound {
  return {
    ...face,
    decode(body, bytes) {
      const refused = body !== null && typeof body === 'object' ? keeping(body as Readonly<Record<string, unknown>>) : null
      return refused ? { fault: refused } : face.decode(body, bytes)
    },
  }
}

function keeping(body: Readonly<Record<string, unknown>>): Fault | null {
  for (const field in KEPT) {
    const value = body[field]
    if (value !== undefined && value !== null && value !== false) return fault('invalid-request', `${field}: ${KEPT[field]}`, { field })
  }
  return null
}
