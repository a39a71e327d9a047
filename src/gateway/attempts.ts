import { createHash } from 'node:crypto'
import type { Dialect, Target } from '../dialects/index.ts'
import {
  charge, commits, fault, FAULTS, faultOf,
  type Ambient, type Attempt, type Candidate, type ChatEvent, type ChatRequest, type Endpoint, type Fault, type Nano, type Plan, type Preferences,
} from '../core/index.ts'
import type { Net } from '../net/index.ts'
import type { LocalProvider, Providers } from '../providers/index.ts'
import type { Deadline, Deadlines } from './deadline.ts'
import { openLocal, openUpstream, type Opened, type Source } from './source.ts'

/** Milliseconds that each stretch of an attempt may take. */
export interface Timeouts {
  readonly connectMs: number
  /** From sending the request to the first block, on an ordinary model and on one that reasons first. */
  readonly firstTokenMs: number
  readonly firstTokenReasoningMs: number
  /** Between completed events once the reply has begun. */
  readonly idleMs: number
  readonly totalMs: number
  /** Over all attempts, before the first block. */
  readonly preTokenTotalMs: number
}

export interface AttemptParts {
  readonly net: Net
  readonly dialects: ReadonlyMap<string, Dialect>
  readonly locals: ReadonlyMap<string, LocalProvider>
  readonly providers: () => Providers
  readonly timeouts: (provider: string) => Timeouts
  readonly limits: { readonly perModel: number; readonly inAll: number }
  readonly ambient: Ambient
  readonly deadlines: Deadlines
  readonly observe: (observation: AttemptObservation) => void
}

/** What health learns from an attempt that failed before it committed. */
export interface AttemptObservation {
  readonly candidate: Candidate
  readonly fault: Fault | null
  readonly latencyMs: number | null
}

/** An attempt that has begun to answer: nothing may be tried after it. */
export interface Committed {
  readonly candidate: Candidate
  readonly source: Source
  /** Everything up to and including the read that opened the first block. */
  readonly first: readonly ChatEvent[]
  readonly deadline: Deadline
  readonly timeouts: Timeouts
  readonly startedAt: number
  readonly headersMs: number
  readonly dropped: readonly string[]
  /** Why the source was ended, when its reads fail: the caller left, or a deadline passed. */
  stopped(): Fault | null
  record(end: Pick<Attempt, 'outcome' | 'fault' | 'message' | 'upstreamId'>): Attempt
}

export interface Tried {
  readonly committed: Committed | null
  readonly failed: readonly Attempt[]
  /** The last failure, when nothing committed. */
  readonly fault: Fault | null
  readonly faults: readonly { readonly fault: Fault; readonly candidate: Candidate }[]
  readonly untried: number
  /** What providers that failed reported usage for all the same: they bill it, and the caller does not pay it. */
  readonly absorbed: Nano
}

/**
 * Tries candidates in the order of the plan until one commits. Falling over is legal until the first block opens:
 * a 200, headers or comments commit to nothing. A caller's fault ends the attempts for its model (a `models` list
 * goes on); a prompt that is too long goes on only to a larger context.
 */
export async function tryCandidates(
  parts: AttemptParts, plan: Plan, request: ChatRequest,
  given: {
    readonly stream: boolean
    readonly preferences: Preferences
    readonly signal: AbortSignal
    readonly startedAt: number
    readonly workspace: string
  },
): Promise<Tried> {
  const failed: Attempt[] = []
  const faults: { fault: Fault; candidate: Candidate }[] = []
  const perModel = new Map<string, number>()
  const closed = new Set<string>()
  let absorbed = 0n
  let largestTried = 0
  let tooLong = false

  for (const [at, candidate] of plan.candidates.entries()) {
    const { endpoint } = candidate
    const tries = perModel.get(endpoint.model) ?? 0
    if (closed.has(endpoint.model) || tries >= parts.limits.perModel) continue
    if (tooLong && (endpoint.contextLength ?? Infinity) <= largestTried) continue
    if (failed.length >= parts.limits.inAll) break
    const left = given.startedAt + parts.timeouts(endpoint.provider).preTokenTotalMs - parts.ambient.monotonic()
    if (failed.length > 0 && left < 2000) break

    perModel.set(endpoint.model, tries + 1)
    const result = await attempt(parts, candidate, request, { ...given, left })
    if ('committed' in result) {
      return { committed: result.committed, failed, fault: null, faults, untried: plan.candidates.length - at - 1, absorbed }
    }
    failed.push(result.attempt)
    absorbed += result.absorbed
    faults.push({ fault: result.fault, candidate })
    parts.observe({ candidate, fault: result.fault, latencyMs: null })
    const { next } = FAULTS[result.fault.kind]
    if (result.fault.kind === 'cancelled' || next === 'nothing') break
    if (next === 'model') closed.add(endpoint.model)
    if (result.fault.kind === 'context-length') {
      tooLong = true
      largestTried = Math.max(largestTried, endpoint.contextLength ?? Infinity)
    }
  }
  const last = faults.at(-1)?.fault ?? fault('internal', 'The plan had no candidates')
  return { committed: null, failed, fault: last, faults, untried: plan.candidates.length - failed.length, absorbed }
}

interface Failed {
  readonly fault: Fault
  readonly attempt: Attempt
  readonly absorbed: Nano
}

