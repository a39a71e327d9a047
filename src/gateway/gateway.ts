import type { Dialect } from '../dialects/index.ts'
import {
  asksForChat, asSaid, BYTES_PER_TOKEN, collect, demandOf, fault, FaultError, FAULTS, needOf, rewrite, usdFromNano,
  type Ambient, type Annotation, type Asked, type Candidate, type ChatEvent, type Fault, type FaultKind, type Fees, type Generation, type JsonObject, type Measured, type Offer, type Operation,
  type RouterReference,
  type ChatRequest, type Made, type Review, type ServerTools, type Stage, type StandIn, type StageCall, type StageNote, type TrafficClass, type Watch,
} from '../core/index.ts'
import type { GuardedFetch, Net } from '../net/index.ts'
import type { LocalProvider, Providers } from '../providers/index.ts'
import {
  explain, fitOf, plan as makePlan, planFault, type Affinity, type Given, type Health, type RouterRules, type RoutingPolicy,
  type RoutePlan, type Sticky,
} from '../routing/index.ts'
import { rankOf, type Admission } from './admission.ts'
import { notTried, tryCandidates, type AttemptParts, type PassedOver, type Timeouts } from './attempts.ts'
import { Audit, auditable, type Judge } from './audit.ts'
import { ConversationOf } from './conversation.ts'
import { explainCoalesce, Flight, likeness } from './coalesce.ts'
import { createChooser, type Choose, type Models } from './choice.ts'
import type { Call, Explaining, Explanation, Gateway, Outcome } from './call.ts'
import { createDeadlines } from './deadline.ts'
import { explainHedge, hedgingOf } from './hedge.ts'
import { Loop, type Step } from './loop.ts'
import { metadataOf, unplanned } from './metadata.ts'
import { Meter, promptText } from './meter.ts'
import { Share } from './places.ts'
import { providerOf, recordOf, servedPlain, summed } from './record.ts'
import { replayed } from './replay.ts'
import { Relay, type RelayParts, type Transform } from './relay.ts'
import type { Mend } from './told-calls.ts'
import { StandingIn } from './standing-in.ts'
import type { TokenCounter } from './tokens.ts'
import type { LargeBodies } from './large.ts'
import type { Upstreams } from './upstreams.ts'
import { Watched } from './watched.ts'
import { Within, type CarryWithin } from './within.ts'

export type { Timeouts } from './attempts.ts'

export interface GatewayParts {
  readonly offer: (reference: string, operation: Operation['type']) => { readonly offer: Offer } | { readonly router: RouterReference } | { readonly fault: Fault }
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
  readonly admission: Admission
  readonly upstreams: Upstreams
  readonly large: Pick<LargeBodies, 'write' | 'vectors'>
  /** Fetches what callers name. */
  readonly download: GuardedFetch
  readonly tokens: TokenCounter
  /** Judges what replies were asked for by the schemas that their callers wrote. */
  readonly judge: Judge
  /** Mends calls that a model told in words. */
  readonly mend: Mend
  readonly record: (generation: Generation) => void
  /** What plans were made from at a moment (ms epoch); rejects with a FaultError of the field `at` when nobody knows. */
  readonly past?: (at: number) => Promise<Past>
  /** Hears of what only the operator can mend: once when it is found, not with each request. */
  readonly alarm?: (alarm: Alarm) => void
  readonly ambient: Ambient
}

