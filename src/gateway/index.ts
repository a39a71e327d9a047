/** The story of one call: stages, plan, attempts until one commits, metering, record. */
export { createGateway, type Alarm, type GatewayParts, type Past, type Timeouts } from './gateway.ts'
export type { Call, Explaining, Explanation, Gateway, Outcome } from './call.ts'
export { readExplaining } from './explaining.ts'
export { createTokenCounter, type TokenCounter } from './tokens.ts'
export { createAdmission, type Admission, type AdmissionFigures, type AdmissionLimits } from './admission.ts'
export { createUpstreams, type Upstreams, type UpstreamFigures } from './upstreams.ts'
export type { PlacesRules } from './places.ts'
export { createLargeBodies, LARGE_BYTES, type LargeBodies, type LargeBody } from './large.ts'
