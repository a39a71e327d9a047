import { googleModelShape, queryModels, type ModelEntry } from '../../catalog/index.ts'
import { fault, FaultError } from '../../core/index.ts'
import {
  generateContentAt, generateContentErrorSchema, generateContentReplySchema, generateContentRequestSchema, type Inbound,
} from '../../dialects/index.ts'
import { z } from '../../schema/index.ts'
import type { Exchange } from '../exchange.ts'
import { queryReader } from '../query.ts'
import { api, INFERENCE_ERRORS, type Keyed, type Reply, type Route } from '../route.ts'
import type { Services } from '../services.ts'
import { askedOf, bodyOf, createSurface, type SurfaceGiven } from '../surface.ts'

const RequestShape = generateContentRequestSchema.meta({ id: 'GenerateContentRequest' })
const ReplyShape = generateContentReplySchema.meta({ id: 'GenerateContentReply' })
export const GoogleModel = z.looseObject({ name: z.string(), displayName: z.string(), supportedGenerationMethods: z.array(z.string()) }).meta({ id: 'GoogleModel' })
export const GoogleModelList = z.object({ models: z.array(GoogleModel), nextPageToken: z.string().optional() }).meta({ id: 'GoogleModelList' })
const PageQuery = z.object({ pageSize: z.int().min(1).max(1000).optional().describe('50 by default'), pageToken: z.string().optional() })
const StreamQuery = z.object({ alt: z.enum(['sse', 'json']).optional().describe('`sse` streams as server-sent events, anything else as one JSON list') })

const EXAMPLE = { contents: [{ role: 'user', parts: [{ text: 'What is a signal box?' }] }] }
const PAGE = 50

/** Google's addresses, as its clients have them below `/api` and on the bare host. */
const at = (path: string): readonly string[] => [`/api/v1beta${path}`, `/v1beta${path}`]
/** Its newest clients call version 1, where only the methods of a model are theirs: the lists are told apart by their key. */
const called = (path: string): readonly string[] => [...at(path), ...api(path)]

/**
 * Google's surface. The address ends in `{model}:{method}`, and a model's own name may have colons too, so that the last
 * one counts. A key in the address is refused: addresses are written to logs by everything on their way.
 */
export function generateContentRoutes(given: SurfaceGiven): readonly Route[] {
  const face = given.services.dialects.get('google-generate-content')?.inbound
  if (!face) return []
  const speaks = { face, errors: generateContentErrorSchema.meta({ id: 'GenerateContentError' }) }
  const answer = createSurface(given, (x) => faceAt(x))
  const handle = async (x: Keyed): Promise<Reply> => {
    refuseKeyInAddress(x)
    const { model, method } = addressed(x)
    if (method === 'countTokens') return counted(given, x, model)
    if (method === 'generateContent' || method === 'streamGenerateContent') return answer(x)
    throw new FaultError(fault('not-found', `There is no method ${JSON.stringify(method.slice(0, 60))} of a model. The methods are generateContent, streamGenerateContent and countTokens.`))
  }
  const described = {
    methods: ['POST'], tag: 'Generate content', policy: 'key', inference: true, speaks, query: StreamQuery, body: RequestShape, bodyExample: EXAMPLE,
    replies: {
      200: {
        description: 'The answer; of `countTokens` the count', schema: z.union([ReplyShape, z.object({ totalTokens: z.int().min(0) })]),
        also: { type: 'text/event-stream', description: 'Of `streamGenerateContent` with `alt=sse`: response objects, the last with the usage' },
      },
    },
    errors: [...INFERENCE_ERRORS, 'not-found'], handle,
  } as const
  return [
    {
      ...described, name: 'generateContent', paths: called('/models/{model}'), params: z.object({ model: z.string().describe('{model}:generateContent, :streamGenerateContent or :countTokens') }),
      summary: "An answer in Google's words, whole or streamed, by any model behind any provider; or the count of a prompt's tokens",
    },
    {
      // Vercel's provider for Google leaves `models/` out before a name that has a slash.
      ...described, name: 'generateContentOfAuthor', paths: [...called('/models/{author}/{slug}'), ...at('/{author}/{slug}')], params: z.object({ author: z.string(), slug: z.string() }),
      summary: 'The same for a model by its id, `{author}/{slug}`',
    },
    {
      name: 'listModelsAsGoogle', methods: ['GET'], paths: at('/models'), tag: 'Generate content', policy: 'key', speaks, query: PageQuery,
      summary: "The models of the catalogue in Google's shape, page by page",
      replies: { 200: { description: 'Models', schema: GoogleModelList } }, errors: [],
      handle: (x) => googleModels(given.services, x),
    },
    {
      name: 'getModelAsGoogle', methods: ['GET'], paths: at('/models/{model}'), params: z.object({ model: z.string() }), tag: 'Generate content', policy: 'key', speaks,
      summary: "One model in Google's shape, by any name that a request may use",
      replies: { 200: { description: 'The model', schema: GoogleModel } }, errors: ['invalid-request', 'model-not-found', 'not-found'],
      handle: (x) => googleModel(given.services, nameOf(x)),
    },
    {
      name: 'getModelOfAuthorAsGoogle', methods: ['GET'], paths: at('/models/{author}/{slug}'), params: z.object({ author: z.string(), slug: z.string() }), tag: 'Generate content',
      policy: 'key', speaks, summary: "One model in Google's shape, by its id",
      replies: { 200: { description: 'The model', schema: GoogleModel } }, errors: ['invalid-request', 'model-not-found', 'not-found'],
      handle: (x) => googleModel(given.services, nameOf(x)),
    },
  ]
}

