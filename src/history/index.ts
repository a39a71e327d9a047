/** What routing stood on at past moments: health, catalogue and policy, so that a decision can be explained afterwards. */
export { createHistory, type History, type Kept, type Recalled } from './history.ts'
