import {
  fault, REJECTIONS,
  type Choosable, type ChatRequest, type Effort, type Endpoint, type Fault, type Need, type Offer, type RejectionReason, type RouterReference,
  type StageNote,
} from '../core/index.ts'
import { estimatedCost, expectedOutput } from './cost.ts'
import type { Given } from './given.ts'
import { readIntent, type Intent } from './intent.ts'
import { lacks, preferredOf } from './parameters.ts'
import { caseOf, whyNot } from './reject.ts'
import { COST_TIERS, PANEL_SIZE, PANELS, USUAL_PANEL, type CostTier, type RouterRules } from './router-rules.ts'
import { matchesPattern, type RouterSettings } from './router-settings.ts'
import { readWishes, type Wishes } from './wishes.ts'

/** What a router reference is chosen by. */
export interface RouterCase {
  readonly reference: RouterReference
  readonly request: ChatRequest
  readonly need: Need
  /** The models that may be meant. */
  readonly pool: readonly Choosable[]
  readonly settings: RouterSettings
  readonly rules: RouterRules
  readonly given: Given
}

/** Models in the order in which they are tried, and why. */
export interface Choice {
  readonly offers: readonly Offer[]
  /** The effort that the prompt asked for in words, to be set on the request; null leaves the request as it is. */
  readonly effort: Effort | null
  readonly note: StageNote
}

/** A model that can take the request, with what decides its place. */
interface Fit {
  readonly from: Choosable
  /** Atto-dollars of the estimated request where it is cheapest. */
  readonly cost: number
  readonly tier: CostTier
  /** Every endpoint of it drops a parameter that the request has better honoured. */
  readonly lacking: boolean
  /** Every endpoint of it fails at present. */
  readonly failing: boolean
  readonly slow: boolean
}

/**
 * Chooses the models for a router reference. Pure: the same arguments and draws give the same choice, and nothing is
 * asked of any model. Only models that can take the request here, under all of its preferences, are chosen among; a
 * prompt that cannot be read counts as one of the default task.
 *
 * `auto`: the task says which fifth of the models by cost is meant and whether reasoning helps; the heads of
 * families in wide use come before others, then the newest. `free`: one of the models that cost nothing, drawn. `fusion`:
 * a panel by the rule of its preset, whose first writes the answer.
 */
export function chooseModels(of: RouterCase): Choice | { readonly fault: Fault } {
  const { reference, rules, given } = of
  const wishes = readWishes(given)
  if (reference.router === 'fusion') return panelOf(of, wishes)
  const intent = intentOf(of)
  const rejections = new Map<string, number>()
  const fitting = fitsOf(of, wishes, rejections)
  if (fitting.length === 0) return { fault: nothingLeft(of, rejections) }

  const able = preferring(fitting, (fit) => !fit.lacking)
  const thinking = intent?.effort ? able.filter((fit) => fit.from.offer.model.reasoning.supported) : []
  const effort = thinking.length > 0 ? intent!.effort : null
  const among = effort ? thinking : able
  const count = wishes.single ? 1 : rules.models
  if (reference.router === 'free') return drawn(of, among, count, effort)

  const task = intent?.task ?? rules.defaultTask
  const rule = rules.tasks[task] ?? rules.tasks[rules.defaultTask]!
  const wanted = of.settings.costTier ?? (effort ? nextTier(rule.costTier) : rule.costTier)
  const chosen = rankedBy(among, rule.models, wanted, rule.reasoning).slice(0, count)
  return {
    offers: chosen.map((fit) => offerOf(fit, of)),
    effort: effort?.effort ?? null,
    note: {
      type: 'plugin',
      name: 'auto-router',
      summary: `${task}, ${wanted}: ${namesOf(chosen)} (of ${fitting.length} that fit)`,
      data: {
        task,
        because: intent === null ? ['the prompt could not be read'] : intent.seen.length > 0 ? intent.seen : ['nothing in the prompt was recognised'],
        cost_tier: wanted,
        ...effortData(effort),
        fit: fitting.length,
        considered: of.pool.length,
        models: chosen.map((fit) => ({
          model: fit.from.offer.model.id, cost_tier: fit.tier, estimated_cost: fit.cost / 1e18, reasons: reasonsOf(fit, rule.models, wanted, rule.reasoning),
        })),
      },
    },
  }
}

/**
 * The panel of a preset: models of its cost tier or the nearest to it, as for `auto`, but of different authors while there
 * are such. All of them can take the request.
 */
