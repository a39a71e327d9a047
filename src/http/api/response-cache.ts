import { z } from '../../schema/index.ts'
import { api, type Keyed, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const Forgotten = z.object({ data: z.object({ deleted: z.int().describe('How many answers they were') }) })

/** What a key has kept of its answers, to be given again; there is none where nothing is kept. */
export function responseCacheRoutes({ answers }: Services): readonly Route[] {
  if (answers === undefined) return []
  return [{
    name: 'clearResponseCache', methods: ['DELETE'], paths: api('/response-cache'), tag: 'Responses', policy: 'key',
    summary: 'Removes all answers that the key has kept with X-OpenRouter-Cache, whatever time they have left',
    replies: { 200: { description: 'They are gone', schema: Forgotten } }, errors: ['unavailable'],
    handle: async (x: Keyed) => ({ json: { data: { deleted: await answers.forget(x.key.id) } } }),
  }]
}
