import { fault, FaultError, type Fault, type JsonObject } from '../../core/index.ts'
import type { Inbound } from '../../dialects/index.ts'
import type { Conversation } from '../../responses/index.ts'
import { checker, z, type Issue } from '../../schema/index.ts'
import { queryReader } from '../query.ts'
import { api, type Keyed, type Route } from '../route.ts'
import { bodyOf, type SurfaceGiven } from '../surface.ts'
import { bad, ItemsQuery, ItemsShape, noConversation, PAGE, readable, speaksOf } from './responses.ts'

const MAX_ITEMS = 20
const items = z.array(z.looseObject({})).max(MAX_ITEMS)
const metadata = z.record(z.string(), z.string())

const CreateShape = z.looseObject({
  items: items.nullish().describe('What it begins with, as the input of a response; at most 20.'),
  metadata: metadata.nullish().describe('At most 16 pairs; keys of 64 characters, values of 512.'),
}).meta({ id: 'ConversationCreate' })
const UpdateShape = z.looseObject({ metadata: metadata.nullable().describe('In the place of what there was; null for none.') }).meta({ id: 'ConversationUpdate' })
const AddShape = z.looseObject({ items: items.min(1) }).meta({ id: 'ConversationItemsCreate' })
const ConversationShape = z.object({
  id: z.string(), object: z.literal('conversation'), created_at: z.int(), metadata: z.record(z.string(), z.string()),
}).meta({ id: 'Conversation' })
const DeletedShape = z.object({ id: z.string(), object: z.literal('conversation.deleted'), deleted: z.literal(true) })
const ItemShape = z.looseObject({ id: z.string(), type: z.string() })
const Params = z.object({ id: z.string() })
const ItemParams = z.object({ id: z.string(), item: z.string() })
const PRIVATE = ['Cache-Control', 'no-store'] as const

