/** The server: the one table of routes with who may call each, the surfaces that callers speak, streams, limits, and the document of the API. */
export { createHttp, type Http } from './server.ts'
export type { Log, Services } from './services.ts'
export { createIds } from './ids.ts'
export { HTTP_LIMITS, type HttpLimits } from './limits.ts'
export { createConformance, openApiOf, type OpenApi, type Recorded } from './openapi.ts'