async function attempt(
  parts: AttemptParts, candidate: Candidate, request: ChatRequest,
  given: {
    readonly stream: boolean; readonly preferences: Preferences; readonly signal: AbortSignal
    readonly left: number; readonly workspace: string
  },
): Promise<{ readonly committed: Committed } | Failed> {
  const { endpoint, credential } = candidate
  const { ambient } = parts
  const timeouts = parts.timeouts(endpoint.provider)
  const startedAt = ambient.now()
  const start = ambient.monotonic()
  let abort: () => void = () => {}
  let headersMs: number | null = null
  let status: number | null = null
  let dropped: readonly string[] = []

  const deadline = parts.deadlines(() => abort())
  const firstToken = endpoint.reasoning.supported ? timeouts.firstTokenReasoningMs : timeouts.firstTokenMs
  deadline.set(Math.max(1, Math.min(firstToken, given.left)))
  const onCallerLeft = (): void => abort()
  given.signal.addEventListener('abort', onCallerLeft, { once: true })
  const finish = (): void => {
    deadline.clear()
    given.signal.removeEventListener('abort', onCallerLeft)
  }

  const stopped = (): Fault | null => {
    if (given.signal.aborted) return fault('cancelled', 'The caller left')
    return deadline.expired ? fault('timeout', 'The provider did not answer in time') : null
  }
  const record: Committed['record'] = (end) => {
    finish()
    return {
      endpoint: endpoint.id, provider: endpoint.provider, providerName: endpoint.providerName, model: endpoint.model,
      credential: credential.id, startedAt, headersMs, durationMs: ambient.monotonic() - start, status,
      ...end,
    }
  }
  const failure = (of: Fault, source: Source | null, said: readonly ChatEvent[] = []): Failed => {
    source?.abort()
    const why = withProvider(stopped() ?? of, candidate)
    const outcome = why.kind === 'cancelled' ? 'cancelled' : 'failed'
    const usage = said.findLast((event) => event.type === 'usage')
    return {
      fault: why,
      attempt: record({ outcome, fault: why.kind, message: why.message, upstreamId: null }),
      absorbed: usage?.type === 'usage' && endpoint.price ? charge(endpoint.price, usage.usage).total : 0n,
    }
  }

  const opened = await open(parts, candidate, clamped(request, endpoint.maxOutputTokens), given, (way) => {
    abort = way
    if (given.signal.aborted) way()
  })
  headersMs = ambient.monotonic() - start
  if ('fault' in opened) {
    status = opened.status
    if (status === null) headersMs = null
    return failure(opened.fault, null)
  }
  const { source } = opened
  abort = source.abort
  status = source.status
  dropped = opened.dropped

  let first: readonly ChatEvent[] = []
  for (;;) {
    let batch: readonly ChatEvent[] | null
    try {
      batch = await source.next()
    } catch (error) {
      return failure(faultOf(error), source)
    }
    if (batch === null) return failure(fault('invalid-response', 'The provider sent an empty answer'), source)
    const bad = batch.find((event) => event.type === 'fault')
    const committing = commits(batch)
    if (bad?.type === 'fault' && !committing) return failure(bad.fault, source, batch)
    if (batch.length > 0) first = first.length > 0 ? [...first, ...batch] : batch
    if (!committing) continue
    return {
      committed: {
        candidate, source, first, deadline, timeouts, startedAt, headersMs, dropped, stopped, record,
      },
    }
  }
}

async function open(
  parts: AttemptParts, candidate: Candidate, request: ChatRequest,
  given: { readonly stream: boolean; readonly preferences: Preferences; readonly signal: AbortSignal; readonly workspace: string },
  control: (abort: () => void) => void,
): Promise<Opened> {
  const { endpoint } = candidate
  const target: Target = {
    endpoint,
    stream: given.stream,
    ...(given.preferences.options?.[endpoint.provider] && { options: given.preferences.options[endpoint.provider] }),
    ...(endpoint.dataPolicy.requiresUserIds && { userId: userIdOf(given.workspace, request.user) }),
  }
  const asked = withDefaultEffort(request, endpoint)
  const local = parts.locals.get(endpoint.dialect ?? '')
  if (local) return { source: openLocal(local, asked, target, given.signal), dropped: [] }
  const outbound = parts.dialects.get(endpoint.dialect ?? '')?.outbound
  if (!outbound) return { fault: fault('internal', 'No dialect for the endpoint'), status: null }
  return openUpstream({
    net: parts.net, outbound, target, request: asked,
    headers: parts.providers().headers(candidate.credential),
    connectMs: parts.timeouts(endpoint.provider).connectMs,
    control,
  })
}

/**
 * A request that says nothing of reasoning, with the effort that its model is known for (o3-mini: medium). The
 * caller's own body still stands: the faces write reasoning from the canonical request in any case.
 */
function withDefaultEffort(request: ChatRequest, endpoint: Endpoint): ChatRequest {
  const { defaultEffort } = endpoint.reasoning
  return request.reasoning === undefined && defaultEffort ? { ...request, reasoning: { effort: defaultEffort } } : request
}

/** A limit above what the endpoint gives is lowered to it: many hosts answer a higher one with a 400. */
function clamped(request: ChatRequest, most: number | null): ChatRequest {
  // The faces write the limit from here and not from the caller's body, so the origin may stay.
  return most !== null && (request.maxOutputTokens ?? 0) > most ? { ...request, maxOutputTokens: most } : request
}

/** End users are told apart at a provider by a hash that means nothing elsewhere; never by the id that the caller gave. */
function userIdOf(workspace: string, user: string | undefined): string {
  return createHash('sha256').update(`${workspace}\n${user ?? ''}`).digest('hex').slice(0, 32)
}

/** The fault with the provider's name beside what it said, for `error.metadata`. */
function withProvider(of: Fault, candidate: Candidate): Fault {
  return { ...of, upstream: { ...of.upstream, provider: candidate.endpoint.providerName } }
}
