import type { ModelView } from '../../../src/site.ts'

/** How far back speed is looked at, and by which of its percentiles. */
export const WINDOWS = [['1h', 'hour'], ['1d', '24 hours'], ['7d', '7 days'], ['30d', '30 days']] as const
export const RANKS = ['p50', 'p75', 'p90', 'p99'] as const

/** The sections of a model's page, each also at an address of its own; one that a model has nothing for is not linked. */
export const SECTIONS = [
  ['providers', 'Providers', () => true],
  ['performance', 'Performance', isSold],
  ['pricing', 'Pricing', isSold],
  ['benchmarks', 'Benchmarks', ({ benchmarks }: ModelView) => benchmarks.length > 0],
  ['uptime', 'Uptime', isSold],
  ['activity', 'Activity', isSold],
  ['apps', 'Apps', isSold],
  ['parameters', 'Parameters', ({ parameters }: ModelView) => parameters.length > 0],
  // What cannot be asked through this instance has no sample that would work.
  ['api', 'API', ({ kind, status }: ModelView) => ['chat', 'alias', 'router'].includes(kind) && status !== 'retired'],
] as const satisfies readonly (readonly [string, string, (model: ModelView) => boolean])[]

export type SectionName = (typeof SECTIONS)[number][0]

export function sectionsOf(model: ModelView): readonly (readonly [SectionName, string])[] {
  return SECTIONS.filter(([, , shows]) => shows(model)).map(([name, title]) => [name, title] as const)
}

/** Endpoints that a provider sells; the simulation is not for sale. */
export const soldOf = ({ endpoints }: ModelView) => endpoints.filter(({ simulated }) => !simulated)

function isSold(model: ModelView): boolean {
  return soldOf(model).length > 0
}
