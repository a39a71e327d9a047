/** The story of one call: stages, plan, attempts until one commits, metering, record. */
export { createGateway, type GatewayParts, type Past, type Timeouts } from './gateway.ts'
export type { Call, Explaining, Explanation, Gateway, Outcome } from './call.ts'
export { readExplaining } from './explaining.ts'
export { createTokenCounter, type TokenCounter } from './tokens.ts'
