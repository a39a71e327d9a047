import type { Dialect, ReplyMeta } from '../dialects/index.ts'
import {
  fault, needOf, NO_USAGE,
  type Ambient, type Asked, type Attempt, type ChatEvent, type EventStream, type Fault, type Generation, type Need, type Offer,
  type Stage, type StageCall, type StageNote,
} from '../core/index.ts'
import type { Net } from '../net/index.ts'
import type { LocalProvider, Providers } from '../providers/index.ts'
import { explain, plan as makePlan, planFault, type Health, type RoutingPolicy } from '../routing/index.ts'
import { createDeadlines } from './deadline.ts'
import { tryCandidates, type Committed, type Timeouts, type Tried } from './attempts.ts'
import type { Call, Explanation, Gateway, Outcome } from './call.ts'
import { metadataOf } from './metadata.ts'
import { createMeter, type Ending, type Meter, type Metered } from './meter.ts'
import type { TokenCounter } from './tokens.ts'

export type { Timeouts } from './attempts.ts'

export interface GatewayParts {
  readonly offer: (reference: string) => { readonly offer: Offer } | { readonly fault: Fault }
  readonly stages: readonly Stage[]
  readonly dialects: ReadonlyMap<string, Dialect>
  readonly locals: ReadonlyMap<string, LocalProvider>
  readonly providers: () => Providers
  readonly health: Health
  readonly policy: () => RoutingPolicy
  readonly timeouts: (provider: string) => Timeouts
  readonly net: Net
  readonly tokens: TokenCounter
  readonly record: (generation: Generation) => void
  readonly ambient: Ambient
}

/** After the last choice has finished, usage may follow for this long before the answer ends without it. */
const USAGE_GRACE_MS = 3000

/** What a call is once its models are resolved and the stages have had their say. */
interface Prepared {
  readonly asked: Asked
  readonly offers: readonly Offer[]
  readonly notes: readonly StageNote[]
  readonly transforms: readonly ((batch: readonly ChatEvent[]) => readonly ChatEvent[])[]
}

export function createGateway(parts: GatewayParts): Gateway {
  const { ambient } = parts
  const deadlines = createDeadlines(ambient)
  let inFlight = 0
  let idlers: (() => void)[] = []

  const ended = (): void => {
    if (--inFlight > 0) return
    for (const idler of idlers) idler()
    idlers = []
  }

  const planFor = (prepared: Prepared) => {
    const need = needOf(prepared.asked.operation.request, prepared.asked.stream)
    const providers = parts.providers()
    const plan = makePlan(need, prepared.offers, {
      preferences: prepared.asked.preferences,
      credentials: providers.credentials,
      remedy: providers.remedy,
      serviceTier: prepared.asked.operation.request.serviceTier,
      health: parts.health,
      policy: parts.policy(),
      now: ambient.now(),
      random: ambient.random,
    })
    return { need, plan }
  }

  const generate = async (call: Call): Promise<Outcome> => {
    const prepared = await prepare(parts, call.asked)
    if ('fault' in prepared) return { fault: prepared.fault, metadata: () => undefined }
    const { need, plan } = planFor(prepared)
    if (plan.candidates.length === 0) {
      const fault = planFault(plan, prepared.offers, need)
      return { fault, metadata: () => metadataOf(call, plan, [], null, prepared.notes) }
    }
    const { request } = prepared.asked.operation
    const tried = await tryCandidates({
      ...parts,
      deadlines,
      limits: { perModel: parts.policy().attemptsPerModel, inAll: parts.policy().attemptsInAll },
      observe: (seen) => observe(parts, seen.candidate, seen.fault, seen.latencyMs, null),
    }, plan, request, {
      stream: call.asked.stream,
      preferences: prepared.asked.preferences,
      signal: call.signal,
      startedAt: call.startedAt,
      workspace: call.key.workspace,
    })
    const { committed } = tried
    if (!committed) {
      parts.record(generationOf(parts, call, need, tried, null, null, tried.failed))
      return {
        fault: summed(tried),
        metadata: () => metadataOf(call, plan, tried.failed, null, prepared.notes),
      }
    }

    const { endpoint } = committed.candidate
    const meter = createMeter(request, endpoint.price!, parts.tokens)
    inFlight++
    const meta: ReplyMeta = {
      id: call.id,
      created: Math.floor(call.createdAt / 1000),
      model: endpoint.model,
      provider: providerOf(committed),
      ...(endpoint.tier !== 'default' && { tier: endpoint.tier }),
    }
    return {
      meta,
      events: relay(parts, call, need, committed, tried, meter, prepared.transforms, ended),
      metadata: () => metadataOf(call, plan, tried.failed, committed.candidate, prepared.notes),
    }
  }

  return {
    async generate(call) {
      inFlight++
      try {
        return await generate(call)
      } finally {
        ended()
      }
    },
    async explain(asked) {
      const prepared = await prepare(parts, asked)
      if ('fault' in prepared) return prepared
      const { plan, need } = planFor(prepared)
      return { ...explain(plan, need, parts.policy()), ignored: prepared.asked.ignored } satisfies Explanation
    },
    inFlight: () => inFlight,
    idle: () => inFlight === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve)),
  }
}

