import type { Metrics } from '../metrics.ts'
import type { Route } from '../route.ts'
import type { Services } from '../services.ts'
import { HealthShape } from './shapes.ts'

const NO_STORE = ['Cache-Control', 'no-store']

export function healthRoutes(services: Services, metrics: Metrics, draining: () => boolean): readonly Route[] {
  return [
    {
      name: 'healthz', methods: ['GET'], paths: ['/healthz'], tag: 'Operation', policy: 'none',
      summary: 'Whether the process runs',
      replies: { 200: { description: 'It does', schema: HealthShape } }, errors: [],
      handle: () => ({ json: { status: 'ok', version: services.version }, headers: NO_STORE }),
    },
    {
      name: 'readyz', methods: ['GET'], paths: ['/readyz'], tag: 'Operation', policy: 'none', moves: true,
      summary: 'Whether requests should be sent here: not while the server is stopping or cannot reach its database',
      replies: { 200: { description: 'They should', schema: HealthShape }, 503: { description: 'They should not', schema: HealthShape } },
      errors: [],
      async handle() {
        const why = draining() ? 'stopping' : await services.ready?.() ?? null
        return { status: why === null ? 200 : 503, json: { status: why ?? 'ready' }, headers: NO_STORE }
      },
    },
    {
      name: 'metrics', methods: ['GET'], paths: ['/metrics'], tag: 'Operation', policy: 'operator', moves: true,
      summary: 'Figures for Prometheus; only to programs on this machine, to others there is no such address',
      replies: { 200: { description: 'Prometheus text format', type: 'text/plain' } }, errors: ['not-found'],
      handle: async () => ({ text: await metrics.render(), type: metrics.type, headers: NO_STORE }),
    },
  ]
}