const nameOf = ({ params }: Exchange): string => (params['author'] === undefined ? params['model'] ?? '' : `${params['author']}/${params['slug']}`)

function addressed(x: Exchange): { readonly model: string; readonly method: string } {
  const whole = nameOf(x)
  const colon = whole.lastIndexOf(':')
  return colon < 0 ? { model: whole, method: '' } : { model: whole.slice(0, colon), method: whole.slice(colon + 1) }
}

function faceAt(x: Exchange): Inbound {
  const { model, method } = addressed(x)
  return generateContentAt({ model, stream: method === 'streamGenerateContent', framing: x.search['alt'] === 'sse' ? 'sse' : 'array' })
}

function refuseKeyInAddress({ search }: Exchange): void {
  if (search['key'] !== undefined) throw new FaultError(fault('invalid-request', 'key: must not stand in the address, which logs keep; send it as x-goog-api-key', { field: 'key' }))
}

/** `countTokens` takes the contents by themselves, or a whole request under `generateContentRequest`. */
async function counted(given: SurfaceGiven, x: Keyed, model: string): Promise<Reply> {
  const face = generateContentAt({ model, stream: false, framing: 'sse' })
  const counting: Inbound = {
    ...face,
    decode(body) {
      const inner = (body as { generateContentRequest?: unknown } | null)?.generateContentRequest
      return face.decode(typeof inner === 'object' && inner !== null ? inner : body)
    },
  }
  const found = await given.services.gateway.countTokens(askedOf(x, counting, given, bodyOf(x)))
  if ('fault' in found) throw new FaultError(found.fault)
  return { json: { totalTokens: found.tokens }, headers: ['X-Token-Count', 'estimate'] }
}

/** Whether a request is of Google's client, where an address is not Google's alone. */
export const isGoogle = (x: Exchange): boolean => x.headers['x-goog-api-key'] !== undefined

export const googleModels = (services: Services, x: Exchange): Reply => ({ json: pageOf(listed(services), readPage(x.search)) })

function listed(services: Services): readonly ModelEntry[] {
  const list = queryModels(new URLSearchParams({ output_modalities: 'text' }), { snapshot: services.catalog.snapshot(), now: services.ambient.now() })
  if ('fault' in list) throw new FaultError(list.fault)
  return list.entries
}

const readQuery = queryReader(PageQuery)
interface Page { readonly pageSize?: number; readonly pageToken?: string }
const readPage = (search: Exchange['search']): Page => readQuery(search)

/** The token of a page is the id of the last model before it. */
function pageOf(entries: readonly ModelEntry[], { pageSize = PAGE, pageToken }: Page): Record<string, unknown> {
  const before = pageToken === undefined ? -1 : entries.findIndex((entry) => entry.row.id === pageToken)
  if (pageToken !== undefined && before < 0) throw new FaultError(fault('invalid-request', 'pageToken: is none that this list gave', { field: 'pageToken' }))
  const page = entries.slice(before + 1, before + 1 + pageSize)
  const more = before + 1 + page.length < entries.length
  return { models: page.map(googleModelShape), ...(more && { nextPageToken: page.at(-1)!.row.id }) }
}

/** The model that a name means, in Google's shape. */
export function googleModel(services: Services, name: string): Reply {
  const at = services.catalog.snapshot()
  const found = at.offer(name)
  if ('fault' in found) throw new FaultError(found.fault)
  const entry = at.model('router' in found ? found.router.id : found.offer.model.id)
  if (!entry) throw new FaultError(fault('not-found', `There is no model ${name.slice(0, 200)}`))
  return { json: googleModelShape(entry) }
}
