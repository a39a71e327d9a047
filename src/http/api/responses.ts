import type { KeyRecord } from '../../accounts/index.ts'
import { Departure, fault, FaultError, NO_USAGE, type Asked, type ChatEvent, type EventStream, type Fault, type JsonObject } from '../../core/index.ts'
import {
  createBackgroundEncoder, createResponseEncoder, queuedResponse, responseErrorSchema, responseRequestSchema, responseSchema, STREAM_END, type Inbound,
} from '../../dialects/index.ts'
import { LARGE_BYTES, type Outcome } from '../../gateway/index.ts'
import { contextOf, expanded, inputItems, resolved, type Item, type Kept, type Responses, type Run, type Runs, type Turn } from '../../responses/index.ts'
import { z } from '../../schema/index.ts'
import { masked } from '../failure.ts'
import { queryReader } from '../query.ts'
import { api, INFERENCE_ERRORS, type Keyed, type Reply, type Route } from '../route.ts'
import type { Log, Services } from '../services.ts'
import { answerFrames } from '../stream.ts'
import { answer, askedOf, bodyOf, callOf, readLarge, type SurfaceGiven } from '../surface.ts'

export const ResponseRequestShape = responseRequestSchema.meta({ id: 'ResponseRequest' })
const ResponseShape = responseSchema.meta({ id: 'Response' })
/** Refusals in the words of this surface. */
export const ResponseErrorShape = responseErrorSchema.meta({ id: 'ResponseError' })
const DeletedShape = z.object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) })
export const ItemsShape = z.object({
  object: z.literal('list'), data: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  first_id: z.string().nullable(), last_id: z.string().nullable(), has_more: z.boolean(),
})
const Params = z.object({ id: z.string() })
export const ItemsQuery = z.object({
  after: z.string().optional().describe('The id of the item before the first of the page'),
  limit: z.int().min(1).max(100).optional().describe('20 unless told otherwise'),
  order: z.enum(['asc', 'desc']).optional().describe('desc, the newest first, unless told otherwise'),
})
const GetQuery = z.object({
  stream: z.boolean().optional().describe('The events of a response that was streamed or made in the background, to its end'),
  starting_after: z.int().min(0).optional().describe('The number of the last event that is known; with `stream`'),
})
export const PAGE = 20

/** The surface of OpenAI's Responses, and what is kept of them; there is none where nobody speaks it. */
export function responseRoutes(given: SurfaceGiven): readonly Route[] {
  const { services } = given
  const face = services.dialects.get('openai-responses')?.inbound
  if (!face) return []
  const create: Route = {
    name: 'createResponse', methods: ['POST'], paths: api('/responses'), tag: 'Responses', policy: 'key', inference: true, speaks: speaksOf(face),
    summary: "An answer of a model to a list of items, whole or streamed, by whichever provider is best",
    body: ResponseRequestShape, bodyExample: { model: 'openai/gpt-5', input: 'What is a signal box?' },
    replies: {
      200: {
        description: 'The response', schema: ResponseShape,
        also: { type: 'text/event-stream', description: 'With `stream: true`: numbered events from `response.created` to `response.completed`, then `[DONE]`' },
      },
    },
    errors: [...INFERENCE_ERRORS, 'unavailable', 'conflict'],
    handle: createHandler(given, face),
  }
  return services.responses ? [create, ...keptRoutes(given, services.responses, face)] : [create]
}

export const speaksOf = (face: Inbound) => ({ face, errors: ResponseErrorShape })