/** A key that is refused or out of credit, a certificate that is not acceptable, a model that is gone. */
export interface Alarm {
  readonly provider: string
  readonly endpoint: string
  /** The key's label. */
  readonly key: string
  readonly kind: FaultKind
  readonly message: string
  /** What the provider said: scrubbed, at most 2 KiB. */
  readonly said?: string
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

/** What a call is once its models are resolved. */
interface Resolved<O extends Operation = Operation> {
  readonly asked: Asked<O>
  readonly offers: readonly Offer[]
  readonly notes: readonly StageNote[]
}

/** And once the stages have had their say. */
interface Prepared extends Resolved {
  readonly transforms: readonly Transform[]
  readonly review: ((reply: readonly ChatEvent[]) => Review) | null
  /** What the answer is to tell before its words. */
  readonly annotations?: readonly Annotation[]
  /** What was bought for it. */
  readonly fees?: Fees
  /** What a stage does for endpoints that do not do it themselves. */
  readonly standIn?: StandIn
  /** The models that stages have asked for it. */
  readonly within?: Within
  /** Who judges what is answered, and what that asks of models. */
  readonly watch?: { readonly watch: Watch; readonly judges: Within }
  /** What is run when the model calls it. */
  readonly tools?: ServerTools
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
    { endpoint, credential }: Candidate, failure: Fault | null, latencyMs: number | null, throughput: number | null, streamed: boolean,
    trial: number, lostMs: number | null, brief = false,
  ): void => {
    if (endpoint.simulated) return
    const at = ambient.now()
    if (failure && parts.alarm && isNews(parts.health, endpoint.id, credential.id, failure, at)) {
      parts.alarm({
        provider: endpoint.provider, endpoint: endpoint.id, key: credential.label, kind: failure.kind, message: failure.message,
        ...(failure.upstream?.raw !== undefined && { said: failure.upstream.raw }),
      })
    }
    parts.health.observe({
      endpoint: endpoint.id, credential: credential.id, provider: endpoint.provider, trial,
      fault: failure?.kind ?? null, retryAfterMs: failure?.retryAfterMs ?? null, broken: failure?.upstream?.code === 'tls',
      latencyMs, throughput, streamed, lostMs, brief, at,
    })
  }
  const relayParts: RelayParts = {
    ambient, record: parts.record,
    answered: ({ call, committed }, { input }) => {
      const { endpoint } = committed.attempt.candidate
      if (endpoint.simulated) return
      const cachedTokens = input.cacheRead + input.cacheWrite5m + input.cacheWrite1h
      if (!asksForChat(call.asked)) return
      const { request } = call.asked.operation
      if (cachedTokens === 0 && request.session === undefined && request.cacheKey === undefined) return
      const { prompt, input_cache_read: cached } = endpoint.price?.rates ?? {}
      parts.affinity.learn(new ConversationOf(call.key.workspace, request), {
        model: endpoint.model, endpoint: endpoint.id, cachedTokens, cacheIsCheaper: prompt !== undefined && cached !== undefined && cached < prompt,
      }, ambient.now())
    },
    ended(place) {
      place?.release()
      ended()
    },
    observe: ({ candidate, trial }, failure, latencyMs, throughput, streamed) =>
      observe(candidate, failure, latencyMs, throughput, streamed, trial, null),
  }
  const attemptParts: AttemptParts = {
    net: parts.net, download: parts.download, dialects: parts.dialects, locals: parts.locals, providers: parts.providers, timeouts: parts.timeouts, ambient,
    deadlines: createDeadlines(ambient),
    upstreams: parts.upstreams, large: parts.large,
    mend: parts.mend,
    limits: parts.policy,
    observe: (candidate, failure, trial, lostMs, brief) => observe(candidate, failure, null, null, false, trial, lostMs, brief),
    health: {
      begin: ({ endpoint }) => endpoint.simulated ? 0 : parts.health.begin(endpoint.id, ambient.now()),
      patience: ({ endpoint }, streamed) => parts.health.patience(endpoint.id, streamed),
      retry: ({ endpoint }, after) => endpoint.simulated ? 0 : parts.health.retry(endpoint.provider, after, ambient.now()),
      answers: ({ endpoint }, trial, cost) =>
        parts.health.answers({ endpoint: endpoint.id, provider: endpoint.provider, trial, cost }, ambient.now()),
      superseded: ({ endpoint, credential }, trial, waitedMs, streamed) =>
        parts.health.observe({ endpoint: endpoint.id, credential: credential.id, fault: 'cancelled', trial, waitedMs, streamed, at: ambient.now() }),
    },
  }

  /** Where the conversation's last turn was answered; asked only while any is remembered. */
  const stickyOf = (asked: Asked<Operation>, workspace: string | null): ((model: string) => Sticky | null) | undefined => {
    if (workspace === null || !parts.affinity.any() || !asksForChat(asked)) return undefined
    const conversation = new ConversationOf(workspace, asked.operation.request)
    return (model) => parts.affinity.find(conversation, model, ambient.now())
  }
  /** Without a workspace nobody's conversation is continued. */
  const givenOf = (asked: Asked<Operation>, workspace: string | null): Given => {
    const providers = parts.providers()
    const sticky = stickyOf(asked, workspace)
    return {
      preferences: asked.preferences,
      credentials: providers.credentials,
      remedy: providers.remedy,
      serviceTier: asksForChat(asked) ? asked.operation.request.serviceTier : undefined,
      health: parts.health,
      policy: parts.policy(),
      now: ambient.now(),
      random: ambient.random,
      measured: parts.measured,
      ...(sticky && { sticky }),
    }
  }
  const choose = createChooser({ models: parts.models, providers: parts.providers, rules: parts.routerRules, given: (asked) => givenOf(asked, null) })

