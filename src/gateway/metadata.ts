import type { Changed } from '../dialects/index.ts'
import {
  FAULTS, usdFromNano, type Asked, type Attempt, type ChatRequest, type Fault, type JsonObject, type Need, type Offer, type Operation, type StageNote,
} from '../core/index.ts'
import { explain, fitOf, lacks, type Given, type RoutePlan } from '../routing/index.ts'
import type { RunningAttempt } from './attempts.ts'
import type { Call } from './call.ts'

/** All that is known of a call when its answer, or its failure, is told. */
export interface Told {
  readonly call: Call
  readonly prepared: { readonly asked: Asked<Operation>; readonly offers: readonly Offer[]; readonly notes: readonly StageNote[] }
  readonly plan: RoutePlan
  readonly need: Need
  readonly given: Given
  readonly failed: readonly Attempt[]
  /** The attempt that began to answer, with why it broke off if it did. */
  readonly answering: { readonly attempt: RunningAttempt; readonly provider: string; readonly failure: Fault | null; readonly cached: JsonObject | null } | null
}

/**
 * OpenRouter's `openrouter_metadata`: how the answer came about. Beside its fields (its official SDK checks them) stand
 * ours: the order of the plan, its candidates with weights and reasons, what each attempt took and why it failed, and
 * what of the request an endpoint was not sent as it was. Only stages that changed something are listed. Made when an
 * answer ends, and only for callers who asked for it; `now` is of the monotonic clock.
 */
export function metadataOf(told: Told, now: number): JsonObject {
  const { call, plan, need, given, answering } = told
  const { offers, notes } = told.prepared
  const selected = answering?.attempt.candidate.endpoint ?? null
  const { candidates, rejected } = explain(plan, need, given.policy, given)
  const shown = new Set<string>()
  // Further keys of an endpoint are further candidates; the endpoint is shown once.
  const endpoints = candidates.filter(({ endpoint }) => !shown.has(endpoint) && shown.add(endpoint))
  const attempts = attemptsOf(told)
  const parameters = parametersOf(told)
  return {
    requested: call.asked.preferences.models[0] ?? '',
    strategy: strategyOf(call.asked.preferences.models, offers),
    region: null,
    summary: `available=${endpoints.length}, selected=${answering?.provider ?? 'none'}, order=${plan.strategy}`,
    attempt: attempts.length,
    is_byok: false,
    generation_time: Math.round(now - call.startedAt),
    endpoints: {
      total: endpoints.length + rejected.length,
      available: endpoints.map((it) => ({ provider: it.provider_name, model: it.model, selected: it.endpoint === selected?.id })),
    },
    order: plan.strategy,
    candidates: endpoints.map((it) => ({
      provider: it.provider_name, model: it.model, endpoint: it.endpoint, tier: it.tier, weight: it.weight,
      estimated_cost: it.estimated_cost, worst_cost: it.worst_cost, reasons: it.reasons,
    })),
    ...(rejected.length > 0 && { rejected: rejected.map(({ endpoint, why, detail }) => ({ endpoint, why, detail })) }),
    ...(attempts.length > 0 && { attempts }),
    ...(parameters && { parameters }),
    ...(answering?.cached && { prompt_cache: answering.cached }),
    ...(notes.length > 0 && { pipeline: notes.map((note) => ({ ...note })) }),
  }
}

/** The same for a call that never came to a plan: its model is not known, or a stage refused it. */
export function unplanned(call: Call, notes: readonly StageNote[] = []): JsonObject {
  const { models } = call.asked.preferences
  return {
    requested: models[0] ?? '', strategy: strategyOf(models, []), region: null, summary: 'available=0, selected=none',
    attempt: 0, is_byok: false, endpoints: { total: 0, available: [] },
    ...(notes.length > 0 && { pipeline: notes.map((note) => ({ ...note })) }),
  }
}

/** How the models came to be, in OpenRouter's words; how their endpoints were put in order is `order`. */
function strategyOf(models: readonly string[], offers: readonly Offer[]): string {
  const [offer] = offers
  if (models.length > 1) return 'fallback'
  if (!offer || offer.via) return offer?.via ?? 'direct'
  const [requested = ''] = models
  return requested === offer.model.id || requested.startsWith(`${offer.model.id}:`) ? 'direct' : 'alias'
}

function attemptsOf({ failed, answering }: Told): readonly JsonObject[] {
  const attempts: JsonObject[] = failed.map(entryOf)
  if (!answering) return attempts
  const { attempt, failure } = answering
  const { endpoint } = attempt.candidate
  attempts.push({
    provider: answering.provider, model: endpoint.model, status: attempt.status ?? 200, endpoint: endpoint.id,
    duration_ms: Math.round(attempt.elapsedMs() * 10) / 10,
    ...(failure && { fault: failure.kind }),
    ...(attempt.hedge && { hedge: attempt.hedge }),
  })
  return attempts
}

/** An attempt that is over, as the metadata tells it. */
export function entryOf(attempt: Attempt): JsonObject {
  return {
    provider: attempt.providerName,
    model: attempt.model,
    // The SDK wants a number: where no answer came, the one that our own would have.
    status: attempt.status ?? FAULTS[attempt.fault ?? 'cancelled'].status,
    endpoint: attempt.endpoint,
    duration_ms: attempt.durationMs,
    ...(attempt.fault && { fault: attempt.fault }),
    ...(attempt.hedge && { hedge: attempt.hedge }),
    ...(attempt.outcome === 'superseded' && { superseded: true }),
    ...(attempt.within !== undefined && { within: attempt.within }),
    ...(attempt.outcome !== 'superseded' && attempt.cost !== undefined && { cost: usdFromNano(attempt.cost) }),
  }
}

/** What of the request the endpoint that answered was not sent, was sent otherwise, or was sent without a promise. */
function parametersOf({ call, prepared, need, given, answering }: Told): JsonObject | null {
  const { asked } = call
  const without = prepared.asked.ignored
  if (!answering) return without.length > 0 ? { ignored: without } : null
  const { attempt } = answering
  const { reasoning, maxOutputTokens, extras }: Partial<ChatRequest> = asked.operation.type === 'chat' ? asked.operation.request : NOTHING
  // What only a provider of the caller's format has a word for (`max_tool_calls`) went to such a one, and else is dropped.
  const ignored = without.filter((name) => extras?.[name] === undefined)
  const dropped = [
    ...attempt.dropped.filter((name) => name !== 'reasoning' || reasoning !== undefined),
    ...(attempt.unsealed ? ['reasoning_details'] : []),
  ]
  const changed = changedIn(attempt, maxOutputTokens).filter(({ parameter }) => !dropped.includes(parameter))
  const kept = fitOf(asked.preferences, given.policy).unsupportedParameters !== 'keep' ? []
    : [...need.parameters].filter((name) => lacks(attempt.candidate.endpoint, name) && !dropped.includes(name))
  const all = { dropped, prompted: attempt.prompted, changed, kept, ignored }
  const said = Object.entries(all).filter(([, list]) => list.length > 0)
  return said.length > 0 ? Object.fromEntries(said) : null
}

const NOTHING = Object.freeze({})

/** The limit is lowered before a face sees it, and the face may change it again: the caller is told of both as one. */
function changedIn({ limit, changed }: RunningAttempt, asked: number | undefined): readonly Changed[] {
  if (limit === asked || limit === undefined) return changed
  const byFace = changed.find(({ parameter }) => parameter === 'max_tokens')
  return [{ parameter: 'max_tokens', asked: asked ?? null, sent: byFace?.sent ?? limit }, ...changed.filter((it) => it !== byFace)]
}
