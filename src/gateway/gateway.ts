import type { Dialect } from '../dialects/index.ts'
import {
  fault, FaultError, needOf, rewrite,
  type Ambient, type Asked, type Candidate, type ChatEvent, type Fault, type Generation, type JsonObject, type Offer, type RouterReference,
  type Stage, type StageCall, type StageNote,
} from '../core/index.ts'
import type { GuardedFetch, Net } from '../net/index.ts'
import type { LocalProvider, Providers } from '../providers/index.ts'
import {
  explain, fitOf, plan as makePlan, planFault, type Affinity, type Given, type Health, type Measured, type RouterRules, type RoutingPolicy,
  type Sticky,
} from '../routing/index.ts'
import { tryCandidates, type AttemptParts, type Timeouts } from './attempts.ts'
import { Audit, auditable, type Judge } from './audit.ts'
import { ConversationOf } from './conversation.ts'
import { createChooser, type Choose, type Models } from './choice.ts'
import type { Call, Explaining, Explanation, Gateway, Outcome } from './call.ts'
import { createDeadlines } from './deadline.ts'
import { metadataOf, unplanned } from './metadata.ts'
import { Meter } from './meter.ts'
import { providerOf, recordOf, servedPlain, summed } from './record.ts'
import { Relay, type RelayParts, type Transform } from './relay.ts'
import type { TokenCounter } from './tokens.ts'

export type { Timeouts } from './attempts.ts'

export interface GatewayParts {
  readonly offer: (reference: string) => { readonly offer: Offer } | { readonly router: RouterReference } | { readonly fault: Fault }
  /** The catalogue at this moment, for router models. */
  readonly models: () => Models
  readonly routerRules: () => RouterRules
  readonly stages: readonly Stage[]
  readonly dialects: ReadonlyMap<string, Dialect>
  readonly locals: ReadonlyMap<string, LocalProvider>
  readonly providers: () => Providers
  readonly health: Health
  /** Where conversations have their prompts cached. */
  readonly affinity: Affinity
  /** What this instance's traffic says of an endpoint. */
  readonly measured: (endpoint: string) => Measured | null
  readonly policy: () => RoutingPolicy
  readonly timeouts: (provider: string) => Timeouts
  readonly net: Net
  /** Fetches what callers name. */
  readonly download: GuardedFetch
  readonly tokens: TokenCounter
  /** Judges what replies were asked for by the schemas that their callers wrote. */
  readonly judge: Judge
  readonly record: (generation: Generation) => void
  /** What plans were made from at a moment (ms epoch); rejects with a FaultError of the field `at` when nobody knows. */
  readonly past?: (at: number) => Promise<Past>
  readonly ambient: Ambient
}

/** What plans were made from at a past moment. */
export interface Past {
  /** Which versions it was. */
  readonly catalog: string
  readonly policyVersion: string
  readonly offer: GatewayParts['offer']
  readonly models: GatewayParts['models']
  /** Who could be called then. */
  readonly providers: () => Pick<Providers, 'credentials'>
  /** `now` is when it was so. */
  readonly given: Pick<Given, 'credentials' | 'health' | 'measured' | 'policy' | 'now'>
}

/** What a call is once its models are resolved and the stages have had their say. */
interface Prepared {
  readonly asked: Asked
  readonly offers: readonly Offer[]
  readonly notes: readonly StageNote[]
  readonly transforms: readonly Transform[]
}