function createHandler(given: SurfaceGiven, face: Inbound): (x: Keyed) => Promise<Reply> {
  const { services } = given
  const { responses } = services
  const read = responses ? readerOf(given, face, responses) : (x: Keyed, body: unknown, bytes?: Uint8Array) => askedOf(x, face, given, body, bytes)
  return async (x) => {
    if (responses && x.talk !== null) return answerTurn(given, face, x, x.talk.body, read, responses)
    if (services.large !== undefined && x.body!.length > LARGE_BYTES) {
      const { asked, ...arrived } = await readLarge(given, face, x, services.large)
      const said = asked.operation.request.origin?.body ?? {}
      const refused = refusal(said, responses !== undefined)
      if (refused) throw new FaultError(refused)
      // What is kept is made of the caller's items, and what was summed up is opened here: such a one is read here as well.
      if (!keeps(said, x, services) && !holdsSummary(asked)) return answer(given, face, x, asked, undefined, arrived)
    }
    const body = bodyOf(x)
    if (!isBody(body)) return answer(given, face, x, read(x, body, x.body!))
    const refused = refusal(body, responses !== undefined)
    if (refused) throw new FaultError(refused)
    if (!responses || !keeps(body, x, services)) return answer(given, face, x, read(x, body, x.body!))
    return answerTurn(given, face, x, body, read, responses)
  }
}

/** Answers a request that goes on from what was said before, or that is gone on from. */
async function answerTurn(
  given: SurfaceGiven, face: Inbound, x: Keyed, body: Body, read: Keeping['read'], responses: Keeping['responses'],
): Promise<Reply> {
  const { log } = given.services
  const turn = isGiven(body['conversation']) ? await turnOf(x, body, responses, log) : null
  try {
    return await answerKept(given, face, x, { body, read, responses, turn, before: turn?.items ?? await previous(x, body, responses, log) })
  } catch (error) {
    await turn?.leave()
    throw error
  }
}

/** Reads what a body asks, with what sums a conversation up as messages. */
export function readerOf(
  given: SurfaceGiven, face: Inbound, { compactions }: Pick<Responses, 'compactions'>,
): (x: Keyed, body: unknown, bytes?: Uint8Array) => Asked {
  return (x, body, bytes) => {
    if (!isBody(body)) return askedOf(x, face, given, body, bytes)
    const opened = expanded(body['input'], x.key.workspace, compactions)
    if (opened.fault) throw new FaultError(opened.fault)
    return opened.input === body['input'] ? askedOf(x, face, given, body, bytes) : askedOf(x, face, given, { ...body, input: opened.input })
  }
}

const holdsSummary = ({ operation }: Asked): boolean => operation.request.messages.some(({ parts }) =>
  parts.some((part) => part.type === 'native' && isBody(part.value) && part.value['type'] === 'compaction'))

/** What a request goes on from, and what is kept of it. */
interface Keeping {
  readonly body: Body
  readonly read: (x: Keyed, body: unknown, bytes?: Uint8Array) => Asked
  readonly responses: NonNullable<Services['responses']>
  readonly turn: Turn | null
  readonly before: readonly Item[]
}

async function answerKept(given: SurfaceGiven, face: Inbound, x: Keyed, { body, read, responses, turn, before }: Keeping): Promise<Reply> {
  const { services } = given
  const background = body['background'] === true
  // The caller's own items are looked at first, so that a fault names them by the places that they have in the request.
  const own = resolved(body['input'], before)
  if (own.fault) throw new FaultError(own.fault)
  const { preferences } = read(x, { ...body, input: own.input })
  const zdr = preferences.zdr === true
  if (zdr && body['store'] === true) throw new FaultError(bad('store', 'true asks for a response to be kept, and zero data retention for none: send store: false, or leave zdr out'))
  if (zdr && background) throw new FaultError(bad('background', 'true needs the response to be kept until it is fetched, and zero data retention keeps none: leave it out, or leave zdr out'))
  if (zdr && turn) throw new FaultError(bad('conversation', 'what is said in a conversation is kept, and zero data retention keeps nothing: leave it out, or leave zdr out'))
  const said = inputItems(own.input, x.id!)
  if (turn) refuseKnown(body['input'], said, before)
  const store = !zdr && (body['store'] ?? (background || turn !== null || storesUnasked(x.key, services))) === true
  const items = [...before, ...said]
  const asked = read(x, { ...body, store, input: before.length === 0 ? own.input : items })
  x.talk?.asks(items, before)
  if (x.talk?.prepares === true) return prepare(given, face, x, asked)
  if (background) return inBackground(given, face, x, asked, { items, said, turn, runs: responses.runs })
  if (!store && !turn) return answer(given, face, x, asked)
  const failed = (error: unknown): void => services.log.error({ generation: x.id, err: error }, 'a response could not be kept')
  return answer(given, face, x, asked, async (calling) => {
    const outcome = await calling
    if ('fault' in outcome) {
      await turn?.leave()
      return outcome
    }
    // What is kept is made beside what is sent: both say of the same moment that it was the end.
    const answering = { ...outcome, meta: { ...outcome.meta, now: once(services.ambient.now) } }
    return { ...answering, events: kept(answering, asked.stream && store, turn, async (response, frames, whole) => {
      if (store) {
        await responses.keep({
          id: x.id!, workspace: x.key.workspace, key: x.key.id, createdAt: x.createdAt, items, response, ...(frames !== null && { frames }),
        }).catch(failed)
      }
      if (whole) await turn?.end(said, response).catch(failed)
    }) }
  })
}

