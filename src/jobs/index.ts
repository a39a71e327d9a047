/** Work that one node of many does in the background, again and again. */
export { createJobs, type Jobs } from './jobs.ts'