/**
 * Resolves the models and runs the stages' request side. A model that nobody has heard of is the caller's mistake
 * even as a fallback; one that is retired or served elsewhere drops out of a list that names others.
 */
async function prepare(parts: GatewayParts, asked: Asked): Promise<Prepared | { readonly fault: Fault }> {
  const offers: Offer[] = []
  let left: Fault | null = null
  for (const reference of asked.preferences.models) {
    const found = parts.offer(reference)
    if ('offer' in found) offers.push(found.offer)
    else if (found.fault.kind === 'model-not-found' || found.fault.kind === 'ambiguous-model') return found
    else left ??= found.fault
  }
  if (offers.length === 0) return { fault: left ?? fault('invalid-request', 'model: is required', { field: 'model' }) }

  let current = asked
  const notes: StageNote[] = []
  const transforms: Prepared['transforms'][number][] = []
  for (const stage of parts.stages) {
    const call: StageCall = { asked: current, offers }
    if (!stage.wants(call)) continue
    const result = await stage.request?.(call)
    if (result) {
      if ('fault' in result) return result
      if ('answer' in result) return { fault: fault('internal', `Stage ${stage.name} answered, which no route serves`) }
      current = result.pass
      if (result.note) notes.push(result.note)
    }
    const transform = stage.events?.(call)
    if (transform) transforms.push(transform)
  }
  return { asked: current, offers, notes, transforms }
}

/** Passes on what the committed attempt says, and closes the books when it ends, however it ends. */
async function* relay(
  parts: GatewayParts, call: Call, need: Need, committed: Committed, tried: Tried, meter: Meter,
  transforms: Prepared['transforms'], ended: () => void,
): EventStream {
  const { source, deadline, timeouts, candidate } = committed
  const firstBlockAt = parts.ambient.monotonic()
  const endBy = firstBlockAt + timeouts.totalMs
  let failure: Fault | null = null
  let settled = false
  let closing = false

  const close = async (ending: Ending): Promise<Metered> => {
    settled = true
    const metered = await meter.settle(ending)
    const attempt = committed.record({
      outcome: ending === 'complete' ? 'answered' : ending,
      fault: failure?.kind ?? null,
      message: failure?.message ?? null,
      upstreamId: meter.upstreamId,
    })
    const seconds = (parts.ambient.monotonic() - firstBlockAt) / 1000
    observe(parts, candidate, failure, firstBlockAt - call.startedAt,
      seconds > 0.05 && metered.usage.output.total > 0 ? metered.usage.output.total / seconds : null)
    parts.record(generationOf(parts, call, need, tried, committed, { meter, metered, failure, firstBlockAt }, [...tried.failed, attempt]))
    return metered
  }
  const pass = (batch: readonly ChatEvent[]): readonly ChatEvent[] => {
    let out = meter.take(batch)
    for (const transform of transforms) out = transform(out)
    return out
  }

  try {
    deadline.set(timeouts.idleMs)
    let batch: readonly ChatEvent[] | null = committed.first
    while (batch !== null) {
      if (batch.length > 0) {
        const out = pass(batch)
        failure = meter.fault
        if (failure) {
          const events = out.filter((event) => event.type !== 'fault')
          if (events.length > 0) yield events
          break
        }
        if (out.length > 0) yield out
        if (meter.finished() && !closing) {
          closing = true
          deadline.set(USAGE_GRACE_MS)
        } else deadline.touch()
        if (parts.ambient.monotonic() > endBy) {
          failure = fault('timeout', 'The answer took longer than an answer may take')
          break
        }
      }
      try {
        batch = await source.next()
      } catch {
        // A provider that never sends usage or closes after the last finish has still answered.
        if (meter.finished() && !call.signal.aborted) break
        failure = committed.stopped() ?? fault('stream-cut', 'The connection to the provider broke in the middle of the answer')
        break
      }
    }
    if (!failure && !meter.finished()) failure = fault('stream-cut', 'The provider ended the answer before it was finished')
    if (failure) {
      source.abort()
      const said: Fault = { ...failure, upstream: { ...failure.upstream, provider: candidate.endpoint.providerName } }
      const metered = await close(failure.kind === 'cancelled' ? 'cancelled' : 'failed')
      yield [{ type: 'usage', usage: metered.usage, charge: metered.charge }, { type: 'fault', fault: said }]
      return
    }
    const metered = await close('complete')
    yield [{ type: 'usage', usage: metered.usage, charge: metered.charge }]
  } finally {
    // The reader left at a yield: what was delivered is charged, the rest is never read.
    if (!settled) {
      source.abort()
      failure = fault('cancelled', 'The caller left')
      await close('cancelled')
    }
    ended()
  }
}