/**
 * Answers a request of a socket that is only to be remembered, so that the next one is short: with an empty response, which
 * no model is asked for. What would be refused is refused here.
 */
async function prepare({ services, limits }: SurfaceGiven, face: Inbound, x: Keyed, asked: Asked): Promise<void> {
  const { gateway, log, ambient } = services
  const planned = await gateway.explain(asked, { workspace: x.key.workspace })
  if ('fault' in planned) throw new FaultError(planned.fault)
  const encoder = createResponseEncoder({ id: x.id!, created: Math.floor(x.createdAt / 1000), asked, now: ambient.now })
  const events = encoder.push([{ type: 'start' }, { type: 'finish', choice: 0, reason: 'stop' }, { type: 'usage', usage: NO_USAGE }]) + encoder.end()
  return answerFrames({ x, face, limits, log, heartbeats: false, abort() {} }, (async function* () { yield events })())
}

function once(now: () => number): () => number {
  let first: number | null = null
  return () => first ??= now()
}

/** Throws where an item is in the conversation already: it would be said twice. */
function refuseKnown(input: unknown, said: readonly Item[], before: readonly Item[]): void {
  if (!Array.isArray(input)) return
  const known = new Set(before.map(({ id }) => id))
  for (const [at, { id }] of said.entries()) {
    if (known.has(id)) throw new FaultError(bad(`input[${at}].id`, `the conversation has an item ${JSON.stringify(id)} already: send what is new, or leave the id out`))
    known.add(id)
  }
}

/**
 * Passes a reply on, and keeps what it came to before its last batch is out: whoever has read the end of a response can
 * name it in the next request. One that its caller left is not kept.
 */
async function* kept(
  { meta, events, echo }: Extract<Outcome, { events: EventStream }>, logged: boolean, turn: Turn | null,
  keep: (response: string, frames: string | null, whole: boolean) => Promise<void>,
): EventStream {
  const encoder = createResponseEncoder(meta)
  let frames: string | null = logged ? '' : null
  const said = (text: string): void => {
    if (frames !== null && (frames += text).length > MAX_FRAMES) frames = null
  }
  if (logged && echo) said(encoder.debug!(echo))
  try {
    for await (const batch of events) {
      said(encoder.push(batch))
      const last = batch.at(-1)
      if (last && isEnd(last)) {
        const end = encoder.end()
        said(end.endsWith(STREAM_END) ? end.slice(0, -STREAM_END.length) : end)
        if (last.type !== 'fault' || last.fault.kind !== 'cancelled') await keep(encoder.last, frames, last.type !== 'fault')
        // Before its caller hears of the end: the next turn may follow at once.
        await turn?.leave()
      }
      yield batch
    }
  } finally {
    await turn?.leave()
  }
}

/** Of a stream that is longer its events are not kept, only what it came to. */
const MAX_FRAMES = 8 * 1024 * 1024

/**
 * Makes a response with nobody waiting for it: it is kept as queued before the caller hears of it, and the call goes on
 * whether the caller stays or not. What can be refused at once is.
 */