  /** A call that has its place, until it is committed or has failed. */
  const carryOut = async (
    call: Call, resolved: Resolved, place: Share | null, rank: number, relaying: RelayParts = relayParts,
  ): Promise<Outcome> => {
    const preparing = staged(parts.stages, choose, resolved, call, rank, withinOf)
    const prepared = preparing instanceof Promise ? await preparing : preparing
    if ('fault' in prepared) {
      if (prepared.within?.any) relaying.record(recordOf(call, demandOf(resolved.asked.operation, call.asked.stream), prepared.within.alone(prepared.fault), null, ambient.monotonic()))
      return refused(call, prepared.fault)
    }
    return prepared.watch ? watched(call, prepared, prepared.watch, place, rank, relaying) : answer(call, prepared, place, rank, relaying)
  }

  const answer = (call: Call, prepared: Prepared, place: Share | null, rank: number, relaying: RelayParts): Promise<Outcome> =>
    prepared.tools && asksForChat(prepared.asked) ? loop(call, prepared, prepared.asked, prepared.tools, place, rank, relaying)
      : perform(call, prepared, place, rank, relaying)

  /** The same for one whose answer is judged while it is made. */
  const watched = async (
    call: Call, prepared: Prepared, { watch, judges }: NonNullable<Prepared['watch']>, place: Share | null, rank: number, relaying: RelayParts,
  ): Promise<Outcome> => {
    let made: Generation | null = null
    const events = new Watched({
      call, watch, judges, generation: () => made, now: ambient.monotonic,
      ended(generation) {
        relaying.record(generation)
        relaying.ended(call.asked.stream ? place : null)
      },
    })
    const outcome = await answer(events.call, prepared, null, rank, { ...relaying, record: (generation) => { made = generation }, ended: relayParts.ended })
    if ('events' in outcome) inFlight++
    else if (made) relaying.record(made)
    const judged = await events.over(outcome)
    // The place of one that is refused is given back with its outcome, as that of every other that fails.
    if (!call.asked.stream && 'events' in judged) place?.release()
    return judged
  }

  /** The same for one whose model may call what is run here. */
  const loop = async (
    call: Call, prepared: Prepared, asked: Asked, tools: ServerTools, place: Share | null, rank: number, relaying: RelayParts,
  ): Promise<Outcome> => {
    let { standIn } = prepared
    const stepOf = async (of: Call, with_: Prepared, request: ChatRequest, at: string | null): Promise<Step> => {
      let made: Generation | null = null
      let goesOn = request
      const watched = standIn && stoodInOnce(standIn, (instead) => {
        goesOn = instead
        standIn = undefined
      })
      const outcome = await perform(
        of, watched ? { ...with_, standIn: watched } : with_, null, rank,
        { ...relaying, record: (generation) => { made = generation }, ended: relayParts.ended }, at)
      return { request: goesOn, outcome, generation: () => made }
    }
    const { standIn: _, ...without } = prepared
    const first = await stepOf(call, { ...without, transforms: NONE }, asked.operation.request, null)
    const { outcome } = first
    if ('fault' in outcome) {
      const made = first.generation()
      if (made) relaying.record(made)
      return outcome
    }
    inFlight++
    const events: Loop = new Loop({ ...first, outcome }, {
      call, tools, transforms: prepared.transforms, now: ambient.monotonic,
      within: () => withinOf({ ...call, startedAt: ambient.monotonic(), large: null }, rank),
      ask: (request, after) => stepOf(
        { ...call, startedAt: ambient.monotonic(), large: null },
        { asked: { ...asked, operation: { type: 'chat', request } }, offers: prepared.offers, notes: NONE, transforms: NONE, review: prepared.review },
        request, after?.endpoint ?? null),
      ended(generation) {
        relaying.record(generation)
        relaying.ended(place)
      },
    })
    return { ...outcome, events, metadata: () => events.metadata() }
  }

