import { usdFromNano, type Endpoint, type Need } from '../core/index.ts'
import type { Standing } from './circuit.ts'
import { estimatedCost, expectedOutput } from './cost.ts'
import { perMillion } from './detail.ts'
import { DEFAULT_POLICY, type Given, type HealthView, type RoutingPolicy } from './given.ts'
import { MARK } from './order.ts'
import type { Placed, RoutePlan } from './plan.ts'

/** A plan as `POST /route/explain` and the command line print it. */
export interface PlanExplanation {
  /** What would be tried first; costs in US dollars. Null where nobody can take the request. */
  readonly chosen: {
    readonly endpoint: string
    readonly provider_name: string
    readonly estimated_cost: number
    readonly worst_cost: number
  } | null
  readonly strategy: string
  readonly models: readonly string[]
  readonly need: {
    /** Estimated. */
    readonly prompt_tokens: number
    readonly max_tokens: number | null
    readonly input_modalities: readonly string[]
    readonly output_modalities: readonly string[]
    readonly parameters: readonly string[]
  }
  readonly candidates: readonly {
    /** 1 is tried first. */
    readonly position: number
    readonly endpoint: string
    readonly model: string
    readonly provider: string
    readonly provider_name: string
    readonly tag: string
    readonly tier: string
    /** The key's label, safe to show. */
    readonly credential: string
    /** The share of first draws, 0–1; null where the order is fixed. */
    readonly weight: number | null
    /** What the request is expected to cost, with an answer of usual length, in US dollars. */
    readonly estimated_cost: number
    /** The most that the call can cost, in US dollars. */
    readonly worst_cost: number
    /** US dollars per million tokens, as decimal strings. */
    readonly price_per_million: { readonly prompt: string; readonly completion: string }
    readonly simulated: boolean
    readonly reasons: readonly string[]
  }[]
  readonly rejected: readonly {
    readonly endpoint: string
    readonly model: string
    readonly provider: string
    readonly why: string
    readonly detail: string
  }[]
}

/** The health that a plan was made with, and when: how long what it saw will last is said from it. */
export interface SeenHealth {
  readonly health: HealthView
  readonly now: number
  readonly measured?: Given['measured']
}

/** Puts a plan into words and plain JSON. Spends nothing and decides nothing. */
export function explain(plan: RoutePlan, need: Need, policy: RoutingPolicy = DEFAULT_POLICY, seen?: SeenHealth): PlanExplanation {
  const output = expectedOutput(need, policy)
  const costOf = ({ price }: Endpoint): number => price === null ? 0 : estimatedCost(price, need, output)
  const cheapest = Math.min(...plan.candidates.map((it) => costOf(it.endpoint)))
  const [first] = plan.candidates
  return {
    chosen: first === undefined ? null : {
      endpoint: first.endpoint.id, provider_name: first.endpoint.providerName,
      estimated_cost: usdFromNano(nanoFromAtto(costOf(first.endpoint))), worst_cost: usdFromNano(first.worst),
    },
    strategy: plan.strategy,
    models: plan.models,
    need: {
      prompt_tokens: need.inputTokens,
      max_tokens: need.outputBound,
      input_modalities: [...need.inputModalities],
      output_modalities: [...need.outputModalities],
      parameters: [...need.parameters],
    },
    candidates: plan.candidates.map((candidate, i) => {
      const { endpoint, credential } = candidate
      return {
        position: i + 1,
        endpoint: endpoint.id,
        model: endpoint.model,
        provider: endpoint.provider,
        provider_name: endpoint.providerName,
        tag: endpoint.tag,
        tier: endpoint.tier,
        credential: credential.label,
        weight: candidate.weight === null ? null : Math.round(candidate.weight * 10_000) / 10_000,
        estimated_cost: usdFromNano(nanoFromAtto(costOf(endpoint))),
        worst_cost: usdFromNano(candidate.worst),
        price_per_million: {
          prompt: perMillion(endpoint.price?.rates.prompt ?? 0n),
          completion: perMillion(endpoint.price?.rates.completion ?? 0n),
        },
        simulated: endpoint.simulated,
        reasons: [
          ...placeReasons(candidate, seen),
          ...priceReasons(costOf(endpoint), cheapest, plan.candidates.length),
          ...drawReasons(candidate),
        ],
      }
    }),
    rejected: plan.rejected.map(({ endpoint, model, provider, why, detail }) => ({ endpoint, model, provider, why, detail })),
  }
}