async function inBackground(given: SurfaceGiven, face: Inbound, x: Keyed, asked: Asked, { items, said, turn, runs }: {
  readonly items: readonly Item[]
  readonly said: readonly Item[]
  readonly turn: Turn | null
  readonly runs: Runs
}): Promise<Reply> {
  const { gateway, log } = given.services
  const planned = await gateway.explain(asked, { workspace: x.key.workspace })
  if ('fault' in planned) throw new FaultError(planned.fault)
  const meta = { id: x.id!, created: Math.floor(x.createdAt / 1000), asked }
  const { response, frames } = queuedResponse(meta)
  const { key } = x
  const stored = asked.operation.request.origin?.body['store'] === true
  const begun = await runs.begin({ id: x.id!, workspace: key.workspace, key: key.id, createdAt: x.createdAt, items, response, frames, stored })
  if (!('departure' in begun)) throw new FaultError(begun)
  const call = callOf(face, x, asked, { departure: begun.departure, large: null }, true)
  const id = x.id!
  const keepTurn = async (response: string): Promise<void> =>
    turn?.end(said, response).catch((error: unknown) => log.error({ generation: id, err: error }, 'a response could not be kept'))
  carry(gateway.generate(call), begun, meta, keepTurn).catch((error: unknown) => {
    log.error({ generation: id, err: error }, 'a background response failed by a fault of ours')
    const encoder = createBackgroundEncoder(meta)
    const end = encoder.push([{ type: 'fault', fault: fault('internal', 'Internal error') }])
    return begun.end(encoder.last, end)
  }).finally(() => turn?.leave())
  if (!asked.stream) return { text: response, headers: ['Cache-Control', 'no-store'] }
  return streamOf(given, face, x, (reader) => runs.events(key.workspace, id, 0, reader))
}

/** Carries a call out to its end, and says each step of it to the run; of one that is whole its conversation hears before. */
async function carry(
  calling: Promise<Outcome>, run: Run, meta: Parameters<typeof createBackgroundEncoder>[0], keepTurn: (response: string) => Promise<void>,
): Promise<void> {
  const outcome = await calling
  if ('fault' in outcome) {
    const encoder = createBackgroundEncoder(meta)
    const end = encoder.push([{ type: 'fault', fault: run.why ?? masked(outcome.fault) }])
    return run.end(encoder.last, end)
  }
  run.begun()
  const encoder = createBackgroundEncoder(outcome.meta)
  for await (const batch of outcome.events) {
    const { why } = run
    const frames = encoder.push(why === null ? batch : batch.map((event) => event.type === 'fault' ? { type: 'fault', fault: why } : event))
    const last = batch.at(-1)
    if (last && isEnd(last)) {
      const rest = encoder.end()
      if (last.type !== 'fault') await keepTurn(encoder.last)
      await run.end(encoder.last, frames + rest)
    } else run.say(frames)
  }
}

/** Answers with the events of a response, until its end or until the caller leaves. */
function streamOf(
  { services, limits }: SurfaceGiven, face: Inbound, x: Keyed, events: (reader: Departure) => AsyncIterable<string>,
): Promise<void> {
  const reader = new Departure()
  return answerFrames({
    x, face, limits, log: services.log, heartbeats: x.key.settings.heartbeats !== false, abort: () => reader.leave(),
  }, withEnd(events(reader)))
}

/** With the mark that ends a stream which has not failed. */
async function* withEnd(events: AsyncIterable<string>): AsyncIterable<string> {
  let last = ''
  for await (const text of events) {
    last = text
    yield text
  }
  const frame = last.slice(last.lastIndexOf('\n\nevent: ', last.length - 3) + 1)
  if (!FAILED.test(frame)) yield STREAM_END
}

const FAILED = /^\n?event: response\.failed\n/

const isEnd = (event: ChatEvent): boolean => event.type === 'fault' || (event.type === 'usage' && event.charge !== undefined)