  /** The same once the stages have had their say; at an endpoint before all others, where that may answer. */
  const perform = async (
    call: Call, before: Prepared, place: Share | null, rank: number, relaying: RelayParts, at: string | null = null,
  ): Promise<Outcome> => {
    let prepared = before
    const { offers, within } = prepared
    const { operation } = prepared.asked
    const need = demandOf(operation, prepared.asked.stream)
    const given = givenOf(prepared.asked, call.key.workspace)
    const drawn = makePlan(need, offers, given)
    const plan = at === null || parts.health.unstable(at, ambient.now()) ? drawn : withFirst(drawn, at)
    if (plan.candidates.length === 0) {
      const why = planFault(plan, offers, need, { given })
      if (within?.any) relaying.record(recordOf(call, need, within.alone(why), null, ambient.monotonic()))
      return {
        fault: withFiles(why, prepared),
        metadata: () => metadataOf({ call, prepared, plan, need, given, failed: NONE, answering: null }, ambient.monotonic()),
      }
    }
    const echo: JsonObject[] | null = call.asked.echo ? [] : null
    const standIn = prepared.standIn && operation.type === 'chat' ? new StandingIn(prepared.standIn, operation.request) : null
    const triedNow = await tryCandidates(attemptParts, plan, operation, {
      stream: call.asked.stream,
      preferences: prepared.asked.preferences,
      need, echo, fit: fitOf(prepared.asked.preferences, given.policy),
      departure: call.departure,
      startedAt: call.startedAt,
      workspace: call.key.workspace,
      key: call.key.id,
      rank,
      // Whoever is asked beside a slow one would have to wait for what is done in its stead.
      hedge: standIn === null ? hedgingOf(given, call.asked.stream) : null,
      standIn,
      review: call.asked.stream ? null : prepared.review,
      downloads: null,
      large: call.large ?? null,
    })
    const triedInAll = within === undefined ? triedNow : within.before(triedNow)
    // What was bought for endpoints that did not answer is nobody's to pay but ours.
    const wasted = standIn === null || triedInAll.committed?.attempt.made ? 0n : standIn.cost
    const tried = wasted === 0n ? triedInAll : { ...triedInAll, absorbed: triedInAll.absorbed + wasted }
    const { committed, passedOver } = tried
    if (standIn !== null && committed) prepared = stoodFor(prepared, committed.attempt.made, standIn)
    if (!committed) {
      relaying.record(recordOf(call, need, prepared.fees ? { ...tried, absorbed: tried.absorbed + prepared.fees.cost } : tried, null, ambient.monotonic()))
      return {
        fault: withFiles(summed(tried, call.asked.preferences.models), prepared),
        metadata: () => withPassedOver(
          metadataOf({ call, prepared, plan, need, given, failed: tried.failed, answering: null }, ambient.monotonic()), passedOver),
      }
    }

    const { attempt } = committed
    const { endpoint } = attempt.candidate
    const provider = providerOf(committed)
    const refusal = committed.reviewed !== undefined && 'fault' in committed.reviewed ? committed.reviewed.fault : null
    inFlight++
    const events = new Relay(relaying, {
      // The place of a call that is refused is given back with its outcome, as that of every other that fails.
      call, need, tried, committed, transforms: prepared.transforms, place: refusal === null ? place : null,
      audit: operation.type === 'chat' && auditable(operation.request) ? new Audit(operation.request, parts.judge) : null,
      review: call.asked.stream ? prepared.review : null,
      ...(prepared.fees && { fees: prepared.fees }),
    }, new Meter(operation.request, endpoint, parts.tokens))
    const metadata = (): JsonObject => withPassedOver(metadataOf({
      call, prepared: events.notes.length === 0 ? prepared : { ...prepared, notes: [...prepared.notes, ...events.notes] },
      plan, need, given, failed: tried.failed, answering: { attempt, provider, failure: events.failure, cached: events.cached },
    }, ambient.monotonic()), passedOver)
    if (refusal !== null) {
      // None of it was sent: what is not the answer that was asked for is an error. It is paid and on record all the same.
      for (let read = await events.next(); !read.done;) read = await events.next()
      const sum = summed({ ...tried, fault: refusal, faults: [...tried.faults, { fault: refusal, candidate: attempt.candidate }] }, call.asked.preferences.models)
      return { fault: withFiles(sum, prepared), metadata }
    }
    return {
      events, echo,
      meta: {
        id: call.id, created: Math.floor(call.createdAt / 1000), model: endpoint.model, provider,
        ...(endpoint.tier !== 'default' && { tier: servedPlain(committed) ? 'default' : endpoint.tier }),
        asked: asSaid(call.asked), now: ambient.now, promptTokens: need.inputTokens,
      },
      metadata,
    }
  }

  const carryWithin: CarryWithin = async (call, rank, record) => {
    const resolving = resolve(parts, choose, call.asked)
    const resolved = resolving instanceof Promise ? await resolving : resolving
    if ('fault' in resolved) return refused(call, resolved.fault)
    return perform(call, { ...resolved, transforms: NONE, review: null }, null, rank, { ...relayParts, record })
  }

  const withinOf: WithinOf = (call, rank) => new Within(call, rank, carryWithin, attemptParts.deadlines)