function observe(
  parts: GatewayParts, candidate: Committed['candidate'], failure: Fault | null, latencyMs: number | null, throughput: number | null,
): void {
  if (candidate.endpoint.simulated) return
  parts.health.observe({
    endpoint: candidate.endpoint.id,
    credential: candidate.credential.id,
    fault: failure?.kind ?? null,
    retryAfterMs: failure?.retryAfterMs ?? null,
    latencyMs,
    throughput,
    at: parts.ambient.now(),
  })
}

/** The provider that answered: where the upstream is itself a router, the name that it gives. */
function providerOf(committed: Committed): string {
  for (const event of committed.first) if (event.type === 'start' && event.provider) return event.provider
  return committed.candidate.endpoint.providerName
}

/** The last failure, with what came before it: the error that a caller sees when every attempt failed. */
function summed(tried: Tried): Fault {
  const last = tried.fault!
  const hints = tried.faults.map(({ fault }) => fault.retryAfterMs).filter((ms) => ms !== undefined)
  const previous = tried.faults.slice(0, -1).map(({ fault, candidate }) => ({
    provider: candidate.endpoint.providerName,
    code: fault.kind,
    status: fault.upstream?.status ?? null,
  }))
  return {
    ...last,
    ...(hints.length > 0 && { retryAfterMs: Math.min(...hints) }),
    metadata: {
      ...last.metadata,
      ...(previous.length > 0 && { previous_errors: previous }),
      ...(tried.untried > 0 && { not_tried: tried.untried }),
    },
  }
}

function generationOf(
  parts: GatewayParts, call: Call, need: Need, tried: Tried, committed: Committed | null,
  end: { meter: Meter; metered: Metered; failure: Fault | null; firstBlockAt: number } | null,
  attempts: readonly Attempt[],
): Generation {
  const { request } = call.asked.operation
  const endpoint = committed?.candidate.endpoint ?? null
  const failure = end ? end.failure : tried.fault
  return {
    id: call.id,
    createdAt: call.createdAt,
    keyId: call.key.id,
    workspace: call.key.workspace,
    surface: call.surface,
    requested: call.asked.preferences.models[0] ?? '',
    model: endpoint?.model ?? null,
    endpoint: endpoint?.id ?? null,
    provider: endpoint?.provider ?? null,
    providerName: committed ? providerOf(committed) : null,
    upstreamId: end?.meter.upstreamId ?? null,
    streamed: call.asked.stream,
    cancelled: failure?.kind === 'cancelled',
    simulated: endpoint?.simulated ?? false,
    finish: failure ? (failure.kind === 'cancelled' ? end?.meter.reason ?? null : 'error') : end?.meter.reason ?? null,
    nativeFinish: end?.meter.native ?? null,
    fault: failure?.kind ?? null,
    latencyMs: end ? end.firstBlockAt - call.startedAt : null,
    durationMs: parts.ambient.monotonic() - call.startedAt,
    usage: end?.metered.usage ?? NO_USAGE,
    cost: end?.metered.charge.total ?? 0n,
    absorbed: (end?.metered.absorbed ?? 0n) + tried.absorbed,
    price: endpoint?.price ?? null,
    tier: end?.meter.tier ?? null,
    attempts,
    untried: tried.untried,
    referer: call.app.referer,
    title: call.app.title,
    categories: call.app.categories,
    userAgent: call.app.userAgent,
    user: request.user ?? null,
    session: request.session ?? null,
    inputMedia: need.media,
    inputAudio: need.audios,
  }
}