/** The story of one call. It holds no state but the number of calls under way; everything else is in the parts. */
export function createGateway(parts: GatewayParts): Gateway {
  const { ambient } = parts
  let inFlight = 0
  let idlers: (() => void)[] = []

  const ended = (): void => {
    if (--inFlight > 0) return
    for (const idler of idlers) idler()
    idlers = []
  }
  const observe = (
    { endpoint, credential }: Candidate, failure: Fault | null, latencyMs: number | null, throughput: number | null,
    trial: number, lostMs: number | null,
  ): void => {
    if (endpoint.simulated) return
    parts.health.observe({
      endpoint: endpoint.id, credential: credential.id, provider: endpoint.provider, trial,
      fault: failure?.kind ?? null, retryAfterMs: failure?.retryAfterMs ?? null, broken: failure?.upstream?.code === 'tls',
      latencyMs, throughput, lostMs, at: ambient.now(),
    })
  }
  const relayParts: RelayParts = {
    ambient, record: parts.record, ended,
    answered: ({ call, committed }, { input }) => {
      const { endpoint } = committed.attempt.candidate
      if (endpoint.simulated) return
      const cachedTokens = input.cacheRead + input.cacheWrite5m + input.cacheWrite1h
      const { request } = call.asked.operation
      if (cachedTokens === 0 && request.session === undefined && request.cacheKey === undefined) return
      const { prompt, input_cache_read: cached } = endpoint.price?.rates ?? {}
      parts.affinity.learn(new ConversationOf(call.key.workspace, request), {
        model: endpoint.model, endpoint: endpoint.id, cachedTokens, cacheIsCheaper: prompt !== undefined && cached !== undefined && cached < prompt,
      }, ambient.now())
    },
    observe: ({ candidate, trial }, failure, latencyMs, throughput) => observe(candidate, failure, latencyMs, throughput, trial, null),
  }
  const attemptParts: AttemptParts = {
    net: parts.net, download: parts.download, dialects: parts.dialects, locals: parts.locals, providers: parts.providers, timeouts: parts.timeouts, ambient,
    deadlines: createDeadlines(ambient),
    limits: parts.policy,
    observe: (candidate, failure, trial, lostMs) => observe(candidate, failure, null, null, trial, lostMs),
    health: {
      begin: ({ endpoint }) => endpoint.simulated ? 0 : parts.health.begin(endpoint.id, ambient.now()),
      retry: ({ endpoint }, after) => endpoint.simulated ? 0 : parts.health.retry(endpoint.provider, after, ambient.now()),
      answers: ({ endpoint }, trial, cost) =>
        parts.health.answers({ endpoint: endpoint.id, provider: endpoint.provider, trial, cost }, ambient.now()),
    },
  }

  /** Where the conversation's last turn was answered; asked only while any is remembered. */
  const stickyOf = (asked: Asked, workspace: string | null): ((model: string) => Sticky | null) | undefined => {
    if (workspace === null || !parts.affinity.any()) return undefined
    const conversation = new ConversationOf(workspace, asked.operation.request)
    return (model) => parts.affinity.find(conversation, model, ambient.now())
  }
  /** Without a workspace nobody's conversation is continued. */
  const givenOf = (asked: Asked, workspace: string | null): Given => {
    const providers = parts.providers()
    const sticky = stickyOf(asked, workspace)
    return {
      preferences: asked.preferences,
      credentials: providers.credentials,
      remedy: providers.remedy,
      serviceTier: asked.operation.request.serviceTier,
      health: parts.health,
      policy: parts.policy(),
      now: ambient.now(),
      random: ambient.random,
      measured: parts.measured,
      ...(sticky && { sticky }),
    }
  }
  const choose = createChooser({ models: parts.models, providers: parts.providers, rules: parts.routerRules, given: (asked) => givenOf(asked, null) })

  const generate = async (call: Call): Promise<Outcome> => {
    const preparing = prepare(parts, choose, call.asked)
    const prepared = preparing instanceof Promise ? await preparing : preparing
    if ('fault' in prepared) return { fault: prepared.fault, metadata: () => unplanned(call) }
    const { offers } = prepared
    const { request } = prepared.asked.operation
    const need = needOf(request, prepared.asked.stream)
    const given = givenOf(prepared.asked, call.key.workspace)
    const plan = makePlan(need, offers, given)
    if (plan.candidates.length === 0) {
      return {
        fault: planFault(plan, offers, need, { given }),
        metadata: () => metadataOf({ call, prepared, plan, need, given, failed: NONE, answering: null }, ambient.monotonic()),
      }
    }
    const echo: JsonObject[] | null = call.asked.echo ? [] : null
    const tried = await tryCandidates(attemptParts, plan, request, {
      stream: call.asked.stream,
      preferences: prepared.asked.preferences,
      need, echo, fit: fitOf(prepared.asked.preferences, given.policy),
      departure: call.departure,
      startedAt: call.startedAt,
      workspace: call.key.workspace,
      downloads: null,
    })
    const { committed } = tried
    if (!committed) {
      parts.record(recordOf(call, need, tried, null, ambient.monotonic()))
      return {
        fault: summed(tried, call.asked.preferences.models),
        metadata: () => metadataOf({ call, prepared, plan, need, given, failed: tried.failed, answering: null }, ambient.monotonic()),
      }
    }

    const { attempt } = committed
    const { endpoint } = attempt.candidate
    const provider = providerOf(committed)
    inFlight++
    const events = new Relay(relayParts, {
      call, need, tried, committed, transforms: prepared.transforms,
      audit: auditable(request) ? new Audit(request, parts.judge) : null,
    }, new Meter(request, endpoint, parts.tokens))
    return {
      events, echo,
      meta: {
        id: call.id, created: Math.floor(call.createdAt / 1000), model: endpoint.model, provider,
        ...(endpoint.tier !== 'default' && { tier: servedPlain(committed) ? 'default' : endpoint.tier }),
      },
      metadata: () => metadataOf({
        call, prepared, plan, need, given, failed: tried.failed, answering: { attempt, provider, failure: events.failure },
      }, ambient.monotonic()),
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
    async explain(asked, how = {}) {
      const past = await pastOf(parts, how)
      const givenThen = (of: Asked): Given => {
        const then = { ...givenOf(of, past ? null : how.workspace ?? null), ...past?.given }
        return how.policy ? { ...then, policy: { ...then.policy, ...how.policy } } : then
      }
      const prepared = past
        ? await prepare({ ...parts, offer: past.offer }, createChooser({ ...past, rules: parts.routerRules, given: givenThen }), asked)
        : await prepare(parts, choose, asked)
      if ('fault' in prepared) return prepared
      const need = needOf(prepared.asked.operation.request, prepared.asked.stream)
      const given = givenThen(prepared.asked)
      return {
        ...explain(makePlan(need, prepared.offers, given), need, given.policy, given),
        ignored: prepared.asked.ignored,
        pipeline: prepared.notes,
        ...(past && { past: { as_of: new Date(past.given.now).toISOString(), catalog: past.catalog, policy: past.policyVersion } }),
      } satisfies Explanation
    },
    inFlight: () => inFlight,
    idle: () => inFlight === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve)),
  }
}