  const flights = new Map<string, Flight>()

  /** A call that shares what comes of it with all that are like it while it is under way: it joins one, or begins it. */
  const share = (like: string, call: Call, resolved: Resolved, place: Share, rank: number): Promise<Outcome> => {
    const known = flights.get(like)
    if (known?.open) return known.join(call, place)
    const flight = new Flight({ ambient, record: parts.record, bufferBytes: parts.policy().coalesceBufferBytes, left: relayParts.ended })
    flights.set(like, flight)
    inFlight++
    const carrying = carryOut({ ...call, departure: flight.departure }, resolved, null, rank, { ...relayParts, record: flight.record })
    flight.begin(carrying, () => {
      if (flights.get(like) === flight) flights.delete(like)
    })
    void carrying.catch(() => {}).then(ended)
    return flight.join(call, place)
  }

  return {
    async generate(call) {
      const { key, departure } = call
      const best = key.trafficClass ?? 'api'
      let place: Share | null = null
      inFlight++
      try {
        const resolving = resolve(parts, choose, call.asked)
        const resolved = resolving instanceof Promise ? await resolving : resolving
        if ('fault' in resolved) return refused(call, resolved.fault)
        const as = lower(best, classOf(resolved.offers[0]!))
        const entering = parts.admission.enter({ key: key.id, best }, as, departure)
        const entered = entering instanceof Promise ? await entering : entering
        if (!(entered instanceof Share)) return refused(call, entered)
        place = entered
        const like = likeness(call, parts.policy())
        const outcome = await (like === null ? carryOut(call, resolved, place, rankOf(as)) : share(like, call, resolved, place, rankOf(as)))
        if ('events' in outcome) {
          // From here on it is the relay's, which has a count of its own; or, where the answer is shared, the passenger's.
          place = null
          if (like !== null) inFlight++
        }
        return outcome
      } finally {
        place?.release()
        ended()
      }
    },
    replay: (call, kept) => replayed(call, kept, parts),
    async explain(asked, how = {}) {
      const past = await pastOf(parts, how)
      const givenThen = (of: Asked<Operation>): Given => {
        const then = { ...givenOf(of, past ? null : how.workspace ?? null), ...past?.given }
        return how.policy ? { ...then, policy: { ...then.policy, ...how.policy } } : then
      }
      const found = past
        ? await resolve({ ...parts, offer: past.offer }, createChooser({ ...past, rules: parts.routerRules, given: givenThen }), asked)
        : await resolve(parts, choose, asked)
      if ('fault' in found) return found
      const prepared = await staged(parts.stages, choose, found)
      if ('fault' in prepared) return prepared
      const need = demandOf(prepared.asked.operation, prepared.asked.stream)
      const given = givenThen(prepared.asked)
      const plan = makePlan(need, prepared.offers, given)
      return {
        ...explain(plan, need, given.policy, given),
        hedge: explainHedge(plan, given, prepared.asked.stream),
        coalesce: explainCoalesce(asked, given.policy),
        ignored: prepared.asked.ignored,
        pipeline: prepared.notes,
        ...(past && { past: { as_of: new Date(past.given.now).toISOString(), catalog: past.catalog, policy: past.policyVersion } }),
      } satisfies Explanation
    },
    async countTokens(asked) {
      const resolved = await resolve(parts, choose, asked)
      if ('fault' in resolved) return resolved
      const prepared = await staged(parts.stages, choose, resolved)
      if ('fault' in prepared) return prepared
      if (!asksForChat(prepared.asked)) return { fault: fault('internal', 'The tokens of a conversation are counted') }
      const { request } = prepared.asked.operation
      const [text = 0] = await parts.tokens.count([promptText(request)])
      const { inputTokens, inputBytes } = needOf(request, false)
      // What is no text (media, the frame of each message) counts as the plan weighs it.
      return { tokens: text + inputTokens - Math.ceil(inputBytes / BYTES_PER_TOKEN) }
    },
    probe(offer, operation) {
      const asked: Asked<Operation> = {
        // One endpoint, and one key of it: what another would say is not what was asked.
        operation, preferences: { models: [offer.requested], allowFallbacks: false }, plugins: NONE, stream: operation.type === 'chat', ignored: NONE,
      }
      const [candidate] = makePlan(demandOf(operation, asked.stream), [offer], givenOf(asked, null)).candidates
      if (candidate === undefined || isLeftAlone(parts.health, candidate, ambient.now())) return null
      return {
        worst: candidate.worst,
        async send(id, departure) {
          let made: Generation | null = null
          const call: Call = { id, createdAt: ambient.now(), startedAt: ambient.monotonic(), asked, surface: 'probe', key: NOBODY, app: NO_APP, departure }
          const relaying: RelayParts = { ...relayParts, answered: () => {}, record: (generation) => { made = asProbe(generation) } }
          inFlight++
          try {
            const outcome = await perform(call, { asked, offers: [offer], notes: NONE, transforms: NONE, review: null }, null, 0, relaying)
            if ('events' in outcome) await collect(outcome.events)
            if (made !== null) parts.record(made)
            return made
          } finally {
            ended()
          }
        },
      }
    },
    inFlight: () => inFlight,
    idle: () => inFlight === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve)),
  }
}

