/**
 * One language for shapes: zod says them, JSON Schema publishes them, ajv checks them. Faults name the deepest
 * path that is wrong, what was found there, and what would be right.
 */
export { createJudge, type Judge } from './judge.ts'
export { checker, jsonSchemaOf, type Checker, type Issue } from './check.ts'
export { providerPreferences, type ProviderPreferences } from './preferences.ts'
export { z } from 'zod'
