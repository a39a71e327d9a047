/** Google's generateContent, as the Gemini API and Vertex speak it. */
import type { Dialect } from '../dialect.ts'
import { outbound } from './outbound.ts'

export const googleGenerateContent: Dialect = { name: 'google-generate-content', outbound }