function panelOf(of: RouterCase, wishes: Wishes): Choice | { readonly fault: Fault } {
  const preset = of.reference.preset ?? USUAL_PANEL
  const rule = Object.hasOwn(PANELS, preset) ? PANELS[preset]! : null
  if (rule === null) return { fault: fault('invalid-request', `must be one of ${Object.keys(PANELS).join(', ')}, is ${JSON.stringify(preset.slice(0, 60))}`, { field: 'preset' }) }
  const rejections = new Map<string, number>()
  const fitting = fitsOf(rule.slowSeconds === undefined ? of : { ...of, rules: { ...of.rules, slowSeconds: rule.slowSeconds } }, wishes, rejections)
  if (fitting.length === 0) return { fault: nothingLeft(of, rejections) }
  const able = preferring(fitting, (fit) => !fit.lacking)
  const ranked = rankedBy(able, [], rule.costTier, rule.reasoning)
  const authors = new Set<string>()
  const apart = ranked.filter(({ from: { offer: { model } } }) => !authors.has(model.author) && authors.add(model.author))
  const chosen = [...apart, ...ranked.filter((fit) => !apart.includes(fit))].slice(0, PANEL_SIZE)
  return {
    offers: chosen.map((fit) => offerOf(fit, of)),
    effort: null,
    note: {
      type: 'plugin',
      name: 'fusion',
      summary: `${preset}: ${namesOf(chosen)} (of ${fitting.length} that fit)`,
      data: {
        preset, cost_tier: rule.costTier, fit: fitting.length, considered: of.pool.length,
        models: chosen.map((fit) => ({
          model: fit.from.offer.model.id, cost_tier: fit.tier, estimated_cost: fit.cost / 1e18, reasons: reasonsOf(fit, [], rule.costTier, rule.reasoning),
        })),
      },
    },
  }
}

function rankedBy(fits: readonly Fit[], named: readonly string[], wanted: CostTier, reasoning: boolean): readonly Fit[] {
  return fits.map((fit) => ({ fit, key: keyOf(fit, named, wanted, reasoning) }))
    .toSorted((a, b) => byKey(a.key, b.key) || (a.fit.from.offer.model.id < b.fit.from.offer.model.id ? -1 : 1))
    .map(({ fit }) => fit)
}

/** Reading a prompt is a guess, and a guess that fails must not fail the request. */
function intentOf({ request, rules }: RouterCase): Intent | null {
  try {
    return readIntent(request, rules)
  } catch {
    return null
  }
}

function drawn(of: RouterCase, among: readonly Fit[], count: number, effort: Intent['effort']): Choice {
  const chosen = among.map((fit) => ({ fit, key: (fit.failing ? 1 : 0) + of.given.random() }))
    .toSorted((a, b) => a.key - b.key).slice(0, count).map(({ fit }) => fit)
  return {
    offers: chosen.map((fit) => offerOf(fit, of)),
    effort: effort?.effort ?? null,
    note: {
      type: 'plugin',
      name: 'free-router',
      summary: `drawn: ${namesOf(chosen)} (of ${among.length} free models that fit)`,
      data: { ...effortData(effort), fit: among.length, considered: of.pool.length, models: chosen.map((fit) => ({ model: fit.from.offer.model.id })) },
    },
  }
}

function effortData(effort: Intent['effort']): Readonly<Record<string, unknown>> {
  return effort ? { effort: effort.effort, effort_because: effort.words } : {}
}

function fitsOf(of: RouterCase, wishes: Wishes, rejections: Map<string, number>): readonly Fit[] {
  const { need, given, settings, reference } = of
  const preferred = preferredOf(need.parameters)
  const output = expectedOutput(need, given.policy)
  const found: Omit<Fit, 'tier'>[] = []
  const reject = (why: string): void => void rejections.set(why, (rejections.get(why) ?? 0) + 1)
  for (const from of of.pool) {
    if (!permitted(from, settings)) {
      reject('the allowed_models and excluded_models of the auto-router leave them out')
      continue
    }
    const judged = caseOf(need, offerOf({ from }, of), wishes, given)
    const endpoints: Endpoint[] = []
    let why: RejectionReason | null = null
    for (const endpoint of from.offer.endpoints) {
      const no = whyNot(endpoint, judged)
      if (no === null) endpoints.push(endpoint)
      else if (no !== 'tier' || why === null) why = no
    }
    if (endpoints.length > 0) found.push(fitOf(from, endpoints, output, preferred, of))
    else reject(why === 'variant' && reference.router === 'free' ? 'they are not free' : REJECTIONS[why ?? 'disabled'])
  }
  // A row of its own for a free variant has limits of its own, which a request that may cost something does not want.
  const fits = reference.router !== 'free' ? preferring(found, (fit) => !fit.from.freeVariant) : found
  return tiered(fits)
}

function permitted({ offer, aliases }: Choosable, { allowed, excluded }: RouterSettings): boolean {
  const names = [offer.model.id, ...aliases]
  const any = (patterns: readonly string[]): boolean => patterns.some((pattern) => names.some((name) => matchesPattern(pattern, name)))
  return (allowed === null || any(allowed)) && !any(excluded)
}

