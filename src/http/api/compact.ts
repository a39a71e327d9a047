import { collect, Departure, fault, FaultError, type ChatReply, type Fault } from '../../core/index.ts'
import { compactedResponse, compactedSchema, compactSchema } from '../../dialects/index.ts'
import { inputItems, resolved, type Item } from '../../responses/index.ts'
import { masked, sendFault } from '../failure.ts'
import { api, INFERENCE_ERRORS, type Keyed, type Reply, type Route } from '../route.ts'
import { bodyOf, callOf, type SurfaceGiven } from '../surface.ts'
import { bad, isBody, previous, readerOf, speaksOf } from './responses.ts'

const RequestShape = compactSchema.meta({ id: 'CompactRequest' })
const CompactedShape = compactedSchema.meta({ id: 'CompactedResponse' })

/** Said behind everything else: what it is answered with takes the place of the conversation. */
const SUM_UP = 'Stop here. What you write now will take the place of everything above it but the messages of the user: whoever goes on with this work will know '
  + 'nothing else of it. Write down all that it takes: what was asked for and why, what was found out, decided and done, results of tools, '
  + 'names, numbers, paths and code that matter, what is still open, and what comes next. Answer with that text alone.'

/** Which settings of a request go with the question for a summary; tools do not, for nothing is to be done now. */
const CARRIED = [
  'model', 'models', 'instructions', 'provider', 'service_tier', 'session_id', 'user', 'prompt_cache_key', 'prompt_cache_retention', 'prompt_cache_options',
] as const

/**
 * Makes a long conversation smaller: the messages of the user stay, and all else becomes one item that sums it up, sealed
 * for its workspace. Any model does it, and any model can go on from it.
 */
export function compactRoutes(given: SurfaceGiven): readonly Route[] {
  const { services } = given
  const face = services.dialects.get('openai-responses')?.inbound
  const { responses } = services
  if (!face || !responses) return []
  const read = readerOf(given, face, responses)

  const handle = async (x: Keyed): Promise<Reply> => {
    const body = bodyOf(x)
    if (!isBody(body)) throw new FaultError(fault('invalid-request', 'The body must be an object.'))
    const before = await previous(x, body, responses, services.log)
    const own = resolved(body['input'], before)
    if (own.fault) throw new FaultError(own.fault)
    const carried = Object.fromEntries(CARRIED.filter((key) => body[key] !== undefined).map((key) => [key, body[key]]))
    // Looked at by itself first, so that a fault names an item by its place in the request.
    if (own.input !== undefined && own.input !== null && !(Array.isArray(own.input) && own.input.length === 0)) read(x, { ...carried, input: own.input })
    const items = [...before, ...inputItems(own.input, x.id!)]
    if (items.length === 0) throw new FaultError(bad('input', 'must have at least one item, here or in previous_response_id'))
    const asked = read(x, { ...carried, store: false, input: [...items, { type: 'message', role: 'user', content: SUM_UP }] })

    const departure = new Departure()
    const leave = (): void => departure.leave()
    x.onGone = leave
    x.cut = (what) => {
      sendFault(x, face, what)
      leave()
    }
    const outcome = await services.gateway.generate(callOf(face, x, asked, { departure, large: null }, true))
    const reply = 'fault' in outcome ? null : await collect(outcome.events)
    const why = 'fault' in outcome ? outcome.fault : reply!.fault ?? unsaid(reply!)
    if (why) return sendFault(x, face, masked(why))
    const compaction = {
      type: 'compaction', id: `cmp_${x.id!.slice(x.id!.lastIndexOf('-') + 1)}`,
      encrypted_content: responses.compactions.seal(x.key.workspace, textOf(reply!)),
    }
    const output = [...items.filter(isSaidByUser), compaction]
    return { json: compactedResponse({ id: x.id!, created: Math.floor(x.createdAt / 1000), output, reply: reply! }) }
  }

  return [{
    name: 'compactResponse', methods: ['POST'], paths: api('/responses/compact'), tag: 'Responses', policy: 'key', inference: true, speaks: speaksOf(face),
    summary: 'A conversation made smaller: the messages of the user, and one sealed item that sums up all else, for any model to go on from',
    body: RequestShape, bodyExample: { model: 'openai/gpt-5', input: [{ role: 'user', content: 'What is a signal box?' }] },
    replies: { 200: { description: 'The items that a next request begins with', schema: CompactedShape } },
    errors: [...INFERENCE_ERRORS, 'unavailable'],
    handle,
  }]
}

const isSaidByUser = (item: Item): boolean => item['type'] === 'message' && item['role'] !== 'assistant'

const textOf = ({ choices }: ChatReply): string => (choices[0]?.parts ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('')

/** A conversation must not be lost to a summary that is cut off, or that there is none of. */
function unsaid(reply: ChatReply): Fault | null {
  const { reason } = reply.choices[0] ?? { reason: null }
  if (reason === 'length') return fault('invalid-response', 'The model did not come to the end of its summary: leave the conversation as it is, or have another model sum it up')
  return textOf(reply).trim() === '' ? fault('invalid-response', 'The model answered without a text that sums the conversation up') : null
}

