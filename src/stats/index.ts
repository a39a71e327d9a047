/** The record of generations, what they add up to by minute, hour and day, and the figures that are told from that. */
export { createStats, type Stats } from './stats.ts'
export {
  createFigures, percentilesIn, uptimeOf, type Figures, type Span, type Total,
} from './figures.ts'
export { createRollups, type Rollups } from './rollups.ts'
