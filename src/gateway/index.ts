/** The story of one call: stages, plan, attempts until one commits, metering, record. */
export { createGateway, type GatewayParts, type Timeouts } from './gateway.ts'
export type { Call, Explanation, Gateway, Outcome } from './call.ts'
export { createTokenCounter, type TokenCounter } from './tokens.ts'