function fitOf(from: Choosable, endpoints: readonly Endpoint[], output: number, preferred: readonly string[], of: RouterCase): Omit<Fit, 'tier'> {
  const { health, now } = of.given
  const well = endpoints.filter((it) => !health.unstable(it.id, now) && (health.standing?.(it.id, now)?.state ?? 'ramping') === 'ramping')
  return {
    from,
    cost: Math.min(...endpoints.map((it) => estimatedCost(it.price!, of.need, output))),
    lacking: preferred.length > 0 && endpoints.every((it) => preferred.some((parameter) => lacks(it, parameter))),
    failing: well.length === 0,
    slow: well.length > 0 && well.every((it) => secondsFor(it, output, of) > of.rules.slowSeconds),
  }
}

/** What an answer of the expected length took of late; what nobody measured is not slow. */
function secondsFor(endpoint: Endpoint, output: number, { given }: RouterCase): number {
  const figures = given.health.figures(endpoint.id, given.now)
  return (figures?.latency?.p50 ?? 0) / 1000 + (figures?.throughput ? output / figures.throughput.p50 : 0)
}

/** Fifths by the place among all that fit: a band, not a ceiling. */
function tiered(fits: readonly Omit<Fit, 'tier'>[]): readonly Fit[] {
  return fits.toSorted((a, b) => a.cost - b.cost)
    .map((fit, place) => ({ ...fit, tier: COST_TIERS[Math.floor(place * COST_TIERS.length / fits.length)]! }))
}

function preferring<T>(all: readonly T[], test: (one: T) => boolean): readonly T[] {
  const some = all.filter(test)
  return some.length > 0 ? some : all
}

function nextTier(tier: CostTier): CostTier {
  return COST_TIERS[Math.min(COST_TIERS.indexOf(tier) + 1, COST_TIERS.length - 1)]!
}

/** The reasons for a place from the strongest to the weakest; lower comes first. */
function keyOf(fit: Fit, named: readonly string[], wanted: CostTier, reasoning: boolean): readonly number[] {
  const { offer, released, aliases } = fit.from
  const distance = COST_TIERS.indexOf(fit.tier) - COST_TIERS.indexOf(wanted)
  return [
    fit.failing ? 1 : 0,
    fit.slow ? 1 : 0,
    placeAmong(named, fit.from),
    // Of two tiers as far off, the cheaper. What no moving alias stands for counts as one tier further off, so that a
    // model that nobody has heard of is not the second choice because it came out last week.
    (distance > 0 ? 2 * distance : -2 * distance - (distance < 0 ? 1 : 0)) + (aliases.length > 0 ? 0 : 2.5),
    reasoning && !offer.model.reasoning.supported ? 1 : 0,
    offer.model.status === 'active' ? 0 : 1,
    -released,
    fit.cost,
  ]
}

function byKey(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((key, i) => key !== b[i])
  return at < 0 ? 0 : a[at]! - b[at]!
}

function placeAmong(named: readonly string[], { offer, aliases }: Choosable): number {
  const at = named.findIndex((pattern) => [offer.model.id, ...aliases].some((name) => matchesPattern(pattern, name)))
  return at < 0 ? named.length : at
}

function reasonsOf(fit: Fit, named: readonly string[], wanted: CostTier, reasoning: boolean): readonly string[] {
  const { offer, aliases, released } = fit.from
  return [
    ...placeAmong(named, fit.from) < named.length ? ["named by the task's rule"] : [],
    fit.tier === wanted ? `of the cost tier ${wanted}` : `of the cost tier ${fit.tier}, the nearest that is left`,
    ...reasoning && offer.model.reasoning.supported ? ['reasons'] : [],
    ...aliases.length > 0 ? [`stands for ${aliases.join(', ')}`] : [],
    ...released > 0 ? [`released ${new Date(released * 1000).toISOString().slice(0, 10)}`] : [],
    ...fit.slow ? ['measured to be slow'] : [],
    ...fit.failing ? ['failing at present'] : [],
  ]
}

function offerOf({ from }: Pick<Fit, 'from'>, { reference }: RouterCase): Offer {
  const { router, requested, variants } = reference
  return { ...from.offer, requested, variants: router === 'free' ? [...variants, 'free'] : variants, via: router }
}

function namesOf(chosen: readonly Fit[]): string {
  return chosen.map((fit) => fit.from.offer.model.id).join(', then ')
}

/** In the words that OpenRouter's clients know, then why, the most frequent reason first. */
function nothingLeft({ reference, pool }: RouterCase, rejections: ReadonlyMap<string, number>): Fault {
  const reasons = [...rejections].toSorted((a, b) => b[1] - a[1]).map(([why, count]) => `${count === 1 ? '1 model' : `${count} models`}: ${why}`)
  const said = reasons.length > 0 ? ` Of ${pool.length} that can be called here, ${reasons.join('; ')}.` : ''
  return fault('no-endpoint', `No models match your request and model restrictions.${said}`, {
    field: 'model',
    availability: { code: pool.length > 0 ? 'constraint_filtered' : 'no_endpoints', retryable: false, requested_models: [reference.requested] },
  })
}
