/** The record of generations, what they add up to by minute, hour and day, the figures that are told from that, and what lists asked meanwhile. */
export { createStats, type Stats } from './stats.ts'
export {
  availabilityOf, beginOf, createFigures, hitRateOf, paidPerMillionOf, percentOf, speedOf, uptimeOf, type Asked, type Figures, type Span, type Speed, type Stretch, type Sum, type Total, type Where,
} from './figures.ts'
export { APP_CATEGORIES, appNumber, createApps, isLocalApp, isOfCategory, type App, type AppClaim, type Apps } from './apps.ts'
export { createDemoTraffic, type DemoTraffic } from './demo-traffic.ts'
export { demoCalls, DEMO_WORKSPACE, type DemoGiven } from './demo-calls.ts'
export { createParameters, PARAMETER_DAYS, toldParameters, type ParameterFigures, type Parameters } from './parameters.ts'
export {
  createPrices, listPerMillionOf, PRICE_RANGES, type EndpointPrices, type ListPricing, type PaidPrice, type PriceHistory, type PriceRange, type Prices,
} from './prices.ts'
export { createRankings, type Board, type Period, type Ranked, type Rankings } from './rankings.ts'
export { createRollups, LONG_STEP, type Rollups } from './rollups.ts'