export type Body = Readonly<Record<string, unknown>>
export const isBody = (body: unknown): body is Body => typeof body === 'object' && body !== null && !Array.isArray(body)
const isGiven = (value: unknown): boolean => value !== undefined && value !== null
const NOTHING: readonly Item[] = Object.freeze([])

const keeps = (body: Body, x: Keyed, services: Services): boolean => services.responses !== undefined
  && (body['background'] === true || isGiven(body['conversation']) || isGiven(body['previous_response_id']) || (body['store'] ?? storesUnasked(x.key, services)) === true)

/** What a key says of keeping, or its workspace, or the server, where the nearer one says nothing. */
const storesUnasked = ({ settings, workspace }: KeyRecord, services: Services): boolean =>
  settings.responses?.store_default ?? services.storeDefault?.(workspace) ?? false

/** Everything up to the response that a request goes on from. */
export async function previous(x: Keyed, body: Body, responses: NonNullable<Services['responses']>, log: Log): Promise<readonly Item[]> {
  const id = body['previous_response_id']
  if (typeof id !== 'string') return NOTHING
  const recalled = x.talk?.recall(id)
  if (recalled) return recalled
  const found = await find(responses, x, id, log)
  if (found?.running) {
    throw new FaultError(bad('previous_response_id', `the response ${JSON.stringify(id)} is ${found.running}: wait for its end, or cancel it`))
  }
  if (found) return contextOf(found)
  throw new FaultError(fault('invalid-request', `previous_response_id: no response ${JSON.stringify(id)} is kept here. It was made without store: true, which `
    + 'responses.store_default: true would have stood for, or was deleted, or its time is over. Send what was before as items in input', {
    field: 'previous_response_id', metadata: { code: 'previous_response_not_found' },
  }))
}

/** The turn of the conversation that a request is of. Null for a name that its schema refuses. */
async function turnOf(x: Keyed, body: Body, { conversations }: NonNullable<Services['responses']>, log: Log): Promise<Turn | null> {
  const named = body['conversation']
  const id = isBody(named) ? named['id'] : named
  if (typeof id !== 'string' || isGiven(body['previous_response_id'])) return null
  const turn = await readable(conversations.turn(x.key.workspace, id), { conversation: id }, log)
  if (turn !== null && 'items' in turn) return turn
  throw new FaultError(turn ?? noConversation(id))
}

export const noConversation = (id: string): Fault => fault('not-found', `There is no conversation ${id}`, { field: 'conversation' })

/** Throws an `unavailable` fault when it cannot be read; why is for the log alone. */
const find = (responses: Pick<Responses, 'find'>, x: Keyed, id: string, log: Log): Promise<Kept | null> =>
  readable(responses.find(x.key.workspace, id), { response: id }, log)

export async function readable<T>(reading: Promise<T>, facts: Readonly<Record<string, string>>, log: Log): Promise<T> {
  try {
    return await reading
  } catch (error) {
    log.error({ ...facts, err: error }, 'a response that was kept could not be read')
    throw new FaultError(fault('unavailable', 'What was kept cannot be read at the moment. Please try again.', { retryAfterMs: 1000 }))
  }
}

/** What exists at OpenAI and not here is refused by name; `false` and `null` ask for nothing. */
function refusal(body: Body, keeps: boolean): Fault | null {
  if (keeps) return null
  if (isGiven(body['conversation'])) return bad('conversation', 'no conversation is kept here: send what was before as items in input')
  if (body['background'] === true) return bad('background', 'true would need the response to be kept, which is not done here')
  if (body['store'] === true) return bad('store', 'true would need the response to be kept, which is not done here')
  return isGiven(body['previous_response_id']) ? bad('previous_response_id', 'no response is kept here: send what was before as items in input') : null
}

export const bad = (field: string, what: string): Fault => fault('invalid-request', `${field}: ${what}`, { field })

