/** Work that one node of many does in the background, again and again; probes of endpoints that nobody calls. */
export { createJobs, type Jobs } from './jobs.ts'
export { createProbes, tinyRequest, type ProbeResult, type Probes, type ProbeStanding } from './probes.ts'
