/** Google's generateContent, as the Gemini API and Vertex speak it, and as Google's clients speak it to us. */
import type { Dialect } from '../dialect.ts'
import { embedOutbound } from './embed.ts'
import { inbound, inboundAt } from './inbound.ts'
import { outbound } from './outbound.ts'

export const googleGenerateContent: Dialect = {
  name: 'google-generate-content', inbound, outbound, embed: { outbound: embedOutbound },
  inboundAt: (address) => inboundAt(address as unknown as Parameters<typeof inboundAt>[0]),
}

export { inboundAt } from './inbound.ts'
export { requestSchema } from './request-schema.ts'
export { errorBodySchema, replySchema } from './reply-schema.ts'