/** Reading and removing what was kept. Of another workspace, and of what never was, is said the same. */
function keptRoutes(given: SurfaceGiven, responses: NonNullable<Services['responses']>, face: Inbound): readonly Route[] {
  const { log } = given.services
  const readPage = queryReader(ItemsQuery)
  const readGet = queryReader(GetQuery)
  const get = async (x: Keyed): Promise<Kept> => {
    const id = x.params['id'] ?? ''
    const found = await find(responses, x, id, log)
    if (!found) throw new FaultError(fault('not-found', `There is no response ${id}`))
    return found
  }
  const described = { tag: 'Responses', policy: 'key', speaks: speaksOf(face), params: Params } as const
  return [
    {
      ...described, name: 'getResponse', methods: ['GET'], paths: api('/responses/{id}'), query: GetQuery,
      summary: 'A response that was kept, as it was given or as far as it is made; or its stream again. Of the workspace of the key only',
      replies: {
        200: {
          description: 'The response', schema: ResponseShape,
          also: { type: 'text/event-stream', description: 'With `stream=true`: the events of its stream behind `starting_after`, then those to come' },
        },
      },
      errors: ['invalid-request', 'not-found', 'unavailable'],
      async handle(x: Keyed) {
        const { stream, starting_after: after } = readGet(x.search) as z.infer<typeof GetQuery>
        const { id, response, running } = await get(x)
        if (stream !== true) {
          if (after !== undefined) throw new FaultError(bad('starting_after', 'is the number of an event of a stream: send stream=true beside it'))
          return { json: response, headers: ['Cache-Control', 'no-store'] }
        }
        if (!running && !await responses.hasEvents(id)) {
          throw new FaultError(bad('stream', 'this response was neither streamed nor made in the background, or is too long: its events were not kept'))
        }
        return streamOf(given, face, x, (reader) => responses.runs.events(x.key.workspace, id, after === undefined ? 0 : after + 1, reader))
      },
    },
    {
      ...described, name: 'cancelResponse', methods: ['POST'], paths: api('/responses/{id}/cancel'),
      summary: 'Ends a response that is made in the background; what its model was asked for is stopped. One that has ended is answered as it is',
      replies: { 200: { description: 'The response', schema: ResponseShape } }, errors: ['invalid-request', 'not-found', 'unavailable'],
      async handle(x: Keyed) {
        const { id, response, running } = await get(x)
        if (response['background'] !== true) throw new FaultError(bad('id', 'only a response that is made in the background can be cancelled; of others the connection is closed'))
        if (running) await responses.runs.cancel(x.key.workspace, id)
        return { json: running ? (await get(x)).response : response, headers: ['Cache-Control', 'no-store'] }
      },
    },
    {
      ...described, name: 'deleteResponse', methods: ['DELETE'], paths: api('/responses/{id}'),
      summary: 'Removes a response that was kept. Turns that went on from it keep what was said',
      replies: { 200: { description: 'It is gone', schema: DeletedShape } }, errors: ['not-found', 'unavailable'],
      async handle(x: Keyed) {
        const { id } = await get(x)
        await responses.remove(x.key.workspace, id)
        return { json: { id, object: 'response', deleted: true } }
      },
    },
    {
      ...described, name: 'listResponseItems', methods: ['GET'], paths: api('/responses/{id}/input_items'), query: ItemsQuery,
      summary: 'What was said to the model before a response that was kept, with what was carried over from earlier turns',
      replies: { 200: { description: 'A page of items', schema: ItemsShape } }, errors: ['invalid-request', 'not-found', 'unavailable'],
      async handle(x: Keyed) {
        const query = readPage(x.search)
        return { json: pageOf((await get(x)).items, query), headers: ['Cache-Control', 'no-store'] }
      },
    },
  ]
}

/** A page of items, in OpenAI's shape. An `after` that is not among them is a 400. */
function pageOf(items: readonly Item[], query: Readonly<Record<string, unknown>>): JsonObject {
  const { after, limit = PAGE, order = 'desc' } = query as z.infer<typeof ItemsQuery>
  const all = order === 'asc' ? items : items.toReversed()
  const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && from === 0) throw new FaultError(bad('after', `there is no item ${JSON.stringify(after)} in this list`))
  const data = all.slice(from, from + limit)
  return { object: 'list', data, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null, has_more: from + limit < all.length }
}