const NONE: readonly never[] = Object.freeze([])

async function pastOf(parts: GatewayParts, { at }: Explaining): Promise<Past | null> {
  if (at === undefined) return null
  if (!parts.past) throw new FaultError(fault('invalid-request', 'at: no history is kept here', { field: 'at' }))
  return parts.past(at)
}

type Preparing = Prepared | { readonly fault: Fault }

/**
 * Resolves the models and runs the stages' request side. A model that nobody has heard of is the caller's mistake
 * even as a fallback; one that is retired or served elsewhere drops out of a list that names others.
 */
function prepare(parts: GatewayParts, choose: Choose, asked: Asked): Preparing | Promise<Preparing> {
  const offers: Offer[] = []
  let left: Fault | null = null
  for (const reference of asked.preferences.models) {
    const found = parts.offer(reference)
    if ('offer' in found) offers.push(found.offer)
    else if ('router' in found) return prepareChosen(parts, choose, asked)
    else if (isSlip(found.fault)) return found
    else left ??= found.fault
  }
  return staged(parts, asked, offers, NONE, left)
}

/** The same for a list with router models in it, each of which becomes the models that it chooses. */
async function prepareChosen(parts: GatewayParts, choose: Choose, asked: Asked): Promise<Preparing> {
  const offers: Offer[] = []
  const notes: StageNote[] = []
  let current = asked
  let left: Fault | null = null
  for (const reference of asked.preferences.models) {
    const found = parts.offer(reference)
    const made = 'router' in found ? await choose(found.router, current) : found
    if ('fault' in made) {
      if (isSlip(made.fault)) return made
      left ??= made.fault
      continue
    }
    if ('offer' in made) {
      offers.push(made.offer)
      continue
    }
    offers.push(...made.offers)
    notes.push(made.note)
    const { request } = current.operation
    if (made.effort !== null) {
      current = { ...current, operation: { type: 'chat', request: rewrite(request, { reasoning: { ...request.reasoning, effort: made.effort } }) } }
    }
  }
  return staged(parts, current, offers, notes, left)
}

function isSlip({ kind }: Fault): boolean {
  return kind === 'model-not-found' || kind === 'ambiguous-model' || kind === 'invalid-request'
}

function staged(parts: GatewayParts, asked: Asked, offers: readonly Offer[], notes: readonly StageNote[], left: Fault | null): Preparing | Promise<Preparing> {
  if (offers.length === 0) return { fault: left ?? fault('invalid-request', 'model: is required', { field: 'model' }) }
  const call: StageCall = { asked, offers }
  return parts.stages.some((stage) => stage.wants(call))
    ? runStages(parts.stages, call, notes) : { asked, offers, notes, transforms: NONE }
}

async function runStages(stages: readonly Stage[], { asked, offers }: StageCall, before: readonly StageNote[]): Promise<Preparing> {
  let current = asked
  const notes: StageNote[] = [...before]
  const transforms: ((batch: readonly ChatEvent[]) => readonly ChatEvent[])[] = []
  for (const stage of stages) {
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
