/** What was done: the record of every call, written in batches behind the callers' backs, found again at once. */
export { createStats, type Stats } from './stats.ts'
