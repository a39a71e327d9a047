/** The only door outward: connection pools to providers, deadlines, and the guarded way to addresses that tenants name. */
export { createNet, type Net, type OutboundRequest, type OutboundResponse } from './net.ts'
export { createGuardedFetch, type GuardedFetch } from './guarded.ts'