const ATTO_IN_NANO = 1e9

/** An estimate in whole nano-dollars, rounded up as a charge is. */
function nanoFromAtto(estimate: number): bigint {
  return BigInt(Math.ceil(estimate / ATTO_IN_NANO))
}

function placeReasons(candidate: Placed, seen: SeenHealth | undefined): readonly string[] {
  const { marks = 0, endpoint, credential } = candidate
  const has = (mark: number): boolean => (marks & mark) !== 0
  const rests = has(MARK.resting) ? seen?.health.restsUntil?.(endpoint.id, credential.id, seen.now) ?? 0 : 0
  return [
    ...has(MARK.listed) ? ['named in provider.order'] : [],
    ...has(MARK.tierAsked) ? ['of the tier that was asked for'] : [],
    ...healthReasons(marks, seen?.health.standing?.(endpoint.id, seen.now) ?? null),
    ...has(MARK.resting) ? [`its provider asked us to wait, or refused the key${untilTime(rests)}`] : [],
    ...has(MARK.lacking) ? ['does not honour tools, structured output or verbosity as the request has them'] : [],
    ...toolReasons(endpoint, marks, seen),
    ...has(MARK.sticky) ? ['answered this conversation before: its prompt may be cached there'] : [],
    ...has(MARK.unstuck) ? ['answered this conversation before, and another saves more than its cache is worth'] : [],
    ...has(MARK.slow) ? ['misses a threshold of the request'] : [],
    ...has(MARK.cramped) ? ['its context leaves less than half of the output that was asked for'] : [],
    ...has(MARK.deprecated) ? ['deprecated'] : [],
  ]
}

function toolReasons(endpoint: Endpoint, marks: number, seen: SeenHealth | undefined): readonly string[] {
  const tools = seen?.measured?.(endpoint.id)?.tools
  if (!tools || !(marks & MARK.toolsJudged)) return []
  const share = Math.round(tools.bad / tools.requests * 1000) / 10
  const found = `${share} % of ${tools.requests} requests with tools had a wrong call within seven days`
  return [marks & MARK.toolsWorse ? `${found}, measurably more than at the best` : found]
}

function healthReasons(marks: number, standing: Standing | null): readonly string[] {
  if (marks & MARK.trial) return ['on trial: it kept failing, and this request may try it']
  if (marks & (MARK.ejected | MARK.pinned)) {
    const why = standing?.state === 'waiting' || standing?.state === 'trial'
      ? 'on trial: it kept failing, and single requests try it'
      : `ejected${untilTime(standing?.until ?? 0)}: it kept failing`
    return marks & MARK.panic ? [why, 'most endpoints are out: the least bad of them goes first'] : [why]
  }
  const stable = marks & MARK.unstable ? 'failed within the last seconds' : 'stable'
  if (!(marks & MARK.ramping)) return [stable]
  const share = standing === null ? '' : `, now ${Math.round(standing.share * 100)} % of its share`
  return [stable, `ramping up after an ejection${untilTime(standing?.until ?? 0)}${share}${marks & MARK.held ? '; it stands back for this request' : ''}`]
}

function untilTime(at: number): string {
  return at > 0 ? ` until ${new Date(Math.ceil(at)).toISOString()}` : ''
}

/** Costs are those of the estimated request, which the order goes by; `worst_cost` is another figure. */
function priceReasons(cost: number, cheapest: number, compared: number): readonly string[] {
  if (cost === 0) return ['free']
  if (compared < 2) return []
  if (cost === cheapest) return ['cheapest']
  return cheapest === 0 ? ['not free'] : [`${Math.round(cost / cheapest * 100) / 100} times the cost of the cheapest`]
}

function drawReasons({ weight }: Placed): readonly string[] {
  return weight ? [`drawn first with a share of ${Math.round(weight * 1000) / 10} %`] : []
}