/** Conversations that are kept here, in OpenAI's words; none where nothing is kept. Of the workspace of the key only. */
export function conversationRoutes({ services, keyPreferences }: SurfaceGiven): readonly Route[] {
  const { log } = services
  const face = services.dialects.get('openai-responses')?.inbound
  const conversations = services.responses?.conversations
  if (!face || !conversations) return []
  const readPage = queryReader(ItemsQuery)
  const checkCreate = checker(CreateShape)
  const checkUpdate = checker(UpdateShape)
  const checkAdd = checker(AddShape)
  const described = { tag: 'Conversations', policy: 'key', speaks: speaksOf(face) } as const
  const idOf = (x: Keyed): string => x.params['id'] ?? ''
  /** What came of it, or the refusal that it is. */
  const got = async <T extends object>(x: Keyed, asking: Promise<T | Fault | null>): Promise<T> => {
    const found = await readable(asking, { conversation: idOf(x) }, log)
    if (found === null) throw new FaultError(noConversation(idOf(x)))
    if (isFault(found)) throw new FaultError(found)
    return found
  }
  const shown = (of: Conversation) => ({ json: shapeOf(of), headers: PRIVATE })

  return [
    {
      ...described, name: 'createConversation', methods: ['POST'], paths: api('/conversations'),
      summary: 'A conversation to which responses that name it add what is said', body: CreateShape, bodyExample: { metadata: { topic: 'demo' } },
      replies: { 200: { description: 'The conversation', schema: ConversationShape } }, errors: ['invalid-request', 'forbidden', 'unavailable'],
      async handle(x: Keyed) {
        const body = read(x, checkCreate)
        checkContent(face, body)
        if (keyPreferences(x.key)?.zdr === true) {
          throw new FaultError(fault('forbidden', 'The settings of this key ask for zero data retention, under which no conversation is kept', { metadata: { setting: 'provider.zdr' } }))
        }
        return shown(await got(x, conversations.create({
          workspace: x.key.workspace, key: x.key.id, items: (body['items'] ?? []) as readonly unknown[], metadata: (body['metadata'] ?? {}) as JsonObject,
        })))
      },
    },
    {
      ...described, name: 'getConversation', methods: ['GET'], paths: api('/conversations/{id}'), params: Params, summary: 'A conversation',
      replies: { 200: { description: 'The conversation', schema: ConversationShape } }, errors: ['not-found', 'unavailable'],
      handle: async (x: Keyed) => shown(await got(x, conversations.find(x.key.workspace, idOf(x)))),
    },
    {
      ...described, name: 'updateConversation', methods: ['POST'], paths: api('/conversations/{id}'), params: Params,
      summary: 'Changes the metadata of a conversation', body: UpdateShape, bodyExample: { metadata: { topic: 'another' } },
      replies: { 200: { description: 'The conversation', schema: ConversationShape } }, errors: ['invalid-request', 'not-found', 'unavailable'],
      async handle(x: Keyed) {
        const body = read(x, checkUpdate)
        checkContent(face, body)
        return shown(await got(x, conversations.update(x.key.workspace, idOf(x), (body['metadata'] ?? {}) as JsonObject)))
      },
    },
    {
      ...described, name: 'deleteConversation', methods: ['DELETE'], paths: api('/conversations/{id}'), params: Params,
      summary: 'Removes a conversation with its items. Responses that were kept of it stay',
      replies: { 200: { description: 'It is gone', schema: DeletedShape } }, errors: ['not-found', 'unavailable'],
      async handle(x: Keyed) {
        const gone = await readable(conversations.remove(x.key.workspace, idOf(x)), { conversation: idOf(x) }, log)
        if (!gone) throw new FaultError(noConversation(idOf(x)))
        return { json: { id: idOf(x), object: 'conversation.deleted', deleted: true } }
      },
    },
    {
      ...described, name: 'listConversationItems', methods: ['GET'], paths: api('/conversations/{id}/items'), params: Params, query: ItemsQuery,
      summary: 'What was said in a conversation, page by page',
      replies: { 200: { description: 'A page of items', schema: ItemsShape } }, errors: ['invalid-request', 'not-found', 'unavailable'],
      async handle(x: Keyed) {
        const { after, limit = PAGE, order = 'desc' } = readPage(x.search) as z.infer<typeof ItemsQuery>
        const page = await got(x, conversations.page(x.key.workspace, idOf(x), { after, limit, order }))
        return { json: listOf(page.items, page.more), headers: PRIVATE }
      },
    },
    {
      ...described, name: 'createConversationItems', methods: ['POST'], paths: api('/conversations/{id}/items'), params: Params,
      summary: 'Adds items to a conversation, behind what was said', body: AddShape, bodyExample: { items: [{ role: 'user', content: 'Hello' }] },
      replies: { 200: { description: 'The items as they are kept', schema: ItemsShape } }, errors: ['invalid-request', 'not-found', 'conflict', 'unavailable'],
      async handle(x: Keyed) {
        const body = read(x, checkAdd)
        checkContent(face, body)
        return { json: listOf(await got(x, conversations.add(x.key.workspace, idOf(x), body['items'] as readonly unknown[])), false), headers: PRIVATE }
      },
    },
    {
      ...described, name: 'getConversationItem', methods: ['GET'], paths: api('/conversations/{id}/items/{item}'), params: ItemParams, summary: 'An item of a conversation',
      replies: { 200: { description: 'The item', schema: ItemShape } }, errors: ['not-found', 'unavailable'],
      async handle(x: Keyed) {
        const item = await readable(conversations.item(x.key.workspace, idOf(x), x.params['item'] ?? ''), { conversation: idOf(x) }, log)
        if (item === null) throw new FaultError(noItem(x))
        return { json: item, headers: PRIVATE }
      },
    },
    {
      ...described, name: 'deleteConversationItem', methods: ['DELETE'], paths: api('/conversations/{id}/items/{item}'), params: ItemParams,
      summary: 'Removes an item from a conversation',
      replies: { 200: { description: 'The conversation', schema: ConversationShape } }, errors: ['not-found', 'conflict', 'unavailable'],
      async handle(x: Keyed) {
        const left = await readable(conversations.removeItem(x.key.workspace, idOf(x), x.params['item'] ?? ''), { conversation: idOf(x) }, log)
        if (left === null) throw new FaultError(noItem(x))
        if (isFault(left)) throw new FaultError(left)
        return shown(left)
      },
    },
  ]
}

const noItem = (x: Keyed): Fault => fault('not-found', `There is no item ${x.params['item'] ?? ''} in a conversation ${x.params['id'] ?? ''}`)
const isFault = (of: object): of is Fault => 'kind' in of && 'message' in of

const shapeOf = ({ id, createdAt, metadata: pairs }: Conversation): JsonObject =>
  ({ id, object: 'conversation', created_at: Math.floor(createdAt / 1000), metadata: pairs })

const listOf = (data: readonly JsonObject[], more: boolean): JsonObject =>
  ({ object: 'list', data, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null, has_more: more })

/** The body of a request that has the shape. Throws a FaultError that names the field. */
function read(x: Keyed, check: (value: unknown) => Issue | null): Readonly<Record<string, unknown>> {
  const body = bodyOf(x)
  const issue = check(body)
  if (issue?.path === '') throw new FaultError(fault('invalid-request', `The body ${issue.message}.`))
  if (issue) throw new FaultError(bad(issue.path, issue.message))
  return body as Readonly<Record<string, unknown>>
}

/** Items are what a response takes as its input, and metadata what it takes as such: the face that reads those reads these. */
function checkContent(face: Inbound, body: Readonly<Record<string, unknown>>): void {
  const said = body['items'] as readonly unknown[] | null | undefined
  const decoded = face.decode({ model: 'any', input: said && said.length > 0 ? said : 'any', metadata: body['metadata'] ?? null })
  if (!('fault' in decoded)) return
  const { fault: what } = decoded
  const own = (text: string): string => text.replace(/^input(?=[[:])/, 'items')
  throw new FaultError({ ...what, message: own(what.message), ...(what.field !== undefined && { field: own(what.field) }) })
}