/** Who asks where nobody does. */
const NOBODY: Call['key'] = { id: '', workspace: '' }
const NO_APP: Call['app'] = { referer: null, title: null, categories: [], userAgent: null }

/** A record as that of a probe: nobody is charged for it. Null where no provider was asked. */
function asProbe(generation: Generation): Generation | null {
  if (generation.attempts.length === 0) return null
  return { ...generation, cost: 0n, absorbed: generation.cost + generation.absorbed, probe: true }
}

/** Whether calls that need not be made should not be: nobody would send one to a key that was refused, or an endpoint that is out. */
function isLeftAlone(health: Health, { endpoint, credential }: Candidate, now: number): boolean {
  const state = health.standing(endpoint.id, now)?.state
  return endpoint.simulated || health.restsUntil(endpoint.id, credential.id, now) > now || state === 'ejected' || state === 'waiting'
}

/** Whether a failure is the operator's to mend, and health does not know of it yet. To be asked before it is told. */
function isNews(health: Health, endpoint: string, credential: string, { kind, upstream }: Fault, now: number): boolean {
  if (FAULTS[kind].blame === 'operator') return health.restsUntil(endpoint, credential, now) === 0
  if (upstream?.code === 'tls') return health.standing(endpoint, now) === null
  return kind === 'model-unavailable' && !health.unstable(endpoint, now)
}

const NONE: readonly never[] = Object.freeze([])

async function pastOf(parts: GatewayParts, { at }: Explaining): Promise<Past | null> {
  if (at === undefined) return null
  if (!parts.past) throw new FaultError(fault('invalid-request', 'at: no history is kept here', { field: 'at' }))
  return parts.past(at)
}

type WithinOf = (call: Call, rank: number) => Within
type Resolving = Resolved | { readonly fault: Fault }
type Preparing = Prepared | { readonly fault: Fault; readonly within?: Within }

function refused(call: Call, why: Fault): Outcome {
  return { fault: why, metadata: () => unplanned(call) }
}

/** The metadata with the providers that were passed over, where there are any. */
function withPassedOver(metadata: JsonObject, passedOver: PassedOver): JsonObject {
  return passedOver.size === 0 ? metadata : { ...metadata, not_tried_providers: notTried(passedOver) as unknown as JsonObject[] }
}

/** The class of traffic that a model's calls have, whoever makes them. */
function classOf({ model, variants, endpoints }: Offer): TrafficClass {
  if (endpoints[0]?.simulated) return 'playground'
  return variants.includes('free') || model.id.endsWith(':free') ? 'free' : 'api'
}

function lower(a: TrafficClass, b: TrafficClass): TrafficClass {
  return rankOf(a) < rankOf(b) ? a : b
}

/**
 * The models of a request with what may serve them. A model that nobody has heard of is the caller's mistake even as a
 * fallback; one that is retired or served elsewhere drops out of a list that names others.
 */
function resolve(parts: GatewayParts, choose: Choose, asked: Asked<Operation>): Resolving | Promise<Resolving> {
  const offers: Offer[] = []
  let left: Fault | null = null
  for (const reference of asked.preferences.models) {
    const found = parts.offer(reference, asked.operation.type)
    if ('offer' in found) offers.push(found.offer)
    else if ('router' in found) {
      if (asksForChat(asked)) return resolveChosen(parts, choose, asked)
    } else if (isSlip(found.fault)) return found
    else left ??= found.fault
  }
  return resolvedOf(asked, offers, asked.notes ?? NONE, left)
}

