import type { Outbound, Target } from '../dialects/index.ts'
import { fault, usageOfAll, type ChatEvent, type Fault, type Operation, type Ranked, type RerankRequest, type Usage, type Vector } from '../core/index.ts'
import { openUpstream, type Door, type Opened, type Source } from './source.ts'

/** How many pieces of one request are under way at once. */
const AT_ONCE = 4

/** What became of one piece. */
interface Piece {
  readonly events: readonly ChatEvent[]
  readonly opened: Extract<Opened, { source: Source }>
}

/**
 * Sends a request in as many pieces as its provider takes at once, and joins the answers into one. One that fails fails
 * the attempt, and ends the others; what the provider had counted by then is told with the fault, so that it is absorbed.
 */
export async function openInPieces<Request extends Exclude<Operation, { type: 'chat' }>['request']>(
  door: Door, outbound: Outbound<Request>, request: Request,
): Promise<Opened> {
  const pieces = outbound.split?.(request, door.target) ?? [request]
  const aborts = new Set<() => boolean>()
  const done: Piece[] = []
  let failed: Extract<Opened, { fault: Fault }> | null = null
  const way = { open: true }
  let next = 0
  const stop = (): boolean => {
    way.open = false
    let sent = false
    for (const abort of aborts) sent = abort() || sent
    return sent
  }
  const fail = (why: Extract<Opened, { fault: Fault }>): void => {
    failed ??= why
    stop()
  }
  const work = async (): Promise<void> => {
    while (way.open && next < pieces.length) {
      const at = next++
      let own: (() => boolean) | null = null
      const control = (abort: () => boolean): void => {
        aborts.add(own = abort)
        if (!way.open) abort()
      }
      const opened = await openUpstream({ ...door, control }, outbound, pieces[at]!, null, null)
      if ('fault' in opened) return fail(opened)
      const events = await opened.source.next() ?? []
      if (own) aborts.delete(own)
      done[at] = { events, opened }
      const wrong = events.find((event) => event.type === 'fault')?.fault ?? amiss(pieces[at]!, events, door.target)
      if (wrong !== null) return fail({ fault: wrong, status: opened.source.status })
    }
  }
  door.control(stop)
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, pieces.length) }, work))
  if (failed === null && !way.open) failed = { fault: fault('cancelled', 'The request was ended'), status: null }
  return joined(request, pieces, done, failed)
}

/** A vector for each input and no other, no more than the documents: what comes from a provider is not taken for granted. */
function amiss(piece: Operation['request'], events: readonly ChatEvent[], { endpoint }: Target): Fault | null {
  const block = events.find((event) => event.type === 'block-open')?.block
  const wrong = (what: string): Fault => fault('invalid-response', `${endpoint.providerName} sent ${what}`, { upstream: { status: 200, provider: endpoint.providerName } })
  if (block?.type === 'embeddings' && 'inputs' in piece) {
    return block.vectors.length === piece.inputs.length ? null : wrong(`${block.vectors.length} vectors for ${piece.inputs.length} inputs`)
  }
  if (block?.type === 'ranking' && 'documents' in piece) {
    return block.ranked.every(({ index }) => index < piece.documents.length) ? null : wrong('the place of a document that it was not sent')
  }
  return wrong('nothing that was asked for')
}

function joined<Request extends Exclude<Operation, { type: 'chat' }>['request']>(
  request: Request, pieces: readonly Request[], done: readonly Piece[], failed: Extract<Opened, { fault: Fault }> | null,
): Opened {
  const answered = done.filter((piece) => piece !== undefined)
  const [first] = answered
  const usages = answered.flatMap(({ events }) => events.flatMap((event) => (event.type === 'usage' ? [event.usage] : [])))
  if (failed !== null || first === undefined) {
    const why = failed ?? { fault: fault('invalid-response', 'The provider sent an empty answer'), status: null }
    if (first === undefined || usages.length === 0) return why
    return { ...first.opened, source: sourceOf(why.status, [{ type: 'start' }, { type: 'usage', usage: usageOfAll(usages) }, { type: 'fault', fault: why.fault }]) }
  }
  return { ...first.opened, source: sourceOf(first.opened.source.status, [...blockOf(request, pieces, answered), ...countOf(usages, pieces.length)]) }
}

/** The start and the block of the first answer, with what all of them hold in it. */
function blockOf(request: Operation['request'], pieces: readonly Operation['request'][], answered: readonly Piece[]): readonly ChatEvent[] {
  const vectors: Vector[] = []
  const ranked: Ranked[] = []
  let before = 0
  for (const [at, { events }] of answered.entries()) {
    for (const event of events) {
      if (event.type !== 'block-open') continue
      if (event.block.type === 'embeddings') for (const vector of event.block.vectors) vectors.push(vector)
      if (event.block.type === 'ranking') for (const { index, score } of event.block.ranked) ranked.push({ index: index + before, score })
    }
    const piece = pieces[at]!
    if ('documents' in piece) before += piece.documents.length
  }
  return answered[0]!.events.flatMap((event): ChatEvent[] => {
    if (event.type === 'usage') return []
    if (event.type !== 'block-open') return [event]
    return [{ ...event, block: 'documents' in request ? { type: 'ranking', ranked: best(ranked, request) } : { type: 'embeddings', vectors } }]
  })
}

const best = (ranked: readonly Ranked[], { topN }: RerankRequest): readonly Ranked[] =>
  ranked.toSorted((a, b) => b.score - a.score || a.index - b.index).slice(0, topN)

/** Where one of the answers has no counts, the whole is counted here. */
function countOf(usages: readonly Usage[], pieces: number): readonly ChatEvent[] {
  return usages.length === pieces ? [{ type: 'usage', usage: usageOfAll(usages) }] : []
}

/** Events that are at hand. */
function sourceOf(status: number | null, events: readonly ChatEvent[]): Source {
  let left: readonly ChatEvent[] | null = events
  return {
    status,
    finished: false,
    get ended() { return left === null },
    conclude: () => null,
    rest: () => left ?? [],
    abort() {},
    next() {
      const said = left
      left = null
      return Promise.resolve(said)
    },
  }
}
