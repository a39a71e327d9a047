import { FAULTS, NO_USAGE, type Attempt, type Fault, type FaultKind, type Generation, type Need, type Operation, type Quality } from '../core/index.ts'
import type { Committed, Tried } from './attempts.ts'
import type { Call } from './call.ts'
import type { Meter, Metered } from './meter.ts'

/** How a committed call ended. */
export interface End {
  readonly committed: Committed
  readonly attempt: Attempt
  readonly meter: Meter
  readonly metered: Metered
  readonly failure: Fault | null
  readonly quality: Quality | null
  /** The monotonic clock when the first block was there. */
  readonly firstBlockAt: number
}

/** The record of a call: of one that was answered, or, without an end, of one that nobody could answer. */
export function recordOf(call: Call, need: Need, tried: Tried, end: End | null, now: number): Generation {
  const { request } = call.asked.operation
  const endpoint = end?.committed.attempt.candidate.endpoint ?? null
  const failure = end ? end.failure : tried.fault
  const cancelled = failure?.kind === 'cancelled'
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
    providerName: end ? providerOf(end.committed) : null,
    upstreamId: end?.meter.upstreamId ?? null,
    streamed: call.asked.stream,
    cancelled,
    simulated: endpoint?.simulated ?? false,
    finish: failure && !cancelled ? 'error' : end?.meter.reason ?? null,
    nativeFinish: end?.meter.native ?? null,
    fault: failure?.kind ?? null,
    // Whole, as they are stored: a record must not change between its first reading and the next.
    latencyMs: end ? Math.round(end.firstBlockAt - call.startedAt) : null,
    durationMs: Math.round(now - call.startedAt),
    usage: end?.metered.usage ?? NO_USAGE,
    cost: end?.metered.charge.total ?? 0n,
    absorbed: (end?.metered.absorbed ?? tried.retries) + tried.absorbed,
    price: end?.meter.sheet ?? null,
    tier: end?.meter.tier ?? null,
    attempts: end ? [...tried.failed, end.attempt] : tried.failed,
    untried: tried.untried,
    referer: call.app.referer,
    title: call.app.title,
    categories: call.app.categories,
    userAgent: call.app.userAgent,
    user: request.user ?? null,
    session: request.session ?? null,
    inputMedia: need.media,
    inputAudio: need.audios,
    quality: end?.quality ?? null,
    ...(call.asked.presetId !== undefined && { presetId: call.asked.presetId }),
    sampling: samplingOf(request),
  }
}

/** What a request says of sampling; null for nothing, and for what has none. */
export function samplingOf(request: Operation['request']): Generation['sampling'] {
  if ('sampling' in request) for (const _ in request.sampling) return request.sampling
  return null
}

/** The provider that answered: where the upstream is itself a router, the name that it gives. */
export function providerOf({ first, attempt }: Committed): string {
  for (const event of first) if (event.type === 'start' && event.provider) return event.provider
  return attempt.candidate.endpoint.providerName
}

/** Whether the provider says that it served the default tier, whichever was asked for; what it bills is that, too. */
export function servedPlain({ first }: Committed): boolean {
  return first.some((event) => event.type === 'start' && (event.tier === 'default' || event.tier === 'standard'))
}

/** OpenRouter's `availability.code` where providers were asked and had nothing to give, and whether it is worth asking again. */
const UNAVAILABLE: Readonly<Partial<Record<FaultKind, { readonly code: string; readonly retryable: boolean }>>> = {
  'upstream-rate-limited': { code: 'capacity_exhausted', retryable: true },
  'overloaded': { code: 'temporarily_unavailable', retryable: true },
  'model-unavailable': { code: 'model_unavailable_upstream', retryable: false },
}

/**
 * The last failure, with what came before it: the error that a caller sees when every attempt failed. `requested` are
 * the models as the caller named them.
 */
export function summed(tried: Tried, requested: readonly string[]): Fault {
  const last = tried.fault!
  // A request that is wrong stays wrong: there the wait of another provider would only mislead.
  const hints = FAULTS[last.kind].blame === 'caller' ? [] : tried.faults.map(({ fault }) => fault.retryAfterMs).filter((ms) => ms !== undefined)
  const previous = tried.faults.slice(0, -1).map(({ fault, candidate }) => ({
    provider: candidate.endpoint.providerName,
    code: fault.kind,
    status: fault.upstream?.status ?? null,
  }))
  const unavailable = UNAVAILABLE[last.kind]
  const retryAfterMs = hints.length > 0 ? Math.min(...hints) : null
  return {
    ...last,
    ...(retryAfterMs !== null && { retryAfterMs }),
    ...(unavailable && !last.availability && {
      availability: {
        ...unavailable,
        ...(retryAfterMs !== null && { retry_after: Math.ceil(retryAfterMs / 1000) }),
        requested_models: requested,
        affected_providers: [...new Set(tried.faults.map(({ candidate }) => candidate.endpoint.provider))],
      },
    }),
    metadata: {
      ...last.metadata,
      ...(previous.length > 0 && { previous_errors: previous }),
      ...(tried.untried > 0 && { not_tried: tried.untried }),
    },
  }
}