/** The same for a list with router models in it, each of which becomes the models that it chooses. */
async function resolveChosen(parts: GatewayParts, choose: Choose, asked: Asked): Promise<Resolving> {
  const offers: Offer[] = []
  const notes: StageNote[] = [...asked.notes ?? NONE]
  let current = asked
  let left: Fault | null = null
  for (const reference of asked.preferences.models) {
    const found = parts.offer(reference, 'chat')
    const made = 'router' in found ? await chosenBy(parts, choose, found.router, current) : found
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
  return resolvedOf(current, offers, notes, left)
}

/** Whom a router model means. A panel's answer is written by the model that its plugin names, else by the first of the panel. */
async function chosenBy(parts: GatewayParts, choose: Choose, router: RouterReference, asked: Asked): Promise<Awaited<ReturnType<Choose>> | { readonly offer: Offer }> {
  if (router.router !== 'fusion') return choose(router, asked)
  const at = asked.plugins.findIndex(({ id, enabled }) => id === 'fusion' && enabled)
  const { model, preset } = asked.plugins[at]?.settings ?? {}
  if (typeof model !== 'string') {
    const made = await choosePanel(choose, asked, preset, router)
    const place = `plugins[${at}].preset`
    return 'fault' in made && made.fault.field === 'preset' ? { fault: { ...made.fault, message: `${place}: ${made.fault.message}`, field: place } } : made
  }
  const named = parts.offer(model, 'chat')
  if ('offer' in named) return { offer: { ...named.offer, requested: router.requested, via: 'fusion' } }
  const field = `plugins[${at}].model`
  const why = 'fault' in named ? named.fault.message : `${model} is a router model; name the one that shall write the answer`
  return { fault: fault('invalid-request', `${field}: ${why}`, { field }) }
}

const PANEL: RouterReference = { requested: 'openrouter/fusion', router: 'fusion', id: 'openrouter/fusion', variants: NONE }

/** What is no text is told apart from what is no preset by whoever reads the settings. */
function choosePanel(choose: Choose, asked: Asked, preset: unknown, of = PANEL): ReturnType<Choose> {
  return choose(preset === undefined || preset === null ? of : { ...of, preset: typeof preset === 'string' ? preset : JSON.stringify(preset) }, asked)
}

function isSlip({ kind }: Fault): boolean {
  return kind === 'model-not-found' || kind === 'ambiguous-model' || kind === 'invalid-request'
}

function resolvedOf(asked: Asked<Operation>, offers: readonly Offer[], notes: readonly StageNote[], left: Fault | null): Resolving {
  if (offers.length === 0) return { fault: left ?? fault('invalid-request', 'model: is required', { field: 'model' }) }
  return { asked, offers, notes }
}

/** Runs the stages' request side, where one wants to; for a call that is not carried out (there is none), they fetch and ask nothing. */
function staged(
  stages: readonly Stage[], choose: Choose, { asked, offers, notes }: Resolved, call: Call | null = null, rank = 0, withinOf: WithinOf | null = null,
): Preparing | Promise<Preparing> {
  // Stages are about conversations.
  if (!asksForChat(asked)) return { asked, offers, notes, transforms: NONE, review: null }
  const seen: StageCall = call ? { asked, offers, departure: call.departure } : { asked, offers }
  if (!stages.some((stage) => stage.wants(seen))) return { asked, offers, notes, transforms: NONE, review: null }
  return runStages(stages, { ...seen, panel: panelBy(choose, asked) }, notes, call && withinOf && withinOf(call, rank))
}

function panelBy(choose: Choose, asked: Asked): NonNullable<StageCall['panel']> {
  return async (preset) => {
    const made = await choosePanel(choose, asked, preset)
    return 'fault' in made ? made : { models: made.offers.map(({ model }) => model.id) }
  }
}

async function runStages(
  stages: readonly Stage[], { asked, ...constant }: StageCall, before: readonly StageNote[], within: Within | null,
): Promise<Preparing> {
  let current = asked
  const notes: StageNote[] = [...before]
  const transforms: ((batch: readonly ChatEvent[]) => readonly ChatEvent[])[] = []
  const annotations: Annotation[] = []
  let fees: Fees | undefined
  let standIn: StandIn | undefined
  let tools: ServerTools | undefined
  let review: Prepared['review'] = null
  let watch: Prepared['watch']
  for (const stage of stages) {
    const call: StageCall = within === null ? { ...constant, asked: current }
      : { ...constant, asked: current, generate: (asking) => within.generate(stage.name, asking) }
    if (!stage.wants(call)) continue
    const spent = within?.cost ?? 0n
    const result = await stage.request?.(call)
    if (result) {
      if ('fault' in result) return within === null ? result : { ...result, within }
      if ('answer' in result) return { fault: fault('internal', `Stage ${stage.name} answered, which no route serves`) }
      current = result.pass
      const asked = (within?.cost ?? 0n) - spent
      const cost = asked + (result.fees?.cost ?? 0n)
      if (result.note) notes.push(cost > 0n ? { ...result.note, cost_usd: usdFromNano(cost) } : result.note)
      standIn = result.standIn ?? standIn
      if (result.annotations) annotations.push(...result.annotations)
      if (result.tools) tools = result.tools
      if (result.fees) fees = fees ? together(fees, result.fees) : result.fees
      if (asked > 0n) fees = together(fees ?? NO_FEES, { services: {}, cost: asked })
    }
    const transform = stage.events?.(call)
    if (transform) transforms.push(transform)
    const reviewing = stage.review?.({ ...constant, asked: current })
    if (reviewing) review = review === null ? reviewing : both(review, reviewing)
    if (stage.watch && within !== null) {
      // What comes before the answer is on the books by the time that it begins.
      const judges = within.again()
      const watching = stage.watch({ ...constant, asked: current, generate: (asking) => judges.generate(stage.name, asking) })
      if (watching) watch = { watch: watching, judges }
    }
  }
  if (annotations.length > 0) transforms.push(annotating(annotations))
  return {
    asked: current, offers: constant.offers, notes, transforms, review,
    ...(annotations.length > 0 && { annotations }), ...(fees && { fees }), ...(standIn && { standIn }), ...(within?.any && { within }), ...(tools && { tools }), ...(watch && { watch }),
  }
}

/** A call whose answer comes from an endpoint that was stood in for, or that did it itself. */
function stoodFor(prepared: Prepared, made: Made | null, { spared }: StandingIn): Prepared {
  if (made === null) return { ...prepared, notes: [...prepared.notes, spared] }
  const { note, annotations, fees } = made
  return {
    ...prepared,
    notes: [...prepared.notes, fees.cost > 0n ? { ...note, cost_usd: usdFromNano(fees.cost) } : note],
    ...(annotations.length > 0 && { transforms: [...prepared.transforms, annotating(annotations)], annotations: [...prepared.annotations ?? NONE, ...annotations] }),
    fees: together(prepared.fees ?? NO_FEES, fees),
  }
}

const NO_FEES: Fees = { services: {}, cost: 0n }

function together(a: Fees, b: Fees): Fees {
  const services: Record<string, number> = { ...a.services }
  for (const [unit, count] of Object.entries(b.services)) services[unit] = (services[unit] ?? 0) + count
  return { services, cost: a.cost + b.cost }
}

/** Tells annotations right behind the start of an answer, before its words, as OpenRouter does. */
function annotating(annotations: readonly Annotation[]): Transform {
  let told = false
  return (batch) => {
    if (told || batch.length === 0) return batch
    told = true
    const notes = annotations.map((annotation): ChatEvent => ({ type: 'note', choice: 0, note: { type: 'annotation', annotation } }))
    const at = batch[0]!.type === 'start' ? 1 : 0
    return [...batch.slice(0, at), ...notes, ...batch.slice(at)]
  }
}

/** What is done for an endpoint in one step is done for all that follow: `then` hears of the request that they go on from. */
function stoodInOnce(of: StandIn, then: (request: ChatRequest) => void): StandIn {
  return {
    ...of,
    async make(request) {
      const made = await of.make(request)
      if ('request' in made) then(made.request)
      return made
    },
  }
}

/** An endpoint before all others: it has the prompt in its cache, and reads its own seals. */
function withFirst(plan: RoutePlan, endpoint: string): RoutePlan {
  const own = plan.candidates.filter((it) => it.endpoint.id === endpoint)
  return own.length === 0 ? plan : { ...plan, candidates: [...own, ...plan.candidates.filter((it) => it.endpoint.id !== endpoint)] }
}

/** A failure with the files that were read before it, so that they need not be read again (OpenRouter's `file_annotations`). */
function withFiles(of: Fault, { annotations }: Prepared): Fault {
  const files = annotations?.filter((annotation) => annotation.type === 'file') ?? NONE
  if (files.length === 0) return of
  return { ...of, metadata: { ...of.metadata, file_annotations: files.map(({ type, ...file }) => ({ type, file })) } }
}

/** The second sees what the first made of a reply, unless that was the end of it. */
function both(first: NonNullable<Prepared['review']>, second: NonNullable<Prepared['review']>): NonNullable<Prepared['review']> {
  return (reply) => {
    const found = first(reply)
    if ('fault' in found) return found
    const then = second(found.pass)
    return found.note === undefined || then.note !== undefined ? then : { ...then, note: found.note }
  }
}
