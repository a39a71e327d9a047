import { fault, FaultError } from '../../core/index.ts'
import { z } from '../../schema/index.ts'
import { PARAMETER_DAYS, toldParameters } from '../../stats/index.ts'
import { api, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const figure = z.number().nullable()
const Reply = z.object({
  data: z.looseObject({
    model: z.string(), supported_parameters: z.array(z.string()),
    parameters: z.record(z.string(), z.object({
      default: z.number(), requests: z.int().describe(`Of the last ${PARAMETER_DAYS} days, that set it`),
      waiting: z.string().nullable().describe('Why there are no percentiles, and what would bring them'), p10: figure, p50: figure, p90: figure,
    })),
  }).describe('Beside `parameters` each percentile by a name of its own, as `temperature_p50`'),
})

/** What callers set the sampling parameters of a model to. A key is no visitor: it is told from fifty requests on, whosever they are. */
export function parameterRoutes(services: Services): readonly Route[] {
  return [{
    name: 'getParameters', methods: ['GET'], paths: api('/parameters/{author}/{slug}'), tag: 'Statistics', policy: 'key',
    summary: 'The parameters that a model takes, and what callers here set the sampling ones to: p10, p50 and p90',
    params: z.object({ author: z.string(), slug: z.string() }),
    replies: { 200: { description: 'The parameters', schema: Reply } }, errors: ['not-found'],
    async handle(x) {
      const at = services.catalog.snapshot()
      const id = `${x.params['author']}/${x.params['slug']}`
      const entry = at.model(id)
      if (!entry) throw new FaultError(fault('not-found', `There is no model ${id.slice(0, 200)}`))
      const figures = await services.parameters.of((at.targetOf(entry) ?? entry).row.id)
      const told = toldParameters({ figures, published: entry.row.default_parameters, minKeys: 1 })
      const parameters = told.map(({ name, default: usual, requests, waiting, p10, p50, p90 }) => [name, { default: usual, requests, waiting, p10, p50, p90 }])
      const flat = told.flatMap(({ name, p10, p50, p90 }) => [[`${name}_p10`, p10], [`${name}_p50`, p50], [`${name}_p90`, p90]])
      return { json: { data: { model: entry.row.id, supported_parameters: entry.row.supported_parameters, parameters: Object.fromEntries(parameters), ...Object.fromEntries(flat), ...(await services.figures.isDemo() && { demo_traffic: true }) } } }
    },
  }]
}
