/** Which endpoints may answer a request, in what order and why: pure, with a bounded memory of health beside it. */
export { plan, type Placed, type RoutePlan } from './plan.ts'
export { explain, type PlanExplanation, type SeenHealth } from './explain.ts'
export { planFault } from './failure.ts'
export { lacks } from './parameters.ts'
export { fitOf, outputOffered, type Fit } from './fit.ts'
export { DEFAULT_POLICY, type Figures, type Given, type HealthView, type RoutingPolicy } from './given.ts'
export { POLICY_WORDS, readPolicy } from './overrides.ts'
export { measuredIn, viewOf, type HealthSummary, type SummaryEntry } from './summary.ts'
export { createAffinity, AFFINITY_RULES, type Affinity, type AffinityRules, type Conversation, type Sticky } from './affinity.ts'
export { chooseModels, type Choice, type RouterCase } from './router.ts'
export { COST_TIERS, ROUTER_RULES, routerRules, type RouterChanges, type RouterRules } from './router-rules.ts'
export { matchesPattern, NO_SETTINGS, readRouterSettings, type RouterSettings } from './router-settings.ts'
export type { Standing } from './circuit.ts'
export {
  afterAttempt, createHealth, figuresOf, hadOutage, HEALTH_RULES, scopeOf, UNKNOWN_HEALTH,
  type EndpointHealth, type Health, type HealthRules, type Observation, type Scope,
} from './health.ts'
